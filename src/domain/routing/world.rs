//! The world a decision looks at, at one moment.

use super::ActiveChoice;
use crate::domain::health::State;
use crate::domain::ids::{ModelId, ProviderId, Target};
use crate::domain::kind::Kind;
use crate::domain::money::{Money, Price};
use crate::domain::reach::Reach;
use crate::domain::shared::SharedList;
use crate::domain::time::UnixMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything outside the request that a decision may look at, at one moment. Cheap to clone: each call completes
/// a copy with what is its own (the time, its session's pin).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct World {
    pub now: UnixMs,
    pub active: ActiveChoice,
    /// In file order.
    pub providers: Providers,
    /// Cloud targets drop out when today's money is used up.
    pub budget_exhausted: bool,
    /// A day's limit is set that only priced models can keep: models without a price drop out.
    #[serde(default)]
    pub priced_only: bool,
    #[serde(default)]
    pub budget: BudgetFacts,
    #[serde(default)]
    pub time: LocalTime,
    /// Calls under way, by the place of the provider; empty when no rule asks.
    #[serde(default)]
    pub in_flight: Vec<u32>,
    /// The target this request's session was answered by last.
    #[serde(default)]
    pub pin: Option<Target>,
    /// Providers without room for this request in their limits per minute.
    #[serde(default)]
    pub limited: Vec<Limited>,
    /// How long a call would wait for a slot at local servers, in milliseconds; an absent one is free.
    #[serde(default)]
    pub waits: Vec<(ProviderId, u64)>,
    /// How long loading took the last time, in milliseconds.
    #[serde(default)]
    pub load_ms: Arc<BTreeMap<Target, u64>>,
    /// Local servers that callers are kept away from because they were too busy: they get calls back late.
    #[serde(default)]
    pub spilling: Vec<ProviderId>,
    /// Presets by name, each with what it asks for.
    #[serde(default)]
    pub presets: Arc<BTreeMap<String, String>>,
}

/// A provider whose limit has no room for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    pub provider: ProviderId,
    pub until: UnixMs,
    /// The reason in words, with the time of day.
    pub why: String,
    /// It is the account's plan that is used up, not a limit per minute.
    #[serde(default)]
    pub plan: bool,
}

/// The providers, shared by all copies of a world until one of them is changed.
pub type Providers = SharedList<WorldProvider>;

/// Today's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BudgetFacts {
    pub used: Money,
    /// `None` when no limit is set.
    pub limit: Option<Money>,
}

impl BudgetFacts {
    /// US dollars left; infinite without a limit, never below zero.
    pub fn remaining(&self) -> f64 {
        self.limit.map_or(f64::INFINITY, |limit| Money(limit.0.saturating_sub(self.used.0).max(0)).dollars())
    }

    /// Share of the limit that is spent; 0 without a limit.
    pub fn fraction(&self) -> f64 {
        match self.limit {
            None => 0.0,
            Some(limit) if limit.0 <= 0 => 1.0,
            Some(limit) => self.used.dollars() / limit.dollars(),
        }
    }
}

/// The time on the machine's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LocalTime {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 6; Sunday is 0.
    pub weekday: u8,
}

impl LocalTime {
    /// In UTC, for a machine that does not tell its zone.
    pub fn utc(at: UnixMs) -> Self {
        const HOUR: i64 = 3_600_000;
        // The first of January 1970 was a Thursday.
        let (hours, days) = (at.0.div_euclid(HOUR), at.0.div_euclid(24 * HOUR));
        let small = |value: i64| u8::try_from(value).unwrap_or(0);
        Self { hour: small(hours.rem_euclid(24)), weekday: small((days + 4).rem_euclid(7)) }
    }
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
    pub models: SharedList<WorldModel>,
    pub preferred_models: Vec<ModelId>,
    /// Median latency of its probes.
    #[serde(default)]
    pub p50_ms: Option<u64>,
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
    /// Runs elsewhere although its server is near: cloud. `None` where the server runs some models elsewhere and has not
    /// listed this one yet: a call that has to stay at home does not go there.
    pub remote: Option<bool>,
    pub context: Option<u64>,
    pub capabilities: Option<Vec<String>>,
    pub quality: Option<u32>,
    pub price: Option<Price>,
    /// Its breaker is open until then.
    pub breaker_until: Option<UnixMs>,
    /// How long its answers took to begin lately; `None` before the first.
    #[serde(default)]
    pub ttft_ms: Option<u64>,
}

impl World {
    /// A model that its provider names or lists.
    pub fn model(&self, target: &Target) -> Option<&WorldModel> {
        let provider = self.providers.iter().find(|provider| provider.id == target.provider)?;
        provider.models.iter().find(|model| model.id == target.model)
    }
}

impl WorldModel {
    /// A chat model of which only the name is known.
    pub fn of(id: impl Into<ModelId>) -> Self {
        Self {
            id: id.into(),
            candidate: true,
            chat: true,
            loaded: None,
            remote: Some(false),
            context: None,
            capabilities: None,
            quality: None,
            price: None,
            breaker_until: None,
            ttft_ms: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_moment_was_a_thursday_at_midnight() {
        assert_eq!(LocalTime::utc(UnixMs(0)), LocalTime { hour: 0, weekday: 4 });
        assert_eq!(LocalTime::utc(UnixMs(-1)), LocalTime { hour: 23, weekday: 3 });
    }

    #[test]
    fn no_limit_leaves_everything_and_a_limit_of_nothing_nothing() {
        let none = BudgetFacts { used: Money(5), limit: None };
        assert!(none.remaining().is_infinite() && none.fraction() == 0.0);
        let nothing = BudgetFacts { used: Money(0), limit: Some(Money(0)) };
        assert!(nothing.remaining() == 0.0 && (nothing.fraction() - 1.0).abs() < f64::EPSILON);
        let over = BudgetFacts { used: Money(30), limit: Some(Money(20)) };
        assert!(over.remaining() == 0.0 && (over.fraction() - 1.5).abs() < 1e-9);
    }
}
