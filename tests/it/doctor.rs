//! The connection doctor on real sockets: every step with its verdict, told as it ends, and stopped on demand.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use super::support::engine::{Book, engine_on, engine_over, untested};
use super::support::sim::{Fault, LmStudioApi, PlainPort, Sim, SimKind, SimModel, free_port, profile_at};
use bytes::Bytes;
use clap::Parser as _;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use lmdeck::adapters::clock::SystemClock;
use lmdeck::adapters::http::{HttpUpstream, Surroundings, SystemLookup};
use lmdeck::cli::args::Cli;
use lmdeck::cli::console::{Console, Interrupt};
use lmdeck::domain::call::{Body, Status};
use lmdeck::domain::config::{Config, Endpoint, KeySource, ModelProfile, Profile};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::{ModelInfo, ProbeFound, ProbeReport};
use lmdeck::domain::incident::Past;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::{Money, Price, Provenance};
use lmdeck::domain::reach::Reach;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::Engine;
use lmdeck::engine::ports::{Frame, ModelDone, ModelJob, Question, Seen, Upstream, UpstreamAnswer, UpstreamJob};
use lmdeck::engine::protocol::{Command, DOCTOR_STEPS, EventKind, Found, Reply, RunId, Step, StepState, TestReport};
use lmdeck::present::remedy::{Subject, caution};
use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
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
    let asked = tokio::spawn(async move { handle.ask(Command::Diagnose { id: "p".into(), answer: true, run }).await });
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

#[tokio::test]
async fn what_a_compatible_server_really_is_is_offered_as_a_correction() {
    for (sim_kind, shown) in [
        (SimKind::LmStudio(LmStudioApi::V1), "LM Studio"),
        (SimKind::LlamaCpp, "llama.cpp"),
        (SimKind::Ollama, "Ollama"),
        (SimKind::Vllm, "vLLM"),
    ] {
        let sim = Sim::start(sim_kind).await;
        let profile = profile_at("p", Kind::OpenaiCompatible, sim.endpoint_at("127.0.0.1"), None);
        let engine = engine(profile).await;
        let id = || "p".into();
        for command in [
            Command::Diagnose { id: id(), answer: false, run: RunId(1) },
            Command::TestSaved { id: id(), answer: false, run: RunId(2) },
        ] {
            let Reply::Tested(report) = engine.handle.ask(command).await else { panic!("no report") };
            assert!(report.passed(), "{report:?}");
            assert_eq!(
                verdict(&report, "kind"),
                format!("it looks like {shown}, and is configured as OpenAI-compatible")
            );
            let cause = Cause::OtherProgram { looks_like: Some(shown.into()) };
            assert!(report.cautions.contains(&cause), "{report:?}");
            let snapshot = engine.handle.snapshot();
            let subject = Subject::of(&snapshot.providers[0]);
            let command = caution(&cause, &subject).command.unwrap();
            let word = Kind::called(shown).unwrap().word();
            assert_eq!(command, format!("lmdeck providers edit p --type {word}"));
        }
    }
}

// ---- what its one question costs

/// A vendor with a price, at an engine with a daily limit of so many dollars.
async fn paying(sim: &Sim, limit: f64) -> (Engine, Arc<Book>, Profile) {
    let mut profile = sim.profile("claude");
    profile.models =
        vec![ModelProfile { price: Price::per_million(3.0, 15.0, Some(0.3)), ..ModelProfile::named("demo-8b") }];
    let mut config = Config { providers: vec![profile.clone()], ..Config::default() };
    config.money.daily_limit = Money::from_dollars(limit);
    let (engine, _, book) = engine_over(config, Past::default(), transport()).await;
    (engine, book, profile)
}

