//! What the gateway can be told, and the bounds it keeps when told nothing.

use crate::domain::config::{Gateway, GatewayKey};
use crate::domain::secret::Secret;
use std::net::SocketAddr;
use std::time::Duration;

/// See the module.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// Keys of which clients must send one; when empty, everybody on this machine may call.
    pub api_keys: Vec<GatewayKey>,
    /// How long a streamed answer is held before a 200 goes out with comments instead.
    pub hold: Duration,
    /// Between two of those comments.
    pub keep_alive: Duration,
    /// For the head of a request; an idle connection is closed after it too.
    pub header_timeout: Duration,
    /// Longest silence within a request's body.
    pub body_timeout: Duration,
    /// Largest body in bytes.
    pub body_limit: usize,
    /// How long calls under way may go on after the shutdown began.
    pub drain: Duration,
    /// Origins of web pages that may use the gateway, as browsers write them; `*` is any, and needs a key.
    pub cors_origins: Vec<String>,
    /// How long a client may take nothing of an answer that is there for it; then its connection is closed. Longer
    /// than the engine waits for it, so that one that comes back in between is told how its call ended.
    pub unread_timeout: Duration,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            api_keys: Vec::new(),
            hold: Duration::from_secs(10),
            keep_alive: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            body_limit: 32 * 1024 * 1024,
            drain: Duration::from_secs(10),
            cors_origins: Vec::new(),
            unread_timeout: Duration::from_mins(3),
        }
    }
}

impl GatewayOptions {
    /// These bounds with the keys and pages of a configuration.
    pub fn of(settings: Gateway) -> Self {
        Self::default().told(settings)
    }

    /// These bounds with other keys and pages.
    pub fn told(&self, settings: Gateway) -> Self {
        Self { api_keys: settings.api_keys, cors_origins: settings.cors_origins, ..self.clone() }
    }

    /// These bounds with some keys of nobody in particular.
    pub fn with_keys(keys: Vec<Secret>) -> Self {
        let api_keys = keys.into_iter().map(|key| GatewayKey { name: None, key, variable: None }).collect();
        Self { api_keys, ..Self::default() }
    }

    /// The keys that count: an empty one (an unset `${NAME:-}`) is none.
    pub fn keys(&self) -> impl Iterator<Item = &GatewayKey> {
        self.api_keys.iter().filter(|own| !own.key.expose().is_empty())
    }

    /// Whether it may listen there: beyond loopback only with keys.
    ///
    /// # Errors
    /// The sentence for the person who asked for it.
    pub fn check_address(&self, address: SocketAddr) -> Result<(), String> {
        if address.ip().is_loopback() || self.keys().next().is_some() {
            return Ok(());
        }
        Err(format!(
            "the gateway does not listen on {address}: other machines could reach it and no key is set; \
             set gateway.api_keys in the configuration, or listen on 127.0.0.1:{}",
            address.port()
        ))
    }
}
