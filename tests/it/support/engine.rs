//! An engine on scripted ports: providers that answer as told, a ledger in memory, a clock that follows
//! tokio's, so that tests with paused time run in an instant and in order.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use lmdeck::domain::call::{Body, CallRecord, CallRequest, Facts, Finish, Message, Role, Usage};
use lmdeck::domain::config::{Config, Endpoint, Issue, Journey, ModelProfile, Profile, Timeouts};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::{ModelInfo, ProbeFound, ProbeReport};
use lmdeck::domain::ids::{CallId, ProviderId, Target};
use lmdeck::domain::incident::{Incident, Past, Slot};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::RuleSet;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::ports::{
    Clock, ConfigEdit, ConfigStore, DaySums, Frame, Ledger, Loaded, LogReader, ModelAct, ModelDone, ModelJob, Ports,
    PromptHistory, Seen, Unusable, Upstream, UpstreamAnswer, UpstreamJob,
};
use lmdeck::engine::protocol::{
    CallEvent, CallOutcome, CallPage, CallQuery, CallRow, CallStats, ConditionCheck, EditReport, ExportPart,
    ExportQuery, ExportView, Found, IncidentQuery, LedgerCheck, LogLine, LogQuery, ObservedSums, PolicyEdit,
    ProviderDraft, Refusal, SavedPrompt, StatsQuery, TestReport,
};
use lmdeck::engine::{Engine, Options};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

