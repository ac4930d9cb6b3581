//! What stands between a decision and its attempt: slots and the queue before them, kept answers; and what goes on to
//! a collector after the call.

use crate::domain::ids::ProviderId;
use serde::{Deserialize, Serialize};

/// The counters of this process since it started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowView {
    pub queue: QueueView,
    pub cache: CacheView,
    /// `None` where nothing is exported.
    pub export: Option<ExportView>,
    /// Limits per minute that are in use, at most [`LIMITS_SHOWN`], the fullest first.
    pub limits: Vec<LimitView>,
    /// Calls turned away because their client had used up its limit.
    pub limited: u64,
}

/// Limits in a picture; a gateway may have thousands of clients.
pub const LIMITS_SHOWN: usize = 16;

/// What was used of one limit in the last minute.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitView {
    /// A provider's id, or with `client` a client's name.
    pub of: String,
    pub client: bool,
    pub requests: u64,
    pub requests_limit: Option<u64>,
    pub tokens: u64,
    pub tokens_limit: Option<u64>,
}

impl LimitView {
    /// How full it is, in thousandths: the fuller of its two bounds.
    pub fn permille(&self) -> u64 {
        let share = |used: u64, limit: Option<u64>| used.saturating_mul(1000) / limit.unwrap_or(u64::MAX).max(1);
        share(self.requests, self.requests_limit).max(share(self.tokens, self.tokens_limit))
    }
}

/// Calls that wait, by their priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ByPriority {
    pub high: usize,
    pub normal: usize,
    pub low: usize,
}

/// Calls under way and waiting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueView {
    pub running: usize,
    pub waiting: usize,
    /// Calls that may be under way at once.
    pub slots: usize,
    /// Calls that may wait.
    pub room: usize,
    /// Calls that had to wait.
    pub waited: u64,
    /// Calls turned away because the queue was full.
    pub refused: u64,
    pub longest_ms: u64,
    /// Those with calls under way or waiting.
    pub providers: Vec<QueueAt>,
    /// Those that wait now.
    pub waiting_by: ByPriority,
}

/// The same at one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueAt {
    pub provider: ProviderId,
    pub running: usize,
    pub waiting: usize,
    /// Its `max_concurrent`.
    pub slots: Option<usize>,
}

/// Kept answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheView {
    pub enabled: bool,
    /// They outlive the process.
    pub persist: bool,
    pub entries: u64,
    pub max_entries: u64,
    pub bytes: u64,
    pub max_bytes: u64,
    pub ttl_seconds: u64,
    pub hits: u64,
    pub misses: u64,
    pub stored: u64,
    /// Pushed out by newer ones.
    pub evicted: u64,
    /// Found too old.
    pub expired: u64,
    /// Calls that wanted a kept answer or none (`only`), and got none.
    pub only_misses: u64,
}

/// Spans and metrics on their way to a collector.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExportView {
    /// Its address, as in `http://127.0.0.1:4318`.
    pub endpoint: String,
    /// Calls that reached it.
    pub sent: u64,
    /// Calls that were given up: it refused them, or they ended faster than it took them.
    pub dropped: u64,
    /// What keeps them back now.
    pub trouble: Option<String>,
}
