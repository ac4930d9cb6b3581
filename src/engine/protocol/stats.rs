//! Sums over recorded calls, and whole records as text for other programs.

use crate::domain::ids::CallId;
use crate::domain::money::Money;
use crate::domain::time::UnixMs;
use serde::{Deserialize, Serialize};

/// What calls are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    Provider,
    /// Provider and model: a name alone may mean two.
    Model,
    Policy,
    Type,
    Client,
    Status,
    /// The civil day in the budget's time zone, as in `2026-11-22`.
    Day,
    /// The hour of such a day, as in `2026-11-22 14:00`.
    Hour,
    /// The error's code; empty for calls without one.
    Error,
}

impl GroupBy {
    pub const ALL: [Self; 9] = [
        Self::Provider,
        Self::Model,
        Self::Policy,
        Self::Type,
        Self::Client,
        Self::Status,
        Self::Day,
        Self::Hour,
        Self::Error,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Policy => "policy",
            Self::Type => "type",
            Self::Client => "client",
            Self::Status => "status",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Error => "error",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.word() == word)
    }
}

/// Which calls to sum up, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StatsQuery {
    /// As in [`super::CallQuery`].
    pub filter: String,
    /// None for one row of all; of more than two the rest is left out.
    pub by: Vec<GroupBy>,
    /// Only calls from this moment on; today's when neither this nor the filter says.
    pub since: Option<UnixMs>,
}

/// Groups in the order of their calls, most first; days and hours in the order of time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CallStats {
    pub since: UnixMs,
    pub groups: Vec<StatsGroup>,
    pub all: CallSums,
    /// Groups that are not told because there are too many.
    pub left_out: u64,
    /// Where days or hours were asked for: all of them from `since` to now, also those without a call, in the order
    /// of time; empty when they are too many to be told.
    #[serde(default)]
    pub times: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StatsGroup {
    /// One text per item of the query's `by`.
    pub key: Vec<String>,
    pub sums: CallSums,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallSums {
    pub calls: u64,
    pub ok: u64,
    pub errors: u64,
    pub denied: u64,
    pub cancelled: u64,
    /// Answered from the cache.
    pub cached: u64,
    pub tokens_in: u64,
    pub tokens_out: u64,
    pub duration_ms: Percentiles,
    /// Of the calls that had a first token.
    pub ttft_ms: Percentiles,
    pub billed: Money,
    pub computed: Money,
    pub estimated: Money,
    /// Calls that were answered and whose price is not known, or in part only: what is known of it is in the sums.
    pub unpriced: u64,
}

impl CallSums {
    pub fn spent(&self) -> Money {
        self.billed.saturating_add(self.computed).saturating_add(self.estimated)
    }

    /// Errors and denials.
    pub fn failed(&self) -> u64 {
        self.errors.saturating_add(self.denied)
    }
}

/// Values that were seen, by nearest rank; `None` when there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// Values they were taken over.
    pub of: u64,
    pub p50: Option<u64>,
    pub p95: Option<u64>,
    pub p99: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// One JSON object per line, as the call log has them.
    #[default]
    Jsonl,
    /// One row per call with a head row; texts of prompts and answers, the chain and the attempts are not in it.
    Csv,
}

impl ExportFormat {
    pub fn word(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}

/// A part of an export, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExportQuery {
    pub filter: String,
    pub format: ExportFormat,
    /// Goes on below this call; without it a head row comes first where the format has one.
    pub before: Option<CallId>,
    pub since: Option<UnixMs>,
    /// Everything into this new file, in place of a part as text.
    pub file: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExportPart {
    /// Empty where it went to a file.
    pub text: String,
    pub calls: u64,
    /// The last call of this part; `None` when there are no more.
    pub last: Option<CallId>,
    /// The file's whole path, where one was written.
    pub file: Option<String>,
}