/// What a scripted target does with one request.
#[derive(Debug, Clone)]
pub enum Act {
    /// Streams these words, then usage and the end mark.
    Say(&'static str),
    /// Fails before anything is sent back.
    Fail(Failure),
    /// Streams a word, then fails.
    BreakAfter(&'static str, Failure),
    /// Streams a word, then stands still for ever.
    StallAfter(&'static str),
    /// Never answers.
    Silence,
    /// Ends without a word, and nothing says why.
    Nothing,
    /// Ends at its length before its first word.
    Full,
    /// Counts the request and fails before a word.
    CountAndFail(Failure),
    /// Streams this and the end mark, and tells no usage.
    Uncounted(&'static str),
    /// Streams frames that say nothing, without end.
    Rattle,
    /// Is silent for so long, then streams these words.
    SayAfter(Duration, &'static str),
}

/// A job as a target saw it.
#[derive(Debug, Clone)]
pub struct SeenJob {
    pub target: Target,
    pub body: Body,
    pub local_only: bool,
    /// When it came.
    pub at: Instant,
}

#[derive(Default)]
struct Script {
    acts: HashMap<String, VecDeque<Act>>,
    probes: HashMap<String, Result<ProbeFound, Failure>>,
    jobs: Vec<SeenJob>,
    model_jobs: Vec<(Target, ModelAct)>,
    load_takes: Option<Duration>,
    load_fails: Option<Failure>,
    probed: Vec<String>,
    found: Vec<Found>,
}

/// Plays the script and remembers what it was asked.
#[derive(Default)]
pub struct Stage {
    script: Mutex<Script>,
    pub cancelled: Arc<AtomicUsize>,
    /// Frames without a word that were taken.
    pub rattled: Arc<AtomicUsize>,
}

impl Stage {
    /// The next acts of `target`; after them it says `ok`.
    pub fn acts(&self, target: &str, acts: impl IntoIterator<Item = Act>) {
        self.script.lock().unwrap().acts.insert(target.into(), acts.into_iter().collect());
    }

    pub fn probe_answers(&self, provider: &str, models: &[&str]) {
        let model = |id: &&str| ModelInfo { loaded: Some(true), ..ModelInfo::named(*id) };
        self.probe_finds(provider, models.iter().map(model).collect());
    }

    pub fn probe_finds(&self, provider: &str, models: Vec<ModelInfo>) {
        let found = ProbeFound { models, ..ProbeFound::default() };
        self.script.lock().unwrap().probes.insert(provider.into(), Ok(found));
    }

    pub fn probe_fails(&self, provider: &str, failure: Failure) {
        self.script.lock().unwrap().probes.insert(provider.into(), Err(failure));
    }

    /// A server of this kind now answers on this machine.
    pub fn appears(&self, kind: Kind, endpoint: &str) {
        let note = "1 model".to_owned();
        let found =
            Found { kind, endpoint: endpoint.into(), answered: true, models: Vec::new(), note, configured_as: None };
        self.script.lock().unwrap().found.push(found);
    }

    /// A server of this kind runs on this machine.
    pub fn runs_here(&self, kind: Kind) {
        self.appears(kind, "http://127.0.0.1:8080");
    }

    /// How long loading and unloading take from now on; a second, unless said.
    pub fn load_takes(&self, time: Duration) {
        self.script.lock().unwrap().load_takes = Some(time);
    }

    pub fn load_fails(&self, failure: Failure) {
        self.script.lock().unwrap().load_fails = Some(failure);
    }

    /// What servers were told to load and unload.
    pub fn model_jobs(&self) -> Vec<(Target, ModelAct)> {
        self.script.lock().unwrap().model_jobs.clone()
    }

    /// The list of `provider` says from now on that `model` is loaded, or not.
    pub fn model_is(&self, provider: &str, model: &str, loaded: bool) {
        let mut script = self.script.lock().unwrap();
        if let Some(Ok(found)) = script.probes.get_mut(provider) {
            for known in found.models.iter_mut().filter(|known| known.id.as_str() == model) {
                known.loaded = Some(loaded);
            }
        }
    }

    pub fn jobs(&self) -> Vec<SeenJob> {
        self.script.lock().unwrap().jobs.clone()
    }

    pub fn probes_of(&self, provider: &str) -> usize {
        self.script.lock().unwrap().probed.iter().filter(|id| *id == provider).count()
    }
}

/// Counts when it is dropped before it was disarmed: a call that was cancelled under way.
struct Hangup(Option<Arc<AtomicUsize>>);

impl Hangup {
    fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for Hangup {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn word(text: &str) -> Frame {
    let raw = Bytes::from(format!("data: {text}\n\n"));
    Frame { raw, seen: Seen { text: text.into(), ..Seen::default() } }
}

fn last_frames() -> Vec<Frame> {
    let usage = Usage { input: 31, output: 5, ..Usage::default() };
    vec![
        Frame {
            raw: Bytes::from_static(b"data: finish\n\n"),
            seen: Seen { finish: Some(Finish::Stop), ..Seen::default() },
        },
        Frame {
            raw: Bytes::from_static(b"data: usage\n\n"),
            seen: Seen { usage: Some(usage), usage_only: true, ..Seen::default() },
        },
        Frame { raw: Bytes::from_static(b"data: [DONE]\n\n"), seen: Seen { end: true, ..Seen::default() } },
    ]
}

fn streamed(frames: BoxStream<'static, Result<Frame, Failure>>) -> UpstreamAnswer {
    UpstreamAnswer { rate: None, status: 200, content_type: "text/event-stream".into(), stream: true, frames }
}

/// The report of a connection test that took no step.
pub fn untested() -> BoxFuture<'static, TestReport> {
    Box::pin(async {
        TestReport { steps: Vec::new(), models: Vec::new(), failure: None, cautions: Vec::new(), total_ms: 0 }
    })
}

impl Upstream for Stage {
    fn probe(&self, profile: Arc<Profile>) -> BoxFuture<'static, ProbeReport> {
        let mut script = self.script.lock().unwrap();
        script.probed.push(profile.id.to_string());
        let outcome = script.probes.get(profile.id.as_str()).cloned().unwrap_or_else(|| Err(refused()));
        let reach = if profile.kind.is_vendor() { Reach::Cloud } else { Reach::Machine };
        Box::pin(async move {
            sleep(Duration::from_millis(3)).await;
            ProbeReport { at: TokioClock.now(), latency_ms: 3, reach: outcome.is_ok().then_some(reach), outcome }
        })
    }

    fn test(
        &self,
        _: Arc<Profile>,
        _: Option<Arc<dyn lmdeck::engine::ports::Question>>,
        _: tokio::sync::mpsc::Sender<lmdeck::engine::protocol::Step>,
    ) -> BoxFuture<'static, TestReport> {
        untested()
    }

    fn discover(&self, _: Vec<Arc<Profile>>) -> BoxFuture<'static, Vec<Found>> {
        let found = self.script.lock().unwrap().found.clone();
        Box::pin(async move {
            sleep(Duration::from_millis(200)).await;
            found
        })
    }

    fn model(&self, job: ModelJob) -> BoxFuture<'static, Result<ModelDone, Failure>> {
        let target = Target { provider: job.profile.id.clone(), model: job.model.clone() };
        let mut script = self.script.lock().unwrap();
        script.model_jobs.push((target.clone(), job.act));
        let takes = script.load_takes.unwrap_or(Duration::from_secs(1));
        let failure = script.load_fails.clone();
        Box::pin(async move {
            sleep(takes).await;
            match failure {
                Some(failure) => Err(failure),
                None => Ok(ModelDone { instances: vec![target.model.to_string()], ..ModelDone::default() }),
            }
        })
    }

    fn start(&self, job: UpstreamJob) -> BoxFuture<'static, Result<UpstreamAnswer, Failure>> {
        let target = Target { provider: job.profile.id.clone(), model: job.model.clone() };
        let mut script = self.script.lock().unwrap();
        let act = script.acts.get_mut(&target.to_string()).and_then(VecDeque::pop_front).unwrap_or(Act::Say("ok"));
        script.jobs.push(SeenJob { target, body: job.body, local_only: job.local_only, at: Instant::now() });
        let mut hangup = Hangup(Some(self.cancelled.clone()));
        let rattled = self.rattled.clone();
        Box::pin(async move {
            sleep(Duration::from_millis(20)).await;
            if let Act::SayAfter(time, _) = &act {
                sleep(*time).await;
            }
            let frames: Vec<Result<Frame, Failure>> = match &act {
                Act::Fail(failure) => {
                    hangup.disarm();
                    return Err(failure.clone());
                }
                Act::Silence => {
                    std::future::pending::<()>().await;
                    Vec::new()
                }
                Act::Say(text) | Act::SayAfter(_, text) => {
                    let words = text.split_inclusive(' ').map(word);
                    words.chain(last_frames()).map(Ok).collect()
                }
                Act::Nothing => Vec::new(),
                Act::Full => {
                    let mut frames = last_frames();
                    frames[0].seen.finish = Some(Finish::Length);
                    frames.into_iter().map(Ok).collect()
                }
                Act::CountAndFail(failure) => vec![Ok(last_frames().swap_remove(1)), Err(failure.clone())],
                Act::Uncounted(text) => {
                    let ends = last_frames().into_iter().filter(|frame| frame.seen.usage.is_none());
                    std::iter::once(word(text)).chain(ends).map(Ok).collect()
                }
                Act::Rattle => {
                    let frames = stream::repeat_with(move || {
                        rattled.fetch_add(1, Ordering::SeqCst);
                        Ok(Frame { raw: Bytes::from_static(b"\n"), seen: Seen::default() })
                    });
                    return Ok(streamed(frames.boxed()));
                }
                Act::BreakAfter(text, failure) => vec![Ok(word(text)), Err(failure.clone())],
                Act::StallAfter(text) => vec![Ok(word(text))],
            };
            let stalls = matches!(act, Act::StallAfter(_));
            let steps = stream::iter(frames).then(|frame| async move {
                sleep(Duration::from_millis(10)).await;
                frame
            });
            let tail = stream::once(async move {
                if stalls {
                    std::future::pending::<()>().await;
                }
                hangup.disarm();
                None::<Result<Frame, Failure>>
            })
            .filter_map(|nothing| async move { nothing });
            Ok(streamed(steps.chain(tail).boxed()))
        })
    }
}

/// Wall time that follows tokio's clock, so that pausing one pauses both.
pub struct TokioClock;

impl Clock for TokioClock {
    fn now(&self) -> UnixMs {
        thread_local!(static ORIGIN: Instant = Instant::now());
        let passed = ORIGIN.with(Instant::elapsed);
        UnixMs(1_763_763_285_000).plus(passed)
    }

