//! Plans that count over windows: what a used-up window does to calls, that no interleaving of calls and processes
//! passes it, that a restart forgets nothing, and what a vendor says of its own windows.

use crate::support::engine::{Act, Desk, NoLog, Stage, ask, collect, house, profile, started};
use lmdeck::adapters::ledger::{FILE_NAME, Leases, SqliteLedger};
use lmdeck::domain::budget::{CivilDate, Day};
use lmdeck::domain::config::{Config, Profile};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::ids::Target;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::plan::{Plan, PlanWindow, Resets};
use lmdeck::domain::routing::ActiveChoice;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::Engine;
use lmdeck::engine::ports::{BudgetStore, Clock, ConfigStore, Ports};
use lmdeck::engine::protocol::{Command, PlanView, ProbeWhich, ProviderDraft, Reply, Snapshot};
use lmdeck::present::{labels, plan as words};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::time::sleep;

const HOUR: i64 = 3_600_000;
/// A Thursday at noon of UTC.
const NOON: i64 = 20_783 * 24 * HOUR + 12 * HOUR;

fn requests(most: u64, hours: u64, resets: Resets) -> Plan {
    let window = PlanWindow { length: Duration::from_hours(hours), requests: Some(most), tokens: None };
    Plan { resets, windows: vec![window] }
}

fn planned(plan: Plan) -> Profile {
    Profile { plan: Some(plan), ..profile("zai", Kind::ZAiGlm, &["glm-4.6"]) }
}

fn at<'a>(snapshot: &'a Snapshot, id: &str) -> &'a PlanView {
    let view = snapshot.providers.iter().find(|view| view.id.as_str() == id).unwrap();
    view.plan.as_ref().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_used_up_window_moves_calls_on_says_until_when_and_opens_again() {
    let house = house(
        vec![planned(requests(2, 5, Resets::FirstCall)), profile("claude", Kind::Anthropic, &["haiku"])],
        |_, _| {},
    )
    .await;
    for _ in 0..2 {
        let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
        assert_eq!(outcome.record.target.as_ref().unwrap().provider.as_str(), "zai");
    }
    let record = collect(house.engine.handle.dispatch(ask("auto"))).await.1.record;
    assert_eq!(record.target.as_ref().unwrap().provider.as_str(), "claude");
    let reject = record.rejects.iter().find(|reject| reject.target.provider.as_str() == "zai").unwrap();
    assert_eq!(reject.code, "limited");
    assert!(reject.reason.starts_with("plan's window used up, parked until 2025-11-22 03:1"), "{}", reject.reason);

    // The same in an explanation, in the picture, and in what to do.
    let Reply::Explained(explained) = house.engine.handle.ask(Command::Explain { facts: Box::default() }).await else {
        panic!("no explanation")
    };
    assert!(explained.decision.rejected.iter().any(|known| known.reason == reject.reason), "{explained:?}");
    let mut pictures = house.engine.handle.snapshots();
    let picture = pictures.wait_for(|picture| at(picture, "zai").used_up_until.is_some()).await.unwrap().clone();
    assert_eq!(at(&picture, "zai").windows[0].left.remaining, 0);
    let view = &picture.providers[0];
    assert!(labels::why(view).starts_with("plan's window used up, parked until "), "{}", labels::why(view));
    assert_eq!(labels::provider(view).word, "parked");
    let remedy = labels::what_to_do(view).unwrap().text();
    assert!(remedy.contains("used up for this window: parked until"), "{remedy}");
    assert!(
        words::lines(view, view.health.last_checked.unwrap())[0]
            .starts_with("0 of 2 requests left in 5 h, full again at ")
    );

    // When it opens nobody has to call for the picture to say so.
    sleep(Duration::from_hours(5)).await;
    pictures.wait_for(|picture| at(picture, "zai").used_up_until.is_none()).await.unwrap();
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(outcome.record.target.as_ref().unwrap().provider.as_str(), "zai");
}

