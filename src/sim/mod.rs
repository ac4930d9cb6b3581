//! Simulated model servers: they answer on a free port of this machine as the real ones do, byte for byte where
//! it matters, and fail on request. The demo runs on them, and so do the tests; nothing else may use them.
//!
//! ```text
//! let sim = Sim::start(SimKind::LlamaCpp).await?;
//! sim.say(&["Hello", ", ", "world"]);                      // every answer from now on
//! sim.fault(Fault::Cut { after: 2 });                      // for the next chat request
//! sim.fault_on("/v1/models", Fault::Html);                 // for the next request of this path
//! sim.always_on("/v1/models", Fault::Silence);             // until sim.mend()
//! sim.fault(Fault::Trouble(Trouble::TooLong { tokens: 9000, window: 4096 }));  // in this server's own words
//! sim.seen();                                              // everything that was asked
//! sim.stop().await; sim.restart().await?;                  // on the same port
//! ```
//!
//! The same requests in the same order bring the same answers: there is no chance and no clock in them.
//!
//! Here: starting, stopping and what a script may set ([`script`]). Sockets are in `socket`, the way of a request in
//! `serve`, each server in a file or folder of its own.

mod anthropic;
mod anthropic_stream;
mod asked;
mod auth;
mod fault;
mod kind;
mod llama_cpp;
mod lm_studio;
mod model;
mod ollama;
mod openai;
mod openrouter;
mod port;
mod reply;
mod scene;
mod script;
mod seen;
mod serve;
mod settings;
mod socket;
mod spoil;
mod trouble;
mod vllm;
mod z_ai;

pub use fault::{Fault, Trouble};
pub use kind::{LmStudioApi, SimKind};
pub use model::{SimInstance, SimModel};
pub use port::PlainPort;
pub use seen::SeenRequest;
pub use settings::{Limits, Pace, Spoken, ToolCall};

use settings::Settings;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a server's tasks share with its script.
struct Shared {
    kind: SimKind,
    settings: Mutex<Settings>,
    connections: AtomicUsize,
    streaming: AtomicUsize,
    changed: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running simulated server; see the module. Dropping it ends it.
pub struct Sim {
    shared: Arc<Shared>,
    port: u16,
    running: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
}

impl Sim {
    /// Starts a server on a free port of 127.0.0.1, with one loaded model `demo-8b` that greets the world.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(kind: SimKind) -> std::io::Result<Self> {
        Self::start_at(kind, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// The same on an address of the caller's choice; port 0 is any free one.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start_at(kind: SimKind, address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            kind,
            settings: Mutex::new(Settings::of(kind)),
            connections: AtomicUsize::new(0),
            streaming: AtomicUsize::new(0),
            changed: Notify::new(),
        });
        let sim = Self { shared, port, running: Mutex::new(None) };
        sim.serve(listener);
        Ok(sim)
    }

    fn serve(&self, listener: TcpListener) {
        let cancel = CancellationToken::new();
        let task = tokio::spawn(socket::accept(listener, self.shared.clone(), cancel.clone()));
        *self.running() = Some((cancel, task));
    }

    fn running(&self) -> MutexGuard<'_, Option<(CancellationToken, JoinHandle<()>)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the server: its port refuses connections, open ones are closed.
    pub async fn stop(&self) {
        let running = self.running().take();
        if let Some((cancel, task)) = running {
            cancel.cancel();
            if let Err(error) = task.await {
                tracing::warn!("a simulated server ended badly: {error}");
            }
        }
    }

    /// Listens on the same port again.
    ///
    /// # Errors
    /// Another program took the port meanwhile.
    pub async fn restart(&self) -> std::io::Result<()> {
        self.stop().await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await?;
        self.serve(listener);
        Ok(())
    }

    pub fn kind(&self) -> SimKind {
        self.shared.kind
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// As a person would write it into the configuration.
    pub fn address(&self) -> String {
        match self.shared.kind {
            SimKind::ZAi | SimKind::Openrouter => format!("{}{}", self.origin(), self.shared.kind.base()),
            _ => self.origin(),
        }
    }

    /// Every request so far, oldest first; of very many only the newest.
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.shared.lock().seen.iter().cloned().collect()
    }

    /// The chat requests so far.
    pub fn chats(&self) -> Vec<SeenRequest> {
        self.seen().into_iter().filter(|request| request.path.ends_with("/chat/completions")).collect()
    }

    /// How often a path was asked.
    pub fn asked(&self, path: &str) -> usize {
        self.shared.lock().seen.iter().filter(|request| request.path == path).count()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Streams that are being written now.
    pub fn streaming(&self) -> usize {
        self.shared.streaming.load(Ordering::SeqCst)
    }

    /// Done when a request comes, a connection opens or a stream begins or ends after this call.
    pub fn changed(&self) -> Notified<'_> {
        self.shared.changed.notified()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if let Some((cancel, _)) = self.running().take() {
            cancel.cancel();
        }
    }
}
