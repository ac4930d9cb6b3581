//! One provider as the configuration describes it.

use crate::domain::ids::{ModelId, ProviderId};
use crate::domain::kind::Kind;
use crate::domain::money::Price;
use crate::domain::plan::Plan;
use crate::domain::rate::RateLimit;
use crate::domain::reach::Reach;
use crate::domain::schedule::Warmth;
use crate::domain::secret::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A provider's address, normalised: scheme, host, port and the path before `/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// As the person wrote it, `${…}` replaced.
    pub written: String,
    /// `scheme://host:port`, no trailing slash.
    pub origin: String,
    pub host: String,
    pub port: u16,
    pub tls: bool,
    /// The URL that `chat/completions` is appended to, no trailing slash: `http://127.0.0.1:1234/v1`,
    /// `https://api.z.ai/api/paas/v4`.
    pub api_base: String,
}

impl Endpoint {
    /// A plain server: `http://host:port`, the API below `/v1`.
    pub fn http(host: &str, port: u16) -> Self {
        let origin = format!("http://{host}:{port}");
        Self {
            written: origin.clone(),
            api_base: format!("{origin}/v1"),
            origin,
            host: host.to_owned(),
            port,
            tls: false,
        }
    }
}

/// What brought a profile here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// An entry of `providers` in the file, or on its way there.
    Providers,
    /// A section of the original service's file: `z_ai_glm`, `lm_studio`, `fallback_models`.
    Section,
    Environment,
    /// Found on this machine; nobody saved it.
    Discovery,
}

/// Where a key comes from; what may be shown of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum KeySource {
    None,
    /// `${NAME}` in the file, or the kind's own variable.
    Variable {
        name: String,
    },
    /// Written into the file; the last four characters at most.
    File {
        tail: Option<String>,
    },
}

/// One model named in a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelProfile {
    pub id: ModelId,
    pub context: Option<u64>,
    /// 0 to 100, for `quality_optimized`.
    pub quality: Option<u32>,
    /// `tools`, `json`, `images`, `embeddings`; `None` when not said (unknown drops nobody).
    pub capabilities: Option<Vec<String>>,
    pub price: Option<Price>,
    pub settings: ModelSettings,
    /// When it is kept in its server's memory.
    pub warmth: Warmth,
}

impl ModelProfile {
    /// A model of which only the id is known.
    pub fn named(id: impl Into<ModelId>) -> Self {
        Self {
            id: id.into(),
            context: None,
            quality: None,
            capabilities: None,
            price: None,
            settings: ModelSettings::default(),
            warmth: Warmth::default(),
        }
    }
}

/// Parameters for calls to a model; a caller's own win over these.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelSettings {
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub system_prompt: Option<String>,
}

impl ModelSettings {
    /// These settings, with gaps filled from `other`.
    pub fn or(&self, other: &Self) -> Self {
        Self {
            max_tokens: self.max_tokens.or(other.max_tokens),
            temperature: self.temperature.or(other.temperature),
            system_prompt: self.system_prompt.clone().or_else(|| other.system_prompt.clone()),
        }
    }
}

/// Times per attempt and per probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Duration,
    /// Streams only: 120 s for local kinds, 60 s for vendors.
    pub first_token: Duration,
    /// Between chunks of a stream.
    pub idle: Duration,
    /// Added to `first_token` when the model is not known to be loaded.
    pub load: Duration,
    pub probe_interval: Duration,
    pub probe_timeout: Duration,
    pub probe_retries: u32,
}

impl Timeouts {
    pub fn of(kind: Kind) -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_token: Duration::from_secs(if kind.is_vendor() { 60 } else { 120 }),
            idle: Duration::from_secs(30),
            load: Duration::from_mins(5),
            probe_interval: Duration::from_secs(30),
            probe_timeout: Duration::from_secs(2),
            probe_retries: 2,
        }
    }
}

/// One key on its way to a host that is not its vendor's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Journey {
    /// Whose key it is: a provider's id, or `telemetry`.
    pub provider: String,
    pub variable: String,
    pub origin: String,
}

