//! Questions about what was recorded: calls, incidents, the application log, the playground's prompts. None of it is
//! in the snapshot, and none of it waits in the supervisor.

use super::command::{Asker, later, reply_to};
use super::protocol::{CallQuery, IncidentQuery, LogQuery, Reply, SavedPrompt};
use super::supervisor::Supervisor;
use crate::domain::ids::CallId;

impl Supervisor {
    pub(super) fn list_calls(&self, query: CallQuery, asker: Asker) {
        let now = self.ports.clock.now();
        let calls = self.ports.ledger.calls(query, now);
        later(asker, async move { calls.await.map_or_else(ledger_refusal, Reply::Calls) });
    }

    pub(super) fn get_call(&self, id: CallId, asker: Asker) {
        let call = self.ports.ledger.call(id.clone());
        later(asker, async move {
            match call.await {
                Ok(Some(record)) => Reply::Call(Box::new(record)),
                Ok(None) => Reply::refused(1, format!("no call {id} is recorded"), "lmdeck calls list shows what is"),
                Err(message) => ledger_refusal(message),
            }
        });
    }

    pub(super) fn list_incidents(&self, query: IncidentQuery, asker: Asker) {
        let incidents = self.ports.ledger.incidents(query);
        later(asker, async move { incidents.await.map_or_else(ledger_refusal, Reply::Incidents) });
    }

    pub(super) fn read_log(&self, query: LogQuery, asker: Asker) {
        self.blocking(asker, move |ports| match ports.log.read(&query) {
            Ok(lines) => Reply::Log(lines),
            Err(message) => Reply::refused(1, message, "look into the state folder: lmdeck config path names it"),
        });
    }

    pub(super) fn save_prompt(&self, prompt: SavedPrompt, asker: Asker) {
        if !self.state.config.ui.history {
            return reply_to(asker, Reply::Done);
        }
        self.blocking(asker, move |ports| match ports.history.save(&prompt) {
            Ok(()) => Reply::Done,
            Err(message) => history_refusal(message),
        });
    }

    pub(super) fn list_prompts(&self, limit: usize, asker: Asker) {
        self.blocking(asker, move |ports| match ports.history.list(limit) {
            Ok(prompts) => Reply::Prompts(prompts),
            Err(message) => history_refusal(message),
        });
    }
}

fn ledger_refusal(message: String) -> Reply {
    Reply::refused(1, message, "mend the filter, or look at the state folder: lmdeck config path names it")
}

fn history_refusal(message: String) -> Reply {
    Reply::refused(1, message, "mend the file, or set ui.history to false")
}