    fn day_start(&self, at: UnixMs, _: Option<&str>) -> UnixMs {
        UnixMs(at.0 - at.0.rem_euclid(86_400_000))
    }
}

/// The configuration as a value that tests change.
pub struct Desk {
    config: Mutex<Config>,
    /// What is wrong with the file now; the good one is the one above.
    broken: Mutex<Option<Issue>>,
    changes: watch::Sender<u64>,
}

impl Desk {
    /// Whether somebody wants to hear of changes.
    pub fn is_followed(&self) -> bool {
        self.changes.receiver_count() > 0
    }

    pub fn with(config: Config) -> Arc<Self> {
        Arc::new(Self { config: Mutex::new(config), broken: Mutex::new(None), changes: watch::channel(0).0 })
    }

    pub fn change(&self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config.lock().unwrap());
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Desk {
    /// Somebody spoils the file, or mends it.
    pub fn spoil(&self, issue: Option<Issue>) {
        *self.broken.lock().unwrap() = issue;
        self.changes.send_modify(|count| *count += 1);
    }

    fn good(&self) -> Loaded {
        let config = self.config.lock().unwrap().clone();
        Loaded {
            file: (!config.providers.is_empty()).then(|| "ai_models.yaml".into()),
            config: Arc::new(config),
            would_write: "ai_models.yaml".into(),
            issues: Vec::new(),
            can_undo: false,
            in_force: Arc::default(),
        }
    }
}

impl ConfigStore for Desk {
    fn load(&self) -> Result<Loaded, Unusable> {
        if let Some(issue) = self.broken.lock().unwrap().clone() {
            return Err(Unusable { file: "ai_models.yaml".into(), issues: vec![issue], last_good: Some(UnixMs(1)) });
        }
        Ok(self.good())
    }