#[tokio::test(start_paused = true)]
async fn with_nobody_else_the_caller_hears_until_when_the_plan_is_parked() {
    let house = house(vec![planned(requests(1, 5, Resets::FirstCall))], |_, _| {}).await;
    collect(house.engine.handle.dispatch(ask("auto"))).await;
    let failure = collect(house.engine.handle.dispatch(ask("auto"))).await.1.failure.unwrap();
    assert_eq!((failure.code, &failure.cause), (ErrorCode::RateLimit, &Cause::PlanUsedUp));
    assert!(failure.message.starts_with("zai: plan's window used up, parked until "), "{}", failure.message);
    assert!(failure.retry_after_ms.is_some_and(|wait| wait > 17_900_000 && wait <= 18_000_000), "{failure:?}");
    assert_eq!(house.stage.jobs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_try_counts_and_what_never_arrived_does_not() {
    let mut zai = planned(requests(3, 5, Resets::Rolling));
    zai.max_retries = 5;
    let house = house(vec![zai], |_, stage| {
        let refused = || Act::Fail(Failure::new(ErrorCode::Network, Cause::Refused, "refused"));
        let fails = || Act::Fail(Failure::plain(ErrorCode::Upstream, "500"));
        stage.acts("zai/glm-4.6", [refused(), fails(), fails(), fails(), fails()]);
    })
    .await;
    collect(house.engine.handle.dispatch(ask("zai"))).await;
    let mut pictures = house.engine.handle.snapshots();
    pictures.wait_for(|picture| at(picture, "zai").windows[0].left.remaining == 3).await.unwrap();
    let outcome = collect(house.engine.handle.dispatch(ask("zai"))).await.1;
    assert_eq!(house.stage.jobs().len(), 1 + 3, "the fourth try finds no room");
    let rejects = &outcome.record.rejects;
    assert!(rejects.iter().any(|reject| reject.reason.contains("plan's window used up")), "{rejects:?}");
    assert_eq!(outcome.failure.unwrap().message, "500", "what went wrong, not why it was not tried once more");
}

#[tokio::test(start_paused = true)]
async fn a_vendor_s_own_word_on_its_window_parks_it_until_then() {
    let plain = profile("zai", Kind::ZAiGlm, &["glm-4.6"]);
    let house = house(vec![plain, profile("claude", Kind::Anthropic, &["haiku"])], |_, stage| {
        let told = Failure::new(ErrorCode::RateLimit, Cause::PlanUsedUp, "429: the plan's window is used up");
        stage.acts("zai/glm-4.6", [Act::Fail(told.retry_after(Some(Duration::from_hours(2))))]);
    })
    .await;
    let first = collect(house.engine.handle.dispatch(ask("auto"))).await.1.record;
    assert_eq!((first.target.as_ref().unwrap().provider.as_str(), first.attempts.len()), ("claude", 2));
    let second = collect(house.engine.handle.dispatch(ask("auto"))).await.1.record;
    assert_eq!(second.attempts.len(), 1, "it is not asked again");
    let reject = second.rejects.iter().find(|reject| reject.target.provider.as_str() == "zai").unwrap();
    assert!(reject.reason.starts_with("plan's window used up, parked until "), "{}", reject.reason);
    let mut pictures = house.engine.handle.snapshots();
    pictures.wait_for(|picture| at(picture, "zai").told).await.unwrap();
    sleep(Duration::from_hours(2)).await;
    let third = collect(house.engine.handle.dispatch(ask("auto"))).await.1.record;
    assert_eq!(third.target.as_ref().unwrap().provider.as_str(), "zai");
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_a_probe_lifts_what_the_vendor_said_of_a_plan_that_is_another_now() {
    let (one, all) = (ProbeWhich::One("zai".into()), ProbeWhich::All);
    for (cause, which) in [(Cause::PlanUsedUp, &one), (Cause::Other, &one), (Cause::PlanUsedUp, &all)] {
        let plain = profile("zai", Kind::ZAiGlm, &["glm-4.6"]);
        let house = house(vec![plain, profile("claude", Kind::Anthropic, &["haiku"])], |_, stage| {
            let told = Failure::new(ErrorCode::RateLimit, cause.clone(), "429");
            stage.acts("zai/glm-4.6", [Act::Fail(told.retry_after(Some(Duration::from_hours(48))))]);
        })
        .await;
        let answers = async || {
            let record = collect(house.engine.handle.dispatch(ask("auto"))).await.1.record;
            record.target.as_ref().unwrap().provider.to_string()
        };
        assert_eq!((answers().await, answers().await), ("claude".to_owned(), "claude".to_owned()));
        let probe = async |which, anew| drop(house.engine.handle.ask(Command::Probe { which, anew }).await);
        probe(ProbeWhich::One("zai".into()), false).await;
        probe(ProbeWhich::All, false).await;
        assert_eq!(answers().await, "claude", "who only looks changes nothing: {cause:?}");
        probe(which.clone(), true).await;
        assert_eq!(answers().await, "zai", "{cause:?}");
    }
}

// ---- across starts and processes ----

struct Set(AtomicI64);

impl Clock for Set {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.load(Ordering::SeqCst))
    }

    fn day_start(&self, at: UnixMs, _: Option<&str>) -> UnixMs {
        UnixMs(at.0.div_euclid(24 * HOUR) * 24 * HOUR)
    }

    fn day(&self, at: UnixMs, zone: Option<&str>) -> Day {
        let start = self.day_start(at, zone);
        Day { date: CivilDate::utc(at), start, end: UnixMs(start.0 + 24 * HOUR) }
    }
}

/// An engine on this folder's ledger, after its first round of probes.
async fn process(folder: &Path, plan: Option<Plan>, clock: Arc<Set>) -> (Engine, Arc<Stage>, Arc<SqliteLedger>) {
    let ledger = SqliteLedger::open(folder, None).unwrap();
    let stage = Arc::new(Stage::default());
    stage.probe_answers("zai", &["glm-4.6"]);
    let zai = Profile { plan, ..profile("zai", Kind::ZAiGlm, &["glm-4.6"]) };
    let desk = Desk::with(Config { providers: vec![zai], ..Config::default() });
    let ports = Ports {
        clock,
        upstream: stage.clone(),
        config: desk.clone(),
        ledger: ledger.clone(),
        log: Arc::new(NoLog),
        history: Arc::new(NoLog),
        export: None,
        budget: Arc::new(Leases::new(&folder.join(FILE_NAME))),
        answers: None,
    };
    let engine = started(ports, desk.load(), true).await;
    (engine, stage, ledger)
}

async fn refused(engine: &Engine) -> bool {
    collect(engine.handle.dispatch(ask("auto"))).await.1.failure.is_some()
}

#[tokio::test]
async fn a_restart_forgets_nothing_whether_the_plan_was_there_before_or_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Set(AtomicI64::new(NOON)));
    // Before there was a plan.
    let (engine, ..) = process(folder.path(), None, clock.clone()).await;
    assert!(!refused(&engine).await);
    engine.stop().await;
    clock.0.store(NOON + HOUR, Ordering::SeqCst);
    // Counted by the record, then by itself.
    let plan = || Some(requests(3, 5, Resets::Rolling));
    for _ in 0..2 {
        let (engine, ..) = process(folder.path(), plan(), clock.clone()).await;
        assert!(!refused(&engine).await);
        engine.stop().await;
    }
    let (engine, stage, _) = process(folder.path(), plan(), clock.clone()).await;
    assert!(refused(&engine).await);
    assert!(stage.jobs().is_empty());
    engine.stop().await;
    // For a while without it: what is sent then counts too.
    let (engine, ..) = process(folder.path(), None, clock.clone()).await;
    assert!(!refused(&engine).await);
    engine.stop().await;
    // The first one of all has left the window, and three are in it.
    clock.0.store(NOON + 5 * HOUR + 120_000, Ordering::SeqCst);
    let (engine, ..) = process(folder.path(), plan(), clock.clone()).await;
    assert!(refused(&engine).await);
    engine.stop().await;
    clock.0.store(NOON + 6 * HOUR + 120_000, Ordering::SeqCst);
    let (engine, ..) = process(folder.path(), plan(), clock).await;
    assert!(!refused(&engine).await);
    engine.stop().await;
}

