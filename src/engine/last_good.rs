//! Running, comparing and putting back the last good version of a file that cannot be used.

use super::command::{Asker, edited, reply_to};
use super::ports::Loaded;
use super::protocol::{LastGoodAct, Reply};
use super::rules_version::numbered;
use super::supervisor::{Input, Supervisor, answer};

impl Supervisor {
    pub(super) fn last_good(&self, act: LastGoodAct, asker: Asker) {
        match act {
            LastGoodAct::Compare => self.blocking(asker, |ports| edited(ports.config.compare_last_good())),
            LastGoodAct::PutBack => self.change_file(asker, |ports| ports.config.put_last_good_back()),
            LastGoodAct::Run => {
                let ports = self.ports.clone();
                let inputs = self.inputs.clone();
                tokio::task::spawn_blocking(move || match ports.config.last_good() {
                    Some(loaded) => {
                        let _ = inputs.blocking_send(Input::LastGood { loaded: Box::new(loaded), answer: asker });
                    }
                    None => reply_to(
                        asker,
                        Reply::refused(
                            3,
                            "no version of the file is kept that can be used",
                            "mend the file in your editor: lmdeck config check says where",
                        ),
                    ),
                });
            }
        }
    }

    /// Puts it in force, unless the file was mended meanwhile.
    pub(super) fn run_last_good(&mut self, loaded: &Loaded, asker: Asker) {
        if !self.views.is_rejected() {
            return reply_to(asker, Reply::refused(1, "the file can be used; it is in force", ""));
        }
        self.views.fall_back(loaded);
        self.door.follow(&loaded.config);
        let now = self.ports.clock.now();
        let config = numbered(&loaded.config, &self.ports);
        self.put_in_force(config, now);
        tracing::warn!("the last good version of the configuration runs in place of the file");
        self.publish();
        if let Some(asker) = asker {
            answer(asker, Reply::Done);
        }
    }
}

/// The answer to edits meanwhile: they would be made in a text that nobody runs.
pub(super) fn not_in_force() -> Reply {
    Reply::refused(
        3,
        "the file cannot be used, and its last good version runs: an edit would have no effect",
        "mend the file in your editor, or put the last good version back: lmdeck config undo --last-good",
    )
}
