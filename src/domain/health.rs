//! What is known of a provider: one probe's report, the ladder, the state with its reason.
//!
//! [`ProviderHealth::apply`] is the state machine of DESIGN §4. Breakers per target live in `breaker`;
//! remedies in words in `present::remedy`.

use super::failure::{Cause, ErrorCode, Failure};
use super::kind::Kind;
pub use super::model::{Abilities, Instance, ModelChanges, ModelInfo};
use super::reach::Reach;
use super::shared::SharedList;
use super::time::UnixMs;
use serde::{Deserialize, Serialize};

/// A provider's state, always shown with a reason and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Unknown,
    Up,
    Degraded,
    Down,
    Unauthorized,
    Paused,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unauthorized => "unauthorized",
            Self::Paused => "paused",
        }
    }

    /// Whether calls may go there (not yet known counts: what is unknown drops nobody).
    pub fn usable(self) -> bool {
        matches!(self, Self::Unknown | Self::Up | Self::Degraded)
    }
}

/// One rung of what is known; `None` is not yet known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ladder {
    pub reachable: Option<bool>,
    pub authenticated: Option<bool>,
    pub listed: Option<bool>,
    pub loaded: Option<bool>,
    /// From real traffic or an explicit test, never from a probe.
    pub answering: Option<bool>,
}

/// What the server is doing, where it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Activity {
    pub slots_busy: Option<u32>,
    pub slots_total: Option<u32>,
    pub queued: Option<u32>,
    /// Bytes of memory that the loaded models take.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Share of the room for contexts that is in use, in thousandths.
    #[serde(default)]
    pub kv_cache_permille: Option<u32>,
}

/// What one probe, with all its tries, found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    pub at: UnixMs,
    /// Of the try that answered; of the whole probe when none did.
    pub latency_ms: u64,
    /// The address really connected to, and so the reach; `None` when no connection was made.
    pub reach: Option<Reach>,
    pub outcome: Result<ProbeFound, Failure>,
}

/// A probe that was answered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProbeFound {
    pub models: Vec<ModelInfo>,
    /// The key was accepted; `None` when none was asked for.
    pub authenticated: Option<bool>,
    pub activity: Activity,
    /// The list was there but partly unreadable: what was expected and what came.
    pub malformed: Option<String>,
    /// Which interface of the server was used, as in `v1`, `v0`, `compat`.
    pub interface: Option<String>,
    /// What the server says its own version is.
    #[serde(default)]
    pub version: Option<String>,
    /// Whether a call to a model that is not loaded loads it; `None` where that cannot be told.
    #[serde(default)]
    pub jit: Option<bool>,
    /// The kind it shows by signs of its own, where that is another than its profile's.
    #[serde(default)]
    pub looks_like: Option<Kind>,
}

/// Results of calls in the last five minutes, as far as they count for `degraded`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallTally {
    pub calls: u32,
    pub failed: u32,
}

impl CallTally {
    /// At least 20 % failures of at least ten calls.
    pub fn degrades(self) -> bool {
        self.calls >= 10 && self.failed * 5 >= self.calls
    }
}

/// A probe slower than this marks a provider degraded.
pub const SLOW_PROBE_MS: u64 = 1000;
/// Good probes in a row before a provider that was down is used again.
pub const GOOD_PROBES_TO_RETURN: u32 = 2;

