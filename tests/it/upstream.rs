//! Talking to model servers: every way they answer, every way they fail, and what must never be sent.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail their test")]

use crate::support::sim::{
    Fault, LmStudioApi, PlainPort, Sim, SimKind, SimModel, VENDOR_KEY, endpoint, free_port, profile_at,
};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use lmdeck::adapters::http::{HttpUpstream, Lookup, Surroundings};
use lmdeck::domain::call::{Body, Finish, Message, Role, Usage};
use lmdeck::domain::config::{KeySource, ModelProfile, Profile, WithheldWhy};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::{ProbeFound, ProbeReport};
use lmdeck::domain::ids::ModelId;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::Money;
use lmdeck::domain::reach::Reach;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::ports::{Clock, Frame, Question, Seen, Upstream, UpstreamJob};
use lmdeck::engine::protocol::{StepState, TestReport};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ALL: [SimKind; 9] = [
    SimKind::LlamaCpp,
    SimKind::OpenaiCompatible,
    SimKind::LmStudio(LmStudioApi::V1),
    SimKind::Ollama,
    SimKind::Vllm,
    SimKind::ZAi,
    SimKind::Openai,
    SimKind::Anthropic,
    SimKind::Openrouter,
];

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> UnixMs {
        UnixMs(1_780_000_000_000)
    }

    fn day_start(&self, _: UnixMs, _: Option<&str>) -> UnixMs {
        UnixMs(0)
    }
}

/// Names that lead where the test says; all others are unknown, and one is never resolved.
struct Names(HashMap<&'static str, IpAddr>);

impl Lookup for Names {
    fn lookup(&self, host: &str) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let found = self.0.get(host).copied();
        let never = host == "slow.example";
        Box::pin(async move {
            if never {
                std::future::pending::<()>().await;
            }
            found.map(|address| vec![address]).ok_or_else(|| std::io::Error::other("no such name"))
        })
    }
}

fn upstream() -> HttpUpstream {
    upstream_knowing(&[])
}

fn upstream_knowing(names: &[(&'static str, &str)]) -> HttpUpstream {
    let names = names.iter().map(|(name, address)| (*name, address.parse().unwrap())).collect();
    let surroundings = Surroundings { lookup: Arc::new(Names(names)), home: None, ports: Vec::new() };
    HttpUpstream::with(Arc::new(Stopped), surroundings).unwrap()
}

fn chat(stream: bool) -> Body {
    Body::Chat {
        messages: vec![Message { role: Role::User, content: "hi".into() }],
        max_tokens: Some(32),
        temperature: Some(0.5),
        stream,
    }
}

fn job(profile: Profile, body: Body) -> UpstreamJob {
    UpstreamJob {
        profile: Arc::new(profile),
        model: ModelId::from("demo-8b"),
        body,
        local_only: false,
        through: Vec::new(),
        time_left: Duration::from_secs(2),
    }
}

/// What came of a job: the frames, and the failure that ended them.
#[derive(Debug, Default)]
struct Outcome {
    frames: Vec<Frame>,
    failure: Option<Failure>,
}

impl Outcome {
    fn text(&self) -> String {
        self.frames.iter().map(|frame| frame.seen.text.as_str()).collect()
    }

    fn raw(&self) -> Vec<u8> {
        self.frames.iter().flat_map(|frame| frame.raw.to_vec()).collect()
    }

    fn pick<T>(&self, pick: impl Fn(&Seen) -> Option<T>) -> Option<T> {
        self.frames.iter().find_map(|frame| pick(&frame.seen))
    }

    fn ended(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.seen.end)
    }

    #[track_caller]
    fn failed(self) -> Failure {
        self.failure.unwrap_or_else(|| panic!("it did not fail: {:?}", self.frames))
    }
}

/// Runs a job to its end; no job may hang past its limits.
async fn run(upstream: &HttpUpstream, job: UpstreamJob) -> Outcome {
    let running = async {
        let mut outcome = Outcome::default();
        match upstream.start(job).await {
            Err(failure) => outcome.failure = Some(failure),
            Ok(mut answer) => {
                while let Some(frame) = answer.frames.next().await {
                    assert!(outcome.failure.is_none(), "a frame after the failure");
                    match frame {
                        Ok(frame) => outcome.frames.push(frame),
                        Err(failure) => outcome.failure = Some(failure),
                    }
                }
            }
        }
        outcome
    };
    tokio::time::timeout(Duration::from_secs(20), running).await.expect("the call hung")
}

async fn probe(upstream: &HttpUpstream, profile: Profile) -> ProbeReport {
    tokio::time::timeout(Duration::from_secs(20), upstream.probe(Arc::new(profile))).await.expect("the probe hung")
}

async fn found(upstream: &HttpUpstream, profile: Profile) -> ProbeFound {
    probe(upstream, profile).await.outcome.unwrap()
}

async fn probe_failure(upstream: &HttpUpstream, profile: Profile) -> Failure {
    probe(upstream, profile).await.outcome.unwrap_err()
}

async fn test(upstream: &HttpUpstream, profile: Profile, answer: bool) -> TestReport {
    let question = answer.then(|| Arc::new(Straight(upstream.clone())) as Arc<dyn Question>);
    let (steps, mut told) = tokio::sync::mpsc::channel(16);
    let report = tokio::time::timeout(Duration::from_secs(20), upstream.test(Arc::new(profile), question, steps))
        .await
        .expect("the test hung");
    let mut live = Vec::new();
    while let Ok(step) = told.try_recv() {
        live.push(step);
    }
    assert_eq!(live, report.steps, "every step is told as it ends");
    report
}

/// Asks the model without a word about money, up to its first word.
struct Straight(HttpUpstream);

impl Question for Straight {
    fn ask(&self, job: UpstreamJob) -> BoxFuture<'static, Result<Option<String>, Failure>> {
        let upstream = self.0.clone();
        Box::pin(async move {
            let mut answer = upstream.start(job).await?;
            let mut model = None;
            while let Some(frame) = answer.frames.next().await {
                let frame = frame?;
                model = frame.seen.model.clone().or(model);
                if frame.seen.answer_bytes() {
                    return Ok(model);
                }
            }
            Err(Failure::plain(ErrorCode::EmptyAnswer, "the stream ended without an answer"))
        })
    }
}

/// Each step as `name: state`, for comparison at a glance.
fn states(report: &TestReport) -> Vec<String> {
    report
        .steps
        .iter()
        .map(|step| {
            let state = match step.state {
                StepState::Passed => "passed",
                StepState::Warned => "warned",
                StepState::Failed => "failed",
                StepState::Skipped => "skipped",
            };
            format!("{} {state}", step.name)
        })
        .collect()
}

