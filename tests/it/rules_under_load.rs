//! Rules are edited while about a thousand calls per second run: no call sees half of two rule sets, and each record
//! names the version of the rules that decided it, also where it was refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test that called them")]

use crate::support::engine::{NoLog, ask, collect};
use crate::support::lent::Lent;
use crate::support::world::provider;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use lmdeck::adapters::clock::SystemClock;
use lmdeck::adapters::config::{ConfigFile, Source};
use lmdeck::adapters::ledger::SqliteLedger;
use lmdeck::domain::call::{Body, CallRecord, Finish, Status, Usage};
use lmdeck::domain::config::Profile;
use lmdeck::domain::failure::Failure;
use lmdeck::domain::health::{ModelInfo, ProbeFound, ProbeReport, State};
use lmdeck::domain::ids::Target;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::{RuleSet, World, WorldModel, decide};
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::handle::EngineHandle;
use lmdeck::engine::ports::{
    ConfigStore as _, Frame, Ledger as _, ModelDone, ModelJob, Ports, Question, Seen, Upstream, UpstreamAnswer,
    UpstreamJob,
};
use lmdeck::engine::protocol::{CallQuery, Command, Found, PolicyDraft, PolicyEdit, Reply, Step, TestReport};
use lmdeck::engine::{Engine, Options};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Callers at the same time: so many make thousands of calls per second where the machine can.
const CALLERS: usize = 32;
/// Calls that have to run between two edits, and in all.
const BETWEEN: usize = 40;
const TYPES: [&str; 4] = ["story", "no", "listed", "other"];

/// Two servers on this machine that answer at once, and remember calls that came with the other one's effects.
#[derive(Default)]
struct Instant {
    mixed: Mutex<Vec<String>>,
}

impl Upstream for Instant {
    fn probe(&self, _: Arc<Profile>) -> BoxFuture<'static, ProbeReport> {
        let found = ProbeFound { models: vec![ModelInfo::named("m")], ..ProbeFound::default() };
        let report = ProbeReport { at: UnixMs(1), latency_ms: 1, reach: Some(Reach::Machine), outcome: Ok(found) };
        Box::pin(async move { report })
    }

    fn test(
        &self,
        _: Arc<Profile>,
        _: Option<Arc<dyn Question>>,
        _: mpsc::Sender<Step>,
    ) -> BoxFuture<'static, TestReport> {
        unreachable!("nobody tests a connection here")
    }

    fn discover(&self, _: Vec<Arc<Profile>>) -> BoxFuture<'static, Vec<Found>> {
        Box::pin(async { Vec::new() })
    }

    fn model(&self, _: ModelJob) -> BoxFuture<'static, Result<ModelDone, Failure>> {
        unreachable!("no model is loaded here")
    }

    fn start(&self, job: UpstreamJob) -> BoxFuture<'static, Result<UpstreamAnswer, Failure>> {
        // The rules that send a story somewhere also bound it, each in its own way.
        if let Body::Chat { max_tokens: Some(most), .. } = &job.body {
            let others = if job.profile.id.as_str() == "alpha" { 22 } else { 11 };
            if *most == others {
                self.mixed.lock().unwrap().push(format!("{} with at most {most}", job.profile.id));
            }
        }
        let usage = Usage { input: 10, output: 2, ..Usage::default() };
        let said = Seen { text: "ok".into(), ..Seen::default() };
        let last = Seen { finish: Some(Finish::Stop), usage: Some(usage), end: true, ..Seen::default() };
        let frames = [said, last].map(|seen| Ok(Frame { raw: Bytes::from_static(b"data: x\n\n"), seen }));
        Box::pin(async move {
            Ok(UpstreamAnswer {
                status: 200,
                content_type: "text/event-stream".into(),
                stream: true,
                frames: stream::iter(frames).boxed(),
                rate: None,
            })
        })
    }
}

