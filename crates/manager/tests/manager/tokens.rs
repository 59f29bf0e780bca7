//! Who may do what beyond loopback: tokens and their roles, logging in, and what is told to who may not.

use std::time::{Duration, Instant, SystemTime};

use manyeyes_manager::{
    api::{NewBatch, Session, SessionRole, Uploaded},
    tokens::{NewToken, Role, create, revoke},
};

use super::{PATIENCE, Running, http, http::Client, jpeg, page::Page, worker::Worker};

/// A manager that asks for tokens.
struct Guarded {
    running: Running,
    /// Who has none.
    anybody: Client,
    owner: String,
}

impl Guarded {
    async fn start() -> Self {
        let running = Running::with(|settings| settings.listen = ([0, 0, 0, 0], 0).into()).await;
        let anybody = Client::new(([127, 0, 0, 1], running.manager.http_addr().port()).into());
        let url = running.manager.page_url();
        let owner = url.split_once("/#token=").expect("the address has the token").1.to_owned();
        Self { running, anybody, owner }
    }

    fn with(&self, token: &str) -> Client {
        self.anybody.with(&format!("Authorization: Bearer {token}"))
    }

    fn owner(&self) -> Client {
        self.with(&self.owner)
    }

    /// A token of this role, and its id.
    fn token(&self, role: Role) -> (String, String) {
        self.lasting(role, SystemTime::now(), None)
    }

    fn lasting(&self, role: Role, made: SystemTime, expires_in: Option<Duration>) -> (String, String) {
        let wanted = NewToken { role, name: "test".to_owned(), expires_in };
        let created = create(self.running.folder.path(), wanted, made).unwrap();
        (created.secret, created.entry.id)
    }

    fn revoke(&self, id: &str) {
        revoke(self.running.folder.path(), id, SystemTime::now()).unwrap();
    }

    /// A batch with an image that was uploaded by the owner.
    async fn batch(&self) -> (String, String) {
        let batch = self.owner().post("/api/v1/batches", "", b"").await.json::<NewBatch>().id;
        let path = format!("/api/v1/batches/{batch}/images?name=a.jpg");
        let uploaded = self.owner().post(&path, "", &jpeg(1)).await.json::<Uploaded>();
        (batch, uploaded.images[0].id.clone())
    }

    /// Waits until the client is answered so.
    async fn until(&self, client: &Client, status: u16, code: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = client.get("/readyz").await;
            if (answer.status, answer.code().as_str()) == (status, code) {
                return;
            }
            assert!(Instant::now() < deadline, "still {} {}", answer.status, answer.text());
            tokio::task::yield_now().await;
        }
    }

    async fn log_in(&self, client: &Client, token: &str) -> http::Answer {
        let body = serde_json::json!({ "token": token }).to_string();
        client.post("/api/v1/session", "application/json", body.as_bytes()).await
    }
}

