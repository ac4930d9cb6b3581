//! LM Studio: the greeting, then the newest list that is really there. A refused key never leads to an older
//! interface.

use super::super::fetch::Asker;
use crate::adapters::wire::lists::{self, Listed};
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::ProbeFound;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// How long it is believed that models load on demand, or do not.
const JIT_AGAIN: Duration = Duration::from_mins(1);

impl Asker<'_> {
    pub(super) async fn lm_studio(&mut self) -> Result<ProbeFound, Failure> {
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
                    let listed = match interface {
                        "v1" => lists::lm_studio_v1(&value),
                        "v0" => lists::lm_studio_v0(&value),
                        _ => lists::data_list(&value),
                    };
                    match listed {
                        Ok(listed) => {
                            let jit = self.loads_on_demand(interface, &listed).await;
                            let looks_like = if greeted { None } else { self.looks_closer().await };
                            let looks_like = self.other_kind(looks_like);
                            return Ok(ProbeFound { jit, looks_like, ..self.found(listed, Some(interface)) });
                        }
                        Err(detail) if greeted => return Err(self.malformed(&detail)),
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

    /// Whether a call to a model that is not loaded loads it: the lists differ where it does not.
    async fn loads_on_demand(&mut self, interface: &str, listed: &Listed) -> Option<bool> {
        let waits = listed.models.iter().any(|model| model.loaded == Some(false));
        match interface {
            "v1" if waits => {}
            // The older list leaves out what would not load.
            "v0" => return waits.then_some(true),
            _ => return None,
        }
        let known = self.inner.memory.with(self.root(), |known| known.jit);
        if let Some((_, jit)) = known.filter(|(seen, _)| seen.elapsed() < JIT_AGAIN) {
            return jit;
        }
        let compatible = self.extra("/v1/models").await?;
        let jit =
            lists::data_list(&compatible).ok().and_then(|shown| lists::lm_studio_jit(&listed.models, &shown.models));
        self.inner.memory.with(self.root(), |known| known.jit = Some((Instant::now(), jit)));
        jit
    }

    /// Whether the server proves to be LM Studio. A refused key says nothing either way.
    async fn greeted(&mut self) -> Result<bool, Failure> {
        if self.inner.memory.with(self.root(), |known| known.greeted) {
            return Ok(true);
        }
        let url = format!("{}/lmstudio-greeting", self.root());
        let document = self.get(&url).await?;
        let body = serde_json::from_slice::<Value>(&document.body).unwrap_or(Value::Null);
        let greeted = document.status == 200 && body.get("lmstudio") == Some(&Value::Bool(true));
        if greeted {
            self.inner.memory.with(self.root(), |known| known.greeted = true);
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
