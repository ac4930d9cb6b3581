//! The tables of the ledger and how older files become newer ones. Columns carry the names of the call log,
//! so that a question to the file needs no manual.

use rusqlite::{Connection, TransactionBehavior};

/// One step per version; a released step never changes. `PRAGMA user_version` counts those done.
const STEPS: [&str; 9] = [FIRST, WORK, WATCH, VIEWS, BUDGET, CACHE_WRITES, OBSERVED, LOCAL_ONLY, OUTSIDE];

/// What kind of answer was asked for: `chat`, `completion`, `embeddings`.
const WORK: &str = "ALTER TABLE calls ADD COLUMN work TEXT NOT NULL DEFAULT 'chat';";

/// Texts that people filter by stand a second time in `labels`, once per combination: a word is then looked
/// for among a few hundred rows instead of a million. `calls_by_time` holds everything else a filter may ask
/// for, so that a filter never touches the wide rows it leaves out.
const FIRST: &str = "
CREATE TABLE labels (
  id           INTEGER PRIMARY KEY,
  client       TEXT NOT NULL,
  session      TEXT NOT NULL,
  request_type TEXT NOT NULL,
  provider     TEXT NOT NULL,
  model        TEXT NOT NULL,
  policy       TEXT NOT NULL,
  error_code   TEXT NOT NULL,
  tags         TEXT NOT NULL,
  UNIQUE (client, session, request_type, provider, model, policy, error_code, tags)
) STRICT;

CREATE TABLE calls (
  seq                INTEGER PRIMARY KEY,
  id                 TEXT NOT NULL UNIQUE,
  ts                 INTEGER NOT NULL,
  label_id           INTEGER NOT NULL REFERENCES labels (id),
  client             TEXT NOT NULL,
  session            TEXT NOT NULL,
  request_type       TEXT NOT NULL,
  complexity         TEXT NOT NULL,
  audience           TEXT NOT NULL,
  priority           TEXT NOT NULL,
  requested_model    TEXT NOT NULL,
  prompt_tokens      INTEGER NOT NULL,
  max_tokens         INTEGER NOT NULL,
  stream             INTEGER NOT NULL,
  has_tools          INTEGER NOT NULL,
  has_images         INTEGER NOT NULL,
  wants_json         INTEGER NOT NULL,
  preferred_provider TEXT NOT NULL,
  tags               TEXT NOT NULL,
  policy             TEXT NOT NULL,
  rules_version      INTEGER NOT NULL,
  chain              TEXT NOT NULL,
  rejects            TEXT NOT NULL,
  reject_codes       TEXT NOT NULL,
  provider           TEXT,
  model              TEXT,
  status             TEXT NOT NULL,
  error_code         TEXT,
  error_cause        TEXT,
  error              TEXT,
  finish             TEXT,
  duration_ms        INTEGER NOT NULL,
  queue_ms           INTEGER NOT NULL,
  ttft_ms            INTEGER,
  tokens_in          INTEGER,
  tokens_out         INTEGER,
  tokens_cached      INTEGER,
  tokens_reasoning   INTEGER,
  cost_pico          INTEGER,
  cost_provenance    TEXT NOT NULL,
  cache              TEXT NOT NULL,
  tries              INTEGER NOT NULL,
  attempts           TEXT NOT NULL,
  prompt             TEXT,
  answer             TEXT
) STRICT;

CREATE INDEX calls_by_time ON calls
  (ts, label_id, status, duration_ms, ttft_ms, tokens_in, tokens_out, cost_pico, cost_provenance);
CREATE INDEX calls_by_label ON calls (label_id, ts);
CREATE INDEX calls_by_status ON calls (status, ts);
CREATE INDEX calls_by_provider ON calls (provider, ts);

CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  next INTEGER NOT NULL
) STRICT;
INSERT INTO counters (name, next) VALUES ('call', 1);

CREATE TABLE notes (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  ts    INTEGER NOT NULL
) STRICT;

CREATE VIEW calls_readable AS
SELECT id,
       strftime('%Y-%m-%dT%H:%M:%fZ', ts / 1000.0, 'unixepoch') AS time,
       client, request_type, session, tags, policy,
       provider || '/' || model                                 AS target,
       status, error_code,
       json_extract(error, '$.message')                         AS error,
       duration_ms / 1000.0                                     AS seconds,
       ttft_ms, tokens_in, tokens_out, tokens_cached,
       cost_pico / 1e12                                         AS cost_usd,
       cost_provenance, cache, tries
  FROM calls
 ORDER BY ts DESC, seq DESC;
