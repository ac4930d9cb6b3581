//! Spans and metrics of finished calls, sent to a collector as OpenTelemetry's JSON over HTTP, by the conventions for
//! generative AI. Nothing of it is on a caller's way: the ledger's writer hands over the records it has written, and a
//! thread of its own makes spans of them ([`spans`]), counts ([`metrics`]) and sends ([`worker`]).

mod common;
mod json;
mod metrics;
mod spans;
mod worker;

pub use metrics::SERIES_CAPACITY;
pub use worker::Pace;

use super::http::Delivery;
use crate::domain::call::CallRecord;
use crate::domain::config::Collector;
use crate::engine::protocol::{ExportView, Snapshot};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use worker::{LAST_PATIENCE, Worker};

/// Calls waiting to be sent; when full, further ones are dropped and counted, and nobody waits.
pub const CALL_CAPACITY: usize = 1024;
/// How long [`Exporter::close`] waits for the last requests.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Where finished calls are handed over. Cloneable; never waits.
#[derive(Debug, Clone)]
pub struct Outlet {
    calls: mpsc::Sender<Arc<CallRecord>>,
    overrun: Arc<AtomicU64>,
}

impl Outlet {
    /// Hands a call over. What its prompt and answer were does not wait with it.
    pub fn send(&self, call: Arc<CallRecord>) {
        let call = match (&call.prompt, &call.answer) {
            (None, None) => call,
            _ => Arc::new(CallRecord { prompt: None, answer: None, ..CallRecord::clone(&call) }),
        };
        if self.calls.try_send(call).is_err() {
            self.overrun.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What the thread is made of, until it runs.
struct Parts {
    collector: Collector,
    calls: mpsc::Receiver<Arc<CallRecord>>,
    standing: watch::Sender<ExportView>,
}

/// The export to one collector.
pub struct Exporter {
    outlet: Outlet,
    standing: watch::Receiver<ExportView>,
    stop: CancellationToken,
    parts: Option<Parts>,
    ended: Option<Receiver<()>>,
}

impl Exporter {
    /// Calls can be handed over from now on; nothing is sent before [`Self::begin`].
    pub fn new(collector: Collector) -> Self {
        let (sender, calls) = mpsc::channel(CALL_CAPACITY);
        let view = ExportView { endpoint: collector.endpoint.api_base.clone(), ..ExportView::default() };
        let (standing, reader) = watch::channel(view);
        Self {
            outlet: Outlet { calls: sender, overrun: Arc::default() },
            standing: reader,
            stop: CancellationToken::new(),
            parts: Some(Parts { collector, calls, standing }),
            ended: None,
        }
    }

    pub fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// How it stands, and when that changes.
    pub fn standing(&self) -> watch::Receiver<ExportView> {
        self.standing.clone()
    }

    /// Starts the thread that sends; a second time it does nothing. `snapshots` tell who the providers are.
    ///
    /// # Errors
    /// A sentence: there is no thread to be had.
    pub fn begin(&mut self, snapshots: watch::Receiver<Arc<Snapshot>>, pace: Pace) -> Result<(), String> {
        let Some(parts) = self.parts.take() else { return Ok(()) };
        let (overrun, stop) = (self.outlet.overrun.clone(), self.stop.clone());
        // Holds one message, the end; the thread never waits on it.
        let (end, ended) = sync_channel(1);
        let spawned = std::thread::Builder::new().name("lmdeck-otlp".into()).spawn(move || {
            if let Err(why) = work(parts, snapshots, overrun, stop, pace) {
                tracing::error!("nothing is sent to the collector: {why}");
            }
            let _ = end.send(());
        });
        spawned.map_err(|error| format!("the thread for the collector could not be started: {error}"))?;
        self.ended = Some(ended);
        Ok(())
    }

    /// Sends what is left and returns, within a second whatever the collector does.
    pub fn close(self) {
        self.stop.cancel();
        if let Some(ended) = self.ended
            && ended.recv_timeout(LAST_WAIT).is_err()
        {
            tracing::warn!("the collector does not answer: the last calls may not have reached it");
        }
    }
}

fn work(
    parts: Parts,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    overrun: Arc<AtomicU64>,
    stop: CancellationToken,
    pace: Pace,
) -> Result<(), String> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let Parts { collector, calls, standing } = parts;
    let delivery = Delivery::new(&collector).map_err(|error| error.to_string())?;
    runtime.block_on(Worker { delivery, calls, snapshots, standing, overrun, stop, pace }.run());
    // A look-up of a name that hangs must not hold the exit.
    runtime.shutdown_timeout(LAST_PATIENCE / 8);
    Ok(())
}
