//! llama.cpp and vLLM: servers that hold the models they were started with, and tell how busy they are.

use super::super::fetch::Asker;
use super::of_version;
use crate::adapters::wire::lists::{self, LlamaProps};
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::{Activity, ProbeFound};

impl Asker<'_> {
    pub(super) async fn llama_cpp(&mut self) -> Result<ProbeFound, Failure> {
        if self.says_not_ready().await? {
            let message = "the server is still loading its model";
            return Err(Failure::new(ErrorCode::Overloaded, Cause::StillLoading, message));
        }
        let document = self.json(&format!("{}/models", self.base())).await?;
        let mut listed = lists::llama_models(&document).map_err(|detail| self.malformed(&detail))?;
        let props = self.llama_props().await;
        listed.malformed = listed.malformed.map(|detail| of_version(detail, props.version.as_ref()));
        let slots = self.extra("/slots").await;
        let (mut activity, window) = slots.as_ref().and_then(lists::llama_slots).unwrap_or_default();
        if let Some(text) = self.extra_text("/metrics").await {
            let told = lists::llama_metrics(&text);
            activity = Activity {
                slots_busy: activity.slots_busy.or(told.slots_busy),
                queued: told.queued,
                kv_cache_permille: told.kv_cache_permille,
                ..activity
            };
        }
        activity.slots_total = activity.slots_total.or(props.slots);
        // One model: it is loaded, or the server would not be ready. A router says so per model.
        if let [model] = listed.models.as_mut_slice() {
            model.loaded = model.loaded.or(Some(true));
            model.context = window.or(props.context).or(model.context);
            model.can.tools = model.can.tools.or(props.can.tools);
            model.can.images = model.can.images.or(props.can.images);
        }
        let looks_like = self.other_kind(lists::kind_shown(&document));
        Ok(ProbeFound { activity, version: props.version, looks_like, ..self.found(listed, None) })
    }

    pub(super) async fn vllm(&mut self) -> Result<ProbeFound, Failure> {
        if self.says_not_ready().await? {
            let message = "its engine has died: the server has to be started again";
            return Err(Failure::new(ErrorCode::Upstream, Cause::ServerError { status: 503 }, message));
        }
        let document = self.json(&format!("{}/models", self.base())).await?;
        let mut listed = lists::data_list(&document).map_err(|detail| self.malformed(&detail))?;
        for model in &mut listed.models {
            model.loaded = Some(true);
        }
        let version = self.version("/version").await;
        listed.malformed = listed.malformed.map(|detail| of_version(detail, version.as_ref()));
        let metrics = self.extra_text("/metrics").await;
        let activity = metrics.map(|text| lists::vllm_metrics(&text)).unwrap_or_default();
        let looks_like = self.other_kind(lists::kind_shown(&document));
        Ok(ProbeFound { activity, version, looks_like, ..self.found(listed, None) })
    }

    /// `/health` says 503 while the model loads (llama.cpp) or after the engine died (vLLM). It needs no key.
    async fn says_not_ready(&mut self) -> Result<bool, Failure> {
        if self.is_absent("/health") {
            return Ok(false);
        }
        let document = self.get(&format!("{}/health", self.root())).await?;
        match document.status {
            503 => return Ok(true),
            200 => {}
            _ => self.note_absent("/health"),
        }
        Ok(false)
    }

    /// They change only when the server restarts.
    async fn llama_props(&mut self) -> LlamaProps {
        if let Some(props) = self.inner.memory.with(self.root(), |known| known.props.clone()) {
            return props;
        }
        let Some(document) = self.extra("/props").await else { return LlamaProps::default() };
        let props = lists::llama_props(&document);
        self.inner.memory.with(self.root(), |known| known.props = Some(props.clone()));
        props
    }
}
