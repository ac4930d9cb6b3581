//! A simulated model server: answers as the real ones do, and fails on request. Listens on a free port of
//! 127.0.0.1; `Sim::start(kind).await` starts one, dropping it ends it.
//!
//! ```text
//! let sim = Sim::start(SimKind::LlamaCpp).await;
//! sim.fault(Fault::Cut { after: 2 });            // for the next chat request
//! sim.fault_on("/v1/models", Fault::Html);       // for the next request of this path
//! sim.always_on("/v1/models", Fault::Silence);   // until sim.mend()
//! sim.seen();                                    // everything that was asked
//! sim.stop().await; sim.restart().await;         // on the same port
//! ```
#![allow(dead_code, reason = "each test module uses another part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test helper that fails fails its test")]

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Extension, Router};
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use lmdeck::domain::config::{Endpoint, KeySource, Profile, Timeouts};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::secret::Secret;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What the server pretends to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimKind {
    LlamaCpp,
    OpenaiCompatible,
    /// With the newest interface it offers; the older ones are always there.
    LmStudio(LmStudioApi),
    Ollama,
    Vllm,
    ZAi,
    Openai,
    Anthropic,
    Openrouter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LmStudioApi {
    Compat,
    V0,
    V1,
}

impl SimKind {
    pub fn kind(self) -> Kind {
        match self {
            Self::LlamaCpp => Kind::LlamaCpp,
            Self::OpenaiCompatible => Kind::OpenaiCompatible,
            Self::LmStudio(_) => Kind::LmStudio,
            Self::Ollama => Kind::Ollama,
            Self::Vllm => Kind::Vllm,
            Self::ZAi => Kind::ZAiGlm,
            Self::Openai => Kind::Openai,
            Self::Anthropic => Kind::Anthropic,
            Self::Openrouter => Kind::Openrouter,
        }
    }

    /// The path in front of `/chat/completions`.
    fn base(self) -> &'static str {
        match self {
            Self::ZAi => "/api/paas/v4",
            Self::Openrouter => "/api/v1",
            _ => "/v1",
        }
    }
}

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status and body; a body that starts with `{` is JSON, one with `<` HTML.
    Status(u16, String),
    /// The same with a header more, as `retry-after`.
    Refuse {
        status: u16,
        header: (&'static str, String),
        body: String,
    },
    /// Waits before the response head.
    Delay(Duration),
    /// Waits before each chunk of a stream.
    Drip(Duration),
    /// Closes the connection after so many chunks of a stream, or half-way through a whole answer.
    Cut {
        after: usize,
    },
    /// Goes silent after so many chunks, or half-way through a whole answer.
    Stall {
        after: usize,
    },
    /// Takes the request and never answers.
    Silence,
    /// Breaks the connection with a TCP reset before any answer.
    Reset,
    MalformedJson,
    Html,
    /// 100 MB.
    Oversized,
    /// Never ends: a whole answer, or one event of a stream.
    Endless,
    ContentType(&'static str),
    InvalidUtf8,
    /// A stream that ends without `[DONE]`.
    NoEndMark,
    /// An answer without a word.
    Empty,
    /// A frame put into the stream after so many chunks.
    Frame {
        after: usize,
        frame: String,
    },
    /// The finish reason of the answer.
    Finish(&'static str),
}

/// A model on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimModel {
    pub id: String,
    pub loaded: bool,
    pub context: u64,
    pub embedding: bool,
    /// Ollama's remote models.
    pub remote: bool,
}

impl SimModel {
    pub fn named(id: &str) -> Self {
        Self { id: id.to_owned(), loaded: true, context: 4096, embedding: false, remote: false }
    }

    pub fn unloaded(id: &str) -> Self {
        Self { loaded: false, ..Self::named(id) }
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct SeenRequest {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl SeenRequest {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

struct Settings {
    models: Vec<SimModel>,
    words: Vec<String>,
    reasoning: Vec<String>,
    key: Option<String>,
    jit: bool,
    hide_list: bool,
    once: Vec<(String, Fault)>,
    always: Vec<(String, Fault)>,
    seen: Vec<SeenRequest>,
}

struct Shared {
    kind: SimKind,
    settings: Mutex<Settings>,
    connections: AtomicUsize,
    streaming: AtomicUsize,
    changed: Notify,
}

/// See the module.
pub struct Sim {
    shared: Arc<Shared>,
    port: u16,
    running: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
}

impl Sim {
    pub async fn start(kind: SimKind) -> Self {
        let settings = Settings {
            models: vec![SimModel::named("demo-8b")],
            words: ["Hello", ", ", "world", "!"].map(str::to_owned).to_vec(),
            reasoning: Vec::new(),
            key: None,
            jit: true,
            hide_list: false,
            once: Vec::new(),
            always: Vec::new(),
            seen: Vec::new(),
        };
        let shared = Arc::new(Shared {
            kind,
            settings: Mutex::new(settings),
            connections: AtomicUsize::new(0),
            streaming: AtomicUsize::new(0),
            changed: Notify::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sim = Self { shared, port, running: Mutex::new(None) };
        sim.serve(listener);
        sim
    }

    fn serve(&self, listener: TcpListener) {
        let cancel = CancellationToken::new();
        let task = tokio::spawn(accept(listener, self.shared.clone(), cancel.clone()));
        *self.running.lock().unwrap() = Some((cancel, task));
    }

    /// Ends the server: its port refuses connections, open ones are closed.
    pub async fn stop(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some((cancel, task)) = running {
            cancel.cancel();
            task.await.unwrap();
        }
    }

    /// Listens on the same port again.
    pub async fn restart(&self) {
        self.stop().await;
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.serve(listener);
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// As a person would write it into the configuration.
    pub fn address(&self) -> String {
        match self.shared.kind {
            SimKind::ZAi | SimKind::Openrouter => format!("{}{}", self.origin(), self.shared.kind.base()),
            _ => self.origin(),
        }
    }

    pub fn endpoint(&self) -> Endpoint {
        self.endpoint_at("127.0.0.1")
    }

    /// The same port under another host name.
    pub fn endpoint_at(&self, host: &str) -> Endpoint {
        let origin = format!("http://{host}:{}", self.port);
        Endpoint {
            written: origin.clone(),
            api_base: format!("{origin}{}", self.shared.kind.base()),
            origin,
            host: host.to_owned(),
            port: self.port,
            tls: false,
        }
    }

    /// A profile for this server: its kind, its key if it wants one, short time limits.
    pub fn profile(&self, id: &str) -> Profile {
        let kind = self.shared.kind.kind();
        let key = self
            .shared
            .settings
            .lock()
            .unwrap()
            .key
            .clone()
            .or_else(|| kind.is_vendor().then(|| VENDOR_KEY.to_owned()));
        profile_at(id, kind, self.endpoint(), key.as_deref())
    }

    pub fn set_models(&self, models: Vec<SimModel>) {
        self.shared.settings.lock().unwrap().models = models;
    }

    /// The pieces of every answer.
    pub fn say(&self, words: &[&str]) {
        self.shared.settings.lock().unwrap().words = words.iter().map(|&word| word.to_owned()).collect();
    }

    pub fn think(&self, words: &[&str]) {
        self.shared.settings.lock().unwrap().reasoning = words.iter().map(|&word| word.to_owned()).collect();
    }

    /// From now on requests without this key are refused.
    pub fn require_key(&self, key: &str) {
        self.shared.settings.lock().unwrap().key = Some(key.to_owned());
    }

    /// LM Studio: whether a model is loaded on demand, and the list shows more than what is loaded.
    pub fn jit(&self, on: bool) {
        self.shared.settings.lock().unwrap().jit = on;
    }

    /// LM Studio: some builds answer "Unexpected endpoint" to a list without a token.
    pub fn hide_list(&self) {
        self.shared.settings.lock().unwrap().hide_list = true;
    }

    /// Fails the next chat request so. Several faults are used up one by one.
    pub fn fault(&self, fault: Fault) {
        self.fault_on("/chat/completions", fault);
    }

    /// Fails the next request whose path ends so.
    pub fn fault_on(&self, path: &str, fault: Fault) {
        self.shared.settings.lock().unwrap().once.push((path.to_owned(), fault));
    }

    /// Fails every request whose path ends so, until [`Self::mend`].
    pub fn always_on(&self, path: &str, fault: Fault) {
        self.shared.settings.lock().unwrap().always.push((path.to_owned(), fault));
    }

    pub fn mend(&self) {
        let mut settings = self.shared.settings.lock().unwrap();
        settings.once.clear();
        settings.always.clear();
    }

    /// Every request so far, oldest first.
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.shared.settings.lock().unwrap().seen.clone()
    }

    /// The chat requests so far.
    pub fn chats(&self) -> Vec<SeenRequest> {
        self.seen().into_iter().filter(|request| request.path.ends_with("/chat/completions")).collect()
    }

    /// How often a path was asked.
    pub fn asked(&self, path: &str) -> usize {
        self.seen().iter().filter(|request| request.path == path).count()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Streams that are being written now.
    pub fn streaming(&self) -> usize {
        self.shared.streaming.load(Ordering::SeqCst)
    }

    /// Waits until `condition` holds, at most ten seconds.
    pub async fn wait_until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let changed = self.shared.changed.notified();
                if condition(self) {
                    return;
                }
                changed.await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(10), waiting).await.is_ok(), "never happened: {what}");
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if let Some((cancel, _)) = self.running.lock().unwrap().take() {
            cancel.cancel();
        }
    }
}

/// The key that profiles of simulated vendors carry.
pub const VENDOR_KEY: &str = "test-key-0123456789";

/// A profile with short time limits for any endpoint.
pub fn profile_at(id: &str, kind: Kind, endpoint: Endpoint, key: Option<&str>) -> Profile {
    Profile {
        key: key.map(Secret::new),
        key_source: key.map_or(KeySource::None, |_| KeySource::File { tail: None }),
        timeouts: Timeouts {
            connect: Duration::from_millis(500),
            first_token: Duration::from_secs(5),
            idle: Duration::from_secs(2),
            load: Duration::from_secs(5),
            probe_interval: Duration::from_secs(30),
            probe_timeout: Duration::from_millis(500),
            probe_retries: 1,
        },
        ..Profile::new(id, kind, endpoint)
    }
}

/// A port of this machine that nothing listens on.
pub async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// A port that takes connections and says one thing, or nothing, and keeps them open.
pub struct PlainPort {
    pub port: u16,
    task: JoinHandle<()>,
}

impl PlainPort {
    pub async fn silent() -> Self {
        Self::saying("").await
    }

    pub async fn saying(words: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(words.as_bytes()).await;
                open.push(stream);
            }
        });
        Self { port, task }
    }

    pub fn endpoint(&self) -> Endpoint {
        let origin = format!("http://127.0.0.1:{}", self.port);
        Endpoint {
            written: origin.clone(),
            api_base: format!("{origin}/v1"),
            origin,
            host: "127.0.0.1".into(),
            port: self.port,
            tls: false,
        }
    }
}

impl Drop for PlainPort {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a handler may do to its own connection.
#[derive(Clone)]
struct Connection {
    socket: Arc<std::net::TcpStream>,
    abort: CancellationToken,
}

impl Connection {
    /// Makes the close a reset and closes.
    fn reset(&self) {
        let socket = TcpStream::from_std(self.socket.try_clone().unwrap()).unwrap();
        socket.set_zero_linger().unwrap();
        self.abort.cancel();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, cancel: CancellationToken) {
    let router = Router::new().fallback(handle).with_state(shared.clone());
    let mut open = tokio::task::JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = cancel.cancelled() => break,
            accepted = listener.accept() => match accepted { Ok((stream, _)) => stream, Err(_) => continue },
        };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        shared.changed.notify_waiters();
        stream.set_nodelay(true).unwrap();
        let stream = stream.into_std().unwrap();
        let abort = cancel.child_token();
        let connection = Connection { socket: Arc::new(stream.try_clone().unwrap()), abort: abort.clone() };
        let service = TowerToHyperService::new(router.clone().layer(Extension(connection)));
        let stream = TokioIo::new(TcpStream::from_std(stream).unwrap());
        open.spawn(async move {
            let serving = hyper::server::conn::http1::Builder::new().serve_connection(stream, service);
            tokio::select! {
                () = abort.cancelled() => {}
                _ = serving => {}
            }
        });
    }
    drop(listener);
    open.shutdown().await;
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
    let seen = SeenRequest { method: parts.method, path: parts.uri.path().to_owned(), headers: parts.headers, body };
    let fault = {
        let mut settings = shared.settings.lock().unwrap();
        settings.seen.push(seen.clone());
        let once = settings.once.iter().position(|(path, _)| seen.path.ends_with(path.as_str()));
        match once {
            Some(place) => Some(settings.once.remove(place).1),
            None => settings
                .always
                .iter()
                .find(|(path, _)| seen.path.ends_with(path.as_str()))
                .map(|(_, fault)| fault.clone()),
        }
    };
    shared.changed.notify_waiters();
    match fault {
        Some(Fault::Status(status, body)) => plain(status, body),
        Some(Fault::Refuse { status, header, body }) => {
            let mut response = plain(status, body);
            response.headers_mut().insert(header.0, header.1.parse().unwrap());
            response
        }
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            respond(&shared, &seen, None)
        }
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Reset) => {
            connection.reset();
            std::future::pending().await
        }
        Some(Fault::Html) => plain(200, "<!DOCTYPE html><html><body>It works</body></html>".into()),
        other => respond(&shared, &seen, other),
    }
}

