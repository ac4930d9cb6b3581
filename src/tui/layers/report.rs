//! A report for a bug, to be read and copied. Asks for the log and the calls, then lets the engine take the keys
//! out.

use super::pager::Pager;
use crate::engine::protocol::{CallPage, CallQuery, Command, Level, LogLine, LogQuery, Reply};
use crate::present::report::{self, Draft};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::part::{Cx, Effect, Outbox, Part, Ticket};
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// What was asked, in this order.
#[derive(Default)]
enum Waiting {
    #[default]
    Nothing,
    Log(Ticket),
    Calls(Ticket, Result<Vec<LogLine>, String>),
    Whole(Ticket),
}

#[derive(Default)]
pub struct ReportPage {
    waiting: Waiting,
    terminal: Vec<(String, String)>,
}

impl ReportPage {
    /// With what is known of the terminal.
    pub fn on(terminal: Vec<(String, String)>) -> Self {
        Self { waiting: Waiting::Nothing, terminal }
    }

    fn draft(&self, log: &Result<Vec<LogLine>, String>, calls: Result<&CallPage, &str>, cx: &Cx<'_>) -> String {
        let draft = Draft {
            snapshot: cx.snapshot,
            log: log.as_deref().map_err(String::as_str),
            calls,
            terminal: &self.terminal,
            size: None,
            now: cx.now,
        };
        draft.text()
    }
}

impl Part for ReportPage {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Pager]
    }

    fn shown(&mut self, _: &Cx<'_>, out: &mut Outbox) {
        let query = LogQuery { limit: report::LOG_LINES, ..LogQuery::default() };
        self.waiting = Waiting::Log(out.ask(Command::ReadLog { query: Box::new(query) }));
    }

    fn act(&mut self, action: Action, _: &Cx<'_>, out: &mut Outbox) -> bool {
        if action == Action::Back {
            out.push(Effect::Close);
        }
        action == Action::Back
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, out: &mut Outbox) {
        self.waiting = match (std::mem::take(&mut self.waiting), reply) {
            (Waiting::Log(asked), reply) if asked == ticket => {
                let log = match reply {
                    Reply::Log(lines) => Ok(lines.clone()),
                    Reply::Refused(refusal) => Err(refusal.message.clone()),
                    _ => Err("the engine answered with something else".to_owned()),
                };
                let query = CallQuery { limit: report::CALLS, ..CallQuery::default() };
                Waiting::Calls(out.ask(Command::ListCalls { query: Box::new(query) }), log)
            }
            (Waiting::Calls(asked, log), reply) if asked == ticket => {
                let calls = match reply {
                    Reply::Calls(page) => Ok(page),
                    Reply::Refused(refusal) => Err(refusal.message.as_str()),
                    _ => Err("the engine answered with something else"),
                };
                let draft = self.draft(&log, calls, cx);
                Waiting::Whole(out.ask(Command::Report { draft }))
            }
            (Waiting::Whole(asked), reply) if asked == ticket => {
                out.push(Effect::Close);
                match reply {
                    Reply::Report(parts) => {
                        let text = report::whole(parts, cx.now);
                        let pager = Pager::new("Report for a bug", "no key is in it", &text)
                            .about("Read it before you send it. y copies it; lmdeck report writes it to a file.");
                        out.push(Effect::Open(Box::new(pager)));
                    }
                    Reply::Refused(refusal) => out.say(Level::Error, refusal.message.clone()),
                    _ => out.say(Level::Error, "the report could not be made: lmdeck logs has the details"),
                }
                Waiting::Nothing
            }
            (waiting, _) => waiting,
        };
    }

    fn about(&self) -> &'static str {
        "The report is being put together."
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        canvas.rule(Rect { height: 1, ..area }, "Report for a bug", "", true);
        let row = area.y + 2;
        canvas.text(area.x + 2, row, area.width.saturating_sub(4), "put together: log, calls, ledger ...", Role::Muted);
    }
}
