//! What calls leave behind for each other and for health: breakers, results of the last minutes, parked
//! providers, running and ended calls. Shared between call tasks and the supervisor; every lock is held for a few
//! instructions and never across an await.
//!
//! A call that goes well sends the supervisor no message: it leaves its traces here and the supervisor collects
//! them before it publishes, so that a thousand calls a second wake it twenty times.

use super::call::cache::Cache;
use super::call::queue::{Slots, expected_wait_ms};
use super::ended::Ended;
use super::loads::Loads;
use super::pins::Pins;
use super::protocol::{FlowView, LIMITS_SHOWN, LimitView, RunningCall};
use crate::domain::breaker::{Breaker, Pass};
use crate::domain::config::Config;
use crate::domain::health::CallTally;
use crate::domain::ids::{CallId, ModelId, ProviderId, Target};
use crate::domain::rate::{LastMinute, Needs, RateLimit, RateState};
use crate::domain::routing::spills;
use crate::domain::time::{UnixMs, Until};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How far back results count for `degraded` (DESIGN §4).
const TALLY_WINDOW: Duration = Duration::from_mins(5);
/// Results kept per provider; beyond it the oldest go, which only shortens the window under heavy load.
const TALLY_CAPACITY: usize = 4096;

/// Ended calls waiting to be counted; when full the oldest go, and the day's sums are exact again at their next
/// reading from the ledger.
const ENDED_CAPACITY: usize = 65_536;

/// How long a vendor without credit is left alone before a call tries it again, where nobody asks sooner.
const NO_CREDIT: Duration = Duration::from_mins(10);

/// Targets whose pace is kept; calls of further ones are not counted per target.
const PACES: usize = 4096;

/// Clients whose last minute is kept; beyond it those who did nothing in it are forgotten.
const CLIENTS: usize = 4096;

#[derive(Default)]
pub struct Traffic {
    inner: Mutex<Inner>,
    changed: Notify,
    /// Models on their way into memory or out of it.
    pub loads: Loads,
    /// Who may call now, and who waits.
    pub slots: Slots,
    /// Answers that may serve again.
    pub kept: Cache,
    /// Which target answered each session last.
    pub pins: Pins,
}

/// The calls that one target answered since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    pub calls: u64,
    tokens: u64,
    writing_ms: u64,
}

impl Pace {
    /// Tokens a second while it writes.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn tokens_per_s(self) -> Option<f64> {
        (self.writing_ms > 0).then(|| self.tokens as f64 * 1000.0 / self.writing_ms as f64)
    }
}

/// What calls left behind at one target.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    /// Until when its breaker is open.
    pub breaker_until: Option<UnixMs>,
    pub ttft_ms: Option<u64>,
    pub pace: Pace,
}

/// The results of the last minutes at one provider.
#[derive(Default)]
struct Results {
    results: VecDeque<(UnixMs, bool)>,
    failed: usize,
}

impl Results {
    fn push(&mut self, at: UnixMs, ok: bool) {
        self.results.push_back((at, ok));
        self.failed += usize::from(!ok);
        if self.results.len() > TALLY_CAPACITY {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some((_, ok)) = self.results.pop_front() {
            self.failed -= usize::from(!ok);
        }
    }

    fn forget_before(&mut self, now: UnixMs) {
        while self.results.front().is_some_and(|(at, _)| now.since(*at) > TALLY_WINDOW) {
            self.pop();
        }
    }
}

#[derive(Default)]
struct Inner {
    breakers: BTreeMap<Target, Breaker>,
    results: BTreeMap<ProviderId, Results>,
    ended: VecDeque<Ended>,
    paces: BTreeMap<Target, Pace>,
    parked: BTreeMap<ProviderId, Until>,
    rates: BTreeMap<ProviderId, RateState>,
    /// Vendors that only a person can help on: until when they are left alone, and why.
    stopped: BTreeMap<ProviderId, (Until, String)>,
    running: BTreeMap<CallId, (RunningCall, CancellationToken)>,
    /// What was used of the limits per minute.
    minutes: BTreeMap<ProviderId, LastMinute>,
    clients: BTreeMap<String, LastMinute>,
    /// How long whole calls took: a sliding mean in milliseconds.
    took: BTreeMap<ProviderId, u64>,
    /// Local servers that callers are kept away from while they are busy.
    spilling: BTreeSet<ProviderId>,
    /// How long answers took to begin, of streams: a sliding mean in milliseconds.
    ttft: BTreeMap<Target, u64>,
    /// Calls turned away because their client had used up its limit.
    limited: u64,
}

impl Inner {
    fn park(&mut self, provider: &ProviderId, until: UnixMs, now: UnixMs) {
        let longer =
            self.parked.get(provider).and_then(|parked| parked.at(now)).map_or(until, |known| known.max(until));
        self.parked.insert(provider.clone(), Until::of(now, longer));
    }

