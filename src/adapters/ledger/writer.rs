//! The ledger's one writer: a thread that takes what callers hand over, writes it in batches, keeps ids in
//! stock, and removes what is too old while nobody waits.

use super::file::{self, Opened};
use super::ids;
use super::retention::Retention;
use super::row;
use super::shared::Shared;
use super::watch::{self, Seen};
use crate::adapters::call_log::CallLog;
use crate::adapters::clock::unix_now;
use crate::adapters::otlp::Outlet;
use crate::domain::call::CallRecord;
use rusqlite::{Connection, TransactionBehavior, params};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Records waiting for the disk; when full, further ones are dropped and counted, the caller never waits.
pub const QUEUE_CAPACITY: usize = 4096;
/// Records per transaction.
const BATCH: usize = 256;
/// How long the first record of a batch waits for others: one transaction for all of them, and no caller has to
/// wake this thread meanwhile, unless it waits for an answer itself. Well within the 50 ms that may be lost (DESIGN §7).
const GATHER: Duration = Duration::from_millis(20);
/// Tries of a batch while another process holds the lock, each as long as [`file::BUSY_WAIT`].
const BUSY_TRIES: u32 = 3;

/// Asks the writer to look after ids and notes.
pub struct Nudge;

pub enum Message {
    Record(Arc<CallRecord>),
    /// Answered when everything handed over before is on disk.
    Flush(oneshot::Sender<()>),
    Nudge,
    Seen(Box<Seen>),
}

/// Everything the thread owns.
pub struct Writer {
    pub connection: Connection,
    pub folder: PathBuf,
    pub log: Option<CallLog>,
    pub shared: Arc<Shared>,
    pub retention: Retention,
    /// Where records go on to once they are written.
    pub onward: Option<Outlet>,
}

impl Writer {
    /// Runs until every sender is gone and the queue is empty.
    pub fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        while let Some(first) = self.next(&mut queue) {
            let mut records = Vec::new();
            let mut seen = Vec::new();
            let mut waiting = Vec::new();
            if matches!(first, Message::Record(_)) {
                self.shared.gathering.wait(GATHER);
            }
            let mut message = Some(first);
            while let Some(next) = message {
                match next {
                    Message::Record(record) => records.push(record),
                    Message::Flush(done) => waiting.push(done),
                    Message::Nudge => {}
                    Message::Seen(one) => seen.push(*one),
                }
                message = if records.len() < BATCH { queue.try_recv().ok() } else { None };
            }
            self.write(&records);
            if let Some(onward) = &self.onward {
                for record in records {
                    onward.send(record);
                }
            }
            self.write_seen(&seen);
            self.write_notes();
            self.stock_ids();
            for done in waiting {
                // Who asked may have stopped waiting.
                let _ = done.send(());
            }
        }
        if let Err(error) = ids::give_back(&self.connection, &self.shared.ids) {
            tracing::debug!(%error, "unused call ids could not be handed back: there will be a gap");
        }
    }

    fn next(&mut self, queue: &mut mpsc::Receiver<Message>) -> Option<Message> {
        while self.retention.is_due(unix_now()) {
            match queue.try_recv() {
                Ok(message) => return Some(message),
                Err(mpsc::error::TryRecvError::Disconnected) => return None,
                Err(mpsc::error::TryRecvError::Empty) => self.retention.step(&mut self.connection, unix_now()),
            }
        }
        queue.blocking_recv()
    }

    /// What was seen of providers is worth a line in the log when it is lost, and no second try.
    fn write_seen(&mut self, seen: &[Seen]) {
        if seen.is_empty() {
            return;
        }
        self.return_to_the_file();
        if let Err(error) = watch::write(&mut self.connection, seen) {
            tracing::warn!("incidents are not recorded: {}", file::sentence(&self.shared.path, &error));
        }
    }

    fn write(&mut self, records: &[Arc<CallRecord>]) {
        if records.is_empty() {
            return;
        }
        self.return_to_the_file();
        let mut lost = self.write_rows(records);
        if let Some(log) = &mut self.log
            && let Err(error) = log.write(records)
        {
            tracing::error!(%error, "the call log cannot be written: make room on the disk, or check the folder's mode");
            // A record that is lost to the ledger or to the log counts once.
            lost = records.len() as u64;
        }
        self.shared.count_lost(lost);
    }

    /// The number of records that could not be written.
    fn write_rows(&mut self, records: &[Arc<CallRecord>]) -> u64 {
        let mut mended = false;
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match insert_all(&mut self.connection, records) {
                Ok(()) => return 0,
                Err(error) => error,
            };
            if file::is_busy(&error) && tries < BUSY_TRIES {
                continue;
            }
            if file::is_damage(&error) && !mended {
                mended = true;
                if self.reopen() {
                    continue;
                }
            }
            tracing::error!("calls are not recorded: {}", file::sentence(&self.shared.path, &error));
            // One record that SQLite refuses (too large) must not take the others with it.
            let alone = !file::is_busy(&error) && !file::is_damage(&error) && records.len() > 1;
            if !alone {
                return records.len() as u64;
            }
            let one_by_one =
                records.iter().filter(|record| insert_all(&mut self.connection, std::slice::from_ref(record)).is_err());
            return one_by_one.count() as u64;
        }
    }

    /// Where somebody took the file away, a new one is begun instead of writing into the void.
    fn return_to_the_file(&mut self) {
        if !self.shared.path.exists() && self.reopen() {
            tracing::warn!(file = %self.shared.path.display(), "the ledger's file was taken away: a new one was begun");
        }
    }

    fn reopen(&mut self) -> bool {
        match file::reopen_after_damage(&self.folder) {
            Ok(Opened { connection, notice }) => {
                if let Err(error) = ids::go_on_from(&connection, &self.shared.ids) {
                    tracing::warn!(%error, "ids of the lost ledger may be given out again");
                }
                self.connection = connection;
                self.shared.readers.renew();
                if let Some(notice) = notice {
                    self.shared.tell(notice);
                }
                true
            }
            Err(sentence) => {
                tracing::error!("{sentence}");
                false
            }
        }
    }

    fn write_notes(&mut self) {
        let pending = self.shared.notes.pending();
        if pending.is_empty() {
            return;
        }
        match save_notes(&mut self.connection, &pending) {
            Ok(()) => self.shared.notes.saved(&pending),
            // They stay pending and are tried again with the next batch.
            Err(error) => tracing::error!("a choice is not kept: {}", file::sentence(&self.shared.path, &error)),
        }
    }

    fn stock_ids(&mut self) {
        if let Some(size) = self.shared.ids.wanted() {
            let block = ids::reserve(&self.connection, size).unwrap_or_else(|error| {
                tracing::warn!("call ids will be long ones: {}", file::sentence(&self.shared.path, &error));
                0..0
            });
            self.shared.ids.stock(block);
        }
    }
}

