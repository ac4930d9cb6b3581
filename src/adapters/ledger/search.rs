//! Questions to the ledger: pages of calls by filter, one call, the sums of a day.
//!
//! A filter's texts are looked up in `labels` first. Few matching rows are then reached by their label or
//! status, many by walking `calls_by_time` from the newest until the page is full.

use super::filter::{Compare, Filter, FilterError, NumberField, Term, Test, TextField, parse};
use super::row;
use crate::domain::call::{CallRecord, Status};
use crate::domain::ids::CallId;
use crate::domain::money::Money;
use crate::domain::time::UnixMs;
use crate::engine::ports::DaySums;
use crate::engine::protocol::{CallPage, CallQuery};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use std::fmt::Write as _;

/// Rows of a page when the query names no limit, and at most.
pub const DEFAULT_LIMIT: usize = 100;
pub const MAX_LIMIT: usize = 100_000;
/// Up to so many matches are fetched by label or status and sorted; more are met soon by walking back in time.
const FEW: i64 = 5000;

/// Why a question got no answer.
#[derive(Debug)]
pub enum SearchError {
    Filter(FilterError),
    UnknownCall(CallId),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for SearchError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// One page, newest first. `today` is the start of the day that the counts are for when neither the query nor
/// its filter reaches further.
///
/// # Errors
/// A wrong filter, a `before` that is not there, SQLite's own.
pub fn page(connection: &Connection, query: &CallQuery, now: UnixMs, today: UnixMs) -> Result<CallPage, SearchError> {
    let filter = parse(&query.filter).map_err(SearchError::Filter)?;
    let conditions = Conditions::of(&filter, now);
    let limit = match query.limit {
        0 => DEFAULT_LIMIT,
        limit => limit.min(MAX_LIMIT),
    };

    let mut wanted = conditions.clone();
    if let Some(since) = query.since {
        wanted.rows.add("ts >= {}", [since.0.into()]);
    }
    if let Some(before) = &query.before {
        let (ts, seq) = place_of(connection, before)?;
        wanted.rows.add("ts <= {} AND (ts < {} OR seq < {})", [ts.into(), ts.into(), seq.into()]);
    }
    let index = wanted.index(connection)?;
    let (inner, mut values) = wanted.sql(&format!("SELECT seq FROM calls INDEXED BY {index}"));
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let sql = format!(
        "SELECT {} FROM calls WHERE seq IN ({inner} ORDER BY ts DESC, seq DESC LIMIT ?{}) ORDER BY ts DESC, seq DESC",
        row::ROW_COLUMNS,
        values.len()
    );
    let rows = connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(values), row::call_row)?
        .collect::<Result<Vec<_>, _>>()?;

    let span = query.since.unwrap_or_else(|| conditions.reach_back.map_or(today, |from| from.min(today)));
    Ok(CallPage { rows, matching: count_since(connection, &conditions, span)?, total: total_since(connection, span)? })
}

fn count_since(connection: &Connection, conditions: &Conditions, span: UnixMs) -> rusqlite::Result<u64> {
    let mut counted = conditions.clone();
    counted.rows.add("ts >= {}", [span.0.into()]);
    let (sql, values) = counted.sql("SELECT count(*) FROM calls INDEXED BY calls_by_time");
    connection.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0)).map(i64::unsigned_abs)
}

fn total_since(connection: &Connection, span: UnixMs) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM calls INDEXED BY calls_by_time WHERE ts >= ?1")?
        .query_row([span.0], |row| row.get(0))
        .map(i64::unsigned_abs)
}

fn place_of(connection: &Connection, id: &CallId) -> Result<(i64, i64), SearchError> {
    connection
        .prepare_cached("SELECT ts, seq FROM calls WHERE id = ?1")?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or_else(|| SearchError::UnknownCall(id.clone()))
}

/// One call with everything that was recorded.
///
/// # Errors
/// SQLite's own, or a row that no lmdeck wrote.
pub fn call(connection: &Connection, id: &CallId) -> Result<Option<CallRecord>, SearchError> {
    let found = connection
        .prepare_cached("SELECT * FROM calls WHERE id = ?1")?
        .query_row([id.as_str()], row::record)
        .optional()?;
    Ok(found)
}

/// Sums from `since` on.
///
/// # Errors
/// SQLite's own.
pub fn day(connection: &Connection, since: UnixMs) -> Result<DaySums, SearchError> {
    // The sum is taken in two halves: SQLite refuses a sum past 63 bits instead of giving the largest number.
    const HALF: i64 = 1_000_000;
    let mut sums = connection
        .prepare_cached(
            "SELECT count(*), total(status IN ('error', 'denied')), coalesce(sum(cost_pico / ?2), 0),
                    coalesce(sum(cost_pico % ?2), 0), total(cost_provenance = 'unknown')
               FROM calls INDEXED BY calls_by_time WHERE ts >= ?1",
        )?
        .query_row([since.0, HALF], |row| {
            let (high, low): (i64, i64) = (row.get(2)?, row.get(3)?);
            Ok(DaySums {
                calls: row.get::<_, i64>(0)?.unsigned_abs(),
                failed: whole(row.get(1)?),
                spent: Money(high.saturating_mul(HALF).saturating_add(low)),
                unpriced: whole(row.get(4)?),
                by_policy: Vec::new(),
            })
        })?;
    sums.by_policy = connection
        .prepare_cached(
            "SELECT labels.policy, sum(part.calls) AS calls
               FROM (SELECT label_id, count(*) AS calls FROM calls INDEXED BY calls_by_time
                      WHERE ts >= ?1 GROUP BY label_id) AS part
               JOIN labels ON labels.id = part.label_id
              GROUP BY labels.policy ORDER BY calls DESC, labels.policy",
        )?
        .query_map([since.0], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?
        .collect::<Result<_, _>>()?;
    Ok(sums)
}

/// `total()` answers with a float that holds a count.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows, never negative")]
fn whole(count: f64) -> u64 {
    count as u64
}

/// Conditions joined by AND, with their values; `{}` stands for a value's place until all are known.
#[derive(Debug, Clone, Default)]
struct Clause {
    text: String,
    values: Vec<Value>,
}

impl Clause {
    fn add(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
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
struct Conditions {
    labels: Clause,
    rows: Clause,
    /// The only statuses that may match, when the filter says so.
    statuses: Option<Vec<Status>>,
    /// The filter's own `since:`.
    reach_back: Option<UnixMs>,
}

impl Conditions {
    fn of(filter: &Filter, now: UnixMs) -> Self {
        let mut conditions = Self::default();
        for term in &filter.terms {
            conditions.add(term, now);
        }
        conditions
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
    fn index(&self, connection: &Connection) -> rusqlite::Result<&'static str> {
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
    fn sql(&self, select: &str) -> (String, Vec<Value>) {
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
