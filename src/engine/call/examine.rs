//! The one question that a connection test asks a model: straight at its target, past rules and queue, since it is
//! the connection that is tried; but through the day's limit, and with a record of its own.

use super::super::live::Live;
use super::super::ports::{Ports, Question, UpstreamJob};
use super::super::protocol::RunningCall;
use super::super::supervisor::Input;
use super::super::till::Till;
use super::super::traffic::{Ended, Traffic};
use super::account::Ticket;
use super::reserve;
use crate::domain::call::{Body, CallRequest, Facts, own_client};
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::ids::Target;
use crate::domain::reach::Reach;
use crate::domain::routing::{Chosen, Decision};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long an answer of a few tokens may take from its first one on.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Clone)]
pub struct Examiner {
    ports: Ports,
    live: Arc<Live>,
    traffic: Arc<Traffic>,
    till: Arc<Till>,
    inputs: mpsc::Sender<Input>,
}

impl Question for Examiner {
    fn ask(&self, job: UpstreamJob) -> BoxFuture<'static, Result<Option<String>, Failure>> {
        let examiner = self.clone();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            // On its own: who leaves meanwhile stops the call, and its record is still written.
            tokio::spawn(async move { examiner.carry_out(job, answer).await });
            answered.await.unwrap_or_else(|_| Err(Failure::plain(ErrorCode::Internal, "the question ended badly")))
        })
    }
}

impl Examiner {
    pub fn new(
        ports: Ports,
        live: Arc<Live>,
        traffic: Arc<Traffic>,
        till: Arc<Till>,
        inputs: mpsc::Sender<Input>,
    ) -> Self {
        Self { ports, live, traffic, till, inputs }
    }

    /// What prices and limits are read from: as published, but for a provider that is only a draft.
    fn live_with(&self, profile: &Arc<Profile>) -> Arc<Live> {
        if self.knows(profile) {
            return self.live.clone();
        }
        let mut world = self.live.world.clone();
        let others = world.providers.iter().filter(|known| known.id != profile.id);
        world.providers = others.cloned().collect();
        let mut profiles = self.live.profiles.clone();
        profiles.insert(profile.id.clone(), profile.clone());
        Arc::new(Live {
            config: self.live.config.clone(),
            reads: self.live.reads.clone(),
            world,
            profiles,
            ready: self.live.ready,
            candidates_known: self.live.candidates_known,
        })
    }

    /// It is in the configuration as it is tested here.
    fn knows(&self, profile: &Arc<Profile>) -> bool {
        self.live.profiles.get(&profile.id).is_some_and(|known| Arc::ptr_eq(known, profile))
    }

