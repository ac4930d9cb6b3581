//! The chain of targets: attempts in order, retries on the same target, the step to the next one.

use super::super::live::Live;
use super::super::plans::Taken;
use super::super::protocol::CallEvent;
use super::super::supervisor::Input;
use super::account::Ticket;
use super::attempt::Attempt;
use super::cache::Keeping;
use super::queue::Slot;
use super::{Shared, limited, needs};
use crate::domain::budget::WhenExhausted;
use crate::domain::call::CallRequest;
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::ids::Target;
use crate::domain::queue::Bounds;
use crate::domain::rate::Needs;
use crate::domain::routing::{Chosen, Decision, Limited, WorldProvider};
use crate::domain::time::UnixMs;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// The longest wait for a vendor's `Retry-After` when no other target is left.
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
    for (index, chosen) in decision.chain.iter().enumerate() {
        let target = &chosen.target;
        if lost.contains(&target.provider) {
            ticket.skip(target, "provider_failed", "its provider failed for another model of this call");
            continue;
        }
        let keep = Keeping::of(shared, live, request, decision, target);
        if let Some(keep) = &keep {
            if keep.replay(ticket, events, shared.ports.clock.now()).await? {
                return Ok(());
            }
            if keep.only {
                ticket.skip(target, "not_kept", "no answer of it is kept");
                ended_in.get_or_insert_with(nothing_kept);
                if index + 1 == decision.chain.len() {
                    shared.traffic.kept.count_only_miss();
                }
                continue;
            }
        }
        let _slot = slot(shared, live, request, target, ticket, deadline).await?;
        let (share, at) = (needs(&request.facts), shared.ports.clock.now());
        let profile = live.profiles.get(&target.provider);
        if let Err(full) = minute_share(shared, profile, chosen, share, at) {
            ticket.skip(target, "limited", full.message.clone());
            ended_in.get_or_insert(full);
            continue;
        }
        if !shared.traffic.admits(target, shared.ports.clock.now()) {
            ticket.skip(target, "breaker_open", "it failed repeatedly; one call is trying it now");
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
        let allowed = allowed_tries(live, chosen);
        let mut tries_left = allowed;
        loop {
            tries_left -= 1;
            let tried = match try_counted(&attempt, profile, ticket, share, at).await {
                Ok(tried) => tried,
                Err(full) => {
                    shared.traffic.note(target, false, false, shared.ports.clock.now());
                    ended_in.get_or_insert(full);
                    break;
                }
            };
            let Err(failure) = tried else {
                succeeded(shared, live, target, ticket);
                if let Some(keep) = keep {
                    let (usage, finish) = ticket.came();
                    keep.keep(usage, finish, shared.ports.clock.now()).await;
                }
                return Ok(());
            };
            if failure.code == ErrorCode::Budget && !ticket.on_its_way() {
                let next = decision.chain.get(index + 1).map(|chosen| &chosen.target);
                let failure = unpaid(shared, live, ticket, events, target, failure, next).await?;
                ended_in.get_or_insert(failure);
                break;
            }
            if speaks_of_the_provider(&failure) {
                lost.insert(target.provider.clone());
            }
            let mut rest = decision.chain[index + 1..].iter().map(|chosen| &chosen.target);
            let following = rest.find(|next| !lost.contains(&next.provider));
            let next = if ticket.answering() {
                Next::GiveUp
            } else {
                judge(&failure, live, following.is_some(), tries_left, allowed - tries_left, deadline)
            };
            let moved_to = following.filter(|_| matches!(next, Next::Onward));
            failed(shared, live, target, ticket, &failure, moved_to);
            match next {
                Next::GiveUp => return Err(failure),
                Next::Again(wait) => sleep(wait).await,
                Next::Onward => {
                    announce(events, target, &failure, following).await?;
                    ended_in = Some(failure);
                    break;
                }
            }
        }
    }
    Err(ended_in.unwrap_or_else(|| {
        Failure::plain(ErrorCode::NoRoute, "every target of the chain is resting after repeated failures")
    }))
}

/// There was no money for this target, and nobody was asked: it counts as one that could not be tried.
///
/// # Errors
/// The failure itself, where the configuration wants calls refused then.
async fn unpaid(
    shared: &Shared,
    live: &Live,
    ticket: &mut Ticket,
    events: &mpsc::Sender<CallEvent>,
    target: &Target,
    failure: Failure,
    next: Option<&Target>,
) -> Result<Failure, Failure> {
    ticket.unsent(&failure);
    shared.traffic.note(target, false, false, shared.ports.clock.now());
    if live.config.money.when_exhausted == WhenExhausted::Refuse {
        return Err(failure);
    }
    announce(events, target, &failure, next).await?;
    Ok(failure)
}

