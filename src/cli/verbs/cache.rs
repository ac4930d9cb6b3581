//! `cache stats` and `cache clear`: the answers kept for repeated requests.

use crate::cli::args::CacheVerb;
use crate::cli::ending::Ending;
use crate::cli::session::{Session, unexpected};
use crate::engine::protocol::{CacheAct, CacheReport, Command, Reply};
use crate::present::labels::Role;
use crate::present::units;
use serde_json::json;

pub async fn run(session: &mut Session, verb: &CacheVerb) -> Result<(), Ending> {
    let act = match verb {
        CacheVerb::Stats => CacheAct::Stats,
        CacheVerb::Clear => CacheAct::Clear,
    };
    let Reply::Cache(report) = session.ask(Command::Cache { act }).await? else {
        return Err(unexpected("cache"));
    };
    if session.console.json {
        return session.console.document(&as_json(&report));
    }
    print(session, &report)
}

fn print(session: &mut Session, report: &CacheReport) -> Result<(), Ending> {
    let view = &report.view;
    if let Some(cleared) = report.cleared {
        session.console.line(&format!("{} forgotten", answers(cleared)))?;
        session.console.say(Role::Muted, "-- a running lmdeck keeps what it holds in memory until that is too old");
    } else {
        let state = if view.enabled { "on" } else { "off: cache.enabled is false" };
        session.console.line(&format!("cache     {state}"))?;
        session.console.line(&format!("kept for  {} s, at most {} answers", view.ttl_seconds, view.max_entries))?;
        if let Some((entries, bytes)) = report.on_disk {
            session.console.line(&format!("on disk   {}, {}", answers(entries), units::size(bytes)))?;
        }
    }
    if report.on_disk.is_none() && report.cleared.is_none() {
        session.console.say(
            Role::Muted,
            "-- answers live in the memory of a running lmdeck, which this command cannot reach: \
             cache.persist: true keeps them in a file, and x-lmdeck-cache tells a client of each answer",
        );
    }
    Ok(())
}

fn answers(count: u64) -> String {
    if count == 1 { "1 answer".to_owned() } else { format!("{} answers", units::thousands(count)) }
}

fn as_json(report: &CacheReport) -> serde_json::Value {
    json!({
        "enabled": report.view.enabled,
        "persist": report.view.persist,
        "ttl_seconds": report.view.ttl_seconds,
        "max_entries": report.view.max_entries,
        "entries": report.on_disk.map(|(entries, _)| entries),
        "bytes": report.on_disk.map(|(_, bytes)| bytes),
        "cleared": report.cleared,
    })
}