/// Why nothing is sent to a provider, known without asking it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    pub why: WithheldWhy,
    /// The same in words.
    pub sentence: String,
}

/// What has to happen before something is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithheldWhy {
    /// A variable that its section refers to has no value.
    Unset { variable: String },
    /// A vendor without a key.
    NoKey,
    /// The address is a stranger's: no permission helps, it has to be corrected.
    WrongAddress,
    /// The variable's value would go to a host that is not its vendor's: the person has to allow it.
    Untrusted { variable: String },
}

impl WithheldWhy {
    pub fn because(self, sentence: impl Into<String>) -> Withheld {
        Withheld { why: self, sentence: sentence.into() }
    }
}

/// One provider: `{ id, type, endpoint, authToken?, models[], enabled }` plus options. Two are equal when their keys are the same too.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub id: ProviderId,
    /// For the screen; the id when empty.
    pub name: String,
    pub kind: Kind,
    pub endpoint: Endpoint,
    pub key: Option<Secret>,
    pub key_source: KeySource,
    /// Set when calls and probes must not happen.
    pub withheld: Option<Withheld>,
    pub enabled: bool,
    /// `local: true`: `local_only` requests may go there although it is another machine.
    pub local: bool,
    /// Named models in file order.
    pub models: Vec<ModelProfile>,
    pub preferred_models: Vec<ModelId>,
    /// For models that have no settings of their own, from the section.
    pub defaults: ModelSettings,
    /// `lm_studio.model_settings` of the original, by model id.
    pub model_settings: BTreeMap<String, ModelSettings>,
    pub timeouts: Timeouts,
    pub max_retries: u32,
    pub max_concurrent: Option<usize>,
    /// What the person allows per minute.
    pub rate_limit: Option<RateLimit>,
    /// Which interface of an LM Studio to speak: `auto`, `v1`, `v0`, `compat`.
    pub api: String,
    /// Names of the original service for this provider's targets: alias to model (`None`: best model).
    pub aliases: BTreeMap<String, Option<ModelId>>,
    pub origin: Origin,
    /// Where it stands in the file, for edits and messages: as in `providers[2]`, `lm_studio`,
    /// `fallback_models[0]`; empty when no file holds it.
    pub place: String,
    pub line: Option<usize>,
    /// What a plan of this account allows.
    pub plan: Option<Plan>,
}

impl Profile {
    /// Its reach before anything was connected to; `None` where only a connection can tell.
    pub fn foretold_reach(&self) -> Option<Reach> {
        Reach::foretold(&self.endpoint.host, self.local)
    }

    /// A profile that says nothing but this: no key, no models, on, as the kind does it.
    pub fn new(id: impl Into<ProviderId>, kind: Kind, endpoint: Endpoint) -> Self {
        Self {
            id: id.into(),
            name: String::new(),
            kind,
            endpoint,
            key: None,
            key_source: KeySource::None,
            withheld: None,
            enabled: true,
            local: false,
            models: Vec::new(),
            preferred_models: Vec::new(),
            defaults: ModelSettings::default(),
            model_settings: BTreeMap::new(),
            timeouts: Timeouts::of(kind),
            max_retries: 0,
            max_concurrent: None,
            rate_limit: None,
            api: "auto".into(),
            aliases: BTreeMap::new(),
            origin: Origin::Providers,
            place: String::new(),
            line: None,
            plan: None,
        }
    }

    pub fn display_name(&self) -> &str {
        if self.name.is_empty() { self.id.as_str() } else { &self.name }
    }

    /// The settings in force for `model`: its own, then `model_settings`, then the section's.
    pub fn settings_for(&self, model: &ModelId) -> ModelSettings {
        let own = self.models.iter().find(|m| &m.id == model).map(|m| m.settings.clone()).unwrap_or_default();
        let named = self.model_settings.get(model.as_str()).cloned().unwrap_or_default();
        own.or(&named).or(&self.defaults)
    }
}
