//! From an edit of the presets to changes of `presets`.

use super::change::Change;
use super::intent::{Intent, Present, refuse};
use crate::adapters::config::check::shown;
use crate::adapters::config::path::Path;
use crate::adapters::config::schema;
use crate::adapters::config::suggest::closest;
use crate::domain::preset::{Preset, Template, Values};
use crate::engine::protocol::{PresetDraft, PresetEdit, Refusal};
use serde_yaml::{Mapping, Value};

fn place(name: &str) -> Path {
    Path::of("presets").key(name)
}

impl Present<'_> {
    /// # Errors
    /// The edit is wrong in itself.
    pub fn preset(&self, edit: &PresetEdit) -> Result<Intent, Refusal> {
        let changes = match edit {
            PresetEdit::Add { name, draft } => self.add_preset(name.trim(), draft)?,
            PresetEdit::Edit { name, draft } => self.edit_preset(name.trim(), draft)?,
            PresetEdit::Copy { name, to } => {
                let copy = self.named_preset(name.trim())?.clone();
                self.free_preset_name(to.trim())?;
                vec![Change::Set { path: place(to.trim()), value: copy }]
            }
            PresetEdit::Remove { name } => {
                self.named_preset(name.trim())?;
                vec![Change::Remove { path: place(name.trim()) }]
            }
        };
        Ok(Intent { changes, notes: Vec::new() })
    }

    fn named_preset(&self, name: &str) -> Result<&Value, Refusal> {
        let all = self.raw.get("presets").and_then(Value::as_mapping);
        if let Some(value) = all.and_then(|all| all.get(name)) {
            return Ok(value);
        }
        let names: Vec<&str> = all.into_iter().flatten().filter_map(|(name, _)| name.as_str()).collect();
        let remedy = match closest(name, &names) {
            Some(near) => format!("did you mean {near}?"),
            None if names.is_empty() => "there is none yet: lmdeck presets add writes one".to_owned(),
            None => format!("there are {}", names.join(", ")),
        };
        Err(refuse(2, format!("no preset is called {}", shown(name)), remedy))
    }

    fn free_preset_name(&self, name: &str) -> Result<(), Refusal> {
        if let Err(sentence) = Preset::check_name(name) {
            return Err(refuse(2, format!("the name {}: {sentence}", shown(name)), "as in generate-prayer"));
        }
        if self.raw.get("presets").is_some_and(|all| all.get(name).is_some()) {
            return Err(refuse(
                2,
                format!("there is a preset {name} already"),
                "choose another name, or edit that one",
            ));
        }
        Ok(())
    }

    fn add_preset(&self, name: &str, draft: &PresetDraft) -> Result<Vec<Change>, Refusal> {
        self.free_preset_name(name)?;
        if draft.prompt.as_ref().is_none_or(|prompt| prompt.trim().is_empty()) {
            return Err(refuse(2, "a preset needs a prompt", "as in \"Generate a prayer for {{intention}}.\""));
        }
        let mut map = Mapping::new();
        for (key, value) in members(draft)? {
            map.insert(key.into(), value);
        }
        if let Some(defaults) = draft.defaults.as_ref().filter(|defaults| !defaults.is_empty()) {
            let values = defaults.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into()));
            map.insert("defaults".into(), Value::Mapping(values.collect()));
        }
        Ok(vec![Change::Set { path: place(name), value: Value::Mapping(map) }])
    }

    fn edit_preset(&self, name: &str, draft: &PresetDraft) -> Result<Vec<Change>, Refusal> {
        let known = self.named_preset(name)?;
        let at = place(name);
        let mut changes = Vec::new();
        for (key, value) in members(draft)? {
            if known.get(key) != Some(&value) {
                changes.push(Change::Set { path: at.key(key), value });
            }
        }
        if let Some(defaults) = &draft.defaults {
            change_defaults(known, defaults, &at.key("defaults"), &mut changes);
        }
        let keys = schema::keys_below(&at);
        for key in &draft.clear {
            let Some(key) = keys.iter().find(|known| *known == key && **known != "prompt") else {
                let remedy = match closest(key, &keys) {
                    Some("prompt") => "a preset needs its prompt".to_owned(),
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("there are {}", keys.join(", ")),
                };
                return Err(refuse(2, format!("a preset has no {} to clear", shown(key)), remedy));
            };
            if known.get(key).is_some() {
                changes.push(Change::Remove { path: at.key(key) });
            }
        }
        Ok(changes)
    }
}

/// One by one, so that comments beside those that stay are kept.
fn change_defaults(known: &Value, wanted: &Values, at: &Path, changes: &mut Vec<Change>) {
    let old = known.get("defaults").and_then(Value::as_mapping);
    if wanted.is_empty() {
        changes.extend(known.get("defaults").map(|_| Change::Remove { path: at.clone() }));
        return;
    }
    let same = |value: &Value, text: &str| match value {
        Value::String(old) => old == text,
        Value::Number(number) => number.to_string() == text,
        Value::Bool(switch) => switch.to_string() == text,
        _ => false,
    };
    for (name, value) in wanted {
        if !old.and_then(|old| old.get(name.as_str())).is_some_and(|old| same(old, value)) {
            changes.push(Change::Set { path: at.key(name), value: value.as_str().into() });
        }
    }
    let gone = old.into_iter().flatten().filter_map(|(name, _)| name.as_str());
    changes.extend(gone.filter(|name| !wanted.contains_key(*name)).map(|name| Change::Remove { path: at.key(name) }));
}

/// The keys a draft gives, in the order they are written; the defaults apart.
fn members(draft: &PresetDraft) -> Result<Vec<(&'static str, Value)>, Refusal> {
    for (what, text) in [("system prompt", &draft.system_prompt), ("prompt", &draft.prompt)] {
        if let Some(Err(slip)) = text.as_deref().map(Template::parse) {
            let message = format!("the {what} cannot be read: character {}: {}", slip.at + 1, slip.message);
            return Err(refuse(2, message, slip.remedy));
        }
    }
    let text = |text: &Option<String>| text.as_ref().map(|text| Value::from(text.trim()));
    let prompt = |text: &Option<String>| text.as_deref().map(Value::from);
    let all = [
        ("request_type", text(&draft.request_type)),
        ("system_prompt", prompt(&draft.system_prompt)),
        ("prompt", prompt(&draft.prompt)),
        ("model", text(&draft.model)),
        ("max_tokens", draft.max_tokens.map(Value::from)),
        ("temperature", draft.temperature.map(Value::from)),
        ("answer_field", text(&draft.answer_field)),
    ];
    Ok(all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}
