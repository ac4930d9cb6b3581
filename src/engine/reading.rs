//! The file read again, and what comes of it: put in force, or said why not while the running configuration stays.

use super::ports::{Loaded, Unusable};
use super::protocol::{Event, EventKind, Level, Refusal, Reply};
use super::rules_version::numbered;
use super::supervisor::{Input, Supervisor, answer};
use crate::domain::config::Config;
use crate::domain::time::UnixMs;
use std::sync::{Arc, PoisonError};
use tokio::sync::oneshot;

impl Supervisor {
    /// Reads the file again off this task. Whoever waits is answered when it is in force.
    pub(super) fn reload(&mut self, answer: Option<(oneshot::Sender<Reply>, Reply)>) {
        let config = self.ports.config.clone();
        let inputs = self.inputs.clone();
        let file = self.file.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = file.lock().unwrap_or_else(PoisonError::into_inner);
            let result = Box::new(config.load());
            let _ = inputs.blocking_send(Input::Loaded { result, answer });
        });
    }

    pub(super) fn loaded(
        &mut self,
        result: Result<Loaded, Unusable>,
        waiting: Option<(oneshot::Sender<Reply>, Reply)>,
    ) {
        let now = self.ports.clock.now();
        let reply = match result {
            Ok(loaded) => {
                let file = loaded.file.clone().unwrap_or_default();
                self.door.follow(&loaded.config);
                // An edit of this process may have taken it along to another id.
                self.follow_choice();
                let config = self.views.accept(loaded);
                let config = numbered(&self.with_found(config), &self.ports);
                if config != self.state.config {
                    self.put_in_force(config, now);
                    if waiting.is_none() {
                        let kind = EventKind::ConfigLoaded { file, changes: "it changed on disk".into() };
                        self.announce(Event { at: now, level: Level::Info, kind });
                    }
                }
                None
            }
            Err(unusable) => {
                let message = unusable.issues.first().map_or_else(String::new, |issue| issue.message.clone());
                let kind = EventKind::ConfigRejected { file: unusable.file.clone(), message: message.clone() };
                self.announce(Event { at: now, level: Level::Error, kind });
                let issues = unusable.issues.clone();
                self.views.reject(unusable);
                Some((message, issues))
            }
        };
        self.publish();
        if let Some((sender, if_fine)) = waiting {
            let reply = match reply {
                None => if_fine,
                Some((message, issues)) => Reply::Refused(Refusal {
                    message,
                    remedy: "mend the file; the running configuration stays until then".into(),
                    exit: 3,
                    issues,
                    difference: None,
                }),
            };
            answer(sender, reply);
        }
    }

    pub(super) fn put_in_force(&mut self, config: Arc<Config>, now: UnixMs) {
        let (effects, changed) = self.state.take_config(config, now);
        for id in changed {
            self.traffic.forget(&id);
            self.schedule.remove(&id);
        }
        self.model_jobs_forget();
        self.read_observed();
        self.refresh_plans();
        self.warm_anew();
        self.carry_out(effects);
    }
}
