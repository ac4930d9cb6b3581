//! `routes check`: one condition, read without being saved.

use crate::cli::ending::Ending;
use crate::cli::session::{Session, unexpected};
use crate::cli::table::{Cell, Column, Table};
use crate::engine::protocol::{Command, ConditionSlip, Reply};
use crate::present::labels::Role;
use crate::present::{escape, routes};
use serde_json::json;

pub async fn check(session: &mut Session, text: &str) -> Result<(), Ending> {
    let Reply::Condition(check) = session.ask(Command::CheckCondition { text: text.to_owned() }).await? else {
        return Err(unexpected("routes check"));
    };
    if session.console.json {
        let slip = check.slip.as_ref().map(|slip| {
            json!({ "column": slip.at + 1, "length": slip.length, "message": slip.message, "remedy": slip.remedy })
        });
        let reads: Vec<_> = check.reads.iter().map(|(fact, kind)| json!({ "fact": fact, "type": kind })).collect();
        session.console.document(&json!({ "ok": check.slip.is_none(), "error": slip, "reads": reads }))?;
    } else if let Some(slip) = &check.slip {
        show(session, text, slip)?;
    } else if check.reads.is_empty() {
        session.console.line("it can be read, and looks at nothing")?;
    } else {
        let mut table = Table::new(vec![Column::left("", 5), Column::left("", 28), Column::left("", 0)]);
        for (place, (fact, kind)) in check.reads.iter().enumerate() {
            let label = if place == 0 { "reads" } else { "" };
            table.row(vec![Cell::new(Role::Muted, label), fact.as_str().into(), kind.as_str().into()]);
        }
        table.print(&mut session.console)?;
    }
    if check.slip.is_none() { Ok(()) } else { Err(Ending::Exit(1)) }
}

/// The line with the place, marks under it, and the sentence.
fn show(session: &mut Session, text: &str, slip: &ConditionSlip) -> Result<(), Ending> {
    let before: String = text.chars().take(slip.at).collect();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let line: String = text[start..].chars().take_while(|c| *c != '\n').collect();
    let indent = crate::present::text::width(&escape::line(&before[start..]));
    let written = session.console.paint(Role::Plain, &escape::line(&line));
    session.console.line(&written)?;
    let marks = session.console.paint(Role::Bad, &"^".repeat(slip.length));
    session.console.line(&format!("{}{marks}", " ".repeat(indent)))?;
    session.console.line(&escape::line(&routes::slip(slip)))
}
