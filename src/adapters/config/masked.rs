//! The configuration for other eyes: values without comments and secrets, and any text without this machine's keys.

use super::document::{self, Document};
use super::expand::expand;
use super::findings::names_a_secret;
use super::path::Path;
use super::secrets::{self, HIDDEN, hides_all, is_secret, user_of_address};
use super::store::ConfigFile;
use crate::adapters::redact::redact;
use crate::domain::kind::Kind;
use crate::domain::secret::Secret;
use serde_yaml::Value;

impl ConfigFile {
    pub(super) fn masked_now(&self) -> Result<Option<String>, String> {
        let file = self.source().target();
        let text = document::read(&file).map_err(|(sentence, _)| sentence)?;
        let Some(text) = text else { return Ok(None) };
        let document = Document::parse(&text, "").map_err(|_| {
            "it is not valid YAML, so nobody can tell where keys stand in it: nothing of it is shown".to_owned()
        })?;
        let mut value = document.value;
        mask(&mut value, &Path::root(), false);
        let shown = serde_yaml::to_string(&value).map_err(|error| format!("it cannot be written again: {error}"))?;
        Ok(Some(self.redact_now(&shown)))
    }

    pub(super) fn redact_now(&self, text: &str) -> String {
        redact(text, &self.known_secrets())
    }

    /// Every key that the environment, a `.env` and the file hold, wherever it stands.
    fn known_secrets(&self) -> Vec<Secret> {
        let environment = self.environment();
        let named = |name: &str| names_a_secret(name) || Kind::ALL.iter().any(|kind| kind.key_variable() == Some(name));
        let mut found: Vec<String> =
            environment.all().filter(|(name, _)| named(name)).map(|(_, value)| value.to_owned()).collect();
        let file = self.source().target();
        let versions = [document::read(&file).ok().flatten(), self.version(&file).map(|version| version.text)];
        for text in versions.into_iter().flatten() {
            match Document::parse(&text, "") {
                Ok(document) => {
                    found.extend(secrets::of_values(&document.value));
                    found.extend(secrets::of_values(&expand(&document.value, &environment).value));
                }
                Err(_) => found.extend(secrets::loose(&text)),
            }
        }
        secrets::told_apart(found).into_iter().map(Secret::new).collect()
    }
}

fn mask(value: &mut Value, path: &Path, below: bool) {
    match value {
        Value::Mapping(map) => {
            for (key, value) in map.iter_mut() {
                let key = key.as_str().unwrap_or_default();
                let at = path.key(key);
                mask(value, &at, below || hides_all(key, &at));
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                mask(item, &path.index(index), below);
            }
        }
        Value::Tagged(tagged) => mask(&mut tagged.value, path, below),
        Value::Null | Value::Bool(_) => {}
        Value::Number(_) if !(below || is_secret(path)) => {}
        Value::Number(_) => *value = Value::String(HIDDEN.into()),
        Value::String(text) => {
            let prompt = matches!(path.last_key(), "system_prompt" | "prompt");
            let shown = if below || is_secret(path) {
                reference_only(text)
            } else if prompt {
                format!("({} characters)", text.chars().count())
            } else {
                without_user(text)
            };
            *text = shown;
        }
    }
}

/// References stay, what stands around them and in their defaults does not.
fn reference_only(text: &str) -> String {
    match super::expand::sole_name(text) {
        Some(name) => format!("${{{name}}}"),
        None if text.trim().is_empty() => String::new(),
        None => HIDDEN.into(),
    }
}

fn without_user(text: &str) -> String {
    let mut shown = text.to_owned();
    for part in user_of_address(text).iter().filter(|part| !part.is_empty()).take(1) {
        shown = shown.replace(part.as_str(), HIDDEN);
    }
    match shown.split_once('?') {
        Some((before, _)) if shown.contains("://") => format!("{before}?{HIDDEN}"),
        _ => shown,
    }
}
