//! The engine on scripted ports: what a caller receives, what is recorded, when traffic moves and comes back.

use crate::support::engine::{
    Act, Book, House, Stage, TokioClock, ask, collect, engine_on, engine_once, engine_sharing, house, profile, refused,
    text,
};
use crate::support::sim::{LmStudioApi, Sim, SimKind, SimModel};
use lmdeck::adapters::http::HttpUpstream;
use lmdeck::domain::call::{Body, Message, Role, Status};
use lmdeck::domain::config::{Config, ModelSettings};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::{ModelInfo, State};
use lmdeck::domain::ids::Target;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::{Money, Price, Provenance};
use lmdeck::domain::routing::{ActiveChoice, Policy};
use lmdeck::domain::secret::Secret;
use lmdeck::engine::ports::Ledger as _;
use lmdeck::engine::protocol::{CallEvent, Command, EventKind, ProbeWhich, ProviderDraft, Reply, RunId};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

fn two() -> Vec<lmdeck::domain::config::Profile> {
    vec![profile("local", Kind::LlamaCpp, &["small"]), profile("zai", Kind::ZAiGlm, &["glm-4.6"])]
}

fn rate_limited(after_ms: Option<u64>) -> Failure {
    Failure { retry_after_ms: after_ms, ..Failure::plain(ErrorCode::RateLimit, "slow down") }
}

fn server_error() -> Failure {
    Failure::new(ErrorCode::Upstream, Cause::ServerError { status: 500 }, "it broke")
}

