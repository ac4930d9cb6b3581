//! Kept answers: which request gets one, which does not, and what the caller is told.

use crate::support::engine::{Act, House, ask, collect, house, profile, refused, text};
use lmdeck::domain::cache_key::{CacheWish, Canon, cache_key};
use lmdeck::domain::call::{Body, CallRequest, Facts, Finish, Status};
use lmdeck::domain::failure::ErrorCode;
use lmdeck::domain::ids::Target;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::Money;
use lmdeck::engine::protocol::{CallEvent, CallOutcome};
use proptest::prelude::*;
use std::time::Duration;
use tokio::time::sleep;

async fn two_servers() -> House {
    let providers = vec![profile("local", Kind::LlamaCpp, &["small"]), profile("zai", Kind::ZAiGlm, &["glm-4.6"])];
    house(providers, |_, stage| {
        stage.acts("local/small", [Act::Say("the first"), Act::Say("the second"), Act::Say("the third")]);
    })
    .await
}

fn wish(wish: CacheWish, client: &str) -> CallRequest {
    let request = ask("local");
    CallRequest { facts: Facts { cache: wish, client: client.into(), ..request.facts }, ..request }
}

async fn said(house: &House, request: CallRequest) -> (String, Vec<CallEvent>, CallOutcome) {
    let (events, outcome) = collect(house.engine.handle.dispatch(request)).await;
    (text(&events), events, outcome)
}

