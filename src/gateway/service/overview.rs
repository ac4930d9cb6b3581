//! `GET model-status` and `GET models`: which models there are and how they are.

use super::aliases::alias;
use crate::domain::health::State as HealthState;
use crate::domain::kind::Kind;
use crate::domain::money::Money;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{ModelView, ProviderView, Snapshot};
use crate::gateway::models::takes_calls;
use crate::gateway::problem::json_response;
use crate::gateway::router::Gateway;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub async fn model_status(State(gateway): State<Arc<Gateway>>) -> Response {
    json_response(StatusCode::OK, &status_of(&gateway.handle.snapshot(), (gateway.clock)()))
}

pub async fn models(State(gateway): State<Arc<Gateway>>) -> Response {
    json_response(StatusCode::OK, &list_of(&gateway.handle.snapshot(), (gateway.clock)()))
}

fn status_of(snapshot: &Snapshot, now: UnixMs) -> Value {
    let models: Map<String, Value> = pairs(snapshot)
        .map(|(provider, model)| {
            let name = alias(provider, &model.id).unwrap_or_else(|| provider.target(model).to_string());
            (name, brief(provider, model, now))
        })
        .collect();
    let studios = || snapshot.providers.iter().filter(|provider| provider.kind == Kind::LmStudio);
    let studio_models: Vec<&str> =
        studios().flat_map(|provider| provider.candidates().map(|model| model.id.as_str())).collect();
    let spend = &snapshot.spend;
    json!({
        "active_model": snapshot.routing.in_effect,
        "active_chosen": snapshot.routing.active.to_string(),
        "total_models": models.len(),
        "cache_size": snapshot.flow.cache.entries,
        "lm_studio_available": studios().any(answers),
        "lm_studio_models": studio_models,
        "models": models,
        "daily_cost": spend.today.dollars(),
        // Null: no limit is set.
        "budget_remaining": spend.remaining.map(Money::dollars),
        "all_healthy": snapshot
            .providers
            .iter()
            .filter(|provider| provider.enabled)
            .all(|provider| provider.withheld.is_none() && provider.health.state == HealthState::Up),
    })
}

fn list_of(snapshot: &Snapshot, now: UnixMs) -> Value {
    let models: Vec<Value> = pairs(snapshot)
        .map(|(provider, model)| {
            let target = provider.target(model);
            let mut row = brief(provider, model, now);
            row["id"] = json!(target);
            row["alias"] = json!(alias(provider, &model.id));
            row["provider_id"] = json!(provider.id);
            row["loaded"] = json!(model.loaded);
            row["context"] = json!(model.context);
            row["active"] = json!(snapshot.routing.in_effect.as_ref() == Some(&target));
            row
        })
        .collect();
    json!({ "models": models, "total_models": models.len() })
}

fn pairs(snapshot: &Snapshot) -> impl Iterator<Item = (&ProviderView, &ModelView)> {
    let providers = snapshot.providers.iter().filter(|provider| provider.enabled);
    providers.flat_map(|provider| provider.candidates().map(move |model| (&**provider, model)))
}

fn brief(provider: &ProviderView, model: &ModelView, now: UnixMs) -> Value {
    let still = |until: Option<UnixMs>| until.is_some_and(|until| until > now);
    let rate_limited = still(provider.parked());
    json!({
        "provider": provider.kind.word(),
        "model_name": model.id,
        "available": takes_calls(provider) && !rate_limited && !still(model.breaker_until),
        "rate_limited": rate_limited,
        "is_local": provider.runs_near(model),
    })
}

fn answers(provider: &Arc<ProviderView>) -> bool {
    takes_calls(provider) && provider.health.state != HealthState::Unknown
}
