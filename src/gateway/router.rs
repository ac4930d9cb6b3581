//! Which path goes where. What stands before the routes (guard, panics) is in `serve`.

use super::options::GatewayOptions;
use super::problem::Problem;
use super::{chat, embeddings, models, service, status};
use crate::domain::time::UnixMs;
use crate::engine::handle::EngineHandle;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{get, post};
use http::Method;
use hyper::body::Incoming;
use std::sync::Arc;
use tower::ServiceExt;

/// All paths with their methods, for the answers to wrong ones.
const ROUTES: &str = "GET /v1/models, POST /v1/chat/completions, POST /v1/completions, \
     POST /v1/embeddings, GET /health, GET /ready, \
     GET /api/v1/llm/model-status, GET /api/v1/llm/models, POST /api/v1/llm/switch-model, POST /api/v1/llm/generate, \
     POST /api/v1/llm/PRESET";

/// What every handler knows.
pub struct Gateway {
    pub handle: EngineHandle,
    pub options: GatewayOptions,
    pub clock: fn() -> UnixMs,
    /// When it began to serve.
    pub started: UnixMs,
}

impl Gateway {
    pub fn new(handle: EngineHandle, options: GatewayOptions, clock: fn() -> UnixMs) -> Self {
        Self { handle, options, clock, started: clock() }
    }
}

/// All routes. Chats stand before the others: nearly every request is one, and to look them up among the others costs
/// half as much again as reading what they ask.
pub struct Routes {
    gateway: Arc<Gateway>,
    others: Router,
}

impl Routes {
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { others: others(gateway.clone()), gateway }
    }

    pub async fn call(&self, request: http::Request<Incoming>) -> Response {
        if request.method() == Method::POST && request.uri().path() == CHATS {
            return chat::completions(self.gateway.clone(), request).await;
        }
        match self.others.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

const CHATS: &str = "/v1/chat/completions";

fn others(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/models", get(models::list))
        // Its POSTs do not come here; whoever asks in another way is told that it takes them.
        .route(CHATS, post(wrong_method))
        .route("/v1/completions", post(embeddings::completions))
        .route("/v1/embeddings", post(embeddings::embeddings))
        .route("/health", get(status::health))
        .route("/ready", get(status::ready))
        .route("/api/v1/llm/model-status", get(service::model_status))
        .route("/api/v1/llm/models", get(service::models))
        .route("/api/v1/llm/switch-model", post(service::switch_model))
        .route("/api/v1/llm/generate", post(service::generate))
        // The names above are no preset's: the configuration's check refuses them.
        .route("/api/v1/llm/{preset}", post(service::preset))
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(gateway)
}

async fn no_such_route(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let hint = if path.starts_with("/v1/v1/") { " (/v1 stands twice: shorten the client's base URL)" } else { "" };
    Problem::no_such_route(format!("{method} {path} is not a route of lmdeck{hint}; there are: {ROUTES}")).response()
}

async fn wrong_method(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    Problem::wrong_method(format!("{path} does not take {method}; there are: {ROUTES}")).response()
}
