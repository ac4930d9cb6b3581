//! Anthropic: native Messages, models in pages, token counting, the headers with its limits; and the
//! OpenAI-compatible chat that it offers beside them.

use super::anthropic_stream::frames;
use super::asked::{Asked, Spoken, written};
use super::fault::{Fault, Trouble};
use super::kind::SimKind;
use super::openai;
use super::reply::{self, Reply};
use super::scene::{Answer, Scene};
use super::settings::Limits;
use super::spoil::Streamed;
use super::trouble::{self, anthropic_error};
use serde_json::{Value, json};

/// Models on a page unless the client asks for another number.
const PAGE: usize = 20;

pub(super) async fn respond(scene: &mut Scene) -> Answer {
    let (method, path) = scene.route();
    let answer = match (method, path.as_str()) {
        ("GET", "/v1/models") => models(scene),
        ("POST", "/v1/messages") => messages(scene).await,
        ("POST", "/v1/messages/count_tokens") => count(scene),
        ("POST", "/v1/chat/completions") => openai::chat::respond(scene).await,
        _ => Answer::NoSuchRoute,
    };
    match answer {
        Answer::Done(reply) => Answer::Done(with_headers(scene, reply)),
        Answer::Plain(reply) => Answer::Plain(with_headers(scene, reply)),
        Answer::NoSuchRoute => Answer::NoSuchRoute,
    }
}

pub(super) fn unknown_route() -> Reply {
    reply::json(404, &anthropic_error("not_found_error", "Not Found"))
}

fn models(scene: &Scene) -> Answer {
    let asked = |name: &str| {
        let mut parts = scene.seen.query.split('&').filter_map(|part| part.split_once('='));
        parts.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    let limit = asked("limit").and_then(|limit| limit.parse().ok()).unwrap_or(PAGE);
    let after = asked("after_id").unwrap_or_default();
    let settings = scene.settings();
    let skip = settings.models.iter().position(|model| model.id == after).map_or(0, |place| place + 1);
    let page: Vec<Value> = settings
        .models
        .iter()
        .skip(skip)
        .take(limit)
        .map(|model| {
            json!({"type": "model", "id": model.id, "display_name": model.display, "created_at": "2026-01-01T00:00:00Z"})
        })
        .collect();
    let end = |entry: Option<&Value>| entry.map_or(Value::Null, |entry| entry["id"].clone());
    let has_more = settings.models.len() > skip + page.len();
    let (first, last) = (end(page.first()), end(page.last()));
    drop(settings);
    Answer::json(&json!({"data": page, "has_more": has_more, "first_id": first, "last_id": last}))
}

fn count(scene: &Scene) -> Answer {
    let Some(asked) = Asked::of(scene) else { return invalid("the body is not JSON") };
    Answer::json(&json!({"input_tokens": asked.prompt_tokens(scene)}))
}

fn invalid(message: &str) -> Answer {
    Answer::refused(400, &anthropic_error("invalid_request_error", message))
}

/// Native Messages; LM Studio, Ollama, llama.cpp and Z.AI's coding plan offer them too.
pub(super) async fn messages(scene: &mut Scene) -> Answer {
    let Some(asked) = Asked::of(scene) else { return invalid("the body is not JSON") };
    if scene.kind() == SimKind::Anthropic && scene.seen.header("anthropic-version").is_empty() {
        return invalid("anthropic-version: header is required");
    }
    if asked.limit.is_none_or(|limit| limit == 0) {
        return invalid("max_tokens: Field required");
    }
    if let Some(refusal) = wrong_messages(&asked.body) {
        return invalid(refusal);
    }
    let known = scene.settings().model(&asked.model).cloned();
    let Some(known) = known else { return Answer::Done(trouble::reply(scene, &Trouble::UnknownModel)) };
    if let Some(tokens) = asked.too_long(scene, known.context) {
        return Answer::Done(trouble::reply(scene, &Trouble::TooLong { tokens, window: known.context }));
    }
    let mut spoken = asked.answer(scene, &known.id);
    if !thinks(&asked.body) {
        spoken.reasoning.clear();
    }
    if !asked.stream {
        written(&spoken).await;
        return Answer::Plain(reply::json(200, &whole(&spoken)));
    }
    let fault = scene.fault.take();
    let broken = match &fault {
        Some(Fault::Midway { after, trouble }) => Some((*after, trouble::frame(scene, &spoken.model, trouble))),
        _ => None,
    };
    let mut frames = frames(&spoken);
    let end = frames.pop().unwrap_or_default();
    let streamed =
        Streamed { frames, end, content_type: "text/event-stream; charset=utf-8", pace: spoken.pace, broken };
    Answer::Done(streamed.reply(&scene.shared, fault))
}

/// Thinking is off unless it is asked for.
fn thinks(body: &Value) -> bool {
    matches!(body.pointer("/thinking/type").and_then(Value::as_str), Some("enabled" | "adaptive"))
}

fn wrong_messages(body: &Value) -> Option<&'static str> {
    let messages = body.get("messages").and_then(Value::as_array).filter(|messages| !messages.is_empty());
    let Some(messages) = messages else { return Some("messages: at least one message is required") };
    let role = |message: &Value| message.get("role").and_then(Value::as_str).unwrap_or_default().to_owned();
    if messages.iter().any(|message| !matches!(role(message).as_str(), "user" | "assistant")) {
        return Some(
            "messages: Unexpected role. The Messages API accepts a top-level `system` parameter, not \"system\" as an input message role.",
        );
    }
    (role(&messages[0]) != "user").then_some("messages: first message must use the \"user\" role")
}

