//! What is odd about rules although each of them can be read: rules that never apply, targets nobody has, chains
//! that end nowhere, promises that contradict each other. Pure, so that edited rules are judged before they are
//! saved.

use super::RuleSet;
use super::condition::{Compare, Condition, SwitchFact, Test, Text};
use super::policy::{Fallback, Policy};
use super::resolve::{self, Meaning, Named};
use crate::domain::config::Profile;
use crate::domain::ids::{ModelId, ProviderId};
use crate::domain::kind::Kind;
use crate::domain::reach::Reach;
use std::collections::BTreeMap;

/// One thing worth saying about a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// Its place in [`RuleSet::policies`].
    pub policy: usize,
    /// The key it is about, as in `when` or `use`; with the item's place where it is a list.
    pub key: &'static str,
    pub item: Option<usize>,
    pub message: String,
    pub remedy: String,
}

/// A profile as far as names go: what its file says, since nothing is asked here.
struct Written<'a> {
    profile: &'a Profile,
}

impl Named for Written<'_> {
    fn id(&self) -> &ProviderId {
        &self.profile.id
    }

    fn kind(&self) -> Kind {
        self.profile.kind
    }

    fn aliases(&self) -> &BTreeMap<String, Option<ModelId>> {
        &self.profile.aliases
    }

    fn models(&self) -> impl Iterator<Item = (&ModelId, bool)> {
        let named = self.profile.models.iter().map(|model| &model.id);
        let preferred = self.profile.preferred_models.iter();
        named
            .chain(preferred.filter(|id| self.profile.models.iter().all(|model| &model.id != *id)))
            .map(|id| (id, true))
    }
}

/// All findings, in the order of the policies.
pub fn lint(rules: &RuleSet, profiles: &[Profile]) -> Vec<Lint> {
    let written: Vec<Written<'_>> = profiles.iter().map(|profile| Written { profile }).collect();
    let mut found = Vec::new();
    for (place, policy) in rules.policies.iter().enumerate() {
        let mut add = |key, item, message: String, remedy: String| {
            found.push(Lint { policy: place, key, item, message, remedy });
        };
        names(rules, place, policy, &mut add);
        if let Some((fact, one, other)) = contradiction(&policy.condition) {
            add(
                "when",
                None,
                format!("{} never applies: {fact} cannot be {one} and {other} at once", policy.name),
                "join alternatives with ||, or write in [...]".to_owned(),
            );
        }
        providers_in(policy, profiles, &mut add);
        if policy.enabled && !policy.observe {
            shadowed(rules, place, policy, &mut add);
        }
        targets(policy, &written, &mut add);
        effects(policy, &mut add);
    }
    found
}

/// What to do about a name that a request cannot ask for, as far as the configuration tells; `None` when it can.
pub fn unknown_target(name: &str, profiles: &[Profile]) -> Option<String> {
    let written: Vec<Written<'_>> = profiles.iter().map(|profile| Written { profile }).collect();
    match resolve::meaning(name, &written) {
        _ if name.starts_with("auto:") => None,
        Meaning::Strategy(_) | Meaning::Fastest => {
            Some("an order is no target: write auto, and let the rules decide".into())
        }
        Meaning::Nothing => {
            let ids: Vec<&str> = profiles.iter().map(|profile| profile.id.as_str()).collect();
            Some(match resolve::closest(name, &ids) {
                Some(near) => format!("did you mean {near}?"),
                None => format!(
                    "known here: {}",
                    [&ids[..], &["provider/model", "auto", "local", "cloud"]].concat().join(", ")
                ),
            })
        }
        _ => None,
    }
}

/// Whether a name is a target's, a side's or a strategy's, as far as the configuration tells.
pub fn means_something(name: &str, profiles: &[Profile]) -> bool {
    let written: Vec<Written<'_>> = profiles.iter().map(|profile| Written { profile }).collect();
    resolve::stands_for_something(name, &written)
}

/// The provider that the part before the `/` stands for, where `name` is read as `provider/model` and not as a model of
/// that whole name, and whether its profile lists the model.
pub fn provider_before_model<'a>(name: &str, profiles: &'a [Profile]) -> Option<(&'a Profile, bool)> {
    let written: Vec<Written<'_>> = profiles.iter().map(|profile| Written { profile }).collect();
    let (_, model) = name.trim().split_once('/')?;
    match resolve::meaning(name, &written) {
        Meaning::Models(places) => {
            let [(p, _)] = places.as_slice() else { return None };
            // Listed under the whole name it is that model, whoever has it.
            resolve::model_at(&written[*p], model).map(|_| (written[*p].profile, true))
        }
        Meaning::Unlisted(p, read) if read.as_str() == model => Some((written[p].profile, false)),
        _ => None,
    }
}

