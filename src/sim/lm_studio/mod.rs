//! LM Studio in its three generations: what is offered where, and the answer to everything else.

mod chat;
mod lists;
mod load;
mod native_chat;
mod words;

pub(super) use chat::add_stats;
pub(super) use words::{in_stream, too_long_in_stream, trouble};

use super::anthropic;
use super::kind::LmStudioApi;
use super::openai;
use super::reply::{self, Reply};
use super::scene::{Answer, Scene};
use http::Method;
use serde_json::json;

pub(super) async fn respond(scene: &mut Scene, api: LmStudioApi) -> Answer {
    let (method, path) = scene.route();
    let (v0, v1) = (api >= LmStudioApi::V0, api >= LmStudioApi::V1);
    match (method, path.as_str()) {
        ("GET", "/lmstudio-greeting") => Answer::json(&json!({"lmstudio": true})),
        ("GET", "/v1/models") => lists::compatible(scene),
        ("GET", "/api/v0/models") if v0 => lists::v0(scene),
        ("GET", path) if v0 && path.starts_with("/api/v0/models/") => lists::v0_model(scene),
        ("GET", "/api/v1/models") if v1 => lists::v1(scene),
        ("POST", "/api/v1/models/load") if v1 => load::load(scene).await,
        ("POST", "/api/v1/models/unload") if v1 => load::unload(scene),
        ("POST", "/api/v1/chat") if v1 => native_chat::respond(scene).await,
        ("POST", "/v1/chat/completions") => chat::respond(scene).await,
        ("POST", "/api/v0/chat/completions") if v0 => chat::respond(scene).await,
        ("POST", "/v1/completions") => openai::completions::respond(scene).await,
        ("POST", "/v1/embeddings") => openai::embeddings::respond(scene),
        ("POST", "/api/v0/embeddings") if v0 => openai::embeddings::respond(scene),
        ("POST", "/v1/responses") if v0 => openai::responses::respond(scene).await,
        ("POST", "/v1/messages") if v1 => anthropic::messages(scene).await,
        _ => Answer::NoSuchRoute,
    }
}

/// 200 for everything that is not offered: the trap for clients that go by the status.
pub(super) fn unknown_route(method: &Method, path: &str) -> Reply {
    let words = format!("Unexpected endpoint or method. ({method} {path})");
    reply::json(200, &json!({ "error": words }))
}
