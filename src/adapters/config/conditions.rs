//! The form of policies' conditions. They are CEL (Common Expression Language, cel.dev); only whether they can be
//! read is judged here, not what their names mean.

use super::findings::Findings;
use super::path::Path;
use crate::domain::config::Severity;
use serde_yaml::Value;

/// Brackets within brackets at most: the parser goes one call deeper for each.
const DEEPEST: usize = 64;
/// Characters at most.
const LONGEST: usize = 4096;

pub fn check(value: &Value, findings: &mut Findings<'_>) {
    let policies = value.get("routing").and_then(|routing| routing.get("policies")).and_then(Value::as_sequence);
    for (index, policy) in policies.into_iter().flatten().enumerate() {
        let Some(condition) = policy.get("when").and_then(Value::as_str) else { continue };
        if let Err(fault) = read(condition) {
            let path = Path::of("routing.policies").index(index).key("when");
            findings.value(Severity::Error, &path, format!("the condition cannot be read: {fault}"), remedy(condition));
        }
    }
}

fn read(condition: &str) -> Result<(), String> {
    if condition.chars().count() > LONGEST {
        return Err(format!("it is longer than {LONGEST} characters"));
    }
    if depth(condition) > DEEPEST {
        return Err(format!("its brackets go deeper than {DEEPEST}"));
    }
    cel::Program::compile(condition).map(|_| ()).map_err(|errors| match errors.errors.first() {
        Some(first) => format!("column {}: {}", first.pos.1 + 1, first.msg.lines().next().unwrap_or_default()),
        None => "it is no expression".to_owned(),
    })
}

fn depth(condition: &str) -> usize {
    let (mut now, mut deepest) = (0usize, 0);
    for c in condition.chars() {
        match c {
            '(' | '[' | '{' => now += 1,
            ')' | ']' | '}' => now = now.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(now);
    }
    deepest
}

/// The slip that people make most, else an example.
fn remedy(condition: &str) -> &'static str {
    let padded = format!(" {condition} ");
    let single = |sign: char, alone: &str| padded.contains(alone) && !padded.contains(&format!("{sign}{sign}"));
    if single('=', " = ") {
        "compare with ==, as in request.type == \"teaching_generation\""
    } else if padded.contains(" and ") || padded.contains(" or ") || padded.contains(" not ") {
        "join conditions with && and ||, negate with !"
    } else if single('&', " & ") || single('|', " | ") {
        "join conditions with && and ||"
    } else {
        "write it as in request.prompt_tokens > 24000 && request.priority != \"high\""
    }
}
