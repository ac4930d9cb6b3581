//! LM Studio's own lists: `/api/v1/models` since 0.4.0 and `/api/v0/models` before. They use different words for
//! the same things; the compatible list has none of them.

use super::entry::{Entry, entries};
use super::{Listed, embedding_name};
use crate::domain::health::{Abilities, Instance, ModelInfo};
use serde_json::Value;
use std::collections::HashSet;

/// Loaded copies of one model that are kept.
const INSTANCES: usize = 64;

/// `{"models":[{"key":…,"loaded_instances":[…]}]}`: every model on disk, whatever is loaded.
///
/// # Errors
/// It is no such list: what was expected and what came.
pub fn lm_studio_v1(document: &Value) -> Result<Listed, String> {
    let (entries, mut findings) = entries(document, "models")?;
    let mut models = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let mut at = findings.at(format!("models[{place}]"), entry);
        let Some(id) = at.id("key") else { continue };
        let kind = at.word("type", &["llm", "embedding", "vlm"]);
        let no_kind = entry.get("type").is_none_or(Value::is_null);
        let listed = at.list("loaded_instances");
        let instances = listed.map(|list| instances(&mut at, list));
        let max_context = at.count("max_context_length");
        let window = instances.iter().flatten().filter_map(|instance| instance.context).max();
        models.push(ModelInfo {
            // A word never seen before may be a model of any sort: it is not chosen for a chat.
            chat: matches!(kind, Some("llm" | "vlm")) || (no_kind && !embedding_name(id.as_str())),
            loaded: instances.as_ref().map(|list| !list.is_empty()),
            context: window.or(max_context),
            max_context,
            quantization: at.inside("quantization").and_then(|mut at| at.words("name")),
            size_bytes: at.count("size_bytes"),
            display_name: at.words("display_name"),
            parameters: at.words("params_string"),
            architecture: at.words("architecture"),
            format: at.words("format"),
            can: at.inside("capabilities").map(|mut at| abilities(&mut at)).unwrap_or_default(),
            variants: at.names("variants").unwrap_or_default().into_iter().take(INSTANCES).map(str::to_owned).collect(),
            instances: instances.unwrap_or_default(),
            ..ModelInfo::named(id)
        });
    }
    Ok(Listed { models, malformed: findings.sentence(), owner: None })
}

fn instances(at: &mut Entry<'_>, list: &[Value]) -> Vec<Instance> {
    let read = |(place, value): (usize, &Value)| {
        let mut at = at.below(&format!("loaded_instances[{place}]"), value);
        let id = at.id("id")?.to_string();
        let context = at.inside("config").and_then(|mut at| at.count("context_length"));
        Some(Instance { id, context })
    };
    list.iter().enumerate().take(INSTANCES).filter_map(read).collect()
}

fn abilities(at: &mut Entry<'_>) -> Abilities {
    Abilities {
        tools: at.flag("trained_for_tool_use"),
        images: at.flag("vision"),
        // Said only where it can be set.
        reasoning: at.inside("reasoning").map(|_| true),
    }
}

/// `{"data":[{"id":…,"state":"loaded"}]}`: with loading on demand switched off it holds loaded models only.
///
/// # Errors
/// As for [`lm_studio_v1`].
pub fn lm_studio_v0(document: &Value) -> Result<Listed, String> {
    let (entries, mut findings) = entries(document, "data")?;
    let mut models = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let mut at = findings.at(format!("data[{place}]"), entry);
        let Some(id) = at.id("id") else { continue };
        let kind = at.word("type", &["llm", "vlm", "embeddings"]);
        let no_kind = entry.get("type").is_none_or(Value::is_null);
        let max_context = at.count("max_context_length");
        let state = at.word("state", &["loaded", "not-loaded", "loading"]);
        let told = at.names("capabilities");
        models.push(ModelInfo {
            chat: matches!(kind, Some("llm" | "vlm")) || (no_kind && !embedding_name(id.as_str())),
            loaded: state.map(|state| state == "loaded"),
            context: at.count("loaded_context_length").or(max_context),
            max_context,
            quantization: at.words("quantization"),
            architecture: at.words("arch"),
            format: at.words("compatibility_type"),
            can: Abilities {
                tools: told.map(|words| words.contains(&"tool_use")),
                images: kind.map(|kind| kind == "vlm"),
                reasoning: None,
            },
            ..ModelInfo::named(id)
        });
    }
    Ok(Listed { models, malformed: findings.sentence(), owner: None })
}

/// Whether models load on demand. The compatible list shows everything on disk when they do, and the loaded ones
/// only when they do not; `None` when everything is loaded, or nothing is there to tell by.
pub fn lm_studio_jit(own: &[ModelInfo], compatible: &[ModelInfo]) -> Option<bool> {
    let mut waiting = own.iter().filter(|model| model.loaded == Some(false)).peekable();
    waiting.peek()?;
    let shown: HashSet<&str> = compatible.iter().map(|model| model.id.as_str()).collect();
    Some(waiting.any(|model| {
        shown.contains(model.id.as_str()) || model.variants.iter().any(|name| shown.contains(name.as_str()))
    }))
}