    /// Until when its vendor said that it has no room.
    fn told_until(&self, provider: &ProviderId, needs: Needs, now: UnixMs) -> Option<UnixMs> {
        self.rates.get(provider).and_then(|rate| rate.short_until(needs, now))
    }

    /// Until when the person's own limit leaves no room.
    fn full_until(
        &mut self,
        provider: &ProviderId,
        limit: Option<RateLimit>,
        needs: Needs,
        now: UnixMs,
    ) -> Option<UnixMs> {
        self.minutes.get_mut(provider)?.full_until(limit?, needs.tokens(), now)
    }
}

impl Traffic {
    /// A poisoned lock means a panic between two plain assignments: the data is still whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leave for a try at `target`; takes the one trial of a half-open breaker, which is owed a [`Self::note`] or a
    /// [`Self::release`]. `None` while the breaker keeps calls away.
    pub fn admits(&self, target: &Target, now: UnixMs) -> Option<Pass> {
        self.lock().breakers.get_mut(target).map_or(Some(Pass::Usual), |breaker| breaker.admits(now))
    }

    /// The same for a call that was there before and has waited as it was told.
    pub fn admits_again(&self, target: &Target, now: UnixMs) -> Option<Pass> {
        self.lock().breakers.get_mut(target).map_or(Some(Pass::Usual), |breaker| breaker.admits_again(now))
    }

    /// No calls to the target until then: it said so when it failed. The provider's other models may do better.
    pub fn rest(&self, target: &Target, until: UnixMs, now: UnixMs) {
        self.lock().breakers.entry(target.clone()).or_default().rest(until, now);
    }

    /// Notes a result that says something of the target's health. Returns whether it is news: a breaker opened or
    /// closed, or the provider's last result was another one.
    pub fn note(&self, target: &Target, pass: Pass, ok: bool, now: UnixMs) -> bool {
        let mut inner = self.lock();
        let before = inner.breakers.get(target).is_some_and(|breaker| breaker.is_open(now));
        let last = inner.results.get(&target.provider).and_then(|results| results.results.back()).map(|(_, ok)| *ok);
        inner.breakers.entry(target.clone()).or_default().record(pass, ok, now);
        inner.results.entry(target.provider.clone()).or_default().push(now, ok);
        let after = inner.breakers.get(target).is_some_and(|breaker| breaker.is_open(now));
        before != after || last != Some(ok)
    }

    /// A try ended without a result that says anything of the target's health (the caller's mistakes, rate limits,
    /// cancels): the next caller may make the trial.
    pub fn release(&self, target: &Target, pass: Pass) {
        if let Some(breaker) = self.lock().breakers.get_mut(target) {
            breaker.release(pass);
        }
    }

    /// Notes how long an answer took to begin. The mean leans to the newest quarter, so that a model which was just
    /// loaded does not stay slow for long.
    pub fn note_ttft(&self, target: &Target, ms: u64) {
        let mut inner = self.lock();
        let mean = inner.ttft.entry(target.clone()).or_insert(ms);
        *mean = (*mean * 3 + ms) / 4;
    }

    /// Calls under way at each of `providers`, in their order.
    pub fn in_flight<'p>(&self, providers: impl Iterator<Item = &'p ProviderId>) -> Vec<u32> {
        let inner = self.lock();
        let at = |id: &ProviderId| {
            let here = |call: &&(RunningCall, CancellationToken)| {
                call.0.target.as_ref().is_some_and(|target| &target.provider == id)
            };
            u32::try_from(inner.running.values().filter(here).count()).unwrap_or(u32::MAX)
        };
        providers.map(at).collect()
    }