    fn edit(&self, edit: &ConfigEdit, _: bool) -> Result<EditReport, Refusal> {
        if let ConfigEdit::EnableProvider { id, enabled } = edit {
            let mut config = self.config.lock().unwrap();
            config.providers.iter_mut().filter(|profile| &profile.id == id).for_each(|p| p.enabled = *enabled);
        }
        if let ConfigEdit::EditProvider { id, draft } = edit {
            let mut config = self.config.lock().unwrap();
            let named = config.providers.iter_mut().filter(|profile| &profile.id == id);
            named.for_each(|profile| profile.id = draft.id.as_str().into());
        }
        Ok(EditReport { written: true, ..EditReport::default() })
    }

    fn undo(&self) -> Result<EditReport, Refusal> {
        Ok(EditReport::default())
    }

    fn trust(&self, _: &[Journey]) -> Result<EditReport, Refusal> {
        Ok(EditReport::default())
    }

    fn last_good(&self) -> Option<Loaded> {
        Some(self.good())
    }

    fn compare_last_good(&self) -> Result<EditReport, Refusal> {
        Ok(EditReport::default())
    }

    fn put_last_good_back(&self) -> Result<EditReport, Refusal> {
        *self.broken.lock().unwrap() = None;
        Ok(EditReport { written: true, ..EditReport::default() })
    }

    fn masked(&self) -> Result<Option<String>, String> {
        Ok(None)
    }

    fn redact(&self, text: &str) -> String {
        text.to_owned()
    }

    fn profile_of(&self, base: Option<&ProviderId>, draft: &ProviderDraft) -> Result<Profile, Refusal> {
        if base.is_some_and(|base| self.config.lock().unwrap().providers.iter().all(|profile| profile.id != *base)) {
            let message = "there is no such provider".to_owned();
            return Err(Refusal { message, remedy: String::new(), exit: 2, issues: Vec::new(), difference: None });
        }
        let mut made = profile(&draft.id, draft.kind.unwrap_or(Kind::LlamaCpp), &[]);
        made.endpoint.origin.clone_from(&draft.endpoint);
        Ok(made)
    }

