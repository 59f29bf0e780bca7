//! The page itself, from within the binary (from `web/dist` on the disk in a debug build). A build writes `X.br` and
//! `X.gz` beside a file `X` that gets smaller so; who takes them gets them under the name of `X`.

use std::{borrow::Cow, sync::LazyLock};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use bytes::Bytes;
use rust_embed::Embed;
use sha2::{Digest, Sha256};

use super::{error::RequestError, text};
use crate::results::hex;

/// What `npm run build` made; empty where it has not been run.
#[derive(Embed)]
#[folder = "../../web/dist"]
#[exclude = ".gitignore"]
struct Page;

/// Where the page's script reads the address for itself.
const INDEX: &str = "index.html";
/// Their names hold a digest of their content.
const ASSETS: &str = "assets/";
/// The codings that a build writes, the smaller result first, and the endings of their files.
const CODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];
/// What tells an open page which page it is (its `name`), and before what it is put.
const MARK: (&str, &str) = ("manyeyes-page", "</head>");

const NOT_BUILT: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>manyeyes</title>\
     <h1>The page has not been built</h1>\
     <p>This manager works, but its binary was built without the page. In the project's folder run \
     <code>make run</code>, or <code>npm ci &amp;&amp; npm run build</code> in <code>web</code> and build the binary again.</p>\
     <p>Its interface is there: see <code>docs/api.md</code>, for example <a href=/api/v1/workers>the workers</a>.</p>";

/// A file of the page.
struct File {
    content: Cow<'static, [u8]>,
    digest: [u8; 32],
}

/// Hex digest of the page, of all its files: what tells an open page that the manager has another one.
pub(super) fn digest() -> &'static str {
    static DIGEST: LazyLock<String> = LazyLock::new(|| {
        let mut digest = Sha256::new();
        for name in Page::iter() {
            let content = Page::get(&name).map(|file| file.metadata.sha256_hash()).unwrap_or_default();
            digest.update(name.as_bytes());
            digest.update([0]);
            digest.update(content);
        }
        hex(&digest.finalize())
    });
    &DIGEST
}

/// Answers every address that is of nobody else.
pub(super) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") || !(method == Method::GET || method == Method::HEAD) {
        return RequestError::NoRoute.into_response();
    }
    if path != INDEX
        && let Some(response) = answer(path, &headers, embedded)
    {
        return response;
    }
    // Addresses of the page's own, such as that of a batch; never a file that is missing.
    let is_file = path.rsplit('/').next().is_some_and(|last| last.contains('.'));
    match embedded(INDEX) {
        _ if is_file && path != INDEX => RequestError::NoRoute.into_response(),
        Some(index) => respond(INDEX, marked(&index, digest()), None, &headers),
        None => (StatusCode::OK, Html(NOT_BUILT)).into_response(),
    }
}

fn embedded(path: &str) -> Option<File> {
    let file = Page::get(path)?;
    Some(File { digest: file.metadata.sha256_hash(), content: file.data })
}

/// The page with its own digest in it. It is small and changes on the way, so it is not sent in a coding.
fn marked(index: &File, page: &str) -> File {
    let html = String::from_utf8_lossy(&index.content);
    let (name, before) = MARK;
    let marked = html.replacen(before, &format!("<meta name=\"{name}\" content=\"{page}\">{before}"), 1);
    let content = marked.into_bytes();
    File { digest: Sha256::digest(&content).into(), content: content.into() }
}

