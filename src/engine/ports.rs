//! What the engine needs from the outside world. Adapters implement these; `bootstrap` puts them together.

use super::protocol::{
    CallEvent, CallPage, CallQuery, CallStats, ConditionCheck, DaySpend, EditReport, ExportPart, ExportQuery,
    ExportView, Found, IncidentQuery, LedgerCheck, LogLine, LogQuery, ObservedSums, PolicyEdit, PresetEdit,
    ProviderDraft, Refusal, SavedPrompt, StatsQuery, Step, TestReport,
};
use crate::domain::budget::{Ask, CivilDate, Day, Grant, LeaseId, Slack};
use crate::domain::call::{Body, CallRecord, Finish, Usage};
use crate::domain::config::{Config, Issue, Journey, Profile};
use crate::domain::failure::{ErrorCode, Failure};
use crate::domain::health::ProbeReport;
use crate::domain::ids::{CallId, ModelId, ProviderId};
use crate::domain::incident::{Incident, Past, Slot};
use crate::domain::money::Money;
use crate::domain::plan::PlanUse;
use crate::domain::rate::RateState;
use crate::domain::routing::{LocalTime, RuleSet};
use crate::domain::schedule::Civil;
use crate::domain::time::UnixMs;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// The wall clock. Durations inside the engine use tokio's clock.
pub trait Clock: Send + Sync {
    fn now(&self) -> UnixMs;
    /// The start of the civil day that holds `at`, in the IANA zone given or the machine's own.
    fn day_start(&self, at: UnixMs, zone: Option<&str>) -> UnixMs;
    /// The civil day that holds `at`; without zone data a day of 24 hours, named as in UTC.
    fn day(&self, at: UnixMs, zone: Option<&str>) -> Day {
        let start = self.day_start(at, zone);
        Day { date: CivilDate::utc(start), start, end: UnixMs(start.0.saturating_add(86_400_000)) }
    }
    /// Hour and weekday on the machine's own clock; in UTC where it has none.
    fn local_time(&self, at: UnixMs) -> LocalTime {
        LocalTime::utc(at)
    }
    /// Date and time of day in the IANA zone given or the machine's own; in UTC where it has none.
    fn civil(&self, at: UnixMs, zone: Option<&str>) -> Civil {
        let _ = zone;
        Civil::utc(at)
    }
    /// As in `18:40` on the machine's own clock, with the day where it is not that of `now`.
    fn moment(&self, at: UnixMs, now: UnixMs) -> String {
        let (there, here) = (Civil::utc(at), Civil::utc(now));
        let day = if there.date == here.date { String::new() } else { format!("{} ", there.date) };
        format!("{day}{:02}:{:02} UTC", there.minute / 60, there.minute % 60)
    }
    /// As in `12:04:05` on the machine's own clock; in UTC, and said so, where it has none.
    fn time_of_day(&self, at: UnixMs) -> String {
        let second = at.0.div_euclid(1000).rem_euclid(86_400);
        format!("{:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
    }
}

/// Steps of one run of a test that nobody took yet: more than a run has. When full, the step is told by the
/// report alone.
pub const STEP_CAPACITY: usize = 16;

/// Asks a model its one question at the end of a connection test: a call like any other, which passes the day's
/// limit and is recorded.
pub trait Question: Send + Sync {
    /// The model the server says it is, once it has answered. Dropping the future stops the call; it is recorded all
    /// the same.
    ///
    /// # Errors
    /// As a call fails; `budget` where the day's limit does not reach.
    fn ask(&self, job: UpstreamJob) -> BoxFuture<'static, Result<Option<String>, Failure>>;
}

/// The provider side: probes, connection tests, calls.
pub trait Upstream: Send + Sync {
    /// Names this process to the gateways that its calls go through; `None` when they are not told.
    fn instance(&self) -> Option<&str> {
        None
    }

    /// One free probe with the retries of its profile. Never fails: a failure is in the report.
    fn probe(&self, profile: Arc<Profile>) -> BoxFuture<'static, ProbeReport>;