// ---- answers ----

#[tokio::test]
async fn every_kind_of_server_streams_its_answer() {
    let upstream = upstream();
    // Anthropic's own dialect thinks only when asked, and counts twice: its stream is among the dialects' tests.
    for kind in ALL.into_iter().filter(|kind| *kind != SimKind::Anthropic) {
        let sim = Sim::start(kind).await;
        sim.think(&["let ", "me see"]);
        let outcome = run(&upstream, job(sim.profile("p"), chat(true))).await;
        assert_eq!(outcome.failure, None, "{kind:?}");
        assert_eq!(outcome.text(), "Hello, world!", "{kind:?}");
        assert_eq!(
            outcome.frames.iter().map(|f| f.seen.reasoning.as_str()).collect::<String>(),
            "let me see",
            "{kind:?}"
        );
        assert!(outcome.ended(), "{kind:?}");
        assert_eq!(
            outcome.pick(|seen| seen.usage),
            Some(Usage { input: 31, output: 6, cached: 7, reasoning: 2, ..Usage::default() }),
            "{kind:?}"
        );
        assert_eq!(outcome.pick(|seen| seen.finish), Some(Finish::Stop), "{kind:?}");
        assert_eq!(outcome.pick(|seen| seen.model.clone()).as_deref(), Some("demo-8b"), "{kind:?}");
        let alone = outcome.frames.iter().filter(|frame| frame.seen.usage_only).count();
        assert_eq!(alone, usize::from(kind != SimKind::ZAi), "{kind:?}");
        let billed = outcome.pick(|seen| seen.billed);
        assert_eq!(billed, (kind == SimKind::Openrouter).then(|| Money::from_dollars(0.0125).unwrap()));
    }
}

#[tokio::test]
async fn every_kind_of_server_answers_in_one_piece() {
    let upstream = upstream();
    for kind in ALL {
        let sim = Sim::start(kind).await;
        let outcome = run(&upstream, job(sim.profile("p"), chat(false))).await;
        assert_eq!(outcome.failure, None, "{kind:?}");
        assert_eq!(outcome.frames.len(), 1);
        assert_eq!(outcome.text(), "Hello, world!");
        assert!(outcome.ended());
        assert_eq!(outcome.pick(|seen| seen.usage.map(|usage| usage.output)), Some(4));
    }
}

#[tokio::test]
async fn the_request_says_who_asks_and_carries_the_key_in_its_header_only() {
    let sim = Sim::start(SimKind::ZAi).await;
    sim.require_key(VENDOR_KEY);
    run(&upstream(), job(sim.profile("zai"), chat(true))).await;
    let seen = sim.chats().remove(0);
    assert_eq!(seen.path, "/api/paas/v4/chat/completions");
    assert_eq!(seen.header("authorization"), format!("Bearer {VENDOR_KEY}"));
    assert_eq!(seen.header("user-agent"), format!("lmdeck/{}", env!("CARGO_PKG_VERSION")));
    assert!(seen.header("x-lmdeck-hop").is_empty(), "a vendor is not told which process asks");
    assert_eq!(seen.header("accept"), "text/event-stream");
    assert!(seen.header("accept-encoding").is_empty());
    assert!(!seen.body.contains(VENDOR_KEY));
    assert_eq!(seen.json()["stream_options"]["include_usage"], true);
    assert_eq!(seen.json()["max_tokens"], 32);
}

#[tokio::test]
async fn a_client_s_own_request_and_the_answer_pass_byte_for_byte() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    sim.say(&["gr\u{fc}n ", "\u{1f33f} \"q\" \\ \u{1b}[31m"]);
    let body = "{ \"messages\":[{\"role\":\"user\",\"content\":\"a\\u00e9\"}],  \"top_p\" :0.90e0,\n\"stream\":true,\"x\":{\"y\":[1, 2]},\"model\":\"auto\",\"stream_options\":{\"include_usage\":false}}";
    let sent = body.replace("\"auto\"", "\"demo-8b\"").replace("false", "true");
    let outcome = run(&upstream(), job(sim.profile("p"), Body::RawOpenaiChat { json: body.into() })).await;
    assert_eq!(outcome.failure, None);
    assert_eq!(sim.chats()[0].body, sent);
    let plain = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let direct = plain
        .post(format!("{}/v1/chat/completions", sim.origin()))
        .body(sent)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(outcome.raw(), direct);
    assert_eq!(outcome.text(), "gr\u{fc}n \u{1f33f} \"q\" \\ \u{1b}[31m");
}

#[tokio::test]
async fn a_request_with_a_key_twice_is_refused_before_anything_is_sent() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let body = r#"{"model":"auto","messages":[],"model":"other"}"#;
    let failure = run(&upstream(), job(sim.profile("p"), Body::RawOpenaiChat { json: body.into() })).await.failed();
    assert_eq!(failure.code, ErrorCode::InvalidRequest);
    assert_eq!(sim.connections(), 0);
}

#[tokio::test]
async fn hanging_up_ends_the_server_s_work() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    sim.fault(Fault::Stall { after: 3 });
    let mut answer = upstream().start(job(sim.profile("p"), chat(true))).await.unwrap();
    answer.frames.next().await.unwrap().unwrap();
    sim.wait_until("the stream runs", |sim| sim.streaming() == 1).await;
    drop(answer);
    sim.wait_until("the stream is given up", |sim| sim.streaming() == 0).await;
}

#[tokio::test]
async fn one_connection_serves_one_call_after_the_other() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let upstream = upstream();
    for _ in 0..5 {
        assert!(run(&upstream, job(sim.profile("p"), chat(true))).await.ended());
        // The rest of the response is read beside the answer.
        sim.wait_until("the stream is over", |sim| sim.streaming() == 0).await;
        tokio::task::yield_now().await;
    }
    assert!(sim.connections() <= 2, "{} connections", sim.connections());
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_without_a_word_is_asked_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (closed, mut closings) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        let body = r#"{"model":"m","choices":[{"message":{"content":"well"},"finish_reason":"stop"}]}"#;
        loop {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"}") && peer.read_buf(&mut asked).await.unwrap() > 0 {}
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
            peer.write_all(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
            drop(peer);
            closed.send(()).await.unwrap();
        }
    });
    let upstream = upstream();
    for _ in 0..3 {
        let job = job(profile_at("p", Kind::LlamaCpp, endpoint("127.0.0.1", port, "/v1"), None), chat(false));
        assert_eq!(run(&upstream, job).await.text(), "well");
        closings.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_stream_comes_through_as_it_is_written() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    sim.fault(Fault::Drip(Duration::from_millis(30)));
    let started = Instant::now();
    let mut answer = upstream().start(job(sim.profile("p"), chat(true))).await.unwrap();
    let mut first = None;
    while let Some(frame) = answer.frames.next().await {
        if frame.unwrap().seen.answer_bytes() {
            first.get_or_insert(started.elapsed());
        }
    }
    assert!(first.unwrap() + Duration::from_millis(60) < started.elapsed(), "the first word waited for the last");
}

