//! A decision with the way to it, in words: the same that `routes explain` prints first.

use super::condition::Ground;
use super::decide::{decide, order_of, wanted};
use super::policy::{Outcome, Policy};
use super::reasons::{PINNED, because};
use super::resolve::{self, Meaning};
use super::{ActiveChoice, Decision, Explanation, NoteKind, RuleSet, RuleTrace, World};
use crate::domain::call::{Facts, Reject};

/// Left-out candidates named in a sentence; the list holds all.
const NAMED_IN_SENTENCE: usize = 3;
/// Characters of a caller's name quoted in a sentence.
const LONGEST_NAME: usize = 80;

/// Decides, and says why. Also the source of the message when a chain is empty.
pub fn explain(facts: &Facts, rules: &RuleSet, world: &World) -> Explanation {
    let decision = decide(facts, rules, world);
    let sentence = sentence(facts, rules, world, &decision);
    let rules = trace(facts, rules, world, &decision);
    Explanation { decision, sentence, rules, unseen: Vec::new() }
}

fn sentence(facts: &Facts, rules: &RuleSet, world: &World, decision: &Decision) -> String {
    if let (Some(message), Some(policy)) = (&decision.denied, decision.by.strip_prefix("policy:")) {
        return format!("denied by policy {policy}: {message}");
    }
    let Some(first) = decision.chain.first() else { return nowhere(facts, rules, world, decision) };
    let target = &first.target;
    let mut text = match decision.by.split_once(':') {
        Some(("policy", name)) if first.why == "named by the policy" => format!("{target} by policy {name}."),
        Some(("policy", name)) => format!("{target} by policy {name}: {}.", first.why),
        Some(("request_type", name)) if first.why == "named by the order" => {
            format!("{target}, because it is the first of the order of {name} that can take it.")
        }
        Some(("request_type", name)) => format!("{target} by the order of {name}: {}.", first.why),
        Some(("strategy", name)) => format!("{target} by strategy {name}: {}.", first.why),
        _ if is_pinned(decision) => format!("{target}, because it answered this session last."),
        _ if decision.by == "active" => format!("{target}, because it is the active target."),
        _ => format!("{target}, because the caller named {}.", shown(facts.requested_model.trim())),
    };
    if decision.by.starts_with("strategy:")
        && let Some(lost) = lost_active(world, decision)
    {
        text.push_str(" The active target ");
        text.push_str(&lost);
        text.push('.');
    }
    if decision.local_only {
        text.push_str(" Nothing of it may leave for the cloud.");
    }
    text
}

/// The session's target stands before whoever the rules would have put first.
fn is_pinned(decision: &Decision) -> bool {
    decision.chain.first().is_some_and(|first| first.why == PINNED)
}

/// Why the chosen target is not the one in effect, as in `zai/glm-4.6 is out: down: refused`.
fn lost_active(world: &World, decision: &Decision) -> Option<String> {
    let of_active = |reject: &&Reject| match &world.active {
        ActiveChoice::Auto => false,
        ActiveChoice::Provider(id) => &reject.target.provider == id,
        ActiveChoice::Target(target) => &reject.target == target,
    };
    let reject = decision.rejected.iter().find(of_active)?;
    Some(format!("{} is left out: {}", world.active, reject.reason))
}

