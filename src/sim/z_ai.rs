//! Z.AI: the general base and the coding plan's, thinking, business codes, and finish reasons that are failures.

use super::asked::Asked;
use super::fault::Trouble;
use super::openai;
use super::reply;
use super::scene::{Answer, Scene};
use super::trouble::Said;
use serde_json::{Value, json};

const BASES: [&str; 2] = ["/api/paas/v4", "/api/coding/paas/v4"];

pub(super) async fn respond(scene: &mut Scene) -> Answer {
    let (method, path) = scene.route();
    let Some(route) = BASES.iter().find_map(|base| path.strip_prefix(base)) else {
        // The coding plan is offered in Anthropic's form too.
        return match path.strip_prefix("/api/anthropic") {
            Some("/v1/messages") if method == "POST" => super::anthropic::messages(scene).await,
            Some("/v1/messages") => Answer::Done(reply::text(405, "method not allowed")),
            _ => Answer::NoSuchRoute,
        };
    };
    match (method, route) {
        ("GET", "/models") => {
            openai::models(scene, |model| json!({"id": model.id, "object": "model", "created": 1, "owned_by": "z-ai"}))
        }
        ("POST", "/chat/completions") => chat(scene).await,
        ("POST", "/embeddings") => openai::embeddings::respond(scene),
        _ => Answer::NoSuchRoute,
    }
}

async fn chat(scene: &mut Scene) -> Answer {
    let Some(asked) = Asked::of(scene) else { return refused(1214, "the body is not JSON") };
    if asked.body.get("messages").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return refused(1214, "messages cannot be empty");
    }
    if asked.body.pointer("/response_format/type") == Some(&json!("json_schema")) {
        return refused(1210, "response_format.type takes text or json_object");
    }
    let known = scene.settings().model(&asked.model).cloned();
    let Some(known) = known else { return refused(1211, "Unknown Model, please check the model code.") };
    if asked.too_long(scene, known.context).is_some() {
        return refused(1261, "Prompt exceeds max length");
    }
    let mut spoken = asked.answer(scene, &asked.model);
    let off = asked.body.pointer("/thinking/type") == Some(&json!("disabled"));
    // The newest always thinks.
    if off && !asked.model.starts_with("glm-5.3") {
        spoken.reasoning.clear();
    }
    openai::chat::write(scene, &asked, &spoken).await
}

fn refused(code: u16, message: &str) -> Answer {
    let said = business(code, message);
    Answer::Done(reply::json(said.status, &said.body))
}

/// The codes that a trouble of any server has here.
pub(super) fn trouble(trouble: &Trouble) -> Said {
    let (code, message) = match trouble {
        Trouble::KeyRefused => (1000, "Authentication Failed"),
        Trouble::NotAllowed => (1220, "You do not have permission to access this API"),
        Trouble::NoCredit => (1113, "Insufficient balance or no resource package. Please recharge."),
        Trouble::RateLimited { .. } => (1302, "High concurrency usage of this API, please reduce concurrency"),
        Trouble::Overloaded | Trouble::Loading => {
            (1305, "The service may be temporarily overloaded, please try again later")
        }
        Trouble::UnknownModel | Trouble::NoModelsLoaded => (1211, "Unknown Model, please check the model code."),
        Trouble::TooLong { .. } => (1261, "Prompt exceeds max length"),
        Trouble::Filtered => (1301, "The system detected potentially unsafe or sensitive content"),
        Trouble::Business { code, message } => (*code, message.as_str()),
        Trouble::Internal | Trouble::LoadFailed { .. } | Trouble::Unloaded | Trouble::Crashed => {
            (500, "Internal Error")
        }
    };
    business(code, message)
}

fn business(code: u16, message: &str) -> Said {
    let status = match code {
        500 | 1200 | 1230 | 1234 => 500,
        1000..=1005 | 1120 | 1121 => 401,
        1110..=1113 | 1302..=1313 => 429,
        1220 => 403,
        1221 | 1222 => 404,
        _ => 400,
    };
    Said { status, body: json!({"error": {"code": code.to_string(), "message": message}}), after: None }
}

/// There are no error frames: a stream that fails says so in its finish reason, and ends as if nothing was.
pub(super) fn failing_chunk(model: &str, trouble: &Trouble) -> String {
    let reason = match trouble {
        Trouble::Filtered => "sensitive",
        Trouble::TooLong { .. } => "model_context_window_exceeded",
        _ => "network_error",
    };
    let chunk = json!({"id": "2026-1", "created": 1, "model": model,
        "choices": [{"index": 0, "finish_reason": reason, "delta": {"role": "assistant", "content": ""}}]});
    format!("data: {chunk}\n\ndata: [DONE]\n\n")
}
