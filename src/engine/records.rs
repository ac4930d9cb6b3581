//! Questions about what was recorded: calls, incidents, the application log, the playground's prompts. None of it is
//! in the snapshot, and none of it waits in the supervisor.

use super::command::{Asker, later, reply_to};
use super::protocol::{CallQuery, ExportQuery, IncidentQuery, LogQuery, Reply, SavedPrompt, StatsQuery};
use super::supervisor::Supervisor;
use crate::domain::ids::CallId;

impl Supervisor {
    pub(super) fn list_calls(&self, query: CallQuery, asker: Asker) {
        let now = self.ports.clock.now();
        let (filter, before) = (query.filter.clone(), query.before.clone());
        let calls = self.ports.ledger.calls(query, now);
        let ledger = self.ports.ledger.clone();
        later(asker, async move {
            match calls.await {
                Ok(page) => Reply::Calls(page),
                Err(message) if unreadable(&filter) => bad_filter(message),
                Err(message) => match before {
                    Some(id) if matches!(ledger.call(id.clone()).await, Ok(None)) => no_such_call(message),
                    _ => ledger_refusal(message),
                },
            }
        });
    }

    pub(super) fn get_call(&self, id: CallId, asker: Asker) {
        let call = self.ports.ledger.call(id.clone());
        later(asker, async move {
            match call.await {
                Ok(Some(record)) => Reply::Call(Box::new(record)),
                Ok(None) => no_such_call(format!("no call {id} is recorded")),
                Err(message) => ledger_refusal(message),
            }
        });
    }

    pub(super) fn list_incidents(&self, query: IncidentQuery, asker: Asker) {
        let incidents = self.ports.ledger.incidents(query);
        later(asker, async move { incidents.await.map_or_else(ledger_refusal, Reply::Incidents) });
    }

    pub(super) fn call_stats(&self, query: StatsQuery, asker: Asker) {
        let filter = query.filter.clone();
        let stats = self.ports.ledger.stats(query, self.ports.clock.now());
        later(asker, async move {
            match stats.await {
                Ok(stats) => Reply::Stats(Box::new(stats)),
                Err(message) => question_refused(message, &filter),
            }
        });
    }

    pub(super) fn export_calls(&self, query: ExportQuery, asker: Asker) {
        let filter = query.filter.clone();
        let part = self.ports.ledger.export(query, self.ports.clock.now());
        later(asker, async move { part.await.map_or_else(|why| question_refused(why, &filter), Reply::Exported) });
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

/// Whether it was the caller's words that could not be understood.
fn unreadable(filter: &str) -> bool {
    crate::domain::filter::parse(filter).is_err()
}

fn question_refused(message: String, filter: &str) -> Reply {
    if unreadable(filter) { bad_filter(message) } else { ledger_refusal(message) }
}

fn bad_filter(message: String) -> Reply {
    Reply::refused(2, message, "mend the filter: lmdeck calls list --help shows how it is written")
}

fn no_such_call(message: String) -> Reply {
    Reply::unknown(message, "lmdeck calls list shows what is")
}

fn ledger_refusal(message: String) -> Reply {
    Reply::refused(1, message, "look at the state folder: lmdeck config path names it")
}

fn history_refusal(message: String) -> Reply {
    Reply::refused(1, message, "mend the file, or set ui.history to false")
}
