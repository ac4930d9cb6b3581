//! The one place where configuration and health change. Synchronous: an input and the time go in, effects come
//! out; the supervisor carries them out.

use super::listing::Listing;
use super::protocol::snapshot::{LatelyEntry, PROBE_HISTORY};
use super::protocol::{Event, EventKind, Level, ModelsEntry, ProbePoint};
use super::traffic::Traffic;
use super::watched::Watch;
use crate::domain::config::{Config, Profile};
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::{ModelChanges, ProbeReport, ProviderHealth, State as Health, StateChange};
use crate::domain::ids::{ProviderId, Target};
use crate::domain::incident::{Incident, Past, Slot};
use crate::domain::time::UnixMs;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// State changes kept per provider for its detail.
const LATELY: usize = 20;
/// Within this time changes are counted, so that a flapping provider is told as one.
const FLAPPING: Duration = Duration::from_mins(10);
/// A refused key is tried again this often without a change.
const REFUSED_KEY_INTERVAL: Duration = Duration::from_hours(1);
/// A server that comes back, or still reads its model, is asked this soon again: people wait for it.
const COMING_INTERVAL: Duration = Duration::from_secs(5);

/// What is known of one provider.
pub struct Provider {
    pub profile: Arc<Profile>,
    pub health: ProviderHealth,
    pub history: VecDeque<ProbePoint>,
    pub lately: VecDeque<LatelyEntry>,
    pub probing: bool,
    pub probed: bool,
    /// Calls that went elsewhere since it was last up.
    pub moved_calls: u32,
    /// Newest first.
    pub model_changes: VecDeque<ModelsEntry>,
    pub watch: Watch,
    pub listing: Listing,
}

/// Something the supervisor has to do.
#[derive(Debug)]
pub enum Effect {
    Probe(Arc<Profile>),
    /// The next probe of the provider, by the schedule.
    ProbeAfter(ProviderId, Duration),
    Announce(Event),
    /// To be kept, by whoever watches for good.
    Incident(Box<Incident>),
    Seen(ProviderId, Slot),
}

pub struct State {
    pub config: Arc<Config>,
    pub providers: Vec<Provider>,
}

impl State {
    pub fn new(config: Arc<Config>, now: UnixMs) -> Self {
        let mut state = Self { config: Arc::new(Config::default()), providers: Vec::new() };
        state.take_config(config, now);
        state
    }

    /// Takes over what earlier processes saw of these providers. Open incidents of others are over: they come back
    /// to be kept so.
    pub fn recall(&mut self, past: Past) -> Vec<Incident> {
        let mut over = Vec::new();
        for mut incident in past.incidents {
            if let Some(provider) = self.provider_mut(&incident.provider) {
                provider.watch.recall(incident);
            } else if incident.is_open() {
                incident.end(incident.seen);
                over.push(incident);
            }
        }
        for (id, slot) in past.slots {
            if let Some(provider) = self.provider_mut(&id) {
                provider.watch.recall_slot(slot);
            }
        }
        over
    }

    pub fn provider(&self, id: &ProviderId) -> Option<&Provider> {
        self.providers.iter().find(|provider| &provider.profile.id == id)
    }

    fn provider_mut(&mut self, id: &ProviderId) -> Option<&mut Provider> {
        self.providers.iter_mut().find(|provider| &provider.profile.id == id)
    }

    /// Puts a configuration in force. What is known of a provider survives when its address, key and kind do.
    /// Returns the providers to probe now, and the ids whose past is void.
    pub fn take_config(&mut self, config: Arc<Config>, now: UnixMs) -> (Vec<Effect>, Vec<ProviderId>) {
        let mut old = std::mem::take(&mut self.providers);
        let mut effects = Vec::new();
        let mut changed = Vec::new();
        for profile in &config.providers {
            let profile = Arc::new(profile.clone());
            let known = old.iter().position(|provider| provider.profile.id == profile.id).map(|at| old.swap_remove(at));
            let provider = match known {
                Some(mut known) if same_server(&known.profile, &profile) => {
                    if !profile.enabled && known.profile.enabled {
                        effects.extend(known.watch.end(now).map(|incident| Effect::Incident(Box::new(incident))));
                    }
                    if profile.enabled && !known.profile.enabled {
                        effects.push(Effect::Probe(profile.clone()));
                    }
                    Provider { profile, ..known }
                }
                other => {
                    if let Some(mut other) = other {
                        changed.push(profile.id.clone());
                        effects.extend(other.watch.end(now).map(|incident| Effect::Incident(Box::new(incident))));
                    }
                    if profile.enabled {
                        effects.push(Effect::Probe(profile.clone()));
                    }
                    Provider::new(profile, now)
                }
            };
            self.providers.push(provider);
        }
        for mut removed in old {
            effects.extend(removed.watch.end(now).map(|incident| Effect::Incident(Box::new(incident))));
            changed.push(removed.profile.id.clone());
        }
        self.config = config;
        for effect in &effects {
            if let Effect::Probe(profile) = effect {
                let id = profile.id.clone();
                self.mark_probing(&id);
            }
        }
        (effects, changed)
    }

