//! `bench`: the same job at several targets, one after the other, so that they do not take each other's machine.

use super::routes;
use crate::cli::agree;
use crate::cli::args::BenchArgs;
use crate::cli::ending::{Ending, FAILED, UNAVAILABLE};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Column, Table};
use crate::domain::call::{Body, CallRecord, CallRequest, Facts, Message, Role as Speaker, own_client};
use crate::domain::ids::Target;
use crate::domain::money::Money;
use crate::engine::protocol::{CallEvent, CallOutcome, CallRow};
use crate::present::labels::Role;
use crate::present::may_cost::{may_cost, tokens_of};
use crate::present::{escape, reason, units};
use serde_json::{Value, json};
use std::sync::Arc;

/// Tokens of the answer at most.
const JOB_TOKENS: u64 = 500;
/// Long enough for any model to use its tokens up.
const JOB: &str = "Write an essay of at least 800 words about how rivers shape the land they cross. Begin at once, \
                   without a heading, and do not stop early.";

/// One target of the comparison.
struct Entry {
    /// As it was named.
    asked: String,
    /// Where it leads; or why nowhere.
    target: Result<Target, String>,
    /// What all its runs may cost, where that is known and not nothing.
    may_cost: Option<Money>,
    /// It costs money, or nobody knows whether it does.
    paid: bool,
}

pub async fn run(session: &mut Session, args: &BenchArgs) -> Result<(), Ending> {
    let snapshot = session.probed().await?;
    let named: Vec<String> = if args.targets.is_empty() {
        snapshot.providers.iter().filter(|view| view.enabled).map(|view| view.id.to_string()).collect()
    } else {
        args.targets.clone()
    };
    if named.is_empty() {
        return Err(Ending::new(
            UNAVAILABLE,
            "there is no provider to compare",
            "lmdeck providers discover looks for one",
        ));
    }
    let mut entries = Vec::new();
    for name in named {
        entries.push(resolve(session, name, args.runs).await?);
    }
    if entries.iter().any(|entry| entry.paid && entry.target.is_ok()) && !args.yes {
        agree(session, &entries)?;
    }

    let mut interrupted = session.console.interrupted();
    let mut done: Vec<(Entry, Vec<Arc<CallRecord>>)> = Vec::new();
    let mut stopped = None;
    for entry in entries {
        let mut records = Vec::new();
        if let (Ok(target), None) = (&entry.target, stopped) {
            for number in 1..=args.runs {
                session.console.say_over(&escape::line(&format!("-- {target}, run {number} of {}", args.runs)));
                let facts = facts(&target.to_string());
                let request = request(facts, session.console.now().0);
                let mut events = session.handle.dispatch(request);
                let outcome = tokio::select! {
                    biased;
                    exit = &mut interrupted => Err(exit),
                    outcome = outcome(&mut events) => Ok(outcome?),
                };
                // Hanging up is what cancels the call.
                drop(events);
                match outcome {
                    Ok(outcome) => records.push(outcome.record),
                    Err(exit) => {
                        stopped = Some(exit);
                        break;
                    }
                }
            }
        }
        done.push((entry, records));
    }
    session.console.say_over("");
    print(session, &done)?;
    if let Some(exit) = stopped {
        session.console.say(Role::Muted, "-- stopped: the rest was not run");
        return Err(Ending::Exit(exit));
    }
    let answered = done.iter().flat_map(|(_, records)| records).any(|record| record.error.is_none());
    if answered { Ok(()) } else { Err(Ending::new(UNAVAILABLE, "no target answered", "lmdeck status says why")) }
}

async fn outcome(events: &mut tokio::sync::mpsc::Receiver<CallEvent>) -> Result<Box<CallOutcome>, Ending> {
    loop {
        match events.recv().await {
            Some(CallEvent::End(outcome)) => return Ok(outcome),
            Some(_) => {}
            None => {
                return Err(Ending::new(
                    FAILED,
                    "the call ended without an outcome: the engine has stopped",
                    "lmdeck logs says why",
                ));
            }
        }
    }
}

fn facts(model: &str) -> Facts {
    Facts {
        requested_model: model.to_owned(),
        prompt_tokens: tokens_of(JOB.len()),
        max_tokens: JOB_TOKENS,
        stream: true,
        client: own_client::BENCH.to_owned(),
        ..Facts::default()
    }
}

/// `salt` makes every run a prompt of its own, so that no cache answers it.
fn request(facts: Facts, salt: i64) -> CallRequest {
    let messages = vec![Message { role: Speaker::User, content: format!("Job {salt}. {JOB}") }];
    let body = Body::Chat { messages, max_tokens: Some(JOB_TOKENS), temperature: None, stream: true };
    CallRequest { facts, body, wants_usage: true }
}

/// The rules say where the name leads; only that target is then asked.
async fn resolve(session: &Session, asked: String, runs: u32) -> Result<Entry, Ending> {
    let explanation = routes::ask(session, &facts(&asked)).await?;
    let Some(chosen) = explanation.decision.chain.first() else {
        if explanation.decision.names_nothing() {
            return Err(Ending::usage(explanation.sentence, "lmdeck models list names all targets"));
        }
        return Ok(Entry { asked, target: Err(explanation.sentence), may_cost: None, paid: false });
    };
    let snapshot = session.handle.snapshot();
    let cost = may_cost(&snapshot, &facts(&asked), &chosen.target);
    Ok(Entry {
        asked,
        // A near server may run a model elsewhere.
        paid: cost.map_or(!chosen.reach.is_local(), |cost| cost > Money::ZERO),
        may_cost: cost.filter(|cost| *cost > Money::ZERO).map(|cost| cost.times(runs.into())),
        target: Ok(chosen.target.clone()),
    })
}

