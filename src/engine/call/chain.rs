//! The chain of targets: attempts in order, retries on the same target, the step to the next one.

use super::super::live::Live;
use super::super::protocol::CallEvent;
use super::super::supervisor::Input;
use super::Shared;
use super::account::Ticket;
use super::attempt::Attempt;
use super::cache::{Keeping, use_of};
use super::handing::hand_over;
use super::leave::Leave;
use super::queue::Slot;
use super::shares::Shares;
use crate::domain::budget::WhenExhausted;
use crate::domain::cache_key::CacheUse;
use crate::domain::call::CallRequest;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::ids::{ProviderId, Target};
use crate::domain::queue::Bounds;
use crate::domain::routing::{Chosen, Decision, WorldProvider};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// The longest wait for a vendor's `Retry-After` when no other target is left, and for a slot for another try when one
/// is.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LONGEST_BACKOFF: Duration = Duration::from_secs(4);

/// What follows a failed attempt.
enum Next {
    /// Try the same target again after this wait.
    Again(Duration),
    Onward,
    GiveUp,
}

/// What became of one target of the chain, where it did not end the call.
enum Visit {
    Answered,
    /// It could not be tried, or not so; what goes wrong at another target says more.
    Untried(Option<Failure>),
    Failed(Failure),
}

/// # Errors
/// The failure that ended the call: the last target's, or the first one's when the configuration says that
/// failures do not switch.
pub async fn walk(
    shared: &Shared,
    live: &Arc<Live>,
    request: &CallRequest,
    decision: &Decision,
    ticket: &mut Ticket,
    events: &mpsc::Sender<CallEvent>,
    deadline: Instant,
) -> Result<(), Failure> {
    let mut ended_in = None;
    let mut lost = HashSet::new();
    let only_kept = use_of(request, decision) == CacheUse::Only;
    for (index, chosen) in decision.chain.iter().enumerate() {
        let target = &chosen.target;
        if lost.contains(&target.provider) {
            ticket.skip(target, "provider_failed", "its provider failed for another model of this call");
            continue;
        }
        let keep = Keeping::of(shared, live, request, decision, target);
        if let Some(keep) = &keep
            && keep.replay(ticket, events, shared.ports.clock.now(), deadline).await?
        {
            return Ok(());
        }
        // Also where nothing is kept at all: nobody is asked.
        if only_kept {
            ticket.skip(target, "not_kept", "no answer of it is kept");
            ended_in.get_or_insert_with(|| nothing_kept(live.config.cache.enabled));
            if index + 1 == decision.chain.len() {
                shared.traffic.kept.count_only_miss();
            }
            continue;
        }
        let attempt = Attempt {
            shared,
            live,
            request,
            chosen,
            local_only: decision.local_only,
            effects: &decision.effects,
            deadline,
            events,
            keep: keep.as_ref(),
        };
        match visit(&attempt, ticket, &decision.chain[index + 1..], &mut lost).await? {
            Visit::Answered => {
                if let Some(keep) = keep {
                    let (usage, finish) = ticket.came();
                    keep.keep(usage, finish, shared.ports.clock.now()).await;
                }
                return Ok(());
            }
            Visit::Untried(None) => {}
            Visit::Untried(Some(failure)) => {
                ended_in.get_or_insert(failure);
            }
            Visit::Failed(failure) => ended_in = Some(failure),
        }
    }
    Err(ended_in.unwrap_or_else(|| {
        Failure::plain(ErrorCode::NoRoute, "every target of the chain is resting after repeated failures")
    }))
}

