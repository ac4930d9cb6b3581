//! Keeps the explanation of the sample up to date: asks the engine a moment after the last change, and again
//! when what decisions look at has changed.

use super::sample::{Field, Sample};
use crate::domain::call::Facts;
use crate::domain::routing::Explanation;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{Command, ModelView, ProviderView, Reply, Snapshot};
use crate::tui::part::{Cx, Outbox, Ticket};
use std::sync::Arc;
use std::time::Duration;

/// From the last change to the question.
const AFTER: Duration = Duration::from_millis(150);

#[derive(Default)]
pub struct Explainer {
    due: Option<UnixMs>,
    asked: Option<(Ticket, Facts)>,
    shown: Option<(Facts, Box<Explanation>)>,
    /// Why there is no newer one, in words.
    refused: Option<String>,
    complaint: Option<(Field, String)>,
    /// Of the last question.
    world: Option<Snapshot>,
}

impl Explainer {
    pub fn shown(&self) -> Option<(&Facts, &Explanation)> {
        self.shown.as_ref().map(|(facts, explanation)| (facts, explanation.as_ref()))
    }

    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// What is wrong with the sample; then the explanation is of the last one that was right.
    pub fn complaint(&self) -> Option<&(Field, String)> {
        self.complaint.as_ref()
    }

    pub fn deadline(&self) -> Option<UnixMs> {
        self.due
    }

    /// The sample was changed.
    pub fn sample_changed(&mut self, now: UnixMs) {
        self.due = Some(now.plus(AFTER));
    }

    /// A newer snapshot is there: asks at the next wake when a decision could now be another.
    pub fn world_changed(&mut self, cx: &Cx<'_>) {
        if self.world.as_ref().is_some_and(|known| differs(known, cx.snapshot)) {
            self.due.get_or_insert(cx.now);
        }
    }

    /// The screen is shown.
    pub fn shown_again(&mut self, sample: &Sample, cx: &Cx<'_>, out: &mut Outbox) {
        if self.world.as_ref().is_none_or(|known| differs(known, cx.snapshot)) {
            self.ask(sample, cx, out);
        }
    }

    /// Asks now.
    pub fn ask(&mut self, sample: &Sample, cx: &Cx<'_>, out: &mut Outbox) {
        self.due = None;
        self.world = Some(cx.snapshot.clone());
        match sample.facts() {
            Ok(facts) => {
                self.complaint = None;
                let ticket = out.ask(Command::Explain { facts: Box::new(facts.clone()) });
                self.asked = Some((ticket, facts));
            }
            Err(complaint) => self.complaint = Some(complaint),
        }
    }

    pub fn reply(&mut self, ticket: Ticket, reply: &Reply) {
        // An answer to an earlier question is of a sample that is gone.
        let Some((_, facts)) = self.asked.take_if(|(asked, _)| *asked == ticket) else { return };
        match reply {
            Reply::Explained(explanation) => {
                self.shown = Some((facts, explanation.clone()));
                self.refused = None;
            }
            Reply::Refused(refusal) => self.refused = Some(format!("{}. {}", refusal.message, refusal.remedy)),
            _ => self.refused = Some("the engine gave no explanation".into()),
        }
    }
}

/// Whether decisions could differ between two pictures. Latencies and counts do not decide.
pub(super) fn differs(a: &Snapshot, b: &Snapshot) -> bool {
    let routing = a.routing.rules != b.routing.rules || a.routing.active != b.routing.active;
    let same_money = a.spend.limit == b.spend.limit && over(a) == over(b);
    if routing || !same_money || a.providers.len() != b.providers.len() {
        return true;
    }
    let pairs = || a.providers.iter().zip(b.providers.iter());
    !Arc::ptr_eq(&a.providers, &b.providers) && pairs().any(|(a, b)| provider_differs(a, b))
}

fn over(snapshot: &Snapshot) -> bool {
    snapshot.spend.limit.is_some_and(|limit| snapshot.spend.today >= limit)
}

fn provider_differs(a: &ProviderView, b: &ProviderView) -> bool {
    let health = a.health.state != b.health.state || a.health.reason != b.health.reason;
    let given = a.id != b.id || a.enabled != b.enabled || a.local != b.local || a.reach != b.reach;
    let held = a.withheld != b.withheld || a.parked() != b.parked();
    health || given || held || a.models.len() != b.models.len() || a.models.iter().zip(&b.models).any(model_differs)
}

fn model_differs((a, b): (&ModelView, &ModelView)) -> bool {
    a.id != b.id
        || a.loaded != b.loaded
        || a.chat != b.chat
        || a.context != b.context
        || a.price != b.price
        || a.breaker_until != b.breaker_until
}
