//! Things worth announcing once. What *is* stands in the snapshot; an event says what just changed.

use super::diagnosis::RunId;
use super::reply::Step;
use crate::domain::budget::WhenExhausted;
use crate::domain::failure::Failure;
use crate::domain::health::{ModelChanges, State};
use crate::domain::ids::{CallId, ProviderId};
use crate::domain::money::Money;
use crate::domain::time::UnixMs;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Info,
    Warning,
    Error,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at: UnixMs,
    pub level: Level,
    #[serde(flatten)]
    pub kind: EventKind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A provider changed its state. `failure` carries the cause for the remedy.
    HealthChanged {
        provider: ProviderId,
        name: String,
        from: State,
        to: State,
        reason: String,
        failure: Option<Failure>,
        /// How long the incident lasted that ends with this change.
        #[serde(default)]
        lasted_ms: Option<u64>,
        /// How often it came to this state in the last ten minutes, this time included.
        #[serde(default)]
        times: u32,
    },
    /// The target in effect for `auto` changed; `None` when nothing is usable.
    EffectiveTargetChanged {
        from: Option<String>,
        to: Option<String>,
        why: String,
    },
    ConfigLoaded {
        file: String,
        changes: String,
    },
    /// The file on disk cannot be used; the running configuration stays.
    ConfigRejected {
        file: String,
        message: String,
    },
    CallFinished {
        id: CallId,
    },
    /// Something in the background went wrong; the sentence says what it means for the user.
    Trouble {
        message: String,
    },
    /// Records that could not be written.
    RecordsDropped {
        count: u64,
    },
    /// A provider's list is another than before.
    ModelsChanged {
        provider: ProviderId,
        name: String,
        changes: ModelChanges,
    },
    /// One step of a doctor's run ended. Who misses one finds it in the reply.
    StepDone {
        run: RunId,
        step: Step,
    },
    /// The alert's share of the day's limit is used, or all of it.
    BudgetAlert {
        used: Money,
        limit: Money,
        /// Share of the limit, 0 to 1.
        threshold: f64,
        exhausted: bool,
        when_exhausted: WhenExhausted,
    },
    /// Spans and metrics do not reach their collector, or reach it again.
    ExportChanged {
        endpoint: String,
        trouble: Option<String>,
        /// Calls given up since the start.
        dropped: u64,
    },
    /// A model that the person keeps warm was loaded, or could not be.
    KeptWarm {
        target: String,
        took_ms: u64,
        failure: Option<Failure>,
        /// When it is tried again; `None` with a failure: not before its next hours.
        again_in_ms: Option<u64>,
    },
}
