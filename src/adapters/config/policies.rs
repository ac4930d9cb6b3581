//! From `routing.policies` to the rules in force, in the order they apply.

use super::conditions;
use super::path::Path;
use super::profiles::{count, seconds, switch, text, texts};
use crate::domain::routing::{Effects, Fallback, Policy};
use serde_yaml::Value;
use std::cmp::Reverse;

/// A policy with its place in the file's list.
pub struct Placed {
    pub policy: Policy,
    pub index: usize,
}

/// All policies, the higher priority first, then in the order of the file. One whose condition cannot be read is
/// left out: its file is not used at all.
pub fn policies(routing: &Value, line_of: impl Fn(&Path) -> Option<usize>) -> Vec<Placed> {
    let written = routing.get("policies").and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
    let mut all: Vec<Placed> = written
        .iter()
        .enumerate()
        .filter_map(|(index, value)| {
            let line = line_of(&Path::of("routing.policies").index(index));
            Some(Placed { policy: policy(value, line)?, index })
        })
        .collect();
    all.sort_by_key(|placed| Reverse(placed.policy.priority));
    all
}

fn policy(value: &Value, line: Option<usize>) -> Option<Policy> {
    let when = text(value, "when").unwrap_or_default();
    Some(Policy {
        name: text(value, "name")?,
        priority: value.get("priority").and_then(Value::as_i64).unwrap_or(0),
        condition: conditions::read(&when).ok()?,
        when: when.trim().to_owned(),
        enabled: switch(value, "enabled").unwrap_or(true),
        observe: text(value, "mode").as_deref() == Some("observe"),
        targets: texts(value, "use"),
        fallback: match text(value, "fallback").as_deref() {
            Some("strategy") => Fallback::Strategy,
            _ => Fallback::None,
        },
        deny: text(value, "deny"),
        local_only: switch(value, "local_only").unwrap_or(false),
        effects: Effects {
            max_tokens: count(value, "max_tokens"),
            temperature: value.get("temperature").and_then(Value::as_f64),
            system_prompt: text(value, "system_prompt"),
            timeout_ms: seconds(value, "timeout").and_then(|time| u64::try_from(time.as_millis()).ok()),
        },
        line,
    })
}
