//! The steps of a connection, in order, each with its time and a verdict in words: the quick test, and the
//! doctor, who takes every step by itself. Each is told as it ends.

mod answer;
mod kind;
mod quick;
mod slow;
mod tls;

use super::Inner;
use crate::adapters::wire::words::quote;
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, Failure};
use crate::domain::health::ModelInfo;
use crate::domain::reach::Reach;
use crate::domain::secret::Secret;
use crate::engine::ports::Question;
use crate::engine::protocol::{DOCTOR_STEPS, Step, StepState, TEST_STEPS, TestReport};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The quick test: each step is told to `steps` as it ends.
pub async fn test(
    inner: &Inner,
    profile: &Arc<Profile>,
    question: Option<&dyn Question>,
    steps: mpsc::Sender<Step>,
) -> TestReport {
    let mut run = Run::begin(inner, profile, steps);
    let failure = run.quick(inner, profile, question).await.err();
    for name in TEST_STEPS.iter().skip(run.steps.len()) {
        run.step(name, StepState::Skipped, if failure.is_some() { "not reached" } else { "not asked for" }, None);
    }
    run.report(failure)
}

/// The doctor, in the same way.
pub async fn diagnose(
    inner: &Inner,
    profile: &Arc<Profile>,
    question: Option<&dyn Question>,
    steps: mpsc::Sender<Step>,
) -> TestReport {
    let mut run = Run::begin(inner, profile, steps);
    let failure = run.slow(inner, profile, question).await.err();
    let stopped_at = run.steps.iter().find(|step| step.state == StepState::Failed).map(|step| step.name.clone());
    for name in DOCTOR_STEPS.iter().skip(run.steps.len()) {
        let why = stopped_at.as_ref().map_or_else(|| "not asked for".to_owned(), |step| format!("needs {step}"));
        run.step(name, StepState::Skipped, &why, None);
    }
    run.report(failure)
}

/// What one run has found so far.
struct Run {
    started: Instant,
    steps: Vec<Step>,
    models: Vec<ModelInfo>,
    cautions: Vec<Cause>,
    secrets: Vec<Secret>,
    told: mpsc::Sender<Step>,
}

impl Run {
    fn begin(inner: &Inner, profile: &Profile, told: mpsc::Sender<Step>) -> Self {
        // A person who tests has just changed something: nothing known before counts.
        inner.memory.forget(&profile.endpoint.origin);
        Self {
            started: Instant::now(),
            steps: Vec::new(),
            models: Vec::new(),
            cautions: Vec::new(),
            secrets: profile.key.iter().cloned().collect(),
            told,
        }
    }

    fn step(&mut self, name: &str, state: StepState, verdict: &str, took: Option<Duration>) {
        let verdict = quote(verdict, &self.secrets);
        let step = Step { name: name.to_owned(), state, verdict, ms: took.map(ms) };
        // Full, or nobody listens: the report holds it.
        let _ = self.told.try_send(step.clone());
        self.steps.push(step);
    }

    fn pass(&mut self, name: &str, verdict: &str, took: Option<Duration>) {
        self.step(name, StepState::Passed, verdict, took);
    }

    fn warn(&mut self, name: &str, verdict: &str, took: Option<Duration>) {
        self.step(name, StepState::Warned, verdict, took);
    }

    fn skip(&mut self, name: &str, verdict: &str) {
        self.step(name, StepState::Skipped, verdict, None);
    }

    fn fail(&mut self, name: &str, failure: Failure, took: Option<Duration>) -> Failure {
        self.step(name, StepState::Failed, &failure.message, took);
        failure
    }

    fn report(self, failure: Option<Failure>) -> TestReport {
        TestReport {
            steps: self.steps,
            models: self.models,
            failure,
            cautions: self.cautions,
            total_ms: ms(self.started.elapsed()),
        }
    }
}

/// Where an address lies, as part of a sentence.
fn place(address: IpAddr) -> &'static str {
    match Reach::of(address) {
        Reach::Machine => "this machine",
        Reach::Network => "on the private network",
        Reach::Cloud => "in the cloud",
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
