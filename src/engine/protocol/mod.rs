//! What front ends and the engine say to each other: plain, serialisable data with a version, so that a
//! second implementation of the handle can carry it over a socket.

pub mod budget;
pub mod call_stream;
pub mod command;
pub mod diagnosis;
pub mod event;
pub mod flow;
pub mod policy;
pub mod preset;
pub mod query;
pub mod replay;
pub mod reply;
pub mod snapshot;
pub mod stats;

pub use budget::{BudgetReport, DaySpend, ProviderSpend};
pub use call_stream::{CallEvent, CallHead, CallOutcome};
pub use command::{CacheAct, Command, CommandName, DraftSecret, LastGoodAct, ProbeWhich, ProviderDraft};
pub use diagnosis::{DOCTOR_STEPS, RunId, TEST_STEPS};
pub use event::{Event, EventKind, Level};
pub use flow::{ByPriority, CacheView, ExportView, FlowView, LIMITS_SHOWN, LimitView, QueueAt, QueueView};
pub use policy::{
    CaseWorld, ConditionCheck, ConditionSlip, ObservedCount, ObservedSums, PolicyDraft, PolicyEdit, PolicyPlace,
    RouteCase, WhatIf,
};
pub use preset::{PresetDraft, PresetEdit};
pub use query::{CallPage, CallQuery, CallRow, IncidentQuery, LogLine, LogQuery, SavedPrompt};
pub use replay::{REPLAY_MOST, REPLAY_USUAL, ReplayDone, ReplayQuery, ReplayRules};
pub use reply::{
    CacheReport, EditReport, Found, LedgerCheck, ModelReport, Refusal, Reply, ReportParts, Step, StepState, TestReport,
    TokenCount, UNKNOWN_NAME,
};
pub use snapshot::{
    ConfigView, GatewayView, LoadingCall, LoadingView, ModelView, ModelsEntry, PlanLeft, PlanView, ProbePoint,
    ProviderView, RoutingView, RunningCall, Snapshot, SpendView, WarmStanding, WarmView,
};
pub use stats::{
    CallStats, CallSums, ExportFormat, ExportPart, ExportQuery, GroupBy, Percentiles, StatsGroup, StatsQuery,
};

/// Grows when a message changes in a way an older side cannot read.
pub const PROTOCOL_VERSION: u32 = 1;
