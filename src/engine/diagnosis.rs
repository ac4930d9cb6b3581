//! Runs of the doctor under way: each announces its steps as they end, and can be stopped by its name.

use super::command::{Asker, reply_to};
use super::ports::STEP_CAPACITY;
use super::protocol::{Event, EventKind, Level, Reply, RunId, Step, TestReport};
use super::supervisor::Supervisor;
use crate::domain::config::Profile;
use crate::domain::failure::Failure;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What stops each run; a token that is cancelled belongs to a run that has ended.
#[derive(Default)]
pub(super) struct Diagnoses(HashMap<RunId, CancellationToken>);

impl Diagnoses {
    fn begin(&mut self, run: RunId, stop: CancellationToken) {
        self.0.retain(|_, stop| !stop.is_cancelled());
        self.0.insert(run, stop);
    }

    /// Ends the work of a run. One that has ended already is no mistake: it ended while the person pressed.
    pub(super) fn stop(&mut self, run: RunId) {
        if let Some(stop) = self.0.remove(&run) {
            stop.cancel();
        }
    }
}

impl Supervisor {
    pub(super) fn diagnose(&mut self, profile: Arc<Profile>, answer: bool, run: RunId, mut asker: Asker) {
        let stop = self.stop.child_token();
        self.diagnoses.begin(run, stop.clone());
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
                    Some(step) = told.recv() => announce(step),
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

/// Resolves when nobody waits for the reply any more; never for a command sent without waiting.
async fn hung_up(asker: &mut Asker) {
    match asker {
        Some(asker) => asker.closed().await,
        None => std::future::pending().await,
    }
}

/// What is known of a run that was stopped.
fn stopped(steps: Vec<Step>) -> TestReport {
    let total_ms = steps.iter().filter_map(|step| step.ms).sum();
    TestReport { steps, models: Vec::new(), failure: Some(Failure::cancelled()), cautions: Vec::new(), total_ms }
}
