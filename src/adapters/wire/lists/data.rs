//! The list that every OpenAI-compatible server has, `{"data":[{"id":…}]}`, with what any known one adds to it.
//! LM Studio's older own list and OpenRouter's have readers of their own.

use super::entry::entries;
use super::{Listed, embedding_name};
use crate::domain::health::ModelInfo;
use serde_json::Value;

/// # Errors
/// It is no such list: what was expected and what came.
pub fn data_list(document: &Value) -> Result<Listed, String> {
    let (entries, mut findings) = entries(document, "data")?;
    let mut listed = Listed::default();
    for (place, entry) in entries.iter().enumerate() {
        let mut at = findings.at(format!("data[{place}]"), entry);
        let Some(id) = at.id("id") else { continue };
        let kind = at.text("type").unwrap_or_default();
        let max_context = at
            .count("max_context_length")
            .or_else(|| at.count("max_model_len"))
            .or_else(|| at.count("context_length"))
            .or_else(|| at.count("max_input_tokens"))
            .or_else(|| entry.pointer("/meta/n_ctx_train").and_then(Value::as_u64));
        let context = at
            .count("loaded_context_length")
            .or_else(|| entry.pointer("/meta/n_ctx").and_then(Value::as_u64))
            .or(max_context);
        let state =
            at.text("state").or_else(|| entry.pointer("/status/value").and_then(Value::as_str).map(str::to_owned));
        let quantization = at
            .words("quantization")
            .or_else(|| entry.pointer("/meta/ftype").and_then(Value::as_str).map(str::to_owned));
        if listed.owner.is_none() {
            listed.owner = at.text("owned_by");
        }
        listed.models.push(ModelInfo {
            chat: writes_text(entry) && kind != "embeddings" && kind != "embedding" && !embedding_name(id.as_str()),
            loaded: state.map(|state| state == "loaded"),
            context,
            max_context,
            quantization,
            display_name: at.words("display_name"),
            size_bytes: entry.pointer("/meta/size").and_then(Value::as_u64),
            ..ModelInfo::named(id)
        });
    }
    listed.malformed = findings.sentence();
    Ok(listed)
}

/// `false` when the list says that its answers hold no text.
pub(super) fn writes_text(entry: &Value) -> bool {
    match entry.pointer("/architecture/output_modalities") {
        Some(Value::Array(forms)) => forms.iter().any(|form| form == "text"),
        _ => true,
    }
}
