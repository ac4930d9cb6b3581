//! Answers that outlive the process (`cache.persist`): one `SQLite` file of the state folder that only its owner may
//! read, made when the first answer is kept. Processes that share the folder share it.

use crate::domain::time::UnixMs;
use crate::engine::ports::{AnswerStore, Kept};
use futures_util::future::BoxFuture;
use rusqlite::{Connection, OptionalExtension, params};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The file's name.
pub const NAME: &str = "answers.sqlite";
/// How long a statement waits for another process's lock.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Clone)]
pub struct KeptAnswers {
    path: PathBuf,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl KeptAnswers {
    /// Touches nothing yet.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join(NAME), connection: Arc::default() }
    }

    /// Runs `work` with the open file. Without `make`, a file that is not there stays so: then there is nothing.
    fn with<T>(&self, make: bool, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<Option<T>, String> {
        let trouble = |why: &dyn std::fmt::Display| format!("kept answers in {}: {why}", self.path.display());
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            if !make && !self.path.exists() {
                return Ok(None);
            }
            // Made by us first, so that it never is readable to others.
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path);
            file.map_err(|error| trouble(&error))?;
            *slot = Some(open(&self.path).map_err(|error| trouble(&error))?);
        }
        match slot.as_ref().map(work) {
            Some(Ok(done)) => Ok(Some(done)),
            Some(Err(error)) => {
                // Opened anew the next time: the file may have been replaced.
                *slot = None;
                Err(trouble(&error))
            }
            None => Ok(None),
        }
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA secure_delete = ON;
         CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, at INTEGER NOT NULL, answer TEXT NOT NULL) WITHOUT ROWID;
         CREATE INDEX IF NOT EXISTS answers_at ON answers (at);",
    )?;
    Ok(connection)
}

/// What serves no more does not stay on the disk.
fn forget_before(connection: &Connection, oldest: UnixMs) -> rusqlite::Result<usize> {
    connection.prepare_cached("DELETE FROM answers WHERE at < ?1")?.execute([oldest.0])
}

impl AnswerStore for KeptAnswers {
    fn get(&self, key: &str) -> BoxFuture<'static, Option<Kept>> {
        let (this, key) = (self.clone(), key.to_owned());
        Box::pin(async move {
            let read = move || {
                this.with(false, |connection| {
                    let mut find = connection.prepare_cached("SELECT answer FROM answers WHERE key = ?1")?;
                    find.query_row([&key], |row| row.get::<_, String>(0)).optional()
                })
            };
            match tokio::task::spawn_blocking(read).await {
                // What an older version wrote in another shape is as good as nothing.
                Ok(Ok(found)) => found.flatten().and_then(|text| serde_json::from_str(&text).ok()),
                Ok(Err(sentence)) => {
                    tracing::warn!("{sentence}");
                    None
                }
                Err(_) => None,
            }
        })
    }

    fn put(&self, key: &str, kept: Arc<Kept>, most: usize, oldest: UnixMs) -> BoxFuture<'static, ()> {
        let (this, key) = (self.clone(), key.to_owned());
        Box::pin(async move {
            let write = move || {
                let Ok(text) = serde_json::to_string(kept.as_ref()) else { return };
                let most = i64::try_from(most).unwrap_or(i64::MAX);
                let done = this.with(true, |connection| {
                    connection
                        .prepare_cached("INSERT OR REPLACE INTO answers (key, at, answer) VALUES (?1, ?2, ?3)")?
                        .execute(params![key, kept.at.0, text])?;
                    forget_before(connection, oldest)?;
                    connection
                        .prepare_cached(
                            "DELETE FROM answers WHERE key IN
                               (SELECT key FROM answers ORDER BY at DESC LIMIT -1 OFFSET ?1)",
                        )?
                        .execute([most])
                });
                if let Err(sentence) = done {
                    tracing::warn!("{sentence}");
                }
            };
            if tokio::task::spawn_blocking(write).await.is_err() {
                tracing::warn!("an answer could not be kept");
            }
        })
    }

    fn clear(&self) -> BoxFuture<'static, Result<u64, String>> {
        let this = self.clone();
        Box::pin(async move {
            let clear = move || this.with(false, |connection| connection.execute("DELETE FROM answers", []));
            let gone = tokio::task::spawn_blocking(clear).await.map_err(|error| error.to_string())??;
            Ok(gone.unwrap_or(0) as u64)
        })
    }

    fn tidy(&self, oldest: UnixMs) -> BoxFuture<'static, Result<(), String>> {
        let this = self.clone();
        Box::pin(async move {
            let forget = move || this.with(false, |connection| forget_before(connection, oldest));
            tokio::task::spawn_blocking(forget).await.map_err(|error| error.to_string())?.map(drop)
        })
    }

    fn stats(&self, oldest: UnixMs) -> BoxFuture<'static, Result<(u64, u64), String>> {
        let this = self.clone();
        Box::pin(async move {
            let count = move || {
                this.with(false, |connection| {
                    let sums =
                        "SELECT count(*), coalesce(sum(length(key) + length(answer)), 0) FROM answers WHERE at >= ?1";
                    connection.query_row(sums, [oldest.0], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
                })
            };
            let found = tokio::task::spawn_blocking(count).await.map_err(|error| error.to_string())??;
            let (entries, bytes) = found.unwrap_or((0, 0));
            Ok((entries.unsigned_abs(), bytes.unsigned_abs()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn kept(at: i64) -> Arc<Kept> {
        Arc::new(Kept {
            at: UnixMs(at),
            content_type: "application/json".into(),
            stream: false,
            events: Vec::new(),
            usage: None,
            finish: None,
        })
    }

    #[tokio::test]
    async fn what_serves_no_more_does_not_stay_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeptAnswers::new(folder.path());
        store.put("old", kept(1_000), 10, UnixMs(0)).await;
        store.put("new", kept(9_000), 10, UnixMs(5_000)).await;
        assert_eq!((store.get("old").await, store.stats(UnixMs(0)).await.unwrap().0), (None, 1));
        assert_eq!(store.stats(UnixMs(9_001)).await.unwrap().0, 0, "what is too old for who asks is not counted");
        assert!(store.get("new").await.is_some(), "and is left to those whom it still serves");
        store.tidy(UnixMs(9_001)).await.unwrap();
        assert_eq!(store.get("new").await, None, "also where nothing new is kept");
    }

    #[tokio::test]
    async fn they_outlive_the_store_and_the_oldest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeptAnswers::new(folder.path());
        assert_eq!(store.stats(UnixMs(0)).await, Ok((0, 0)));
        assert!(!folder.path().join(NAME).exists(), "looking makes no file");
        for (key, at) in [("a", 1), ("b", 2), ("c", 3)] {
            store.put(key, kept(at), 2, UnixMs(0)).await;
        }
        let mode = std::fs::metadata(folder.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let later = KeptAnswers::new(folder.path());
        assert_eq!(later.get("a").await, None);
        assert_eq!(later.get("c").await.as_ref(), Some(kept(3).as_ref()));
        assert_eq!(later.clear().await, Ok(2));
        assert_eq!(store.get("c").await, None);
    }
}