/// Everything known of one provider's health.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderHealth {
    pub state: State,
    /// Why, in a few words, without the remedy; empty when `up`.
    pub reason: String,
    /// The failure behind `down` or `unauthorized`.
    pub failure: Option<Failure>,
    pub since: UnixMs,
    pub last_checked: Option<UnixMs>,
    pub latency_ms: Option<u64>,
    pub ladder: Ladder,
    pub models: SharedList<ModelInfo>,
    pub models_seen: Option<UnixMs>,
    pub reach: Option<Reach>,
    pub activity: Activity,
    pub interface: Option<String>,
    /// What was not as expected in the newest list.
    #[serde(default)]
    pub malformed: Option<String>,
    /// As in [`ProbeFound`].
    #[serde(default)]
    pub version: Option<String>,
    /// As in [`ProbeFound`].
    #[serde(default)]
    pub jit: Option<bool>,
    /// As in [`ProbeFound`].
    #[serde(default)]
    pub looks_like: Option<Kind>,
    /// Answers to probes in a row since it was last down; they matter only while `returning`.
    pub good_probes: u32,
    /// Down until [`GOOD_PROBES_TO_RETURN`] good probes came.
    pub returning: bool,
    /// Why the last call that it answered badly failed; forgotten with the next good one.
    #[serde(default)]
    pub trouble: Option<Failure>,
}

/// A change worth announcing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    pub from: State,
    pub to: State,
    pub reason: String,
}

impl ProviderHealth {
    pub fn new(now: UnixMs) -> Self {
        Self {
            state: State::Unknown,
            reason: "not checked yet".into(),
            failure: None,
            since: now,
            last_checked: None,
            latency_ms: None,
            ladder: Ladder::default(),
            models: SharedList::default(),
            models_seen: None,
            reach: None,
            activity: Activity::default(),
            interface: None,
            malformed: None,
            version: None,
            jit: None,
            looks_like: None,
            good_probes: 0,
            returning: false,
            trouble: None,
        }
    }

    /// Takes in one probe's report. `breaker_open` and `tally` are of the provider's targets and calls.
    pub fn apply(&mut self, report: &ProbeReport, breaker_open: bool, tally: CallTally) -> Option<StateChange> {
        self.last_checked = Some(report.at);
        if report.reach.is_some() {
            self.reach = report.reach;
        }
        match &report.outcome {
            Ok(found) => {
                self.take_found(report, found);
                self.answered(breaker_open, tally, report.at)
            }
            Err(failure) => match &failure.cause {
                Cause::MalformedList { detail } => {
                    self.take_unreadable(report, failure, detail);
                    self.answered(breaker_open, tally, report.at)
                }
                _ => self.take_failure(report, failure),
            },
        }
    }

    /// After an outage one answer is not enough, whatever is in it: a server that is starting answers before it works.
    fn answered(&mut self, breaker_open: bool, tally: CallTally, at: UnixMs) -> Option<StateChange> {
        self.good_probes = self.good_probes.saturating_add(1);
        if self.returning && self.good_probes < GOOD_PROBES_TO_RETURN {
            let good = if self.malformed.is_some() { "answers" } else { "good probes" };
            let reason = format!("answers again: {} of {GOOD_PROBES_TO_RETURN} {good}", self.good_probes);
            return self.enter(State::Down, reason, at);
        }
        self.returning = false;
        let (state, reason) = self.healthy_state(breaker_open, tally);
        self.enter(state, reason, at)
    }

    fn take_found(&mut self, report: &ProbeReport, found: &ProbeFound) {
        self.latency_ms = Some(report.latency_ms);
        self.failure = None;
        self.ladder.reachable = Some(true);
        self.ladder.authenticated = found.authenticated.or(Some(true));
        self.ladder.listed = Some(!found.models.is_empty());
        self.ladder.loaded = loaded_rung(&found.models);
        self.models.take_over(&found.models);
        self.models_seen = Some(report.at);
        self.activity = found.activity;
        self.interface.clone_from(&found.interface);
        self.malformed.clone_from(&found.malformed);
        self.version.clone_from(&found.version);
        self.jit = found.jit;
        self.looks_like = found.looks_like;
    }

    /// It answers, and no model can be read out of it: what the configuration names may work all the same.
    fn take_unreadable(&mut self, report: &ProbeReport, failure: &Failure, detail: &str) {
        self.latency_ms = Some(report.latency_ms);
        self.failure = Some(failure.clone());
        self.activity = Activity::default();
        self.ladder = Ladder { reachable: Some(true), listed: Some(false), ..Ladder::default() };
        self.malformed = Some(detail.to_owned());
    }

