//! Edits of presets, as front ends say them.

use crate::domain::preset::{Preset, Values};
use serde::{Deserialize, Serialize};

/// A preset as a form or `presets add` describes it. What is `None` is left as it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PresetDraft {
    pub request_type: Option<String>,
    pub system_prompt: Option<String>,
    pub prompt: Option<String>,
    /// All of them: those that are not in here are taken away.
    pub defaults: Option<Values>,
    pub model: Option<String>,
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub answer_field: Option<String>,
    /// Keys to take away, as they stand in the file.
    pub clear: Vec<String>,
}

/// One change of the presets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresetEdit {
    Add { name: String, draft: PresetDraft },
    Edit { name: String, draft: PresetDraft },
    Copy { name: String, to: String },
    Remove { name: String },
}

impl PresetDraft {
    /// What makes the file say exactly this preset; `known` is the one that stands there, where one does.
    pub fn to_become(preset: &Preset, known: Option<&Preset>) -> Self {
        let mut draft = Self::default();
        let mut text = |new: &str, old: Option<&str>, key: &str, field: fn(&mut Self) -> &mut Option<String>| {
            if !new.is_empty() {
                *field(&mut draft) = Some(new.to_owned());
            } else if old.is_some_and(|old| !old.is_empty()) {
                draft.clear.push(key.to_owned());
            }
        };
        let old = |value: fn(&Preset) -> &str| known.map(value);
        text(&preset.request_type, old(|known| &known.request_type), "request_type", |draft| &mut draft.request_type);
        text(preset.system_prompt.source(), old(|known| known.system_prompt.source()), "system_prompt", |draft| {
            &mut draft.system_prompt
        });
        text(preset.prompt.source(), None, "prompt", |draft| &mut draft.prompt);
        text(&preset.model, old(|known| &known.model), "model", |draft| &mut draft.model);
        draft.defaults = (known.is_some() || !preset.defaults.is_empty()).then(|| preset.defaults.clone());
        draft.max_tokens = preset.max_tokens;
        draft.temperature = preset.temperature;
        if preset.max_tokens.is_none() && known.is_some_and(|known| known.max_tokens.is_some()) {
            draft.clear.push("max_tokens".into());
        }
        if preset.temperature.is_none() && known.is_some_and(|known| known.temperature.is_some()) {
            draft.clear.push("temperature".into());
        }
        draft
    }
}
