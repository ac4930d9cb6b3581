//! `routes replay`: recorded calls by other rules, or by those in force now.

use super::text_file;
use crate::cli::args::ReplayArgs;
use crate::cli::ending::{Ending, say_issue};
use crate::cli::session::{Session, or_refused, unexpected};
use crate::cli::table::{Cell, Column, Table};
use crate::domain::money::Money;
use crate::domain::replay::{Change, Fate, Flow, ReplayReport, ReplaySums, Replayed};
use crate::domain::time::UnixMs;
use crate::engine::protocol::{Command, ReplayDone, ReplayQuery, ReplayRules, Reply, RunId};
use crate::present::labels::Role;
use crate::present::{escape, replay as words, units};
use serde_json::{Value, json};
use std::pin::pin;

/// Groups of changes printed.
const FLOWS: usize = 12;
/// Calls printed in words; `--json` has all.
const ROWS: usize = 50;

pub async fn run(session: &mut Session, args: &ReplayArgs) -> Result<(), Ending> {
    let (file, filter) = args.parts();
    let rules = match file {
        None => ReplayRules::InForce,
        Some(file) => {
            let remedy = "name a YAML file with rules; lmdeck routes replay --help shows one";
            ReplayRules::Text { name: text_file::name(&file), text: text_file::read(&file, remedy)? }
        }
    };
    // What is not recorded is taken from today, so today has to be known.
    session.probed().await?;
    let since = args.since.map(|span| {
        UnixMs(session.console.now().0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    });
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let (done, stopped_by) = follow(session, ReplayQuery { rules, filter, since, limit }).await?;
    for issue in &done.issues {
        say_issue(&mut session.console, issue);
    }
    if session.console.json {
        session.console.document(&as_json(&done))?;
    } else {
        print(session, &done.report, args.all)?;
    }
    stopped_by.map_or(Ok(()), |code| Err(Ending::Exit(code)))
}

/// The replay, and the exit code of who stopped it; then it holds what was looked at until then.
async fn follow(session: &mut Session, query: ReplayQuery) -> Result<(Box<ReplayDone>, Option<u8>), Ending> {
    let run = RunId::of(std::process::id(), session.console.now());
    let handle = session.handle.clone();
    let mut interrupted = session.console.interrupted();
    let mut reply = pin!(handle.ask(Command::Replay { query: Box::new(query), run }));
    let mut stopped_by = None;
    let reply = loop {
        tokio::select! {
            biased;
            reply = &mut reply => break reply,
            code = &mut interrupted, if stopped_by.is_none() => {
                stopped_by = Some(code);
                // When the engine is too busy to hear it, the replay goes on to its end, which is near.
                let _ = handle.send(Command::StopReplay { run });
            }
        }
    };
    match or_refused(reply)? {
        Reply::Replayed(done) => Ok((done, stopped_by)),
        _ => Err(unexpected("routes replay")),
    }
}

fn print(session: &mut Session, report: &ReplayReport, all: bool) -> Result<(), Ending> {
    let headline = session.console.paint(Role::Accent, &words::headline(report));
    session.console.line(&headline)?;
    if report.calls > 0 {
        sums(session, report)?;
        flows(session, report)?;
        rows(session, report, all)?;
    }
    for note in words::notes(report) {
        session.console.say(Role::Muted, &format!("-- {note}"));
    }
    Ok(())
}

fn sums(session: &mut Session, report: &ReplayReport) -> Result<(), Ending> {
    let mut table = Table::new(vec![
        Column::left("", 13),
        Column::right("THEN", 9),
        Column::right("BY THE RULES", 12),
        Column::right("CHANGE", 9),
    ]);
    for line in words::compared(report) {
        let role = if line.worse { Role::Bad } else { Role::Plain };
        table.row(vec![
            Cell::new(Role::Muted, line.label),
            line.before.into(),
            Cell::new(role, line.after),
            line.change.into(),
        ]);
    }
    table.print(&mut session.console)
}

fn flows(session: &mut Session, report: &ReplayReport) -> Result<(), Ending> {
    if report.flows.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(vec![
        Column::right("CALLS", 7),
        Column::left("FROM", 26),
        Column::left("TO", 26),
        Column::right("COST", 8),
    ]);
    for flow in report.flows.iter().take(FLOWS) {
        table.row(vec![
            units::thousands(flow.calls).into(),
            words::end(flow.from.as_ref()).into(),
            words::end(flow.to.as_ref()).into(),
            words::flow_cost(flow).into(),
        ]);
    }
    table.print(&mut session.console)?;
    if report.flows.len() > FLOWS {
        let more = format!("-- and {} more ways", report.flows.len() - FLOWS);
        session.console.say(Role::Muted, &more);
    }
    Ok(())
}

fn rows(session: &mut Session, report: &ReplayReport, all: bool) -> Result<(), Ending> {
    let wanted = |row: &&Replayed| all || row.change != Change::Same;
    let mut table = Table::new(vec![
        Column::left("CALL", 6),
        Column::left("THEN", 22),
        Column::left("BY THE RULES", 22),
        Column::right("COST", 8).drop(2),
        Column::left("WORLD", 11),
    ]);
    let mut printed = 0;
    for row in report.rows.iter().filter(wanted).take(ROWS) {
        printed += 1;
        table.row(vec![
            row.id.as_str().into(),
            words::fate(&row.before).into(),
            words::fate(&row.after).into(),
            words::row_cost(row).into(),
            words::world(row).into(),
        ]);
    }
    if printed == 0 {
        return Ok(());
    }
    table.print(&mut session.console)?;
    let more = report.rows.iter().filter(wanted).count() - printed;
    if more > 0 {
        let line = format!("-- and {}: --json has all", units::count(more as u64, "more call", "more calls"));
        session.console.say(Role::Muted, &escape::line(&line));
    }
    Ok(())
}

fn as_json(done: &ReplayDone) -> Value {
    let report = &done.report;
    let side = |sums: &ReplaySums| {
        json!({
            "local": sums.local,
            "cloud": sums.cloud,
            "provider_gone": sums.unknown,
            "refused": sums.refused,
            "cost_usd": sums.cost.dollars(),
            "ttft_ms": sums.ttft_ms,
        })
    };
    let flow = |flow: &Flow| {
        json!({
            "calls": flow.calls,
            "from": flow.from,
            "to": flow.to,
            "cost_before_usd": flow.cost_before.dollars(),
            "cost_after_usd": flow.cost_after.dollars(),
            "unpriced": flow.unpriced,
        })
    };
    json!({
        "calls": report.calls,
        "matching": report.matching,
        "stopped": report.stopped,
        "first_ts": report.first,
        "last_ts": report.last,
        "moved": report.moved,
        "refused": report.refused,
        "let_through": report.let_through,
        "before": side(&report.before),
        "after": side(&report.after),
        "unpriced": report.unpriced,
        "timed": report.timed,
        "from_today": report.from_today,
        "flows": report.flows.iter().map(flow).collect::<Vec<_>>(),
        "rows": report.rows.iter().map(row_json).collect::<Vec<_>>(),
        "absent": report.absent,
        "unrecorded": report.unrecorded,
        "issues": done.issues,
    })
}

fn row_json(row: &Replayed) -> Value {
    let fate = |fate: &Fate| {
        json!({
            "target": fate.target,
            "policy": fate.by,
            "local": fate.local,
            "refused": fate.refused,
            "cost_usd": fate.cost.map(Money::dollars),
            "ttft_ms": fate.ttft_ms,
        })
    };
    json!({
        "call_id": row.id,
        "ts": row.ts,
        "request_type": row.request_type,
        "change": row.change.word(),
        "before": fate(&row.before),
        "after": fate(&row.after),
        "world": if row.today.is_empty() { "recorded" } else { "today" },
        "today": row.today,
    })
}