/// What the input counts: cached tokens are not among `input_tokens`.
pub(super) fn usage(spoken: &Spoken, output: u64) -> Value {
    json!({"input_tokens": spoken.prompt_tokens - spoken.cached, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": spoken.cached, "output_tokens": output, "service_tier": "standard"})
}

pub(super) fn stop_reason(spoken: &Spoken) -> &'static str {
    match spoken.finish_reason() {
        "stop" => "end_turn",
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        "content_filter" | "sensitive" => "refusal",
        other => other,
    }
}

pub(super) fn tool_id(spoken: &Spoken) -> String {
    format!("toolu_{}", spoken.number)
}

pub(super) fn message_id(spoken: &Spoken) -> String {
    format!("msg_{}", spoken.number)
}

fn whole(spoken: &Spoken) -> Value {
    let mut content = Vec::new();
    if !spoken.reasoning.is_empty() {
        content.push(json!({"type": "thinking", "thinking": spoken.reasoning.concat(), "signature": "c2ln"}));
    }
    if !spoken.words.is_empty() {
        content.push(json!({"type": "text", "text": spoken.text()}));
    }
    if let Some(tool) = &spoken.tool {
        content.push(json!({"type": "tool_use", "id": tool_id(spoken), "name": tool.name, "input": tool.arguments}));
    }
    json!({"id": message_id(spoken), "type": "message", "role": "assistant", "model": spoken.model, "content": content,
        "stop_reason": stop_reason(spoken), "stop_sequence": null, "usage": usage(spoken, spoken.output_tokens())})
}

fn with_headers(scene: &Scene, mut reply: Reply) -> Reply {
    let settings = scene.settings();
    reply::set(&mut reply, "request-id", &format!("req_{}", settings.answers));
    let Some(Limits { requests, requests_left, tokens, tokens_left, resets_at, .. }) = settings.limits else {
        return reply;
    };
    let reset = jiff::Timestamp::from_millisecond(resets_at.0).unwrap_or_default();
    // What is left of tokens is told in thousands.
    let about = (tokens_left + 500) / 1000 * 1000;
    for (what, limit, left) in [
        ("requests", requests, requests_left),
        ("tokens", tokens, about),
        ("input-tokens", tokens, about),
        ("output-tokens", tokens, about),
    ] {
        for (name, value) in
            [("limit", limit.to_string()), ("remaining", left.to_string()), ("reset", format!("{reset:.0}"))]
        {
            reply::set(&mut reply, &format!("anthropic-ratelimit-{what}-{name}"), &value);
        }
    }
    reply
}