";

/// Incidents of providers, and what was seen of them in slots of five minutes.
const WATCH: &str = "
CREATE TABLE incidents (
  provider    TEXT NOT NULL,
  since       INTEGER NOT NULL,
  seen        INTEGER NOT NULL,
  until       INTEGER,
  ending      TEXT,
  state       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  failure     TEXT,
  calls_moved INTEGER NOT NULL,
  moved_to    TEXT,
  PRIMARY KEY (provider, since)
) STRICT, WITHOUT ROWID;
CREATE INDEX incidents_open ON incidents (provider) WHERE until IS NULL;
CREATE INDEX incidents_by_end ON incidents (until);

CREATE TABLE watched (
  provider   TEXT NOT NULL,
  start      INTEGER NOT NULL,
  good       INTEGER NOT NULL,
  bad        INTEGER NOT NULL,
  worst      TEXT NOT NULL,
  slowest_ms INTEGER,
  PRIMARY KEY (provider, start)
) STRICT, WITHOUT ROWID;
CREATE INDEX watched_by_time ON watched (start);
";

/// The index that filters and sums walk holds the tries and the cache's part too.
const VIEWS: &str = "
DROP INDEX calls_by_time;
CREATE INDEX calls_by_time ON calls
  (ts, label_id, status, duration_ms, ttft_ms, tokens_in, tokens_out, cost_pico, cost_provenance, tries, cache);
";

/// Shares of a day's limit, what was spent beside them, and what was put aside for a call.
const BUDGET: &str = "
CREATE TABLE budget_leases (
  id           INTEGER PRIMARY KEY,
  day          TEXT NOT NULL,
  granted_pico INTEGER NOT NULL,
  spent_pico   INTEGER NOT NULL,
  process      INTEGER NOT NULL
) STRICT;
CREATE INDEX budget_leases_by_day ON budget_leases (day);

CREATE TABLE budget_days (
  day          TEXT PRIMARY KEY,
  outside_pico INTEGER NOT NULL,
  upto_seq     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE calls ADD COLUMN reserved_pico INTEGER;
";

/// Prompt tokens that went into the vendor's cache, and of them those kept for an hour.
const CACHE_WRITES: &str = "
ALTER TABLE calls ADD COLUMN tokens_cache_written INTEGER;
ALTER TABLE calls ADD COLUMN tokens_cache_written_hour INTEGER;
";

/// What observed policies would have made of a call, as JSON; NULL for most calls. The index holds those alone, so
/// that counting a day's matches touches no other row.
const OBSERVED: &str = "
ALTER TABLE calls ADD COLUMN observed TEXT;
CREATE INDEX calls_observed ON calls (ts, observed) WHERE observed IS NOT NULL;
";

/// The caller kept the request at home.
const LOCAL_ONLY: &str = "ALTER TABLE calls ADD COLUMN local_only INTEGER NOT NULL DEFAULT 0;";

/// What a call cost that was not reserved for; NULL where an older lmdeck wrote it.
const OUTSIDE: &str = "ALTER TABLE calls ADD COLUMN outside_pico INTEGER;";

/// Why a file could not be brought up to date.
pub enum MigrationError {
    Sql(rusqlite::Error),
    /// Written by a newer lmdeck.
    Newer {
        theirs: i64,
        ours: usize,
    },
}

impl From<rusqlite::Error> for MigrationError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Brings the tables up to date; each step is done wholly or not at all.
///
/// # Errors
/// The file belongs to a newer version, or SQLite refused.
pub fn migrate(connection: &mut Connection) -> Result<(), MigrationError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let steps = usize::try_from(done).ok().and_then(|done| STEPS.get(done..));
    let Some(steps) = steps else {
        return Err(MigrationError::Newer { theirs: done, ours: STEPS.len() });
    };
    if steps.is_empty() {
        return Ok(());
    }
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", i64::try_from(STEPS.len()).unwrap_or(i64::MAX))?;
    transaction.commit()?;
    Ok(())
}