type Add<'a> = dyn FnMut(&'static str, Option<usize>, String, String) + 'a;

fn names(rules: &RuleSet, place: usize, policy: &Policy, add: &mut Add<'_>) {
    if rules.policies[..place].iter().any(|other| other.name == policy.name) {
        add(
            "name",
            None,
            format!("the name {} stands twice among the policies", policy.name),
            "give one of them another name: commands and records know policies by name".to_owned(),
        );
    }
}

fn providers_in(policy: &Policy, profiles: &[Profile], add: &mut Add<'_>) {
    for fact in policy.condition.reads() {
        let Some(id) = fact.provider() else { continue };
        if profiles.iter().any(|profile| &profile.id == id) {
            continue;
        }
        let closed = if policy.protects() { "so the rule always applies" } else { "so the rule is always skipped" };
        add(
            "when",
            None,
            format!("{} asks for the provider {id}, which is not configured, {closed}", policy.name),
            did_you_mean(id.as_str(), profiles),
        );
    }
}

fn did_you_mean(name: &str, profiles: &[Profile]) -> String {
    let known: Vec<&str> = profiles.iter().map(|profile| profile.id.as_str()).collect();
    match resolve::closest(name, &known) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "add the provider: lmdeck providers add".to_owned(),
        None => format!("known here: {}, provider/model, local, cloud, fastest or a strategy", known.join(", ")),
    }
}

/// An earlier rule that is true whenever this one is.
fn shadowed(rules: &RuleSet, place: usize, policy: &Policy, add: &mut Add<'_>) {
    let earlier = rules.policies[..place].iter().filter(|other| other.enabled && !other.observe);
    let Some(first) = earlier.clone().find(|other| implied(&other.condition, &policy.condition)) else { return };
    let why = if first.condition.always() {
        format!("{} comes first and always applies", first.name)
    } else {
        format!("{} comes first and is true whenever {} is", first.name, policy.name)
    };
    if first.targets.is_empty() || first.protects() {
        add(
            "when",
            None,
            format!("{} is never reached: {why}", policy.name),
            format!("give {} a higher priority, or remove it", policy.name),
        );
    } else {
        add(
            "when",
            None,
            format!("{} is reached only by requests that name a target: {why}", policy.name),
            format!("give {} a higher priority if it should come first", policy.name),
        );
    }
}

/// Whether `wide` is true whenever `narrow` is, as far as the parts tell.
fn implied(wide: &Condition, narrow: &Condition) -> bool {
    wide.parts().iter().all(|part| narrow.parts().iter().any(|other| covers(part, other)))
}

fn covers(wide: &Test, narrow: &Test) -> bool {
    if wide == narrow {
        return true;
    }
    match (wide, narrow) {
        (Test::TextIn(one, list), Test::TextIn(other, fewer)) => {
            one == other && fewer.iter().all(|item| list.contains(item))
        }
        (Test::TextIn(one, list), Test::Texts(Compare::Equal, sides)) => **one == sides.0 && list.contains(&sides.1),
        (Test::Or(any), narrow) => any.iter().any(|part| covers(part, narrow)),
        _ => false,
    }
}

/// A text fact that two parts of a condition want to be different things.
fn contradiction(condition: &Condition) -> Option<(String, String, String)> {
    let equals = |part: &Test| match part {
        Test::Texts(Compare::Equal, sides) => match (&sides.0, &sides.1) {
            (fact @ (Text::Fact(_) | Text::Tag(_)), Text::Const(value))
            | (Text::Const(value), fact @ (Text::Fact(_) | Text::Tag(_))) => Some((fact.clone(), value.clone())),
            _ => None,
        },
        _ => None,
    };
    let wanted: Vec<(Text, String)> = condition.parts().iter().filter_map(equals).collect();
    wanted.iter().enumerate().find_map(|(at, (fact, value))| {
        let (_, other) = wanted[..at].iter().find(|(other, known)| other == fact && known != value)?;
        Some((fact.to_string(), format!("{other:?}"), format!("{value:?}")))
    })
}

