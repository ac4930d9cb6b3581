//! `health` and `probe`: the table of states, the changes as they happen, one probe on demand.

use crate::cli::ending::{Ending, UNAVAILABLE};
use crate::cli::session::{Session, find, unexpected};
use crate::cli::table::{Cell, Column, Table};
use crate::cli::words;
use crate::domain::health::State;
use crate::domain::ids::ProviderId;
use crate::engine::protocol::{Event, EventKind, ProbeWhich, ProviderView, Reply, Snapshot};
use crate::present::labels::Role;
use crate::present::{brief, escape, events, labels, units};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

pub async fn run(session: &mut Session, watch: bool) -> Result<(), Ending> {
    if watch {
        return follow(session).await;
    }
    let snapshot = session.probed().await?;
    if session.console.json {
        let all: Vec<Value> = snapshot.providers.iter().map(|view| as_json(view)).collect();
        session.console.document(&all)?;
    } else if snapshot.providers.is_empty() {
        session
            .console
            .say(Role::Plain, "No providers yet: lmdeck providers discover looks for servers on this machine.");
    } else {
        print(session, &snapshot)?;
        say_what_to_do(session, &snapshot);
        super::incidents::say_how_many(session, &snapshot);
    }
    exit_by_target(&snapshot)
}

/// Under a table, for each provider in trouble: what to do, in one line of words.
pub fn say_what_to_do(session: &mut Session, snapshot: &Snapshot) {
    for view in snapshot.providers.iter() {
        if let Some(remedy) = labels::what_to_do(view) {
            session.console.say(Role::Muted, &escape::line(&format!("-- {}: {}", view.id, remedy.line())));
        }
    }
}

/// Exit 4 unless the target in effect is up (DESIGN §4 and the screens: `status` and `health` alike).
pub fn exit_by_target(snapshot: &Snapshot) -> Result<(), Ending> {
    let provider = snapshot.routing.in_effect.as_ref().and_then(|target| find(snapshot, target.provider.as_str()));
    match provider {
        Some(view) if matches!(view.health.state, State::Up | State::Degraded) => Ok(()),
        _ => Err(Ending::Exit(UNAVAILABLE)),
    }
}

fn print(session: &mut Session, snapshot: &Snapshot) -> Result<(), Ending> {
    let now = session.console.now();
    let mut table = Table::new(vec![
        Column::mark(),
        Column::left("PROVIDER", 12),
        Column::left("STATE", 12),
        Column::right("NOW", 6),
        Column::right("P50", 6),
        Column::right("P95", 6).drop(3),
        Column::right("SLOTS", 6).drop(1),
        Column::right("24 H", 5).drop(2),
        Column::left("SINCE", 7),
        Column::left("WHY", 0),
    ]);
    for view in snapshot.providers.iter() {
        let ms = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), units::latency);
        table.row(vec![
            Cell::mark(&labels::provider(view)),
            view.id.as_str().into(),
            labels::provider(view).word.into(),
            ms(view.health.latency_ms).into(),
            ms(view.p50_ms).into(),
            ms(view.p95_ms).into(),
            labels::slots(view).unwrap_or_else(|| "-".into()).into(),
            view.uptime_permille.map_or_else(|| "-".into(), units::uptime).into(),
            units::age(now.since(view.health.since)).into(),
            words::reason(view).into(),
        ]);
    }
    table.print(&mut session.console)
}

/// The fields of DESIGN §4, then what else is known. Times are milliseconds since the epoch.
pub fn as_json(view: &ProviderView) -> Value {
    let health = &view.health;
    json!({
        "provider": view.id,
        "state": health.state,
        "message": health.reason,
        "since": health.since,
        "lastChecked": health.last_checked,
        "latency_ms": health.latency_ms,
        "ladder": health.ladder,
        "name": view.name,
        "kind": view.kind,
        "enabled": view.enabled,
        "reach": view.reach,
        "withheld": view.withheld.as_ref().map(|withheld| &withheld.sentence),
        "errorCode": health.failure.as_ref().map(|failure| failure.code),
        "remedy": labels::what_to_do(view).map(|remedy| remedy.act()),
        "p50_ms": view.p50_ms,
        "p95_ms": view.p95_ms,
        "uptime_24h": view.uptime_permille.map(|permille| f64::from(permille) / 1000.0),
        "slots_busy": health.activity.slots_busy,
        "slots_total": health.activity.slots_total,
        "queued": health.activity.queued,
    })
}

