//! The failure catalogue, row by row: a server in that state, a person who asks it, and what the person learns. The
//! states of LM Studio that its first screen tells are in `twelve_states`; here are the answers of every kind, in
//! each server's own words, from the socket to the sentence that says what to do.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use super::support::engine::{TokioClock, collect, engine_on};
use super::support::sim::{Fault, LmStudioApi, Sim, SimKind, SimModel, Trouble};
use futures_util::future::BoxFuture;
use lmdeck::adapters::http::{HttpUpstream, Lookup, Surroundings};
use lmdeck::domain::call::{Body, CallRequest, Facts, Message, Role};
use lmdeck::domain::config::{ModelProfile, Profile};
use lmdeck::domain::failure::{ErrorCode, Failure};
use lmdeck::engine::ports::{Clock as _, Upstream};
use lmdeck::engine::protocol::{Command, ProbeWhich};
use lmdeck::present::labels::what_to_do;
use lmdeck::present::remedy::text_of_call;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How the server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Streamed,
    Whole,
    /// Not a call: the probe that the dashboard makes by itself.
    Probe,
}

/// One row of the catalogue.
struct Row {
    situation: &'static str,
    server: SimKind,
    ask: Ask,
    state: fn(&Sim),
    code: ErrorCode,
    /// The cause's name as JSON writes it.
    cause: &'static str,
    /// A piece of what the person is told to do.
    told: &'static str,
    /// The vendor's own wish, in milliseconds from and to.
    wait: Option<(u64, u64)>,
}

const STUDIO: SimKind = SimKind::LmStudio(LmStudioApi::V1);
const CHAT: [&str; 2] = ["/chat/completions", "/v1/messages"];

fn row(
    situation: &'static str,
    server: SimKind,
    ask: Ask,
    state: fn(&Sim),
    code: ErrorCode,
    cause: &'static str,
    told: &'static str,
) -> Row {
    Row { situation, server, ask, state, code, cause, told, wait: None }
}

/// Every conversation fails so: a call may be tried again, and must not be mended by that.
#[allow(clippy::needless_pass_by_value, reason = "the rows read better so")]
fn always(sim: &Sim, fault: Fault) {
    for path in CHAT {
        sim.always_on(path, fault.clone());
    }
}

fn trouble(sim: &Sim, trouble: Trouble) {
    always(sim, Fault::Trouble(trouble));
}

fn business(sim: &Sim, code: u16, message: &str) {
    trouble(sim, Trouble::Business { code, message: message.into() });
}

fn says(sim: &Sim, status: u16, body: &str) {
    always(sim, Fault::Status(status, body.into()));
}

fn midway(sim: &Sim, trouble: Trouble) {
    always(sim, Fault::Midway { after: 2, trouble });
}

fn frame(sim: &Sim, frame: &str) {
    always(sim, Fault::Frame { after: 2, frame: frame.into() });
}

fn long_head() -> Fault {
    Fault::Refuse { status: 200, header: ("x-more", "m".repeat(1_000_000)), body: "{}".into() }
}

fn too_long() -> Trouble {
    Trouble::TooLong { tokens: 9000, window: 4096 }
}