    fn check_condition(&self, _: &str) -> ConditionCheck {
        ConditionCheck::default()
    }

    fn rules_with(&self, _: &PolicyEdit) -> Result<(RuleSet, Vec<Issue>), Refusal> {
        Ok((self.config.lock().unwrap().rules.clone(), Vec::new()))
    }

    fn rules_of(&self, _: &str, _: &str) -> Result<(RuleSet, Vec<Issue>), Refusal> {
        Ok((self.config.lock().unwrap().rules.clone(), Vec::new()))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// Records in memory.
#[derive(Default)]
pub struct Book {
    pub records: Mutex<Vec<CallRecord>>,
    notes: Mutex<BTreeMap<String, String>>,
    next: AtomicU64,
    /// What an engine finds at its start.
    pub past: Mutex<Past>,
    incidents: Mutex<Vec<Incident>>,
    slots: Mutex<Vec<(ProviderId, Slot)>>,
}

impl Book {
    /// Every state of every incident that was kept, in order.
    pub fn incidents_kept(&self) -> Vec<Incident> {
        self.incidents.lock().unwrap().clone()
    }

    pub fn slots_kept(&self) -> Vec<(ProviderId, Slot)> {
        self.slots.lock().unwrap().clone()
    }

    pub fn records(&self) -> Vec<CallRecord> {
        self.records.lock().unwrap().clone()
    }
}

impl Ledger for Book {
    fn next_id(&self) -> CallId {
        CallId::from(format!("c{}", self.next.fetch_add(1, Ordering::SeqCst) + 1))
    }

    fn record(&self, record: Arc<CallRecord>) {
        self.records.lock().unwrap().push(Arc::unwrap_or_clone(record));
    }

    fn dropped(&self) -> u64 {
        0
    }

    fn flush(&self) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn calls(&self, _: CallQuery, _: UnixMs) -> BoxFuture<'static, Result<CallPage, String>> {
        let rows: Vec<CallRow> = self.records().iter().rev().map(CallRow::from).collect();
        let total = rows.len() as u64;
        Box::pin(async move { Ok(CallPage { rows, matching: total, total, ..CallPage::default() }) })
    }

    fn call(&self, id: CallId) -> BoxFuture<'static, Result<Option<CallRecord>, String>> {
        let found = self.records().into_iter().find(|record| record.id == id);
        Box::pin(async move { Ok(found) })
    }

    fn day(&self, _: UnixMs) -> BoxFuture<'static, Result<DaySums, String>> {
        Box::pin(async { Ok(DaySums::default()) })
    }

    fn records(&self, query: CallQuery, _: UnixMs) -> BoxFuture<'static, Result<Vec<CallRecord>, String>> {
        let newest: Vec<CallRecord> = self.records().into_iter().rev().collect();
        let from = query.before.and_then(|before| newest.iter().position(|record| record.id == before));
        let records = newest.into_iter().skip(from.map_or(0, |place| place + 1)).take(query.limit).collect();
        Box::pin(async move { Ok(records) })
    }