// ---- failures of an answer ----

#[tokio::test]
async fn each_fault_of_a_stream_has_its_own_class_and_cause() {
    let server = |status| Cause::ServerError { status };
    let path = "/v1/chat/completions".to_owned();
    let mid = |frame: &str| Fault::Frame { after: 3, frame: frame.to_owned() };
    let cases: Vec<(Fault, ErrorCode, Cause)> = vec![
        (Fault::Cut { after: 3 }, ErrorCode::Network, Cause::CutOff),
        (Fault::Cut { after: 0 }, ErrorCode::Network, Cause::Reset),
        (Fault::NoEndMark, ErrorCode::Network, Cause::CutOff),
        (Fault::Reset, ErrorCode::Network, Cause::Reset),
        (Fault::Silence, ErrorCode::Timeout, Cause::Deadline),
        (Fault::MalformedJson, ErrorCode::BadAnswer, Cause::Other),
        (Fault::InvalidUtf8, ErrorCode::BadAnswer, Cause::Other),
        (Fault::Html, ErrorCode::BadAnswer, Cause::HtmlPage),
        (Fault::ContentType("text/plain"), ErrorCode::BadAnswer, Cause::Other),
        (Fault::Endless, ErrorCode::BadAnswer, Cause::TooLarge { limit_bytes: 8 * 1024 * 1024 }),
        (Fault::Empty, ErrorCode::EmptyAnswer, Cause::Other),
        (Fault::Finish("network_error"), ErrorCode::Upstream, server(200)),
        (Fault::Finish("sensitive"), ErrorCode::ContentFilter, Cause::Other),
        (mid("data: {\"error\":\"The model has crashed\"}\n\n"), ErrorCode::Upstream, Cause::ModelCrashed),
        (
            mid("event: error\ndata: {\"error\":{\"message\":\"(n_keep: 9>= n_ctx: 4)\"}}\n\n"),
            ErrorCode::ContextLength,
            Cause::Other,
        ),
        (
            Fault::Status(200, r#"{"error":"Unexpected endpoint or method. (POST /x)"}"#.into()),
            ErrorCode::NotFound,
            Cause::WrongPath { path },
        ),
        (Fault::Status(200, r#"{"choices":[]}"#.into()), ErrorCode::BadAnswer, Cause::Other),
        (Fault::Status(500, "boom".into()), ErrorCode::Upstream, server(500)),
        (
            Fault::Status(503, r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#.into()),
            ErrorCode::Overloaded,
            Cause::StillLoading,
        ),
        (Fault::Status(401, "{}".into()), ErrorCode::Auth, Cause::KeyRefused { status: 401 }),
        (Fault::Status(404, "<html>nginx</html>".into()), ErrorCode::BadAnswer, Cause::HtmlPage),
    ];
    let upstream = upstream();
    let sim = Sim::start(SimKind::LlamaCpp).await;
    for (fault, code, cause) in cases {
        sim.fault(fault.clone());
        let started = Instant::now();
        let failure = run(&upstream, job(sim.profile("p"), chat(true))).await.failed();
        assert_eq!((failure.code, &failure.cause), (code, &cause), "{fault:?}: {failure:?}");
        assert!(!failure.message.is_empty() && !failure.message.contains(char::is_control), "{failure:?}");
        assert!(started.elapsed() < Duration::from_secs(6), "{fault:?} took {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn each_fault_of_a_whole_answer_has_its_own_class_and_cause() {
    let cases = [
        (Fault::Cut { after: 0 }, ErrorCode::Network, Cause::CutOff),
        (Fault::Stall { after: 0 }, ErrorCode::Timeout, Cause::Deadline),
        (Fault::Silence, ErrorCode::Timeout, Cause::Deadline),
        (Fault::MalformedJson, ErrorCode::BadAnswer, Cause::Other),
        (Fault::InvalidUtf8, ErrorCode::BadAnswer, Cause::Other),
        (Fault::Html, ErrorCode::BadAnswer, Cause::HtmlPage),
        (Fault::ContentType("text/event-stream"), ErrorCode::BadAnswer, Cause::Other),
        (Fault::Oversized, ErrorCode::BadAnswer, Cause::TooLarge { limit_bytes: 32 * 1024 * 1024 }),
        (Fault::Endless, ErrorCode::BadAnswer, Cause::TooLarge { limit_bytes: 32 * 1024 * 1024 }),
        (Fault::Empty, ErrorCode::EmptyAnswer, Cause::Other),
        (
            Fault::Status(200, r#"{"error":{"message":"No models loaded."}}"#.into()),
            ErrorCode::NotFound,
            Cause::NoModelLoaded,
        ),
        (Fault::Status(204, String::new()), ErrorCode::EmptyAnswer, Cause::Other),
    ];
    let upstream = upstream();
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    for (fault, code, cause) in cases {
        sim.fault(fault.clone());
        let mut job = job(sim.profile("p"), chat(false));
        if fault == Fault::Endless {
            job.time_left = Duration::from_secs(15);
        }
        let failure = run(&upstream, job).await.failed();
        assert_eq!((failure.code, &failure.cause), (code, &cause), "{fault:?}: {failure:?}");
    }
}

#[tokio::test]
async fn what_was_said_before_a_cut_is_kept() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    sim.fault(Fault::Cut { after: 3 });
    let outcome = run(&upstream(), job(sim.profile("p"), chat(true))).await;
    assert_eq!(outcome.text(), "Hello, ");
    assert_eq!(outcome.failure.unwrap().cause, Cause::CutOff);
}

#[tokio::test]
async fn a_server_only_known_to_be_alike_may_leave_the_end_mark_out() {
    let sim = Sim::start(SimKind::OpenaiCompatible).await;
    sim.fault(Fault::NoEndMark);
    let outcome = run(&upstream(), job(sim.profile("p"), chat(true))).await;
    assert_eq!((outcome.failure.as_ref(), outcome.ended()), (None, true));
}

#[tokio::test]
async fn the_wait_a_vendor_asks_for_is_passed_on() {
    let sim = Sim::start(SimKind::Openai).await;
    let body = r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#.to_owned();
    sim.fault(Fault::Refuse { status: 429, header: ("retry-after", "7".into()), body });
    let failure = run(&upstream(), job(sim.profile("p"), chat(true))).await.failed();
    assert_eq!((failure.code, failure.retry_after_ms), (ErrorCode::RateLimit, Some(7000)));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Sim::start(SimKind::OpenaiCompatible).await;
    let sim = Sim::start(SimKind::OpenaiCompatible).await;
    let to = format!("{}/v1/chat/completions", other.origin());
    for status in [301, 302, 307, 308] {
        sim.fault(Fault::Refuse { status, header: ("location", to.clone()), body: String::new() });
        let failure = run(&upstream(), job(sim.profile("p"), chat(false))).await.failed();
        assert_eq!(failure.cause, Cause::Redirect { to: to.clone() });
    }
    sim.fault_on(
        "/models",
        Fault::Refuse {
            status: 302,
            header: ("location", format!("{}/v1/models", other.origin())),
            body: String::new(),
        },
    );
    assert!(matches!(probe_failure(&upstream(), sim.profile("p")).await.cause, Cause::Redirect { .. }));
    assert_eq!(other.connections(), 0);
}

// ---- failures of the connection ----

#[tokio::test]
async fn a_closed_port_is_told_at_once_and_asked_once() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let profile = sim.profile("p");
    sim.stop().await;
    let started = Instant::now();
    let failure = probe_failure(&upstream(), profile.clone()).await;
    assert_eq!((failure.code, &failure.cause), (ErrorCode::Network, &Cause::Refused));
    assert_eq!(failure.message, format!("connection refused: nothing listens on 127.0.0.1 port {}", sim.port()));
    assert!(started.elapsed() < Duration::from_millis(400));
    assert_eq!(run(&upstream(), job(profile, chat(true))).await.failed().cause, Cause::Refused);
}

#[tokio::test]
async fn localhost_finds_a_server_that_listens_on_one_loopback_only() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let mut profile = sim.profile("p");
    profile.endpoint = sim.endpoint_at("localhost");
    let report = probe(&upstream(), profile.clone()).await;
    assert!(report.outcome.is_ok(), "{report:?}");
    assert_eq!(report.reach, Some(Reach::Machine));
    sim.stop().await;
    assert_eq!(probe_failure(&upstream(), profile).await.cause, Cause::Refused);
}

#[tokio::test]
async fn a_port_that_takes_connections_and_says_nothing_is_given_up_in_time() {
    let port = PlainPort::silent().await;
    let profile = profile_at("p", Kind::LmStudio, port.endpoint(), None);
    let started = Instant::now();
    let failure = probe_failure(&upstream(), profile.clone()).await;
    assert_eq!((failure.code, failure.cause), (ErrorCode::Timeout, Cause::SilentServer));
    // Two tries of half a second each.
    assert!((Duration::from_secs(1)..Duration::from_secs(3)).contains(&started.elapsed()), "{:?}", started.elapsed());
    let failure = run(&upstream(), UpstreamJob { time_left: Duration::from_millis(300), ..job(profile, chat(true)) })
        .await
        .failed();
    assert_eq!(failure.cause, Cause::Deadline);
}

#[tokio::test]
async fn a_filtered_port_is_told_from_a_silent_one() {
    // A listener whose queue is full drops further connection attempts, as a packet filter does.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        held.push(stream);
    }
    let mut endpoint = PlainPort::silent().await.endpoint();
    endpoint.port = address.port();
    endpoint.origin = format!("http://{address}");
    endpoint.api_base = format!("http://{address}/v1");
    let profile = profile_at("p", Kind::LlamaCpp, endpoint, None);
    assert_eq!(probe_failure(&upstream(), profile.clone()).await.cause, Cause::ConnectTimeout);
    let report = test(&upstream(), profile, false).await;
    assert_eq!(states(&report)[..2], ["address passed", "connect failed"]);
    assert_eq!(report.failure.unwrap().cause, Cause::ConnectTimeout);
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_a_name_problem() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let mut profile = sim.profile("p");
    profile.endpoint = sim.endpoint_at("gpu-box.example");
    let failure = probe_failure(&upstream(), profile.clone()).await;
    assert_eq!(failure.cause, Cause::Dns);
    assert_eq!(failure.message, "the name gpu-box.example cannot be resolved");
    let report = test(&upstream(), profile.clone(), false).await;
    assert_eq!(states(&report)[..2], ["address failed", "connect skipped"]);

    profile.endpoint = sim.endpoint_at("slow.example");
    let failure = probe_failure(&upstream(), profile.clone()).await;
    assert_eq!((failure.code, failure.cause), (ErrorCode::Timeout, Cause::Dns));
    assert_eq!(test(&upstream(), profile, false).await.failure.unwrap().cause, Cause::Dns);
}

#[tokio::test]
async fn tls_where_none_is_spoken_says_what_to_write() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let mut profile = sim.profile("p");
    profile.endpoint.tls = true;
    profile.endpoint.origin = profile.endpoint.origin.replace("http:", "https:");
    profile.endpoint.api_base = profile.endpoint.api_base.replace("http:", "https:");
    let failure = probe_failure(&upstream(), profile).await;
    assert!(
        matches!(&failure.cause, Cause::Tls { detail, certificate: false } if detail.contains("http://")),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_port_that_does_not_speak_http_is_another_program() {
    let port = PlainPort::saying("SSH-2.0-OpenSSH_9.2\r\n").await;
    let failure = probe_failure(&upstream(), profile_at("p", Kind::LmStudio, port.endpoint(), None)).await;
    assert_eq!(failure.cause, Cause::OtherProgram { looks_like: Some("SSH-2.0-OpenSSH_9.2".into()) });
}

// ---- how far a call may go ----

#[tokio::test]
async fn a_call_that_must_stay_local_never_connects_to_a_cloud_address() {
    // 0.0.0.0 counts as a cloud address and leads to this machine, so that a connection would be seen.
    let upstream = upstream_knowing(&[("models.example", "0.0.0.0"), ("near.example", "127.0.0.1")]);
    let sim = Sim::start(SimKind::OpenaiCompatible).await;
    let mut far = sim.profile("far");
    far.endpoint = sim.endpoint_at("models.example");
    let stay = |profile: &Profile| UpstreamJob { local_only: true, ..job(profile.clone(), chat(true)) };

    let failure = run(&upstream, stay(&far)).await.failed();
    assert_eq!((failure.code, failure.cause), (ErrorCode::Network, Cause::WrongReach { address: "0.0.0.0".into() }));
    assert_eq!(sim.connections(), 0, "it connected");

    // The same call without the promise goes there, also first: its connection is not lent to the other.
    assert!(run(&upstream, job(far.clone(), chat(true))).await.ended());
    assert!(matches!(run(&upstream, stay(&far)).await.failed().cause, Cause::WrongReach { .. }));
    assert_eq!(sim.chats().len(), 1);

    let mut near = far;
    near.endpoint = sim.endpoint_at("near.example");
    assert!(run(&upstream, stay(&near)).await.ended());
}

#[tokio::test]
async fn an_address_written_out_is_held_to_the_promise_too() {
    let sim = Sim::start(SimKind::OpenaiCompatible).await;
    for (host, local, cause) in [
        ("0.0.0.0", false, Some("0.0.0.0")),
        ("0.0.0.0", true, Some("0.0.0.0")),
        ("0", true, Some("0.0.0.0")),
        ("0x0", false, Some("0.0.0.0")),
        ("203.0.113.7", true, Some("203.0.113.7")),
        ("192.168.77.3", false, Some("192.168.77.3")),
        ("127.0.0.1", false, None),
    ] {
        let mut profile = sim.profile("p");
        profile.endpoint = sim.endpoint_at(host);
        profile.local = local;
        let started = Instant::now();
        let outcome = run(&upstream(), UpstreamJob { local_only: true, ..job(profile, chat(false)) }).await;
        match cause {
            Some(address) => {
                assert_eq!(outcome.failed().cause, Cause::WrongReach { address: address.into() });
                assert!(started.elapsed() < Duration::from_millis(300));
            }
            None => assert!(outcome.ended()),
        }
    }
    assert_eq!(sim.connections(), 1);
}

// ---- keys ----

#[tokio::test]
async fn a_refused_key_is_told_and_never_repeated() {
    let upstream = upstream();
    for kind in ALL {
        let sim = Sim::start(kind).await;
        sim.require_key("the-right-key-000");
        let mut profile = sim.profile("p");
        let wrong = "wrong-key-abcdef123456";
        profile.key = Some(lmdeck::domain::secret::Secret::new(wrong));
        let call = run(&upstream, job(profile.clone(), chat(true))).await.failed();
        let probed = probe_failure(&upstream, profile.clone()).await;
        let report = test(&upstream, profile.clone(), true).await;
        for failure in [&call, &probed, report.failure.as_ref().unwrap()] {
            assert_eq!(
                (failure.code, &failure.cause),
                (ErrorCode::Auth, &Cause::KeyRefused { status: 401 }),
                "{kind:?}"
            );
        }
        assert_eq!(states(&report)[4], "key failed", "{kind:?}");
        let everything = format!("{call:?} {probed:?} {report:?} {profile:?}");
        assert!(!everything.contains("abcdef123456"), "{kind:?}: {everything}");
        assert!(!everything.contains("wrong-key"), "{kind:?}: {everything}");
        let wanted = if kind == SimKind::Anthropic { "x-api-key" } else { "authorization" };
        assert!(sim.seen().iter().any(|request| request.header(wanted).contains(wrong)), "{kind:?}: never sent");
    }
}

#[tokio::test]
async fn nothing_is_sent_without_the_key_a_vendor_needs() {
    let sim = Sim::start(SimKind::ZAi).await;
    let mut profile = sim.profile("zai");
    profile.key = None;
    profile.key_source = KeySource::None;
    let missing = Cause::KeyMissing { variable: Some("Z_AI_API_KEY".into()) };
    assert_eq!(probe_failure(&upstream(), profile.clone()).await.cause, missing);
    assert_eq!(run(&upstream(), job(profile.clone(), chat(true))).await.failed().cause, missing);
    assert_eq!(test(&upstream(), profile.clone(), true).await.failure.unwrap().cause, missing);

    profile.withheld = Some(WithheldWhy::Unset { variable: "MY_KEY".into() }.because("MY_KEY is not set"));
    profile.key_source = KeySource::Variable { name: "MY_KEY".into() };
    let failure = probe_failure(&upstream(), profile.clone()).await;
    assert_eq!(failure.cause, Cause::KeyMissing { variable: Some("MY_KEY".into()) });
    assert_eq!(failure.message, "MY_KEY is not set");

    let untrusted = WithheldWhy::Untrusted { variable: "MY_KEY".into() };
    profile.withheld = Some(untrusted.because("MY_KEY is not sent to this host"));
    assert_eq!(probe_failure(&upstream(), profile).await.cause, Cause::KeyWithheld { host: "127.0.0.1".into() });
    assert_eq!(sim.seen().len(), 0);
}

// ---- probes ----

#[tokio::test]
async fn every_kind_of_server_tells_its_models() {
    let upstream = upstream();
    for kind in ALL {
        let sim = Sim::start(kind).await;
        let report = probe(&upstream, sim.profile("p")).await;
        let found = report.outcome.unwrap();
        assert_eq!(report.reach, Some(Reach::Machine), "{kind:?}");
        assert_eq!(found.models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["demo-8b"], "{kind:?}");
        assert_eq!(found.malformed, None, "{kind:?}");
        let model = &found.models[0];
        let (loaded, context) = match kind {
            SimKind::LlamaCpp => (Some(true), Some(2048)),
            SimKind::LmStudio(_) | SimKind::Ollama | SimKind::Vllm => (Some(true), Some(4096)),
            SimKind::Openrouter => (None, Some(4096)),
            _ => (None, None),
        };
        assert_eq!((model.loaded, model.context), (loaded, context), "{kind:?}");
        let activity = (found.activity.slots_busy, found.activity.slots_total, found.activity.queued);
        let wanted = match kind {
            SimKind::LlamaCpp => (Some(1), Some(2), None),
            SimKind::Vllm => (Some(3), None, Some(2)),
            _ => (None, None, None),
        };
        assert_eq!(activity, wanted, "{kind:?}");
        assert_eq!(found.authenticated, kind.kind().is_vendor().then_some(true), "{kind:?}");
        let free = |method: &http::Method, path: &str| method == http::Method::GET || path == "/api/show";
        assert!(sim.seen().iter().all(|request| free(&request.method, &request.path)), "a probe is free");
    }
}

#[tokio::test]
async fn lm_studio_is_asked_in_the_newest_way_it_knows() {
    for (api, interface, asked) in [
        // The last one tells whether models load on demand.
        (LmStudioApi::V1, "v1", vec!["/lmstudio-greeting", "/api/v1/models", "/v1/models"]),
        (LmStudioApi::V0, "v0", vec!["/lmstudio-greeting", "/api/v1/models", "/api/v0/models"]),
        (LmStudioApi::Compat, "compat", vec!["/lmstudio-greeting", "/api/v1/models", "/api/v0/models", "/v1/models"]),
    ] {
        let sim = Sim::start(SimKind::LmStudio(api)).await;
        sim.set_models(vec![SimModel::named("a"), SimModel::unloaded("b")]);
        let upstream = upstream();
        let found = found(&upstream, sim.profile("p")).await;
        assert_eq!(found.interface.as_deref(), Some(interface));
        assert_eq!(found.models.len(), 2);
        let loaded: Vec<_> = found.models.iter().map(|model| model.loaded).collect();
        assert_eq!(loaded, if interface == "compat" { vec![None, None] } else { vec![Some(true), Some(false)] });
        assert_eq!(sim.seen().iter().map(|request| request.path.clone()).collect::<Vec<_>>(), asked);
    }
}

#[tokio::test]
async fn a_route_found_absent_is_not_asked_again_until_the_server_restarts() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V0)).await;
    let upstream = upstream();
    for _ in 0..3 {
        found(&upstream, sim.profile("p")).await;
    }
    assert_eq!((sim.asked("/api/v1/models"), sim.asked("/api/v0/models")), (1, 3));
    sim.stop().await;
    assert_eq!(probe_failure(&upstream, sim.profile("p")).await.cause, Cause::Refused);
    sim.restart().await;
    found(&upstream, sim.profile("p")).await;
    assert_eq!(sim.asked("/api/v1/models"), 2);
}

#[tokio::test]
async fn a_pinned_interface_is_the_only_one_asked() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let mut profile = sim.profile("p");
    profile.api = "v0".into();
    assert_eq!(found(&upstream(), profile).await.interface.as_deref(), Some("v0"));
    assert_eq!((sim.asked("/api/v1/models"), sim.asked("/v1/models")), (0, 0));
}

