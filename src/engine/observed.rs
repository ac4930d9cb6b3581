//! What policies in observe mode would have done with the calls of the last 24 hours: read from the ledger at the
//! start and every minute, and counted on in between.

use super::command::{Asker, later};
use super::ended::Ended;
use super::protocol::{ObservedSums, Reply};
use super::supervisor::{Input, Supervisor};
use crate::domain::routing::Policy;
use crate::domain::time::UnixMs;

/// How far back matches count.
const SPAN_MS: i64 = 24 * 60 * 60 * 1000;

/// Counts a call that ended since the ledger was read.
pub fn count(sums: &mut ObservedSums, ended: &Ended) {
    sums.of += 1;
    for found in &ended.observed {
        sums.add(found, 1);
    }
}

impl Supervisor {
    fn observed_since(&self) -> UnixMs {
        UnixMs(self.ports.clock.now().0.saturating_sub(SPAN_MS))
    }

    /// Reads the matches of the last 24 hours, where a policy is observed at all.
    pub(super) fn read_observed(&self) {
        let watched = |policy: &Policy| policy.enabled && policy.observe;
        if !self.state.config.rules.policies.iter().any(watched) {
            return;
        }
        let (read, inputs) = (self.ports.ledger.observed(self.observed_since()), self.inputs.clone());
        tokio::spawn(async move {
            match read.await {
                Ok(sums) => {
                    // Fails only after the supervisor has stopped.
                    let _ = inputs.send(Input::Observed(sums)).await;
                }
                Err(message) => tracing::warn!("what observed policies matched could not be read: {message}"),
            }
        });
    }

    pub(super) fn list_observed(&self, asker: Asker) {
        let read = self.ports.ledger.observed(self.observed_since());
        later(asker, async move {
            match read.await {
                Ok(sums) => Reply::Observed(sums),
                Err(message) => Reply::refused(1, message, "look at the state folder: lmdeck config path names it"),
            }
        });
    }
}