    /// Until when a provider has no room for a request, by the person's limit and by what its vendor said is left.
    pub fn limited_until(
        &self,
        provider: &ProviderId,
        limit: Option<RateLimit>,
        needs: Needs,
        now: UnixMs,
    ) -> Option<UnixMs> {
        let mut inner = self.lock();
        inner.told_until(provider, needs, now).max(inner.full_until(provider, limit, needs, now))
    }

    /// Takes a request's share of the limits, all or nothing. For another try (`again`) only the person's own limit
    /// counts: what its vendor said is left was said in answer to the try before, with when to come again.
    ///
    /// # Errors
    /// Until when there is no room.
    pub fn take_share(
        &self,
        provider: &ProviderId,
        limit: Option<RateLimit>,
        needs: Needs,
        now: UnixMs,
        again: bool,
    ) -> Result<(), UnixMs> {
        let mut inner = self.lock();
        let told = if again { None } else { inner.told_until(provider, needs, now) };
        if let Some(until) = told.max(inner.full_until(provider, limit, needs, now)) {
            return Err(until);
        }
        if limit.is_some() {
            inner.minutes.entry(provider.clone()).or_default().take(needs.tokens(), now);
        }
        if let Some(rate) = inner.rates.get_mut(provider).filter(|_| !again) {
            rate.take(needs);
        }
        Ok(())
    }

    /// Notes what others took of providers' limits, the oldest first.
    pub fn recall_minute(&self, taken: Vec<(ProviderId, UnixMs, u64)>) {
        let mut inner = self.lock();
        for (provider, at, tokens) in taken {
            inner.minutes.entry(provider).or_default().take(tokens, at);
        }
    }

    /// Puts what a request really used in the place of its share.
    pub fn correct_share(&self, provider: &ProviderId, at: UnixMs, needs: Needs, used: u64) {
        if let Some(minute) = self.lock().minutes.get_mut(provider) {
            minute.correct(at, needs.tokens(), used);
        }
    }

    /// Puts a request's share back: it never reached its provider. `again`: it was another try's.
    pub fn give_share_back(&self, provider: &ProviderId, at: UnixMs, needs: Needs, again: bool) {
        let mut inner = self.lock();
        if let Some(minute) = inner.minutes.get_mut(provider) {
            minute.give_back(at, needs.tokens());
        }
        // What the vendor said since then counts the request right.
        if let Some(rate) = inner.rates.get_mut(provider).filter(|rate| !again && rate.at <= at) {
            rate.give_back(needs);
        }
    }

    /// Takes a call's share of its client's limit.
    ///
    /// # Errors
    /// Until when there is no room.
    pub fn take_client_share(&self, client: &str, limit: RateLimit, tokens: u64, now: UnixMs) -> Result<(), UnixMs> {
        let mut inner = self.lock();
        if inner.clients.len() >= CLIENTS && !inner.clients.contains_key(client) {
            inner.clients.retain(|_, minute| !minute.is_idle(now));
        }
        let minute = inner.clients.entry(client.to_owned()).or_default();
        if let Some(until) = minute.full_until(limit, tokens, now) {
            inner.limited += 1;
            return Err(until);
        }
        minute.take(tokens, now);
        Ok(())
    }

    /// How long a call would wait for a slot at `provider`: those ahead, each as long as usual, over its slots; and
    /// whether callers are kept away from it until that is less. `load_ms` is what its model takes to load.
    pub fn wait_for_slot(&self, provider: &ProviderId, slots: usize, load_ms: u64, bound_ms: u64) -> (u64, bool) {
        let (waiting, running) = self.slots.at(provider);
        let ahead = (waiting + running + 1).saturating_sub(slots.max(1));
        let mut inner = self.lock();
        let usual = inner.took.get(provider).copied().unwrap_or(0);
        let wait = expected_wait_ms(ahead, usual, slots);
        let spilling = spills(wait, load_ms, bound_ms, inner.spilling.contains(provider));
        if !spilling {
            inner.spilling.remove(provider);
        } else if !inner.spilling.contains(provider) {
            inner.spilling.insert(provider.clone());
        }
        (wait, spilling)
    }

