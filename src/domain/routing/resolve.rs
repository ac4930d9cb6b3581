//! What a name means: the caller's model name, and the items of an order, in one world.
//!
//! Names are looked up here and nowhere else, so that `lm_studio` means the same in a request, an order and
//! the active choice.

use super::{Strategy, World, WorldProvider};
use crate::domain::call::Facts;
use crate::domain::ids::{ModelId, ProviderId};
use crate::domain::kind::Kind;
use crate::domain::near::{LONGEST, slips};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The request type in force: of `auto:<request_type>` where the model name has it, else the label.
pub fn request_type(facts: &Facts) -> &str {
    match facts.requested_model.trim().strip_prefix("auto:").map(str::trim) {
        Some(named) if !named.is_empty() => named,
        _ => &facts.request_type,
    }
}

/// A provider as far as names go, in whatever picture it stands.
pub trait Named {
    fn id(&self) -> &ProviderId;

    fn kind(&self) -> Kind;

    /// Names of the original service: alias to model (`None`: best model).
    fn aliases(&self) -> &BTreeMap<String, Option<ModelId>>;

    /// The models that can be named, each with whether it may also be chosen without being named.
    fn models(&self) -> impl Iterator<Item = (&ModelId, bool)>;

    /// Whether its profile prefers a model, which may be missing among those that can be named: a server that is
    /// silent lists nothing.
    fn prefers(&self, _model: &str) -> bool {
        false
    }
}

impl Named for WorldProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn aliases(&self) -> &BTreeMap<String, Option<ModelId>> {
        &self.aliases
    }

    fn models(&self) -> impl Iterator<Item = (&ModelId, bool)> {
        self.models.iter().map(|model| (&model.id, model.candidate))
    }

    fn prefers(&self, model: &str) -> bool {
        self.preferred_models.iter().any(|preferred| preferred.as_str() == model)
    }
}

impl<T: Named> Named for Arc<T> {
    fn id(&self) -> &ProviderId {
        (**self).id()
    }

    fn kind(&self) -> Kind {
        (**self).kind()
    }

    fn aliases(&self) -> &BTreeMap<String, Option<ModelId>> {
        (**self).aliases()
    }

    fn models(&self) -> impl Iterator<Item = (&ModelId, bool)> {
        (**self).models()
    }

    fn prefers(&self, model: &str) -> bool {
        (**self).prefers(model)
    }
}

/// Places among providers: provider index, model index.
pub(super) type Place = (usize, usize);

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    Local,
    Cloud,
    Strategy(Strategy),
    /// The configuration's own strategy.
    Auto,
    /// By how soon answers began lately.
    Fastest,
    /// Providers: the best model of each.
    Providers(Vec<usize>),
    Models(Vec<Place>),
    /// A provider that is there, and a model it does not name.
    Unlisted(usize, ModelId),
    Nothing,
}

/// Looks a name up: words with a meaning of their own, provider ids, aliases, kinds, `provider/model`, model
/// ids, and last the original's `<provider>_<model>`.
pub(super) fn meaning<P: Named>(name: &str, all: &[P]) -> Meaning {
    let name = name.trim();
    match name {
        "" => return Meaning::Nothing,
        "auto" => return Meaning::Auto,
        "local" => return Meaning::Local,
        "cloud" => return Meaning::Cloud,
        "fastest" => return Meaning::Fastest,
        _ => {}
    }
    if let Some(strategy) = Strategy::from_word(name) {
        return Meaning::Strategy(strategy);
    }
    if let Some(p) = all.iter().position(|provider| provider.id().as_str() == name) {
        return Meaning::Providers(vec![p]);
    }
    if let Some(found) = alias(name, all) {
        return found;
    }
    if let Some(kind) = Kind::from_word(name) {
        let of_kind = of_kind(kind, all);
        return if of_kind.is_empty() { Meaning::Nothing } else { Meaning::Providers(of_kind) };
    }
    let split = name.split_once('/').filter(|(provider, model)| !provider.is_empty() && !model.is_empty());
    let prefixed: Vec<usize> = split.map_or_else(Vec::new, |(prefix, _)| called(prefix, all));
    if let Some((_, model)) = split {
        let places: Vec<Place> = prefixed.iter().filter_map(|&p| Some((p, model_at(&all[p], model)?))).collect();
        if !places.is_empty() {
            return Meaning::Models(places);
        }
    }
    let everywhere: Vec<Place> =
        all.iter().enumerate().filter_map(|(p, provider)| Some((p, model_at(provider, name)?))).collect();
    if !everywhere.is_empty() {
        return Meaning::Models(everywhere);
    }
    // Whoever prefers a model by this very name is meant, silent or not, and not a vendor named like its first part.
    if let Some(p) = all.iter().position(|provider| provider.prefers(name)) {
        return Meaning::Unlisted(p, name.into());
    }
    if let (Some((_, model)), Some(&p)) = (split, prefixed.first()) {
        return Meaning::Unlisted(p, model.into());
    }
    underscored(name, all)
}