/// One line per change until ctrl-c.
async fn follow(session: &mut Session) -> Result<(), Ending> {
    let mut events = session.handle.events();
    let mut interrupted = session.console.interrupted();
    loop {
        let event = tokio::select! {
            biased;
            _ = &mut interrupted => return Ok(()),
            event = events.recv() => event,
        };
        match event {
            Ok(event) => print_change(session, &event)?,
            Err(RecvError::Lagged(missed)) => {
                session.console.say(Role::Warn, &format!("-- {missed} changes came too fast and are not shown"));
            }
            Err(RecvError::Closed) => return Err(Ending::internal("the engine has stopped")),
        }
    }
}

fn print_change(session: &mut Session, event: &Event) -> Result<(), Ending> {
    let EventKind::HealthChanged { provider, from, to, reason, failure, .. } = &event.kind else { return Ok(()) };
    if session.console.json {
        let change = json!({
            "ts": event.at,
            "provider": provider,
            "from": from,
            "state": to,
            "message": reason,
            "errorCode": failure.as_ref().map(|failure| failure.code),
        });
        return session.console.document_line(&change);
    }
    let Some(words) = events::watch_line(&event.kind) else { return Ok(()) };
    let line = format!("{} {words}", session.console.hour_and_minute(event.at));
    session.console.piece(&format!("{}\n", escape::line(&line)))
}

/// One free probe of all providers or of one. Exit 4 when one that is switched on cannot be used.
pub async fn probe(session: &mut Session, id: Option<&str>) -> Result<(), Ending> {
    let which = match id {
        Some(id) => ProbeWhich::One(session.provider(id).await?.id.clone()),
        None => ProbeWhich::All,
    };
    let Reply::Probed(reports) = session.probe_anew(which).await? else {
        return Err(unexpected("probe"));
    };
    let snapshot = session.handle.snapshot();
    let asked: Vec<&ProviderId> = reports.iter().map(|(id, _)| id).collect();
    let failed = reports.iter().any(|(_, report)| report.outcome.is_err());
    if session.console.json {
        let rows: Vec<Value> = reports
            .iter()
            .map(|(id, report)| {
                let (models, failure) = match &report.outcome {
                    Ok(found) => (Some(found.models.len()), None),
                    Err(failure) => (None, Some(failure)),
                };
                json!({
                    "provider": id,
                    "ok": failure.is_none(),
                    "at": report.at,
                    "latency_ms": report.latency_ms,
                    "reach": report.reach,
                    "models": models,
                    "message": failure.map(|failure| &failure.message),
                    "errorCode": failure.map(|failure| failure.code),
                })
            })
            .collect();
        session.console.document(&rows)?;
    } else if asked.is_empty() {
        session
            .console
            .say(Role::Plain, "Nothing was asked: every provider is switched off, paused, or there is none.");
    } else {
        print_reports(session, &snapshot, &reports)?;
    }
    if failed { Err(Ending::Exit(UNAVAILABLE)) } else { Ok(()) }
}

fn print_reports(
    session: &mut Session,
    snapshot: &Snapshot,
    reports: &[(ProviderId, crate::domain::health::ProbeReport)],
) -> Result<(), Ending> {
    let now = session.console.now();
    let mut table =
        Table::new(vec![Column::mark(), Column::left("", 12), Column::right("", 7).gap(3), Column::left("", 0)]);
    for (id, report) in reports {
        let (mark, words) = match &report.outcome {
            Ok(found) => {
                let models = words::count(found.models.len(), "model");
                let loaded = found.models.iter().filter(|model| model.loaded == Some(true)).count();
                let words = if loaded > 0 { format!("{models}, {loaded} loaded") } else { models };
                (Cell::mark(&labels::state(State::Up)), words)
            }
            Err(failure) => {
                let words = find(snapshot, id.as_str())
                    .filter(|view| view.health.failure.is_some())
                    .map_or_else(|| failure.message.clone(), |view| brief::note(view, now));
                (Cell::mark(&labels::state(State::Down)), words)
            }
        };
        table.row(vec![mark, id.as_str().into(), units::latency(report.latency_ms).into(), words.into()]);
    }
    table.print(&mut session.console)
}