#[tokio::test(start_paused = true)]
async fn the_same_question_is_answered_again_without_asking_and_costs_nothing() {
    let house = two_servers().await;
    let (first, _, miss) = said(&house, wish(CacheWish::On, "dspy")).await;
    let (second, events, hit) = said(&house, wish(CacheWish::On, "dspy")).await;
    assert_eq!((first.as_str(), second.as_str()), ("the first", "the first"));
    assert_eq!((miss.record.cache.as_str(), hit.record.cache.as_str()), ("miss", "hit"));
    assert_eq!(house.stage.jobs().len(), 1, "the server was asked again");
    assert_eq!((hit.record.status, hit.finish), (Status::Ok, Some(Finish::Stop)));
    assert_eq!(hit.record.cost.amount, Some(Money::ZERO));
    assert_eq!(hit.record.target.as_ref().map(ToString::to_string).as_deref(), Some("local/small"));
    assert!(hit.record.attempts.is_empty());
    let head = events.iter().find_map(|event| match event {
        CallEvent::Head(head) => Some(head),
        _ => None,
    });
    assert_eq!(head.map(|head| (head.cache.as_str(), head.stream)), Some(("hit", true)));
    let texts = events.iter().filter(|event| matches!(event, CallEvent::Text { .. })).count();
    assert_eq!(texts, 2, "a stream is replayed in its pieces");
    sleep(Duration::from_millis(100)).await;
    let cache = house.engine.handle.snapshot().flow.cache.clone();
    assert_eq!((cache.entries, cache.hits, cache.misses, cache.stored), (1, 1, 1, 1));
    assert!(cache.bytes > 0 && cache.bytes < cache.max_bytes);
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_an_answer_that_was_kept_for_another_client() {
    let house = two_servers().await;
    said(&house, wish(CacheWish::On, "dspy")).await;
    let (other, _, outcome) = said(&house, wish(CacheWish::On, "batch")).await;
    assert_eq!((other.as_str(), outcome.record.cache.as_str()), ("the second", "miss"));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_want_a_kept_answer_gets_none_and_leaves_none() {
    let house = two_servers().await;
    said(&house, wish(CacheWish::On, "dspy")).await;
    let (fresh, _, outcome) = said(&house, wish(CacheWish::Off, "dspy")).await;
    assert_eq!((fresh.as_str(), outcome.record.cache.as_str()), ("the second", "off"));
    let (kept, ..) = said(&house, wish(CacheWish::On, "dspy")).await;
    assert_eq!(kept, "the first");
    let (usual, _, outcome) = said(&house, wish(CacheWish::Usual, "dspy")).await;
    assert_eq!((usual.as_str(), outcome.record.cache.as_str()), ("the third", "off"));
}

#[tokio::test(start_paused = true)]
async fn only_asks_nobody() {
    let house = two_servers().await;
    let (_, _, outcome) = said(&house, wish(CacheWish::Only, "dspy")).await;
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::NotFound);
    assert!(failure.message.contains("no answer to this request is kept"), "{}", failure.message);
    assert!(house.stage.jobs().is_empty());
    said(&house, wish(CacheWish::On, "dspy")).await;
    let (kept, _, outcome) = said(&house, wish(CacheWish::Only, "dspy")).await;
    assert_eq!((kept.as_str(), outcome.record.cache.as_str()), ("the first", "hit"));
}

#[tokio::test(start_paused = true)]
async fn only_asks_nobody_where_no_answers_are_kept_either() {
    let house = two_servers().await;
    house.desk.change(|config| config.cache.enabled = false);
    sleep(Duration::from_millis(200)).await;
    let (_, _, outcome) = said(&house, wish(CacheWish::Only, "dspy")).await;
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::NotFound);
    assert!(failure.message.contains("cache.enabled is off"), "{}", failure.message);
    // Nor where the request cannot be told apart from others: it is nested too deeply.
    house.desk.change(|config| config.cache.enabled = true);
    sleep(Duration::from_millis(200)).await;
    let deep = format!(r#"{{"model":"local","messages":[],"x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let request = CallRequest { body: Body::RawOpenaiChat { json: deep }, ..wish(CacheWish::Only, "dspy") };
    assert_eq!(said(&house, request).await.2.failure.map(|failure| failure.code), Some(ErrorCode::NotFound));
    assert!(house.stage.jobs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_kept_answer_grows_old_and_the_one_not_used_for_longest_goes_first() {
    let house = two_servers().await;
    house.desk.change(|config| {
        config.cache.ttl = Duration::from_mins(1);
        config.cache.max_entries = 2;
    });
    sleep(Duration::from_millis(200)).await;
    said(&house, wish(CacheWish::On, "a")).await;
    sleep(Duration::from_secs(61)).await;
    assert_eq!(said(&house, wish(CacheWish::On, "a")).await.2.record.cache, "miss");
    said(&house, wish(CacheWish::On, "b")).await;
    assert_eq!(said(&house, wish(CacheWish::On, "a")).await.2.record.cache, "hit");
    said(&house, wish(CacheWish::On, "c")).await;
    assert_eq!(said(&house, wish(CacheWish::On, "a")).await.2.record.cache, "hit");
    assert_eq!(said(&house, wish(CacheWish::On, "b")).await.2.record.cache, "miss");
    sleep(Duration::from_millis(100)).await;
    let cache = house.engine.handle.snapshot().flow.cache.clone();
    assert_eq!((cache.entries, cache.expired, cache.evicted), (2, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_broken_answer_is_never_kept() {
    let house = two_servers().await;
    house.stage.acts("local/small", [Act::BreakAfter("half", refused()), Act::Say("whole")]);
    let (_, _, broken) = said(&house, wish(CacheWish::On, "dspy")).await;
    assert!(broken.failure.is_some());
    let (whole, _, outcome) = said(&house, wish(CacheWish::On, "dspy")).await;
    assert_eq!((whole.as_str(), outcome.record.cache.as_str()), ("whole", "miss"));
}

#[tokio::test(start_paused = true)]
async fn a_client_body_is_kept_by_its_meaning_and_a_stream_apart_from_a_whole_answer() {
    let house = two_servers().await;
    let raw = |json: &str, stream| CallRequest {
        facts: Facts { cache: CacheWish::Sober, requested_model: "local".into(), stream, ..Facts::default() },
        body: Body::RawOpenaiChat { json: json.into() },
        wants_usage: true,
    };
    let one = r#"{"model":"local","temperature":0,"stream":true,"messages":[],"user":"me"}"#;
    let same = r#"{ "messages": [], "user": "you", "metadata": {"a":"b"}, "temperature": 0.0, "stream": true, "model": "local" }"#;
    let other = r#"{"model":"local","temperature":0,"stream":true,"messages":[],"seed":7}"#;
    let bytes = |events: &[CallEvent]| -> Vec<u8> {
        let raw = events.iter().filter_map(|event| match event {
            CallEvent::Raw { bytes } => Some(bytes.to_vec()),
            _ => None,
        });
        raw.flatten().collect()
    };
    let (_, first, _) = said(&house, raw(one, true)).await;
    let (_, again, hit) = said(&house, raw(same, true)).await;
    assert_eq!(hit.record.cache, "hit");
    assert_eq!(bytes(&first), bytes(&again));
    assert!(bytes(&first).ends_with(b"data: [DONE]\n\n"));
    assert_eq!(said(&house, raw(other, true)).await.2.record.cache, "miss", "an unknown field may change the answer");
    assert_eq!(said(&house, raw(one, false)).await.2.record.cache, "miss", "a stream is no whole answer");
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_of_a_server_goes_when_the_id_means_another_one() {
    let house = two_servers().await;
    said(&house, wish(CacheWish::On, "dspy")).await;
    house.desk.change(|config| {
        config.providers[0].endpoint = lmdeck::domain::config::Endpoint::http("127.0.0.1", 9);
    });
    sleep(Duration::from_millis(200)).await;
    assert_eq!(said(&house, wish(CacheWish::On, "dspy")).await.2.record.cache, "miss");
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z:{}0-9,\"]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d:]{0,3}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn key_of(value: &serde_json::Value, client: &str) -> String {
    let target = Target { provider: "p".into(), model: "m".into() };
    let canon: Canon = serde_json::from_str(&value.to_string()).unwrap();
    cache_key(&target, client, "raw", &canon)
}

proptest! {
    /// Two bodies share a key exactly when they mean the same.
    #[test]
    fn keys_are_equal_exactly_when_bodies_are(a in json(), b in json()) {
        let (a, b) = (serde_json::json!({ "messages": a }), serde_json::json!({ "messages": b }));
        prop_assert_eq!(key_of(&a, "c") == key_of(&b, "c"), a == b);
        prop_assert_ne!(key_of(&a, "c"), key_of(&a, "d"));
    }

    /// What stands apart changes no key, at the top only.
    #[test]
    fn who_asks_and_how_it_comes_changes_no_key(a in json(), note in json()) {
        let plain = serde_json::json!({ "messages": a });
        let noted = serde_json::json!({ "messages": a, "stream": note, "user": note, "metadata": note });
        prop_assert_eq!(key_of(&plain, "c"), key_of(&noted, "c"));
        let inside = serde_json::json!({ "messages": { "user": note } });
        prop_assert_ne!(key_of(&inside, "c"), key_of(&serde_json::json!({ "messages": {} }), "c"));
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_kept_answer_or_none_is_counted_when_there_is_none_and_old_ones_count_no_more() {
    let house = two_servers().await;
    house.desk.change(|config| config.cache.ttl = Duration::from_mins(5));
    sleep(Duration::from_millis(200)).await;
    assert!(said(&house, wish(CacheWish::Only, "a")).await.2.failure.is_some());
    said(&house, wish(CacheWish::On, "a")).await;
    assert_eq!(said(&house, wish(CacheWish::Only, "a")).await.2.record.cache, "hit");
    sleep(Duration::from_millis(100)).await;
    let cache = house.engine.handle.snapshot().flow.cache.clone();
    assert_eq!((cache.only_misses, cache.hits, cache.misses, cache.entries), (1, 1, 2, 1));
    sleep(Duration::from_mins(6)).await;
    let cache = house.engine.handle.snapshot().flow.cache.clone();
    assert_eq!((cache.entries, cache.expired, cache.bytes), (0, 1, 0), "nobody asked for it again");
}
