//! What a vendor says is left of its limits.

use super::time::UnixMs;
use serde::{Deserialize, Serialize};

/// The limits as they stood with the last answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateState {
    /// When the answer came.
    pub at: UnixMs,
    pub windows: Vec<RateWindow>,
}

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateWindow {
    pub counts: RateUnit,
    pub limit: Option<u64>,
    pub remaining: u64,
    /// When it is full again.
    pub resets_at: Option<UnixMs>,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateUnit {
    Requests,
    Tokens,
    InputTokens,
    OutputTokens,
}

impl RateUnit {
    pub fn words(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input tokens",
            Self::OutputTokens => "output tokens",
        }
    }
}

impl RateState {
    /// Until when nothing is left; `None` when there is, or nobody said until when.
    pub fn exhausted_until(&self, now: UnixMs) -> Option<UnixMs> {
        let empty = self.windows.iter().filter(|window| window.remaining == 0);
        empty.filter_map(|window| window.resets_at).filter(|until| *until > now).max()
    }

    /// The windows that still count at `now`, the scarcest first.
    pub fn current(&self, now: UnixMs) -> Vec<&RateWindow> {
        let mut windows: Vec<&RateWindow> =
            self.windows.iter().filter(|window| window.resets_at.is_none_or(|until| until > now)).collect();
        windows.sort_by_key(|window| match window.limit {
            Some(limit) if limit > 0 => window.remaining.saturating_mul(1000) / limit,
            _ => 1000,
        });
        windows
    }
}
