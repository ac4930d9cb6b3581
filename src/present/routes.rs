//! Routing in words: what a strategy does, what becomes of a policy, a place in a chain, and a whole explanation
//! as text. `routes explain`, `ask --dry-run` and the dashboard say it with these.

use super::{escape, may_cost::may_cost, shell, text as columns, units};
use crate::domain::call::{Facts, ObservedMatch, Priority, Work};
use crate::domain::health::State;
use crate::domain::ids::Target;
use crate::domain::money::Money;
use crate::domain::routing::{Decision, Explanation, Fallback, Policy, Strategy, Unseen};
use crate::engine::protocol::{ConditionSlip, ModelView, ObservedCount, ObservedSums, ProviderView, Snapshot};
use std::fmt::Write;

/// What a strategy does, in a sentence without its end.
pub fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::PreferLocal => "your own machines first, then the cloud",
        Strategy::PreferCloud => "the cloud first, then your own machines",
        Strategy::CostOptimized => "the cheapest for this request first",
        Strategy::QualityOptimized => "the best ranked models first",
    }
}

/// What becomes of a policy of the file now.
pub fn policy_state(policy: &Policy) -> &'static str {
    match (policy.enabled, policy.observe) {
        (false, _) => "off",
        (true, true) => "observed",
        (true, false) => "in force",
    }
}

/// Who decided, by the name people gave it: from the ledger's `policy:NAME` and the like.
pub fn decided_by(by: &str) -> String {
    match by.split_once(':') {
        Some(("strategy" | "request_type" | "policy", name)) => name.to_owned(),
        _ => match by {
            "named" => "its name".to_owned(),
            "active" => "your choice".to_owned(),
            "none" => "no rule".to_owned(),
            other => other.to_owned(),
        },
    }
}

/// What is wrong with a condition: `column 42: no such fact. did you mean request.audience?`
pub fn slip(slip: &ConditionSlip) -> String {
    let column = slip.at + 1;
    if slip.remedy.is_empty() {
        return format!("column {column}: {}", slip.message);
    }
    format!("column {column}: {}; {}", slip.message, slip.remedy)
}

/// What a policy does, in a few words: `denies`, `local only: local`, `zai/glm-4.6, local, then the strategy`.
pub fn policy_does(policy: &Policy) -> String {
    let mut parts = Vec::new();
    if policy.deny.is_some() {
        return "denies".to_owned();
    }
    if policy.local_only {
        parts.push("local only".to_owned());
    }
    if !policy.targets.is_empty() {
        parts.push(policy.targets.join(", "));
    }
    if policy.fallback == Fallback::Strategy {
        parts.push("then the strategy".to_owned());
    }
    let effects = &policy.effects;
    if let Some(cap) = effects.max_tokens {
        parts.push(format!("at most {cap} tokens"));
    }
    if let Some(temperature) = effects.temperature {
        parts.push(format!("temperature {temperature}"));
    }
    if effects.system_prompt.is_some() {
        parts.push("its system prompt".to_owned());
    }
    if let Some(ms) = effects.timeout_ms {
        parts.push(format!("timeout {} s", ms.div_ceil(1000)));
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// What a policy in observe mode saw lately: `matched 12 of 340 in 24 h, would have moved 3, refused 1`.
pub fn observed(name: &str, sums: &ObservedSums) -> String {
    let none = ObservedCount::default();
    let count = sums.of_policy(name).unwrap_or(&none);
    let mut said = format!("matched {} of {} in 24 h", units::thousands(count.matched), units::thousands(sums.of));
    if count.matched > 0 {
        let moved = count.moved - count.denied.min(count.moved);
        let _ = write!(said, ", would have moved {}", units::thousands(moved));
    }
    if count.denied > 0 {
        let _ = write!(said, ", refused {}", units::thousands(count.denied));
    }
    said
}

/// What an observed policy would have made of a call: `would have sent it to zai/glm-4.6`.
pub fn would_have(found: &ObservedMatch) -> String {
    match (&found.target, found.denied) {
        (_, true) => "would have refused it".to_owned(),
        (None, false) => "would have left nobody to take it".to_owned(),
        (Some(target), false) if found.moved => format!("would have sent it to {target}"),
        (Some(target), false) => format!("would have sent it to {target} too"),
    }
}

/// What an explanation could not look at, in one line; `None` where it saw everything.
pub fn unseen(unseen: &[Unseen]) -> Option<String> {
    let words: Vec<&str> = unseen
        .iter()
        .map(|unseen| match unseen {
            Unseen::Breakers => "who keeps failing",
            Unseen::Pins => "which target its session has",
            Unseen::Limits => "what vendors said is left of their limits",
            Unseen::Waits => "how long local servers are busy",
            Unseen::InFlight => "calls under way",
        })
        .collect();
    let (last, rest) = words.split_last()?;
    let told = if rest.is_empty() { (*last).to_owned() } else { format!("{} and {last}", rest.join(", ")) };
    Some(format!("not seen from here: {told}; only a running instance knows"))
}

/// What put a place of the chain there: `request`, `order`, `active target` or `strategy`.
pub fn from(decision: &Decision, place: usize) -> &'static str {
    let why = decision.chain.get(place).map_or("", |chosen| chosen.why.as_ref());
    match (why, decision.by.as_str()) {
        ("named by the caller" | "preferred by the caller", _) | (_, "named") => "request",
        ("named by the order", _) => "order",
        ("named by the policy", _) => "policy",
        ("its session's target", _) => "session",
        ("the active target", _) => "active target",
        _ => "strategy",
    }
}

/// What a place in a chain costs and why it stands there: `free, not loaded`, `may cost $0.0177, cloud`.
pub fn note(snapshot: &Snapshot, facts: &Facts, target: &Target, why: &str) -> String {
    let mut parts = Vec::new();
    match may_cost(snapshot, facts, target) {
        Some(Money::ZERO) => parts.push("free".to_owned()),
        Some(amount) => parts.push(format!("may cost {}", units::money(amount))),
        None if model(snapshot, target).is_some() => parts.push("price unknown".to_owned()),
        // A server that was not asked has told no models: that says nothing of their price.
        None => {}
    }
    let provider = provider(snapshot, target);
    if model(snapshot, target).is_some_and(|model| model.loaded == Some(false)) {
        parts.push("not loaded".to_owned());
    }
    if provider.is_some_and(|view| view.health.state == State::Degraded) {
        parts.push("degraded".to_owned());
    }
    if !why.is_empty() && !parts.iter().any(|part| part == why) {
        parts.push(why.to_owned());
    }
    parts.join(", ")
}

pub fn provider<'a>(snapshot: &'a Snapshot, target: &Target) -> Option<&'a ProviderView> {
    snapshot.providers.iter().find(|view| view.id == target.provider).map(AsRef::as_ref)
}

