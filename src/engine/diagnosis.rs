//! Connection tests and runs of the doctor under way: each announces its steps as they end, and can be stopped by
//! its name.

use super::call::Examiner;
use super::command::{Asker, crashed, reply_to};
use super::ports::{Question, STEP_CAPACITY};
use super::protocol::{Event, EventKind, Level, ProviderDraft, Reply, RunId, Step, TestReport};
use super::supervisor::Supervisor;
use crate::domain::config::{Origin, Profile};
use crate::domain::failure::Failure;
use crate::domain::ids::ProviderId;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What stops each run; a token that is cancelled belongs to a run that has ended.
#[derive(Default)]
pub(super) struct Diagnoses(HashMap<RunId, CancellationToken>);

impl Diagnoses {
    pub(super) fn begin(&mut self, run: RunId, stop: CancellationToken) {
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
    pub(super) fn diagnose(&mut self, profile: Arc<Profile>, answer: bool, run: RunId, asker: Asker) {
        let (upstream, question) = (self.ports.upstream.clone(), self.question(answer));
        self.walk(run, asker, |steps| async move { Ok(upstream.diagnose(profile, question, steps).await) });
    }

    pub(super) fn test(&mut self, profile: Arc<Profile>, answer: bool, run: RunId, asker: Asker) {
        let (upstream, question) = (self.ports.upstream.clone(), self.question(answer));
        self.walk(run, asker, |steps| async move { Ok(upstream.test(profile, question, steps).await) });
    }

    pub(super) fn test_draft(&mut self, draft: ProviderDraft, answer: bool, run: RunId, asker: Asker) {
        let base = ProviderId::from(draft.id.as_str());
        // One only found on this machine is unknown to the file: its draft is a new provider's.
        let known = self.state.provider(&base).filter(|provider| provider.profile.origin != Origin::Discovery);
        let base = known.map(|provider| provider.profile.id.clone());
        let (upstream, config) = (self.ports.upstream.clone(), self.ports.config.clone());
        let question = self.question(answer);
        self.walk(run, asker, |steps| async move {
            let profile = tokio::task::spawn_blocking(move || config.profile_of(base.as_ref(), &draft)).await;
            match profile {
                Ok(Ok(profile)) => Ok(upstream.test(Arc::new(profile), question, steps).await),
                Ok(Err(refusal)) => Err(Reply::Refused(refusal)),
                Err(_) => Err(crashed()),
            }
        });
    }

    fn question(&mut self, wanted: bool) -> Option<Arc<dyn Question>> {
        let (ports, till) = (self.ports.clone(), self.till.clone());
        let (traffic, inputs) = (self.traffic.clone(), self.inputs.clone());
        wanted.then(|| {
            let examiner = Examiner::new(ports, self.live_now(), traffic, till, inputs);
            Arc::new(examiner) as Arc<dyn Question>
        })
    }

    fn walk<W>(&mut self, run: RunId, mut asker: Asker, work: impl FnOnce(mpsc::Sender<Step>) -> W)
    where
        W: Future<Output = Result<TestReport, Reply>> + Send + 'static,
    {
        let stop = self.stop.child_token();
        self.diagnoses.begin(run, stop.clone());
        let (steps, mut told) = mpsc::channel(STEP_CAPACITY);
        let work = work(steps);
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
            let reply = match report {
                Some(Ok(report)) => Reply::Tested(report),
                Some(Err(refused)) => refused,
                None => Reply::Tested(stopped(done)),
            };
            reply_to(asker, reply);
        });
    }
}

/// Resolves when nobody waits for the reply any more; never for a command sent without waiting.
pub(super) async fn hung_up(asker: &mut Asker) {
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
