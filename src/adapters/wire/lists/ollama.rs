//! Ollama's own documents: what is there (`/api/tags`), what is loaded (`/api/ps`), and what one model is
//! (`/api/show`).

use super::entry::{Entry, entries};
use super::{Listed, embedding_name};
use crate::domain::health::{Abilities, ModelInfo};
use crate::domain::time::UnixMs;
use serde_json::Value;
use std::collections::BTreeMap;

/// `/api/tags`. What is loaded comes from [`ollama_loaded`].
///
/// # Errors
/// It is no such list: what was expected and what came.
pub fn ollama_tags(document: &Value) -> Result<Listed, String> {
    let (entries, mut findings) = entries(document, "models")?;
    let mut models = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let mut at = findings.at(format!("models[{place}]"), entry);
        let Some(id) = at.id("name") else { continue };
        let can = at.names("capabilities");
        let chat = can.as_ref().map_or_else(|| !embedding_name(id.as_str()), |can| can.contains(&"completion"));
        let remote = at.words("remote_host").or_else(|| at.words("remote_model")).is_some();
        let mut model = ModelInfo {
            chat,
            size_bytes: at.count("size"),
            remote,
            can: can.map(|can| abilities(&can)).unwrap_or_default(),
            ..ModelInfo::named(id)
        };
        if let Some(mut details) = at.inside("details") {
            describe(&mut model, &mut details);
        }
        models.push(model);
    }
    Ok(Listed { models, malformed: findings.sentence(), owner: None })
}

fn describe(model: &mut ModelInfo, details: &mut Entry<'_>) {
    model.max_context = details.count("context_length").or(model.max_context);
    model.context = model.context.or(model.max_context);
    model.quantization = details.words("quantization_level").or(model.quantization.take());
    model.parameters = details.words("parameter_size").or(model.parameters.take());
    model.architecture = details.words("family").or(model.architecture.take());
    model.format = details.words("format").or(model.format.take());
}

fn abilities(words: &[&str]) -> Abilities {
    let has = |word: &str| Some(words.contains(&word));
    Abilities { tools: has("tools"), images: has("vision"), reasoning: has("thinking") }
}

/// The digest of each model by its name: what was learned of one build holds until it changes.
pub fn ollama_digests(document: &Value) -> BTreeMap<&str, &str> {
    let Some(Value::Array(entries)) = document.get("models") else { return BTreeMap::new() };
    entries.iter().filter_map(name_and_digest).collect()
}

fn name_and_digest(entry: &Value) -> Option<(&str, &str)> {
    Some((entry.get("name")?.as_str()?, entry.get("digest")?.as_str()?))
}

/// One loaded model of `/api/ps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OllamaLoaded {
    /// The window it was loaded with.
    pub context: Option<u64>,
    /// All of its memory, wherever it lies.
    pub memory_bytes: Option<u64>,
    /// When it is unloaded, if nobody uses it before.
    pub expires: Option<UnixMs>,
}

/// `/api/ps`: the loaded models by name, and what could not be read of them.
///
/// # Errors
/// As for [`ollama_tags`].
pub fn ollama_loaded(document: &Value) -> Result<(BTreeMap<String, OllamaLoaded>, Option<String>), String> {
    let (entries, mut findings) = entries(document, "models")?;
    let mut loaded = BTreeMap::new();
    for (place, entry) in entries.iter().enumerate() {
        let mut at = findings.at(format!("models[{place}]"), entry);
        let name = if entry.get("name").is_some() { "name" } else { "model" };
        let Some(id) = at.id(name) else { continue };
        let memory = at.count("size").filter(|bytes| *bytes > 0).or_else(|| at.count("size_vram"));
        let expires = at.words("expires_at").and_then(|text| text.parse::<jiff::Timestamp>().ok());
        loaded.insert(
            id.to_string(),
            OllamaLoaded {
                context: at.count("context_length").filter(|tokens| *tokens > 0),
                memory_bytes: memory,
                expires: expires.map(|at| UnixMs(at.as_millisecond())),
            },
        );
    }
    Ok((loaded, findings.sentence()))
}

/// What `/api/show` says of one build of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OllamaShown {
    pub chat: Option<bool>,
    pub can: Abilities,
    pub max_context: Option<u64>,
}

impl OllamaShown {
    /// Adds what the list left out.
    pub fn complete(self, model: &mut ModelInfo) {
        model.chat = self.chat.unwrap_or(model.chat);
        model.can.tools = model.can.tools.or(self.can.tools);
        model.can.images = model.can.images.or(self.can.images);
        model.can.reasoning = model.can.reasoning.or(self.can.reasoning);
        model.max_context = model.max_context.or(self.max_context);
        model.context = model.context.or(model.max_context);
    }
}

/// `/api/show`; its ceiling stands under the name of the architecture.
pub fn ollama_shown(document: &Value) -> OllamaShown {
    let words: Option<Vec<&str>> = document
        .get("capabilities")
        .and_then(Value::as_array)
        .map(|words| words.iter().filter_map(Value::as_str).collect());
    let info = document.get("model_info").and_then(Value::as_object);
    let max_context = info.and_then(|info| {
        info.iter().find(|(name, _)| name.ends_with(".context_length")).and_then(|(_, value)| value.as_u64())
    });
    OllamaShown {
        chat: words.as_ref().map(|words| words.contains(&"completion")),
        can: words.map(|words| abilities(&words)).unwrap_or_default(),
        max_context,
    }
}
