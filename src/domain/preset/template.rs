//! A text with `{{variables}}`: read, listed, filled. A value goes in as it is: nothing in it is looked at again.
//!
//! `{{name}}` is a variable, blanks around the name do not count; `\{{` stands for a plain `{{`. Everything else is
//! text, single braces and a lone `}}` too, so that JSON in a prompt needs nothing done to it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Characters of a variable's name at most.
const LONGEST_NAME: usize = 64;

/// See the module. Made by [`Template::parse`] only, so that one that cannot be read does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    source: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(String),
}

/// Why a template cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slip {
    /// Characters before the place.
    pub at: usize,
    pub message: String,
    pub remedy: &'static str,
}

impl fmt::Display for Slip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.remedy)
    }
}

impl Template {
    /// # Errors
    /// Braces that are not closed, or that hold no name, with their place.
    pub fn parse(source: &str) -> Result<Self, Slip> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        let place = |rest: &str| source[..source.len() - rest.len()].chars().count();
        while let Some(at) = rest.find("{{") {
            let (before, from) = rest.split_at(at);
            let inside = &from[2..];
            if let Some(before) = before.strip_suffix('\\') {
                text.push_str(before);
                text.push_str("{{");
                rest = inside;
                continue;
            }
            text.push_str(before);
            let end = inside.find("}}").filter(|end| inside.find("{{").is_none_or(|next| *end < next));
            let Some(end) = end else {
                return Err(Slip {
                    at: place(from),
                    message: "{{ is not closed".into(),
                    remedy: "write {{name}}, or \\{{ for a plain {{",
                });
            };
            let name = inside[..end].trim();
            if !is_name(name) {
                let shown: String = name.chars().take(40).collect();
                return Err(Slip {
                    at: place(from),
                    message: if name.is_empty() {
                        "{{}} names no variable".into()
                    } else {
                        format!("{shown:?} is no name of a variable")
                    },
                    remedy: "a name has letters, digits, - and _, as in {{tradition}}; \\{{ is a plain {{",
                });
            }
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Variable(name.to_owned()));
            rest = &inside[end + 2..];
        }
        text.push_str(rest);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Self { source: source.to_owned(), pieces })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn is_blank(&self) -> bool {
        self.source.trim().is_empty()
    }

    /// Each variable once, in the order they first stand.
    pub fn variables(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for piece in &self.pieces {
            if let Piece::Variable(name) = piece
                && !names.contains(&name.as_str())
            {
                names.push(name);
            }
        }
        names
    }

    /// The text with each variable's value in its place; one that `value_of` does not know stays as `{{name}}`.
    pub fn fill<'v>(&self, value_of: impl Fn(&str) -> Option<&'v str>) -> String {
        let mut out = String::with_capacity(self.source.len());
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Variable(name) => {
                    if let Some(value) = value_of(name) {
                        out.push_str(value);
                    } else {
                        out.push_str("{{");
                        out.push_str(name);
                        out.push_str("}}");
                    }
                }
            }
        }
        out
    }
}

/// Whether a variable may be called so.
fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        && name.chars().count() <= LONGEST_NAME
}

impl TryFrom<String> for Template {
    type Error = Slip;

    fn try_from(source: String) -> Result<Self, Slip> {
        Self::parse(&source)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_read_is_said_with_its_place() {
        for (source, at, message) in [
            ("say {{word", 4, "{{ is not closed"),
            ("é {{a}} {{b {{c}}", 8, "{{ is not closed"),
            ("{{}}", 0, "{{}} names no variable"),
            ("x {{ two words }}", 2, "\"two words\" is no name of a variable"),
            ("{{{x}}}", 0, "\"{x\" is no name of a variable"),
            ("{{1st}}", 0, "\"1st\" is no name of a variable"),
        ] {
            let slip = Template::parse(source).unwrap_err();
            assert_eq!((slip.at, slip.message.as_str()), (at, message), "{source}");
            assert!(slip.remedy.contains("{{"), "{source}");
        }
    }

    #[test]
    fn json_and_escaped_braces_are_text() {
        for (source, text) in [
            (r#"Answer as {"a":{"b":1}}."#, r#"Answer as {"a":{"b":1}}."#),
            (r"Jinja: \{{ name }}", "Jinja: {{ name }}"),
            (r"\{{{{x}}", "{{1"),
        ] {
            let template = Template::parse(source).unwrap();
            assert_eq!(template.fill(|name| (name == "x").then_some("1")), text, "{source}");
        }
    }

    #[test]
    fn variables_are_listed_once_in_their_order() {
        let template = Template::parse("{{ b }} {{a}} {{b}} {{c-1}}").unwrap();
        assert_eq!(template.variables(), ["b", "a", "c-1"]);
        assert_eq!(template.fill(|name| (name == "a").then_some("A")), "{{b}} A {{b}} {{c-1}}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_with_a_place_inside_it(source in "[a{}\\\\ é]{0,24}") {
            match Template::parse(&source) {
                Ok(template) => prop_assert_eq!(template.source(), source),
                Err(slip) => prop_assert!(slip.at < source.chars().count()),
            }
        }

        #[test]
        fn a_text_without_two_open_braces_stays_as_it_is(text in "([a-z}\\\\é\n ]|\\{[a-z}\\\\ ]){0,24}") {
            prop_assume!(!text.contains("{{"));
            let template = Template::parse(&text).unwrap();
            prop_assert!(template.variables().is_empty());
            prop_assert_eq!(template.fill(|_| Some("never")), text);
        }

        #[test]
        fn a_value_goes_in_as_it_is_and_is_never_looked_at_again(
            before in "[a-z ]{0,8}", after in "[a-z ]{0,8}", value in "([a-z{}\\\\]|\\{\\{x\\}\\}|\\{\\{y\\}\\}){0,12}",
        ) {
            let template = Template::parse(&format!("{before}{{{{x}}}}{after}{{{{y}}}}")).unwrap();
            let filled = template.fill(|name| Some(if name == "x" { value.as_str() } else { "{{x}}" }));
            prop_assert_eq!(filled, format!("{before}{value}{after}{{{{x}}}}"));
        }
    }
}
