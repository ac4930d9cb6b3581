//! Requests over a real connection against the gateway, with a scripted engine behind its handle.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests end the test that called them")]

use crate::support::snapshot;
use axum::body::Bytes;
use futures_util::future::BoxFuture;
use lmdeck::adapters::clock::unix_now;
use lmdeck::domain::call::{Attempt, Body, CallRecord, CallRequest, Facts, Finish, Priority, Role, Status, Usage};
use lmdeck::domain::config::Origin;
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::{ProviderHealth, State};
use lmdeck::domain::ids::{CallId, ProviderId, Target};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::{Cost, Money};
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::ActiveChoice;
use lmdeck::domain::secret::Secret;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::handle::{CALL_CAPACITY, COMMAND_CAPACITY, Caller, EVENT_CAPACITY, EngineHandle, Envelope};
use lmdeck::engine::protocol::{
    CallEvent, CallHead, CallOutcome, Command, ConfigView, GatewayView, ModelView, ProviderView, Reply, RoutingView,
    Snapshot, SpendView,
};
use lmdeck::gateway::{self, GatewayOptions};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};

/// Longer than anything here takes; a test that reaches it has found a hang.
const PATIENCE: Duration = Duration::from_secs(20);

// ---------------------------------------------------------------- the scripted engine

type Script = dyn Fn(CallRequest, mpsc::Sender<CallEvent>) -> BoxFuture<'static, ()> + Send + Sync;

struct Scripted {
    requests: Arc<Mutex<Vec<CallRequest>>>,
    script: Box<Script>,
}

impl Caller for Scripted {
    fn dispatch(&self, request: CallRequest) -> mpsc::Receiver<CallEvent> {
        let (events, receiver) = mpsc::channel(CALL_CAPACITY);
        self.requests.lock().unwrap().push(request.clone());
        tokio::spawn((self.script)(request, events));
        receiver
    }
}

/// A gateway under test.
struct Deck {
    address: SocketAddr,
    client: reqwest::Client,
    requests: Arc<Mutex<Vec<CallRequest>>>,
    commands: Arc<Mutex<Vec<Command>>>,
    views: Arc<Mutex<Vec<GatewayView>>>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
}

struct Setup {
    options: GatewayOptions,
    snapshot: Snapshot,
    reply: fn(&Command) -> Reply,
}

impl Default for Setup {
    fn default() -> Self {
        Self { options: GatewayOptions::default(), snapshot: snapshot(), reply: |_| Reply::Done }
    }
}

