//! `GET /v1/models`: what may stand in a request's `model`.

use super::problem::json_response;
use super::router::Gateway;
use crate::engine::protocol::ProviderView;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

/// Names that stand for a choice of targets.
const CHOICES: [&str; 3] = ["auto", "local", "cloud"];

pub async fn list(State(gateway): State<Arc<Gateway>>) -> Response {
    let snapshot = gateway.handle.snapshot();
    // Servers do not say when a model was made, and clients want a number that stays.
    let created = gateway.started.0 / 1000;
    let row = |id: String, owner: &str| json!({ "id": id, "object": "model", "created": created, "owned_by": owner });
    let choices = CHOICES.into_iter().map(|name| row(name.to_owned(), "lmdeck"));
    let targets = snapshot.providers.iter().filter(|provider| takes_calls(provider)).flat_map(|provider| {
        provider
            .models
            .iter()
            .filter(|model| model.nameable())
            .map(|model| row(provider.target(model).to_string(), provider.kind.word()))
    });
    let presets = snapshot.config.presets.iter().map(|preset| row(preset.name.clone(), "lmdeck"));
    let data: Vec<Value> = choices.chain(presets).chain(targets).collect();
    json_response(StatusCode::OK, &json!({ "object": "list", "data": data }))
}

/// Whether calls may go to this provider now.
pub fn takes_calls(provider: &ProviderView) -> bool {
    provider.enabled && provider.withheld.is_none() && provider.health.state.usable()
}
