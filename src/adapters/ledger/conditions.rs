//! A filter as SQL. Texts go in as values, never as SQL; what the columns hold is `schema`'s and `row`'s business.

use crate::domain::call::Status;
use crate::domain::filter::{Compare, Filter, NumberField, Term, Test, TextField};
use crate::domain::time::UnixMs;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::fmt::Write as _;

/// Up to so many matches are fetched by label or status and sorted; more are met soon by walking back in time.
const FEW: i64 = 5000;

/// Conditions joined by AND, with their values; `{}` stands for a value's place until all are known.
#[derive(Debug, Clone, Default)]
pub struct Clause {
    text: String,
    values: Vec<Value>,
}

impl Clause {
    pub fn add(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        if !self.text.is_empty() {
            self.text.push_str(" AND ");
        }
        let _ = write!(self.text, "({condition})");
        self.values.extend(values);
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// A filter as SQL: what is asked of `labels`, and what of the rows.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    labels: Clause,
    pub rows: Clause,
    /// The only statuses that may match, when the filter says so.
    statuses: Option<Vec<Status>>,
    /// The filter's own `since:`.
    pub reach_back: Option<UnixMs>,
}

impl Conditions {
    pub fn of(filter: &Filter, now: UnixMs) -> Self {
        let mut conditions = Self::default();
        for term in &filter.terms {
            conditions.add(term, now);
        }
        conditions
    }

    /// Only calls from a moment on.
    pub fn from(&mut self, since: UnixMs) {
        self.rows.add("ts >= {}", [since.0.into()]);
    }

    fn add(&mut self, term: &Term, now: UnixMs) {
        let not = |condition: &str| if term.negated { format!("NOT ({condition})") } else { condition.to_owned() };
        match &term.test {
            Test::Word(word) => {
                let any = TEXT_COLUMNS.map(|column| format!("{column} LIKE {{}} ESCAPE '\\'")).join(" OR ");
                let pattern = pattern(word);
                self.labels.add(&not(&any), TEXT_COLUMNS.map(|_| pattern.clone().into()));
            }
            // One whole tag of several.
            Test::Text { field: TextField::Tag, value, exact: true } if !value.is_empty() => {
                self.labels.add(&not("instr(char(10) || tags, {})"), [format!("\n{value}\n").into()]);
            }
            Test::Text { field, value, exact: true } => {
                self.labels.add(&not(&format!("{} = {{}}", column(*field))), [exact_value(*field, value)]);
            }
            Test::Text { field, value, exact: false } => {
                let like = format!("{} LIKE {{}} ESCAPE '\\'", column(*field));
                self.labels.add(&not(&like), [pattern(value).into()]);
            }
            // Any value of it, or this one.
            Test::Tag { name, value } => {
                let tag = if value.is_empty() { format!("\n{name}=") } else { format!("\n{name}={value}\n") };
                self.labels.add(&not("instr(char(10) || tags, {})"), [tag.into()]);
            }
            Test::Cache(word) => self.rows.add(&not("cache = {}"), [word.clone().into()]),
            Test::Status(wanted) => {
                let places = vec!["{}"; wanted.len()].join(", ");
                let words = wanted.iter().map(|status| Value::from(status.word().to_owned()));
                self.rows.add(&not(&format!("status IN ({places})")), words);
                if !term.negated {
                    self.statuses = Some(wanted.clone());
                }
            }
            Test::Since(ms) => {
                let from = now.0.saturating_sub(*ms);
                self.rows.add(&not("ts >= {}"), [from.into()]);
                if !term.negated {
                    self.reach_back = self.reach_back.max(Some(UnixMs(from)));
                }
            }
            Test::Number { field, compare, value } => {
                // An unknown figure is never more or less than anything; so "not more" holds for it.
                let condition = format!("coalesce({} {} {{}}, 0)", number_column(*field), sign(*compare));
                self.rows.add(&not(&condition), [(*value).into()]);
            }
        }
    }

