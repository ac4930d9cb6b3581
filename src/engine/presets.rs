//! Presets named as a request's model: what they say for the caller, and which one it is.

use crate::domain::call::Facts;
use crate::domain::config::Config;
use crate::domain::preset::{self, Preset};
use crate::domain::routing::World;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The presets by name, each with what it asks for, as a world knows them.
pub fn names(config: &Config) -> Arc<BTreeMap<String, String>> {
    Arc::new(config.presets.iter().map(|preset| (preset.name.clone(), preset.wanted().to_owned())).collect())
}

/// The preset that a request's model name means.
pub fn meant<'a>(facts: &Facts, config: &'a Config, world: &World) -> Option<&'a Preset> {
    preset::meant(&facts.requested_model, &config.presets, &world.providers)
}

/// Puts the labels of the preset that the request names as its model, where the caller gave none.
pub fn label(facts: &mut Facts, config: &Config, world: &World) {
    if let Some(preset) = meant(facts, config, world) {
        preset.label(facts);
    }
}
