//! `calls list|show|tail`.

use crate::cli::args::CallsVerb;
use crate::cli::ending::Ending;
use crate::cli::session::{Session, unexpected};
use crate::cli::table::{Cell, Column, Table};
use crate::cli::words;
use crate::domain::call::CallRecord;
use crate::domain::ids::CallId;
use crate::domain::money::Money;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{CallPage, CallQuery, CallRow, Command, Reply};
use crate::present::labels::{self, Role};
use crate::present::{escape, reason, units};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

/// How often the ledger is asked for new calls: other processes write to it too, and only it knows of theirs.
const POLL: Duration = Duration::from_millis(500);
/// Calls looked at per poll; with more new ones than this in half a second the rest is counted as missed.
const TAIL_WINDOW: usize = 500;

pub async fn run(session: &mut Session, verb: &CallsVerb) -> Result<(), Ending> {
    match verb {
        CallsVerb::List { limit, before, filter } => {
            let query = CallQuery {
                filter: filter.clone(),
                limit: usize::try_from(*limit).unwrap_or(usize::MAX),
                before: before.as_deref().map(CallId::from),
                since: None,
            };
            let page = ask(session, query).await?;
            list(session, &page)
        }
        CallsVerb::Show { id } => show(session, id).await,
        CallsVerb::Tail { filter } => tail(session, filter).await,
    }
}

async fn ask(session: &Session, query: CallQuery) -> Result<CallPage, Ending> {
    match session.ask(Command::ListCalls { query: Box::new(query) }).await? {
        Reply::Calls(page) => Ok(page),
        _ => Err(unexpected("calls list")),
    }
}

fn list(session: &mut Session, page: &CallPage) -> Result<(), Ending> {
    if session.console.json {
        let rows: Vec<Value> = page.rows.iter().map(as_json).collect();
        return session.console.document(&json!({ "calls": rows, "matching": page.matching, "total": page.total }));
    }
    if page.rows.is_empty() {
        session.console.say(Role::Plain, "No calls here: lmdeck ask \"Say hello.\" makes one.");
        return Ok(());
    }
    table(session, &page.rows).print(&mut session.console)?;
    let mut line = format!("{} of {} today", page.rows.len(), units::thousands(page.matching));
    if page.matching != page.total {
        line = format!("{line}, {} in all", units::thousands(page.total));
    }
    if let Some(last) = page.rows.last()
        && u64::try_from(page.rows.len()).is_ok_and(|shown| shown < page.matching)
    {
        line = format!("{line}   older: --before {}", last.id);
    }
    session.console.say(Role::Muted, &escape::line(&line));
    Ok(())
}

fn table(session: &Session, rows: &[CallRow]) -> Table {
    let mut table = Table::new(vec![
        Column::mark(),
        Column::left("ID", 5),
        Column::left("TIME", 8),
        Column::left("CLIENT", 6),
        Column::left("TYPE", 19).drop(4),
        Column::right("FIRST", 6).drop(1),
        Column::right("TOTAL", 6),
        Column::right("IN", 5).drop(3),
        Column::right("OUT", 3).drop(2),
        Column::right("COST", 7),
        Column::left("TARGET", 0),
    ]);
    let dash = || "-".to_owned();
    for row in rows {
        table.row(vec![
            Cell::mark(&labels::call(row)),
            row.id.as_str().into(),
            session.console.moment(row.ts).into(),
            row.client.as_str().into(),
            if row.request_type.is_empty() { "-" } else { &row.request_type }.into(),
            row.ttft_ms.map_or_else(dash, units::first_token).into(),
            units::duration(row.duration_ms).into(),
            row.tokens_in.map_or_else(dash, units::tokens).into(),
            row.tokens_out.map_or_else(dash, units::tokens).into(),
            cost(row).into(),
            target(row).into(),
        ]);
    }
    table
}

/// Nothing was bought where no target was reached; that is not an unknown price.
/// What it came to, and what was put aside for it.
fn money(record: &CallRecord, row: &CallRow) -> String {
    let settled = format!("{} {}", cost(row), provenance(record));
    match record.reserved {
        Some(reserved) => format!("{}, {} reserved", settled.trim_end(), units::money(reserved)),
        None => settled,
    }
}

fn cost(row: &CallRow) -> String {
    if row.bought_nothing() { "-".to_owned() } else { units::cost(row.cost) }
}

fn target(row: &CallRow) -> String {
    match (&row.target, row.error) {
        (Some(target), None) => target.to_string(),
        (Some(target), Some(code)) => format!("{target}: {}", reason::code_words(code)),
        (None, Some(code)) => reason::code_words(code).to_owned(),
        (None, None) => "-".to_owned(),
    }
}

fn as_json(row: &CallRow) -> Value {
    json!({
        "id": row.id,
        "ts": row.ts,
        "client": row.client,
        "request_type": row.request_type,
        "status": row.status,
        "errorCode": row.error,
        "tries": row.tries,
        "ttft_ms": row.ttft_ms,
        "duration_ms": row.duration_ms,
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
        "cost_usd": row.cost.amount.map(Money::dollars),
        "cost_provenance": row.cost.provenance,
        "target": row.target,
        "policy": row.policy,
    })
}

async fn show(session: &mut Session, id: &str) -> Result<(), Ending> {
    let Reply::Call(record) = session.ask(Command::GetCall { id: id.into() }).await? else {
        return Err(unexpected("calls show"));
    };
    if session.console.json {
        return session.console.document(&whole_json(&record));
    }
    let row = CallRow::from(&*record);
    let label = labels::call(&row);
    let head = format!("{} {}  {}", label.mark, record.id, session.console.date_and_time(record.ts));
    let head = session.console.paint(label.role, &head);
    session.console.line(&head)?;
    let mut table = Table::new(vec![Column::left("", 8), Column::left("", 0)]);
    for (label, value) in facts(&record, &row) {
        table.row(vec![Cell::new(Role::Muted, label), value.into()]);
    }
    table.print(&mut session.console)?;
    attempts(session, &record)
}

