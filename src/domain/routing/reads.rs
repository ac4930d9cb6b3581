//! What a rule set looks at: which facts have to be at hand for a call, and what a session's pin is keyed by.

use super::condition::{Fact, Ground, NumberFact};
use super::policy::{Outcome, Policy};
use super::{RuleSet, World};
use crate::domain::call::Facts;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// The facts that the rules in force mention; worked out once per rule set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reads {
    pub time: bool,
    pub in_flight: bool,
    /// The request's own facts, each once.
    request: Vec<Fact>,
    /// Policies that look at the world, by their place.
    worldly: Vec<usize>,
    version: u64,
}

/// Two requests with the same key go to the same target while health allows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PinKey(String);

impl Reads {
    pub fn of(rules: &RuleSet) -> Self {
        let mut reads = Self { version: rules.version, ..Self::default() };
        let active = |policy: &&Policy| policy.enabled;
        for fact in rules.policies.iter().filter(active).flat_map(|policy| policy.condition.reads()) {
            match fact {
                Fact::Number(NumberFact::Hour | NumberFact::Weekday) => reads.time = true,
                Fact::Number(NumberFact::InFlight(_)) => reads.in_flight = true,
                fact if !fact.of_the_world() && !reads.request.contains(fact) => reads.request.push(fact.clone()),
                _ => {}
            }
        }
        let worldly = |policy: &Policy| policy.enabled && policy.condition.reads().iter().any(Fact::of_the_world);
        reads.worldly =
            rules.policies.iter().enumerate().filter(|(_, policy)| worldly(policy)).map(|(place, _)| place).collect();
        reads
    }

    /// The key of a request's pin; `None` without a session.
    ///
    /// It holds the session, the person's choice of a target, what the caller asked for by name, and the values of all
    /// facts of the request that the rules read. What changes by itself (health, money, the hour) enters as what the rules that read it
    /// conclude: the amount spent is another one after every call, and no session would ever keep its pin.
    pub fn pin_key(&self, facts: &Facts, rules: &RuleSet, world: &World) -> Option<PinKey> {
        if facts.session.is_empty() {
            return None;
        }
        // Texts are the caller's: their lengths keep them apart.
        let mut key = String::with_capacity(96);
        let _ = write!(key, "{} {}", self.version, facts.session.len());
        for text in [&*facts.session, &facts.requested_model, &facts.preferred_provider, super::request_type(facts)] {
            let _ = write!(key, "\u{1}{}\u{1}{text}", text.len());
        }
        // A choice is for all calls from then on.
        let _ = write!(key, "\u{1}{}", world.active);
        let ground = Ground { facts, world };
        for fact in &self.request {
            push_value(&mut key, fact, &ground);
        }
        for policy in self.worldly.iter().filter_map(|place| rules.policies.get(*place)) {
            key.push(match policy.outcome(&ground) {
                Outcome::Holds => '+',
                Outcome::Not => '-',
                Outcome::Failed(_) => '?',
            });
        }
        Some(PinKey(key))
    }
}

fn push_value(key: &mut String, fact: &Fact, ground: &Ground<'_>) {
    let mut text = |text: &str| {
        let _ = write!(key, "\u{1}{}\u{1}{text}", text.len());
    };
    match fact {
        Fact::Text(fact) => text(ground.text(*fact)),
        Fact::Tag(name) => text(ground.tag(name)),
        Fact::Tags => {
            for (name, value) in &ground.facts.tags {
                text(name);
                text(value);
            }
        }
        Fact::Switch(fact) => key.push(if ground.switch(fact) == Ok(true) { '+' } else { '-' }),
        Fact::Number(fact) => {
            if let Ok(value) = ground.number(fact) {
                let _ = write!(key, "\u{1}{value}");
            }
        }
    }
}
