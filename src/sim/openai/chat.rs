//! Chat completions, whole and as a stream, with what each server adds to OpenAI's form.

use super::not_json;
use crate::sim::asked::{Asked, Spoken, written};
use crate::sim::fault::{Fault, Trouble};
use crate::sim::kind::SimKind;
use crate::sim::reply;
use crate::sim::scene::{Answer, Scene};
use crate::sim::spoil::Streamed;
use crate::sim::trouble::{self, openai_error};
use crate::sim::{llama_cpp, lm_studio};
use serde_json::{Value, json};

/// Chat of a server that knows its models by their names.
pub(in crate::sim) async fn respond(scene: &mut Scene) -> Answer {
    let Some(asked) = Asked::of(scene) else { return not_json() };
    if scene.kind() == SimKind::Openai && reasons(&asked.model) && asked.body.get("max_tokens").is_some() {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        let error = openai_error(message, "invalid_request_error", Some("max_tokens"), Some("unsupported_parameter"));
        return Answer::refused(400, &error);
    }
    let known = scene.settings().model(&asked.model).cloned();
    let strict = matches!(
        scene.kind(),
        SimKind::Openai | SimKind::Anthropic | SimKind::Vllm | SimKind::Ollama | SimKind::Openrouter
    );
    let Some(known) = known else {
        return if strict {
            Answer::Done(trouble::reply(scene, &Trouble::UnknownModel))
        } else {
            let spoken = asked.answer(scene, &asked.model);
            write(scene, &asked, &spoken).await
        };
    };
    if let Some(tokens) = asked.too_long(scene, known.context) {
        return Answer::Done(trouble::reply(scene, &Trouble::TooLong { tokens, window: known.context }));
    }
    let spoken = asked.answer(scene, &known.id);
    write(scene, &asked, &spoken).await
}

/// OpenAI's models that take `max_completion_tokens` only.
fn reasons(model: &str) -> bool {
    let older = ["gpt-3", "gpt-4"].iter().any(|family| model.starts_with(family));
    let o_series = model.starts_with('o') && model[1..].starts_with(|c: char| c.is_ascii_digit());
    o_series || model.starts_with("gpt-") && !older
}

/// Writes an answer down as this server does.
pub(in crate::sim) async fn write(scene: &mut Scene, asked: &Asked, spoken: &Spoken) -> Answer {
    if !asked.stream {
        written(spoken).await;
        let mut body = whole(scene.kind(), asked, spoken);
        if scene.seen.path.starts_with("/api/v0/") {
            lm_studio::add_stats(&mut body, spoken, scene);
            return Answer::Plain(reply::pretty(&body));
        }
        return Answer::Plain(reply::json(200, &body));
    }
    let fault = scene.fault.take();
    let broken = match &fault {
        Some(Fault::Midway { after, trouble }) => Some((*after, trouble::frame(scene, &spoken.model, trouble))),
        _ => None,
    };
    let wants_usage = asked.body.pointer("/stream_options/include_usage") == Some(&Value::Bool(true));
    let streamed = Streamed {
        frames: frames(scene.kind(), spoken, wants_usage),
        end: "data: [DONE]\n\n".into(),
        content_type: "text/event-stream",
        pace: spoken.pace,
        broken,
    };
    Answer::Done(streamed.reply(&scene.shared, fault))
}

/// Where a server puts its reasoning.
fn reasoning_member(kind: SimKind, model: &str) -> &'static str {
    match kind {
        SimKind::Ollama | SimKind::Openrouter => "reasoning",
        SimKind::LmStudio(_) if model.contains("gpt-oss") => "reasoning",
        _ => "reasoning_content",
    }
}

fn answer_id(kind: SimKind, number: u64) -> String {
    match kind {
        SimKind::Openrouter => format!("gen-{number}"),
        SimKind::ZAi => format!("2026-{number}"),
        _ => format!("chatcmpl-{number}"),
    }
}

fn tool_calls(kind: SimKind, spoken: &Spoken, streamed: bool) -> Option<Value> {
    let tool = spoken.tool.as_ref()?;
    let id =
        if kind.is_lm_studio() { (365_174_484 + spoken.number).to_string() } else { format!("call_{}", spoken.number) };
    let mut call = json!({"id": id, "type": "function",
        "function": {"name": tool.name, "arguments": tool.arguments.to_string()}});
    if streamed {
        call["index"] = json!(0);
    }
    Some(json!([call]))
}

