//! What is used of the providers' plans: each request takes its share before it goes out, in one step for all
//! processes that share the store; decisions look at the count as this process heard of it last.

use super::ports::{BudgetStore, Clock};
use super::protocol::{PlanLeft, PlanView};
use super::supervisor::{Input, Supervisor};
use crate::domain::config::Profile;
use crate::domain::ids::ProviderId;
use crate::domain::plan::{Plan, PlanUse, Share};
use crate::domain::routing::Limited;
use crate::domain::time::UnixMs;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// See the module.
pub struct Plans {
    clock: Arc<dyn Clock>,
    store: Arc<dyn BudgetStore>,
    known: Mutex<HashMap<ProviderId, PlanUse>>,
    /// Whether anything is counted or told at all: calls look no further where nothing is.
    used: AtomicBool,
}

/// A share of a plan that one request has taken.
pub struct Taken {
    provider: ProviderId,
    share: Share,
}

impl Plans {
    pub fn new(clock: Arc<dyn Clock>, store: Arc<dyn BudgetStore>) -> Arc<Self> {
        Arc::new(Self { clock, store, known: Mutex::default(), used: AtomicBool::new(false) })
    }

    /// The values behind the lock are whole at any moment, so a panic elsewhere does not spoil them.
    fn lock(&self) -> MutexGuard<'_, HashMap<ProviderId, PlanUse>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when there is no room for a request of so many tokens, as far as is known.
    pub fn full_until(&self, profile: &Profile, tokens: u64, now: UnixMs) -> Option<UnixMs> {
        if !self.used.load(Ordering::Relaxed) {
            return None;
        }
        let known = self.lock();
        let used = known.get(&profile.id)?;
        match &profile.plan {
            Some(plan) => used.full_until(plan, tokens, now),
            None => used.told_until(now),
        }
    }

    /// The same in the words of a decision.
    pub fn limited(&self, profile: &Profile, tokens: u64, now: UnixMs) -> Option<Limited> {
        let until = self.full_until(profile, tokens, now)?;
        Some(Limited { provider: profile.id.clone(), until, why: self.used_up(until, now), plan: true })
    }

    pub fn used_up(&self, until: UnixMs, now: UnixMs) -> String {
        format!("plan's window used up, parked until {}", self.clock.moment(until, now))
    }

