//! The HTTP clients: one for each combination of proxy rule, reach and connect limit that is in use. None
//! follows redirects; a client for plain HTTP loads no certificates.

use super::address::Address;
use super::direct::Direct;
use super::resolve::{Allowed, Guarded, Lookup, Seen};
use super::response::Response;
use super::transport;
use crate::domain::config::{Endpoint, Profile};
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::kind::Kind;
use crate::domain::reach::Reach;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::{Certificate, Url};
use std::collections::BTreeMap;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Model servers close idle connections after five seconds (llama.cpp, vLLM, LM Studio); a connection is
/// given up before that, or a request meets the close.
const PLAIN_IDLE: Duration = Duration::from_secs(4);

/// Vendors keep idle connections for minutes, and a new one costs a handshake.
const TLS_IDLE: Duration = Duration::from_mins(1);

/// Clients kept at most; one per connect limit and way in use. When full, they are built anew.
const CLIENTS_LIMIT: usize = 32;

/// What servers are told of who asks.
const AGENT: &str = concat!("lmdeck/", env!("CARGO_PKG_VERSION"));

/// Addresses kept as read at most; a configuration has a few. When full, they are read anew.
const URLS_LIMIT: usize = 128;

/// The HTTP client cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up: {0}")]
pub struct BuildError(String);

/// Which client a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Through the system's proxy, where one is set.
    pub proxied: bool,
    pub allowed: Allowed,
    tls: bool,
    connect: Duration,
}

/// A request on its way out.
pub struct Outgoing<'a> {
    pub method: Method,
    pub address: &'a Address,
    pub headers: HeaderMap,
    /// Empty when it has none.
    pub body: Bytes,
}

#[derive(Clone)]
enum Client {
    /// In plain HTTP to the server itself.
    Direct(Direct),
    Full(reqwest::Client),
}

pub struct Clients {
    lookup: Arc<dyn Lookup>,
    seen: Arc<Seen>,
    built: Mutex<Vec<(Way, Client)>>,
    read: Mutex<BTreeMap<String, Arc<Address>>>,
}

impl Clients {
    pub fn new(lookup: Arc<dyn Lookup>) -> Result<Self, BuildError> {
        // An error means that another part of the process chose a provider before: as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clients = Self { lookup, seen: Arc::default(), built: Mutex::default(), read: Mutex::default() };
        let plain = Way { proxied: false, allowed: Allowed::Anywhere, tls: false, connect: Duration::from_secs(2) };
        clients.client(plain)?;
        Ok(clients)
    }

    /// Sends a request to `endpoint` and gives the head of its answer, whatever its status.
    ///
    /// # Errors
    /// No connection, or none that lasted until the head was there.
    pub async fn send(&self, way: Way, endpoint: &Endpoint, request: Outgoing<'_>) -> Result<Response, Failure> {
        let Outgoing { method, address, headers, body } = request;
        match self.client(way).map_err(|error| Failure::plain(ErrorCode::Internal, error.to_string()))? {
            Client::Direct(client) => {
                let sent = client.send(method, address, headers, body).await;
                sent.map_err(|error| self.failure(&*error, way, endpoint))
            }
            Client::Full(client) => {
                let mut sending = reqwest::Request::new(method, address.url.clone());
                *sending.headers_mut() = headers;
                if !body.is_empty() {
                    *sending.body_mut() = Some(body.into());
                }
                let sent = client.execute(sending).await;
                sent.map(Response::Full).map_err(|error| self.failure(&error, way, endpoint))
            }
        }
    }

