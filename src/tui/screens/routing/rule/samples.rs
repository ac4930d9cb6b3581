//! What a rule can be tried with: the sample request, or a call of the ledger.

use crate::engine::protocol::{CallQuery, CallRow, Command, Reply};
use crate::present::units;
use crate::tui::layers::choose::{Row, Source};
use crate::tui::part::{Cx, Effect, Outbox, Ticket};

/// The row that stands for the sample request of the screen.
pub const SAMPLE: &str = "sample request";
/// Calls offered.
const CALLS: usize = 50;

#[derive(Default)]
pub struct Samples {
    asked: Option<Ticket>,
    calls: Vec<CallRow>,
    refused: Option<String>,
}

impl Source for Samples {
    type Key = String;
    const PAGE: bool = false;

    fn title(&self) -> &'static str {
        "Try it with"
    }

    fn about(&self) -> &'static str {
        "Typing narrows the rows, enter takes the one with the mark. Only what was recorded of a call is looked at."
    }

    fn rows(&self, cx: &Cx<'_>) -> Vec<Row<String>> {
        let row = |key: &str, left: String, right: String| Row {
            key: key.to_owned(),
            mark: None,
            left,
            right,
            more: String::new(),
        };
        let sample = row(SAMPLE, SAMPLE.to_owned(), "as it stands under Try it".to_owned());
        let calls = self.calls.iter().map(|call| {
            let kind = if call.request_type.is_empty() { "no type" } else { &call.request_type };
            let tokens = call.tokens_in.map(|tokens| format!(", {}", units::count(tokens, "token", "tokens")));
            let words = format!("{kind}{}, by {}", tokens.unwrap_or_default(), call.policy);
            let client = if call.client.is_empty() { "-" } else { &call.client };
            row(
                call.id.as_str(),
                format!("{}  {client}", call.id),
                format!("{words}, {}", units::moment(call.ts, cx.now)),
            )
        });
        std::iter::once(sample).chain(calls).collect()
    }

    fn chosen(&self, key: &String) -> Option<Effect> {
        Some(Effect::Hand(key.clone()))
    }

    fn nothing(&self) -> &str {
        self.refused.as_deref().unwrap_or("no call is recorded yet")
    }

    fn shown(&mut self, out: &mut Outbox) {
        let query = CallQuery { limit: CALLS, since: Some(crate::domain::time::UnixMs(0)), ..CallQuery::default() };
        self.asked = Some(out.ask(Command::ListCalls { query: Box::new(query) }));
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply) {
        if self.asked.take_if(|asked| *asked == ticket).is_none() {
            return;
        }
        match reply {
            Reply::Calls(page) => self.calls.clone_from(&page.rows),
            Reply::Refused(refusal) => self.refused = Some(refusal.message.clone()),
            _ => {}
        }
    }
}
