//! Replay: what other rules would have made of calls that are recorded. The same `decide` looks at each record's
//! facts in the world that was recorded with it ([`then`]); what is not recorded is taken from today, and every
//! row says where that mattered.
//!
//! Pure: who reads the records, and what a target costs, is the caller's business.

mod sums;
mod then;

pub use sums::{AbsentFact, Flow, ReplayReport, ReplaySums};
pub use then::Watched;

use super::call::{CallRecord, Status};
use super::ids::{CallId, ProviderId, Target};
use super::money::{Money, Price};
use super::routing::condition::{Fact, Ground, NumberFact, SwitchFact};
use super::routing::{Decision, LocalTime, Policy, RuleSet, World, decide, explain, world_for};
use super::time::UnixMs;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// What recorded calls are held against.
pub struct Against<'a> {
    pub rules: &'a RuleSet,
    /// The rules in force now: a session keeps its target where the rule that decides is the same.
    pub in_force: &'a RuleSet,
    /// Today's.
    pub world: &'a World,
    /// What probes saw since.
    pub watched: &'a Watched,
    /// What a target costs today; `None` when nobody knows.
    pub price: &'a (dyn Fn(&Target) -> Option<Price> + 'a),
}

/// One call by the rules of then, and by the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    pub id: CallId,
    pub ts: UnixMs,
    pub request_type: String,
    pub before: Fate,
    pub after: Fate,
    pub change: Change,
    /// Providers that the new decision rests on and whose state then is not recorded: it is today's.
    pub today: Vec<ProviderId>,
}

/// Where a call went, or would go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// `None` when it reached nobody.
    pub target: Option<Target>,
    /// Who decided, in the ledger's words.
    pub by: String,
    /// At home or in the cloud; `None` where nobody can tell any more.
    pub local: Option<bool>,
    /// Why it reached nobody.
    pub refused: Option<String>,
    /// What it came to, or is expected to; `None` when that is not known.
    pub cost: Option<Money>,
    /// To its first token, or expected: the mean of that target in these calls, else today's.
    pub ttft_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Same,
    /// To another target.
    Moved,
    /// It reached somebody, and would not.
    Refused,
    /// It reached nobody, and would.
    LetThrough,
}

impl Change {
    pub fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Moved => "moved",
            Self::Refused => "refused",
            Self::LetThrough => "let_through",
        }
    }
}

/// Takes records one by one, the newest first, and sums them up at the end.
#[derive(Debug, Default)]
pub struct Replay {
    rows: Vec<Replayed>,
    /// First tokens of each target: their sum and how many.
    first_tokens: HashMap<Target, (u64, u64)>,
    /// Facts of requests that the rules read, and how many calls lack them.
    absent: BTreeMap<String, u64>,
}

impl Replay {
    /// Calls so far.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Holds one record against the rules. `time` is the hour and the weekday it was decided in.
    pub fn add(&mut self, record: &CallRecord, time: LocalTime, against: &Against<'_>) {
        self.note_first_token(record);
        self.note_absent(record, against);
        let then = then::world_then(record, time, against.world, against.watched);
        let world = world_for(record.facts.work, &then.world);
        let decision = decided(record, &world, against);
        let before = fate_then(record, against.world);
        let went = before.target.clone().or_else(|| reached(record, &record.chain));
        let chain: Vec<Target> = decision.chain.iter().map(|chosen| chosen.target.clone()).collect();
        let goes = reached(record, &chain);
        let after = match &goes {
            // Where it goes where it went, it ends as it ended.
            Some(_) if goes == went => Fate { by: decision.by.clone(), ..before.clone() },
            Some(target) => Fate {
                by: decision.by.clone(),
                local: then::is_local(&world, target),
                refused: None,
                cost: expected_cost(record, (against.price)(target)),
                ttft_ms: None,
                target: goes.clone(),
            },
            None => Fate {
                by: decision.by.clone(),
                target: None,
                local: None,
                refused: Some(match &decision.denied {
                    Some(message) => message.clone(),
                    None => explain(&record.facts, against.rules, &world).sentence,
                }),
                cost: Some(Money::ZERO),
                ttft_ms: None,
            },
        };
        let change = match (&before.refused, &after.refused) {
            (None, Some(_)) => Change::Refused,
            (Some(_), None) => Change::LetThrough,
            (None, None) if before.target != after.target => Change::Moved,
            _ => Change::Same,
        };
        let today = from_today(&decision, goes.as_ref(), &then.known);
        self.rows.push(Replayed {
            id: record.id.clone(),
            ts: record.ts,
            request_type: record.facts.request_type.clone(),
            before,
            after,
            change,
            today,
        });
    }

