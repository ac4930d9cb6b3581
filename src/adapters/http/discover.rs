//! Looks for known servers on this machine's own ports, and tells by positive signs what a server is. Other
//! hosts are never asked.

use super::fetch::Asker;
use super::{Inner, elsewhere};
use crate::adapters::wire::lists;
use crate::adapters::wire::words::quote;
use crate::domain::config::{Endpoint, Profile};
use crate::domain::failure::{Cause, ErrorCode};
use crate::domain::health::{ModelInfo, ProbeFound};
use crate::domain::kind::Kind;
use crate::domain::reach::Reach;
use crate::engine::protocol::Found;
use futures_util::future::join_all;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The ports asked, with the kind usually found there. llama.cpp is moving from 8080 to 9931.
pub const KNOWN_PORTS: [(u16, Kind); 5] =
    [(1234, Kind::LmStudio), (8080, Kind::LlamaCpp), (9931, Kind::LlamaCpp), (11434, Kind::Ollama), (8000, Kind::Vllm)];

/// A server on this machine answers far faster; what does not is not offered.
const LIMIT: Duration = Duration::from_secs(2);

pub async fn discover(inner: &Inner, configured: &[Arc<Profile>]) -> Vec<Found> {
    let mut ports = inner.surroundings.ports.clone();
    if let Some(home) = inner.surroundings.home.as_deref()
        && let Some(port) = elsewhere::settings(home).await.map(|settings| settings.port)
        && !ports.iter().any(|(known, _)| *known == port)
    {
        ports.push((port, Kind::LmStudio));
    }
    join_all(ports.into_iter().map(|(port, usual)| look(inner, port, usual, configured))).await
}

async fn look(inner: &Inner, port: u16, usual: Kind, configured: &[Arc<Profile>]) -> Found {
    let endpoint = format!("http://127.0.0.1:{port}");
    let owner = configured
        .iter()
        .find(|profile| profile.endpoint.port == port && Reach::of_host(&profile.endpoint.host) == Reach::Machine);
    let configured_as = owner.map(|profile| profile.id.clone());
    let mut profile = stranger(port, usual);
    // Its own key helps to see the models of a server that is configured already.
    profile.key = owner.and_then(|owner| owner.key.clone());
    let (identified, program) = {
        let mut asker = Asker::new(inner, &profile, LIMIT);
        let identified = timeout(LIMIT, identify(&mut asker)).await.unwrap_or(Identified::Silent);
        (identified, asker.program.as_deref().map(|program| quote(program, &asker.secrets())))
    };
    let found = |kind, answered, models, note: &str| Found {
        kind,
        endpoint: endpoint.clone(),
        answered,
        models,
        note: note.to_owned(),
        configured_as: configured_as.clone(),
    };
    match identified {
        Identified::Nothing => found(usual, false, Vec::new(), "nothing there"),
        Identified::Silent => found(usual, false, Vec::new(), "something takes connections there and says nothing"),
        Identified::Other => {
            let named = program.map_or_else(String::new, |program| format!(" ({program})"));
            found(usual, false, Vec::new(), &format!("another program holds this port{named}, no model server"))
        }
        Identified::Server(kind) => {
            profile.kind = kind;
            let survey = timeout(LIMIT, async { Asker::new(inner, &profile, LIMIT).survey().await }).await;
            match survey {
                Ok(Ok(ProbeFound { models, .. })) => {
                    let note = count(&models);
                    found(kind, true, models, &note)
                }
                Ok(Err(failure)) if failure.code == ErrorCode::Auth => found(kind, true, Vec::new(), "needs a key"),
                Ok(Err(failure)) => found(kind, true, Vec::new(), &failure.message),
                Err(_) => found(kind, true, Vec::new(), "its model list did not come in time"),
            }
        }
    }
}

/// `3 models, 1 loaded`.
pub fn count(models: &[ModelInfo]) -> String {
    let loaded = models.iter().filter(|model| model.loaded == Some(true)).count();
    let told = models.iter().any(|model| model.loaded.is_some());
    match (models.len(), told) {
        (0, _) => "no models".into(),
        (1, true) => format!("1 model, {}", if loaded == 1 { "loaded" } else { "not loaded" }),
        (1, false) => "1 model".into(),
        (all, true) => format!("{all} models, {loaded} loaded"),
        (all, false) => format!("{all} models"),
    }
}

/// What answers at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identified {
    /// The connection was refused.
    Nothing,
    Silent,
    Server(Kind),
    Other,
}

/// Tells what a server is by what only it says. LM Studio comes first: it logs an error for each unknown
/// route.
pub async fn identify(asker: &mut Asker<'_>) -> Identified {
    let root = asker.root().to_owned();
    let greeting = match asker.get(&format!("{root}/lmstudio-greeting")).await {
        Ok(document) => document,
        Err(failure) => {
            return match failure.cause {
                Cause::SilentServer => Identified::Silent,
                Cause::OtherProgram { .. } | Cause::TooLarge { .. } | Cause::Reset => Identified::Other,
                _ => Identified::Nothing,
            };
        }
    };
    let greeting = serde_json::from_slice(&greeting.body).unwrap_or(Value::Null);
    if greeting.get("lmstudio") == Some(&Value::Bool(true)) {
        return Identified::Server(Kind::LmStudio);
    }
    let version = asker.json(&format!("{root}/api/version")).await.unwrap_or(Value::Null);
    if version.get("version").is_some_and(Value::is_string) {
        return Identified::Server(Kind::Ollama);
    }
    let props = asker.json(&format!("{root}/props")).await.unwrap_or(Value::Null);
    if props.get("default_generation_settings").is_some() {
        return Identified::Server(Kind::LlamaCpp);
    }
    let base = asker.profile.endpoint.api_base.clone();
    let document = match asker.json(&format!("{base}/models")).await {
        Ok(document) => document,
        Err(failure) if failure.code == ErrorCode::Auth => return Identified::Server(Kind::OpenaiCompatible),
        // llama.cpp while it loads.
        Err(failure) if failure.code == ErrorCode::Overloaded => return Identified::Server(Kind::LlamaCpp),
        Err(_) => return Identified::Other,
    };
    let Ok(listed) = lists::data_list(&document) else {
        return Identified::Other;
    };
    let vllm = document.pointer("/data/0/max_model_len").is_some();
    Identified::Server(match listed.owner.as_deref() {
        Some("llamacpp") => Kind::LlamaCpp,
        Some("vllm") => Kind::Vllm,
        _ if vllm => Kind::Vllm,
        _ => Kind::OpenaiCompatible,
    })
}

/// A profile for a server of this machine that nobody has configured.
pub(super) fn stranger(port: u16, kind: Kind) -> Profile {
    Profile::new("discovery", kind, Endpoint::http("127.0.0.1", port))
}