    /// The steps of a connection test in order, each told to `steps` as it ends. With somebody to ask it, the model
    /// answers one small question at the end. Dropping the future ends its work.
    fn test(
        &self,
        profile: Arc<Profile>,
        question: Option<Arc<dyn Question>>,
        steps: mpsc::Sender<Step>,
    ) -> BoxFuture<'static, TestReport>;

    /// The same with every step of a connection by itself ([`super::protocol::DOCTOR_STEPS`]).
    fn diagnose(
        &self,
        profile: Arc<Profile>,
        question: Option<Arc<dyn Question>>,
        steps: mpsc::Sender<Step>,
    ) -> BoxFuture<'static, TestReport> {
        self.test(profile, question, steps)
    }

    /// How many tokens a request has by its vendor's own count, within the job's time. Free; the text goes to the
    /// vendor, who gives it to no model. Dropping the future ends the work.
    fn count(&self, job: UpstreamJob) -> BoxFuture<'static, Result<u64, Failure>> {
        let what = format!("{} does not count tokens", job.profile.kind.label());
        Box::pin(std::future::ready(Err(Failure::plain(ErrorCode::InvalidRequest, what))))
    }

    /// Asks the known ports of this machine. `configured` are the providers that exist already.
    fn discover(&self, configured: Vec<Arc<Profile>>) -> BoxFuture<'static, Vec<Found>>;

    /// Loads or unloads a model and returns when its server has done so, within the profile's load time. Dropping
    /// the future stops the waiting; what the server then does is its own business. Never costs money.
    fn model(&self, job: ModelJob) -> BoxFuture<'static, Result<ModelDone, Failure>>;

    /// Sends one request and returns when the response head is there and good. A refusal by the server, a
    /// wrong content type and the like are failures here; dropping the future or the answer cancels the call.
    fn start(&self, job: UpstreamJob) -> BoxFuture<'static, Result<UpstreamAnswer, Failure>>;
}

/// A model to bring into a server's memory, or out of it.
#[derive(Debug, Clone)]
pub struct ModelJob {
    pub profile: Arc<Profile>,
    /// Its id, or that of one loaded copy.
    pub model: ModelId,
    pub act: ModelAct,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelAct {
    /// With so many tokens of context, else as the server likes.
    Load {
        context: Option<u64>,
    },
    Unload,
    /// Load, and where the server unloads by itself it stays for so long from now on.
    Keep {
        stay: Duration,
    },
}

/// What became of a [`ModelJob`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelDone {
    /// It was so before: nothing was asked of the server.
    pub already: bool,
    pub context: Option<u64>,
    /// The server's names for the copies concerned.
    pub instances: Vec<String>,
}

/// One attempt at one target.
#[derive(Debug, Clone)]
pub struct UpstreamJob {
    pub profile: Arc<Profile>,
    pub model: ModelId,
    /// With all parameters already settled.
    pub body: Body,
    /// Refuse to connect to a cloud address; to a network address too unless the profile says `local`.
    pub local_only: bool,
    /// The instances that the request came through already.
    pub through: Vec<String>,
    /// The rest of the call's deadline.
    pub time_left: Duration,
}

/// A response whose head is good.
pub struct UpstreamAnswer {
    pub status: u16,
    pub content_type: String,
    pub stream: bool,
    /// Ends after the end mark; a stream cut before it yields a last `Err`.
    pub frames: BoxStream<'static, Result<Frame, Failure>>,
    /// What the vendor says is left of its limits.
    pub rate: Option<RateState>,
}

/// One event of a stream, or the whole body of an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    /// Exactly the bytes that came (an SSE event with its blank line), or the end mark a server leaves out.
    pub raw: Bytes,
    pub seen: Seen,
}

/// What the dialect understood of a frame.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "a frame may be any of these at once")]
pub struct Seen {
    /// Content of the answer.
    pub text: String,
    pub reasoning: String,
    /// A piece of a tool call.
    pub tool: bool,
    pub usage: Option<Usage>,
    pub finish: Option<Finish>,
    /// The model the server says it is.
    pub model: Option<String>,
    /// The response's own id.
    pub response_id: Option<String>,
    /// Amount billed, where the vendor states it.
    pub billed: Option<Money>,
    /// The frame holds usage only: withheld from callers who did not ask for it.
    pub usage_only: bool,
    /// The end mark.
    pub end: bool,
    /// An answer that is neither text, reasoning nor a tool call, as an embedding.
    pub other: bool,
}

