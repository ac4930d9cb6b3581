//! The day's money: whatever calls, streams, cancels, crashes and processes do, and however the clock is set, no
//! more is spent on a day than its limit.

use crate::support::engine::{Desk, NoLog, untested};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use lmdeck::adapters::ledger::{FILE_NAME, Leases, SqliteLedger};
use lmdeck::adapters::wire::dialect::prepare;
use lmdeck::domain::budget::{Ask, CivilDate, Day, LeaseId, Slack, WhenExhausted};
use lmdeck::domain::call::{Body, CallRequest, Facts, Finish, Message, Role, Status, Usage};
use lmdeck::domain::config::{Config, Endpoint, ModelProfile, MoneyRules, Profile};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::{ModelInfo, ProbeFound, ProbeReport};
use lmdeck::domain::ids::ProviderId;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::{Money, Price, Provenance};
use lmdeck::domain::plan::PlanUse;
use lmdeck::domain::rate::RateLimit;
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::{Explanation, Unseen};
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::ports::{
    BudgetStore, Clock, ConfigStore, Frame, Given, Ledger, ModelDone, ModelJob, Ports, Seen, Standing, Upstream,
    UpstreamAnswer, UpstreamJob,
};
use lmdeck::engine::protocol::{
    CallEvent, CallOutcome, Command, DaySpend, EventKind, Found, ProbeWhich, Reply, TestReport,
};
use lmdeck::engine::till::{Held, Refused, Till};
use lmdeck::engine::{Engine, Options};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

const NOON: i64 = 1_795_348_800_000;
const DAY: i64 = 86_400_000;

/// A clock that stands where it is put.
struct Set(AtomicI64);

impl Set {
    fn at(ms: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(ms)))
    }
}

impl Clock for Set {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.load(Ordering::SeqCst))
    }

    fn day_start(&self, at: UnixMs, _: Option<&str>) -> UnixMs {
        UnixMs(at.0 - at.0.rem_euclid(DAY))
    }
}

fn file(folder: &Path) -> Arc<Leases> {
    Arc::new(Leases::new(&folder.join(FILE_NAME)))
}

fn dollars(amount: f64) -> Money {
    Money::from_dollars(amount).unwrap()
}

// ---- the till alone: several processes, crashes, clocks

/// What may happen next; numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    Reserve {
        process: usize,
        amount: i64,
    },
    /// The vendor bills this share of the bound, in thousandths.
    Settle {
        which: usize,
        share: i64,
    },
    /// The call's future was dropped, before or after it was sent.
    Drop {
        which: usize,
        sent: bool,
    },
    /// The process ends without a word; its calls are billed whole.
    Crash {
        process: usize,
    },
    /// It ends as it should while its calls are still under way.
    Close {
        process: usize,
    },
    Refresh {
        process: usize,
    },
    Clock {
        process: usize,
        days: i64,
    },
    Limit {
        process: usize,
        limit: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let process = 0usize..3;
    prop_oneof![
        8 => (process.clone(), 1i64..400).prop_map(|(process, amount)| Step::Reserve { process, amount }),
        6 => (any::<usize>(), 0i64..=1000).prop_map(|(which, share)| Step::Settle { which, share }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(which, sent)| Step::Drop { which, sent }),
        1 => process.clone().prop_map(|process| Step::Crash { process }),
        1 => process.clone().prop_map(|process| Step::Close { process }),
        2 => process.clone().prop_map(|process| Step::Refresh { process }),
        1 => (process.clone(), -2i64..=1).prop_map(|(process, days)| Step::Clock { process, days }),
        1 => (process, 200i64..1000).prop_map(|(process, limit)| Step::Limit { process, limit }),
    ]
}

struct Process {
    clock: Arc<Set>,
    till: Arc<Till>,
    limit: Money,
}