/// What a `use` comes to, as far as the configuration tells.
fn targets(policy: &Policy, written: &[Written<'_>], add: &mut Add<'_>) {
    if policy.deny.is_some() {
        if !policy.targets.is_empty() {
            add(
                "use",
                None,
                format!("{} denies, so its use has no effect", policy.name),
                "remove use, or remove deny".to_owned(),
            );
        }
        return;
    }
    let mut alive = 0;
    for (item, name) in policy.targets.iter().enumerate() {
        let meaning = resolve::meaning(name, written);
        let places: Vec<usize> = match &meaning {
            Meaning::Providers(found) => found.clone(),
            Meaning::Models(found) => found.iter().map(|place| place.0).collect(),
            Meaning::Unlisted(p, _) => vec![*p],
            Meaning::Local => {
                let near = |one: &Written<'_>| one.profile.foretold_reach().is_none_or(Reach::is_local);
                if !written.iter().any(|one| one.profile.enabled && near(one)) {
                    add(
                        "use",
                        Some(item),
                        format!("{}: no local provider is configured and switched on", policy.name),
                        "add one: lmdeck providers add --type lm_studio".to_owned(),
                    );
                    continue;
                }
                alive += 1;
                continue;
            }
            Meaning::Cloud if policy.local_only => {
                add(
                    "use",
                    Some(item),
                    format!("{} is local_only, so cloud is always left out", policy.name),
                    "remove cloud, or remove local_only".to_owned(),
                );
                continue;
            }
            Meaning::Cloud | Meaning::Fastest | Meaning::Auto | Meaning::Strategy(_) => {
                alive += 1;
                continue;
            }
            Meaning::Nothing => {
                let profiles: Vec<&str> = written.iter().map(|one| one.profile.id.as_str()).collect();
                add(
                    "use",
                    Some(item),
                    format!("{} uses {name:?}, which names no provider; it is skipped", policy.name),
                    match resolve::closest(name, &profiles) {
                        Some(near) => format!("did you mean {near}?"),
                        None => {
                            format!("known here: {}, provider/model, local, cloud or a strategy", profiles.join(", "))
                        }
                    },
                );
                continue;
            }
        };
        alive += usize::from(places.iter().any(|p| usable(policy, &written[*p], name, item, add)));
        capabilities(policy, written, &meaning, name, item, add);
    }
    if alive == 0 && !policy.targets.is_empty() && policy.enabled && policy.fallback == Fallback::None {
        let end = if policy.protects() { "is denied" } else { "reaches nobody" };
        add(
            "use",
            None,
            format!("{}: its chain ends nowhere: a request that it decides {end}", policy.name),
            "name a target that is there and switched on, or set fallback: strategy".to_owned(),
        );
    }
}

fn usable(policy: &Policy, one: &Written<'_>, name: &str, item: usize, add: &mut Add<'_>) -> bool {
    let profile = one.profile;
    let reach = profile.foretold_reach();
    let left_out = match reach {
        Some(Reach::Cloud) => Some(("in the cloud", "remove it, or remove local_only".to_owned())),
        Some(Reach::Network) if !profile.local => {
            Some(("another machine", format!("set local: true on {}, or remove it here", profile.id)))
        }
        _ => None,
    };
    if policy.local_only && reach.is_none() && !profile.local {
        add(
            "use",
            Some(item),
            format!("{} is local_only, so {name} is left out unless its address is this machine", policy.name),
            format!("set local: true on {} where it is another one of yours", profile.id),
        );
    }
    if let Some((what, remedy)) = left_out.filter(|_| policy.local_only) {
        add(
            "use",
            Some(item),
            format!("{} is local_only and {name} is {what}, so it is always left out", policy.name),
            remedy,
        );
        return false;
    }
    if !profile.enabled {
        add(
            "use",
            Some(item),
            format!("{} uses {name}, which is switched off", policy.name),
            format!("switch it on: lmdeck providers enable {}", profile.id),
        );
        return false;
    }
    true
}

/// A condition that asks for what the target is known to lack.
fn capabilities(
    policy: &Policy,
    written: &[Written<'_>],
    meaning: &Meaning,
    name: &str,
    item: usize,
    add: &mut Add<'_>,
) {
    let Meaning::Models(places) = meaning else { return };
    for (fact, word) in
        [(SwitchFact::HasTools, "tools"), (SwitchFact::HasImages, "images"), (SwitchFact::WantsJson, "json")]
    {
        if !policy.condition.parts().contains(&Test::Fact(fact.clone())) {
            continue;
        }
        for &(p, m) in places {
            let known = written[p].profile.models.get(m).and_then(|model| model.capabilities.as_ref());
            if known.is_some_and(|known| !known.iter().any(|has| has == word)) {
                add(
                    "use",
                    Some(item),
                    format!("{} is for requests with {fact}, which {name} cannot take", policy.name),
                    format!("add {word} to its capabilities if it can, or use another model"),
                );
            }
        }
    }
}

fn effects(policy: &Policy, add: &mut Add<'_>) {
    let effects = &policy.effects;
    let idle =
        policy.targets.is_empty() && !policy.protects() && !effects.touch_the_body() && effects.timeout_ms.is_none();
    if idle {
        add(
            "name",
            None,
            format!("{} says nothing: a request that it decides goes where it would go anyway", policy.name),
            "add use, deny, local_only or another effect".to_owned(),
        );
    }
}
