//! Replaces `${NAME}` and `${NAME:-default}` in values, after parsing. Prompts and conditions are left alone.

use super::environment::Environment;
use super::path::Path;
use super::schema::{self, Shape};
use serde_yaml::Value;
use std::collections::BTreeMap;

/// What one scalar referred to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// Names in the order they stand; those whose default was taken are not among them.
    pub names: Vec<String>,
    /// Names without a value and without a default.
    pub unset: Vec<String>,
    /// Names whose default was taken.
    pub defaulted: Vec<String>,
    /// The whole scalar is one reference.
    pub whole: bool,
    /// A `${` opens what is no reference, and stands as it is written.
    pub broken: bool,
}

/// A replaced tree, and what it referred to where.
#[derive(Debug, Clone, Default)]
pub struct Expanded {
    pub value: Value,
    pub references: BTreeMap<Path, Reference>,
    /// Scalars with something that looks like a reference and is none.
    pub broken: Vec<Path>,
}

impl Expanded {
    /// References at or below `path`.
    pub fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (&'a Path, &'a Reference)> {
        self.references.iter().filter(move |(at, _)| at.starts_with(path))
    }
}

/// Replaces all references of `value`.
pub fn expand(value: &Value, environment: &Environment) -> Expanded {
    let mut expanded = Expanded { value: value.clone(), ..Expanded::default() };
    let mut root = std::mem::take(&mut expanded.value);
    walk(&mut root, &Path::root(), environment, &mut expanded);
    expanded.value = root;
    expanded
}

fn walk(value: &mut Value, path: &Path, environment: &Environment, expanded: &mut Expanded) {
    match value {
        Value::Mapping(map) => {
            for (key, value) in map.iter_mut() {
                if let Some(key) = key.as_str() {
                    walk(value, &path.key(key), environment, expanded);
                }
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, &path.index(index), environment, expanded);
            }
        }
        Value::String(text) if text.contains("${") => {
            let shape = shape_at(path);
            if shape == Some(Shape::Prompt) {
                return;
            }
            let (new, reference) = replace(text, environment);
            *value = if reference.whole && !reference.unset.is_empty() {
                Value::Null
            } else if reference.whole && !shape.is_some_and(Shape::is_text) {
                retyped(new)
            } else {
                Value::String(new)
            };
            if reference.broken {
                expanded.broken.push(path.clone());
            }
            if reference != (Reference { whole: reference.whole, broken: reference.broken, ..Reference::default() }) {
                expanded.references.insert(path.clone(), reference);
            }
        }
        _ => {}
    }
}

/// The shape of a scalar; an entry of a list has its list's.
fn shape_at(path: &Path) -> Option<Shape> {
    schema::row(path).or_else(|| schema::row(&path.parent()?)).map(|row| row.shape)
}

/// A number, a switch or nothing where the text is one, as if it stood in the file unquoted.
fn retyped(text: String) -> Value {
    match serde_yaml::from_str::<Value>(&text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::Null)) => value,
        _ => Value::String(text),
    }
}

/// The text with its references replaced.
pub fn replace(text: &str, environment: &Environment) -> (String, Reference) {
    let mut out = String::with_capacity(text.len());
    let mut reference = Reference::default();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = from.get(2..).unwrap_or_default();
            continue;
        }
        let Some((name, default, after)) = parse(from) else {
            reference.broken = true;
            out.push_str(before);
            out.push_str("${");
            rest = from.get(2..).unwrap_or_default();
            continue;
        };
        out.push_str(before);
        reference.whole |= before.is_empty() && out.is_empty() && after.is_empty();
        match (environment.get(name), default) {
            (Some(value), _) => {
                out.push_str(value);
                reference.names.push(name.to_owned());
            }
            (None, Some(default)) => {
                out.push_str(default);
                reference.defaulted.push(name.to_owned());
            }
            (None, None) => reference.unset.push(name.to_owned()),
        }
        rest = after;
    }
    out.push_str(rest);
    (out, reference)
}

/// A reference at the start of `text`: its name, its default, and what follows.
fn parse(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let inner = text.strip_prefix("${")?;
    let (inside, after) = inner.split_at(inner.find('}')?);
    let after = after.get(1..)?;
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    is_name(name).then_some((name, default, after))
}

/// Whether `name` can name a variable.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The name, where the whole text is one reference.
pub fn sole_name(text: &str) -> Option<&str> {
    let (name, _, after) = parse(text.trim())?;
    after.is_empty().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        let vars = [("HOST", "box"), ("PORT", "8080"), ("EMPTY", "")];
        let map = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Environment::gather(&map, &[])
    }

    #[test]
    fn references_are_replaced_and_the_rest_stays() {
        for (text, result) in [
            ("${HOST}", "box"),
            ("http://${HOST}:${PORT}/v1", "http://box:8080/v1"),
            ("${NOPE:-fallback}", "fallback"),
            ("${EMPTY:-fallback}", "fallback"),
            ("${NOPE:-}", ""),
            ("$${HOST}", "${HOST}"),
            ("cost: $5", "cost: $5"),
            ("${not a name}", "${not a name}"),
            ("${HOST", "${HOST"),
            ("a ${NOPE} b", "a  b"),
        ] {
            assert_eq!(replace(text, &environment()).0, result, "{text}");
        }
        for (text, broken) in
            [("${", true), ("${}", true), ("${not a name}", true), ("$${", false), ("$5 ${HOST}", false)]
        {
            assert_eq!(replace(text, &environment()).1.broken, broken, "{text}");
        }
        assert_eq!(replace("${NOPE}${EMPTY}", &environment()).1.unset, ["NOPE", "EMPTY"]);
    }

    #[test]
    fn a_whole_reference_takes_the_type_of_its_text_and_prompts_stay() {
        let value: Value = serde_yaml::from_str(
            "limits: {queue: '${PORT}'}\nlm_studio: {system_prompt: 'say ${HOST}', base_url: '${PORT}'}\n",
        )
        .unwrap();
        let expanded = expand(&value, &environment());
        assert_eq!(expanded.value["limits"]["queue"], Value::from(8080));
        assert_eq!(expanded.value["lm_studio"]["system_prompt"], Value::from("say ${HOST}"));
        assert_eq!(expanded.value["lm_studio"]["base_url"], Value::from("8080"));
    }
}
