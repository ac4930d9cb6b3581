//! Routing: the rules, the world they look at, and the decision. `decide` is a pure function: the same
//! inputs give the same decision, always.

mod candidates;
mod choice;
pub mod condition;
mod decide;
mod explain;
pub mod lint;
mod order;
mod policy;
mod reads;
mod reasons;
mod resolve;
mod work;
mod world;

pub use choice::{Unclear, choice};
pub use decide::decide;
pub use explain::explain;
pub use order::spills;
pub use policy::{Effects, Fallback, Outcome, Policy};
pub use reads::{PinKey, Reads};
pub use resolve::{Named, closest, request_type, stands_for_something};
pub use work::world_for;
pub use world::{BudgetFacts, Limited, LocalTime, Providers, World, WorldModel, WorldProvider};

use super::call::{ObservedMatch, Reject};
use super::ids::{ProviderId, Target};
use super::reach::Reach;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The order used when no policy and no request-type order decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    #[default]
    PreferLocal,
    PreferCloud,
    CostOptimized,
    QualityOptimized,
}

impl Strategy {
    pub const ALL: [Self; 4] = [Self::PreferLocal, Self::PreferCloud, Self::CostOptimized, Self::QualityOptimized];

    pub fn word(self) -> &'static str {
        match self {
            Self::PreferLocal => "prefer_local",
            Self::PreferCloud => "prefer_cloud",
            Self::CostOptimized => "cost_optimized",
            Self::QualityOptimized => "quality_optimized",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.word() == word)
    }
}

/// The rules of one configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RuleSet {
    /// Grows with every change; recorded with each call.
    pub version: u64,
    pub strategy: Strategy,
    /// Request type to items: a provider id, an alias, a kind word, `provider/model`, `local`, `cloud` or
    /// a strategy. In file order.
    pub request_orders: Vec<(String, Vec<String>)>,
    /// `cost_optimization.prefer_local_models`: breaks ties of price under `cost_optimized`.
    pub prefer_local_ties: bool,
    /// In the order they apply: the higher priority first, then as they stand in the file.
    pub policies: Vec<Policy>,
    /// `routing.spillover`: the wait from which the cloud comes before a busy local server.
    #[serde(default)]
    pub spillover_ms: Option<u64>,
}

/// The person's choice that stands first in the strategy's order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActiveChoice {
    #[default]
    Auto,
    /// A provider: its best model.
    Provider(ProviderId),
    Target(Target),
}

impl std::fmt::Display for ActiveChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Provider(id) => id.fmt(f),
            Self::Target(target) => target.fmt(f),
        }
    }
}

/// One place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    pub target: Target,
    /// Cloud, or local: what the guard at connect checks.
    pub reach: Reach,
    /// Why it stands here, in a few words: `loaded`, `named by the order`, `cloud after local`.
    pub why: Cow<'static, str>,
}

/// Who decided, in the ledger's words: `policy:NAME`, `named`, `request_type:NAME`, `active`, `strategy:NAME`,
/// `none`.
pub type DecidedBy = String;

/// The chain for one request, with everybody who was left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Decision {
    pub by: DecidedBy,
    pub rules_version: u64,
    /// Empty when nobody can take the call, and always when it is denied.
    pub chain: Vec<Chosen>,
    pub rejected: Vec<Reject>,
    /// Nothing of this call may connect to a cloud address, whatever fails.
    pub local_only: bool,
    /// A rule refuses the call, with this message.
    #[serde(default)]
    pub denied: Option<String>,
    /// What the deciding policy does to the call.
    #[serde(default)]
    pub effects: Effects,
    /// Policies that were looked at and did not decide although their condition is not false.
    #[serde(default)]
    pub notes: Vec<PolicyNote>,
    /// Who should have come first cannot be asked now: the first of the chain stands in for it until it is back.
    #[serde(default)]
    pub stand_in: bool,
}

impl Decision {
    /// [`Self::by`] where nobody has what the caller named.
    pub const NOTHING_NAMED: &str = "none";

    /// The caller named what nobody has.
    pub fn names_nothing(&self) -> bool {
        self.by == Self::NOTHING_NAMED
    }
}

/// A policy that was passed over, or that applied without a result of its condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyNote {
    pub policy: String,
    pub what: NoteKind,
    /// Why, in a few words; empty for `observed`.
    pub why: String,
    /// For `observed`: what it would have come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<Would>,
}

/// What an observed policy would have made of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Would {
    /// The first of its chain; `None` when it leaves nobody, or denies.
    pub target: Option<Target>,
    pub denied: bool,
}

impl Decision {
    /// What the observed policies would have made of it; made of nothing when there is none.
    pub fn observed(&self) -> Vec<ObservedMatch> {
        let first = self.chain.first().map(|chosen| &chosen.target);
        let matched = |note: &PolicyNote| {
            let would = note.would.as_ref()?;
            Some(ObservedMatch {
                policy: note.policy.clone(),
                target: would.target.clone(),
                denied: would.denied,
                moved: would.target.as_ref() != first,
            })
        };
        self.notes.iter().filter_map(matched).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// In observe mode it would have decided.
    Observed,
    /// Nothing that its `use` names is what the request asked for.
    NotApplicable,
    /// Its condition came to no result: skipped.
    Skipped,
    /// Its condition came to no result: applied, because it protects.
    Closed,
}

/// A decision with the whole way to it, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub decision: Decision,
    /// The answer in one sentence.
    pub sentence: String,
    /// Every rule in order, with its verdict.
    pub rules: Vec<RuleTrace>,
    /// What this process could not look at, and another one that carries out calls would.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<Unseen>,
}

/// Knowledge that lives in the memory of the process that carries out the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    /// Targets that keep failing, and vendors that are left alone for a while.
    Breakers,
    /// Which target answered a session last.
    Pins,
    /// What vendors said is left of their limits and plans.
    Limits,
    /// How long a call would wait for a busy local server.
    Waits,
    /// Calls under way.
    InFlight,
}

/// One rule's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RuleTrace {
    pub name: String,
    /// What it looks at, as written.
    pub when: String,
    /// `decides`, `denies`, `narrows`, `no`, `not reached`, `not applicable`, `observed`, `fails: applies`,
    /// `fails: skipped`, `switched off`, `for fallback`, `cannot take it`, `names nothing here`.
    pub verdict: String,
    /// The part of the condition that says so, with the values it saw; empty where there is none.
    #[serde(default)]
    pub why: String,
    /// Whether its condition is true here; `None` for what has no condition, or no result.
    #[serde(default)]
    pub holds: Option<bool>,
}
