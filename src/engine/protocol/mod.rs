//! What front ends and the engine say to each other: plain, serialisable data with a version, so that a
//! second implementation of the handle can carry it over a socket.

pub mod budget;
pub mod call_stream;
pub mod command;
pub mod diagnosis;
pub mod event;
pub mod policy;
pub mod query;
pub mod reply;
pub mod snapshot;

pub use budget::{BudgetReport, DaySpend, ProviderSpend};
pub use call_stream::{CallEvent, CallHead, CallOutcome};
pub use command::{Command, CommandName, DraftSecret, LastGoodAct, ProbeWhich, ProviderDraft};
pub use diagnosis::{DOCTOR_STEPS, RunId, TEST_STEPS};
pub use event::{Event, EventKind, Level};
pub use policy::{CaseWorld, PolicyDraft, PolicyEdit, PolicyPlace, RouteCase};
pub use query::{CallPage, CallQuery, CallRow, IncidentQuery, LogLine, LogQuery, SavedPrompt};
pub use reply::{
    EditReport, Found, LedgerCheck, ModelReport, Refusal, Reply, ReportParts, Step, StepState, TestReport,
};
pub use snapshot::{
    ConfigView, GatewayView, LoadingCall, LoadingView, ModelView, ModelsEntry, ProbePoint, ProviderView, RoutingView,
    RunningCall, Snapshot, SpendView,
};

/// Grows when a message changes in a way an older side cannot read.
pub const PROTOCOL_VERSION: u32 = 1;