#[tokio::test]
async fn what_a_vendor_told_one_process_the_next_one_knows() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Set(AtomicI64::new(NOON)));
    let (engine, stage, _) = process(folder.path(), None, clock.clone()).await;
    let told = Failure::new(ErrorCode::RateLimit, Cause::PlanUsedUp, "used up");
    stage.acts("zai/glm-4.6", [Act::Fail(told.retry_after(Some(Duration::from_hours(1))))]);
    assert!(refused(&engine).await);
    let store = Leases::new(&folder.path().join(FILE_NAME));
    // Written on a thread of its own.
    while store.plan_uses().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    engine.stop().await;
    let (engine, stage, _) = process(folder.path(), None, clock.clone()).await;
    assert!(refused(&engine).await);
    assert!(stage.jobs().is_empty());
    engine.stop().await;
    clock.0.store(NOON + HOUR, Ordering::SeqCst);
    let (engine, ..) = process(folder.path(), None, clock).await;
    assert!(!refused(&engine).await);
    engine.stop().await;
}

#[tokio::test]
async fn a_look_from_another_process_leaves_a_vendor_s_word_and_a_person_s_probe_lifts_it_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Set(AtomicI64::new(NOON)));
    let (serves, stage, _) = process(folder.path(), None, clock.clone()).await;
    let told = Failure::new(ErrorCode::RateLimit, Cause::PlanUsedUp, "used up");
    stage.acts("zai/glm-4.6", [Act::Fail(told.retry_after(Some(Duration::from_hours(1))))]);
    assert!(refused(&serves).await);
    let store = Leases::new(&folder.path().join(FILE_NAME));
    let told = || store.plan_uses().unwrap().iter().any(|(_, used)| used.told_until(UnixMs(NOON)).is_some());
    while !told() {
        tokio::task::yield_now().await;
    }
    let probe = |anew| Command::Probe { which: ProbeWhich::One("zai".into()), anew };
    let (looks, ..) = process(folder.path(), None, clock.clone()).await;
    looks.handle.ask(probe(false)).await;
    assert!(at(&looks.handle.snapshot(), "zai").told, "it shows what one looks for");
    looks.stop().await;
    assert!(told(), "and leaves it");
    let (asks, ..) = process(folder.path(), None, clock).await;
    asks.handle.ask(probe(true)).await;
    asks.stop().await;
    while told() {
        tokio::task::yield_now().await;
    }
    serves.stop().await;
}

