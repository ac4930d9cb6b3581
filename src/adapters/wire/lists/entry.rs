//! Reads the members of a list's entries and notes each that does not have its type, with its place.

use crate::adapters::wire::words::quote;
use crate::domain::ids::ModelId;
use serde_json::Value;

/// Bytes of a model's name at most: some servers use a file's whole path.
const LONGEST_ID: usize = 1024;

/// Entries of a list that are read: the longest real ones have some hundreds.
const ENTRIES: usize = 10_000;

/// Findings counted one by one at most; a hostile list shall not cost memory.
const FINDINGS: usize = 1000;

/// Bytes of another text that are kept.
const LONGEST_TEXT: usize = 256;

/// The list under `name` as far as it is read, and the place for what is found in it.
///
/// # Errors
/// It is not there, or no list: what was expected and what came.
pub fn entries<'a>(document: &'a Value, name: &str) -> Result<(&'a [Value], Findings), String> {
    match document.get(name) {
        Some(Value::Array(entries)) => Ok(match entries.split_at_checked(ENTRIES) {
            Some((read, left @ [_, ..])) => {
                let finding = format!("{name}: expected at most {ENTRIES} entries, left out {} more", left.len());
                (read, Findings(vec![finding]))
            }
            _ => (entries, Findings::default()),
        }),
        other => Err(format!("{name}: expected a list, came {}", came(other))),
    }
}

/// What was not as expected, in order.
#[derive(Default)]
pub struct Findings(Vec<String>);

impl Findings {
    pub fn at<'a>(&'a mut self, place: String, entry: &'a Value) -> Entry<'a> {
        Entry { findings: self, place, value: entry }
    }

    fn push(&mut self, finding: String) {
        if self.0.len() < FINDINGS {
            self.0.push(finding);
        }
    }

    pub fn sentence(self) -> Option<String> {
        let more = self.0.len().saturating_sub(1);
        let first = self.0.into_iter().next()?;
        Some(if more == 0 { first } else { format!("{first}, and {more} more") })
    }
}

/// One entry of a list; reads members and notes those of a wrong type.
pub struct Entry<'a> {
    findings: &'a mut Findings,
    place: String,
    value: &'a Value,
}

impl<'a> Entry<'a> {
    pub fn id(&mut self, name: &str) -> Option<ModelId> {
        match self.value.get(name) {
            Some(Value::String(id)) if id.len() > LONGEST_ID => {
                let found = format!("{}.{name}: expected a name, came {} bytes of text", self.place, id.len());
                self.findings.push(found);
                None
            }
            Some(Value::String(id)) if !id.is_empty() => Some(ModelId::from(id.as_str())),
            other => {
                self.note(name, "a name", other);
                None
            }
        }
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        let text = self.member(name, "a text", Value::as_str)?;
        let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST_TEXT).last();
        Some(text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned())
    }

    /// A text that says something.
    pub fn words(&mut self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.trim().is_empty())
    }

    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.member(name, "true or false", Value::as_bool)
    }

    /// The names in a list of texts.
    pub fn names(&mut self, name: &str) -> Option<Vec<&'a str>> {
        Some(self.list(name)?.iter().filter_map(Value::as_str).collect())
    }

    /// An object inside this one.
    pub fn inside(&mut self, name: &str) -> Option<Entry<'_>> {
        let value = self.member(name, "an object", |value| value.is_object().then_some(value))?;
        Some(Entry { place: format!("{}.{name}", self.place), value, findings: self.findings })
    }

    /// An element of a list inside this one; `place` as in `loaded_instances[0]`.
    pub fn below<'b>(&'b mut self, place: &str, value: &'b Value) -> Entry<'b> {
        Entry { place: format!("{}.{place}", self.place), value, findings: self.findings }
    }

    /// Notes a member whose type is right and whose value is not.
    pub fn odd(&mut self, name: &str, expected: &str) {
        self.note(name, expected, self.value.get(name));
    }

    /// One of a closed set of words; another is noted.
    pub fn word(&mut self, name: &str, allowed: &[&'static str]) -> Option<&'static str> {
        let text = self.member(name, "a text", Value::as_str)?;
        let known = allowed.iter().copied().find(|word| *word == text);
        if known.is_none() {
            let expected = allowed.join(" or ");
            self.note(name, &expected, self.value.get(name));
        }
        known
    }

    pub fn count(&mut self, name: &str) -> Option<u64> {
        self.member(name, "a whole number", Value::as_u64)
    }

    pub fn list(&mut self, name: &str) -> Option<&'a Vec<Value>> {
        self.member(name, "a list", Value::as_array)
    }

    /// An optional member: absent and `null` are fine.
    fn member<T>(&mut self, name: &str, expected: &str, read: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        let out = read(value);
        if out.is_none() {
            self.note(name, expected, Some(value));
        }
        out
    }

    fn note(&mut self, name: &str, expected: &str, value: Option<&Value>) {
        self.findings.push(format!("{}.{name}: expected {expected}, came {}", self.place, came(value)));
    }
}

fn came(value: Option<&Value>) -> String {
    match value {
        None => "nothing".into(),
        Some(Value::Null) => "null".into(),
        Some(Value::Bool(flag)) => format!("{flag}"),
        Some(Value::Number(number)) => format!("the number {number}"),
        Some(Value::String(text)) if text.is_empty() => "an empty text".into(),
        Some(Value::String(text)) => {
            let short: String = text.chars().take(40).collect();
            format!("the text \"{}\"", quote(&short, &[]))
        }
        Some(Value::Array(_)) => "a list".into(),
        Some(Value::Object(_)) => "an object".into(),
    }
}