/// Every address, with the least role that is let in. `None`: nobody is asked for a token.
#[tokio::test]
async fn each_address_asks_for_its_role_and_a_smaller_one_is_told_so() {
    use Role::{Operator, Uploader};
    let guarded = Guarded::start().await;
    let (batch, image) = guarded.batch().await;
    let batch = format!("/api/v1/batches/{batch}");
    let image = format!("{batch}/images/{image}");
    let of_batch = |rest: &str| format!("{batch}{rest}");
    let of_image = |rest: &str| format!("{image}{rest}");
    let task = batch.replace("/api/v1/batches", "/upload");
    let rows: Vec<(&str, String, Option<Role>)> = vec![
        ("GET", "/".to_owned(), None),
        ("GET", "/healthz".to_owned(), None),
        ("GET", "/api/v1/session".to_owned(), None),
        ("DELETE", "/api/v1/session".to_owned(), None),
        ("OPTIONS", "/api/task".to_owned(), None),
        ("GET", batch.clone(), None),
        ("GET", of_batch("/export.csv"), None),
        ("GET", of_batch("/export.json"), None),
        ("GET", of_batch("/events"), None),
        ("GET", image.clone(), None),
        ("GET", of_image("/file"), None),
        ("GET", of_image("/thumbnail"), None),
        ("GET", task, None),
        ("GET", "/readyz".to_owned(), Some(Uploader)),
        ("POST", "/api/v1/batches".to_owned(), Some(Uploader)),
        ("POST", of_batch("/images"), Some(Uploader)),
        ("POST", of_batch("/known"), Some(Uploader)),
        ("POST", of_batch("/retry"), Some(Uploader)),
        ("POST", of_batch("/cancel"), Some(Uploader)),
        ("POST", of_image("/retry"), Some(Uploader)),
        ("POST", of_image("/cancel"), Some(Uploader)),
        ("POST", "/api/v1/classify?timeout=0".to_owned(), Some(Uploader)),
        ("POST", "/api/task".to_owned(), Some(Uploader)),
        ("GET", "/api/v1/workers".to_owned(), Some(Operator)),
        ("GET", "/api/v1/model".to_owned(), Some(Operator)),
        ("GET", "/metrics".to_owned(), Some(Operator)),
        ("POST", of_batch("/delete"), Some(Operator)),
        ("DELETE", of_image(""), Some(Operator)),
        ("DELETE", batch.clone(), Some(Operator)),
    ];
    let [worker, uploader, operator] =
        [Role::Worker, Uploader, Operator].map(|role| guarded.with(&guarded.token(role).0));
    for (method, path, wanted) in rows {
        // The last is let in everywhere, and what it is asked to delete is gone then.
        for (who, client) in
            [("anybody", &guarded.anybody), ("worker", &worker), ("uploader", &uploader), ("operator", &operator)]
        {
            let answer = client.request(method, &path, "", b"").await;
            let refused = match (wanted, who) {
                (Some(_), "anybody") => Some((401, "token_needed")),
                (Some(_), "worker") | (Some(Operator), "uploader") => Some((403, "role_too_small")),
                _ => None,
            };
            match refused {
                Some((status, code)) => {
                    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{who}: {method} {path}");
                }
                None => assert!(![401, 403].contains(&answer.status), "{who}: {method} {path}: {}", answer.text()),
            }
        }
    }
}

#[tokio::test]
async fn who_knows_a_batch_sees_all_of_it_and_none_other_without_a_token() {
    let guarded = Guarded::start().await;
    let (batch, image) = guarded.batch().await;
    let file = guarded.anybody.get(&format!("/api/v1/batches/{batch}/images/{image}/file")).await;
    assert_eq!((file.status, file.body), (200, jpeg(1)));
    let mut guess = batch.clone().into_bytes();
    guess[0] = if guess[0] == b'a' { b'b' } else { b'a' };
    let guess = String::from_utf8(guess).unwrap();
    assert_eq!(guarded.anybody.get(&format!("/api/v1/batches/{guess}")).await.code(), "no_such_batch");
    let (other, _) = guarded.batch().await;
    let elsewhere = guarded.anybody.get(&format!("/api/v1/batches/{other}/images/{image}")).await;
    assert_eq!(elsewhere.code(), "no_such_image", "an image is of one batch");
}

