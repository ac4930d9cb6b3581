//! What is too old, or too much, leaves the ledger: in small steps between batches, so that no call waits.

use super::{file, watch};
use crate::domain::budget::CivilDate;
use crate::domain::time::UnixMs;
use rusqlite::{Connection, TransactionBehavior};

/// Rows removed per step.
const STEP: i64 = 500;
/// Pages handed back to the disk per step.
const VACUUM_PAGES: i64 = 256;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How long it is kept which process held how much of a day's limit.
const LEASES_MS: i64 = 7 * DAY_MS;
/// Days of which it is kept however old they are.
const NEWEST_DAYS: u32 = 7;

/// Bounds of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Calls older than this many days are removed; 0 keeps all.
    pub days: u32,
    /// The oldest calls are removed while the file is larger than this; 0 for no bound.
    pub bytes: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { days: 30, bytes: 4 * 1024 * 1024 * 1024 }
    }
}

/// One pass at start, then one a day.
pub struct Retention {
    keep: Keep,
    /// When the next pass begins.
    due: UnixMs,
    stage: Stage,
    /// Something left in this pass: only then is there more to tidy.
    removed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Incidents, slots and shares of limits, few as they are, in one step.
    Watch,
    Calls,
    /// Combinations of texts that no call has any more, from this id on.
    Labels(i64),
    /// Free pages back to the disk.
    Room,
    Over,
}

impl Retention {
    pub fn new(keep: Keep) -> Self {
        Self { keep, due: UnixMs(i64::MIN), stage: Stage::Watch, removed: false }
    }

    pub fn is_due(&self, now: UnixMs) -> bool {
        self.keep != Keep { days: 0, bytes: 0 } && now >= self.due
    }

    /// One small step; the pass is over when [`Self::is_due`] says so. Trouble ends the pass until tomorrow.
    pub fn step(&mut self, connection: &mut Connection, now: UnixMs) {
        let next = match self.stage {
            Stage::Watch => self.remove_watch(connection, now),
            Stage::Calls => self.remove_calls(connection, now),
            Stage::Labels(from) => remove_labels(connection, from),
            Stage::Room => give_room_back(connection),
            Stage::Over => Ok(Stage::Over),
        };
        self.stage = next.unwrap_or_else(|error| {
            if file::is_busy(&error) {
                tracing::debug!("old calls are removed later: the ledger is busy");
            } else {
                tracing::warn!(%error, "old calls could not be removed from the ledger");
            }
            Stage::Over
        });
        if self.stage == Stage::Over {
            self.due = UnixMs(now.0.saturating_add(DAY_MS));
            self.stage = Stage::Watch;
            self.removed = false;
        }
    }

    /// What is kept whatever its age is kept as calls are.
    fn remove_watch(&self, connection: &Connection, now: UnixMs) -> rusqlite::Result<Stage> {
        if self.keep.days > 0 {
            let before = now.0.saturating_sub(i64::from(self.keep.days) * DAY_MS);
            watch::remove_before(connection, UnixMs(before))?;
        }
        let day = |age_ms: i64| CivilDate::utc(UnixMs(now.0.saturating_sub(age_ms))).to_string();
        remove_days(connection, "budget_days", "1", &day(LEASES_MS))?;
        // What was lost with a process counts as spent, and is told with its day as long as the day's calls are.
        remove_days(connection, "budget_leases", "granted_pico <= spent_pico", &day(LEASES_MS))?;
        if self.keep.days > 0 {
            let kept = i64::from(self.keep.days) * DAY_MS;
            remove_days(connection, "budget_leases", "1", &day(kept.max(LEASES_MS)))?;
        }
        Ok(Stage::Calls)
    }

    fn remove_calls(&mut self, connection: &mut Connection, now: UnixMs) -> rusqlite::Result<Stage> {
        let oldest_kept = match self.keep.days {
            0 => i64::MIN,
            days => now.0.saturating_sub(i64::from(days) * DAY_MS),
        };
        let before =
            if self.keep.bytes > 0 && used_bytes(connection)? > self.keep.bytes { i64::MAX } else { oldest_kept };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let removed = transaction
            .prepare_cached(
                "DELETE FROM calls WHERE seq IN
                   (SELECT seq FROM calls INDEXED BY calls_by_time WHERE ts < ?1 ORDER BY ts, seq LIMIT ?2)",
            )?
            .execute([before, STEP])?;
        transaction.commit()?;
        self.removed |= removed > 0;
        Ok(match (removed, self.removed) {
            (1.., _) => Stage::Calls,
            (0, true) => Stage::Labels(0),
            (0, false) => Stage::Over,
        })
    }
}

/// Without the pages that are free already.
fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    let pages = number("PRAGMA page_count")?.saturating_sub(number("PRAGMA freelist_count")?);
    Ok(pages.saturating_mul(number("PRAGMA page_size")?))
}

/// The newest days stay whatever the date: a clock that ran ahead must not open today's limit again.
fn remove_days(connection: &Connection, table: &str, which: &str, before: &str) -> rusqlite::Result<()> {
    let old = format!(
        "DELETE FROM {table} WHERE day < ?1 AND {which}
           AND day NOT IN (SELECT DISTINCT day FROM {table} ORDER BY day DESC LIMIT {NEWEST_DAYS})"
    );
    connection.execute(&old, [before]).map(drop)
}

fn remove_labels(connection: &mut Connection, from: i64) -> rusqlite::Result<Stage> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let last: Option<i64> = transaction
        .prepare_cached("SELECT max(id) FROM (SELECT id FROM labels WHERE id > ?1 ORDER BY id LIMIT ?2)")?
        .query_row([from, STEP], |row| row.get(0))?;
    let Some(last) = last else { return Ok(Stage::Room) };
    transaction
        .prepare_cached(
            "DELETE FROM labels WHERE id > ?1 AND id <= ?2
                AND NOT EXISTS (SELECT 1 FROM calls INDEXED BY calls_by_label WHERE label_id = labels.id)",
        )?
        .execute([from, last])?;
    transaction.commit()?;
    Ok(Stage::Labels(last))
}

fn give_room_back(connection: &Connection) -> rusqlite::Result<Stage> {
    let free = || connection.query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0));
    let before = free()?;
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    // A file in which nothing can be freed is done as well.
    Ok(if free()? < before { Stage::Room } else { Stage::Over })
}
