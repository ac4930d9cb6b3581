//! Models that the person wants in memory at certain hours: told to their servers again whenever they are not there.
//!
//! Only where the profile of a model says so, only at near servers that load models when they are told to, never for
//! a model that its server runs elsewhere, and not while its provider is paused or does not answer. No probe does
//! this, and it costs nothing. Several processes may watch: one at a time tells the server.

use super::live::reach_of;
use super::ports::{Ledger, ModelAct, ModelDone};
use super::protocol::{Event, EventKind, Level, WarmStanding, WarmView};
use super::state::Provider;
use super::supervisor::Supervisor;
use crate::domain::config::{ModelProfile, Profile};
use crate::domain::failure::{ErrorCode, Failure};
use crate::domain::health::ModelInfo;
use crate::domain::ids::{ModelId, Target};
use crate::domain::schedule::{Civil, Stretch, Warmth, back_off};
use crate::domain::time::UnixMs;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked whether a model is there.
const LOOK: Duration = Duration::from_secs(10);
/// How long a server is told to keep a model that is kept warm; it is told again before that is over.
const STAY: Duration = Duration::from_mins(15);
/// How long it is told to keep a model that was loaded ahead of its use.
const PRELOADED: Duration = Duration::from_hours(1);
/// A server that does not tell what is loaded is asked to load no more often than this; a model that is gone sooner
/// after it was loaded has no room there.
const SETTLED: Duration = Duration::from_mins(5);

/// What the supervisor keeps of them.
#[derive(Default)]
pub(super) struct Warm {
    models: HashMap<Target, Kept>,
    /// When to look again; `None` while nothing is to be kept.
    next: Option<Instant>,
}

/// One model's standing in the hours it is in now.
#[derive(Default, Clone)]
struct Kept {
    hours: Option<Stretch>,
    failures: u32,
    not_before: Option<UnixMs>,
    gave_up: Option<String>,
    held: bool,
    /// The moment that has come and was not seen to yet.
    moment: Option<Stretch>,
    /// The last moment that was seen to.
    preloaded: Option<Stretch>,
    loaded_since: Option<UnixMs>,
}

/// Which hours, and which moment that was not seen to yet, ask for a model now.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Asked {
    hours: Option<Stretch>,
    moment: Option<Stretch>,
}

impl Asked {
    fn at(warmth: &Warmth, at: Civil, seen_to: Option<Stretch>) -> Self {
        let hours = warmth.keep.as_ref().and_then(|hours| hours.at(at));
        let moment = warmth.preload.as_ref().and_then(|moments| moments.due(at));
        Self { hours, moment: moment.filter(|moment| seen_to != Some(*moment)) }
    }

    fn any(self) -> bool {
        self.hours.is_some() || self.moment.is_some()
    }

    /// Whether what was asked then is all that is asked now.
    fn covers(self, now: Self) -> bool {
        let same = |then: Option<Stretch>, now: Option<Stretch>| now.is_none() || then == now;
        same(self.hours, now.hours) && same(self.moment, now.moment)
    }
}

impl Warm {
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// What people see of the models of one provider.
    pub fn views(&self, provider: &Provider) -> Vec<WarmView> {
        let profile = &provider.profile;
        let models = profile.models.iter().filter(|model| !model.warmth.is_none());
        let view = |model: &ModelProfile| {
            let target = Target { provider: profile.id.clone(), model: model.id.clone() };
            let kept = self.models.get(&target).cloned().unwrap_or_default();
            let loaded = info(provider, &model.id).is_some_and(|info| info.loaded == Some(true));
            let standing = match kept.gave_up {
                _ if !profile.kind.loads_models() => WarmStanding::Powerless,
                _ if !served(provider) => WarmStanding::Away,
                _ if loaded => WarmStanding::Loaded,
                Some(why) => WarmStanding::GaveUp { why },
                None if kept.held => WarmStanding::Held,
                None if kept.hours.is_some() => WarmStanding::Wanted,
                None => WarmStanding::Resting,
            };
            WarmView {
                model: model.id.clone(),
                keep: model.warmth.keep.as_ref().map(ToString::to_string),
                preload: model.warmth.preload.as_ref().map(ToString::to_string),
                loaded_since: kept.loaded_since.filter(|_| loaded),
                standing,
            }
        };
        models.map(view).collect()
    }
}

/// Whether models may be loaded there now.
fn served(provider: &Provider) -> bool {
    let profile = &provider.profile;
    profile.enabled
        && profile.withheld.is_none()
        && profile.kind.loads_models()
        && provider.health.state.usable()
        // What the last connection found: an address that was never reached promises nothing.
        && provider.health.reach.is_some()
        && reach_of(provider).is_local()
}

/// The model in its server's list; Ollama leaves the usual tag out.
fn info<'p>(provider: &'p Provider, model: &ModelId) -> Option<&'p ModelInfo> {
    let models = &provider.health.models;
    let by_tag = |known: &&ModelInfo| known.id.as_str().strip_suffix(":latest") == Some(model.as_str());
    models.iter().find(|known| known.id == *model).or_else(|| models.iter().find(by_tag))
}