/// A whole rule set: its names, its target, its bound, its message and its order are its own.
fn file(set: &str) -> String {
    let (target, most) = if set == "a" { ("alpha", 11) } else { ("beta", 22) };
    format!(
        "providers:
  - {{ id: alpha, type: llama_cpp, endpoint: 'http://127.0.0.1:9', models: [m] }}
  - {{ id: beta, type: llama_cpp, endpoint: 'http://127.0.0.1:9', models: [m] }}
model_selection:
  request_priorities:
    listed: [{target}]
routing:
  policies:
    - {{ name: {set}-story, when: request.type == \"story\", use: [{target}/m], max_tokens: {most} }}
    - {{ name: {set}-no, when: request.type == \"no\", deny: refused by {set} }}
    - {{ name: {set}-other, when: request.type == \"other\", use: [{target}/m] }}
"
    )
}

struct Load {
    handle: EngineHandle,
    stop: AtomicBool,
    ended: AtomicUsize,
    records: Mutex<Vec<CallRecord>>,
}

impl Load {
    async fn call(self: Arc<Self>, first: usize) {
        let mut turn = first;
        while !self.stop.load(Ordering::Relaxed) {
            let mut request = ask("auto");
            request.facts.request_type = TYPES[turn % TYPES.len()].into();
            turn += 1;
            let (_, outcome) = collect(self.handle.dispatch(request)).await;
            self.records.lock().unwrap().push(CallRecord::clone(&outcome.record));
            self.ended.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Until so many more calls have ended.
    async fn goes_on(&self, calls: usize) {
        let until = self.ended.load(Ordering::Relaxed) + calls;
        while self.ended.load(Ordering::Relaxed) < until {
            tokio::task::yield_now().await;
        }
    }
}

async fn start(folder: &Path) -> (Engine, Arc<SqliteLedger>, Arc<Instant>) {
    let path = folder.join("ai_models.yaml");
    std::fs::write(&path, file("a")).unwrap();
    let source = Source {
        config: Some(path),
        working_folder: folder.to_path_buf(),
        config_folder: None,
        state_folder: folder.join("state"),
        environment: BTreeMap::new(),
    };
    let config = Arc::new(ConfigFile::open(source));
    let ledger = SqliteLedger::open(&folder.join("state"), None).unwrap();
    let upstream = Arc::new(Instant::default());
    let loaded = config.load();
    let ports = Ports {
        answers: None,
        export: None,
        clock: Arc::new(SystemClock::new()),
        upstream: upstream.clone(),
        config,
        ledger: ledger.clone(),
        log: Arc::new(NoLog),
        history: Arc::new(NoLog),
        budget: Arc::new(Lent::default()),
    };
    let options = Options {
        schedule_probes: true,
        state_dir: String::new(),
        rejected: None,
        read_only: false,
        system: String::new(),
    };
    let engine = Engine::start(ports, loaded, options);
    let mut snapshots = engine.handle.snapshots();
    let up = snapshots.wait_for(|snapshot| {
        let mut providers = snapshot.providers.iter();
        providers.len() == 2 && providers.all(|provider| provider.health.state == State::Up)
    });
    drop(up.await.unwrap());
    (engine, ledger, upstream)
}

/// Both servers up.
fn world() -> World {
    let up = |id: &str| provider(id, Kind::LlamaCpp, vec![WorldModel::of("m")]);
    World { providers: vec![up("alpha"), up("beta")].into(), ..World::default() }
}

/// What the edit has put in force.
async fn in_force(handle: &EngineHandle, sets: &mut HashMap<u64, RuleSet>, before: u64) -> u64 {
    let mut snapshots = handle.snapshots();
    let snapshot = snapshots.wait_for(|snapshot| snapshot.routing.rules.version != before).await.unwrap();
    let rules = snapshot.routing.rules.clone();
    drop(snapshot);
    let version = rules.version;
    sets.insert(version, rules);
    version
}

fn check(record: &CallRecord, sets: &HashMap<u64, RuleSet>, world: &World) {
    let rules = sets.get(&record.rules_version).unwrap_or_else(|| panic!("rules nobody wrote: {record:?}"));
    let expected = decide(&record.facts, rules, world);
    let chain: Vec<Target> = expected.chain.iter().map(|chosen| chosen.target.clone()).collect();
    assert_eq!((&record.policy, &record.chain), (&expected.by, &chain), "{record:?}");
    match expected.denied {
        Some(message) => {
            assert_eq!((record.status, &record.target), (Status::Denied, &None), "{record:?}");
            assert_eq!(record.error.as_ref().unwrap().message, message);
        }
        None => assert_eq!((record.status, record.target.as_ref()), (Status::Ok, chain.first()), "{record:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_call_sees_half_of_two_rule_sets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ai_models.yaml");
    let (engine, ledger, upstream) = start(folder.path()).await;
    let handle = engine.handle.clone();
    let first = handle.snapshot().routing.rules.clone();
    let mut version = first.version;
    let mut sets = HashMap::from([(version, first)]);
    let load = Arc::new(Load {
        handle: handle.clone(),
        stop: AtomicBool::new(false),
        ended: AtomicUsize::new(0),
        records: Mutex::default(),
    });
    let callers: Vec<_> = (0..CALLERS).map(|first| tokio::spawn(load.clone().call(first))).collect();
    load.goes_on(BETWEEN).await;
    for round in 0..6 {
        let set = if round % 2 == 0 { "b" } else { "a" };
        // All of it at once, as an editor writes the file.
        let new = folder.path().join("new.yaml");
        std::fs::write(&new, file(set)).unwrap();
        std::fs::rename(&new, &path).unwrap();
        assert!(matches!(handle.ask(Command::ConfigReload).await, Reply::Done));
        version = in_force(&handle, &mut sets, version).await;
        load.goes_on(BETWEEN).await;
        // One rule of it, as the rule editor does: its name and what it does change together.
        let (target, most) = if set == "a" { ("alpha", 11) } else { ("beta", 22) };
        let draft = PolicyDraft {
            name: Some(format!("{set}-story-{round}")),
            targets: Some(vec![format!("{target}/m")]),
            max_tokens: Some(most),
            priority: Some(round),
            ..PolicyDraft::default()
        };
        let edit = PolicyEdit::Edit { name: format!("{set}-story"), draft };
        let reply = handle.ask(Command::EditPolicy { edit: Box::new(edit), dry_run: false }).await;
        assert!(matches!(reply, Reply::Edited(_)), "{reply:?}");
        version = in_force(&handle, &mut sets, version).await;
        load.goes_on(BETWEEN).await;
    }
    load.stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }

    let records = std::mem::take(&mut *load.records.lock().unwrap());
    let world = world();
    for record in &records {
        check(record, &sets, &world);
    }
    let mixed = upstream.mixed.lock().unwrap().first().cloned();
    assert_eq!(mixed, None, "the effects of one set at the target of another");
    for set in ["a", "b"] {
        for (kind, by) in [("story", "policy:"), ("no", "policy:"), ("other", "policy:")] {
            let prefix = format!("{by}{set}-{kind}");
            assert!(records.iter().any(|record| record.policy.starts_with(&prefix)), "{prefix} decided something");
        }
    }
    let listed: Vec<_> = records.iter().filter(|record| record.policy == "request_type:listed").collect();
    assert!(["alpha", "beta"].iter().all(|id| listed.iter().any(|call| call.chain[0].provider.as_str() == *id)));

    // The ledger says the same, of denied calls too.
    ledger.flush().await;
    let query = CallQuery { limit: usize::MAX, since: Some(UnixMs(i64::MIN)), ..CallQuery::default() };
    let kept = ledger.records(query, UnixMs(0)).await.unwrap();
    // A machine whose disk is slower than its calls loses records, and counts them.
    assert_eq!(kept.len() as u64 + ledger.dropped(), records.len() as u64);
    for record in &kept {
        check(record, &sets, &world);
    }
    assert!(kept.iter().any(|record| record.status == Status::Denied && record.rules_version > 0));
    engine.stop().await;
}
