//! The configuration for other eyes: values without comments and secrets, and any text without this machine's keys.

use super::document::{self, Document};
use super::expand::expand;
use super::findings::names_a_secret;
use super::path::Path;
use super::schema;
use super::store::ConfigFile;
use crate::adapters::redact::redact;
use crate::domain::kind::Kind;
use crate::domain::secret::Secret;
use serde_yaml::Value;

const HIDDEN: &str = "(hidden)";
/// A shorter one is no key, and hiding it would take letters out of every word.
const SHORTEST: usize = 4;

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
                    secrets_below(&document.value, &Path::root(), false, &mut found);
                    secrets_below(&expand(&document.value, &environment).value, &Path::root(), false, &mut found);
                }
                Err(_) => found.extend(super::last_good::loose_secrets(&text)),
            }
        }
        found.retain(|secret| secret.chars().count() >= SHORTEST);
        found.sort();
        found.dedup();
        found.into_iter().map(Secret::new).collect()
    }
}

/// Whether a scalar here is a secret, by the table or by the name it stands under.
fn is_secret(path: &Path, below: bool) -> bool {
    below || schema::is_secret(path)
}

/// Whether everything below this key is secret although the table does not know it.
fn hides_all(key: &str, path: &Path) -> bool {
    names_a_secret(key) && schema::row(path).is_none()
}

fn secrets_below(value: &Value, path: &Path, below: bool, found: &mut Vec<String>) {
    match value {
        Value::Mapping(map) => {
            for (key, value) in map {
                let key = key.as_str().unwrap_or_default();
                let at = path.key(key);
                secrets_below(value, &at, below || hides_all(key, &at), found);
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                secrets_below(item, &path.index(index), below, found);
            }
        }
        Value::Tagged(tagged) => secrets_below(&tagged.value, path, below, found),
        Value::String(text) => {
            if is_secret(path, below) {
                // The default of a reference is a key in clear too.
                let defaults = text.split("${").skip(1).filter_map(|part| part.split_once(":-"));
                found.extend(defaults.map(|(_, rest)| rest.split('}').next().unwrap_or(rest).to_owned()));
                if !text.contains("${") {
                    found.push(text.trim().to_owned());
                    found.extend(text.lines().map(|line| line.trim().to_owned()));
                }
            }
            found.extend(user_of_address(text));
        }
        Value::Number(number) if is_secret(path, below) => found.push(number.to_string()),
        _ => {}
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
        Value::Number(_) if !is_secret(path, below) => {}
        Value::Number(_) => *value = Value::String(HIDDEN.into()),
        Value::String(text) => {
            let prompt = matches!(path.last_key(), "system_prompt" | "prompt");
            let shown = if is_secret(path, below) {
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

/// The user and password of an address, and what follows its `?`.
fn user_of_address(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("://") else { return Vec::new() };
    let mut found = Vec::new();
    if let Some((user, _)) = rest.split('/').next().unwrap_or_default().rsplit_once('@') {
        found.push(user.to_owned());
        found.extend(user.split(':').map(str::to_owned));
    }
    if let Some((_, query)) = rest.split_once('?') {
        found.push(query.to_owned());
        found.extend(query.split(['&', '=', '#']).map(str::to_owned));
    }
    found
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