/// Plays the steps on one file. What the vendor bills by the end, by day.
async fn play(folder: &Path, steps: Vec<Step>) -> BTreeMap<CivilDate, i64> {
    const MOST: i64 = 1000;
    let process = |ms| {
        let clock = Set::at(ms);
        Process { till: Till::new(clock.clone(), file(folder)), clock, limit: Money(MOST) }
    };
    let mut processes = [process(NOON), process(NOON), process(NOON)];
    let mut calls: Vec<(usize, Held)> = Vec::new();
    let mut billed = BTreeMap::<CivilDate, i64>::new();
    let rules = MoneyRules::default();
    for step in steps {
        match step {
            Step::Reserve { process, amount } => {
                let Process { till, limit, .. } = &processes[process];
                match till.reserve(&rules, *limit, Money(amount), false).await {
                    Ok(mut held) => {
                        held.sent();
                        calls.push((process, held));
                    }
                    Err(Refused::Short { .. }) => {}
                    Err(Refused::Store(sentence)) => panic!("{sentence}"),
                }
            }
            Step::Settle { which, share } if !calls.is_empty() => {
                let (_, held) = calls.swap_remove(which % calls.len());
                let cost = held.amount().0 * share / 1000;
                *billed.entry(held.day().unwrap()).or_default() += cost;
                held.settle(Money(cost));
            }
            Step::Drop { which, sent } if !calls.is_empty() => {
                let (_, held) = calls.swap_remove(which % calls.len());
                if sent {
                    *billed.entry(held.day().unwrap()).or_default() += held.amount().0;
                    drop(held);
                } else {
                    held.settle(Money::ZERO);
                }
            }
            Step::Settle { .. } | Step::Drop { .. } => {}
            Step::Crash { process: index } => {
                let (gone, left) = calls.into_iter().partition(|(process, _)| *process == index);
                calls = left;
                for (_, held) in gone {
                    *billed.entry(held.day().unwrap()).or_default() += held.amount().0;
                    std::mem::forget(held);
                }
                processes[index] = process(processes[index].clock.now().0);
            }
            Step::Close { process: index } => {
                processes[index].till.close().await;
                processes[index].till = Till::new(processes[index].clock.clone(), file(folder));
            }
            Step::Refresh { process } => processes[process].till.refresh(None).await.unwrap(),
            Step::Clock { process, days } => {
                processes[process].clock.0.fetch_add(days * DAY, Ordering::SeqCst);
            }
            Step::Limit { process, limit } => processes[process].limit = Money(limit),
        }
    }
    for (_, held) in calls {
        *billed.entry(held.day().unwrap()).or_default() += held.amount().0;
    }
    billed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_day_costs_more_than_its_limit(steps in prop::collection::vec(step(), 1..120)) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open(folder.path(), None).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let billed = runtime.block_on(play(folder.path(), steps));
        drop(ledger);
        for (day, cost) in billed {
            prop_assert!(cost <= 1000, "{day}: {cost} of 1000");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_of_three_processes_never_pass_one_limit_and_use_it_up() {
    let folder = tempfile::tempdir().unwrap();
    let _ledger = SqliteLedger::open(folder.path(), None).unwrap();
    let billed = Arc::new(AtomicI64::new(0));
    let mut tasks = Vec::new();
    for process in 0..3 {
        let till = Till::new(Set::at(NOON), file(folder.path()));
        for task in 0..24 {
            let (till, billed) = (till.clone(), billed.clone());
            tasks.push(tokio::spawn(async move {
                let rules = MoneyRules::default();
                for round in 0..20i64 {
                    let amount = 50 + (round * 37 + task * 11 + process) % 90;
                    let Ok(mut held) = till.reserve(&rules, Money(20_000), Money(amount), false).await else {
                        continue;
                    };
                    held.sent();
                    tokio::task::yield_now().await;
                    let cost = amount * (round % 5) / 4;
                    billed.fetch_add(cost, Ordering::SeqCst);
                    held.settle(Money(cost));
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    let billed = billed.load(Ordering::SeqCst);
    assert!(billed <= 20_000, "{billed}");
    assert!(billed > 15_000, "the limit is there to be used: {billed}");
}

#[tokio::test]
async fn what_a_crash_did_not_return_counts_as_spent_and_what_an_end_returned_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let _ledger = SqliteLedger::open(folder.path(), None).unwrap();
    let rules = MoneyRules::default();
    let crashed = Till::new(Set::at(NOON), file(folder.path()));
    let held = crashed.reserve(&rules, Money(1000), Money(300), false).await.unwrap();
    std::mem::forget(held);
    drop(crashed);
    let next = Till::new(Set::at(NOON), file(folder.path()));
    let short = next.reserve(&rules, Money(1000), Money(800), false).await.map(drop);
    assert_eq!(short, Err(Refused::Short { left: Money(700) }));
    let held = next.reserve(&rules, Money(1000), Money(700), false).await.unwrap();
    held.settle(Money(100));
    next.close().await;
    let last = Till::new(Set::at(NOON), file(folder.path()));
    assert!(last.reserve(&rules, Money(1000), Money(600), false).await.is_ok());
}

#[tokio::test]
async fn a_clock_set_back_opens_no_earlier_day_even_in_a_new_process() {
    let folder = tempfile::tempdir().unwrap();
    let _ledger = SqliteLedger::open(folder.path(), None).unwrap();
    let rules = MoneyRules::default();
    let today = Till::new(Set::at(NOON), file(folder.path()));
    drop(today.reserve(&rules, Money(1000), Money(1), false).await.unwrap());
    let yesterday = Till::new(Set::at(NOON - DAY), file(folder.path()));
    let held = yesterday.reserve(&rules, Money(1000), Money(1), false).await.unwrap();
    assert_eq!(held.day().unwrap(), CivilDate::utc(UnixMs(NOON)));
}

#[tokio::test]
async fn a_day_that_a_wild_clock_counted_does_not_lock_the_days_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let _ledger = SqliteLedger::open(folder.path(), None).unwrap();
    let rules = MoneyRules::default();
    let wild = Till::new(Set::at(NOON + 4000 * DAY), file(folder.path()));
    std::mem::forget(wild.reserve(&rules, Money(1000), Money(900), false).await.unwrap());
    let today = Till::new(Set::at(NOON), file(folder.path()));
    let held = today.reserve(&rules, Money(1000), Money(900), false).await.unwrap();
    assert_eq!(held.day().unwrap(), CivilDate::utc(UnixMs(NOON)));
    today.refresh(None).await.unwrap();
    assert_eq!((today.day(None).0, today.position().reserved), (CivilDate::utc(UnixMs(NOON)), Money(900)));

    // The same where the clock of a running process is put right.
    let clock = Set::at(NOON + 4000 * DAY);
    let till = Till::new(clock.clone(), file(folder.path()));
    drop(till.reserve(&rules, Money(1000), Money(50), false).await.unwrap());
    clock.0.store(NOON, Ordering::SeqCst);
    assert_eq!(till.reserve(&rules, Money(1000), Money(50), false).await.unwrap().day(), held.day());
}

/// A store that does not take back what is given until it is mended.
struct Busy(Arc<Leases>, std::sync::atomic::AtomicBool);

impl BudgetStore for Busy {
    fn ask(&self, ask: &Ask, today: Day) -> Result<Given, String> {
        self.0.ask(ask, today)
    }

    fn give_back(&self, slack: &[Slack]) -> Result<(), String> {
        if self.1.load(Ordering::SeqCst) { Err("the disk is full".into()) } else { self.0.give_back(slack) }
    }

    fn standing(&self, day: CivilDate, today: Day, own: Option<LeaseId>) -> Result<Standing, String> {
        self.0.standing(day, today, own)
    }

    fn days(&self, days: &[Day]) -> Result<Vec<DaySpend>, String> {
        self.0.days(days)
    }

    fn plan_use(
        &self,
        provider: &ProviderId,
        change: &mut (dyn FnMut(Option<PlanUse>) -> Option<PlanUse> + Send),
    ) -> Result<(), String> {
        self.0.plan_use(provider, change)
    }

    fn plan_uses(&self) -> Result<Vec<(ProviderId, PlanUse)>, String> {
        self.0.plan_uses()
    }

    fn sent(&self, provider: &ProviderId, since: UnixMs) -> Result<Vec<(UnixMs, u64)>, String> {
        self.0.sent(provider, since)
    }
}

#[tokio::test]
async fn money_that_could_not_be_given_back_is_given_back_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let _ledger = SqliteLedger::open(folder.path(), None).unwrap();
    let rules = MoneyRules::default();
    let store = Arc::new(Busy(file(folder.path()), true.into()));
    let till = Till::new(Set::at(NOON), store.clone());
    till.reserve(&rules, Money(1000), Money(600), false).await.unwrap().settle(Money(100));
    assert!(till.refresh(None).await.is_err());
    store.1.store(false, Ordering::SeqCst);
    till.close().await;
    let next = Till::new(Set::at(NOON), file(folder.path()));
    assert!(next.reserve(&rules, Money(1000), Money(900), false).await.is_ok());
}

// ---- the whole engine against a vendor that bills

/// What the vendor does with one request.
#[derive(Debug, Clone, Copy)]
enum Deed {
    /// Bills this share of the longest possible answer, in thousandths, and says so or not.
    Answer { share: u64, tells: bool },
    /// Bills everything and never answers.
    Silence,
    /// Bills everything and breaks the stream off after one word.
    Break,
    /// Bills everything and resets the connection.
    Reset,
    /// Bills nothing.
    Refuse,
    /// Bills nothing, and another may be asked.
    Full,
    /// Bills five cents and says so itself.
    States,
    /// Bills everything, and what comes is of no use; one of [`USELESS`].
    Useless(usize),
}

/// How a call may fail that a vendor has worked for.
const USELESS: [(ErrorCode, Cause); 6] = [
    (ErrorCode::BadAnswer, Cause::Other),
    (ErrorCode::EmptyAnswer, Cause::Other),
    (ErrorCode::Network, Cause::Other),
    (ErrorCode::Network, Cause::Reset),
    (ErrorCode::Network, Cause::CutOff),
    (ErrorCode::Timeout, Cause::SilentServer),
];

struct Vendor {
    deeds: Mutex<Vec<Deed>>,
    billed: AtomicI64,
    bodies: Mutex<Vec<serde_json::Value>>,
}

impl Vendor {
    fn new(deeds: Vec<Deed>) -> Arc<Self> {
        Arc::new(Self { deeds: Mutex::new(deeds), billed: AtomicI64::new(0), bodies: Mutex::default() })
    }
}

/// As servers read it that take any number, or a text of one, for a count.
fn number(value: &serde_json::Value) -> Option<u64> {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number that is not negative")]
    (number >= 0.0).then_some(number as u64)
}

fn price() -> Price {
    Price::per_million(3.0, 15.0, None).unwrap()
}

impl Upstream for Vendor {
    fn probe(&self, profile: Arc<Profile>) -> BoxFuture<'static, ProbeReport> {
        let models = profile.models.iter().map(|model| ModelInfo::named(model.id.clone())).collect();
        let reach = if profile.kind.is_vendor() { Reach::Cloud } else { Reach::Machine };
        let outcome = Ok(ProbeFound { models, ..ProbeFound::default() });
        Box::pin(async move { ProbeReport { at: UnixMs(NOON), latency_ms: 1, reach: Some(reach), outcome } })
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
        Box::pin(async { Vec::new() })
    }

    fn model(&self, _: ModelJob) -> BoxFuture<'static, Result<ModelDone, Failure>> {
        Box::pin(async { Ok(ModelDone::default()) })
    }

    fn start(&self, job: UpstreamJob) -> BoxFuture<'static, Result<UpstreamAnswer, Failure>> {
        // What really goes over the wire, in the vendor's own dialect.
        let sent = prepare(&job.profile, &job.model, &job.body).unwrap();
        let json: serde_json::Value = serde_json::from_str(&sent.json).unwrap();
        let names: &[&str] = match job.profile.kind {
            Kind::Openai => &["max_tokens", "max_completion_tokens"],
            _ => &["max_tokens"],
        };
        let longest = names.iter().filter_map(|name| number(&json[name])).max();
        let count = number(&json["n"]).unwrap_or(1);
        self.bodies.lock().unwrap().push(json);
        // A vendor that was not told how long an answer may be writes for long.
        let longest = longest.unwrap_or(1_000_000) * count;
        let deed = self.deeds.lock().unwrap().pop().unwrap_or(Deed::Answer { share: 10, tells: true });
        let input = sent.json.len() as u64;
        let output = if let Deed::Answer { share, .. } = deed { longest * share / 1000 } else { longest };
        if (job.profile.kind.is_vendor() || job.profile.id.as_str() == "proxy")
            && !matches!(deed, Deed::Refuse | Deed::Full | Deed::States)
        {
            self.billed.fetch_add(price().of(input, 0, output).0, Ordering::SeqCst);
        }
        Box::pin(async move {
            sleep(Duration::from_millis(5)).await;
            let reset = || Failure::new(ErrorCode::Network, Cause::Reset, "the connection was reset");
            let word = Frame { raw: Bytes::from_static(b"x"), seen: Seen { text: "word".into(), ..Seen::default() } };
            let frames = match deed {
                Deed::Refuse => return Err(Failure::plain(ErrorCode::InvalidRequest, "no")),
                Deed::Full => return Err(Failure::plain(ErrorCode::Quota, "no credit")),
                Deed::States => {
                    let end =
                        Seen { billed: Some(dollars(0.05)), finish: Some(Finish::Stop), end: true, ..Seen::default() };
                    vec![Ok(word), Ok(Frame { raw: Bytes::from_static(b"y"), seen: end })]
                }
                Deed::Reset => return Err(reset()),
                Deed::Useless(how) => {
                    let (code, cause) = USELESS[how].clone();
                    return Err(Failure::new(code, cause, "of no use"));
                }
                Deed::Silence => std::future::pending().await,
                Deed::Break => vec![Ok(word), Err(reset())],
                Deed::Answer { tells, .. } => {
                    let usage = tells.then_some(Usage { input, output, ..Usage::default() });
                    let end = Seen { usage, finish: Some(Finish::Stop), end: true, ..Seen::default() };
                    vec![Ok(word), Ok(Frame { raw: Bytes::from_static(b"y"), seen: end })]
                }
            };
            let frames = stream::iter(frames).then(|frame| async move {
                sleep(Duration::from_millis(5)).await;
                frame
            });
            let content_type = "text/event-stream".into();
            Ok(UpstreamAnswer { status: 200, content_type, stream: true, frames: frames.boxed(), rate: None })
        })
    }
}

fn provider(id: &str, kind: Kind, models: &[(&str, Option<Price>)]) -> Profile {
    let mut profile = Profile::new(id, kind, Endpoint::http("127.0.0.1", 9));
    profile.max_retries = 1;
    profile.models =
        models.iter().map(|(model, price)| ModelProfile { price: *price, ..ModelProfile::named(*model) }).collect();
    profile
}

fn config(limit: f64, providers: Vec<Profile>) -> Config {
    let mut config = Config { providers, ..Config::default() };
    config.money.daily_limit = Money::from_dollars(limit);
    config.money.alert_threshold = 0.8;
    config.limits.default_max_tokens = 500;
    config.limits.call_deadline = Duration::from_secs(30);
    config.limits.max_concurrent_requests = 64;
    config
}

fn paid() -> Vec<Profile> {
    vec![
        provider("claude", Kind::Anthropic, &[("claude-sonnet-4", Some(price()))]),
        provider("gpt", Kind::Openai, &[("gpt-4o", Some(price()))]),
    ]
}

async fn engine(folder: &Path, config: Config, vendor: Arc<Vendor>) -> (Engine, Arc<Desk>, Arc<SqliteLedger>) {
    let started = start(folder, config, vendor, true);
    let mut snapshots = started.0.handle.snapshots();
    let known =
        snapshots.wait_for(|snapshot| snapshot.providers.iter().all(|provider| provider.health.last_checked.is_some()));
    drop(known.await.unwrap());
    started
}

/// An engine that watches, or one of a command that asks once and leaves.
fn start(folder: &Path, config: Config, vendor: Arc<Vendor>, watches: bool) -> (Engine, Arc<Desk>, Arc<SqliteLedger>) {
    let ledger = SqliteLedger::open(folder, None).unwrap();
    let desk = Desk::with(config);
    let ports = Ports {
        export: None,
        clock: Set::at(NOON),
        upstream: vendor,
        config: desk.clone(),
        ledger: ledger.clone(),
        log: Arc::new(NoLog),
        history: Arc::new(NoLog),
        budget: file(folder),
        answers: None,
    };
    let options = Options {
        schedule_probes: watches,
        state_dir: String::new(),
        rejected: None,
        read_only: false,
        system: String::new(),
    };
    let engine = Engine::start(ports, desk.load(), options);
    (engine, desk, ledger)
}

fn request(model: &str, body: Body) -> CallRequest {
    let facts = Facts { requested_model: model.into(), stream: true, ..Facts::default() };
    CallRequest { facts, body, wants_usage: true }
}

fn raw(model: &str, rest: &str) -> CallRequest {
    let json = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}],"stream":true{rest}}}"#);
    request(model, Body::RawOpenaiChat { json })
}

