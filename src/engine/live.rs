//! What a call decides against: an immutable picture of configuration and world, with the secrets that the
//! snapshot for front ends never holds.

use super::state::{Provider, State};
use super::traffic::Traffic;
use crate::domain::config::{Config, Profile};
use crate::domain::ids::{ModelId, ProviderId, Target};
use crate::domain::money::Price;
use crate::domain::price::price_of;
use crate::domain::quality::quality_of;
use crate::domain::reach::Reach;
use crate::domain::routing::{Providers, Reads, World, WorldModel, WorldProvider};
use crate::domain::stats::percentile;
use crate::domain::time::UnixMs;
use std::collections::HashMap;
use std::sync::Arc;

/// Published by the supervisor after every change; read by calls without waiting.
#[derive(Debug)]
pub struct Live {
    pub config: Arc<Config>,
    /// What the rules look at: facts that nobody asks for are not worked out.
    pub reads: Reads,
    pub world: World,
    pub profiles: HashMap<ProviderId, Arc<Profile>>,
    /// Every enabled provider has been probed at least once since start or since it was added.
    pub ready: bool,
    /// Every enabled provider either has been probed or names its models in the configuration, so that the
    /// candidates are known although some states are not.
    pub candidates_known: bool,
}

/// Every provider as routing sees it at `now`.
pub fn world_providers(state: &State, traffic: &Traffic, now: UnixMs) -> Providers {
    state.providers.iter().map(|provider| world_provider(provider, &state.config, traffic, now)).collect()
}

fn world_provider(provider: &Provider, config: &Config, traffic: &Traffic, now: UnixMs) -> WorldProvider {
    let profile = &provider.profile;
    let reach = reach_of(provider);
    let mut models: Vec<WorldModel> = Vec::new();
    for named in &profile.models {
        models.push(world_model(&named.id, provider, config, true));
    }
    for preferred in &profile.preferred_models {
        let known = models.iter().any(|model| &model.id == preferred);
        // A preferred model that its server does not list is a wish, not a candidate.
        if !known && provider.health.models.iter().any(|listed| &listed.id == preferred) {
            models.push(world_model(preferred, provider, config, true));
        }
    }
    for listed in &provider.health.models {
        if !models.iter().any(|model| model.id == listed.id) {
            models.push(world_model(&listed.id, provider, config, reach.is_local() && !listed.remote));
        }
    }
    for model in &mut models {
        let target = Target { provider: profile.id.clone(), model: model.id.clone() };
        model.breaker_until = traffic.breaker_until(&target, now);
        model.ttft_ms = traffic.ttft(&target);
    }
    WorldProvider {
        id: profile.id.clone(),
        kind: profile.kind,
        reach,
        local: profile.local,
        enabled: profile.enabled,
        state: provider.health.state,
        reason: provider.health.reason.clone(),
        withheld: profile.withheld.as_ref().map(|withheld| withheld.sentence.clone()),
        parked_until: traffic.parked_until(&profile.id, now),
        aliases: profile.aliases.clone(),
        models,
        preferred_models: profile.preferred_models.clone(),
        p50_ms: percentile(&mut provider.history.iter().filter_map(|point| point.latency_ms).collect::<Vec<_>>(), 50),
    }
}

fn world_model(id: &ModelId, provider: &Provider, config: &Config, candidate: bool) -> WorldModel {
    let profile = &provider.profile;
    let named = profile.models.iter().find(|model| &model.id == id);
    let listed = provider.health.models.iter().find(|model| &model.id == id);
    WorldModel {
        id: id.clone(),
        candidate,
        chat: listed.is_none_or(|model| model.chat),
        loaded: listed.and_then(|model| model.loaded),
        remote: listed.is_some_and(|model| model.remote),
        context: listed.and_then(|model| model.context).or_else(|| named.and_then(|model| model.context)),
        capabilities: named.and_then(|model| model.capabilities.clone()),
        quality: named.and_then(|model| model.quality).or_else(|| quality_of(id)),
        price: price_at(provider, id, config),
        breaker_until: None,
        ttft_ms: None,
    }
}

/// The price of a model at a provider. What a near server runs elsewhere is somebody's cloud: its price is known
/// only when the profile names it.
pub fn price_at(provider: &Provider, id: &ModelId, config: &Config) -> Option<Price> {
    let remote = provider.health.models.iter().any(|model| &model.id == id && model.remote);
    let named = provider.profile.models.iter().find(|model| &model.id == id).and_then(|model| model.price);
    if remote {
        return named;
    }
    // What the vendor's own list says, where nothing nearer does.
    let listed = || provider.health.models.iter().find(|model| &model.id == id).and_then(|model| model.price);
    price_of(&provider.profile, id, &config.money).or_else(listed)
}

/// The reach of the last connection; before any, what the address promises.
pub fn reach_of(provider: &Provider) -> Reach {
    provider.health.reach.unwrap_or_else(|| Reach::of_host(&provider.profile.endpoint.host))
}
