//! Everything a person or a client may ask of the engine. Each command has a CLI verb and a dashboard
//! action, or a stated reason; `tests/it/parity.rs` enumerates them by [`CommandName`].

use super::diagnosis::RunId;
use super::policy::{PolicyEdit, RouteCase};
use super::preset::PresetEdit;
use super::query::{CallQuery, IncidentQuery, LogQuery, SavedPrompt};
use super::replay::ReplayQuery;
use super::stats::{ExportQuery, StatsQuery};
use crate::domain::call::{CallRequest, Facts};
use crate::domain::config::Journey;
use crate::domain::ids::{CallId, ModelId, ProviderId};
use crate::domain::kind::Kind;
use crate::domain::routing::ActiveChoice;
use serde::{Deserialize, Serialize};

/// Which providers a probe is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeWhich {
    All,
    One(ProviderId),
}

/// A provider as a form or `providers add` describes it: texts as typed. An edit changes what is given and nothing
/// else, whatever became of the rest meanwhile; an empty id or address is not given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProviderDraft {
    pub id: String,
    /// `None` leaves it as it is, an empty text removes it.
    pub name: Option<String>,
    pub kind: Option<Kind>,
    pub endpoint: String,
    /// `${NAME}` or, discouraged, the key itself; `None` leaves it as it is, an empty text removes it.
    pub auth_token: Option<DraftSecret>,
    /// Named models, in order; `None` leaves them as they are.
    pub models: Option<Vec<String>>,
    /// `None` leaves it as it is; a new one is not.
    pub local: Option<bool>,
    /// `None` leaves it as it is; a new one is.
    pub enabled: Option<bool>,
}

/// A key on its way from a form to the file. Serialised only between a front end and the engine; its
/// `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DraftSecret(pub String);

impl std::fmt::Debug for DraftSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DraftSecret(hidden)")
    }
}

/// A request to the engine. Answered by one [`super::Reply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Runs free probes now and answers when they are done.
    Probe {
        which: ProbeWhich,
        /// Somebody says that they may be asked again: what a rate limit, an account or a plan holds back until some
        /// time is forgotten, in all processes. Without it a probe only looks; with `--readonly` too.
        #[serde(default)]
        anew: bool,
    },
    /// Tests a connection step by step without saving anything. `answer` adds one small completion.
    TestProvider {
        draft: Box<ProviderDraft>,
        answer: bool,
        /// Each step is announced under it as [`super::EventKind::StepDone`].
        #[serde(default)]
        run: RunId,
    },
    /// The same for a provider of the configuration.
    TestSaved {
        id: ProviderId,
        answer: bool,
        #[serde(default)]
        run: RunId,
    },
    /// Looks for known servers on loopback.
    Discover,
    /// Holds back probes and calls until resumed; not written to the file.
    Pause {
        id: ProviderId,
        paused: bool,
    },
    /// Chooses the active target; kept in the state folder.
    UseTarget {
        choice: ActiveChoice,
    },
    AddProvider {
        draft: Box<ProviderDraft>,
    },
    /// Changes the fields that differ. The id names the provider as it is now.
    EditProvider {
        id: ProviderId,
        draft: Box<ProviderDraft>,
    },
    RemoveProvider {
        id: ProviderId,
    },
    EnableProvider {
        id: ProviderId,
        enabled: bool,
    },
    /// What an add or edit would write, as a difference of the file, without writing.
    PreviewEdit {
        id: Option<ProviderId>,
        draft: Box<ProviderDraft>,
    },
    SetStrategy {
        strategy: String,
    },
    /// Sets a request type's order; an empty one removes it.
    SetOrder {
        request_type: String,
        items: Vec<String>,
    },
    /// Sets one value by path; the value is YAML and checked against the schema.
    ConfigSet {
        path: String,
        value: String,
    },
    /// Takes back the last edit of the file.
    ConfigUndo,
    /// Reads the file again now.
    ConfigReload,
    /// Allows keys to go where this file sends them, by the file's content.
    ConfigTrust {
        /// What the person saw, as in [`super::ConfigView::untrusted`]: nothing is allowed where the file has more.
        #[serde(default)]
        asked: Vec<Journey>,
    },
    Explain {
        facts: Box<Facts>,
    },
    ListCalls {
        query: Box<CallQuery>,
    },
    GetCall {
        id: CallId,
    },
    ReadLog {
        query: Box<LogQuery>,
    },
    /// Keeps a prompt of the playground, unless the configuration switches history off.
    SavePrompt {
        prompt: Box<SavedPrompt>,
    },
    /// The newest prompts of the playground first.
    ListPrompts {
        limit: usize,
    },
    /// Stops a running call.
    CancelCall {
        id: CallId,
    },
    /// Has a server load a model now; answered when it is there. Goes on when nobody waits for the answer.
    LoadModel {
        provider: ProviderId,
        model: ModelId,
        /// Tokens of context; the server's own choice when `None`.
        context: Option<u64>,
    },
    /// Has a server give a model's memory back. The model's id, or that of one loaded copy.
    UnloadModel {
        provider: ProviderId,
        model: ModelId,
    },
    /// Walks every step of a connection; each is announced as [`super::EventKind::StepDone`] under `run`, and
    /// the reply holds all of them. `answer` adds one small completion.
    Diagnose {
        id: ProviderId,
        answer: bool,
        run: RunId,
    },
    /// Ends the work of a run of a test or of the doctor; its asker gets the steps that were done.
    StopDiagnosis {
        run: RunId,
    },
    ListIncidents {
        query: Box<IncidentQuery>,
    },
    /// What to do with the last version of the file that could be used.
    LastGood {
        act: LastGoodAct,
    },
    /// Takes every key out of a draft and adds what only the engine can tell.
    Report {
        draft: String,
    },
    /// Changes the policies of the file, or with `dry_run` says what it would write.
    EditPolicy {
        edit: Box<PolicyEdit>,
        dry_run: bool,
    },
    /// Tries the rules out on a table of requests, with everything up; asks nobody.
    TestRoutes {
        cases: Vec<RouteCase>,
    },
    /// What there is to say about kept answers, or forgets them.
    Cache {
        act: CacheAct,
    },
    /// Sums over recorded calls.
    CallStats {
        query: Box<StatsQuery>,
    },
    /// Recorded calls as text for other programs, or into a file.
    ExportCalls {
        query: Box<ExportQuery>,
    },
    /// Reads a condition as it is being typed: its facts, or what is wrong and where.
    CheckCondition {
        text: String,
    },
    /// Explains a request by the rules in force, and by those that an unsaved edit would make.
    ExplainWith {
        edit: Box<PolicyEdit>,
        facts: Box<Facts>,
    },
    /// The day's money, and so many days, today first.
    Budget {
        days: u32,
    },
    /// Changes the presets of the file, or with `dry_run` says what it would write.
    EditPreset {
        edit: Box<PresetEdit>,
        dry_run: bool,
    },
    /// Has the vendor of the target that would answer count the tokens of a prompt: the prompt goes there, and to no
    /// model. Stopped by the name of its run.
    CountTokens {
        request: Box<CallRequest>,
        run: RunId,
    },
    /// What policies in observe mode would have done with the calls of the last 24 hours.
    Observed,
    /// Holds recorded calls against rules; its progress is announced as [`super::EventKind::ReplayProgress`].
    Replay {
        query: Box<ReplayQuery>,
        run: RunId,
    },
    /// Ends a replay; its asker gets what was looked at so far.
    StopReplay {
        run: RunId,
    },
}

