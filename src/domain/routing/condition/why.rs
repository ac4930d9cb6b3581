//! Why a condition is true or false here: the part that decides it, with the values it saw.

use super::Condition;
use super::eval::{Fault, Ground};
use super::names::Fact;
use super::tree::{Quoted, Test};
use std::fmt::Write as _;

/// Characters of a value quoted in a sentence.
const LONGEST_VALUE: usize = 40;

impl Condition {
    /// `request.type == "x" is false: request.type is "y"`; for what is true the values alone.
    pub fn why(&self, ground: &Ground<'_>) -> String {
        match self.holds(ground) {
            Ok(true) if self.always() => "it has no condition".to_owned(),
            Ok(true) => values(&self.test, ground),
            Ok(false) => {
                let part = deciding(&self.test, ground);
                // A switch says its value itself.
                let seen = if matches!(part, Test::Fact(_)) { String::new() } else { values(part, ground) };
                if seen.is_empty() { format!("{part} is false") } else { format!("{part} is false: {seen}") }
            }
            Err(fault) => format!("it has no result: {fault}"),
        }
    }
}

/// The innermost part whose falsehood makes the whole false.
fn deciding<'t>(test: &'t Test, ground: &Ground<'_>) -> &'t Test {
    match test {
        Test::And(parts) => match parts.iter().find(|part| part.holds(ground) == Ok(false)) {
            Some(part) => deciding(part, ground),
            None => test,
        },
        Test::If(parts) => match parts.0.holds(ground) {
            Ok(true) => deciding(&parts.1, ground),
            Ok(false) => deciding(&parts.2, ground),
            Err(_) => test,
        },
        _ => test,
    }
}

/// Every fact of a part with its value.
fn values(test: &Test, ground: &Ground<'_>) -> String {
    let mut seen = Vec::new();
    test.each_fact(&mut |fact| {
        if !seen.contains(&fact) {
            seen.push(fact);
        }
    });
    let mut out = String::new();
    for fact in seen {
        if !out.is_empty() {
            out.push_str(", ");
        }
        let _ = write!(out, "{fact} is {}", value(&fact, ground));
    }
    out
}

/// A fact's value in words: `"high"`, `absent`, `2048`, `true`.
pub(in crate::domain::routing) fn value(fact: &Fact, ground: &Ground<'_>) -> String {
    let shown = |result: Result<String, Fault>| result.unwrap_or_else(|fault| format!("not known ({fault})"));
    match fact {
        Fact::Text(fact) => quoted(ground.text(*fact)),
        Fact::Switch(fact) => shown(ground.switch(fact).map(|value| value.to_string())),
        Fact::Number(fact) => shown(ground.number(fact).map(|value| value.to_string())),
        Fact::Tag(name) => quoted(ground.tag(name)),
        Fact::Tags if ground.facts.tags.is_empty() => "empty".to_owned(),
        Fact::Tags => ground.facts.tags.keys().map(String::as_str).collect::<Vec<_>>().join(" "),
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() {
        return "absent".to_owned();
    }
    if text.chars().count() <= LONGEST_VALUE {
        return Quoted(text).to_string();
    }
    let cut: String = text.chars().take(LONGEST_VALUE).collect();
    format!("{}...", Quoted(&cut))
}
