//! What one look at a server finds out: its models, the key, what it is doing. The order of questions per
//! kind; retries and time limits are `probe`'s. No question costs money or loads a model.

mod llama_cpp;
mod lm_studio;
mod memory;
mod ollama;
mod unlisted;

pub use memory::Memory;

use self::memory::Signs;
use super::discover::{Identified, identify};
use super::fetch::Asker;
use crate::adapters::redact::redact;
use crate::adapters::wire::anthropic;
use crate::adapters::wire::lists::{self, Listed};
use crate::adapters::wire::words::quote;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::{Activity, ProbeFound};
use crate::domain::kind::Kind;
use crate::domain::reach::Reach;
use serde_json::Value;

impl Asker<'_> {
    fn is_absent(&self, route: &'static str) -> bool {
        self.inner.memory.with(self.root(), |known| known.absent.contains(route))
    }

    fn note_absent(&self, route: &'static str) {
        self.inner.memory.with(self.root(), |known| known.absent.insert(route));
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
                let url = format!("{}?limit=1000", anthropic::models_url(self.base()));
                match self.data(&url).await {
                    Ok(listed) => Ok(self.found(listed, None)),
                    Err(failure) => {
                        let calls = anthropic::messages_url(self.base());
                        self.unlisted(failure, &calls).await
                    }
                }
            }
            Kind::Openai | Kind::OpenaiCompatible => self.compatible().await,
        }
    }

    fn found(&self, listed: Listed, interface: Option<&str>) -> ProbeFound {
        ProbeFound {
            models: listed.models,
            authenticated: self.profile.key.as_ref().map(|_| true),
            activity: Activity::default(),
            malformed: listed.malformed.map(|detail| redact(&detail, &self.secrets())),
            interface: interface.map(str::to_owned),
            ..ProbeFound::default()
        }
    }

    async fn data(&mut self, url: &str) -> Result<Listed, Failure> {
        let value = self.json(url).await?;
        lists::data_list(&value).map_err(|detail| self.malformed(&detail))
    }

    /// A list that is none; what its readers quote of it may be the key.
    pub fn malformed(&self, detail: &str) -> Failure {
        let detail = redact(detail, &self.secrets());
        let message = format!("the model list cannot be read: {detail}");
        Failure::new(ErrorCode::BadAnswer, Cause::MalformedList { detail }, message)
    }

    /// A document whose absence is no failure: absent routes are remembered, other trouble is nothing.
    async fn extra(&mut self, route: &'static str) -> Option<Value> {
        let (took, status) = (self.took, self.status);
        let value = if self.is_absent(route) {
            None
        } else {
            let url = format!("{}{route}", self.root());
            let answer = self.get(&url).await.and_then(|document| self.read(&document));
            self.unless_absent(route, answer)
        };
        (self.took, self.status) = (took, status);
        value
    }

    /// The same for a page of text.
    async fn extra_text(&mut self, route: &'static str) -> Option<String> {
        let (took, status) = (self.took, self.status);
        let text = if self.is_absent(route) {
            None
        } else {
            let url = format!("{}{route}", self.root());
            let answer = self.get(&url).await.and_then(|document| match document.status {
                200 => Ok(String::from_utf8_lossy(&document.body).into_owned()),
                _ => self.read(&document).map(|_| String::new()),
            });
            self.unless_absent(route, answer)
        };
        (self.took, self.status) = (took, status);
        text
    }

    fn unless_absent<T>(&self, route: &'static str, answer: Result<T, Failure>) -> Option<T> {
        answer
            .inspect_err(|failure| {
                let refused = matches!(self.status, Some(403 | 404 | 405 | 501)) && failure.code != ErrorCode::Network;
                if refused || matches!(failure.cause, Cause::WrongPath { .. }) {
                    self.note_absent(route);
                }
            })
            .ok()
    }

    /// What the server says its version is, asked once until it restarts.
    async fn version(&mut self, route: &'static str) -> Option<String> {
        if let Some(version) = self.inner.memory.with(self.root(), |known| known.version.clone()) {
            return Some(version);
        }
        let document = self.extra(route).await?;
        let version: String = document.get("version")?.as_str()?.chars().take(64).collect();
        self.inner.memory.with(self.root(), |known| known.version = Some(version.clone()));
        Some(version)
    }

    /// A server of which only the dialect is said: what else it shows is offered as a correction.
    async fn compatible(&mut self) -> Result<ProbeFound, Failure> {
        let document = match self.json(&format!("{}/models", self.base())).await {
            Ok(document) => document,
            Err(failure) => {
                let calls = format!("{}/chat/completions", self.base());
                return self.unlisted(failure, &calls).await;
            }
        };
        let listed = lists::data_list(&document).map_err(|detail| self.malformed(&detail))?;
        let host = self.profile.endpoint.host.as_str();
        let by_host = Kind::ALL.into_iter().find(|kind| kind.is_vendor() && kind.vendor_hosts().contains(&host));
        let shown = match by_host.or_else(|| lists::kind_shown(&document)) {
            Some(kind) => Some(kind),
            None => self.looks_closer().await,
        };
        Ok(ProbeFound { looks_like: self.other_kind(shown), ..self.found(listed, None) })
    }

    /// Asks a near server once for what only one kind answers. Strangers in the cloud are not asked.
    async fn looks_closer(&mut self) -> Option<Kind> {
        if !self.reach.is_some_and(Reach::is_local) {
            return None;
        }
        if let Some(Signs(known)) = self.inner.memory.with(self.root(), |known| known.signs) {
            return known;
        }
        let (took, status) = (self.took, self.status);
        let looks_like = match identify(self).await {
            Identified::Server(kind) if kind != Kind::OpenaiCompatible => Some(kind),
            _ => None,
        };
        (self.took, self.status) = (took, status);
        self.inner.memory.with(self.root(), |known| known.signs = Some(Signs(looks_like)));
        looks_like
    }

    fn other_kind(&self, shown: Option<Kind>) -> Option<Kind> {
        shown.filter(|kind| *kind != self.profile.kind)
    }

    async fn openrouter(&mut self) -> Result<ProbeFound, Failure> {
        // The list needs no key, so the key is asked about by itself.
        if let Err(failure) = self.json(&format!("{}/key", self.base())).await
            && !matches!(failure.cause, Cause::WrongPath { .. })
        {
            return Err(failure);
        }
        let document = self.json(&format!("{}/models", self.base())).await?;
        let listed = lists::openrouter_list(&document).map_err(|detail| self.malformed(&detail))?;
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
}

/// A finding with the version of the server that it was made at, where known.
pub(super) fn of_version(detail: String, version: Option<&String>) -> String {
    match version {
        Some(version) => format!("{detail} (it says it is version {})", quote(version, &[])),
        None => detail,
    }
}
