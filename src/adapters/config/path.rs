//! Places inside a configuration: `providers.zai.endpoint`, `fallback_models.1.model`.

use serde_yaml::Value;
use std::fmt::{self, Write as _};

/// One step down from a mapping or a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// A place as steps from the top.
#[derive(Debug, Clone, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// The top of the file.
    pub fn root() -> Self {
        Self::default()
    }

    pub fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Self(steps)
    }

    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }

    /// Keys joined by dots, for places known in the code: no key in them holds a dot.
    pub fn of(dotted: &str) -> Self {
        Self(dotted.split('.').filter(|part| !part.is_empty()).map(|part| Step::Key(part.to_owned())).collect())
    }

    pub fn parent(&self) -> Option<Self> {
        let (_, front) = self.0.split_last()?;
        Some(Self(front.to_vec()))
    }

    pub fn last(&self) -> Option<&Step> {
        self.0.last()
    }

    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The last step's key; empty for the top and for list items.
    pub fn last_key(&self) -> &str {
        match self.0.last() {
            Some(Step::Key(key)) => key,
            _ => "",
        }
    }

    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |at, step| match step {
            Step::Key(key) => at.as_mapping()?.get(key.as_str()),
            Step::Index(index) => at.as_sequence()?.get(*index),
        })
    }

    pub fn find_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        self.0.iter().try_fold(value, |at, step| match step {
            Step::Key(key) => at.as_mapping_mut()?.get_mut(key.as_str()),
            Step::Index(index) => at.as_sequence_mut()?.get_mut(*index),
        })
    }

    /// As in `providers[2]`, the form a profile keeps of where it stands.
    pub fn bracketed(&self) -> String {
        let mut out = String::new();
        for step in &self.0 {
            match step {
                Step::Key(key) if out.is_empty() => out.push_str(key),
                Step::Key(key) => {
                    out.push('.');
                    out.push_str(key);
                }
                Step::Index(index) => {
                    let _ = write!(out, "[{index}]");
                }
            }
        }
        out
    }

    /// The way a person names it: an entry of `providers` by its id.
    pub fn human(&self, value: &Value) -> String {
        if let [Step::Key(section), at @ Step::Index(index), rest @ ..] = self.0.as_slice()
            && section == "providers"
        {
            let item = Self(vec![Step::Key(section.clone()), at.clone(), Step::Key("id".into())]);
            if let Some(id) = item.find(value).and_then(Value::as_str)
                && !id.is_empty()
                && !id.contains(['.', '"'])
            {
                let mut steps = vec![Step::Key(section.clone()), Step::Key(id.to_owned())];
                steps.extend_from_slice(rest);
                return Self(steps).to_string();
            }
            let mut steps = vec![Step::Key(section.clone()), Step::Index(*index)];
            steps.extend_from_slice(rest);
            return Self(steps).to_string();
        }
        self.to_string()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            match step {
                Step::Key(key) if key.is_empty() || key.contains(['.', '"', ' ']) => write!(f, "{key:?}")?,
                Step::Key(key) => f.write_str(key)?,
                Step::Index(index) => write!(f, "{index}")?,
            }
        }
        Ok(())
    }
}

