//! A world in which everything configured is up: what rules are tried out against without asking anybody.

use super::presets;
use super::protocol::{CaseWorld, RouteCase};
use crate::domain::config::{Config, Profile};
use crate::domain::health::State;
use crate::domain::ids::{ModelId, Target};
use crate::domain::money::Money;
use crate::domain::price::price_of;
use crate::domain::quality::quality_of;
use crate::domain::reach::Reach;
use crate::domain::routing::{
    ActiveChoice, BudgetFacts, Explanation, World, WorldModel, WorldProvider, choice, explain, world_for,
};

/// Explains every row; a row whose world names what is not configured is refused with a sentence.
pub fn rehearse(cases: &[RouteCase], config: &Config) -> Vec<Result<Explanation, String>> {
    let explained = |case: &RouteCase| {
        let world = world(&case.world, config)?;
        let mut facts = case.facts.clone();
        presets::label(&mut facts, config, &world);
        Ok(explain(&facts, &config.rules, &world_for(facts.work, &world)))
    };
    cases.iter().map(explained).collect()
}

fn world(change: &CaseWorld, config: &Config) -> Result<World, String> {
    let mut world = World {
        providers: config.providers.iter().map(|profile| provider(profile, config)).collect(),
        presets: presets::names(config),
        ..World::default()
    };
    for id in &change.down {
        let found = world.providers.iter_mut().find(|provider| provider.id.as_str() == id);
        let provider = found.ok_or_else(|| format!("world.down: no provider {id} is configured"))?;
        provider.state = State::Down;
        "down in this table".clone_into(&mut provider.reason);
    }
    for name in &change.loaded {
        let mut known = false;
        for provider in &mut world.providers {
            let whole = provider.id.as_str() == name;
            let model = name.strip_prefix(provider.id.as_str()).and_then(|rest| rest.strip_prefix('/'));
            if !whole && !model.is_some_and(|model| provider.models.iter().any(|known| known.id.as_str() == model)) {
                continue;
            }
            known = true;
            for known in &mut provider.models {
                let named = whole || model == Some(known.id.as_str());
                known.loaded = Some(named || known.loaded == Some(true));
            }
        }
        if !known {
            return Err(format!("world.loaded: {name} names no model of the configuration"));
        }
    }
    if let Some(word) = &change.active {
        world.active = choice(word, &world.providers).map_err(|_| format!("world.active: {word} names no target"))?;
    }
    if let Some(word) = &change.pinned {
        world.pin = match choice(word, &world.providers) {
            Ok(ActiveChoice::Target(target)) => Some(target),
            _ => match word.split_once('/') {
                Some((provider, model)) => Some(Target::new(provider, model)),
                None => return Err(format!("world.pinned: {word} is no target: write provider/model")),
            },
        };
    }
    let dollars = |given: Option<f64>, name: &str| match given {
        None => Ok(None),
        Some(amount) => {
            Money::from_dollars(amount).map(Some).ok_or_else(|| format!("world.{name}: {amount} is no amount"))
        }
    };
    let limit = dollars(change.limit, "limit")?.or(config.money.daily_limit);
    world.budget = BudgetFacts { used: dollars(change.spent, "spent")?.unwrap_or(Money::ZERO), limit };
    world.budget_exhausted = config.money.drops_cloud(world.budget.used, limit);
    world.priced_only = limit.is_some() && config.money.needs_prices();
    world.time = change.time();
    Ok(world)
}

fn provider(profile: &Profile, config: &Config) -> WorldProvider {
    let named = profile.models.iter().map(|model| &model.id);
    let preferred = profile.preferred_models.iter().filter(|id| profile.models.iter().all(|model| &model.id != *id));
    WorldProvider {
        id: profile.id.clone(),
        kind: profile.kind,
        // A name that only a connection can place is a machine of the house here: everything is up in this world.
        reach: profile.foretold_reach().unwrap_or(Reach::Network),
        local: profile.local,
        enabled: profile.enabled,
        state: State::Up,
        reason: String::new(),
        withheld: None,
        parked_until: None,
        aliases: profile.aliases.clone(),
        models: named.chain(preferred).map(|id| model(id, profile, config)).collect(),
        preferred_models: profile.preferred_models.clone(),
        p50_ms: None,
    }
}

fn model(id: &ModelId, profile: &Profile, config: &Config) -> WorldModel {
    let named = profile.models.iter().find(|model| &model.id == id);
    WorldModel {
        id: id.clone(),
        candidate: true,
        chat: true,
        loaded: None,
        remote: Some(false),
        context: named.and_then(|model| model.context),
        capabilities: named.and_then(|model| model.capabilities.clone()),
        quality: named.and_then(|model| model.quality).or_else(|| quality_of(id)),
        price: price_of(profile, id, &config.money),
        breaker_until: None,
        ttft_ms: None,
    }
}
