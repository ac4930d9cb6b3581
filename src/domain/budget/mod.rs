//! The day's money: what a request can cost at most, and how a share of the limit is held in memory. Nothing here
//! knows where the limit is divided among processes; that is behind `engine::ports::BudgetStore`.

mod bound;
mod day;
mod purse;

pub use bound::{Bound, Choices, HOSTED_INPUT_TOKENS, LEAST_ANSWER_TOKENS, Sizes};
pub use day::{CivilDate, Day};
pub use purse::{Ask, Grant, Hold, LeaseId, Purse, Slack};

use serde::{Deserialize, Serialize};

/// What happens to calls that the rest of the day's limit does not pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenExhausted {
    /// They go to models nearby, where the rules offer one.
    #[default]
    LocalOnly,
    /// They fail.
    Refuse,
    /// They are made, and the person is told.
    Warn,
}

impl WhenExhausted {
    pub const WORDS: &[&str] = &["local_only", "refuse", "warn"];

    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "local_only" => Some(Self::LocalOnly),
            "refuse" => Some(Self::Refuse),
            "warn" => Some(Self::Warn),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::LocalOnly => "local_only",
            Self::Refuse => "refuse",
            Self::Warn => "warn",
        }
    }
}