    /// Everything together. `matching` calls fit the filter; `stopped`: not all of those asked for were looked at.
    pub fn finish(self, matching: u64, stopped: bool, against: &Against<'_>) -> ReplayReport {
        let Self { mut rows, first_tokens, absent } = self;
        for row in rows.iter_mut().filter(|row| matches!(row.change, Change::Moved | Change::LetThrough)) {
            row.after.ttft_ms = row.after.target.as_ref().and_then(|target| {
                let seen = first_tokens.get(target).and_then(|(sum, calls)| sum.checked_div(*calls));
                seen.or_else(|| ttft_today(target, against.world))
            });
        }
        let absent = absent.into_iter().filter(|(_, calls)| *calls > 0);
        let absent = absent.map(|(fact, calls)| AbsentFact { fact, calls }).collect();
        sums::report(rows, absent, unrecorded(against.rules), matching, stopped)
    }

    fn note_first_token(&mut self, record: &CallRecord) {
        if let (Some(target), Some(ms), Status::Ok) = (&record.target, record.ttft_ms, record.status)
            && record.cache != "hit"
        {
            let (sum, calls) = self.first_tokens.entry(target.clone()).or_default();
            *sum = sum.saturating_add(ms);
            *calls += 1;
        }
    }

    fn note_absent(&mut self, record: &CallRecord, against: &Against<'_>) {
        let ground = Ground { facts: &record.facts, world: against.world };
        let rules = against.rules;
        for fact in rules.policies.iter().filter(|policy| policy.enabled).flat_map(|policy| policy.condition.reads()) {
            let lacks = match fact {
                Fact::Text(text) => ground.text(*text).is_empty(),
                Fact::Tag(name) => !record.facts.tags.contains_key(name),
                Fact::Switch(_) | Fact::Number(_) | Fact::Tags => continue,
            };
            if lacks {
                *self.absent.entry(fact.to_string()).or_default() += 1;
            }
        }
    }
}

/// What the rules make of a call, with its session's target where that explains what was recorded.
fn decided(record: &CallRecord, world: &World, against: &Against<'_>) -> Decision {
    let decision = decide(&record.facts, against.rules, world);
    let first = decision.chain.first().map(|chosen| &chosen.target);
    let pinned = record.chain.first().filter(|pinned| {
        !record.facts.session.is_empty()
            && first != Some(*pinned)
            && decision.by == record.policy
            && same_rule(&decision.by, against)
    });
    match pinned {
        Some(pinned) => decide(&record.facts, against.rules, &World { pin: Some(pinned.clone()), ..world.clone() }),
        None => decision,
    }
}

/// Whether the rule of this name is the same in both sets.
fn same_rule(by: &str, against: &Against<'_>) -> bool {
    let bare = |rules: &RuleSet, name: &str| {
        rules.policies.iter().find(|policy| policy.name == name).map(|policy| Policy { line: None, ..policy.clone() })
    };
    let order = |rules: &RuleSet, name: &str| rules.request_orders.iter().find(|(known, _)| known == name).cloned();
    match by.split_once(':') {
        Some(("policy", name)) => bare(against.rules, name) == bare(against.in_force, name),
        Some(("request_type", name)) => order(against.rules, name) == order(against.in_force, name),
        _ => true,
    }
}

