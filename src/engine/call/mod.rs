//! Calls: decide, then per target of the chain an attempt, until one answers. Each call is a task of its own
//! that ends with one record, whatever happens to its caller.

mod account;
mod attempt;
pub(super) mod cache;
mod chain;
mod examine;
mod handing;
mod inputs;
mod leave;
mod lengths;
pub(super) mod params;
pub(super) mod queue;
mod raw_body;
mod reserve;
mod shares;

use super::ended::Ended;
use super::handle::{CALL_CAPACITY, Caller};
use super::moment::{add_bounds, needs, world_now};
use super::plans::Plans;
use super::ports::Ports;
use super::presets;
use super::protocol::{CallEvent, CallOutcome, RunningCall};
use super::supervisor::Input;
use super::till::Till;
use super::traffic::Traffic;
use super::{LiveReader, live::Live};
use crate::domain::call::CallRequest;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::ids::{CallId, Target};
use crate::domain::routing::{
    Decision, Limited, NoteKind, PinKey, World, WorldProvider, decide, explain, request_type, world_for,
};
use crate::domain::time::UnixMs;
use account::Ticket;
pub(super) use account::price_of_target;
pub(super) use examine::Examiner;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Gateways that a call may have come through.
const MOST_GATEWAYS: usize = 8;
const GOES_ROUND: &str = "this request has been here before: the address of a provider leads back to lmdeck's own \
     gateway; give that provider the address of a model server, or remove it";

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
    till: Arc<Till>,
    plans: Arc<Plans>,
}

impl CallRunner {
    pub fn new(
        ports: Ports,
        live: LiveReader,
        traffic: Arc<Traffic>,
        inputs: mpsc::Sender<Input>,
        till: Arc<Till>,
        plans: Arc<Plans>,
    ) -> Self {
        Self { shared: Arc::new(Shared { ports, live, traffic, inputs, till, plans }) }
    }
}

impl Caller for CallRunner {
    fn dispatch(&self, request: CallRequest) -> mpsc::Receiver<CallEvent> {
        let (events, receiver) = mpsc::channel(CALL_CAPACITY);
        // Boxed here: what a call keeps is several kilobytes, which spawning would copy from place to place.
        tokio::spawn(Box::pin(run(self.shared.clone(), request, events)));
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
    presets::label(&mut request.facts, &live.config, &live.world);
    let (mut decision, pin) = shared.decide_now(&live, &request, now);
    shared.tell_of_rules(&decision, &id);
    // `auto:TYPE` is a label too: the record holds the type that decided.
    request.facts.request_type = request_type(&request.facts).to_owned();
    let mut ticket = Ticket::new(id, now, started, &request, &mut decision);
    ticket.record_prompt(&request, live.config.telemetry.record_prompts);

    let outcome = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Failure::cancelled()),
        () = events.closed() => Err(Failure::cancelled()),
        outcome = shared.carry_out(&live, &request, &decision, &mut ticket, &events) => outcome,
    };

    if let (Some(key), Ok(()), Some(target)) = (pin, &outcome, ticket.target()) {
        let stand_in = decision.stand_in || decision.chain.first().is_none_or(|first| &first.target != target);
        shared.traffic.pins.set(key, target, stand_in);
    }
    let failure = outcome.err();
    let after_answer_bytes = ticket.answering();
    let record = Arc::new(ticket.settle(&live, failure.clone()));
    let finish = record.finish;
    // The ledger first: whoever hears that the call ended may ask for its record at once.
    shared.ports.ledger.record(record.clone());
    shared.traffic.end(Ended::of(&record));
    let end = CallEvent::End(Box::new(CallOutcome { record, failure, finish, after_answer_bytes }));
    if handing::hand_over_the_end(&events, end).await.is_err() {
        tracing::debug!("a caller left, or read no more, before its call had ended");
    }
}

impl Shared {
    /// The decision for now, and the key of its session's pin. The published world is completed with what is of this
    /// very moment, as far as the rules look at it.
    fn decide_now(&self, live: &Live, request: &CallRequest, now: UnixMs) -> (Decision, Option<PinKey>) {
        let facts = &request.facts;
        let here = (&*self.traffic, &*self.plans, self.ports.clock.as_ref());
        let (world, key) = world_now(live, facts, here, now);
        (decide(facts, &live.config.rules, &world_for(facts.work, &world)), key)
    }

    /// Takes the call's share of its client's limit.
    ///
    /// # Errors
    /// `rate_limit`, with the time to wait.
    fn client_share(&self, live: &Live, request: &CallRequest) -> Result<(), Failure> {
        let clients = &live.config.limits.clients;
        let client = &request.facts.client;
        let Some(limit) = clients.get(client).or_else(|| clients.get("*")) else { return Ok(()) };
        let now = self.ports.clock.now();
        self.traffic.take_client_share(client, *limit, needs(&request.facts).tokens(), now).map_err(|until| {
            let who = if client.is_empty() { "a client without a name" } else { client };
            limited(&format!("{who} has used up its limit (limits.clients)"), until, now, self)
        })
    }

