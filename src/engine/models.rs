//! The commands that load and unload a model. The server does it on a task of its own; what is under way stands
//! in the picture and goes on when whoever asked has left.

use super::command::Asker;
use super::ports::{ModelAct, ModelDone, ModelJob};
use super::protocol::{Event, EventKind, Level, LoadingView, ModelReport, Refusal, Reply, UNKNOWN_NAME};
use super::state::State;
use super::supervisor::{Input, Supervisor};
use crate::domain::config::Profile;
use crate::domain::failure::Failure;
use crate::domain::ids::{ModelId, ProviderId, Target};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::time::Instant;

/// Loads and unloads under way at most; more are refused.
const AT_ONCE: usize = 32;

/// What the supervisor keeps of them.
#[derive(Default)]
pub(super) struct ModelJobs {
    running: Vec<Running>,
    /// Providers to probe once more when the probe under way has come back: it may have been too early.
    again: HashSet<ProviderId>,
}

struct Running {
    target: Target,
    act: ModelAct,
    last_ms: Option<u64>,
    waiting: Vec<Asker>,
    /// The server has answered; the probe that shows it has not.
    done: bool,
}

/// A server's answer to a [`ModelJob`].
pub struct ModelJobDone {
    target: Target,
    act: ModelAct,
    took_ms: u64,
    result: Result<ModelDone, Failure>,
}

impl ModelJobs {
    /// Whether a server is at work on this model.
    pub(super) fn at_work(&self, target: &Target) -> bool {
        self.running.iter().any(|job| job.target == *target)
    }
}

impl ModelAct {
    /// Whether who asks for `other` may wait for this instead.
    fn does_for(self, other: Self) -> bool {
        self == other || matches!((self, other), (Self::Keep { .. }, Self::Load { context: None } | Self::Keep { .. }))
    }
}

impl Supervisor {
    pub(super) fn model_job(&mut self, profile: Arc<Profile>, model: ModelId, act: ModelAct, asker: Asker) {
        let target = Target { provider: profile.id.clone(), model };
        if let Some(running) = self.jobs.running.iter_mut().find(|job| job.target == target && !job.done) {
            if running.act.does_for(act) {
                return running.waiting.push(asker);
            }
            let doing = if running.act == ModelAct::Unload { "is being unloaded" } else { "is loading already" };
            return super::command::reply_to(
                asker,
                Reply::refused(1, format!("{target} {doing}"), "wait until that is done: lmdeck models list shows it"),
            );
        }
        let under_way = self.jobs.running.iter().filter(|job| !job.done).count();
        if !profile.enabled || under_way >= AT_ONCE {
            let (what, remedy) = if profile.enabled {
                (format!("{under_way} models are loading already"), "wait for one of them".to_owned())
            } else {
                (format!("{} is off", profile.id), format!("lmdeck providers enable {}", profile.id))
            };
            return super::command::reply_to(asker, Reply::refused(4, what, remedy));
        }
        // What was done to it just before is over, although no probe has shown it yet.
        self.drop_done(|done, _| *done == target);
        let last_time = || self.traffic.loads.last_time(self.ports.ledger.as_ref(), &target, true);
        let last_ms = if act == ModelAct::Unload { None } else { last_time() };
        let view = LoadingView {
            model: target.model.clone(),
            since: self.ports.clock.now(),
            last_ms,
            unloading: act == ModelAct::Unload,
            by_call: false,
        };
        self.traffic.loads.begin(&target, view);
        let job = Running { target: target.clone(), act, last_ms, waiting: vec![asker], done: false };
        self.jobs.running.push(job);
        let work = self.ports.upstream.model(ModelJob { profile, model: target.model.clone(), act });
        let inputs = self.inputs.clone();
        let stop = self.stop.clone();
        tokio::spawn(async move {
            let started = Instant::now();
            tokio::select! {
                () = stop.cancelled() => {}
                result = work => {
                    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let done = Box::new(ModelJobDone { target, act, took_ms, result });
                    let _ = inputs.send(Input::ModelJobDone(done)).await;
                }
            }
        });
    }

    pub(super) fn model_job_done(&mut self, done: ModelJobDone) {
        let ModelJobDone { target, act, took_ms, result } = done;
        let found = self.jobs.running.iter_mut().find(|job| job.target == target && job.act == act && !job.done);
        let Some(job) = found else { return };
        job.done = true;
        let (last_ms, waiting) = (job.last_ms, std::mem::take(&mut job.waiting));
        if act != ModelAct::Unload && result.as_ref().is_ok_and(|done| !done.already) {
            self.traffic.loads.remember_time(self.ports.ledger.as_ref(), &target, took_ms);
        }
        self.warm_done(&target, act, took_ms, &result);
        // Of a model that is kept warm it was told apart.
        let told = matches!(act, ModelAct::Keep { .. });
        let failed = result.as_ref().err().map(|failure| failure.message.clone()).filter(|_| !told);
        let reply = match result {
            Ok(done) => Reply::Model(ModelReport {
                target: target.clone(),
                loaded: act != ModelAct::Unload,
                already: done.already,
                context: done.context,
                instances: done.instances,
                took_ms,
                last_ms,
            }),
            Err(failure) => Reply::Refused(Refusal {
                remedy: failure.code.advice_at(&target.provider),
                // A name that the server does not know was typed wrong.
                exit: if failure.is_unknown_model() { UNKNOWN_NAME } else { failure.code.class().exit },
                message: failure.message,
                issues: Vec::new(),
                difference: None,
            }),
        };
        let mut heard = false;
        for asker in waiting.into_iter().flatten() {
            heard |= asker.send(reply.clone()).is_ok();
        }
        if let Some(message) = failed.filter(|_| !heard) {
            let doing = if act == ModelAct::Unload { "unloaded" } else { "loaded" };
            let message = format!("{target} could not be {doing}: {message}");
            self.announce(Event {
                at: self.ports.clock.now(),
                level: Level::Error,
                kind: EventKind::Trouble { message },
            });
        }
        self.look_again(&target.provider);
    }

    /// A probe at once, or after the one under way, which may have asked too early.
    pub(super) fn look_again(&mut self, id: &ProviderId) {
        let effects = self.state.probe(|profile| &profile.id == id && profile.enabled);
        if effects.is_empty() && self.state.provider(id).is_some_and(|provider| provider.probing) {
            self.jobs.again.insert(id.clone());
        } else {
            self.carry_out(effects);
        }
    }

    /// A probe of `id` has come back: what was done before it is shown by it.
    pub(super) fn model_jobs_probed(&mut self, id: &ProviderId) {
        if self.jobs.again.remove(id) {
            let effects = self.state.probe(|profile| &profile.id == id && profile.enabled);
            return self.carry_out(effects);
        }
        self.drop_done(|target, _| &target.provider == id);
    }

    /// Providers that are gone have nothing under way any more.
    pub(super) fn model_jobs_forget(&mut self) {
        self.drop_done(|target, state| state.provider(&target.provider).is_none());
    }

    /// Takes jobs that are done out of the picture.
    fn drop_done(&mut self, which: impl Fn(&Target, &State) -> bool) {
        let (traffic, state) = (&self.traffic, &self.state);
        self.jobs.running.retain(|job| {
            let over = job.done && which(&job.target, state);
            if over {
                traffic.loads.end(&job.target);
            }
            !over
        });
    }
}
