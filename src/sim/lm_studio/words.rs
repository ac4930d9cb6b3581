//! LM Studio's words for what is wrong: objects on some routes, bare texts on others, frames in streams.

use crate::sim::fault::Trouble;
use crate::sim::reply::{self, Reply};
use crate::sim::scene::Scene;
use crate::sim::trouble::{Said, openai_error};
use serde_json::{Value, json};

pub(super) fn json_object_refused() -> Value {
    json!({"error": "'response_format.type' must be 'json_schema' or 'text'"})
}

pub(super) fn too_long(tokens: u64, window: u64) -> Value {
    json!({"error": overflow(tokens, window)})
}

fn overflow(tokens: u64, window: u64) -> String {
    format!(
        "The number of tokens to keep from the initial prompt is greater than the context length \
         (n_keep: {tokens}>= n_ctx: {window}). Try to load the model with a larger context length, or provide a shorter input."
    )
}

/// In a stream the status is 200 and the refusal a frame.
pub(in crate::sim) fn too_long_in_stream(tokens: u64, window: u64) -> Reply {
    let body = json!({"error": {"message": overflow(tokens, window)}});
    reply::with(200, "text/event-stream", reply::whole(format!("event: error\ndata: {body}\n\n")))
}

/// A refusal as it stands in a frame: always an object.
pub(in crate::sim) fn in_stream(body: &Value) -> Value {
    match &body["error"] {
        Value::String(text) => json!({"error": {"message": text}}),
        _ => body.clone(),
    }
}

pub(in crate::sim) fn trouble(scene: &Scene, model: &str, trouble: &Trouble) -> Said {
    let said = |status: u16, body: Value| Said { status, body, after: None };
    let invalid = "invalid_request_error";
    match trouble {
        Trouble::NoModelsLoaded => said(
            404,
            openai_error(
                "No models loaded. Please load a model in the developer page or use the `lms load` command.",
                invalid,
                Some("model"),
                None,
            ),
        ),
        Trouble::UnknownModel => {
            let settings = scene.settings();
            let shown = settings.models.iter().filter(|known| settings.jit || known.loaded);
            let all: Vec<_> = shown.map(|known| known.id.as_str()).collect();
            let message = format!("Model \"{model}\" not found. Your models:\n{}", all.join("\n"));
            said(404, openai_error(&message, invalid, Some("model"), Some("model_not_found")))
        }
        Trouble::LoadFailed { why } => {
            said(400, json!({"error": {"message": format!("Failed to load model \"{model}\". Error: {why}")}}))
        }
        Trouble::Unloaded => said(400, json!({"error": "Model unloaded."})),
        Trouble::Crashed => said(
            400,
            json!({"error": "The model has crashed without additional information. (Exit code: 18446744072635812000)"}),
        ),
        Trouble::TooLong { tokens, window } => said(400, too_long(*tokens, *window)),
        Trouble::NotAllowed => said(
            403,
            json!({"error": {"type": "invalid_request", "message": "This API token does not have the permission that is needed"}}),
        ),
        _ => said(500, json!({"error": {"type": "internal_error", "message": "Internal error"}})),
    }
}