#[rustfmt::skip]
fn lm_studio() -> Vec<Row> {
    use Ask::{Probe, Streamed, Whole};
    use ErrorCode as E;
    vec![
        row("nothing loaded and JIT off", STUDIO, Streamed, |sim| trouble(sim, Trouble::NoModelsLoaded), E::NotFound, "no_model_loaded", "lms load"),
        row("the older log form of the same", STUDIO, Whole, |sim| says(sim, 404, r#"{"error":"Error: (404): No models loaded"}"#), E::NotFound, "no_model_loaded", "lms load"),
        row("unknown model, its own list in the words", STUDIO, Streamed, |sim| trouble(sim, Trouble::UnknownModel), E::NotFound, "unknown_model", "demo-8b"),
        row("unknown model, the 400 of some builds", STUDIO, Streamed, |sim| says(sim, 400, r#"{"error":{"message":"Invalid model identifier \"x\"."}}"#), E::NotFound, "unknown_model", "lmdeck models list"),
        row("a load fails: memory", STUDIO, Streamed, |sim| trouble(sim, Trouble::LoadFailed { why: "insufficient system resources".into() }), E::ModelLoadFailed, "other", "memory"),
        row("a load is cancelled", STUDIO, Streamed, |sim| trouble(sim, Trouble::LoadFailed { why: "Operation canceled.".into() }), E::ModelLoadFailed, "other", "could not load the model"),
        row("evicted while it answered", STUDIO, Streamed, |sim| trouble(sim, Trouble::Unloaded), E::Upstream, "model_crashed", "lms load demo-8b"),
        row("crashed with an exit code", STUDIO, Whole, |sim| trouble(sim, Trouble::Crashed), E::Upstream, "model_crashed", "lms load demo-8b"),
        row("crashed in the middle of a stream", STUDIO, Streamed, |sim| midway(sim, Trouble::Crashed), E::Upstream, "model_crashed", "lms load demo-8b"),
        row("prompt beyond the window, whole: a bare text", STUDIO, Whole, |sim| trouble(sim, too_long()), E::ContextLength, "other", "larger context"),
        row("prompt beyond the window, streamed: a frame behind a 200", STUDIO, Streamed, |sim| trouble(sim, too_long()), E::ContextLength, "other", "larger context"),
        row("prompt beyond the window, the older words", STUDIO, Whole, |sim| says(sim, 400, r#"{"error":"Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens"}"#), E::ContextLength, "other", "larger context"),
        row("prompt beyond the window, the engine's own words", STUDIO, Streamed, |sim| frame(sim, "data: {\"error\":{\"message\":\"exceed_context_size_error: n_prompt_tokens 9000, n_ctx 4096\"}}\n\n"), E::ContextLength, "other", "larger context"),
        row("the worst overflow: a good stream without a word", STUDIO, Streamed, |sim| always(sim, Fault::Empty), E::EmptyAnswer, "other", "context is too small"),
        row("response_format json_object is refused", STUDIO, Whole, |sim| says(sim, 400, r#"{"error":"'response_format.type' must be 'json_schema' or 'text'"}"#), E::InvalidRequest, "response_format", "json_schema"),
        row("missing /v1: 200 and an error body", STUDIO, Whole, |sim| says(sim, 200, r#"{"error":"Unexpected endpoint or method. (POST /chat/completions)"}"#), E::NotFound, "wrong_path", "under another path"),
        row("the same as 404", STUDIO, Streamed, |sim| says(sim, 404, r#"{"error":"Unexpected endpoint or method. (POST /chat/completions)"}"#), E::NotFound, "wrong_path", "under another path"),
        row("auth on, no or a bad token", STUDIO, Streamed, |sim| trouble(sim, Trouble::KeyRefused), E::Auth, "key_refused", "key"),
        row("a token without the permission", STUDIO, Streamed, |sim| trouble(sim, Trouble::NotAllowed), E::Auth, "key_refused", "key"),
        row("stopped in the middle of a stream", STUDIO, Streamed, |sim| always(sim, Fault::Cut { after: 2 }), E::Network, "cut_off", "end mark"),
        row("no end mark", STUDIO, Streamed, |sim| always(sim, Fault::NoEndMark), E::Network, "cut_off", "end mark"),
        row("another service on the port", STUDIO, Probe, |sim| sim.always_on("", Fault::Html), E::BadAnswer, "other_program", "lsof"),
        row("it takes a request and says nothing", STUDIO, Probe, |sim| sim.always_on("", Fault::Silence), E::Timeout, "silent_server", "says nothing"),
        row("its list is an error text behind a 200", STUDIO, Probe, |sim| { sim.hide_list(); sim.require_key("sk-lm-AAAABBBB:CCCCDDDDEEEEFFFF"); }, E::Auth, "key_missing", "LM_API_TOKEN"),
        row("its list is another shape", STUDIO, Probe, |sim| sim.always_on("/api/v1/models", Fault::Status(200, r#"{"models":7}"#.into())), E::BadAnswer, "malformed_list", "not readable"),
    ]
}

#[rustfmt::skip]
fn z_ai() -> Vec<Row> {
    use Ask::{Streamed, Whole};
    use ErrorCode as E;
    use SimKind::ZAi;
    let mut rows = vec![
        // These need a person.
        row("1000: the key", ZAi, Streamed, |sim| trouble(sim, Trouble::KeyRefused), E::Auth, "key_refused", "key"),
        row("1004: the key has expired", ZAi, Streamed, |sim| business(sim, 1004, "token expired"), E::Auth, "key_refused", "key"),
        row("1112: the account is locked", ZAi, Streamed, |sim| business(sim, 1112, "Your account has been locked"), E::Auth, "key_refused", "key"),
        row("1113: no balance, although it is a 429", ZAi, Streamed, |sim| trouble(sim, Trouble::NoCredit), E::Quota, "other", "Waiting does not help"),
        row("1309: the coding plan has expired", ZAi, Whole, |sim| business(sim, 1309, "Your GLM Coding Plan has expired"), E::Quota, "other", "Waiting does not help"),
        row("1311: the plan lacks the model", ZAi, Whole, |sim| business(sim, 1311, "Your plan does not include this model"), E::NotFound, "unknown_model", "lmdeck models list"),
        row("1313: fair use", ZAi, Whole, |sim| business(sim, 1313, "Fair use policy"), E::Quota, "other", "Waiting does not help"),
        row("1220: no permission", ZAi, Whole, |sim| trouble(sim, Trouble::NotAllowed), E::Auth, "key_refused", "key"),
        // These may be tried again.
        row("1302: too many at once", ZAi, Streamed, |sim| business(sim, 1302, "High concurrency usage"), E::RateLimit, "other", "rate limit is reached"),
        row("1305: overloaded", ZAi, Streamed, |sim| trouble(sim, Trouble::Overloaded), E::Overloaded, "server_error", "busy"),
        row("1312: the model is congested", ZAi, Whole, |sim| business(sim, 1312, "The model is congested"), E::Overloaded, "server_error", "busy"),
        row("1234: a network error of the vendor's", ZAi, Whole, |sim| business(sim, 1234, "network error"), E::Upstream, "server_error", "failed"),
        row("500: its own fault", ZAi, Streamed, |sim| trouble(sim, Trouble::Internal), E::Upstream, "server_error", "failed"),
        // These are the request's.
        row("1211: unknown model, and no 404", ZAi, Streamed, |sim| trouble(sim, Trouble::UnknownModel), E::NotFound, "unknown_model", "lmdeck models list"),
        row("1214: a bad request", ZAi, Whole, |sim| business(sim, 1214, "messages is invalid"), E::InvalidRequest, "other", "names the field"),
        row("1261: prompt too long", ZAi, Streamed, |sim| trouble(sim, too_long()), E::ContextLength, "other", "larger context"),
        row("1301: refused content", ZAi, Streamed, |sim| trouble(sim, Trouble::Filtered), E::ContentFilter, "other", "change the prompt"),
        // A stream fails by its finish reason, and ends as if nothing was.
        row("finish reason sensitive", ZAi, Streamed, |sim| midway(sim, Trouble::Filtered), E::ContentFilter, "other", "change the prompt"),
        row("finish reason model_context_window_exceeded", ZAi, Streamed, |sim| midway(sim, too_long()), E::ContextLength, "other", "larger context"),
        row("finish reason network_error", ZAi, Streamed, |sim| midway(sim, Trouble::Internal), E::Upstream, "server_error", "an error where its answer belongs"),
    ];
    // These say when.
    rows.push(Row { wait: Some((1000, 7_200_000)), ..row("1308: the plan's window, with the time in the words", ZAi, Streamed, |sim| {
        let at = jiff::Timestamp::from_millisecond(TokioClock.now().0 + 3_600_000).unwrap();
        business(sim, 1308, &format!("Usage limit reached for 5 hour. Your limit will reset at {at:.0}"));
    }, E::RateLimit, "plan_used_up", "used up for this window: parked for another") });
    rows.push(Row { wait: Some((1, 86_400_000)), ..row("1304: the day's number", ZAi, Whole, |sim| business(sim, 1304, "daily limit"), E::RateLimit, "plan_used_up", "used up for this window: parked for another") });
    rows
}

#[rustfmt::skip]
fn vendors() -> Vec<Row> {
    use Ask::{Probe, Streamed, Whole};
    use ErrorCode as E;
    use SimKind::{Anthropic, Openai, Openrouter};
    let mut rows = vec![
        row("OpenAI 401", Openai, Probe, |sim| sim.require_key("another-key"), E::Auth, "key_refused", "OPENAI_API_KEY"),
        row("OpenAI 429 that is no rate limit", Openai, Streamed, |sim| trouble(sim, Trouble::NoCredit), E::Quota, "other", "Waiting does not help"),
        row("OpenAI 503", Openai, Streamed, |sim| trouble(sim, Trouble::Overloaded), E::Overloaded, "server_error", "busy"),
        row("OpenAI unknown model", Openai, Whole, |sim| trouble(sim, Trouble::UnknownModel), E::NotFound, "unknown_model", "lmdeck models list"),
        row("OpenAI prompt too long", Openai, Whole, |sim| trouble(sim, too_long()), E::ContextLength, "other", "larger context"),
        row("OpenAI unsupported parameter", Openai, Whole, |sim| says(sim, 400, r#"{"error":{"message":"Unsupported parameter: 'max_tokens'","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#), E::InvalidRequest, "server_error", "names the field"),
        row("OpenAI error frame in a stream", Openai, Streamed, |sim| midway(sim, Trouble::Internal), E::Upstream, "server_error", "an error where its answer belongs"),
        row("Anthropic 529", Anthropic, Streamed, |sim| trouble(sim, Trouble::Overloaded), E::Overloaded, "server_error", "busy"),
        row("Anthropic overloaded_error in a stream", Anthropic, Streamed, |sim| midway(sim, Trouble::Overloaded), E::Overloaded, "server_error", "busy"),
        row("Anthropic 401", Anthropic, Streamed, |sim| trouble(sim, Trouble::KeyRefused), E::Auth, "key_refused", "ANTHROPIC_API_KEY"),
        row("Anthropic billing", Anthropic, Whole, |sim| trouble(sim, Trouble::NoCredit), E::Quota, "other", "Waiting does not help"),
        row("Anthropic credit as a 400", Anthropic, Whole, |sim| says(sim, 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#), E::Quota, "other", "Waiting does not help"),
        row("Anthropic unknown model", Anthropic, Whole, |sim| trouble(sim, Trouble::UnknownModel), E::NotFound, "unknown_model", "lmdeck models list"),
        row("Anthropic refuses content as a 400", Anthropic, Whole, |sim| trouble(sim, Trouble::Filtered), E::ContentFilter, "other", "change the prompt"),
        row("Anthropic refuses content in a stream", Anthropic, Streamed, |sim| midway(sim, Trouble::Filtered), E::ContentFilter, "other", "change the prompt"),
        row("OpenAI refuses content", Openai, Whole, |sim| trouble(sim, Trouble::Filtered), E::ContentFilter, "other", "change the prompt"),
        row("Anthropic prompt too long", Anthropic, Streamed, |sim| trouble(sim, too_long()), E::ContextLength, "other", "larger context"),
        row("Anthropic stream without its end", Anthropic, Streamed, |sim| always(sim, Fault::NoEndMark), E::Network, "cut_off", "end mark"),
        row("OpenRouter 402", Openrouter, Streamed, |sim| trouble(sim, Trouble::NoCredit), E::Quota, "other", "Waiting does not help"),
        row("OpenRouter's moderation, although it is a 403", Openrouter, Streamed, |sim| trouble(sim, Trouble::Filtered), E::ContentFilter, "other", "change the prompt"),
        row("OpenRouter 403 that is the key's", Openrouter, Whole, |sim| trouble(sim, Trouble::NotAllowed), E::Auth, "key_refused", "key"),
        row("OpenRouter 503 without a provider", Openrouter, Whole, |sim| trouble(sim, Trouble::Overloaded), E::Overloaded, "server_error", "busy"),
        row("OpenRouter error in a stream", Openrouter, Streamed, |sim| midway(sim, Trouble::Internal), E::Upstream, "server_error", "failed"),
        row("OpenRouter rate limit in a stream", Openrouter, Streamed, |sim| midway(sim, Trouble::RateLimited { after: None }), E::RateLimit, "other", "rate limit is reached"),
    ];
    rows.push(Row { wait: Some((9_000, 9_000)), ..row("OpenAI 429 that is one", Openai, Streamed, |sim| trouble(sim, Trouble::RateLimited { after: Some(9) }), E::RateLimit, "other", "takes no more calls for another") });
    rows.push(Row { wait: Some((7_000, 7_000)), ..row("Anthropic 429", Anthropic, Streamed, |sim| trouble(sim, Trouble::RateLimited { after: Some(7) }), E::RateLimit, "other", "takes no more calls for another") });
    rows
}

#[rustfmt::skip]
fn local_servers() -> Vec<Row> {
    use Ask::{Probe, Streamed, Whole};
    use ErrorCode as E;
    use SimKind::{LlamaCpp, Ollama, OpenaiCompatible, Vllm};
    vec![
        row("Ollama: a model it does not have", Ollama, Streamed, |sim| trouble(sim, Trouble::UnknownModel), E::NotFound, "unknown_model", "ollama pull"),
        row("Ollama: the native form of an error", Ollama, Whole, |sim| says(sim, 404, r#"{"error":"model 'demo-8b' not found"}"#), E::NotFound, "unknown_model", "ollama pull"),
        row("Ollama: full", Ollama, Streamed, |sim| trouble(sim, Trouble::Overloaded), E::Overloaded, "server_error", "busy"),
        row("llama.cpp: still loading, seen by a call", LlamaCpp, Streamed, |sim| trouble(sim, Trouble::Loading), E::Overloaded, "still_loading", "read"),
        row("llama.cpp: still loading, seen by the probe", LlamaCpp, Probe, |sim| sim.starting(true), E::Overloaded, "still_loading", "read"),
        row("llama.cpp: prompt too long", LlamaCpp, Whole, |sim| trouble(sim, too_long()), E::ContextLength, "other", "larger context"),
        row("llama.cpp: no slot", LlamaCpp, Streamed, |sim| trouble(sim, Trouble::Overloaded), E::Overloaded, "server_error", "busy"),
        row("llama.cpp: error frame in a stream", LlamaCpp, Streamed, |sim| midway(sim, Trouble::Internal), E::Upstream, "server_error", "failed"),
        row("vLLM: the older shape, fields at the top", Vllm, Whole, |sim| says(sim, 404, r#"{"object":"error","message":"The model `demo-8b` does not exist.","type":"NotFoundError","param":null,"code":404}"#), E::NotFound, "unknown_model", "lmdeck models list"),
        row("vLLM: the older shape behind a 200", Vllm, Whole, |sim| says(sim, 200, r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","code":400}"#), E::ContextLength, "other", "larger context"),
        row("vLLM: prompt too long", Vllm, Streamed, |sim| trouble(sim, too_long()), E::ContextLength, "other", "larger context"),
        row("vLLM: the engine is dead", Vllm, Streamed, |sim| trouble(sim, Trouble::Overloaded), E::Overloaded, "server_error", "busy"),
        row("a web page", OpenaiCompatible, Whole, |sim| always(sim, Fault::Html), E::BadAnswer, "html_page", "that path belongs into the address"),
        row("a web page instead of a stream", OpenaiCompatible, Streamed, |sim| always(sim, Fault::Html), E::BadAnswer, "html_page", "that path belongs into the address"),
        row("a 502 page of a proxy", OpenaiCompatible, Streamed, |sim| says(sim, 502, "<html><h1>502 Bad Gateway</h1></html>"), E::Upstream, "server_error", "failed"),
        row("no JSON", OpenaiCompatible, Whole, |sim| always(sim, Fault::MalformedJson), E::BadAnswer, "other", "Is its kind right"),
        row("no UTF-8", OpenaiCompatible, Streamed, |sim| always(sim, Fault::InvalidUtf8), E::BadAnswer, "other", "Is its kind right"),
        row("an error text behind a 200", OpenaiCompatible, Whole, |sim| says(sim, 200, r#"{"error":"something broke"}"#), E::Upstream, "server_error", "an error where its answer belongs"),
        row("JSON where a stream was asked for", OpenaiCompatible, Streamed, |sim| says(sim, 200, r#"{"error":{"message":"slow down","code":429}}"#), E::RateLimit, "other", "rate limit is reached"),
        row("half an answer", OpenaiCompatible, Whole, |sim| always(sim, Fault::Cut { after: 0 }), E::Network, "cut_off", "end mark"),
        row("less than its length says", OpenaiCompatible, Whole, |sim| always(sim, Fault::WrongLength), E::Network, "reset", "cut the connection"),
        row("a stream that stands still", OpenaiCompatible, Streamed, |sim| always(sim, Fault::Stall { after: 2 }), E::Timeout, "idle_timeout", "stood still for too long"),
        row("reset before a word", OpenaiCompatible, Streamed, |sim| always(sim, Fault::Reset), E::Network, "reset", "cut"),
        row("an event that never ends", OpenaiCompatible, Streamed, |sim| always(sim, Fault::Endless), E::BadAnswer, "too_large", "smaller max_tokens"),
        row("a redirect", OpenaiCompatible, Whole, |sim| always(sim, Fault::Refuse { status: 307, header: ("location", "http://elsewhere.example/".into()), body: String::new() }), E::BadAnswer, "redirect", "elsewhere.example"),
        row("an endless head", OpenaiCompatible, Whole, |sim| always(sim, long_head()), E::BadAnswer, "too_large", "proxy"),
        row("an endless head, seen by the probe", OpenaiCompatible, Probe, |sim| sim.always_on("", long_head()), E::BadAnswer, "too_large", "proxy"),
        row("an answer without a word", OpenaiCompatible, Whole, |sim| always(sim, Fault::Empty), E::EmptyAnswer, "other", "max_tokens"),
    ]
}

struct Nameless;

impl Lookup for Nameless {
    fn lookup(&self, _: &str) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async { Err(std::io::Error::other("no such name")) })
    }
}

fn transport() -> Arc<dyn Upstream> {
    let surroundings = Surroundings { lookup: Arc::new(Nameless), home: None, ports: Vec::new() };
    Arc::new(HttpUpstream::with(Arc::new(TokioClock), surroundings).unwrap())
}

fn request(ask: Ask) -> CallRequest {
    let stream = ask == Ask::Streamed;
    let facts = Facts { requested_model: "box/demo-8b".into(), stream, prompt_tokens: 3, ..Facts::default() };
    let messages = vec![Message { role: Role::User, content: "hi".into() }];
    let body = Body::Chat { messages, max_tokens: Some(32), temperature: None, stream };
    CallRequest { facts, body, wants_usage: false }
}

fn impatient(sim: &Sim) -> Profile {
    let mut profile = sim.profile("box");
    profile.max_retries = 0;
    profile.timeouts.idle = Duration::from_millis(300);
    profile.timeouts.probe_retries = 0;
    profile.models = Vec::new();
    profile
}

/// What went wrong, and what the person is told about it.
async fn learned(row: &Row) -> (Failure, String) {
    let sim = Sim::start(row.server).await;
    sim.set_models(vec![SimModel::named("demo-8b")]);
    let profile = impatient(&sim);
    (row.state)(&sim);
    let engine = engine_on(transport(), vec![profile]).await;
    if row.ask == Ask::Probe {
        let snapshot = engine.handle.snapshot();
        let view = &snapshot.providers[0];
        let failure = view.health.failure.clone().unwrap_or_else(|| panic!("{}: nothing is wrong", row.situation));
        return (failure, what_to_do(view).map(|remedy| remedy.text()).unwrap_or_default());
    }
    let (_, outcome) = collect(engine.handle.dispatch(request(row.ask))).await;
    let Some(failure) = outcome.failure else { panic!("{}: it answered", row.situation) };
    let told = text_of_call(&failure, &outcome.record, &engine.handle.snapshot().providers);
    (failure, told)
}

async fn holds(rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for row in rows {
        let (failure, told) = learned(&row).await;
        let cause = serde_json::to_value(&failure.cause).unwrap()["cause"].as_str().unwrap_or_default().to_owned();
        let wait = match (row.wait, failure.retry_after_ms) {
            (Some((from, to)), Some(ms)) => (from..=to).contains(&ms),
            (Some(_), None) => false,
            (None, _) => true,
        };
        let said = !told.chars().any(|c| c.is_control() && c != '\n');
        if (failure.code, cause.as_str()) != (row.code, row.cause) || !told.contains(row.told) || !wait || !said {
            wrong.push(format!(
                "{} ({:?}, {:?}): wanted {:?}/{} and {:?}, came {failure:?}\n    told: {told}",
                row.situation, row.server, row.ask, row.code, row.cause, row.told
            ));
        }
    }
    assert!(wrong.is_empty(), "{} rows do not hold:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn lm_studio_s_rows() {
    holds(lm_studio()).await;
}

#[tokio::test]
async fn z_ai_s_rows() {
    holds(z_ai()).await;
}

#[tokio::test]
async fn the_other_vendors_rows() {
    holds(vendors()).await;
}

#[tokio::test]
async fn the_local_servers_rows() {
    holds(local_servers()).await;
}

/// DSPy asks LM Studio for `json_object`, which it refuses: it is asked for a schema that any object fits instead.
#[tokio::test]
async fn json_object_reaches_lm_studio_in_the_form_it_takes() {
    let sim = Sim::start(STUDIO).await;
    let engine = engine_on(transport(), vec![impatient(&sim)]).await;
    let json = r#"{"model":"box/demo-8b","messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_object"}}"#;
    let request = CallRequest { body: Body::RawOpenaiChat { json: json.into() }, ..request(Ask::Whole) };
    let (_, outcome) = collect(engine.handle.dispatch(request)).await;
    assert_eq!(outcome.failure, None);
    assert_eq!(sim.chats()[0].json()["response_format"]["type"], "json_schema");
}

/// Money that is used up needs a person: the next call goes elsewhere at once and says why, and a probe that a
/// person asks for gives the vendor another chance.
#[tokio::test]
async fn a_vendor_without_credit_is_left_alone_until_somebody_asks_again() {
    for (kind, say) in [(SimKind::ZAi, "no credit left"), (SimKind::Openai, "no credit left")] {
        let sim = Sim::start(kind).await;
        let mut profile = impatient(&sim);
        profile.models = vec![ModelProfile::named("demo-8b")];
        trouble(&sim, Trouble::NoCredit);
        let engine = engine_on(transport(), vec![profile]).await;
        let (_, first) = collect(engine.handle.dispatch(request(Ask::Whole))).await;
        assert_eq!(first.failure.unwrap().code, ErrorCode::Quota);
        let asked = sim.chats().len();
        let mut snapshots = engine.handle.snapshots();
        drop(snapshots.wait_for(|snapshot| snapshot.providers[0].health.trouble.is_some()).await.unwrap());
        let view = engine.handle.snapshot().providers[0].clone();
        assert!(what_to_do(&view).unwrap().text().contains("Waiting does not help"), "{view:?}");
        sim.mend();
        let (_, second) = collect(engine.handle.dispatch(request(Ask::Whole))).await;
        let reject = &second.record.rejects[0];
        assert!(reject.reason.contains("needs a person") && reject.reason.contains(say), "{reject:?}");
        assert_eq!(sim.chats().len(), asked, "nothing was sent");
        engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: true }).await;
        let (_, third) = collect(engine.handle.dispatch(request(Ask::Whole))).await;
        assert_eq!(third.failure, None, "{kind:?}");
    }
}

#[tokio::test]
async fn a_refusal_s_own_counts_are_what_is_shown_of_the_limits() {
    let sim = Sim::start(SimKind::Openai).await;
    let mut profile = impatient(&sim);
    profile.max_retries = 3;
    let body = r#"{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}"#;
    let refuse = |header: &'static str, value: &str| Fault::Refuse {
        status: 429,
        header: (header, value.to_owned()),
        body: body.into(),
    };
    let engine = engine_on(transport(), vec![profile]).await;
    sim.fault(refuse("x-ratelimit-remaining-requests", "3"));
    let (_, outcome) = collect(engine.handle.dispatch(request(Ask::Whole))).await;
    assert_eq!(outcome.failure, None, "the second try answers");
    let rate = engine.handle.snapshot().providers[0].rate.clone().unwrap();
    assert_eq!(rate.windows[0].remaining, 3);
    // The vendor's word wins over what its status usually means.
    let before = sim.chats().len();
    sim.fault(refuse("x-should-retry", "false"));
    let (_, outcome) = collect(engine.handle.dispatch(request(Ask::Whole))).await;
    assert_eq!((outcome.failure.unwrap().code, sim.chats().len() - before), (ErrorCode::RateLimit, 1));
}