impl Seen {
    /// The first non-empty content, reasoning or tool delta: from here on there is no switch of targets.
    pub fn answer_bytes(&self) -> bool {
        !self.text.is_empty() || !self.reasoning.is_empty() || self.tool || self.other
    }
}

/// One change of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigEdit {
    AddProvider(ProviderDraft),
    EditProvider { id: ProviderId, draft: ProviderDraft },
    RemoveProvider { id: ProviderId },
    EnableProvider { id: ProviderId, enabled: bool },
    SetStrategy(String),
    SetOrder { request_type: String, items: Vec<String> },
    Set { path: String, value: String },
    Policy(PolicyEdit),
    Preset(PresetEdit),
}

/// A configuration as loaded, with what there is to say about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Arc<Config>,
    /// The file it came from; `None` when there is none.
    pub file: Option<String>,
    /// Where a first save would go.
    pub would_write: String,
    pub issues: Vec<Issue>,
    pub can_undo: bool,
    /// All of `config` in the words of a file, without keys: for people.
    pub in_force: Arc<Value>,
}

/// A file that cannot be used; the caller keeps what it has.
#[derive(Debug, Clone)]
pub struct Unusable {
    pub file: String,
    pub issues: Vec<Issue>,
    /// Since when a version of it is kept that could be used.
    pub last_good: Option<UnixMs>,
}

/// The configuration file. All methods block on disk: call them off the async threads.
pub trait ConfigStore: Send + Sync {
    /// # Errors
    /// The file is there and cannot be used.
    fn load(&self) -> Result<Loaded, Unusable>;

    /// Makes one change and verifies it, or with `dry_run` says what it would write.
    ///
    /// # Errors
    /// Refused: the file changed on disk, the value is wrong, the construct cannot be edited safely.
    fn edit(&self, edit: &ConfigEdit, dry_run: bool) -> Result<EditReport, Refusal>;

    /// Takes back the last edit made through this store.
    ///
    /// # Errors
    /// Nothing to take back, or the file changed since.
    fn undo(&self) -> Result<EditReport, Refusal>;

    /// Allows the file to send keys where it says, as far as the person was `asked`: the report's issues name each way.
    ///
    /// # Errors
    /// The file changed since, it sends a key where nobody was asked, or the decision could not be kept.
    fn trust(&self, asked: &[Journey]) -> Result<EditReport, Refusal>;

    /// The last version of the file that could be used; `None` when none is kept.
    fn last_good(&self) -> Option<Loaded>;

    /// What putting the last good version back would change.
    ///
    /// # Errors
    /// The file can be used, or no good version is kept.
    fn compare_last_good(&self) -> Result<EditReport, Refusal>;

    /// Puts the last good version back; the file as it was is kept beside it.
    ///
    /// # Errors
    /// As [`Self::compare_last_good`], or it cannot be written.
    fn put_last_good_back(&self) -> Result<EditReport, Refusal>;

    /// The file as it stands, without comments and with every secret hidden; `None` when there is none.
    ///
    /// # Errors
    /// A sentence: it cannot be read, so nobody can tell where keys stand in it.
    fn masked(&self) -> Result<Option<String>, String>;

    /// The text without any key that the file or the environment holds, and without what looks like one.
    fn redact(&self, text: &str) -> String;

    /// A profile as a draft would make it, for a test before saving. `base` is the provider being edited.
    ///
    /// # Errors
    /// The draft is not valid: findings by field name in `issues[].path`.
    fn profile_of(&self, base: Option<&ProviderId>, draft: &ProviderDraft) -> Result<Profile, Refusal>;

    /// Reads a condition without the file; pure.
    fn check_condition(&self, text: &str) -> ConditionCheck;

    /// The rules as an edit would make them, with what is odd about them. Nothing is written.
    ///
    /// # Errors
    /// The edit cannot be done, or its result cannot be used.
    fn rules_with(&self, edit: &PolicyEdit) -> Result<(RuleSet, Vec<Issue>), Refusal>;

