//! The service API under `/api/v1/llm/`, as the original service's front end calls it.

mod aliases;
mod generate;
mod options;
mod overview;
mod preset;
mod switch;

pub use generate::generate;
pub use overview::{model_status, models};
pub use preset::preset;
pub use switch::switch_model;

use super::body::{self, BodyBounds};
use super::problem::Problem;
use super::router::Gateway;
use axum::body::Body;
use http::HeaderMap;
use serde_json::{Map, Value};

/// The request's body as an object.
async fn object(gateway: &Gateway, body: Body, headers: &HeaderMap) -> Result<Map<String, Value>, Problem> {
    let text = body::read_text(body, headers, BodyBounds::of(&gateway.options)).await?;
    serde_json::from_str(&text)
        .map_err(|error| Problem::invalid(format!("the body cannot be read: {error}; send a JSON object")))
}

/// A member that must be a text; `None` when absent or null.
fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Problem::invalid(format!("{name} must be a text")).about(name)),
    }
}