/// The call's share of its provider's limits per minute.
fn minute_share(
    shared: &Shared,
    profile: Option<&Arc<Profile>>,
    chosen: &Chosen,
    share: Needs,
    at: UnixMs,
) -> Result<(), Failure> {
    let provider = &chosen.target.provider;
    let limit = profile.and_then(|profile| profile.rate_limit);
    let taken = shared.traffic.take_share(provider, limit, share, at);
    taken.map_err(|until| limited(&format!("{provider} has no room in its limits"), until, at, shared))
}

/// One try, counted against its provider's plan, where it has one: every request that is sent counts.
///
/// # Errors
/// The plan has no room for it: nothing was sent.
async fn try_counted(
    attempt: &Attempt<'_>,
    profile: Option<&Arc<Profile>>,
    ticket: &mut Ticket,
    share: Needs,
    at: UnixMs,
) -> Result<Result<(), Failure>, Failure> {
    let (shared, target) = (attempt.shared, &attempt.chosen.target);
    let taken = match profile.filter(|profile| profile.plan.is_some()) {
        None => None,
        Some(profile) => match plan_share(shared, attempt.live, profile, share).await {
            Ok(taken) => taken,
            Err(full) => {
                ticket.skip(target, "limited", full.message.clone());
                return Err(full);
            }
        },
    };
    let tried = try_once(attempt, ticket).await;
    match (&tried, taken) {
        (Ok(()), taken) => {
            if let Some(used) = ticket.attempt_tokens() {
                shared.traffic.correct_share(&target.provider, at, share, used);
                if let Some(taken) = taken {
                    shared.plans.correct(taken, used);
                }
            }
        }
        (Err(failure), Some(taken)) if !ticket.on_its_way() || failure.cause.never_arrived() => {
            shared.plans.give_back(taken);
        }
        (Err(_), _) => {}
    }
    Ok(tried)
}

async fn plan_share(shared: &Shared, live: &Live, profile: &Profile, share: Needs) -> Result<Option<Taken>, Failure> {
    let zone = live.config.money.timezone.as_deref();
    shared.plans.take(profile, zone, share.tokens()).await.map_err(|until| {
        let now = shared.ports.clock.now();
        let why = shared.plans.used_up(until, now);
        shared.no_room(&Limited { provider: profile.id.clone(), until, why, plan: true }, now)
    })
}

fn nothing_kept() -> Failure {
    Failure::plain(
        ErrorCode::NotFound,
        "no answer to this request is kept, and the caller asked for a kept one only: ask without x-lmdeck-cache: only",
    )
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
    attempt.events.send(trying).await.map_err(|_| Failure::cancelled())?;
    attempt.run(ticket).await
}

fn allowed_tries(live: &Live, chosen: &Chosen) -> u32 {
    let retries = live.profiles.get(&chosen.target.provider).map_or(0, |profile| profile.max_retries);
    if live.config.limits.retry_on_failure { retries.saturating_add(1) } else { 1 }
}

/// Which way to go on after a failure before any answer byte.
fn judge(failure: &Failure, live: &Live, more_targets: bool, tries_left: u32, tries: u32, deadline: Instant) -> Next {
    let class = failure.code.class();
    let more_targets = more_targets && live.config.limits.auto_switch_on_failure;
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        // Whoever comes next has no time to answer either.
        return Next::GiveUp;
    }
    if failure.code == ErrorCode::RateLimit {
        if more_targets {
            return Next::Onward;
        }
        let wait = failure.retry_after_ms.map_or_else(|| backoff(tries), Duration::from_millis);
        return if failure.retry_same() && tries_left > 0 && wait <= LONGEST_WAIT && wait < left {
            Next::Again(wait)
        } else {
            Next::GiveUp
        };
    }
    let wait = backoff(tries);
    if failure.retry_same() && tries_left > 0 && wait < left {
        Next::Again(wait)
    } else if class.next_target && more_targets {
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

fn succeeded(shared: &Shared, live: &Live, target: &Target, ticket: &mut Ticket) {
    if let Some(ttft) = ticket.attempt_ttft_ms() {
        shared.traffic.note_ttft(target, ttft);
    }
    ticket.finish(live, None);
    let news = shared.traffic.note(target, true, true, shared.ports.clock.now());
    if news {
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
    shared.traffic.note(target, false, failure.code.class().breaker, now);
    if failure.code == ErrorCode::RateLimit
        && let Some(wait) = failure.retry_after_ms
    {
        let until = now.plus(Duration::from_millis(wait));
        if failure.cause == Cause::PlanUsedUp {
            shared.plans.tell(&target.provider, until);
        } else {
            shared.traffic.park(&target.provider, until, now);
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

async fn announce(
    events: &mpsc::Sender<CallEvent>,
    from: &Target,
    failure: &Failure,
    to: Option<&Target>,
) -> Result<(), Failure> {
    let event = CallEvent::FellBack { from: from.clone(), failure: failure.clone(), to: to.cloned() };
    events.send(event).await.map_err(|_| Failure::cancelled())
}
