//! `connect CLIENT`: the lines that point a program at the gateway; then waits until a call of it was seen.

use crate::cli::args::ConnectArgs;
use crate::cli::ending::{Ending, UNAVAILABLE};
use crate::cli::session::{Session, unexpected};
use crate::cli::suggest;
use crate::cli::table::{Cell, Column, Table};
use crate::domain::call::own_client;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{CallQuery, CallRow, Command, Reply};
use crate::present::connect::{self, Answers, CLIENTS, Client, Gateway, LATER};
use crate::present::labels::Role;
use crate::present::{escape, units};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long the way to the gateway may take, and then the gateway to say that it is there.
const PATIENCE: Duration = Duration::from_millis(800);
/// How often the ledger is asked: other processes write into it.
const POLL: Duration = Duration::from_millis(500);
/// Calls looked at per poll; more come only under load, and then one of them is enough.
const WINDOW: usize = 50;
/// Bytes of an answer to `/health`.
const HEALTH_BYTES: usize = 4096;

pub async fn run(session: &mut Session, args: &ConnectArgs) -> Result<(), Ending> {
    let Some(typed) = args.client.as_deref() else { return list(session) };
    let client = connect::find(typed).ok_or_else(|| unknown(typed))?;
    let mut gateway = Gateway::of(&session.handle.snapshot());
    if let Some(address) = args.at {
        gateway = gateway.at(address);
    }
    let answers = who_answers(&gateway.address).await;
    let since = session.console.now();
    if session.console.json {
        let document = document(client, &gateway, answers);
        if args.no_wait {
            return session.console.document(&document);
        }
        session.console.document_line(&document)?;
    } else {
        show(session, client, &gateway, answers)?;
        if args.no_wait {
            return Ok(());
        }
    }
    wait(session, client, &gateway, answers, since).await
}

fn unknown(typed: &str) -> Ending {
    if let Some(why) = connect::later(typed) {
        return Ending::new(UNAVAILABLE, format!("{typed} cannot be connected yet"), why);
    }
    let names = CLIENTS.iter().map(|client| client.name);
    let remedy = match suggest::nearest(typed, names.clone()) {
        Some(near) => format!("did you mean {near}? lmdeck connect lists all"),
        None => format!(
            "one of {}; any other that speaks OpenAI's API: lmdeck connect environment",
            names.collect::<Vec<_>>().join(", ")
        ),
    };
    Ending::usage(format!("{} is no program known here", escape::line(typed)), remedy)
}

fn list(session: &mut Session) -> Result<(), Ending> {
    if session.console.json {
        let clients: Vec<Value> =
            CLIENTS.iter().map(|client| json!({ "client": client.name, "title": client.title })).collect();
        let later: Vec<Value> = LATER.iter().map(|(name, why)| json!({ "client": name, "why_not": why })).collect();
        return session.console.document(&json!({ "clients": clients, "later": later }));
    }
    let mut table = Table::new(vec![Column::left("CLIENT", 12), Column::left("WHAT IT IS", 20)]);
    for client in CLIENTS {
        table.row(vec![Cell::from(client.name), Cell::from(client.title)]);
    }
    table.print(&mut session.console)?;
    session.console.say(Role::Muted, "-- lmdeck connect CLIENT prints its lines and waits for a call");
    Ok(())
}

fn show(session: &mut Session, client: &Client, gateway: &Gateway, answers: Answers) -> Result<(), Ending> {
    for (number, (said, lines)) in client.steps_for(gateway).into_iter().enumerate() {
        if number > 0 {
            session.console.line("")?;
        }
        session.console.say(Role::Muted, &format!("-- {said}"));
        for line in lines.lines() {
            session.console.line(line)?;
        }
    }
    session.console.flush()?;
    for note in connect::notes(gateway, answers) {
        let role = if answers == Answers::Lmdeck { Role::Muted } else { Role::Warn };
        session.console.say(role, &format!("-- {note}"));
    }
    Ok(())
}

fn document(client: &Client, gateway: &Gateway, answers: Answers) -> Value {
    let steps = client.steps_for(gateway);
    let steps: Vec<Value> = steps.into_iter().map(|(said, lines)| json!({ "said": said, "lines": lines })).collect();
    json!({
        "client": client.name,
        "title": client.title,
        "base_url": gateway.base(),
        "needs_key": gateway.needs_key,
        "listening": answers == Answers::Lmdeck,
        "steps": steps,
        "notes": connect::notes(gateway, answers),
    })
}