impl Setup {
    async fn start<F>(self, script: impl Fn(CallRequest, mpsc::Sender<CallEvent>) -> F + Send + Sync + 'static) -> Deck
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = gateway::bind("127.0.0.1:0".parse().unwrap(), &self.options).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (command_sender, mut envelopes) = mpsc::channel(COMMAND_CAPACITY);
        let (_, snapshots) = watch::channel(Arc::new(self.snapshot));
        let (events, _) = broadcast::channel(EVENT_CAPACITY);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let script: Box<Script> = Box::new(move |request, events| Box::pin(script(request, events)));
        let caller = Arc::new(Scripted { requests: requests.clone(), script });
        let handle = EngineHandle::new(command_sender, snapshots, events, caller);

        let (commands, views) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (seen, told, answer) = (commands.clone(), views.clone(), self.reply);
        tokio::spawn(async move {
            while let Some(envelope) = envelopes.recv().await {
                match envelope {
                    Envelope::Command { command, reply } => {
                        if let Some(reply) = reply {
                            let _ = reply.send(answer(&command));
                        }
                        seen.lock().unwrap().push(command);
                    }
                    Envelope::Gateway(view) => told.lock().unwrap().push(view),
                }
            }
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(gateway::serve(listener, handle, self.options, unix_now, async move {
            let _ = stopped.await;
        }));
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Deck { address, client, requests, commands, views, stop: Some(stop), served: Some(served) }
    }
}

impl Deck {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
        self.client.post(self.url(path)).body(body).send().await.unwrap()
    }

    async fn chat(&self, body: &Value) -> reqwest::Response {
        self.post("/v1/chat/completions", body.to_string()).await
    }

    fn only_request(&self) -> CallRequest {
        let requests = self.requests.lock().unwrap();
        assert_eq!(requests.len(), 1);
        requests[0].clone()
    }

    /// Sends bytes as they are and reads until the gateway closes.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the gateway closes").unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

async fn json_of(response: reqwest::Response) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

fn smol() -> Target {
    Target::new("lm_studio", "smollm2")
}

fn head(stream: bool) -> CallEvent {
    CallEvent::Head(Box::new(CallHead {
        call_id: CallId::from("c7"),
        target: smol(),
        policy: "strategy:prefer_local".into(),
        attempts: 2,
        content_type: if stream { "text/event-stream" } else { "application/json; charset=utf-8" }.into(),
        stream,
        cache: "off".into(),
    }))
}

fn raw(text: &str) -> CallEvent {
    CallEvent::Raw { bytes: Bytes::copy_from_slice(text.as_bytes()) }
}

fn text(text: &str) -> CallEvent {
    CallEvent::Text { text: text.into() }
}

fn end() -> CallEvent {
    CallEvent::End(Box::new(CallOutcome {
        record: record().into(),
        failure: None,
        finish: Some(Finish::Stop),
        after_answer_bytes: true,
    }))
}

fn end_in(failure: Failure, after_answer_bytes: bool) -> CallEvent {
    let record = CallRecord {
        status: Status::of(failure.code),
        error: Some(failure.clone()),
        target: None,
        usage: None,
        ..record()
    };
    CallEvent::End(Box::new(CallOutcome {
        record: record.into(),
        failure: Some(failure),
        finish: None,
        after_answer_bytes,
    }))
}

fn record() -> CallRecord {
    CallRecord {
        id: CallId::from("c7"),
        ts: UnixMs(1_795_000_000_000),
        facts: Facts::default(),
        policy: "strategy:prefer_local".into(),
        rules_version: 1,
        chain: vec![smol()],
        rejects: Vec::new(),
        target: Some(smol()),
        status: Status::Ok,
        error: None,
        finish: Some(Finish::Stop),
        duration_ms: 1500,
        queue_ms: 0,
        ttft_ms: Some(200),
        usage: Some(Usage { input: 31, output: 9, cached: 0, reasoning: 0, ..Usage::default() }),
        cost: Cost::FREE,
        cache: "off".into(),
        attempts: Vec::new(),
        prompt: None,
        answer: None,
        reserved: None,
        observed: Vec::new(),
        outside: None,
    }
}

/// Plays these events and then waits until nobody listens.
fn plays(events: Vec<CallEvent>) -> impl Fn(CallRequest, mpsc::Sender<CallEvent>) -> BoxFuture<'static, ()> {
    move |_, sender| {
        let events = events.clone();
        Box::pin(async move {
            for event in events {
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        })
    }
}

// ---------------------------------------------------------------- the picture

fn provider(id: &str, kind: Kind, reach: Reach, state: State, models: &[&str]) -> ProviderView {
    let now = UnixMs(1_795_000_000_000);
    let model = |id: &&str| ModelView {
        listed: true,
        chat: !id.contains("embed"),
        loaded: Some(true),
        context: Some(8192),
        ..ModelView::of(*id)
    };
    ProviderView {
        health: ProviderHealth { state, ..ProviderHealth::new(now) },
        reach,
        models: models.iter().map(model).collect(),
        place: format!("providers[{id}]"),
        ..snapshot::provider(id, id, kind, "http://127.0.0.1:1234")
    }
}

fn snapshot() -> Snapshot {
    let section = |mut view: ProviderView, alias: &str| {
        view.origin = Origin::Section;
        view.aliases = BTreeMap::from([(alias.to_owned(), view.models.first().map(|model| model.id.clone()))]);
        for model in &mut view.models {
            model.named = true;
        }
        view
    };
    let providers = vec![
        section(
            provider("lm_studio", Kind::LmStudio, Reach::Machine, State::Up, &["smollm2", "qwen/qwen3-4b", "embed-x"]),
            "lm_studio_smollm2",
        ),
        section(provider("zai", Kind::ZAiGlm, Reach::Cloud, State::Up, &["glm-4.6"]), "z_ai_glm_4.6"),
        section(provider("openai", Kind::Openai, Reach::Cloud, State::Unauthorized, &["gpt-x"]), "openai_0"),
        provider("router", Kind::Openrouter, Reach::Cloud, State::Up, &["listed-only", "smollm2"]),
    ];
    Snapshot {
        revision: 1,
        config: Arc::new(ConfigView::default()),
        providers: Arc::new(providers.into_iter().map(Arc::new).collect()),
        routing: Arc::new(RoutingView { in_effect: Some(smol()), ..RoutingView::default() }),
        spend: Arc::new(SpendView {
            today: Money::from_dollars(2.5).unwrap(),
            limit: Money::from_dollars(10.0),
            // Others hold some of it.
            remaining: Money::from_dollars(6.25),
            ..SpendView::default()
        }),
        gateway: Arc::new(GatewayView::default()),
        running: Arc::new(Vec::new()),
        incidents: Arc::default(),
        flow: Arc::default(),
    }
}

// ---------------------------------------------------------------- chat completions

#[tokio::test]
async fn a_whole_answer_comes_back_as_the_server_sent_it() {
    let answer = "{ \"odd\" : 1,\n\"choices\":[{\"message\":{\"content\":\"caf\\u00e9\"}}]}";
    let deck = Setup::default().start(plays(vec![head(false), raw(answer), end()])).await;
    // Spacing, order, an unknown field: all of it must reach the engine untouched.
    let sent =
        "{\"x\": [1 ,2], \"model\":\"auto\", \"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}], \"max_tokens\":7}";
    let response = deck.post("/v1/chat/completions", sent).await;

    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    for (name, value) in [
        ("content-type", "application/json; charset=utf-8"),
        ("x-lmdeck-provider", "lm_studio"),
        ("x-lmdeck-model", "smollm2"),
        ("x-lmdeck-policy", "strategy:prefer_local"),
        ("x-lmdeck-call-id", "c7"),
        ("x-lmdeck-attempts", "2"),
        ("x-lmdeck-cache", "off"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(headers.get("access-control-allow-origin").is_none());
    assert_eq!(response.text().await.unwrap(), answer);

    let request = deck.only_request();
    assert_eq!(request.body, Body::RawOpenaiChat { json: sent.into() });
    assert_eq!(request.facts.requested_model, "auto");
    assert_eq!(request.facts.max_tokens, 7);
    assert_eq!(request.facts.prompt_tokens, sent.len() as u64 / 4);
    assert!(!request.facts.stream && !request.wants_usage);
}

#[tokio::test]
async fn a_stream_comes_back_byte_for_byte_while_it_is_written() {
    let go_on = Arc::new(Notify::new());
    let gate = go_on.clone();
    let deck = Setup::default()
        .start(move |_, events| {
            let gate = gate.clone();
            async move {
                let _ = events.send(head(true)).await;
                let _ = events.send(raw("data: {\"a\":1}\r\n\r\n")).await;
                gate.notified().await;
                for event in [raw(": a comment\n\n"), raw("data: {\"b\":2}\n\n"), raw("data: [DONE]\n\n"), end()] {
                    let _ = events.send(event).await;
                }
            }
        })
        .await;
    let mut response =
        deck.chat(&json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}})).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    assert_eq!(response.headers()["x-lmdeck-model"], "smollm2");
    // The first event is here before the second is written.
    assert_eq!(response.chunk().await.unwrap().unwrap(), "data: {\"a\":1}\r\n\r\n");
    go_on.notify_one();
    assert_eq!(response.text().await.unwrap(), ": a comment\n\ndata: {\"b\":2}\n\ndata: [DONE]\n\n");
    let request = deck.only_request();
    assert!(request.facts.stream && request.wants_usage);
}

#[tokio::test]
async fn labels_from_headers_and_metadata_are_facts() {
    let deck = Setup::default().start(plays(vec![head(false), raw("{}"), end()])).await;
    let body = json!({
        "model": "auto", "messages": [], "tools": [{}], "response_format": {"type": "json_object"},
        "metadata": {"request_type": "prayer_generation", "lmdeck.audience": "children", "lmdeck.team": "a"},
    });
    let response = deck
        .client
        .post(deck.url("/v1/chat/completions"))
        .header("x-lmdeck-priority", "high")
        .header("x-lmdeck-session", "s1")
        .header("x-lmdeck-tags", "privacy=high")
        .header("x-lmdeck-request-type", "teaching_generation")
        .header("user-agent", "DSPy/3.4.1")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let facts = deck.only_request().facts;
    assert_eq!(facts.request_type, "teaching_generation");
    assert_eq!((facts.audience.as_str(), facts.session.as_str()), ("children", "s1"));
    assert_eq!(facts.priority, Priority::High);
    assert_eq!(facts.client, "DSPy");
    assert_eq!(
        facts.tags.into_iter().collect::<Vec<_>>(),
        [("privacy".to_owned(), "high".to_owned()), ("team".to_owned(), "a".to_owned())]
    );
    assert!(facts.has_tools && facts.wants_json && !facts.has_images);
}

#[tokio::test]
async fn whether_a_kept_answer_will_do_comes_from_the_header_the_temperature_and_use_cache() {
    use lmdeck::domain::cache_key::CacheWish::{self, Off, On, Only, Sober, Usual};
    let mut hit = head(false);
    if let CallEvent::Head(head) = &mut hit {
        head.cache = "hit".into();
    }
    let deck = Setup::default().start(plays(vec![hit, raw("{}"), end()])).await;
    let wish = || -> CacheWish { deck.requests.lock().unwrap().last().unwrap().facts.cache };
    let plain = json!({ "model": "auto", "messages": [] });
    let sober = json!({ "model": "auto", "messages": [], "temperature": 0.0 });
    let warm = json!({ "model": "auto", "messages": [], "temperature": 0.7 });
    for (body, header, wanted) in [
        (&plain, None, Usual),
        (&warm, None, Usual),
        (&sober, None, Sober),
        (&sober, Some("off"), Off),
        (&warm, Some("on"), On),
        (&plain, Some("only"), Only),
    ] {
        let mut request = deck.client.post(deck.url("/v1/chat/completions")).body(body.to_string());
        if let Some(header) = header {
            request = request.header("x-lmdeck-cache", header);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["x-lmdeck-cache"], "hit");
        assert_eq!(wish(), wanted, "{body} {header:?}");
    }
    let wrong = deck.client.post(deck.url("/v1/chat/completions")).header("x-lmdeck-cache", "maybe");
    let response = wrong.body(plain.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(json_of(response).await["error"]["param"], "x-lmdeck-cache");
    for (body, wanted) in [
        (json!({ "prompt": "x" }), On),
        (json!({ "prompt": "x", "use_cache": true }), On),
        (json!({ "prompt": "x", "use_cache": false }), Off),
    ] {
        deck.post("/api/v1/llm/generate", body.to_string()).await;
        assert_eq!(wish(), wanted, "{body}");
    }
}

#[tokio::test]
async fn a_wrong_label_is_refused_by_name_and_never_becomes_a_call() {
    let deck = Setup::default().start(plays(vec![end()])).await;
    let request = deck.client.post(deck.url("/v1/chat/completions")).header("x-lmdeck-priority", "urgent").body("{}");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 400);
    let error = &json_of(response).await["error"];
    assert_eq!(error["param"], "x-lmdeck-priority");
    assert!(error["message"].as_str().unwrap().contains("low, normal or high"));
    assert!(deck.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_failure_before_the_answer_has_its_own_status_and_the_shape_clients_know() {
    for stream in [false, true] {
        for (code, status, kind, word) in [
            (ErrorCode::ContextLength, 400, "invalid_request_error", "context_length_exceeded"),
            (ErrorCode::Auth, 502, "server_error", "upstream_auth"),
            (ErrorCode::RateLimit, 429, "rate_limit_error", "rate_limit_exceeded"),
            (ErrorCode::NotFound, 404, "invalid_request_error", "model_not_found"),
            (ErrorCode::Network, 502, "server_error", "network"),
            (ErrorCode::NoRoute, 503, "server_error", "no_route"),
            (ErrorCode::Denied, 403, "permission_error", "denied"),
            (ErrorCode::Budget, 402, "permission_error", "budget"),
            (ErrorCode::Timeout, 504, "server_error", "timeout"),
        ] {
            let failure = Failure::plain(code, "it \"broke\"\u{1b}[31m").retry_after(Some(Duration::from_millis(2500)));
            let deck = Setup::default().start(plays(vec![end_in(failure, false)])).await;
            let response = deck.chat(&json!({"model": "m", "stream": stream})).await;
            assert_eq!(response.status(), status, "{code:?}");
            assert_eq!(response.headers()["retry-after"], "3");
            assert_eq!(response.headers()["x-lmdeck-call-id"], "c7");
            let body = json_of(response).await;
            assert_eq!((&body["error"]["type"], &body["error"]["code"]), (&json!(kind), &json!(word)), "{code:?}");
            assert_eq!(body["error"]["param"], Value::Null);
            let message = body["error"]["message"].as_str().unwrap();
            assert!(message.contains("it \"broke\"") && message.contains(code.class().advice), "{message}");
        }
    }
}

#[tokio::test]
async fn a_failed_provider_s_remedy_reaches_the_client_in_every_form() {
    let failure = Failure::new(ErrorCode::Network, Cause::Refused, "connection refused");
    let attempt = Attempt {
        target: smol(),
        start_ms: 0,
        ttft_ms: None,
        duration_ms: 1,
        failure: Some(failure.clone()),
        answered_by: None,
    };
    let record = CallRecord { attempts: vec![attempt], error: Some(failure.clone()), ..record() };
    let outcome = |after_answer_bytes| {
        let (record, failure) = (record.clone(), Some(failure.clone()));
        CallEvent::End(Box::new(CallOutcome { record: record.into(), failure, finish: None, after_answer_bytes }))
    };
    let todo = "Start the server: lms server start --port 1234";
    let whole = Setup::default().start(plays(vec![outcome(false)])).await;
    let text = whole.chat(&json!({"model": "m"})).await.text().await.unwrap();
    assert!(text.contains(todo), "{text}");
    let text = whole.post("/api/v1/llm/generate", "{\"prompt\":\"x\"}").await.text().await.unwrap();
    assert!(text.contains(todo), "{text}");
    let broken = Setup::default().start(plays(vec![head(true), raw("data: {}\n\n"), outcome(true)])).await;
    let text = broken.chat(&json!({"model": "m", "stream": true})).await.text().await.unwrap();
    assert!(text.contains(todo), "{text}");
}

#[tokio::test]
async fn an_overflow_is_worded_so_that_clients_know_it() {
    let failure = Failure::new(ErrorCode::ContextLength, Cause::Other, "9000 tokens do not fit into 8192");
    let deck = Setup::default().start(plays(vec![end_in(failure, false)])).await;
    let body = json_of(deck.chat(&json!({"model": "m"})).await).await;
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("This model's maximum context length is"), "{message}");
    assert!(message.contains("9000 tokens do not fit into 8192"));
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error_and_without_its_end_mark() {
    let failure = Failure::new(ErrorCode::Upstream, Cause::CutOff, "the stream ended early");
    let deck = Setup::default().start(plays(vec![head(true), raw("data: {\"a\":1}\n\n"), end_in(failure, true)])).await;
    let text = deck.chat(&json!({"model": "m", "stream": true})).await.text().await.unwrap();
    let rest = text.strip_prefix("data: {\"a\":1}\n\n").unwrap();
    let error: Value = serde_json::from_str(rest.strip_prefix("data: ").unwrap().trim_end()).unwrap();
    assert_eq!(error["error"]["code"], "upstream");
    assert!(!text.contains("[DONE]"));
}

#[tokio::test]
async fn a_whole_answer_that_breaks_is_an_error_and_not_half_an_answer() {
    let failure = Failure::new(ErrorCode::Upstream, Cause::CutOff, "the answer ended early");
    let deck = Setup::default().start(plays(vec![head(false), raw("{\"half\":"), end_in(failure, true)])).await;
    let response = deck.chat(&json!({"model": "m"})).await;
    assert_eq!(response.status(), 502);
    assert_eq!(json_of(response).await["error"]["code"], "upstream");
}

#[tokio::test]
async fn an_engine_that_goes_away_is_an_error_in_either_form() {
    let deck = Setup::default().start(plays(vec![])).await;
    let response = deck.chat(&json!({"model": "m"})).await;
    assert_eq!(response.status(), 500);
    assert_eq!(json_of(response).await["error"]["code"], "internal");

    let deck = Setup::default().start(plays(vec![head(true), raw("data: {}\n\n")])).await;
    let text = deck.chat(&json!({"model": "m", "stream": true})).await.text().await.unwrap();
    assert!(text.starts_with("data: {}\n\ndata: {\"error\":"), "{text}");
}

fn impatient() -> GatewayOptions {
    GatewayOptions {
        hold: Duration::from_millis(20),
        keep_alive: Duration::from_millis(20),
        ..GatewayOptions::default()
    }
}

#[tokio::test]
async fn a_stream_held_for_long_gets_comments_until_it_speaks() {
    let go_on = Arc::new(Notify::new());
    let gate = go_on.clone();
    let deck = Setup { options: impatient(), ..Setup::default() }
        .start(move |_, events| {
            let gate = gate.clone();
            async move {
                let trying = CallEvent::Trying { call_id: CallId::from("c7"), target: smol(), attempt: 1 };
                let _ = events.send(trying).await;
                gate.notified().await;
                for event in [head(true), raw("data: {\"a\":1}\n\ndata: [DONE]\n\n"), end()] {
                    let _ = events.send(event).await;
                }
            }
        })
        .await;
    let mut response = deck.chat(&json!({"model": "m", "stream": true})).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.chunk().await.unwrap().unwrap(), ": lmdeck waiting\n\n");
    assert!(response.chunk().await.unwrap().unwrap().starts_with(b": lmdeck waiting\n\n"));
    go_on.notify_one();
    let rest = response.text().await.unwrap();
    assert!(rest.ends_with("data: {\"a\":1}\n\ndata: [DONE]\n\n"), "{rest}");
    assert!(
        rest.strip_suffix("data: {\"a\":1}\n\ndata: [DONE]\n\n")
            .unwrap()
            .replace(": lmdeck waiting\n\n", "")
            .is_empty()
    );
}

#[tokio::test]
async fn a_failure_after_the_comments_is_an_event() {
    let go_on = Arc::new(Notify::new());
    let gate = go_on.clone();
    let deck = Setup { options: impatient(), ..Setup::default() }
        .start(move |_, events| {
            let gate = gate.clone();
            async move {
                gate.notified().await;
                let _ = events.send(end_in(Failure::plain(ErrorCode::NoRoute, "nothing is up"), false)).await;
            }
        })
        .await;
    let mut response = deck.chat(&json!({"model": "m", "stream": true})).await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), ": lmdeck waiting\n\n");
    go_on.notify_one();
    let rest = response.text().await.unwrap();
    let event = rest.split("\n\n").find(|event| event.starts_with("data: ")).unwrap();
    let error: Value = serde_json::from_str(&event["data: ".len()..]).unwrap();
    assert_eq!(error["error"]["code"], "no_route");
    assert!(!rest.contains("[DONE]"));
}

