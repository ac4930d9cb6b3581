//! Routing: the rules, the world they look at, and the decision. `decide` is a pure function: the same
//! inputs give the same decision, always.

mod candidates;
mod choice;
mod decide;
mod explain;
mod order;
mod resolve;
mod work;

pub use choice::{Unclear, choice};
pub use decide::decide;
pub use explain::explain;
pub use resolve::{Named, request_type};
pub use work::world_for;

use super::call::Reject;
use super::health::State;
use super::ids::{ModelId, ProviderId, Target};
use super::kind::Kind;
use super::money::Price;
use super::reach::Reach;
use super::time::UnixMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Policies of the file, checked in form; evaluated from a later version on.
    pub policies: Vec<PolicyOutline>,
    /// While a policy that keeps prompts at home (`local_only`, `deny`) cannot be evaluated yet, it is taken
    /// as applying to every call: nothing leaves the machine against a rule. Names of those policies.
    pub confined_by: Vec<String>,
}

/// What is known of a policy that is not yet evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyOutline {
    pub name: String,
    pub priority: i64,
    pub when: String,
    pub enabled: bool,
    pub observe: bool,
    pub line: Option<usize>,
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

/// Everything outside the request that a decision may look at, at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct World {
    pub now: UnixMs,
    pub active: ActiveChoice,
    /// In file order.
    pub providers: Vec<WorldProvider>,
    /// Money left today; `None` when no limit is set. Cloud targets drop out at zero.
    pub budget_exhausted: bool,
}

/// One provider as routing sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorldProvider {
    pub id: ProviderId,
    pub kind: Kind,
    pub reach: Reach,
    /// `local: true` in its profile.
    pub local: bool,
    pub enabled: bool,
    pub state: State,
    /// The state's reason, for the reject.
    pub reason: String,
    /// Not to be asked, with the sentence why (an unset variable and the like).
    pub withheld: Option<String>,
    /// Parked after a rate limit until then.
    pub parked_until: Option<UnixMs>,
    pub aliases: BTreeMap<String, Option<ModelId>>,
    /// Named models in file order, then chat models a local server lists. Best first is not assumed.
    pub models: Vec<WorldModel>,
    pub preferred_models: Vec<ModelId>,
}

/// One model as routing sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorldModel {
    pub id: ModelId,
    /// Named in the profile, or listed by a local server: may be chosen automatically. (A model that only a
    /// cloud vendor's list holds may be named by a caller, never chosen.)
    pub candidate: bool,
    pub chat: bool,
    pub loaded: Option<bool>,
    /// Runs elsewhere although its server is near: cloud.
    pub remote: bool,
    pub context: Option<u64>,
    pub capabilities: Option<Vec<String>>,
    pub quality: Option<u32>,
    pub price: Option<Price>,
    /// Its breaker is open until then.
    pub breaker_until: Option<UnixMs>,
}

/// One place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    pub target: Target,
    /// Cloud, or local: what the guard at connect checks.
    pub reach: Reach,
    /// Why it stands here, in a few words: `loaded`, `named by the order`, `cloud after local`.
    pub why: String,
}

/// Who decided, in the ledger's words: `named`, `request_type:NAME`, `active`, `strategy:NAME`,
/// `confined:POLICY`, `none`.
pub type DecidedBy = String;

/// The chain for one request, with everybody who was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub by: DecidedBy,
    pub rules_version: u64,
    pub chain: Vec<Chosen>,
    pub rejected: Vec<Reject>,
    /// Nothing of this call may connect to a cloud address, whatever fails.
    pub local_only: bool,
}

/// A decision with the whole way to it, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    pub decision: Decision,
    /// The answer in one sentence.
    pub sentence: String,
    /// Every rule in order, with its verdict.
    pub rules: Vec<RuleTrace>,
}

/// One rule's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleTrace {
    pub name: String,
    /// What it looks at, as written.
    pub when: String,
    /// `decides`, `narrows`, `no`, `not reached`, `not yet in force`, `switched off`, `for fallback`,
    /// `cannot take it`, `names nothing here`.
    pub verdict: String,
}
