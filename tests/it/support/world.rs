//! Worlds as routing sees them.

use lmdeck::domain::health::State;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::{WorldModel, WorldProvider};
use std::collections::BTreeMap;

/// A provider that is up: vendors in the cloud, others on this machine.
pub fn provider(id: &str, kind: Kind, models: Vec<WorldModel>) -> WorldProvider {
    WorldProvider {
        id: id.into(),
        kind,
        reach: if kind.is_vendor() { Reach::Cloud } else { Reach::Machine },
        local: false,
        enabled: true,
        state: State::Up,
        reason: String::new(),
        withheld: None,
        parked_until: None,
        aliases: BTreeMap::new(),
        models: models.into(),
        preferred_models: Vec::new(),
        p50_ms: None,
    }
}