    /// The rules of a text named `name`: a whole configuration, or only its `routing:` and `model_selection:` in
    /// place of the file's own. Nothing is written.
    ///
    /// # Errors
    /// It holds no rules, or they cannot be used.
    fn rules_of(&self, name: &str, text: &str) -> Result<(RuleSet, Vec<Issue>), Refusal>;

    /// A counter that grows when the file changes on disk.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// Sums of one day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DaySums {
    pub calls: u64,
    /// Errors and denials.
    pub failed: u64,
    pub spent: Money,
    pub unpriced: u64,
    /// By the record's `policy`, largest first.
    pub by_policy: Vec<(String, u64)>,
}

/// The durable record of calls, and small notes kept beside it. Writing never blocks the caller.
pub trait Ledger: Send + Sync {
    /// An id no other process that shares the state folder gives out.
    fn next_id(&self) -> CallId;
    /// Hands the record to the writer; when its queue is full the loss is counted.
    fn record(&self, record: Arc<CallRecord>);
    /// Records lost since start.
    fn dropped(&self) -> u64;
    /// Waits until everything handed over so far is on disk.
    fn flush(&self) -> BoxFuture<'static, ()>;
    /// Totals are for today, or for the span of `since` where that reaches further back.
    fn calls(&self, query: CallQuery, now: UnixMs) -> BoxFuture<'static, Result<CallPage, String>>;
    fn call(&self, id: CallId) -> BoxFuture<'static, Result<Option<CallRecord>, String>>;
    fn day(&self, since: UnixMs) -> BoxFuture<'static, Result<DaySums, String>>;
    /// A note that outlives the process, as the active target.
    /// Reads the whole record and says whether it is sound.
    fn check(&self) -> BoxFuture<'static, Result<LedgerCheck, String>>;
    fn recall(&self, key: &str) -> Option<String>;
    fn remember(&self, key: &str, value: &str);
    /// What is known of the time since a moment, before this process wrote anything, with at most so many
    /// incidents. Reads the disk: for the start only.
    fn past(&self, since: UnixMs, incidents: usize) -> Past;
    /// Keeps an incident as it stands now; the open one of a provider is one row, whoever began it.
    fn note_incident(&self, incident: &Incident);
    /// Adds what one probe saw to its slot.
    fn note_slot(&self, provider: &ProviderId, slot: Slot);
    fn incidents(&self, query: IncidentQuery) -> BoxFuture<'static, Result<Vec<Incident>, String>>;
    /// Sums over the calls that match.
    fn stats(&self, query: StatsQuery, now: UnixMs) -> BoxFuture<'static, Result<CallStats, String>>;
    /// Whole records, the newest first; the query's limit counts as it is.
    fn records(&self, query: CallQuery, now: UnixMs) -> BoxFuture<'static, Result<Vec<CallRecord>, String>>;
    /// What observed policies would have done with the calls since a moment.
    fn observed(&self, since: UnixMs) -> BoxFuture<'static, Result<ObservedSums, String>>;
    /// Whole records as text, a part at a time, or all of them into a file.
    fn export(&self, query: ExportQuery, now: UnixMs) -> BoxFuture<'static, Result<ExportPart, String>>;
}

/// Where the day's limit and the plans are divided among processes. All methods block on disk: call them off the async threads.
pub trait BudgetStore: Send + Sync {
    /// Gives a lease what it asks for, in one step that no other process can get between. `today` is the clock's; the
    /// day that counts may be a later one.
    ///
    /// # Errors
    /// A sentence: the store cannot be written, so nothing is given.
    fn ask(&self, ask: &Ask, today: Day) -> Result<Given, String>;

    /// Shrinks leases to what they need.
    ///
    /// # Errors
    /// A sentence: they stay as large as they are.
    fn give_back(&self, slack: &[Slack]) -> Result<(), String>;

    /// What everybody but `own` holds or has spent of a day.
    ///
    /// # Errors
    /// A sentence.
    fn standing(&self, day: CivilDate, today: Day, own: Option<LeaseId>) -> Result<Standing, String>;

    /// What days cost, in the order asked for.
    ///
    /// # Errors
    /// A sentence.
    fn days(&self, days: &[Day]) -> Result<Vec<DaySpend>, String>;

