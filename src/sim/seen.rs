//! A request as a simulated server saw it.

use http::{HeaderMap, Method};
use serde_json::Value;

#[derive(Debug, Clone)]
pub struct SeenRequest {
    pub method: Method,
    pub path: String,
    /// What stands behind the question mark.
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl SeenRequest {
    /// A header's value; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}
