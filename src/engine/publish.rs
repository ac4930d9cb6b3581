//! What the supervisor publishes after a change: the world for calls, the picture for front ends, and the
//! announcement when an unlabelled request would go elsewhere than before.

use super::live::{self, Live};
use super::presets;
use super::protocol::{Event, EventKind, Level};
use super::supervisor::{LIMITS_FADE, Supervisor};
use crate::domain::call::Facts;
use crate::domain::ids::Target;
use crate::domain::money::Money;
use crate::domain::routing::{BudgetFacts, Reads, World, decide};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// What was said of the day's money last, for all processes of a state folder.
const ALERT_NOTE: &str = "budget_alert";

/// Whether the note that was kept says as much as the one that is due.
fn covers(known: &str, due: &str) -> bool {
    known == due || due.strip_suffix("false").is_some_and(|rest| known.strip_suffix("true") == Some(rest))
}

impl Supervisor {
    /// The world as routing sees it now.
    fn world(&mut self) -> World {
        let money = &self.state.config.money;
        let limit = money.daily_limit;
        let used = self.budget_used();
        let budget_exhausted = money.drops_cloud(used, limit);
        let now = self.ports.clock.now();
        for provider in &mut self.state.providers {
            provider.list(&self.state.config, &self.traffic, now);
        }
        let profiles = || self.state.providers.iter().map(|provider| provider.profile.as_ref());
        let limited = profiles().filter_map(|profile| self.plans.limited(profile, 0, now)).collect();
        self.room_again = self.plans.next_room(profiles(), now).map(|wait| Instant::now() + wait);
        World {
            now,
            limited,
            active: self.active.clone(),
            providers: live::world_providers(&self.state, &self.traffic, now),
            budget_exhausted,
            priced_only: money.priced_only(),
            budget: BudgetFacts { used, limit },
            time: self.ports.clock.local_time(now),
            load_ms: Arc::new(self.load_times()),
            presets: presets::names(&self.state.config),
            ..World::default()
        }
    }

    /// How long models that are not loaded took to load the last time.
    fn load_times(&self) -> BTreeMap<Target, u64> {
        let mut times = BTreeMap::new();
        for provider in &self.state.providers {
            let profile = &provider.profile;
            for model in provider.health.models.iter().filter(|model| model.loaded == Some(false)) {
                let named =
                    profile.preferred_models.contains(&model.id) || profile.models.iter().any(|own| own.id == model.id);
                let target = Target { provider: profile.id.clone(), model: model.id.clone() };
                if let Some(ms) = self.traffic.loads.last_time(self.ports.ledger.as_ref(), &target, named) {
                    times.insert(target, ms);
                }
            }
        }
        times
    }

    /// Publishes what calls decide against.
    pub(super) fn publish_live(&mut self) {
        let world = self.world();
        self.note_effective(&world);
        self.live.send_replace(Arc::new(Live {
            config: self.state.config.clone(),
            reads: Reads::of(&self.state.config.rules),
            world,
            profiles: self.state.providers.iter().map(|p| (p.profile.id.clone(), p.profile.clone())).collect(),
            ready: self.state.ready() && !self.unconfigured.looking(),
            candidates_known: self.state.candidates_known() && !self.unconfigured.looking(),
        }));
    }

    /// What counts against the day's limit: calls of everybody, what is reserved for those under way, and what a
    /// process that ended badly did not give back.
    pub(super) fn budget_used(&self) -> Money {
        if self.state.config.money.daily_limit.is_some() {
            self.today.spent.max(self.till.position().used())
        } else {
            self.today.spent
        }
    }

    /// Says once a day that the alert's share of the limit is used, and once that nothing is left.
    fn watch_budget(&mut self) {
        let money = &self.state.config.money;
        let Some(limit) = money.daily_limit.filter(|limit| *limit > Money::ZERO) else { return };
        let (threshold, when_exhausted) = (money.alert_threshold, money.when_exhausted);
        let used = self.budget_used();
        let exhausted = used >= limit;
        let due = exhausted || BudgetFacts { used, limit: Some(limit) }.fraction() >= threshold;
        if !due {
            return;
        }
        let day = self.day_start;
        let note = format!("{}:{threshold}:{exhausted}", day.0);
        let said = self.alerted.is_some_and(|(known, all)| known == day && (all || !exhausted));
        if said || self.ports.ledger.recall(ALERT_NOTE).is_some_and(|known| covers(&known, &note)) {
            self.alerted = Some((day, exhausted));
            return;
        }
        self.alerted = Some((day, exhausted));
        self.ports.ledger.remember(ALERT_NOTE, &note);
        let level = if exhausted { Level::Error } else { Level::Warning };
        let kind = EventKind::BudgetAlert { used, limit, threshold, exhausted, when_exhausted };
        self.announce(Event { at: self.ports.clock.now(), level, kind });
    }

    /// Publishes both pictures.
    pub(super) fn publish(&mut self) {
        for ended in self.traffic.take_ended() {
            self.count(&ended);
        }
        self.watch_budget();
        self.publish_live();
        let live = self.live.borrow().clone();
        let now = self.ports.clock.now();
        let running = self.traffic.running();
        self.views.export = self.export_view();
        let snapshot = self.views.snapshot(
            &self.state,
            &live,
            (&self.today, &self.observed, self.till.position()),
            running,
            (&self.traffic, &self.plans, &self.warm),
            now,
        );
        self.fade = (!snapshot.flow.limits.is_empty()).then(|| Instant::now() + LIMITS_FADE);
        self.snapshots.send_replace(Arc::new(snapshot));
    }

    /// Announces when an unlabelled request would go elsewhere than before.
    fn note_effective(&mut self, world: &World) {
        let decision = decide(&Facts::default(), &self.state.config.rules, world);
        let target = decision.chain.first().map(|chosen| chosen.target.clone());
        if self.announced_ready && target != self.in_effect {
            let why = self.in_effect.as_ref().map_or_else(String::new, |left| self.why_left(left, target.is_some()));
            let (from, to) = (self.in_effect.as_ref().map(Target::to_string), target.as_ref().map(Target::to_string));
            let level = if to.is_some() { Level::Info } else { Level::Error };
            let kind = EventKind::EffectiveTargetChanged { from, to, why };
            self.announce(Event { at: world.now, level, kind });
        }
        self.announced_ready |= self.state.ready();
        self.in_effect = target;
    }

    fn why_left(&self, target: &Target, somewhere: bool) -> String {
        match self.state.provider(&target.provider) {
            Some(provider) if !provider.health.state.usable() => {
                format!("{} is {}", target.provider, provider.health.state.word())
            }
            Some(provider) if !provider.profile.enabled => format!("{} is off", target.provider),
            Some(_) if somewhere => format!("it comes before {target}"),
            Some(_) => String::new(),
            None => format!("{} was removed", target.provider),
        }
    }

    pub(super) fn live_now(&mut self) -> Arc<Live> {
        self.publish_live();
        self.live.borrow().clone()
    }
}
