//! `calls list|show|tail|stats|export`: the table, and which part does the rest.

mod export;
mod show;
mod stats;

use crate::cli::args::CallsVerb;
use crate::cli::ending::Ending;
use crate::cli::session::{Session, unexpected};
use crate::cli::table::{Cell, Column, Table};
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
/// Calls looked at per poll, the last to begin; what ends beside them is counted.
const TAIL_WINDOW: usize = 500;

pub async fn run(session: &mut Session, verb: &CallsVerb) -> Result<(), Ending> {
    match verb {
        CallsVerb::List { limit, before, filter } => {
            let query = CallQuery {
                filter: filter.text(),
                limit: usize::try_from(*limit).unwrap_or(usize::MAX),
                before: before.as_deref().map(CallId::from),
                since: None,
            };
            let page = ask(session, query.clone()).await?;
            list(session, &query, &page)
        }
        CallsVerb::Show { id } => show::run(session, id).await,
        CallsVerb::Tail { filter } => tail(session, &filter.text()).await,
        CallsVerb::Stats { by, since, filter } => stats::run(session, by, *since, filter.text()).await,
        CallsVerb::Export { format, output, filter } => {
            export::run(session, (*format).into(), output.as_deref(), filter.text()).await
        }
    }
}

async fn ask(session: &Session, query: CallQuery) -> Result<CallPage, Ending> {
    match session.ask(Command::ListCalls { query: Box::new(query) }).await? {
        Reply::Calls(page) => Ok(page),
        _ => Err(unexpected("calls list")),
    }
}

fn list(session: &mut Session, query: &CallQuery, page: &CallPage) -> Result<(), Ending> {
    if session.console.json {
        let rows: Vec<Value> = page.rows.iter().map(as_json).collect();
        return session.console.document(&json!({
            "calls": rows,
            "matching": page.matching,
            "total": page.total,
            "counted_since": page.counted_since,
        }));
    }
    if page.rows.is_empty() {
        let nothing = match &query.before {
            Some(before) => format!("No calls here that are older than {before}."),
            None => "No calls here: lmdeck ask \"Say hello.\" makes one.".to_owned(),
        };
        session.console.say(Role::Plain, &escape::line(&nothing));
        return Ok(());
    }
    table(session, &page.rows).print(&mut session.console)?;
    let mut line = counts(session, page);
    // A full page says nothing of how many there are below it; a page that is not full is the last one.
    if let Some(last) = page.rows.last()
        && page.rows.len() >= query.limit
    {
        line = format!("{line}   older: --before {}", last.id);
    }
    session.console.say(Role::Muted, &escape::line(&line));
    Ok(())
}

/// `4 of 214 today`; `20 shown; 3 today` where some of the rows are older than what was counted.
fn counts(session: &Session, page: &CallPage) -> String {
    let shown = page.rows.len();
    let all_counted = page.rows.iter().all(|row| row.ts >= page.counted_since);
    let counted = units::thousands(page.matching);
    let mut line = if all_counted { format!("{shown} of {counted}") } else { format!("{shown} shown; {counted}") };
    let since = match session.console.moment(page.counted_since).as_str() {
        "00:00:00" => "today".to_owned(),
        moment => format!("since {moment}"),
    };
    line = format!("{line} {since}");
    if page.matching != page.total {
        line = format!("{line}, {} in all", units::thousands(page.total));
    }
    line
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

/// New calls as they end. A call enters the ledger when it ends, so ids may come out of order: those already
/// printed are remembered, as many as one poll can bring. Under load more calls end between two polls than a page
/// holds, and one that took long stands below them: the day's count tells how many were not seen.
async fn tail(session: &mut Session, filter: &str) -> Result<(), Ending> {
    let mut interrupted = session.console.interrupted();
    let query = CallQuery { filter: filter.to_owned(), limit: TAIL_WINDOW, before: None, since: None };
    let mut seen: Option<Seen> = None;
    loop {
        let page = ask(session, query.clone()).await?;
        let now = Seen::of(&page);
        if let Some(seen) = &seen {
            let mut fresh: Vec<CallRow> = page.rows.into_iter().filter(|row| !seen.ids.contains(&row.id)).collect();
            fresh.sort_by_key(ended);
            print_fresh(session, &fresh)?;
            let missed = now.counted_past(seen).saturating_sub(fresh.len() as u64);
            if missed > 0 {
                let calls = units::count(missed, "more call", "more calls");
                session
                    .console
                    .say(Role::Muted, &format!("-- {calls} ended than are shown: lmdeck calls list has all"));
            }
        }
        seen = Some(now);
        tokio::select! {
            biased;
            _ = &mut interrupted => return Ok(()),
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// What one poll found.
struct Seen {
    ids: HashSet<CallId>,
    matching: u64,
    counted_since: UnixMs,
}

impl Seen {
    fn of(page: &CallPage) -> Self {
        let ids = page.rows.iter().map(|row| row.id.clone()).collect();
        Self { ids, matching: page.matching, counted_since: page.counted_since }
    }

    /// Calls counted now that were not at an earlier poll; 0 where the two counts are of different spans, as they
    /// are after midnight and with a `since:` that goes along.
    fn counted_past(&self, earlier: &Self) -> u64 {
        let same = self.counted_since == earlier.counted_since;
        if same { self.matching.saturating_sub(earlier.matching) } else { 0 }
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