fn nowhere(facts: &Facts, rules: &RuleSet, world: &World, decision: &Decision) -> String {
    let name = facts.requested_model.trim();
    if decision.by == "none" {
        let (name, hint) = (shown(name), near_hint(name, world));
        return format!("no provider here has {name}.{hint} lmdeck models list shows what there is.");
    }
    if world.providers.is_empty() {
        return "there is no provider yet: lmdeck providers discover looks for one on this machine.".to_owned();
    }
    let mut reasons: Vec<String> = decision
        .rejected
        .iter()
        .filter(|reject| reject.code != "not_named")
        .map(|reject| format!("{} is out: {}", reject.target, reject.reason))
        .collect();
    let unlisted = decision.rejected.iter().any(|reject| reject.code == "unlisted");
    reasons.extend(silent_providers(facts, rules, world));
    if reasons.is_empty() {
        let what = match decision.by.strip_prefix("request_type:") {
            Some(order) => format!("the order of {order} names no model that is here"),
            None if decision.by.starts_with("policy:") => {
                format!("policy {} leaves no model that is here", &decision.by["policy:".len()..])
            }
            None => match wanted(facts, world) {
                Meaning::Local => "no local model is known".to_owned(),
                Meaning::Cloud => "no cloud model is known".to_owned(),
                _ => "no model is known that may be chosen".to_owned(),
            },
        };
        return format!("{what}. lmdeck routes explain shows the rules, lmdeck models list the models.");
    }
    let more = reasons.len().saturating_sub(NAMED_IN_SENTENCE);
    reasons.truncate(NAMED_IN_SENTENCE);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let hint = if unlisted { near_hint(name, world) } else { String::new() };
    format!("no target can take this call: {}{more}.{hint}", reasons.join("; "))
}

fn near_hint(name: &str, world: &World) -> String {
    let near = resolve::near(name, world);
    if near.is_empty() { String::new() } else { format!(" Near: {}.", near.join(", ")) }
}

/// A name as the caller wrote it, cut where it is too long for a sentence.
pub(super) fn shown(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    name.chars().take(LONGEST_NAME).chain("...".chars()).collect()
}

/// Providers that are asked for but have no model to name: they stand in no list of rejects.
fn silent_providers(facts: &Facts, rules: &RuleSet, world: &World) -> Vec<String> {
    let asked: Option<Vec<usize>> = match wanted(facts, world) {
        Meaning::Providers(found) => Some(found),
        Meaning::Auto | Meaning::Local | Meaning::Cloud => order_of(facts, rules).map(|(_, items)| {
            let named = items.iter().filter_map(|item| match resolve::meaning(item, &world.providers) {
                Meaning::Providers(found) => Some(found),
                _ => None,
            });
            named.flatten().collect()
        }),
        _ => Some(Vec::new()),
    };
    world
        .providers
        .iter()
        .enumerate()
        .filter(|(p, provider)| {
            provider.enabled
                && !provider.models.iter().any(|model| model.candidate)
                && asked.as_ref().is_none_or(|asked| asked.contains(p))
        })
        .map(|(_, provider)| match &provider.withheld {
            Some(why) => format!("{} is not asked: {why}", provider.id),
            None if provider.state.usable() => format!("{} names no model", provider.id),
            None => format!("{} is {}", provider.id, because(provider.state.word(), &provider.reason)),
        })
        .collect()
}

/// The policy that decided.
fn deciding<'r>(rules: &'r RuleSet, decision: &Decision) -> Option<&'r Policy> {
    let name = decision.by.strip_prefix("policy:")?;
    rules.policies.iter().find(|policy| policy.enabled && !policy.observe && policy.name == name)
}

/// Every policy in order, also those behind the one that decided.
fn policies(facts: &Facts, rules: &RuleSet, world: &World, decision: &Decision) -> Vec<RuleTrace> {
    let ground = Ground { facts, world };
    let decider = deciding(rules, decision);
    let mut reached = true;
    let mut traces = Vec::with_capacity(rules.policies.len());
    for policy in &rules.policies {
        let outcome = policy.outcome(&ground);
        let chose = decider.is_some_and(|one| std::ptr::eq(one, policy));
        let note = decision.notes.iter().find(|note| reached && note.policy == policy.name).map(|note| note.what);
        let verdict = match (&outcome, note) {
            _ if !policy.enabled => "switched off",
            (Outcome::Failed(_), _) if chose => "fails: applies",
            _ if chose && decision.denied.is_some() => "denies",
            _ if chose => "decides",
            (Outcome::Not, _) => "no",
            (_, Some(NoteKind::NotApplicable)) => "not applicable",
            (Outcome::Holds, _) if policy.observe => "observed",
            (Outcome::Failed(_), _) if reached && !policy.protects() => "fails: skipped",
            (Outcome::Holds | Outcome::Failed(_), _) => "not reached",
        };
        let mut why = policy.condition.why(&ground);
        if let Some(note) =
            decision.notes.iter().find(|note| note.what == NoteKind::NotApplicable && note.policy == policy.name)
            && verdict == "not applicable"
        {
            why = format!("{why}; {}", note.why);
        }
        traces.push(RuleTrace {
            name: policy.name.clone(),
            when: policy.when.clone(),
            verdict: verdict.to_owned(),
            why,
            holds: match outcome {
                Outcome::Holds => Some(true),
                Outcome::Not => Some(false),
                Outcome::Failed(_) => None,
            },
        });
        reached &= !chose;
    }
    traces
}