#[tokio::test(start_paused = true)]
async fn an_answer_streams_from_the_first_target_and_is_recorded_once() {
    let house = house(two(), |_, _| {}).await;
    house.stage.acts("local/small", [Act::Say("one two three")]);
    let (events, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(text(&events), "one two three");
    assert!(outcome.failure.is_none());
    let records = house.book.records();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].status, Status::Ok);
    assert_eq!(records[0].target.as_ref().unwrap().to_string(), "local/small");
    assert_eq!(records[0].usage.unwrap().output, 5);
    assert_eq!(records[0].chain.len(), 2, "the whole chain is recorded, not only who answered");
    assert_eq!(records[0].ttft_ms, Some(30));
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_falls_back_and_the_caller_is_told() {
    let house = house(two(), |_, _| {}).await;
    house.stage.acts("local/small", [Act::Fail(refused())]);
    let (events, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(text(&events), "ok");
    let fell = events.iter().any(|event| {
        matches!(event, CallEvent::FellBack { from, to: Some(to), .. }
            if from.to_string() == "local/small" && to.to_string() == "zai/glm-4.6")
    });
    assert!(fell, "{events:?}");
    assert_eq!(outcome.record.attempts.len(), 2);
    assert_eq!(outcome.record.attempts[0].failure.as_ref().unwrap().cause, Cause::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_is_not_asked_for_each_of_its_models() {
    let mut providers = two();
    providers[0] = profile("local", Kind::LlamaCpp, &["a", "b", "c"]);
    let house = house(providers, |_, _| {}).await;
    house.stage.acts("local/a", [Act::Fail(refused())]);
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    let tried: Vec<String> = house.stage.jobs().iter().map(|job| job.target.to_string()).collect();
    assert_eq!(tried, ["local/a", "zai/glm-4.6"]);
    assert_eq!(outcome.record.rejects.iter().filter(|reject| reject.code == "provider_failed").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_answer_bytes_there_is_no_switch() {
    let house = house(two(), |_, _| {}).await;
    let cut = Failure::new(ErrorCode::BadAnswer, Cause::CutOff, "the stream was cut off");
    house.stage.acts("local/small", [Act::BreakAfter("half", cut)]);
    let (events, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(text(&events), "half");
    assert!(outcome.after_answer_bytes);
    assert_eq!(outcome.failure.unwrap().cause, Cause::CutOff);
    assert_eq!(house.stage.jobs().len(), 1, "nobody else was asked");
}

#[tokio::test(start_paused = true)]
async fn with_auto_switch_off_the_first_target_s_error_is_the_answer() {
    let house = house(two(), |config, _| config.limits.auto_switch_on_failure = false).await;
    house.stage.acts("local/small", [Act::Fail(server_error())]);
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(outcome.failure.unwrap().code, ErrorCode::Upstream);
    assert_eq!(house.stage.jobs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retryable_failure_is_tried_again_on_the_same_target_but_not_when_retries_are_off() {
    let mut providers = two();
    providers[0].max_retries = 2;
    let on = house(providers.clone(), |_, _| {}).await;
    on.stage.acts("local/small", [Act::Fail(server_error()), Act::Say("again")]);
    let (events, _) = collect(on.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(text(&events), "again");

    let off = house(providers, |config, _| config.limits.retry_on_failure = false).await;
    off.stage.acts("local/small", [Act::Fail(server_error()), Act::Say("again")]);
    let (_, outcome) = collect(off.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(outcome.record.target.as_ref().unwrap().to_string(), "zai/glm-4.6");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limited_target_is_parked_and_the_next_one_answers_at_once() {
    let house = house(two(), |_, _| {}).await;
    house.stage.acts("local/small", [Act::Fail(rate_limited(Some(60_000)))]);
    let before = Instant::now();
    let (events, _) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(text(&events), "ok");
    assert!(before.elapsed() < Duration::from_secs(1));
    sleep(Duration::from_millis(100)).await;
    let (_, second) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(second.record.attempts.len(), 1, "the parked one is not asked again");
    assert!(second.record.rejects.iter().any(|reject| reject.target.provider.as_str() == "local"));
    sleep(Duration::from_secs(61)).await;
    let (_, third) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(third.record.target.as_ref().unwrap().to_string(), "local/small", "after the wait it is used again");
}

#[tokio::test(start_paused = true)]
async fn without_another_target_a_short_retry_after_is_waited_for_and_a_long_one_is_the_answer() {
    let mut only = vec![profile("local", Kind::LlamaCpp, &["small"])];
    only[0].max_retries = 1;
    let house = house(only, |_, _| {}).await;
    house.stage.acts("local/small", [Act::Fail(rate_limited(Some(4_000))), Act::Say("now")]);
    let before = Instant::now();
    let (events, _) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(text(&events), "now");
    assert!(before.elapsed() >= Duration::from_secs(4));

    sleep(Duration::from_secs(5)).await;
    house.stage.acts("local/small", [Act::Fail(rate_limited(Some(11_000))), Act::Say("never")]);
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::RateLimit);
    assert_eq!(failure.retry_after_ms, Some(11_000));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_sends_no_token_in_time_gives_way() {
    let house = house(two(), |_, _| {}).await;
    house.stage.acts("local/small", [Act::Silence]);
    let before = Instant::now();
    let (events, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(text(&events), "ok");
    assert_eq!(outcome.record.attempts[0].failure.as_ref().unwrap().cause, Cause::FirstTokenTimeout);
    assert!((10..12).contains(&before.elapsed().as_secs()));
    assert_eq!(house.stage.cancelled.load(Ordering::SeqCst), 1, "the silent call was ended");
}

#[tokio::test(start_paused = true)]
async fn past_the_deadline_no_further_target_is_asked() {
    let house = house(two(), |config, stage| {
        config.limits.call_deadline = Duration::from_secs(5);
        stage.acts("local/small", [Act::Silence]);
        stage.acts("zai/glm-4.6", [Act::Silence]);
    })
    .await;
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(outcome.failure.unwrap().cause, Cause::Deadline);
    assert_eq!(house.stage.jobs().len(), 1, "a target without time to answer is not worth asking");
}

#[tokio::test(start_paused = true)]
async fn a_provider_whose_list_cannot_be_read_still_gets_calls_for_the_models_the_file_names() {
    let house = house(two(), |_, stage| {
        let cause = Cause::MalformedList { detail: "data: expected a list".into() };
        stage.probe_fails("local", Failure::new(ErrorCode::BadAnswer, cause, "the model list cannot be read"));
    })
    .await;
    let state = |house: &House| {
        let view = house.engine.handle.snapshot().providers[0].clone();
        (view.health.state, view.health.reason.clone())
    };
    let told = (State::Degraded, "its model list is malformed: data: expected a list".to_owned());
    assert_eq!(state(&house), told);
    let (events, outcome) = collect(house.engine.handle.dispatch(ask("local/small"))).await;
    assert_eq!((text(&events).as_str(), outcome.failure), ("ok", None));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(state(&house), told, "a call that went well does not mend the list");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_its_server_lists_twice_is_shown_once() {
    let house = house(two(), |_, stage| {
        stage.probe_finds("local", ["twin", "small", "twin"].map(ModelInfo::named).into());
    })
    .await;
    let view = house.engine.handle.snapshot().providers[0].clone();
    let ids: Vec<&str> = view.models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["small", "twin"]);
}

#[tokio::test(start_paused = true)]
async fn only_a_model_that_its_server_calls_unloaded_is_said_to_be_loading() {
    for (loaded, told) in [(None, false), (Some(false), true)] {
        let house = house(two(), |_, stage| {
            let model = ModelInfo { loaded, ..ModelInfo::named("small") };
            stage.probe_finds("local", vec![model]);
            stage.acts("local/small", [Act::Silence]);
        })
        .await;
        let (events, _) = collect(house.engine.handle.dispatch(ask("local/small"))).await;
        let said = events.iter().any(|event| matches!(event, CallEvent::Loading { .. }));
        assert_eq!(said, told, "loaded: {loaded:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_stands_still_ends_in_an_error_after_the_idle_time() {
    let house = house(two(), |_, _| {}).await;
    house.stage.acts("local/small", [Act::StallAfter("so far")]);
    let (events, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(text(&events), "so far");
    assert_eq!(outcome.failure.unwrap().cause, Cause::IdleTimeout);
    assert!(outcome.after_answer_bytes);
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_never_a_success() {
    let house = house(two(), |_, _| {}).await;
    house.stage.acts("local/small", [Act::Nothing]);
    let (events, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(outcome.record.attempts[0].failure.as_ref().unwrap().code, ErrorCode::EmptyAnswer);
    assert_eq!(text(&events), "ok", "the next target answers");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_hangs_up_cancels_the_upstream_and_is_accounted() {
    let house = house(two(), |_, _| {}).await;
    house.stage.acts("local/small", [Act::StallAfter("first words")]);
    let mut events = house.engine.handle.dispatch(ask("auto"));
    while !matches!(events.recv().await, Some(CallEvent::Text { .. })) {}
    drop(events);
    timeout(Duration::from_secs(1), async {
        while house.book.records().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the call is recorded");
    let record = &house.book.records()[0];
    assert_eq!(record.status, Status::Cancelled);
    assert_eq!(record.attempts.len(), 1);
    assert_eq!(house.stage.cancelled.load(Ordering::SeqCst), 1);
    assert!(
        house.engine.handle.snapshot().running.is_empty() || {
            sleep(Duration::from_millis(100)).await;
            house.engine.handle.snapshot().running.is_empty()
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_running_call_can_be_stopped_by_its_id() {
    let house = house(two(), |_, _| {}).await;
    house.stage.acts("local/small", [Act::StallAfter("words")]);
    let mut events = house.engine.handle.dispatch(ask("auto"));
    let Some(CallEvent::Trying { call_id, .. }) = events.recv().await else { panic!("the first event names the call") };
    assert_eq!(house.engine.handle.ask(Command::CancelCall { id: call_id }).await, Reply::Done);
    let (_, outcome) = collect(events).await;
    assert_eq!(outcome.failure.unwrap().code, ErrorCode::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn traffic_moves_when_the_local_server_dies_and_comes_back_after_two_good_probes() {
    let house = house(two(), |_, _| {}).await;
    let mut announced = house.engine.handle.events();
    let in_effect = || house.engine.handle.snapshot().routing.in_effect.clone().map(|target| target.to_string());
    assert_eq!(in_effect().as_deref(), Some("local/small"));

    house.stage.probe_fails("local", refused());
    house.engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await;
    assert_eq!(in_effect().as_deref(), Some("zai/glm-4.6"));
    house.stage.probe_answers("local", &["small"]);
    house.engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await;
    assert_eq!(in_effect().as_deref(), Some("zai/glm-4.6"), "one good probe is not enough");
    house.engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await;
    assert_eq!(in_effect().as_deref(), Some("local/small"));

    let mut words = Vec::new();
    while let Ok(event) = announced.try_recv() {
        match event.kind {
            EventKind::HealthChanged { provider, to, .. } if provider.as_str() == "local" => {
                words.push(to.word().to_owned());
            }
            EventKind::EffectiveTargetChanged { to, .. } => words.push(to.unwrap_or_default()),
            _ => {}
        }
    }
    assert_eq!(words, ["down", "zai/glm-4.6", "up", "local/small"], "each change is announced once");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_with_half_a_list_is_not_used_on_its_first_answer() {
    let house = house(two(), |_, _| {}).await;
    let look = async || {
        house.engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await;
        house.engine.handle.snapshot().providers[0].health.state
    };
    let unreadable = || {
        let cause = Cause::MalformedList { detail: "data: expected a list".into() };
        Failure::new(ErrorCode::BadAnswer, cause, "the model list cannot be read")
    };
    house.stage.probe_fails("local", refused());
    assert_eq!(look().await, State::Down);
    house.stage.probe_fails("local", unreadable());
    assert_eq!(look().await, State::Down, "it answers, once");
    house.stage.probe_fails("local", refused());
    assert_eq!(look().await, State::Down);
    house.stage.probe_fails("local", unreadable());
    assert_eq!((look().await, look().await), (State::Down, State::Degraded), "twice in a row is an answer");
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_stays_at_home_goes_to_ollama_only_once_it_said_that_it_runs_the_model_itself() {
    let cause = Cause::MalformedList { detail: "models: expected a list".into() };
    let unreadable = Failure::new(ErrorCode::BadAnswer, cause, "the model list cannot be read");
    let house = house(vec![profile("ollama", Kind::Ollama, &["big:120b-cloud", "llama3"])], |_, stage| {
        stage.probe_fails("ollama", unreadable);
    })
    .await;
    let at_home = async |model: &str| {
        let mut request = ask(model);
        request.facts.local_only = true;
        collect(house.engine.handle.dispatch(request)).await.1
    };
    for model in ["auto", "ollama/llama3"] {
        let failure = at_home(model).await.failure.unwrap();
        assert_eq!(failure.code, ErrorCode::NoRoute, "{model}");
        assert!(failure.message.contains("has not told yet whether it runs it here"), "{}", failure.message);
    }
    assert!(house.stage.jobs().is_empty(), "nobody was asked");
    // Ollama adds a tag to a name without one.
    let elsewhere = ModelInfo { remote: true, ..ModelInfo::named("big:120b-cloud") };
    house.stage.probe_finds("ollama", vec![elsewhere, ModelInfo::named("llama3:latest")]);
    house.engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await;
    assert_eq!(at_home("ollama/llama3").await.record.target.as_ref().unwrap().to_string(), "ollama/llama3");
    let kept_in = at_home("ollama/big:120b-cloud").await;
    assert_eq!(kept_in.failure.unwrap().code, ErrorCode::NoRoute);
    assert_eq!(house.stage.jobs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_choice_made_in_another_process_is_taken_over_within_a_minute() {
    let book = Arc::new(Book::default());
    let deck = async || {
        let stage = Arc::new(Stage::default());
        stage.probe_answers("local", &["small"]);
        stage.probe_answers("zai", &["glm-4.6"]);
        engine_sharing(book.clone(), Config { providers: two(), ..Config::default() }, stage).await.0
    };
    let (gateway, verb) = (deck().await, deck().await);
    let choice = ActiveChoice::Target(Target::new("zai", "glm-4.6"));
    assert_eq!(verb.handle.ask(Command::UseTarget { choice: choice.clone() }).await, Reply::Done);
    let mut snapshots = gateway.handle.snapshots();
    let followed = snapshots.wait_for(|snapshot| snapshot.routing.active == choice);
    drop(timeout(Duration::from_secs(61), followed).await.expect("within a minute").unwrap());
    let (_, outcome) = collect(gateway.handle.dispatch(ask("auto"))).await;
    assert_eq!(outcome.record.target.as_ref().unwrap().to_string(), "zai/glm-4.6");
}

#[tokio::test]
async fn the_target_in_use_stays_the_one_chosen_when_its_provider_is_renamed() {
    let house = house(two(), |_, _| {}).await;
    house.stage.probe_answers("glm", &["glm-4.6"]);
    let handle = &house.engine.handle;
    let choice = |provider: &str| ActiveChoice::Target(Target::new(provider, "glm-4.6"));
    assert_eq!(handle.ask(Command::UseTarget { choice: choice("zai") }).await, Reply::Done);
    let rename = |id: &str, to: &str| {
        let draft = ProviderDraft { id: to.into(), ..ProviderDraft::default() };
        handle.ask(Command::EditProvider { id: id.into(), draft: Box::new(draft) })
    };
    assert!(matches!(rename("local", "laptop").await, Reply::Edited(_)));
    assert_eq!(handle.snapshot().routing.active, choice("zai"), "another one's id is no matter");
    assert!(matches!(rename("zai", "glm").await, Reply::Edited(_)));
    assert_eq!(handle.snapshot().routing.active, choice("glm"));
    // Kept too: the next process starts from it.
    let note = house.book.recall("active_target").unwrap();
    assert!(note.contains("glm/glm-4.6") || note.contains("\"glm\""), "{note}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_is_used_again_within_seconds() {
    let house = house(two(), |_, _| {}).await;
    house.stage.probe_fails("local", refused());
    house.engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await;
    let before = house.stage.probes_of("local");
    sleep(Duration::from_secs(12)).await;
    assert_eq!(house.stage.probes_of("local"), before, "a server that is down is asked on schedule only");
    house.stage.probe_answers("local", &["small"]);
    let started = Instant::now();
    let mut snapshots = house.engine.handle.snapshots();
    drop(snapshots.wait_for(|snapshot| snapshot.providers[0].health.good_probes == 1).await.unwrap());
    let first = Instant::now();
    drop(snapshots.wait_for(|snapshot| snapshot.providers[0].health.state == State::Up).await.unwrap());
    assert!(first > started && first.elapsed() < Duration::from_secs(6), "{:?}", first.elapsed());
    // And a model that is being read into memory is not waited for longer than it takes.
    let loading = Failure::new(ErrorCode::Overloaded, Cause::StillLoading, "still loading its model");
    house.stage.probe_fails("local", loading);
    house.engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await;
    let before = house.stage.probes_of("local");
    sleep(Duration::from_secs(16)).await;
    assert_eq!(house.stage.probes_of("local"), before + 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_finds_nobody_listening_starts_a_probe_at_once() {
    let house = house(two(), |_, _| {}).await;
    let before = house.stage.probes_of("local");
    house.stage.probe_fails("local", refused());
    house.stage.acts("local/small", [Act::Fail(refused())]);
    collect(house.engine.handle.dispatch(ask("auto"))).await;
    let mut snapshots = house.engine.handle.snapshots();
    let down = snapshots.wait_for(|snapshot| snapshot.providers[0].health.state == State::Down);
    timeout(Duration::from_secs(1), down).await.expect("long before the next scheduled probe").unwrap();
    assert_eq!(house.stage.probes_of("local"), before + 1);
}

#[tokio::test(start_paused = true)]
async fn probes_come_on_schedule_and_not_while_paused() {
    let house = house(two(), |_, _| {}).await;
    sleep(Duration::from_secs(70)).await;
    let asked = house.stage.probes_of("local");
    assert!((3..=4).contains(&asked), "every 30 s with a jitter of a tenth: {asked}");
    let pause = |paused| Command::Pause { id: "local".into(), paused };
    house.engine.handle.ask(pause(true)).await;
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(outcome.record.target.as_ref().unwrap().to_string(), "zai/glm-4.6");
    let at_pause = house.stage.probes_of("local");
    sleep(Duration::from_mins(5)).await;
    assert!(house.stage.probes_of("local") <= at_pause + 1, "only what was under way");
    house.engine.handle.ask(pause(false)).await;
    let mut snapshots = house.engine.handle.snapshots();
    drop(snapshots.wait_for(|snapshot| snapshot.providers[0].health.state == State::Up).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn five_failures_open_the_breaker_and_one_trial_closes_it() {
    let house = house(two(), |_, _| {}).await;
    house.stage.acts("local/small", vec![Act::Fail(server_error()); 5]);
    for _ in 0..5 {
        collect(house.engine.handle.dispatch(ask("auto"))).await;
    }
    let tried = || house.stage.jobs().iter().filter(|job| job.target.provider.as_str() == "local").count();
    assert_eq!(tried(), 5);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(house.engine.handle.snapshot().providers[0].health.state, State::Degraded);
    collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(tried(), 5, "an open breaker keeps calls away");
    sleep(Duration::from_secs(31)).await;
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(outcome.record.target.as_ref().unwrap().to_string(), "local/small");
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_keeps_prompts_at_home_holds_whatever_fails() {
    let house = house(two(), |config, _| {
        config.rules.policies =
            vec![Policy { name: "private-stays-here".into(), local_only: true, ..Policy::default() }];
    })
    .await;
    house.stage.acts("local/small", [Act::Fail(server_error())]);
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert!(outcome.failure.is_some());
    assert!(house.stage.jobs().iter().all(|job| job.target.provider.as_str() == "local" && job.local_only));

    let (_, named) = collect(house.engine.handle.dispatch(ask("zai/glm-4.6"))).await;
    assert_eq!(named.failure.unwrap().code, ErrorCode::Denied);
    assert!(house.stage.jobs().iter().all(|job| job.target.provider.as_str() == "local"));
}

#[tokio::test(start_paused = true)]
async fn when_the_day_s_limit_is_reached_only_local_models_are_asked() {
    let mut providers = two();
    providers[1].models[0].price = Price::per_million(1000.0, 1000.0, None);
    // A call may cost $5.14 at most: the answer's 4,096 tokens, the request and its frame.
    let house = house(providers, |config, _| config.money.daily_limit = Money::from_dollars(5.16)).await;
    let (_, first) = collect(house.engine.handle.dispatch(ask("zai/glm-4.6"))).await;
    assert_eq!(first.record.cost.provenance, Provenance::Computed);
    assert_eq!(first.record.cost.amount, Money::from_dollars(0.036), "36 tokens at $1000 per million");
    sleep(Duration::from_millis(100)).await;
    let (_, second) = collect(house.engine.handle.dispatch(ask("zai/glm-4.6"))).await;
    assert_eq!(second.failure.unwrap().code, ErrorCode::Budget);
    assert_eq!(second.record.cost.amount, Some(Money::ZERO));
    let (_, third) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(third.record.target.as_ref().unwrap().to_string(), "local/small");
}

#[tokio::test(start_paused = true)]
async fn the_system_prompt_of_the_configuration_reaches_prompts_made_here_and_never_a_raw_body() {
    let mut providers = two();
    providers[0].defaults =
        ModelSettings { system_prompt: Some("Be brief.".into()), max_tokens: Some(77), temperature: Some(0.5) };
    let house = house(providers, |_, _| {}).await;
    collect(house.engine.handle.dispatch(ask("auto"))).await;
    let raw = r#"{"model":"auto","messages":[]}"#;
    let mut request = ask("auto");
    request.body = Body::RawOpenaiChat { json: raw.into() };
    collect(house.engine.handle.dispatch(request)).await;
    let jobs = house.stage.jobs();
    let Body::Chat { messages, max_tokens, temperature, .. } = &jobs[0].body else { panic!("a chat body") };
    assert_eq!(messages[0], Message { role: Role::System, content: "Be brief.".into() });
    assert_eq!((*max_tokens, *temperature), (Some(77), Some(0.5)));
    assert_eq!(jobs[1].body, Body::RawOpenaiChat { json: raw.into() });
}

#[tokio::test(start_paused = true)]
async fn raw_bytes_come_as_they_were_and_the_usage_chunk_only_to_who_asked() {
    let house = house(two(), |_, _| {}).await;
    for (wants_usage, expected) in [
        (false, "data: ok\n\ndata: finish\n\ndata: [DONE]\n\n"),
        (true, "data: ok\n\ndata: finish\n\ndata: usage\n\ndata: [DONE]\n\n"),
    ] {
        let mut request = ask("auto");
        request.body = Body::RawOpenaiChat { json: "{}".into() };
        request.wants_usage = wants_usage;
        let (events, outcome) = collect(house.engine.handle.dispatch(request)).await;
        let bytes: Vec<u8> = events
            .iter()
            .filter_map(|event| if let CallEvent::Raw { bytes } = event { Some(bytes.to_vec()) } else { None })
            .flatten()
            .collect();
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        assert_eq!(outcome.record.usage.unwrap().input, 31, "usage is always recorded");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_answers_at_once() {
    let house = house(two(), |config, _| {
        config.limits.max_concurrent_requests = 1;
        config.limits.queue = 1;
    })
    .await;
    house.stage.acts("local/small", [Act::StallAfter("busy")]);
    let mut running = house.engine.handle.dispatch(ask("auto"));
    while !matches!(running.recv().await, Some(CallEvent::Text { .. })) {}
    let waiting = house.engine.handle.dispatch(ask("auto"));
    sleep(Duration::from_millis(10)).await;
    let (_, refused) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(refused.failure.unwrap().code, ErrorCode::QueueFull);
    drop(running);
    let (_, waited) = collect(waiting).await;
    assert!(waited.failure.is_none(), "who waited gets the free place");
    assert!(waited.record.queue_ms >= 10);
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_in_force_without_a_restart_and_keeps_what_is_known() {
    let house = house(two(), |_, _| {}).await;
    let probes = house.stage.probes_of("zai");
    house.desk.change(|config| {
        config.providers.remove(0);
        config.limits.queue = 3;
    });
    let mut snapshots = house.engine.handle.snapshots();
    drop(snapshots.wait_for(|snapshot| snapshot.providers.len() == 1).await.unwrap());
    assert_eq!(house.engine.handle.snapshot().providers[0].health.state, State::Up);
    assert_eq!(house.stage.probes_of("zai"), probes, "an unchanged provider is not asked again");
}

#[tokio::test(start_paused = true)]
async fn only_who_stays_follows_changes_of_the_file() {
    let house = house(two(), |_, _| {}).await;
    assert!(house.desk.is_followed());
    let (engine, desk) = engine_once(two()).await;
    assert!(!desk.is_followed(), "who asks once watches no folder");
    drop(engine);
}

#[tokio::test(start_paused = true)]
async fn a_corrected_key_is_in_force_and_tried_at_once() {
    let mut providers = two();
    providers[1].key = Some(Secret::new("a-key-that-was-revoked"));
    let refused = Failure::new(ErrorCode::Auth, Cause::KeyRefused { status: 401 }, "the key was refused");
    let house = house(providers, |_, stage| stage.probe_fails("zai", refused)).await;
    let state = |house: &House| house.engine.handle.snapshot().providers[1].health.state;
    assert_eq!(state(&house), State::Unauthorized);
    house.stage.probe_answers("zai", &["glm-4.6"]);
    let corrected = Instant::now();
    // As when the person writes another key into .env: nothing else of the profile changes.
    house.desk.change(|config| config.providers[1].key = Some(Secret::new("the-new-key-of-today")));
    let mut snapshots = house.engine.handle.snapshots();
    drop(snapshots.wait_for(|snapshot| snapshot.providers[1].health.state == State::Up).await.unwrap());
    assert!(corrected.elapsed() < Duration::from_secs(2), "{:?}", corrected.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_chosen_target_stands_first_and_failure_does_not_change_the_choice() {
    let house = house(two(), |_, _| {}).await;
    let choice = ActiveChoice::Provider("zai".into());
    assert_eq!(house.engine.handle.ask(Command::UseTarget { choice: choice.clone() }).await, Reply::Done);
    assert_eq!(house.engine.handle.snapshot().routing.in_effect.as_ref().unwrap().to_string(), "zai/glm-4.6");
    house.stage.probe_fails("zai", refused());
    house.engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await;
    let routing = house.engine.handle.snapshot().routing.clone();
    assert_eq!(routing.active, choice);
    assert_eq!(routing.in_effect.as_ref().unwrap().to_string(), "local/small");
    assert!(!routing.in_effect_why.is_empty(), "the status says why");
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_in_force_when_its_reply_arrives() {
    let house = house(two(), |_, _| {}).await;
    let disable = Command::EnableProvider { id: "local".into(), enabled: false };
    assert!(matches!(house.engine.handle.ask(disable).await, Reply::Edited(report) if report.written));
    let snapshot = house.engine.handle.snapshot();
    assert!(!snapshot.providers[0].enabled);
    assert_eq!(snapshot.routing.in_effect.as_ref().unwrap().to_string(), "zai/glm-4.6");
}

#[tokio::test(start_paused = true)]
async fn with_no_configuration_a_first_look_waits_for_what_this_machine_has() {
    let house = house(Vec::new(), |_, stage| {
        stage.runs_here(Kind::LlamaCpp);
        stage.probe_answers("llama_cpp", &["small"]);
    })
    .await;
    assert!(house.engine.handle.snapshot().providers.is_empty(), "it is still looking");
    let reply = house.engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await;
    assert!(matches!(&reply, Reply::Probed(found) if found.len() == 1), "{reply:?}");
    let snapshot = house.engine.handle.snapshot();
    assert_eq!(snapshot.providers[0].health.state, State::Up);
    assert_eq!(snapshot.routing.in_effect.as_ref().unwrap().to_string(), "llama_cpp/small");
}

#[tokio::test(start_paused = true)]
async fn nobody_left_is_a_clear_answer() {
    let house = house(two(), |_, stage| {
        stage.probe_fails("local", refused());
        stage.probe_fails("zai", refused());
    })
    .await;
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::NoRoute);
    assert!(!failure.message.is_empty());
    assert_eq!(outcome.record.rejects.len(), 2, "everybody who was left out is recorded with the reason");
}

#[tokio::test(start_paused = true)]
async fn with_nothing_configured_a_server_found_later_is_used_as_well() {
    let house = house(Vec::new(), |_, stage| {
        stage.probe_answers("llama_cpp", &["small"]);
        stage.probe_answers("llama_cpp_2", &["large"]);
    })
    .await;
    let handle = &house.engine.handle;
    assert!(handle.snapshot().config.first_run);
    for (origin, id) in [("http://127.0.0.1:8080", "llama_cpp"), ("http://127.0.0.1:9931", "llama_cpp_2")] {
        house.stage.appears(Kind::LlamaCpp, origin);
        drop(handle.ask(Command::Discover).await);
        let mut snapshots = handle.snapshots();
        let used = snapshots.wait_for(|snapshot| snapshot.providers.iter().any(|p| p.id.as_str() == id));
        let snapshot = used.await.unwrap().clone();
        assert!(snapshot.providers.iter().all(|provider| provider.is_discovered()));
        assert!(snapshot.config.first_run, "nothing was saved");
        let draft = Box::new(ProviderDraft { id: id.into(), kind: Some(Kind::LlamaCpp), ..ProviderDraft::default() });
        let tested = handle.ask(Command::TestProvider { draft, answer: false, run: RunId(1) }).await;
        assert!(matches!(tested, Reply::Tested(_)), "the form that saves it tests it first: {tested:?}");
    }
    let (events, _) = collect(handle.dispatch(ask("auto"))).await;
    assert_eq!(text(&events), "ok");
    house.desk.change(|config| config.providers = two());
    let mut snapshots = handle.snapshots();
    drop(snapshots.wait_for(|snapshot| !snapshot.config.first_run).await.unwrap());
    drop(handle.ask(Command::Discover).await);
    let ids: Vec<String> = handle.snapshot().providers.iter().map(|provider| provider.id.to_string()).collect();
    assert_eq!(ids, ["local", "zai"], "with a configuration nothing is added by itself");
}

#[tokio::test(start_paused = true)]
async fn switching_the_last_target_off_is_the_reason_told() {
    let house = house(vec![profile("local", Kind::LlamaCpp, &["small"])], |_, _| {}).await;
    let mut events = house.engine.handle.events();
    let id = "local".into();
    drop(house.engine.handle.ask(Command::EnableProvider { id, enabled: false }).await);
    let why = loop {
        if let EventKind::EffectiveTargetChanged { to: None, why, .. } = events.recv().await.unwrap().kind {
            break why;
        }
    };
    assert_eq!(why, "local is off");
}

#[tokio::test(start_paused = true)]
async fn what_was_loaded_on_a_server_that_went_down_is_unknown() {
    let house = house(two(), |_, _| {}).await;
    let handle = &house.engine.handle;
    let loaded = || handle.snapshot().providers[0].models[0].loaded;
    assert_eq!(loaded(), Some(true));
    house.stage.probe_fails("local", refused());
    drop(handle.ask(Command::Probe { which: ProbeWhich::One("local".into()), anew: false }).await);
    let mut snapshots = handle.snapshots();
    drop(snapshots.wait_for(|snapshot| snapshot.providers[0].health.state == State::Down).await.unwrap());
    assert_eq!(loaded(), None);
}

#[tokio::test(start_paused = true)]
async fn a_spoiled_file_s_last_good_version_runs_until_the_file_is_mended_and_takes_no_edits_meanwhile() {
    use lmdeck::domain::config::{Issue, Severity};
    use lmdeck::engine::protocol::LastGoodAct;
    let house = house(two(), |_, _| {}).await;
    let handle = &house.engine.handle;
    let run = || handle.ask(Command::LastGood { act: LastGoodAct::Run });
    let Reply::Refused(early) = run().await else { panic!("a good file is in force") };
    assert!(early.message.contains("in force"));
    let issue = Issue {
        severity: Severity::Error,
        file: "ai_models.yaml".into(),
        line: Some(3),
        column: Some(1),
        path: "limits.queue".into(),
        message: "queue: expected a whole number".into(),
        remedy: String::new(),
        text: String::new(),
    };
    house.desk.spoil(Some(issue));
    let mut pictures = handle.snapshots();
    let rejected = |s: &std::sync::Arc<lmdeck::engine::protocol::Snapshot>| s.config.rejected.is_some();
    timeout(Duration::from_secs(10), pictures.wait_for(rejected)).await.unwrap().unwrap();
    assert_eq!(handle.snapshot().config.last_good, Some(lmdeck::domain::time::UnixMs(1)));
    assert_eq!(run().await, Reply::Done);
    let config = handle.snapshot().config.clone();
    assert!(config.on_last_good && config.rejected.is_some() && config.issues.len() == 1, "{config:?}");
    let edit = || handle.ask(Command::SetStrategy { strategy: "prefer_cloud".into() });
    let Reply::Refused(refusal) = edit().await else { panic!("edited what nobody runs") };
    assert_eq!((refusal.exit, refusal.remedy.contains("lmdeck config undo --last-good")), (3, true));
    let (events, _) = collect(handle.dispatch(ask("auto"))).await;
    assert_eq!(text(&events), "ok", "calls go on");
    let back = handle.ask(Command::LastGood { act: LastGoodAct::PutBack }).await;
    assert!(matches!(back, Reply::Edited(report) if report.written));
    let config = handle.snapshot().config.clone();
    assert!(!config.on_last_good && config.rejected.is_none() && config.last_good.is_none(), "{config:?}");
    assert!(matches!(edit().await, Reply::Edited(_)));
}

#[tokio::test]
async fn a_model_that_only_makes_embeddings_cannot_be_the_active_one() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    sim.set_models(vec![SimModel::named("small"), SimModel::embedding("nomic-embed")]);
    let upstream = HttpUpstream::new(Arc::new(TokioClock)).unwrap();
    let engine = engine_on(Arc::new(upstream), vec![sim.profile("box")]).await;
    let choose = |model: &str| {
        let choice = ActiveChoice::Target(Target::new("box", model));
        engine.handle.ask(Command::UseTarget { choice })
    };
    let Reply::Refused(refusal) = choose("nomic-embed").await else { panic!("it was taken") };
    assert_eq!((refusal.message.as_str(), refusal.exit), ("box/nomic-embed is no chat model", 2));
    assert!(matches!(choose("small").await, Reply::Done));
    assert!(matches!(choose("not-listed").await, Reply::Done), "what nobody knows may be one");
}
