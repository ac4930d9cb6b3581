//! OpenRouter: models with prices, the key's own route, comments that keep a stream alive, cost in the usage.

use super::openai;
use super::scene::{Answer, Scene};
use serde_json::json;

pub(super) async fn respond(scene: &mut Scene) -> Answer {
    let (method, path) = scene.route();
    let Some(route) = path.strip_prefix("/api/v1") else { return Answer::NoSuchRoute };
    match (method, route) {
        ("GET", "/models") => openai::models(scene, |model| {
            let (input, output) = &model.price;
            json!({"id": model.id, "canonical_slug": model.id, "name": model.display, "created": 1,
                "context_length": model.context,
                "architecture": {"input_modalities": if model.vision { json!(["text", "image"]) } else { json!(["text"]) },
                    "output_modalities": ["text"], "tokenizer": "Other", "instruct_type": null},
                "pricing": {"prompt": input, "completion": output, "request": "0", "image": "0"},
                "top_provider": {"context_length": model.context, "max_completion_tokens": null, "is_moderated": false},
                "per_request_limits": null,
                "supported_parameters": if model.tools { json!(["max_tokens", "temperature", "tools"]) } else { json!(["max_tokens", "temperature"]) }})
        }),
        ("GET", "/key") => {
            Answer::json(&json!({"data": {"label": "k", "usage": 0, "limit": null, "is_free_tier": false}}))
        }
        ("POST", "/chat/completions") => openai::chat::respond(scene).await,
        ("POST", "/embeddings") => openai::embeddings::respond(scene),
        _ => Answer::NoSuchRoute,
    }
}
