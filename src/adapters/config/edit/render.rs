//! Writes values as YAML text, in a given style.

use crate::adapters::config::tree::Style;
use serde_yaml::Value;

/// Words that older YAML readers take for switches or nothing.
const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"];

/// A single value on one line. `flow`: inside brackets or braces.
pub fn scalar(value: &Value, style: Style, flow: bool) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(switch) => switch.to_string(),
        Value::String(text) => match style {
            Style::Double => double(text),
            Style::Single if !text.contains(needs_escape) => format!("'{}'", text.replace('\'', "''")),
            _ if is_plain(text, flow) => text.clone(),
            _ => double(text),
        },
        other => serde_yaml::to_string(other).map(|text| text.trim_end().to_owned()).unwrap_or_default(),
    }
}

/// Any value on one line; texts in `style`.
pub fn flow(value: &Value, style: Style) -> String {
    match value {
        Value::Sequence(items) => {
            let items: Vec<_> = items.iter().map(|item| flow(item, style)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Mapping(map) => {
            let entries: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", scalar(key, Style::Plain, true), flow(value, style)))
                .collect();
            if entries.is_empty() { "{}".into() } else { format!("{{{}}}", entries.join(", ")) }
        }
        other => scalar(other, style, true),
    }
}

/// The lines of `key: value` at an indentation, without line ends. Mappings go over several lines, lists of
/// mappings too, lists of single values stay on one.
pub fn entry(key: &str, value: &Value, indent: usize) -> Vec<String> {
    let pad = " ".repeat(indent);
    let key = scalar(&Value::String(key.to_owned()), Style::Plain, false);
    match value {
        Value::Mapping(map) if !map.is_empty() => {
            let mut lines = vec![format!("{pad}{key}:")];
            lines.extend(mapping(map, indent + 2));
            lines
        }
        Value::Sequence(items) if items.iter().any(Value::is_mapping) => {
            let mut lines = vec![format!("{pad}{key}:")];
            lines.extend(items.iter().flat_map(|value| item(value, indent + 2)));
            lines
        }
        Value::Sequence(_) | Value::Mapping(_) => vec![format!("{pad}{key}: {}", flow(value, Style::Plain))],
        Value::String(text) if text.trim_end().contains('\n') => match block(text, indent + 2) {
            Some(mut lines) => {
                if let Some(first) = lines.first_mut() {
                    first.insert_str(0, &format!("{pad}{key}: "));
                }
                lines
            }
            None => vec![format!("{pad}{key}: {}", scalar(value, Style::Plain, false))],
        },
        other => vec![format!("{pad}{key}: {}", scalar(other, Style::Plain, false))],
    }
}

/// A text as a literal block, its mark first; `None` for one that such a block cannot hold.
pub fn block(text: &str, indent: usize) -> Option<Vec<String>> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let odd = body.is_empty()
        || body.ends_with(['\n', ' '])
        || body.starts_with([' ', '\n'])
        || body.contains(|c: char| needs_escape(c) && c != '\n');
    if odd {
        return None;
    }
    let pad = " ".repeat(indent);
    let mark = if text.ends_with('\n') { "|" } else { "|-" };
    let lines = body.split('\n').map(|line| if line.is_empty() { String::new() } else { format!("{pad}{line}") });
    Some(std::iter::once(mark.to_owned()).chain(lines).collect())
}

fn mapping(map: &serde_yaml::Mapping, indent: usize) -> Vec<String> {
    map.iter().flat_map(|(key, value)| entry(key.as_str().unwrap_or_default(), value, indent)).collect()
}

/// The lines of a list entry at an indentation, without line ends.
pub fn item(value: &Value, indent: usize) -> Vec<String> {
    let pad = " ".repeat(indent);
    match value {
        Value::Mapping(map) if !map.is_empty() => {
            let mut lines = mapping(map, indent + 2);
            if let Some(first) = lines.first_mut() {
                *first = format!("{pad}- {}", first.trim_start());
            }
            lines
        }
        Value::Sequence(_) | Value::Mapping(_) => vec![format!("{pad}- {}", flow(value, Style::Plain))],
        other => vec![format!("{pad}- {}", scalar(other, Style::Plain, false))],
    }
}

/// Whether the text reads back as itself without quotes, here and with older readers.
fn is_plain(text: &str, flow: bool) -> bool {
    if text.is_empty()
        || text.trim() != text
        || text.contains(needs_escape)
        || WORDS.contains(&text.to_ascii_lowercase().as_str())
        || text.starts_with(|c: char| c.is_ascii_digit() || "+.-?:".contains(c)) && looks_numeric(text)
        || (flow && text.contains(['{', '}', '[', ']', ',']))
        || text.contains(": ")
        || text.contains(" #")
        || text.ends_with(':')
    {
        return false;
    }
    let probe = if flow { format!("[{text}]") } else { format!("k: {text}\n") };
    match serde_yaml::from_str::<Value>(&probe) {
        Ok(Value::Sequence(items)) if flow => items.len() == 1 && items.first().and_then(Value::as_str) == Some(text),
        Ok(Value::Mapping(map)) if !flow => map.get("k").and_then(Value::as_str) == Some(text),
        _ => false,
    }
}

/// What only double quotes can hold: controls, the line ends of Unicode, which YAML folds, and the byte order mark.
fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Only signs that numbers, dates and times are made of.
fn looks_numeric(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_hexdigit() || "+-.:_xXoO".contains(c))
}

fn double(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if needs_escape(c) => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_reads_back_in_every_style(text in "[ -~\n\t\u{e9}\u{2028}]{0,24}") {
            for style in [Style::Plain, Style::Single, Style::Double] {
                let value = Value::String(text.clone());
                let block = format!("k: {}\n", scalar(&value, style, false));
                let read: Value = serde_yaml::from_str(&block).unwrap();
                prop_assert_eq!(&read["k"], &value, "{}", block);
                let inner = format!("[{}, {{a: {}}}]", scalar(&value, style, true), scalar(&value, style, true));
                let read: Value = serde_yaml::from_str(&inner).unwrap();
                prop_assert_eq!(&read[0], &value, "{}", inner);
                prop_assert_eq!(&read[1]["a"], &value, "{}", inner);
            }
        }
    }

    #[test]
    fn texts_are_quoted_only_where_they_must() {
        for (text, written) in [
            ("${Z_AI_API_KEY}", "${Z_AI_API_KEY}"),
            ("http://127.0.0.1:1234", "http://127.0.0.1:1234"),
            ("glm-4.6", "glm-4.6"),
            ("no", "\"no\""),
            ("12:30", "\"12:30\""),
            ("010", "\"010\""),
            ("a: b", "\"a: b\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(&Value::from(text), Style::Plain, false), written);
        }
        assert_eq!(scalar(&Value::from("${KEY}"), Style::Plain, true), "\"${KEY}\"");
    }
}