#[tokio::test]
async fn a_token_that_has_ended_says_which_and_a_guess_is_told_nothing() {
    let guarded = Guarded::start().await;
    let (made, minute) = (SystemTime::now() - Duration::from_secs(3600), Duration::from_secs(60));
    let (expired, _) = guarded.lasting(Role::Operator, made, Some(minute));
    let (revoked, id) = guarded.token(Role::Operator);
    guarded.revoke(&id);
    for (token, code, said) in [
        (expired.as_str(), "token_expired", "this token expired on "),
        (&revoked, "token_revoked", "this token was revoked on "),
        ("guess", "token_unknown", "not one of this manager's"),
    ] {
        let answer = guarded.with(token).get("/api/v1/workers").await;
        assert_eq!((answer.status, answer.code().as_str()), (401, code));
        assert!(answer.text().contains(said), "{}", answer.text());
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
}

#[tokio::test]
async fn a_token_that_is_made_or_revoked_beside_the_manager_counts_by_itself() {
    let guarded = Guarded::start().await;
    guarded.until(&guarded.with("guess"), 401, "token_unknown").await;
    let (token, id) = guarded.token(Role::Uploader);
    let client = guarded.with(&token);
    guarded.until(&client, 503, "not_ready").await;
    guarded.revoke(&id);
    guarded.until(&client, 401, "token_revoked").await;
}

#[tokio::test]
async fn who_logs_in_has_a_cookie_that_no_script_and_no_other_site_can_use_and_logging_out_ends_it() {
    let guarded = Guarded::start().await;
    let session = |answer: http::Answer| answer.json::<Session>();
    let outside = session(guarded.anybody.get("/api/v1/session").await);
    assert_eq!((outside.role, outside.needs_token, outside.problem), (SessionRole::Viewer, true, None));

    let (token, _) = guarded.lasting(Role::Uploader, SystemTime::now(), Some(Duration::from_secs(3600)));
    let inside = guarded.log_in(&guarded.anybody, &token).await;
    let cookie = inside.headers["set-cookie"].clone();
    assert_eq!((inside.status, session(inside).role), (200, SessionRole::Uploader));
    let port = guarded.anybody.address.port();
    // Two managers on one host would take each other's cookie away.
    assert!(
        cookie.starts_with(&format!("manyeyes_token_{port}={token}; Path=/; HttpOnly; SameSite=Strict; ")),
        "{cookie}"
    );
    let lasts: u64 = cookie.split_once("Max-Age=").unwrap().1.parse().unwrap();
    assert!((3500..=3600).contains(&lasts), "as long as the token: {cookie}");
    let with_cookie = guarded.anybody.with(&format!("Cookie: {}", cookie.split(';').next().unwrap()));
    assert_eq!(session(with_cookie.get("/api/v1/session").await).role, SessionRole::Uploader);
    assert_eq!(with_cookie.post("/api/v1/batches", "", b"").await.status, 201);

    let out = with_cookie.request("DELETE", "/api/v1/session", "", b"").await;
    assert_eq!(out.status, 204);
    assert!(out.headers["set-cookie"].starts_with(&format!("manyeyes_token_{port}=; ")), "{:?}", out.headers);
    assert!(out.headers["set-cookie"].contains("Max-Age=0"));
}

#[tokio::test]
async fn a_page_that_came_by_tls_has_its_cookie_sent_by_tls_only() {
    let guarded = Guarded::start().await;
    let host = guarded.anybody.address;
    for (scheme, secure) in [("http", false), ("https", true)] {
        let browser = guarded.anybody.with(&format!("Origin: {scheme}://{host}"));
        let cookie = &guarded.log_in(&browser, &guarded.owner).await.headers["set-cookie"];
        assert_eq!(cookie.contains("; Secure"), secure, "{cookie}");
    }
}

#[tokio::test]
async fn who_cannot_log_in_is_told_why_and_gets_no_cookie() {
    let guarded = Guarded::start().await;
    let (worker, _) = guarded.token(Role::Worker);
    for (token, status, code) in
        [("guess", 401, "token_unknown"), ("", 401, "token_unknown"), (&worker, 403, "role_too_small")]
    {
        let answer = guarded.log_in(&guarded.anybody, token).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{token}");
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    let no_json = guarded.anybody.post("/api/v1/session", "application/x-www-form-urlencoded", b"token=x").await;
    assert_eq!((no_json.status, no_json.code().as_str()), (400, "bad_request"));
    let stale = guarded.with("guess").get("/api/v1/session").await.json::<Session>();
    assert_eq!((stale.role, stale.problem.unwrap().code.as_str()), (SessionRole::Viewer, "token_unknown"));
}

/// With another's address no one is held up; and who shares one with a guesser is let in by a program's header.
#[tokio::test]
async fn who_tries_many_wrong_tokens_has_to_wait_and_nobody_else_has() {
    let guarded = Guarded::start().await;
    for _ in 0..10 {
        assert_eq!(guarded.log_in(&guarded.anybody, "guess").await.status, 401);
    }
    for token in ["guess", &guarded.owner] {
        let held = guarded.log_in(&guarded.anybody, token).await;
        assert_eq!((held.status, held.code().as_str()), (429, "too_many_tries"));
        let wait: u64 = held.headers["retry-after"].parse().unwrap();
        assert!((1..=6).contains(&wait), "{wait}");
    }
    assert_eq!(guarded.with("guess").get("/api/v1/workers").await.status, 429);
    assert_eq!(guarded.owner().get("/api/v1/workers").await.status, 200);
    assert_eq!(guarded.log_in(&guarded.anybody.from(2), &guarded.owner).await.status, 200);
}

#[tokio::test]
async fn where_no_token_is_asked_for_everybody_is_an_operator() {
    let running = Running::start().await;
    let session = running.client.get("/api/v1/session").await.json::<Session>();
    assert_eq!((session.role, session.needs_token), (SessionRole::Operator, false));
    let answer = running.client.post("/api/v1/session", "application/json", b"{\"token\":\"any\"}").await;
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.contains_key("set-cookie"), "there is nothing to keep");
}

#[tokio::test]
async fn the_events_of_a_batch_tell_of_workers_to_an_operator_only() {
    let guarded = Guarded::start().await;
    let (batch, _) = guarded.batch().await;
    let (uploader, _) = guarded.token(Role::Uploader);
    let mut operator = Page::open_with(&guarded.running, &batch, Some(&guarded.owner)).await;
    let mut others = Vec::new();
    for token in [None, Some(uploader.as_str()), Some("guess")] {
        others.push(Page::open_with(&guarded.running, &batch, token).await);
    }
    let _worker = Worker::start(guarded.running.manager.worker_addr(), "eye");
    operator.until(|page| page.status.as_ref().is_some_and(|status| !status.workers.is_empty())).await;
    operator.until(|page| page.status.as_ref().is_some_and(|status| !status.happenings.is_empty())).await;
    for page in &mut others {
        // What the batch's own answer shows came after the worker.
        page.until(|page| page.status.as_ref().is_some_and(|status| status.counts.recognised == 1)).await;
        let status = page.status.as_ref().unwrap();
        assert!(status.workers.is_empty() && status.happenings.is_empty(), "{status:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_revoked_ends_the_events_that_were_opened_with_it_and_says_so() {
    let guarded = Guarded::start().await;
    let (batch, _) = guarded.batch().await;
    let (token, id) = guarded.token(Role::Uploader);
    let mut with_token = Page::open_with(&guarded.running, &batch, Some(&token)).await;
    let mut by_address = Page::open_with(&guarded.running, &batch, None).await;
    guarded.revoke(&id);
    assert_eq!(with_token.until_closed().await, Some((4401, "token_revoked".to_owned())));
    guarded.owner().request("DELETE", &format!("/api/v1/batches/{batch}"), "", b"").await;
    by_address.until(|page| page.is_gone).await;
}

/// Login CSRF: a site that logs its visitor in with its own token would have what they upload.
#[tokio::test]
async fn another_web_site_can_neither_log_somebody_in_nor_out_nor_listen() {
    let guarded = Guarded::start().await;
    let (batch, _) = guarded.batch().await;
    let evil = guarded.anybody.with("Origin: http://evil.example");
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for (what, answer) in [
        ("log in", guarded.log_in(&evil, &guarded.owner).await),
        ("log out", evil.request("DELETE", "/api/v1/session", "", b"").await),
        ("post a form", evil.post("/api/v1/session", "text/plain", b"{\"token\":\"x\"}").await),
        ("open a WebSocket", evil.with(upgrade).get(&format!("/api/v1/batches/{batch}/events")).await),
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (403, "foreign_origin"), "{what}");
        assert!(answer.text().contains("another web site") && !answer.headers.contains_key("set-cookie"), "{what}");
    }
    let rebound = guarded.with(&guarded.owner).with("Host: evil.example").get("/api/v1/session").await;
    assert_eq!((rebound.status, rebound.code().as_str()), (403, "foreign_host"));
    assert!(rebound.text().contains("--host"), "{}", rebound.text());
}

/// It was in the log of every server and proxy on the way.
#[tokio::test]
async fn a_token_in_a_query_is_not_looked_at() {
    let guarded = Guarded::start().await;
    let answer = guarded.anybody.get(&format!("/api/v1/workers?token={}", guarded.owner)).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "token_needed"));
    let page = guarded.anybody.get(&format!("/?token={}", guarded.owner)).await;
    assert!(!page.headers.contains_key("set-cookie"));
}