/// Whether a name means a target, a side or a strategy here.
pub fn stands_for_something<P: Named>(name: &str, all: &[P]) -> bool {
    meaning(name, all) != Meaning::Nothing
}

/// The providers that `name` stands for: by id, else by alias, else by kind.
pub(super) fn called<P: Named>(name: &str, all: &[P]) -> Vec<usize> {
    if let Some(p) = all.iter().position(|provider| provider.id().as_str() == name) {
        return vec![p];
    }
    if let Some(Meaning::Providers(found)) = alias(name, all) {
        return found;
    }
    Kind::from_word(name).map_or_else(Vec::new, |kind| of_kind(kind, all))
}

fn of_kind<P: Named>(kind: Kind, all: &[P]) -> Vec<usize> {
    all.iter().enumerate().filter(|(_, provider)| provider.kind() == kind).map(|(p, _)| p).collect()
}

pub(super) fn model_at(provider: &impl Named, model: &str) -> Option<usize> {
    provider.models().position(|(known, _)| known.as_str() == model)
}

fn alias<P: Named>(name: &str, all: &[P]) -> Option<Meaning> {
    let (p, model) = all.iter().enumerate().find_map(|(p, provider)| Some((p, provider.aliases().get(name)?)))?;
    Some(match model {
        None => Meaning::Providers(vec![p]),
        Some(model) => match model_at(&all[p], model.as_str()) {
            Some(m) => Meaning::Models(vec![(p, m)]),
            None => Meaning::Unlisted(p, model.clone()),
        },
    })
}

/// The original wrote `lm_studio_<model>` for every model the server had.
fn underscored<P: Named>(name: &str, all: &[P]) -> Meaning {
    let places: Vec<Place> = all
        .iter()
        .enumerate()
        .filter_map(|(p, provider)| {
            let model = [provider.id().as_str(), provider.kind().word()]
                .into_iter()
                .find_map(|prefix| name.strip_prefix(prefix)?.strip_prefix('_'))?;
            Some((p, model_at(provider, model)?))
        })
        .collect();
    if places.is_empty() { Meaning::Nothing } else { Meaning::Models(places) }
}

/// Names near one that means nothing, best first, at most three, for `did you mean`.
pub(super) fn near(name: &str, world: &World) -> Vec<String> {
    let wanted = name.trim().to_ascii_lowercase();
    let bare = wanted.rsplit('/').next().unwrap_or(&wanted);
    let mut found: Vec<(usize, String)> = Vec::new();
    for provider in &world.providers {
        let id = provider.id.as_str();
        found.extend(distance(&wanted, id).map(|far| (far, id.to_owned())));
        for model in provider.models.iter().filter(|model| model.chat) {
            let known = model.id.as_str();
            let last = known.rsplit_once('/').map(|(_, last)| last);
            let far = distance(bare, known).or_else(|| distance(bare, last?));
            found.extend(far.map(|far| (far, format!("{id}/{}", model.id))));
        }
    }
    let presets = world.presets.keys();
    found.extend(presets.filter_map(|name| Some((distance(&wanted, name)?, name.clone()))));
    // Stable: ties stay in file order.
    found.sort_by_key(|(far, _)| *far);
    found.truncate(3);
    found.into_iter().map(|(_, name)| name).collect()
}

/// The known name that somebody most likely meant.
pub fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let wanted = name.trim().to_ascii_lowercase();
    let bare = wanted.split('/').next().unwrap_or(&wanted);
    let near = known.iter().filter_map(|other| Some((distance(bare, other)?, *other)));
    near.min_by_key(|(far, _)| *far).map(|(_, other)| other)
}

/// How far a name in small letters is from a known one; `None` when nobody would mistake one for the other. A name
/// that holds the other is nearer than any slip.
fn distance(wanted: &str, known: &str) -> Option<usize> {
    if wanted.len() > LONGEST || known.len() > LONGEST {
        return None;
    }
    let lower = known.to_ascii_lowercase();
    if wanted.len() >= 4 && (lower.contains(wanted) || (lower.len() >= 4 && wanted.contains(&lower))) {
        return Some(1);
    }
    slips(wanted, &lower).map(|slips| slips + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_in_the_model_name_wins_over_the_label() {
        let facts = |model: &str| Facts {
            requested_model: model.into(),
            request_type: "quick_responses".into(),
            ..Facts::default()
        };
        assert_eq!(request_type(&facts("auto:complex_analysis")), "complex_analysis");
        assert_eq!(request_type(&facts("auto")), "quick_responses");
        assert_eq!(request_type(&facts("auto:")), "quick_responses");
    }
}
