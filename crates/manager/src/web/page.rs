//! The page itself, from within the binary (from `web/dist` on the disk in a debug build).

use std::sync::LazyLock;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use rust_embed::{Embed, EmbeddedFile};
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

const NOT_BUILT: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>manyeyes</title>\
     <h1>The page has not been built</h1>\
     <p>This manager works, but its binary was built without the page. In the project's folder run \
     <code>make run</code>, or <code>npm ci &amp;&amp; npm run build</code> in <code>web</code> and build the binary again.</p>\
     <p>Its interface is there: see <code>docs/api.md</code>, for example <a href=/api/v1/workers>the workers</a>.</p>";

/// Hex digest of the page, of all its files: what tells an open page that the manager has a newer one.
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
    if let Some(file) = Page::get(path).filter(|_| !path.is_empty()) {
        return answer(path, file, &headers);
    }
    // Addresses of the page's own, such as that of a batch; never a file that is missing.
    let is_file = path.rsplit('/').next().is_some_and(|last| last.contains('.'));
    match Page::get(INDEX) {
        _ if is_file => RequestError::NoRoute.into_response(),
        Some(index) => answer(INDEX, index, &headers),
        None => (StatusCode::OK, Html(NOT_BUILT)).into_response(),
    }
}

fn answer(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let digest = file.metadata.sha256_hash();
    let etag = format!("\"{}\"", bs58::encode(digest).into_string());
    let caching = if path.starts_with(ASSETS) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let caching = [
        (header::ETAG, HeaderValue::from_str(&etag).expect("base58 in quotes")),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
    ];
    if text(headers, header::IF_NONE_MATCH).split(',').any(|known| known.trim() == etag) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let media_type = [(header::CONTENT_TYPE, HeaderValue::from_static(media_type(path)))];
    (caching, media_type, Body::from(file.data.into_owned())).into_response()
}

/// The types of what a build of the page consists of.
fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "js" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
