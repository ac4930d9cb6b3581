//! What a change of the configuration did, said the same way by every verb that makes one.

use crate::cli::ending::{Ending, say_issue};
use crate::cli::session::{Session, unexpected};
use crate::cli::words;
use crate::engine::protocol::{Command, EditReport, Reply};
use crate::present::escape;
use crate::present::labels::Role;

/// Makes a change of the file, or with `dry_run` shows it; `command` is one that has both ways.
pub async fn change(session: &mut Session, command: Command, dry_run: bool, what: &str) -> Result<(), Ending> {
    if dry_run {
        return match session.ask(command).await? {
            Reply::Edited(report) => preview(session, &report),
            _ => Err(unexpected(what)),
        };
    }
    session.writable()?;
    let reply = session.ask(command).await?;
    tell(session, reply, what)
}

/// `what` is the change in a few words: `added zai`.
pub fn tell(session: &mut Session, reply: Reply, what: &str) -> Result<(), Ending> {
    let undoable = report_of(session, reply, what)?;
    if undoable && !session.console.json {
        session.console.say(Role::Muted, "-- lmdeck config undo takes it back");
    }
    Ok(())
}

/// The same for a change that takes one back: the next undo goes further back, it does not bring this one again.
pub fn tell_undone(session: &mut Session, reply: Reply) -> Result<(), Ending> {
    report_of(session, reply, "took back the last change").map(|_| ())
}

/// Whether something was written.
fn report_of(session: &mut Session, reply: Reply, what: &str) -> Result<bool, Ending> {
    let Reply::Edited(report) = reply else { return Err(unexpected(what)) };
    if session.console.json {
        session.console.document(&report)?;
    } else {
        let line = if report.lines_changed == 0 {
            format!("nothing to change in {}", report.file)
        } else {
            let section =
                if report.section.is_empty() { String::new() } else { format!(", section {}", report.section) };
            format!("{what}: {} in {}{section}", words::count(report.lines_changed, "line"), report.file)
        };
        session.console.line(&escape::line(&line))?;
    }
    for issue in &report.issues {
        say_issue(&mut session.console, issue);
    }
    Ok(report.written)
}

/// What a change would do, as a difference of the file.
pub fn preview(session: &mut Session, report: &EditReport) -> Result<(), Ending> {
    if session.console.json {
        return session.console.document(report);
    }
    if report.difference.is_empty() {
        session.console.say(Role::Plain, "-- nothing would change");
    } else {
        let difference = escape::block(&report.difference);
        for line in difference.lines() {
            let role = match line.as_bytes().first() {
                Some(b'+') => Role::Good,
                Some(b'-') => Role::Bad,
                Some(b'@') => Role::Muted,
                _ => Role::Plain,
            };
            let painted = session.console.paint(role, line);
            session.console.line(&painted)?;
        }
    }
    for issue in &report.issues {
        say_issue(&mut session.console, issue);
    }
    session.console.say(Role::Muted, &format!("-- nothing was written to {}", escape::line(&report.file)));
    Ok(())
}
