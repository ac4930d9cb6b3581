//! `calls export`: recorded calls as text for other programs.

use crate::cli::ending::Ending;
use crate::cli::session::{Session, unexpected};
use crate::engine::protocol::{Command, ExportFormat, ExportPart, ExportQuery, Reply};
use crate::present::labels::Role;
use crate::present::{escape, units};
use std::path::Path;

pub async fn run(
    session: &mut Session,
    format: ExportFormat,
    output: Option<&Path>,
    filter: String,
) -> Result<(), Ending> {
    let mut query = ExportQuery { filter, format, before: None, since: None, file: None };
    if let Some(path) = output {
        query.file = Some(path.display().to_string());
        let part = ask(session, &query).await?;
        let file = part.file.unwrap_or_else(|| path.display().to_string());
        if session.console.json {
            return session.console.document(&serde_json::json!({ "file": file, "calls": part.calls }));
        }
        let line = format!("{} written to {file}", units::count(part.calls, "call", "calls"));
        session.console.say(Role::Plain, &escape::line(&line));
        return Ok(());
    }
    let mut interrupted = session.console.interrupted();
    loop {
        let part = tokio::select! {
            biased;
            exit = &mut interrupted => return Err(Ending::Exit(exit)),
            part = ask(session, &query) => part?,
        };
        session.console.piece(&part.text)?;
        match part.last {
            Some(last) => query.before = Some(last),
            None => return Ok(()),
        }
    }
}

async fn ask(session: &Session, query: &ExportQuery) -> Result<ExportPart, Ending> {
    match session.ask(Command::ExportCalls { query: Box::new(query.clone()) }).await? {
        Reply::Exported(part) => Ok(part),
        _ => Err(unexpected("calls export")),
    }
}
