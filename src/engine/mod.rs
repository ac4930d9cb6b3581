//! The engine: commands in, events and snapshots out. It owns every task and knows no front end; the outside
//! world comes in through [`ports`].
//!
//! Slow, rare things (configuration, health, model lists) have one writer, [`state`], driven by `supervisor`.
//! The hot path does not queue behind it: a call decides on its own task (`call`) against the latest
//! published [`live::Live`].

mod active;
mod call;
mod command;
mod count;
mod day;
mod diagnosis;
mod door;
mod ended;
mod exporting;
pub mod handle;
mod kept;
mod last_good;
mod listing;
mod live;
mod loads;
mod models;
mod moment;
mod observed;
mod pins;
mod plans;
pub mod ports;
mod presets;
pub mod protocol;
mod publish;
mod reading;
mod records;
mod rehearsal;
mod renamed;
mod replay;
mod report;
mod rules_version;
mod runs;
mod spending;
mod state;
mod supervisor;
pub mod till;
mod traffic;
mod unconfigured;
mod view;
mod warm;
mod watched;
mod what_if;

use crate::domain::config::Gateway;
use call::CallRunner;
use handle::{COMMAND_CAPACITY, EVENT_CAPACITY, EngineHandle};
use ports::{Loaded, Ports, Unusable};
use std::sync::Arc;
use std::time::Duration;
use supervisor::Supervisor;
use till::Till;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use traffic::Traffic;

/// How long calls that still run at the end may take to be accounted for.
const LAST_CALLS: Duration = Duration::from_millis(200);

/// How an engine is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Probe on a schedule. One-shot commands probe once, at the start.
    pub schedule_probes: bool,
    pub state_dir: String,
    /// What the front end started from although the file could not be used.
    pub rejected: Option<String>,
    /// Refuse every command that would change something.
    pub read_only: bool,
    /// The operating system and the machine, in one line, for reports.
    pub system: String,
}

/// A running engine. Dropping it does not stop the tasks; [`Engine::stop`] does.
pub struct Engine {
    pub handle: EngineHandle,
    task: JoinHandle<()>,
    stop: CancellationToken,
    ports: Ports,
    till: Arc<Till>,
    traffic: Arc<Traffic>,
    gateway: watch::Receiver<Option<Gateway>>,
}

impl Engine {
    /// Starts the tasks on the current tokio runtime. `loaded` is the configuration read by the caller, who
    /// decides what an unusable file means for it.
    pub fn start(ports: Ports, loaded: Result<Loaded, Unusable>, options: Options) -> Self {
        let stop = CancellationToken::new();
        let (commands, command_queue) = mpsc::channel(COMMAND_CAPACITY);
        let (events, _) = broadcast::channel(EVENT_CAPACITY);
        let traffic = Arc::new(Traffic::default());
        let (supervisor, snapshots, live, inputs) = Supervisor::new(
            ports.clone(),
            loaded,
            options,
            command_queue,
            events.clone(),
            traffic.clone(),
            stop.clone(),
        );
        let till = supervisor.till.clone();
        let gateway = supervisor.door.watched();
        let plans = supervisor.plans.clone();
        let caller = Arc::new(CallRunner::new(ports.clone(), live, traffic.clone(), inputs, till.clone(), plans));
        let handle = EngineHandle::new(commands, snapshots, events, caller);
        let task = tokio::spawn(supervisor.run());
        Self { handle, task, stop, ports, till, traffic, gateway }
    }

    /// The gateway's part of the configuration in force, with its keys; `None` until one is.
    pub fn gateway(&self) -> watch::Receiver<Option<Gateway>> {
        self.gateway.clone()
    }

    /// Ends probes and calls, waits for records to reach the disk, and returns.
    pub async fn stop(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            tracing::error!("the engine's task ended badly");
        }
        // What they cost so far is settled, and every one leaves its record.
        if timeout(LAST_CALLS, self.traffic.end_all()).await.is_err() {
            tracing::warn!(calls = self.traffic.running().len(), "calls were still under way at the end");
        }
        self.till.close().await;
        self.ports.ledger.flush().await;
    }
}

/// A watch that the supervisor writes and calls read.
type LiveReader = watch::Receiver<Arc<live::Live>>;