    /// Takes one request's share; `None` where the provider has no plan.
    ///
    /// # Errors
    /// Until when there is no room.
    pub async fn take(
        self: &Arc<Self>,
        profile: &Profile,
        zone: Option<&str>,
        tokens: u64,
    ) -> Result<Option<Taken>, UnixMs> {
        let Some(plan) = profile.plan.clone() else { return Ok(None) };
        let (plans, provider, zone) = (self.clone(), profile.id.clone(), zone.map(str::to_owned));
        let now = self.clock.now();
        let taken = move || {
            let known = plans.lock().get(&provider).is_some_and(|used| used.fits(&plan));
            if !known && let Err(sentence) = plans.begin(&provider, &plan, zone.as_deref(), now) {
                tracing::warn!(%provider, "what was sent before is not counted against its plan: {sentence}");
            }
            let untils = plan.counts_until(now, |at| plans.clock.day(at, zone.as_deref()));
            let share = plans.change(&provider, |used| {
                let mut counted = used.filter(|used| used.fits(&plan)).unwrap_or_else(|| PlanUse::of(&plan));
                let taken = counted.take(&plan, &untils, tokens, now);
                (counted, taken)
            });
            share.map(|share| Some(Taken { provider, share }))
        };
        match tokio::task::spawn_blocking(taken).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::error!("a share of a plan could not be taken: {error}");
                Ok(None)
            }
        }
    }

    /// The request was never sent.
    pub fn give_back(self: &Arc<Self>, taken: Taken) {
        self.afterwards(taken, PlanUse::give_back);
    }

    /// The request took so many tokens.
    pub fn correct(self: &Arc<Self>, taken: Taken, tokens: u64) {
        self.afterwards(taken, move |used, share| used.correct(share, tokens));
    }

    fn afterwards(self: &Arc<Self>, taken: Taken, change: impl Fn(&mut PlanUse, &Share) + Send + Sync + 'static) {
        let plans = self.clone();
        tokio::task::spawn_blocking(move || {
            plans.change(&taken.provider, |used| {
                let mut used = used.unwrap_or_default();
                change(&mut used, &taken.share);
                (used, ())
            });
        });
    }

    /// The vendor says itself that the account's window is used up until then. Decisions know at once.
    pub fn tell(self: &Arc<Self>, provider: &ProviderId, until: UnixMs) {
        self.lock().entry(provider.clone()).or_default().tell(until);
        self.used.store(true, Ordering::Relaxed);
        let (plans, provider) = (self.clone(), provider.clone());
        tokio::task::spawn_blocking(move || {
            plans.change(&provider, |used| {
                let mut used = used.unwrap_or_default();
                used.tell(until);
                (used, ())
            });
        });
    }

    /// Somebody says that the provider may be asked again, whatever its vendor said of its window.
    pub fn let_go(self: &Arc<Self>, provider: &ProviderId) {
        let told = |used: &PlanUse| used.told_until(self.clock.now()).is_some();
        if !self.lock().get(provider).is_some_and(told) {
            return;
        }
        self.lock().entry(provider.clone()).or_default().untell();
        let (plans, provider) = (self.clone(), provider.clone());
        tokio::task::spawn_blocking(move || {
            plans.change(&provider, |used| {
                let mut used = used.unwrap_or_default();
                used.untell();
                (used, ())
            });
        });
    }

    /// Changes the count in the store, and what is known of it here. Without the store this process goes on by what
    /// it knows: the vendor counts too.
    fn change<T: Send>(
        &self,
        provider: &ProviderId,
        mut change: impl FnMut(Option<PlanUse>) -> (PlanUse, T) + Send,
    ) -> T {
        let mut done = None;
        let stored = self.store.plan_use(provider, &mut |used| {
            let (used, answer) = change(used);
            done = Some((used.clone(), answer));
            Some(used)
        });
        let mut known = self.lock();
        let (used, answer) = match (stored, done) {
            (Ok(()), Some(done)) => done,
            (stored, _) => {
                if let Err(sentence) = stored {
                    tracing::warn!(%provider, "the plan is counted by this process alone: {sentence}");
                }
                change(known.get(provider).cloned())
            }
        };
        known.insert(provider.clone(), used);
        self.used.store(true, Ordering::Relaxed);
        answer
    }

    /// Hears of everybody's count. Blocks on the disk.
    ///
    /// # Errors
    /// A sentence.
    pub fn hear(&self) -> Result<(), String> {
        self.heard(self.store.plan_uses()?.into_iter().collect());
        Ok(())
    }

    fn heard(&self, all: HashMap<ProviderId, PlanUse>) {
        self.used.store(!all.is_empty(), Ordering::Relaxed);
        *self.lock() = all;
    }

    /// Hears of everybody's count, and begins to count where a plan is new: by what the record says was sent. Blocks
    /// on the disk.
    ///
    /// # Errors
    /// A sentence.
    pub fn refresh(&self, profiles: &[Arc<Profile>], zone: Option<&str>, now: UnixMs) -> Result<(), String> {
        let mut all: HashMap<ProviderId, PlanUse> = self.store.plan_uses()?.into_iter().collect();
        for profile in profiles {
            match (&profile.plan, all.get(&profile.id)) {
                (Some(plan), used) if used.is_none_or(|used| !used.fits(plan)) => {
                    all.insert(profile.id.clone(), self.begin(&profile.id, plan, zone, now)?);
                }
                // Nobody counts for now: what stands there would lack what is sent meanwhile.
                (None, Some(used)) if !used.is_bare() => {
                    let bare = used.bare();
                    self.store.plan_use(&profile.id, &mut |used| used.map(|used| used.bare()))?;
                    all.insert(profile.id.clone(), bare);
                }
                _ => {}
            }
        }
        self.heard(all);
        Ok(())
    }

    fn begin(&self, provider: &ProviderId, plan: &Plan, zone: Option<&str>, now: UnixMs) -> Result<PlanUse, String> {
        let longest = plan.windows.iter().map(|window| window.length).max().unwrap_or_default();
        let back = i64::try_from(longest.as_millis()).unwrap_or(i64::MAX);
        let mut begun = PlanUse::of(plan);
        for (at, tokens) in self.store.sent(provider, UnixMs(now.0.saturating_sub(back)))? {
            begun.add(&plan.counts_until(at, |at| self.clock.day(at, zone)), tokens, at);
        }
        let mut now_stands = begun.clone();
        self.store.plan_use(provider, &mut |used| {
            // Somebody else may have begun meanwhile.
            now_stands = match used {
                Some(used) if used.fits(plan) => used,
                Some(used) => begun.clone().told_as(&used),
                None => begun.clone(),
            };
            Some(now_stands.clone())
        })?;
        Ok(now_stands)
    }

    /// What people see of it; `None` where there is neither a plan nor a vendor's word.
    pub fn view(&self, profile: &Profile, now: UnixMs) -> Option<PlanView> {
        if !self.used.load(Ordering::Relaxed) {
            return None;
        }
        let known = self.lock();
        let used = known.get(&profile.id)?;
        let left = profile.plan.iter().flat_map(|plan| used.left(plan, now));
        let windows: Vec<PlanLeft> = left.map(|(length, left)| PlanLeft { window_s: length.as_secs(), left }).collect();
        let used_up_until = match &profile.plan {
            Some(plan) => used.full_until(plan, 0, now),
            None => used.told_until(now),
        };
        let told = used.told_until(now).is_some();
        (!windows.is_empty() || used_up_until.is_some()).then_some(PlanView { windows, used_up_until, told })
    }

    /// When the next window that is used up has room again.
    pub fn next_room<'p>(&self, profiles: impl Iterator<Item = &'p Profile>, now: UnixMs) -> Option<Duration> {
        let until = profiles.filter_map(|profile| self.full_until(profile, 0, now)).min()?;
        Some(until.since(now))
    }
}

impl Supervisor {
    /// Reads everybody's count again, off this task, where any provider has a plan.
    pub(super) fn refresh_plans(&self) {
        let profiles: Vec<Arc<Profile>> = self.state.providers.iter().map(|known| known.profile.clone()).collect();
        let in_use = self.plans.used.load(Ordering::Relaxed) || profiles.iter().any(|profile| profile.plan.is_some());
        if !in_use {
            return;
        }
        let zone = self.state.config.money.timezone.clone();
        let (plans, inputs, now) = (self.plans.clone(), self.inputs.clone(), self.ports.clock.now());
        tokio::task::spawn_blocking(move || match plans.refresh(&profiles, zone.as_deref(), now) {
            Ok(()) => {
                // Fails only after the supervisor has stopped.
                let _ = inputs.blocking_send(Input::PlansRead);
            }
            Err(sentence) => tracing::warn!("what is used of the plans could not be read: {sentence}"),
        });
    }
}
