//! Where a file names a provider besides its own entry: orders, policies with their conditions, presets. They follow
//! when it gets another id. When it goes, orders lose it; policies and presets are left as they are: without the name
//! some would mean anybody, so the person decides.

use super::change::Change;
use super::intent::{Intent, Present, refuse};
use crate::adapters::config::conditions;
use crate::adapters::config::guards::ORDERS;
use crate::adapters::config::path::Path;
use crate::domain::config::Profile;
use crate::domain::kind::Kind;
use crate::domain::routing::lint::provider_before_model;
use crate::engine::protocol::Refusal;
use serde_yaml::Value;

impl Present<'_> {
    /// Everything that names this provider, which is of this kind from now on, names it by its new id.
    ///
    /// # Errors
    /// A condition asks for it in a way that cannot be changed by itself.
    pub fn rename_mentions(
        &self,
        profile: &Profile,
        new: &str,
        kind: Kind,
        intent: &mut Intent,
    ) -> Result<(), Refusal> {
        let id = profile.id.as_str();
        let others = self.config.providers.iter().map(|other| {
            let id = if other.id == profile.id { new.into() } else { other.id.clone() };
            let kind = if other.id == profile.id { kind } else { other.kind };
            Profile { id, kind, ..other.clone() }
        });
        let after: Vec<Profile> = others.collect();
        let renamed = |text: &str| self.renamed(text, profile, new, &after);
        for (list, request_type) in self.orders() {
            self.rename_items(&list, &renamed, new, &format!("the order of {request_type}"), intent);
        }
        let policies = Path::of("routing.policies");
        let written = policies.find(self.raw).and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
        for (index, policy) in written.iter().enumerate() {
            let at = policies.index(index);
            let name = policy.get("name").and_then(Value::as_str).unwrap_or_default();
            self.rename_items(&at.key("use"), &renamed, new, &format!("the policy {name}"), intent);
            let when = policy.get("when").and_then(Value::as_str).unwrap_or_default();
            if !conditions::asks_for(when, id) {
                continue;
            }
            let Some(when) = conditions::renamed(when, id, new) else {
                let line = self.config.rules.policies.iter().find(|policy| policy.name == name);
                return Err(by_person(name, id, line.and_then(|policy| policy.line)));
            };
            intent.notes.push(format!("the condition of the policy {name} now says {new}"));
            intent.changes.push(Change::Set { path: at.key("when"), value: when.into() });
        }
        let presets = Path::of("presets");
        for (preset, value) in presets.find(self.raw).and_then(Value::as_mapping).into_iter().flatten() {
            let (Some(preset), Some(model)) = (preset.as_str(), value.get("model").and_then(Value::as_str)) else {
                continue;
            };
            if let Some(model) = renamed(model) {
                intent.notes.push(format!("the preset {preset} now says {new}"));
                intent.changes.push(Change::Set { path: presets.key(preset).key("model"), value: model.into() });
            }
        }
        Ok(())
    }

    /// One change for each entry: whatever stands beside it is the person's.
    fn rename_items(
        &self,
        list: &Path,
        renamed: &impl Fn(&str) -> Option<String>,
        new: &str,
        whose: &str,
        intent: &mut Intent,
    ) {
        let items = list.find(self.raw).and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
        let mended: Vec<Change> = items
            .iter()
            .enumerate()
            .filter_map(|(at, item)| Some((at, renamed(item.as_str()?)?)))
            .map(|(at, text)| Change::Set { path: list.index(at), value: text.into() })
            .collect();
        if !mended.is_empty() {
            intent.notes.push(format!("{whose} now says {new}"));
            intent.changes.extend(mended);
        }
    }

    /// What a name of this provider says once its id is `new` and the providers are those of `after`; `None` where it
    /// names somebody else, a model whose own name begins like that, or goes on to mean the same.
    fn renamed(&self, text: &str, profile: &Profile, new: &str, after: &[Profile]) -> Option<String> {
        // An id comes before the kind of the same name: alone it means this provider and nobody else.
        if text == profile.id.as_str() {
            return Some(new.to_owned());
        }
        let (_, model) = text.split_once('/').filter(|(id, _)| *id == profile.id.as_str())?;
        let (meant, listed) = provider_before_model(text, &self.config.providers)?;
        // By its kind's word it is found as before. A server of this machine may have a model of that whole name, and
        // by another one its prompts would leave.
        let alone = after.iter().filter(|other| other.kind == profile.kind).count() == 1;
        let found = || provider_before_model(text, after).is_some_and(|(meant, _)| meant.id.as_str() == new);
        let same = !listed && alone && found();
        (meant.id == profile.id && !same).then(|| format!("{new}/{model}"))
    }

    /// Orders no longer name this provider.
    pub fn drop_from_orders(&self, profile: &Profile, intent: &mut Intent) {
        let id = &profile.id;
        for (path, request_type) in self.orders() {
            let items = path.find(self.raw).and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
            let left = |item: &&Value| item.as_str().is_some_and(|text| !self.means_only(text, profile));
            let mended: Vec<Value> = items.iter().filter(left).cloned().collect();
            if mended == items {
                continue;
            }
            if mended.is_empty() {
                intent.notes.push(format!("the order of {request_type} named only {id} and is removed"));
                intent.changes.push(Change::Remove { path });
            } else {
                intent.notes.push(format!("the order of {request_type} no longer names {id}"));
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

    /// Whether a name means this provider and would mean nobody, or somebody else's model, without it.
    fn means_only(&self, text: &str, profile: &Profile) -> bool {
        let others = |other: &Profile| other.kind == profile.kind && other.id != profile.id;
        // Its id may be its kind's word too, which still means the others of its kind.
        let remains = profile.id.as_str() == profile.kind.word() && self.config.providers.iter().any(others);
        let before_model = |(id, _): (&str, &str)| {
            let meant = || provider_before_model(text, &self.config.providers);
            id == profile.id.as_str() && meant().is_some_and(|(meant, _)| meant.id == profile.id)
        };
        let itself = text == profile.id.as_str() && !remains;
        itself || profile.aliases.contains_key(text) || text.split_once('/').is_some_and(before_model)
    }
}

fn by_person(policy: &str, id: &str, line: Option<usize>) -> Refusal {
    let place = line.map(|line| format!(" (line {line})")).unwrap_or_default();
    refuse(
        2,
        format!("the condition of the policy {policy}{place} asks for {id} in a way that is not changed by itself"),
        format!("write provider[\"{id}\"] there first: lmdeck routes edit NAME --when CONDITION"),
    )
}