#[tokio::test]
async fn the_one_question_is_a_call_that_is_paid_for_and_recorded() {
    let sim = Sim::start(SimKind::Anthropic).await;
    sim.cache_written(5);
    let (engine, book, _) = paying(&sim, 1.0).await;
    for command in [
        Command::Diagnose { id: "claude".into(), answer: true, run: RunId(1) },
        Command::TestSaved { id: "claude".into(), answer: true, run: RunId(2) },
    ] {
        let Reply::Tested(report) = engine.handle.ask(command).await else { panic!("no report") };
        assert!(report.passed(), "{report:?}");
        let record = book.records.lock().unwrap().pop().unwrap();
        assert_eq!((record.facts.client.as_str(), record.policy.as_str()), ("doctor", "named"));
        assert_eq!(record.target.map(|target| target.to_string()).as_deref(), Some("claude/demo-8b"));
        assert_eq!(record.cost.provenance, Provenance::Computed, "{:?}", record.cost);
        let usage = record.usage.unwrap();
        assert_eq!(usage.cache_written, 5);
        let (cost, reserved) = (record.cost.amount.unwrap(), record.reserved.unwrap());
        assert!(Money::ZERO < cost && cost < reserved, "{cost} of {reserved}");
    }
    let mut snapshots = engine.handle.snapshots();
    let answered = snapshots.wait_for(|snapshot| snapshot.providers[0].health.ladder.answering == Some(true));
    timeout(Duration::from_secs(10), answered).await.expect("the answer is no news").unwrap();
}

#[tokio::test]
async fn a_limit_that_does_not_reach_keeps_the_question_at_home() {
    let sim = Sim::start(SimKind::Anthropic).await;
    let (engine, book, _) = paying(&sim, 0.000_001).await;
    let command = Command::Diagnose { id: "claude".into(), answer: true, run: RunId(1) };
    let Reply::Tested(report) = engine.handle.ask(command).await else { panic!("no report") };
    assert_eq!(report.failure.as_ref().map(|failure| failure.code), Some(ErrorCode::Budget), "{report:?}");
    assert!(verdict(&report, "answer").contains("the day's limit"), "{report:?}");
    assert_eq!(sim.chats().len(), 0);
    let records = book.records.lock().unwrap();
    assert_eq!(records.iter().map(|record| record.status).collect::<Vec<_>>(), [Status::Denied]);
}

/// A server that begins its answer at once and never ends it.
struct Babbler;

