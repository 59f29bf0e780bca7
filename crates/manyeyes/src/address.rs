//! A manager's address, as it prints it.

use anyhow::{Context, bail};
use ureq::http::Uri;

/// Where a manager is, and the token it asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without a path: what a request's path is put behind.
    pub(crate) base: String,
    /// Of the address, else of `MANYEYES_TOKEN`.
    pub(crate) token: Option<String>,
}

impl Address {
    /// Takes the address as the manager prints it, `?token=` included.
    ///
    /// # Errors
    /// It is not the URL of anything.
    pub(crate) fn parse(address: &str) -> anyhow::Result<Self> {
        let uri: Uri = address.parse().with_context(|| format!("'{address}' is not a URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            bail!("'{address}' is not a URL: it must look like http://127.0.0.1:8080");
        };
        let token = uri
            .query()
            .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token=")))
            .map(str::to_owned)
            .or_else(|| std::env::var("MANYEYES_TOKEN").ok());
        Ok(Self { base: format!("{scheme}://{authority}"), token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_carry_its_token() {
        let address = Address::parse("http://10.0.0.1:8080/?token=abc").unwrap();
        assert_eq!((address.base.as_str(), address.token.as_deref()), ("http://10.0.0.1:8080", Some("abc")));
    }

    #[test]
    fn an_address_without_a_scheme_is_explained() {
        let error = Address::parse("localhost:8080").unwrap_err().to_string();
        assert!(error.contains("http://127.0.0.1:8080"), "{error}");
    }
}
