//! Model lists and the small documents beside them (slots, metrics, loaded models), one file per kind of server.
//! A list is never misread in silence: what does not have its type is said with its place. How documents are
//! asked for is `adapters::http::survey`'s business.

mod data;
mod entry;
mod llama_cpp;
mod lm_studio;
mod metrics;
mod ollama;
mod openrouter;
mod vllm;

pub use data::data_list;
pub use llama_cpp::{LlamaProps, llama_metrics, llama_models, llama_props, llama_slots};
pub use lm_studio::{lm_studio_jit, lm_studio_v0, lm_studio_v1};
pub use ollama::{OllamaLoaded, OllamaShown, ollama_digests, ollama_loaded, ollama_shown, ollama_tags};
pub use openrouter::openrouter_list;
pub use vllm::vllm_metrics;

use crate::domain::health::ModelInfo;
use crate::domain::kind::Kind;
use serde_json::Value;

/// A list as read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    pub models: Vec<ModelInfo>,
    /// The first thing that was not as expected, and how many more.
    pub malformed: Option<String>,
    /// `owned_by` of the first model: tells some servers apart.
    pub owner: Option<String>,
}

/// The kind that a list in the form `{"data":[…]}` shows by itself: what only one kind of server writes.
pub fn kind_shown(document: &Value) -> Option<Kind> {
    let first = document.pointer("/data/0")?;
    match first.get("owned_by").and_then(Value::as_str) {
        Some("llamacpp") => return Some(Kind::LlamaCpp),
        Some("vllm") => return Some(Kind::Vllm),
        Some("organization_owner") => return Some(Kind::LmStudio),
        _ => {}
    }
    if first.pointer("/pricing/prompt").is_some_and(Value::is_string) {
        Some(Kind::Openrouter)
    } else if first.get("max_model_len").is_some() {
        Some(Kind::Vllm)
    } else {
        None
    }
}

/// Model ids that by their name are for embeddings, sounds, pictures or moderation.
fn embedding_name(id: &str) -> bool {
    let name = id.rsplit('/').next().unwrap_or(id).to_ascii_lowercase();
    name.contains("embed")
        || ["whisper", "tts-", "dall-e", "gpt-image", "omni-moderation", "text-moderation"]
            .iter()
            .any(|start| name.starts_with(start))
}

/// `8B` from a count of parameters.
fn parameters(count: u64) -> String {
    let (whole, unit) = match count {
        1_000_000_000.. => (1_000_000_000, "B"),
        1_000_000.. => (1_000_000, "M"),
        1_000.. => (1_000, "K"),
        _ => return count.to_string(),
    };
    let tenths = (count / (whole / 10) + u64::from(count % (whole / 10) >= whole / 20)).max(10);
    if tenths >= 100 || tenths % 10 == 0 {
        format!("{}{unit}", (tenths + 5) / 10)
    } else {
        format!("{}.{}{unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests;
