//! An address as the clients need it, read once.

use crate::domain::failure::{ErrorCode, Failure};
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use reqwest::Url;
use std::error::Error;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub struct Address {
    /// As browsers read addresses: the host is what is connected to, in whichever way it was written.
    pub url: Url,
    pub uri: Uri,
    /// Scheme, host and port.
    pub origin: Arc<str>,
    /// What a request names to the server itself.
    pub target: Uri,
    /// Host and port, as its `Host` header says them.
    pub host: HeaderValue,
}

impl Address {
    /// # Errors
    /// It is no address.
    pub fn read(text: &str) -> Result<Self, Failure> {
        let refuse = |error: &dyn Error| {
            Failure::plain(ErrorCode::InvalidRequest, format!("the address {text} cannot be read: {error}"))
        };
        let url = Url::parse(text).map_err(|error| refuse(&error))?;
        let uri: Uri = url.as_str().parse().map_err(|error: http::uri::InvalidUri| refuse(&error))?;
        let target = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")).into();
        let host = match url.port() {
            Some(port) => format!("{}:{port}", uri.host().unwrap_or_default()),
            None => uri.host().unwrap_or_default().to_owned(),
        };
        let host = HeaderValue::from_str(&host).map_err(|error| refuse(&error))?;
        let origin = url.origin().ascii_serialization().into();
        Ok(Self { url, uri, origin, target, host })
    }

    pub fn path(&self) -> &str {
        self.uri.path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_the_name_it_was_asked_by() {
        for (text, host, target) in [
            ("http://localhost:8080/v1/models", "localhost:8080", "/v1/models"),
            ("http://gpu-box.lan/v1/models?all=1", "gpu-box.lan", "/v1/models?all=1"),
            ("http://gpu-box.lan:80", "gpu-box.lan", "/"),
            ("http://[::1]:1234/v1", "[::1]:1234", "/v1"),
        ] {
            let address = Address::read(text).unwrap();
            assert_eq!((address.host.to_str().unwrap(), address.target.to_string().as_str()), (host, target), "{text}");
        }
        let other = |text: &str| Address::read(text).unwrap().origin;
        assert_ne!(other("http://a:1/v1"), other("http://a:2/v1"));
        assert_eq!(other("http://a:1/v1"), other("http://a:1/v2"));
        assert!(Address::read("not an address").is_err());
    }
}
