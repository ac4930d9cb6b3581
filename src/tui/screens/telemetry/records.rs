//! Whole records of calls, asked for when one is looked at. A record never changes, so the last ones are kept.

use crate::domain::call::CallRecord;
use crate::domain::ids::CallId;
use crate::engine::protocol::{Command, Reply};
use crate::tui::part::{Outbox, Ticket};
use std::collections::VecDeque;

/// Records kept; the one looked at longest ago goes first.
const KEPT: usize = 32;

#[derive(Debug, Default)]
pub struct Records {
    known: VecDeque<CallRecord>,
    asked: Option<(Ticket, CallId)>,
    /// Those that could not be had, and why.
    refused: VecDeque<(CallId, String)>,
}

impl Records {
    pub fn get(&self, id: &CallId) -> Option<&CallRecord> {
        self.known.iter().find(|record| record.id == *id)
    }

    pub fn refusal(&self, id: &CallId) -> Option<&str> {
        self.refused.iter().find(|(refused, _)| refused == id).map(|(_, why)| why.as_str())
    }

    /// Whether to ask for it now: not known, not refused, and no other question is under way.
    pub fn lacks(&self, id: &CallId) -> bool {
        self.asked.is_none() && self.get(id).is_none() && self.refusal(id).is_none()
    }

    pub fn ask(&mut self, id: &CallId, out: &mut Outbox) {
        let ticket = out.ask(Command::GetCall { id: id.clone() });
        self.asked = Some((ticket, id.clone()));
    }

    /// A refusal may have been for now only: it is asked again.
    pub fn forgive(&mut self) {
        self.refused.clear();
    }

    /// Takes the answer to its question; the record when it brought one.
    pub fn reply(&mut self, ticket: Ticket, reply: &Reply) -> Option<&CallRecord> {
        let (_, id) = self.asked.take_if(|(asked, _)| *asked == ticket)?;
        let why = match reply {
            Reply::Call(record) => {
                self.known.truncate(KEPT - 1);
                self.known.push_front((**record).clone());
                return self.known.front();
            }
            Reply::Refused(refusal) => refusal.message.clone(),
            _ => "the engine answered something else".into(),
        };
        self.refused.truncate(KEPT - 1);
        self.refused.push_front((id, why));
        None
    }
}
