//! The dialects: what goes to each kind of server for one and the same request, and how its answers, counts, errors
//! and limits come back. Bytes against bytes here; over a socket with the simulated servers at the end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail their test")]

use crate::support::engine::{TokioClock, engine_over};
use crate::support::sim::{
    Fault, Limits, LmStudioApi, Sim, SimKind, SimModel, ToolCall, Trouble, VENDOR_KEY, profile_at,
};
use bytes::Bytes;
use futures_util::StreamExt;

use lmdeck::adapters::http::HttpUpstream;
use lmdeck::adapters::wire::answer::Context;
use lmdeck::adapters::wire::dialect::{Dialect, Prepared, Reader, prepare, taken_apart, whole};
use lmdeck::adapters::wire::{anthropic, responses};
use lmdeck::domain::call::{Body, Facts, Finish, Message, Role, Usage, Work};
use lmdeck::domain::config::{Config, Endpoint, Profile};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::ids::ModelId;
use lmdeck::domain::incident::Past;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::Engine;
use lmdeck::engine::ports::{Clock, Frame, Upstream, UpstreamJob};
use lmdeck::engine::protocol::{Command, Reply};
use lmdeck::gateway::{self, GatewayOptions};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const CREATED: u64 = 1_780_000_000;

fn golden(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn profile(kind: Kind) -> Profile {
    profile_at("p", kind, Endpoint::http("127.0.0.1", 1), kind.is_vendor().then_some(VENDOR_KEY))
}

fn prepared(kind: Kind, model: &str, body: &Value) -> Prepared {
    let body = Body::RawOpenaiChat { json: body.to_string() };
    prepare(&profile(kind), &ModelId::from(model), &body).unwrap()
}

fn sent(kind: Kind, model: &str, body: &Value) -> Value {
    golden(&prepared(kind, model, body).json)
}

fn refused(kind: Kind, model: &str, body: &Value) -> Failure {
    let body = Body::RawOpenaiChat { json: body.to_string() };
    prepare(&profile(kind), &ModelId::from(model), &body).unwrap_err()
}

fn context(kind: Kind) -> Context {
    Context { kind, path: "/v1/x".into(), secrets: Vec::new(), now: UnixMs(0) }
}

/// What a stream amounts to.
#[derive(Debug, Default, PartialEq)]
struct Read {
    text: String,
    reasoning: String,
    tool: bool,
    usage: Option<Usage>,
    finish: Option<Finish>,
    model: Option<String>,
    id: Option<String>,
    end: bool,
    failure: Option<Failure>,
    raw: String,
    usage_only: usize,
}

fn collected(frames: impl Iterator<Item = Result<Frame, Failure>>) -> Read {
    let mut read = Read::default();
    for frame in frames {
        match frame {
            Ok(Frame { raw, seen }) => {
                read.raw.push_str(std::str::from_utf8(&raw).unwrap());
                read.text += &seen.text;
                read.reasoning += &seen.reasoning;
                read.tool |= seen.tool;
                read.usage = seen.usage.or(read.usage);
                read.finish = seen.finish.or(read.finish);
                read.model = seen.model.or(read.model);
                read.id = seen.response_id.or(read.id);
                read.end |= seen.end;
                read.usage_only += usize::from(seen.usage_only);
            }
            Err(failure) => read.failure = Some(failure),
        }
    }
    read
}

fn stream_in(dialect: Dialect, kind: Kind, bytes: &[u8], cuts: &[usize]) -> Read {
    let mut reader = Reader::new(dialect, context(kind), CREATED);
    let mut frames = Vec::new();
    let mut from = 0;
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.sort_unstable();
    for to in ends.into_iter().chain([bytes.len()]) {
        if !reader.done() {
            reader.push(Bytes::copy_from_slice(&bytes[from..to]));
            frames.extend(std::iter::from_fn(|| reader.next_frame()));
        }
        from = to;
    }
    reader.finish(true);
    frames.extend(std::iter::from_fn(|| reader.next_frame()));
    collected(frames.into_iter())
}

fn stream(dialect: Dialect, kind: Kind, text: &str) -> Read {
    stream_in(dialect, kind, text.as_bytes(), &[])
}

/// The chunks that an OpenAI client reads.
fn chunks(raw: &str) -> Vec<Value> {
    raw.split("\n\n").filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok()).collect()
}

/// What an OpenAI client puts together of the tool calls: name and arguments by index.
fn calls(raw: &str) -> Vec<(String, String, String)> {
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for chunk in chunks(raw) {
        for piece in chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
            if index == calls.len() {
                calls.push(Default::default());
            }
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            calls[index].0 += &text(&piece["id"]);
            calls[index].1 += &text(&piece["function"]["name"]);
            calls[index].2 += &text(&piece["function"]["arguments"]);
        }
    }
    calls
}

const TEXT: &str = include_str!("golden/anthropic/text.sse");
const TOOLS: &str = include_str!("golden/anthropic/thinking_and_tools.sse");
const OVERLOADED: &str = include_str!("golden/anthropic/overloaded_midway.sse");
const RESPONSES: &str = include_str!("golden/responses/tools.sse");
const Z_AI: &str = include_str!("golden/z_ai/reasoning.sse");
const CHAT: &str = include_str!("golden/anthropic/chat_request.json");

// ---------------------------------------------------------------- Anthropic: requests

#[test]
fn a_chat_request_becomes_messages_by_every_rule_of_the_table() {
    let request = prepared(Kind::Anthropic, "claude-demo-5", &golden(CHAT));
    assert_eq!(golden(&request.json), golden(include_str!("golden/anthropic/native_request.json")));
    assert_eq!(request.url, "http://127.0.0.1:1/v1/messages");
    assert!(request.stream);
}

#[test]
fn what_the_playground_asks_goes_the_same_way() {
    let message = |role, content: &str| Message { role, content: content.into() };
    let body = Body::Chat {
        messages: vec![message(Role::System, "Be kind."), message(Role::User, "hi")],
        max_tokens: Some(50),
        temperature: Some(0.4),
        stream: true,
    };
    let request = prepare(&profile(Kind::Anthropic), &ModelId::from("claude-demo-5"), &body).unwrap();
    assert_eq!(
        golden(&request.json),
        json!({"model": "claude-demo-5", "max_tokens": 50, "system": "Be kind.", "temperature": 0.4, "stream": true,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]})
    );
}

