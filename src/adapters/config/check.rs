//! Holds a file's values against the table of keys: unknown keys, wrong types and values, keys with a newer
//! name.

use super::document::what;
use super::expand::Expanded;
use super::findings::Findings;
use super::path::Path;
use super::profiles::length;
use super::schema::{self, Row, Shape};
use super::secrets::HIDDEN;
use super::suggest::closest;
use crate::domain::config::Severity;
use serde_yaml::Value;

/// Checks all of `expanded`.
pub fn check(expanded: &Expanded, findings: &mut Findings<'_>) {
    let mut checker = Checker { expanded, findings };
    checker.section(&expanded.value, &Path::root());
    checker.newer_keys();
}

/// Checks one value against a row, for `config set`.
///
/// # Errors
/// What is allowed there.
pub fn value_fits(value: &Value, row: &Row) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    let text = |value: &Value| value.is_string();
    let fits = match row.shape {
        Shape::Section | Shape::Named => value.is_mapping(),
        Shape::Scalars => value.as_mapping().is_some_and(|map| map.values().all(is_single)),
        Shape::Sections => value.as_sequence().is_some_and(|items| items.iter().all(Value::is_mapping)),
        Shape::Text | Shape::Prompt | Shape::Secret | Shape::Address => value.is_string(),
        Shape::Texts => value.as_sequence().is_some_and(|items| items.iter().all(text)),
        Shape::Switch => value.is_bool(),
        Shape::Whole(low, high) => value.as_u64().is_some_and(|number| (low..=high).contains(&number)),
        Shape::Figure(low, high) | Shape::Seconds(low, high) => {
            value.as_f64().is_some_and(|number| number.is_finite() && number >= low && number <= high)
        }
        Shape::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Shape::Words(words) => value
            .as_sequence()
            .is_some_and(|items| items.iter().all(|item| item.as_str().is_some_and(|word| words.contains(&word)))),
        Shape::Listen => value.as_str().is_some_and(|text| super::sections::listen(text).is_some()),
        Shape::Span(low, high) => length(value).is_some_and(|length| (low..=high).contains(&length.as_secs_f64())),
        Shape::Hours | Shape::Moments => return super::warmth::fits(value, row.shape),
        Shape::Models | Shape::Secrets => {
            value.as_sequence().is_some_and(|items| items.iter().all(|item| item.is_string() || item.is_mapping()))
        }
    };
    if fits { Ok(()) } else { Err(row.shape.words()) }
}

fn is_single(value: &Value) -> bool {
    !matches!(value, Value::Mapping(_) | Value::Sequence(_) | Value::Tagged(_))
}

struct Checker<'c, 'f> {
    expanded: &'c Expanded,
    findings: &'c mut Findings<'f>,
}

impl Checker<'_, '_> {
    fn section(&mut self, value: &Value, path: &Path) {
        let Some(map) = value.as_mapping() else { return };
        for (row, key) in schema::required_below(path) {
            let empty = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
            let may_not = matches!(row.shape, Shape::Text | Shape::Secret);
            let blank = |value: &Value| value.is_null() || may_not && empty(value);
            // Of a variable that is missing it is said elsewhere; a key may be left out by a blank default.
            let variable = self.expanded.references.get(&path.key(key)).is_some_and(|reference| {
                row.shape == Shape::Secret || !reference.names.is_empty() || !reference.unset.is_empty()
            });
            if map.get(key).is_none_or(blank) && !variable {
                let missing = format!("{key} is missing: {}", row.help);
                self.findings.key(
                    Severity::Error,
                    path,
                    missing,
                    format!("add a line {key}: with {}", row.shape.words()),
                );
            }
        }
        for (key, value) in map {
            let Some(key) = key.as_str() else {
                let at = path.clone();
                self.findings.key(
                    Severity::Warning,
                    &at,
                    format!("a key is {}, not a word", what(key)),
                    "put the key in quotes, or remove it",
                );
                continue;
            };
            let at = path.key(key);
            match schema::row(&at) {
                Some(row) => self.row(value, &at, row),
                None => self.unknown(key, &at, path),
            }
        }
    }

    /// As a key it would be one that everybody knows.
    fn hidden(&mut self, at: &Path) {
        let said = format!("{HIDDEN} stands in the place of a key, as config show prints it");
        self.findings.value(Severity::Error, at, said, "put the key back, best as ${NAME}");
    }

    fn unknown(&mut self, key: &str, at: &Path, path: &Path) {
        // By custom such keys hold anchors and notes of the person.
        if key.starts_with("x-") {
            return;
        }
        let known = schema::keys_below(path);
        let remedy = match closest(key, &known) {
            Some(meant) => format!("did you mean {meant}? The key stays in the file and has no effect"),
            None => format!("known here: {}. The key stays in the file and has no effect", known.join(", ")),
        };
        self.findings.key(Severity::Warning, at, format!("unknown key {key:?}"), remedy);
    }

