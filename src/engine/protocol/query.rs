//! Calls and log lines are queries, never part of the snapshot.

use crate::domain::call::{CallRecord, Status};
use crate::domain::failure::ErrorCode;
use crate::domain::ids::{CallId, ProviderId, Target};
use crate::domain::money::{Cost, Money};
use crate::domain::time::UnixMs;
use serde::{Deserialize, Serialize};

/// Which calls; every given condition must hold. Newest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CallQuery {
    /// Words and `key:value` conditions as typed: `provider:lm_studio status:error since:2h text`.
    pub filter: String,
    pub limit: usize,
    /// Only calls older than this one.
    pub before: Option<CallId>,
    /// Only calls from this moment on.
    pub since: Option<UnixMs>,
}

/// One row of the table of calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRow {
    pub id: CallId,
    pub ts: UnixMs,
    pub client: String,
    pub request_type: String,
    pub status: Status,
    pub error: Option<ErrorCode>,
    pub tries: u32,
    pub ttft_ms: Option<u64>,
    pub duration_ms: u64,
    pub tokens_in: Option<u64>,
    pub tokens_out: Option<u64>,
    pub cost: Cost,
    pub target: Option<Target>,
    pub policy: String,
    /// It failed because the connection was cut, or the stream ended before its end.
    #[serde(default)]
    pub cut_off: bool,
}

impl CallRow {
    /// Nobody was asked, or the asking failed and cost nothing: neither free nor of unknown price.
    pub fn bought_nothing(&self) -> bool {
        self.target.is_none() || (self.status != Status::Ok && self.cost.whole() == Some(Money::ZERO))
    }
}

impl From<&CallRecord> for CallRow {
    fn from(record: &CallRecord) -> Self {
        Self {
            id: record.id.clone(),
            ts: record.ts,
            client: record.facts.client.clone(),
            request_type: record.facts.request_type.clone(),
            status: record.status,
            error: record.error.as_ref().map(|failure| failure.code),
            tries: u32::try_from(record.attempts.len()).unwrap_or(u32::MAX),
            ttft_ms: record.ttft_ms,
            duration_ms: record.duration_ms,
            tokens_in: record.usage.map(|usage| usage.input),
            tokens_out: record.usage.map(|usage| usage.output),
            cost: record.cost,
            target: record.target.clone(),
            policy: record.policy.clone(),
            cut_off: record.error.as_ref().is_some_and(|failure| failure.cause.is_cut()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CallPage {
    /// The newest of all days, unless the query or its filter says since when.
    pub rows: Vec<CallRow>,
    /// Calls that match the filter from `counted_since` on. Rows may be older than that.
    pub matching: u64,
    /// All calls of the same time.
    pub total: u64,
    /// The query's `since`, else its filter's, else the start of the day.
    #[serde(default)]
    pub counted_since: UnixMs,
}

/// A prompt of the playground's history. Texts as typed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedPrompt {
    pub ts: UnixMs,
    pub prompt: String,
    pub system: String,
    /// The target asked for, as in `auto`.
    pub model: String,
    pub request_type: String,
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
}

/// Which incidents: open ones first, then the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct IncidentQuery {
    pub limit: usize,
    /// Open ones, and those that ended at this moment or later.
    pub since: Option<UnixMs>,
    pub provider: Option<ProviderId>,
    pub open_only: bool,
}

/// Which lines of the application log, newest last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LogQuery {
    pub limit: usize,
    /// Only lines that hold this text.
    pub filter: String,
    /// `error`, `warn`, `info`, `debug`: this level and worse; empty for all.
    pub level: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// RFC 3339.
    pub ts: String,
    pub level: String,
    pub target: String,
    pub message: String,
}