impl Upstream for Babbler {
    fn probe(&self, profile: Arc<Profile>) -> BoxFuture<'static, ProbeReport> {
        let models = profile.models.iter().map(|model| ModelInfo::named(model.id.clone())).collect();
        let outcome = Ok(ProbeFound { models, ..ProbeFound::default() });
        Box::pin(async move { ProbeReport { at: UnixMs(1), latency_ms: 1, reach: Some(Reach::Machine), outcome } })
    }

    fn test(
        &self,
        profile: Arc<Profile>,
        question: Option<Arc<dyn Question>>,
        _: tokio::sync::mpsc::Sender<Step>,
    ) -> BoxFuture<'static, TestReport> {
        let body = Body::Chat { messages: Vec::new(), max_tokens: Some(16), temperature: None, stream: true };
        let job = UpstreamJob {
            model: "m".into(),
            body,
            local_only: false,
            through: Vec::new(),
            time_left: profile.timeouts.first_token,
            profile,
        };
        Box::pin(async move {
            let failure = question.unwrap().ask(job).await.err();
            TestReport { failure, ..untested().await }
        })
    }

    fn discover(&self, _: Vec<Arc<Profile>>) -> BoxFuture<'static, Vec<Found>> {
        Box::pin(async { Vec::new() })
    }

    fn model(&self, _: ModelJob) -> BoxFuture<'static, Result<ModelDone, Failure>> {
        Box::pin(async { Ok(ModelDone::default()) })
    }

    fn start(&self, _: UpstreamJob) -> BoxFuture<'static, Result<UpstreamAnswer, Failure>> {
        let word = || Frame { raw: Bytes::new(), seen: Seen { text: "la ".into(), ..Seen::default() } };
        let frames = futures_util::stream::repeat_with(word).then(|frame| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(frame)
        });
        let content_type = "text/event-stream".into();
        let answer = UpstreamAnswer { status: 200, content_type, stream: true, frames: frames.boxed(), rate: None };
        Box::pin(async move { Ok(answer) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_stops_answering_has_answered() {
    let mut profile = Profile::new("endless", Kind::OpenaiCompatible, Endpoint::http("127.0.0.1", 9));
    profile.models = vec![ModelProfile::named("m")];
    let engine = engine_on(Arc::new(Babbler), vec![profile]).await;
    let began = tokio::time::Instant::now();
    let command = Command::TestSaved { id: "endless".into(), answer: true, run: RunId(1) };
    let asked = timeout(Duration::from_mins(10), engine.handle.ask(command)).await;
    let Ok(Reply::Tested(report)) = asked else { panic!("it has no end") };
    assert!(report.passed(), "{report:?}");
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_question_that_is_stopped_is_recorded_and_counts_as_it_may_have_cost() {
    let sim = Sim::start(SimKind::Anthropic).await;
    let (engine, book, _) = paying(&sim, 1.0).await;
    sim.fault(Fault::Stall { after: 1 });
    let run = RunId(3);
    let asked = engine.handle.ask_later(Command::TestSaved { id: "claude".into(), answer: true, run }).unwrap();
    sim.wait_until("the model writes", |sim| sim.streaming() == 1).await;
    engine.handle.ask(Command::StopDiagnosis { run }).await;
    drop(asked);
    sim.wait_until("the call is cancelled", |sim| sim.streaming() == 0).await;
    let record = loop {
        if let Some(record) = book.records.lock().unwrap().pop() {
            break record;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((record.status, record.cost.provenance), (Status::Cancelled, Provenance::Estimated));
    assert_eq!(record.cost.amount, record.reserved);
}

// ---- on the command line

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Shell {
    out: Sink,
    err: Sink,
    stop: Arc<Notify>,
}

impl Shell {
    fn new() -> Self {
        Self { out: Sink::default(), err: Sink::default(), stop: Arc::new(Notify::new()) }
    }

    async fn run(&self, engine: &Engine, words: &[&str]) -> u8 {
        let cli = Cli::try_parse_from([&["lmdeck"], words].concat()).unwrap();
        let console = Console {
            out: Box::new(self.out.clone()),
            err: Box::new(self.err.clone()),
            input: Box::new(Cursor::new(Vec::new())),
            input_is_terminal: true,
            input_is_given: false,
            err_is_terminal: false,
            width: None,
            colour_out: false,
            colour_err: false,
            json: cli.globals.json,
            clock: Arc::new(|| UnixMs(1_795_000_000_000)),
            zone: TimeZone::UTC,
            interrupt: Interrupt::Notified(self.stop.clone()),
        };
        lmdeck::cli::run(&cli, engine.handle.clone(), console).await
    }
}

#[tokio::test]
async fn the_verb_prints_a_line_per_step_and_what_to_do() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let profile = sim.profile("p");
    sim.require_key("sk-lm-AAAABBBB:CCCCDDDD");
    let engine = engine(profile).await;
    let shell = Shell::new();
    assert_eq!(shell.run(&engine, &["providers", "doctor", "p"]).await, 4);
    let (out, err) = (shell.out.text(), shell.err.text());
    let names: Vec<&str> = out.lines().map(|line| line[5..].split_whitespace().next().unwrap()).collect();
    assert_eq!(names, DOCTOR_STEPS, "{out}");
    assert!(out.contains("[x]  auth") && out.contains("[-]  answer"), "{out}");
    assert!(err.contains("lmdeck providers edit p --key '${LM_API_TOKEN}'"), "{err}");
    assert!(!out.contains("AAAABBBB") && !err.contains("AAAABBBB"));

    let shell = Shell::new();
    shell.run(&engine, &["providers", "doctor", "p", "--json"]).await;
    let report: serde_json::Value = serde_json::from_str(&shell.out.text()).unwrap();
    assert_eq!(report["steps"].as_array().unwrap().len(), 10);
    assert_eq!((report["passed"].as_bool(), report["stopped"].as_bool()), (Some(false), Some(false)));
    assert!(report["remedy"].as_str().unwrap().contains("LM_API_TOKEN"), "{report}");
}

#[tokio::test]
async fn ctrl_c_stops_the_verb_and_keeps_what_it_found() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let engine = engine(sim.profile("p")).await;
    sim.fault(Fault::Silence);
    let shell = Shell::new();
    let running = shell.run(&engine, &["providers", "doctor", "p", "--answer"]);
    let stopping = async {
        sim.wait_until("the model is asked", |sim| sim.chats().len() == 1).await;
        shell.stop.notify_one();
    };
    let (code, ()) = timeout(Duration::from_secs(10), futures_util::future::join(running, stopping)).await.unwrap();
    assert_eq!(code, 130);
    assert!(shell.out.text().contains("[ok] loaded"), "{}", shell.out.text());
    assert!(shell.err.text().contains("-- stopped"), "{}", shell.err.text());
}

// ---- TLS

/// A server with a certificate that it signed itself: it takes handshakes and says nothing else.
async fn self_signed(name: &str) -> (u16, JoinHandle<()>) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let _ = acceptor.accept(stream).await;
            });
        }
    });
    (port, task)
}