/// Tries one target, again where that makes sense. Each try has a slot, leave of the breaker and a share of the
/// limits; through a wait nothing is kept but the leave. `lost`: providers that failed for all their models.
///
/// # Errors
/// The failure that ends the call.
async fn visit<'a>(
    attempt: &Attempt<'a>,
    ticket: &mut Ticket,
    rest: &'a [Chosen],
    lost: &mut HashSet<ProviderId>,
) -> Result<Visit, Failure> {
    let Attempt { shared, live, request, chosen, deadline, .. } = *attempt;
    let target = &chosen.target;
    let profile = live.profiles.get(&target.provider).map(|profile| &**profile);
    let switches = live.config.limits.auto_switch_on_failure;
    let allowed = allowed_tries(live, chosen);
    let mut tries_left = allowed;
    let (mut kept, mut before) = (None::<Leave<'_>>, None);
    loop {
        let onward = first_left(rest, lost).filter(|_| switches);
        let by =
            if before.is_some() && onward.is_some() { deadline.min(Instant::now() + LONGEST_WAIT) } else { deadline };
        let slot = match slot(shared, live, request, target, ticket, by).await {
            Ok(slot) => slot,
            Err(failure) if before.is_none() => return Err(failure),
            Err(_) => {
                ticket.skip(target, "no_slot", "no slot came free in time for another try");
                return held_up(attempt, before, None, onward).await;
            }
        };
        let leave = match kept.take() {
            None => Leave::at(shared, target),
            Some(mut leave) => leave.holds().then_some(leave),
        };
        let Some(mut leave) = leave else {
            ticket.skip(target, "breaker_open", "it rests after failures, or one call is trying it now");
            return held_up(attempt, before, None, onward).await;
        };
        let shares = match Shares::take(shared, live, &request.facts, &target.provider, profile, before.is_some()).await
        {
            Ok(shares) => shares,
            Err(full) => {
                ticket.skip(target, "limited", full.message.clone());
                // A trial ends with the try before.
                drop(leave);
                return held_up(attempt, before, Some(full), onward).await;
            }
        };
        tries_left -= 1;
        let tried = try_once(attempt, ticket).await;
        shares.settle(shared, &target.provider, &tried, ticket);
        let Err(failure) = tried else {
            succeeded(shared, live, target, ticket, leave);
            return Ok(Visit::Answered);
        };
        if failure.code == ErrorCode::Budget && !ticket.on_its_way() {
            ticket.unsent(&failure);
            if live.config.money.when_exhausted == WhenExhausted::Refuse {
                return Err(before.unwrap_or(failure));
            }
            if before.is_some() {
                drop(leave);
                return held_up(attempt, before, None, onward).await;
            }
            announce(attempt, &failure, rest.first().map(|chosen| &chosen.target)).await?;
            return Ok(Visit::Untried(Some(failure)));
        }
        if speaks_of_the_provider(&failure) {
            lost.insert(target.provider.clone());
        }
        let following = first_left(rest, lost);
        leave.failed(failure.code.class().breaker);
        let next = if ticket.answering() {
            Next::GiveUp
        } else {
            let again = tries_left > 0 && leave.holds();
            judge(&failure, following.is_some() && switches, again, allowed - tries_left, deadline)
        };
        let not_here = failure.cause == Cause::NotSayable && switches;
        let moved_to = following.filter(|_| not_here || matches!(next, Next::Onward));
        if matches!(next, Next::Again(_)) {
            kept = Some(leave);
        } else {
            // What its breaker says now is known before anybody hears of the failure.
            drop(leave);
        }
        failed(shared, live, target, ticket, &failure, moved_to);
        if not_here {
            announce(attempt, &failure, following).await?;
            return Ok(Visit::Untried(Some(failure)));
        }
        match next {
            Next::GiveUp => return Err(failure),
            Next::Again(wait) => {
                // Others may use the slot meanwhile.
                drop(slot);
                sleep(wait).await;
                before = Some(failure);
            }
            Next::Onward => {
                announce(attempt, &failure, following).await?;
                return Ok(Visit::Failed(failure));
            }
        }
    }
}

/// The target cannot be tried now. After a try that failed `before` that failure is told, not why no other followed.
///
/// # Errors
/// That failure, where nothing follows or no time is left for it.
async fn held_up(
    attempt: &Attempt<'_>,
    before: Option<Failure>,
    why: Option<Failure>,
    onward: Option<&Target>,
) -> Result<Visit, Failure> {
    let Some(failure) = before else { return Ok(Visit::Untried(why)) };
    if onward.is_none() || !failure.code.class().next_target || Instant::now() >= attempt.deadline {
        return Err(failure);
    }
    let (target, moved_to) = (attempt.chosen.target.clone(), onward.cloned());
    attempt.shared.tell(Input::Attempted { target, failure: Some(failure.clone()), moved_to });
    announce(attempt, &failure, onward).await?;
    Ok(Visit::Failed(failure))
}

/// The next target whose provider has not failed altogether.
fn first_left<'a>(rest: &'a [Chosen], lost: &HashSet<ProviderId>) -> Option<&'a Target> {
    rest.iter().map(|chosen| &chosen.target).find(|next| !lost.contains(&next.provider))
}

fn nothing_kept(enabled: bool) -> Failure {
    let message = if enabled {
        "no answer to this request is kept, and the caller asked for a kept one only: ask without x-lmdeck-cache: only"
    } else {
        "no answers are kept (cache.enabled is off), and the caller asked for a kept one only: ask without \
         x-lmdeck-cache: only, or switch the cache on"
    };
    Failure::plain(ErrorCode::NotFound, message)
}

/// A slot at the target's provider. A call that had one already waits for the next, however many wait.
async fn slot<'a>(
    shared: &'a Shared,
    live: &Live,
    request: &CallRequest,
    target: &Target,
    ticket: &mut Ticket,
    deadline: Instant,
) -> Result<Slot<'a>, Failure> {
    let limits = &live.config.limits;
    let bounds = Bounds {
        total: limits.max_concurrent_requests,
        provider: live.profiles.get(&target.provider).and_then(|profile| profile.max_concurrent),
        waiting: if ticket.tries() == 0 { limits.queue } else { usize::MAX },
    };
    let queued = Instant::now();
    let priority = request.facts.priority;
    let slot = shared.traffic.slots.enter(&target.provider, priority, bounds, ticket.started(), deadline).await;
    ticket.waited(queued.elapsed());
    slot
}