#[tokio::test]
async fn a_provider_that_gets_another_id_keeps_the_choice_and_what_is_used_of_its_plan() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Set(AtomicI64::new(NOON)));
    let (engine, ..) = process(folder.path(), Some(requests(1, 5, Resets::Rolling)), clock).await;
    let choice = ActiveChoice::Target(Target::new("zai", "glm-4.6"));
    assert_eq!(engine.handle.ask(Command::UseTarget { choice }).await, Reply::Done);
    assert!(!refused(&engine).await);
    let draft = Box::new(ProviderDraft { id: "glm".into(), ..ProviderDraft::default() });
    let edit = Command::EditProvider { id: "zai".into(), draft };
    let Reply::Edited(report) = engine.handle.ask(edit).await else { panic!("not edited") };
    assert_eq!(report.issues[0].message, "the active target now is glm/glm-4.6");
    let active = engine.handle.snapshot().routing.active.clone();
    assert_eq!(active, ActiveChoice::Target(Target::new("glm", "glm-4.6")));
    let used_up = |picture: &Arc<Snapshot>| {
        let glm = picture.providers.iter().find(|view| view.id.as_str() == "glm");
        glm.and_then(|view| view.plan.as_ref()).is_some_and(|plan| plan.used_up_until.is_some())
    };
    engine.handle.snapshots().wait_for(used_up).await.unwrap();
    assert!(refused(&engine).await, "its window is used up under the new id too");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_share_a_folder_never_pass_one_plan_together() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Set(AtomicI64::new(NOON)));
    let plan = || Some(requests(7, 24, Resets::Clock));
    let mut processes = Vec::new();
    for _ in 0..3 {
        processes.push(process(folder.path(), plan(), clock.clone()).await);
    }
    let mut calls = Vec::new();
    for _ in 0..6 {
        for (engine, ..) in &processes {
            calls.push(tokio::spawn(collect(engine.handle.dispatch(ask("auto")))));
        }
    }
    for call in calls {
        call.await.unwrap();
    }
    let sent: usize = processes.iter().map(|(_, stage, _)| stage.jobs().len()).sum();
    assert_eq!(sent, 7, "the plan is there to be used, and no more");
    for (engine, ..) in processes {
        engine.stop().await;
    }
}

