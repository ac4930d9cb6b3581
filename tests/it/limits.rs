//! Limits per minute, what vendors say is left, and local servers that are busy: who is passed over, and what is said.

use crate::support::engine::{Act, House, ask, collect, house, profile};
use lmdeck::domain::call::{CallRequest, Facts};
use lmdeck::domain::failure::{ErrorCode, Failure};
use lmdeck::domain::health::ModelInfo;
use lmdeck::domain::ids::Target;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::rate::{LastMinute, Needs, RateLimit, RateState, RateUnit, RateWindow};
use lmdeck::domain::routing::spills;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::protocol::{Command, Reply};
use proptest::prelude::*;
use std::time::Duration;
use tokio::time::sleep;

fn calls(most: u64) -> RateLimit {
    RateLimit { requests_per_minute: Some(most), tokens_per_minute: None }
}

fn from(client: &str, model: &str) -> CallRequest {
    let request = ask(model);
    CallRequest { facts: Facts { client: client.into(), ..request.facts }, ..request }
}

#[tokio::test(start_paused = true)]
async fn a_provider_at_its_limit_is_passed_over_until_it_has_room() {
    let mut local = profile("local", Kind::LlamaCpp, &["small"]);
    local.rate_limit = Some(calls(2));
    let house = house(vec![local, profile("zai", Kind::ZAiGlm, &["glm-4.6"])], |_, _| {}).await;
    for _ in 0..2 {
        let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
        assert_eq!(outcome.record.target.as_ref().unwrap().provider.as_str(), "local");
    }
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(outcome.record.target.as_ref().unwrap().provider.as_str(), "zai");
    let reject = outcome.record.rejects.iter().find(|reject| reject.target.provider.as_str() == "local").unwrap();
    assert_eq!(reject.code, "limited");
    assert!(
        reject.reason.starts_with("no room in its limits until ") && reject.reason.contains(':'),
        "{}",
        reject.reason
    );
    sleep(Duration::from_secs(61)).await;
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(outcome.record.target.as_ref().unwrap().provider.as_str(), "local");
}