fn said(model: &str, max_tokens: Option<u64>) -> CallRequest {
    let messages = vec![Message { role: Role::User, content: "hi".into() }];
    request(model, Body::Chat { messages, max_tokens, temperature: None, stream: true })
}

async fn outcome(engine: &Engine, request: CallRequest) -> CallOutcome {
    let mut events = engine.handle.dispatch(request);
    while let Some(event) = events.recv().await {
        if let CallEvent::End(outcome) = event {
            return *outcome;
        }
    }
    panic!("a call ends with an outcome");
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0u64..=1000, any::<bool>()).prop_map(|(share, tells)| Deed::Answer { share, tells }),
        1 => Just(Deed::Silence),
        1 => Just(Deed::Break),
        1 => Just(Deed::Reset),
        1 => Just(Deed::Refuse),
        1 => (0..USELESS.len()).prop_map(Deed::Useless),
    ]
}

/// One call: which form, the length it names, and when its caller hangs up.
fn call() -> impl Strategy<Value = (u8, Option<u64>, Option<u64>, u64)> {
    (0u8..7, prop::option::of(1u64..2000), prop::option::of(0u64..40), 0u64..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Several engines on one file, calls at once, streams, cancels, silence, broken answers: what the vendor bills
    /// stays within the limit.
    #[test]
    fn no_interleaving_of_calls_makes_the_vendor_bill_more_than_the_limit(
        deeds in prop::collection::vec(deed(), 0..60),
        calls in prop::collection::vec(call(), 1..50),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let vendor = Vendor::new(deeds);
        runtime.block_on(async {
            let mut engines = Vec::new();
            for _ in 0..2 {
                let mut all = paid();
                all.push(provider("proxy", Kind::OpenaiCompatible, &[("m", Some(price()))]));
                engines.push(engine(folder.path(), config(0.1, all), vendor.clone()).await);
            }
            let mut under_way = Vec::new();
            for (place, (form, max_tokens, hang_up, after)) in calls.into_iter().enumerate() {
                let length = max_tokens.map_or_else(String::new, |tokens| format!(r#","max_tokens":{tokens}"#));
                let request = match form {
                    0 => said("auto", max_tokens),
                    1 => raw("claude/claude-sonnet-4", &length),
                    2 => raw("gpt/gpt-4o", &format!(r#"{length},"n":3"#)),
                    3 => raw("gpt/gpt-4o", &format!(r#"{length},"n":3.0"#)),
                    4 => raw("proxy/m", &length.replace("max_tokens", "max_completion_tokens")),
                    5 => raw("proxy/m", r#","max_completion_tokens":1,"max_tokens":2e3,"n":"2""#),
                    _ => raw("auto", &length),
                };
                let mut events = engines[place % 2].0.handle.dispatch(request);
                under_way.push(tokio::spawn(async move {
                    sleep(Duration::from_millis(after)).await;
                    let listen = async { while events.recv().await.is_some() {} };
                    match hang_up {
                        Some(after) => drop(tokio::time::timeout(Duration::from_millis(after), listen).await),
                        None => listen.await,
                    }
                }));
                sleep(Duration::from_millis(after)).await;
            }
            for call in under_way {
                call.await.unwrap();
            }
            for (engine, ..) in engines {
                engine.stop().await;
            }
        });
        let billed = Money(vendor.billed.load(Ordering::SeqCst));
        prop_assert!(billed <= dollars(0.1), "{billed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_length_that_was_reserved_for_is_sent_in_every_dialect() {
    let folder = tempfile::tempdir().unwrap();
    let vendor = Vendor::new(Vec::new());
    let (engine, ..) = engine(folder.path(), config(5.0, paid()), vendor.clone()).await;
    outcome(&engine, raw("claude/claude-sonnet-4", "")).await;
    outcome(&engine, raw("gpt/gpt-4o", "")).await;
    outcome(&engine, said("gpt/gpt-4o", None)).await;
    let bodies = vendor.bodies.lock().unwrap();
    assert_eq!(bodies[0]["max_tokens"], 500);
    assert_eq!(bodies[1]["max_completion_tokens"], 500);
    assert_eq!(bodies[2]["max_completion_tokens"], 500);
}

#[tokio::test]
async fn a_call_that_fits_is_settled_at_what_it_cost_and_keeps_what_was_reserved() {
    let folder = tempfile::tempdir().unwrap();
    let vendor = Vendor::new(vec![Deed::Answer { share: 100, tells: true }]);
    let (engine, _, ledger) = engine(folder.path(), config(5.0, paid()), vendor.clone()).await;
    let done = outcome(&engine, raw("gpt/gpt-4o", "")).await;
    let (cost, reserved) = (done.record.cost, done.record.reserved.unwrap());
    assert_eq!(
        (cost.provenance, cost.amount),
        (Provenance::Computed, Some(Money(vendor.billed.load(Ordering::SeqCst))))
    );
    assert!(reserved > cost.amount.unwrap());
    let kept = ledger.call(done.record.id.clone()).await.unwrap().unwrap();
    assert_eq!(kept.reserved, Some(reserved));
}

#[tokio::test(start_paused = true)]
async fn what_a_vendor_worked_for_is_not_free_because_it_came_in_a_form_of_no_use() {
    for (how, failure) in USELESS.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let vendor = Vendor::new(vec![Deed::Useless(how)]);
        let mut providers = paid();
        providers[1].max_retries = 0;
        let (engine, ..) = engine(folder.path(), config(5.0, providers), vendor).await;
        let record = outcome(&engine, raw("gpt/gpt-4o", "")).await.record;
        assert_eq!(record.cost.provenance, Provenance::Estimated, "{failure:?}");
        assert_eq!(record.cost.amount, record.reserved, "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_vendor_costs_the_whole_bound_as_an_estimate() {
    let folder = tempfile::tempdir().unwrap();
    let vendor = Vendor::new(vec![Deed::Silence]);
    let (engine, ..) = engine(folder.path(), config(5.0, paid()), vendor).await;
    let done = outcome(&engine, raw("gpt/gpt-4o", "")).await;
    assert_eq!(done.failure.unwrap().code, ErrorCode::Timeout);
    assert_eq!(done.record.cost.provenance, Provenance::Estimated);
    assert!(done.record.cost.amount >= done.record.reserved, "{:?}", done.record.cost);
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_local_models_take_over_or_the_call_fails_or_it_is_made() {
    for (when, target, code) in [
        (WhenExhausted::LocalOnly, Some("lm_studio/m"), None),
        (WhenExhausted::Refuse, None, Some(ErrorCode::Budget)),
        (WhenExhausted::Warn, Some("gpt/gpt-4o"), None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut providers = paid();
        providers.push(provider("lm_studio", Kind::LmStudio, &[("m", None)]));
        let mut config = config(0.001, providers);
        config.money.when_exhausted = when;
        config.rules.request_orders = vec![("hard".into(), vec!["gpt/gpt-4o".into(), "lm_studio/m".into()])];
        let vendor = Vendor::new(Vec::new());
        let (engine, ..) = engine(folder.path(), config, vendor.clone()).await;
        let mut request = raw("auto", "");
        request.facts.request_type = "hard".into();
        let done = outcome(&engine, request).await;
        assert_eq!(done.failure.as_ref().map(|failure| failure.code), code, "{when:?}");
        assert_eq!(done.record.target.as_ref().map(ToString::to_string).as_deref(), target, "{when:?}");
        if code.is_some() {
            let message = done.failure.unwrap().message;
            assert!(
                message.contains("the day's limit of $0.001") && message.contains("raise budget.daily_limit"),
                "{message}"
            );
            assert_eq!(done.record.status, Status::Denied);
        }
        if when != WhenExhausted::Warn {
            assert_eq!(vendor.billed.load(Ordering::SeqCst), 0, "{when:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_without_a_price_is_refused_under_a_limit_unless_allowed() {
    for (allow, code) in [(false, Some(ErrorCode::Budget)), (true, None)] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(1.0, vec![provider("gpt", Kind::Openai, &[("gpt-of-tomorrow", None)])]);
        config.money.allow_unpriced = allow;
        let (engine, ..) = engine(folder.path(), config, Vendor::new(Vec::new())).await;
        let done = outcome(&engine, raw("gpt/gpt-of-tomorrow", "")).await;
        assert_eq!(done.failure.map(|failure| failure.code), code);
    }
}

#[tokio::test(start_paused = true)]
async fn the_alert_is_said_once_a_day_and_again_when_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    // Each call costs most of its bound of about $0.011.
    let vendor = Vendor::new(vec![Deed::Answer { share: 1000, tells: true }; 14]);
    let (engine, ..) = engine(folder.path(), config(0.1, paid()), vendor).await;
    let mut events = engine.handle.events();
    for _ in 0..14 {
        outcome(&engine, raw("gpt/gpt-4o", "")).await;
        sleep(Duration::from_millis(200)).await;
    }
    let mut said = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let EventKind::BudgetAlert { exhausted, .. } = event.kind {
            said.push(exhausted);
        }
    }
    assert_eq!(said.first(), Some(&false));
    assert!(said.len() <= 2, "{said:?}");
    assert!(engine.handle.snapshot().spend.alerting);
}

#[tokio::test]
async fn the_report_counts_what_is_spent_held_and_left_by_provider_and_day() {
    let folder = tempfile::tempdir().unwrap();
    let vendor = Vendor::new(vec![Deed::Answer { share: 500, tells: true }]);
    let (engine, ..) = engine(folder.path(), config(1.0, paid()), vendor.clone()).await;
    outcome(&engine, raw("gpt/gpt-4o", "")).await;
    let Reply::Budget(report) = engine.handle.ask(Command::Budget { days: 3 }).await else { panic!("another reply") };
    let billed = Money(vendor.billed.load(Ordering::SeqCst));
    assert_eq!((report.days.len(), report.days[0].spent, report.days[1].spent), (3, billed, Money::ZERO));
    assert_eq!(report.days[0].by_provider[0].provider, "gpt");
    assert_eq!(report.remaining, Some(Money(dollars(1.0).0 - billed.0)));
    assert_eq!((report.reserved, report.held_elsewhere), (Money::ZERO, Money::ZERO));
}

#[tokio::test]
async fn what_was_spent_before_a_limit_was_set_counts_against_it() {
    let folder = tempfile::tempdir().unwrap();
    {
        let vendor = Vendor::new(vec![Deed::Answer { share: 1000, tells: true }]);
        let mut without = config(1.0, paid());
        without.money.daily_limit = None;
        let (engine, ..) = engine(folder.path(), without, vendor.clone()).await;
        outcome(&engine, raw("gpt/gpt-4o", r#","max_tokens":500"#)).await;
        engine.stop().await;
        assert!(vendor.billed.load(Ordering::SeqCst) > 0);
    }
    let store: Arc<dyn BudgetStore> = file(folder.path());
    let till = Till::new(Set::at(NOON), store);
    let short = till.reserve(&MoneyRules::default(), dollars(0.0076), dollars(0.0001), false).await.map(drop);
    assert!(matches!(short, Err(Refused::Short { .. })), "{short:?}");
}

#[tokio::test]
async fn a_second_try_that_the_limit_does_not_reach_for_leaves_the_first_one_s_failure_as_the_answer() {
    for exhausted in [WhenExhausted::LocalOnly, WhenExhausted::Refuse] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(0.015, paid());
        config.money.when_exhausted = exhausted;
        let vendor = Vendor::new(vec![Deed::Useless(0)]);
        let (engine, ..) = engine(folder.path(), config, vendor.clone()).await;
        let failure = outcome(&engine, raw("gpt/gpt-4o", "")).await.failure.unwrap();
        assert_eq!(failure.code, ErrorCode::BadAnswer, "{}", failure.message);
        assert_eq!(vendor.bodies.lock().unwrap().len(), 1, "the first try took what there was");
        engine.stop().await;
    }
}

#[tokio::test]
async fn what_an_unpriced_target_bills_after_a_priced_one_failed_counts_against_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut providers = paid();
    providers.push(provider("router", Kind::Openrouter, &[("m", None)]));
    let mut config = config(0.055, providers);
    config.money.allow_unpriced = true;
    config.rules.request_orders = vec![("hard".into(), vec!["gpt/gpt-4o".into(), "router/m".into()])];
    let vendor = Vendor::new(vec![Deed::States, Deed::Full]);
    let (engine, ..) = engine(folder.path(), config, vendor).await;
    let mut request = raw("auto", "");
    request.facts.request_type = "hard".into();
    let record = outcome(&engine, request).await.record;
    assert_eq!((record.cost.amount, record.attempts.len()), (Some(dollars(0.05)), 2));
    assert_eq!((record.reserved.is_some(), record.outside), (true, Some(dollars(0.05))));
    engine.stop().await;
    let till = Till::new(Set::at(NOON), file(folder.path()));
    let short = till.reserve(&MoneyRules::default(), dollars(0.055), dollars(0.01), false).await.map(drop);
    assert!(matches!(short, Err(Refused::Short { .. })), "{short:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_bounded_is_refused_under_a_limit_and_sent_without_one() {
    for (rest, said) in [
        (r#","n":8.0"#, "n is 8.0"),
        (r#","max_tokens":1e5,"max_completion_tokens":1"#, "max_tokens is 1e5"),
        (r#","plugins":[{"id":"web"}]"#, "plugins is billed beside the tokens"),
        (r#","extra":{"video_url":"https://videos.test/x.mp4"}"#, "video_url"),
    ] {
        let proxy = || vec![provider("proxy", Kind::OpenaiCompatible, &[("m", Some(price()))])];
        let folder = tempfile::tempdir().unwrap();
        let vendor = Vendor::new(Vec::new());
        let (limited, ..) = engine(folder.path(), config(5.0, proxy()), vendor.clone()).await;
        let failure = outcome(&limited, raw("proxy/m", rest)).await.failure.unwrap();
        assert!(failure.message.contains(said), "{rest}: {}", failure.message);
        assert_eq!(vendor.bodies.lock().unwrap().len(), 0);
        let mut free = config(5.0, proxy());
        free.money.daily_limit = None;
        let folder = tempfile::tempdir().unwrap();
        let (unlimited, ..) = engine(folder.path(), free, vendor.clone()).await;
        assert!(outcome(&unlimited, raw("proxy/m", rest)).await.failure.is_none(), "{rest}");
    }
}

// ---- what a one-shot knows

async fn explained(engine: &Engine, facts: Facts) -> Explanation {
    match engine.handle.ask(Command::Explain { facts: Box::new(facts) }).await {
        Reply::Explained(explanation) => *explanation,
        other => panic!("{other:?}"),
    }
}

fn out<'a>(explanation: &'a Explanation, target: &str) -> Option<&'a str> {
    let rejects = &explanation.decision.rejected;
    rejects.iter().find(|reject| reject.target.to_string() == target).map(|reject| &*reject.code)
}

#[tokio::test]
async fn a_one_shot_explains_with_the_money_prices_and_limits_that_are_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut limited = provider("near", Kind::LlamaCpp, &[("small", None)]);
    limited.rate_limit = Some(RateLimit { requests_per_minute: Some(2), tokens_per_minute: None });
    let providers = || {
        let gpt = provider("gpt", Kind::Openai, &[("gpt-4o", Some(price())), ("gpt-of-tomorrow", None)]);
        vec![gpt, limited.clone()]
    };
    let vendor = || Vendor::new(vec![Deed::Answer { share: 1000, tells: true }; 4]);
    let (serve, _, ledger) = engine(folder.path(), config(0.1, providers()), vendor()).await;
    for model in ["gpt/gpt-4o", "near/small", "near/small"] {
        outcome(&serve, raw(model, "")).await;
    }
    ledger.flush().await;

    // The other one goes on and holds its share. This one asks at once, before anything was probed.
    let (once, ..) = start(folder.path(), config(0.005, providers()), vendor(), false);
    let facts = Facts { session: "s".into(), ..Facts::default() };
    let told = explained(&once, facts).await;
    assert_eq!(out(&told, "gpt/gpt-of-tomorrow"), Some("over_budget"), "{told:?}");
    assert_eq!(out(&told, "gpt/gpt-4o"), Some("over_budget"));
    assert_eq!(out(&told, "near/small"), Some("limited"), "two calls of the last minute were another's");
    assert_eq!(told.unseen, [Unseen::Breakers, Unseen::Pins, Unseen::Limits]);
    assert!(explained(&serve, Facts::default()).await.unseen.is_empty(), "who carries out the calls sees all");

    // With money left only the price is missing.
    let (rich, ..) = start(folder.path(), config(100.0, providers()), vendor(), false);
    let told = explained(&rich, Facts::default()).await;
    assert_eq!((out(&told, "gpt/gpt-of-tomorrow"), out(&told, "gpt/gpt-4o")), (Some("unpriced"), None), "{told:?}");
}

#[tokio::test]
async fn a_one_shot_that_asks_how_things_stand_knows_the_calls_of_the_day() {
    let folder = tempfile::tempdir().unwrap();
    let providers = || vec![provider("near", Kind::LlamaCpp, &[("small", None)])];
    let vendor = || Vendor::new(vec![Deed::Answer { share: 1000, tells: true }; 4]);
    let (serve, _, ledger) = engine(folder.path(), config(1.0, providers()), vendor()).await;
    outcome(&serve, raw("near/small", "")).await;
    ledger.flush().await;
    for _ in 0..20 {
        let (once, ..) = start(folder.path(), config(1.0, providers()), vendor(), false);
        once.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await;
        assert_eq!(once.handle.snapshot().spend.calls_today, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_one_shot_that_runs_for_minutes_counts_its_own_calls_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut near = provider("near", Kind::LlamaCpp, &[("small", None)]);
    near.rate_limit = Some(RateLimit { requests_per_minute: Some(2), tokens_per_minute: None });
    let (once, _, ledger) = start(folder.path(), config(5.0, vec![near]), Vendor::new(Vec::new()), false);
    // Answered once the day, and what others took of the last minute, was read.
    assert_eq!(out(&explained(&once, Facts::default()).await, "near/small"), None);
    assert!(outcome(&once, raw("near/small", "")).await.failure.is_none());
    ledger.flush().await;
    // The clock stands: all of it is the last minute, and the sums are read again every minute.
    for _ in 0..3 {
        sleep(Duration::from_secs(61)).await;
        let Reply::Budget(_) = once.handle.ask(Command::Budget { days: 1 }).await else { panic!("another reply") };
    }
    assert_eq!(out(&explained(&once, Facts::default()).await, "near/small"), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_the_same_in_the_picture_and_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let vendor = Vendor::new(vec![Deed::Silence]);
    let (engine, ..) = engine(folder.path(), config(1.0, paid()), vendor).await;
    // Under way: nothing is spent yet, and some of the day is put aside.
    let _running = engine.handle.dispatch(raw("gpt/gpt-4o", ""));
    let mut snapshots = engine.handle.snapshots();
    let snapshot = snapshots.wait_for(|snapshot| snapshot.spend.reserved > Money::ZERO).await.unwrap().clone();
    let Reply::Budget(report) = engine.handle.ask(Command::Budget { days: 1 }).await else { panic!("another reply") };
    assert_eq!((snapshot.spend.today, snapshot.spend.remaining), (Money::ZERO, report.remaining));
    assert!(report.remaining < report.limit);
}
