//! Anthropic's Messages dialect: an OpenAI chat request in its form, its answers in the OpenAI chat shape, its
//! errors. The parts are of use alone: [`request::translate`] writes the request, [`stream::Events`] reads the
//! events, [`answer::whole`] a whole message.

pub mod answer;
pub mod errors;
pub mod request;
pub mod stream;

use serde_json::Value;

/// Where messages go: below `/v1` of the provider's address.
pub fn messages_url(api_base: &str) -> String {
    below_version(api_base, "messages")
}

/// Where the models are listed.
pub fn models_url(api_base: &str) -> String {
    below_version(api_base, "models")
}

fn below_version(api_base: &str, route: &str) -> String {
    let base = api_base.trim_end_matches('/');
    let version = if base.ends_with("/v1") { "" } else { "/v1" };
    format!("{base}{version}/{route}")
}

/// Where a request is only counted. Free, and limited in its rate.
pub fn count_url(api_base: &str) -> String {
    format!("{}/count_tokens", messages_url(api_base))
}

/// The body that counts what `request` would send: the same without what only the answer needs.
pub fn count_body(request: &Value) -> Value {
    let mut body = request.clone();
    if let Some(members) = body.as_object_mut() {
        for answer_only in ["max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata"] {
            members.shift_remove(answer_only);
        }
    }
    body
}

/// The count in an answer of `count_tokens`; `None` when it holds none.
pub fn counted(body: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(body).ok()?.get("input_tokens")?.as_u64()
}
