//! llama.cpp's server: one model under any name, slots, properties, metrics, and 503 while it reads its model.

use super::anthropic;
use super::asked::{Asked, Spoken};
use super::fault::Trouble;
use super::openai::{self, not_json};
use super::reply::{self, Reply};
use super::scene::{Answer, Scene};
use super::trouble;
use serde_json::{Value, json};

pub(super) async fn respond(scene: &mut Scene) -> Answer {
    let (method, path) = scene.route();
    if scene.settings().starting {
        return Answer::Done(trouble::reply(scene, &Trouble::Loading));
    }
    match (method, path.as_str()) {
        ("GET", "/health" | "/v1/health") => Answer::json(&json!({"status": "ok"})),
        ("GET", "/v1/models" | "/models") => openai::models(scene, |model| {
            json!({"id": model.id, "object": "model", "created": 1, "owned_by": "llamacpp",
                "meta": {"n_ctx_train": model.max_context, "size": model.size_bytes}})
        }),
        ("GET", "/props") => props(scene),
        ("GET", "/slots") => slots(scene),
        ("GET", "/metrics") => metrics(scene),
        ("POST", "/v1/chat/completions" | "/chat/completions") => chat(scene).await,
        ("POST", "/v1/completions") => openai::completions::respond(scene).await,
        ("POST", "/v1/embeddings") => openai::embeddings::respond(scene),
        ("POST", "/v1/messages") => anthropic::messages(scene).await,
        _ => Answer::NoSuchRoute,
    }
}

pub(super) fn unknown_route() -> Reply {
    reply::json(404, &json!({"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}))
}

/// The window of one slot.
fn window(scene: &Scene) -> u64 {
    let settings = scene.settings();
    settings.models.first().map_or(0, |model| model.context) / settings.load.slots.max(1)
}

/// Any name is taken; the answer bears the server's own.
async fn chat(scene: &mut Scene) -> Answer {
    let Some(asked) = Asked::of(scene) else { return not_json() };
    let window = window(scene);
    if let Some(tokens) = asked.too_long(scene, window) {
        return Answer::Done(trouble::reply(scene, &Trouble::TooLong { tokens, window }));
    }
    let own = scene.settings().models.first().map(|model| model.id.clone()).unwrap_or_default();
    let spoken = asked.answer(scene, &own);
    openai::chat::write(scene, &asked, &spoken).await
}

fn props(scene: &Scene) -> Answer {
    let n_ctx = window(scene);
    let settings = scene.settings();
    let model = settings.models.first();
    let document = json!({"default_generation_settings": {"n_ctx": n_ctx}, "total_slots": settings.load.slots,
        "model_path": model.map_or_else(String::new, |model| format!("/models/{}.gguf", model.id)),
        "modalities": {"vision": model.is_some_and(|model| model.vision), "audio": false},
        "build_info": settings.version, "is_sleeping": false});
    drop(settings);
    Answer::json(&document)
}

fn slots(scene: &Scene) -> Answer {
    let n_ctx = window(scene);
    let load = scene.settings().load;
    if load.busy >= load.slots && scene.seen.query.contains("fail_on_no_slot=1") {
        return Answer::Done(trouble::reply(scene, &Trouble::Overloaded));
    }
    let slots: Vec<Value> = (0..load.slots)
        .map(|id| json!({"id": id, "id_task": -1, "n_ctx": n_ctx, "speculative": false, "is_processing": id < load.busy}))
        .collect();
    Answer::json(&json!(slots))
}

fn metrics(scene: &Scene) -> Answer {
    let settings = scene.settings();
    if !settings.metrics {
        drop(settings);
        let message = "This server does not support metrics endpoint. Start it with `--metrics`";
        return Answer::refused(
            501,
            &json!({"error": {"code": 501, "message": message, "type": "not_supported_error"}}),
        );
    }
    let text = format!(
        "# HELP llamacpp:requests_processing Number of requests processing.\n# TYPE llamacpp:requests_processing gauge\n\
         llamacpp:requests_processing {}\n# TYPE llamacpp:requests_deferred gauge\nllamacpp:requests_deferred {}\n\
         # TYPE llamacpp:tokens_predicted_total counter\nllamacpp:tokens_predicted_total {}\n",
        settings.load.busy,
        settings.load.waiting,
        settings.answers * 100
    );
    drop(settings);
    Answer::Plain(reply::text(200, text))
}

/// Its own figures for an answer.
pub(super) fn timings(spoken: &Spoken) -> Value {
    let output = spoken.output_tokens();
    json!({"cache_n": spoken.cached, "prompt_n": spoken.prompt_tokens - spoken.cached, "prompt_ms": 20.0,
        "prompt_per_second": 1200.0, "predicted_n": output, "predicted_ms": 10.0, "predicted_per_second": 50.0})
}
