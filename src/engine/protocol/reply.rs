//! Answers to commands.

use super::budget::BudgetReport;
use super::flow::CacheView;
use super::policy::{ConditionCheck, WhatIf};
use super::query::{CallPage, LogLine, SavedPrompt};
use super::stats::{CallStats, ExportPart};
use crate::domain::call::CallRecord;
use crate::domain::config::Issue;
use crate::domain::failure::{Cause, Failure};
use crate::domain::health::{ModelInfo, ProbeReport};
use crate::domain::ids::{ProviderId, Target};
use crate::domain::incident::Incident;
use crate::domain::kind::Kind;
use crate::domain::routing::Explanation;
use crate::domain::time::UnixMs;
use serde::{Deserialize, Serialize};

/// The exit code of a name that nothing has, whatever it names: the words were wrong, not the world.
pub const UNKNOWN_NAME: u8 = 2;

/// What the engine answers to one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "with", rename_all = "snake_case")]
pub enum Reply {
    Done,
    Probed(Vec<(ProviderId, ProbeReport)>),
    Tested(TestReport),
    Discovered(Vec<Found>),
    Edited(EditReport),
    Explained(Box<Explanation>),
    Calls(CallPage),
    Call(Box<CallRecord>),
    Log(Vec<LogLine>),
    Prompts(Vec<SavedPrompt>),
    /// A model was loaded or unloaded.
    Model(ModelReport),
    Incidents(Vec<Incident>),
    Report(Box<ReportParts>),
    /// One explanation per row of a table, or why the row cannot be tried.
    RoutesTested(Vec<Result<Explanation, String>>),
    Cache(Box<CacheReport>),
    Stats(Box<CallStats>),
    Exported(ExportPart),
    Budget(Box<BudgetReport>),
    /// The command could not be done: a sentence, what to do, and the exit code a CLI ends with.
    Refused(Refusal),
    Condition(ConditionCheck),
    WhatIf(Box<WhatIf>),
    Counted(TokenCount),
}

/// The tokens of a prompt as the vendor of its target counts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCount {
    pub target: Target,
    pub by: Kind,
    pub tokens: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub message: String,
    pub remedy: String,
    /// 1 failed, 2 usage, 3 configuration, 4 unavailable, 5 denied.
    pub exit: u8,
    /// Findings in a configuration, where that is the reason.
    #[serde(default)]
    pub issues: Vec<Issue>,
    /// A difference to show, where the file changed on disk meanwhile.
    #[serde(default)]
    pub difference: Option<String>,
}

impl Reply {
    /// A name that nothing has: the caller's mistake.
    pub fn unknown(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::refused(UNKNOWN_NAME, message, remedy)
    }

    pub fn refused(exit: u8, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Refused(Refusal {
            message: message.into(),
            remedy: remedy.into(),
            exit,
            issues: Vec::new(),
            difference: None,
        })
    }
}

/// What loading or unloading a model came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelReport {
    pub target: Target,
    pub loaded: bool,
    /// It was so before: nothing was done.
    pub already: bool,
    /// Tokens of context it is loaded with, where told.
    pub context: Option<u64>,
    /// The server's names for the copies concerned.
    pub instances: Vec<String>,
    pub took_ms: u64,
    /// How long loading it took the time before.
    pub last_ms: Option<u64>,
}

/// Kept answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheReport {
    /// Of this process.
    pub view: CacheView,
    /// Entries and bytes of the file; `None` without `cache.persist`.
    pub on_disk: Option<(u64, u64)>,
    /// How many were forgotten now.
    pub cleared: Option<u64>,
}

/// What a report for a bug is made of, without any key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReportParts {
    /// The operating system and the machine, in one line.
    pub system: String,
    /// The front end's own part.
    pub draft: String,
    /// The configuration file without comments, its secrets hidden; `None` when there is none.
    pub config: Option<String>,
    /// Why the file is not in here.
    pub config_trouble: Option<String>,
    pub ledger: Option<LedgerCheck>,
    pub ledger_trouble: Option<String>,
}

/// The condition of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LedgerCheck {
    /// `ok`, or what `SQLite` finds wrong, its first lines.
    pub integrity: String,
    pub calls: u64,
    pub bytes: u64,
    pub schema: u32,
    /// The first and the last call.
    pub first: Option<UnixMs>,
    pub last: Option<UnixMs>,
}

/// A server that discovery found on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub kind: Kind,
    /// As in `http://127.0.0.1:1234`.
    pub endpoint: String,
    /// Whether a model server answered; other rows say what is there instead, mostly nothing.
    pub answered: bool,
    pub models: Vec<ModelInfo>,
    /// In words: `3 models, 1 loaded`, `nothing there`, `another program answers here`.
    pub note: String,
    /// The id of a provider that already points there.
    pub configured_as: Option<ProviderId>,
}

impl Found {
    /// The note of a port that nothing listens on.
    pub const NOTHING: &str = "nothing there";

    /// Nothing takes connections there.
    pub fn is_free(&self) -> bool {
        !self.answered && self.note == Self::NOTHING
    }
}

/// What an edit of the configuration did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EditReport {
    pub file: String,
    /// Unified difference, secrets masked; empty when nothing changes.
    pub difference: String,
    pub lines_changed: usize,
    /// The section it stands in, as in `providers`.
    pub section: String,
    pub written: bool,
    pub issues: Vec<Issue>,
}

/// One step of a connection test ([`super::TEST_STEPS`]) or of the doctor ([`super::DOCTOR_STEPS`]), in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub name: String,
    pub state: StepState,
    /// The verdict in words, escaped.
    pub verdict: String,
    pub ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    Passed,
    Warned,
    Failed,
    Skipped,
}

/// A whole connection test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    pub steps: Vec<Step>,
    pub models: Vec<ModelInfo>,
    /// The failure the test ended in, with its cause for the remedy.
    pub failure: Option<Failure>,
    /// Things worth a remedy although the test passed: no model loaded and the like.
    pub cautions: Vec<Cause>,
    pub total_ms: u64,
}

impl TestReport {
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }
}
