//! What unsaved rules would do with a request, beside what the rules in force do with it now.

use super::live::Live;
use super::ports::Ports;
use super::presets;
use super::protocol::{PolicyEdit, Reply, WhatIf};
use crate::domain::call::Facts;
use crate::domain::routing::explain;

/// Reads the configuration file: off the async threads only.
pub fn what_if(ports: &Ports, edit: &PolicyEdit, facts: &Facts, live: &Live) -> Reply {
    let mut facts = facts.clone();
    presets::label(&mut facts, &live.config, &live.world);
    match ports.config.rules_with(edit) {
        Ok((rules, issues)) => Reply::WhatIf(Box::new(WhatIf {
            saved: explain(&facts, &live.config.rules, &live.world),
            edited: explain(&facts, &rules, &live.world),
            issues,
        })),
        Err(refusal) => Reply::Refused(refusal),
    }
}