#[tokio::test(start_paused = true)]
async fn with_nobody_else_the_caller_hears_when_to_come_again() {
    let mut local = profile("local", Kind::LlamaCpp, &["small"]);
    local.rate_limit = Some(calls(1));
    let house = house(vec![local], |_, _| {}).await;
    collect(house.engine.handle.dispatch(ask("auto"))).await;
    let failure = collect(house.engine.handle.dispatch(ask("auto"))).await.1.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::RateLimit);
    assert!(failure.message.starts_with("local has no room in its limits until "), "{}", failure.message);
    let wait = failure.retry_after_ms.unwrap();
    assert!((50_000..=60_000).contains(&wait), "{wait}");
    assert_eq!(house.stage.jobs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_at_the_same_time_never_pass_the_limit_together() {
    let mut local = profile("local", Kind::LlamaCpp, &["small"]);
    local.rate_limit = Some(calls(3));
    let house = house(vec![local, profile("zai", Kind::ZAiGlm, &["glm-4.6"])], |config, _| {
        config.limits.max_concurrent_requests = 20;
    })
    .await;
    let all: Vec<_> = (0..10).map(|_| tokio::spawn(collect(house.engine.handle.dispatch(ask("auto"))))).collect();
    for call in all {
        assert!(call.await.unwrap().1.failure.is_none());
    }
    let at = |id: &str| house.stage.jobs().iter().filter(|job| job.target.provider.as_str() == id).count();
    assert_eq!((at("local"), at("zai")), (3, 7));
}

#[tokio::test(start_paused = true)]
async fn each_client_has_its_own_limit_and_the_star_is_anybody_else() {
    let house = house(vec![profile("local", Kind::LlamaCpp, &["small"])], |config, _| {
        config.limits.clients.insert("batch".into(), calls(1));
        config.limits.clients.insert("*".into(), calls(2));
    })
    .await;
    let mut failed = Vec::new();
    for client in ["batch", "batch", "dspy", "dspy", "dspy", "other"] {
        let outcome = collect(house.engine.handle.dispatch(from(client, "auto"))).await.1;
        failed.push(outcome.failure.map(|failure| failure.code));
    }
    let over = Some(ErrorCode::RateLimit);
    assert_eq!(failed, [None, over, None, None, over, None]);
    sleep(Duration::from_millis(100)).await;
    let flow = house.engine.handle.snapshot().flow.clone();
    let used = |of: &str| flow.limits.iter().find(|limit| limit.client && limit.of == of).unwrap();
    assert_eq!((used("batch").requests, used("batch").permille(), used("dspy").requests), (1, 1000, 2));
    assert_eq!((used("other").requests, used("other").requests_limit, flow.limited), (1, Some(2), 2));
    assert_eq!(flow.limits.last().unwrap().of, "other", "the fullest first");
    // What is over is not shown for longer than a quarter of a minute, though nobody calls any more.
    sleep(Duration::from_secs(76)).await;
    let flow = house.engine.handle.snapshot().flow.clone();
    assert_eq!((flow.limits.len(), flow.limited), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_busy_local_server_spills_over_to_the_cloud_and_gets_its_calls_back() {
    let mut local = profile("local", Kind::LlamaCpp, &["small"]);
    local.max_concurrent = Some(1);
    let house = house(vec![local, profile("zai", Kind::ZAiGlm, &["glm-4.6"])], |config, stage| {
        config.rules.spillover_ms = Some(2_000);
        let slow = || Act::SayAfter(Duration::from_secs(3), "slow");
        stage.acts("local/small", [slow(), slow()]);
    })
    .await;
    // The first call tells how long they take.
    collect(house.engine.handle.dispatch(ask("auto"))).await;
    let busy = tokio::spawn(collect(house.engine.handle.dispatch(ask("auto"))));
    sleep(Duration::from_millis(200)).await;
    let spilled = collect(house.engine.handle.dispatch(ask("auto"))).await.1.record;
    assert_eq!(spilled.target.as_ref().map(|target| target.provider.as_str()), Some("zai"));
    let chain: Vec<&Target> = spilled.chain.iter().collect();
    assert_eq!(chain.len(), 2, "the busy one stays in the chain, behind");
    assert_eq!(busy.await.unwrap().1.record.target.as_ref().unwrap().provider.as_str(), "local");
    let back = collect(house.engine.handle.dispatch(ask("auto"))).await.1.record;
    assert_eq!(back.target.as_ref().unwrap().provider.as_str(), "local");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_server_asked_for_does_not_count_as_its_work() {
    let mut local = profile("local", Kind::LlamaCpp, &["small"]);
    (local.max_concurrent, local.max_retries) = (Some(1), 1);
    let house = house(vec![local, profile("zai", Kind::ZAiGlm, &["glm-4.6"])], |config, stage| {
        config.rules.spillover_ms = Some(2_000);
        let later = Failure::plain(ErrorCode::Overloaded, "busy").retry_after(Some(Duration::from_secs(8)));
        let slow = Act::SayAfter(Duration::from_millis(900), "slow");
        stage.acts("local/small", [Act::Fail(later), Act::Say("ok"), slow]);
    })
    .await;
    collect(house.engine.handle.dispatch(ask("local"))).await;
    let busy = tokio::spawn(collect(house.engine.handle.dispatch(ask("auto"))));
    sleep(Duration::from_millis(200)).await;
    assert_eq!(chain(&house).await, ["local/small", "zai/glm-4.6"], "its slot is soon free");
    busy.await.unwrap();
}

/// A local server with one slot whose calls take three seconds, beside a vendor.
async fn local_first(models: &[(&str, Option<bool>)], bound_ms: u64) -> House {
    let names: Vec<&str> = models.iter().map(|(name, _)| *name).collect();
    let mut local = profile("local", Kind::LmStudio, &names);
    local.max_concurrent = Some(1);
    house(vec![profile("zai", Kind::ZAiGlm, &["glm-4.6"]), local], |config, stage| {
        config.rules.spillover_ms = Some(bound_ms);
        let known = |&(id, loaded): &(&str, Option<bool>)| ModelInfo { loaded, ..ModelInfo::named(id) };
        stage.probe_finds("local", models.iter().map(known).collect());
        for name in &names {
            stage.acts(&format!("local/{name}"), (0..20).map(|_| Act::SayAfter(Duration::from_secs(3), "slow")));
        }
    })
    .await
}

async fn chain(house: &House) -> Vec<String> {
    let record = collect(house.engine.handle.dispatch(ask("auto"))).await.1.record;
    record.chain.iter().map(ToString::to_string).collect()
}

/// Loads it once, so that its time is known, and takes it out again.
async fn load_takes(house: &House, model: &str, time: Duration) {
    house.stage.load_takes(time);
    let load = Command::LoadModel { provider: "local".into(), model: model.into(), context: None };
    assert!(matches!(house.engine.handle.ask(load).await, Reply::Model(_)));
}

#[tokio::test(start_paused = true)]
async fn a_loaded_model_comes_first_then_one_that_has_to_load_the_quicker_the_sooner_then_the_cloud() {
    let house = local_first(&[("slow", Some(false)), ("quick", Some(false)), ("there", Some(true))], 60_000).await;
    load_takes(&house, "slow", Duration::from_secs(40)).await;
    load_takes(&house, "quick", Duration::from_secs(8)).await;
    assert_eq!(chain(&house).await, ["local/there", "local/quick", "local/slow", "zai/glm-4.6"]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_would_load_for_longer_than_the_bound_comes_after_the_cloud() {
    let house = local_first(&[("slow", Some(false)), ("quick", Some(false))], 20_000).await;
    load_takes(&house, "slow", Duration::from_secs(40)).await;
    load_takes(&house, "quick", Duration::from_secs(8)).await;
    assert_eq!(chain(&house).await, ["local/quick", "zai/glm-4.6", "local/slow"]);
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_slot_and_the_load_are_counted_together() {
    // Neither three seconds of waiting nor four of loading are too long, both are.
    let house = local_first(&[("m", Some(false))], 5_000).await;
    load_takes(&house, "m", Duration::from_secs(4)).await;
    assert_eq!(chain(&house).await[0], "local/m");
    let busy = tokio::spawn(collect(house.engine.handle.dispatch(ask("auto"))));
    sleep(Duration::from_millis(200)).await;
    assert_eq!(chain(&house).await, ["zai/glm-4.6", "local/m"]);
    busy.await.unwrap();
    // With nobody waiting it gets its calls back, although its load is more than half of the bound.
    assert_eq!(chain(&house).await[0], "local/m");
}

#[tokio::test(start_paused = true)]
async fn an_explanation_says_who_is_busy_now() {
    let house = local_first(&[("m", Some(true))], 2_000).await;
    chain(&house).await;
    let busy = tokio::spawn(collect(house.engine.handle.dispatch(ask("auto"))));
    sleep(Duration::from_millis(200)).await;
    let explain = Command::Explain { facts: Box::default() };
    let Reply::Explained(explained) = house.engine.handle.ask(explain).await else { panic!("no explanation") };
    let last = explained.decision.chain.last().unwrap();
    assert_eq!((last.target.to_string().as_str(), &*last.why), ("local/m", "local, behind the cloud while it is busy"));
    busy.await.unwrap();
}

proptest! {
    /// While the wait hovers between half of the bound and the bound, calls stay where they are; whoever is sent away
    /// comes back when nobody waits, however long the load.
    #[test]
    fn a_wait_that_hovers_around_the_bound_moves_calls_once(
        bound in 100..100_000u64,
        share in 0.0..1.0f64,
        hovers in prop::collection::vec(0.51..1.4f64, 1..60),
    ) {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
        let part = |whole: u64, share: f64| (whole as f64 * share) as u64;
        let load = part(bound, share);
        let mut away = false;
        let mut moves = 0;
        for hover in hovers {
            let before = away;
            away = spills(part(bound - load, hover) + 1, load, bound, away);
            moves += u32::from(away != before);
        }
        prop_assert!(moves <= 1, "{moves}");
        prop_assert!(!spills(0, load, bound, true));
        prop_assert!(spills(0, bound + 1, bound, false));
    }
}

#[test]
fn what_the_vendor_says_is_left_is_respected_before_it_refuses() {
    let window =
        |counts, remaining| RateWindow { counts, limit: Some(100), remaining, resets_at: Some(UnixMs(60_000)) };
    let state = |remaining| RateState { at: UnixMs(0), windows: vec![window(RateUnit::Tokens, remaining)] };
    let needs = Needs { input_tokens: 30, output_tokens: 20 };
    assert_eq!(state(50).short_until(needs, UnixMs(1)), None);
    assert_eq!(state(49).short_until(needs, UnixMs(1)), Some(UnixMs(60_000)));
    assert_eq!(state(49).short_until(needs, UnixMs(60_000)), None, "the window is full again");
    let huge = Needs { input_tokens: 500, output_tokens: 0 };
    assert_eq!(state(100).short_until(huge, UnixMs(1)), None, "waiting would not help");
    let mut left = state(100);
    left.take(needs);
    left.take(needs);
    assert_eq!(left.short_until(Needs::default(), UnixMs(1)), Some(UnixMs(60_000)));
}

proptest! {
    /// No span of a minute holds more than the limit allows, and whoever waits as long as told finds room.
    #[test]
    fn no_minute_holds_more_than_its_limit(
        gaps in prop::collection::vec((0..20_000i64, 1..60u64), 1..100),
        requests in 1..10u64,
        tokens in 60..200u64,
    ) {
        let limit = RateLimit { requests_per_minute: Some(requests), tokens_per_minute: Some(tokens) };
        let mut minute = LastMinute::default();
        let mut now = UnixMs(0);
        let mut taken: Vec<(i64, u64)> = Vec::new();
        for (gap, needed) in gaps {
            now = UnixMs(now.0 + gap);
            if let Some(until) = minute.full_until(limit, needed, now) {
                prop_assert!(until > now);
                now = until;
                prop_assert_eq!(minute.full_until(limit, needed, now), None);
            }
            minute.take(needed, now);
            taken.push((now.0, needed));
            let last: Vec<_> = taken.iter().filter(|(at, _)| now.0 - at < 60_000).collect();
            prop_assert!(last.len() as u64 <= requests);
            prop_assert!(last.iter().map(|(_, tokens)| tokens).sum::<u64>() <= tokens);
        }
    }
}