    /// Changes what is counted of a provider's plan, in one step that no other process can get between. `change` gets
    /// what stands there, and returns what is to stand there; `None` leaves it.
    ///
    /// # Errors
    /// A sentence: nothing was changed.
    fn plan_use(
        &self,
        provider: &ProviderId,
        change: &mut (dyn FnMut(Option<PlanUse>) -> Option<PlanUse> + Send),
    ) -> Result<(), String>;

    /// What is counted of all plans.
    ///
    /// # Errors
    /// A sentence.
    fn plan_uses(&self) -> Result<Vec<(ProviderId, PlanUse)>, String>;

    /// Requests that were sent to a provider since a moment, by the record: when each began, and its tokens where
    /// it answered; the oldest first.
    ///
    /// # Errors
    /// A sentence.
    fn sent(&self, provider: &ProviderId, since: UnixMs) -> Result<Vec<(UnixMs, u64)>, String>;
}

/// A store's answer to an [`Ask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    Lease(Grant),
    /// The limit does not reach: the lease holds what it needs and no more, and so much is left.
    Short {
        grant: Grant,
        left: Money,
    },
    /// Money was counted on a later day already: a day that is over takes no more.
    LaterDay(CivilDate),
}

/// How much of a day is out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The day that counts.
    pub day: CivilDate,
    /// Held or spent by everybody else.
    pub others: Money,
    /// Of it what other leases hold and have not spent: running calls, or a process that ended badly.
    pub unreturned: Money,
}

/// The application log, for reading back.
pub trait LogReader: Send + Sync {
    /// # Errors
    /// A sentence: the file cannot be read.
    fn read(&self, query: &LogQuery) -> Result<Vec<LogLine>, String>;
}

/// The playground's history.
pub trait PromptHistory: Send + Sync {
    /// # Errors
    /// A sentence: the file cannot be written.
    fn save(&self, prompt: &SavedPrompt) -> Result<(), String>;

    /// The newest first.
    ///
    /// # Errors
    /// A sentence: the file cannot be read.
    fn list(&self, limit: usize) -> Result<Vec<SavedPrompt>, String>;
}

/// One answer, ready to be given again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub at: UnixMs,
    pub content_type: String,
    pub stream: bool,
    /// Text, reasoning, raw bytes and usage in the order they came.
    pub events: Vec<CallEvent>,
    pub usage: Option<Usage>,
    pub finish: Option<Finish>,
}

/// Answers that outlive the process. A failure is as good as nothing kept: it is logged and the call goes on.
pub trait AnswerStore: Send + Sync {
    fn get(&self, key: &str) -> BoxFuture<'static, Option<Kept>>;
    /// Keeps at most so many, the newest, and none that was kept before `oldest`.
    fn put(&self, key: &str, kept: Arc<Kept>, most: usize, oldest: UnixMs) -> BoxFuture<'static, ()>;
    /// How many were forgotten.
    ///
    /// # Errors
    /// A sentence: the file cannot be written.
    fn clear(&self) -> BoxFuture<'static, Result<u64, String>>;
    /// Forgets what was kept before `oldest`.
    ///
    /// # Errors
    /// A sentence: the file cannot be written.
    fn tidy(&self, oldest: UnixMs) -> BoxFuture<'static, Result<(), String>>;
    /// How many there are that were not kept before `oldest`, and their bytes.
    ///
    /// # Errors
    /// A sentence: the file cannot be read.
    fn stats(&self, oldest: UnixMs) -> BoxFuture<'static, Result<(u64, u64), String>>;
}

/// Everything the engine is given.
#[derive(Clone)]
pub struct Ports {
    pub clock: Arc<dyn Clock>,
    pub upstream: Arc<dyn Upstream>,
    pub config: Arc<dyn ConfigStore>,
    pub ledger: Arc<dyn Ledger>,
    pub log: Arc<dyn LogReader>,
    pub history: Arc<dyn PromptHistory>,
    /// Where `cache.persist` keeps answers; nowhere when `None`.
    pub answers: Option<Arc<dyn AnswerStore>>,
    pub budget: Arc<dyn BudgetStore>,
    /// How the export to a collector stands; `None` where there is none.
    pub export: Option<watch::Receiver<ExportView>>,
}