#[tokio::test]
async fn a_whole_request_is_held_without_comments() {
    let deck = Setup { options: impatient(), ..Setup::default() }
        .start(|_, events| async move {
            tokio::time::sleep(Duration::from_millis(80)).await;
            let _ = events.send(end_in(Failure::plain(ErrorCode::Overloaded, "busy"), false)).await;
        })
        .await;
    assert_eq!(deck.chat(&json!({"model": "m"})).await.status(), 503);
}

#[tokio::test]
async fn whoever_hangs_up_cancels_the_call() {
    // In the answer's stream, before the head of a stream, before a whole answer, and in the comments.
    for (events, stream, options) in [
        (vec![head(true), raw("data: {}\n\n")], true, GatewayOptions::default()),
        (vec![], true, GatewayOptions::default()),
        (vec![], false, GatewayOptions::default()),
        (vec![head(false)], false, GatewayOptions::default()),
        (vec![], true, impatient()),
    ] {
        let (started, cancelled) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begun, dropped) = (started.clone(), cancelled.clone());
        let deck = Setup { options, ..Setup::default() }
            .start(move |_, sender| {
                let (events, begun, dropped) = (events.clone(), begun.clone(), dropped.clone());
                async move {
                    for event in events {
                        let _ = sender.send(event).await;
                    }
                    begun.notify_one();
                    sender.closed().await;
                    dropped.notify_one();
                }
            })
            .await;
        let mut connection = TcpStream::connect(deck.address).await.unwrap();
        let body = json!({"model": "m", "stream": stream}).to_string();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        tokio::time::timeout(PATIENCE, started.notified()).await.expect("the call begins");
        drop(connection);
        tokio::time::timeout(PATIENCE, cancelled.notified()).await.expect("the call is cancelled");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_words() {
    let deck = Setup::default().start(plays(vec![end()])).await;
    for (body, wanted, param) in [
        (&b"{\"model\":"[..], "EOF", None),
        (b"", "EOF", None),
        (b"[1]", "a JSON object", None),
        (b"{\"model\":\"a\",\"model\":\"b\"}", "stands twice", Some("model")),
        (b"{\"model\":\"\xff\"}", "not UTF-8", None),
        (b"{\"stream\":1}", "line 1 column", Some("stream")),
        (b"<html>", "expected value", None),
    ] {
        let response = deck.post("/v1/chat/completions", body).await;
        assert_eq!(response.status(), 400);
        let error = json_of(response).await["error"].clone();
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().unwrap().contains(wanted), "{error}");
        if let Some(param) = param {
            assert_eq!(error["param"], param);
        }
    }
    assert!(deck.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn eight_mebibytes_pass_and_more_than_the_limit_is_refused() {
    let deck = Setup::default().start(plays(vec![head(false), raw("{}"), end()])).await;
    let big = |size: usize| json!({"model": "m", "messages": [{"content": "x".repeat(size)}]}).to_string();
    assert_eq!(deck.post("/v1/chat/completions", big(8 << 20)).await.status(), 200);
    // Announced, and in chunks without a length.
    let pieces = (0..33).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 20])));
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces.collect::<Vec<_>>()));
    for body in [reqwest::Body::from(big(33 << 20)), chunked] {
        let response = deck.post("/v1/chat/completions", body).await;
        assert_eq!(response.status(), 413);
        let error = json_of(response).await["error"].clone();
        assert_eq!(error["code"], "request_too_large");
        assert!(error["message"].as_str().unwrap().contains("32 MiB"), "{error}");
    }
    assert_eq!(deck.requests.lock().unwrap().len(), 1);
}

