//! What the ledger's callers and its writer share: ids, notes, connections for reading, the pause between
//! batches, and counts.

use super::file;
use super::ids::Ids;
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub struct Shared {
    pub path: PathBuf,
    pub ids: Ids,
    pub notes: Notes,
    pub readers: Readers,
    pub gathering: Pause,
    lost: AtomicU64,
    notice: Mutex<Option<String>>,
}

impl Shared {
    pub fn new(path: PathBuf, ids: Ids, notice: Option<String>) -> Self {
        Self {
            readers: Readers { path: path.clone(), idle: Mutex::default() },
            path,
            ids,
            notes: Notes::default(),
            gathering: Pause::default(),
            lost: AtomicU64::new(0),
            notice: Mutex::new(notice),
        }
    }

    pub fn count_lost(&self, records: u64) {
        self.lost.fetch_add(records, Ordering::Relaxed);
    }

    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub fn tell(&self, notice: String) {
        *locked(&self.notice) = Some(notice);
    }

    pub fn take_notice(&self) -> Option<String> {
        locked(&self.notice).take()
    }
}

/// A pause of the writer that somebody who waits for it can cut short.
#[derive(Default)]
pub struct Pause {
    hurry: Mutex<bool>,
    hurried: Condvar,
}

impl Pause {
    /// Returns after `length`, or as soon as somebody is in a hurry.
    pub fn wait(&self, length: Duration) {
        let hurry = locked(&self.hurry);
        let waited = self.hurried.wait_timeout_while(hurry, length, |hurry| !*hurry);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    /// Ends the pause under way, else the next one.
    pub fn cut(&self) {
        *locked(&self.hurry) = true;
        self.hurried.notify_one();
    }
}

/// Notes that are not on disk yet; they are read from here first.
#[derive(Default)]
pub struct Notes {
    pending: Mutex<HashMap<String, String>>,
}

impl Notes {
    pub fn put(&self, key: &str, value: &str) {
        locked(&self.pending).insert(key.to_owned(), value.to_owned());
    }

    pub fn get(&self, key: &str) -> Option<String> {
        locked(&self.pending).get(key).cloned()
    }

    pub fn pending(&self) -> Vec<(String, String)> {
        locked(&self.pending).iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Forgets those that were not changed again meanwhile.
    pub fn saved(&self, notes: &[(String, String)]) {
        let mut pending = locked(&self.pending);
        for (key, value) in notes {
            if pending.get(key) == Some(value) {
                pending.remove(key);
            }
        }
    }
}

/// The note as it stands on disk.
///
/// # Errors
/// SQLite's own.
pub fn saved_note(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection.prepare_cached("SELECT value FROM notes WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

/// Connections kept open for the next question.
const IDLE_READERS: usize = 2;

/// Connections for reading. A question takes one for itself, so a slow one holds up nobody.
pub struct Readers {
    path: PathBuf,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    /// Grows when the file was replaced: connections of an older one are not kept.
    generation: u64,
}

impl Readers {
    /// # Errors
    /// A sentence when no connection can be had, else what `question` says.
    pub fn ask<T>(&self, question: impl FnOnce(&Connection) -> Result<T, String>) -> Result<T, String> {
        let (idle, generation) = {
            let mut idle = locked(&self.idle);
            (idle.connections.pop(), idle.generation)
        };
        let connection = match idle {
            Some(connection) => connection,
            None => file::open_reader(&self.path).map_err(|error| file::sentence(&self.path, &error))?,
        };
        let answer = question(&connection);
        let mut idle = locked(&self.idle);
        if idle.generation == generation && idle.connections.len() < IDLE_READERS {
            idle.connections.push(connection);
        }
        answer
    }

    /// The file was replaced: open connections belong to the old one.
    pub fn renew(&self) {
        let mut idle = locked(&self.idle);
        idle.generation += 1;
        idle.connections.clear();
    }
}

/// The values behind these locks are whole at any moment, so a panic elsewhere does not spoil them.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
