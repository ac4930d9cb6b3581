//! `GET /health` and `GET /ready`, for supervisors and load balancers.

use super::problem::json_response;
use super::router::Gateway;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;
use std::sync::Arc;

/// Alive, whatever the providers do.
pub async fn health() -> Response {
    json_response(StatusCode::OK, &json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// Whether a call would find a target now.
pub async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let routing = gateway.handle.snapshot().routing.clone();
    match &routing.in_effect {
        Some(target) => json_response(StatusCode::OK, &json!({ "status": "ready", "target": target })),
        None => json_response(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({
                "status": "not_ready",
                "reason": if routing.in_effect_why.is_empty() { "no target is usable" } else { &routing.in_effect_why },
                "remedy": "lmdeck status says what is wrong with each provider",
            }),
        ),
    }
}
