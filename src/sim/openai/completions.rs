//! The older completions: a prompt without roles.

use super::not_json;
use crate::sim::asked::{Asked, written};
use crate::sim::reply;
use crate::sim::scene::{Answer, Scene};
use crate::sim::spoil::Streamed;
use serde_json::{Value, json};

pub(in crate::sim) async fn respond(scene: &mut Scene) -> Answer {
    let Some(asked) = Asked::of(scene) else { return not_json() };
    let spoken = asked.answer(scene, &asked.model);
    let id = format!("cmpl-{}", spoken.number);
    let piece = |text: &str, finish: Option<&str>| {
        json!({"id": id, "object": "text_completion", "created": 1, "model": spoken.model,
            "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": finish}]})
    };
    if !asked.stream {
        written(&spoken).await;
        let mut body = piece(&spoken.text(), Some(spoken.finish_reason()));
        body["usage"] = spoken.usage();
        return Answer::Plain(reply::json(200, &body));
    }
    let mut chunks: Vec<Value> = spoken.words.iter().map(|word| piece(word, None)).collect();
    chunks.push(piece("", Some(spoken.finish_reason())));
    if asked.body.pointer("/stream_options/include_usage") == Some(&Value::Bool(true)) {
        let mut told = piece("", None);
        told["choices"] = json!([]);
        told["usage"] = spoken.usage();
        chunks.push(told);
    }
    let streamed = Streamed {
        frames: chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect(),
        end: "data: [DONE]\n\n".into(),
        content_type: "text/event-stream",
        pace: spoken.pace,
        broken: None,
    };
    let fault = scene.fault.take();
    Answer::Done(streamed.reply(&scene.shared, fault))
}