/// The target of a chain that the call comes to rest at: those that failed then, or could not be tried, would do so
/// again.
fn reached(record: &CallRecord, chain: &[Target]) -> Option<Target> {
    let rested = |target: &Target| record.target.as_ref() == Some(target);
    let failed = |target: &Target| {
        !rested(target)
            && (record.attempts.iter().any(|attempt| attempt.failure.is_some() && &attempt.target == target)
                || (record.chain.contains(target) && record.rejects.iter().any(|reject| &reject.target == target)))
    };
    chain.iter().find(|target| !failed(target)).or(chain.last()).cloned()
}

fn fate_then(record: &CallRecord, today: &World) -> Fate {
    let refused = match (&record.target, record.status) {
        (None, Status::Error | Status::Denied) => {
            Some(record.error.as_ref().map_or_else(|| "nobody took it".to_owned(), |failure| failure.message.clone()))
        }
        _ => None,
    };
    let target = match (&record.target, &refused) {
        (Some(target), _) => Some(target.clone()),
        (None, Some(_)) => None,
        // It was cancelled before it went out.
        (None, None) => reached(record, &record.chain),
    };
    Fate {
        by: record.policy.clone(),
        local: target.as_ref().and_then(|target| then::is_local(today, target)),
        target,
        refused,
        cost: record.cost.whole(),
        ttft_ms: record.ttft_ms,
    }
}

/// The tokens of then at a price of today, nothing of it cached.
fn expected_cost(record: &CallRecord, price: Option<Price>) -> Option<Money> {
    let price = price?;
    if price.is_free() {
        return Some(Money::ZERO);
    }
    record.usage.map(|usage| price.of(usage.input, 0, usage.output))
}

/// The providers a decision rests on whose state is not recorded: of the chain as far as the call goes; where it
/// goes nowhere, those that could not take it.
fn from_today(decision: &Decision, goes: Option<&Target>, known: &[ProviderId]) -> Vec<ProviderId> {
    let mut today: Vec<ProviderId> = Vec::new();
    let mut rests_on = |id: &ProviderId| {
        if !known.contains(id) && !today.contains(id) {
            today.push(id.clone());
        }
    };
    match goes {
        Some(goes) => {
            for chosen in &decision.chain {
                rests_on(&chosen.target.provider);
                if &chosen.target == goes {
                    break;
                }
            }
        }
        None if decision.denied.is_none() => {
            let lost = decision.rejected.iter().filter(|reject| !matches!(&*reject.code, "not_named" | "not_local"));
            lost.for_each(|reject| rests_on(&reject.target.provider));
        }
        None => {}
    }
    today
}

fn ttft_today(target: &Target, world: &World) -> Option<u64> {
    let provider = world.providers.iter().find(|provider| provider.id == target.provider)?;
    provider.models.iter().find(|model| model.id == target.model)?.ttft_ms
}

/// What the rules look at and no record holds, by its name in a condition.
fn unrecorded(rules: &RuleSet) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |name: String| {
        if !found.contains(&name) {
            found.push(name);
        }
    };
    for policy in rules.policies.iter().filter(|policy| policy.enabled) {
        for fact in policy.condition.reads() {
            match fact {
                Fact::Switch(SwitchFact::Loaded(_))
                | Fact::Number(
                    NumberFact::P50Ms(_)
                    | NumberFact::InFlight(_)
                    | NumberFact::Used
                    | NumberFact::Remaining
                    | NumberFact::Fraction,
                ) => add(fact.to_string()),
                _ => {}
            }
        }
    }
    let used = rules.policies.iter().filter(|policy| policy.enabled).flat_map(|policy| &policy.targets);
    if used.chain(rules.request_orders.iter().flat_map(|(_, items)| items)).any(|item| item == "fastest") {
        add("fastest".to_owned());
    }
    found
}