/// Reads a path that a person typed, against the values it leads through: ids name entries of `providers`,
/// numbers name list items, keys that hold dots are found by longest match or stand in double quotes.
///
/// The last step may name a key that is not there yet.
///
/// # Errors
/// A sentence: which part leads nowhere.
pub fn parse(text: &str, value: &Value) -> Result<Path, String> {
    let parts = split(text)?;
    let mut path = Path::root();
    let mut at = Some(value);
    let mut rest = parts.as_slice();
    while let Some(((part, quoted), tail)) = rest.split_first() {
        match at {
            Some(Value::Sequence(items)) => {
                let by_id = items.iter().position(|item| item.get("id").and_then(Value::as_str) == Some(part.as_str()));
                let index = match (by_id, part.parse::<usize>()) {
                    (Some(index), _) => index,
                    (None, Ok(index)) if index < items.len() => index,
                    (None, Ok(index)) => {
                        return Err(format!("{path} has {} entries; there is no number {index}", items.len()));
                    }
                    (None, Err(_)) => return Err(format!("{path} has no entry with the id {part}")),
                };
                path = path.index(index);
                at = items.get(index);
                rest = tail;
            }
            Some(Value::Mapping(map)) => {
                let (key, used) = longest(rest, |key| map.contains_key(key)).unwrap_or((part.clone(), 1));
                path = path.key(&key);
                at = map.get(key.as_str());
                rest = rest.get(used..).unwrap_or_default();
            }
            Some(Value::Null) | None => {
                // Nothing is there to say what is a key with dots: quotes or one part each.
                let _ = quoted;
                path = path.key(part);
                at = None;
                rest = tail;
            }
            Some(_) => return Err(format!("{path} is a single value: nothing lies below it")),
        }
    }
    if path.0.is_empty() { Err("a path is needed, as in routing.strategy".into()) } else { Ok(path) }
}

/// The longest run of unquoted parts that together are a known key.
fn longest(parts: &[(String, bool)], known: impl Fn(&str) -> bool) -> Option<(String, usize)> {
    let run = parts.iter().take_while(|(_, quoted)| !quoted).count();
    if run == 0 {
        return None;
    }
    (1..=run).rev().find_map(|count| {
        let key = parts.get(..count)?.iter().map(|(part, _)| part.as_str()).collect::<Vec<_>>().join(".");
        known(&key).then_some((key, count))
    })
}

/// Splits at dots outside double quotes; `[1]` counts as `.1`.
fn split(text: &str) -> Result<Vec<(String, bool)>, String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quoted = false;
    let mut inside = false;
    for c in text.trim().chars() {
        match c {
            '"' => {
                inside = !inside;
                quoted = true;
            }
            '.' | '[' if !inside => {
                if !part.is_empty() || quoted {
                    parts.push((std::mem::take(&mut part), quoted));
                } else if c == '.' && !parts.is_empty() && !text.contains("].") {
                    return Err("the path has two dots in a row".into());
                }
                quoted = false;
            }
            ']' if !inside => {}
            c => part.push(c),
        }
    }
    if inside {
        return Err("a quote in the path is not closed".into());
    }
    if !part.is_empty() || quoted {
        parts.push((part, quoted));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Value {
        serde_yaml::from_str(
            "providers: [{id: zai, enabled: true}, {id: box}]\nfallback_models: [{model: a}, {model: b}]\nlm_studio:\n  model_settings:\n    aquif-3.5-max: {max_tokens: 1}\n    aquif-3: {max_tokens: 2}\n",
        )
        .unwrap()
    }

    #[test]
    fn ids_numbers_and_dotted_keys_lead_to_their_places() {
        for (typed, place) in [
            ("providers.zai.enabled", "providers[0].enabled"),
            ("providers.1.enabled", "providers[1].enabled"),
            ("fallback_models.1.model", "fallback_models[1].model"),
            ("fallback_models[1].model", "fallback_models[1].model"),
            ("lm_studio.model_settings.aquif-3.5-max.max_tokens", "lm_studio.model_settings.aquif-3.5-max.max_tokens"),
            ("lm_studio.model_settings.\"new.one\".max_tokens", "lm_studio.model_settings.new.one.max_tokens"),
            ("routing.strategy", "routing.strategy"),
        ] {
            assert_eq!(parse(typed, &sample()).unwrap().bracketed(), place, "{typed}");
        }
    }

    #[test]
    fn a_path_that_leads_nowhere_says_where_it_ends() {
        for (typed, sentence) in [
            ("providers.nobody.enabled", "providers has no entry with the id nobody"),
            ("fallback_models.7.model", "fallback_models has 2 entries; there is no number 7"),
            ("fallback_models.0.model.deeper", "fallback_models.0.model is a single value: nothing lies below it"),
            ("", "a path is needed, as in routing.strategy"),
            ("a.\"b", "a quote in the path is not closed"),
        ] {
            assert_eq!(parse(typed, &sample()).unwrap_err(), sentence, "{typed}");
        }
    }
}
