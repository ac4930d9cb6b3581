//! Long work that is named by who asks for it: it announces its progress under that name, and can be stopped by it.

use super::command::Asker;
use super::protocol::RunId;
use std::collections::HashMap;
use tokio_util::sync::CancellationToken;

/// What stops each run; a token that is cancelled belongs to a run that has ended.
#[derive(Default)]
pub(super) struct Runs(HashMap<RunId, CancellationToken>);

impl Runs {
    pub(super) fn begin(&mut self, run: RunId, stop: CancellationToken) {
        self.0.retain(|_, stop| !stop.is_cancelled());
        self.0.insert(run, stop);
    }

    /// Ends the work of a run. One that has ended already is no mistake: it ended while the person pressed.
    pub(super) fn stop(&mut self, run: RunId) {
        if let Some(stop) = self.0.remove(&run) {
            stop.cancel();
        }
    }
}

/// Resolves when nobody waits for the reply any more; never for a command sent without waiting.
pub(super) async fn hung_up(asker: &mut Asker) {
    match asker {
        Some(asker) => asker.closed().await,
        None => std::future::pending().await,
    }
}
