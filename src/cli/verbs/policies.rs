//! `routes show|add|edit|copy|move|enable|disable|remove|lint`: policies one by one.

use super::edited;
use crate::cli::args::{MoveArgs, PolicyArgs};
use crate::cli::ending::{Ending, USAGE, say_issue};
use crate::cli::session::{Session, unexpected};
use crate::cli::suggest;
use crate::cli::table::{Cell, Column, Table};
use crate::domain::routing::{Fallback, Policy};
use crate::engine::protocol::{Command, ObservedSums, PolicyDraft, PolicyEdit, PolicyPlace, Reply};
use crate::present::labels::Role;
use crate::present::routes::{self, policy_does, policy_state};
use serde_json::{Value, json};

pub async fn show(session: &mut Session, name: &str) -> Result<(), Ending> {
    let snapshot = session.handle.snapshot();
    let policies = &snapshot.routing.rules.policies;
    let Some(place) = policies.iter().position(|policy| policy.name == name) else {
        return Err(unknown(policies, name));
    };
    let policy = &policies[place];
    let watched = policy.enabled && policy.observe;
    let observed = if watched { Some(observed(session).await?) } else { None };
    if session.console.json {
        let mut value = as_json(policy);
        if let Some(sums) = &observed {
            value["observed"] = observed_json(name, sums);
        }
        return session.console.document(&value);
    }
    let mut table = Table::new(vec![Column::left("", 13), Column::left("", 0)]);
    let mut row = |label: &str, value: String| table.row(vec![Cell::new(Role::Muted, label), value.into()]);
    row("policy", policy.name.clone());
    row("state", policy_state(policy).to_owned());
    row("place", format!("{} of {}, priority {}", place + 1, policies.len(), policy.priority));
    row("when", if policy.when.is_empty() { "always".to_owned() } else { policy.when.replace('\n', " ") });
    if let Some(message) = &policy.deny {
        row("deny", message.clone());
    }
    if !policy.targets.is_empty() {
        row("use", policy.targets.join(", "));
        let end = match policy.fallback {
            Fallback::None => "none: the chain ends there",
            Fallback::Strategy => "strategy",
        };
        row("fallback", end.to_owned());
    }
    if policy.local_only {
        row("local_only", "no cloud provider, whatever fails".to_owned());
    }
    let effects = &policy.effects;
    if let Some(cap) = effects.max_tokens {
        row("max_tokens", format!("{cap} at most"));
    }
    if let Some(temperature) = effects.temperature {
        row("temperature", temperature.to_string());
    }
    if let Some(prompt) = &effects.system_prompt {
        row("system_prompt", prompt.replace('\n', " "));
    }
    if let Some(ms) = effects.timeout_ms {
        row("timeout", format!("{} s", ms.div_ceil(1000)));
    }
    let key = format!("policy:{}", policy.name);
    let today = snapshot.routing.decided_today.iter().find(|(by, _)| *by == key).map_or(0, |(_, calls)| *calls);
    row("today", format!("{today} calls"));
    if let Some(sums) = &observed {
        row("observed", routes::observed(name, sums));
    }
    if let Some(line) = policy.line {
        row("stands", format!("{} line {line}", snapshot.config.file.as_deref().unwrap_or_default()));
    }
    table.print(&mut session.console)
}

/// In the words of the file, with its line there; what it leaves out is null.
pub fn as_json(policy: &Policy) -> Value {
    let mut value = json!(policy.written());
    value["line"] = json!(policy.line);
    value
}

/// What the policies in observe mode matched lately, from the ledger.
pub async fn observed(session: &Session) -> Result<ObservedSums, Ending> {
    match session.ask(Command::Observed).await? {
        Reply::Observed(sums) => Ok(sums),
        _ => Err(unexpected("routes show")),
    }
}

pub fn observed_json(name: &str, sums: &ObservedSums) -> Value {
    let count = sums.of_policy(name).cloned().unwrap_or_default();
    json!({
        "hours": 24,
        "of": sums.of,
        "matched": count.matched,
        "moved": count.moved,
        "denied": count.denied,
    })
}

fn unknown(policies: &[Policy], name: &str) -> Ending {
    let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
    let remedy = match suggest::nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if names.is_empty() => "there is none yet: lmdeck routes add writes one".to_owned(),
        None => format!("there are {}", names.join(", ")),
    };
    Ending::new(USAGE, format!("no policy is called {name}"), remedy)
}

pub async fn add(session: &mut Session, name: &str, fields: &PolicyArgs) -> Result<(), Ending> {
    let draft = PolicyDraft { name: Some(name.to_owned()), ..draft(fields) };
    change(session, PolicyEdit::Add { draft }, fields.dry_run, &format!("added policy {name}")).await
}