fn with_tls(mut endpoint: Endpoint) -> Endpoint {
    endpoint.tls = true;
    endpoint.origin = endpoint.origin.replacen("http:", "https:", 1);
    endpoint.api_base = endpoint.api_base.replacen("http:", "https:", 1);
    endpoint.written.clone_from(&endpoint.origin);
    endpoint
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_fails_at_tls_and_names_what_mends_it() {
    let (port, server) = self_signed("127.0.0.1").await;
    let profile = profile_at("p", Kind::LlamaCpp, with_tls(Endpoint::http("127.0.0.1", port)), None);
    let report = diagnose(profile.clone(), false).await;
    assert_eq!(marks(&report), "+-+x------", "{report:?}");
    assert!(matches!(cause(&report), Cause::Tls { certificate: true, .. }), "{report:?}");
    let endpoint = profile.endpoint.clone();
    let said = caution(cause(&report), &Subject::draft(Kind::LlamaCpp, &endpoint, &KeySource::None)).text();
    assert!(said.contains("export SSL_CERT_FILE=FILE"), "{said}");
    server.abort();
}

#[tokio::test]
async fn https_on_a_plain_port_and_http_on_a_tls_port_are_told_apart() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let report = diagnose(profile_at("p", Kind::LlamaCpp, with_tls(sim.endpoint()), None), false).await;
    assert_eq!(marks(&report), "+-+x------", "{report:?}");
    assert!(matches!(cause(&report), Cause::Tls { certificate: false, .. }), "{report:?}");

    let (port, server) = self_signed("127.0.0.1").await;
    let endpoint = Endpoint::http("127.0.0.1", port);
    let report = diagnose(profile_at("p", Kind::LlamaCpp, endpoint.clone(), None), false).await;
    assert_eq!(cause(&report), &Cause::SpeaksTls, "{report:?}");
    let said = caution(cause(&report), &Subject::draft(Kind::LlamaCpp, &endpoint, &KeySource::None)).line();
    assert!(said.contains(&format!("--endpoint https://127.0.0.1:{port}")), "{said}");
    server.abort();
}

// ---- filtered

/// A wire whose other end nobody listens at: what is sent to 10.99.0.2 is lost.
const HOLE: &str = "ip link set lo up && ip link add hole type veth peer name void && ip addr add 10.99.0.1/24 dev hole \
    && ip link set hole up && ip link set void up && ip neigh add 10.99.0.2 lladdr 02:00:00:00:00:02 dev hole";

/// In a network of its own, which it needs the right to make.
#[test]
fn a_machine_that_drops_every_packet_is_told_as_filtered() {
    let allowed = std::process::Command::new("unshare").args(["-rn", "sh", "-c", HOLE]).output();
    match allowed {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            return println!("skipped, no network of its own: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Err(error) => return println!("skipped, no unshare on this machine: {error}"),
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("ai_models.yaml");
    let text = "providers:\n  - { id: box, type: lm_studio, endpoint: \"http://10.99.0.2:1234\" }\n";
    std::fs::write(&config, text).unwrap();
    let script = format!("{HOLE}; exec \"$0\" \"$@\"");
    let output = std::process::Command::new("unshare")
        .args(["-rn", "sh", "-c", &script, env!("CARGO_BIN_EXE_lmdeck"), "--config"])
        .arg(&config)
        .args(["--state-dir"])
        .arg(folder.path().join("state"))
        .args(["providers", "doctor", "box"])
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("[x]  TCP") && out.contains("did not answer the connection attempt"), "{out}{err}");
    assert!(err.contains("ping 10.99.0.2") && err.contains("Then open port 1234 in the firewall"), "{err}");
}