    fn row(&mut self, value: &Value, at: &Path, row: &'static Row) {
        if value.is_null() {
            return;
        }
        match (row.shape, value) {
            (Shape::Section, Value::Mapping(_)) => self.section(value, at),
            (Shape::Sections, Value::Sequence(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let at = at.index(index);
                    if item.is_mapping() {
                        self.section(item, &at);
                    } else {
                        self.wrong(item, &at, "a section (key: value lines)", row);
                    }
                }
            }
            (Shape::Named, Value::Mapping(map)) => {
                for (key, value) in map {
                    let Some(key) = key.as_str() else {
                        self.findings.key(Severity::Error, at, "a name here is not text", "put the name in quotes");
                        continue;
                    };
                    let at = at.key(key);
                    if let Some(row) = schema::row(&at) {
                        self.row(value, &at, row);
                    }
                }
            }
            (Shape::Secret, Value::String(text)) if text.trim() == HIDDEN => self.hidden(at),
            (Shape::Models | Shape::Secrets, Value::Sequence(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let at = at.index(index);
                    match item {
                        Value::String(text) if row.shape == Shape::Secrets && text.trim() == HIDDEN => self.hidden(&at),
                        Value::String(_) => {}
                        Value::Mapping(_) => self.section(item, &at),
                        _ if row.shape == Shape::Secrets && self.expanded.references.contains_key(&at) => {}
                        other if row.shape == Shape::Secrets => {
                            self.wrong(other, &at, "text, or a section with name and key", row);
                        }
                        other => self.wrong(other, &at, "a model's name, or a section with an id", row),
                    }
                }
            }
            (Shape::Texts | Shape::Words(_), Value::Sequence(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let at = at.index(index);
                    let fits = match row.shape {
                        Shape::Words(words) => item.as_str().is_some_and(|word| words.contains(&word)),
                        _ => item.is_string() || self.expanded.references.contains_key(&at),
                    };
                    if !fits {
                        let expected = match row.shape {
                            Shape::Words(words) => format!("one of {}", words.join(", ")),
                            _ => "text".to_owned(),
                        };
                        self.wrong(item, &at, &expected, row);
                    }
                }
            }
            _ => {
                if let Err(expected) = value_fits(value, row) {
                    self.wrong(value, at, &expected, row);
                }
            }
        }
    }

    fn wrong(&mut self, value: &Value, at: &Path, expected: &str, row: &Row) {
        let secret = matches!(row.shape, Shape::Secret | Shape::Secrets);
        let referred = self.expanded.references.contains_key(at);
        let found = match value {
            _ if secret => what(value).to_owned(),
            Value::String(text) => format!("the text {}", shown(text)),
            Value::Number(number) => format!("the number {number}"),
            Value::Bool(switch) => format!("{switch}"),
            other => what(other).to_owned(),
        };
        // What a variable holds is not the file's text; it may be anything.
        let found = if referred { format!("{} from the environment", what(value)) } else { found };
        let name = match at.last_key() {
            "" => at.human(&self.expanded.value),
            key => key.to_owned(),
        };
        let suggestion = match (row.shape, value.as_str()) {
            (Shape::Word(words) | Shape::Words(words), Some(word)) => closest(word, words),
            _ => None,
        };
        let remedy = match (suggestion, row.shape, value) {
            (Some(meant), ..) => format!("did you mean {meant}?"),
            (None, Shape::Text | Shape::Texts, Value::Number(_) | Value::Bool(_)) => "put it in quotes".to_owned(),
            (None, Shape::Switch, Value::String(_)) => "write true or false without quotes".to_owned(),
            _ if row.default.is_empty() => "correct the value, or remove the line".to_owned(),
            _ => format!("correct the value, or remove the line for the default ({})", row.default),
        };
        self.findings.value(Severity::Error, at, format!("{name}: expected {expected}, found {found}"), remedy);
    }

    /// Old keys beside new ones that say the same.
    fn newer_keys(&mut self) {
        let expanded = self.expanded;
        let present = |path: &Path| path.find(&expanded.value).is_some_and(|value| !value.is_null());
        for row in schema::TABLE.iter().filter(|row| !row.newer.is_empty()) {
            let (old, new) = (Path::of(row.path), Path::of(row.newer));
            if !(present(&old) && present(&new)) {
                continue;
            }
            let pairs = if row.shape == Shape::Named {
                let names = old.find(&expanded.value).and_then(Value::as_mapping);
                names
                    .into_iter()
                    .flatten()
                    .filter_map(|(name, _)| name.as_str())
                    .map(|name| (old.key(name), new.key(name)))
                    .filter(|(_, new)| present(new))
                    .collect()
            } else {
                vec![(old, new)]
            };
            for (old, new) in pairs {
                self.findings.key(
                    Severity::Note,
                    &old,
                    format!("{old} and {new} say the same thing; {new} is used"),
                    format!("remove {old}"),
                );
            }
        }
    }
}

/// A text for a message: short, and nothing in it moves a cursor.
pub fn shown(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    let dots = if text.chars().count() > 40 { "…" } else { "" };
    format!("{short:?}{dots}")
}