fn insert_all(connection: &mut Connection, records: &[Arc<CallRecord>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for record in records {
        row::insert(&transaction, record)?;
    }
    transaction.commit()
}

fn save_notes(connection: &mut Connection, notes: &[(String, String)]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (key, value) in notes {
        transaction.execute(
            "INSERT INTO notes (key, value, ts) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, ts = excluded.ts",
            params![key, value, unix_now().0],
        )?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::ledger::ids::Ids;
    use crate::adapters::ledger::retention::Keep;
    use crate::domain::call::{Facts, Status};
    use crate::domain::money::Cost;
    use crate::domain::time::UnixMs;

    fn writer(folder: &std::path::Path) -> Writer {
        let Opened { connection, notice } = file::open(folder).unwrap();
        let shared = Arc::new(Shared::new(folder.join(file::NAME), Ids::new(1..9), notice));
        Writer {
            connection,
            folder: folder.to_owned(),
            log: None,
            shared,
            retention: Retention::new(Keep::default()),
            onward: None,
        }
    }

    fn calls(count: usize, answer: &str) -> Vec<Arc<CallRecord>> {
        let call = |number: usize| CallRecord {
            id: format!("c{}-{number}", answer.len()).into(),
            ts: UnixMs(1),
            facts: Facts::default(),
            policy: "named".into(),
            rules_version: 0,
            chain: vec![],
            rejects: vec![],
            target: None,
            status: Status::Ok,
            error: None,
            finish: None,
            duration_ms: 0,
            queue_ms: 0,
            ttft_ms: None,
            usage: None,
            cost: Cost::FREE,
            cache: "off".into(),
            attempts: vec![],
            prompt: None,
            answer: Some(answer.to_owned()),
            reserved: None,
            observed: Vec::new(),
            outside: None,
        };
        (0..count).map(|number| Arc::new(call(number))).collect()
    }

    fn rows(writer: &Writer) -> i64 {
        writer.connection.query_row("SELECT count(*) FROM calls", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_full_disk_loses_what_does_not_fit_counts_it_and_is_over_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        let limit = |writer: &Writer, pages: i64| {
            writer.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        };
        let pages: i64 = writer.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        limit(&writer, pages + 8);
        writer.write(&calls(5, &"x".repeat(20_000)));
        let lost = writer.shared.lost();
        assert!((1..=5).contains(&lost), "{lost}");
        assert_eq!(rows(&writer), 5 - i64::try_from(lost).unwrap());
        limit(&writer, 1_000_000);
        writer.write(&calls(5, "short"));
        assert_eq!((writer.shared.lost(), rows(&writer)), (lost, 10 - i64::try_from(lost).unwrap()));
    }

    #[test]
    fn a_call_written_twice_stands_there_once_as_it_was_last() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        let first = calls(1, "first");
        let mut again = calls(1, "again");
        writer.write(&first);
        Arc::get_mut(&mut again[0]).unwrap().id = first[0].id.clone();
        writer.write(&again);
        let answers: String =
            writer.connection.query_row("SELECT group_concat(answer) FROM calls", [], |row| row.get(0)).unwrap();
        assert_eq!((answers.as_str(), writer.shared.lost()), ("again", 0));
    }

    #[test]
    fn a_record_that_cannot_be_kept_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        writer
            .connection
            .execute_batch(
                "CREATE TRIGGER refuse BEFORE INSERT ON calls WHEN length(new.answer) > 50000
                 BEGIN SELECT raise(ABORT, 'too large'); END",
            )
            .unwrap();
        let mut batch = calls(3, "short");
        batch.extend(calls(1, &"x".repeat(60_000)));
        writer.write(&batch);
        assert_eq!((writer.shared.lost(), rows(&writer)), (1, 3));
    }
}