#[tokio::test]
async fn a_missing_token_is_not_taken_for_a_missing_route() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let profile = sim.profile("p");
    sim.require_key("sk-lm-ABCDEFGH:0123456789abcdefghij");
    let failure = probe_failure(&upstream(), profile.clone()).await;
    assert_eq!((failure.code, &failure.cause), (ErrorCode::Auth, &Cause::KeyRefused { status: 401 }));
    assert!(failure.message.contains("An LM Studio API token is required"), "{}", failure.message);
    assert_eq!((sim.asked("/api/v0/models"), sim.asked("/v1/models")), (0, 0));

    sim.hide_list();
    let failure = probe_failure(&upstream(), profile).await;
    assert_eq!(failure.cause, Cause::KeyMissing { variable: Some("LM_API_TOKEN".into()) });
}

#[tokio::test]
async fn another_program_on_lm_studio_s_port_is_recognised() {
    let sim = Sim::start(SimKind::OpenaiCompatible).await;
    let page =
        Fault::Refuse { status: 200, header: ("server", "SimpleHTTP/0.6".into()), body: "<html>files</html>".into() };
    sim.always_on("", page);
    let profile = profile_at("p", Kind::LmStudio, sim.endpoint(), None);
    let failure = probe_failure(&upstream(), profile).await;
    assert_eq!(failure.cause, Cause::OtherProgram { looks_like: Some("SimpleHTTP/0.6".into()) });
}

