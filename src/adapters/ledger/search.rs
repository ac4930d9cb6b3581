//! Questions to the ledger: pages of calls by filter, one call, the sums of a day.
//!
//! A filter's texts are looked up in `labels` first. Few matching rows are then reached by their label or
//! status, many by walking `calls_by_time` from the newest until the page is full.

use super::conditions::Conditions;
use super::row;
use crate::domain::call::{CallRecord, ObservedMatch};
use crate::domain::filter::{FilterError, parse};
use crate::domain::ids::CallId;
use crate::domain::money::Money;
use crate::domain::time::UnixMs;
use crate::engine::ports::DaySums;
use crate::engine::protocol::{CallPage, CallQuery, ObservedSums};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

/// Rows of a page when the query names no limit, and at most.
pub const DEFAULT_LIMIT: usize = 100;
pub const MAX_LIMIT: usize = 100_000;

/// Why a question got no answer.
#[derive(Debug)]
pub enum SearchError {
    Filter(FilterError),
    UnknownCall(CallId),
    Sql(rusqlite::Error),
    /// A file that cannot be written: the sentence.
    File(String),
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

    let (inner, values) = newest(connection, &conditions, query.since, query.before.as_ref(), limit)?;
    let sql = format!("SELECT {} FROM calls WHERE seq IN ({inner}) ORDER BY ts DESC, seq DESC", row::ROW_COLUMNS);
    let rows = connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(values), row::call_row)?
        .collect::<Result<Vec<_>, _>>()?;

    let span = query.since.unwrap_or_else(|| conditions.reach_back.map_or(today, |from| from.min(today)));
    Ok(CallPage {
        rows,
        matching: count_since(connection, &conditions, span)?,
        total: total_since(connection, span)?,
        counted_since: span,
    })
}

/// A question for the `seq` of the newest calls that match, with its values.
fn newest(
    connection: &Connection,
    conditions: &Conditions,
    since: Option<UnixMs>,
    before: Option<&CallId>,
    limit: usize,
) -> Result<(String, Vec<Value>), SearchError> {
    let mut wanted = conditions.clone();
    if let Some(since) = since {
        wanted.from(since);
    }
    if let Some(before) = before {
        let (ts, seq) = place_of(connection, before)?;
        wanted.rows.add("ts <= {} AND (ts < {} OR seq < {})", [ts.into(), ts.into(), seq.into()]);
    }
    let index = wanted.index(connection)?;
    let (inner, mut values) = wanted.sql(&format!("SELECT seq FROM calls INDEXED BY {index}"));
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    Ok((format!("{inner} ORDER BY ts DESC, seq DESC LIMIT ?{}", values.len()), values))
}

/// Whole records, newest first.
///
/// # Errors
/// As [`page`].
pub fn records(
    connection: &Connection,
    filter: &str,
    (since, before): (Option<UnixMs>, Option<&CallId>),
    limit: usize,
    now: UnixMs,
) -> Result<Vec<CallRecord>, SearchError> {
    let conditions = Conditions::of(&parse(filter).map_err(SearchError::Filter)?, now);
    let (inner, values) = newest(connection, &conditions, since, before, limit)?;
    let sql = format!("SELECT * FROM calls WHERE seq IN ({inner}) ORDER BY ts DESC, seq DESC");
    let found = connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(values), row::record)?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(found)
}

fn count_since(connection: &Connection, conditions: &Conditions, span: UnixMs) -> rusqlite::Result<u64> {
    let mut counted = conditions.clone();
    counted.from(span);
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

/// What observed policies would have done since a moment.
///
/// # Errors
/// SQLite's own.
pub fn observed(connection: &Connection, since: UnixMs) -> Result<ObservedSums, SearchError> {
    let mut sums = ObservedSums { of: total_since(connection, since)?, policies: Vec::new() };
    // The same few texts stand in most rows: they are told apart before they are read.
    let mut statement = connection.prepare_cached(
        "SELECT observed, count(*) FROM calls INDEXED BY calls_observed
          WHERE observed IS NOT NULL AND ts >= ?1 GROUP BY observed",
    )?;
    let mut rows = statement.query([since.0])?;
    while let Some(row) = rows.next()? {
        let calls = row.get::<_, i64>(1)?.unsigned_abs();
        // A text that no lmdeck wrote counts for nothing.
        let found: Vec<ObservedMatch> =
            serde_json::from_str(row.get_ref(0)?.as_str().unwrap_or("")).unwrap_or_default();
        for one in &found {
            sums.add(one, calls);
        }
    }
    sums.policies.sort_by(|a, b| a.policy.cmp(&b.policy));
    Ok(sums)
}

/// `total()` answers with a float that holds a count.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows, never negative")]
fn whole(count: f64) -> u64 {
    count as u64
}
