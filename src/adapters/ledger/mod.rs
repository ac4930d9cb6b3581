//! The ledger: the durable record of calls and small notes, as an SQLite file that any SQLite tool reads
//! (`calls_readable` is the view for people). Writing happens on a thread of its own; reading on tokio's
//! blocking threads. Several processes may share the file.

mod condition;
mod conditions;
mod export;
mod file;
mod ids;
mod leases;
mod own;
mod plans;
mod retention;
mod row;
mod schema;
mod search;
mod shared;
mod stats;
mod watch;
mod writer;

pub use file::NAME as FILE_NAME;
pub use leases::Leases;
pub use retention::Keep;
pub use writer::QUEUE_CAPACITY;

use super::call_log::CallLog;
use super::clock::SystemClock;
use super::otlp::Outlet;
use super::private_files::private_folder;
use crate::domain::call::CallRecord;
use crate::domain::ids::{CallId, ProviderId};
use crate::domain::incident::{Incident, Past, Slot};
use crate::domain::time::UnixMs;
use crate::engine::ports::{Clock, DaySums, Ledger};
use crate::engine::protocol::{
    CallPage, CallQuery, CallStats, ExportPart, ExportQuery, IncidentQuery, LedgerCheck, ObservedSums, StatsQuery,
};
use futures_util::future::BoxFuture;
use ids::Ids;
use retention::Retention;
use search::SearchError;
use shared::Shared;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use watch::Seen;
use writer::{Message, Writer};

/// How long a question waits for records handed over before it: they are then part of the answer.
const SEE_OWN_WRITES: Duration = Duration::from_secs(2);
/// How long dropping the ledger waits for the last batch.
const LAST_BATCH: Duration = Duration::from_secs(1);

/// What may be set when a ledger is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub keep: Keep,
    /// IANA name of the zone whose days "today" means; the machine's own when `None`.
    pub timezone: Option<String>,
    /// Where records go on to once they are written.
    pub onward: Option<Outlet>,
}

/// See the module.
pub struct SqliteLedger {
    shared: Arc<Shared>,
    options: Options,
    clock: Arc<SystemClock>,
    queue: Option<mpsc::Sender<Message>>,
    /// In a lock only because a receiver may not be shared otherwise.
    ended: Mutex<Receiver<()>>,
}

impl SqliteLedger {
    /// Opens or makes the ledger in `folder` (made with mode 0700) and starts its writer, which also writes
    /// the lines of `log`.
    ///
    /// # Errors
    /// A sentence: the folder cannot be used, the file is locked or belongs to a newer lmdeck. A damaged file
    /// is no error: it is moved aside and [`Self::take_notice`] tells.
    pub fn open(folder: &Path, log: Option<CallLog>) -> Result<Arc<Self>, String> {
        Self::open_with(folder, log, Options::default())
    }

    /// [`Self::open`] with bounds and zone of the person's choice.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(folder: &Path, log: Option<CallLog>, options: Options) -> Result<Arc<Self>, String> {
        private_folder(folder)?;
        let file::Opened { connection, notice } = file::open(folder)?;
        let path = folder.join(FILE_NAME);
        let first = ids::reserve_first(&connection).map_err(|error| file::sentence(&path, &error))?;
        let shared = Arc::new(Shared::new(path, Ids::new(first), notice));
        let (queue, messages) = mpsc::channel(QUEUE_CAPACITY);
        let writer = Writer {
            connection,
            folder: folder.to_owned(),
            log,
            shared: shared.clone(),
            retention: Retention::new(options.keep),
            onward: options.onward.clone(),
        };
        // Holds one message, the end; the writer never waits on it.
        let (end, ended) = sync_channel(1);
        std::thread::Builder::new()
            .name("lmdeck-ledger".into())
            .spawn(move || {
                writer.run(messages);
                let _ = end.send(());
            })
            .map_err(|error| format!("the ledger's thread could not be started: {error}"))?;
        Ok(Arc::new(Self {
            shared,
            options,
            clock: Arc::new(SystemClock::new()),
            queue: Some(queue),
            ended: Mutex::new(ended),
        }))
    }

    /// A sentence about a damaged file that was moved aside, once.
    pub fn take_notice(&self) -> Option<String> {
        self.shared.take_notice()
    }

    fn nudge(&self) {
        // A full queue is as good: the writer looks after ids and notes with every batch.
        if let Some(queue) = &self.queue {
            let _ = queue.try_send(Message::Nudge);
        }
        self.shared.gathering.cut();
    }

    fn keep(&self, seen: Seen) {
        // A full queue means calls wait for the disk: what was seen of a provider is the lesser loss.
        if self.queue.as_ref().is_none_or(|queue| queue.try_send(Message::Seen(Box::new(seen))).is_err()) {
            tracing::warn!("what was seen of a provider is not recorded: the disk does not keep up");
        }
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&rusqlite::Connection) -> Result<T, SearchError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, String>> {
        let (shared, flushed) = (self.shared.clone(), self.flush());
        Box::pin(async move {
            // A writer that is held up must not hold up reading.
            let _ = tokio::time::timeout(SEE_OWN_WRITES, flushed).await;
            let asked = tokio::task::spawn_blocking(move || {
                shared.readers.ask(|connection| question(connection).map_err(|error| explain(&shared.path, error)))
            });
            asked.await.unwrap_or_else(|error| Err(format!("the ledger could not be asked: {error}")))
        })
    }
}

