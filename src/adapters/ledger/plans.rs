//! What is used of plans, as one note per provider, and what the record says of a time before anybody counted.

use super::shared::saved_note;
use crate::adapters::clock::unix_now;
use crate::domain::call::Attempt;
use crate::domain::ids::ProviderId;
use crate::domain::plan::PlanUse;
use crate::domain::time::UnixMs;
use rusqlite::{Transaction, params};
use std::time::Duration;

const NOTE: &str = "plan ";

/// What stands there; a note that cannot be read counts as none, and the record is asked.
pub fn read(transaction: &Transaction<'_>, provider: &ProviderId) -> rusqlite::Result<Option<PlanUse>> {
    let note = saved_note(transaction, &format!("{NOTE}{provider}"))?;
    Ok(note.and_then(|note| serde_json::from_str(&note).ok()))
}

pub fn write(transaction: &Transaction<'_>, provider: &ProviderId, used: &PlanUse) -> rusqlite::Result<()> {
    let value = serde_json::to_string(used).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    transaction
        .prepare_cached(
            "INSERT INTO notes (key, value, ts) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, ts = excluded.ts",
        )?
        .execute(params![format!("{NOTE}{provider}"), value, unix_now().0])?;
    Ok(())
}

pub fn all(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<(ProviderId, PlanUse)>> {
    let mut statement = transaction.prepare_cached("SELECT key, value FROM notes WHERE key GLOB 'plan *'")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let (key, value): (String, String) = (row.get(0)?, row.get(1)?);
        if let (Some(provider), Ok(used)) = (key.strip_prefix(NOTE), serde_json::from_str(&value)) {
            all.push((ProviderId::from(provider), used));
        }
    }
    Ok(all)
}

/// Every attempt that reached `provider`, whatever became of it.
pub fn sent(
    transaction: &Transaction<'_>,
    provider: &ProviderId,
    since: UnixMs,
) -> rusqlite::Result<Vec<(UnixMs, u64)>> {
    let mut statement = transaction.prepare_cached(
        "SELECT ts, attempts, coalesce(tokens_in, 0) + coalesce(tokens_out, 0)
           FROM calls WHERE ts >= ?1 AND instr(attempts, ?2) > 0 ORDER BY ts",
    )?;
    let mut rows = statement.query(params![since.0, provider.as_str()])?;
    let mut sent = Vec::new();
    while let Some(row) = rows.next()? {
        let (ts, attempts): (i64, String) = (row.get(0)?, row.get(1)?);
        let tokens: i64 = row.get(2)?;
        let attempts: Vec<Attempt> = serde_json::from_str(&attempts).unwrap_or_default();
        for attempt in attempts.iter().filter(|attempt| attempt.target.provider == *provider) {
            if attempt.failure.as_ref().is_some_and(|failure| failure.cause.never_arrived()) {
                continue;
            }
            let tokens = if attempt.failure.is_none() { u64::try_from(tokens).unwrap_or(0) } else { 0 };
            sent.push((UnixMs(ts).plus(Duration::from_millis(attempt.start_ms)), tokens));
        }
    }
    sent.sort_by_key(|(at, _)| *at);
    Ok(sent)
}
