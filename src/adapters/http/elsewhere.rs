//! An LM Studio that runs on this machine at another place than the address says: its own settings file knows.

use super::Inner;
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, Failure};
use crate::domain::kind::Kind;
use crate::domain::reach::Reach;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Bytes of LM Studio's settings file at most.
const SETTINGS_LIMIT: u64 = 64 * 1024;

/// A port of this machine answers far faster.
const LIMIT: Duration = Duration::from_millis(300);

/// Where LM Studio's server was last told to listen.
pub(super) struct Settings {
    pub port: u16,
    pub interface: Option<IpAddr>,
}

/// LM Studio's last server settings; `None` when there are none that can be read.
pub(super) async fn settings(home: &Path) -> Option<Settings> {
    let file = home.join(".lmstudio/.internal/http-server-config.json");
    if tokio::fs::metadata(&file).await.ok()?.len() > SETTINGS_LIMIT {
        return None;
    }
    let settings: Value = serde_json::from_slice(&tokio::fs::read(&file).await.ok()?).ok()?;
    let port = settings.get("port")?.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)?;
    let interface = settings.get("networkInterface").and_then(Value::as_str).and_then(|text| text.parse().ok());
    Some(Settings { port, interface })
}

/// The failure, or where the server is instead, when it was looked for on this machine and runs elsewhere on it.
pub(super) async fn or_there(inner: &Inner, profile: &Profile, failure: Failure) -> Failure {
    let here = Reach::of_host(&profile.endpoint.host) == Reach::Machine;
    if profile.kind != Kind::LmStudio || !here || failure.cause != Cause::Refused {
        return failure;
    }
    match found_elsewhere(inner, profile).await {
        Some(at) => {
            let message = format!(
                "nothing listens on {} port {}: LM Studio listens on {} port {}",
                profile.endpoint.host,
                profile.endpoint.port,
                at.ip(),
                at.port()
            );
            Failure::new(failure.code, Cause::BoundElsewhere { host: at.ip().to_string(), port: at.port() }, message)
        }
        None => failure,
    }
}

async fn found_elsewhere(inner: &Inner, profile: &Profile) -> Option<SocketAddr> {
    let settings = settings(inner.surroundings.home.as_deref()?).await?;
    // Bound to every interface it is reached by loopback.
    let at = settings.interface.filter(|at| !at.is_unspecified()).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let same = at.is_loopback() && settings.port == profile.endpoint.port;
    // The file tells of the last start; only a port that takes connections is worth a word, and only an
    // address of this machine or its network is tried.
    if same || !Reach::of(at).is_local() {
        return None;
    }
    let at = SocketAddr::new(at, settings.port);
    timeout(LIMIT, TcpStream::connect(at)).await.ok()?.ok()?;
    Some(at)
}
