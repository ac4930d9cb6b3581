//! What can be done to a rule from the list: on and off, its mode, its place, a copy, taking it out.

use crate::domain::routing::Policy;
use crate::engine::protocol::{Command, PolicyDraft, PolicyEdit, PolicyPlace, RoutingView, Snapshot};
use crate::present::units;
use crate::tui::action::Action;
use crate::tui::layers::confirm::Confirm;
use crate::tui::part::{Effect, Outbox};
use crate::tui::screens::routing::rules::{self, RowKey};

pub fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a Policy> {
    snapshot.routing.rules.policies.iter().find(|policy| policy.name == name)
}

/// Does it; the name of the rule that gets the cursor then, where that is another one.
pub fn act(action: Action, snapshot: &Snapshot, name: &str, out: &mut Outbox) -> Option<String> {
    let policy = find(snapshot, name)?;
    let name = name.to_owned();
    let moved = |name: String, place| PolicyEdit::Move { name, place };
    let (edit, awaited) = match action {
        Action::RuleToggle => (PolicyEdit::Enable { name, enabled: !policy.enabled }, None),
        Action::RuleMode => {
            let mode = if policy.observe { "enforce" } else { "observe" };
            let draft = PolicyDraft { mode: Some(mode.to_owned()), ..PolicyDraft::default() };
            (PolicyEdit::Edit { name, draft }, None)
        }
        Action::RuleUp => (moved(name, PolicyPlace::Up), None),
        Action::RuleDown => (moved(name, PolicyPlace::Down), None),
        Action::RuleCopy => {
            let to = free_name(snapshot, &name);
            (PolicyEdit::Copy { name, to: to.clone() }, Some(to))
        }
        _ => return None,
    };
    out.tell(Command::EditPolicy { edit: Box::new(edit), dry_run: false }, "nothing changed");
    awaited
}

pub fn why_not(action: Action, snapshot: &Snapshot, name: &str) -> Option<String> {
    let policies = &snapshot.routing.rules.policies;
    let place = policies.iter().position(|policy| policy.name == name)?;
    if policies.iter().filter(|policy| policy.name == name).count() > 1 {
        return Some(format!("two rules are called {name}: give one another name in the file first, E opens it"));
    }
    match action {
        Action::RuleUp if place == 0 => Some("it decides first already".to_owned()),
        Action::RuleDown if place + 1 == policies.len() => Some("it decides last of the rules already".to_owned()),
        _ => None,
    }
}

/// `NAME-copy`, or the first number that is free behind it.
fn free_name(snapshot: &Snapshot, name: &str) -> String {
    let first = format!("{name}-copy");
    if find(snapshot, &first).is_none() {
        return first;
    }
    let mut number = 2_u32;
    while find(snapshot, &format!("{first}-{number}")).is_some() {
        number += 1;
    }
    format!("{first}-{number}")
}

pub fn question(name: &str, routing: &RoutingView) -> Confirm {
    let calls = rules::today(&RowKey::Policy(name.to_owned()), routing);
    let mut lines = vec![format!("It decided {} today.", units::count(calls, "call", "calls"))];
    if routing.rules.policies.iter().any(|policy| policy.name == name && policy.protects()) {
        lines.push("It keeps requests from leaving: without it they go where the others send them.".to_owned());
    }
    lines.push("U brings it back.".to_owned());
    let edit = PolicyEdit::Remove { name: name.to_owned() };
    let command = Command::EditPolicy { edit: Box::new(edit), dry_run: false };
    Confirm::new(format!("Delete the rule {name}?"), lines, "Keep")
        .with("Delete", Effect::Tell(command, format!("the rule {name} is deleted")))
}