fn whole(kind: SimKind, asked: &Asked, spoken: &Spoken) -> Value {
    let mut message = json!({"role": "assistant", "content": spoken.text()});
    let reasoning = spoken.shown_reasoning().concat();
    if !reasoning.is_empty() {
        message[reasoning_member(kind, &spoken.model)] = json!(reasoning);
    }
    if let Some(calls) = tool_calls(kind, spoken, false) {
        message["tool_calls"] = calls;
        if spoken.words.is_empty() {
            message["content"] = Value::Null;
        }
    }
    // LM Studio answers once, however often it is asked for.
    let wanted = asked.body.get("n").and_then(Value::as_u64).unwrap_or(1).clamp(1, 16);
    let count = if kind.is_lm_studio() { 1 } else { wanted };
    let choices: Vec<Value> = (0..count)
        .map(|index| {
            let mut choice =
                json!({"index": index, "message": message, "logprobs": null, "finish_reason": spoken.finish_reason()});
            if kind == SimKind::Openrouter {
                choice["native_finish_reason"] = json!(spoken.finish_reason());
            }
            choice
        })
        .collect();
    let mut body = json!({"id": answer_id(kind, spoken.number), "object": "chat.completion", "created": 1,
        "model": spoken.model, "choices": choices, "usage": usage(kind, spoken)});
    match kind {
        SimKind::LmStudio(_) => {
            body["stats"] = json!({});
            body["system_fingerprint"] = json!(spoken.model);
        }
        SimKind::ZAi => {
            if let Some(members) = body.as_object_mut() {
                members.shift_remove("object");
            }
            body["request_id"] = json!(answer_id(kind, spoken.number));
        }
        SimKind::LlamaCpp => body["timings"] = llama_cpp::timings(spoken),
        SimKind::Openrouter => body["provider"] = json!("Simulated"),
        SimKind::Openai => body["service_tier"] = json!("default"),
        _ => {}
    }
    body
}

fn usage(kind: SimKind, spoken: &Spoken) -> Value {
    let mut usage = spoken.usage();
    if kind == SimKind::Openrouter {
        usage["cost"] = json!(0.0125);
    }
    usage
}

/// The frames of a stream without the end mark.
fn frames(kind: SimKind, spoken: &Spoken, wants_usage: bool) -> Vec<String> {
    let chunk = |delta: Value, finish: Option<&str>| {
        let mut chunk = json!({"id": answer_id(kind, spoken.number), "object": "chat.completion.chunk", "created": 1,
            "model": spoken.model, "system_fingerprint": if kind.is_lm_studio() { spoken.model.as_str() } else { "sim" },
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]});
        if kind == SimKind::Openai && wants_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    };
    let repeats_role = kind.is_lm_studio();
    let mut chunks = Vec::new();
    if !repeats_role {
        chunks.push(chunk(json!({"role": "assistant", "content": null}), None));
    }
    for word in spoken.shown_reasoning() {
        let mut delta = json!({});
        delta[reasoning_member(kind, &spoken.model)] = json!(word);
        chunks.push(chunk(delta, None));
    }
    for word in &spoken.words {
        let role = json!({"role": "assistant", "content": word});
        chunks.push(chunk(if repeats_role { role } else { json!({"content": word}) }, None));
    }
    for delta in tool_deltas(kind, spoken) {
        chunks.push(chunk(delta, None));
    }
    let mut last = chunk(json!({}), Some(spoken.finish_reason()));
    match kind {
        SimKind::ZAi => last["usage"] = usage(kind, spoken),
        SimKind::LlamaCpp => last["timings"] = llama_cpp::timings(spoken),
        _ => {}
    }
    chunks.push(last);
    if wants_usage && kind != SimKind::ZAi {
        let mut told = chunk(json!({}), None);
        told["choices"] = json!([]);
        told["usage"] = usage(kind, spoken);
        chunks.push(told);
    }
    let mut frames: Vec<String> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    if kind == SimKind::Openrouter {
        frames.insert(0, ": OPENROUTER PROCESSING\n\n".into());
    }
    frames
}

/// The id and the name come first, the arguments in two pieces.
fn tool_deltas(kind: SimKind, spoken: &Spoken) -> Vec<Value> {
    let Some(mut calls) = tool_calls(kind, spoken, true) else { return Vec::new() };
    let arguments = calls[0]["function"]["arguments"].as_str().unwrap_or_default().to_owned();
    calls[0]["function"]["arguments"] = json!("");
    let half = arguments.char_indices().nth(arguments.chars().count() / 2).map_or(0, |(at, _)| at);
    let (first, second) = arguments.split_at(half);
    let piece = |text: &str| json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]});
    vec![json!({"tool_calls": calls}), piece(first), piece(second)]
}