/// Looks into the ledger until a call of this program is there.
async fn wait(
    session: &mut Session,
    client: &Client,
    gateway: &Gateway,
    mut answers: Answers,
    since: UnixMs,
) -> Result<(), Ending> {
    let mut interrupted = session.console.interrupted();
    session.console.say(Role::Muted, &format!("-- waiting for a call from {}; ctrl-c leaves", client.title));
    let mut told = HashSet::new();
    loop {
        for row in calls_since(session, since).await? {
            if own_client::ALL.contains(&row.client.as_str()) || !told.insert(row.id.clone()) {
                continue;
            }
            if client.is_from(&row.client) {
                return seen(session, client, &row);
            }
            let name = if row.client.is_empty() { "a program without a name" } else { &row.client };
            let usual = client.agents.join(" or ");
            let name = escape::line_capped(name, 64);
            session
                .console
                .say(Role::Muted, &format!("-- a call came from {name}; {} calls itself {usual}", client.title));
        }
        if answers != Answers::Lmdeck {
            answers = who_answers(&gateway.address).await;
            if answers == Answers::Lmdeck {
                session.console.say(Role::Good, &format!("-- the gateway listens at {} now", gateway.root()));
            }
        }
        tokio::select! {
            biased;
            code = &mut interrupted => {
                session.console.say(Role::Muted, "-- left before a call was seen");
                return Err(Ending::Exit(code));
            }
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

async fn calls_since(session: &Session, since: UnixMs) -> Result<Vec<CallRow>, Ending> {
    let query = CallQuery { limit: WINDOW, since: Some(since), ..CallQuery::default() };
    match session.ask(Command::ListCalls { query: Box::new(query) }).await? {
        Reply::Calls(page) => Ok(page.rows),
        _ => Err(unexpected("calls list")),
    }
}

fn seen(session: &mut Session, client: &Client, row: &CallRow) -> Result<(), Ending> {
    if session.console.json {
        let seen = json!({
            "id": row.id, "client": row.client, "status": row.status.word(), "target": row.target,
            "error": row.error, "duration_ms": row.duration_ms,
        });
        return session.console.document_line(&json!({ "seen": seen }));
    }
    let target = row.target.as_ref().map_or_else(|| "no target".to_owned(), ToString::to_string);
    let ended = match row.error {
        None => format!("{} in {}", row.status.word(), units::duration(row.duration_ms)),
        Some(code) => format!("it failed: {}", code.word()),
    };
    // Several programs may share a name: whose it was is said as far as it said so itself.
    let called = if row.client.is_empty() || row.client.eq_ignore_ascii_case(client.title) {
        String::new()
    } else {
        format!(" (it calls itself {})", row.client)
    };
    let line = format!("seen: call {} from {}{called} to {target}, {ended}", row.id, client.title);
    let role = if row.error.is_none() { Role::Good } else { Role::Warn };
    let painted = session.console.paint(role, &line);
    session.console.line(&painted)?;
    if row.error.is_some() {
        session
            .console
            .say(Role::Muted, &format!("-- the program is connected; lmdeck calls show {} says why", row.id));
    }
    Ok(())
}

/// Whether lmdeck answers at this address. Asks what needs no key and costs nothing.
async fn who_answers(address: &str) -> Answers {
    match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            let told = tokio::time::timeout(PATIENCE, health_of(stream, address)).await;
            // Who takes the connection and then says nothing, or hangs up, has the port all the same.
            let ours = told.is_ok_and(|told| told.is_ok_and(|told| is_ours(&told)));
            if ours { Answers::Lmdeck } else { Answers::AnotherProgram }
        }
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Answers::Nobody,
        Ok(Err(_)) | Err(_) => Answers::NotReached,
    }
}

async fn health_of(mut stream: TcpStream, address: &str) -> std::io::Result<Vec<u8>> {
    let request = format!("GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(HEALTH_BYTES as u64).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn is_ours(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let told: Option<Value> = serde_json::from_str(body.trim()).ok();
    told.is_some_and(|told| told["status"] == "ok" && told["version"].is_string())
}
