//! The person's choice of a target: made by a command, kept in the state folder, and taken over from other processes
//! that share it. What it does to a decision is in `domain::routing`.

use super::command::{Asker, reply_to};
use super::ports::Ledger;
use super::protocol::Reply;
use super::supervisor::Supervisor;
use crate::domain::routing::ActiveChoice;

/// Where it is kept in the state folder.
const NOTE: &str = "active_target";

/// The choice as it was made last, by whatever process.
pub fn kept(ledger: &dyn Ledger) -> Option<ActiveChoice> {
    ledger.recall(NOTE).and_then(|note| serde_json::from_str(&note).ok())
}

/// Keeps it for later starts and for the processes that share the folder.
pub fn keep(ledger: &dyn Ledger, choice: &ActiveChoice) {
    if let Ok(note) = serde_json::to_string(choice) {
        ledger.remember(NOTE, &note);
    }
}

impl Supervisor {
    pub(super) fn use_target(&mut self, choice: ActiveChoice, asker: Asker) {
        let provider = match &choice {
            ActiveChoice::Auto => None,
            ActiveChoice::Provider(id) => Some(id),
            ActiveChoice::Target(target) => Some(&target.provider),
        };
        if let Some(id) = provider
            && let Err(refusal) = self.profile(id)
        {
            return reply_to(asker, *refusal);
        }
        if let ActiveChoice::Target(target) = &choice
            && self.live_now().world.model(target).is_some_and(|model| !model.chat)
        {
            let remedy = "choose a chat model: lmdeck models list tells them apart";
            return reply_to(asker, Reply::unknown(format!("{target} is no chat model"), remedy));
        }
        keep(self.ports.ledger.as_ref(), &choice);
        self.active = choice;
        self.publish();
        reply_to(asker, Reply::Done);
    }

    /// Takes over what another process chose since. Returns whether that is another target.
    pub(super) fn follow_choice(&mut self) -> bool {
        match kept(self.ports.ledger.as_ref()) {
            Some(choice) if choice != self.active => {
                self.active = choice;
                true
            }
            _ => false,
        }
    }
}
