//! Tries of a call at its targets: what a caller that leaves or reads no more leaves behind, what a trial says, which
//! waits keep a slot, which tries count against a limit.

use crate::support::engine::{Act, House, TokioClock, ask, collect, engine_on, house, profile, refused, text};
use crate::support::sim::{Fault, Sim, SimKind};
use lmdeck::adapters::http::HttpUpstream;
use lmdeck::domain::call::{Body, Finish, Status};
use lmdeck::domain::config::{ModelProfile, Profile};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::{Money, Price, Provenance};
use lmdeck::domain::rate::{RateLimit, RateState, RateUnit, RateWindow};
use lmdeck::engine::ports::Clock;
use lmdeck::engine::protocol::{CallEvent, Command, Reply};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

fn local() -> Profile {
    profile("local", Kind::LlamaCpp, &["small"])
}

/// More words than an unread call keeps.
const LONG_ANSWER: &str = {
    const WORDS: usize = 400;
    const BYTES: [u8; WORDS * 2] = {
        let mut bytes = [b'a'; WORDS * 2];
        let mut at = 1;
        while at < bytes.len() {
            bytes[at] = b' ';
            at += 2;
        }
        bytes
    };
    match std::str::from_utf8(&BYTES) {
        Ok(words) => words,
        Err(_) => "",
    }
};

fn two() -> Vec<Profile> {
    vec![local(), profile("zai", Kind::ZAiGlm, &["glm-4.6"])]
}

fn server_error() -> Failure {
    Failure::new(ErrorCode::Upstream, Cause::ServerError { status: 500 }, "it broke")
}

fn slow_down(code: ErrorCode, after_ms: u64) -> Failure {
    Failure::plain(code, "slow down").retry_after(Some(Duration::from_millis(after_ms)))
}

async fn answered_by(house: &House, model: &str) -> Option<String> {
    let record = collect(house.engine.handle.dispatch(ask(model))).await.1.record;
    record.target.as_ref().filter(|_| record.status == Status::Ok).map(ToString::to_string)
}

fn raw(event: &CallEvent) -> Option<&[u8]> {
    if let CallEvent::Raw { bytes } = event { Some(bytes) } else { None }
}

fn sent_to(house: &House, provider: &str) -> usize {
    house.stage.jobs().iter().filter(|job| job.target.provider.as_str() == provider).count()
}

/// The local server fails five times, and then comes back; half a minute later its breaker lets one call try it.
async fn after_five_failures(providers: Vec<Profile>) -> House {
    let house = house(providers, |_, stage| stage.acts("local/small", vec![Act::Fail(server_error()); 5])).await;
    while sent_to(&house, "local") < 5 {
        collect(house.engine.handle.dispatch(ask("auto"))).await;
    }
    assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("zai/glm-4.6"), "the breaker is open");
    sleep(Duration::from_secs(31)).await;
    house
}

#[tokio::test(start_paused = true)]
async fn whoever_hangs_up_while_trying_a_server_that_failed_keeps_nobody_else_from_it() {
    let house = after_five_failures(two()).await;
    // One hangs up and one is stopped by a person, both while it loads.
    house.stage.acts("local/small", vec![Act::Silence; 2]);
    let mut events = house.engine.handle.dispatch(ask("auto"));
    while !matches!(events.recv().await, Some(CallEvent::Trying { .. })) {}
    sleep(Duration::from_millis(50)).await;
    drop(events);
    sleep(Duration::from_millis(50)).await;
    let mut events = house.engine.handle.dispatch(ask("auto"));
    let Some(CallEvent::Trying { call_id, target, .. }) = events.recv().await else { panic!("no try") };
    assert_eq!(target.to_string(), "local/small", "the next caller tries it");
    sleep(Duration::from_millis(50)).await;
    assert_eq!(house.engine.handle.ask(Command::CancelCall { id: call_id }).await, Reply::Done);
    assert_eq!(collect(events).await.1.failure.unwrap().code, ErrorCode::Cancelled);
    sleep(Duration::from_millis(50)).await;
    assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("local/small"));
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_answers_at_its_second_try_puts_the_server_back_into_use() {
    let mut providers = two();
    providers[0].max_retries = 1;
    let house = after_five_failures(providers).await;
    house.stage.acts("local/small", [Act::Fail(server_error()), Act::Say("back")]);
    assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("local/small"));
    assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("local/small"), "and it stays in use");
}