fn trace(facts: &Facts, rules: &RuleSet, world: &World, decision: &Decision) -> Vec<RuleTrace> {
    let mut traces = policies(facts, rules, world, decision);
    let mut add = |name: &str, when: String, verdict: &str| {
        traces.push(RuleTrace { name: name.to_owned(), when, verdict: verdict.to_owned(), ..RuleTrace::default() });
    };
    if let Some(policy) = deciding(rules, decision).filter(|policy| !policy.targets.is_empty() || policy.deny.is_some())
    {
        let request_type = resolve::request_type(facts);
        let goes_on = policy.fallback == super::Fallback::Strategy && decision.denied.is_none();
        let rest = if goes_on { "for fallback" } else { "not reached" };
        if !matches!(wanted(facts, world), Meaning::Auto) {
            add("requested model", shown(facts.requested_model.trim()), "narrows");
        }
        if let Some((_, items)) = order_of(facts, rules) {
            add(request_type, items.join(", "), "not reached");
        }
        add("active target", world.active.to_string(), rest);
        add(rules.strategy.word(), "strategy".to_owned(), rest);
        return traces;
    }
    let named = matches!(decision.by.as_str(), "named" | "none")
        || (decision.by.starts_with("policy:")
            && matches!(wanted(facts, world), Meaning::Providers(_) | Meaning::Models(_) | Meaning::Unlisted(..)));
    let verdict = match (decision.by.as_str(), wanted(facts, world)) {
        ("named", _) => Some("decides"),
        (_, Meaning::Providers(_) | Meaning::Models(_) | Meaning::Unlisted(..)) => Some("narrows"),
        ("none", _) => Some("names nothing here"),
        (_, Meaning::Local | Meaning::Cloud) => Some("narrows"),
        _ => None,
    };
    if let Some(verdict) = verdict {
        add("requested model", shown(facts.requested_model.trim()), verdict);
    }
    let request_type = resolve::request_type(facts);
    let order = order_of(facts, rules);
    if !request_type.is_empty() {
        let when = order.map_or_else(|| "no order for this type".to_owned(), |(_, items)| items.join(", "));
        let verdict = match (named, order.is_some()) {
            (true, _) => "not reached",
            (false, true) => "decides",
            (false, false) => "no",
        };
        add(request_type, when, verdict);
    }
    let ordered = named || order.is_some();
    if decision.by == "active"
        && let Some(first) = decision.chain.first().filter(|_| is_pinned(decision))
    {
        add("session", first.target.to_string(), "decides");
    }
    let active = match (&world.active, ordered) {
        (_, true) => "not reached",
        (ActiveChoice::Auto, _) => "no",
        _ if decision.by == "active" && is_pinned(decision) => "for fallback",
        _ if decision.by == "active" => "decides",
        _ => "cannot take it",
    };
    add("active target", world.active.to_string(), active);
    let goes_on = !named
        && order.is_some_and(|(_, items)| {
            items.iter().any(|item| {
                matches!(
                    resolve::meaning(item, &world.providers),
                    Meaning::Strategy(_) | Meaning::Auto | Meaning::Fastest
                )
            })
        });
    let strategy = if goes_on || decision.by == "active" {
        "for fallback"
    } else if ordered {
        "not reached"
    } else {
        "decides"
    };
    add(rules.strategy.word(), "strategy".to_owned(), strategy);
    traces
}
