//! The key of a request, and how each server refuses a wrong one.

use super::kind::SimKind;
use super::reply::{self, Reply};
use super::scene::Scene;
use super::serve::unknown_route;
use super::trouble::anthropic_error;
use serde_json::json;

/// The key as it was sent: `Authorization: Bearer`, else `x-api-key`.
fn given(scene: &Scene) -> &str {
    let bearer = scene.seen.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
    if bearer.is_empty() { scene.seen.header("x-api-key") } else { bearer }
}

/// Paths that anybody may ask.
fn is_open(scene: &Scene) -> bool {
    match (scene.kind(), scene.seen.path.as_str()) {
        (SimKind::LmStudio(_), path) => path == "/lmstudio-greeting",
        (SimKind::LlamaCpp, path) => matches!(path, "/health" | "/v1/health"),
        (SimKind::Vllm, path) => !path.starts_with("/v1/"),
        (SimKind::Openrouter, path) => path == "/api/v1/models",
        _ => false,
    }
}

/// `None` when the request may pass.
pub(super) fn refusal(scene: &Scene) -> Option<Reply> {
    let (wanted, hide_list) = {
        let settings = scene.settings();
        (settings.key.clone()?, settings.hide_list)
    };
    let given = given(scene);
    if is_open(scene) || given == wanted {
        return None;
    }
    if hide_list && scene.seen.path.ends_with("/models") {
        return Some(unknown_route(scene));
    }
    Some(refuse(scene.kind(), given))
}

/// A server may repeat the key it was given: it must not get into any message.
pub(super) fn refuse(kind: SimKind, given: &str) -> Reply {
    let body = match kind {
        SimKind::LmStudio(_) => json!({"error": {"type": "invalid_request", "code": "invalid_api_key",
            "message": if given.is_empty() { "An LM Studio API token is required to make requests to this server".to_owned() }
                else { format!("Malformed LM Studio API token provided: {given}") }}}),
        SimKind::ZAi if given.is_empty() => {
            json!({"error": {"code": "1001", "message": "Header not received Authorization parameter, unable to authenticate."}})
        }
        SimKind::ZAi => json!({"error": {"code": "1000", "message": format!("token {given} is not valid")}}),
        SimKind::Anthropic => anthropic_error("authentication_error", "invalid x-api-key"),
        SimKind::LlamaCpp => {
            json!({"error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}})
        }
        SimKind::Vllm => json!({"error": "Unauthorized"}),
        SimKind::Openrouter => json!({"error": {"code": 401, "message": "User not found."}}),
        _ => json!({"error": {"message": format!("Incorrect API key provided: {given}"),
            "type": "invalid_request_error", "param": null, "code": "invalid_api_key"}}),
    };
    reply::json(401, &body)
}
