//! What each server says when something is wrong: status, form and words, as its clients see them.

use super::asked::Asked;
use super::auth;
use super::fault::Trouble;
use super::kind::SimKind;
use super::lm_studio;
use super::reply::{self, Reply};
use super::scene::Scene;
use super::z_ai;
use serde_json::{Value, json};

/// A refusal: status, body, and seconds to wait where they are told.
pub(super) struct Said {
    pub status: u16,
    pub body: Value,
    pub after: Option<u64>,
}

impl Said {
    fn new(status: u16, body: Value) -> Self {
        Self { status, body, after: None }
    }
}

/// The trouble in the words of the server, as the answer to this request.
pub(super) fn reply(scene: &Scene, trouble: &Trouble) -> Reply {
    if *trouble == Trouble::KeyRefused {
        return auth::refuse(scene.kind(), "");
    }
    let asked = Asked::of(scene);
    let streams = asked.as_ref().is_some_and(|asked| asked.stream);
    if let (SimKind::LmStudio(_), Trouble::TooLong { tokens, window }, true) = (scene.kind(), trouble, streams) {
        return lm_studio::too_long_in_stream(*tokens, *window);
    }
    let model = asked.map(|asked| asked.model).unwrap_or_default();
    let said = said(scene, &model, trouble);
    let mut reply = reply::json(said.status, &said.body);
    if let Some(after) = said.after {
        reply::set(&mut reply, "retry-after", &after.to_string());
    }
    reply
}

/// The same as a frame of a stream that had begun well.
pub(super) fn frame(scene: &Scene, model: &str, trouble: &Trouble) -> String {
    let said = said(scene, model, trouble);
    let native = speaks_anthropic(scene);
    match scene.kind() {
        _ if native => format!("event: error\ndata: {}\n\n", said.body),
        SimKind::ZAi => z_ai::failing_chunk(model, trouble),
        SimKind::LmStudio(_) => format!("event: error\ndata: {}\n\n", lm_studio::in_stream(&said.body)),
        SimKind::Openrouter => {
            let mut body = json!({"id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": model,
                "provider": "Simulated", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]});
            body["error"] = said.body["error"].clone();
            format!("data: {body}\n\n")
        }
        _ => format!("data: {}\n\n", said.body),
    }
}

fn speaks_anthropic(scene: &Scene) -> bool {
    scene.kind() == SimKind::Anthropic && !scene.seen.path.ends_with("/chat/completions")
        || scene.seen.path.ends_with("/messages")
}

fn said(scene: &Scene, model: &str, trouble: &Trouble) -> Said {
    match scene.kind() {
        _ if speaks_anthropic(scene) => anthropic(model, trouble),
        SimKind::LmStudio(_) => lm_studio::trouble(scene, model, trouble),
        SimKind::ZAi => z_ai::trouble(trouble),
        SimKind::LlamaCpp => llama_cpp(trouble),
        SimKind::Openrouter => openrouter(model, trouble),
        SimKind::Vllm => vllm(model, trouble),
        _ => openai(model, trouble),
    }
}

pub(super) fn openai_error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Value {
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
}

fn openai(model: &str, trouble: &Trouble) -> Said {
    let invalid = "invalid_request_error";
    let error = openai_error;
    match trouble {
        Trouble::KeyRefused => {
            Said::new(401, error("Incorrect API key provided", invalid, None, Some("invalid_api_key")))
        }
        Trouble::NotAllowed => {
            Said::new(403, error("You have insufficient permissions for this operation.", invalid, None, None))
        }
        Trouble::NoCredit => Said::new(
            429,
            error(
                "You exceeded your current quota, please check your plan and billing details.",
                "insufficient_quota",
                None,
                Some("insufficient_quota"),
            ),
        ),
        Trouble::RateLimited { after } => Said {
            after: *after,
            ..Said::new(
                429,
                error(
                    &format!("Rate limit reached for {model} on requests per min (RPM)."),
                    "requests",
                    None,
                    Some("rate_limit_exceeded"),
                ),
            )
        },
        Trouble::Overloaded | Trouble::Loading => {
            Said::new(503, error("The server is currently overloaded, try again later.", "server_error", None, None))
        }
        Trouble::UnknownModel | Trouble::NoModelsLoaded => Said::new(
            404,
            error(&format!("The model `{model}` does not exist."), invalid, None, Some("model_not_found")),
        ),
        Trouble::TooLong { tokens, window } => Said::new(
            400,
            error(
                &format!(
                    "This model's maximum context length is {window} tokens. However, your messages resulted in {tokens} tokens."
                ),
                invalid,
                Some("messages"),
                Some("context_length_exceeded"),
            ),
        ),
        Trouble::Filtered => Said::new(
            400,
            error(
                "The prompt was flagged by our content policy.",
                invalid,
                Some("prompt"),
                Some("content_policy_violation"),
            ),
        ),
        Trouble::Business { message, .. } | Trouble::LoadFailed { why: message } => {
            Said::new(500, error(message, "server_error", None, None))
        }
        Trouble::Internal | Trouble::Unloaded | Trouble::Crashed => {
            Said::new(500, error("The server had an error while processing your request.", "server_error", None, None))
        }
    }
}