    /// What is worth hearing of the rules beside the decision: observed ones, and conditions without a result.
    fn tell_of_rules(&self, decision: &Decision, id: &CallId) {
        for note in &decision.notes {
            match note.what {
                NoteKind::Observed => {
                    tracing::info!(policy = note.policy, call = %id, "an observed policy would have decided this call");
                }
                NoteKind::NotApplicable => {}
                NoteKind::Skipped | NoteKind::Closed => self.tell(Input::RuleFailed {
                    policy: note.policy.clone(),
                    why: note.why.clone(),
                    applied: note.what == NoteKind::Closed,
                    rules_version: decision.rules_version,
                }),
            }
        }
    }

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

    /// Nobody else is left, and this one has no room.
    fn no_room(&self, limited_by: &Limited, now: UnixMs) -> Failure {
        if limited_by.plan {
            let message = format!("{}: {}", limited_by.provider, limited_by.why);
            return Failure::new(ErrorCode::RateLimit, Cause::PlanUsedUp, message)
                .retry_after(Some(limited_by.until.since(now)));
        }
        limited(&format!("{} has no room in its limits", limited_by.provider), limited_by.until, now, self)
    }

    /// The provider without room now that has some soonest.
    fn first_room(&self, live: &Live, request: &CallRequest) -> Option<(Limited, UnixMs)> {
        let now = self.ports.clock.now();
        let mut world = World::default();
        let here = (&*self.traffic, &*self.plans, self.ports.clock.as_ref());
        add_bounds(live, needs(&request.facts), here, now, &mut world);
        world.limited.into_iter().min_by_key(|limited| limited.until).map(|first| (first, now))
    }

    async fn carry_out(
        &self,
        live: &Arc<Live>,
        request: &CallRequest,
        decision: &Decision,
        ticket: &mut Ticket,
        events: &mpsc::Sender<CallEvent>,
    ) -> Result<(), Failure> {
        let through = &request.facts.through;
        let own = self.ports.upstream.instance();
        if through.len() >= MOST_GATEWAYS || through.iter().any(|other| Some(other.as_str()) == own) {
            return Err(Failure::plain(ErrorCode::InvalidRequest, GOES_ROUND));
        }
        if let Some(message) = &decision.denied {
            return Err(Failure::plain(ErrorCode::Denied, message.clone()));
        }
        self.client_share(live, request)?;
        if decision.chain.is_empty()
            && ticket.rejects().iter().any(|reject| reject.code == "limited")
            && let Some((first, now)) = self.first_room(live, request)
        {
            return Err(self.no_room(&first, now));
        }
        if decision.chain.is_empty()
            && let Some(unpriced) = ticket.rejects().iter().find(|reject| reject.code == "unpriced")
        {
            return Err(reserve::unpriced(&unpriced.target));
        }
        if decision.chain.is_empty() {
            return Err(self.no_route(live, request, ticket.policy()));
        }
        let limit = decision.effects.timeout_ms.map_or(live.config.limits.call_deadline, Duration::from_millis);
        let deadline = ticket.started() + limit;
        chain::walk(self, live, request, decision, ticket, events, deadline).await
    }

    /// Why nobody can take the call, in the world that it was decided in.
    fn no_route(&self, live: &Live, request: &CallRequest, by: &str) -> Failure {
        let facts = &request.facts;
        let code = if by == Decision::NOTHING_NAMED { ErrorCode::NotFound } else { ErrorCode::NoRoute };
        let here = (&*self.traffic, &*self.plans, self.ports.clock.as_ref());
        let (world, _) = world_now(live, facts, here, self.ports.clock.now());
        Failure::plain(code, explain(facts, &live.config.rules, &world_for(facts.work, &world)).sentence)
    }
}

/// How long calls wait at local servers now, and which of these they are kept away from, where the rules ask.
pub(super) fn add_waits(live: &Live, traffic: &Traffic, world: &mut World) {
    let Some(bound) = live.config.rules.spillover_ms else { return };
    for provider in live.world.providers.iter().filter(|provider| provider.reach.is_local()) {
        let Some(profile) = live.profiles.get(&provider.id) else { continue };
        let slots = profile.max_concurrent.unwrap_or(live.config.limits.max_concurrent_requests);
        let load = least_load(provider, &world.load_ms);
        let (wait, spilling) = traffic.wait_for_slot(&provider.id, slots, load, bound);
        if wait > 0 {
            world.waits.push((provider.id.clone(), wait));
        }
        if spilling {
            world.spilling.push(provider.id.clone());
        }
    }
}

/// How long the model that is there soonest would have to load.
fn least_load(provider: &WorldProvider, known: &BTreeMap<Target, u64>) -> u64 {
    if known.is_empty() {
        return 0;
    }
    let loads = provider.models.iter().filter(|model| model.candidate && model.chat && model.remote != Some(true)).map(
        |model| {
            let target = || Target { provider: provider.id.clone(), model: model.id.clone() };
            if model.loaded == Some(false) { known.get(&target()).copied().unwrap_or(0) } else { 0 }
        },
    );
    loads.min().unwrap_or(0)
}

fn limited(what: &str, until: UnixMs, now: UnixMs, shared: &Shared) -> Failure {
    let at = shared.ports.clock.time_of_day(until);
    Failure::plain(ErrorCode::RateLimit, format!("{what} until {at}")).retry_after(Some(until.since(now)))
}
