//! Incidents and what was seen of providers, in the ledger: several processes that watch the same provider share
//! its open incident and its slots.

use crate::domain::health::State;
use crate::domain::ids::{ProviderId, Target};
use crate::domain::incident::{Ending, Incident, Past, Slot};
use crate::domain::time::UnixMs;
use crate::engine::protocol::IncidentQuery;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, TransactionBehavior, params};

/// Something to keep.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    Incident(Incident),
    Slot(ProviderId, Slot),
}

const COLUMNS: &str = "provider, state, reason, failure, since, seen, until, ending, calls_moved, moved_to";

/// Writes what was seen, wholly or not at all.
///
/// # Errors
/// SQLite's own.
pub fn write(connection: &mut Connection, seen: &[Seen]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for one in seen {
        match one {
            Seen::Incident(incident) => keep_incident(&transaction, incident)?,
            Seen::Slot(provider, slot) => keep_slot(&transaction, provider, slot)?,
        }
    }
    transaction.commit()
}

/// The provider's open row is the incident, whoever began it; one that nobody keeps yet becomes a row.
fn keep_incident(connection: &Connection, incident: &Incident) -> rusqlite::Result<()> {
    let json = |value: &Option<crate::domain::failure::Failure>| {
        value.as_ref().and_then(|failure| serde_json::to_string(failure).ok())
    };
    let moved_to = incident.moved_to.as_ref().map(Target::to_string);
    let values = params![
        incident.provider.as_str(),
        incident.state.word(),
        incident.reason,
        json(&incident.failure),
        incident.since.0,
        incident.seen.0,
        incident.until.map(|until| until.0),
        incident.ending.map(Ending::word),
        incident.calls_moved,
        moved_to,
    ];
    let known = connection
        .prepare_cached(
            "UPDATE incidents SET state = ?2, reason = ?3, failure = ?4, since = min(since, ?5), seen = max(seen, ?6),
                    until = ?7, ending = ?8, calls_moved = max(calls_moved, ?9), moved_to = coalesce(?10, moved_to)
              WHERE provider = ?1 AND until IS NULL",
        )?
        .execute(values)?;
    // Another process may have closed it a moment ago: what goes on there is not an incident of its own.
    if known == 0 && incident.seen == incident.since {
        connection
            .prepare_cached(&format!(
                "INSERT OR IGNORE INTO incidents ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
            ))?
            .execute(values)?;
    }
    Ok(())
}

fn keep_slot(connection: &Connection, provider: &ProviderId, slot: &Slot) -> rusqlite::Result<()> {
    let select = "SELECT start, good, bad, worst, slowest_ms FROM watched WHERE provider = ?1 AND start = ?2";
    let known = connection
        .prepare_cached(select)?
        .query_row(params![provider.as_str(), slot.start.0], |row| read_slot(row, 0))
        .ok();
    let mut sum = *slot;
    if let Some(known) = known {
        sum.add(&known);
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO watched (provider, start, good, bad, worst, slowest_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            provider.as_str(),
            sum.start.0,
            sum.good,
            sum.bad,
            sum.worst.word(),
            sum.slowest_ms.and_then(|ms| i64::try_from(ms).ok()),
        ])?;
    Ok(())
}

/// What was seen since a moment: open incidents whatever their age, ended ones that ended after it.
///
/// # Errors
/// SQLite's own.
pub fn past(connection: &Connection, since: UnixMs, incidents: usize) -> rusqlite::Result<Past> {
    let query = IncidentQuery { since: Some(since), limit: incidents, ..IncidentQuery::default() };
    let incidents = list(connection, &query)?;
    let slots = connection
        .prepare("SELECT start, good, bad, worst, slowest_ms, provider FROM watched WHERE start >= ?1 ORDER BY start")?
        .query_map([since.0], |row| Ok((ProviderId::from(row.get::<_, String>(5)?), read_slot(row, 0)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Past { incidents, slots })
}

/// Open ones first, then the newest first.
///
/// # Errors
/// SQLite's own.
pub fn list(connection: &Connection, query: &IncidentQuery) -> rusqlite::Result<Vec<Incident>> {
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    connection
        .prepare(&format!(
            "SELECT {COLUMNS} FROM incidents
              WHERE (?1 IS NULL OR provider = ?1) AND (until IS NULL OR until >= ?2) AND (?3 = 0 OR until IS NULL)
              ORDER BY until IS NOT NULL, since DESC LIMIT ?4"
        ))?
        .query_map(
            params![
                query.provider.as_ref().map(ProviderId::as_str),
                query.since.map_or(i64::MIN, |since| since.0),
                query.open_only,
                limit
            ],
            read_incident,
        )?
        .collect()
}

/// Removes what ended before a moment.
///
/// # Errors
/// SQLite's own.
pub fn remove_before(connection: &Connection, before: UnixMs) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM incidents WHERE until < ?1", [before.0])?;
    connection.execute("DELETE FROM watched WHERE start < ?1", [before.0])?;
    Ok(())
}

fn read_incident(row: &Row<'_>) -> rusqlite::Result<Incident> {
    let failure: Option<String> = row.get(3)?;
    let moved_to: Option<String> = row.get(9)?;
    Ok(Incident {
        provider: row.get::<_, String>(0)?.into(),
        state: word(row, 1)?,
        reason: row.get(2)?,
        // One that an older version wrote otherwise costs the remedy, not the row.
        failure: failure.and_then(|text| serde_json::from_str(&text).ok()),
        since: UnixMs(row.get(4)?),
        seen: UnixMs(row.get(5)?),
        until: row.get::<_, Option<i64>>(6)?.map(UnixMs),
        ending: row.get::<_, Option<String>>(7)?.map(|_| word(row, 7)).transpose()?,
        calls_moved: row.get(8)?,
        moved_to: moved_to.and_then(|text| text.parse().ok()),
    })
}

fn read_slot(row: &Row<'_>, first: usize) -> rusqlite::Result<Slot> {
    Ok(Slot {
        start: UnixMs(row.get(first)?),
        good: row.get(first + 1)?,
        bad: row.get(first + 2)?,
        worst: word::<State>(row, first + 3)?,
        slowest_ms: row.get::<_, Option<i64>>(first + 4)?.map(i64::unsigned_abs),
    })
}

/// A value that is written as its own word.
fn word<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_value(serde_json::Value::String(text))
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