#[tokio::test(start_paused = true)]
async fn a_trial_whose_last_try_says_nothing_of_the_server_is_made_again_by_the_next_caller() {
    let mut providers = two();
    providers[0].max_retries = 1;
    let house = after_five_failures(providers).await;
    let busy = Failure::plain(ErrorCode::RateLimit, "slow down");
    house.stage.acts("local/small", [Act::Fail(server_error()), Act::Fail(busy), Act::Say("back")]);
    assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("zai/glm-4.6"));
    assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("local/small"));
}

#[tokio::test(start_paused = true)]
async fn retries_end_where_the_breaker_opens() {
    let mut providers = two();
    providers[0].max_retries = 20;
    let house = house(providers, |_, stage| stage.acts("local/small", vec![Act::Fail(server_error()); 21])).await;
    assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("zai/glm-4.6"));
    assert_eq!(sent_to(&house, "local"), 5, "the fifth failure opens it");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_reads_no_more_gives_its_slot_up_and_its_call_is_recorded() {
    let house = house(two(), |config, stage| {
        config.limits.max_concurrent_requests = 1;
        stage.acts("local/small", [Act::Say(LONG_ANSWER)]);
    })
    .await;
    // Stopped by ctrl-z: its connection stays, and nothing is taken from it.
    let stopped = house.engine.handle.dispatch(ask("auto"));
    let waiting = house.engine.handle.dispatch(ask("auto"));
    let (events, outcome) = timeout(Duration::from_mins(2), collect(waiting)).await.expect("it gets the slot");
    assert_eq!((text(&events).as_str(), outcome.failure), ("ok", None));
    let record = house.book.records().into_iter().next().unwrap();
    assert_eq!(record.status, Status::Cancelled);
    assert!(record.error.unwrap().message.contains("stopped reading"));
    assert_eq!(house.stage.cancelled.load(Ordering::SeqCst), 1, "its upstream is let go");
    // Should it go on after all, it is told how its call ended.
    let (_, outcome) = collect(stopped).await;
    assert!(outcome.after_answer_bytes);
    assert_eq!(outcome.failure.unwrap().code, ErrorCode::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_the_call_of_a_caller_that_never_reads_again() {
    let house = house(vec![local()], |_, stage| stage.acts("local/small", [Act::Say(LONG_ANSWER)])).await;
    let mut stopped = house.engine.handle.dispatch(ask("auto"));
    sleep(Duration::from_mins(10)).await;
    assert_eq!(house.book.records().len(), 1);
    assert!(stopped.is_closed(), "its task has ended");
    let mut events = Vec::new();
    while let Some(event) = stopped.recv().await {
        events.push(event);
    }
    assert!(!events.iter().any(|event| matches!(event, CallEvent::End(_))), "no end: nobody takes it for whole");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_vendor_leaves_its_slot_to_others() {
    let mut providers = vec![profile("zai", Kind::ZAiGlm, &["glm-4.6"]), local()];
    providers[0].max_retries = 1;
    let house = house(providers, |config, stage| {
        config.limits.max_concurrent_requests = 1;
        stage.acts("zai/glm-4.6", [Act::Fail(slow_down(ErrorCode::RateLimit, 8_000)), Act::Say("now")]);
    })
    .await;
    let waits = tokio::spawn(collect(house.engine.handle.dispatch(ask("zai"))));
    while sent_to(&house, "zai") == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    sleep(Duration::from_millis(50)).await;
    let before = Instant::now();
    assert_eq!(answered_by(&house, "local").await.as_deref(), Some("local/small"));
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    let (events, _) = waits.await.unwrap();
    assert_eq!(text(&events), "now");
}

#[tokio::test(start_paused = true)]
async fn whatever_failed_a_vendor_that_says_when_to_come_back_is_left_alone_until_then() {
    for code in [ErrorCode::Overloaded, ErrorCode::Upstream] {
        let mut providers = two();
        providers[0].max_retries = 3;
        let house = house(providers, |_, _| {}).await;
        house.stage.acts("local/small", [Act::Fail(slow_down(code, 60_000))]);
        let before = Instant::now();
        assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("zai/glm-4.6"));
        assert!(before.elapsed() < Duration::from_secs(1), "nobody waits where another can answer");
        sleep(Duration::from_millis(100)).await;
        assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("zai/glm-4.6"));
        assert_eq!(sent_to(&house, "local"), 1, "it is not asked again before its time");
        sleep(Duration::from_secs(61)).await;
        assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("local/small"));
    }
}