/// What can be done while the file cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastGoodAct {
    /// The difference that putting it back would make; nothing is written.
    Compare,
    /// Runs with it; the file stays as it is.
    Run,
    /// Writes it to the file, and keeps the file as it was beside it.
    PutBack,
}

/// What can be done with kept answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheAct {
    Stats,
    Clear,
}

/// The names of all commands, for the parity test and for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CommandName {
    Probe,
    TestProvider,
    TestSaved,
    Discover,
    Pause,
    UseTarget,
    AddProvider,
    EditProvider,
    RemoveProvider,
    EnableProvider,
    PreviewEdit,
    SetStrategy,
    SetOrder,
    ConfigSet,
    ConfigUndo,
    ConfigReload,
    ConfigTrust,
    Explain,
    ListCalls,
    GetCall,
    ReadLog,
    SavePrompt,
    ListPrompts,
    CancelCall,
    LoadModel,
    UnloadModel,
    Diagnose,
    StopDiagnosis,
    ListIncidents,
    LastGood,
    Report,
    EditPolicy,
    TestRoutes,
    Cache,
    CallStats,
    ExportCalls,
    CheckCondition,
    ExplainWith,
    Budget,
    EditPreset,
    CountTokens,
    Observed,
    Replay,
    StopReplay,
}

impl CommandName {
    pub const ALL: [Self; 44] = [
        Self::Probe,
        Self::TestProvider,
        Self::TestSaved,
        Self::Discover,
        Self::Pause,
        Self::UseTarget,
        Self::AddProvider,
        Self::EditProvider,
        Self::RemoveProvider,
        Self::EnableProvider,
        Self::PreviewEdit,
        Self::SetStrategy,
        Self::SetOrder,
        Self::ConfigSet,
        Self::ConfigUndo,
        Self::ConfigReload,
        Self::ConfigTrust,
        Self::Explain,
        Self::ListCalls,
        Self::GetCall,
        Self::ReadLog,
        Self::SavePrompt,
        Self::ListPrompts,
        Self::CancelCall,
        Self::LoadModel,
        Self::UnloadModel,
        Self::Diagnose,
        Self::StopDiagnosis,
        Self::ListIncidents,
        Self::LastGood,
        Self::Report,
        Self::EditPolicy,
        Self::TestRoutes,
        Self::Cache,
        Self::CallStats,
        Self::ExportCalls,
        Self::CheckCondition,
        Self::ExplainWith,
        Self::Budget,
        Self::EditPreset,
        Self::CountTokens,
        Self::Observed,
        Self::Replay,
        Self::StopReplay,
    ];
}

