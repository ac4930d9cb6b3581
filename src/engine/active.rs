//! The person's choice of a target: made by a command, kept in the state folder, and taken over from other processes
//! that share it. What it does to a decision is in `domain::routing`.

use super::command::{Asker, reply_to};
use super::ports::{ConfigEdit, Ledger, Ports};
use super::protocol::{ProviderDraft, Reply};
use super::supervisor::Supervisor;
use crate::domain::ids::{ProviderId, Target};
use crate::domain::routing::ActiveChoice;

/// Where it is kept in the state folder.
const NOTE: &str = "active_target";

/// The choice as it was made last, by whatever process.
pub fn kept(ledger: &dyn Ledger) -> Option<ActiveChoice> {
    ledger.recall(NOTE).and_then(|note| serde_json::from_str(&note).ok())
}

/// The choice where the provider `old` is called `new`.
fn following(choice: ActiveChoice, old: &ProviderId, new: ProviderId) -> ActiveChoice {
    match choice {
        ActiveChoice::Provider(id) if id == *old => ActiveChoice::Provider(new),
        ActiveChoice::Target(target) if target.provider == *old => {
            ActiveChoice::Target(Target { provider: new, ..target })
        }
        other => other,
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
        if let Ok(note) = serde_json::to_string(&choice) {
            self.ports.ledger.remember(NOTE, &note);
        }
        self.active = choice;
        self.publish();
        reply_to(asker, Reply::Done);
    }

    /// Edits a provider in the file. Under another id it stays the one chosen.
    pub(super) fn edit_provider(&self, id: ProviderId, draft: ProviderDraft, asker: Asker) {
        let renamed = Some(draft.id.trim()).filter(|new| !new.is_empty() && *new != id.as_str()).map(ProviderId::from);
        let edit = ConfigEdit::EditProvider { id: id.clone(), draft };
        let take_along = move |ports: &Ports| {
            let choice = renamed.and_then(|new| Some(following(kept(ports.ledger.as_ref())?, &id, new)));
            if let Some(note) = choice.and_then(|choice| serde_json::to_string(&choice).ok()) {
                ports.ledger.remember(NOTE, &note);
            }
        };
        self.edit_and(edit, take_along, asker);
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