    /// What calls left behind at the targets of `provider`; nothing for those without a trace.
    pub fn marks(&self, provider: &ProviderId, now: UnixMs) -> BTreeMap<ModelId, Mark> {
        let inner = self.lock();
        let mut marks: BTreeMap<ModelId, Mark> = BTreeMap::new();
        let here = |target: &Target| &target.provider == provider;
        for (target, breaker) in inner.breakers.iter().filter(|(target, _)| here(target)) {
            if let Some(until) = breaker.open_until(now) {
                marks.entry(target.model.clone()).or_default().breaker_until = Some(until);
            }
        }
        for (target, ms) in inner.ttft.iter().filter(|(target, _)| here(target)) {
            marks.entry(target.model.clone()).or_default().ttft_ms = Some(*ms);
        }
        for (target, pace) in inner.paces.iter().filter(|(target, _)| here(target)) {
            marks.entry(target.model.clone()).or_default().pace = *pace;
        }
        marks
    }

    /// Whether any breaker of the provider is open.
    pub fn any_breaker_open(&self, provider: &ProviderId, now: UnixMs) -> bool {
        self.lock().breakers.iter().any(|(target, breaker)| &target.provider == provider && breaker.is_open(now))
    }

    pub fn tally(&self, provider: &ProviderId, now: UnixMs) -> CallTally {
        let mut inner = self.lock();
        let Some(results) = inner.results.get_mut(provider) else { return CallTally::default() };
        results.forget_before(now);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        CallTally { calls: count(results.results.len()), failed: count(results.failed) }
    }

    /// No calls to the provider until then (a rate limit), or longer where that was said already.
    pub fn park(&self, provider: &ProviderId, until: UnixMs, now: UnixMs) {
        self.lock().park(provider, until, now);
    }

    pub fn parked_until(&self, provider: &ProviderId, now: UnixMs) -> Option<UnixMs> {
        self.lock().parked.get(provider)?.at(now)
    }

    /// No calls to the provider before a person did something about it: its account has no credit. It is tried again
    /// when somebody asks for a probe of it, when its profile changes, or after ten minutes.
    pub fn stop(&self, provider: &ProviderId, why: &str, now: UnixMs) {
        let until = Until::of(now, now.plus(NO_CREDIT));
        self.lock().stopped.insert(provider.clone(), (until, why.to_owned()));
    }

    /// Why a person has to help the provider on, where that is so.
    pub fn stopped(&self, provider: &ProviderId, now: UnixMs) -> Option<String> {
        self.lock().stopped.get(provider).filter(|(until, _)| until.at(now).is_some()).map(|(_, why)| why.clone())
    }

    /// Somebody says that the provider may be tried again.
    pub fn let_go(&self, provider: &ProviderId) {
        let mut inner = self.lock();
        inner.stopped.remove(provider);
        inner.parked.remove(provider);
        let here = inner.breakers.iter_mut().filter(|(target, _)| &target.provider == provider);
        here.for_each(|(_, breaker)| breaker.wake());
    }

    /// Keeps what a vendor says of its limits. One that says nothing is left is parked until its reset: the next
    /// call would only be refused.
    pub fn note_rate(&self, provider: &ProviderId, rate: &RateState, now: UnixMs) {
        let mut inner = self.lock();
        if let Some(until) = rate.exhausted_until(now) {
            inner.park(provider, until, now);
        }
        match inner.rates.get_mut(provider) {
            Some(known) => known.clone_from(rate),
            None => {
                inner.rates.insert(provider.clone(), rate.clone());
            }
        }
    }

    /// What was last said of a provider's limits.
    pub fn rate(&self, provider: &ProviderId) -> Option<RateState> {
        self.lock().rates.get(provider).cloned()
    }

    /// Forgets what was learned about a provider whose profile changed or that was tested again.
    pub fn forget(&self, provider: &ProviderId) {
        let mut inner = self.lock();
        inner.breakers.retain(|target, _| &target.provider != provider);
        inner.results.remove(provider);
        inner.parked.remove(provider);
        inner.rates.remove(provider);
        inner.took.remove(provider);
        inner.spilling.remove(provider);
        inner.stopped.remove(provider);
        drop(inner);
        self.kept.forget(provider);
    }

