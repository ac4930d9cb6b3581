//! What every verb that talks to the engine needs: the handle, the console, and the questions all of them ask.

use super::console::Console;
use super::ending::{DENIED, Ending, USAGE};
use super::suggest;
use crate::engine::handle::EngineHandle;
use crate::engine::protocol::{Command, ProbeWhich, ProviderView, Reply, RunId, Snapshot};
use crate::present::labels::Role;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// A probe of a server that works takes less.
const WONDER_AFTER: Duration = Duration::from_millis(1500);

pub struct Session {
    pub handle: EngineHandle,
    pub console: Console,
    /// Started with `--readonly`.
    pub readonly: bool,
}

impl Session {
    /// The engine's answer; a refusal is an ending.
    pub async fn ask(&self, command: Command) -> Result<Reply, Ending> {
        or_refused(self.handle.ask(command).await)
    }

    /// For verbs that change something.
    pub fn writable(&self) -> Result<(), Ending> {
        if self.readonly {
            return Err(Ending::new(DENIED, "read-only: started with --readonly", "run it again without --readonly"));
        }
        Ok(())
    }

    /// The picture after every provider was asked once, so that a process that just started knows something.
    pub async fn probed(&mut self) -> Result<Arc<Snapshot>, Ending> {
        self.probe(ProbeWhich::All).await?;
        Ok(self.handle.snapshot())
    }

    /// A probe that only looks, for a verb that needs to know how things stand.
    pub async fn probe(&mut self, which: ProbeWhich) -> Result<Reply, Ending> {
        self.ask_for_probe(Command::Probe { which, anew: false }).await
    }

    /// The probe that a person asked for: what holds the providers back is forgotten.
    pub async fn probe_anew(&mut self, which: ProbeWhich) -> Result<Reply, Ending> {
        self.ask_for_probe(Command::Probe { which, anew: true }).await
    }

    /// A probe, and a word about it when it takes so long that a person wonders.
    async fn ask_for_probe(&mut self, probe: Command) -> Result<Reply, Ending> {
        let handle = self.handle.clone();
        let mut reply = pin!(handle.ask(probe));
        if let Ok(reply) = tokio::time::timeout(WONDER_AFTER, &mut reply).await {
            return or_refused(reply);
        }
        self.console.say(Role::Muted, "-- asking the providers; one that is silent takes some seconds");
        or_refused(reply.await)
    }

    /// The name of a run that this process begins now.
    pub fn run_id(&self) -> RunId {
        RunId::of(std::process::id(), self.console.now())
    }

    /// A provider by its id, or who else could be meant. While nothing is configured the providers are the servers that
    /// run on this machine: they are known once somebody looked.
    pub async fn provider(&mut self, id: &str) -> Result<Arc<ProviderView>, Ending> {
        let mut snapshot = self.handle.snapshot();
        if find(&snapshot, id).is_none() && snapshot.config.first_run {
            snapshot = self.probed().await?;
        }
        match find(&snapshot, id) {
            Some(provider) => Ok(provider.clone()),
            None => Err(unknown_provider(&snapshot, id)),
        }
    }

    /// The same after it was asked; the others are not waited for. One that is switched off is shown as it is.
    pub async fn probed_provider(&mut self, id: &str) -> Result<Arc<ProviderView>, Ending> {
        let view = self.provider(id).await?;
        if !view.enabled {
            return Ok(view);
        }
        self.probe(ProbeWhich::One(view.id.clone())).await?;
        self.provider(id).await
    }
}

pub(super) fn or_refused(reply: Reply) -> Result<Reply, Ending> {
    match reply {
        Reply::Refused(refusal) => Err(refusal.into()),
        reply => Ok(reply),
    }
}

pub fn find<'a>(snapshot: &'a Snapshot, id: &str) -> Option<&'a Arc<ProviderView>> {
    snapshot.providers.iter().find(|provider| provider.id.as_str() == id)
}

pub fn unknown_provider(snapshot: &Snapshot, id: &str) -> Ending {
    let ids: Vec<&str> = snapshot.providers.iter().map(|provider| provider.id.as_str()).collect();
    let remedy = match suggest::nearest(id, ids.iter().copied()) {
        Some(near) => format!("did you mean {near}? lmdeck providers list names all"),
        None if ids.is_empty() => "there is no provider yet: lmdeck providers discover looks for one".to_owned(),
        None => format!("use one of {}", ids.join(", ")),
    };
    Ending::new(USAGE, format!("no provider is called {id}"), remedy)
}

/// A reply of another kind than the command has: only a fault can bring it about.
pub fn unexpected(what: &str) -> Ending {
    Ending::internal(format!("the engine answered {what} with something else"))
}
