//! The connection doctor on real sockets: every step with its verdict, told as it ends, and stopped on demand.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use super::support::engine::engine_on;
use super::support::sim::{Fault, LmStudioApi, PlainPort, Sim, SimKind, SimModel, free_port, profile_at};
use lmdeck::adapters::clock::SystemClock;
use lmdeck::adapters::http::{HttpUpstream, Surroundings, SystemLookup};
use lmdeck::domain::config::{Endpoint, Profile};
use lmdeck::domain::failure::{Cause, ErrorCode};
use lmdeck::domain::kind::Kind;
use lmdeck::engine::Engine;
use lmdeck::engine::protocol::{Command, DOCTOR_STEPS, EventKind, Reply, RunId, Step, StepState, TestReport};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

fn transport() -> Arc<HttpUpstream> {
    let surroundings = Surroundings { lookup: Arc::new(SystemLookup), home: None, ports: Vec::new() };
    Arc::new(HttpUpstream::with(Arc::new(SystemClock::new()), surroundings).unwrap())
}

async fn engine(profile: Profile) -> Engine {
    engine_on(transport(), vec![profile]).await
}

async fn diagnose(profile: Profile, answer: bool) -> TestReport {
    let id = profile.id.clone();
    let engine = engine(profile).await;
    match engine.handle.ask(Command::Diagnose { id, answer, run: RunId(1) }).await {
        Reply::Tested(report) => report,
        other => panic!("{other:?}"),
    }
}

fn marks(report: &TestReport) -> String {
    let mark = |step: &Step| match step.state {
        StepState::Passed => '+',
        StepState::Warned => '!',
        StepState::Failed => 'x',
        StepState::Skipped => '-',
    };
    report.steps.iter().map(mark).collect()
}

fn verdict<'a>(report: &'a TestReport, name: &str) -> &'a str {
    &report.steps.iter().find(|step| step.name == name).unwrap().verdict
}

fn cause(report: &TestReport) -> &Cause {
    &report.failure.as_ref().unwrap_or_else(|| panic!("it passed: {report:?}")).cause
}

#[tokio::test]
async fn all_ten_steps_are_told_in_order_whatever_happens() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    for profile in [
        sim.profile("p"),
        profile_at("p", Kind::LmStudio, Endpoint::http("127.0.0.1", free_port().await), None),
        profile_at("p", Kind::Openai, Endpoint::http("127.0.0.1", sim.port()), None),
    ] {
        let report = diagnose(profile, false).await;
        let names: Vec<&str> = report.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, DOCTOR_STEPS);
    }
}

#[tokio::test]
async fn a_healthy_server_passes_and_nothing_is_asked_of_its_model_unless_wanted() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let report = diagnose(sim.profile("p"), false).await;
    assert_eq!(marks(&report), "+-+-+++++-", "{report:?}");
    assert_eq!(verdict(&report, "HTTP"), "200 from /lmstudio-greeting");
    assert_eq!(verdict(&report, "loaded"), "demo-8b, context 4096");
    assert!(sim.chats().is_empty());
    let report = diagnose(sim.profile("p"), true).await;
    assert_eq!(marks(&report), "+-+-++++++", "{report:?}");
    assert_eq!(sim.chats().len(), 1);
}

