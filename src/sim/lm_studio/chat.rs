//! LM Studio's OpenAI-compatible chat, and the older native one with its figures.

use super::load::ready;
use super::words::{json_object_refused, too_long, too_long_in_stream};
use crate::sim::asked::{Asked, Spoken};
use crate::sim::openai::{self, not_json};
use crate::sim::reply;
use crate::sim::scene::{Answer, Scene};
use serde_json::{Value, json};

pub(super) async fn respond(scene: &mut Scene) -> Answer {
    let Some(asked) = Asked::of(scene) else { return not_json() };
    if asked.body.pointer("/response_format/type") == Some(&json!("json_object")) {
        return Answer::refused(400, &json_object_refused());
    }
    let ready = match ready(scene, &asked.model).await {
        Ok(ready) => ready,
        Err(refusal) => return *refusal,
    };
    let window = scene.settings().model(&ready.model).map_or(0, |model| model.context);
    if let Some(tokens) = asked.too_long(scene, window) {
        return if asked.stream {
            Answer::Done(too_long_in_stream(tokens, window))
        } else {
            Answer::Done(reply::json(400, &too_long(tokens, window)))
        };
    }
    let mut spoken = asked.answer(scene, &ready.model);
    if asked.body.get("reasoning_effort") == Some(&json!("none")) {
        spoken.reasoning.clear();
    }
    openai::chat::write(scene, &asked, &spoken).await
}

/// What `/api/v0` tells beside an answer.
pub(in crate::sim) fn add_stats(body: &mut Value, spoken: &Spoken, scene: &Scene) {
    let known = scene.settings().model(&spoken.model).cloned();
    let reason = if spoken.cut_short { "maxPredictedTokensReached" } else { "eosFound" };
    body["stats"] = json!({"tokens_per_second": 51.2, "time_to_first_token": 0.12,
        "generation_time": spoken.writing_time().as_secs_f64(), "stop_reason": reason});
    body["model_info"] = json!({"arch": known.as_ref().map(|model| &model.architecture),
        "quant": known.as_ref().map(|model| &model.quantization), "format": "gguf",
        "context_length": known.as_ref().map(|model| model.context)});
    body["runtime"] = json!({"name": "llama.cpp-simulated", "version": "1.3.0", "supported_formats": ["gguf"]});
}