/// The row's fields and everything else that was recorded.
fn whole_json(record: &CallRecord) -> Value {
    let attempts: Vec<Value> = record
        .attempts
        .iter()
        .map(|attempt| {
            json!({
                "target": attempt.target,
                "start_ms": attempt.start_ms,
                "ttft_ms": attempt.ttft_ms,
                "duration_ms": attempt.duration_ms,
                "error": attempt.failure.as_ref().map(|failure| &failure.message),
                "errorCode": attempt.failure.as_ref().map(|failure| failure.code),
                "answered_by": attempt.answered_by,
            })
        })
        .collect();
    let mut whole = as_json(&CallRow::from(record));
    let more = json!({
        "message": record.error.as_ref().map(|failure| &failure.message),
        "facts": record.facts,
        "rules_version": record.rules_version,
        "chain": record.chain,
        "rejected": record.rejects,
        "finish_reason": record.finish,
        "queue_ms": record.queue_ms,
        "tokens_cached": record.usage.map(|usage| usage.cached),
        "cache": record.cache,
        "attempts": attempts,
        "prompt": record.prompt,
        "answer": record.answer,
    });
    if let (Value::Object(fields), Value::Object(more)) = (&mut whole, more) {
        fields.extend(more);
    }
    whole
}

fn facts(record: &CallRecord, row: &CallRow) -> Vec<(&'static str, String)> {
    let facts = &record.facts;
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let mut rows = vec![
        ("result", record.error.as_ref().map_or_else(|| record.status.word().to_owned(), ToString::to_string)),
        ("client", or_dash(&facts.client)),
        ("type", or_dash(&facts.request_type)),
        ("asked for", or_dash(&facts.requested_model)),
        ("answered", row.target.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)),
        ("decided", format!("{}, rules version {}", words::policy(&record.policy), record.rules_version)),
        (
            "time",
            format!(
                "{}, first token {}, queued {}",
                units::duration(record.duration_ms),
                record.ttft_ms.map_or_else(|| "-".to_owned(), units::first_token),
                units::latency(record.queue_ms)
            ),
        ),
        ("money", money(record, row)),
        ("cache", or_dash(&record.cache)),
    ];
    if let Some(usage) = record.usage {
        let tokens = format!(
            "{} in ({} cached), {} out",
            units::thousands(usage.input),
            units::thousands(usage.cached),
            units::thousands(usage.output)
        );
        rows.insert(7, ("tokens", tokens));
    }
    if !facts.session.is_empty() {
        rows.push(("session", facts.session.clone()));
    }
    if !facts.tags.is_empty() {
        let tags: Vec<String> = facts.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        rows.push(("tags", tags.join(" ")));
    }
    rows
}

fn provenance(record: &CallRecord) -> &'static str {
    if record.cost.amount.is_some() { record.cost.provenance.word() } else { "" }
}

fn attempts(session: &mut Session, record: &CallRecord) -> Result<(), Ending> {
    if record.attempts.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(vec![
        Column::right("TRY", 3),
        Column::right("TOTAL", 6),
        Column::left("TARGET", 36),
        Column::left("RESULT", 0),
    ]);
    for (place, attempt) in record.attempts.iter().enumerate() {
        let result = match (&attempt.failure, attempt.ttft_ms) {
            (Some(failure), _) => failure.to_string(),
            (None, Some(ms)) => format!("ok, first token {}", units::first_token(ms)),
            (None, None) => "ok".to_owned(),
        };
        let result = match &attempt.answered_by {
            Some(model) => format!("{result}; answered by {model}"),
            None => result,
        };
        table.row(vec![
            (place + 1).to_string().into(),
            units::duration(attempt.duration_ms).into(),
            attempt.target.to_string().into(),
            result.into(),
        ]);
    }
    table.print(&mut session.console)
}

/// New calls as they end. A call enters the ledger when it ends, so ids may come out of order: those already
/// printed are remembered, as many as one poll can bring.
async fn tail(session: &mut Session, filter: &str) -> Result<(), Ending> {
    let mut interrupted = session.console.interrupted();
    let query = CallQuery { filter: filter.to_owned(), limit: TAIL_WINDOW, before: None, since: None };
    let mut seen: Option<HashSet<CallId>> = None;
    loop {
        let page = ask(session, query.clone()).await?;
        let ids: HashSet<CallId> = page.rows.iter().map(|row| row.id.clone()).collect();
        if let Some(seen) = &seen {
            let mut fresh: Vec<CallRow> = page.rows.into_iter().filter(|row| !seen.contains(&row.id)).collect();
            fresh.sort_by_key(ended);
            print_fresh(session, &fresh)?;
        }
        seen = Some(ids);
        tokio::select! {
            biased;
            _ = &mut interrupted => return Ok(()),
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

fn ended(row: &CallRow) -> UnixMs {
    row.ts.plus(Duration::from_millis(row.duration_ms))
}

fn print_fresh(session: &mut Session, fresh: &[CallRow]) -> Result<(), Ending> {
    if session.console.json {
        for row in fresh {
            session.console.document_line(&as_json(row))?;
        }
    } else if !fresh.is_empty() {
        table(session, fresh).print_rows(&mut session.console)?;
        session.console.flush()?;
    }
    Ok(())
}
