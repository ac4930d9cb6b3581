//! From the sections of a file to profiles: what was written about each provider, in either layout.
//! `finish` turns that into the profile with its address, its key and what holds it back.

use super::expand::Expanded;
use super::path::Path;
use crate::domain::config::{ModelProfile, ModelSettings};
use crate::domain::ids::ModelId;
use crate::domain::kind::Kind;
use crate::domain::money::Price;
use crate::domain::plan::{Plan, PlanWindow, Resets, WEEK};
use crate::domain::rate::RateLimit;
use crate::domain::time::span;
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a file says about one provider, `${…}` replaced; nothing checked against other providers yet.
#[derive(Debug, Clone)]
pub struct Written {
    pub id: String,
    pub kind: Kind,
    pub name: String,
    pub address: Option<String>,
    /// Where the address stands or would stand.
    pub address_path: Path,
    /// As it stands in the file.
    pub raw_key: Option<String>,
    pub key: Option<String>,
    pub key_path: Path,
    pub enabled: bool,
    pub local: bool,
    pub api: String,
    pub models: Vec<ModelProfile>,
    pub preferred_models: Vec<ModelId>,
    pub defaults: ModelSettings,
    pub model_settings: BTreeMap<String, ModelSettings>,
    pub times: Times,
    pub max_retries: Option<u32>,
    pub max_concurrent: Option<usize>,
    pub rate_limit: Option<RateLimit>,
    pub aliases: BTreeMap<String, Option<ModelId>>,
    /// Empty for providers that no file names.
    pub place: Path,
    /// From a section of the original layout.
    pub original: bool,
    pub plan: Option<Plan>,
}

/// Times that were said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    pub connect: Option<Duration>,
    pub first_token: Option<Duration>,
    pub idle: Option<Duration>,
    pub load: Option<Duration>,
    pub probe_interval: Option<Duration>,
    pub probe_timeout: Option<Duration>,
    pub probe_retries: Option<u32>,
}

impl Written {
    /// A provider of which only the id and the kind are known.
    pub fn new(id: impl Into<String>, kind: Kind, place: Path) -> Self {
        Self {
            id: id.into(),
            kind,
            name: String::new(),
            address: None,
            address_path: place.clone(),
            raw_key: None,
            key: None,
            key_path: place.clone(),
            enabled: true,
            local: false,
            api: "auto".into(),
            models: Vec::new(),
            preferred_models: Vec::new(),
            defaults: ModelSettings::default(),
            model_settings: BTreeMap::new(),
            times: Times::default(),
            max_retries: None,
            max_concurrent: None,
            rate_limit: None,
            aliases: BTreeMap::new(),
            place,
            original: false,
            plan: None,
        }
    }
}

/// All providers that the file names, original sections in file order first, then `providers:`.
/// Entries without a usable id or type are left out; the check has reported them.
pub fn written(raw: &Value, expanded: &Expanded) -> Vec<Written> {
    let mut all = Vec::new();
    let value = &expanded.value;
    if let Some(map) = value.as_mapping() {
        for (key, section) in map {
            match key.as_str() {
                Some("z_ai_glm") if section.is_mapping() => all.push(z_ai_glm(raw, value)),
                Some("lm_studio") if section.is_mapping() => all.push(lm_studio(raw, value)),
                Some("fallback_models") => all.extend(fallback_models(raw, value)),
                _ => {}
            }
        }
    }
    if let Some(items) = value.get("providers").and_then(Value::as_sequence) {
        for (index, item) in items.iter().enumerate() {
            let place = Path::of("providers").index(index);
            if let Some(provider) = provider(raw, item, &place) {
                all.push(provider);
            }
        }
    }
    all
}

fn z_ai_glm(raw: &Value, value: &Value) -> Written {
    let place = Path::of("z_ai_glm");
    let section = value.get("z_ai_glm").unwrap_or(&Value::Null);
    let mut made = original("z_ai_glm", Kind::ZAiGlm, raw, section, &place, "api_endpoint");
    let model = text(section, "model_name").unwrap_or_else(|| "glm-4.6".into());
    // The original's id is this one whatever the model is; the second follows its pattern.
    for alias in ["z_ai_glm_4.6".to_owned(), format!("z_ai_{}", model.replacen("glm-", "glm_", 1))] {
        made.aliases.insert(alias, Some(ModelId::from(model.as_str())));
    }
    made.models = vec![ModelProfile::named(model.as_str())];
    silence(&mut made, value, section);
    made
}

