//! The simulated servers themselves: what each says to which request, held as transcripts in `golden/sim`, and the
//! faults of the wire. (`LMDECK_BLESS=1` writes the transcripts anew; read the difference before keeping it.)

use crate::support::sim::{Fault, Limits, LmStudioApi, Pace, Sim, SimKind, SimModel, ToolCall, Trouble};
use lmdeck::domain::time::UnixMs;
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

fn client() -> reqwest::ClientBuilder {
    // Only the first in this process takes effect.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}

/// A conversation with one server, written down.
struct Transcript {
    client: reqwest::Client,
    text: String,
}

impl Transcript {
    fn new() -> Self {
        let client = client().build().unwrap();
        Self { client, text: String::new() }
    }

    fn scene(&mut self, about: &str) {
        writeln!(self.text, "## {about}\n").unwrap();
    }

    /// Sends a request (`METHOD PATH`) and writes it down with its answer.
    async fn ask(&mut self, sim: &Sim, line: &str, body: &str) {
        self.ask_with(sim, line, &[], body).await;
    }

    async fn ask_with(&mut self, sim: &Sim, line: &str, headers: &[(&str, &str)], body: &str) {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = self.client.request(method.parse().unwrap(), format!("{}{path}", sim.origin()));
        writeln!(self.text, "> {line}").unwrap();
        for (name, value) in headers {
            request = request.header(*name, *value);
            writeln!(self.text, "> {name}: {value}").unwrap();
        }
        if !body.is_empty() {
            request = request.body(body.to_owned());
            writeln!(self.text, "> {body}").unwrap();
        }
        let response = request.send().await.unwrap();
        writeln!(self.text, "< {}", response.status().as_u16()).unwrap();
        let told = |name: &str| {
            let about = ["content-type", "retry-after", "request-id", "x-request-id"];
            about.contains(&name) || name.contains("ratelimit")
        };
        for (name, value) in response.headers().iter().filter(|(name, _)| told(name.as_str())) {
            writeln!(self.text, "< {name}: {}", value.to_str().unwrap()).unwrap();
        }
        writeln!(self.text, "{}\n", response.text().await.unwrap().trim_end()).unwrap();
    }

    /// The transcript is as it was written down before.
    fn is_golden(&self, name: &str) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/sim").join(name);
        if std::env::var_os("LMDECK_BLESS").is_some() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &self.text).unwrap();
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        let differs = self.text.lines().zip(golden.lines()).position(|(now, before)| now != before);
        if let Some(line) = differs {
            let at = |text: &str| text.lines().nth(line).unwrap_or_default().to_owned();
            panic!("{name}:{}\n  was {}\n  is  {}", line + 1, at(&golden), at(&self.text));
        }
        assert_eq!(self.text.lines().count(), golden.lines().count(), "{name} has more or fewer lines");
    }
}

const HELLO: &str = r#"{"model":"demo-8b","messages":[{"role":"user","content":"Hi"}]}"#;
const STREAM: &str = r#"{"model":"demo-8b","messages":[{"role":"user","content":"Hi"}],"stream":true,"stream_options":{"include_usage":true}}"#;

fn tool() -> ToolCall {
    ToolCall { name: "weather".into(), arguments: json!({"city": "Ulm"}) }
}

const TOO_LONG: Trouble = Trouble::TooLong { tokens: 9000, window: 4096 };

