//! vLLM: a health check without a word, its version, metrics, and models with their longest input.

use super::openai;
use super::reply::{self, Reply};
use super::scene::{Answer, Scene};
use serde_json::json;

pub(super) async fn respond(scene: &mut Scene) -> Answer {
    let (method, path) = scene.route();
    match (method, path.as_str()) {
        ("GET", "/health" | "/ping") => {
            let status = if scene.settings().starting { 503 } else { 200 };
            Answer::Plain(reply::text(status, ""))
        }
        ("GET", "/version") => {
            let version = scene.settings().version.clone();
            Answer::json(&json!({ "version": version }))
        }
        ("GET", "/v1/models") => openai::models(scene, |model| {
            json!({"id": model.id, "object": "model", "created": 1, "owned_by": "vllm", "root": model.id, "parent": null,
                "max_model_len": model.context, "permission": []})
        }),
        ("GET", "/metrics") => metrics(scene),
        ("POST", "/v1/chat/completions") => openai::chat::respond(scene).await,
        ("POST", "/v1/completions") => openai::completions::respond(scene).await,
        ("POST", "/v1/embeddings") => openai::embeddings::respond(scene),
        ("POST", "/v1/responses") => openai::responses::respond(scene).await,
        _ => Answer::NoSuchRoute,
    }
}

pub(super) fn unknown_route() -> Reply {
    reply::json(404, &json!({"detail": "Not Found"}))
}

fn metrics(scene: &Scene) -> Answer {
    let load = scene.settings().load;
    let text = format!(
        "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{{engine=\"0\"}} {}.0\n\
         # TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting{{engine=\"0\"}} {}.0\n\
         # TYPE vllm:kv_cache_usage_perc gauge\nvllm:kv_cache_usage_perc{{engine=\"0\"}} 0.25\n",
        load.busy, load.waiting
    );
    Answer::Plain(reply::text(200, text))
}
