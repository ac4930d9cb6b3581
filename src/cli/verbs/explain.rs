//! A decision in words: the answer in one sentence, the chain with what it may cost, who was left out and why.
//! Used by `routes explain` and `ask --dry-run`.

use crate::cli::ending::{DENIED, Ending, UNAVAILABLE, USAGE};
use crate::cli::session::{Session, unexpected};
use crate::cli::table::{Cell, Column, Table};
use crate::cli::verbs::routes::ask;
use crate::cli::words;
use crate::domain::call::{CallRecord, Facts, Reject};
use crate::domain::ids::Target;
use crate::domain::money::Money;
use crate::domain::routing::Explanation;
use crate::engine::protocol::{Command, Reply, Snapshot, TokenCount};
use crate::present::labels::Role;
use crate::present::may_cost::may_cost;
use crate::present::{routes, units, usage};
use serde_json::{Value, json};

/// With the vendor's count of the prompt, where it was asked for.
pub fn print(
    session: &mut Session,
    explanation: &Explanation,
    facts: &Facts,
    counted: Option<&TokenCount>,
) -> Result<(), Ending> {
    if session.console.json {
        let value = as_json(session, explanation, facts, counted);
        return session.console.document(&value);
    }
    let sentence = session.console.paint(Role::Accent, &explanation.sentence);
    session.console.line(&sentence)?;
    let snapshot = session.handle.snapshot();
    let chain: Vec<Place> =
        explanation.decision.chain.iter().map(|chosen| Place { target: &chosen.target, why: &chosen.why }).collect();
    print_chain(session, &snapshot, facts, &chain, &explanation.decision.rejected)?;
    if let Some(count) = counted {
        let label = session.console.paint(Role::Muted, "count");
        let cost = match cost_of(session, facts, count) {
            Some(Money::ZERO) => "free".to_owned(),
            Some(amount) => format!("may cost {}", units::money(amount)),
            None => "price unknown".to_owned(),
        };
        let estimate = units::thousands(facts.prompt_tokens);
        let line = format!("{label}  {}; estimated {estimate}; {cost}", usage::counted(count));
        session.console.line(&line)?;
    }
    print_rules(session, explanation)?;
    say_unseen(session, explanation);
    Ok(())
}

fn say_unseen(session: &mut Session, explanation: &Explanation) {
    if let Some(unseen) = routes::unseen(&explanation.unseen) {
        session.console.say(Role::Muted, &format!("-- {unseen}"));
    }
}

/// Every rule in order, with its verdict and the part of its condition that says so.
fn print_rules(session: &mut Session, explanation: &Explanation) -> Result<(), Ending> {
    let mut table =
        Table::new(vec![Column::left("", 5), Column::left("", 20), Column::left("", 14), Column::left("", 0)]);
    for (place, rule) in explanation.rules.iter().enumerate() {
        let label = if place == 0 { "rules" } else { "" };
        let why = if rule.why.is_empty() { &rule.when } else { &rule.why };
        table.row(vec![
            Cell::new(Role::Muted, label),
            rule.name.as_str().into(),
            rule.verdict.as_str().into(),
            why.replace('\n', " ").into(),
        ]);
    }
    table.print(&mut session.console)
}

/// What the prompt may cost by its vendor's count.
fn cost_of(session: &Session, facts: &Facts, count: &TokenCount) -> Option<Money> {
    let facts = Facts { prompt_tokens: count.tokens, ..facts.clone() };
    may_cost(&session.handle.snapshot(), &facts, &count.target)
}

/// Exit 4 when no target is left; 5 when a rule is what leaves none, 2 when nobody has what was named.
pub fn ending(explanation: &Explanation) -> Result<(), Ending> {
    let decision = &explanation.decision;
    if !decision.chain.is_empty() {
        Ok(())
    } else if decision.denied.is_some() {
        Err(Ending::Exit(DENIED))
    } else if decision.names_nothing() {
        Err(Ending::Exit(USAGE))
    } else {
        Err(Ending::Exit(UNAVAILABLE))
    }
}