#[tokio::test]
async fn each_kind_of_own_server_is_recognised() {
    for kind in [SimKind::LmStudio(LmStudioApi::V0), SimKind::LlamaCpp, SimKind::Ollama, SimKind::Vllm] {
        let sim = Sim::start(kind).await;
        let report = diagnose(sim.profile("p"), true).await;
        assert!(report.passed() && !marks(&report).contains(['!', 'x']), "{kind:?}: {report:?}");
        assert!(verdict(&report, "kind").starts_with("it is "), "{report:?}");
    }
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_rest_with_its_reason() {
    let port = free_port().await;
    let report = diagnose(profile_at("p", Kind::LmStudio, Endpoint::http("127.0.0.1", port), None), true).await;
    assert_eq!(marks(&report), "+-x-------", "{report:?}");
    assert_eq!((cause(&report), verdict(&report, "answer")), (&Cause::Refused, "needs TCP"));

    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let profile = sim.profile("p");
    sim.require_key("sk-lm-AAAABBBB:CCCCDDDD");
    let report = diagnose(profile, true).await;
    assert_eq!(marks(&report), "+-+-++x---", "{report:?}");
    assert_eq!(cause(&report), &Cause::KeyRefused { status: 401 });

    let port = PlainPort::saying("SSH-2.0-OpenSSH_9.6\r\n").await;
    let report = diagnose(profile_at("p", Kind::LlamaCpp, port.endpoint(), None), false).await;
    assert_eq!(marks(&report), "+-+-x-----", "{report:?}");
    assert_eq!(cause(&report), &Cause::OtherProgram { looks_like: Some("SSH-2.0-OpenSSH_9.6".into()) });
}

#[tokio::test]
async fn databases_and_caches_on_the_port_are_told_by_what_they_say() {
    // MySQL greets with a packet of its own; Redis answers what it does not know with -ERR.
    for words in ["J\0\0\0\n8.4.2-MySQL Community\0", "-ERR unknown command 'GET'\r\n"] {
        let port = PlainPort::saying(words).await;
        let report = diagnose(profile_at("p", Kind::LlamaCpp, port.endpoint(), None), false).await;
        let Cause::OtherProgram { looks_like: Some(named) } = cause(&report) else { panic!("{report:?}") };
        assert!(named.contains("MySQL") || named.contains("ERR"), "{named}");
    }
}

#[tokio::test]
async fn a_model_that_is_not_the_one_asked_for_is_pointed_out() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let frame = r#"data: {"model":"other-70b","choices":[{"index":0,"delta":{"content":"ready"}}]}"#;
    sim.fault(Fault::Frame { after: 0, frame: format!("{frame}\n\n") });
    let report = diagnose(sim.profile("p"), true).await;
    assert_eq!(verdict(&report, "answer"), "asked for demo-8b, and other-70b answered");
    assert_eq!(report.cautions, [Cause::OtherModel { asked: "demo-8b".into(), answered: "other-70b".into() }]);
    assert!(report.passed());
}

#[tokio::test]
async fn an_answer_without_a_word_fails() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    sim.fault(Fault::Empty);
    let report = diagnose(sim.profile("p"), true).await;
    assert_eq!(report.failure.as_ref().map(|failure| failure.code), Some(ErrorCode::EmptyAnswer), "{report:?}");
}

#[tokio::test]
async fn nothing_loaded_is_a_caution_and_no_failure() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    sim.set_models(vec![SimModel::unloaded("demo-8b")]);
    let report = diagnose(sim.profile("p"), false).await;
    assert_eq!(marks(&report), "+-+-+++!!-", "{report:?}");
    assert_eq!(report.cautions, [Cause::NoModelLoaded]);
    assert!(verdict(&report, "answer").contains("would load a model"));
}

#[tokio::test]
async fn the_steps_are_announced_while_the_run_goes_on_and_are_those_of_the_report() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let engine = engine(sim.profile("p")).await;
    let mut events = engine.handle.events();
    // The model never answers: until the run is stopped there are nine steps and no report.
    sim.fault(Fault::Silence);
    let run = RunId(7);
    let handle = engine.handle.clone();
    let asked =
        tokio::spawn(async move { handle.ask(Command::Diagnose { id: "p".into(), answer: true, run }).await });
    let mut told = Vec::new();
    while told.len() < 9 {
        let event = timeout(Duration::from_secs(10), events.recv()).await.expect("no step came").unwrap();
        if let EventKind::StepDone { run: of, step } = event.kind {
            assert_eq!(of, run);
            told.push(step);
        }
    }
    sim.wait_until("the model is asked", |sim| sim.chats().len() == 1).await;
    assert!(!asked.is_finished());
    assert_eq!(engine.handle.ask(Command::StopDiagnosis { run }).await, Reply::Done);
    let Reply::Tested(report) = asked.await.unwrap() else { panic!("no report") };
    assert_eq!(report.failure.map(|failure| failure.code), Some(ErrorCode::Cancelled));
    assert_eq!(report.steps, told);
    // Stopping twice is no mistake.
    assert_eq!(engine.handle.ask(Command::StopDiagnosis { run }).await, Reply::Done);
}

#[tokio::test]
async fn whoever_hangs_up_ends_the_work_too() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let engine = engine(sim.profile("p")).await;
    sim.fault(Fault::Stall { after: 0 });
    let asked = engine.handle.ask_later(Command::Diagnose { id: "p".into(), answer: true, run: RunId(1) }).unwrap();
    sim.wait_until("the model writes", |sim| sim.streaming() == 1).await;
    drop(asked);
    sim.wait_until("the call is cancelled", |sim| sim.streaming() == 0).await;
}
