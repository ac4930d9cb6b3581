//! Policies' conditions: from text to the typed tree of the domain, or to a fault with its place and a remedy.
//!
//! They are CEL (Common Expression Language, cel.dev), parsed by its crate. The crate checks neither names nor
//! types and says what is wrong in the words of its grammar, so everything behind the syntax is ours: `convert`
//! and `operators` make the tree and check it on the way, `slips` says in our words what the grammar stumbles over.

mod convert;
mod examine;
mod operators;
mod rename;
mod slips;
#[cfg(test)]
mod tests;

pub use examine::examine;
pub use rename::{asks_for, renamed};

use super::findings::Findings;
use super::path::Path;
use crate::domain::config::Severity;
use crate::domain::routing::condition::Condition;
use serde_yaml::Value;

/// Brackets within brackets at most: the parser goes one call deeper for each.
const DEEPEST: usize = 64;
/// Characters at most.
const LONGEST: usize = 4096;

/// What is wrong with a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slip {
    /// Characters before the place.
    pub at: usize,
    pub message: String,
    pub remedy: String,
}

impl Slip {
    fn new(at: usize, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { at, message: message.into(), remedy: remedy.into() }
    }
}

/// Reads a condition; an empty one always holds.
///
/// # Errors
/// What is wrong, where in the text, and how to mend it.
pub fn read(text: &str) -> Result<Condition, Slip> {
    if text.trim().is_empty() {
        return Ok(Condition::default());
    }
    if text.chars().count() > LONGEST {
        return Err(Slip::new(0, format!("the condition is longer than {LONGEST} characters"), "split it into rules"));
    }
    if let Some(at) = too_deep(text) {
        return Err(Slip::new(at, format!("its brackets go deeper than {DEEPEST}"), "make it flatter"));
    }
    let program = cel::Program::compile(text).map_err(|errors| slips::explain(text, &errors))?;
    convert::condition(text, program.expression(), program.source_info())
}

/// Checks every condition of the file.
pub fn check(value: &Value, findings: &mut Findings<'_>) {
    let policies = value.get("routing").and_then(|routing| routing.get("policies")).and_then(Value::as_sequence);
    for (index, policy) in policies.into_iter().flatten().enumerate() {
        let Some(condition) = policy.get("when").and_then(Value::as_str) else { continue };
        if let Err(slip) = read(condition) {
            let path = Path::of("routing.policies").index(index).key("when");
            let message = format!("the condition cannot be read: {}", slip.message);
            findings.inside(Severity::Error, &path, slip.at, message, slip.remedy);
        }
    }
}

fn too_deep(text: &str) -> Option<usize> {
    let mut now = 0usize;
    for (at, c) in text.chars().enumerate() {
        match c {
            '(' | '[' | '{' => now += 1,
            ')' | ']' | '}' => now = now.saturating_sub(1),
            _ => {}
        }
        if now > DEEPEST {
            return Some(at);
        }
    }
    None
}
