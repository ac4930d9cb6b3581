//! LM Studio's own chat, `/api/v1/chat`: outputs instead of choices, events with names, loading told as it goes.

use super::load::ready;
use crate::sim::asked::{Asked, Spoken, written};
use crate::sim::fault::Fault;
use crate::sim::openai::not_json;
use crate::sim::reply;
use crate::sim::scene::{Answer, Scene};
use crate::sim::spoil::Streamed;
use crate::sim::trouble;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) async fn respond(scene: &mut Scene) -> Answer {
    let Some(asked) = Asked::of(scene) else { return not_json() };
    let ready = match ready(scene, &asked.model).await {
        Ok(ready) => ready,
        Err(refusal) => return *refusal,
    };
    let mut spoken = asked.answer(scene, &ready.model);
    if asked.body.get("reasoning") == Some(&json!("off")) {
        spoken.reasoning.clear();
    }
    let stores = asked.body.get("store") != Some(&Value::Bool(false));
    let result = result(&spoken, ready.loaded_in, stores);
    if !asked.stream {
        written(&spoken).await;
        return Answer::Plain(reply::json(200, &result));
    }
    let fault = scene.fault.take();
    let broken = match &fault {
        Some(Fault::Midway { after, trouble }) => {
            let said = trouble::frame(scene, &spoken.model, trouble);
            // The end is told even then.
            Some((*after, format!("{said}{}", event("chat.end", json!({ "result": result })))))
        }
        _ => None,
    };
    let streamed = Streamed {
        frames: frames(&spoken, ready.loaded_in),
        end: event("chat.end", json!({ "result": result })),
        content_type: "text/event-stream",
        pace: spoken.pace,
        broken,
    };
    Answer::Done(streamed.reply(&scene.shared, fault))
}

fn result(spoken: &Spoken, loaded_in: Option<Duration>, stores: bool) -> Value {
    let mut output = Vec::new();
    if !spoken.reasoning.is_empty() {
        output.push(json!({"type": "reasoning", "content": spoken.reasoning.concat()}));
    }
    output.push(json!({"type": "message", "content": spoken.text()}));
    let mut body = json!({"model_instance_id": spoken.model, "output": output,
        "stats": {"input_tokens": spoken.prompt_tokens, "total_output_tokens": spoken.output_tokens(),
            "reasoning_output_tokens": spoken.reasoning_tokens(), "tokens_per_second": 48.7,
            "time_to_first_token_seconds": 0.21}});
    if let Some(time) = loaded_in {
        body["stats"]["model_load_time_seconds"] = json!(time.as_secs_f64());
    }
    if stores {
        body["response_id"] = json!(format!("resp_{}", spoken.number));
    }
    body
}

fn event(name: &str, mut data: Value) -> String {
    let mut body = json!({ "type": name });
    if let (Some(body), Some(data)) = (body.as_object_mut(), data.as_object_mut()) {
        body.append(data);
    }
    format!("event: {name}\ndata: {body}\n\n")
}

fn frames(spoken: &Spoken, loaded_in: Option<Duration>) -> Vec<String> {
    let instance = json!({"model_instance_id": spoken.model});
    let mut frames = vec![event("chat.start", instance.clone())];
    if let Some(time) = loaded_in {
        frames.push(event("model_load.start", instance.clone()));
        for progress in [0.0, 0.5, 1.0] {
            frames.push(event("model_load.progress", json!({"model_instance_id": spoken.model, "progress": progress})));
        }
        let told = json!({"model_instance_id": spoken.model, "load_time_seconds": time.as_secs_f64()});
        frames.push(event("model_load.end", told));
    }
    frames.push(event("prompt_processing.start", json!({})));
    frames.push(event("prompt_processing.progress", json!({"progress": 1.0})));
    frames.push(event("prompt_processing.end", json!({})));
    for (kind, words) in [("reasoning", &spoken.reasoning), ("message", &spoken.words)] {
        if !words.is_empty() {
            frames.push(event(&format!("{kind}.start"), json!({})));
            frames.extend(words.iter().map(|word| event(&format!("{kind}.delta"), json!({ "content": word }))));
            frames.push(event(&format!("{kind}.end"), json!({})));
        }
    }
    frames
}
