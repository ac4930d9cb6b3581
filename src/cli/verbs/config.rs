//! `config show|set|undo|trust`: the parts that need the engine. `path` and `check` are in `offline`.

use super::edited;
use crate::cli::ending::Ending;
use crate::cli::session::{Session, unexpected};
use crate::cli::words;
use crate::domain::money::Money;
use crate::engine::protocol::{Command, LastGoodAct, ProviderView, Reply, Snapshot};
use crate::present::escape;
use crate::present::labels::Role;
use serde_json::{Value, json};

pub async fn set(session: &mut Session, path: &str, value: &str) -> Result<(), Ending> {
    session.writable()?;
    refuse_a_bare_key(path, value)?;
    let command = Command::ConfigSet { path: path.to_owned(), value: value.to_owned() };
    let reply = session.ask(command).await?;
    edited::tell(session, reply, &format!("set {path}"))
}

/// As for `providers add --key`: a key on the command line stays in the shell's history. Never repeats it.
fn refuse_a_bare_key(path: &str, value: &str) -> Result<(), Ending> {
    let secret = path.split('.').any(|part| matches!(part, "authToken" | "api_key" | "api_keys"));
    let empty = matches!(value.trim(), "" | "null" | "~" | "[]" | "''" | "\"\"");
    if !secret || empty || value.contains("${") {
        return Ok(());
    }
    Err(Ending::usage(
        "a key on the command line is refused: it stays in the shell's history and everybody on this machine can see it",
        format!("name a variable with single quotes: lmdeck config set {path} '${{NAME}}'"),
    ))
}

pub async fn undo(session: &mut Session) -> Result<(), Ending> {
    session.writable()?;
    let reply = session.ask(Command::ConfigUndo).await?;
    edited::tell_undone(session, reply)
}

pub async fn trust(session: &mut Session) -> Result<(), Ending> {
    session.writable()?;
    let asked = session.handle.snapshot().config.untrusted.clone();
    let reply = session.ask(Command::ConfigTrust { asked }).await?;
    let file = session.handle.snapshot().config.file.clone();
    let ways = match reply {
        Reply::Edited(report) => report.issues.into_iter().map(|issue| issue.message).collect(),
        _ => Vec::new(),
    };
    if session.console.json {
        return session.console.document(&json!({ "file": file, "trusted": true, "allowed": ways }));
    }
    let file = file.unwrap_or_else(|| "the environment".to_owned());
    session.console.line(&escape::line(&format!("trusted: {file} as it is now may send keys where it says")))?;
    for way in &ways {
        session.console.line(&escape::line(&format!("  {way}")))?;
    }
    if ways.is_empty() {
        session.console.say(Role::Muted, "-- it sends no key where one must be asked for");
    }
    Ok(())
}

/// Puts the last version back that could be used, or shows what that would change.
pub async fn put_back(session: &mut Session, dry_run: bool) -> Result<(), Ending> {
    if dry_run {
        let reply = session.ask(Command::LastGood { act: LastGoodAct::Compare }).await?;
        let Reply::Edited(report) = reply else { return Err(unexpected("config undo")) };
        return edited::preview(session, &report);
    }
    session.writable()?;
    let reply = session.ask(Command::LastGood { act: LastGoodAct::PutBack }).await?;
    edited::tell(session, reply, "put the last good version back")
}

/// The configuration in force, from every layout and the environment put together, in the words of the new
/// sections. Keys appear as where they come from.
pub fn show(session: &mut Session) -> Result<(), Ending> {
    let value = in_force(&session.handle.snapshot());
    if session.console.json {
        return session.console.document(&value);
    }
    let yaml =
        serde_yaml::to_string(&value).map_err(|error| Ending::internal(format!("cannot be shown as YAML: {error}")))?;
    session.console.piece(&escape::block(&yaml))
}

fn in_force(snapshot: &Snapshot) -> Value {
    let rules = &snapshot.routing.rules;
    let orders: serde_json::Map<String, Value> =
        rules.request_orders.iter().map(|(name, items)| (name.clone(), json!(items))).collect();
    json!({
        "file": snapshot.config.file,
        "providers": snapshot.providers.iter().map(|view| provider(view)).collect::<Vec<_>>(),
        "routing": {
            "strategy": rules.strategy,
            "request_priorities": orders,
            "policies": rules.policies.iter().map(|policy| &policy.name).collect::<Vec<_>>(),
        },
        "budget": { "daily_limit": snapshot.spend.limit.map(Money::dollars) },
        "ui": snapshot.config.ui,
    })
}

fn provider(view: &ProviderView) -> Value {
    json!({
        "id": view.id,
        "name": view.name,
        "type": view.kind,
        "endpoint": view.endpoint.written,
        "key": words::key(&view.key_source),
        "enabled": view.enabled,
        "local": view.local,
        "models": view.named_models,
        "place": view.place,
        "line": view.line,
    })
}
