//! A connection of its own to the ledger's file, for what has to be written before a call goes out: the writer's
//! batches must not hold it up. Each change is one transaction.

use super::file::{self, BUSY_WAIT};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub struct OwnConnection {
    path: PathBuf,
    /// `FULL`, where it must outlive a power cut, else `NORMAL`.
    synchronous: &'static str,
    /// The connection with the file's number: another file may have taken its place.
    open: Mutex<Option<(u64, Connection)>>,
}

impl OwnConnection {
    /// Nothing is opened before the first question.
    pub fn new(path: &Path, synchronous: &'static str) -> Self {
        Self { path: path.to_owned(), synchronous, open: Mutex::default() }
    }

    /// Runs `work` in one transaction that no other process can get between.
    ///
    /// # Errors
    /// A sentence.
    pub fn within<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, String> {
        self.transact(TransactionBehavior::Immediate, work)
    }

    /// Runs `work`, which only reads, and holds up nobody.
    ///
    /// # Errors
    /// A sentence.
    pub fn reading<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, String> {
        self.transact(TransactionBehavior::Deferred, work)
    }

    fn transact<T>(
        &self,
        behaviour: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let number = std::fs::metadata(&self.path).map(|file| file.ino()).ok();
        if open.as_ref().is_some_and(|(known, _)| Some(*known) != number) {
            *open = None;
        }
        let answer = (|| {
            if open.is_none() {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(&self.path, flags)?;
                connection.busy_timeout(BUSY_WAIT)?;
                connection.pragma_update(None, "synchronous", self.synchronous)?;
                *open = Some((number.unwrap_or_default(), connection));
            }
            let Some((_, connection)) = open.as_mut() else { return Err(rusqlite::Error::InvalidQuery) };
            let transaction = connection.transaction_with_behavior(behaviour)?;
            let answer = work(&transaction)?;
            transaction.commit()?;
            Ok(answer)
        })();
        answer.map_err(|error| {
            *open = None;
            file::sentence(&self.path, &error)
        })
    }
}
