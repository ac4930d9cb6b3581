//! A file's text turned into values and places, or into errors with a line and a column.

use super::findings::{Findings, could_hold_a_secret};
use super::tree::Tree;
use crate::domain::config::{Issue, Severity};
use serde_yaml::Value;
use std::path::Path as FilePath;

/// No configuration a person writes comes near; a file above is something else.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// A parsed file.
#[derive(Debug, Clone)]
pub struct Document {
    pub text: String,
    pub tree: Tree,
    /// With merge keys applied and nothing replaced; always a mapping.
    pub value: Value,
}

impl Document {
    /// A configuration with nothing in it.
    pub fn empty() -> Self {
        Self { text: String::new(), tree: Tree::parse(""), value: Value::Mapping(serde_yaml::Mapping::new()) }
    }

    /// # Errors
    /// What makes the text no configuration, with its place.
    pub fn parse(text: &str, file: &str) -> Result<Self, Vec<Issue>> {
        let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Some(offset) = bare.find(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            let line = bare.get(..offset).unwrap_or_default().matches('\n').count() + 1;
            return Err(vec![issue(
                file,
                Some((line, 1)),
                "this is not a text file: it holds control characters",
                "choose a YAML file, or remove the characters",
            )]);
        }
        let mut value = match serde_yaml::from_str::<Value>(bare) {
            Ok(value) => value,
            Err(error) => return Err(syntax(&error, bare, file)),
        };
        if let Err(error) = value.apply_merge() {
            return Err(vec![issue(
                file,
                None,
                &format!("a merge key (<<) cannot be applied: {error}"),
                "merge mappings only",
            )]);
        }
        let tree = Tree::parse(text);
        match value {
            Value::Mapping(_) => Ok(Self { text: text.to_owned(), tree, value }),
            Value::Null => Ok(Self { text: text.to_owned(), tree, value: Value::Mapping(serde_yaml::Mapping::new()) }),
            other => Err(vec![issue(
                file,
                Some((1, 1)),
                &format!("a configuration is made of sections such as providers:, and this file is {}", what(&other)),
                "begin with a section, as in providers:",
            )]),
        }
    }

    pub fn findings<'a>(&'a self, file: &'a str) -> Findings<'a> {
        Findings::new(file, &self.text, &self.tree, &self.value)
    }
}

/// Reads a file as text.
///
/// # Errors
/// A sentence and what to do; `Ok(None)` when there is no file.
pub fn read(file: &FilePath) -> Result<Option<String>, (String, String)> {
    use std::io::Read as _;
    // Looked at before it is opened: opening a pipe waits for somebody to write into it.
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            ("the file cannot be read: permission denied".to_owned(), format!("allow it: chmod u+r {}", file.display()))
        }
        _ => (format!("the file cannot be read: {error}"), "check the path".to_owned()),
    };
    let about = match std::fs::metadata(file) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if about.is_dir() {
        return Err((
            "this is a folder, not a file".into(),
            format!("name the file in it: {}", file.join("ai_models.yaml").display()),
        ));
    }
    if !about.is_file() {
        return Err(("this is a device or a pipe, not a file".into(), "name a YAML file".into()));
    }
    let opened = std::fs::File::open(file).map_err(failed)?;
    let mut bytes = Vec::new();
    let taken = opened.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    taken.map_err(|error| (format!("the file cannot be read: {error}"), "check the disk".into()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err((
            "the file is larger than 1 MiB; a configuration is a few kilobytes".into(),
            "choose another file".into(),
        ));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let line = error.as_bytes().get(..good).map_or(1, |b| memchr::memchr_iter(b'\n', b).count() + 1);
            Err((
                format!("line {line} is not valid UTF-8, so it has another encoding or is no text file"),
                "save the file as UTF-8".into(),
            ))
        }
    }
}

/// What a value is, in words.
pub fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a switch",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a section",
        Value::Tagged(_) => "a tagged value",
    }
}

fn syntax(error: &serde_yaml::Error, text: &str, file: &str) -> Vec<Issue> {
    let said = error.to_string();
    if said.contains("duplicate entry") {
        let tree = Tree::parse(text);
        let twice: Vec<Issue> = tree
            .repeated_keys()
            .into_iter()
            .map(|(key, first, second)| {
                let (first_line, _) = tree.position(text, first);
                let at = tree.position(text, second);
                issue(
                    file,
                    Some(at),
                    &format!("the key {key} stands twice: in line {first_line} and in line {}", at.0),
                    "keep one of them",
                )
                .with_text(text)
            })
            .collect();
        if !twice.is_empty() {
            return twice;
        }
    }
    if said.contains("more than one document") {
        let marked = text.lines().any(|line| line.starts_with("---") || line.starts_with("..."));
        let (message, remedy) = if marked && Tree::parse(text).documents > 1 {
            ("the file holds more than one document (a line ---)", "keep one document per file")
        } else {
            ("a line is indented less than the first one", "begin all sections in the same column")
        };
        return vec![issue(file, None, message, remedy)];
    }
    if said.contains("recursion limit") || said.contains("repetition limit") {
        return vec![issue(file, None, "the file is nested too deeply", "make it flatter")];
    }
    // The parser adds positions to its sentence; they are said apart here.
    let message = said.split(" at line ").next().unwrap_or(&said).to_owned();
    let place = error.location().map(|at| (at.line(), at.column()));
    let tabs = place
        .and_then(|(line, _)| text.lines().nth(line - 1))
        .is_some_and(|line| line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t'));
    let remedy = if tabs {
        "indent with spaces; YAML allows no tabs there"
    } else if message.contains("did not find expected ',' or ']'") || message.contains("',' or '}'") {
        "close the bracket"
    } else if message.contains("mapping values are not allowed") {
        "put a text that holds a colon in quotes"
    } else if message.contains("unknown anchor") {
        "define the anchor (&name) before it is used (*name)"
    } else if message.contains("cannot start any token") {
        "put the text in quotes"
    } else {
        "mend the line; often the fault is in the line before"
    };
    vec![issue(file, place, &format!("not valid YAML: {message}"), remedy).with_text(text)]
}

fn issue(file: &str, place: Option<(usize, usize)>, message: &str, remedy: &str) -> Issue {
    Issue {
        severity: Severity::Error,
        file: file.to_owned(),
        line: place.map(|(line, _)| line),
        column: place.map(|(_, column)| column),
        path: String::new(),
        message: message.to_owned(),
        remedy: remedy.to_owned(),
        text: String::new(),
    }
}

trait WithText {
    fn with_text(self, text: &str) -> Self;
}

impl WithText for Issue {
    /// The line itself, unless it could hold a secret.
    fn with_text(mut self, text: &str) -> Self {
        if let Some(line) = self.line.and_then(|line| text.lines().nth(line.saturating_sub(1)))
            && !could_hold_a_secret(line)
            && !super::secrets::loose(text).iter().any(|word| line.contains(word.as_str()))
        {
            line.trim_end().clone_into(&mut self.text);
        }
        self
    }
}