// ---------------------------------------------------------------- who may come in

#[tokio::test]
async fn with_keys_everything_but_health_asks_for_one() {
    let options = GatewayOptions::with_keys(vec![Secret::new("first-key"), Secret::new("")]);
    let deck = Setup { options, ..Setup::default() }.start(plays(vec![head(false), raw("{}"), end()])).await;
    assert_eq!(deck.get("/health").await.status(), 200);
    for path in ["/v1/models", "/ready", "/api/v1/llm/model-status", "/nothing/here"] {
        let response = deck.get(path).await;
        assert_eq!(response.status(), 401, "{path}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(json_of(response).await["error"]["code"], "invalid_api_key");
    }
    // A large request hears its refusal too, instead of a broken connection.
    assert_eq!(deck.post("/v1/chat/completions", vec![b' '; 4 << 20]).await.status(), 401);
    for (name, value, status) in [
        ("authorization", "Bearer first-key", 200),
        ("x-api-key", "first-key", 200),
        ("x-api-key", "", 401),
        ("authorization", "Bearer ", 401),
        ("authorization", "Bearer other-key", 401),
    ] {
        let request = deck.client.get(deck.url("/v1/models")).header(name, value);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{name}: {value}");
        assert!(!response.text().await.unwrap().contains("first-key"));
    }
    assert!(deck.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_page_from_elsewhere_gets_nothing_from_loopback() {
    let deck = Setup::default().start(plays(vec![head(false), raw("{}"), end()])).await;
    for (name, value, status) in [
        ("host", "localhost:4141", 200),
        ("host", "evil.example:4141", 403),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "http://localhost:3000", 200),
    ] {
        let request = deck.client.post(deck.url("/v1/chat/completions")).header(name, value).body("{\"model\":\"m\"}");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{name}: {value}");
        assert!(response.headers().get("access-control-allow-origin").is_none());
    }
    assert_eq!(deck.requests.lock().unwrap().len(), 2);
    let answer = deck.raw(b"GET /v1/models HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 400"), "{answer}");
}

/// The headers of an answer that concern pages of other sites.
fn cors_of(response: &reqwest::Response) -> BTreeMap<String, String> {
    let ours = |name: &str| name.starts_with("access-control-") || name == "vary";
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in response.headers().iter().filter(|(name, _)| ours(name.as_str())) {
        let value = value.to_str().unwrap();
        let line = headers.entry(name.to_string()).or_default();
        *line = if line.is_empty() { value.to_owned() } else { format!("{line}, {value}") };
    }
    headers
}

fn pages(origins: &[&str], keys: &[&str]) -> GatewayOptions {
    let cors_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    let keys = keys.iter().map(|key| Secret::new(*key)).collect();
    GatewayOptions { cors_origins, ..GatewayOptions::with_keys(keys) }
}

/// What a browser asks before it sends a page's request.
async fn question(deck: &Deck, headers: &[(&str, &str)]) -> reqwest::Response {
    let mut request = deck.client.request(reqwest::Method::OPTIONS, deck.url("/v1/chat/completions"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.header("access-control-request-method", "POST").send().await.unwrap()
}

#[tokio::test]
async fn a_page_that_is_named_may_use_a_gateway_without_keys_and_no_other_may() {
    let setup = Setup { options: pages(&["https://app.example"], &[]), ..Setup::default() };
    let deck = setup.start(plays(vec![head(false), raw("{}"), end()])).await;
    let named = [("origin", "https://app.example"), ("access-control-request-headers", "authorization,x-stainless-os")];
    let response = question(&deck, &named).await;
    assert_eq!(response.status(), 204);
    let cors = cors_of(&response);
    assert_eq!(cors["access-control-allow-origin"], "https://app.example");
    assert_eq!(cors["access-control-allow-methods"], "GET, POST");
    assert_eq!(cors["access-control-allow-headers"], "authorization,x-stainless-os");
    assert!(cors["vary"].split(", ").any(|word| word == "origin"), "{cors:?}");
    assert!(!cors.contains_key("access-control-allow-credentials"));
    assert!(!cors.contains_key("access-control-allow-private-network"));
    let asks = [named[0], ("access-control-request-private-network", "true")];
    assert_eq!(cors_of(&question(&deck, &asks).await)["access-control-allow-private-network"], "true");

    for (headers, status, readable) in [
        (&[("origin", "https://app.example")][..], 200, true),
        (&[("origin", "http://app.example")], 403, false),
        (&[("origin", "https://app.example.evil.example")], 403, false),
        (&[("origin", "https://evil.example")], 403, false),
        (&[("origin", "null")], 403, false),
        // By a name of its own that leads here: named or not, it is not loopback's.
        (&[("origin", "https://app.example"), ("host", "evil.example:4141")], 403, true),
        (&[], 200, false),
    ] {
        let mut request = deck.client.post(deck.url("/v1/chat/completions")).body("{\"model\":\"m\"}");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{headers:?}");
        let cors = cors_of(&response);
        assert_eq!(cors.contains_key("access-control-allow-origin"), readable, "{headers:?}: {cors:?}");
        assert_eq!(cors["vary"], "origin", "{headers:?}");
        if status == 200 && readable {
            assert!(cors["access-control-expose-headers"].contains("x-lmdeck-call-id"));
        }
    }
    for headers in
        [&[("origin", "https://evil.example")][..], &[("origin", "https://app.example"), ("host", "evil.example:4141")]]
    {
        let response = question(&deck, headers).await;
        assert!(response.status().is_client_error(), "{headers:?}");
        assert!(!cors_of(&response).contains_key("access-control-allow-methods"), "{headers:?}");
    }
    assert_eq!(deck.requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn with_keys_a_named_page_is_told_what_it_may_send_and_still_needs_a_key() {
    for origin in ["https://app.example", "*"] {
        let setup = Setup { options: pages(&[origin], &["first-key"]), ..Setup::default() };
        let deck = setup.start(plays(vec![head(false), raw("{}"), end()])).await;
        let response = question(&deck, &[("origin", "https://app.example")]).await;
        assert_eq!((response.status().as_u16(), &*cors_of(&response)["access-control-allow-origin"]), (204, origin));
        let get = || deck.client.get(deck.url("/v1/models")).header("origin", "https://app.example");
        let refused = get().send().await.unwrap();
        assert_eq!(refused.status(), 401);
        assert_eq!(cors_of(&refused)["access-control-allow-origin"], origin, "the page can read why");
        let let_in = get().header("authorization", "Bearer first-key").send().await.unwrap();
        assert_eq!(let_in.status(), 200);
        assert!(!cors_of(&let_in).contains_key("access-control-allow-credentials"));
    }
}

#[tokio::test]
async fn any_page_is_none_where_no_key_is_needed() {
    let setup = Setup { options: pages(&["*"], &[""]), ..Setup::default() };
    let deck = setup.start(plays(vec![head(false), raw("{}"), end()])).await;
    let response = question(&deck, &[("origin", "https://evil.example")]).await;
    assert_eq!((response.status().as_u16(), cors_of(&response)), (403, BTreeMap::new()));
}

#[tokio::test]
async fn wrong_paths_and_methods_name_the_routes() {
    let deck = Setup::default().start(plays(vec![end()])).await;
    for path in ["/", "/v1", "/v1/v1/chat/completions", "/v1/images/generations"] {
        let response = deck.get(path).await;
        assert_eq!(response.status(), 404, "{path}");
        let message = json_of(response).await["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(path) && message.contains("POST /v1/chat/completions"), "{message}");
    }
    let response = deck.get("/v1/chat/completions").await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(json_of(response).await["error"]["code"], "method_not_allowed");
}

// ---------------------------------------------------------------- connections

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let options = GatewayOptions { header_timeout: Duration::from_millis(100), ..GatewayOptions::default() };
    let deck = Setup { options, ..Setup::default() }.start(plays(vec![end()])).await;
    let answer = deck.raw(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_any_more_loses_its_connection_and_its_call() {
    let options = GatewayOptions { unread_timeout: Duration::from_millis(200), ..GatewayOptions::default() };
    let cancelled = Arc::new(Notify::new());
    let gone = cancelled.clone();
    let deck = Setup { options, ..Setup::default() }
        .start(move |_, events| {
            let gone = gone.clone();
            async move {
                events.send(head(true)).await.unwrap();
                let chunk = raw(&format!("data: {}\n\n", "x".repeat(64 * 1024)));
                while events.send(chunk.clone()).await.is_ok() {}
                gone.notify_one();
            }
        })
        .await;
    // Stopped by ctrl-z: its socket lives, and nothing is taken from it.
    let mut stopped = TcpStream::connect(deck.address).await.unwrap();
    let body = r#"{"model":"auto","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}", body.len());
    stopped.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
    tokio::time::timeout(PATIENCE, cancelled.notified()).await.expect("its call ends");
    let mut came = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stopped.read_to_end(&mut came)).await.expect("the gateway closes");
    assert!(ended.is_err() || !came.ends_with(b"0\r\n\r\n"), "it cannot be taken for whole");
}

#[tokio::test]
async fn a_body_that_stops_half_way_is_answered_and_cut_off() {
    let options = GatewayOptions { body_timeout: Duration::from_millis(100), ..GatewayOptions::default() };
    let deck = Setup { options, ..Setup::default() }.start(plays(vec![end()])).await;
    let answer = deck
        .raw(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"model\"")
        .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("the body stopped half-way"), "{answer}");
    assert!(deck.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_request_that_is_no_http_is_refused_and_the_next_one_is_served() {
    let deck = Setup::default().start(plays(vec![end()])).await;
    assert!(
        deck.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello tls\r\n\r\n").await.starts_with("HTTP/1.1 400")
    );
    assert_eq!(deck.get("/health").await.status(), 200);
}

#[tokio::test]
async fn a_panic_is_one_500_and_the_gateway_goes_on() {
    let deck = Setup { reply: |_| Reply::Done, ..Setup::default() }.start(panics_at_once).await;
    let response = deck.chat(&json!({"model": "m"})).await;
    assert_eq!(response.status(), 500);
    assert_eq!(json_of(response).await["error"]["code"], "internal");
    assert_eq!(deck.get("/health").await.status(), 200);
}

fn panics_at_once(_: CallRequest, _: mpsc::Sender<CallEvent>) -> BoxFuture<'static, ()> {
    panic!("as the test wants it")
}

#[tokio::test]
async fn a_shutdown_lets_the_stream_end() {
    let (started, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun, gate) = (started.clone(), go_on.clone());
    let mut deck = Setup::default()
        .start(move |_, events| {
            let (begun, gate) = (begun.clone(), gate.clone());
            async move {
                let _ = events.send(head(true)).await;
                begun.notify_one();
                gate.notified().await;
                let _ = events.send(raw("data: [DONE]\n\n")).await;
                let _ = events.send(end()).await;
            }
        })
        .await;
    let response = deck.chat(&json!({"model": "m", "stream": true})).await;
    started.notified().await;
    deck.stop.take().unwrap().send(()).unwrap();
    // It takes nobody new, which shows that the shutdown has begun.
    while TcpStream::connect(deck.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go_on.notify_one();
    assert_eq!(response.text().await.unwrap(), "data: [DONE]\n\n");
    let served = deck.served.take().unwrap();
    tokio::time::timeout(PATIENCE, served).await.expect("it ends").unwrap().unwrap();
    let address = deck.address.to_string();
    assert_eq!(
        *deck.views.lock().unwrap(),
        [GatewayView { listening: Some(address), trouble: None }, GatewayView::default()]
    );
}

#[tokio::test]
async fn a_stream_that_outlives_the_shutdown_is_cut_and_cancelled() {
    let cancelled = Arc::new(Notify::new());
    let dropped = cancelled.clone();
    let options = GatewayOptions { drain: Duration::from_millis(50), ..GatewayOptions::default() };
    let mut deck = Setup { options, ..Setup::default() }
        .start(move |_, events| {
            let dropped = dropped.clone();
            async move {
                let _ = events.send(head(true)).await;
                events.closed().await;
                dropped.notify_one();
            }
        })
        .await;
    let response = deck.chat(&json!({"model": "m", "stream": true})).await;
    deck.stop.take().unwrap().send(()).unwrap();
    tokio::time::timeout(PATIENCE, cancelled.notified()).await.expect("the call is cancelled");
    let served = deck.served.take().unwrap();
    tokio::time::timeout(PATIENCE, served).await.expect("it ends").unwrap().unwrap();
    assert!(response.text().await.is_err(), "a cut stream must not look complete");
}

#[tokio::test]
async fn a_taken_port_and_an_open_address_are_refused_in_words() {
    let options = GatewayOptions::default();
    let first = gateway::bind("127.0.0.1:0".parse().unwrap(), &options).await.unwrap();
    let taken = first.local_addr().unwrap();
    let words = gateway::bind(taken, &options).await.unwrap_err();
    assert!(words.contains(&taken.to_string()) && words.contains("--listen"), "{words}");

    let open: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let words = gateway::bind(open, &GatewayOptions::with_keys(vec![Secret::new("")])).await.unwrap_err();
    assert!(words.contains("no key") && words.contains("gateway.api_keys"), "{words}");

    let words =
        gateway::bind("192.0.2.1:4141".parse().unwrap(), &GatewayOptions::with_keys(vec![Secret::new("k")])).await;
    assert!(words.unwrap_err().contains("this machine has no such address"));
}

// ---------------------------------------------------------------- models, health, service API

#[tokio::test]
async fn the_list_of_models_holds_the_choices_and_every_usable_target() {
    let deck = Setup::default().start(plays(vec![end()])).await;
    let list = json_of(deck.get("/v1/models").await).await;
    assert_eq!(list["object"], "list");
    let rows = list["data"].as_array().unwrap();
    let ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    // Neither the embedding model nor the provider whose key was refused.
    assert_eq!(
        ids,
        [
            "auto",
            "local",
            "cloud",
            "lm_studio/smollm2",
            "lm_studio/qwen/qwen3-4b",
            "zai/glm-4.6",
            "router/listed-only",
            "router/smollm2"
        ]
    );
    for row in rows {
        assert_eq!(row["object"], "model");
        assert!(row["created"].as_u64().unwrap() > 1_700_000_000);
        assert!(row["owned_by"].is_string());
    }
}

#[tokio::test]
async fn health_is_always_well_and_ready_follows_the_target_in_effect() {
    let deck = Setup::default().start(plays(vec![end()])).await;
    let health = json_of(deck.get("/health").await).await;
    assert_eq!(health, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
    let ready = deck.get("/ready").await;
    assert_eq!(ready.status(), 200);
    assert_eq!(json_of(ready).await["target"], "lm_studio/smollm2");

    let routing = RoutingView { in_effect_why: "lm_studio is down".into(), ..RoutingView::default() };
    let snapshot = Snapshot { routing: Arc::new(routing), ..snapshot() };
    let deck = Setup { snapshot, ..Setup::default() }.start(plays(vec![end()])).await;
    assert_eq!(deck.get("/health").await.status(), 200);
    let ready = deck.get("/ready").await;
    assert_eq!(ready.status(), 503);
    assert_eq!(json_of(ready).await["reason"], "lm_studio is down");
}

#[tokio::test]
async fn model_status_does_not_call_a_model_local_that_a_near_server_runs_elsewhere() {
    let mut snapshot = snapshot();
    let mut providers = (*snapshot.providers).clone();
    Arc::make_mut(&mut providers[0]).models.iter_mut().for_each(|model| model.remote = model.id.as_str() == "smollm2");
    snapshot.providers = Arc::new(providers);
    let deck = Setup { snapshot, ..Setup::default() }.start(plays(vec![end()])).await;
    let status = json_of(deck.get("/api/v1/llm/model-status").await).await;
    assert_eq!(status["models"]["lm_studio_smollm2"]["is_local"], false);
    assert_eq!(status["models"]["lm_studio_qwen/qwen3-4b"]["is_local"], true);
}

#[tokio::test]
async fn model_status_has_the_original_services_fields() {
    let deck = Setup::default().start(plays(vec![end()])).await;
    let status = json_of(deck.get("/api/v1/llm/model-status").await).await;
    assert_eq!(status["active_model"], "lm_studio/smollm2");
    assert_eq!(status["active_chosen"], "auto");
    assert_eq!(status["total_models"], 4);
    assert_eq!(status["cache_size"], 0);
    assert_eq!(status["lm_studio_available"], true);
    assert_eq!(status["lm_studio_models"], json!(["smollm2", "qwen/qwen3-4b"]));
    assert_eq!(status["daily_cost"], 2.5);
    assert_eq!(status["budget_remaining"], 6.25, "what can still be spent, and not what nobody spent yet");
    assert_eq!(status["all_healthy"], false);
    let names: Vec<&String> = status["models"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["lm_studio_smollm2", "lm_studio_qwen/qwen3-4b", "z_ai_glm_4.6", "openai_0"]);
    assert_eq!(
        status["models"]["z_ai_glm_4.6"],
        json!({"provider": "z_ai_glm", "model_name": "glm-4.6", "available": true, "rate_limited": false,
               "is_local": false})
    );
    assert_eq!(status["models"]["openai_0"]["available"], false);

    let list = json_of(deck.get("/api/v1/llm/models").await).await;
    assert_eq!(list["total_models"], 4);
    assert_eq!(list["models"][0]["id"], "lm_studio/smollm2");
    assert_eq!(list["models"][0]["active"], true);
}

#[tokio::test]
async fn a_parked_provider_is_rate_limited_until_its_time_has_come() {
    let mut picture = snapshot();
    let mut providers: Vec<ProviderView> = picture.providers.iter().map(|view| (**view).clone()).collect();
    providers[0].parked_until = Some(UnixMs(1));
    providers[1].parked_until = Some(UnixMs(i64::MAX));
    picture.providers = Arc::new(providers.into_iter().map(Arc::new).collect());
    let deck = Setup { snapshot: picture, ..Setup::default() }.start(plays(vec![end()])).await;
    let models = json_of(deck.get("/api/v1/llm/model-status").await).await["models"].clone();
    assert_eq!(models["lm_studio_smollm2"]["rate_limited"], false);
    assert_eq!(models["z_ai_glm_4.6"]["rate_limited"], true);
    assert_eq!(models["z_ai_glm_4.6"]["available"], false);
}

#[tokio::test]
async fn switching_understands_every_name_a_model_has() {
    let deck = Setup::default().start(plays(vec![end()])).await;
    let glm = ActiveChoice::Target(Target::new("zai", "glm-4.6"));
    for (name, choice) in [
        ("auto", ActiveChoice::Auto),
        ("lm_studio", ActiveChoice::Provider(ProviderId::from("lm_studio"))),
        ("lm_studio/qwen/qwen3-4b", ActiveChoice::Target(Target::new("lm_studio", "qwen/qwen3-4b"))),
        ("z_ai_glm_4.6", glm.clone()),
        ("glm-4.6", glm),
        ("openai_0", ActiveChoice::Target(Target::new("openai", "gpt-x"))),
        ("lm_studio_qwen/qwen3-4b", ActiveChoice::Target(Target::new("lm_studio", "qwen/qwen3-4b"))),
        ("smollm2", ActiveChoice::Target(smol())),
        ("router/not-listed-yet", ActiveChoice::Target(Target::new("router", "not-listed-yet"))),
    ] {
        let response = deck.post("/api/v1/llm/switch-model", json!({"model_id": name}).to_string()).await;
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(json_of(response).await["active_chosen"], choice.to_string());
        assert_eq!(deck.commands.lock().unwrap().pop(), Some(Command::UseTarget { choice }), "{name}");
    }
    for (body, status, wanted) in [
        (json!({"model_id": "lm_studio/tippo"}), 404, "lm_studio/smollm2"),
        (json!({"model_id": "lm_studio/embed-x"}), 404, "lm_studio/smollm2"),
        (json!({"model_id": "nothing"}), 404, "z"),
        (json!({}), 400, "model_id is missing"),
        (json!({"model_id": 3}), 400, "must be a text"),
        (json!([]), 400, "a JSON object"),
    ] {
        let response = deck.post("/api/v1/llm/switch-model", body.to_string()).await;
        assert_eq!(response.status(), status, "{body}");
        let error = json_of(response).await["error"]["message"].as_str().unwrap().to_owned();
        assert!(error.contains(wanted), "{error}");
    }
    assert!(deck.commands.lock().unwrap().is_empty());

    let deck = Setup { reply: |_| Reply::refused(4, "it is down", "start it"), ..Setup::default() }
        .start(plays(vec![end()]))
        .await;
    let response = deck.post("/api/v1/llm/switch-model", "{\"model_id\":\"auto\"}").await;
    assert_eq!(response.status(), 503);
    assert_eq!(json_of(response).await["error"]["message"], "it is down; start it");
}

#[tokio::test]
async fn generate_answers_with_the_original_services_fields() {
    let deck = Setup::default().start(plays(vec![head(false), text("Peace "), text("be."), end()])).await;
    let body = json!({
        "prompt": "Say peace.", "system_prompt": "Be brief.", "priority": "high", "preferred_provider": "lm_studio",
        "context": {"request_type": "prayer_generation", "complexity": "low", "tradition": "zen", "count": 3, "x": {}},
    });
    let response = deck.post("/api/v1/llm/generate", body.to_string()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-lmdeck-call-id"], "c7");
    let answer = json_of(response).await;
    assert_eq!(answer["content"], "Peace be.");
    assert_eq!(answer["model_used"], "lm_studio/smollm2");
    assert_eq!(answer["provider"], "lm_studio");
    assert_eq!(answer["tokens_used"], 40);
    assert_eq!(answer["generation_time"], 1.5);
    assert_eq!(answer["cached"], false);
    for (name, value) in [
        ("response_id", json!("c7")),
        ("local_model", json!(true)),
        ("call_id", json!("c7")),
        ("policy", json!("strategy:prefer_local")),
        ("attempts", json!(0)),
    ] {
        assert_eq!(answer["metadata"][name], value, "{name}");
    }

    let request = deck.only_request();
    let Body::Chat { messages, max_tokens, temperature, stream } = request.body else { panic!("a chat body") };
    let spoken: Vec<_> = messages.iter().map(|message| (message.role, message.content.as_str())).collect();
    assert_eq!(spoken, [(Role::System, "Be brief."), (Role::User, "Say peace.")]);
    assert_eq!((max_tokens, temperature, stream), (Some(1000), Some(0.7), false));
    let facts = request.facts;
    assert_eq!((facts.request_type.as_str(), facts.complexity.as_str()), ("prayer_generation", "low"));
    assert_eq!((facts.priority, facts.preferred_provider.as_str()), (Priority::High, "lm_studio"));
    assert_eq!(
        facts.tags.into_iter().collect::<Vec<_>>(),
        [("count".to_owned(), "3".to_owned()), ("tradition".to_owned(), "zen".to_owned())]
    );
}

#[tokio::test]
async fn generate_fails_in_the_same_fields_and_never_with_200() {
    let failure = Failure::plain(ErrorCode::NoRoute, "nothing is up");
    let deck = Setup::default().start(plays(vec![end_in(failure, false)])).await;
    let response = deck.post("/api/v1/llm/generate", "{\"prompt\":\"Hi\"}").await;
    assert_eq!(response.status(), 503);
    let answer = json_of(response).await;
    assert_eq!(answer["model_used"], "error");
    assert_eq!(answer["content"], "");
    assert_eq!(answer["metadata"]["error"], "nothing is up");
    assert_eq!(answer["metadata"]["errorCode"], "no_route");
    assert_eq!(answer["metadata"]["call_id"], "c7");

    for (body, wanted) in [
        (json!({}), "prompt is missing"),
        (json!({"prompt": "  "}), "prompt is missing"),
        (json!({"prompt": 3}), "prompt must be a text"),
        (json!({"prompt": "x", "max_tokens": 0}), "max_tokens is 0"),
        (json!({"prompt": "x", "max_tokens": "many"}), "max_tokens"),
        (json!({"prompt": "x", "temperature": -1}), "temperature is -1"),
        (json!({"prompt": "x", "priority": "urgent"}), "low, normal or high"),
        (json!({"prompt": "x", "context": []}), "context must be an object"),
        (json!({"prompt": "x", "use_cache": "no"}), "use_cache"),
        (json!("x"), "a JSON object"),
    ] {
        let response = deck.post("/api/v1/llm/generate", body.to_string()).await;
        assert_eq!(response.status(), 400, "{body}");
        let refusal = json_of(response).await;
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&refusal), names(&answer), "the same fields");
        assert_eq!(refusal["model_used"], "error");
        assert_eq!(refusal["metadata"]["errorCode"], "invalid_request");
        assert!(refusal["metadata"]["error"].as_str().unwrap().contains(wanted), "{refusal}");
    }
    assert_eq!(deck.requests.lock().unwrap().len(), 1);
}

// ---------------------------------------------------------------- what must always hold

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn however_a_stream_is_cut_up_its_bytes_arrive(pieces in prop::collection::vec("[a-z \n:]{0,40}", 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut events = vec![head(true)];
            events.extend(pieces.iter().map(|piece| raw(piece)));
            events.push(end());
            let deck = Setup::default().start(plays(events)).await;
            let response = deck.chat(&json!({"model": "m", "stream": true})).await;
            assert_eq!(response.text().await.unwrap(), pieces.concat());
        });
    }

    #[test]
    fn whatever_bytes_come_as_a_body_the_answer_is_json(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let deck = Setup::default().start(plays(vec![head(false), raw("{}"), end()])).await;
            for path in
                ["/v1/chat/completions", "/api/v1/llm/generate", "/api/v1/llm/switch-model", "/api/v1/llm/%ff"]
            {
                let response = deck.post(path, body.clone()).await;
                let status = response.status().as_u16();
                assert!(status == 200 || (400..500).contains(&status), "{status}");
                serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap();
            }
        });
    }
}