    /// The index that reaches the matches with the least reading.
    pub fn index(&self, connection: &Connection) -> rusqlite::Result<&'static str> {
        if !self.labels.is_empty() {
            let mut by_label = Self { labels: self.labels.clone(), ..Self::default() };
            by_label.rows.add("1", []);
            if by_label.are_few(connection, "calls_by_label")? {
                return Ok("calls_by_label");
            }
        }
        if let Some(statuses) = &self.statuses {
            let mut by_status = Self::default();
            let places = vec!["{}"; statuses.len()].join(", ");
            let words = statuses.iter().map(|status| Value::from(status.word().to_owned()));
            by_status.rows.add(&format!("status IN ({places})"), words);
            if by_status.are_few(connection, "calls_by_status")? {
                return Ok("calls_by_status");
            }
        }
        Ok("calls_by_time")
    }

    fn are_few(&self, connection: &Connection, index: &str) -> rusqlite::Result<bool> {
        let (inner, mut values) = self.sql(&format!("SELECT 1 FROM calls INDEXED BY {index}"));
        values.push((FEW + 1).into());
        let sql = format!("SELECT count(*) FROM ({inner} LIMIT ?{})", values.len());
        let count: i64 = connection.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0))?;
        Ok(count <= FEW)
    }

    /// `select` with the conditions behind it, and the values for its places `?1`, `?2`, ….
    pub fn sql(&self, select: &str) -> (String, Vec<Value>) {
        let mut text = String::new();
        let mut values = Vec::new();
        if !self.labels.is_empty() {
            let _ = write!(text, "label_id IN (SELECT id FROM labels WHERE {})", self.labels.text);
            values.extend(self.labels.values.iter().cloned());
        }
        if !self.rows.is_empty() {
            text.push_str(if text.is_empty() { "" } else { " AND " });
            text.push_str(&self.rows.text);
            values.extend(self.rows.values.iter().cloned());
        }
        if text.is_empty() {
            return (select.to_owned(), values);
        }
        let mut numbered = format!("{select} WHERE ");
        for (place, piece) in text.split("{}").enumerate() {
            if place > 0 {
                let _ = write!(numbered, "?{place}");
            }
            numbered.push_str(piece);
        }
        (numbered, values)
    }
}

const TARGET: &str = "provider || '/' || model";
const TEXT_COLUMNS: [&str; 7] = ["client", "request_type", TARGET, "policy", "error_code", "session", "tags"];

fn column(field: TextField) -> &'static str {
    match field {
        TextField::Provider => "provider",
        TextField::Model => "model",
        TextField::Target => TARGET,
        TextField::Client => "client",
        TextField::Type => "request_type",
        TextField::Policy => "policy",
        TextField::Error => "error_code",
        TextField::Session => "session",
        TextField::Tag => "tags",
    }
}

/// A call without a target has an empty provider and model there, joined by the slash.
fn exact_value(field: TextField, value: &str) -> Value {
    match field {
        TextField::Target if value.is_empty() => Value::from("/".to_owned()),
        _ => Value::from(value.to_owned()),
    }
}

fn number_column(field: NumberField) -> &'static str {
    match field {
        NumberField::Cost => "cost_pico",
        NumberField::Ttft => "ttft_ms",
        NumberField::Duration => "duration_ms",
        NumberField::Tokens => "(tokens_in + tokens_out)",
        NumberField::TokensIn => "tokens_in",
        NumberField::TokensOut => "tokens_out",
        NumberField::Tries => "tries",
    }
}

fn sign(compare: Compare) -> &'static str {
    match compare {
        Compare::Less => "<",
        Compare::AtMost => "<=",
        Compare::Equal => "=",
        Compare::AtLeast => ">=",
        Compare::More => ">",
    }
}

/// A LIKE pattern for texts that hold `word`.
fn pattern(word: &str) -> String {
    let mut pattern = String::from("%");
    for c in word.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