/// What a caller does: when it comes, what its target does, and after how many milliseconds it hangs up.
fn caller() -> impl Strategy<Value = (u64, u8, Option<u64>)> {
    (0..4 * 3600u64, 0..5u8, prop::option::weighted(0.3, 0..60u64))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever calls do and whenever they come: what is sent within a window never passes the plan.
    #[test]
    fn no_interleaving_of_calls_sends_more_than_the_plan(
        callers in prop::collection::vec(caller(), 1..30),
        most in 1..6u64,
        resets in prop::sample::select(vec![Resets::Rolling, Resets::FirstCall]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let sent = runtime.block_on(async {
            let mut zai = planned(requests(most, 1, resets));
            zai.max_retries = 2;
            let house = house(vec![zai], |config, stage| {
                config.limits.max_concurrent_requests = 50;
                stage.acts("zai/glm-4.6", callers.iter().map(|(_, act, _)| match act {
                    0 => Act::Fail(Failure::plain(ErrorCode::Upstream, "500")),
                    1 => Act::BreakAfter("a", Failure::plain(ErrorCode::Upstream, "broke")),
                    2 => Act::SayAfter(Duration::from_secs(700), "slow"),
                    _ => Act::Say("ok"),
                }));
            }).await;
            let begun = tokio::time::Instant::now();
            let calls = callers.iter().map(|&(when, _, hangs_up)| {
                let handle = house.engine.handle.clone();
                tokio::spawn(async move {
                    sleep(Duration::from_secs(when)).await;
                    let mut events = handle.dispatch(ask("zai"));
                    let listens = async { while events.recv().await.is_some() {} };
                    match hangs_up {
                        Some(ms) => drop(tokio::time::timeout(Duration::from_millis(ms), listens).await),
                        None => listens.await,
                    }
                })
            });
            for call in calls.collect::<Vec<_>>() {
                call.await.unwrap();
            }
            house.stage.jobs().iter().map(|job| job.at.saturating_duration_since(begun)).collect::<Vec<_>>()
        });
        // A share is taken a moment before the request leaves.
        let hour = Duration::from_secs(3600 - 1);
        match resets {
            Resets::FirstCall => {
                let (mut first, mut inside) = (None, 0u64);
                for at in &sent {
                    if first.is_none_or(|first: Duration| *at >= first + hour) {
                        (first, inside) = (Some(*at), 0);
                    }
                    inside += 1;
                    prop_assert!(inside <= most, "{sent:?}");
                }
            }
            _ => {
                for at in &sent {
                    let inside = sent.iter().filter(|other| *other <= at && *at < **other + hour).count() as u64;
                    prop_assert!(inside <= most, "{sent:?}");
                }
            }
        }
    }
}
