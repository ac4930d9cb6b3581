//! Policies: one routing rule each, with its condition and its effects.

use super::condition::{Condition, Fault, Ground};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One routing rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    pub name: String,
    /// The higher comes first; the file's order among equals.
    pub priority: i64,
    /// As written; empty when it always applies.
    pub when: String,
    pub condition: Condition,
    pub enabled: bool,
    /// Traced on live traffic, never applied.
    pub observe: bool,
    /// Targets in order: as in a request type's order, with `local`, `cloud`, `fastest` and strategies. Empty: any.
    #[serde(rename = "use")]
    pub targets: Vec<String>,
    pub fallback: Fallback,
    /// Refuses the call with this message.
    pub deny: Option<String>,
    /// The call reaches no cloud provider, whatever fails.
    pub local_only: bool,
    pub effects: Effects,
    /// Its line in the file.
    pub line: Option<usize>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: String::new(),
            priority: 0,
            when: String::new(),
            condition: Condition::default(),
            enabled: true,
            observe: false,
            targets: Vec::new(),
            fallback: Fallback::None,
            deny: None,
            local_only: false,
            effects: Effects::default(),
            line: None,
        }
    }
}

/// What follows when no target of a policy is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// The chain ends where it ends.
    #[default]
    None,
    /// The active target and the strategy.
    Strategy,
}

/// What a policy does to the call it decides; these values win over everybody's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Effects {
    /// The answer may be no longer than this.
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub system_prompt: Option<String>,
    /// For the whole call, in milliseconds.
    pub timeout_ms: Option<u64>,
}

impl Effects {
    /// Whether a request's body has to be changed for them.
    pub fn touch_the_body(&self) -> bool {
        self.max_tokens.is_some() || self.temperature.is_some() || self.system_prompt.is_some()
    }
}

/// A policy in the words of the file; what it does not say is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Written<'a> {
    pub name: &'a str,
    pub priority: i64,
    pub when: Option<&'a str>,
    pub enabled: bool,
    /// `enforce` or `observe`.
    pub mode: &'static str,
    #[serde(rename = "use")]
    pub targets: &'a [String],
    pub fallback: Fallback,
    pub deny: Option<&'a str>,
    pub local_only: bool,
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub system_prompt: Option<&'a str>,
    /// In seconds.
    pub timeout: Option<f64>,
}

/// What became of a policy's condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Holds,
    Not,
    /// It has no result; a rule that protects applies then, any other is skipped.
    Failed(Fault),
}

impl Policy {
    /// As the file says it, without what was made of it.
    pub fn written(&self) -> Written<'_> {
        Written {
            name: &self.name,
            priority: self.priority,
            when: Some(self.when.as_str()).filter(|when| !when.is_empty()),
            enabled: self.enabled,
            mode: if self.observe { "observe" } else { "enforce" },
            targets: &self.targets,
            fallback: self.fallback,
            deny: self.deny.as_deref(),
            local_only: self.local_only,
            max_tokens: self.effects.max_tokens,
            temperature: self.effects.temperature,
            system_prompt: self.effects.system_prompt.as_deref(),
            timeout: self.effects.timeout_ms.map(|ms| Duration::from_millis(ms).as_secs_f64()),
        }
    }

    /// A rule that keeps something from happening: it applies also when its condition fails.
    pub fn protects(&self) -> bool {
        self.local_only || self.deny.is_some()
    }

    pub fn outcome(&self, ground: &Ground<'_>) -> Outcome {
        match self.condition.holds(ground) {
            Ok(true) => Outcome::Holds,
            Ok(false) => Outcome::Not,
            Err(fault) => Outcome::Failed(fault),
        }
    }
}
