//! Simulated model servers as tests use them: `lmdeck::sim` with what only a test needs around it: profiles with
//! short time limits, waiting for what must happen, and no errors to handle.
#![allow(dead_code, reason = "each test module uses another part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test helper that fails fails its test")]

use lmdeck::domain::config::{Endpoint, KeySource, Profile, Timeouts};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::secret::Secret;
#[allow(unused_imports, reason = "each test module uses another part")]
pub use lmdeck::sim::{Fault, Limits, LmStudioApi, Pace, SeenRequest, SimKind, SimModel, Spoken, ToolCall, Trouble};
use std::ops::Deref;
use std::time::Duration;
use tokio::net::TcpListener;

/// The key that profiles of simulated vendors carry.
pub const VENDOR_KEY: &str = "test-key-0123456789";

/// A running server; everything a script may do is behind the deref.
pub struct Sim(lmdeck::sim::Sim);

impl Deref for Sim {
    type Target = lmdeck::sim::Sim;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Sim {
    pub async fn start(kind: SimKind) -> Self {
        Self(lmdeck::sim::Sim::start(kind).await.unwrap())
    }

    /// Listens on the same port again.
    pub async fn restart(&self) {
        self.0.restart().await.unwrap();
    }

    pub fn endpoint(&self) -> Endpoint {
        self.endpoint_at("127.0.0.1")
    }

    /// The same port under another host name.
    pub fn endpoint_at(&self, host: &str) -> Endpoint {
        endpoint(host, self.port(), self.kind().base())
    }

    /// A profile for this server: its kind, its key if it wants one, short time limits.
    pub fn profile(&self, id: &str) -> Profile {
        let kind = self.kind().kind();
        let key = self.key().or_else(|| kind.is_vendor().then(|| VENDOR_KEY.to_owned()));
        profile_at(id, kind, self.endpoint(), key.as_deref())
    }

    /// Waits until `condition` holds, at most ten seconds.
    pub async fn wait_until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed();
                if condition(self) {
                    return;
                }
                changed.await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(10), waiting).await.is_ok(), "never happened: {what}");
    }
}

pub fn endpoint(host: &str, port: u16, base: &str) -> Endpoint {
    let origin = format!("http://{host}:{port}");
    Endpoint {
        written: origin.clone(),
        api_base: format!("{origin}{base}"),
        origin,
        host: host.to_owned(),
        port,
        tls: false,
    }
}

/// A profile with short time limits for any endpoint.
pub fn profile_at(id: &str, kind: Kind, endpoint: Endpoint, key: Option<&str>) -> Profile {
    Profile {
        key: key.map(Secret::new),
        key_source: key.map_or(KeySource::None, |_| KeySource::File { tail: None }),
        timeouts: Timeouts {
            connect: Duration::from_millis(500),
            first_token: Duration::from_secs(5),
            idle: Duration::from_secs(2),
            load: Duration::from_secs(5),
            probe_interval: Duration::from_secs(30),
            probe_timeout: Duration::from_millis(500),
            probe_retries: 1,
        },
        ..Profile::new(id, kind, endpoint)
    }
}

/// A port of this machine that nothing listens on.
pub async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// A port that takes connections and says one thing, or nothing, and keeps them open.
pub struct PlainPort(lmdeck::sim::PlainPort);

impl Deref for PlainPort {
    type Target = lmdeck::sim::PlainPort;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl PlainPort {
    pub async fn silent() -> Self {
        Self(lmdeck::sim::PlainPort::silent().await.unwrap())
    }

    pub async fn saying(words: &'static str) -> Self {
        Self(lmdeck::sim::PlainPort::saying(words).await.unwrap())
    }

    pub fn endpoint(&self) -> Endpoint {
        endpoint("127.0.0.1", self.port, "/v1")
    }
}