/// Asks before money is spent; who cannot be asked has to have said so.
fn agree(session: &mut Session, entries: &[Entry]) -> Result<(), Ending> {
    for entry in entries.iter().filter(|entry| entry.paid) {
        if let Ok(target) = &entry.target {
            let cost = entry.may_cost.map_or_else(
                || "costs what nobody knows".to_owned(),
                |cost| format!("may cost {}", units::money(cost)),
            );
            session.console.say(Role::Plain, &escape::line(&format!("{target}  {cost}")));
        }
    }
    agree::to_cost(
        &mut session.console,
        "Make these calls?",
        "some of these calls cost money",
        "run it with --yes, or name only local targets: lmdeck bench lm_studio",
    )
}

/// The middle one of what was seen; the lower of two.
fn middle(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

fn speed(records: &[Arc<CallRecord>]) -> Option<f64> {
    let mut speeds: Vec<f64> = records.iter().filter_map(|record| record.tokens_per_second()).collect();
    speeds.sort_by(f64::total_cmp);
    speeds.get(speeds.len().checked_sub(1)? / 2).copied()
}

/// All that was bought; `None` when the price of one of them is not known, or in part only.
fn cost(records: &[Arc<CallRecord>]) -> Option<Money> {
    records.iter().map(|record| record.cost.whole()).sum::<Option<Money>>()
}

fn print(session: &mut Session, done: &[(Entry, Vec<Arc<CallRecord>>)]) -> Result<(), Ending> {
    if session.console.json {
        let rows: Vec<Value> = done.iter().map(|(entry, records)| as_json(entry, records)).collect();
        return session.console.document(&json!({ "max_tokens": JOB_TOKENS, "targets": rows }));
    }
    let mut table = Table::new(vec![
        Column::right("OK", 5),
        Column::right("FIRST", 6),
        Column::right("SPEED", 9),
        Column::right("TOTAL", 6),
        Column::right("OUT", 5),
        Column::right("COST", 8),
        Column::left("TARGET", 0),
    ]);
    let dash = || units::MISSING.to_owned();
    for (entry, records) in done {
        let good: Vec<Arc<CallRecord>> = records.iter().filter(|record| record.error.is_none()).cloned().collect();
        let name = entry.target.as_ref().map_or_else(|_| entry.asked.clone(), ToString::to_string);
        let trouble = match (&entry.target, records.iter().find_map(|record| record.error.as_ref())) {
            (Err(why), _) => Some(why.clone()),
            (Ok(_), Some(failure)) => Some(format!("{}: {}", reason::code_words(failure.code), failure.message)),
            (Ok(_), None) if records.is_empty() => Some("not run".to_owned()),
            (Ok(_), None) => None,
        };
        let bought = records.iter().any(|record| !CallRow::from(record.as_ref()).bought_nothing());
        let cost = match cost(records) {
            _ if !bought => dash(),
            None => units::UNKNOWN.to_owned(),
            Some(Money::ZERO) => "free".to_owned(),
            Some(sum) => units::money(sum),
        };
        let role = if trouble.is_some() { Role::Bad } else { Role::Plain };
        table.row(vec![
            format!("{}/{}", good.len(), records.len()).into(),
            middle(good.iter().filter_map(|record| record.ttft_ms).collect())
                .map_or_else(dash, units::first_token)
                .into(),
            speed(&good).map_or_else(dash, units::rate).into(),
            middle(good.iter().map(|record| record.duration_ms).collect()).map_or_else(dash, units::duration).into(),
            middle(good.iter().filter_map(|record| Some(record.usage?.output)).collect())
                .map_or_else(dash, units::tokens)
                .into(),
            cost.into(),
            Cell::new(role, trouble.map_or_else(|| name.clone(), |why| format!("{name}: {why}"))),
        ]);
    }
    table.print(&mut session.console)
}

fn as_json(entry: &Entry, records: &[Arc<CallRecord>]) -> Value {
    let runs: Vec<Value> = records
        .iter()
        .map(|record| {
            json!({
                "id": record.id,
                "status": record.status,
                "errorCode": record.error.as_ref().map(|failure| failure.code),
                "error": record.error.as_ref().map(|failure| &failure.message),
                "ttft_ms": record.ttft_ms,
                "tokens_per_second": record.tokens_per_second(),
                "duration_ms": record.duration_ms,
                "tokens_in": record.usage.map(|usage| usage.input),
                "tokens_out": record.usage.map(|usage| usage.output),
                "cost_usd": record.cost.amount.map(Money::dollars),
                "cost_provenance": record.cost.provenance,
            })
        })
        .collect();
    json!({
        "asked": entry.asked,
        "target": entry.target.as_ref().ok(),
        "why_not": entry.target.as_ref().err(),
        "runs": runs,
        "cost_usd": cost(records).map(Money::dollars),
    })
}