    fn observed(&self, since: UnixMs) -> BoxFuture<'static, Result<ObservedSums, String>> {
        let mut sums = ObservedSums::default();
        for record in self.records().iter().filter(|record| record.ts >= since) {
            sums.of += 1;
            record.observed.iter().for_each(|found| sums.add(found, 1));
        }
        Box::pin(async move { Ok(sums) })
    }

    fn stats(&self, _: StatsQuery, _: UnixMs) -> BoxFuture<'static, Result<CallStats, String>> {
        Box::pin(async { Ok(CallStats::default()) })
    }

    fn export(&self, _: ExportQuery, _: UnixMs) -> BoxFuture<'static, Result<ExportPart, String>> {
        Box::pin(async { Ok(ExportPart::default()) })
    }

    fn check(&self) -> BoxFuture<'static, Result<LedgerCheck, String>> {
        Box::pin(async { Ok(LedgerCheck { integrity: "ok".into(), ..LedgerCheck::default() }) })
    }

    fn recall(&self, key: &str) -> Option<String> {
        self.notes.lock().unwrap().get(key).cloned()
    }

    fn remember(&self, key: &str, value: &str) {
        self.notes.lock().unwrap().insert(key.into(), value.into());
    }

    fn past(&self, _: UnixMs, _: usize) -> Past {
        self.past.lock().unwrap().clone()
    }

    fn note_incident(&self, incident: &Incident) {
        self.incidents.lock().unwrap().push(incident.clone());
    }

    fn note_slot(&self, provider: &ProviderId, slot: Slot) {
        self.slots.lock().unwrap().push((provider.clone(), slot));
    }

    fn incidents(&self, _: IncidentQuery) -> BoxFuture<'static, Result<Vec<Incident>, String>> {
        let kept = self.incidents_kept();
        Box::pin(async move { Ok(kept) })
    }
}

pub struct NoLog;

impl LogReader for NoLog {
    fn read(&self, _: &LogQuery) -> Result<Vec<LogLine>, String> {
        Ok(Vec::new())
    }
}

impl PromptHistory for NoLog {
    fn save(&self, _: &SavedPrompt) -> Result<(), String> {
        Ok(())
    }

    fn list(&self, _: usize) -> Result<Vec<SavedPrompt>, String> {
        Ok(Vec::new())
    }
}

/// A running engine with everything a test holds on to.
pub struct House {
    pub engine: Engine,
    pub stage: Arc<Stage>,
    pub desk: Arc<Desk>,
    pub book: Arc<Book>,
}

/// A house with these providers, all up unless the stage says otherwise, after its first round of probes.
pub async fn house(providers: Vec<Profile>, set: impl FnOnce(&mut Config, &Stage)) -> House {
    house_with_past(providers, Past::default(), set).await
}

/// The same with what earlier processes saw.
pub async fn house_with_past(providers: Vec<Profile>, past: Past, set: impl FnOnce(&mut Config, &Stage)) -> House {
    let stage = Arc::new(Stage::default());
    for provider in &providers {
        let models: Vec<&str> = provider.models.iter().map(|model| model.id.as_str()).collect();
        stage.probe_answers(provider.id.as_str(), &models);
    }
    let mut config = Config { providers, ..Config::default() };
    set(&mut config, &stage);
    let (engine, desk, book) = engine_over(config, past, stage.clone()).await;
    House { engine, stage, desk, book }
}

/// An engine on these ports, after its first round of probes.
pub async fn started(ports: Ports, loaded: Result<Loaded, Unusable>, schedule_probes: bool) -> Engine {
    let options =
        Options { schedule_probes, state_dir: String::new(), rejected: None, read_only: false, system: String::new() };
    let engine = Engine::start(ports, loaded, options);
    let mut snapshots = engine.handle.snapshots();
    let checked = snapshots.wait_for(|snapshot| {
        let providers = &snapshot.providers;
        providers.iter().all(|provider| !provider.enabled || provider.health.last_checked.is_some())
    });
    drop(checked.await.unwrap());
    engine
}

/// An engine on any upstream, after its first round of probes.
pub async fn engine_over(config: Config, past: Past, upstream: Arc<dyn Upstream>) -> (Engine, Arc<Desk>, Arc<Book>) {
    let book = Arc::new(Book { past: Mutex::new(past), ..Book::default() });
    let (engine, desk) = engine_sharing(book.clone(), config, upstream).await;
    (engine, desk, book)
}

