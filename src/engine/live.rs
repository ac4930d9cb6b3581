//! What a call decides against: an immutable picture of configuration and world, with the secrets that the
//! snapshot for front ends never holds.

use super::state::{Provider, State};
use super::traffic::Traffic;
use crate::domain::config::{Config, Profile};
use crate::domain::ids::ProviderId;
use crate::domain::reach::Reach;
use crate::domain::routing::{Providers, Reads, World, WorldProvider};
use crate::domain::stats::percentile;
use crate::domain::time::UnixMs;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Published by the supervisor after every change; read by calls without waiting.
#[derive(Debug)]
pub struct Live {
    pub config: Arc<Config>,
    /// What the rules look at: facts that nobody asks for are not worked out.
    pub reads: Reads,
    pub world: World,
    pub profiles: BTreeMap<ProviderId, Arc<Profile>>,
    /// Every enabled provider has been probed at least once since start or since it was added.
    pub ready: bool,
    /// Every enabled provider either has been probed or names its models in the configuration, so that the
    /// candidates are known although some states are not.
    pub candidates_known: bool,
}

/// Every provider as routing sees it at `now`, with its models as they were listed last.
pub fn world_providers(state: &State, traffic: &Traffic, now: UnixMs) -> Providers {
    state.providers.iter().map(|provider| world_provider(provider, traffic, now)).collect()
}

fn world_provider(provider: &Provider, traffic: &Traffic, now: UnixMs) -> WorldProvider {
    let profile = &provider.profile;
    WorldProvider {
        id: profile.id.clone(),
        kind: profile.kind,
        reach: reach_of(provider),
        local: profile.local,
        enabled: profile.enabled,
        state: provider.health.state,
        reason: provider.health.reason.clone(),
        withheld: profile.withheld.as_ref().map(|withheld| withheld.sentence.clone()).or_else(|| {
            let why = traffic.stopped(&profile.id, now)?;
            Some(format!("it needs a person: {why}"))
        }),
        parked_until: traffic.parked_until(&profile.id, now),
        aliases: profile.aliases.clone(),
        models: provider.world_models(),
        preferred_models: profile.preferred_models.clone(),
        p50_ms: percentile(&mut provider.history.iter().filter_map(|point| point.latency_ms).collect::<Vec<_>>(), 50),
    }
}

/// The reach of the last connection; before any, what the address promises.
pub fn reach_of(provider: &Provider) -> Reach {
    provider.health.reach.unwrap_or_else(|| Reach::of_host(&provider.profile.endpoint.host))
}
