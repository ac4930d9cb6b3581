//! llama.cpp's documents beside the common list: slots, properties, metrics, and what its list says in `meta`.

use super::metrics::{count, permille};
use super::{Listed, data_list, parameters};
use crate::domain::health::{Abilities, Activity};
use serde_json::Value;

/// The common list with what llama.cpp adds to each model.
///
/// # Errors
/// It is no such list: what was expected and what came.
pub fn llama_models(document: &Value) -> Result<Listed, String> {
    let mut listed = data_list(document)?;
    let entries = document.get("data").and_then(Value::as_array);
    // In the order of the entries, without those that name no model.
    let mut models = listed.models.iter_mut().peekable();
    for entry in entries.into_iter().flatten() {
        let id = entry.get("id").and_then(Value::as_str);
        let Some(model) = models.next_if(|model| Some(model.id.as_str()) == id) else { continue };
        model.parameters = entry.pointer("/meta/n_params").and_then(Value::as_u64).map(parameters);
        model.format = Some("gguf".into());
        model.can = Abilities { images: reads_images(entry), ..Abilities::default() };
    }
    Ok(listed)
}

fn reads_images(entry: &Value) -> Option<bool> {
    let forms = entry.pointer("/architecture/input_modalities")?.as_array()?;
    Some(forms.iter().any(|form| form == "image"))
}

/// Whether a slot carries out a request now.
fn slot_works(slot: &Value) -> bool {
    slot.get("is_processing") == Some(&Value::Bool(true))
}

/// `/slots`: how many work, of how many, and the window of one.
pub fn llama_slots(document: &Value) -> Option<(Activity, Option<u64>)> {
    let slots = document.as_array()?;
    let busy = slots.iter().filter(|slot| slot_works(slot)).count();
    let activity = Activity {
        slots_busy: u32::try_from(busy).ok(),
        slots_total: u32::try_from(slots.len()).ok(),
        ..Activity::default()
    };
    Some((activity, slots.first().and_then(|slot| slot.get("n_ctx")).and_then(Value::as_u64)))
}

/// What `/props` tells; it changes only when the server restarts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LlamaProps {
    /// The window of one slot.
    pub context: Option<u64>,
    pub slots: Option<u32>,
    /// `build_info`, as in `b6910-abc`.
    pub version: Option<String>,
    pub can: Abilities,
}

pub fn llama_props(document: &Value) -> LlamaProps {
    let version = document.get("build_info").and_then(Value::as_str);
    LlamaProps {
        context: document.pointer("/default_generation_settings/n_ctx").and_then(Value::as_u64),
        slots: document.get("total_slots").and_then(Value::as_u64).and_then(|slots| u32::try_from(slots).ok()),
        version: version.map(|text| text.chars().take(64).collect()),
        can: Abilities {
            tools: document.pointer("/chat_template_caps/supports_tools").and_then(Value::as_bool),
            images: document.pointer("/modalities/vision").and_then(Value::as_bool),
            reasoning: None,
        },
    }
}

/// `/metrics`: requests that wait, and how full the room for contexts is where an older server says so.
pub fn llama_metrics(text: &str) -> Activity {
    Activity {
        slots_busy: count(text, "llamacpp:requests_processing"),
        queued: count(text, "llamacpp:requests_deferred"),
        kv_cache_permille: permille(text, "llamacpp:kv_cache_usage_ratio"),
        ..Activity::default()
    }
}
