//! The condition of the ledger's file, for reports.

use crate::adapters::ledger::search::SearchError;
use crate::domain::time::UnixMs;
use crate::engine::protocol::LedgerCheck;
use rusqlite::Connection;

/// Whether the file is sound, and how much is in it.
pub fn condition(connection: &Connection, path: &std::path::Path) -> Result<LedgerCheck, SearchError> {
    let mut statement = connection.prepare("PRAGMA quick_check(5)")?;
    let found = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let schema = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let (calls, first, last) = connection.query_row("SELECT count(*), min(ts), max(ts) FROM calls", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?))
    })?;
    Ok(LedgerCheck {
        integrity: found.join("; "),
        calls: u64::try_from(calls).unwrap_or(0),
        bytes: std::fs::metadata(path).map_or(0, |about| about.len()),
        schema,
        first: first.map(UnixMs),
        last: last.map(UnixMs),
    })
}
