//! Edits of providers: what a draft changes, in whichever section the provider stands.

use super::change::{Change, Entry};
use super::draft;
use super::intent::{Intent, Present, refuse};
use crate::adapters::config::build;
use crate::adapters::config::path::{self, Path};
use crate::adapters::config::suggest::closest;
use crate::domain::config::Profile;
use crate::domain::ids::ProviderId;
use crate::engine::protocol::{ProviderDraft, Refusal};
use serde_yaml::{Mapping, Value};

impl Present<'_> {
    pub fn add(&self, given: &ProviderDraft) -> Result<Intent, Refusal> {
        draft::check(given, None, self.config, self.environment)?;
        let mut intent = self.keep_environment(Some(given.id.trim()));
        intent.changes.push(Change::Append { list: Path::of("providers"), value: Value::Mapping(entry_of(given)) });
        Ok(intent)
    }

    /// Providers that only the environment made known would vanish with the first file: they are written too.
    fn keep_environment(&self, except: Option<&str>) -> Intent {
        let mut intent = Intent::default();
        if !self.fresh {
            return intent;
        }
        for provider in build::from_environment(self.environment) {
            if except == Some(provider.id.as_str()) {
                continue;
            }
            let mut entry = Mapping::new();
            put(&mut entry, "id", provider.id.as_str());
            put(&mut entry, "type", provider.kind.word());
            if let Some(name) = provider.kind.address_variable().filter(|name| self.environment.get(name).is_some()) {
                put(&mut entry, "endpoint", &format!("${{{name}}}"));
            } else if let Some(address) = provider.kind.default_endpoint() {
                put(&mut entry, "endpoint", address);
            }
            if let Some(name) = provider.kind.key_variable().filter(|name| self.environment.get(name).is_some()) {
                put(&mut entry, "authToken", &format!("${{{name}}}"));
            }
            intent.notes.push(format!("{} was known from the environment and now stands in the file too", provider.id));
            intent.changes.push(Change::Append { list: Path::of("providers"), value: Value::Mapping(entry) });
        }
        intent
    }

    fn profile(&self, id: &ProviderId) -> Result<&Profile, Refusal> {
        self.config.provider(id).ok_or_else(|| {
            let known: Vec<&str> = self.config.providers.iter().map(|provider| provider.id.as_str()).collect();
            let remedy = match closest(id.as_str(), &known) {
                Some(meant) => format!("did you mean {meant}?"),
                None if known.is_empty() => "there are none yet: lmdeck providers add".to_owned(),
                None => format!("known: {}", known.join(", ")),
            };
            refuse(2, format!("there is no provider {id}"), remedy)
        })
    }

    pub fn change(&self, id: &ProviderId, given: &ProviderDraft) -> Result<Intent, Refusal> {
        let profile = self.profile(id)?;
        draft::check(given, Some(id), self.config, self.environment)?;
        let Some(place) = place_of(profile) else {
            let intent = self.keep_environment(None);
            return self.then(intent, |present| present.change(id, given));
        };
        let section = Section::of(&place);
        let mut changes = Vec::new();
        let mut named_no_more = false;
        let mut set = |key: &str, value: Value| changes.push(Change::Set { path: place.key(key), value });
        let new_id = given.id.trim();
        let renamed = !new_id.is_empty() && new_id != id.as_str();
        if renamed && section.is_original() {
            return Err(refuse(
                2,
                format!("{id} is a section of the original layout; its id is fixed"),
                "set name to show it differently",
            ));
        }
        if renamed {
            set("id", new_id.into());
        }
        match given.name.as_deref().map(str::trim) {
            Some("") => named_no_more = place.key("name").find(self.raw).is_some(),
            Some(name) if name != profile.display_name() => set("name", name.into()),
            _ => {}
        }
        if let Some(kind) = given.kind.filter(|kind| *kind != profile.kind) {
            if section.is_original() {
                return Err(refuse(
                    2,
                    format!("{id} is a section of the original layout; its kind is fixed"),
                    "add a provider of the other kind",
                ));
            }
            set("type", kind.word().into());
        }
        let endpoint = given.endpoint.trim();
        let raw_endpoint = place.key(section.endpoint()).find(self.raw).and_then(Value::as_str);
        if !endpoint.is_empty() && endpoint != profile.endpoint.written && Some(endpoint) != raw_endpoint {
            set(section.endpoint(), endpoint.into());
        }
        if let Some(enabled) = given.enabled.filter(|enabled| *enabled != profile.enabled) {
            set("enabled", enabled.into());
        }
        if let Some(local) = given.local.filter(|local| *local != profile.local) {
            set("local", local.into());
        }
        if named_no_more {
            changes.push(Change::Remove { path: place.key("name") });
        }
        if let Some(change) = self.models_change(&place, section, profile, given)? {
            changes.push(change);
        }
        if let Some(secret) = &given.auth_token {
            let path = place.key(section.key());
            let raw = path.find(self.raw).and_then(Value::as_str);
            match secret.0.trim() {
                "" if raw.is_some() => changes.push(Change::Remove { path }),
                "" => {}
                key if raw == Some(key) => {}
                key => changes.push(Change::Set { path, value: key.into() }),
            }
        }
        let mut intent = Intent { changes, notes: Vec::new() };
        if renamed {
            self.rename_mentions(profile, new_id, given.kind.unwrap_or(profile.kind), &mut intent)?;
        }
        Ok(intent)
    }

    /// Makes the changes so far and asks again, for edits of providers that no file names yet.
    fn then(
        &self,
        mut intent: Intent,
        next: impl Fn(&Present<'_>) -> Result<Intent, Refusal>,
    ) -> Result<Intent, Refusal> {
        let mut raw = self.raw.clone();
        for change in &intent.changes {
            raw = change.applied(&raw).map_err(|sentence| refuse(1, sentence, "lmdeck config check"))?;
        }
        let mut config = self.config.clone();
        let entries = raw.get("providers").and_then(Value::as_sequence).cloned().unwrap_or_default();
        for (index, entry) in entries.iter().enumerate() {
            let id = entry.get("id").and_then(Value::as_str);
            if let Some(profile) = config.providers.iter_mut().find(|profile| Some(profile.id.as_str()) == id) {
                profile.place = format!("providers[{index}]");
            }
        }
        if config.providers.iter().any(|profile| profile.place.is_empty()) {
            return Err(refuse(
                1,
                "this provider comes from the environment",
                "add it to the file first: lmdeck providers add",
            ));
        }
        let present = Present { raw: &raw, config: &config, environment: self.environment, fresh: false };
        let after = next(&present)?;
        intent.changes.extend(after.changes);
        intent.notes.extend(after.notes);
        Ok(intent)
    }

    fn models_change(
        &self,
        place: &Path,
        section: Section,
        profile: &Profile,
        given: &ProviderDraft,
    ) -> Result<Option<Change>, Refusal> {
        let Some(models) = &given.models else { return Ok(None) };
        let models: Vec<&str> = models.iter().map(|model| model.trim()).collect();
        if models.iter().copied().eq(profile.models.iter().map(|model| model.id.as_str())) {
            return Ok(None);
        }
        if let Some(key) = section.single_model() {
            return match models.as_slice() {
                [model] => Ok(Some(Change::Set { path: place.key(key), value: (*model).into() })),
                _ => Err(refuse(
                    2,
                    format!("the section of {} holds exactly one model", profile.id),
                    "add a provider for the others: lmdeck providers add",
                )),
            };
        }
        let path = place.key("models");
        let Some(old) = path.find(self.raw).and_then(Value::as_sequence) else {
            let values = models.into_iter().map(Value::from).collect();
            return Ok(Some(Change::Set { path, value: Value::Sequence(values) }));
        };
        // What a reference stands for is known of the profile, where the two lists go side by side.
        let known: Vec<&str> = profile.models.iter().map(|model| model.id.as_str()).collect();
        let same = |(written, known): (usize, &str)| {
            old.get(written).and_then(model_of).is_some_and(|text| text.contains("${") || text == known)
        };
        let beside = known.len() == old.len() && known.iter().copied().enumerate().all(same);
        let place = |model: &str| {
            let by_text = old.iter().position(|item| model_of(item) == Some(model));
            by_text.or_else(|| known.iter().position(|known| *known == model).filter(|_| beside))
        };
        let entry = |model: &&str| place(model).map_or_else(|| Entry::New(Value::from(*model)), Entry::Kept);
        Ok(Some(Change::Arrange { list: path, entries: models.iter().map(entry).collect() }))
    }

    pub fn remove(&self, id: &ProviderId) -> Result<Intent, Refusal> {
        let profile = self.profile(id)?;
        let Some(place) = place_of(profile) else {
            let names = [profile.kind.key_variable(), profile.kind.address_variable()];
            let names: Vec<&str> = names.into_iter().flatten().collect();
            return Err(refuse(
                1,
                format!("{id} comes from the environment ({}), not from a file", names.join(", ")),
                format!("unset it, or lmdeck providers disable {id}"),
            ));
        };
        let mut intent = Intent { changes: vec![Change::Remove { path: place }], notes: Vec::new() };
        self.drop_from_orders(profile, &mut intent);
        Ok(intent)
    }

    pub fn enable(&self, id: &ProviderId, enabled: bool) -> Result<Intent, Refusal> {
        let profile = self.profile(id)?;
        let Some(place) = place_of(profile) else {
            if profile.enabled == enabled {
                return Ok(Intent::default());
            }
            let intent = self.keep_environment(None);
            return self.then(intent, |present| present.enable(id, enabled));
        };
        let mut intent = Intent::default();
        if profile.enabled != enabled {
            intent.changes.push(Change::Set { path: place.key("enabled"), value: enabled.into() });
        }
        Ok(intent)
    }
}

