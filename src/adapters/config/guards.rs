//! Values that protect: policies, orders, the day's limit, the gateway's keys. One that was written and comes to nothing,
//! for want of a variable or by a blank, would let through what it was written to hold back, so such a file is not used.
//! What only says how a rule answers, its temperature say, protects nothing; nor does a rule that only observes.

use super::expand::{Expanded, Reference};
use super::findings::Findings;
use super::path::Path;
use crate::domain::config::Severity;
use serde_yaml::Value;

const POLICIES: &str = "routing.policies";
const LIMITS: [&str; 2] = ["budget.daily_limit", "cost_optimization.daily_budget_limit"];
/// Where the orders of request types are written.
pub(super) const ORDERS: [&str; 2] = ["routing.request_priorities", "model_selection.request_priorities"];
const KEYS: &str = "gateway.api_keys";
/// Members of a rule that decide whether it holds, and before which others.
const HOLDS: [&str; 3] = ["priority", "name", "local_only"];

/// Says what comes to nothing. Returns the places of which that is said.
pub fn check(raw: &Value, expanded: &Expanded, findings: &mut Findings<'_>) -> Vec<Path> {
    let mut guards = Guards { raw, expanded, findings, told: Vec::new() };
    for index in 0..guards.count(&Path::of(POLICIES)) {
        guards.policy(&Path::of(POLICIES).index(index));
    }
    let [new, old] = LIMITS.map(Path::of);
    guards.single(&new);
    if !is_something(new.find(&expanded.value)) {
        guards.single(&old);
    }
    for orders in ORDERS.map(Path::of) {
        let types = orders.find(raw).and_then(Value::as_mapping).into_iter().flatten();
        for list in types.filter_map(|(name, _)| Some(orders.key(name.as_str()?))) {
            guards.order(&list);
        }
    }
    guards.keys(&Path::of(KEYS));
    guards.told
}

struct Guards<'c, 'f> {
    raw: &'c Value,
    expanded: &'c Expanded,
    findings: &'c mut Findings<'f>,
    told: Vec<Path>,
}

impl<'c> Guards<'c, '_> {
    fn policy(&mut self, at: &Path) {
        let said = |member: &str| at.key(member).find(&self.expanded.value);
        let off = said("enabled") == Some(&Value::Bool(false));
        let observes = said("mode").and_then(Value::as_str) == Some("observe");
        let holds_back = said("local_only") == Some(&Value::Bool(true)) || is_something(said("deny"));
        self.single(&at.key("enabled"));
        if off || observes {
            return;
        }
        for member in HOLDS {
            self.single(&at.key(member));
        }
        let list = at.key("use");
        if self.comes_to_nothing(&list) {
            if let Some((place, unset)) = self.missing(&list) {
                self.unset(place, unset);
            } else {
                let said = format!("{} names nobody, which would mean anybody", list.human(&self.expanded.value));
                self.error(&list, said, "name a target, or remove the line where any will do".to_owned());
            }
        } else if holds_back {
            for index in 0..self.count(&list) {
                self.single(&list.index(index));
            }
        }
    }

    fn order(&mut self, list: &Path) {
        if !self.comes_to_nothing(list) {
            return;
        }
        if let Some((_, unset)) = self.missing(list) {
            self.nothing_left(list, unset);
        } else {
            let said = format!("{} names nobody, so it would not hold", list.human(&self.expanded.value));
            self.error(list, said, "name a target, or remove the line".to_owned());
        }
    }

    /// A key whose variable may be missing says so by its own default; any other must be there.
    fn keys(&mut self, list: &Path) {
        for index in 0..self.count(list) {
            let at = list.index(index);
            if at.find(self.raw).is_some_and(Value::is_mapping) {
                self.single(&at.key("name"));
            } else if !is_something(at.find(self.raw)) {
                let said = format!("{} is blank: it would keep nobody out", at.human(&self.expanded.value));
                self.error(&at, said, "write the key, best as ${NAME}, or remove the entry".to_owned());
            }
        }
        if self.comes_to_nothing(list)
            && let Some((_, unset)) = self.missing(list)
        {
            self.nothing_left(list, unset);
        }
    }

    fn nothing_left(&mut self, list: &Path, unset: &str) {
        let name = list.human(&self.expanded.value);
        let said = format!("{unset} is not set, and nothing else stands in {name}, so it would not hold");
        self.error(list, said, set_it(unset));
    }

    /// A value that must not be missing where one was written.
    fn single(&mut self, at: &Path) {
        let expanded = self.expanded;
        let Some(Reference { names, unset, defaulted, .. }) = expanded.references.get(at) else { return };
        if let Some(unset) = unset.first() {
            return self.unset(at, unset);
        }
        if is_something(at.find(&expanded.value)) {
            return;
        }
        let name = at.human(&expanded.value);
        if let Some(given) = names.first() {
            let said = format!("{given} holds nothing of use, and without it {name} would not hold");
            self.error(at, said, format!("give {given} a value"));
        } else if let Some(defaulted) = defaulted.first() {
            let said = format!("{defaulted} is not set and its default is blank, and so {name} would not hold");
            self.error(at, said, set_it(defaulted));
        }
    }

    fn unset(&mut self, at: &Path, variable: &str) {
        let name = at.human(&self.expanded.value);
        self.error(at, format!("{variable} is not set, and without it {name} would not hold"), set_it(variable));
    }

    fn error(&mut self, at: &Path, said: String, remedy: String) {
        self.findings.value(Severity::Error, at, said, remedy);
        self.told.push(at.clone());
    }

    fn count(&self, list: &Path) -> usize {
        list.find(self.raw).and_then(Value::as_sequence).map_or(0, Vec::len)
    }

    /// Whether something was written as this list and nothing of it is left.
    fn comes_to_nothing(&self, list: &Path) -> bool {
        let written = match list.find(self.raw) {
            Some(Value::Sequence(items)) => !items.is_empty(),
            other => is_something(other),
        };
        let left = match list.find(&self.expanded.value) {
            // Of a key with a name the name holds nobody back.
            Some(Value::Sequence(items)) => {
                items.iter().any(|item| is_something(if item.is_mapping() { item.get("key") } else { Some(item) }))
            }
            other => is_something(other),
        };
        written && !left
    }

    /// The first name without a value at or below this place, and where it stands.
    fn missing(&self, list: &Path) -> Option<(&'c Path, &'c str)> {
        let mut below = self.expanded.references.iter().filter(|(at, _)| at.starts_with(list));
        below.find_map(|(at, reference)| Some((at, reference.unset.first()?.as_str())))
    }
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
