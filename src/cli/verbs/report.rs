//! `report`: one readable file for a bug report, without keys and without the texts of calls.

use crate::cli::args::ReportArgs;
use crate::cli::ending::{Ending, FAILED};
use crate::cli::session::{Session, unexpected};
use crate::engine::protocol::{CallQuery, Command, LogQuery, Reply};
use crate::present::escape;
use crate::present::labels::Role;
use crate::present::report::{CALLS, CONTENTS, Draft, LOG_LINES, TERMINAL_VARIABLES, whole};
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub async fn run(session: &mut Session, args: &ReportArgs) -> Result<(), Ending> {
    let text = made(session).await?;
    if args.stdout {
        if session.console.json {
            return session.console.document(&json!({ "report": text, "contents": CONTENTS }));
        }
        return session.console.piece(&text);
    }
    let file = args.output.clone().unwrap_or_else(|| PathBuf::from(session.console.file_name("lmdeck-report", "md")));
    written(&file, &text).map_err(|error| {
        Ending::new(
            FAILED,
            format!("{} could not be written: {error}", file.display()),
            "name another file with --output, or print it with --stdout",
        )
    })?;
    let place = std::path::absolute(&file).unwrap_or(file).display().to_string();
    if session.console.json {
        return session.console.document(&json!({ "file": place, "contents": CONTENTS }));
    }
    session.console.line(&escape::line(&place))?;
    session.console.say(Role::Muted, &format!("-- in it: {CONTENTS}"));
    session
        .console
        .say(Role::Muted, "-- not in it: any key, comments of the file, prompts, answers; read it before you send it");
    Ok(())
}

async fn made(session: &mut Session) -> Result<String, Ending> {
    // A report about providers that were never asked says nothing about them.
    let snapshot = session.probed().await?;
    let log = session
        .handle
        .ask(Command::ReadLog { query: Box::new(LogQuery { limit: LOG_LINES, ..LogQuery::default() }) })
        .await;
    let calls = session
        .handle
        .ask(Command::ListCalls { query: Box::new(CallQuery { limit: CALLS, ..CallQuery::default() }) })
        .await;
    let terminal: Vec<(String, String)> =
        TERMINAL_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
    let now = session.console.now();
    let draft = Draft {
        snapshot: &snapshot,
        log: match &log {
            Reply::Log(lines) => Ok(lines),
            other => Err(trouble(other)),
        },
        calls: match &calls {
            Reply::Calls(page) => Ok(page),
            other => Err(trouble(other)),
        },
        terminal: &terminal,
        size: crossterm::terminal::size().ok(),
        now,
    };
    match session.ask(Command::Report { draft: draft.text() }).await? {
        Reply::Report(parts) => Ok(whole(&parts, now)),
        _ => Err(unexpected("report")),
    }
}

fn trouble(reply: &Reply) -> &str {
    match reply {
        Reply::Refused(refusal) => &refusal.message,
        _ => "the engine answered with something else",
    }
}

/// For its owner only, and never over a file that is there.
fn written(file: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut out = std::fs::File::options().write(true).create_new(true).mode(0o600).open(file)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()
}
