//! Collects what there is to say about a file, each with its place, and never with a secret's text.

use super::path::Path;
use super::secrets;
use super::tree::Tree;
use crate::domain::config::{Issue, Severity};
pub use crate::domain::secret::names_a_secret;
use serde_yaml::Value;
use std::cell::OnceCell;

/// Findings about one text.
pub struct Findings<'a> {
    file: &'a str,
    text: &'a str,
    tree: &'a Tree,
    value: &'a Value,
    /// Keys in clear of the text; looked for when the first line is to be shown.
    secrets: OnceCell<Vec<String>>,
    pub issues: Vec<Issue>,
}

impl<'a> Findings<'a> {
    pub fn new(file: &'a str, text: &'a str, tree: &'a Tree, value: &'a Value) -> Self {
        Self { file, text, tree, value, secrets: OnceCell::new(), issues: Vec::new() }
    }

    /// A finding about the value at `path`.
    pub fn value(&mut self, severity: Severity, path: &Path, message: impl Into<String>, remedy: impl Into<String>) {
        let offset = self.tree.value_offset(path);
        self.add(severity, path, offset, message.into(), remedy.into());
    }

    /// A finding about the key at `path`, or the nearest place above it.
    pub fn key(&mut self, severity: Severity, path: &Path, message: impl Into<String>, remedy: impl Into<String>) {
        let offset = self.tree.offset_of(path);
        self.add(severity, path, offset, message.into(), remedy.into());
    }

    /// A finding about no place in the file.
    pub fn general(&mut self, severity: Severity, message: impl Into<String>, remedy: impl Into<String>) {
        self.add(severity, &Path::root(), None, message.into(), remedy.into());
    }

    /// A finding about a place inside the text at `path`, `at` characters from its beginning.
    pub fn inside(
        &mut self,
        severity: Severity,
        path: &Path,
        at: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let offset = match self.tree.find(path) {
            Some(node) => Some(super::inside::offset(self.text, node, at)),
            None => self.tree.value_offset(path),
        };
        self.add(severity, path, offset, message.into(), remedy.into());
    }

    pub fn line_of(&self, path: &Path) -> Option<usize> {
        self.tree.offset_of(path).map(|offset| self.tree.position(self.text, offset).0)
    }

    /// Whether a line holds no secret: by its own words, by what the file says elsewhere, by the place it is about.
    fn may_show(&self, line: &str, path: &Path) -> bool {
        if could_hold_a_secret(line) || (secrets::is_secret(path) && in_clear(line)) {
            return false;
        }
        let secrets = self.secrets.get_or_init(|| secrets::of_document(self.text, self.tree, self.value));
        !secrets.iter().any(|secret| line.contains(secret.as_str()))
    }

    fn add(&mut self, severity: Severity, path: &Path, offset: Option<usize>, message: String, remedy: String) {
        let place = offset.map(|offset| self.tree.position(self.text, offset));
        let text = place
            .and_then(|(line, _)| self.text.lines().nth(line.saturating_sub(1)))
            .filter(|line| self.may_show(line, path))
            .map(|line| line.trim_end().trim_start_matches('\u{feff}').to_owned())
            .unwrap_or_default();
        self.issues.push(Issue {
            severity,
            file: self.file.to_owned(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            path: path.human(self.value),
            message,
            remedy,
            text,
        });
    }
}

/// Whether a line must not be shown: it names a key or token and gives it in clear, or holds something that
/// looks like one.
pub fn could_hold_a_secret(line: &str) -> bool {
    let word_end = |c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c));
    let named = line.split(word_end).any(names_a_secret);
    let looks = line
        .split(|c: char| c.is_whitespace() || "\"'[]{},:=".contains(c))
        .any(|word| word.starts_with("sk-") || (word.len() >= 24 && is_random(word)));
    (named && in_clear(line)) || looks
}

/// Whether what stands on a line is more than references.
fn in_clear(line: &str) -> bool {
    !line.contains("${") || (line.contains(":-") && !line.contains(":-}"))
}

/// Long, of mixed letters and digits, without the dots, slashes and dashes of names and addresses.
fn is_random(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let letters = word.chars().filter(char::is_ascii_alphabetic).count();
    let others = word.chars().count() - digits - letters;
    digits >= 4 && letters >= 4 && others * 8 <= word.len() && !word.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_keys_in_clear_are_not_shown() {
        for line in [
            "    authToken: abc",
            "api_key: 'x'",
            "  - { id: a, authToken: hunter2 }",
            "  - sk-proj-123",
            "  - 0123456789abcdef0123456789abcdef",
            "password: x",
            "auth-token: abc",
        ] {
            assert!(could_hold_a_secret(line), "{line}");
        }
        for line in [
            "    authToken: ${Z_AI_API_KEY}",
            "  max_tokens: abc",
            "  - openai_gpt-oss-120b-neo-imatrix",
            "  model: claude-3-5-haiku-20241022",
            "  endpoint: http://192.168.100.200:12345/some/path",
        ] {
            assert!(!could_hold_a_secret(line), "{line}");
        }
    }
}
