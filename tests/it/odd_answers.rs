//! Answers whose JSON is readable and whose shape is not the known one: what can be used is used, and what cannot
//! is named by its field.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use crate::support::engine::TokioClock;
use crate::support::sim::{Fault, LmStudioApi, Sim, SimKind, SimModel};
use lmdeck::adapters::http::HttpUpstream;
use lmdeck::adapters::wire::answer::Context;
use lmdeck::adapters::wire::dialect::{Dialect, Reader, whole};
use lmdeck::domain::call::Usage;
use lmdeck::domain::failure::{ErrorCode, Failure};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::secret::Secret;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::ports::{Frame, ModelAct, ModelJob, Upstream as _};
use std::sync::Arc;

fn context() -> Context {
    Context { kind: Kind::OpenaiCompatible, path: "/v1/chat/completions".into(), secrets: Vec::new(), now: UnixMs(0) }
}

fn body(json: &str) -> Result<Frame, Failure> {
    whole(Dialect::Chat, &context(), json.to_owned().into(), 0)
}

/// The words of a stream with this chunk between two good ones, its counts, and how it failed.
fn streamed(chunk: &str) -> (String, Option<Usage>, Option<Failure>) {
    let good = r#"{"choices":[{"delta":{"content":"hi"}}]}"#;
    let end = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let mut reader = Reader::new(Dialect::Chat, context(), 0);
    reader.push(format!("data: {good}\n\ndata: {chunk}\n\ndata: {end}\n\ndata: [DONE]\n\n").into());
    reader.finish(true);
    let (mut text, mut usage, mut failure) = (String::new(), None, None);
    while let Some(frame) = reader.next_frame() {
        match frame {
            Ok(frame) => {
                text += &frame.seen.text;
                usage = frame.seen.usage.or(usage);
            }
            Err(why) => failure = Some(why),
        }
    }
    (text, usage, failure)
}

#[test]
fn odd_counts_cost_the_account_and_not_the_answer() {
    for usage in [r#""n/a""#, "[1]", "7", "true", "1.5", r#"{"prompt_tokens":{}}"#, "null"] {
        let json =
            format!(r#"{{"choices":[{{"message":{{"content":"hi"}},"finish_reason":"stop"}}],"usage":{usage}}}"#);
        let frame = body(&json).unwrap();
        assert_eq!((frame.seen.text.as_str(), frame.seen.usage), ("hi", None), "{usage}");
        let chunk = format!(r#"{{"choices":[],"usage":{usage}}}"#);
        assert_eq!(streamed(&chunk), ("hi".to_owned(), None, None), "{usage}");
    }
    for details in ["0", r#""none""#, "[]", "null"] {
        let usage = format!(
            r#"{{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{details},"completion_tokens_details":{details}}}"#
        );
        let counts = Some(Usage { input: 3, output: 2, ..Usage::default() });
        let json = format!(r#"{{"choices":[{{"message":{{"content":"hi"}}}}],"usage":{usage}}}"#);
        assert_eq!(body(&json).unwrap().seen.usage, counts, "{details}");
        assert_eq!(streamed(&format!(r#"{{"choices":[],"usage":{usage}}}"#)), ("hi".to_owned(), counts, None));
    }
}

#[test]
fn an_odd_shape_is_named_by_its_field() {
    for (json, why) in [
        (r#"{"choices":[7]}"#, "choices[0]: expected an object, came a number"),
        (r#"{"choices":{"a":1}}"#, "choices: expected a list, came an object"),
        (r#"{"choices":"hi"}"#, "choices: expected a list, came a text"),
        (r#"{"choices":[{"delta":"hi"}]}"#, "choices[0].delta: expected an object, came a text"),
        (r#"{"choices":[{"message":7}]}"#, "choices[0].message: expected an object, came a number"),
        (r#"{"choices":[{"delta":{"content":{"t":1}}}]}"#, "choices[0].delta.content: expected a text, came an object"),
        ("7", "the answer: expected an object, came a number"),
    ] {
        let (_, _, in_stream) = streamed(json);
        for failure in [body(json).unwrap_err(), in_stream.unwrap()] {
            assert_eq!(failure.code, ErrorCode::BadAnswer);
            assert!(failure.message.ends_with(why), "{json}: {}", failure.message);
            assert!(!failure.message.contains("not readable"), "{}", failure.message);
        }
    }
    let cut = body(r#"{"choices":[{"message""#).unwrap_err();
    assert!(cut.message.contains("it is not readable JSON"), "{}", cut.message);
}

/// A server may repeat the key that it was given wherever it likes.
#[tokio::test]
async fn a_key_that_a_server_puts_into_its_list_is_not_told_again() {
    const KEY: &str = "correct-horse-battery-9";
    let upstream = HttpUpstream::new(Arc::new(TokioClock)).unwrap();
    let studio = SimKind::LmStudio(LmStudioApi::V1);
    for (kind, path, list) in [
        (SimKind::OpenaiCompatible, "/v1/models", r#"{"data":[{"id":"m","max_model_len":"KEY"}]}"#),
        (SimKind::OpenaiCompatible, "/v1/models", r#"{"data":"KEY"}"#),
        (SimKind::LlamaCpp, "/v1/models", r#"{"data":[{"id":"m","context_length":"is KEY"}]}"#),
        (SimKind::Ollama, "/api/tags", r#"{"models":[{"name":"m","details":"KEY"}]}"#),
        (SimKind::Ollama, "/api/ps", r#"{"models":"KEY"}"#),
        (studio, "/api/v1/models", r#"{"models":[{"key":"m","type":"KEY"}]}"#),
        (studio, "/api/v1/models", r#"{"models":"KEY"}"#),
        (SimKind::Openrouter, "/models", r#"{"data":[{"id":"m","context_length":"KEY"}]}"#),
    ] {
        let sim = Sim::start(kind).await;
        let mut profile = sim.profile("p");
        profile.key = Some(Secret::new(KEY));
        sim.always_on(path, Fault::Status(200, list.replace("KEY", KEY)));
        let report = upstream.probe(Arc::new(profile)).await;
        let told = format!("{report:?}");
        assert!(told.contains("[hidden]"), "{list}: something is said of it: {told}");
        assert!(!told.contains("horse"), "{list}: {told}");
    }
    let sim = Sim::start(studio).await;
    sim.set_models(vec![SimModel::unloaded("demo-8b")]);
    let mut profile = sim.profile("p");
    profile.key = Some(Secret::new(KEY));
    sim.always_on("/api/v1/models/load", Fault::Status(200, format!(r#"{{"instance_id":["{KEY}"]}}"#)));
    let act = ModelAct::Load { context: None };
    let job = ModelJob { profile: Arc::new(profile), model: "demo-8b".into(), act };
    let told = upstream.model(job).await.unwrap_err().message;
    assert!(told.contains("[hidden]") && !told.contains("horse"), "{told}");
}
