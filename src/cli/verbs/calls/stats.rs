//! `calls stats`: sums over recorded calls, one row per group.

use crate::cli::ending::Ending;
use crate::cli::session::{Session, unexpected};
use crate::cli::table::{Cell, Column, Table};
use crate::domain::money::Money;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{CallStats, CallSums, Command, GroupBy, Percentiles, Reply, StatsQuery};
use crate::present::labels::Role;
use crate::present::{escape, stats as words, units};
use serde_json::{Value, json};
use std::time::Duration;

pub async fn run(session: &mut Session, by: &[GroupBy], since: Option<Duration>, filter: String) -> Result<(), Ending> {
    if by.len() > 2 {
        return Err(Ending::usage(
            "calls are put together by two things at most",
            "lmdeck calls stats --by day,provider",
        ));
    }
    let since = since.map(|span| {
        UnixMs(session.console.now().0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    });
    let query = StatsQuery { filter, by: by.to_vec(), since };
    let Reply::Stats(stats) = session.ask(Command::CallStats { query: Box::new(query) }).await? else {
        return Err(unexpected("calls stats"));
    };
    if session.console.json {
        return session.console.document(&as_json(&stats, by));
    }
    if stats.all.calls == 0 {
        session.console.say(Role::Plain, "No calls here: --since 7d looks further back than today.");
        return Ok(());
    }
    table(&stats, by).print(&mut session.console)?;
    let since = session.console.date_and_time(stats.since);
    let mut line = format!("{} since {since}", units::count(stats.all.calls, "call", "calls"));
    if stats.left_out > 0 {
        line = format!("{line}; {} with fewer calls are left out", units::count(stats.left_out, "group", "groups"));
    }
    if stats.all.unpriced > 0 {
        line = format!("{line}; {}: what is known is in the cost", words::unpriced(stats.all.unpriced));
    }
    session.console.say(Role::Muted, &escape::line(&line));
    Ok(())
}

fn table(stats: &CallStats, by: &[GroupBy]) -> Table {
    let mut table = Table::new(vec![
        Column::right("CALLS", 7),
        Column::right("FAILED", 6),
        Column::right("P50", 6),
        Column::right("P95", 6).drop(4),
        Column::right("P99", 6).drop(2),
        Column::right("FIRST P50", 9),
        Column::right("P95", 6).drop(3),
        Column::right("P99", 6).drop(1),
        Column::right("IN", 6).drop(6),
        Column::right("OUT", 6).drop(5),
        Column::right("COST", 8),
        Column::left("BY", 0),
    ]);
    let mut row = |name: &str, role: Role, sums: &CallSums| {
        let time = |ms: Option<u64>| ms.map_or_else(|| units::MISSING.to_owned(), units::duration);
        let cells = [
            units::thousands(sums.calls),
            units::thousands(sums.failed()),
            time(sums.duration_ms.p50),
            time(sums.duration_ms.p95),
            time(sums.duration_ms.p99),
            time(sums.ttft_ms.p50),
            time(sums.ttft_ms.p95),
            time(sums.ttft_ms.p99),
            units::tokens(sums.tokens_in),
            units::tokens(sums.tokens_out),
            words::spent(sums),
            name.to_owned(),
        ];
        table.row(cells.into_iter().map(|cell| Cell::new(role, cell)).collect());
    };
    for group in &stats.groups {
        row(&words::key(&group.key, by), Role::Plain, &group.sums);
    }
    if stats.groups.len() != 1 {
        row("all", Role::Muted, &stats.all);
    }
    table
}

fn as_json(stats: &CallStats, by: &[GroupBy]) -> Value {
    let groups: Vec<Value> = stats
        .groups
        .iter()
        .map(|group| {
            let mut row = sums(&group.sums);
            if let Value::Object(fields) = &mut row {
                for (by, name) in by.iter().zip(&group.key) {
                    fields.insert(by.word().to_owned(), json!(name));
                }
            }
            row
        })
        .collect();
    json!({ "since": stats.since, "groups": groups, "all": sums(&stats.all), "left_out": stats.left_out })
}

fn sums(sums: &CallSums) -> Value {
    let times = |times: Percentiles| json!({ "of": times.of, "p50": times.p50, "p95": times.p95, "p99": times.p99 });
    json!({
        "calls": sums.calls,
        "ok": sums.ok,
        "errors": sums.errors,
        "denied": sums.denied,
        "cancelled": sums.cancelled,
        "cached": sums.cached,
        "duration_ms": times(sums.duration_ms),
        "ttft_ms": times(sums.ttft_ms),
        "tokens_in": sums.tokens_in,
        "tokens_out": sums.tokens_out,
        "cost_usd": Money::dollars(sums.spent()),
        "cost_billed_usd": Money::dollars(sums.billed),
        "cost_computed_usd": Money::dollars(sums.computed),
        "cost_estimated_usd": Money::dollars(sums.estimated),
        "unpriced_calls": sums.unpriced,
    })
}
