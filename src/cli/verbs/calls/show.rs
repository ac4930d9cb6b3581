//! `calls show`: everything recorded of one call, with every candidate of its decision and why it lost.

use super::{as_json, cost};
use crate::cli::ending::Ending;
use crate::cli::session::{Session, unexpected};
use crate::cli::table::{Cell, Column, Table};
use crate::cli::words;
use crate::domain::call::CallRecord;
use crate::engine::protocol::{CallRow, Command, Reply};
use crate::present::labels::{self, Role};
use crate::present::{routes, units, usage};
use serde_json::{Value, json};

pub async fn run(session: &mut Session, id: &str) -> Result<(), Ending> {
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
    attempts(session, &record)?;
    considered(session, &record)
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
        "tokens_cache_written": record.usage.map(|usage| usage.cache_written),
        "cache": record.cache,
        "attempts": attempts,
        "observed": record.observed,
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
    if let Some(used) = record.usage {
        rows.insert(7, ("tokens", usage::words(&used)));
    }
    rows.extend(
        record.observed.iter().map(|found| ("observed", format!("{} {}", found.policy, routes::would_have(found)))),
    );
    if !facts.session.is_empty() {
        rows.push(("session", facts.session.clone()));
    }
    if !facts.tags.is_empty() {
        let tags: Vec<String> = facts.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        rows.push(("tags", tags.join(" ")));
    }
    rows
}

/// What it came to, and what was put aside for it.
fn money(record: &CallRecord, row: &CallRow) -> String {
    let settled = format!("{} {}", cost(row), provenance(record));
    match record.reserved {
        Some(reserved) => format!("{}, {} reserved", settled.trim_end(), units::money(reserved)),
        None => settled,
    }
}

fn provenance(record: &CallRecord) -> &'static str {
    if record.cost.amount.is_some() { units::cost_from(record.cost) } else { "" }
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

/// The chain in its order, then who was left out and why, as it was recorded.
fn considered(session: &mut Session, record: &CallRecord) -> Result<(), Ending> {
    if record.chain.is_empty() && record.rejects.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(vec![Column::left("CONSIDERED", 36), Column::left("DECISION", 0)]);
    for (place, target) in record.chain.iter().enumerate() {
        let tried = record.attempts.iter().any(|attempt| attempt.target == *target);
        let passed_over = record.rejects.iter().find(|reject| reject.target == *target);
        let fate = match passed_over {
            _ if tried => "tried".to_owned(),
            Some(reject) => format!("passed over: {}: {}", reject.code, reject.reason),
            None => "not needed".to_owned(),
        };
        table.row(vec![target.to_string().into(), format!("{}: {fate}", units::ordinal(place + 1)).into()]);
    }
    for reject in record.rejects.iter().filter(|reject| !record.chain.contains(&reject.target)) {
        table.row(vec![reject.target.to_string().into(), format!("out: {}: {}", reject.code, reject.reason).into()]);
    }
    table.print(&mut session.console)
}