#[test]
fn what_anthropic_cannot_do_is_refused_with_its_place() {
    let user = json!([{"role": "user", "content": "hi"}]);
    for (body, says) in [
        (json!({"messages": user, "n": 2}), "n: this model gives one choice per request"),
        (json!({"messages": user, "functions": []}), "functions: the older form"),
        (json!({}), "messages: expected a list"),
        (json!({"messages": [{"role": "wizard", "content": ""}]}), "messages[0].role: expected system"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].tool_call_id"),
        (json!({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}), "messages[0].content[0].type"),
        (json!({"messages": [{"role": "user", "content": 7}]}), "messages[0].content: expected a text or a list"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///x"}}]}]}),
            "messages[0]: an image is a data URL or an http address",
        ),
        (json!({"messages": user, "tools": [{"type": "web"}]}), "tools[0].type: a tool of type \"web\""),
        (json!({"messages": user, "temperature": "warm"}), "temperature: expected a number"),
    ] {
        let failure = refused(Kind::Anthropic, "claude-demo-5", &body);
        assert_eq!(failure.code, ErrorCode::InvalidRequest);
        assert!(failure.message.starts_with(says), "{body}: {}", failure.message);
    }
    // One choice asked for is one choice.
    assert_eq!(sent(Kind::Anthropic, "claude-demo-5", &json!({"messages": user, "n": 1}))["max_tokens"], 4096);
}

#[test]
fn reasoning_is_asked_in_the_way_the_model_knows() {
    let ask = |model: &str, more: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "hi"}], "temperature": 0.5});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sent(Kind::Anthropic, model, &body)
    };
    let newer = ask("claude-opus-4-7", json!({"reasoning_effort": "high"}));
    assert_eq!(newer["thinking"], json!({"type": "adaptive"}));
    assert_eq!(newer["output_config"]["effort"], "high");
    assert_eq!(newer.get("temperature"), None, "it refuses one while it reasons");
    let older = ask("claude-haiku-4-5-20251001", json!({"reasoning_effort": "medium"}));
    assert_eq!(older["thinking"], json!({"type": "enabled", "budget_tokens": 4096}));
    assert_eq!(older["max_tokens"], 8192, "the budget is part of it");
    let little = ask("claude-3-7-sonnet-latest", json!({"reasoning_effort": "high", "max_tokens": 500}));
    assert_eq!((little.get("thinking"), &little["max_tokens"]), (None, &json!(500)), "no room for the least budget");
    let off = ask("claude-opus-4-7", json!({"reasoning_effort": "none"}));
    assert_eq!((&off["thinking"], &off["temperature"]), (&json!({"type": "disabled"}), &json!(0.5)));
}

#[test]
fn a_request_with_tools_comes_back_as_it_went() {
    // What an assistant's turn said in our own shape is what its vendor said: id, name, arguments, signature.
    let message = golden(include_str!("golden/anthropic/message.json"));
    let answer = whole(Dialect::Messages, &context(Kind::Anthropic), message.to_string().into(), CREATED).unwrap();
    let answer: Value = serde_json::from_slice(&answer.raw).unwrap();
    let next = json!({"messages": [{"role": "user", "content": "go"}, answer["choices"][0]["message"],
        {"role": "tool", "tool_call_id": "toolu_1", "content": "rain"}]});
    let again = sent(Kind::Anthropic, "claude-demo-5", &next);
    assert_eq!(again["messages"][1]["content"], message["content"]);
}

// ---------------------------------------------------------------- Anthropic: answers

#[test]
fn a_streamed_message_reads_as_a_chat() {
    let read = stream(Dialect::Messages, Kind::Anthropic, TEXT);
    assert_eq!((read.text.as_str(), read.end, &read.failure), ("Hello, wörld", true, &None));
    assert_eq!(read.finish, Some(Finish::Stop));
    assert_eq!(
        read.usage,
        Some(Usage { input: 2111, output: 9, cached: 2000, cache_written: 100, ..Usage::default() }),
        "the cache is input too"
    );
    assert_eq!((read.model.as_deref(), read.id.as_deref()), (Some("claude-demo-5"), Some("msg_01")));
    let chunks = chunks(&read.raw);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["id"] == "msg_01"));
    let finishes: Vec<_> = chunks.iter().filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str()).collect();
    assert_eq!(finishes, ["stop"]);
    let usage = chunks.last().unwrap();
    assert_eq!((&usage["choices"], read.usage_only), (&json!([]), 1));
    assert_eq!(usage["usage"]["prompt_tokens_details"], json!({"cached_tokens": 2000, "cache_write_tokens": 100}));
    assert!(read.raw.ends_with("data: [DONE]\n\n"));
    assert!(read.raw.contains("\n\n: keep-alive\n\n"), "a ping keeps the caller's line open");
}