fn explain(path: &Path, error: SearchError) -> String {
    match error {
        SearchError::Filter(error) => error.to_string(),
        SearchError::UnknownCall(id) => {
            format!("there is no call {id} in the ledger: take an id that the list shows, or list without one")
        }
        SearchError::File(sentence) => sentence,
        SearchError::Sql(error) => file::sentence(path, &error),
    }
}

impl Ledger for SqliteLedger {
    fn next_id(&self) -> CallId {
        self.shared.ids.next(|_| self.nudge())
    }

    fn record(&self, record: Arc<CallRecord>) {
        let handed_over = self.queue.as_ref().is_some_and(|queue| queue.try_send(Message::Record(record)).is_ok());
        if !handed_over {
            self.shared.count_lost(1);
        }
    }

    fn dropped(&self) -> u64 {
        self.shared.lost()
    }

    fn flush(&self) -> BoxFuture<'static, ()> {
        let (queue, shared) = (self.queue.clone(), self.shared.clone());
        Box::pin(async move {
            let (done, written) = oneshot::channel();
            if let Some(queue) = queue
                && queue.send(Message::Flush(done)).await.is_ok()
            {
                shared.gathering.cut();
                // An error means that the writer ended, after writing everything.
                let _ = written.await;
            }
        })
    }

    fn calls(&self, query: CallQuery, now: UnixMs) -> BoxFuture<'static, Result<CallPage, String>> {
        let today = self.clock.day_start(now, self.options.timezone.as_deref());
        self.ask(move |connection| search::page(connection, &query, now, today))
    }

    fn call(&self, id: CallId) -> BoxFuture<'static, Result<Option<CallRecord>, String>> {
        self.ask(move |connection| search::call(connection, &id))
    }

    fn day(&self, since: UnixMs) -> BoxFuture<'static, Result<DaySums, String>> {
        self.ask(move |connection| search::day(connection, since))
    }

    fn records(&self, query: CallQuery, now: UnixMs) -> BoxFuture<'static, Result<Vec<CallRecord>, String>> {
        self.ask(move |connection| {
            search::records(connection, &query.filter, (query.since, query.before.as_ref()), query.limit, now)
        })
    }

    fn observed(&self, since: UnixMs) -> BoxFuture<'static, Result<ObservedSums, String>> {
        self.ask(move |connection| search::observed(connection, since))
    }

    fn stats(&self, query: StatsQuery, now: UnixMs) -> BoxFuture<'static, Result<CallStats, String>> {
        let zone = self.options.timezone.as_deref();
        let (today, zone) = (self.clock.day_start(now, zone), self.clock.zone(zone));
        self.ask(move |connection| stats::stats(connection, &query, now, today, &zone))
    }

    fn export(&self, query: ExportQuery, now: UnixMs) -> BoxFuture<'static, Result<ExportPart, String>> {
        self.ask(move |connection| export::export(connection, &query, now))
    }

    fn check(&self) -> BoxFuture<'static, Result<LedgerCheck, String>> {
        let path = self.shared.path.clone();
        self.ask(move |connection| condition::condition(connection, &path))
    }

    fn recall(&self, key: &str) -> Option<String> {
        if let Some(value) = self.shared.notes.get(key) {
            return Some(value);
        }
        let path = &self.shared.path;
        let saved = self
            .shared
            .readers
            .ask(|connection| shared::saved_note(connection, key).map_err(|error| file::sentence(path, &error)));
        saved.unwrap_or_else(|sentence| {
            tracing::warn!("a kept choice could not be read: {sentence}");
            None
        })
    }

    fn remember(&self, key: &str, value: &str) {
        self.shared.notes.put(key, value);
        self.nudge();
    }

    fn past(&self, since: UnixMs, incidents: usize) -> Past {
        let path = &self.shared.path;
        let past = self
            .shared
            .readers
            .ask(|connection| watch::past(connection, since, incidents).map_err(|error| file::sentence(path, &error)));
        past.unwrap_or_else(|sentence| {
            tracing::warn!("what was seen before could not be read: {sentence}");
            Past::default()
        })
    }

    fn note_incident(&self, incident: &Incident) {
        self.keep(Seen::Incident(incident.clone()));
    }

    fn note_slot(&self, provider: &ProviderId, slot: Slot) {
        self.keep(Seen::Slot(provider.clone(), slot));
    }

    fn incidents(&self, query: IncidentQuery) -> BoxFuture<'static, Result<Vec<Incident>, String>> {
        self.ask(move |connection| Ok(watch::list(connection, &query)?))
    }
}

impl Drop for SqliteLedger {
    fn drop(&mut self) {
        self.queue = None;
        self.shared.gathering.cut();
        let ended = self.ended.get_mut().map(|ended| ended.recv_timeout(LAST_BATCH));
        if matches!(ended, Ok(Err(RecvTimeoutError::Timeout))) {
            tracing::warn!("the ledger is held up: the last calls may not be recorded");
        }
    }
}