fn respond(shared: &Arc<Shared>, request: &SeenRequest, fault: Option<Fault>) -> Response {
    let settings = shared.settings.lock().unwrap();
    if let Some(refusal) = refuse_key(shared.kind, &settings, request) {
        return refusal;
    }
    if request.method == Method::POST && request.path == format!("{}/chat/completions", shared.kind.base()) {
        return chat(shared, &settings, request, fault);
    }
    let document = documents(shared.kind, &settings, request);
    match fault {
        Some(Fault::MalformedJson) => typed("application/json", Body::from("{\"data\":[{\"id\":")),
        Some(Fault::Oversized) => oversized(),
        Some(Fault::Endless) => typed("application/json", endless()),
        Some(Fault::ContentType(content_type)) => typed(content_type, Body::from("hello")),
        Some(Fault::InvalidUtf8) => typed("application/json", Body::from(&b"{\"data\":[{\"id\":\"\xff\xfe\"}]}"[..])),
        _ => document,
    }
}

fn refuse_key(kind: SimKind, settings: &Settings, request: &SeenRequest) -> Option<Response> {
    let key = settings.key.as_deref()?;
    let bearer = request.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
    let given = if bearer.is_empty() { request.header("x-api-key") } else { bearer };
    let open = request.path == "/health"
        || request.path == "/lmstudio-greeting"
        || request.path == "/api/v1/models" && kind == SimKind::Openrouter;
    if open || given == key {
        return None;
    }
    if settings.hide_list && request.path.ends_with("/models") {
        return Some(unknown_route(kind, request));
    }
    // A server that repeats the key it was given: it must not get into any message.
    let body = match kind {
        SimKind::LmStudio(_) => json!({"error": {"type": "invalid_request", "code": "invalid_api_key",
            "message": if given.is_empty() { "An LM Studio API token is required to make requests to this server".to_owned() }
                else { format!("Malformed LM Studio API token provided: {given}") }}}),
        SimKind::ZAi => json!({"error": {"code": "1001", "message": format!("token {given} is not valid")}}),
        SimKind::Anthropic => {
            json!({"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}, "request_id": "req_1"})
        }
        _ => {
            json!({"error": {"message": format!("Incorrect API key provided: {given}"), "type": "invalid_request_error", "param": null, "code": "invalid_api_key"}})
        }
    };
    Some(plain(401, body.to_string()))
}

fn unknown_route(kind: SimKind, request: &SeenRequest) -> Response {
    match kind {
        SimKind::LmStudio(_) => {
            let words = format!("Unexpected endpoint or method. ({} {})", request.method, request.path);
            plain(200, json!({ "error": words }).to_string())
        }
        SimKind::LlamaCpp => plain(
            404,
            json!({"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}).to_string(),
        ),
        SimKind::Vllm => plain(404, json!({"detail": "Not Found"}).to_string()),
        SimKind::Ollama => plain(404, "404 page not found".into()),
        _ => plain(404, json!({"error": {"message": "no such route", "type": "invalid_request_error"}}).to_string()),
    }
}

fn documents(kind: SimKind, settings: &Settings, request: &SeenRequest) -> Response {
    let path = request.path.as_str();
    let get = request.method == Method::GET;
    let models = &settings.models;
    let data = |entry: &dyn Fn(&SimModel) -> Value| json!({"object": "list", "data": models.iter().map(entry).collect::<Vec<_>>()});
    let document = match (kind, path) {
        _ if !get => None,
        (SimKind::LmStudio(_), "/lmstudio-greeting") => Some(json!({"lmstudio": true})),
        (SimKind::LmStudio(api), _) => lm_studio_list(api, settings, path),
        (SimKind::LlamaCpp, "/health") => Some(json!({"status": "ok"})),
        (SimKind::LlamaCpp, "/v1/models") => Some(data(
            &|model| json!({"id": model.id, "object": "model", "created": 1, "owned_by": "llamacpp", "meta": {"n_ctx_train": 131_072, "size": 98_000_000}}),
        )),
        (SimKind::LlamaCpp, "/props") => Some(
            json!({"default_generation_settings": {"n_ctx": 2048}, "total_slots": 4, "build_info": "b1", "model_path": "/m.gguf"}),
        ),
        (SimKind::LlamaCpp, "/slots") => Some(
            json!([{"id": 0, "n_ctx": 2048, "is_processing": true}, {"id": 1, "n_ctx": 2048, "is_processing": false}]),
        ),
        (SimKind::Vllm, "/version") => Some(json!({"version": "0.30.0"})),
        (SimKind::Vllm, "/v1/models") => Some(data(
            &|model| json!({"id": model.id, "object": "model", "owned_by": "vllm", "max_model_len": model.context, "parent": null}),
        )),
        (SimKind::Vllm, "/metrics") => {
            return typed(
                "text/plain",
                Body::from(
                    "vllm:num_requests_running{engine=\"0\"} 3.0\nvllm:num_requests_waiting{engine=\"0\"} 2.0\n",
                ),
            );
        }
        (SimKind::Ollama, "/api/version") => Some(json!({"version": "0.33.0"})),
        (SimKind::Ollama, "/api/tags") => Some(json!({"models": models.iter().map(|model| {
            let remote = model.remote.then_some("https://ollama.com");
            json!({"name": model.id, "model": model.id, "size": 7, "details": {"quantization_level": "Q4_0"}, "remote_host": remote})
        }).collect::<Vec<_>>()})),
        (SimKind::Ollama, "/api/ps") => Some(json!({"models": models.iter().filter(|model| model.loaded).map(|model| {
            json!({"name": model.id, "context_length": model.context})
        }).collect::<Vec<_>>()})),
        (SimKind::Ollama, "/v1/models") => {
            Some(data(&|model| json!({"id": model.id, "object": "model", "owned_by": "library"})))
        }
        (SimKind::Anthropic, "/v1/models") => Some(
            json!({"data": models.iter().map(|model| json!({"type": "model", "id": model.id, "display_name": "Demo"})).collect::<Vec<_>>(), "has_more": false}),
        ),
        (SimKind::Openrouter, "/api/v1/key") => Some(json!({"data": {"label": "k", "usage": 0}})),
        (SimKind::Openrouter, "/api/v1/models") => Some(data(
            &|model| json!({"id": model.id, "context_length": model.context, "architecture": {"output_modalities": ["text"]}, "pricing": {"prompt": "0.0000012"}}),
        )),
        (SimKind::ZAi, "/api/paas/v4/models") | (SimKind::Openai | SimKind::OpenaiCompatible, "/v1/models") => {
            Some(data(&|model| json!({"id": model.id, "object": "model", "created": 1, "owned_by": "someone"})))
        }
        _ => None,
    };
    document.map_or_else(|| unknown_route(kind, request), |document| plain(200, document.to_string()))
}

fn lm_studio_list(api: LmStudioApi, settings: &Settings, path: &str) -> Option<Value> {
    let shown = settings.models.iter().filter(|model| settings.jit || model.loaded);
    match path {
        "/api/v1/models" if api >= LmStudioApi::V1 => Some(json!({"models": settings.models.iter().map(|model| {
            let instances = if model.loaded {
                json!([{"id": model.id, "config": {"context_length": model.context, "parallel": 4}}])
            } else {
                json!([])
            };
            json!({"type": if model.embedding { "embedding" } else { "llm" }, "publisher": "acme", "key": model.id, "display_name": "Demo",
                "quantization": {"name": "Q4_K_M", "bits_per_weight": 4}, "size_bytes": 4_900_000_000_u64,
                "loaded_instances": instances, "max_context_length": 131_072, "format": "gguf", "description": null})
        }).collect::<Vec<_>>()})),
        "/api/v0/models" if api >= LmStudioApi::V0 => Some(json!({"data": shown.map(|model| {
            let mut entry = json!({"id": model.id, "object": "model", "type": if model.embedding { "embeddings" } else { "llm" },
                "publisher": "acme", "quantization": "Q4_K_M", "state": if model.loaded { "loaded" } else { "not-loaded" },
                "max_context_length": 131_072});
            if model.loaded {
                entry["loaded_context_length"] = json!(model.context);
            }
            entry
        }).collect::<Vec<_>>(), "object": "list"})),
        "/v1/models" => Some(json!({"data": shown.map(|model| {
            json!({"id": model.id, "object": "model", "owned_by": "organization_owner"})
        }).collect::<Vec<_>>(), "object": "list"})),
        _ => None,
    }
}

fn chat(shared: &Arc<Shared>, settings: &Settings, request: &SeenRequest, fault: Option<Fault>) -> Response {
    let Ok(asked) = serde_json::from_str::<Value>(&request.body) else {
        return plain(
            400,
            json!({"error": {"message": "the body is not JSON", "type": "invalid_request_error"}}).to_string(),
        );
    };
    let wanted = asked["model"].as_str().unwrap_or_default();
    let known = settings.models.iter().find(|model| model.id == wanted);
    if let SimKind::LmStudio(_) = shared.kind {
        if !settings.jit && !settings.models.iter().any(|model| model.loaded) {
            let words = "No models loaded. Please load a model in the developer page or use the `lms load` command.";
            return plain(
                404,
                json!({"error": {"message": words, "type": "invalid_request_error", "param": "model", "code": null}})
                    .to_string(),
            );
        }
        if known.is_none() {
            let all: Vec<_> = settings.models.iter().map(|model| model.id.as_str()).collect();
            let words = format!("Model \"{wanted}\" not found. Your models:\n{}", all.join("\n"));
            return plain(404, json!({"error": {"message": words, "type": "invalid_request_error", "param": "model", "code": "model_not_found"}}).to_string());
        }
    }
    // llama.cpp takes any name and answers with its own.
    let model = match shared.kind {
        SimKind::LlamaCpp => settings.models.first().map_or("", |model| &model.id).to_owned(),
        _ => wanted.to_owned(),
    };
    let script = Script {
        kind: shared.kind,
        model,
        words: if fault == Some(Fault::Empty) { Vec::new() } else { settings.words.clone() },
        reasoning: if fault == Some(Fault::Empty) { Vec::new() } else { settings.reasoning.clone() },
        usage: asked.pointer("/stream_options/include_usage") == Some(&Value::Bool(true)),
        finish: if let Some(Fault::Finish(word)) = &fault { word } else { "stop" },
    };
    if asked["stream"] == true { stream_answer(shared, &script, fault) } else { whole_answer(&script, fault.as_ref()) }
}

struct Script {
    kind: SimKind,
    model: String,
    words: Vec<String>,
    reasoning: Vec<String>,
    usage: bool,
    finish: &'static str,
}

impl Script {
    fn usage(&self) -> Value {
        let output = self.words.len() + self.reasoning.len();
        let mut usage = json!({"prompt_tokens": 31, "completion_tokens": output, "total_tokens": 31 + output,
            "prompt_tokens_details": {"cached_tokens": 7}, "completion_tokens_details": {"reasoning_tokens": self.reasoning.len()}});
        if self.kind == SimKind::Openrouter {
            usage["cost"] = json!(0.0125);
        }
        usage
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>) -> Value {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.model,
            "system_fingerprint": "sim", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    }

    /// The frames of a stream without the end mark.
    fn frames(&self) -> Vec<String> {
        let mut chunks = Vec::new();
        let role_repeated = matches!(self.kind, SimKind::LmStudio(_));
        if !role_repeated {
            chunks.push(self.chunk(&json!({"role": "assistant", "content": null}), None));
        }
        for word in &self.reasoning {
            chunks.push(self.chunk(&json!({"reasoning_content": word}), None));
        }
        for word in &self.words {
            let delta =
                if role_repeated { json!({"role": "assistant", "content": word}) } else { json!({"content": word}) };
            chunks.push(self.chunk(&delta, None));
        }
        let mut last = self.chunk(&json!({}), Some(self.finish));
        if self.kind == SimKind::ZAi {
            last["usage"] = self.usage();
        }
        chunks.push(last);
        if self.usage && self.kind != SimKind::ZAi {
            let mut usage = self.chunk(&json!({}), None);
            usage["choices"] = json!([]);
            usage["usage"] = self.usage();
            chunks.push(usage);
        }
        let mut frames: Vec<String> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
        if self.kind == SimKind::Openrouter {
            frames.insert(0, ": OPENROUTER PROCESSING\n\n".into());
        }
        frames
    }
}

/// Counts a stream for as long as its body lives.
struct Streaming(Arc<Shared>);

impl Streaming {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.streaming.fetch_add(1, Ordering::SeqCst);
        shared.changed.notify_waiters();
        Self(shared.clone())
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.streaming.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

/// What a scripted body does next.
enum Act {
    Send(Bytes),
    Wait(Duration),
    Break,
    Hang,
}

fn scripted(acts: Vec<Act>, guard: Option<Streaming>) -> Body {
    let acts = stream::unfold((acts.into_iter(), guard), |(mut acts, guard)| async move {
        loop {
            match acts.next()? {
                Act::Send(bytes) => return Some((Ok(bytes), (acts, guard))),
                Act::Wait(time) => tokio::time::sleep(time).await,
                Act::Break => return Some((Err(std::io::Error::other("cut")), (acts, guard))),
                Act::Hang => std::future::pending::<()>().await,
            }
        }
    });
    Body::from_stream(acts)
}

fn stream_answer(shared: &Arc<Shared>, script: &Script, fault: Option<Fault>) -> Response {
    let frames = script.frames();
    let count = frames.len();
    let mut acts: Vec<Act> = frames.into_iter().map(|frame| Act::Send(Bytes::from(frame))).collect();
    acts.push(Act::Send(Bytes::from_static(b"data: [DONE]\n\n")));
    let mut content_type = "text/event-stream";
    match fault {
        Some(Fault::Drip(time)) => {
            acts = acts.into_iter().flat_map(|act| [Act::Wait(time), act]).collect();
        }
        Some(Fault::Cut { after }) => {
            acts.truncate(after);
            // Without the pause the broken body may swallow what was sent just before.
            acts.push(Act::Wait(Duration::from_millis(20)));
            acts.push(Act::Break);
        }
        Some(Fault::Stall { after }) => {
            acts.truncate(after);
            acts.push(Act::Hang);
        }
        Some(Fault::MalformedJson) => {
            acts.insert(count / 2, Act::Send(Bytes::from_static(b"data: {\"choices\":[{\"del\n\n")));
        }
        Some(Fault::InvalidUtf8) => {
            acts.insert(
                count / 2,
                Act::Send(Bytes::from_static(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n")),
            );
        }
        Some(Fault::NoEndMark) => acts.truncate(count),
        Some(Fault::Frame { after, frame }) => acts.insert(after, Act::Send(Bytes::from(frame))),
        Some(Fault::ContentType(other)) => content_type = other,
        Some(Fault::Oversized | Fault::Endless) => return typed(content_type, endless()),
        _ => {}
    }
    typed(content_type, scripted(acts, Some(Streaming::new(shared))))
}

fn whole_answer(script: &Script, fault: Option<&Fault>) -> Response {
    let mut message = json!({"role": "assistant", "content": script.words.concat()});
    if !script.reasoning.is_empty() {
        message["reasoning_content"] = json!(script.reasoning.concat());
    }
    let body = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": script.model,
        "choices": [{"index": 0, "message": message, "finish_reason": script.finish}], "usage": script.usage()})
    .to_string();
    let half = Bytes::copy_from_slice(&body.as_bytes()[..body.len() / 2]);
    match fault {
        Some(Fault::Cut { .. }) => typed(
            "application/json",
            scripted(vec![Act::Send(half), Act::Wait(Duration::from_millis(20)), Act::Break], None),
        ),
        Some(Fault::Stall { .. }) => typed("application/json", scripted(vec![Act::Send(half), Act::Hang], None)),
        Some(Fault::MalformedJson) => typed("application/json", Body::from(half)),
        Some(Fault::InvalidUtf8) => {
            typed("application/json", Body::from(&b"{\"choices\":[{\"message\":{\"content\":\"\xff\xfe\"}}]}"[..]))
        }
        Some(Fault::Oversized) => oversized(),
        Some(Fault::Endless) => typed("application/json", endless()),
        Some(Fault::ContentType(other)) => typed(other, Body::from(body)),
        _ => plain(200, body),
    }
}

/// Letters without end.
fn endless() -> Body {
    let chunk = Bytes::from(vec![b'a'; 64 * 1024]);
    Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone())).then(|chunk| async {
        tokio::task::yield_now().await;
        chunk
    }))
}

/// A stated length of 100 MB.
fn oversized() -> Response {
    let mut response = typed("application/json", endless());
    response.headers_mut().insert("content-length", "100000000".parse().unwrap());
    response
}

fn plain(status: u16, body: String) -> Response {
    let content_type = match body.as_bytes().first() {
        Some(b'{' | b'[') => "application/json; charset=utf-8",
        Some(b'<') => "text/html; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    Response::builder().status(status).header("content-type", content_type).body(Body::from(body)).unwrap()
}

fn typed(content_type: &str, body: Body) -> Response {
    Response::builder().status(200).header("content-type", content_type).body(body).unwrap()
}