/// Since when a model is left alone because a person unloaded it.
fn let_go_note(target: &Target) -> String {
    format!("warm_let_go {target}")
}

/// Who tells the server now, and since when.
fn claim_note(target: &Target) -> String {
    format!("warm_claim {target}")
}

/// Takes the turn of telling a server; `false` while another process has it.
fn claim(ledger: &dyn Ledger, target: &Target, now: UnixMs, lasts: Duration) -> bool {
    let own = std::process::id();
    let taken = ledger.recall(&claim_note(target)).and_then(|note| {
        let (process, at) = note.split_once(' ')?;
        Some((process.parse::<u32>().ok()?, UnixMs(at.parse().ok()?)))
    });
    if taken.is_some_and(|(process, at)| process != own && now >= at && now.since(at) < lasts) {
        return false;
    }
    ledger.remember(&claim_note(target), &format!("{own} {}", now.0));
    true
}

fn warmth_of<'p>(profile: &'p Profile, model: &ModelId) -> Option<&'p Warmth> {
    profile.models.iter().find(|own| own.id == *model).map(|own| &own.warmth).filter(|warmth| !warmth.is_none())
}

impl Supervisor {
    /// Another configuration is in force: whatever is to be kept is looked at anew.
    pub(super) fn warm_anew(&mut self) {
        let state = &self.state;
        self.warm.models.retain(|target, _| {
            state.provider(&target.provider).is_some_and(|known| warmth_of(&known.profile, &target.model).is_some())
        });
        self.warm.next = self.keeps_warm().then(Instant::now);
    }

    fn keeps_warm(&self) -> bool {
        let any = |known: &Provider| known.profile.models.iter().any(|model| !model.warmth.is_none());
        self.options.schedule_probes && !self.options.read_only && self.state.providers.iter().any(any)
    }

    /// Has every model loaded that is wanted now and not there. Returns whether a picture shows something else now.
    pub(super) fn keep_warm(&mut self) -> bool {
        self.warm.next = self.keeps_warm().then(|| Instant::now() + LOOK);
        if self.warm.next.is_none() {
            return false;
        }
        let now = self.ports.clock.now();
        let here = self.ports.clock.civil(now, self.state.config.money.timezone.as_deref());
        let (mut due, mut lost) = (Vec::new(), Vec::new());
        let mut news = false;
        for provider in self.state.providers.iter().filter(|provider| served(provider)) {
            let profile = &provider.profile;
            for model in profile.models.iter().filter(|model| !model.warmth.is_none()) {
                let target = Target { provider: profile.id.clone(), model: model.id.clone() };
                let known = info(provider, &model.id);
                let at_work = self.jobs.at_work(&target) || self.traffic.loads.since(&target).is_some();
                // What is under way is judged by the list that follows it.
                if at_work || known.is_some_and(|known| known.remote) {
                    continue;
                }
                let kept = self.warm.models.entry(target.clone()).or_default();
                let before = kept.hours;
                if kept.is_lost(known, now) {
                    lost.push(target);
                } else if let Some(act) = kept.look(&model.warmth, here, now, known) {
                    due.push((profile.clone(), target, act));
                }
                news |= kept.hours != before;
            }
        }
        news |= !lost.is_empty();
        for target in lost {
            let why = "its server unloaded it again at once: it may have no room for it beside others";
            self.not_kept_warm(&target, &Failure::plain(ErrorCode::ModelLoadFailed, why), now);
        }
        for (profile, target, act) in due {
            news |= self.load_if_wanted(profile, target, act, now);
        }
        news
    }

    /// Returns whether its standing is another one now.
    fn load_if_wanted(&mut self, profile: Arc<Profile>, target: Target, act: ModelAct, now: UnixMs) -> bool {
        let ledger = self.ports.ledger.clone();
        let let_go = ledger.recall(&let_go_note(&target)).and_then(|note| note.parse().ok()).map(UnixMs);
        let zone = self.state.config.money.timezone.as_deref();
        let civil = |at| self.ports.clock.civil(at, zone);
        let Some(warmth) = warmth_of(&profile, &target.model) else { return false };
        let kept = self.warm.models.entry(target.clone()).or_default();
        let wanted = Asked::at(warmth, civil(now), kept.preloaded);
        // Unloaded by hand in these very hours, or since this moment.
        let held = let_go.is_some_and(|at| Asked::at(warmth, civil(at), None).covers(wanted));
        let news = std::mem::replace(&mut kept.held, held) != held;
        if held || !claim(ledger.as_ref(), &target, now, profile.timeouts.load) {
            return news;
        }
        self.model_job(profile, target.model, act, None);
        true
    }

