//! A vendor's own count of a prompt: exact, free, and only where a call would go by the rules, since the prompt
//! leaves the machine for it.

use crate::support::engine::{Desk, ask, engine_over};
use crate::support::sim::{Fault, LmStudioApi, Sim, SimKind};
use lmdeck::adapters::clock::SystemClock;
use lmdeck::adapters::http::{HttpUpstream, Surroundings, SystemLookup};
use lmdeck::domain::config::{Config, Profile};
use lmdeck::domain::incident::Past;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::routing::Policy;
use lmdeck::domain::routing::condition::{Compare, Condition, Number, NumberFact, Test};
use lmdeck::engine::Engine;
use lmdeck::engine::protocol::{Command, Refusal, Reply, RunId, TokenCount};
use std::sync::Arc;

async fn engine(profiles: Vec<Profile>, policies: Vec<Policy>) -> (Engine, Arc<Desk>) {
    let surroundings = Surroundings { lookup: Arc::new(SystemLookup), home: None, ports: Vec::new() };
    let upstream = Arc::new(HttpUpstream::with(Arc::new(SystemClock::new()), surroundings).unwrap());
    let mut config = Config { providers: profiles, ..Config::default() };
    config.rules.policies = policies;
    let (engine, desk, _) = engine_over(config, Past::default(), upstream).await;
    (engine, desk)
}

fn count(model: &str) -> Command {
    Command::CountTokens { request: Box::new(ask(model)), run: RunId(1) }
}

async fn refused(engine: &Engine, model: &str) -> Refusal {
    match engine.handle.ask(count(model)).await {
        Reply::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn counts(sim: &Sim) -> usize {
    sim.seen().iter().filter(|request| request.path.ends_with("/count_tokens")).count()
}

#[tokio::test]
async fn the_vendor_counts_what_the_call_would_send_and_no_model_is_asked() {
    let sim = Sim::start(SimKind::Anthropic).await;
    sim.prompt_tokens(1204, 0);
    // What a rule adds to the prompt is counted too.
    let mut rule = Policy { name: "kind".into(), ..Policy::default() };
    rule.effects.system_prompt = Some("Be kind to whoever asks.".into());
    let (engine, _) = engine(vec![sim.profile("claude")], vec![rule]).await;
    let reply = engine.handle.ask(count("claude/demo-8b")).await;
    let counted = TokenCount { target: "claude/demo-8b".parse().unwrap(), by: Kind::Anthropic, tokens: 1204 };
    assert_eq!(reply, Reply::Counted(counted));
    let seen = sim.seen();
    let request = seen.iter().find(|request| request.path.ends_with("/count_tokens")).unwrap();
    assert!(request.body.contains("hello") && request.body.contains("Be kind"), "{}", request.body);
    assert_eq!((counts(&sim), sim.chats().len()), (1, 0));
}

#[tokio::test]
async fn a_prompt_that_may_not_go_there_is_not_shown_to_the_one_who_counts() {
    let deny = Policy { name: "no".into(), deny: Some("not today".into()), ..Policy::default() };
    let home = Policy { name: "home".into(), local_only: true, ..Policy::default() };
    for policy in [deny, home] {
        let sim = Sim::start(SimKind::Anthropic).await;
        let (engine, _) = engine(vec![sim.profile("claude")], vec![policy]).await;
        assert_eq!(refused(&engine, "claude/demo-8b").await.exit, 5);
        assert_eq!(counts(&sim), 0);
    }
    // No key: the provider is out before anything is sent.
    let sim = Sim::start(SimKind::Anthropic).await;
    let keyless = Profile { key: None, ..sim.profile("claude") };
    let (without, _) = engine(vec![keyless], Vec::new()).await;
    assert_eq!(refused(&without, "claude/demo-8b").await.exit, 4);
    assert_eq!(counts(&sim), 0);
    // Somebody else would answer, who does not count.
    let local = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let (engine, _) = engine(vec![local.profile("studio"), sim.profile("claude")], Vec::new()).await;
    let refusal = refused(&engine, "studio").await;
    assert!(refusal.message.contains("only Anthropic counts"), "{refusal:?}");
    assert_eq!((counts(&sim), local.chats().len()), (0, 0));
}

#[tokio::test]
async fn what_the_rules_see_of_this_moment_counts_for_the_count_too() {
    let sim = Sim::start(SimKind::Anthropic).await;
    let local = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let idle = (Number::Fact(NumberFact::InFlight("claude".into())), Number::Whole(1));
    let far = Policy {
        name: "claude-while-idle".into(),
        condition: Condition::new(Test::Numbers(Compare::Less, Box::new(idle))),
        targets: vec!["claude".into()],
        ..Policy::default()
    };
    let home = Policy { name: "home".into(), local_only: true, ..Policy::default() };
    let (engine, _) = engine(vec![sim.profile("claude"), local.profile("studio")], vec![far, home]).await;
    assert!(matches!(engine.handle.ask(count("auto")).await, Reply::Counted(_)));
    sim.fault(Fault::Silence);
    let _under_way = engine.handle.dispatch(ask("auto"));
    sim.wait_until("the call is under way", |sim| sim.chats().len() == 1).await;
    // A call would stay here now, and so does the prompt that is only counted.
    assert_ne!(refused(&engine, "auto").await.exit, 0);
    assert_eq!(counts(&sim), 1);
}

#[tokio::test]
async fn a_count_can_be_stopped_and_a_vendor_who_refuses_is_quoted() {
    let sim = Sim::start(SimKind::Anthropic).await;
    let (engine, _) = engine(vec![sim.profile("claude")], Vec::new()).await;
    sim.fault_on("/v1/messages/count_tokens", Fault::Silence);
    let asked = engine.handle.ask_later(count("claude/demo-8b")).unwrap();
    sim.wait_until("it is asked", |sim| counts(sim) == 1).await;
    engine.handle.ask(Command::StopDiagnosis { run: RunId(1) }).await;
    let Ok(Reply::Refused(refusal)) = asked.await else { panic!("it went on") };
    assert!(refusal.message.contains("stopped"), "{refusal:?}");
    let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}"#;
    sim.fault_on("/v1/messages/count_tokens", Fault::Status(429, body.into()));
    let refusal = refused(&engine, "claude/demo-8b").await;
    assert_eq!(refusal.exit, 4, "{refusal:?}");
    // It parks nobody: the next call goes out.
    assert!(matches!(engine.handle.ask(count("claude/demo-8b")).await, Reply::Counted(_)));
}
