//! Who may come in: keys, and on loopback no web page from elsewhere.
//!
//! A page in a browser can send requests to loopback: directly (its `Origin` is foreign) or by a name of its
//! own that it points to 127.0.0.1 (the `Host` is foreign). Neither knows a key, so a request that carries a
//! right one passes whatever its host. Pages that the configuration names may come in from elsewhere, under
//! loopback's own name.

use super::caller::Caller;
use super::cors::Pages;
use super::options::GatewayOptions;
use super::problem::Problem;
use crate::domain::config::GatewayKey;
use http::{HeaderMap, Request, header};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Paths that need no key and no proof of origin: they tell nothing but that lmdeck runs.
const OPEN: [&str; 1] = ["/health"];

/// See the module.
pub struct Guard {
    keys: Vec<GatewayKey>,
    /// The names of the keys in the order of `keys`, or nothing when none has one.
    callers: Vec<Caller>,
    pages: Pages,
    /// Nobody comes in although there is no key.
    shut: bool,
}

impl Guard {
    pub fn new(options: &GatewayOptions) -> Self {
        let mut keys: Vec<_> = options.keys().cloned().collect();
        // Written twice, a key is the one that has a name.
        keys.sort_by_key(|own| own.name.is_none());
        let names: Arc<[Arc<str>]> = keys.iter().filter_map(|own| own.name.as_deref().map(Arc::from)).collect();
        let caller = |own: &GatewayKey| match &own.name {
            Some(name) => Caller::Named(name.as_str().into()),
            None => Caller::Nameless { taken: names.clone() },
        };
        let callers = if names.is_empty() { Vec::new() } else { keys.iter().map(caller).collect() };
        Self { keys, callers, pages: Pages::new(options), shut: false }
    }

    /// For a listener at this address: where other machines reach it and no key is left, nobody comes in.
    pub fn at(address: SocketAddr, options: &GatewayOptions) -> Self {
        Self { shut: options.check_address(address).is_err(), ..Self::new(options) }
    }

    /// The pages that the configuration names.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Whether a browser's question, which carries no key, may be answered: its page is one of those named.
    pub fn answers<B>(&self, request: &Request<B>) -> bool {
        let named = request.headers().get(header::ORIGIN).is_some_and(|origin| self.pages.admits(origin));
        named && !self.shut && (!self.keys.is_empty() || check_host(request).is_ok())
    }

    /// Whether this request may be looked at further, and who sent it where the keys have names.
    ///
    /// # Errors
    /// It may not.
    pub fn check<B>(&self, request: &Request<B>) -> Result<Option<&Caller>, Problem> {
        if OPEN.contains(&request.uri().path()) {
            return Ok(None);
        }
        if self.shut || !self.keys.is_empty() {
            let place = self.place(request.headers()).ok_or_else(Problem::no_key)?;
            return Ok(self.callers.get(place));
        }
        // Without a key the gateway listens on loopback only.
        check_host(request)?;
        check_origin(request.headers(), &self.pages)?;
        Ok(None)
    }

    /// Which key was sent. Compares all of them, in a time that tells nothing about how much of one was right.
    fn place(&self, headers: &HeaderMap) -> Option<usize> {
        let sent = sent_key(headers)?;
        self.keys.iter().enumerate().fold(None, |hit, (place, own)| {
            let same = bool::from(own.key.expose().as_bytes().ct_eq(sent));
            if same && hit.is_none() { Some(place) } else { hit }
        })
    }
}

fn check_host<B>(request: &Request<B>) -> Result<(), Problem> {
    let named = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get(header::HOST).and_then(|host| host.to_str().ok()),
    };
    let Some(named) = named else {
        return Err(Problem::invalid("the request has no readable Host header: send one, as in 127.0.0.1:4141"));
    };
    if is_loopback(host_part(named)) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "host_not_allowed",
        "the gateway listens on loopback and was asked for by another name: use http://127.0.0.1 or \
         http://localhost, or set gateway.api_keys and send a key",
    ))
}

fn check_origin(headers: &HeaderMap, pages: &Pages) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    if pages.admits(origin) {
        return Ok(());
    }
    let host = origin
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")))
        .map(host_part);
    if host.is_some_and(is_loopback) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "origin_not_allowed",
        "a web page from elsewhere may not use the gateway: open the page from this machine, name its origin in \
         gateway.cors_origins, or set gateway.api_keys and send a key",
    ))
}

fn sent_key(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        return scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii());
    }
    headers.get("x-api-key").map(|value| value.as_bytes().trim_ascii())
}

/// The host of `host:port`, with the brackets of an IPv6 address.
fn host_part(authority: &str) -> &str {
    if let Some(end) = authority.find(']') {
        return &authority[..=end];
    }
    authority.split_once(':').map_or(authority, |(host, _)| host)
}

fn unbracketed(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// An address of loopback or a name that every resolver keeps there (RFC 6761).
fn is_loopback(host: &str) -> bool {
    const NAME: &str = "localhost";
    let name = host.strip_suffix('.').unwrap_or(host);
    let by_name = name.len().checked_sub(NAME.len()).and_then(|start| name.split_at_checked(start));
    by_name.is_some_and(|(before, end)| end.eq_ignore_ascii_case(NAME) && (before.is_empty() || before.ends_with('.')))
        || unbracketed(name).parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::Secret;

    fn guard(keys: &[&str]) -> Guard {
        let keys = keys.iter().map(|key| Secret::new(*key)).collect();
        Guard::new(&GatewayOptions::with_keys(keys))
    }

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri("/v1/models");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn a_host_on_loopback_passes_and_any_other_does_not() {
        for (host, passes) in [
            ("127.0.0.1:4141", true),
            ("localhost", true),
            ("LOCALHOST:4141", true),
            ("deck.localhost:4141", true),
            ("[::1]:4141", true),
            ("127.8.8.8", true),
            ("evil.example:4141", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("192.168.1.4:4141", false),
            ("", false),
        ] {
            assert_eq!(guard(&[]).check(&request(&[("host", host)])).is_ok(), passes, "{host}");
        }
        assert!(guard(&[]).check(&request(&[])).is_err(), "no host at all");
    }

    #[test]
    fn a_foreign_page_is_refused_and_a_local_one_is_not() {
        for (origin, passes) in [
            ("http://localhost:3000", true),
            ("https://127.0.0.1", true),
            ("https://evil.example", false),
            ("null", false),
            ("file://", false),
            ("http://localhost.evil.example", false),
        ] {
            let request = request(&[("host", "127.0.0.1"), ("origin", origin)]);
            assert_eq!(guard(&[]).check(&request).is_ok(), passes, "{origin}");
        }
    }

    #[test]
    fn with_keys_only_a_right_key_opens_whatever_the_host() {
        let guard = guard(&["first-key", "second-key"]);
        for (headers, passes) in [
            (&[("host", "127.0.0.1")][..], false),
            (&[("authorization", "Bearer second-key"), ("host", "box.lan")][..], true),
            (&[("authorization", "bearer first-key")][..], true),
            (&[("x-api-key", "first-key")][..], true),
            (&[("authorization", "Bearer first-ke")][..], false),
            (&[("authorization", "Bearer first-key2")][..], false),
            (&[("authorization", "Basic first-key")][..], false),
            (&[("authorization", "Bearer ")][..], false),
            (&[("authorization", "B")][..], false),
        ] {
            assert_eq!(guard.check(&request(headers)).is_ok(), passes, "{headers:?}");
        }
    }
}
