//! Which calls to replay by which rules, and the answer.

use super::policy::PolicyEdit;
use crate::domain::config::Issue;
use crate::domain::replay::ReplayReport;
use crate::domain::time::UnixMs;
use serde::{Deserialize, Serialize};

/// Calls of a replay where nobody says how many, and at most.
pub const REPLAY_USUAL: usize = 1000;
pub const REPLAY_MOST: usize = 10_000;

/// The newest calls that fit, held against rules.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplayQuery {
    pub rules: ReplayRules,
    /// As in [`super::CallQuery`].
    pub filter: String,
    /// Only calls from this moment on; all that are recorded when `None`.
    pub since: Option<UnixMs>,
    /// At most so many; [`REPLAY_USUAL`] when 0, never more than [`REPLAY_MOST`].
    pub limit: usize,
}

/// Whose rules.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayRules {
    #[default]
    InForce,
    /// Those that an unsaved edit would make.
    Edit(Box<PolicyEdit>),
    /// Those of a text: a whole configuration, or only its `routing:` and `model_selection:`.
    Text { name: String, text: String },
}

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ReplayDone {
    pub report: ReplayReport,
    /// What is odd about the rules.
    pub issues: Vec<Issue>,
}