#[tokio::test(start_paused = true)]
async fn one_model_that_asks_to_be_left_alone_takes_no_other_of_its_server_along() {
    let busy = || Act::Fail(slow_down(ErrorCode::Overloaded, 60_000));
    let house = house(vec![profile("zai", Kind::ZAiGlm, &["big", "small"])], |_, _| {}).await;
    house.stage.acts("zai/big", [busy(), busy()]);
    assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("zai/small"));
    assert_eq!(answered_by(&house, "zai/small").await.as_deref(), Some("zai/small"), "others are not kept from it");
    assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("zai/small"));
    let asked_big = || house.stage.jobs().iter().filter(|job| job.target.model.as_str() == "big").count();
    assert_eq!(asked_big(), 1, "which rests");
    // What a page of maintenance says is no longer believed than what a breaker opens for.
    sleep(Duration::from_secs(61)).await;
    house.stage.acts("zai/big", [Act::Fail(slow_down(ErrorCode::Upstream, 86_400_000))]);
    assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("zai/small"));
    sleep(Duration::from_mins(5)).await;
    assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("zai/big"));
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_vendor_s_short_wait_is_kept_and_a_long_one_is_the_answer() {
    let mut only = local();
    only.max_retries = 1;
    let house = house(vec![only], |_, _| {}).await;
    house.stage.acts("local/small", [Act::Fail(slow_down(ErrorCode::Overloaded, 4_000)), Act::Say("now")]);
    let before = Instant::now();
    let (events, _) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(text(&events), "now");
    assert!(before.elapsed() >= Duration::from_secs(4));
    sleep(Duration::from_secs(5)).await;
    house.stage.acts("local/small", [Act::Fail(slow_down(ErrorCode::Overloaded, 11_000)), Act::Say("never")]);
    let failure = collect(house.engine.handle.dispatch(ask("auto"))).await.1.failure.unwrap();
    assert_eq!((failure.code, failure.retry_after_ms), (ErrorCode::Overloaded, Some(11_000)));
}

#[tokio::test(start_paused = true)]
async fn every_try_counts_against_the_limit_of_a_minute_and_what_never_arrived_does_not() {
    let limit = RateLimit { requests_per_minute: Some(3), tokens_per_minute: None };
    let limited = Profile { rate_limit: Some(limit), max_retries: 5, ..local() };
    let house = house(vec![limited], |_, stage| {
        let fails = || Act::Fail(server_error());
        stage.acts("local/small", [Act::Fail(refused()), fails(), fails(), fails(), fails()]);
    })
    .await;
    collect(house.engine.handle.dispatch(ask("auto"))).await;
    let outcome = collect(house.engine.handle.dispatch(ask("auto"))).await.1;
    assert_eq!(sent_to(&house, "local"), 1 + 3, "the fourth try finds no room");
    let rejects = &outcome.record.rejects;
    assert!(rejects.iter().any(|reject| reject.code == "limited"), "{rejects:?}");
    assert_eq!(outcome.failure.unwrap(), server_error(), "what the server said, not that it could not be asked again");
}

