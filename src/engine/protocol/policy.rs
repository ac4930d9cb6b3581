//! Edits of policies, and tables that try rules out, as front ends say them.

use crate::domain::call::{Facts, ObservedMatch};
use crate::domain::config::Issue;
use crate::domain::routing::{Explanation, LocalTime};
use serde::{Deserialize, Serialize};

/// A policy as a form or `routes add` describes it. What is `None` is left as it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyDraft {
    pub name: Option<String>,
    pub priority: Option<i64>,
    pub when: Option<String>,
    #[serde(rename = "use")]
    pub targets: Option<Vec<String>>,
    /// `none` or `strategy`.
    pub fallback: Option<String>,
    /// `enforce` or `observe`.
    pub mode: Option<String>,
    pub enabled: Option<bool>,
    pub deny: Option<String>,
    pub local_only: Option<bool>,
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub system_prompt: Option<String>,
    /// Seconds.
    pub timeout: Option<f64>,
    /// Keys to take away, as they stand in the file.
    pub clear: Vec<String>,
}

/// One change of the policies. Names are as they stand in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyEdit {
    Add {
        draft: PolicyDraft,
    },
    Edit {
        name: String,
        draft: PolicyDraft,
    },
    /// A second one that is switched off until it is enabled.
    Copy {
        name: String,
        to: String,
    },
    Move {
        name: String,
        place: PolicyPlace,
    },
    Enable {
        name: String,
        enabled: bool,
    },
    Remove {
        name: String,
    },
}

/// Where a policy goes, in the order policies apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyPlace {
    First,
    Last,
    Up,
    Down,
    Before(String),
    After(String),
}

/// One row of a table that tries the rules out. The world has all providers up with the models the configuration
/// names, unless the row says otherwise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteCase {
    pub facts: Facts,
    pub world: CaseWorld,
}

/// What is different in the world of one row.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaseWorld {
    /// Providers that are down.
    pub down: Vec<String>,
    /// Targets, or providers with all their models, that are loaded; all others of theirs are not.
    pub loaded: Vec<String>,
    /// `auto`, a provider or `provider/model`.
    pub active: Option<String>,
    /// The target the session was answered by last.
    pub pinned: Option<String>,
    pub hour: Option<u8>,
    pub weekday: Option<u8>,
    /// US dollars spent today.
    pub spent: Option<f64>,
    /// US dollars that may be spent; else the configuration's limit.
    pub limit: Option<f64>,
}

impl CaseWorld {
    /// Noon on a Monday, unless it says otherwise.
    pub fn time(&self) -> LocalTime {
        LocalTime { hour: self.hour.unwrap_or(12), weekday: self.weekday.unwrap_or(1) }
    }
}

/// What a condition says, or what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConditionCheck {
    /// `None` when it can be read.
    pub slip: Option<ConditionSlip>,
    /// The facts it looks at, each with what it is, as in `a whole number`.
    pub reads: Vec<(String, String)>,
}

/// The first thing wrong with a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionSlip {
    /// Characters before the place, and how many it takes; at least one.
    pub at: usize,
    pub length: usize,
    pub message: String,
    pub remedy: String,
}

/// One request by the rules in force, and by those an edit would make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WhatIf {
    pub saved: Explanation,
    pub edited: Explanation,
    /// What is odd about the edited rules.
    pub issues: Vec<Issue>,
}

/// What policies in observe mode would have done with the calls of a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ObservedSums {
    /// All calls of that time.
    pub of: u64,
    /// Those that matched any, in the order they were first met.
    pub policies: Vec<ObservedCount>,
}

/// One observed policy's matches.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ObservedCount {
    pub policy: String,
    /// Calls that it would have decided.
    pub matched: u64,
    /// Of them those that would have gone somewhere else first, or nowhere.
    pub moved: u64,
    /// Of them those that it would have refused.
    pub denied: u64,
}

impl ObservedSums {
    pub fn of_policy(&self, name: &str) -> Option<&ObservedCount> {
        self.policies.iter().find(|count| count.policy == name)
    }

    /// Counts `calls` calls that matched in this way.
    pub fn add(&mut self, found: &ObservedMatch, calls: u64) {
        let place = self.policies.iter().position(|count| count.policy == found.policy).unwrap_or_else(|| {
            self.policies.push(ObservedCount { policy: found.policy.clone(), ..ObservedCount::default() });
            self.policies.len() - 1
        });
        if let Some(count) = self.policies.get_mut(place) {
            count.matched += calls;
            count.moved += if found.moved { calls } else { 0 };
            count.denied += if found.denied { calls } else { 0 };
        }
    }
}
