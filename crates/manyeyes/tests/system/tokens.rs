//! Tokens as who runs a manager makes and ends them, and what is left of them in logs.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::cluster::{Process, folder, manyeyes, wait_until};
use crate::failures::picture;

fn token(arguments: &[&str], data: &Path) -> Output {
    let (command, rest) = arguments.split_first().expect("a command");
    manyeyes().args(["token", command, "--data"]).arg(data).args(rest).output().expect("the program runs")
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The tokens of a folder, as a program reads them.
fn listed(data: &Path) -> Vec<Value> {
    let lines = stdout(&token(&["list", "--json"], data));
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A manager beyond loopback whose log goes to a file. Gives its address here, and the owner's token.
fn guarded(data: &Path, log: &Path) -> (Process, String, String) {
    let mut command = manyeyes();
    command.args(["manager", "--listen", "0.0.0.0:0", "--worker-listen", "127.0.0.1:0", "--data"]).arg(data);
    command.stderr(Stdio::from(File::create(log).expect("it can be written"))).env("RUST_LOG", "debug");
    let manager = Process::spawn(&mut command);
    let page = manager.line_after("listening on ");
    let (address, owner) = page.split_once("/#token=").expect("the address has the token");
    (manager, address.replace("0.0.0.0", "127.0.0.1"), owner.to_owned())
}

/// Status and code of an answer to who shows this token.
fn asked(method: &str, url: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = agent.run(request.body(()).expect("a request")).expect("the manager answers");
    let text = response.body_mut().read_to_string().expect("text");
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    (response.status().as_u16(), body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_token_is_shown_once_and_listed_by_what_it_is_for() {
    let data = folder();
    let made = token(&["create", "--role", "uploader", "--name", "scanner", "--expires", "30d"], data.path());
    let secret = stdout(&made);
    assert!(secret.len() >= 20 && !secret.contains(['.', ' ', '\n']), "{secret}");
    let said = stderr(&made);
    assert!(said.contains("scanner") && said.contains("until") && !said.contains(&secret), "{said}");
    let [entry] = &listed(data.path())[..] else { panic!("one") };
    let seconds = entry["expires"].as_u64().unwrap() - entry["made"].as_u64().unwrap();
    assert_eq!(
        (entry["role"].as_str(), entry["name"].as_str(), seconds),
        (Some("uploader"), Some("scanner"), 30 * 86400)
    );
    assert_eq!(entry["state"], "valid");

    let id = entry["id"].as_str().unwrap().to_owned();
    assert!(said.contains(&id), "how to end it is said: {said}");
    stdout(&token(&["revoke", &id], data.path()));
    assert_eq!(listed(data.path())[0]["state"], "revoked");
    let list = token(&["list"], data.path());
    assert!(stdout(&list).contains(&id) && stdout(&list).contains("revoked on"), "{list:?}");
    assert!(!format!("{list:?}").contains(&secret));
}

#[test]
fn a_slip_in_a_command_makes_no_token_and_is_told() {
    let data = folder();
    for (arguments, said) in [
        (&["create"][..], "--role"),
        (&["create", "--role", "king"], "uploader"),
        (&["create", "--role", "worker", "--expires", "soon"], "30d"),
    ] {
        let output = token(arguments, data.path());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains(said), "{output:?}");
    }
    let nowhere = token(&["create", "--role", "worker"], &data.path().join("slip"));
    assert!(nowhere.status.code() == Some(1) && stderr(&nowhere).contains("slip"), "{nowhere:?}");
    let nobody = token(&["revoke", "nobody"], data.path());
    assert!(nobody.status.code() == Some(1) && stderr(&nobody).contains("there is no token nobody"), "{nobody:?}");
    assert!(listed(data.path()).is_empty());
}

#[test]
fn a_manager_that_runs_lets_a_new_token_in_and_an_ended_one_out_and_a_backup_has_both() {
    let data = folder();
    let (_manager, url, _) = guarded(data.path(), &data.path().join("log"));
    let made: Value =
        serde_json::from_str(&stdout(&token(&["create", "--role", "uploader", "--json"], data.path()))).expect("JSON");
    let bearer = format!("Bearer {}", made["token"].as_str().expect("the token"));
    let ready = format!("{url}/readyz");
    let answer = || asked("GET", &ready, &[("Authorization", &bearer)]);
    wait_until("it is let in", || answer() == (503, "not_ready".to_owned()));
    stdout(&token(&["revoke", made["id"].as_str().expect("an id")], data.path()));
    wait_until("it is refused", || answer() == (401, "token_revoked".to_owned()));

    let backup = data.path().join("backup");
    let copied = manyeyes().args(["store", "backup"]).arg(data.path()).arg(&backup).output().expect("the program runs");
    assert_eq!(copied.status.code(), Some(0), "{copied:?}");
    assert_eq!(listed(&backup), listed(data.path()), "what was revoked stays so");
}

/// A command line is seen by everybody on the machine.
#[test]
fn classify_and_bench_read_their_token_from_a_file() {
    let data = folder();
    let (_manager, url, owner) = guarded(data.path(), &data.path().join("log"));
    let workers = asked("GET", &format!("{url}/api/v1/workers"), &[("Authorization", &format!("Bearer {owner}"))]);
    assert_eq!(workers.0, 200);
    let (photo, file) = (data.path().join("dot.png"), data.path().join("wrong"));
    fs::write(&photo, picture()).expect("it can be written");
    fs::write(&file, "guess\n").expect("it can be written");
    let run = |command: &str, rest: &[&str], file: &Path| {
        let mut program = manyeyes();
        program.arg(command).arg(&photo).args(["--server", &url, "--token-file"]).arg(file).args(rest);
        program.output().expect("the program runs")
    };
    let bench = ["--concurrency", "1", "--seconds", "0.2", "--repeats", "1", "--patience", "1"];
    let refused = run("classify", &["--json"], &file);
    assert!(refused.status.code() == Some(1) && stderr(&refused).contains("token_unknown"), "{refused:?}");
    let refused = run("bench", &bench, &file);
    assert!(refused.status.code() == Some(1) && stderr(&refused).contains("401"), "{refused:?}");
    let port = url.rsplit(':').next().expect("a port");
    assert!(port.parse::<u16>().is_ok(), "{url}");
    // The owner's is in a file already.
    let taken = run("bench", &bench, &data.path().join("token"));
    assert!(!stderr(&taken).contains("401"), "without a worker it waits, but it is let in: {taken:?}");
}

#[test]
fn the_log_has_a_line_for_each_kind_of_refusal_and_no_secret() {
    let data = folder();
    let log = data.path().join("log");
    let (mut manager, url, owner) = guarded(data.path(), &log);
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&stdout(&token(&[&["create", "--json"], arguments].concat(), data.path()))).expect("JSON")
    };
    let (worker, revoked) = (json(&["--role", "worker"]), json(&["--role", "operator"]));
    stdout(&token(&["revoke", revoked["id"].as_str().expect("an id")], data.path()));
    let secret = |made: &Value| made["token"].as_str().expect("the token").to_owned();
    let bearer = |token: &str| format!("Bearer {token}");
    let (batches, page) = (format!("{url}/api/v1/batches"), format!("{url}/api/v1/workers"));
    let secrets = [owner.clone(), secret(&worker), secret(&revoked), "a-guess-of-somebody".to_owned()];
    let mut batch = String::new();
    wait_until("every kind was refused", || {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let made = agent.post(&batches).header("Authorization", bearer(&owner)).send_empty().expect("an answer");
        let made: Value = made.into_body().read_json().expect("JSON");
        batch = made["id"].as_str().expect("an id").to_owned();
        asked("DELETE", &format!("{batches}/{batch}"), &[("Host", "evil.example")]);
        asked("DELETE", &format!("{batches}/{batch}"), &[("Origin", "http://evil.example")]);
        asked("DELETE", &format!("{batches}/{batch}"), &[]);
        for token in &secrets[1..] {
            asked("DELETE", &format!("{batches}/{batch}"), &[("Authorization", &bearer(token))]);
        }
        asked("GET", &page, &[("Authorization", &bearer("a-guess-of-somebody"))]);
        let log = fs::read_to_string(&log).expect("the log");
        [
            "foreign_host",
            "foreign_origin",
            "token_needed",
            "role_too_small",
            "token_revoked",
            "token_unknown",
            "too_many_tries",
        ]
        .iter()
        .all(|code| log.contains(&format!("a request was refused: {code}")))
    });
    manager.kill();
    let log = fs::read_to_string(&log).expect("the log");
    for secret in secrets.iter().chain([&batch]) {
        assert!(!log.contains(secret.as_str()), "{secret} is in the log:\n{log}");
    }
    let lines = log.lines().filter(|line| line.contains("a request was refused: token_needed")).count();
    assert!(lines >= 1 && log.contains("127.0.0.1"), "who it was is told:\n{log}");
}