pub fn model<'a>(snapshot: &'a Snapshot, target: &Target) -> Option<&'a ModelView> {
    provider(snapshot, target)?.models.iter().find(|model| model.id == target.model)
}

/// Columns of a target in [`text`]; a longer one is not cut.
const TARGET: usize = 36;

/// An explanation as `routes explain` prints it, safe for a clipboard.
pub fn text(snapshot: &Snapshot, facts: &Facts, explanation: &Explanation) -> String {
    let mut out = escape::line(&explanation.sentence).into_owned();
    let mut row = |cells: [&str; 4]| {
        let safe = cells.map(escape::line);
        out.push('\n');
        let [label, place, target, note] = safe.each_ref().map(AsRef::as_ref);
        let (label, target) =
            (columns::pad_right(label, 5), columns::pad_right(target, TARGET.max(columns::width(target))));
        out.push_str(format!("{label}  {place:>1}  {target}  {note}").trim_end());
    };
    for (place, chosen) in explanation.decision.chain.iter().enumerate() {
        let label = if place == 0 { "chain" } else { "" };
        let note = note(snapshot, facts, &chosen.target, &chosen.why);
        row([label, &(place + 1).to_string(), &chosen.target.to_string(), &note]);
    }
    for (place, reject) in explanation.decision.rejected.iter().enumerate() {
        row([if place == 0 { "out" } else { "" }, "", &reject.target.to_string(), &reject.reason]);
    }
    out
}

/// The command that explains the same sample in a shell, with everything that rules may look at. What only a request
/// on its way has (its cache, its trace, the gateways it came through) is no part of a sample.
pub fn explain_command(facts: &Facts) -> String {
    let mut line = "lmdeck routes explain".to_owned();
    let mut flag = |name: &str, value: &str| {
        let value = escape::line(value);
        // A value that begins with a dash would be read as a flag of its own.
        let joint = if value.starts_with('-') { '=' } else { ' ' };
        let _ = write!(line, " --{name}{joint}{}", shell::word(&value));
    };
    for (name, value) in [
        ("type", &facts.request_type),
        ("complexity", &facts.complexity),
        ("audience", &facts.audience),
        ("prefer", &facts.preferred_provider),
        ("client", &facts.client),
        ("session", &facts.session),
    ] {
        if !value.is_empty() {
            flag(name, value);
        }
    }
    for (key, value) in &facts.tags {
        flag("tag", &format!("{key}={value}"));
    }
    if !matches!(facts.requested_model.as_str(), "" | "auto") {
        flag("model", &facts.requested_model);
    }
    for (name, count) in [("tokens", facts.prompt_tokens), ("max-tokens", facts.max_tokens)] {
        if count > 0 {
            flag(name, &count.to_string());
        }
    }
    if facts.priority != Priority::default() {
        flag("priority", facts.priority.word());
    }
    for (word, carried) in
        [("stream", facts.stream), ("tools", facts.has_tools), ("images", facts.has_images), ("json", facts.wants_json)]
    {
        if carried {
            flag("with", word);
        }
    }
    if facts.work != Work::default() {
        flag("work", facts.work.word());
    }
    if facts.local_only {
        line.push_str(" --local-only");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_only_what_differs_and_quotes_what_a_shell_would_read() {
        assert_eq!(
            explain_command(&Facts { requested_model: "auto".into(), ..Facts::default() }),
            "lmdeck routes explain"
        );
        let facts = Facts {
            request_type: "it's; rm -rf".into(),
            requested_model: "-x".into(),
            prompt_tokens: 25_800,
            priority: Priority::High,
            preferred_provider: "zai".into(),
            has_tools: true,
            wants_json: true,
            ..Facts::default()
        };
        assert_eq!(
            explain_command(&facts),
            r"lmdeck routes explain --type 'it'\''s; rm -rf' --prefer zai --model=-x --tokens 25800 --priority high --with tools --with json"
        );
    }
}
