//! The tokens of a prompt by its vendor's own count, before it is sent to a model. The prompt leaves the machine for
//! that, so it goes only where a call would go by the rules now, and only when a person asks.

use super::call::params;
use super::command::{Asker, reply_to};
use super::ports::UpstreamJob;
use super::presets;
use super::protocol::{Reply, RunId, TokenCount};
use super::runs::hung_up;
use super::supervisor::Supervisor;
use crate::domain::call::CallRequest;
use crate::domain::failure::Failure;
use crate::domain::ids::Target;
use crate::domain::routing::{decide, explain, world_for};
use std::time::Duration;

/// A vendor answers such a question at once, or the estimate has to do.
const PATIENCE: Duration = Duration::from_secs(10);

impl Supervisor {
    pub(super) fn count_tokens(&mut self, request: &CallRequest, run: RunId, asker: Asker) {
        let job = match self.counting(request) {
            Ok(job) => job,
            Err(refusal) => return reply_to(asker, *refusal),
        };
        let stop = self.stop.child_token();
        self.runs.begin(run, stop.clone());
        let target = Target { provider: job.profile.id.clone(), model: job.model.clone() };
        let by = job.profile.kind;
        let work = self.ports.upstream.count(job);
        tokio::spawn(async move {
            let _ended = stop.clone().drop_guard();
            let mut asker = asker;
            let counted = tokio::select! {
                biased;
                () = stop.cancelled() => Err(Failure::cancelled()),
                () = hung_up(&mut asker) => Err(Failure::cancelled()),
                counted = work => counted,
            };
            let reply = match counted {
                Ok(tokens) => Reply::Counted(TokenCount { target, by, tokens }),
                Err(failure) => {
                    let (exit, advice) = (failure.code.class().exit, failure.code.advice_at(&target.provider));
                    Reply::refused(exit, format!("{target}: {}", failure.message), advice)
                }
            };
            reply_to(asker, reply);
        });
    }

    /// What is to be counted and where: as a call would go out now.
    fn counting(&mut self, request: &CallRequest) -> Result<UpstreamJob, Box<Reply>> {
        let mut facts = request.facts.clone();
        let (moment, rules) = self.moment(&mut facts);
        let live = self.live_now();
        let (facts, rules) = (&facts, &rules);
        let world = world_for(facts.work, &moment);
        let decision = decide(facts, rules, &world);
        let Some(first) = decision.chain.first() else {
            let exit = if decision.denied.is_some() { 5 } else { 4 };
            let said = explain(facts, rules, &world).sentence;
            return Err(Box::new(Reply::refused(exit, said, "lmdeck routes explain says why")));
        };
        let target = &first.target;
        let profile = live.profiles.get(&target.provider).cloned();
        let Some(profile) = profile.filter(|profile| profile.kind.counts_tokens()) else {
            let what = format!("{target} would answer, and only Anthropic counts tokens without a model");
            return Err(Box::new(Reply::refused(4, what, "the estimate stands; the answer's own count comes with it")));
        };
        if decision.local_only || facts.local_only {
            let what = "the request has to stay here, so nobody elsewhere counts it";
            return Err(Box::new(Reply::refused(5, what, "the estimate stands")));
        }
        let usual = live.config.limits.default_max_tokens;
        let preset = presets::meant(facts, &live.config, &live.world);
        let body = params::settle(&request.body, &profile, &target.model, usual, preset, &decision.effects)
            .map_err(|failure| Box::new(Reply::refused(1, failure.message, failure.code.class().advice)))?;
        Ok(UpstreamJob {
            profile,
            model: target.model.clone(),
            body,
            local_only: false,
            through: facts.through.clone(),
            time_left: PATIENCE,
        })
    }
}
