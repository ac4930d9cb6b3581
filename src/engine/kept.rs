//! What there is to say about kept answers, and forgetting them.

use super::command::{Asker, later};
use super::protocol::{CacheAct, CacheReport, Reply};
use super::supervisor::{Input, Supervisor};

impl Supervisor {
    /// Asks the file of kept answers, where there is one, how many it holds. Who stays takes out of it what serves no
    /// more; who only asks once changes nothing.
    pub(super) fn count_kept(&self) {
        let Some(store) = self.ports.answers.clone().filter(|_| self.state.config.cache.persist) else { return };
        let (inputs, oldest) = (self.inputs.clone(), self.state.config.cache.oldest(self.ports.clock.now()));
        let stays = self.options.schedule_probes && !self.options.read_only;
        tokio::spawn(async move {
            if stays && let Err(sentence) = store.tidy(oldest).await {
                tracing::warn!("old answers could not be removed: {sentence}");
            }
            match store.stats(oldest).await {
                Ok((entries, _)) => {
                    let _ = inputs.send(Input::KeptOnDisk(entries)).await;
                }
                Err(sentence) => tracing::warn!("the kept answers could not be counted: {sentence}"),
            }
        });
    }

    pub(super) fn cache(&self, act: CacheAct, asker: Asker) {
        let now = self.ports.clock.now();
        let (view, oldest) =
            (self.traffic.kept.view(&self.state.config.cache, now), self.state.config.cache.oldest(now));
        let store = self.ports.answers.clone().filter(|_| view.persist);
        let in_memory = match act {
            CacheAct::Stats => 0,
            CacheAct::Clear => self.traffic.kept.clear(),
        };
        self.traffic.note_change();
        later(asker, async move {
            let mut report = CacheReport { view, on_disk: None, cleared: None };
            if act == CacheAct::Clear {
                report.cleared = Some(in_memory);
                if let Some(store) = &store {
                    match store.clear().await {
                        Ok(gone) => report.cleared = Some(gone.max(in_memory)),
                        Err(sentence) => return refusal(sentence),
                    }
                }
            }
            if let Some(store) = &store {
                match store.stats(oldest).await {
                    Ok(found) => report.on_disk = Some(found),
                    Err(sentence) => return refusal(sentence),
                }
            }
            Reply::Cache(Box::new(report))
        });
    }
}

fn refusal(sentence: String) -> Reply {
    Reply::refused(1, sentence, "mend or remove the file, or set cache.persist to false")
}
