//! Names to addresses, and the guard in between: a client that may only reach near addresses never learns a
//! far one.

use crate::domain::reach::Reach;
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// Turns a host name into addresses.
pub trait Lookup: Send + Sync {
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// How far a client may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Allowed {
    Anywhere,
    /// This machine and the network around it.
    Network,
    /// This machine only.
    Machine,
}

impl Allowed {
    pub fn admits(self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Network => Reach::of(address).is_local(),
            Self::Machine => Reach::of(address) == Reach::Machine,
        }
    }
}

/// Why a name gave no address to connect to.
#[derive(Debug)]
pub enum NameError {
    Unknown(String),
    /// It leads to an address that this client may not reach.
    Forbidden(IpAddr),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(host) => write!(f, "the name {host} cannot be resolved"),
            Self::Forbidden(address) => write!(f, "{address} is further away than this call may go"),
        }
    }
}

impl std::error::Error for NameError {}

/// Names kept in [`Seen`] at most; when full, it starts anew.
const SEEN_LIMIT: usize = 256;

/// Which names led to which addresses: tells a direct connection from one through a proxy.
#[derive(Debug, Default)]
pub struct Seen(Mutex<HashMap<String, Vec<IpAddr>>>);

impl Seen {
    pub(super) fn note(&self, host: &str, addresses: &[IpAddr]) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= SEEN_LIMIT {
            map.clear();
        }
        map.insert(host.to_ascii_lowercase(), addresses.to_vec());
    }

    /// A look-up began: what was known counts no more.
    fn forget(&self, host: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&host.to_ascii_lowercase());
    }

    /// The newest look-up of the name gave addresses.
    pub fn knows(&self, host: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&host.to_ascii_lowercase())
    }

    pub fn led_to(&self, host: &str, address: IpAddr) -> bool {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.get(&host.to_ascii_lowercase()).is_some_and(|addresses| addresses.contains(&address))
    }
}

/// Looks names up for one client.
#[derive(Clone)]
pub struct Guarded {
    pub lookup: Arc<dyn Lookup>,
    pub allowed: Allowed,
    pub seen: Arc<Seen>,
}

impl Guarded {
    /// The addresses to try, in order.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NameError> {
        self.seen.forget(host);
        let mut addresses = self.lookup.lookup(host).await.unwrap_or_default();
        if host.eq_ignore_ascii_case("localhost") {
            // Servers bind one of the two by default; which one the name leads to differs by system.
            addresses.splice(0..0, [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
            let mut once = Vec::new();
            addresses.retain(|address| {
                !once.contains(address) && {
                    once.push(*address);
                    true
                }
            });
        }
        let Some(&first) = addresses.first() else {
            return Err(NameError::Unknown(host.to_owned()));
        };
        self.seen.note(host, &addresses);
        addresses.retain(|address| self.allowed.admits(*address));
        if addresses.is_empty() { Err(NameError::Forbidden(first)) } else { Ok(addresses) }
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let guarded = self.clone();
        Box::pin(async move {
            let addresses = guarded.addresses(name.as_str()).await?;
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