    /// Starts probes of the providers asked for; those already under way are not started twice.
    pub fn probe(&mut self, wanted: impl Fn(&Profile) -> bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        for provider in &mut self.providers {
            if wanted(&provider.profile) && !provider.probing {
                provider.probing = true;
                effects.push(Effect::Probe(provider.profile.clone()));
            }
        }
        effects
    }

    fn mark_probing(&mut self, id: &ProviderId) {
        if let Some(provider) = self.provider_mut(id) {
            provider.probing = true;
        }
    }

    /// Takes in a finished probe. A report of an older profile (the address changed meanwhile) is dropped.
    pub fn probed(&mut self, of: &Arc<Profile>, report: &ProbeReport, traffic: &Traffic) -> Vec<Effect> {
        let Some(provider) = self.provider_mut(&of.id) else { return Vec::new() };
        if !same_server(&provider.profile, of) {
            return Vec::new();
        }
        provider.probing = false;
        provider.probed = true;
        let id = provider.profile.id.clone();
        if provider.health.state == Health::Paused {
            return Vec::new();
        }
        let breaker = traffic.any_breaker_open(&id, report.at);
        let news = provider.compare(report);
        let change = provider.health.apply(report, breaker, traffic.tally(&id, report.at));
        provider.remember(report);
        if !provider.profile.enabled {
            // Asked on demand, or switched off meanwhile: nobody's calls depend on it, so it is in no trouble.
            return Vec::new();
        }
        let slot = provider.watch.probed(&provider.health, report.at);
        let mut effects =
            vec![Effect::ProbeAfter(id.clone(), provider.next_interval(report.at)), Effect::Seen(id, slot)];
        provider.judge(change, report.at, &mut effects);
        effects.extend(news);
        effects
    }

    /// Takes in how an attempt of a call ended. A failure that speaks of the connection or the key is checked
    /// by a probe at once instead of being believed.
    pub fn attempted(
        &mut self,
        target: &Target,
        failure: Option<&Failure>,
        moved_to: Option<&Target>,
        now: UnixMs,
        traffic: &Traffic,
    ) -> Vec<Effect> {
        let Some(provider) = self.provider_mut(&target.provider) else { return Vec::new() };
        let mut effects = Vec::new();
        provider.health.called(failure);
        if let Some(to) = moved_to {
            provider.moved_calls = provider.moved_calls.saturating_add(1);
            let incident = provider.watch.call_moved(to, now);
            effects.extend(incident.map(|incident| Effect::Incident(Box::new(incident))));
        }
        let breaker = traffic.any_breaker_open(&target.provider, now);
        let change = provider.health.rejudge(breaker, traffic.tally(&target.provider, now), now);
        if change.is_some() && provider.profile.enabled {
            provider.judge(change, now, &mut effects);
        }
        let ask = provider.profile.enabled && !provider.probing && provider.health.state.usable();
        if failure.is_some_and(asks_for_a_probe) && ask {
            provider.probing = true;
            effects.push(Effect::Probe(provider.profile.clone()));
        }
        effects
    }

    /// Holds a provider back or lets it go on.
    pub fn pause(&mut self, id: &ProviderId, paused: bool, now: UnixMs) -> Vec<Effect> {
        let Some(provider) = self.provider_mut(id) else { return Vec::new() };
        let Some(change) = provider.health.set_paused(paused, now) else { return Vec::new() };
        let mut effects = Vec::new();
        provider.judge(Some(change), now, &mut effects);
        if !paused && !provider.probing {
            provider.probing = true;
            effects.push(Effect::Probe(provider.profile.clone()));
        }
        effects
    }

    /// What may be chosen is known, although a slow provider has not answered its first probe yet.
    pub fn candidates_known(&self) -> bool {
        self.providers
            .iter()
            .all(|provider| provider.probed || !provider.profile.enabled || !provider.profile.models.is_empty())
    }

    /// Every enabled provider that can be asked has been asked at least once.
    pub fn ready(&self) -> bool {
        self.providers.iter().all(|provider| provider.probed || !provider.profile.enabled)
    }
}

impl Provider {
    fn new(profile: Arc<Profile>, now: UnixMs) -> Self {
        Self {
            profile,
            health: ProviderHealth::new(now),
            history: VecDeque::new(),
            lately: VecDeque::new(),
            probing: false,
            probed: false,
            moved_calls: 0,
            model_changes: VecDeque::new(),
            watch: Watch::default(),
            listing: Listing::default(),
        }
    }

