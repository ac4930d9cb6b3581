//! What was learned of each server and holds until it restarts: routes that are not there, what it is, what its
//! models can do. A probe asks again only for what may have changed.

use crate::adapters::wire::lists::{LlamaProps, OllamaShown};
use crate::domain::kind::Kind;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Servers remembered at most; when full, everything is asked anew.
const MEMORY_LIMIT: usize = 128;

/// Builds of models whose description is remembered per server; when full, they are asked anew.
pub const SHOWN_LIMIT: usize = 1024;

/// By the address in front of `/v1`, for a route that is missing under one path may stand under another of the same
/// server. Forgotten when a connection fails, for the server may come back as another one.
#[derive(Default)]
pub struct Memory(Mutex<HashMap<String, Known>>);

#[derive(Default, Clone)]
pub struct Known {
    /// A route found absent is not asked again: LM Studio logs an error each time.
    pub absent: HashSet<&'static str>,
    pub greeted: bool,
    /// Whether models load on demand, and when that was seen: a person may switch it at any time.
    pub jit: Option<(Instant, Option<bool>)>,
    /// By digest.
    pub shown: HashMap<String, OllamaShown>,
    pub version: Option<String>,
    pub props: Option<LlamaProps>,
    /// What the server is by its own signs, once it was asked for them.
    pub signs: Option<Signs>,
}

/// What a server shows of itself; `None` where it shows nothing that only one kind does.
#[derive(Debug, Clone, Copy)]
pub struct Signs(pub Option<Kind>);

impl Memory {
    pub fn with<T>(&self, root: &str, act: impl FnOnce(&mut Known) -> T) -> T {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= MEMORY_LIMIT && !map.contains_key(root) {
            map.clear();
        }
        act(map.entry(root.to_owned()).or_default())
    }

    /// The server went away, or a person changed something: ask everything again, under all its paths.
    pub fn forget(&self, origin: &str) {
        let under =
            |root: &String| root.strip_prefix(origin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|root, _| !under(root));
    }
}