    async fn carry_out(self, job: UpstreamJob, mut answer: oneshot::Sender<Result<Option<String>, Failure>>) {
        let target = Target { provider: job.profile.id.clone(), model: job.model.clone() };
        let (live, known) = (self.live_with(&job.profile), self.knows(&job.profile));
        let now = self.ports.clock.now();
        let id = self.ports.ledger.next_id();
        let facts = facts(&target, &job.body);
        let request = CallRequest { facts, body: job.body.clone(), wants_usage: true };
        let chosen =
            Chosen { target: target.clone(), reach: Reach::of_host(&job.profile.endpoint.host), why: "named".into() };
        let mut decision = Decision {
            by: "named".into(),
            rules_version: live.config.rules.version,
            chain: vec![chosen],
            ..Decision::default()
        };
        let cancel = CancellationToken::new();
        let running = RunningCall {
            id: id.clone(),
            since: now,
            client: own_client::DOCTOR.into(),
            request_type: String::new(),
            target: Some(target.clone()),
            writing: false,
            loading: None,
        };
        self.traffic.begin(running, cancel.clone());
        let mut ticket = Ticket::new(id, now, Instant::now(), &request, &mut decision);
        let outcome = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Failure::cancelled()),
            () = answer.closed() => Err(Failure::cancelled()),
            outcome = self.attempt(&live, &target, job, &mut ticket) => outcome,
        };
        let failure = outcome.as_ref().err().cloned();
        if known && ticket.on_its_way() {
            self.tell_health(&target, failure.as_ref()).await;
        }
        let record = Arc::new(ticket.settle(&live, failure));
        self.ports.ledger.record(record.clone());
        self.traffic.end(Ended::of(&record));
        // Who asked may have left; the record is written.
        let _ = answer.send(outcome);
    }

    /// To the end of the answer: what it cost is told there.
    async fn attempt(
        &self,
        live: &Live,
        target: &Target,
        job: UpstreamJob,
        ticket: &mut Ticket,
    ) -> Result<Option<String>, Failure> {
        ticket.begin(target);
        let (profile, deadline) = (job.profile.clone(), Instant::now() + job.time_left);
        let (body, held) = match reserve::reserve(&self.till, live, target, &profile, job.body).await {
            Ok(reserved) => reserved,
            Err(failure) => {
                ticket.unsent(&failure);
                return Err(failure);
            }
        };
        ticket.holds(held);
        ticket.sent();
        let starting = self.ports.upstream.start(UpstreamJob { body, ..job });
        let started = timeout_at(deadline, starting).await.map_err(|_| no_token())?;
        let rate = match &started {
            Ok(answer) => answer.rate.as_ref(),
            Err(failure) => failure.rate.as_deref(),
        };
        if let Some(rate) = rate {
            self.traffic.note_rate(&target.provider, rate, self.ports.clock.now());
        }
        let mut answer = started?;
        ticket.accepted();
        let (mut model, mut begun) = (None, None);
        loop {
            let limit = if ticket.answering() { Instant::now() + profile.timeouts.idle } else { deadline };
            match timeout_at(limit, answer.frames.next()).await {
                Ok(Some(Ok(frame))) => {
                    ticket.observe(&frame, target.model.as_str());
                    model = model.or(frame.seen.model);
                    // It answers, and does not end where it was asked to: nothing more is to be learned.
                    if ticket.answering() && begun.get_or_insert_with(Instant::now).elapsed() > LONGEST_ANSWER {
                        return Ok(model);
                    }
                }
                Ok(Some(Err(failure))) => return Err(failure),
                Ok(None) if ticket.answering() => return Ok(model),
                Ok(None) => {
                    return Err(Failure::plain(ErrorCode::EmptyAnswer, "the stream ended without an answer"));
                }
                Err(_) if ticket.answering() => {
                    let what = "the model stopped in the middle of its answer";
                    return Err(Failure::new(ErrorCode::Timeout, Cause::IdleTimeout, what));
                }
                Err(_) => return Err(no_token()),
            }
        }
    }

    /// An answer, or none, is news of the provider as one of any call is.
    async fn tell_health(&self, target: &Target, failure: Option<&Failure>) {
        if failure.is_some_and(|failure| failure.code == ErrorCode::Cancelled) {
            return;
        }
        let counts = failure.is_none_or(|failure| failure.code.class().breaker);
        self.traffic.note(target, failure.is_none(), counts, self.ports.clock.now());
        let input = Input::Attempted { target: target.clone(), failure: failure.cloned(), moved_to: None };
        // Waits when the supervisor is behind; fails only after it has stopped.
        let _ = self.inputs.send(input).await;
    }
}

fn no_token() -> Failure {
    Failure::new(ErrorCode::Timeout, Cause::FirstTokenTimeout, "no token came in time")
}

fn facts(target: &Target, body: &Body) -> Facts {
    let (bytes, max_tokens) = match body {
        Body::Chat { messages, max_tokens, .. } => {
            (messages.iter().map(|message| message.content.len()).sum(), max_tokens.unwrap_or_default())
        }
        Body::RawOpenaiChat { json } | Body::RawOpenaiEmbeddings { json } | Body::RawOpenaiCompletion { json } => {
            (json.len(), 0)
        }
    };
    Facts {
        requested_model: target.to_string(),
        client: own_client::DOCTOR.into(),
        prompt_tokens: u64::try_from(bytes).unwrap_or(u64::MAX).div_ceil(4),
        max_tokens,
        stream: true,
        ..Facts::default()
    }
}