    pub fn begin(&self, call: RunningCall, cancel: CancellationToken) {
        self.lock().running.insert(call.id.clone(), (call, cancel));
        self.changed.notify_one();
    }

    pub fn update(&self, id: &CallId, change: impl FnOnce(&mut RunningCall)) {
        if let Some((call, _)) = self.lock().running.get_mut(id) {
            change(call);
        }
        self.changed.notify_one();
    }

    pub fn end(&self, ended: Ended) {
        let mut inner = self.lock();
        inner.running.remove(&ended.id);
        if let Some((target, writing)) = &ended.answered
            && (inner.paces.len() < PACES || inner.paces.contains_key(target))
        {
            let pace = inner.paces.entry(target.clone()).or_default();
            pace.calls += 1;
            let (tokens, ms) = writing.unwrap_or_default();
            pace.tokens += tokens;
            pace.writing_ms += ms;
        }
        if let Some((target, _)) = &ended.answered {
            let mean = inner.took.entry(target.provider.clone()).or_insert(ended.took_ms);
            *mean = (*mean * 3 + ended.took_ms) / 4;
        }
        if inner.ended.len() == ENDED_CAPACITY {
            inner.ended.pop_front();
        }
        inner.ended.push_back(ended);
        drop(inner);
        self.changed.notify_one();
    }

    /// The counters of slots, limits and kept answers.
    pub fn flow(&self, config: &Config, now: UnixMs) -> FlowView {
        let (limits, limited) = self.limits(config, now);
        let (queue, cache) = (self.slots.view(&config.limits), self.kept.view(&config.cache, now));
        FlowView { queue, cache, limits, limited, export: None }
    }

    /// The limits that were used in the last minute, the fullest first, and how many calls found none left.
    fn limits(&self, config: &Config, now: UnixMs) -> (Vec<LimitView>, u64) {
        let mut inner = self.lock();
        let mut views = Vec::new();
        let mut add = |of: &str, client: bool, limit: RateLimit, minute: &mut LastMinute| {
            let (requests, tokens) = minute.used(now);
            if requests > 0 {
                let (requests_limit, tokens_limit) = (limit.requests_per_minute, limit.tokens_per_minute);
                views.push(LimitView { of: of.to_owned(), client, requests, requests_limit, tokens, tokens_limit });
            }
        };
        for profile in &config.providers {
            if let (Some(limit), Some(minute)) = (profile.rate_limit, inner.minutes.get_mut(&profile.id)) {
                add(profile.id.as_str(), false, limit, minute);
            }
        }
        let clients = &config.limits.clients;
        for (name, minute) in &mut inner.clients {
            if let Some(limit) = clients.get(name).or_else(|| clients.get("*")) {
                add(name, true, *limit, minute);
            }
        }
        views.sort_by(|a, b| b.permille().cmp(&a.permille()).then_with(|| (a.client, &a.of).cmp(&(b.client, &b.of))));
        views.truncate(LIMITS_SHOWN);
        (views, inner.limited)
    }

    /// Something that a picture shows is another than before.
    pub fn note_change(&self) {
        self.changed.notify_one();
    }

    /// The calls that ended since the last time.
    pub fn take_ended(&self) -> VecDeque<Ended> {
        std::mem::take(&mut self.lock().ended)
    }

    /// Waits until a call began, wrote its first byte or ended.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    pub fn running(&self) -> Vec<RunningCall> {
        self.lock().running.values().map(|(call, _)| call.clone()).collect()
    }

    /// Stops every running call, and waits until all have ended.
    pub async fn end_all(&self) {
        while self.cancel_all() {
            self.changed().await;
        }
    }

    /// Stops every running call; false when there is none.
    fn cancel_all(&self) -> bool {
        let inner = self.lock();
        inner.running.values().for_each(|(_, cancel)| cancel.cancel());
        !inner.running.is_empty()
    }

    /// Stops a running call; false when there is none of that id.
    pub fn cancel(&self, id: &CallId) -> bool {
        self.lock().running.get(id).is_some_and(|(_, cancel)| {
            cancel.cancel();
            true
        })
    }
}