fn lm_studio(raw: &Value, value: &Value) -> Written {
    let place = Path::of("lm_studio");
    let section = value.get("lm_studio").unwrap_or(&Value::Null);
    let mut made = original("lm_studio", Kind::LmStudio, raw, section, &place, "base_url");
    made.models = texts(section, "models").iter().map(|model| ModelProfile::named(model.as_str())).collect();
    made.preferred_models =
        texts(section, "preferred_models").iter().map(|model| ModelId::from(model.as_str())).collect();
    for model in &made.preferred_models {
        made.aliases.insert(format!("lm_studio_{model}"), Some(model.clone()));
    }
    made.model_settings = model_settings(section);
    silence(&mut made, value, section);
    let probes = value.get("performance").and_then(|section| seconds(section, "lm_studio_health_check_interval"));
    made.times.probe_interval = probes;
    made
}

fn fallback_models(raw: &Value, value: &Value) -> Vec<Written> {
    let items = value.get("fallback_models").and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
    let mut all: Vec<Written> = Vec::new();
    for (index, section) in items.iter().enumerate() {
        let Some(kind) = text(section, "provider").as_deref().and_then(Kind::from_word) else { continue };
        let word = kind.word();
        // A section of this name keeps it, wherever it stands.
        let section_of_its_own =
            matches!(word, "z_ai_glm" | "lm_studio") && value.get(word).is_some_and(Value::is_mapping);
        // The original names them by their place: a number must not mean another entry here.
        let id = if section_of_its_own || all.iter().any(|other| other.id == word) {
            format!("{word}_{index}")
        } else {
            word.to_owned()
        };
        let place = Path::of("fallback_models").index(index);
        let mut made = original(&id, kind, raw, section, &place, "api_endpoint");
        let model = text(section, "model");
        made.models = model.iter().map(|model| ModelProfile::named(model.as_str())).collect();
        made.aliases.insert(format!("{word}_{index}"), model.map(ModelId::from));
        silence(&mut made, value, section);
        all.push(made);
    }
    all
}

/// What all original sections share.
fn original(id: &str, kind: Kind, raw: &Value, section: &Value, place: &Path, address_key: &str) -> Written {
    let mut made = Written::new(id, kind, place.clone());
    made.original = true;
    made.name = text(section, "name").unwrap_or_default();
    made.address = text(section, address_key);
    made.address_path = place.key(address_key);
    made.key_path = place.key("api_key");
    made.key = text(section, "api_key");
    made.raw_key = made.key_path.find(raw).and_then(plain_text);
    made.enabled = switch(section, "enabled").unwrap_or(true);
    made.local = switch(section, "local").unwrap_or(false);
    made.defaults = settings(section);
    made.max_retries = count(section, "max_retries").and_then(|number| u32::try_from(number).ok());
    made
}

/// `timeout` of a section, else `request_timeout` of all: the silence after which a try is given up.
fn silence(made: &mut Written, value: &Value, section: &Value) {
    let overall = value.get("performance").and_then(|section| seconds(section, "request_timeout"));
    if let Some(silence) = seconds(section, "timeout").or(overall) {
        made.times.first_token = Some(silence);
        made.times.idle = Some(silence);
    }
}

fn provider(raw: &Value, item: &Value, place: &Path) -> Option<Written> {
    let id = text(item, "id")?;
    let kind = text(item, "type").as_deref().and_then(Kind::from_word)?;
    let mut made = Written::new(id, kind, place.clone());
    made.name = text(item, "name").unwrap_or_default();
    made.address = text(item, "endpoint");
    made.address_path = place.key("endpoint");
    made.key_path = place.key("authToken");
    made.key = text(item, "authToken");
    made.raw_key = made.key_path.find(raw).and_then(plain_text);
    made.enabled = switch(item, "enabled").unwrap_or(true);
    made.local = switch(item, "local").unwrap_or(false);
    if let Some(api) = text(item, "api") {
        made.api = api;
    }
    let models = item.get("models").and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
    made.models = models.iter().filter_map(model).collect();
    made.preferred_models = texts(item, "preferred_models").into_iter().map(ModelId::from).collect();
    made.defaults = settings(item);
    made.model_settings = model_settings(item);
    let named = item.get("aliases").and_then(Value::as_mapping).into_iter().flatten();
    made.aliases = named
        .filter_map(|(alias, model)| Some((alias.as_str()?.to_owned(), Some(ModelId::from(plain_text(model)?)))))
        .collect();
    let health = item.get("health").unwrap_or(&Value::Null);
    made.times = Times {
        connect: seconds(item, "connect_timeout"),
        first_token: seconds(item, "first_token_timeout"),
        idle: seconds(item, "idle_timeout"),
        load: seconds(item, "load_timeout"),
        probe_interval: seconds(health, "interval"),
        probe_timeout: seconds(health, "timeout"),
        probe_retries: count(health, "retries").and_then(|number| u32::try_from(number).ok()),
    };
    made.max_retries = count(item, "max_retries").and_then(|number| u32::try_from(number).ok());
    made.max_concurrent = count(item, "max_concurrent").and_then(|number| usize::try_from(number).ok());
    made.rate_limit = item.get("rate_limit").and_then(rate_limit);
    made.plan = item.get("plan").and_then(plan);
    Some(made)
}