#[tokio::test]
async fn another_known_server_in_its_place_is_named() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let failure = probe_failure(&upstream(), profile_at("p", Kind::Ollama, sim.endpoint(), None)).await;
    assert_eq!(failure.cause, Cause::OtherProgram { looks_like: Some("llama.cpp".into()) });
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let report = test(&upstream(), profile_at("p", Kind::Ollama, sim.endpoint(), None), false).await;
    assert_eq!(states(&report)[2..4], ["http passed", "kind failed"]);
    assert_eq!(report.failure.unwrap().cause, Cause::OtherProgram { looks_like: Some("LM Studio".into()) });
}

#[tokio::test]
async fn lists_that_cannot_be_read_are_reported_and_never_misread() {
    let upstream = upstream();
    let sim = Sim::start(SimKind::OpenaiCompatible).await;
    let path = "/v1/models".to_owned();
    let malformed = |detail: &str| Cause::MalformedList { detail: detail.into() };
    for (fault, cause) in [
        (Fault::Status(200, r#"{"data":{"a":1}}"#.into()), malformed("data: expected a list, came an object")),
        (Fault::Status(200, r#"{"models":[]}"#.into()), malformed("data: expected a list, came nothing")),
        (Fault::MalformedJson, malformed("expected JSON, came text that is cut or damaged")),
        (Fault::InvalidUtf8, malformed("expected JSON, came text that is cut or damaged")),
        (Fault::Html, Cause::HtmlPage),
        (Fault::ContentType("text/plain"), Cause::OtherProgram { looks_like: None }),
        (Fault::Oversized, Cause::TooLarge { limit_bytes: 8 * 1024 * 1024 }),
        (Fault::Status(404, "{}".into()), Cause::WrongPath { path: path.clone() }),
        (Fault::Status(403, "{}".into()), Cause::KeyRefused { status: 403 }),
        (
            Fault::Status(200, r#"{"error":"Unexpected endpoint or method. (GET /v1/models)"}"#.into()),
            Cause::WrongPath { path },
        ),
    ] {
        sim.always_on("/models", fault.clone());
        assert_eq!(probe_failure(&upstream, sim.profile("p")).await.cause, cause, "{fault:?}");
        sim.mend();
    }
    sim.fault_on("/models", Fault::Status(200, r#"{"data":[{"id":"ok"},{"id":7}]}"#.into()));
    let partly = found(&upstream, sim.profile("p")).await;
    assert_eq!(partly.models.len(), 1);
    assert_eq!(partly.malformed.as_deref(), Some("data[1].id: expected a name, came the number 7"));
    sim.fault_on("/models", Fault::Status(200, r#"{"data":[]}"#.into()));
    assert_eq!(found(&upstream, sim.profile("p")).await.models, []);
}

#[tokio::test]
async fn an_endless_list_ends_in_time() {
    let sim = Sim::start(SimKind::OpenaiCompatible).await;
    sim.always_on("/models", Fault::Endless);
    let failure = probe_failure(&upstream(), sim.profile("p")).await;
    assert!(matches!(failure.cause, Cause::TooLarge { .. } | Cause::SilentServer), "{failure:?}");
}

#[tokio::test]
async fn a_probe_that_fails_once_is_tried_again() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    for fault in [Fault::Reset, Fault::Silence, Fault::Status(500, "{}".into())] {
        let before = sim.asked("/v1/models");
        sim.fault_on("/v1/models", fault.clone());
        let report = probe(&upstream(), sim.profile("p")).await;
        assert!(report.outcome.is_ok(), "{fault:?}: {report:?}");
        assert_eq!(sim.asked("/v1/models") - before, 2);
        assert!(report.latency_ms < 400, "the latency is of the try that answered: {}", report.latency_ms);
    }
    sim.always_on("/v1/models", Fault::Status(500, "{}".into()));
    let before = sim.asked("/v1/models");
    assert_eq!(probe_failure(&upstream(), sim.profile("p")).await.cause, Cause::ServerError { status: 500 });
    assert_eq!(sim.asked("/v1/models") - before, 2);
}

#[tokio::test]
async fn a_model_that_still_loads_is_said_to_load() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let body = r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#;
    sim.always_on("/v1/models", Fault::Status(503, body.into()));
    let failure = probe_failure(&upstream(), sim.profile("p")).await;
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (ErrorCode::Overloaded, "503: the model is still loading (Loading model)")
    );
    assert_eq!(sim.asked("/v1/models"), 1);
}

#[tokio::test]
async fn z_ai_without_a_model_list_is_healthy() {
    let sim = Sim::start(SimKind::ZAi).await;
    sim.always_on("/models", Fault::Status(404, "{}".into()));
    let found = found(&upstream(), sim.profile("zai")).await;
    assert_eq!((found.models.len(), found.authenticated), (0, None));
}

#[tokio::test]
async fn a_model_that_ollama_runs_elsewhere_is_marked() {
    let sim = Sim::start(SimKind::Ollama).await;
    sim.set_models(vec![
        SimModel::named("near"),
        SimModel { remote: true, loaded: false, ..SimModel::named("far:cloud") },
    ]);
    let found = found(&upstream(), sim.profile("p")).await;
    assert_eq!(
        found.models.iter().map(|model| (model.remote, model.loaded)).collect::<Vec<_>>(),
        [(false, Some(true)), (true, None)]
    );
}

#[tokio::test]
async fn llama_cpp_without_its_slots_still_tells_its_window() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    sim.always_on(
        "/slots",
        Fault::Status(501, r#"{"error":{"code":501,"message":"no slots","type":"not_supported_error"}}"#.into()),
    );
    let upstream = upstream();
    for _ in 0..2 {
        assert_eq!(found(&upstream, sim.profile("p")).await.models[0].context, Some(2048));
    }
    assert_eq!(sim.asked("/slots"), 1);
}

// ---- connection tests ----

#[tokio::test]
async fn a_connection_test_walks_all_steps_and_asks_for_one_word() {
    let upstream = upstream();
    for kind in ALL {
        let sim = Sim::start(kind).await;
        let report = test(&upstream, sim.profile("p"), true).await;
        assert!(report.passed(), "{kind:?}: {report:?}");
        let names = ["address", "connect", "http", "kind", "key", "models", "answer"];
        assert_eq!(report.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), names);
        assert!(report.steps.iter().all(|step| step.state == StepState::Passed), "{kind:?}: {report:?}");
        assert_eq!(report.models.len(), 1);
        assert_eq!(sim.chats().len(), 1);
        // Every model of OpenAI takes the newer name, and the older ones take both.
        let name = if kind == SimKind::Openai { "max_completion_tokens" } else { "max_tokens" };
        assert_eq!(sim.chats()[0].json()[name], 16);
    }
}

#[tokio::test]
async fn a_connection_test_costs_nothing_unless_asked_to() {
    let sim = Sim::start(SimKind::Openai).await;
    let report = test(&upstream(), sim.profile("p"), false).await;
    assert_eq!(states(&report)[6], "answer skipped");
    assert_eq!(sim.chats().len(), 0);
}

#[tokio::test]
async fn an_answer_in_an_unknown_shape_names_the_field_and_the_version_of_the_server() {
    let odd = r#"{"choices":[{"index":0,"delta":{"content":{"parts":["hi"]}}}]}"#;
    for kind in [SimKind::Ollama, SimKind::LlamaCpp, SimKind::Vllm] {
        let sim = Sim::start(kind).await;
        let upstream = upstream();
        let version = found(&upstream, sim.profile("p")).await.version.unwrap();
        sim.fault(Fault::Frame { after: 0, frame: format!("data: {odd}\n\ndata: [DONE]\n\n") });
        let failure = run(&upstream, job(sim.profile("p"), chat(true))).await.failure.unwrap();
        assert_eq!(failure.code, ErrorCode::BadAnswer, "{kind:?}: {failure:?}");
        let field = "choices[0].delta.content: expected a text, came an object";
        assert!(failure.message.contains(field), "{}", failure.message);
        assert!(failure.message.ends_with(&format!("(it says it is version {version})")), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_server_of_another_kind_is_pointed_out() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let report = test(&upstream(), profile_at("p", Kind::Vllm, sim.endpoint(), None), false).await;
    assert_eq!(states(&report)[3], "kind warned");
    assert!(report.steps[3].verdict.contains("llama.cpp"), "{report:?}");
    assert_eq!(report.cautions, [Cause::OtherProgram { looks_like: Some("llama.cpp".into()) }]);
}

#[tokio::test]
async fn lm_studio_without_a_model_passes_with_a_caution() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    sim.set_models(vec![SimModel::unloaded("a")]);
    let report = test(&upstream(), sim.profile("p"), false).await;
    assert_eq!((states(&report)[5].as_str(), report.cautions), ("models warned", vec![Cause::NoModelLoaded]));

    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V0)).await;
    sim.set_models(vec![SimModel::unloaded("a")]);
    sim.jit(false);
    let report = test(&upstream(), sim.profile("p"), true).await;
    assert_eq!(report.cautions, [Cause::JitOff]);
    assert_eq!(report.failure.unwrap().cause, Cause::NoModelLoaded);
}

#[tokio::test]
async fn what_a_test_quotes_from_a_server_is_safe_to_show() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    sim.set_models(vec![SimModel::named("evil\u{1b}[2J\u{202e}model")]);
    let report = test(&upstream(), sim.profile("p"), true).await;
    assert_eq!(report.models[0].id.as_str(), "evil\u{1b}[2J\u{202e}model");
    for step in &report.steps {
        assert!(!step.verdict.contains(['\u{1b}', '\u{202e}']), "{step:?}");
    }
    sim.always_on("/models", Fault::Status(500, "\u{1b}]0;owned\u{7} boom".into()));
    let failure = probe_failure(&upstream(), sim.profile("p")).await;
    assert!(!failure.message.contains(char::is_control) && failure.message.contains("boom"), "{failure:?}");
}

#[tokio::test]
async fn the_answer_of_a_test_fails_with_the_server_s_words() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    sim.fault(Fault::Status(400, r#"{"error":"Failed to load model \"demo-8b\". Error: Operation canceled."}"#.into()));
    let report = test(&upstream(), sim.profile("p"), true).await;
    assert_eq!(states(&report)[6], "answer failed");
    assert_eq!(report.failure.unwrap().code, ErrorCode::ModelLoadFailed);
}

// ---- discovery ----

#[tokio::test]
async fn discovery_names_what_runs_on_the_known_ports() {
    let lm_studio = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    lm_studio.set_models(vec![SimModel::named("a"), SimModel::unloaded("b"), SimModel::unloaded("c")]);
    let llama = Sim::start(SimKind::LlamaCpp).await;
    let ollama = Sim::start(SimKind::Ollama).await;
    let vllm = Sim::start(SimKind::Vllm).await;
    let other = Sim::start(SimKind::OpenaiCompatible).await;
    other.always_on("", Fault::Html);
    let ssh = PlainPort::saying("SSH-2.0-x\r\n").await;
    let nothing = free_port().await;

    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".lmstudio/.internal");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("http-server-config.json"),
        format!(r#"{{"port":{},"networkInterface":"127.0.0.1"}}"#, lm_studio.port()),
    )
    .unwrap();
    let ports = [
        (llama.port(), Kind::Vllm),
        (ollama.port(), Kind::Ollama),
        (vllm.port(), Kind::Vllm),
        (other.port(), Kind::LlamaCpp),
        (ssh.port, Kind::LlamaCpp),
        (nothing, Kind::Ollama),
    ];
    let surroundings = Surroundings {
        lookup: Arc::new(Names(HashMap::new())),
        home: Some(home.path().to_path_buf()),
        ports: ports.to_vec(),
    };
    let upstream = HttpUpstream::with(Arc::new(Stopped), surroundings).unwrap();
    let known = Arc::new(llama.profile("my-llama"));
    let rows = upstream.discover(vec![known]).await;
    let told: Vec<_> = rows.iter().map(|row| (row.kind, row.answered, row.note.as_str())).collect();
    assert_eq!(
        told,
        [
            (Kind::LlamaCpp, true, "1 model, loaded"),
            (Kind::Ollama, true, "1 model, loaded"),
            (Kind::Vllm, true, "1 model, loaded"),
            (Kind::LlamaCpp, false, "another program holds this port, no model server"),
            (Kind::LlamaCpp, false, "another program holds this port, no model server"),
            (Kind::Ollama, false, "nothing there"),
            (Kind::LmStudio, true, "3 models, 1 loaded"),
        ]
    );
    assert_eq!(rows[0].configured_as.as_ref().map(lmdeck::domain::ids::ProviderId::as_str), Some("my-llama"));
    assert_eq!(rows[6].endpoint, lm_studio.origin());
    assert_eq!(rows[6].configured_as, None);
    let unknown = lm_studio
        .seen()
        .iter()
        .filter(|r| !["/lmstudio-greeting", "/api/v1/models", "/v1/models"].contains(&r.path.as_str()))
        .count();
    assert_eq!(unknown, 0, "LM Studio logs an error for each unknown route");
}

#[tokio::test]
async fn a_damaged_settings_file_of_lm_studio_is_ignored() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".lmstudio/.internal");
    std::fs::create_dir_all(&folder).unwrap();
    for content in [&b"{\"port\":"[..], b"{\"port\":99999999}", b"{\"port\":\"x\"}", b"\xff\xfe", b""] {
        std::fs::write(folder.join("http-server-config.json"), content).unwrap();
        let surroundings = Surroundings {
            lookup: Arc::new(Names(HashMap::new())),
            home: Some(home.path().to_path_buf()),
            ports: Vec::new(),
        };
        let upstream = HttpUpstream::with(Arc::new(Stopped), surroundings).unwrap();
        assert_eq!(upstream.discover(Vec::new()).await, []);
    }
}

#[tokio::test]
async fn a_server_without_a_list_is_used_when_it_takes_calls_and_its_models_are_named() {
    let not_found = || Fault::Status(404, r#"{"detail":"Not Found"}"#.into());
    for (kind, base, list, calls) in [
        (Kind::OpenaiCompatible, "/v1", "/v1/models", "/v1/chat/completions"),
        (Kind::Anthropic, "/v1", "/v1/models", "/v1/messages"),
        (Kind::Anthropic, "/anthropic", "/anthropic/v1/models", "/anthropic/v1/messages"),
    ] {
        let sim = Sim::start(SimKind::OpenaiCompatible).await;
        sim.always_on(list, not_found());
        sim.always_on(calls, Fault::Status(405, r#"{"detail":"Method Not Allowed"}"#.into()));
        let mut profile = profile_at("p", kind, endpoint("127.0.0.1", sim.port(), base), Some(VENDOR_KEY));
        assert_eq!(probe_failure(&upstream(), profile.clone()).await.cause, Cause::WrongPath { path: list.into() });

        profile.models = vec![ModelProfile::named("m")];
        let found = found(&upstream(), profile.clone()).await;
        assert_eq!((found.models.len(), found.authenticated, found.malformed), (0, None, None), "{kind}");

        sim.mend();
        sim.always_on(list, not_found());
        sim.always_on(calls, not_found());
        let failure = probe_failure(&upstream(), profile).await;
        assert_eq!(failure.cause, Cause::WrongPath { path: list.into() }, "nothing shows that the address is right");
        assert!(sim.seen().iter().all(|request| request.method == "GET"), "a probe only looks");
    }
}

/// Z.AI's plan is offered in Anthropic's form below a path of its own, and has no list there.
#[tokio::test]
async fn anthropic_s_interface_below_a_path_is_looked_for_and_called_there() {
    let sim = Sim::start(SimKind::ZAi).await;
    let base = endpoint("127.0.0.1", sim.port(), "/api/anthropic");
    let mut profile = profile_at("plan", Kind::Anthropic, base, sim.key().as_deref().or(Some(VENDOR_KEY)));
    profile.models = vec![ModelProfile::named(sim.models()[0].id.as_str())];
    assert_eq!(found(&upstream(), profile.clone()).await.malformed, None);
    let tested = test(&upstream(), profile.clone(), true).await;
    assert!(tested.steps.iter().all(|step| step.state != StepState::Failed), "{tested:?}");
    assert!(sim.seen().iter().all(|request| request.path.starts_with("/api/anthropic/v1/")), "{:?}", sim.seen());
}