/// A call as it was decided then, and every rule as it stands now: which rules there were then is not recorded.
pub async fn call(session: &mut Session, id: &str) -> Result<(), Ending> {
    let Reply::Call(record) = session.ask(Command::GetCall { id: id.into() }).await? else {
        return Err(unexpected("routes explain"));
    };
    if session.console.json {
        let now = by_the_rules_of_now(session, &record.facts).await?;
        let now = uncounted(session, &now, &record.facts);
        return session.console.document(&json!({
            "call_id": record.id,
            "target": record.target,
            "policy": record.policy,
            "rules_version": record.rules_version,
            "facts": record.facts,
            "chain": record.chain,
            "rejected": record.rejects,
            "attempts": record.attempts,
            "now": now,
        }));
    }
    let sentence = session.console.paint(Role::Accent, &sentence(&record));
    session.console.line(&sentence)?;
    let snapshot = session.handle.snapshot();
    let why = |target: &Target| if record.target.as_ref() == Some(target) { "answered" } else { "" };
    let chain: Vec<Place> = record.chain.iter().map(|target| Place { target, why: why(target) }).collect();
    print_chain(session, &snapshot, &record.facts, &chain, &record.rejects)?;
    session.console.flush()?;
    let now = by_the_rules_of_now(session, &record.facts).await?;
    let label = session.console.paint(Role::Muted, "by the rules of now");
    let sentence = session.console.paint(Role::Accent, &now.sentence);
    session.console.line(&format!("{label}  {sentence}"))?;
    print_rules(session, &now)?;
    say_unseen(session, &now);
    Ok(())
}

async fn by_the_rules_of_now(session: &mut Session, facts: &Facts) -> Result<Box<Explanation>, Ending> {
    session.probed().await?;
    ask(session, facts).await
}

fn sentence(record: &CallRecord) -> String {
    let by = words::policy(&record.policy);
    match (&record.target, &record.error) {
        (Some(target), _) => format!("{target} by {by}"),
        (None, Some(failure)) => format!("nowhere, {by}: {}", failure.message),
        (None, None) => format!("nowhere by {by}"),
    }
}

struct Place<'a> {
    target: &'a Target,
    why: &'a str,
}

fn print_chain(
    session: &mut Session,
    snapshot: &Snapshot,
    facts: &Facts,
    chain: &[Place],
    rejected: &[Reject],
) -> Result<(), Ending> {
    let mut table =
        Table::new(vec![Column::left("", 5), Column::right("", 1), Column::left("", 36), Column::left("", 0)]);
    for (place, entry) in chain.iter().enumerate() {
        let label = if place == 0 { "chain" } else { "" };
        table.row(vec![
            Cell::new(Role::Muted, label),
            (place + 1).to_string().into(),
            entry.target.to_string().into(),
            routes::note(snapshot, facts, entry.target, entry.why).into(),
        ]);
    }
    for (place, reject) in rejected.iter().enumerate() {
        let label = if place == 0 { "out" } else { "" };
        table.row(vec![
            Cell::new(Role::Muted, label),
            "".into(),
            reject.target.to_string().into(),
            reject.reason.as_ref().into(),
        ]);
    }
    table.print(&mut session.console)
}

pub fn as_json(session: &Session, explanation: &Explanation, facts: &Facts, counted: Option<&TokenCount>) -> Value {
    let mut value = uncounted(session, explanation, facts);
    if let Some(count) = counted {
        let cost = cost_of(session, facts, count).map(Money::dollars);
        value["counted"] =
            json!({"target": count.target, "by": count.by, "tokens": count.tokens, "may_cost_usd": cost});
    }
    value
}

fn uncounted(session: &Session, explanation: &Explanation, facts: &Facts) -> Value {
    let snapshot = session.handle.snapshot();
    let decision = &explanation.decision;
    let chain: Vec<Value> = decision
        .chain
        .iter()
        .map(|chosen| {
            json!({
                "target": chosen.target,
                "reach": chosen.reach,
                "why": chosen.why,
                "may_cost_usd": may_cost(&snapshot, facts, &chosen.target).map(Money::dollars),
            })
        })
        .collect();
    json!({
        "sentence": explanation.sentence,
        "target": decision.chain.first().map(|chosen| &chosen.target),
        "policy": decision.by,
        "rules_version": decision.rules_version,
        "local_only": decision.local_only,
        "denied": decision.denied,
        "effects": decision.effects,
        "notes": decision.notes,
        "facts": facts,
        "chain": chain,
        "rejected": decision.rejected,
        "rules": explanation.rules,
        "unseen": explanation.unseen,
    })
}