#[test]
fn thinking_and_tools_of_a_stream_are_numbered_as_a_client_expects() {
    let read = stream(Dialect::Messages, Kind::Anthropic, TOOLS);
    assert_eq!((read.text.as_str(), read.reasoning.as_str(), read.tool), ("I look.", "Two cities.", true));
    assert_eq!(read.finish, Some(Finish::ToolCalls));
    assert_eq!(read.usage.unwrap().reasoning, 12);
    let call = |id: &str, name: &str, arguments: &str| (id.to_owned(), name.to_owned(), arguments.to_owned());
    assert_eq!(
        calls(&read.raw),
        [call("toolu_1", "weather", r#"{"city":"Oslo"}"#), call("toolu_2", "now", "{}")],
        "a tool without arguments has an empty object, not an empty text"
    );
    let signed: Vec<Value> = chunks(&read.raw)
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"].get("thinking_blocks").cloned())
        .collect();
    assert_eq!(signed, [json!([{"type": "thinking", "thinking": "Two cities.", "signature": "c2ln"}])]);
}

#[test]
fn a_whole_message_reads_as_a_chat() {
    let body = include_str!("golden/anthropic/message.json");
    let frame = whole(Dialect::Messages, &context(Kind::Anthropic), body.into(), CREATED).unwrap();
    let answer: Value = serde_json::from_slice(&frame.raw).unwrap();
    let message = &answer["choices"][0]["message"];
    assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("I look."), &json!("Two cities.")));
    assert_eq!(message["tool_calls"][0]["function"]["arguments"], r#"{"city":"Oslo","days":2}"#);
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(answer["usage"]["prompt_tokens"], 2111);
    assert_eq!((&answer["object"], &answer["created"]), (&json!("chat.completion"), &json!(CREATED)));
    assert_eq!(
        frame.seen.usage,
        Some(Usage { input: 2111, output: 31, cached: 2000, cache_written: 100, ..Usage::default() })
    );
    assert!(frame.seen.end && frame.seen.tool);
}

#[test]
fn a_message_that_broke_is_never_taken_for_whole() {
    let failure = |text: &str| stream(Dialect::Messages, Kind::Anthropic, text).failure.unwrap();
    let half = failure(OVERLOADED);
    assert_eq!((half.code, half.message.contains("Overloaded for now")), (ErrorCode::Overloaded, true));
    // Every place it may be cut at, but the last event.
    let stop = TEXT.rfind("event: message_stop").unwrap();
    for (at, _) in TEXT[..stop].match_indices("event: ") {
        assert_eq!(failure(&TEXT[..at]).cause, Cause::CutOff, "{at}");
    }
    assert_eq!(failure(&TEXT[..stop]).cause, Cause::CutOff);
    // Without its blank line the end mark counts all the same.
    let unfinished = stream(Dialect::Messages, Kind::Anthropic, TEXT.trim_end());
    assert!(unfinished.end && unfinished.failure.is_none());
    let done = stream(Dialect::Messages, Kind::Anthropic, &format!("{}data: [DONE]\n\n", &TEXT[..stop]));
    assert_eq!(done.failure.unwrap().cause, Cause::CutOff, "another dialect's mark is none here");
}

#[test]
fn line_ends_and_odd_spacing_change_nothing() {
    let usual = stream(Dialect::Messages, Kind::Anthropic, TEXT);
    assert_eq!(stream(Dialect::Messages, Kind::Anthropic, &TEXT.replace('\n', "\r\n")), usual);
    assert_eq!(stream(Dialect::Messages, Kind::Anthropic, &TEXT.replace("data: ", "data:")), usual);
    assert_eq!(stream(Dialect::Messages, Kind::Anthropic, &TEXT.replace("event: ping\n", "")), usual);
}

#[test]
fn a_shape_that_is_not_known_is_named() {
    let with =
        |from: &str, to: &str| stream(Dialect::Messages, Kind::Anthropic, &TEXT.replace(from, to)).failure.unwrap();
    for (from, to, why) in [
        (r#""text":"Hello""#, r#""text":{"t":1}"#, "content_block_delta.delta.text: expected a text, came an object"),
        (r#""message":{"id""#, r#""massage":{"id""#, "message_start.message: expected an object, came nothing"),
        (r#""index":0,"content_block""#, r#""content_block""#, "content_block_start.index: expected a whole number"),
        (r#""type":"message_start","#, "", "type: expected the name of an event, came nothing"),
        ("\"type\":\"ping\"}", "\"type\":", "not readable JSON"),
    ] {
        let failure = with(from, to);
        assert_eq!(failure.code, ErrorCode::BadAnswer, "{why}");
        assert!(failure.message.contains(why), "{}", failure.message);
    }
    let whole =
        |body: &str| whole(Dialect::Messages, &context(Kind::Anthropic), body.to_owned().into(), CREATED).unwrap_err();
    for (body, why) in [
        (r#"{"content":"hi"}"#, "content: expected a list of blocks, came a text"),
        (r#"{"content":[{"type":"text","text":7}]}"#, "content[0].text: expected a text, came a number"),
        (
            r#"{"content":[{"type":"hologram"}]}"#,
            "content[0].type: expected text, tool_use or thinking, came \"hologram\"",
        ),
        ("{", "not readable JSON"),
    ] {
        let failure = whole(body);
        assert_eq!((failure.code, failure.message.contains(why)), (ErrorCode::BadAnswer, true), "{}", failure.message);
    }
    assert_eq!(whole("<html>no</html>").cause, Cause::HtmlPage);
    assert_eq!(whole(r#"{"content":[],"stop_reason":"end_turn"}"#).code, ErrorCode::EmptyAnswer);
    assert_eq!(whole(r#"{"content":[],"stop_reason":"refusal"}"#).code, ErrorCode::ContentFilter);
    let error = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#;
    assert_eq!(whole(error).code, ErrorCode::RateLimit, "an error behind a 200");
}

// ---------------------------------------------------------------- OpenAI's responses

#[test]
fn models_that_answer_only_there_get_a_responses_request() {
    let request = prepared(Kind::Openai, "demo-codex", &golden(&CHAT.replace(r#""stop": ["END", " "],"#, "")));
    assert_eq!(golden(&request.json), golden(include_str!("golden/responses/native_request.json")));
    assert_eq!((request.dialect, request.url.as_str()), (Dialect::Responses, "http://127.0.0.1:1/v1/responses"));
    assert_eq!(prepared(Kind::Openai, "gpt-4o", &golden(CHAT)).dialect, Dialect::Chat);
    assert_eq!(prepared(Kind::OpenaiCompatible, "demo-codex", &golden(CHAT)).dialect, Dialect::Chat);
    let failure = refused(Kind::Openai, "o3-pro", &golden(CHAT));
    assert!(failure.message.starts_with("stop: o3-pro knows no stop texts"), "{}", failure.message);
}

#[test]
fn a_streamed_response_reads_as_a_chat() {
    let read = stream(Dialect::Responses, Kind::Openai, RESPONSES);
    assert_eq!((read.text.as_str(), read.reasoning.as_str(), read.end), ("I look.", "Look first.", true));
    assert_eq!(read.finish, Some(Finish::ToolCalls));
    assert_eq!(read.usage, Some(Usage { input: 50, output: 30, cached: 20, reasoning: 8, ..Usage::default() }));
    assert_eq!(calls(&read.raw), [("call_1".to_owned(), "weather".to_owned(), r#"{"city":"Oslo"}"#.to_owned())]);
    assert!(read.raw.ends_with("data: [DONE]\n\n"));
    let cut = &RESPONSES[..RESPONSES.rfind("event: response.completed").unwrap()];
    assert_eq!(stream(Dialect::Responses, Kind::Openai, cut).failure.unwrap().cause, Cause::CutOff);
    let failed = RESPONSES.replace("response.completed", "response.failed").replace(
        r#""status":"completed","error":null"#,
        r#""status":"failed","error":{"code":"rate_limit_exceeded","message":"slow"}"#,
    );
    assert_eq!(stream(Dialect::Responses, Kind::Openai, &failed).failure.unwrap().code, ErrorCode::RateLimit);
    let odd = RESPONSES.replace(r#""delta":"I look.""#, r#""delta":["I"]"#);
    let failure = stream(Dialect::Responses, Kind::Openai, &odd).failure.unwrap();
    assert!(failure.message.contains("response.output_text.delta.delta: expected a text, came a list"), "{failure:?}");
}

#[test]
fn a_whole_response_reads_as_a_chat() {
    let body = json!({"id": "resp_2", "model": "demo-codex", "status": "incomplete", "created_at": 5,
        "incomplete_details": {"reason": "max_output_tokens"}, "error": null,
        "output": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "message", "content": [{"type": "output_text", "text": "half"}]}],
        "usage": {"input_tokens": 3, "output_tokens": 4}});
    let frame = whole(Dialect::Responses, &context(Kind::Openai), body.to_string().into(), CREATED).unwrap();
    let answer: Value = serde_json::from_slice(&frame.raw).unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "half");
    assert_eq!((&answer["choices"][0]["finish_reason"], &answer["created"]), (&json!("length"), &json!(5)));
    assert_eq!((frame.seen.reasoning.as_str(), frame.seen.finish), ("hm", Some(Finish::Length)));
}

// ---------------------------------------------------------------- splices by kind

#[test]
fn only_what_a_kind_refuses_is_changed() {
    let ask = |kind, model: &str, json: &str| {
        prepare(&profile(kind), &ModelId::from(model), &Body::RawOpenaiChat { json: json.into() }).unwrap().json
    };
    let tokens = r#"{ "model":"m", "max_tokens" : 5, "x":1.50 }"#;
    assert_eq!(
        ask(Kind::Openai, "gpt-6-sol", tokens),
        r#"{ "model":"gpt-6-sol", "max_completion_tokens" : 5, "x":1.50 }"#
    );
    assert_eq!(ask(Kind::Openai, "gpt-4o", tokens), r#"{ "model":"gpt-4o", "max_tokens" : 5, "x":1.50 }"#);
    let escaped = r#"{"max\u005ftokens":5,"model":"m"}"#;
    assert_eq!(ask(Kind::Openai, "o3", escaped), r#"{"max_completion_tokens":5,"model":"o3"}"#);
    let both = r#"{"max_tokens":5,"max_completion_tokens":6,"model":"m"}"#;
    assert_eq!(ask(Kind::Openai, "m", both), both, "what both mean together is the server's to say");
    let newer = r#"{"model":"m","max_completion_tokens":5}"#;
    assert_eq!(ask(Kind::LmStudio, "m", newer), r#"{"model":"m","max_tokens":5}"#);
    assert_eq!(ask(Kind::Vllm, "m", newer), newer);
    let any = golden(&ask(Kind::LmStudio, "m", r#"{"model":"m","response_format":{"type":"json_object"}}"#));
    assert_eq!(any["response_format"]["type"], "json_schema");
    assert_eq!(any["response_format"]["json_schema"]["schema"]["type"], "object");
    let schema = r#"{"model":"m","response_format":{"type":"json_schema","json_schema":{"schema":{}}}}"#;
    assert_eq!(ask(Kind::LmStudio, "m", schema), schema);
    assert_eq!(
        ask(Kind::LlamaCpp, "m", &schema.replace("json_schema", "json_object")),
        schema.replace("json_schema", "json_object")
    );
}

#[test]
fn z_ai_is_asked_in_the_words_it_knows() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let body = json!({"model": "x", "temperature": 1.4, "stop": "END", "tool_choice": "required",
        "reasoning_effort": "none", "max_completion_tokens": 9,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
        "messages": [{"role": "developer", "content": "developer notes"}, {"role": "user", "content": "hi"}]});
    let out = sent(Kind::ZAiGlm, "glm-4.7", &body);
    assert_eq!(out["response_format"], json!({"type": "json_object"}));
    let told = out["messages"][0]["content"].as_str().unwrap();
    assert!(told.ends_with(&schema.to_string()), "the schema is at least told: {told}");
    assert_eq!(out["messages"][1], json!({"role": "system", "content": "developer notes"}));
    assert_eq!((&out["temperature"], &out["stop"], &out["tool_choice"]), (&json!(1), &json!(["END"]), &json!("auto")));
    assert_eq!((&out["thinking"], &out["max_tokens"]), (&json!({"type": "disabled"}), &json!(9)));
    let always = sent(Kind::ZAiGlm, "glm-5.3", &body);
    assert_eq!((always.get("thinking"), &always["reasoning_effort"]), (None, &json!("none")));
    let plain =
        r#"{"model":"glm-4.7","messages":[{"role":"user","content":"hi"}],"temperature":0.5,"tool_choice":"auto"}"#;
    assert_eq!(golden(plain), sent(Kind::ZAiGlm, "glm-4.7", &golden(plain)));
}

#[test]
fn z_ai_s_reasoning_and_its_usage_come_unasked() {
    let read = stream(Dialect::Chat, Kind::ZAiGlm, Z_AI);
    assert_eq!((read.text.as_str(), read.reasoning.as_str(), read.end), ("yes", "hm", true));
    assert_eq!(read.usage, Some(Usage { input: 9, output: 3, cached: 4, reasoning: 0, ..Usage::default() }));
    for (word, code) in [
        ("sensitive", ErrorCode::ContentFilter),
        ("network_error", ErrorCode::Upstream),
        ("model_context_window_exceeded", ErrorCode::ContextLength),
    ] {
        let failed = Z_AI.replace("\"finish_reason\":\"stop\"", &format!("\"finish_reason\":\"{word}\""));
        assert_eq!(stream(Dialect::Chat, Kind::ZAiGlm, &failed).failure.unwrap().code, code);
    }
}

// ---------------------------------------------------------------- what was used

#[test]
fn every_vendor_s_counts_are_read_with_their_parts_and_told_alike() {
    let openai = |input, output, cached, reasoning| Usage { input, output, cached, reasoning, ..Usage::default() };
    let read = stream(Dialect::Chat, Kind::Openai, include_str!("golden/openai/usage.sse"));
    assert_eq!(read.usage, Some(Usage { cache_written: 512, ..openai(2006, 300, 1024, 256) }));
    assert_eq!((read.text.as_str(), read.usage_only, read.end), ("yes", 1, true));
    for (dialect, kind, body, usage) in [
        (Dialect::Chat, Kind::Openai, include_str!("golden/openai/completion.json"), openai(1117, 46, 1024, 40)),
        (Dialect::Chat, Kind::ZAiGlm, include_str!("golden/z_ai/completion.json"), openai(512, 90, 384, 64)),
        // Neither what was read from the cache nor what was written into it is part of `input_tokens` there.
        (
            Dialect::Messages,
            Kind::Anthropic,
            include_str!("golden/anthropic/cache_writes.json"),
            Usage { cache_written: 1500, cache_written_hour: 500, ..openai(2350, 12, 800, 4) },
        ),
    ] {
        let frame = whole(dialect, &context(kind), body.into(), CREATED).unwrap();
        assert_eq!(frame.seen.usage, Some(usage), "{kind:?}");
        let told: Value = serde_json::from_slice(&frame.raw).unwrap();
        assert_eq!(told["usage"]["prompt_tokens"], usage.input, "{kind:?}");
        assert_eq!(told["usage"]["prompt_tokens_details"]["cached_tokens"], usage.cached, "{kind:?}");
    }
}

#[test]
fn what_was_written_into_a_cache_is_known_from_its_parts_too() {
    let body = include_str!("golden/anthropic/cache_writes.json");
    // Older answers hold the sum alone, a proxy may leave it out.
    let sum_alone = body.replace(
        "\"cache_creation\": { \"ephemeral_5m_input_tokens\": 1000, \"ephemeral_1h_input_tokens\": 500 },",
        "",
    );
    let parts_alone = body.replace("\"cache_creation_input_tokens\": 1500,", "");
    for (body, hour) in [(sum_alone, 0), (parts_alone, 500)] {
        let frame = whole(Dialect::Messages, &context(Kind::Anthropic), body.into(), CREATED).unwrap();
        let usage = frame.seen.usage.unwrap();
        assert_eq!((usage.input, usage.cache_written, usage.cache_written_hour), (2350, 1500, hour));
    }
}

// ---------------------------------------------------------------- the traps of the cheat sheet

#[test]
fn errors_are_found_wherever_a_kind_puts_them() {
    let string = include_str!("golden/lm_studio/string_error.json");
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Anthropic) {
        for error in
            [string, r#"{"error":{"message":"boom","code":null}}"#, r#"{"error":{"message":"boom","code":500}}"#]
        {
            assert!(whole(Dialect::Chat, &context(kind), error.to_owned().into(), CREATED).is_err(), "{kind}: {error}");
            let frame = format!(": comment\n\nevent: odd\ndata: {}\n\ndata: [DONE]\n\n", error.trim());
            let read = stream(Dialect::Chat, kind, &frame);
            assert!(read.failure.is_some() && !read.end, "{kind}: {frame}");
        }
    }
}

#[test]
fn an_openai_answer_in_an_unknown_shape_names_the_field() {
    for (body, why) in [
        (
            r#"{"choices":[{"message":{"content":{"parts":["hi"]}}}]}"#,
            "choices[0].message.content: expected a text, came an object",
        ),
        (r#"{"choices":[{"index":0,"output":"hi"}]}"#, "choices[0]: expected delta, message or text in it"),
    ] {
        let failure = whole(Dialect::Chat, &context(Kind::Vllm), body.into(), CREATED).unwrap_err();
        assert_eq!((failure.code, failure.message.contains(why)), (ErrorCode::BadAnswer, true), "{}", failure.message);
        let frames = format!("data: {}\n\ndata: [DONE]\n\n", body.replace("message", "delta"));
        let failure = stream(Dialect::Chat, Kind::Vllm, &frames).failure.unwrap();
        let why = why.replace("].message.", "].delta.");
        assert_eq!((failure.code, failure.message.contains(&why)), (ErrorCode::BadAnswer, true), "{}", failure.message);
    }
}

// ---------------------------------------------------------------- whatever comes

proptest! {
    #[test]
    fn the_same_bytes_in_any_pieces_are_the_same_answer(cuts in prop::collection::vec(any::<usize>(), 0..40), which in 0..4usize) {
        let (dialect, kind, text) = [
            (Dialect::Messages, Kind::Anthropic, TEXT),
            (Dialect::Messages, Kind::Anthropic, TOOLS),
            (Dialect::Messages, Kind::Anthropic, OVERLOADED),
            (Dialect::Responses, Kind::Openai, RESPONSES),
        ][which];
        prop_assert_eq!(stream_in(dialect, kind, text.as_bytes(), &cuts), stream(dialect, kind, text));
    }

    #[test]
    fn any_events_are_read_or_refused(events in prop::collection::vec(event(), 0..12), noise in prop::collection::vec(any::<u8>(), 0..40)) {
        for dialect in [Dialect::Messages, Dialect::Responses, Dialect::Chat] {
            let kind = if dialect == Dialect::Messages { Kind::Anthropic } else { Kind::Openai };
            let mut text: Vec<u8> = events.iter().flat_map(|event| format!("data: {event}\n\n").into_bytes()).collect();
            text.extend(&noise);
            let mut reader = Reader::new(dialect, context(kind), CREATED);
            reader.push(text.into());
            reader.finish(true);
            let read: Vec<_> = std::iter::from_fn(|| reader.next_frame()).collect();
            // It ends once, well or badly.
            let ends = read.iter().filter(|frame| frame.as_ref().map_or(true, |frame| frame.seen.end)).count();
            prop_assert_eq!(ends, 1);
        }
    }

    #[test]
    fn any_json_is_translated_or_refused(chat in request()) {
        if let Ok(apart) = taken_apart(&chat.to_string()) {
            if let Ok(native) = anthropic::request::translate(&apart, "claude-demo-5") {
                let turns = native["messages"].as_array().unwrap();
                prop_assert_eq!(&turns[0]["role"], "user");
                prop_assert!(turns.windows(2).all(|pair| pair[0]["role"] != pair[1]["role"]), "turns alternate");
                prop_assert!(native["max_tokens"].as_u64().unwrap() > 0);
            }
            let _ = responses::request::translate(&apart, "demo-codex");
        }
        for kind in Kind::ALL {
            let _ = prepare(&profile(kind), &ModelId::from("glm"), &Body::RawOpenaiChat { json: chat.to_string() })
                .map(|prepared| serde_json::from_str::<Value>(&prepared.json).unwrap());
        }
        for dialect in [Dialect::Messages, Dialect::Responses, Dialect::Embeddings, Dialect::Chat] {
            let _ = whole(dialect, &context(Kind::Openai), chat.to_string().into(), CREATED);
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!("text")),
        Just(json!("user")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("type|text|role|content|index|delta|id|name|usage|message", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// An event of a known or unknown name with anything in it.
fn event() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
        "response.created",
        "response.output_item.added",
        "response.output_text.delta",
        "response.function_call_arguments.delta",
        "response.completed",
        "other",
    ]);
    let members = prop::collection::hash_map(
        "index|delta|message|content_block|usage|response|item|output_index|error|choices",
        any_json(),
        0..5,
    );
    (names, members).prop_map(|(name, members)| {
        let mut event: serde_json::Map<String, Value> = members.into_iter().collect();
        event.insert("type".into(), name.into());
        Value::Object(event)
    })
}

fn request() -> impl Strategy<Value = Value> {
    let message = (prop::sample::select(vec!["system", "developer", "user", "assistant", "tool"]), any_json(), any::<bool>())
        .prop_map(|(role, content, odd)| {
            let content = if odd { content } else { json!("words") };
            json!({"role": role, "content": content, "tool_call_id": "c:1",
                "tool_calls": if role == "assistant" { json!([{"id": "c:1", "function": {"name": "f", "arguments": "{"}}]) } else { Value::Null }})
        });
    let more = prop::collection::hash_map(
        "tools|tool_choice|response_format|stop|temperature|max_tokens|thinking|reasoning_effort|choices|data|output|content|n|max_completion_tokens|model",
        any_json(),
        0..4,
    );
    let stream = prop::option::of(any::<bool>());
    (prop::collection::vec(message, 0..6), more, stream, any::<bool>()).prop_map(|(messages, more, stream, first)| {
        let messages = [("messages".to_owned(), Value::from(messages))];
        let stream = stream.map(|stream| ("stream".to_owned(), Value::from(stream)));
        let request: serde_json::Map<String, Value> = if first {
            messages.into_iter().chain(more).chain(stream).collect()
        } else {
            more.into_iter().chain(stream).chain(messages).collect()
        };
        Value::Object(request)
    })
}

// ---------------------------------------------------------------- over a socket

struct Stopped;

const NOW: UnixMs = UnixMs(1_780_000_000_000);

impl Clock for Stopped {
    fn now(&self) -> UnixMs {
        NOW
    }

    fn day_start(&self, _: UnixMs, _: Option<&str>) -> UnixMs {
        UnixMs(0)
    }
}

fn upstream() -> HttpUpstream {
    HttpUpstream::new(Arc::new(Stopped)).unwrap()
}

fn job(sim: &Sim, model: &str, body: Body) -> UpstreamJob {
    UpstreamJob {
        profile: Arc::new(sim.profile("p")),
        model: ModelId::from(model),
        body,
        local_only: false,
        through: Vec::new(),
        time_left: Duration::from_secs(5),
    }
}

fn raw(stream: bool) -> Body {
    let json = json!({"model": "auto", "messages": [{"role": "user", "content": "hi"}], "stream": stream});
    Body::RawOpenaiChat { json: json.to_string() }
}

async fn run(sim: &Sim, model: &str, body: Body) -> Read {
    match upstream().start(job(sim, model, body)).await {
        Err(failure) => Read { failure: Some(failure), ..Read::default() },
        Ok(answer) => collected(answer.frames.collect::<Vec<_>>().await.into_iter()),
    }
}

#[tokio::test]
async fn anthropic_is_spoken_to_natively() {
    let sim = Sim::start(SimKind::Anthropic).await;
    sim.call_tool(Some(ToolCall { name: "weather".into(), arguments: json!({"city": "Oslo"}) }));
    sim.prompt_tokens(40, 30);
    for stream in [true, false] {
        let read = run(&sim, "demo-8b", raw(stream)).await;
        assert_eq!((read.text.as_str(), read.failure), ("Hello, world!", None));
        assert_eq!(read.finish, Some(Finish::ToolCalls));
        assert_eq!(read.usage, Some(Usage { input: 40, output: 4, cached: 30, reasoning: 0, ..Usage::default() }));
        assert!(read.raw.contains("chat.completion"), "{}", read.raw);
    }
    let seen = sim.seen();
    let request = seen.last().unwrap();
    assert_eq!(request.path, "/v1/messages");
    assert_eq!((request.header("x-api-key"), request.header("authorization")), (VENDOR_KEY, ""));
    assert_eq!(request.header("anthropic-version"), "2023-06-01");
    assert_eq!(request.json()["max_tokens"], 4096);
}

#[tokio::test]
async fn what_anthropic_says_when_it_does_not_answer_is_understood() {
    let sim = Sim::start(SimKind::Anthropic).await;
    for (trouble, code) in [
        (Trouble::Overloaded, ErrorCode::Overloaded),
        (Trouble::RateLimited { after: Some(7) }, ErrorCode::RateLimit),
        (Trouble::NoCredit, ErrorCode::Quota),
        (Trouble::KeyRefused, ErrorCode::Auth),
        (Trouble::UnknownModel, ErrorCode::NotFound),
        (Trouble::TooLong { tokens: 9000, window: 4096 }, ErrorCode::ContextLength),
        (Trouble::Internal, ErrorCode::Upstream),
    ] {
        sim.fault_on("/v1/messages", Fault::Trouble(trouble.clone()));
        let failure = run(&sim, "demo-8b", raw(true)).await.failure.unwrap();
        assert_eq!(failure.code, code, "{trouble:?}: {failure:?}");
        if code == ErrorCode::RateLimit {
            assert_eq!(failure.retry_after_ms, Some(7000));
        }
    }
    sim.fault_on("/v1/messages", Fault::Midway { after: 4, trouble: Trouble::Overloaded });
    let read = run(&sim, "demo-8b", raw(true)).await;
    assert_eq!(read.failure.unwrap().code, ErrorCode::Overloaded);
    assert!(!read.raw.contains("[DONE]"));
    sim.fault_on("/v1/messages", Fault::Cut { after: 5 });
    assert_eq!(run(&sim, "demo-8b", raw(true)).await.failure.unwrap().cause, Cause::CutOff);
    sim.fault_on("/v1/messages", Fault::NoEndMark);
    assert_eq!(run(&sim, "demo-8b", raw(true)).await.failure.unwrap().cause, Cause::CutOff);
}

#[tokio::test]
async fn anthropic_counts_tokens_for_nothing() {
    let sim = Sim::start(SimKind::Anthropic).await;
    sim.prompt_tokens(123, 0);
    let profile = sim.profile("p");
    let count = upstream().count_tokens(&profile, &ModelId::from("demo-8b"), &raw(false)).await.unwrap();
    assert_eq!(count, 123);
    let seen = sim.seen();
    let request = seen.last().unwrap();
    assert_eq!(request.path, "/v1/messages/count_tokens");
    assert_eq!(request.json().get("max_tokens"), None);
    let other = Sim::start(SimKind::Openai).await;
    let failure = upstream().count_tokens(&other.profile("o"), &ModelId::from("m"), &raw(false)).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::InvalidRequest);
    assert!(other.seen().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn limits_in_the_headers_come_with_the_answer() {
    let limits = |left| Limits {
        requests: 500,
        requests_left: left,
        tokens: 30_000,
        tokens_left: 9_000,
        resets_in: Duration::from_secs(12),
        resets_at: NOW.plus(Duration::from_secs(12)),
    };
    for kind in [SimKind::Openai, SimKind::Anthropic] {
        let sim = Sim::start(kind).await;
        sim.limits(Some(limits(482)));
        let answer = upstream().start(job(&sim, "demo-8b", raw(false))).await.unwrap();
        let rate = answer.rate.unwrap();
        assert_eq!((rate.windows[0].remaining, rate.windows[0].limit), (482, Some(500)), "{kind:?}");
        assert_eq!(rate.windows[0].resets_at, Some(NOW.plus(Duration::from_secs(12))));
        assert_eq!(rate.exhausted_until(NOW), None);
        sim.limits(Some(limits(0)));
        let answer = upstream().start(job(&sim, "demo-8b", raw(false))).await.unwrap();
        assert_eq!(answer.rate.unwrap().exhausted_until(NOW), Some(NOW.plus(Duration::from_secs(12))));
    }
}

#[tokio::test]
async fn a_model_of_the_responses_interface_answers_a_chat() {
    let sim = Sim::start(SimKind::Openai).await;
    sim.set_models(vec![SimModel::named("demo-codex")]);
    for stream in [true, false] {
        let read = run(&sim, "demo-codex", raw(stream)).await;
        assert_eq!((read.text.as_str(), read.failure, read.end), ("Hello, world!", None, true));
        assert_eq!(read.finish, Some(Finish::Stop));
        assert!(read.usage.is_some());
    }
    assert!(sim.seen().iter().all(|request| request.path == "/v1/responses"));
}

#[tokio::test]
async fn embeddings_and_completions_travel_as_they_came() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let json = r#"{ "input":["a","b"], "model":"auto", "encoding_format":"base64" }"#;
    let read = run(&sim, "demo-8b", Body::RawOpenaiEmbeddings { json: json.into() }).await;
    assert_eq!((read.failure, read.end, read.usage), (None, true, None), "zero is no count");
    assert_eq!(golden(&read.raw)["data"].as_array().unwrap().len(), 2);
    assert_eq!(sim.seen().last().unwrap().body, json.replace("auto", "demo-8b"));
    let json = r#"{"prompt":"Once","model":"auto","stream":true}"#;
    let read = run(&sim, "demo-8b", Body::RawOpenaiCompletion { json: json.into() }).await;
    assert_eq!((read.text.as_str(), read.failure, read.end), ("Hello, world!", None, true));
    assert_eq!(sim.seen().last().unwrap().path, "/v1/completions");
    let claude = Sim::start(SimKind::Anthropic).await;
    let failure = run(&claude, "demo-8b", Body::RawOpenaiEmbeddings { json: "{}".into() }).await.failure.unwrap();
    assert_eq!(failure.message, "Anthropic offers no embeddings");
    assert!(claude.seen().is_empty());
}

#[tokio::test]
async fn z_ai_is_reached_at_its_general_and_its_coding_base() {
    let sim = Sim::start(SimKind::ZAi).await;
    for base in ["/api/paas/v4", "/api/coding/paas/v4"] {
        let mut job = job(&sim, "demo-8b", raw(true));
        let mut profile = (*job.profile).clone();
        profile.endpoint.api_base = format!("{}{base}", profile.endpoint.origin);
        job.profile = std::sync::Arc::new(profile);
        let answer = upstream().start(job).await.unwrap();
        let read = collected(answer.frames.collect::<Vec<_>>().await.into_iter());
        assert_eq!((read.text.as_str(), read.failure), ("Hello, world!", None), "{base}");
        assert_eq!(sim.seen().last().unwrap().path, format!("{base}/chat/completions"));
    }
}

#[tokio::test]
async fn z_ai_s_codes_say_who_may_try_again_and_when() {
    let sim = Sim::start(SimKind::ZAi).await;
    for (business, message, code, wait) in [
        (1113, "Insufficient balance", ErrorCode::Quota, None),
        (1302, "High concurrency", ErrorCode::RateLimit, None),
        (1305, "Overloaded", ErrorCode::Overloaded, None),
        (1309, "Your plan has expired", ErrorCode::Quota, None),
        (1001, "Header not received", ErrorCode::Auth, None),
        // 20:26:40 UTC is 04:26:40 in Beijing.
        (1308, "Your limit will reset at 2026-05-29 05:26:40", ErrorCode::RateLimit, Some(3_600_000)),
        (1310, "Weekly limit, resets at 2026-05-29T20:26:40Z", ErrorCode::RateLimit, Some(86_400_000)),
    ] {
        let trouble = Trouble::Business { code: business, message: message.into() };
        sim.fault(Fault::Trouble(trouble));
        let failure = run(&sim, "demo-8b", raw(true)).await.failure.unwrap();
        assert_eq!((failure.code, failure.retry_after_ms), (code, wait), "{business}: {failure:?}");
    }
}

// ---------------------------------------------------------------- from the client's side of the gateway

/// A gateway over simulated servers, and the engine behind it.
struct Door {
    engine: Engine,
    base: String,
    client: reqwest::Client,
}

impl Door {
    async fn before(sims: &[(&str, &Sim)]) -> Self {
        let providers = sims.iter().map(|(id, sim)| sim.profile(id)).collect();
        let upstream = HttpUpstream::new(Arc::new(TokioClock)).unwrap();
        let (engine, ..) =
            engine_over(Config { providers, ..Config::default() }, Past::default(), Arc::new(upstream)).await;
        let options = GatewayOptions::default();
        let listener = gateway::bind("127.0.0.1:0".parse().unwrap(), &options).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let clock = || TokioClock.now();
        tokio::spawn(gateway::serve(listener, engine.handle.clone(), options, clock, std::future::pending()));
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { engine, base, client }
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, reqwest::header::HeaderMap, String) {
        let response = self.client.post(format!("{}{path}", self.base)).body(body.to_string()).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, response.text().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_openai_client_uses_anthropic_without_knowing_it() {
    let sim = Sim::start(SimKind::Anthropic).await;
    sim.think(&["hm"]);
    sim.call_tool(Some(ToolCall { name: "weather".into(), arguments: json!({"city": "Oslo"}) }));
    let door = Door::before(&[("claude", &sim)]).await;
    let ask = |stream: bool, usage: bool| {
        json!({"model": "claude/demo-8b", "messages": [{"role": "user", "content": "hi"}], "stream": stream,
            "stream_options": if usage { json!({"include_usage": true}) } else { Value::Null }, "max_tokens": 9000,
            "reasoning_effort": "low"})
    };
    let (status, _, body) = door.post("/v1/chat/completions", &ask(false, false)).await;
    let answer = golden(&body);
    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("Hello, world!")));
    assert_eq!(answer["choices"][0]["message"]["reasoning_content"], "hm");
    let (_, headers, body) = door.post("/v1/chat/completions", &ask(true, true)).await;
    assert_eq!(headers["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(calls(&body)[0].2, r#"{"city":"Oslo"}"#);
    assert!(chunks(&body).last().unwrap()["usage"]["prompt_tokens"].is_u64(), "{body}");
    let (_, _, body) = door.post("/v1/chat/completions", &ask(true, false)).await;
    assert!(!body.contains("\"usage\"") && body.ends_with("data: [DONE]\n\n"), "{body}");
    sim.fault_on("/v1/messages", Fault::Trouble(Trouble::TooLong { tokens: 9, window: 4 }));
    let (status, _, body) = door.post("/v1/chat/completions", &ask(true, false)).await;
    assert_eq!((status, &golden(&body)["error"]["code"]), (400, &json!("context_length_exceeded")));
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_go_to_an_embedding_model_and_to_no_other() {
    let studio = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    studio.set_models(vec![SimModel::named("demo-8b"), SimModel::embedding("text-embedding-demo")]);
    let claude = Sim::start(SimKind::Anthropic).await;
    let door = Door::before(&[("claude", &claude), ("studio", &studio)]).await;
    let ask = |model: &str| json!({"model": model, "input": ["a", "b"]});
    for model in ["auto", "studio", "text-embedding-demo", "studio/text-embedding-demo"] {
        let (status, headers, body) = door.post("/v1/embeddings", &ask(model)).await;
        assert_eq!(status, 200, "{model}: {body}");
        assert_eq!(headers["x-lmdeck-model"], "text-embedding-demo");
        assert_eq!(golden(&body)["data"].as_array().unwrap().len(), 2);
    }
    for (model, says) in
        [("studio/demo-8b", "not known to make embeddings"), ("claude", "Anthropic offers no embeddings")]
    {
        let (status, _, body) = door.post("/v1/embeddings", &ask(model)).await;
        assert_eq!((status, body.contains(says)), (503, true), "{model}: {body}");
    }
    // The same words before anything is sent.
    let facts = Box::new(Facts { work: Work::Embeddings, ..Facts::default() });
    let Reply::Explained(explained) = door.engine.handle.ask(Command::Explain { facts }).await else { panic!() };
    let chain: Vec<&str> = explained.decision.chain.iter().map(|chosen| chosen.target.model.as_str()).collect();
    assert_eq!(chain, ["text-embedding-demo"], "{explained:?}");
    let (status, _, body) = door.post("/v1/embeddings", &json!([])).await;
    assert_eq!(status, 400);
    assert!(body.contains("the body is not an embeddings request"), "{body}");
    let once = json!({"model": "auto", "prompt": "Once", "stream": true});
    let (status, headers, body) = door.post("/v1/completions", &once).await;
    assert_eq!((status, headers["x-lmdeck-model"].to_str().unwrap()), (200, "demo-8b"), "{body}");
    assert!(body.contains("text_completion") && body.ends_with("data: [DONE]\n\n"), "{body}");
    assert_eq!(claude.asked("/v1/chat/completions") + claude.asked("/v1/messages"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_with_nothing_left_is_parked_before_it_has_to_refuse() {
    let claude = Sim::start(SimKind::Anthropic).await;
    let openai = Sim::start(SimKind::Openai).await;
    let left = |requests_left| Limits {
        requests: 500,
        requests_left,
        tokens: 30_000,
        tokens_left: 9_000,
        resets_in: Duration::from_mins(1),
        resets_at: TokioClock.now().plus(Duration::from_mins(1)),
    };
    claude.limits(Some(left(482)));
    let door = Door::before(&[("claude", &claude), ("openai", &openai)]).await;
    let ask = json!({"model": "auto", "messages": [{"role": "user", "content": "hi"}]});
    let provider = |headers: &reqwest::header::HeaderMap| headers["x-lmdeck-provider"].to_str().unwrap().to_owned();
    let (_, headers, _) = door.post("/v1/chat/completions", &ask).await;
    assert_eq!(provider(&headers), "claude");
    let mut snapshots = door.engine.handle.snapshots();
    let known = snapshots.wait_for(|snapshot| snapshot.providers[0].rate.is_some()).await.unwrap().clone();
    let window = known.providers[0].rate.clone().unwrap().windows[0].clone();
    assert_eq!((window.remaining, window.limit), (482, Some(500)));
    assert_eq!(known.providers[0].parked_until, None);
    claude.limits(Some(left(0)));
    door.post("/v1/chat/completions", &ask).await;
    snapshots.wait_for(|snapshot| snapshot.providers[0].parked_until.is_some()).await.unwrap();
    let (_, headers, _) = door.post("/v1/chat/completions", &ask).await;
    assert_eq!(provider(&headers), "openai");
    assert_eq!(claude.asked("/v1/messages"), 2, "it was not asked again");
}

#[test]
fn a_limit_inside_a_stream_of_z_ai_says_until_when_as_one_in_a_whole_answer_does() {
    // 2026-09-11 14:45:20 UTC
    let now = UnixMs(1_789_137_920_000);
    let error = r#"{"error":{"code":"1308","message":"Usage limit reached for 5 hour. Your limit will reset at 2026-09-12 00:35:41"}}"#;
    for frame in [format!("data: {error}\n\n"), format!("event: error\ndata: {error}\n\n")] {
        let mut reader = Reader::new(Dialect::Chat, Context { now, ..context(Kind::ZAiGlm) }, CREATED);
        reader.push(frame.clone().into());
        let failure = reader.next_frame().unwrap().unwrap_err();
        assert_eq!((failure.code, &failure.cause), (ErrorCode::RateLimit, &Cause::PlanUsedUp), "{frame}");
        assert_eq!(failure.retry_after_ms, Some(6_621_000), "16:35:41 UTC");
    }
}
