//! What a name means: the caller's model name, and the items of an order, in one world.
//!
//! Names are looked up here and nowhere else, so that `lm_studio` means the same in a request, an order and
//! the active choice.

use super::{Strategy, World};
use crate::domain::call::{Facts, Wanted};
use crate::domain::ids::{ModelId, Target};
use crate::domain::kind::Kind;

/// What the caller's model name asks for, by its form alone. A word without a slash may also turn out to be a
/// provider, a kind or an alias; a word with one, a model id that holds a slash: [`super::decide`] asks the
/// world.
pub fn parse_wanted(model: &str) -> Wanted {
    let model = model.trim();
    match model {
        "" | "auto" => Wanted::Auto,
        "local" => Wanted::Local,
        "cloud" => Wanted::Cloud,
        _ if model.starts_with("auto:") => Wanted::Auto,
        _ => model.parse::<Target>().map_or_else(|_| Wanted::Model(model.to_owned()), Wanted::Target),
    }
}

/// The request type in force: of `auto:<request_type>` where the model name has it, else the label.
pub fn request_type(facts: &Facts) -> &str {
    match facts.requested_model.trim().strip_prefix("auto:").map(str::trim) {
        Some(named) if !named.is_empty() => named,
        _ => &facts.request_type,
    }
}

/// Places of a world: provider index, model index.
pub(super) type Place = (usize, usize);

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    Local,
    Cloud,
    Strategy(Strategy),
    /// The configuration's own strategy.
    Auto,
    /// Nothing is known of speed here: file order.
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
pub(super) fn meaning(name: &str, world: &World) -> Meaning {
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
    if let Some(p) = world.providers.iter().position(|provider| provider.id.as_str() == name) {
        return Meaning::Providers(vec![p]);
    }
    if let Some(found) = alias(name, world) {
        return found;
    }
    if let Some(kind) = Kind::from_word(name) {
        let of_kind: Vec<usize> = providers(world, |p| world.providers[p].kind == kind).collect();
        return if of_kind.is_empty() { Meaning::Nothing } else { Meaning::Providers(of_kind) };
    }
    let split = name.split_once('/').filter(|(provider, model)| !provider.is_empty() && !model.is_empty());
    let prefixed: Vec<usize> = split.map_or_else(Vec::new, |(prefix, _)| called(prefix, world));
    if let Some((_, model)) = split {
        let places: Vec<Place> = prefixed.iter().filter_map(|&p| Some((p, model_at(world, p, model)?))).collect();
        if !places.is_empty() {
            return Meaning::Models(places);
        }
    }
    let everywhere: Vec<Place> =
        (0..world.providers.len()).filter_map(|p| Some((p, model_at(world, p, name)?))).collect();
    if !everywhere.is_empty() {
        return Meaning::Models(everywhere);
    }
    if let (Some((_, model)), Some(&p)) = (split, prefixed.first()) {
        return Meaning::Unlisted(p, model.into());
    }
    underscored(name, world)
}

/// The providers that `name` stands for: by id, else by alias, else by kind.
pub(super) fn called(name: &str, world: &World) -> Vec<usize> {
    if let Some(p) = world.providers.iter().position(|provider| provider.id.as_str() == name) {
        return vec![p];
    }
    if let Some(Meaning::Providers(found)) = alias(name, world) {
        return found;
    }
    providers(world, |p| world.providers[p].kind.word() == name).collect()
}

fn providers(world: &World, keep: impl Fn(usize) -> bool) -> impl Iterator<Item = usize> {
    (0..world.providers.len()).filter(move |&p| keep(p))
}

pub(super) fn model_at(world: &World, p: usize, model: &str) -> Option<usize> {
    world.providers[p].models.iter().position(|known| known.id.as_str() == model)
}

fn alias(name: &str, world: &World) -> Option<Meaning> {
    let (p, model) =
        world.providers.iter().enumerate().find_map(|(p, provider)| Some((p, provider.aliases.get(name)?)))?;
    Some(match model {
        None => Meaning::Providers(vec![p]),
        Some(model) => match model_at(world, p, model.as_str()) {
            Some(m) => Meaning::Models(vec![(p, m)]),
            None => Meaning::Unlisted(p, model.clone()),
        },
    })
}

/// The original wrote `lm_studio_<model>` for every model the server had.
fn underscored(name: &str, world: &World) -> Meaning {
    let places: Vec<Place> = world
        .providers
        .iter()
        .enumerate()
        .filter_map(|(p, provider)| {
            let model = [provider.id.as_str(), provider.kind.word()]
                .into_iter()
                .find_map(|prefix| name.strip_prefix(prefix)?.strip_prefix('_'))?;
            Some((p, model_at(world, p, model)?))
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
        found.extend(distance(&wanted, &id.to_ascii_lowercase()).map(|far| (far, id.to_owned())));
        for model in provider.models.iter().filter(|model| model.chat) {
            let known = model.id.as_str().to_ascii_lowercase();
            let far = distance(bare, &known).or_else(|| distance(bare, known.rsplit('/').next().unwrap_or(&known)));
            found.extend(far.map(|far| (far, format!("{id}/{}", model.id))));
        }
    }
    // Stable: ties stay in file order.
    found.sort_by_key(|(far, _)| *far);
    found.truncate(3);
    found.into_iter().map(|(_, name)| name).collect()
}

/// How far two names are apart; `None` when nobody would mistake one for the other. Bounded: a long name from
/// a caller costs no more than a short one.
fn distance(wanted: &str, known: &str) -> Option<usize> {
    const LONGEST: usize = 64;
    if wanted.len() > LONGEST || known.len() > LONGEST {
        return None;
    }
    if wanted.len() >= 4 && (known.contains(wanted) || (known.len() >= 4 && wanted.contains(known))) {
        return Some(1);
    }
    let (a, b): (Vec<char>, Vec<char>) = (wanted.chars().collect(), known.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    let far = row[b.len()];
    (far * 3 <= a.len().max(b.len())).then_some(far + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_name_says_what_is_wanted_by_its_form() {
        assert_eq!(parse_wanted(""), Wanted::Auto);
        assert_eq!(parse_wanted(" auto "), Wanted::Auto);
        assert_eq!(parse_wanted("auto:quick_responses"), Wanted::Auto);
        assert_eq!(parse_wanted("local"), Wanted::Local);
        assert_eq!(parse_wanted("cloud"), Wanted::Cloud);
        assert_eq!(parse_wanted("zai/glm-4.6"), Wanted::Target(Target::new("zai", "glm-4.6")));
        assert_eq!(parse_wanted("glm-4.6"), Wanted::Model("glm-4.6".into()));
    }

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