    fn client(&self, way: Way) -> Result<Client, BuildError> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = built.iter().find(|(own, _)| *own == way) {
            return Ok(client.clone());
        }
        let client = self.build(way)?;
        if built.len() >= CLIENTS_LIMIT {
            built.clear();
        }
        built.push((way, client.clone()));
        Ok(client)
    }

    /// An address as the clients read it. Every call of a provider asks for the same one.
    ///
    /// # Errors
    /// It is no address.
    pub fn address(&self, url: &str) -> Result<Arc<Address>, Failure> {
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = known.get(url) {
            return Ok(address.clone());
        }
        let read = Arc::new(Address::read(url)?);
        if known.len() >= URLS_LIMIT {
            known.clear();
        }
        known.insert(url.to_owned(), read.clone());
        Ok(read)
    }

    /// Looks names up as the client of `way` does.
    pub fn guarded(&self, way: Way) -> Guarded {
        Guarded { lookup: self.lookup.clone(), allowed: way.allowed, seen: self.seen.clone() }
    }

    fn build(&self, way: Way) -> Result<Client, BuildError> {
        let idle = if way.tls { TLS_IDLE } else { PLAIN_IDLE };
        if !way.tls && !way.proxied {
            let agent = HeaderValue::from_static(AGENT);
            return Ok(Client::Direct(Direct::new(self.guarded(way), way.connect, idle, agent)));
        }
        let builder = || {
            let builder = reqwest::Client::builder()
                .user_agent(AGENT)
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .tcp_nodelay(true)
                .connect_timeout(way.connect)
                .pool_idle_timeout(idle)
                .dns_resolver(self.guarded(way));
            if way.proxied { builder } else { builder.no_proxy() }
        };
        let built = if way.tls {
            // A machine without a certificate store cannot build the platform's verifier: the bundled roots serve.
            builder().build().or_else(|_| builder().tls_certs_only(bundled_roots()).build())
        } else {
            builder().tls_certs_only([]).build()
        };
        built.map(Client::Full).map_err(|error| BuildError(chain(&error)))
    }

    /// What an error of a request on `way` means.
    pub fn failure(&self, error: &(dyn Error + 'static), way: Way, endpoint: &Endpoint) -> Failure {
        let failure = transport::failure(error, endpoint, way.connect);
        let unresolved = literal(&endpoint.host).is_none() && !way.proxied && !self.seen.knows(&endpoint.host);
        if failure.cause == Cause::ConnectTimeout && unresolved {
            // The limit of a connection attempt covers the name: it was the name that took so long.
            let message =
                format!("the name {} was not resolved within {}", endpoint.host, transport::time(way.connect));
            return Failure::new(ErrorCode::Timeout, Cause::Dns, message);
        }
        failure
    }

    /// How far away the server is that a response came from. Behind a proxy only the name is known, which
    /// counts as cloud.
    pub fn reach(&self, way: Way, endpoint: &Endpoint, remote: Option<SocketAddr>) -> Option<Reach> {
        let address = remote?.ip();
        let direct = !way.proxied || self.seen.led_to(&endpoint.host, address);
        Some(if direct { Reach::of(address) } else { Reach::Cloud })
    }
}

/// Servers that people run themselves.
pub fn is_own_server(kind: Kind) -> bool {
    matches!(kind, Kind::LmStudio | Kind::LlamaCpp | Kind::Ollama | Kind::Vllm)
}

/// The way to a provider. `connect` is the most a connection attempt may take.
pub fn way(profile: &Profile, connect: Duration) -> Way {
    let way = way_to(&profile.endpoint, connect);
    Way { proxied: way.proxied && !is_own_server(profile.kind) && !profile.local, ..way }
}

/// The way to an address of which nothing more is known.
pub fn way_to(endpoint: &Endpoint, connect: Duration) -> Way {
    let near = Reach::of_host(&endpoint.host).is_local();
    Way { proxied: !near, allowed: Allowed::Anywhere, tls: endpoint.tls, connect }
}

/// The way for a request to `url` that must not leave the machine, or the network when the profile says
/// `local`.
///
/// # Errors
/// The address is written out and lies further away.
pub fn near_way(profile: &Profile, url: &Url, connect: Duration) -> Result<Way, Failure> {
    let allowed = if profile.local { Allowed::Network } else { Allowed::Machine };
    // An address written out is never looked up, so the resolver cannot guard it. The host is read as the
    // client reads it: `http://134744072` is an address too.
    if let Some(address) = url.host_str().and_then(literal)
        && !allowed.admits(address)
    {
        return Err(too_far(address));
    }
    Ok(Way { proxied: false, allowed, tls: profile.endpoint.tls, connect })
}

fn bundled_roots() -> impl Iterator<Item = Certificate> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|root| Certificate::from_der(root).ok())
}

pub fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