/// Failures that another model of the same provider would meet as well: its server or its account.
fn speaks_of_the_provider(failure: &Failure) -> bool {
    matches!(failure.code, ErrorCode::Auth | ErrorCode::Quota | ErrorCode::RateLimit)
        || matches!(failure.cause, Cause::Refused | Cause::ConnectTimeout | Cause::Dns | Cause::Tls { .. })
}

async fn try_once(attempt: &Attempt<'_>, ticket: &mut Ticket) -> Result<(), Failure> {
    let target = &attempt.chosen.target;
    ticket.begin(target);
    attempt.shared.traffic.update(ticket.id(), |running| running.target = Some(target.clone()));
    let trying = CallEvent::Trying { call_id: ticket.id().clone(), target: target.clone(), attempt: ticket.tries() };
    hand_over(attempt.events, trying, attempt.deadline).await?;
    attempt.run(ticket).await
}

fn allowed_tries(live: &Live, chosen: &Chosen) -> u32 {
    let retries = live.profiles.get(&chosen.target.provider).map_or(0, |profile| profile.max_retries);
    if live.config.limits.retry_on_failure { retries.saturating_add(1) } else { 1 }
}

/// Which way to go on after a failure before any answer byte. `more_targets`: another one may be tried; `again`: this
/// one may be.
fn judge(failure: &Failure, more_targets: bool, again: bool, tries: u32, deadline: Instant) -> Next {
    let onward = more_targets && failure.code.class().next_target;
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        // Whoever comes next has no time to answer either.
        return Next::GiveUp;
    }
    let told = failure.retry_after_ms.map(Duration::from_millis);
    if onward && (told.is_some() || failure.code == ErrorCode::RateLimit) {
        return Next::Onward;
    }
    let wait = told.unwrap_or_else(|| backoff(tries));
    if again && failure.retry_same() && wait <= LONGEST_WAIT && wait < left {
        Next::Again(wait)
    } else if onward {
        Next::Onward
    } else {
        Next::GiveUp
    }
}

/// Doubling, with a jitter of a quarter that spreads callers who failed together.
fn backoff(tries: u32) -> Duration {
    let base = FIRST_BACKOFF.saturating_mul(1 << tries.saturating_sub(1).min(8)).min(LONGEST_BACKOFF);
    let nanos = std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), tries) % 256;
    base * 3 / 4 + base * u32::try_from(nanos).unwrap_or(0) / 512
}

fn succeeded(shared: &Shared, live: &Live, target: &Target, ticket: &mut Ticket, leave: Leave<'_>) {
    if let Some(ttft) = ticket.attempt_ttft_ms() {
        shared.traffic.note_ttft(target, ttft);
    }
    ticket.finish(live, None);
    if leave.answered() {
        shared.tell(Input::Attempted { target: target.clone(), failure: None, moved_to: None });
    }
}

/// Notes a failed attempt everywhere it matters. An attempt whose bytes reached the caller stays open in the
/// ticket, so that the outcome can say so.
fn failed(
    shared: &Shared,
    live: &Live,
    target: &Target,
    ticket: &mut Ticket,
    failure: &Failure,
    moved_to: Option<&Target>,
) {
    let now = shared.ports.clock.now();
    if !ticket.answering() {
        ticket.finish(live, Some(failure));
    }
    if failure.code.class().retry_same
        && let Some(wait) = failure.retry_after_ms
    {
        let until = now.plus(Duration::from_millis(wait));
        if failure.cause == Cause::PlanUsedUp {
            shared.plans.tell(&target.provider, until);
        } else if speaks_of_the_provider(failure) {
            shared.traffic.park(&target.provider, until, now);
        } else {
            shared.traffic.rest(target, until, now);
        }
    }
    let account = |known: &WorldProvider| known.kind.is_vendor() || !known.reach.is_local();
    let far = live.world.providers.iter().any(|known| known.id == target.provider && account(known));
    if failure.code == ErrorCode::Quota && far {
        shared.traffic.stop(&target.provider, &failure.message, now);
    }
    let moved_to = moved_to.cloned();
    shared.tell(Input::Attempted { target: target.clone(), failure: Some(failure.clone()), moved_to });
}

async fn announce(attempt: &Attempt<'_>, failure: &Failure, to: Option<&Target>) -> Result<(), Failure> {
    let from = attempt.chosen.target.clone();
    let event = CallEvent::FellBack { from, failure: Box::new(failure.clone()), to: to.cloned() };
    hand_over(attempt.events, event, attempt.deadline).await
}
