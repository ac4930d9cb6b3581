//! Leave to try one target, and what its breaker hears of it on every way out: also when the caller hangs up while
//! it tries, so that no trial is waited for that has ended.

use super::super::ports::Clock;
use super::super::traffic::Traffic;
use super::Shared;
use crate::domain::breaker::Pass;
use crate::domain::ids::Target;

/// Given back when dropped; a trial that failed is told then.
pub struct Leave<'a> {
    traffic: &'a Traffic,
    clock: &'a dyn Clock,
    target: &'a Target,
    pass: Option<Pass>,
    /// The last try of the trial failed in a way that counts. The trial is judged by it, so it is not told at once.
    failed: bool,
}

impl<'a> Leave<'a> {
    /// `None` while the breaker keeps calls away.
    pub fn at(shared: &'a Shared, target: &'a Target) -> Option<Self> {
        let (traffic, clock) = (&*shared.traffic, &*shared.ports.clock);
        let pass = Some(traffic.admits(target, clock.now())?);
        Some(Self { traffic, clock, target, pass, failed: false })
    }

    /// The target answered. Returns whether that is news.
    pub fn answered(mut self) -> bool {
        self.pass.take().is_some_and(|pass| self.traffic.note(self.target, pass, true, self.clock.now()))
    }

    /// A try failed; `counts` where that says something of the target's health.
    pub fn failed(&mut self, counts: bool) {
        match self.pass {
            Some(Pass::Trial) => self.failed = counts,
            Some(pass) if counts => {
                self.traffic.note(self.target, pass, false, self.clock.now());
            }
            _ => {}
        }
    }

    /// Whether another try may follow: in a trial always, else while the breaker is closed.
    pub fn holds(&mut self) -> bool {
        if self.pass != Some(Pass::Trial) {
            self.pass = self.traffic.admits_again(self.target, self.clock.now());
        }
        self.pass.is_some()
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.pass != Some(Pass::Trial) {
            return;
        }
        if self.failed {
            self.traffic.note(self.target, Pass::Trial, false, self.clock.now());
        } else {
            self.traffic.release(self.target, Pass::Trial);
        }
    }
}
