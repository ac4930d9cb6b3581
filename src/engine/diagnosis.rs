//! Runs of the doctor under way: each announces its steps as they end, and can be stopped by its name.

use super::command::{Asker, reply_to};
use super::ports::STEP_CAPACITY;
use super::protocol::{Event, EventKind, Level, Reply, RunId, Step, TestReport};
use super::runs::hung_up;
use super::supervisor::Supervisor;
use crate::domain::config::Profile;
use crate::domain::failure::Failure;
use std::sync::Arc;
use tokio::sync::mpsc;

impl Supervisor {
    pub(super) fn diagnose(&mut self, profile: Arc<Profile>, answer: bool, run: RunId, mut asker: Asker) {
        let stop = self.stop.child_token();
        self.runs.begin(run, stop.clone());
        let (steps, mut told) = mpsc::channel(STEP_CAPACITY);
        let work = self.ports.upstream.diagnose(profile, answer, steps);
        let (events, clock) = (self.events.clone(), self.ports.clock.clone());
        tokio::spawn(async move {
            let _ended = stop.clone().drop_guard();
            let mut done = Vec::new();
            let mut announce = |step: Step| {
                done.push(step.clone());
                let kind = EventKind::StepDone { run, step };
                // An error means that nobody listens: the reply holds every step.
                let _ = events.send(Event { at: clock.now(), level: Level::Info, kind });
            };
            let mut work = std::pin::pin!(work);
            let report = loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break None,
                    () = hung_up(&mut asker) => break None,
                    Some(done) = told.recv() => announce(done),
                    report = &mut work => break Some(report),
                }
            };
            while let Ok(step) = told.try_recv() {
                announce(step);
            }
            reply_to(asker, Reply::Tested(report.unwrap_or_else(|| stopped(done))));
        });
    }
}

/// What is known of a run that was stopped.
fn stopped(steps: Vec<Step>) -> TestReport {
    let total_ms = steps.iter().filter_map(|step| step.ms).sum();
    TestReport { steps, models: Vec::new(), failure: Some(Failure::cancelled()), cautions: Vec::new(), total_ms }
}