pub(super) fn anthropic_error(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})
}

fn anthropic(model: &str, trouble: &Trouble) -> Said {
    let (status, kind, message) = match trouble {
        Trouble::KeyRefused => (401, "authentication_error", "invalid x-api-key".to_owned()),
        Trouble::NotAllowed => {
            (403, "permission_error", "Your API key does not have permission to use the specified resource.".into())
        }
        Trouble::NoCredit => {
            (402, "billing_error", "There is an issue with your billing or payment information.".into())
        }
        Trouble::RateLimited { .. } => {
            (429, "rate_limit_error", "This request would exceed your organization's rate limit.".into())
        }
        Trouble::Overloaded | Trouble::Loading => (529, "overloaded_error", "Overloaded".into()),
        Trouble::UnknownModel | Trouble::NoModelsLoaded => (404, "not_found_error", format!("model: {model}")),
        Trouble::TooLong { tokens, window } => {
            (400, "invalid_request_error", format!("prompt is too long: {tokens} tokens > {window} maximum"))
        }
        Trouble::Filtered => (400, "invalid_request_error", "Output blocked by content filtering policy".into()),
        Trouble::Business { message, .. } | Trouble::LoadFailed { why: message } => (500, "api_error", message.clone()),
        Trouble::Internal | Trouble::Unloaded | Trouble::Crashed => (500, "api_error", "Internal server error".into()),
    };
    let after = if let Trouble::RateLimited { after } = trouble { *after } else { None };
    Said { after, ..Said::new(status, anthropic_error(kind, &message)) }
}

/// Servers that write their status into `code`.
fn numbered(status: u16, kind: &str, message: &str) -> Said {
    Said::new(status, json!({"error": {"code": status, "message": message, "type": kind}}))
}

fn llama_cpp(trouble: &Trouble) -> Said {
    match trouble {
        Trouble::Loading => numbered(503, "unavailable_error", "Loading model"),
        Trouble::Overloaded => numbered(503, "unavailable_error", "no slot available"),
        Trouble::TooLong { tokens, window } => {
            let message = format!(
                "request ({tokens} tokens) exceeds the available context size ({window} tokens), try increasing it"
            );
            let mut said = numbered(400, "exceed_context_size_error", &message);
            said.body["error"]["n_prompt_tokens"] = json!(tokens);
            said.body["error"]["n_ctx"] = json!(window);
            said
        }
        Trouble::KeyRefused => numbered(401, "authentication_error", "Invalid API Key"),
        Trouble::NotAllowed => numbered(403, "permission_error", "not allowed"),
        _ => numbered(500, "server_error", "the model failed while it answered"),
    }
}

fn vllm(model: &str, trouble: &Trouble) -> Said {
    let flat = |status: u16, kind: &str, message: String| {
        Said::new(status, json!({"error": {"message": message, "type": kind, "param": null, "code": status}}))
    };
    match trouble {
        Trouble::UnknownModel => flat(404, "NotFoundError", format!("The model `{model}` does not exist.")),
        Trouble::TooLong { tokens, window } => flat(
            400,
            "BadRequestError",
            format!("This model's maximum context length is {window} tokens. However, you requested {tokens} tokens."),
        ),
        Trouble::Overloaded | Trouble::Loading => {
            flat(503, "ServiceUnavailableError", "the engine is not ready".into())
        }
        _ => flat(500, "InternalServerError", "the engine failed".into()),
    }
}

fn openrouter(model: &str, trouble: &Trouble) -> Said {
    let error =
        |status: u16, message: String| Said::new(status, json!({"error": {"code": status, "message": message}}));
    match trouble {
        Trouble::KeyRefused => error(401, "User not found.".into()),
        Trouble::NotAllowed => error(403, "This key is not allowed to do that.".into()),
        Trouble::NoCredit => error(402, "Insufficient credits. Add more and try again.".into()),
        Trouble::RateLimited { after } => Said { after: *after, ..error(429, format!("Rate limit exceeded: {model}")) },
        Trouble::UnknownModel => error(400, format!("{model} is not a valid model ID")),
        Trouble::Overloaded => error(503, "No provider is available for this model.".into()),
        Trouble::Filtered => {
            let mut said = error(403, "The input was flagged.".into());
            said.body["error"]["metadata"] = json!({"reasons": ["violence"], "provider_name": "Simulated"});
            said
        }
        Trouble::TooLong { tokens, window } => error(
            400,
            format!(
                "This endpoint's maximum context length is {window} tokens. However, you requested about {tokens} tokens."
            ),
        ),
        _ => error(502, "Provider returned error".into()),
    }
}
