//! `health incidents`: who was in trouble, why, how long, where the calls went, what mends it.

use crate::cli::ending::Ending;
use crate::cli::session::{Session, find, unexpected};
use crate::cli::table::{Cell, Column, Table};
use crate::domain::health::State;
use crate::domain::incident::Incident;
use crate::engine::protocol::{Command, IncidentQuery, Reply, Snapshot};
use crate::present::labels::{self, Role};
use crate::present::{escape, incidents, units};
use serde_json::{Value, json};
use std::time::Duration;

pub async fn run(
    session: &mut Session,
    id: Option<&str>,
    since: Duration,
    open: bool,
    limit: u32,
) -> Result<(), Ending> {
    let now = session.console.now();
    let back = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let query = IncidentQuery {
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        since: Some(crate::domain::time::UnixMs(now.0.saturating_sub(back))),
        // One that was removed since may be asked for as well.
        provider: id.map(Into::into),
        open_only: open,
    };
    let Reply::Incidents(found) = session.ask(Command::ListIncidents { query: Box::new(query) }).await? else {
        return Err(unexpected("health incidents"));
    };
    let snapshot = session.handle.snapshot();
    if let Some(id) = id
        && found.is_empty()
    {
        // A typing mistake must not read as "all was well".
        session.provider(id).await?;
    }
    if session.console.json {
        let rows: Vec<Value> = found.iter().map(|incident| as_json(incident, &snapshot, now)).collect();
        return session.console.document(&rows);
    }
    if found.is_empty() {
        let what = if open { "No incident is open" } else { "No incident" };
        session.console.say(Role::Plain, &format!("{what} in {}.", units::the_last(since)));
        session
            .console
            .say(Role::Muted, "What nobody watched is not known: the dashboard watches, and so does lmdeck serve.");
        return Ok(());
    }
    print(session, &found)?;
    for incident in found.iter().filter(|incident| incident.is_open()) {
        let view = find(&snapshot, incident.provider.as_str());
        if let Some(act) = incidents::what_to_do(incident, view.map(AsRef::as_ref)) {
            session.console.say(Role::Muted, &escape::line(&format!("-- {}: {act}", incident.provider)));
        }
    }
    Ok(())
}

/// Under the table of health, when there is something to look up.
pub fn say_how_many(session: &mut Session, snapshot: &Snapshot) {
    let over = snapshot.incidents.iter().filter(|incident| !incident.is_open()).count() as u64;
    if over > 0 {
        let count = units::count(over, "incident", "incidents");
        session.console.say(Role::Muted, &format!("-- {count} ended lately: lmdeck health incidents lists them"));
    }
}

fn print(session: &mut Session, found: &[Incident]) -> Result<(), Ending> {
    let now = session.console.now();
    let mut table = Table::new(vec![
        Column::mark(),
        Column::left("PROVIDER", 12),
        Column::left("STATE", 12),
        Column::left("SINCE", 5),
        Column::right("LASTED", 7),
        Column::left("HOW", 4),
        Column::left("WHAT", 0),
    ]);
    for incident in found {
        let mark = if incident.is_open() { labels::state(incident.state) } else { labels::state(State::Up) };
        table.row(vec![
            Cell::mark(&mark),
            incident.provider.as_str().into(),
            incident.state.word().into(),
            units::moment(incident.since, now).into(),
            incidents::lasted(incident, now).into(),
            incidents::standing(incident).into(),
            incidents::what(incident).into(),
        ]);
    }
    table.print(&mut session.console)
}

/// Times are milliseconds since the epoch.
fn as_json(incident: &Incident, snapshot: &Snapshot, now: crate::domain::time::UnixMs) -> Value {
    let view = find(snapshot, incident.provider.as_str()).map(AsRef::as_ref);
    json!({
        "provider": incident.provider,
        "state": incident.state,
        "message": incidents::why(incident),
        "errorCode": incident.failure.as_ref().map(|failure| failure.code),
        "since": incident.since,
        "until": incident.until,
        "lastSeen": incident.seen,
        "open": incident.is_open(),
        "ending": incident.ending,
        "duration_ms": u64::try_from(incident.lasted(now).as_millis()).unwrap_or(u64::MAX),
        "calls_moved": incident.calls_moved,
        "moved_to": incident.moved_to.as_ref().map(ToString::to_string),
        "remedy": incident.is_open().then(|| incidents::what_to_do(incident, view)).flatten(),
    })
}