    fn take_failure(&mut self, report: &ProbeReport, failure: &Failure) -> Option<StateChange> {
        self.latency_ms = None;
        self.good_probes = 0;
        self.activity = Activity::default();
        self.failure = Some(failure.clone());
        let refused_key = failure.code == ErrorCode::Auth;
        let reached = refused_key
            || !matches!(
                failure.cause,
                Cause::Refused
                    | Cause::BoundElsewhere { .. }
                    | Cause::ConnectTimeout
                    | Cause::Dns
                    | Cause::Tls { .. }
                    | Cause::KeyMissing { .. }
                    | Cause::KeyWithheld { .. }
            );
        self.ladder = Ladder {
            reachable: if matches!(failure.cause, Cause::KeyMissing { .. } | Cause::KeyWithheld { .. }) {
                None
            } else {
                Some(reached)
            },
            authenticated: refused_key.then_some(false),
            ..Ladder::default()
        };
        self.malformed = None;
        let state = if refused_key { State::Unauthorized } else { State::Down };
        self.returning = state == State::Down;
        self.enter(state, failure.message.clone(), report.at)
    }

    fn healthy_state(&self, breaker_open: bool, tally: CallTally) -> (State, String) {
        if let Some(detail) = &self.malformed {
            (State::Degraded, format!("its model list is malformed: {detail}"))
        } else if breaker_open {
            (State::Degraded, "a model of it fails: its calls pause".into())
        } else if tally.degrades() {
            (State::Degraded, format!("{} of {} calls failed in 5 min", tally.failed, tally.calls))
        } else if self.latency_ms.is_some_and(|ms| ms > SLOW_PROBE_MS) {
            (State::Degraded, "probe slower than 1 s".into())
        } else {
            (State::Up, String::new())
        }
    }

    /// Takes in how a call ended, for what to do about it. A caller's own mistake says nothing of the server.
    pub fn called(&mut self, failure: Option<&Failure>) {
        let Some(failure) = failure else {
            self.ladder.answering = Some(true);
            self.trouble = None;
            return;
        };
        if failure.code.class().breaker {
            self.ladder.answering = Some(false);
        }
        let needs_a_person =
            failure.code == ErrorCode::Quota || matches!(failure.cause, Cause::NoModelLoaded | Cause::JitOff);
        if failure.code.class().breaker || needs_a_person {
            self.trouble = Some(failure.clone());
        }
    }

    /// Re-judges an up or degraded provider after a call or a breaker changed.
    pub fn rejudge(&mut self, breaker_open: bool, tally: CallTally, now: UnixMs) -> Option<StateChange> {
        if !matches!(self.state, State::Up | State::Degraded) {
            return None;
        }
        let (state, reason) = self.healthy_state(breaker_open, tally);
        self.enter(state, reason, now)
    }

    /// Stops or resumes; a resumed provider is unknown until its next probe.
    pub fn set_paused(&mut self, paused: bool, now: UnixMs) -> Option<StateChange> {
        match (paused, self.state) {
            (true, _) => self.enter(State::Paused, "paused by you".into(), now),
            (false, State::Paused) => {
                self.returning = false;
                self.enter(State::Unknown, "not checked yet".into(), now)
            }
            (false, _) => None,
        }
    }

    fn enter(&mut self, state: State, reason: String, now: UnixMs) -> Option<StateChange> {
        let from = self.state;
        self.reason = reason;
        if from == state {
            return None;
        }
        self.state = state;
        self.since = now;
        Some(StateChange { from, to: state, reason: self.reason.clone() })
    }
}

/// Loaded when any model says so, not loaded when every model says so, else unknown.
fn loaded_rung(models: &[ModelInfo]) -> Option<bool> {
    if models.iter().any(|model| model.loaded == Some(true)) {
        Some(true)
    } else if !models.is_empty() && models.iter().all(|model| model.loaded == Some(false)) {
        Some(false)
    } else {
        None
    }
}