    /// Says what is another than in the list before; the first list of a server is no news.
    fn compare(&mut self, report: &ProbeReport) -> Option<Effect> {
        self.health.models_seen?;
        let found = report.outcome.as_ref().ok()?;
        let changes = ModelChanges::between(&self.health.models, &found.models);
        if changes.is_empty() {
            return None;
        }
        self.model_changes.push_front(ModelsEntry { at: report.at, changes: changes.clone() });
        self.model_changes.truncate(LATELY);
        Some(Effect::Announce(Event {
            at: report.at,
            level: Level::Info,
            kind: EventKind::ModelsChanged {
                provider: self.profile.id.clone(),
                name: self.profile.display_name().to_owned(),
                changes,
            },
        }))
    }

    fn remember(&mut self, report: &ProbeReport) {
        self.history.push_back(ProbePoint {
            at: report.at,
            latency_ms: report.outcome.is_ok().then_some(report.latency_ms),
            state: self.health.state,
        });
        if self.history.len() > PROBE_HISTORY {
            self.history.pop_front();
        }
    }

    /// Takes in the health as it is now, after this change if there was one.
    fn judge(&mut self, change: Option<StateChange>, at: UnixMs, effects: &mut Vec<Effect>) {
        let incident = self.watch.judge(&self.profile.id, &self.health, at);
        if let Some(incident) = &incident
            && incident.is_open()
            && change.as_ref().is_some_and(|change| change.from == Health::Unknown)
        {
            // It was in trouble before this process looked.
            self.health.since = incident.since;
        }
        let lasted = incident.as_ref().filter(|incident| !incident.is_open()).map(|incident| incident.lasted(at));
        effects.extend(change.map(|change| self.announce(change, lasted, at)));
        effects.extend(incident.map(|incident| Effect::Incident(Box::new(incident))));
    }

    /// The time until the next probe: every slot of the schedule holds one, at a moment made from the id so that
    /// providers spread, with a jitter of a twentieth either way. Charts have one column per slot.
    fn next_interval(&self, now: UnixMs) -> Duration {
        if self.health.state == Health::Unauthorized {
            return REFUSED_KEY_INTERVAL;
        }
        let hash = |seed: &mut dyn Iterator<Item = u8>| {
            seed.fold(7u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)))
        };
        let id = self.profile.id.as_str().as_bytes();
        let place = 100 + hash(&mut id.iter().copied()) % 301;
        let jitter = hash(&mut id.iter().copied().chain(now.0.to_le_bytes())) % 101;
        let interval = self.profile.timeouts.probe_interval;
        if self.is_coming() {
            return interval.min(COMING_INTERVAL);
        }
        let length = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
        let begun = u64::try_from(now.0.rem_euclid(length)).unwrap_or(0);
        // Never so late that a probe with all its tries ends in the slot after its own.
        let next = interval + interval * (place + jitter - 50) / 1000;
        next.saturating_sub(Duration::from_millis(begun)).max(interval / 20)
    }

    /// Down, and about to be used: it reads its model into memory, or gave the first of its good probes.
    fn is_coming(&self) -> bool {
        let failure = self.health.failure.as_ref();
        let loading = failure.is_some_and(|failure| matches!(failure.cause, Cause::StillLoading));
        self.health.state == Health::Down && (loading || self.health.good_probes > 0)
    }

    fn announce(&mut self, change: StateChange, lasted: Option<Duration>, at: UnixMs) -> Effect {
        self.lately.push_front(LatelyEntry { at, state: change.to, reason: change.reason.clone() });
        self.lately.truncate(LATELY);
        if change.to == Health::Up {
            self.moved_calls = 0;
        }
        let lately = self.lately.iter().filter(|entry| entry.state == change.to && at.since(entry.at) <= FLAPPING);
        let times = u32::try_from(lately.count()).unwrap_or(u32::MAX);
        let level = match change.to {
            Health::Down | Health::Unauthorized => Level::Error,
            Health::Degraded => Level::Warning,
            Health::Up | Health::Paused | Health::Unknown => Level::Info,
        };
        Effect::Announce(Event {
            at,
            level,
            kind: EventKind::HealthChanged {
                provider: self.profile.id.clone(),
                name: self.profile.display_name().to_owned(),
                from: change.from,
                to: change.to,
                reason: change.reason,
                failure: self.health.failure.clone(),
                lasted_ms: lasted.and_then(|lasted| u64::try_from(lasted.as_millis()).ok()),
                times,
            },
        })
    }
}

/// Whether what is known of the one holds for the other.
fn same_server(a: &Profile, b: &Profile) -> bool {
    a.kind == b.kind
        && a.endpoint == b.endpoint
        && a.key == b.key
        && a.withheld == b.withheld
        && a.api == b.api
        && a.timeouts == b.timeouts
}

fn asks_for_a_probe(failure: &Failure) -> bool {
    failure.code == ErrorCode::Auth
        || matches!(
            failure.cause,
            Cause::Refused
                | Cause::ConnectTimeout
                | Cause::Dns
                | Cause::Tls { .. }
                | Cause::Reset
                | Cause::SilentServer
        )
}