/// The id of an entry of `models`, as it is written.
fn model_of(item: &Value) -> Option<&str> {
    item.as_str().or_else(|| item.get("id")?.as_str())
}

fn entry_of(given: &ProviderDraft) -> Mapping {
    let mut entry = Mapping::new();
    put(&mut entry, "id", given.id.trim());
    let name = given.name.as_deref().map(str::trim).unwrap_or_default();
    if !name.is_empty() && name != given.id.trim() {
        put(&mut entry, "name", name);
    }
    if let Some(kind) = given.kind {
        put(&mut entry, "type", kind.word());
        let endpoint = given.endpoint.trim();
        let default = kind.default_endpoint().unwrap_or_default();
        let endpoint = if endpoint.is_empty() { default } else { endpoint };
        if !endpoint.is_empty() {
            put(&mut entry, "endpoint", endpoint);
        }
    }
    let key = given.auth_token.as_ref().map(|secret| secret.0.trim()).unwrap_or_default();
    if !key.is_empty() {
        put(&mut entry, "authToken", key);
    }
    let models: Vec<Value> = given.models.iter().flatten().map(|model| Value::from(model.trim())).collect();
    if !models.is_empty() {
        entry.insert("models".into(), Value::Sequence(models));
    }
    if given.local == Some(true) {
        entry.insert("local".into(), true.into());
    }
    entry.insert("enabled".into(), given.enabled.unwrap_or(true).into());
    entry
}

