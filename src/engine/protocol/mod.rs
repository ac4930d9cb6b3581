//! What front ends and the engine say to each other: plain, serialisable data with a version, so that a
//! second implementation of the handle can carry it over a socket.

pub mod call_stream;
pub mod command;
pub mod event;
pub mod policy;
pub mod query;
pub mod reply;
pub mod snapshot;

pub use call_stream::{CallEvent, CallHead, CallOutcome};
pub use command::{Command, CommandName, DraftSecret, ProbeWhich, ProviderDraft};
pub use event::{Event, EventKind, Level};
pub use policy::{CaseWorld, PolicyDraft, PolicyEdit, PolicyPlace, RouteCase};
pub use query::{CallPage, CallQuery, CallRow, LogLine, LogQuery, SavedPrompt};
pub use reply::{EditReport, Found, Refusal, Reply, Step, StepState, TestReport};
pub use snapshot::{
    ConfigView, GatewayView, ModelView, ProbePoint, ProviderView, RoutingView, RunningCall, Snapshot, SpendView,
};

/// Grows when a message changes in a way an older side cannot read.
pub const PROTOCOL_VERSION: u32 = 1;