/// The file of that name, in the coding that its asker likes best of those that are there.
fn answer(path: &str, headers: &HeaderMap, files: impl Fn(&str) -> Option<File>) -> Option<Response> {
    let plain = files(path)?;
    let coded = CODINGS.map(|(coding, ending)| Some((coding, files(&format!("{path}{ending}"))?)));
    let varies = coded.iter().any(Option::is_some);
    let accepted = text(headers, header::ACCEPT_ENCODING);
    let liking = |coding: &str| quality(accepted, coding);
    // Of equals the last is taken: the first coding.
    let best = coded.into_iter().flatten().filter(|(coding, _)| liking(coding) > 0).rev();
    let mut response = match best.max_by_key(|(coding, _)| liking(coding)) {
        Some((coding, file)) => respond(path, file, Some(coding), headers),
        None => respond(path, plain, None, headers),
    };
    if varies {
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    Some(response)
}

/// How much a coding is liked by an `Accept-Encoding`, 0 to 1000; 0: it is not accepted (RFC 9110, section 12.5.3).
fn quality(accepted: &str, coding: &str) -> u16 {
    let of = |wanted: &str| {
        accepted.split(',').find_map(|item| {
            let (name, weight) = item.split_once(';').unwrap_or((item, ""));
            let weight = weight.trim().strip_prefix(['q', 'Q']).and_then(|weight| weight.strip_prefix('='));
            let weight = weight.map_or(Ok(1.0), str::parse::<f32>);
            name.trim().eq_ignore_ascii_case(wanted).then(|| weight.map_or(0, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16))
        })
    };
    of(coding).or_else(|| of("*")).unwrap_or(0)
}

fn respond(path: &str, file: File, coding: Option<&'static str>, headers: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", bs58::encode(file.digest).into_string());
    let caching = if path.starts_with(ASSETS) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let caching = [
        (header::ETAG, HeaderValue::from_str(&etag).expect("base58 in quotes")),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
    ];
    // What compresses on the way (a reverse proxy, say) marks a tag as weak; here that is the same.
    let is_same = |known: &str| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag;
    if text(headers, header::IF_NONE_MATCH).split(',').any(|known| is_same(known.trim())) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let media_type = [(header::CONTENT_TYPE, HeaderValue::from_static(media_type(path)))];
    let body = match file.content {
        Cow::Borrowed(within_the_binary) => Bytes::from_static(within_the_binary),
        Cow::Owned(read) => read.into(),
    };
    let mut response = (caching, media_type, Body::from(body)).into_response();
    if let Some(coding) = coding {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

/// The types of what a build of the page consists of.
fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "js" => "text/javascript; charset=utf-8",
        "jpg" | "jpeg" => "image/jpeg",
        "json" | "map" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &'static str) -> Option<File> {
        Some(File { content: content.as_bytes().into(), digest: Sha256::digest(content).into() })
    }

    /// A build with one file in all codings, one in none, and a picture.
    fn build(path: &str) -> Option<File> {
        match path {
            "assets/page-1a2b.js" => file("plain"),
            "assets/page-1a2b.js.br" => file("brotli"),
            "assets/page-1a2b.js.gz" => file("gzip"),
            "assets/small.css" => file("small"),
            "samples/cat.jpg" => file("a picture"),
            _ => None,
        }
    }

    fn asked(path: &str, name: header::HeaderName, value: &'static str) -> Response {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        answer(path, &headers, build).unwrap()
    }

    #[test]
    fn a_file_is_sent_in_the_coding_that_its_asker_likes_best() {
        for (accepted, coding) in [
            ("", None),
            ("identity", None),
            ("deflate, zstd", None),
            ("gzip", Some("gzip")),
            ("gzip, deflate, br, zstd", Some("br")),
            ("GZIP;q=1.0, br;q=0.5", Some("gzip")),
            ("br;q=0, gzip;q=0.1", Some("gzip")),
            ("*", Some("br")),
            ("*;q=0.5, br;q=0", Some("gzip")),
            ("br;q=much, gzip;q=0", None),
            ("br; Q=0.2, gzip ; q=0.3", Some("gzip")),
            ("br;q=NaN, gzip;q=-1", None),
            ("brotli, xgzip, ;q=1, ,", None),
        ] {
            let response = asked("assets/page-1a2b.js", header::ACCEPT_ENCODING, accepted);
            let found = response.headers().get(header::CONTENT_ENCODING).map(|coding| coding.to_str().unwrap());
            assert_eq!(found, coding, "{accepted}");
            assert_eq!(response.headers()[header::VARY], "Accept-Encoding");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        }
    }

    #[test]
    fn a_file_in_no_coding_is_sent_plain_to_everyone() {
        let response = asked("assets/small.css", header::ACCEPT_ENCODING, "br, gzip");
        assert_eq!(response.headers().get(header::CONTENT_ENCODING), None);
        assert_eq!(response.headers().get(header::VARY), None);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    }

    #[test]
    fn sample_pictures_have_their_type_and_are_asked_after_again() {
        let response = asked("samples/cat.jpg", header::ACCEPT_ENCODING, "br");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "image/jpeg");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
    }

    #[test]
    fn each_coding_of_a_file_has_its_own_tag() {
        let tag = |accepted| asked("assets/page-1a2b.js", header::ACCEPT_ENCODING, accepted).headers()["etag"].clone();
        assert!(tag("br") != tag("gzip") && tag("gzip") != tag(""));
        let known: &'static str = Box::leak(tag("").to_str().unwrap().to_owned().into_boxed_str());
        let again = asked("assets/page-1a2b.js", header::IF_NONE_MATCH, known);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn a_tag_is_known_alone_among_others_and_weakened_by_a_proxy() {
        let tag = asked("assets/small.css", header::ACCEPT_ENCODING, "").headers()["etag"].to_str().unwrap().to_owned();
        let known = |text: String| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_str(&text).unwrap())]);
            answer("assets/small.css", &headers, build).unwrap().status() == StatusCode::NOT_MODIFIED
        };
        assert!(known(tag.clone()) && known(format!("\"other\", {tag}")) && known(format!("W/{tag}")));
        assert!(known("*".to_owned()));
        assert!(!known("\"other\"".to_owned()) && !known(String::new()) && !known(tag.trim_matches('"').to_owned()));
    }

    #[test]
    fn an_answer_without_a_body_says_what_one_with_a_body_would() {
        let tag = asked("assets/page-1a2b.js", header::ACCEPT_ENCODING, "br").headers()["etag"].clone();
        let headers = HeaderMap::from_iter([
            (header::ACCEPT_ENCODING, HeaderValue::from_static("br")),
            (header::IF_NONE_MATCH, tag.clone()),
        ]);
        let response = answer("assets/page-1a2b.js", &headers, build).unwrap();
        assert_eq!((response.status(), &response.headers()["etag"]), (StatusCode::NOT_MODIFIED, &tag));
        assert_eq!(response.headers()[header::VARY], "Accept-Encoding", "or a cache would mix the codings up");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    }

    /// HTML allows a head without tags; a page of that kind is not told that it is an old one, and works.
    #[test]
    fn a_page_without_a_head_is_sent_as_it_is() {
        let index = file("<!doctype html><title>x</title><p>here").unwrap();
        assert_eq!(marked(&index, "abcd").content, index.content);
    }

    #[test]
    fn the_page_is_told_its_own_digest() {
        let index = file("<html><head><title>x</title></head><body></body></html>").unwrap();
        let marked = marked(&index, "abcd");
        let html = String::from_utf8(marked.content.into_owned()).unwrap();
        assert!(html.contains("<title>x</title><meta name=\"manyeyes-page\" content=\"abcd\"></head>"), "{html}");
        assert_ne!(marked.digest, index.digest);
    }
}