impl Command {
    /// The name, by a match without a wildcard: a new command does not compile until it is named.
    pub fn name(&self) -> CommandName {
        match self {
            Self::Probe { .. } => CommandName::Probe,
            Self::TestProvider { .. } => CommandName::TestProvider,
            Self::TestSaved { .. } => CommandName::TestSaved,
            Self::Discover => CommandName::Discover,
            Self::Pause { .. } => CommandName::Pause,
            Self::UseTarget { .. } => CommandName::UseTarget,
            Self::AddProvider { .. } => CommandName::AddProvider,
            Self::EditProvider { .. } => CommandName::EditProvider,
            Self::RemoveProvider { .. } => CommandName::RemoveProvider,
            Self::EnableProvider { .. } => CommandName::EnableProvider,
            Self::PreviewEdit { .. } => CommandName::PreviewEdit,
            Self::SetStrategy { .. } => CommandName::SetStrategy,
            Self::SetOrder { .. } => CommandName::SetOrder,
            Self::ConfigSet { .. } => CommandName::ConfigSet,
            Self::ConfigUndo => CommandName::ConfigUndo,
            Self::ConfigReload => CommandName::ConfigReload,
            Self::ConfigTrust { .. } => CommandName::ConfigTrust,
            Self::Explain { .. } => CommandName::Explain,
            Self::ListCalls { .. } => CommandName::ListCalls,
            Self::GetCall { .. } => CommandName::GetCall,
            Self::ReadLog { .. } => CommandName::ReadLog,
            Self::SavePrompt { .. } => CommandName::SavePrompt,
            Self::ListPrompts { .. } => CommandName::ListPrompts,
            Self::CancelCall { .. } => CommandName::CancelCall,
            Self::LoadModel { .. } => CommandName::LoadModel,
            Self::UnloadModel { .. } => CommandName::UnloadModel,
            Self::Diagnose { .. } => CommandName::Diagnose,
            Self::StopDiagnosis { .. } => CommandName::StopDiagnosis,
            Self::ListIncidents { .. } => CommandName::ListIncidents,
            Self::LastGood { .. } => CommandName::LastGood,
            Self::Report { .. } => CommandName::Report,
            Self::EditPolicy { .. } => CommandName::EditPolicy,
            Self::TestRoutes { .. } => CommandName::TestRoutes,
            Self::Cache { .. } => CommandName::Cache,
            Self::CallStats { .. } => CommandName::CallStats,
            Self::ExportCalls { .. } => CommandName::ExportCalls,
            Self::CheckCondition { .. } => CommandName::CheckCondition,
            Self::ExplainWith { .. } => CommandName::ExplainWith,
            Self::Budget { .. } => CommandName::Budget,
            Self::EditPreset { .. } => CommandName::EditPreset,
            Self::CountTokens { .. } => CommandName::CountTokens,
            Self::Observed => CommandName::Observed,
            Self::Replay { .. } => CommandName::Replay,
            Self::StopReplay { .. } => CommandName::StopReplay,
        }
    }

    /// Whether it writes the file or the choice of target, or holds traffic back: what read-only refuses.
    /// Calls and prompts are recorded all the same.
    pub fn changes_something(&self) -> bool {
        match self {
            Self::Pause { .. }
            | Self::UseTarget { .. }
            | Self::AddProvider { .. }
            | Self::EditProvider { .. }
            | Self::RemoveProvider { .. }
            | Self::EnableProvider { .. }
            | Self::SetStrategy { .. }
            | Self::SetOrder { .. }
            | Self::ConfigSet { .. }
            | Self::ConfigUndo
            | Self::ConfigTrust { .. }
            | Self::CancelCall { .. }
            | Self::LoadModel { .. }
            | Self::UnloadModel { .. }
            | Self::LastGood { act: LastGoodAct::PutBack }
            | Self::EditPolicy { dry_run: false, .. }
            | Self::EditPreset { dry_run: false, .. }
            | Self::Cache { act: CacheAct::Clear } => true,
            Self::Probe { .. }
            | Self::TestProvider { .. }
            | Self::TestSaved { .. }
            | Self::Discover
            | Self::PreviewEdit { .. }
            | Self::ConfigReload
            | Self::Explain { .. }
            | Self::ListCalls { .. }
            | Self::GetCall { .. }
            | Self::ReadLog { .. }
            | Self::SavePrompt { .. }
            | Self::ListPrompts { .. }
            | Self::Diagnose { .. }
            | Self::StopDiagnosis { .. }
            | Self::ListIncidents { .. }
            | Self::LastGood { act: LastGoodAct::Compare | LastGoodAct::Run }
            | Self::Report { .. }
            | Self::EditPolicy { dry_run: true, .. }
            | Self::EditPreset { dry_run: true, .. }
            | Self::TestRoutes { .. }
            | Self::Cache { act: CacheAct::Stats }
            | Self::CallStats { .. }
            | Self::ExportCalls { .. }
            | Self::CheckCondition { .. }
            | Self::ExplainWith { .. }
            | Self::Budget { .. }
            | Self::CountTokens { .. }
            | Self::Observed
            | Self::Replay { .. }
            | Self::StopReplay { .. } => false,
        }
    }
}
