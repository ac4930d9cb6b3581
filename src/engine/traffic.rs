//! What calls leave behind for each other and for health: breakers, results of the last minutes, parked
//! providers, running calls. Shared between call tasks and the supervisor; every lock is held for a few
//! instructions and never across an await.

use super::protocol::RunningCall;
use crate::domain::breaker::Breaker;
use crate::domain::health::CallTally;
use crate::domain::ids::{CallId, ProviderId, Target};
use crate::domain::time::UnixMs;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How far back results count for `degraded` (DESIGN §4).
const TALLY_WINDOW: Duration = Duration::from_mins(5);
/// Results kept per provider; beyond it the oldest go, which only shortens the window under heavy load.
const TALLY_CAPACITY: usize = 4096;

#[derive(Default)]
pub struct Traffic {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    breakers: HashMap<Target, Breaker>,
    results: HashMap<ProviderId, VecDeque<(UnixMs, bool)>>,
    parked: HashMap<ProviderId, UnixMs>,
    running: BTreeMap<CallId, (RunningCall, CancellationToken)>,
}

impl Traffic {
    /// A poisoned lock means a panic between two plain assignments: the data is still whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an attempt may go to `target` now; takes the one trial of a half-open breaker.
    pub fn admits(&self, target: &Target, now: UnixMs) -> bool {
        self.lock().breakers.get_mut(target).is_none_or(|breaker| breaker.admits(now))
    }

    /// Notes one attempt's result. `counts` is false for results that say nothing about the target's health
    /// (the caller's mistakes, rate limits, cancels). Returns whether a breaker opened or closed by it.
    pub fn note(&self, target: &Target, ok: bool, counts: bool, now: UnixMs) -> bool {
        let mut inner = self.lock();
        let before = inner.breakers.get(target).is_some_and(|breaker| breaker.open_until(now).is_some());
        if ok || counts {
            inner.breakers.entry(target.clone()).or_default().record(ok, now);
            let results = inner.results.entry(target.provider.clone()).or_default();
            results.push_back((now, ok));
            if results.len() > TALLY_CAPACITY {
                results.pop_front();
            }
        } else if let Some(breaker) = inner.breakers.get_mut(target) {
            breaker.release();
        }
        let after = inner.breakers.get(target).is_some_and(|breaker| breaker.open_until(now).is_some());
        before != after
    }

    /// Until when the target's breaker is open.
    pub fn breaker_until(&self, target: &Target, now: UnixMs) -> Option<UnixMs> {
        self.lock().breakers.get(target).and_then(|breaker| breaker.open_until(now))
    }

    /// Whether any breaker of the provider is open.
    pub fn any_breaker_open(&self, provider: &ProviderId, now: UnixMs) -> bool {
        self.lock()
            .breakers
            .iter()
            .any(|(target, breaker)| &target.provider == provider && breaker.open_until(now).is_some())
    }

    pub fn tally(&self, provider: &ProviderId, now: UnixMs) -> CallTally {
        let mut inner = self.lock();
        let Some(results) = inner.results.get_mut(provider) else { return CallTally::default() };
        while results.front().is_some_and(|(at, _)| now.since(*at) > TALLY_WINDOW) {
            results.pop_front();
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        CallTally { calls: count(results.len()), failed: count(results.iter().filter(|(_, ok)| !ok).count()) }
    }

    /// No calls to the provider until then (a rate limit).
    pub fn park(&self, provider: &ProviderId, until: UnixMs) {
        self.lock().parked.insert(provider.clone(), until);
    }

    pub fn parked_until(&self, provider: &ProviderId, now: UnixMs) -> Option<UnixMs> {
        self.lock().parked.get(provider).copied().filter(|until| *until > now)
    }

    /// Forgets what was learned about a provider whose profile changed or that was tested again.
    pub fn forget(&self, provider: &ProviderId) {
        let mut inner = self.lock();
        inner.breakers.retain(|target, _| &target.provider != provider);
        inner.results.remove(provider);
        inner.parked.remove(provider);
    }

    pub fn begin(&self, call: RunningCall, cancel: CancellationToken) {
        self.lock().running.insert(call.id.clone(), (call, cancel));
    }

    pub fn update(&self, id: &CallId, change: impl FnOnce(&mut RunningCall)) {
        if let Some((call, _)) = self.lock().running.get_mut(id) {
            change(call);
        }
    }

    pub fn end(&self, id: &CallId) {
        self.lock().running.remove(id);
    }

    pub fn running(&self) -> Vec<RunningCall> {
        self.lock().running.values().map(|(call, _)| call.clone()).collect()
    }

    /// Stops a running call; false when there is none of that id.
    pub fn cancel(&self, id: &CallId) -> bool {
        self.lock().running.get(id).is_some_and(|(_, cancel)| {
            cancel.cancel();
            true
        })
    }
}