#[tokio::test]
async fn lm_studio_lists_loads_and_unloads() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    sim.set_models(vec![
        SimModel { thinks: true, ..SimModel::named("acme/demo-8b") },
        SimModel { vision: true, ..SimModel::unloaded("acme/eyes-4b") },
        SimModel { loaded: false, parameters: String::new(), ..SimModel::embedding("text-embedding-demo-v1") },
    ]);
    let mut t = Transcript::new();
    t.scene("the greeting, and the lists of three generations");
    t.ask(&sim, "GET /lmstudio-greeting", "").await;
    t.ask(&sim, "GET /v1/models", "").await;
    t.ask(&sim, "GET /api/v0/models", "").await;
    t.ask(&sim, "GET /api/v0/models/acme/eyes-4b", "").await;
    t.ask(&sim, "GET /api/v1/models", "").await;
    t.scene("loading blocks and gives an instance; a second time a copy");
    t.ask(
        &sim,
        "POST /api/v1/models/load",
        r#"{"model":"acme/eyes-4b","context_length":8192,"echo_load_config":true}"#,
    )
    .await;
    t.ask(&sim, "POST /api/v1/models/load", r#"{"model":"acme/demo-8b"}"#).await;
    t.ask(&sim, "GET /api/v1/models", "").await;
    t.scene("unloading wants the instance");
    t.ask(&sim, "POST /api/v1/models/unload", r#"{"instance_id":"acme/demo-8b:2"}"#).await;
    t.ask(&sim, "POST /api/v1/models/unload", r#"{"instance_id":"acme/demo-8b:2"}"#).await;
    t.ask(&sim, "POST /api/v1/models/unload", "{}").await;
    t.scene("what cannot be loaded");
    t.ask(&sim, "POST /api/v1/models/load", r#"{"model":"nobody"}"#).await;
    t.ask(&sim, "POST /api/v1/models/load", r#"{"model":"acme/eyes-4b","context_length":999999}"#).await;
    sim.load_fails(Some("not enough memory"));
    t.ask(&sim, "POST /api/v1/models/load", r#"{"model":"acme/eyes-4b"}"#).await;
    t.scene("without JIT the older lists show what is loaded");
    sim.jit(false);
    t.ask(&sim, "GET /v1/models", "").await;
    t.scene("everything unknown is 200");
    t.ask(&sim, "GET /v1//models", "").await;
    t.ask(&sim, "POST /v1/models/unload", "{}").await;
    t.ask(&sim, "GET /api/tags", "").await;
    t.is_golden("lm_studio_models.txt");

    let mut t = Transcript::new();
    for (api, about) in [(LmStudioApi::V0, "0.3.6 knows no /api/v1"), (LmStudioApi::Compat, "0.3.5 knows /v1 only")] {
        let sim = Sim::start(SimKind::LmStudio(api)).await;
        t.scene(about);
        for path in ["/lmstudio-greeting", "/api/v1/models", "/api/v0/models", "/v1/models"] {
            t.ask(&sim, &format!("GET {path}"), "").await;
        }
        t.ask(&sim, "POST /v1/messages", r#"{"model":"demo-8b","max_tokens":9,"messages":[]}"#).await;
    }
    t.is_golden("lm_studio_generations.txt");
}

#[tokio::test]
async fn lm_studio_answers_in_all_its_ways() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let mut t = Transcript::new();
    t.scene("OpenAI's form; in a stream the role is in every piece, and usage comes only when asked for");
    t.ask(&sim, "POST /v1/chat/completions", HELLO).await;
    t.ask(&sim, "POST /v1/chat/completions", STREAM).await;
    t.ask(&sim, "POST /v1/chat/completions", r#"{"model":"demo-8b","messages":[],"stream":true}"#).await;
    t.scene("the older native form, with figures");
    t.ask(&sim, "POST /api/v0/chat/completions", HELLO).await;
    t.scene("the native form; loading is told");
    sim.think(&["hm"]);
    t.ask(&sim, "POST /api/v1/chat", r#"{"model":"demo-8b","input":"Hi"}"#).await;
    t.ask(&sim, "POST /api/v1/chat", r#"{"model":"demo-8b","input":"Hi","reasoning":"off","store":false}"#).await;
    sim.unload("demo-8b");
    t.ask(&sim, "POST /api/v1/chat", r#"{"model":"demo-8b","input":"Hi","stream":true}"#).await;
    t.scene("thinking, and its switch");
    t.ask(&sim, "POST /v1/chat/completions", HELLO).await;
    t.ask(&sim, "POST /v1/chat/completions", r#"{"model":"demo-8b","messages":[],"reasoning_effort":"none"}"#).await;
    t.scene("thinking eats the limit");
    t.ask(&sim, "POST /v1/chat/completions", r#"{"model":"demo-8b","messages":[],"max_tokens":1}"#).await;
    sim.think(&[]);
    t.scene("tools have ids that look like numbers");
    sim.call_tool(Some(tool()));
    t.ask(&sim, "POST /v1/chat/completions", HELLO).await;
    t.ask(&sim, "POST /v1/chat/completions", STREAM).await;
    sim.call_tool(None);
    t.scene("embeddings count nothing and name the build");
    t.ask(&sim, "POST /v1/embeddings", r#"{"model":"demo-8b","input":["a","b"]}"#).await;
    t.scene("completions, messages, responses; each loads on demand");
    sim.unload("demo-8b");
    t.ask(&sim, "POST /v1/completions", r#"{"model":"demo-8b","prompt":"Hi"}"#).await;
    t.ask(
        &sim,
        "POST /v1/messages",
        r#"{"model":"demo-8b","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#,
    )
    .await;
    t.ask(&sim, "POST /v1/responses", r#"{"model":"demo-8b","input":"Hi"}"#).await;
    t.is_golden("lm_studio_answers.txt");
}

#[tokio::test]
async fn lm_studio_fails_as_its_catalogue_says() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let mut t = Transcript::new();
    let chat = "POST /v1/chat/completions";
    t.scene("json_object is refused with a bare text");
    t.ask(&sim, chat, r#"{"model":"demo-8b","messages":[],"response_format":{"type":"json_object"}}"#).await;
    t.scene("a model it does not know");
    t.ask(&sim, chat, r#"{"model":"x","messages":[]}"#).await;
    t.scene("some builds answer with what is loaded instead");
    sim.ignore_model(true);
    t.ask(&sim, chat, r#"{"model":"x","messages":[]}"#).await;
    sim.ignore_model(false);
    t.scene("a prompt beyond the window: 400 with a bare text, in a stream 200 with a frame");
    sim.count_prompts();
    sim.set_models(vec![SimModel { context: 4, ..SimModel::named("demo-8b") }]);
    let long = "long ".repeat(9);
    t.ask(&sim, chat, &format!(r#"{{"model":"demo-8b","messages":[{{"role":"user","content":"{long}"}}]}}"#)).await;
    t.ask(
        &sim,
        chat,
        &format!(r#"{{"model":"demo-8b","stream":true,"messages":[{{"role":"user","content":"{long}"}}]}}"#),
    )
    .await;
    sim.prompt_tokens(31, 7);
    t.scene("the same, told to");
    sim.fault(Fault::Trouble(TOO_LONG));
    t.ask(&sim, chat, HELLO).await;
    t.scene("the model goes while it answers");
    for trouble in [Trouble::Unloaded, Trouble::Crashed] {
        sim.fault(Fault::Midway { after: 2, trouble: trouble.clone() });
        t.ask(&sim, chat, STREAM).await;
        sim.fault(Fault::Trouble(trouble));
        t.ask(&sim, chat, HELLO).await;
    }
    t.scene("loading on demand fails");
    sim.set_models(vec![SimModel::unloaded("demo-8b")]);
    sim.load_fails(Some("Operation canceled."));
    t.ask(&sim, chat, HELLO).await;
    t.scene("nothing is loaded, and nothing is loaded on demand");
    sim.load_fails(None);
    sim.jit(false);
    t.ask(&sim, chat, HELLO).await;
    t.scene("a token is wanted: none, a wrong one, the right one; the greeting is for everybody");
    sim.require_key("sk-lm-ABCDEFGH:0123456789abcdefghij");
    t.ask(&sim, "GET /api/v1/models", "").await;
    t.ask_with(&sim, "GET /api/v1/models", &[("authorization", "Bearer nonsense")], "").await;
    t.ask_with(&sim, "GET /v1/models", &[("authorization", "Bearer sk-lm-ABCDEFGH:0123456789abcdefghij")], "").await;
    t.ask(&sim, "GET /lmstudio-greeting", "").await;
    t.scene("a build without a route");
    sim.require_no_key();
    sim.fault_on("/api/v1/models", Fault::NoSuchRoute);
    t.ask(&sim, "GET /api/v1/models", "").await;
    sim.require_key("sk-lm-ABCDEFGH:0123456789abcdefghij");
    t.scene("some builds hide the list instead");
    sim.hide_list();
    t.ask(&sim, "GET /v1/models", "").await;
    t.is_golden("lm_studio_failures.txt");
}

#[tokio::test]
async fn z_ai_speaks_in_business_codes_and_finish_reasons() {
    let sim = Sim::start(SimKind::ZAi).await;
    let mut t = Transcript::new();
    let chat = "POST /api/paas/v4/chat/completions";
    sim.think(&["hm"]);
    t.scene("usage comes unasked, in the last piece; object is missing");
    t.ask(&sim, "GET /api/paas/v4/models", "").await;
    t.ask(&sim, chat, HELLO).await;
    t.ask(&sim, chat, r#"{"model":"demo-8b","messages":[{"role":"user","content":"Hi"}],"stream":true}"#).await;
    t.scene("thinking is on until it is switched off");
    t.ask(
        &sim,
        chat,
        r#"{"model":"demo-8b","messages":[{"role":"user","content":"Hi"}],"thinking":{"type":"disabled"}}"#,
    )
    .await;
    t.scene("the coding plan's base");
    t.ask(&sim, "POST /api/coding/paas/v4/chat/completions", HELLO).await;
    t.scene("refusals");
    t.ask(&sim, chat, r#"{"model":"nobody","messages":[{"role":"user","content":"Hi"}]}"#).await;
    t.ask(&sim, chat, r#"{"model":"demo-8b","messages":[]}"#).await;
    t.ask(
        &sim,
        chat,
        r#"{"model":"demo-8b","messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"json_schema"}}"#,
    )
    .await;
    for trouble in [
        Trouble::NoCredit,
        Trouble::RateLimited { after: None },
        Trouble::Overloaded,
        Trouble::Filtered,
        TOO_LONG,
        Trouble::Internal,
        Trouble::Business {
            code: 1308,
            message: "Usage limit reached for 5 hour. Your limit will reset at 2026-11-22 18:40:00".into(),
        },
    ] {
        sim.fault(Fault::Trouble(trouble));
        t.ask(&sim, chat, HELLO).await;
    }
    t.scene("what fails in a stream is a finish reason");
    for trouble in [Trouble::Internal, Trouble::Filtered, TOO_LONG] {
        sim.fault(Fault::Midway { after: 2, trouble });
        t.ask(&sim, chat, STREAM).await;
    }
    t.scene("keys");
    sim.require_key("id.secret");
    t.ask(&sim, "GET /api/paas/v4/models", "").await;
    t.ask_with(&sim, "GET /api/paas/v4/models", &[("authorization", "Bearer wrong")], "").await;
    t.is_golden("z_ai.txt");
}

#[tokio::test]
async fn openai_s_four_interfaces_and_its_limits() {
    let sim = Sim::start(SimKind::Openai).await;
    sim.set_models(vec![SimModel::named("demo-8b"), SimModel::named("gpt-6-sol")]);
    let mut t = Transcript::new();
    t.scene("chat; with usage asked for, every piece has a place for it");
    t.ask(&sim, "GET /v1/models", "").await;
    t.ask(&sim, "POST /v1/chat/completions", HELLO).await;
    t.ask(&sim, "POST /v1/chat/completions", STREAM).await;
    t.ask(&sim, "POST /v1/chat/completions", r#"{"model":"demo-8b","messages":[],"n":2}"#).await;
    sim.call_tool(Some(tool()));
    t.ask(&sim, "POST /v1/chat/completions", STREAM).await;
    t.scene("responses: named events, numbered, no [DONE]");
    sim.think(&["hm"]);
    sim.hide_thinking(true);
    t.ask(&sim, "POST /v1/responses", r#"{"model":"demo-8b","input":"Hi"}"#).await;
    t.ask(&sim, "POST /v1/responses", r#"{"model":"demo-8b","input":"Hi","stream":true}"#).await;
    t.ask(&sim, "POST /v1/responses", r#"{"model":"demo-8b","input":"Hi","max_output_tokens":2}"#).await;
    sim.call_tool(None);
    sim.fault_on("/responses", Fault::Midway { after: 4, trouble: Trouble::Internal });
    t.ask(&sim, "POST /v1/responses", r#"{"model":"demo-8b","input":"Hi","stream":true}"#).await;
    sim.think(&[]);
    t.scene("completions and embeddings");
    t.ask(&sim, "POST /v1/completions", r#"{"model":"demo-8b","prompt":"Hi","stream":true}"#).await;
    t.ask(&sim, "POST /v1/embeddings", r#"{"model":"demo-8b","input":"a"}"#).await;
    t.ask(&sim, "POST /v1/embeddings", r#"{"model":"demo-8b","input":["a"],"encoding_format":"base64"}"#).await;
    t.scene("reasoning models refuse max_tokens");
    t.ask(&sim, "POST /v1/chat/completions", r#"{"model":"gpt-6-sol","messages":[],"max_tokens":5}"#).await;
    t.ask(&sim, "POST /v1/chat/completions", r#"{"model":"gpt-6-sol","messages":[],"max_completion_tokens":2}"#).await;
    t.scene("limits stand in headers");
    sim.limits(Some(limits()));
    t.ask(&sim, "POST /v1/chat/completions", HELLO).await;
    sim.limits(None);
    t.scene("refusals");
    t.ask(&sim, "POST /v1/chat/completions", r#"{"model":"nobody","messages":[]}"#).await;
    t.ask(&sim, "GET /chat/completions", "").await;
    for trouble in
        [Trouble::KeyRefused, Trouble::NoCredit, Trouble::RateLimited { after: Some(7) }, Trouble::Overloaded, TOO_LONG]
    {
        sim.fault(Fault::Trouble(trouble));
        t.ask(&sim, "POST /v1/chat/completions", HELLO).await;
    }
    sim.fault(Fault::Midway { after: 2, trouble: Trouble::Internal });
    t.ask(&sim, "POST /v1/chat/completions", STREAM).await;
    t.is_golden("openai.txt");
}

fn limits() -> Limits {
    Limits {
        requests: 500,
        requests_left: 12,
        tokens: 200_000,
        tokens_left: 41_630,
        resets_in: Duration::from_mins(6),
        resets_at: UnixMs(1_795_000_000_000),
    }
}

#[tokio::test]
async fn anthropic_s_messages_and_all_their_events() {
    let sim = Sim::start(SimKind::Anthropic).await;
    let mut t = Transcript::new();
    let version = [("anthropic-version", "2023-06-01")];
    let hello = r#"{"model":"demo-8b","max_tokens":64,"messages":[{"role":"user","content":"Hi"}]}"#;
    let stream = r#"{"model":"demo-8b","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    let thinking = r#"{"model":"demo-8b","max_tokens":2048,"stream":true,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"user","content":"Hi"}]}"#;
    t.scene("models come in pages");
    sim.set_models(vec![SimModel::named("demo-8b"), SimModel::named("demo-9b")]);
    t.ask_with(&sim, "GET /v1/models?limit=1", &version, "").await;
    t.ask_with(&sim, "GET /v1/models?limit=1&after_id=demo-8b", &version, "").await;
    t.scene("a message, whole and in events; cached tokens are not in input_tokens");
    t.ask_with(&sim, "POST /v1/messages", &version, hello).await;
    t.ask_with(&sim, "POST /v1/messages", &version, stream).await;
    t.scene("thinking only when asked for, and a tool");
    sim.think(&["hm"]);
    sim.call_tool(Some(tool()));
    t.ask_with(&sim, "POST /v1/messages", &version, hello).await;
    t.ask_with(&sim, "POST /v1/messages", &version, thinking).await;
    sim.call_tool(None);
    t.scene("what went into the cache is told apart");
    sim.cache_written(11);
    t.ask_with(&sim, "POST /v1/messages", &version, hello).await;
    t.scene("tokens are counted for nothing");
    t.ask_with(
        &sim,
        "POST /v1/messages/count_tokens",
        &version,
        r#"{"model":"demo-8b","messages":[{"role":"user","content":"Hi"}]}"#,
    )
    .await;
    t.scene("limits stand in headers");
    sim.limits(Some(limits()));
    t.ask_with(&sim, "POST /v1/messages", &version, hello).await;
    sim.limits(None);
    t.scene("refusals");
    t.ask(&sim, "POST /v1/messages", hello).await;
    t.ask_with(
        &sim,
        "POST /v1/messages",
        &version,
        r#"{"model":"demo-8b","messages":[{"role":"user","content":"Hi"}]}"#,
    )
    .await;
    t.ask_with(
        &sim,
        "POST /v1/messages",
        &version,
        r#"{"model":"demo-8b","max_tokens":9,"messages":[{"role":"system","content":"Hi"}]}"#,
    )
    .await;
    t.ask_with(
        &sim,
        "POST /v1/messages",
        &version,
        r#"{"model":"nobody","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#,
    )
    .await;
    for trouble in [
        Trouble::KeyRefused,
        Trouble::NotAllowed,
        Trouble::NoCredit,
        Trouble::RateLimited { after: Some(7) },
        Trouble::Overloaded,
        TOO_LONG,
    ] {
        sim.fault_on("/messages", Fault::Trouble(trouble));
        t.ask_with(&sim, "POST /v1/messages", &version, hello).await;
    }
    sim.fault_on("/messages", Fault::Midway { after: 4, trouble: Trouble::Overloaded });
    t.ask_with(&sim, "POST /v1/messages", &version, stream).await;
    t.ask_with(&sim, "GET /v1/nothing", &version, "").await;
    t.is_golden("anthropic.txt");
}

#[tokio::test]
async fn the_other_local_servers_tell_what_they_do() {
    let mut t = Transcript::new();
    let sim = Sim::start(SimKind::Ollama).await;
    t.scene("Ollama: what is there, what is loaded, what runs elsewhere");
    sim.set_models(vec![
        SimModel::named("near:8b"),
        SimModel { loaded: false, remote: true, thinks: true, ..SimModel::named("far:cloud") },
        SimModel::unloaded("later:4b"),
    ]);
    for path in ["/", "/api/version", "/api/tags", "/api/ps", "/v1/models", "/nothing"] {
        t.ask(&sim, &format!("GET {path}"), "").await;
    }
    t.ask(&sim, "POST /api/show", r#"{"model":"near:8b"}"#).await;
    t.ask(&sim, "POST /api/show", r#"{"model":"nobody"}"#).await;
    t.ask(&sim, "POST /v1/chat/completions", r#"{"model":"later:4b","messages":[]}"#).await;
    t.ask(&sim, "GET /api/ps", "").await;
    t.ask(&sim, "POST /v1/chat/completions", r#"{"model":"nobody","messages":[]}"#).await;

    let sim = Sim::start(SimKind::LlamaCpp).await;
    t.scene("llama.cpp: one model, its slots and figures");
    for path in ["/health", "/props", "/slots", "/metrics", "/v1/models", "/api/tags"] {
        t.ask(&sim, &format!("GET {path}"), "").await;
    }
    sim.metrics(true);
    sim.set_load(2, 2, 3);
    t.ask(&sim, "GET /metrics", "").await;
    t.ask(&sim, "GET /slots?fail_on_no_slot=1", "").await;
    t.ask(&sim, "POST /v1/chat/completions", r#"{"model":"any name","messages":[]}"#).await;
    sim.fault(Fault::Trouble(TOO_LONG));
    t.ask(&sim, "POST /v1/chat/completions", HELLO).await;
    t.scene("llama.cpp: still loading");
    sim.starting(true);
    t.ask(&sim, "GET /health", "").await;
    t.ask(&sim, "GET /v1/models", "").await;
    sim.starting(false);
    t.scene("llama.cpp: a key; health is for everybody");
    sim.require_key("secret");
    t.ask(&sim, "GET /props", "").await;
    t.ask(&sim, "GET /health", "").await;

    let sim = Sim::start(SimKind::Vllm).await;
    t.scene("vLLM: health without a word, metrics, the longest input");
    for path in ["/health", "/version", "/metrics", "/v1/models", "/nothing"] {
        t.ask(&sim, &format!("GET {path}"), "").await;
    }
    sim.fault(Fault::Trouble(TOO_LONG));
    t.ask(&sim, "POST /v1/chat/completions", HELLO).await;
    sim.starting(true);
    t.ask(&sim, "GET /health", "").await;

    let sim = Sim::start(SimKind::Openrouter).await;
    t.scene("OpenRouter: prices in the list, comments in streams, cost in the usage");
    for path in ["/api/v1/models", "/api/v1/key"] {
        t.ask(&sim, &format!("GET {path}"), "").await;
    }
    t.ask(&sim, "POST /api/v1/chat/completions", STREAM).await;
    sim.fault(Fault::Midway { after: 3, trouble: Trouble::RateLimited { after: None } });
    t.ask(&sim, "POST /api/v1/chat/completions", STREAM).await;
    for trouble in [Trouble::NoCredit, Trouble::Filtered, Trouble::Internal] {
        sim.fault(Fault::Trouble(trouble));
        t.ask(&sim, "POST /api/v1/chat/completions", HELLO).await;
    }
    sim.require_key("secret");
    t.ask(&sim, "GET /api/v1/key", "").await;
    t.is_golden("others.txt");
}

// ---- what happens to the wire

async fn raw(sim: &Sim, path: &str) -> Result<String, reqwest::Error> {
    let client = client().timeout(Duration::from_millis(700));
    client.build()?.get(format!("{}{path}", sim.origin())).send().await?.text().await
}

#[tokio::test]
async fn faults_are_for_one_request_or_until_mended() {
    let sim = Sim::start(SimKind::Openai).await;
    let good = raw(&sim, "/v1/models").await.unwrap();
    sim.fault_on("/models", Fault::Html);
    assert!(raw(&sim, "/v1/models").await.unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!(raw(&sim, "/v1/models").await.unwrap(), good);
    sim.always_on("/models", Fault::MalformedJson);
    for _ in 0..2 {
        assert!(serde_json::from_str::<serde_json::Value>(&raw(&sim, "/v1/models").await.unwrap()).is_err());
    }
    sim.mend();
    assert_eq!(raw(&sim, "/v1/models").await.unwrap(), good);
    assert_eq!((sim.asked("/v1/models"), sim.seen()[0].method.as_str()), (6, "GET"));
    // A fault for a conversation waits for one, in whatever dialect.
    sim.fault(Fault::Html);
    assert_eq!(raw(&sim, "/v1/models").await.unwrap(), good);
    assert!(raw(&sim, "/v1/responses").await.unwrap().starts_with('<'));
    assert_eq!(sim.chats().len(), 1);
}

#[tokio::test]
async fn a_broken_wire_is_an_error_for_the_client_each_in_its_way() {
    let sim = Sim::start(SimKind::Openai).await;
    for (fault, timed_out) in [
        (Fault::Cut { after: 0 }, false),
        (Fault::Reset, false),
        (Fault::WrongLength, false),
        (Fault::Stall { after: 0 }, true),
        (Fault::Silence, true),
    ] {
        sim.fault_on("/models", fault.clone());
        let error = raw(&sim, "/v1/models").await.unwrap_err();
        assert_eq!(error.is_timeout(), timed_out, "{fault:?}: {error:?}");
    }
    let good = raw(&sim, "/v1/models").await.unwrap();
    sim.fault_on("/models", Fault::Drip(Duration::from_millis(30)));
    let begun = Instant::now();
    assert_eq!(raw(&sim, "/v1/models").await.unwrap(), good);
    assert!(begun.elapsed() >= Duration::from_millis(120), "it came in four pieces");
}

#[tokio::test]
async fn a_model_loaded_on_demand_takes_its_time_and_goes_again() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    sim.set_models(vec![SimModel::unloaded("a"), SimModel::unloaded("b")]);
    sim.load_takes(Duration::from_millis(150));
    let client = client().build().unwrap();
    let ask = async |body: &str| {
        let begun = Instant::now();
        let url = format!("{}/v1/chat/completions", sim.origin());
        client.post(url).body(body.to_owned()).send().await.unwrap().text().await.unwrap();
        begun.elapsed()
    };
    let loaded = || sim.models().iter().filter(|model| model.loaded).map(|model| model.id.clone()).collect::<Vec<_>>();
    assert!(ask(r#"{"model":"a","messages":[]}"#).await >= Duration::from_millis(150));
    assert!(ask(r#"{"model":"a","messages":[]}"#).await < Duration::from_millis(150));
    assert_eq!(loaded(), ["a"]);
    // The next one drives it out, and a ttl of nothing is over at once.
    ask(r#"{"model":"b","messages":[],"ttl":0}"#).await;
    assert_eq!(loaded(), ["b"]);
    raw(&sim, "/lmstudio-greeting").await.unwrap();
    assert_eq!(loaded(), Vec::<String>::new());
}

#[tokio::test]
async fn loading_goes_on_when_nobody_waits_for_it() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    sim.set_models(vec![SimModel::unloaded("a")]);
    sim.load_takes(Duration::from_millis(200));
    let client = client().timeout(Duration::from_millis(50)).build().unwrap();
    let load = client.post(format!("{}/api/v1/models/load", sim.origin())).body(r#"{"model":"a"}"#).send().await;
    assert!(load.unwrap_err().is_timeout());
    assert!(!sim.models()[0].loaded);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !sim.models()[0].loaded {
        assert!(Instant::now() < deadline, "it was never loaded");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_pace_is_kept_and_a_stopped_server_refuses() {
    let sim = Sim::start(SimKind::Openai).await;
    let [answer, first, each] = [40, 60, 20].map(Duration::from_millis);
    sim.pace(Pace { answer, first, each });
    let client = client().build().unwrap();
    for body in [HELLO, STREAM] {
        let begun = Instant::now();
        let url = format!("{}/v1/chat/completions", sim.origin());
        client.post(url).body(body).send().await.unwrap().text().await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(40 + 60 + 4 * 20), "{body}: {:?}", begun.elapsed());
    }
    sim.stop().await;
    assert!(raw(&sim, "/v1/models").await.unwrap_err().is_connect());
    sim.restart().await;
    assert!(raw(&sim, "/v1/models").await.is_ok());
}
