//! OpenAI and servers that are like it: models, chat, completions, embeddings, responses, and the headers with its
//! limits.

pub(super) mod chat;
pub(super) mod completions;
pub(super) mod embeddings;
pub(super) mod responses;

use super::kind::SimKind;
use super::model::SimModel;
use super::reply::{self, Reply};
use super::scene::{Answer, Scene};
use super::trouble::openai_error;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) async fn respond(scene: &mut Scene) -> Answer {
    let (method, path) = scene.route();
    let route = path.strip_prefix("/v1").unwrap_or_default();
    let answer = match (method, route) {
        ("GET", "/models") => {
            models(scene, |model| json!({"id": model.id, "object": "model", "created": 1, "owned_by": "someone"}))
        }
        ("POST", "/chat/completions") => chat::respond(scene).await,
        ("POST", "/completions") => completions::respond(scene).await,
        ("POST", "/embeddings") => embeddings::respond(scene),
        ("POST", "/responses") => responses::respond(scene).await,
        _ => Answer::NoSuchRoute,
    };
    with_headers(scene, answer)
}

/// A list in OpenAI's form.
pub(super) fn models(scene: &Scene, entry: impl Fn(&SimModel) -> Value) -> Answer {
    let entries: Vec<Value> = scene.settings().models.iter().map(entry).collect();
    Answer::json(&json!({"object": "list", "data": entries}))
}

pub(super) fn unknown_route(method: &Method, path: &str) -> Reply {
    let message = format!("Invalid URL ({method} {path})");
    reply::json(404, &openai_error(&message, "invalid_request_error", None, None))
}

pub(super) fn not_json() -> Answer {
    Answer::refused(400, &openai_error("the body is not JSON", "invalid_request_error", None, None))
}

/// What OpenAI itself tells beside each answer.
fn with_headers(scene: &Scene, answer: Answer) -> Answer {
    if scene.kind() != SimKind::Openai {
        return answer;
    }
    let (limits, number) = {
        let settings = scene.settings();
        (settings.limits, settings.answers)
    };
    let mark = |mut reply: Reply| {
        reply::set(&mut reply, "x-request-id", &format!("req_{number}"));
        reply::set(&mut reply, "openai-processing-ms", "12");
        reply::set(&mut reply, "openai-version", "2020-10-01");
        if let Some(limits) = limits {
            let resets = duration(limits.resets_in);
            for (name, value) in [
                ("limit-requests", limits.requests.to_string()),
                ("remaining-requests", limits.requests_left.to_string()),
                ("limit-tokens", limits.tokens.to_string()),
                ("remaining-tokens", limits.tokens_left.to_string()),
                ("reset-requests", resets.clone()),
                ("reset-tokens", resets.clone()),
            ] {
                reply::set(&mut reply, &format!("x-ratelimit-{name}"), &value);
            }
        }
        reply
    };
    match answer {
        Answer::Done(reply) => Answer::Done(mark(reply)),
        Answer::Plain(reply) => Answer::Plain(mark(reply)),
        Answer::NoSuchRoute => Answer::NoSuchRoute,
    }
}

/// As in `6m0s`, `1s`, `12ms`.
fn duration(time: Duration) -> String {
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    match (seconds, millis) {
        (0, millis) => format!("{millis}ms"),
        (seconds, _) if seconds >= 60 => format!("{}m{}s", seconds / 60, seconds % 60),
        (seconds, 0) => format!("{seconds}s"),
        (seconds, millis) => format!("{seconds}.{millis:03}s"),
    }
}
