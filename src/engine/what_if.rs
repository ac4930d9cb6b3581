//! Explanations of a request by the rules in force, and by unsaved ones, in the world of this moment.

use super::command::{Asker, reply_to};
use super::moment::world_now;
use super::ports::Ports;
use super::presets;
use super::protocol::{Command, PolicyEdit, Reply, WhatIf};
use super::supervisor::Supervisor;
use crate::domain::call::Facts;
use crate::domain::routing::{RuleSet, Unseen, World, explain, world_for};

impl Supervisor {
    /// Keeps a command whose answer shows the day (a probe is followed by a look at the whole picture) until the day was
    /// read; gives the others back.
    pub(super) fn hold_back(&mut self, command: Command, asker: Asker) -> Option<(Command, Asker)> {
        match (&command, &mut self.held) {
            (
                Command::Probe { .. } | Command::Explain { .. } | Command::ExplainWith { .. } | Command::Replay { .. },
                Some(held),
            ) => {
                held.push((command, asker));
                None
            }
            _ => Some((command, asker)),
        }
    }

    /// The day's money was read, or cannot be.
    pub(super) fn let_go_of_held(&mut self) {
        for (command, asker) in self.held.take().into_iter().flatten() {
            self.command(command, asker);
        }
    }

    pub(super) fn explain(&mut self, mut facts: Facts, asker: Asker) {
        let (world, rules) = self.moment(&mut facts);
        let mut explanation = explain(&facts, &rules, &world_for(facts.work, &world));
        if !self.options.schedule_probes {
            explanation.unseen = self.unseen(&facts);
        }
        reply_to(asker, Reply::Explained(Box::new(explanation)));
    }

    pub(super) fn explain_with(&mut self, edit: PolicyEdit, mut facts: Facts, asker: Asker) {
        let (world, rules) = self.moment(&mut facts);
        self.blocking(asker, move |ports| what_if(ports, &edit, &facts, &rules, &world));
    }

    /// The world of this moment for a request, which gets the labels of the preset it names, and the rules in force.
    pub(super) fn moment(&mut self, facts: &mut Facts) -> (World, RuleSet) {
        let live = self.live_now();
        presets::label(facts, &live.config, &live.world);
        let clock = self.ports.clock.as_ref();
        let (world, _) = world_now(&live, facts, (&self.traffic, &self.plans, clock), clock.now());
        (world, live.config.rules.clone())
    }

    /// What would matter to this request and is known to a running instance alone.
    fn unseen(&self, facts: &Facts) -> Vec<Unseen> {
        let live = self.live.borrow();
        let vendors = live.profiles.values().any(|profile| profile.enabled && profile.kind.is_vendor());
        let matters = [
            (Unseen::Breakers, true),
            (Unseen::Pins, !facts.session.is_empty()),
            (Unseen::Limits, vendors),
            (Unseen::Waits, live.config.rules.spillover_ms.is_some()),
            (Unseen::InFlight, live.reads.in_flight),
        ];
        matters.into_iter().filter(|(_, matters)| *matters).map(|(unseen, _)| unseen).collect()
    }
}

/// Reads the configuration file: off the async threads only.
fn what_if(ports: &Ports, edit: &PolicyEdit, facts: &Facts, saved: &RuleSet, world: &World) -> Reply {
    match ports.config.rules_with(edit) {
        Ok((edited, issues)) => {
            let world = world_for(facts.work, world);
            Reply::WhatIf(Box::new(WhatIf {
                saved: explain(facts, saved, &world),
                edited: explain(facts, &edited, &world),
                issues,
            }))
        }
        Err(refusal) => Reply::Refused(refusal),
    }
}