pub async fn edit(
    session: &mut Session,
    name: &str,
    rename: Option<&str>,
    clear: &[String],
    fields: &PolicyArgs,
) -> Result<(), Ending> {
    let draft = PolicyDraft { name: rename.map(ToOwned::to_owned), clear: clear.to_vec(), ..draft(fields) };
    if draft == PolicyDraft::default() {
        return Err(Ending::usage(
            format!("nothing to change in {name}"),
            "name a field, as in --when or --use; lmdeck routes show tells what there is".to_owned(),
        ));
    }
    let edit = PolicyEdit::Edit { name: name.to_owned(), draft };
    change(session, edit, fields.dry_run, &format!("changed policy {name}")).await
}

fn draft(fields: &PolicyArgs) -> PolicyDraft {
    PolicyDraft {
        priority: fields.priority,
        when: fields.when.clone(),
        targets: (!fields.targets.is_empty()).then(|| fields.targets.clone()),
        fallback: fields.fallback.map(|word| word.word().to_owned()),
        mode: fields.mode.map(|word| word.word().to_owned()),
        deny: fields.deny.clone(),
        local_only: fields.local_only.then_some(true),
        max_tokens: fields.max_tokens,
        temperature: fields.temperature,
        system_prompt: fields.system.clone(),
        timeout: fields.timeout,
        ..PolicyDraft::default()
    }
}

pub async fn copy(session: &mut Session, name: &str, to: &str) -> Result<(), Ending> {
    let edit = PolicyEdit::Copy { name: name.to_owned(), to: to.to_owned() };
    change(session, edit, false, &format!("copied {name} to {to}, switched off")).await
}

pub async fn shift(session: &mut Session, name: &str, place: &MoveArgs) -> Result<(), Ending> {
    let place = match place {
        MoveArgs { before: Some(other), .. } => PolicyPlace::Before(other.clone()),
        MoveArgs { after: Some(other), .. } => PolicyPlace::After(other.clone()),
        MoveArgs { up: true, .. } => PolicyPlace::Up,
        MoveArgs { down: true, .. } => PolicyPlace::Down,
        MoveArgs { first: true, .. } => PolicyPlace::First,
        _ => PolicyPlace::Last,
    };
    let edit = PolicyEdit::Move { name: name.to_owned(), place };
    change(session, edit, false, &format!("moved policy {name}")).await
}

pub async fn enable(session: &mut Session, name: &str, enabled: bool) -> Result<(), Ending> {
    let what = if enabled { format!("policy {name} is in force") } else { format!("policy {name} is off") };
    change(session, PolicyEdit::Enable { name: name.to_owned(), enabled }, false, &what).await
}

pub async fn remove(session: &mut Session, name: &str) -> Result<(), Ending> {
    change(session, PolicyEdit::Remove { name: name.to_owned() }, false, &format!("removed policy {name}")).await
}

async fn change(session: &mut Session, edit: PolicyEdit, dry_run: bool, what: &str) -> Result<(), Ending> {
    edited::change(session, Command::EditPolicy { edit: Box::new(edit), dry_run }, dry_run, what).await
}

/// Findings of the configuration that are about routing.
pub fn lint(session: &mut Session) -> Result<(), Ending> {
    let snapshot = session.handle.snapshot();
    let about_rules = |path: &str| path.starts_with("routing") || path.starts_with("model_selection");
    let found: Vec<_> = snapshot.config.issues.iter().filter(|issue| about_rules(&issue.path)).collect();
    if session.console.json {
        session.console.document(&json!({ "ok": found.is_empty(), "issues": found }))?;
    } else if found.is_empty() {
        let rules = &snapshot.routing.rules;
        let count = |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
        let line = format!(
            "nothing odd about {} and {}",
            count(rules.policies.len(), "policy", "policies"),
            count(rules.request_orders.len(), "order", "orders")
        );
        session.console.line(&line)?;
    } else {
        for issue in &found {
            say_issue(&mut session.console, issue);
        }
    }
    if found.is_empty() { Ok(()) } else { Err(Ending::Exit(1)) }
}

/// What stands beside a policy's name in the list; first what it matched, where it is observed.
pub fn beside(policy: &Policy, sums: &ObservedSums) -> String {
    let when = if policy.when.is_empty() { "always".to_owned() } else { policy.when.replace('\n', " ") };
    let seen = if policy.enabled && policy.observe {
        format!("{}: ", routes::observed(&policy.name, sums))
    } else {
        String::new()
    };
    format!("{seen}{}, when {when}", policy_does(policy))
}
