//! Keeps the comparison of saved and edited rules up to date: asks a moment after the last change, and again when
//! what decisions look at has changed.

use super::super::explainer::differs;
use crate::domain::call::Facts;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{Command, PolicyEdit, Reply, Snapshot, WhatIf};
use crate::tui::layers::saving::with_remedy;
use crate::tui::part::{Cx, Outbox, Ticket};
use std::time::Duration;

/// From the last change to the question.
const AFTER: Duration = Duration::from_millis(150);

#[derive(Default)]
pub struct Tester {
    due: Option<UnixMs>,
    asked: Option<(Ticket, Facts)>,
    shown: Option<(Facts, Box<WhatIf>)>,
    /// Why what is shown is of an earlier edit.
    stale: Option<String>,
    world: Option<Snapshot>,
}

impl Tester {
    pub fn shown(&self) -> Option<(&Facts, &WhatIf)> {
        self.shown.as_ref().map(|(facts, found)| (facts, found.as_ref()))
    }

    pub fn stale(&self) -> Option<&str> {
        self.stale.as_deref()
    }

    pub fn deadline(&self) -> Option<UnixMs> {
        self.due
    }

    /// The rule or the sample was changed.
    pub fn want(&mut self, now: UnixMs) {
        self.due = Some(now.plus(AFTER));
    }

    /// A newer snapshot is there.
    pub fn world_changed(&mut self, cx: &Cx<'_>) {
        if self.world.as_ref().is_some_and(|known| differs(known, cx.snapshot)) {
            self.due.get_or_insert(cx.now);
        }
    }

    pub fn ask(&mut self, edit: PolicyEdit, facts: Facts, cx: &Cx<'_>, out: &mut Outbox) {
        self.due = None;
        self.world = Some(cx.snapshot.clone());
        let ticket = out.ask(Command::ExplainWith { edit: Box::new(edit), facts: Box::new(facts.clone()) });
        self.asked = Some((ticket, facts));
    }

    /// What cannot be asked yet, and why: what is shown stays.
    pub fn cannot(&mut self, why: String) {
        self.due = None;
        self.stale = Some(why);
    }

    pub fn reply(&mut self, ticket: Ticket, reply: &Reply) {
        // An answer to an earlier question is of a rule that is gone.
        let Some((_, facts)) = self.asked.take_if(|(asked, _)| *asked == ticket) else { return };
        match reply {
            Reply::WhatIf(found) => {
                self.shown = Some((facts, found.clone()));
                self.stale = None;
            }
            Reply::Refused(refusal) => self.stale = Some(with_remedy(&refusal.message, &refusal.remedy)),
            _ => self.stale = Some("the engine gave no explanation".into()),
        }
    }
}
