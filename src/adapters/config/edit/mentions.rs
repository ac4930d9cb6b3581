//! Where a file names a provider besides its own entry: orders, policies with their conditions, presets. They follow
//! when it gets another id. When it goes, orders lose it; policies and presets are left as they are: without the name
//! some would mean anybody, so the person decides.

use super::change::Change;
use super::intent::{Intent, Present, refuse};
use crate::adapters::config::conditions;
use crate::adapters::config::guards::ORDERS;
use crate::adapters::config::path::Path;
use crate::domain::config::Profile;
use crate::engine::protocol::Refusal;
use serde_yaml::Value;

impl Present<'_> {
    /// Everything that names this provider names it by its new id.
    ///
    /// # Errors
    /// A condition asks for it in a way that cannot be changed by itself.
    pub fn rename_mentions(&self, profile: &Profile, new: &str, intent: &mut Intent) -> Result<(), Refusal> {
        let names = self.names_of(profile);
        for (list, request_type) in self.orders() {
            self.rename_items(&list, &names, new, &format!("the order of {request_type}"), intent);
        }
        let policies = Path::of("routing.policies");
        let written = policies.find(self.raw).and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
        for (index, policy) in written.iter().enumerate() {
            let at = policies.index(index);
            let name = policy.get("name").and_then(Value::as_str).unwrap_or_default();
            self.rename_items(&at.key("use"), &names, new, &format!("the policy {name}"), intent);
            let when = policy.get("when").and_then(Value::as_str).unwrap_or_default();
            if !conditions::asks_for(when, names.id) {
                continue;
            }
            let Some(renamed) = conditions::renamed(when, names.id, new) else {
                let line = self.config.rules.policies.iter().find(|policy| policy.name == name);
                return Err(by_person(name, names.id, line.and_then(|policy| policy.line)));
            };
            intent.notes.push(format!("the condition of the policy {name} now says {new}"));
            intent.changes.push(Change::Set { path: at.key("when"), value: renamed.into() });
        }
        let presets = Path::of("presets");
        for (preset, value) in presets.find(self.raw).and_then(Value::as_mapping).into_iter().flatten() {
            let (Some(preset), Some(model)) = (preset.as_str(), value.get("model").and_then(Value::as_str)) else {
                continue;
            };
            if let Some(renamed) = names.renamed(model, new) {
                intent.notes.push(format!("the preset {preset} now says {new}"));
                intent.changes.push(Change::Set { path: presets.key(preset).key("model"), value: renamed.into() });
            }
        }
        Ok(())
    }

    fn rename_items(&self, list: &Path, names: &Names<'_>, new: &str, whose: &str, intent: &mut Intent) {
        let Some(items) = list.find(self.raw).and_then(Value::as_sequence) else { return };
        let renamed = |item: &Value| item.as_str().and_then(|text| names.renamed(text, new)).map(Value::from);
        if items.iter().any(|item| renamed(item).is_some()) {
            let mended = items.iter().map(|item| renamed(item).unwrap_or_else(|| item.clone())).collect();
            intent.notes.push(format!("{whose} now says {new}"));
            intent.changes.push(Change::Set { path: list.clone(), value: Value::Sequence(mended) });
        }
    }

    /// Orders no longer name this provider.
    pub fn drop_from_orders(&self, profile: &Profile, intent: &mut Intent) {
        let names = self.names_of(profile);
        for (path, request_type) in self.orders() {
            let items = path.find(self.raw).and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
            let left = |item: &&Value| item.as_str().is_some_and(|text| !names.mean(text));
            let mended: Vec<Value> = items.iter().filter(left).cloned().collect();
            if mended == items {
                continue;
            }
            if mended.is_empty() {
                intent.notes.push(format!("the order of {request_type} named only {} and is removed", names.id));
                intent.changes.push(Change::Remove { path });
            } else {
                intent.notes.push(format!("the order of {request_type} no longer names {}", names.id));
                intent.changes.push(Change::Set { path, value: Value::Sequence(mended) });
            }
        }
    }

    /// The lists of all orders, with their request types.
    fn orders(&self) -> Vec<(Path, String)> {
        let of = |orders: Path| {
            let types = orders.find(self.raw).and_then(Value::as_mapping).into_iter().flatten();
            let lists = types.filter_map(|(name, items)| items.is_sequence().then_some(name.as_str()?.to_owned()));
            lists.map(|name| (orders.key(&name), name)).collect::<Vec<_>>()
        };
        ORDERS.map(Path::of).into_iter().flat_map(of).collect()
    }

    fn names_of<'a>(&self, profile: &'a Profile) -> Names<'a> {
        let others = |other: &Profile| other.kind == profile.kind && other.id != profile.id;
        let is_kind = profile.id.as_str() == profile.kind.word();
        Names { id: profile.id.as_str(), profile, kind_remains: is_kind && self.config.providers.iter().any(others) }
    }
}

/// What a provider is called.
struct Names<'a> {
    id: &'a str,
    profile: &'a Profile,
    /// Its id is its kind's word too, which still means the others of its kind.
    kind_remains: bool,
}

impl Names<'_> {
    fn model<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.strip_prefix(self.id)?.strip_prefix('/')
    }

    fn mean(&self, text: &str) -> bool {
        let itself = text == self.id && !self.kind_remains;
        itself || self.model(text).is_some() || self.profile.aliases.contains_key(text)
    }

    fn renamed(&self, text: &str, new: &str) -> Option<String> {
        match self.model(text) {
            Some(model) => Some(format!("{new}/{model}")),
            None => (text == self.id && !self.kind_remains).then(|| new.to_owned()),
        }
    }
}

fn by_person(policy: &str, id: &str, line: Option<usize>) -> Refusal {
    let place = line.map(|line| format!(" (line {line})")).unwrap_or_default();
    refuse(
        2,
        format!("the condition of the policy {policy}{place} asks for {id} in a way that is not changed by itself"),
        format!("write provider[\"{id}\"] there first: lmdeck routes edit {policy} --when CONDITION"),
    )
}
