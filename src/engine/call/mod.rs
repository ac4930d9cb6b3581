//! Calls: decide, then per target of the chain an attempt, until one answers. Each call is a task of its own
//! that ends with one record, whatever happens to its caller.

mod account;
mod attempt;
mod chain;
mod params;

use super::handle::{CALL_CAPACITY, Caller};
use super::ports::Ports;
use super::protocol::{CallEvent, CallOutcome, RunningCall};
use super::supervisor::Input;
use super::traffic::{Ended, Traffic};
use super::{LiveReader, live::Live};
use crate::domain::call::CallRequest;
use crate::domain::failure::{ErrorCode, Failure};
use crate::domain::routing::{Decision, decide, explain, request_type, world_for};
use crate::domain::time::UnixMs;
use account::Ticket;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long a first call waits for the whole first round of probes, which tells who is up.
const FIRST_ROUND: Duration = Duration::from_secs(1);
/// How long it waits for local servers to tell what they offer, without which there may be no candidate.
const FIRST_LISTS: Duration = Duration::from_secs(8);

/// The engine's side of `dispatch`.
pub struct CallRunner {
    shared: Arc<Shared>,
}

struct Shared {
    ports: Ports,
    live: LiveReader,
    traffic: Arc<Traffic>,
    inputs: mpsc::Sender<Input>,
    waiting: AtomicUsize,
}

impl CallRunner {
    pub fn new(ports: Ports, live: LiveReader, traffic: Arc<Traffic>, inputs: mpsc::Sender<Input>) -> Self {
        Self { shared: Arc::new(Shared { ports, live, traffic, inputs, waiting: AtomicUsize::new(0) }) }
    }
}

impl Caller for CallRunner {
    fn dispatch(&self, request: CallRequest) -> mpsc::Receiver<CallEvent> {
        let (events, receiver) = mpsc::channel(CALL_CAPACITY);
        tokio::spawn(run(self.shared.clone(), request, events));
        receiver
    }
}

/// One call from arrival to record.
async fn run(shared: Arc<Shared>, mut request: CallRequest, events: mpsc::Sender<CallEvent>) {
    let started = Instant::now();
    let now = shared.ports.clock.now();
    let id = shared.ports.ledger.next_id();
    let cancel = CancellationToken::new();
    shared.traffic.begin(
        RunningCall {
            id: id.clone(),
            since: now,
            client: request.facts.client.clone(),
            request_type: request.facts.request_type.clone(),
            target: None,
            writing: false,
            loading: None,
        },
        cancel.clone(),
    );

    let live = shared.ready_world().await;
    let decision = decide_now(&live, &request, now);
    // `auto:TYPE` is a label too: the record holds the type that decided.
    request.facts.request_type = request_type(&request.facts).to_owned();
    let mut ticket = Ticket::new(id, now, started, &request, &decision);
    ticket.record_prompt(&request, live.config.telemetry.record_prompts);

    let outcome = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Failure::cancelled()),
        () = events.closed() => Err(Failure::cancelled()),
        outcome = shared.carry_out(&live, &request, &decision, &mut ticket, &events) => outcome,
    };

    let failure = outcome.err();
    let after_answer_bytes = ticket.answering();
    let record = ticket.settle(&live, failure.clone());
    let finish = record.finish;
    // The ledger first: whoever hears that the call ended may ask for its record at once.
    shared.ports.ledger.record(record.clone());
    shared.traffic.end(Ended::of(&record));
    let end = CallEvent::End(Box::new(CallOutcome { record, failure, finish, after_answer_bytes }));
    if events.send(end).await.is_err() {
        tracing::debug!("a caller left before its call had ended");
    }
}

/// The decision for now. The published world is used as it is unless a timer in it may have run out.
fn decide_now(live: &Live, request: &CallRequest, now: UnixMs) -> Decision {
    let timers = live.world.providers.iter().any(|provider| {
        provider.parked_until.is_some() || provider.models.iter().any(|model| model.breaker_until.is_some())
    });
    if !timers {
        return decide(&request.facts, &live.config.rules, &world_for(request.facts.work, &live.world));
    }
    let mut world = live.world.clone();
    world.now = now;
    decide(&request.facts, &live.config.rules, &world_for(request.facts.work, &world))
}

impl Shared {
    /// Tells the supervisor; when its queue is full the note is dropped: the next one brings the same picture.
    fn tell(&self, input: Input) {
        if self.inputs.try_send(input).is_err() {
            tracing::debug!("the supervisor is behind; a note of a call was dropped");
        }
    }

    /// The world, once the first round of probes has told who is up and what local servers offer. A provider
    /// that takes long to fail holds a call back for a second at most.
    async fn ready_world(&self) -> Arc<Live> {
        let mut live = self.live.clone();
        if !live.borrow().ready && timeout(FIRST_ROUND, live.wait_for(|live| live.ready)).await.is_err() {
            let lists = live.wait_for(|live| live.candidates_known);
            if timeout(FIRST_LISTS, lists).await.is_err() {
                tracing::info!("a call goes on before every local server has told its models");
            }
        }
        self.live.borrow().clone()
    }

    async fn carry_out(
        &self,
        live: &Arc<Live>,
        request: &CallRequest,
        decision: &Decision,
        ticket: &mut Ticket,
        events: &mpsc::Sender<CallEvent>,
    ) -> Result<(), Failure> {
        if decision.chain.is_empty() {
            return Err(no_route(live, request, ticket));
        }
        let deadline = ticket.started() + live.config.limits.call_deadline;
        let queued = Instant::now();
        let _slot = self.slot(live, deadline).await?;
        ticket.waited(queued.elapsed());
        chain::walk(self, live, request, decision, ticket, events, deadline).await
    }

    /// A place among the calls under way. A full queue answers at once.
    async fn slot(&self, live: &Live, deadline: Instant) -> Result<OwnedSemaphorePermit, Failure> {
        if let Ok(permit) = live.slots.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let limits = &live.config.limits;
        let _place = Waiting::enter(&self.waiting, limits.queue).ok_or_else(|| {
            Failure::plain(
                ErrorCode::QueueFull,
                format!("{} calls run and {} wait", limits.max_concurrent_requests, limits.queue),
            )
        })?;
        match timeout_at(deadline, live.slots.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Failure::plain(ErrorCode::Internal, "the engine is stopping")),
            Err(_) => {
                Err(Failure::plain(ErrorCode::Timeout, "the call's deadline passed while it waited for a free slot"))
            }
        }
    }
}

/// A place in the queue, given back on every way out.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, limit: usize) -> Option<Self> {
        count
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |waiting| (waiting < limit).then_some(waiting + 1))
            .ok()
            .map(|_| Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Why nobody can take the call. A call kept at home by a rule is denied, not unroutable.
fn no_route(live: &Live, request: &CallRequest, ticket: &Ticket) -> Failure {
    let world = world_for(request.facts.work, &live.world);
    let explanation = explain(&request.facts, &live.config.rules, &world);
    let kept_home = explanation.decision.local_only && ticket.rejects().iter().any(|reject| reject.code == "not_local");
    let code = if kept_home {
        ErrorCode::Denied
    } else if explanation.decision.by == "none" {
        ErrorCode::NotFound
    } else {
        ErrorCode::NoRoute
    };
    Failure::plain(code, explanation.sentence)
}