/// `None` when it limits nothing.
pub fn rate_limit(section: &Value) -> Option<RateLimit> {
    let limit = RateLimit {
        requests_per_minute: count(section, "requests_per_minute"),
        tokens_per_minute: count(section, "tokens_per_minute"),
    };
    (limit != RateLimit::default()).then_some(limit)
}

/// `None` when it bounds nothing.
fn plan(section: &Value) -> Option<Plan> {
    let bound = |length: Duration, section: &Value| {
        let (requests, tokens) = (count(section, "requests"), count(section, "tokens"));
        (requests.is_some() || tokens.is_some()).then_some(PlanWindow { length, requests, tokens })
    };
    let length = section.get("window").and_then(length);
    let first = length.and_then(|length| bound(length, section));
    let week = section.get("week").and_then(|week| bound(WEEK, week));
    let windows: Vec<PlanWindow> = [first, week].into_iter().flatten().collect();
    let resets = text(section, "resets").as_deref().and_then(Resets::from_word).unwrap_or_default();
    (!windows.is_empty()).then_some(Plan { resets, windows })
}

/// A span: seconds, or as in `5h`.
pub fn length(value: &Value) -> Option<Duration> {
    match value {
        Value::String(text) => span(text.trim()),
        other => Duration::try_from_secs_f64(other.as_f64()?).ok(),
    }
}

fn model(item: &Value) -> Option<ModelProfile> {
    if let Some(id) = item.as_str() {
        return Some(ModelProfile::named(id));
    }
    let price = item.get("price").and_then(|price| {
        let figure = |key: &str| price.get(key).and_then(Value::as_f64);
        let made = Price::per_million(figure("input")?, figure("output")?, figure("cached_input"))?;
        Some(made.with_cache_writes(figure("cache_write"), figure("cache_write_hour")))
    });
    let capabilities = item.get("capabilities").filter(|value| value.is_sequence());
    Some(ModelProfile {
        id: ModelId::from(text(item, "id")?),
        context: count(item, "context"),
        quality: count(item, "quality").and_then(|number| u32::try_from(number).ok()),
        capabilities: capabilities.map(|_| texts(item, "capabilities")),
        price,
        settings: settings(item),
        warmth: super::warmth::read(item),
    })
}

fn settings(section: &Value) -> ModelSettings {
    ModelSettings {
        max_tokens: count(section, "max_tokens"),
        temperature: section.get("temperature").and_then(Value::as_f64),
        system_prompt: text(section, "system_prompt"),
    }
}

fn model_settings(section: &Value) -> BTreeMap<String, ModelSettings> {
    let named = section.get("model_settings").and_then(Value::as_mapping).into_iter().flatten();
    named.filter_map(|(model, own)| Some((model.as_str()?.to_owned(), settings(own)))).collect()
}

/// A text that is not empty.
pub fn text(section: &Value, key: &str) -> Option<String> {
    section.get(key).and_then(plain_text).filter(|text| !text.trim().is_empty())
}

pub fn plain_text(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

pub fn texts(section: &Value, key: &str) -> Vec<String> {
    let items = section.get(key).and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(plain_text).filter(|text| !text.trim().is_empty()).collect()
}

pub fn switch(section: &Value, key: &str) -> Option<bool> {
    section.get(key).and_then(Value::as_bool)
}

pub fn count(section: &Value, key: &str) -> Option<u64> {
    section.get(key).and_then(Value::as_u64)
}

pub fn seconds(section: &Value, key: &str) -> Option<Duration> {
    let seconds = section.get(key).and_then(Value::as_f64)?;
    Duration::try_from_secs_f64(seconds).ok()
}
