//! What one look at a server finds out: its models, the key, what it is doing. The order of questions per
//! kind; retries and time limits are `probe`'s.

use super::fetch::Asker;
use crate::adapters::wire::lists::{self, Listed};
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::{Activity, ProbeFound};
use crate::domain::kind::Kind;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Servers remembered at most; when full, everything is asked anew.
const MEMORY_LIMIT: usize = 128;

/// What was learned of each server's routes. A route found absent is not asked again until the server
/// restarts (a connection fails in between): LM Studio logs an error each time.
#[derive(Default)]
pub struct Memory(Mutex<HashMap<String, Known>>);

#[derive(Default, Clone)]
struct Known {
    absent: HashSet<&'static str>,
    greeted: bool,
}

impl Memory {
    fn with<T>(&self, origin: &str, act: impl FnOnce(&mut Known) -> T) -> T {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= MEMORY_LIMIT && !map.contains_key(origin) {
            map.clear();
        }
        act(map.entry(origin.to_owned()).or_default())
    }

    /// The server went away, or a person changed something: ask everything again.
    pub fn forget(&self, origin: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(origin);
    }
}

impl Asker<'_> {
    fn is_absent(&self, route: &'static str) -> bool {
        self.inner.memory.with(&self.profile.endpoint.origin, |known| known.absent.contains(route))
    }

    fn note_absent(&self, route: &'static str) {
        self.inner.memory.with(&self.profile.endpoint.origin, |known| known.absent.insert(route));
    }

    /// The address in front of `/v1`.
    pub fn root(&self) -> &str {
        let endpoint = &self.profile.endpoint;
        endpoint.api_base.strip_suffix("/v1").unwrap_or(&endpoint.origin)
    }

    fn base(&self) -> &str {
        &self.profile.endpoint.api_base
    }

    /// One look at the server.
    pub async fn survey(&mut self) -> Result<ProbeFound, Failure> {
        match self.profile.kind {
            Kind::LmStudio => self.lm_studio().await,
            Kind::LlamaCpp => self.llama_cpp().await,
            Kind::Ollama => self.ollama().await,
            Kind::Vllm => self.vllm().await,
            Kind::Openrouter => self.openrouter().await,
            Kind::ZAiGlm => self.z_ai().await,
            Kind::Anthropic => {
                let url = format!("{}/v1/models?limit=1000", self.profile.endpoint.origin);
                let listed = self.data(&url).await?;
                Ok(self.found(listed, None))
            }
            Kind::Openai | Kind::OpenaiCompatible => {
                let listed = self.data(&format!("{}/models", self.base())).await?;
                Ok(self.found(listed, None))
            }
        }
    }

    fn found(&self, listed: Listed, interface: Option<&str>) -> ProbeFound {
        ProbeFound {
            models: listed.models,
            authenticated: self.profile.key.as_ref().map(|_| true),
            activity: Activity::default(),
            malformed: listed.malformed,
            interface: interface.map(str::to_owned),
        }
    }

    async fn data(&mut self, url: &str) -> Result<Listed, Failure> {
        let value = self.json(url).await?;
        lists::data_list(&value).map_err(malformed)
    }

    /// A document whose absence is no failure: absent routes are remembered, other trouble is nothing.
    async fn extra(&mut self, route: &'static str) -> Option<Value> {
        if self.is_absent(route) {
            return None;
        }
        let took = self.took;
        let url = format!("{}{route}", self.root());
        let result = self.json(&url).await;
        self.took = took;
        match result {
            Ok(value) => Some(value),
            Err(failure) => {
                if matches!(self.status, Some(403 | 404 | 405 | 501)) && failure.code != ErrorCode::Network {
                    self.note_absent(route);
                }
                None
            }
        }
    }

    async fn llama_cpp(&mut self) -> Result<ProbeFound, Failure> {
        let mut listed = self.data(&format!("{}/models", self.base())).await?;
        let slots = self.extra("/slots").await;
        let mut found = Activity::default();
        let mut window = None;
        if let Some((activity, context)) = slots.as_ref().and_then(lists::llama_slots) {
            found = activity;
            window = context;
        } else if let Some(props) = self.extra("/props").await {
            window = props.pointer("/default_generation_settings/n_ctx").and_then(Value::as_u64);
        }
        // One model: it is loaded, or the list would have said 503. A router says so per model.
        if let [model] = listed.models.as_mut_slice() {
            model.loaded = model.loaded.or(Some(true));
            model.context = window.or(model.context);
        }
        Ok(ProbeFound { activity: found, ..self.found(listed, None) })
    }

    async fn vllm(&mut self) -> Result<ProbeFound, Failure> {
        let mut listed = self.data(&format!("{}/models", self.base())).await?;
        for model in &mut listed.models {
            model.loaded = Some(true);
        }
        let mut activity = Activity::default();
        if !self.is_absent("/metrics") {
            let took = self.took;
            let url = format!("{}/metrics", self.root());
            if let Ok(document) = self.get(&url).await {
                if document.status == 200 {
                    activity = lists::vllm_metrics(&String::from_utf8_lossy(&document.body));
                } else {
                    self.note_absent("/metrics");
                }
            }
            self.took = took;
        }
        Ok(ProbeFound { activity, ..self.found(listed, None) })
    }

    async fn ollama(&mut self) -> Result<ProbeFound, Failure> {
        let value = self.json(&format!("{}/api/tags", self.root())).await?;
        let mut listed = lists::ollama_tags(&value).map_err(malformed)?;
        if let Some(loaded) = self.extra("/api/ps").await.as_ref().map(lists::ollama_loaded) {
            for model in listed.models.iter_mut().filter(|model| !model.remote) {
                let entry = loaded.get(model.id.as_str());
                model.loaded = Some(entry.is_some());
                model.context = entry.copied().flatten().or(model.context);
            }
        }
        Ok(self.found(listed, None))
    }

    async fn openrouter(&mut self) -> Result<ProbeFound, Failure> {
        // The list needs no key, so the key is asked about by itself.
        if let Err(failure) = self.json(&format!("{}/key", self.base())).await
            && !matches!(failure.cause, Cause::WrongPath { .. })
        {
            return Err(failure);
        }
        let listed = self.data(&format!("{}/models", self.base())).await?;
        Ok(self.found(listed, None))
    }

    /// The list is not documented and may be missing or short: it checks the key and adds what it names.
    async fn z_ai(&mut self) -> Result<ProbeFound, Failure> {
        match self.data(&format!("{}/models", self.base())).await {
            Ok(listed) => Ok(self.found(listed, None)),
            Err(Failure { cause: Cause::WrongPath { .. }, .. }) => {
                Ok(ProbeFound { authenticated: None, ..self.found(Listed::default(), None) })
            }
            Err(failure) => Err(failure),
        }
    }

    async fn lm_studio(&mut self) -> Result<ProbeFound, Failure> {
        let greeted = self.greeted().await?;
        let auto = !matches!(self.profile.api.as_str(), "v1" | "v0" | "compat");
        let wants = |name: &str| auto || self.profile.api == name;
        let mut order = Vec::new();
        if wants("v1") {
            order.push(("v1", "/api/v1/models"));
        }
        if wants("v0") {
            order.push(("v0", "/api/v0/models"));
        }
        if wants("compat") {
            order.push(("compat", "/v1/models"));
        }
        let mut last = None;
        for (interface, route) in order {
            if auto && self.is_absent(route) {
                continue;
            }
            let url = format!("{}{route}", self.root());
            match self.json(&url).await {
                Ok(value) => {
                    let listed = if interface == "v1" { lists::lm_studio_v1(&value) } else { lists::data_list(&value) };
                    match listed {
                        Ok(listed) => return Ok(self.found(listed, Some(interface))),
                        Err(detail) if greeted => return Err(malformed(detail)),
                        Err(_) => last = Some(self.other_program(None)),
                    }
                }
                Err(failure) if matches!(failure.cause, Cause::WrongPath { .. }) => {
                    if auto && interface != "compat" {
                        self.note_absent(route);
                    }
                    last = Some(failure);
                }
                Err(failure) if !greeted && stranger(&failure) => last = Some(self.other_program(None)),
                Err(failure) => return Err(failure),
            }
        }
        Err(self.lm_studio_without_list(greeted, last))
    }

    /// Whether the server proves to be LM Studio. A refused key says nothing either way.
    async fn greeted(&mut self) -> Result<bool, Failure> {
        let origin = self.profile.endpoint.origin.clone();
        if self.inner.memory.with(&origin, |known| known.greeted) {
            return Ok(true);
        }
        let url = format!("{}/lmstudio-greeting", self.root());
        let document = self.get(&url).await?;
        let body = serde_json::from_slice::<Value>(&document.body).unwrap_or(Value::Null);
        let greeted = document.status == 200 && body.get("lmstudio") == Some(&Value::Bool(true));
        if greeted {
            self.inner.memory.with(&origin, |known| known.greeted = true);
        }
        Ok(greeted)
    }

    fn lm_studio_without_list(&self, greeted: bool, last: Option<Failure>) -> Failure {
        if !greeted {
            return self.other_program(None);
        }
        // Some builds hide the whole list behind "Unexpected endpoint" instead of saying 401.
        let hidden = "LM Studio hides its model list: it probably requires an API token";
        match (&self.profile.key, last) {
            (_, Some(failure)) if matches!(self.profile.api.as_str(), "v1" | "v0") => failure,
            (None, _) => {
                Failure::new(ErrorCode::Auth, Cause::KeyMissing { variable: Some("LM_API_TOKEN".into()) }, hidden)
            }
            (Some(_), _) => Failure::new(
                ErrorCode::Auth,
                Cause::KeyRefused { status: self.status.unwrap_or(200) },
                "LM Studio hides its model list: it probably refused the API token",
            ),
        }
    }
}

/// An answer that no LM Studio gives: a page, text, redirects.
fn stranger(failure: &Failure) -> bool {
    matches!(
        failure.cause,
        Cause::HtmlPage
            | Cause::OtherProgram { .. }
            | Cause::MalformedList { .. }
            | Cause::Redirect { .. }
            | Cause::ServerError { .. }
    )
}

fn malformed(detail: String) -> Failure {
    let message = format!("the model list cannot be read: {detail}");
    Failure::new(ErrorCode::BadAnswer, Cause::MalformedList { detail }, message)
}
