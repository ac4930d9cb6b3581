//! The filter language of calls: what a filter is, its keys, and how it is written. Reading what a person typed is
//! `parse`'s business; what a condition means for stored calls is the ledger's.

mod parse;

pub use parse::parse;

use crate::domain::call::Status;
use std::fmt;

/// Conditions of one filter at most: more is a paste gone wrong, not a question.
pub const MAX_TERMS: usize = 32;
/// Characters of one filter at most.
pub const MAX_CHARS: usize = 2000;

/// Every term must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    pub terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    pub negated: bool,
    pub test: Test,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Any text field holds it.
    Word(String),
    Text {
        field: TextField,
        value: String,
        /// `key:=value`: the whole field, not a part of it.
        exact: bool,
    },
    /// `tag.team:red`: the tag of this name has this value; any value when it is empty.
    Tag { name: String, value: String },
    /// Any of these.
    Status(Vec<Status>),
    /// What the cache had to do with it: `hit`, `miss`, `off`.
    Cache(String),
    /// Not older than this many milliseconds.
    Since(i64),
    Number {
        field: NumberField,
        compare: Compare,
        /// In the column's unit.
        value: i64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextField {
    Provider,
    Model,
    Target,
    Client,
    Type,
    Policy,
    Error,
    Session,
    Tag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberField {
    /// Pico-dollars; written in dollars.
    Cost,
    /// Milliseconds.
    Ttft,
    /// Milliseconds.
    Duration,
    /// In and out together.
    Tokens,
    TokensIn,
    TokensOut,
    /// Attempts made.
    Tries,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// What is wrong with a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// Counts characters from 1.
    pub at: usize,
    pub message: String,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the filter is not understood at character {}: {}", self.at, self.message)
    }
}

const TEXT_KEYS: [(&str, TextField); 9] = [
    ("provider", TextField::Provider),
    ("model", TextField::Model),
    ("target", TextField::Target),
    ("client", TextField::Client),
    ("type", TextField::Type),
    ("policy", TextField::Policy),
    ("error", TextField::Error),
    ("session", TextField::Session),
    ("tag", TextField::Tag),
];
/// The first of a field is how it is written.
const NUMBER_KEYS: [(&str, NumberField); 8] = [
    ("cost", NumberField::Cost),
    ("ttft", NumberField::Ttft),
    ("first", NumberField::Ttft),
    ("duration", NumberField::Duration),
    ("tokens", NumberField::Tokens),
    ("tokens_in", NumberField::TokensIn),
    ("tokens_out", NumberField::TokensOut),
    ("tries", NumberField::Tries),
];
const CACHE_WORDS: [&str; 3] = ["hit", "miss", "off"];

/// What may begin a condition, each with an example of a whole one; for completion and help.
pub const KEYS: [(&str, &str); 18] = [
    ("provider:", "provider:lm_studio"),
    ("model:", "model:qwen"),
    ("target:", "target:=zai/glm-4.6"),
    ("client:", "client:dspy"),
    ("type:", "type:quick_responses"),
    ("policy:", "policy:private"),
    ("error:", "error:rate_limit"),
    ("session:", "session:night"),
    ("tag.", "tag.team:red"),
    ("status:", "status:failed"),
    ("since:", "since:2h"),
    ("cost>", "cost>0.01"),
    ("ttft>", "ttft>1s"),
    ("duration>", "duration>2s"),
    ("tokens_in>", "tokens_in>8000"),
    ("tokens_out>", "tokens_out>500"),
    ("tries>", "tries>1"),
    ("cache:", "cache:hit"),
];

/// The keys that the last word of `typed` may become, and how many of its bytes they would replace. Nothing while
/// the word is empty, in quotes, or has its key already.
pub fn completions(typed: &str) -> (usize, Vec<&'static str>) {
    let word = typed.rsplit(char::is_whitespace).next().unwrap_or("");
    let bare = word.strip_prefix('-').unwrap_or(word);
    let open_quote = typed.matches('"').count() % 2 == 1;
    if bare.is_empty() || open_quote {
        return (0, Vec::new());
    }
    let fits = KEYS.iter().map(|(key, _)| *key).filter(|key| key.starts_with(bare) && *key != bare).collect();
    (bare.len(), fits)
}

impl fmt::Display for Filter {
    /// In the language itself: reading it gives the same filter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, term) in self.terms.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            if term.negated {
                f.write_str("-")?;
            }
            write_test(f, &term.test)?;
        }
        Ok(())
    }
}

fn write_test(f: &mut fmt::Formatter<'_>, test: &Test) -> fmt::Result {
    match test {
        Test::Word(word) => f.write_str(&quoted(word)),
        Test::Text { field, value, exact } => {
            let key = TEXT_KEYS.iter().find(|(_, known)| known == field).map_or("", |(key, _)| key);
            let value = if value.is_empty() { String::new() } else { quoted(value) };
            write!(f, "{key}:{}{value}", if *exact { "=" } else { "" })
        }
        Test::Tag { name, value } if value.is_empty() => write!(f, "tag.{name}:"),
        Test::Tag { name, value } => write!(f, "tag.{name}:{}", quoted(value)),
        Test::Status(wanted) if *wanted == FAILED => f.write_str("status:failed"),
        Test::Status(wanted) => {
            let words: Vec<&str> = wanted.iter().map(|status| status.word()).collect();
            write!(f, "status:{}", words.join(","))
        }
        Test::Cache(word) => write!(f, "cache:{word}"),
        Test::Since(ms) => {
            let (count, unit) = [(604_800_000, "w"), (86_400_000, "d"), (3_600_000, "h"), (60_000, "m")]
                .into_iter()
                .find(|(unit_ms, _)| ms % unit_ms == 0)
                .map_or((ms / 1000, "s"), |(unit_ms, unit)| (ms / unit_ms, unit));
            write!(f, "since:{count}{unit}")
        }
        Test::Number { field, compare, value } => {
            let key = NUMBER_KEYS.iter().find(|(_, known)| known == field).map_or("", |(key, _)| key);
            write!(f, "{key}{}", sign(*compare))?;
            match field {
                NumberField::Cost => write!(f, "{}.{:012}", value / PICO, value % PICO),
                NumberField::Ttft | NumberField::Duration => write!(f, "{value}ms"),
                _ => write!(f, "{value}"),
            }
        }
    }
}

/// What `status:failed` stands for.
const FAILED: [Status; 2] = [Status::Error, Status::Denied];
/// Pico-dollars in a dollar.
const PICO: i64 = 1_000_000_000_000;

fn sign(compare: Compare) -> &'static str {
    match compare {
        Compare::Less => "<",
        Compare::AtMost => "<=",
        Compare::Equal => "=",
        Compare::AtLeast => ">=",
        Compare::More => ">",
    }
}

/// In quotes wherever the language would read more into it than a word.
fn quoted(text: &str) -> String {
    let plain = !text.starts_with('-') && text.chars().all(|c| c.is_alphanumeric() || "_-./".contains(c));
    if plain { text.to_owned() } else { format!("\"{text}\"") }
}
