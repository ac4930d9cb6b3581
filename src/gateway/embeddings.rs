//! `POST /v1/embeddings` and `POST /v1/completions`: the same way through the engine as a chat, for models that
//! make vectors and for the older completions without a chat template.

use super::body::{self, BodyBounds};
use super::chat::{BYTES_PER_TOKEN, answer};
use super::chat_shape::ChatShape;
use super::labels;
use super::problem::Problem;
use super::router::Gateway;
use crate::domain::cache_key::CacheWish;
use crate::domain::call::{Body as CallContent, CallRequest, Facts, Work};
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use std::sync::Arc;

pub async fn embeddings(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    carry_out(gateway, request, Work::Embeddings).await
}

pub async fn completions(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    carry_out(gateway, request, Work::Completion).await
}

async fn carry_out(gateway: Arc<Gateway>, request: Request, work: Work) -> Response {
    let (parts, body) = request.into_parts();
    let read = async {
        let json = body::read_text(body, &parts.headers, BodyBounds::of(&gateway.options)).await?;
        call_request(json, &parts, work)
    };
    match read.await {
        Ok(request) => answer(gateway, request).await,
        Err(problem) => problem.response(),
    }
}

fn call_request(json: String, head: &Parts, work: Work) -> Result<CallRequest, Problem> {
    let shape = match work {
        Work::Embeddings => ChatShape::read_as(&json, "an embeddings request", "model and input")?,
        Work::Chat | Work::Completion => ChatShape::read_as(&json, "a completions request", "model and prompt")?,
    };
    let mut facts = Facts {
        prompt_tokens: json.len() as u64 / BYTES_PER_TOKEN,
        max_tokens: shape.max_tokens,
        stream: shape.stream && work == Work::Completion,
        requested_model: shape.model,
        work,
        ..Facts::default()
    };
    labels::from_metadata(&mut facts, &shape.metadata)?;
    if shape.at_zero {
        facts.cache = CacheWish::Sober;
    }
    labels::from_head(&mut facts, head)?;
    let body = match work {
        Work::Embeddings => CallContent::RawOpenaiEmbeddings { json },
        Work::Chat | Work::Completion => CallContent::RawOpenaiCompletion { json },
    };
    Ok(CallRequest { facts, body, wants_usage: shape.wants_usage })
}
