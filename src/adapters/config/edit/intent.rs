//! From what a person wants (`ConfigEdit`) to changes of the file, in the section where the thing stands.
//! Providers have a file of their own, `intent_provider`.

use super::change::Change;
use crate::adapters::config::check::value_fits;
use crate::adapters::config::environment::Environment;
use crate::adapters::config::path::{self, Path};
use crate::adapters::config::schema::{self, Shape};
use crate::adapters::config::suggest::closest;
use crate::domain::config::Config;
use crate::domain::routing::Strategy;
use crate::engine::ports::ConfigEdit;
use crate::engine::protocol::Refusal;
use serde_yaml::Value;

/// What is known when an edit is made.
pub struct Present<'a> {
    /// As it stands in the file.
    pub raw: &'a Value,
    pub config: &'a Config,
    pub environment: &'a Environment,
    /// There is no file yet.
    pub fresh: bool,
}

/// Changes, and what else there is to say about them.
#[derive(Debug, Default)]
pub struct Intent {
    pub changes: Vec<Change>,
    pub notes: Vec<String>,
}

pub fn refuse(exit: u8, message: impl Into<String>, remedy: impl Into<String>) -> Refusal {
    Refusal { message: message.into(), remedy: remedy.into(), exit, issues: Vec::new(), difference: None }
}

impl Present<'_> {
    /// # Errors
    /// The edit is wrong in itself.
    pub fn intent(&self, edit: &ConfigEdit) -> Result<Intent, Refusal> {
        match edit {
            ConfigEdit::AddProvider(draft) => self.add(draft),
            ConfigEdit::EditProvider { id, draft } => self.change(id, draft),
            ConfigEdit::RemoveProvider { id } => self.remove(id),
            ConfigEdit::EnableProvider { id, enabled } => self.enable(id, *enabled),
            ConfigEdit::SetStrategy(word) => self.strategy(word),
            ConfigEdit::SetOrder { request_type, items } => self.order(request_type, items),
            ConfigEdit::Set { path, value } => self.set(path, value),
            ConfigEdit::Policy(edit) => self.policy(edit),
            ConfigEdit::Preset(edit) => self.preset(edit),
        }
    }

    fn strategy(&self, word: &str) -> Result<Intent, Refusal> {
        if Strategy::from_word(word).is_none() {
            let words = Strategy::ALL.map(Strategy::word);
            let remedy = closest(word, &words)
                .map_or_else(|| format!("one of {}", words.join(", ")), |meant| format!("did you mean {meant}?"));
            return Err(refuse(
                2,
                format!("there is no strategy {}", crate::adapters::config::check::shown(word)),
                remedy,
            ));
        }
        let (new, old) = (Path::of("routing.strategy"), Path::of("model_selection.strategy"));
        let path = if new.find(self.raw).is_none() && old.find(self.raw).is_some() { old } else { new };
        Ok(Intent { changes: vec![Change::Set { path, value: word.into() }], notes: Vec::new() })
    }

    fn order(&self, request_type: &str, items: &[String]) -> Result<Intent, Refusal> {
        let request_type = request_type.trim();
        if request_type.is_empty() || request_type.contains(char::is_control) {
            return Err(refuse(2, "a request type is needed", "as in quick_responses"));
        }
        let new = Path::of("routing.request_priorities").key(request_type);
        let old = Path::of("model_selection.request_priorities").key(request_type);
        let present = |path: &Path| path.find(self.raw).is_some();
        let mut intent = Intent::default();
        if items.is_empty() {
            intent.changes.extend([new, old].into_iter().filter(present).map(|path| Change::Remove { path }));
            if intent.changes.is_empty() {
                return Err(refuse(
                    2,
                    format!("{request_type} has no order"),
                    "nothing to remove: the strategy decides for it already",
                ));
            }
            return Ok(intent);
        }
        let path = if !present(&new) && present(&old) { old } else { new };
        let value = Value::Sequence(items.iter().map(|item| Value::from(item.trim())).collect());
        intent.changes.push(Change::Set { path, value });
        Ok(intent)
    }

    fn set(&self, typed: &str, value: &str) -> Result<Intent, Refusal> {
        let place = path::parse(typed, self.raw).map_err(|sentence| {
            refuse(
                2,
                format!("{typed} leads nowhere: {sentence}"),
                "paths look like providers.ID.endpoint or fallback_models.1.model",
            )
        })?;
        let Some(row) = schema::row(&place) else {
            let above = place.parent().unwrap_or_default();
            let known = schema::keys_below(&above);
            let remedy = match closest(place.last_key(), &known) {
                Some(meant) => format!("did you mean {}?", above.key(meant).human(self.raw)),
                None if known.is_empty() => {
                    "paths look like providers.ID.endpoint or fallback_models.1.model".to_owned()
                }
                None => format!("known there: {}", known.join(", ")),
            };
            return Err(refuse(2, format!("there is no key {}", place.human(self.raw)), remedy));
        };
        let name = place.human(self.raw);
        let value = typed_value(value, row.shape).map_err(|sentence| {
            refuse(
                2,
                format!("{name}: the value is not valid YAML: {sentence}"),
                "put texts with special signs in quotes",
            )
        })?;
        if value.is_null() {
            if place.find(self.raw).is_none() {
                return Ok(Intent::default());
            }
            return Ok(Intent { changes: vec![Change::Remove { path: place }], notes: Vec::new() });
        }
        let referring = value.as_str().is_some_and(|text| text.contains("${"));
        if !referring && let Err(expected) = value_fits(&value, row) {
            let remedy = if row.default.is_empty() {
                row.help.to_owned()
            } else {
                format!("{} (default: {})", row.help, row.default)
            };
            return Err(refuse(2, format!("{name}: expected {expected}"), remedy));
        }
        if place.find(self.raw) == Some(&value) {
            return Ok(Intent::default());
        }
        Ok(Intent { changes: vec![Change::Set { path: place, value }], notes: Vec::new() })
    }
}

/// What a typed value means for a key of this shape: a text need not be quoted.
fn typed_value(typed: &str, shape: Shape) -> Result<Value, String> {
    let parsed = serde_yaml::from_str::<Value>(typed);
    let single_text =
        shape.is_text() && !matches!(shape, Shape::Texts | Shape::Secrets | Shape::Words(_) | Shape::Models);
    match parsed {
        Ok(value @ (Value::String(_) | Value::Null)) => Ok(value),
        Ok(_) | Err(_) if single_text => Ok(Value::String(typed.trim().to_owned())),
        Ok(Value::Tagged(_)) => Err("tags are not used here".into()),
        Ok(value) => Ok(value),
        Err(error) => Err(error.to_string().split(" at line ").next().unwrap_or_default().to_owned()),
    }
}
