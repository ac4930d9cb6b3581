//! Values that protect: policies, orders, the day's limit, the gateway's keys. One that comes to nothing, for want of a
//! variable or by a blank, would let through what it was written to hold back, so such a file is not used.

use super::expand::Expanded;
use super::findings::Findings;
use super::path::{Path, Step};
use crate::domain::config::Severity;
use serde_yaml::Value;

const POLICIES: &str = "routing.policies";
const LIMITS: [&str; 2] = ["budget.daily_limit", "cost_optimization.daily_budget_limit"];
/// Where the orders of request types are written.
pub(super) const ORDERS: [&str; 2] = ["routing.request_priorities", "model_selection.request_priorities"];
const KEYS: &str = "gateway.api_keys";

/// Whether a value stands here that must not be missing.
fn protects(path: &Path, expanded: &Expanded) -> bool {
    let value = &expanded.value;
    let steps = Path::of(POLICIES);
    if path.starts_with(&steps)
        && let Some(index @ Step::Index(_)) = path.0.get(steps.0.len())
    {
        let enabled = Path([steps.0, vec![index.clone(), Step::Key("enabled".into())]].concat());
        return enabled.find(value) != Some(&Value::Bool(false)) || *path == enabled;
    }
    let [new, old] = LIMITS.map(Path::of);
    *path == new || (*path == old && !is_something(new.find(value)))
}

/// Says what comes to nothing. Returns the places of which that is said.
pub fn check(raw: &Value, expanded: &Expanded, findings: &mut Findings<'_>) -> Vec<Path> {
    let mut told = Vec::new();
    for (path, reference) in expanded.references.iter().filter(|(path, _)| protects(path, expanded)) {
        let name = path.human(&expanded.value);
        if let Some(unset) = reference.unset.first() {
            findings.value(
                Severity::Error,
                path,
                format!("{unset} is not set, and without it {name} would not hold"),
                set_it(unset),
            );
            told.push(path.clone());
        } else if let (Some(given), false) = (reference.names.first(), is_something(path.find(&expanded.value))) {
            findings.value(
                Severity::Error,
                path,
                format!("{given} holds nothing of use, and without it {name} would not hold"),
                format!("give {given} a value"),
            );
        }
    }
    let policies = Path::of(POLICIES);
    let count = policies.find(raw).and_then(Value::as_sequence).map_or(0, Vec::len);
    for list in (0..count).map(|index| policies.index(index).key("use")) {
        // Why has been said where it is for want of a variable.
        if comes_to_nothing(raw, expanded, &list) && missing(expanded, &list).is_none() {
            let name = list.human(&expanded.value);
            let said = format!("{name} names nobody, which would mean anybody");
            findings.value(Severity::Error, &list, said, "name a target, or remove the line where any will do");
        }
    }
    let orders = ORDERS.map(Path::of).into_iter().flat_map(|orders| {
        let types = orders.find(raw).and_then(Value::as_mapping).into_iter().flatten();
        types.filter_map(|(name, _)| Some(orders.key(name.as_str()?))).collect::<Vec<_>>()
    });
    for list in orders.chain([Path::of(KEYS)]) {
        if let (true, Some(unset)) = (comes_to_nothing(raw, expanded, &list), missing(expanded, &list)) {
            let name = list.human(&expanded.value);
            findings.value(
                Severity::Error,
                &list,
                format!("{unset} is not set, and nothing else stands in {name}, so it would not hold"),
                set_it(unset),
            );
            told.push(list);
        }
    }
    told
}

fn set_it(name: &str) -> String {
    format!("set {name} in the environment or in .env, or write ${{{name}:-default}}")
}

fn is_something(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(_) => true,
    }
}

/// Whether something was written as this list and nothing of it is left.
fn comes_to_nothing(raw: &Value, expanded: &Expanded, list: &Path) -> bool {
    let written = match list.find(raw) {
        Some(Value::Sequence(items)) => !items.is_empty(),
        other => is_something(other),
    };
    let left = match list.find(&expanded.value) {
        // Of a key with a name the name holds nobody back.
        Some(Value::Sequence(items)) => {
            items.iter().any(|item| is_something(if item.is_mapping() { item.get("key") } else { Some(item) }))
        }
        other => is_something(other),
    };
    written && !left
}

/// A name without a value at or below this place.
fn missing<'a>(expanded: &'a Expanded, list: &'a Path) -> Option<&'a str> {
    expanded.below(list).find_map(|(_, reference)| reference.unset.first()).map(String::as_str)
}
