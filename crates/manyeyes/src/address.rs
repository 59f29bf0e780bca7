//! A manager's address, as it prints it.

use std::path::Path;

use anyhow::{Context, bail};
use ureq::http::Uri;

/// Where a manager is, and the token it asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without a path: what a request's path is put behind.
    pub(crate) base: String,
    /// Of its file, else of the address, else of `MANYEYES_TOKEN`.
    pub(crate) token: Option<String>,
}

impl Address {
    /// Takes the address as the manager prints it, `#token=` included.
    ///
    /// # Errors
    /// It is not the URL of anything, or has a token where every server on the way would read it; the file cannot be read.
    pub(crate) fn parse(address: &str, token_file: Option<&Path>) -> anyhow::Result<Self> {
        let (place, fragment) = address.split_once('#').unwrap_or((address, ""));
        let uri: Uri = place.parse().with_context(|| format!("'{place}' is not a URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            bail!("'{place}' is not a URL: it must look like http://127.0.0.1:8080");
        };
        if uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("token="))) {
            bail!("a token stands behind '#token=' in an address, not behind '?token=', where servers write it down");
        }
        let token = match token_file {
            Some(file) => Some(token_of(file)?),
            None => fragment
                .split('&')
                .find_map(|part| part.strip_prefix("token="))
                .map(str::to_owned)
                .or_else(|| std::env::var("MANYEYES_TOKEN").ok()),
        };
        Ok(Self { base: format!("{scheme}://{authority}"), token })
    }
}

/// What a file holds that has a token in it, and nothing else.
fn token_of(file: &Path) -> anyhow::Result<String> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("failed to read the token in {}", file.display()))?;
    match text.trim() {
        "" => bail!("{} has no token in it", file.display()),
        token => Ok(token.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_carry_its_token_where_no_server_is_told() {
        let address = Address::parse("http://10.0.0.1:8080/#token=abc", None).unwrap();
        assert_eq!((address.base.as_str(), address.token.as_deref()), ("http://10.0.0.1:8080", Some("abc")));
        let error = Address::parse("http://10.0.0.1:8080/?token=abc", None).unwrap_err().to_string();
        assert!(error.contains("#token=") && !error.contains("abc"), "{error}");
    }

    #[test]
    fn a_token_is_read_from_its_file_which_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        assert!(Address::parse("http://a:1", Some(&file)).unwrap_err().to_string().contains("token"));
        std::fs::write(&file, "\n").unwrap();
        assert!(Address::parse("http://a:1", Some(&file)).unwrap_err().to_string().contains("has no token"));
        std::fs::write(&file, "abc\n").unwrap();
        assert_eq!(Address::parse("http://a:1#token=other", Some(&file)).unwrap().token.as_deref(), Some("abc"));
    }

    #[test]
    fn an_address_without_a_scheme_is_explained() {
        let error = Address::parse("localhost:8080", None).unwrap_err().to_string();
        assert!(error.contains("http://127.0.0.1:8080"), "{error}");
    }
}