/// A server that fails, with room for two tries a minute, before one that answers.
async fn two_tries_and_a_second(switches: bool) -> House {
    let limit = RateLimit { requests_per_minute: Some(2), tokens_per_minute: None };
    let mut providers = two();
    providers[0] = Profile { rate_limit: Some(limit), max_retries: 5, ..local() };
    house(providers, |config, stage| {
        config.limits.auto_switch_on_failure = switches;
        stage.acts("local/small", vec![Act::Fail(server_error()); 5]);
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn where_failures_do_not_switch_a_limit_that_a_retry_finds_full_does_not_either() {
    let house = two_tries_and_a_second(false).await;
    let outcome = collect(house.engine.handle.dispatch(ask("auto"))).await.1;
    assert_eq!(outcome.failure, Some(server_error()));
    assert_eq!((sent_to(&house, "local"), sent_to(&house, "zai")), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_moves_on_since_a_retry_finds_no_room_says_so() {
    let house = two_tries_and_a_second(true).await;
    let (events, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(outcome.failure, None);
    let moved = events.iter().find_map(|event| match event {
        CallEvent::FellBack { failure, to, .. } => Some((failure.clone(), to.as_ref()?.to_string())),
        _ => None,
    });
    assert_eq!(moved, Some((server_error().into(), "zai/glm-4.6".to_owned())));
    let mut pictures = house.engine.handle.snapshots();
    pictures.wait_for(|picture| picture.providers[0].moved_calls == 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_retry_does_not_wait_for_ever_for_a_slot_where_another_can_answer() {
    let mut providers = two();
    providers[0].max_retries = 1;
    providers[0].max_concurrent = Some(1);
    providers[0].timeouts.first_token = Duration::from_hours(1);
    let house = house(providers, |_, stage| {
        let long = Act::SayAfter(Duration::from_mins(4), "long");
        stage.acts("local/small", [Act::Fail(server_error()), long.clone(), long]);
    })
    .await;
    let fails = tokio::spawn(collect(house.engine.handle.dispatch(ask("auto"))));
    sleep(Duration::from_millis(5)).await;
    // It takes the slot while the first waits to try again.
    let other = tokio::spawn(collect(house.engine.handle.dispatch(ask("local"))));
    let before = Instant::now();
    let record = fails.await.unwrap().1.record;
    assert_eq!(record.target.as_ref().unwrap().to_string(), "zai/glm-4.6");
    assert!(before.elapsed() < Duration::from_secs(15), "{:?}", before.elapsed());
    other.await.unwrap();
    // With nobody else to ask it waits, and says in the end what its server said.
    let longer = Act::SayAfter(Duration::from_mins(20), "long");
    house.stage.acts("local/small", [Act::Fail(server_error()), longer]);
    let fails = tokio::spawn(collect(house.engine.handle.dispatch(ask("local"))));
    sleep(Duration::from_millis(5)).await;
    let _other = house.engine.handle.dispatch(ask("local"));
    assert_eq!(fails.await.unwrap().1.failure, Some(server_error()));
}

#[tokio::test(start_paused = true)]
async fn a_second_try_that_never_arrived_gives_back_none_of_what_its_vendor_said_is_left() {
    let mut only = local();
    only.max_retries = 1;
    let house = house(vec![only], |_, _| {}).await;
    let now = TokioClock.now();
    let left = RateWindow {
        counts: RateUnit::Tokens,
        limit: Some(5_000),
        remaining: 900,
        resets_at: Some(now.plus(Duration::from_mins(1))),
    };
    let rate = Some(Box::new(RateState { at: now, windows: vec![left] }));
    house.stage.acts("local/small", [Act::Fail(Failure { rate, ..server_error() }), Act::Fail(refused())]);
    let mut request = ask("auto");
    request.facts.prompt_tokens = 1_000;
    collect(house.engine.handle.dispatch(request.clone())).await;
    assert_eq!(sent_to(&house, "local"), 2);
    let record = collect(house.engine.handle.dispatch(request)).await.1.record;
    assert_eq!(sent_to(&house, "local"), 2, "a thousand do not fit into nine hundred");
    assert!(record.rejects.iter().any(|reject| reject.code == "limited"), "{:?}", record.rejects);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_resting_costs_nothing_of_its_limit() {
    let limit = RateLimit { requests_per_minute: Some(6), tokens_per_minute: None };
    let mut providers = two();
    providers[0].rate_limit = Some(limit);
    let house = after_five_failures(providers).await;
    // One makes the trial, and three more find that somebody does.
    house.stage.acts("local/small", [Act::SayAfter(Duration::from_secs(1), "back")]);
    let calls: Vec<_> = (0..4).map(|_| tokio::spawn(collect(house.engine.handle.dispatch(ask("auto"))))).collect();
    for call in calls {
        assert!(call.await.unwrap().1.failure.is_none());
    }
    sleep(Duration::from_secs(30)).await;
    for _ in 0..5 {
        assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("local/small"));
    }
}

#[tokio::test]
async fn a_whole_answer_in_the_place_of_a_stream_is_booked_at_its_price_and_not_paid_for_twice() {
    let sim = Sim::start(SimKind::OpenaiCompatible).await;
    let mut proxy = sim.profile("proxy");
    proxy.max_retries = 3;
    let price = Price::per_million(1000.0, 1000.0, None);
    proxy.models = vec![ModelProfile { price, ..ModelProfile::named("demo-8b") }];
    let engine = engine_on(Arc::new(HttpUpstream::new(Arc::new(TokioClock)).unwrap()), vec![proxy]).await;
    let whole = r#"{"id":"c","model":"demo-8b","choices":[{"message":{"role":"assistant","content":"hi"},
        "finish_reason":"stop"}],"usage":{"prompt_tokens":30,"completion_tokens":6}}"#;
    let mut request = ask("proxy/demo-8b");
    request.body = Body::RawOpenaiChat {
        json: r#"{"model":"demo-8b","stream":true,"messages":[{"role":"user","content":"hello"}]}"#.into(),
    };
    let long = whole.replace("hi", &"long ".repeat(60_000));
    for (asked, whole) in [whole, &long].into_iter().enumerate() {
        sim.fault(Fault::Status(200, whole.into()));
        let outcome = collect(engine.handle.dispatch(request.clone())).await.1;
        let failure = outcome.failure.unwrap();
        assert_eq!(failure.code, ErrorCode::BadAnswer);
        assert!(failure.message.contains("a whole answer came where a stream was asked for"), "{}", failure.message);
        let cost = outcome.record.cost;
        assert_eq!((cost.amount, cost.provenance), (Money::from_dollars(0.036), Provenance::Computed));
        assert_eq!(sim.chats().len(), asked + 1, "the same question would be answered in the same way");
    }
    // Who refuses with a good status, or is no model server at all, worked for nobody.
    let usual = collect(engine.handle.dispatch(request.clone())).await.1.record.cost;
    for free in [r#"{"error":{"message":"The model has crashed"}}"#, "<html>hello</html>"] {
        sim.fault(Fault::Status(200, free.into()));
        let record = collect(engine.handle.dispatch(request.clone())).await.1.record;
        assert_eq!((record.attempts.len(), record.status), (2, Status::Ok), "{:?}", record.attempts);
        assert_eq!(record.cost, usual, "{free}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_ends_at_its_length_before_its_first_word_is_passed_on_as_it_came() {
    let mut providers = two();
    providers[0].max_retries = 3;
    let house = house(providers, |_, stage| stage.acts("local/small", vec![Act::Full; 5])).await;
    for _ in 0..5 {
        let mut request = ask("auto");
        request.body = Body::RawOpenaiChat { json: "{}".into() };
        request.wants_usage = true;
        let (events, outcome) = collect(house.engine.handle.dispatch(request)).await;
        assert_eq!((outcome.failure, outcome.finish), (None, Some(Finish::Length)));
        assert_eq!(outcome.record.attempts.len(), 1, "nobody is asked again");
        let bytes: Vec<u8> = events.iter().filter_map(raw).flatten().copied().collect();
        assert_eq!(bytes, b"data: finish\n\ndata: usage\n\ndata: [DONE]\n\n");
    }
    assert_eq!(answered_by(&house, "auto").await.as_deref(), Some("local/small"), "its breaker is closed");
}

#[tokio::test]
async fn whole_answers_without_a_text_are_answers_where_something_explains_it() {
    let sim = Sim::start(SimKind::OpenaiCompatible).await;
    let engine = engine_on(Arc::new(HttpUpstream::new(Arc::new(TokioClock)).unwrap()), vec![sim.profile("p")]).await;
    let mut request = ask("p/demo-8b");
    request.facts.stream = false;
    request.body = Body::RawOpenaiChat { json: r#"{"model":"demo-8b","messages":[]}"#.into() };
    for json in [
        r#"{"choices":[{"message":{"content":""},"finish_reason":"length"}],"usage":{"completion_tokens":16}}"#,
        r#"{"choices":[{"message":{"content":null,"audio":{"data":"AAAA"}},"finish_reason":"stop"}]}"#,
    ] {
        sim.fault(Fault::Status(200, json.into()));
        let (events, outcome) = collect(engine.handle.dispatch(request.clone())).await;
        assert_eq!((outcome.failure, outcome.record.attempts.len()), (None, 1), "{json}");
        assert_eq!(events.iter().find_map(raw), Some(json.as_bytes()));
    }
    let filtered = r#"{"choices":[{"message":{"content":""},"finish_reason":"content_filter"}]}"#;
    sim.fault(Fault::Status(200, filtered.into()));
    let outcome = collect(engine.handle.dispatch(request)).await.1;
    assert_eq!(outcome.failure.map(|failure| failure.code), Some(ErrorCode::ContentFilter));
}

#[tokio::test(start_paused = true)]
async fn the_tokens_of_a_record_are_those_of_who_answered() {
    let house = house(two(), |_, stage| {
        stage.acts("local/small", [Act::CountAndFail(server_error())]);
        stage.acts("zai/glm-4.6", [Act::Uncounted("ok")]);
    })
    .await;
    let record = collect(house.engine.handle.dispatch(ask("auto"))).await.1.record;
    assert_eq!((record.status, record.attempts.len()), (Status::Ok, 2));
    assert_eq!(record.usage, None, "the other one's count says nothing of this answer");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_streams_nothing_for_ever_is_cut_off_early() {
    let house = house(two(), |_, stage| stage.acts("local/small", [Act::Rattle])).await;
    let record = collect(house.engine.handle.dispatch(ask("auto"))).await.1.record;
    assert_eq!(record.attempts[0].failure.as_ref().map(|failure| failure.code), Some(ErrorCode::BadAnswer));
    assert!(house.stage.rattled.load(Ordering::SeqCst) < 20_000, "what it holds back stays small");
}

#[tokio::test(start_paused = true)]
async fn calls_that_run_when_the_engine_stops_leave_their_records() {
    let house = house(two(), |_, stage| stage.acts("local/small", vec![Act::StallAfter("so far"); 3])).await;
    // Three programs stream through the gateway of a dashboard that is left.
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut events = house.engine.handle.dispatch(ask("auto"));
        while !matches!(events.recv().await, Some(CallEvent::Text { .. })) {}
        held.push(events);
    }
    let before = Instant::now();
    house.engine.stop().await;
    assert!(before.elapsed() < Duration::from_secs(1));
    let records = house.book.records();
    assert_eq!(records.len(), 3);
    assert!(records.iter().all(|record| record.status == Status::Cancelled && record.attempts.len() == 1));
    for events in held {
        assert_eq!(collect(events).await.1.failure.unwrap().code, ErrorCode::Cancelled, "its caller hears of it");
    }
}

#[tokio::test]
async fn what_one_target_cannot_be_asked_the_next_one_is() {
    let (claude, gpt) = (Sim::start(SimKind::Anthropic).await, Sim::start(SimKind::Openai).await);
    let named = |sim: &Sim, id: &str| {
        let demo = vec![ModelProfile::named("demo-8b")];
        Profile { models: demo, plan: None, ..sim.profile(id) }
    };
    let providers = vec![named(&claude, "claude"), named(&gpt, "gpt")];
    let engine = engine_on(Arc::new(HttpUpstream::new(Arc::new(TokioClock)).unwrap()), providers).await;
    let ask = |model: &str| {
        let mut request = ask(model);
        request.facts.stream = false;
        let json = r#"{"model":"auto","n":2,"messages":[{"role":"user","content":"hi"}]}"#;
        request.body = Body::RawOpenaiChat { json: json.into() };
        collect(engine.handle.dispatch(request))
    };
    let outcome = ask("auto").await.1;
    assert_eq!(outcome.failure, None);
    assert_eq!(outcome.record.target.as_ref().unwrap().provider.as_str(), "gpt");
    assert!(claude.chats().is_empty(), "nothing was sent there");
    // Where nobody else takes it, the caller is told what to change.
    let failure = ask("claude/demo-8b").await.1.failure.unwrap();
    assert_eq!((failure.code, &failure.cause), (ErrorCode::InvalidRequest, &Cause::NotSayable));
    assert!(failure.message.starts_with("n: this model gives one choice per request"), "{}", failure.message);
    // And what another one failed at says more than what this one cannot be asked.
    gpt.fault(Fault::Status(401, r#"{"error":{"message":"no such key"}}"#.into()));
    assert_eq!(ask("auto").await.1.failure.unwrap().code, ErrorCode::Auth);
}
