//! The one way front ends reach the engine. Cloneable; knows channels, not the engine's insides, so that a
//! handle to another process can be built from the same parts.

use super::protocol::{CallEvent, Command, Event, GatewayView, Reply, Snapshot};
use crate::domain::call::CallRequest;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Commands waiting for the engine; when full, `send` and `ask` say that it is busy.
pub const COMMAND_CAPACITY: usize = 256;
/// Events kept for slow readers; who is slower learns how many it missed.
pub const EVENT_CAPACITY: usize = 512;
/// Events of one call under way; when full, the upstream is read no further.
pub const CALL_CAPACITY: usize = 64;

/// What travels to the engine.
#[derive(Debug)]
pub enum Envelope {
    Command {
        command: Command,
        reply: Option<oneshot::Sender<Reply>>,
    },
    /// The hosting process tells whether its gateway listens.
    Gateway(GatewayView),
}

/// Runs calls. In this process it is the engine's call runner.
pub trait Caller: Send + Sync {
    /// Starts one call; its events arrive on the receiver. Dropping the receiver cancels the call.
    fn dispatch(&self, request: CallRequest) -> mpsc::Receiver<CallEvent>;
}

/// See the module.
#[derive(Clone)]
pub struct EngineHandle {
    commands: mpsc::Sender<Envelope>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    events: broadcast::Sender<Event>,
    caller: Arc<dyn Caller>,
}

impl EngineHandle {
    pub fn new(
        commands: mpsc::Sender<Envelope>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        events: broadcast::Sender<Event>,
        caller: Arc<dyn Caller>,
    ) -> Self {
        Self { commands, snapshots, events, caller }
    }

    /// Sends a command without waiting for its reply.
    ///
    /// # Errors
    /// The engine is busy or gone; the sentence says so.
    pub fn send(&self, command: Command) -> Result<(), &'static str> {
        self.push(Envelope::Command { command, reply: None })
    }

    /// Sends a command and waits for its reply. An engine that is gone answers with a refusal.
    pub async fn ask(&self, command: Command) -> Reply {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Envelope::Command { command, reply: Some(reply) }).await.is_err() {
            return gone();
        }
        answer.await.unwrap_or_else(|_| gone())
    }

    /// Like [`Self::ask`], but for a caller that must not wait: the reply arrives on the receiver.
    ///
    /// # Errors
    /// The engine is busy or gone; the sentence says so.
    pub fn ask_later(&self, command: Command) -> Result<oneshot::Receiver<Reply>, &'static str> {
        let (reply, answer) = oneshot::channel();
        self.push(Envelope::Command { command, reply: Some(reply) })?;
        Ok(answer)
    }

    /// Starts a call. Dropping the receiver cancels it; the accounting still happens.
    pub fn dispatch(&self, request: CallRequest) -> mpsc::Receiver<CallEvent> {
        self.caller.dispatch(request)
    }

    /// The newest picture now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// To wait for newer pictures.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Tells the engine whether this process serves the gateway, for status lines.
    pub fn report_gateway(&self, view: GatewayView) {
        if self.push(Envelope::Gateway(view)).is_err() {
            tracing::warn!("the engine was too busy to note the gateway's state");
        }
    }

    fn push(&self, envelope: Envelope) -> Result<(), &'static str> {
        self.commands.try_send(envelope).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => "the engine is busy: try again in a moment",
            mpsc::error::TrySendError::Closed(_) => "the engine has stopped",
        })
    }
}

fn gone() -> Reply {
    Reply::refused(1, "the engine has stopped", "start lmdeck again; lmdeck logs says why it stopped")
}
