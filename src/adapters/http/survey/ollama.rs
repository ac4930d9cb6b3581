//! Ollama: what is there, what is loaded, and once per build what it can do.

use super::super::fetch::Asker;
use super::memory::SHOWN_LIMIT;
use super::of_version;
use crate::adapters::wire::lists;
use crate::domain::failure::Failure;
use crate::domain::health::{Activity, ProbeFound};
use serde_json::{Value, json};

/// Models described by one probe; the others follow with the next ones.
const SHOWN_AT_ONCE: usize = 4;

impl Asker<'_> {
    pub(super) async fn ollama(&mut self) -> Result<ProbeFound, Failure> {
        let tags = self.json(&format!("{}/api/tags", self.root())).await?;
        let version = self.version("/api/version").await;
        let mut listed =
            lists::ollama_tags(&tags).map_err(|detail| self.malformed(&of_version(detail, version.as_ref())))?;
        let mut activity = Activity::default();
        if let Some(document) = self.extra("/api/ps").await {
            match lists::ollama_loaded(&document) {
                Ok((loaded, odd)) => {
                    listed.malformed = listed.malformed.or(odd.map(|odd| format!("/api/ps: {odd}")));
                    for model in listed.models.iter_mut().filter(|model| !model.remote) {
                        let entry = loaded.get(model.id.as_str()).copied();
                        model.loaded = Some(entry.is_some());
                        let entry = entry.unwrap_or_default();
                        model.context = entry.context.or(model.context);
                        model.memory_bytes = entry.memory_bytes;
                        model.expires = entry.expires;
                    }
                    let memory = loaded.values().filter_map(|entry| entry.memory_bytes);
                    activity.memory_bytes = Some(memory.fold(0, u64::saturating_add));
                }
                Err(detail) => listed.malformed = listed.malformed.or(Some(format!("/api/ps: {detail}"))),
            }
        }
        self.describe(&tags, &mut listed).await;
        listed.malformed = listed.malformed.map(|detail| of_version(detail, version.as_ref()));
        Ok(ProbeFound { activity, version, jit: Some(true), ..self.found(listed, None) })
    }

    /// Fills in what the list leaves out. Describing a model neither loads it nor costs anything.
    async fn describe(&mut self, tags: &Value, listed: &mut lists::Listed) {
        let digests = lists::ollama_digests(tags);
        let url = format!("{}/api/show", self.root());
        let (took, status) = (self.took, self.status);
        let mut asked = 0;
        for model in listed.models.iter_mut().filter(|model| !model.remote) {
            if model.can.tools.is_some() && model.max_context.is_some() {
                continue;
            }
            // Without a digest the name has to do.
            let key =
                digests.get(model.id.as_str()).map_or_else(|| model.id.to_string(), |digest| (*digest).to_owned());
            let known = self.inner.memory.with(self.root(), |known| known.shown.get(&key).copied());
            let shown = match known {
                Some(shown) => shown,
                None if asked == SHOWN_AT_ONCE => continue,
                None => {
                    asked += 1;
                    let document = self.post(&url, &json!({ "model": model.id.as_str() })).await;
                    let value = document.and_then(|document| self.read(&document));
                    // What cannot be described now is not asked for with every probe.
                    let shown = value.as_ref().map(lists::ollama_shown).unwrap_or_default();
                    self.inner.memory.with(self.root(), |known| {
                        if known.shown.len() >= SHOWN_LIMIT {
                            known.shown.clear();
                        }
                        known.shown.insert(key, shown);
                    });
                    shown
                }
            };
            shown.complete(model);
        }
        (self.took, self.status) = (took, status);
    }
}