    /// A server has loaded or unloaded a model, or has not, whoever asked for it.
    pub(super) fn warm_done(
        &mut self,
        target: &Target,
        act: ModelAct,
        took_ms: u64,
        result: &Result<ModelDone, Failure>,
    ) {
        let Some(provider) = self.state.provider(&target.provider) else { return };
        let Some(warmth) = warmth_of(&provider.profile, &target.model).cloned() else { return };
        let now = self.ports.clock.now();
        match (act, result) {
            (ModelAct::Unload, Ok(_)) => {
                self.ports.ledger.remember(&let_go_note(target), &now.0.to_string());
                if let Some(kept) = self.warm.models.get_mut(target) {
                    kept.held = true;
                    kept.loaded_since = None;
                }
            }
            (ModelAct::Load { .. }, Ok(done)) => {
                self.ports.ledger.remember(&let_go_note(target), "");
                let kept = self.warm.models.entry(target.clone()).or_default();
                *kept = Kept {
                    hours: kept.hours,
                    preloaded: kept.preloaded,
                    loaded_since: Some(now).filter(|_| !done.already),
                    ..Kept::default()
                };
            }
            (ModelAct::Keep { .. }, Ok(done)) => self.kept_warm(target, &warmth, now, took_ms, done.already),
            (ModelAct::Keep { .. }, Err(failure)) => self.not_kept_warm(target, failure, now),
            (ModelAct::Load { .. } | ModelAct::Unload, Err(_)) => {}
        }
    }

    fn kept_warm(&mut self, target: &Target, warmth: &Warmth, now: UnixMs, took_ms: u64, already: bool) {
        let here = self.ports.clock.civil(now, self.state.config.money.timezone.as_deref());
        let kept = self.warm.models.entry(target.clone()).or_default();
        kept.preloaded = warmth.preload.as_ref().and_then(|moments| moments.due(here)).or(kept.preloaded);
        kept.gave_up = None;
        kept.not_before = Some(now.plus(SETTLED));
        if already {
            return;
        }
        kept.loaded_since = Some(now);
        tracing::info!(%target, took_ms, "a model was loaded to be kept warm");
        self.ports.ledger.remember(&claim_note(target), "");
        let kind = EventKind::KeptWarm { target: target.to_string(), took_ms, failure: None, again_in_ms: None };
        self.announce(Event { at: now, level: Level::Info, kind });
    }

    fn not_kept_warm(&mut self, target: &Target, failure: &Failure, now: UnixMs) {
        let kept = self.warm.models.entry(target.clone()).or_default();
        kept.failures = kept.failures.saturating_add(1);
        kept.loaded_since = None;
        let again = back_off(kept.failures);
        kept.not_before = again.map(|wait| now.plus(wait));
        kept.gave_up = again.is_none().then(|| failure.message.clone());
        tracing::warn!(%target, "a model could not be loaded to be kept warm: {}", failure.message);
        self.ports.ledger.remember(&claim_note(target), "");
        let kind = EventKind::KeptWarm {
            target: target.to_string(),
            took_ms: 0,
            failure: Some(failure.clone()),
            again_in_ms: again.and_then(|wait| u64::try_from(wait.as_millis()).ok()),
        };
        let level = if again.is_some() { Level::Warning } else { Level::Error };
        self.announce(Event { at: now, level, kind });
    }
}

impl Kept {
    /// It was loaded a moment ago, and is gone already.
    fn is_lost(&self, known: Option<&ModelInfo>, now: UnixMs) -> bool {
        let gone = known.is_some_and(|known| known.loaded == Some(false));
        gone && !self.held && self.loaded_since.is_some_and(|since| now.since(since) < SETTLED)
    }

    /// Takes in how the model stands now; what its server is to be told, where there is something to tell.
    fn look(&mut self, warmth: &Warmth, here: Civil, now: UnixMs, known: Option<&ModelInfo>) -> Option<ModelAct> {
        let asked = Asked::at(warmth, here, self.preloaded);
        if asked.hours != self.hours || (asked.moment.is_some() && asked.moment != self.moment) {
            (self.failures, self.not_before, self.gave_up, self.held) = (0, None, None, false);
        }
        (self.hours, self.moment) = (asked.hours, asked.moment);
        let loaded = known.and_then(|known| known.loaded);
        if loaded == Some(true) {
            self.held = false;
            if self.loaded_since.is_none_or(|since| now.since(since) > SETTLED) {
                self.failures = 0;
            }
            if let Some(moment) = asked.moment {
                self.preloaded = Some(moment);
            }
            let ends = known.and_then(|known| known.expires);
            let soon = ends.is_some_and(|ends| ends.since(now) < STAY / 4);
            return (asked.hours.is_some() && soon).then_some(ModelAct::Keep { stay: STAY });
        }
        if loaded == Some(false) {
            self.loaded_since = None;
        }
        if !asked.any() || self.gave_up.is_some() || self.too_early(loaded, now) {
            return None;
        }
        let stay = if asked.hours.is_some() { STAY } else { PRELOADED };
        Some(ModelAct::Keep { stay })
    }

    /// Whether it is too early to tell the server again.
    fn too_early(&self, loaded: Option<bool>, now: UnixMs) -> bool {
        // What was loaded and is not there any more is loaded again at once.
        let after_success = self.failures == 0 && loaded == Some(false);
        !after_success && self.not_before.is_some_and(|until| now < until)
    }
}