pub fn too_far(address: IpAddr) -> Failure {
    let place = match Reach::of(address) {
        Reach::Cloud => "a cloud address",
        Reach::Network => "another machine",
        Reach::Machine => "this machine",
    };
    let message = format!("{address} is {place}, and this call must stay local: nothing was sent");
    Failure::new(ErrorCode::Network, Cause::WrongReach { address: address.to_string() }, message)
}

/// The innermost reason of an error; the outer ones repeat the URL.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// As many as a request has once those of the client itself have joined, so that the map need not grow.
const USUAL_HEADERS: usize = 12;

/// The headers of a request to `profile`.
///
/// # Errors
/// The key cannot stand in a header.
pub fn headers(profile: &Profile, native_anthropic: bool) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::with_capacity(USUAL_HEADERS);
    if profile.kind == Kind::ZAiGlm {
        headers.insert(http::header::ACCEPT_LANGUAGE, HeaderValue::from_static("en-US,en"));
    }
    if native_anthropic {
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    }
    if let Some(key) = &profile.key {
        let (name, text) = if native_anthropic {
            (HeaderName::from_static("x-api-key"), key.expose().to_owned())
        } else {
            (http::header::AUTHORIZATION, format!("Bearer {}", key.expose()))
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            let message = "the key holds a character that cannot be sent: a line break or the like";
            Failure::plain(ErrorCode::Auth, message)
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::http::SystemLookup;
    use crate::adapters::http::discover::stranger;

    fn profile(host: &str, kind: Kind, local: bool) -> Profile {
        let mut profile = stranger(8080, kind);
        profile.endpoint.host = host.to_owned();
        profile.local = local;
        profile
    }

    #[test]
    fn only_what_may_be_far_goes_through_a_proxy() {
        for (host, kind, local, proxied) in [
            ("api.openai.com", Kind::Openai, false, true),
            ("api.groq.example", Kind::OpenaiCompatible, false, true),
            ("127.0.0.1", Kind::OpenaiCompatible, false, false),
            ("192.168.1.20", Kind::Openai, false, false),
            ("gpu-box.example", Kind::LlamaCpp, false, false),
            ("gpu-box.example", Kind::OpenaiCompatible, true, false),
        ] {
            assert_eq!(way(&profile(host, kind, local), Duration::from_secs(1)).proxied, proxied, "{host}");
        }
    }

    #[test]
    fn a_near_way_is_never_proxied_and_reaches_as_far_as_the_profile_says() {
        let near = |host: &str, local| {
            let address = Address::read(&format!("http://{host}:8080/v1"))?;
            near_way(&profile(host, Kind::Openai, local), &address.url, Duration::from_secs(1))
        };
        assert_eq!(near("api.openai.com", false).unwrap().allowed, Allowed::Machine);
        assert_eq!(near("api.openai.com", true).unwrap().allowed, Allowed::Network);
        assert!(!near("api.openai.com", true).unwrap().proxied);
        assert!(near("192.168.1.20", false).is_err());
        assert!(near("192.168.1.20", true).is_ok());
        assert!(near("[2001:4860::8888]", true).is_err());
        assert!(near("134744072", true).is_err());
        assert!(near("0x8.0x8.2056", true).is_err());
        assert!(near("not a host", true).is_err());
        assert!(near("[::1]", false).is_ok());
        assert!(near("127.1", false).is_ok());
    }

    #[test]
    fn what_answers_through_a_proxy_counts_as_cloud() {
        let clients = Clients::new(Arc::new(SystemLookup)).unwrap();
        let endpoint = profile("models.example", Kind::OpenaiCompatible, false).endpoint;
        let way = way(&profile("models.example", Kind::OpenaiCompatible, false), Duration::from_secs(1));
        let here = Some("127.0.0.1:3128".parse().unwrap());
        assert_eq!(clients.reach(way, &endpoint, here), Some(Reach::Cloud));
        clients.seen.note("models.example", &["127.0.0.1".parse().unwrap()]);
        assert_eq!(clients.reach(way, &endpoint, here), Some(Reach::Machine));
    }

    #[test]
    fn a_machine_without_certificates_still_gets_clients() {
        assert!(bundled_roots().count() > 50);
        let _ = rustls::crypto::ring::default_provider().install_default();
        assert!(reqwest::Client::builder().tls_certs_only(bundled_roots()).build().is_ok());
    }
}
