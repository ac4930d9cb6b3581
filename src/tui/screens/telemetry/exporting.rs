//! The calls of a filter into a file in the working folder; the engine writes it.

use crate::engine::protocol::{Command, ExportFormat, ExportQuery, Level, Reply};
use crate::present::{escape, units};
use crate::tui::part::{Cx, Outbox, Ticket};

/// Asks for the file; its name holds the moment.
pub fn ask(filter: &str, cx: &Cx<'_>, out: &mut Outbox) -> Ticket {
    // To the second: the offset behind it says nothing in a name.
    let stamp: String = units::date_time(cx.now)
        .chars()
        .take("2026-11-22 05:33:38".len())
        .map(|c| if c.is_ascii_digit() { c } else { '-' })
        .collect();
    let format = ExportFormat::Jsonl;
    let file = Some(format!("calls-{stamp}.{}", format.word()));
    let query = ExportQuery { filter: filter.to_owned(), format, before: None, since: None, file };
    out.ask(Command::ExportCalls { query: Box::new(query) })
}

/// Where it went, or why not.
pub fn said(reply: &Reply, out: &mut Outbox) {
    match reply {
        Reply::Exported(part) => {
            let file = part.file.as_deref().unwrap_or("a file");
            let said = format!("{} written to {file}", units::count(part.calls, "call", "calls"));
            out.say(Level::Info, escape::line(&said).into_owned());
        }
        Reply::Refused(refusal) => out.say(Level::Error, refusal.message.clone()),
        _ => {}
    }
}