/// The same over a ledger that others may have as well: one of several processes of a state folder.
pub async fn engine_sharing(book: Arc<Book>, config: Config, upstream: Arc<dyn Upstream>) -> (Engine, Arc<Desk>) {
    let desk = Arc::new(Desk { config: Mutex::new(config), broken: Mutex::new(None), changes: watch::channel(0).0 });
    let ports = Ports {
        export: None,
        answers: None,
        clock: Arc::new(TokioClock),
        upstream,
        config: desk.clone(),
        ledger: book,
        log: Arc::new(NoLog),
        history: Arc::new(NoLog),
        budget: Arc::<super::lent::Lent>::default(),
    };
    let engine = started(ports, desk.load(), true).await;
    (engine, desk)
}

/// An engine on these providers and a transport of the caller's choice, after its first round of probes.
pub async fn engine_on(upstream: Arc<dyn Upstream>, providers: Vec<Profile>) -> Engine {
    engine_with(upstream, providers, None).await.0
}

/// An engine of somebody who asks once and goes, and the configuration it was given.
pub async fn engine_once(providers: Vec<Profile>) -> (Engine, Arc<Desk>) {
    engine_with(Arc::new(Stage::default()), providers, None).await
}

/// An engine without providers whose export stands so.
pub async fn engine_exporting(export: watch::Receiver<ExportView>) -> Engine {
    engine_with(Arc::new(Stage::default()), Vec::new(), Some(export)).await.0
}

async fn engine_with(
    upstream: Arc<dyn Upstream>,
    providers: Vec<Profile>,
    export: Option<watch::Receiver<ExportView>>,
) -> (Engine, Arc<Desk>) {
    let config = Config { providers, ..Config::default() };
    let desk = Arc::new(Desk { config: Mutex::new(config), broken: Mutex::new(None), changes: watch::channel(0).0 });
    let ports = Ports {
        export,
        answers: None,
        clock: Arc::new(TokioClock),
        upstream,
        config: desk.clone(),
        ledger: Arc::new(Book::default()),
        log: Arc::new(NoLog),
        history: Arc::new(NoLog),
        budget: Arc::<super::lent::Lent>::default(),
    };
    (started(ports, desk.load(), false).await, desk)
}

/// A provider with short, round times: first token 10 s, idle 5 s, no retries.
pub fn profile(id: &str, kind: Kind, models: &[&str]) -> Profile {
    let endpoint = kind.default_endpoint().unwrap_or("http://127.0.0.1:9");
    let endpoint = Endpoint {
        written: endpoint.into(),
        origin: endpoint.into(),
        host: if kind.is_vendor() { "api.example.com".into() } else { "127.0.0.1".into() },
        port: 80,
        tls: false,
        api_base: format!("{endpoint}/v1"),
    };
    Profile {
        models: models.iter().map(|id| ModelProfile::named(*id)).collect(),
        timeouts: Timeouts {
            first_token: Duration::from_secs(10),
            idle: Duration::from_secs(5),
            load: Duration::ZERO,
            ..Timeouts::of(kind)
        },
        ..Profile::new(id, kind, endpoint)
    }
}

pub fn refused() -> Failure {
    Failure::new(ErrorCode::Network, Cause::Refused, "connection refused")
}

/// A streamed prompt for `model`.
pub fn ask(model: &str) -> CallRequest {
    CallRequest {
        facts: Facts { requested_model: model.into(), stream: true, prompt_tokens: 10, ..Facts::default() },
        body: Body::Chat {
            messages: vec![Message { role: Role::User, content: "hello".into() }],
            max_tokens: None,
            temperature: None,
            stream: true,
        },
        wants_usage: false,
    }
}

/// Everything that comes, up to the end.
pub async fn collect(mut events: mpsc::Receiver<CallEvent>) -> (Vec<CallEvent>, CallOutcome) {
    let mut seen = Vec::new();
    while let Some(event) = events.recv().await {
        if let CallEvent::End(outcome) = event {
            return (seen, *outcome);
        }
        seen.push(event);
    }
    panic!("the call ended without an outcome: {seen:?}");
}

/// The text of an answer.
pub fn text(events: &[CallEvent]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        CallEvent::Text { text } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}
