//! `providers discover`: what runs on this machine, and with `--add` into the file with it.

use crate::cli::ending::{Ending, UNAVAILABLE};
use crate::cli::session::{Session, find, unexpected};
use crate::cli::table::{Cell, Column, Table};
use crate::domain::ids::ProviderId;
use crate::domain::model::ModelInfo;
use crate::engine::protocol::{Command, Found, ProviderDraft, Reply};
use crate::present::escape;
use crate::present::labels::{self, Role};
use serde_json::{Value, json};

pub(super) async fn run(session: &mut Session, add: bool) -> Result<(), Ending> {
    let Reply::Discovered(found) = session.ask(Command::Discover).await? else {
        return Err(unexpected("providers discover"));
    };
    let any = found.iter().any(|server| server.answered);
    let mut added = Vec::new();
    let adding = if add { add_all(session, &found, &mut added).await } else { Ok(()) };
    if session.console.json {
        let servers: Vec<Value> = found.iter().map(as_json).collect();
        let document = if add { json!({ "found": servers, "added": added }) } else { Value::Array(servers) };
        session.console.document(&document)?;
        adding?;
        return if any { Ok(()) } else { Err(Ending::Exit(UNAVAILABLE)) };
    }
    let mut table = Table::new(vec![Column::mark(), Column::left("", 12), Column::left("", 24), Column::left("", 0)]);
    for server in &found {
        let mark =
            if server.answered { Cell::new(Role::Good, labels::OK) } else { Cell::new(Role::Muted, labels::NOT_HERE) };
        let note = match &server.configured_as {
            Some(id) => format!("{}   is {id}", server.note),
            None => server.note.clone(),
        };
        table.row(vec![mark, server.kind.label().into(), server.endpoint.as_str().into(), note.into()]);
    }
    table.print(&mut session.console)?;
    for id in &added {
        session.console.say(Role::Plain, &format!("added {id}"));
    }
    if !added.is_empty() {
        session.console.say(Role::Muted, "-- lmdeck config undo takes back the last; lmdeck ask tries a prompt");
    }
    // What is in the file by now was told before the one that could not be added.
    adding?;
    if add && added.is_empty() && any {
        session.console.say(Role::Muted, "-- nothing to add: every server that answers is configured");
    }
    if !add {
        let mut taken = Vec::new();
        for server in offered(session, &found) {
            let id = free_id(session, server.kind.word(), &taken);
            session.console.say(Role::Muted, &format!("-- add it: {}", add_command(&server, &id)));
            taken.push(id);
        }
    }
    if any {
        Ok(())
    } else {
        Err(Ending::new(
            UNAVAILABLE,
            "no model server answers on this machine",
            "start one, or name another machine: lmdeck providers add --type TYPE --endpoint URL",
        ))
    }
}

/// Servers that answer and stand in no file yet: one that is only used as it was found does not either.
fn offered(session: &Session, found: &[Found]) -> Vec<Found> {
    let snapshot = session.handle.snapshot();
    let saved = |id: &ProviderId| find(&snapshot, id.as_str()).is_some_and(|view| !view.is_discovered());
    let offered = found.iter().filter(|server| server.answered && !server.configured_as.as_ref().is_some_and(saved));
    offered.cloned().collect()
}

/// Adds every server that is offered; `added` tells how far that went, also where it ends badly.
async fn add_all(session: &mut Session, found: &[Found], added: &mut Vec<String>) -> Result<(), Ending> {
    session.writable()?;
    for server in offered(session, found) {
        let id = free_id(session, server.kind.word(), added);
        let draft = ProviderDraft {
            id: id.clone(),
            kind: Some(server.kind),
            endpoint: server.endpoint.clone(),
            enabled: Some(true),
            ..ProviderDraft::default()
        };
        session.ask(Command::AddProvider { draft: Box::new(draft) }).await?;
        added.push(id);
    }
    Ok(())
}

/// The kind's word, or the first of `llama_cpp_2`, `llama_cpp_3` … that nobody has.
fn free_id(session: &Session, word: &str, added: &[String]) -> String {
    let snapshot = session.handle.snapshot();
    let taken = |id: &str| {
        added.iter().any(|other| other == id)
            || snapshot.providers.iter().any(|view| view.id.as_str() == id && !view.is_discovered())
    };
    let numbered = (2..).map(|number: u32| format!("{word}_{number}"));
    std::iter::once(word.to_owned()).chain(numbered).find(|id| !taken(id)).unwrap_or_default()
}

fn add_command(server: &Found, id: &str) -> String {
    let kind = server.kind.word();
    let mut line = format!("lmdeck providers add --type {kind}");
    if id != kind {
        line = format!("{line} --id {id}");
    }
    if server.kind.default_endpoint() != Some(server.endpoint.as_str()) {
        line = format!("{line} --endpoint {}", escape::line(&server.endpoint));
    }
    line
}

fn as_json(server: &Found) -> Value {
    let models: Vec<Value> = server.models.iter().map(model_json).collect();
    json!({
        "kind": server.kind,
        "endpoint": server.endpoint,
        "answered": server.answered,
        "models": models,
        "note": server.note,
        "configured_as": server.configured_as,
    })
}

fn model_json(model: &ModelInfo) -> Value {
    json!({
        "id": model.id,
        "display_name": model.display_name,
        "loaded": model.loaded,
        "chat": model.chat,
        "remote": model.remote,
        "context": model.context,
        "max_context": model.max_context,
        "quantization": model.quantization,
        "parameters": model.parameters,
        "size_bytes": model.size_bytes,
    })
}