fn put(entry: &mut Mapping, key: &str, value: &str) {
    entry.insert(key.into(), value.into());
}

/// Where a profile stands; `None` when no file names it.
pub fn place_of(profile: &Profile) -> Option<Path> {
    let (section, index) = match profile.place.split_once('[') {
        Some((section, rest)) => (section, rest.strip_suffix(']').and_then(|index| index.parse().ok())),
        None => (profile.place.as_str(), None),
    };
    match (section, index) {
        ("", _) => None,
        (section, Some(index)) => Some(Path::of(section).index(index)),
        (section, None) => Some(Path::of(section)),
    }
}

/// Which keys a provider's section uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Profile,
    ZAiGlm,
    LmStudio,
    Fallback,
}

impl Section {
    fn of(place: &Path) -> Self {
        match place.0.first() {
            Some(path::Step::Key(key)) if key == "z_ai_glm" => Self::ZAiGlm,
            Some(path::Step::Key(key)) if key == "lm_studio" => Self::LmStudio,
            Some(path::Step::Key(key)) if key == "fallback_models" => Self::Fallback,
            _ => Self::Profile,
        }
    }

    fn is_original(self) -> bool {
        self != Self::Profile
    }

    fn endpoint(self) -> &'static str {
        match self {
            Self::Profile => "endpoint",
            Self::LmStudio => "base_url",
            Self::ZAiGlm | Self::Fallback => "api_endpoint",
        }
    }

    fn key(self) -> &'static str {
        if self.is_original() { "api_key" } else { "authToken" }
    }

    fn single_model(self) -> Option<&'static str> {
        match self {
            Self::ZAiGlm => Some("model_name"),
            Self::Fallback => Some("model"),
            Self::Profile | Self::LmStudio => None,
        }
    }
}
