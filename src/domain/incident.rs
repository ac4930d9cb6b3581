//! Incidents: a provider in trouble from one moment to another, made from the changes of its state; and what was
//! seen of it slot by slot, from which uptime is told. What nobody watched is neither up nor down.

use super::failure::Failure;
use super::health::{ProviderHealth, State};
use super::ids::{ProviderId, Target};
use super::time::UnixMs;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How an incident ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was seen to be well again.
    Recovered,
    /// Somebody paused it, switched it off or changed what it is.
    Changed,
    /// It was well again when it was next looked at: nobody watched when it ended.
    Unseen,
}

impl Ending {
    pub fn word(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Changed => "changed",
            Self::Unseen => "unseen",
        }
    }
}

/// One provider in trouble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub provider: ProviderId,
    /// The worst state it was in.
    pub state: State,
    /// Why, in a few words, without the remedy. Untrusted text.
    pub reason: String,
    pub failure: Option<Failure>,
    pub since: UnixMs,
    /// When it was last seen to be in trouble.
    pub seen: UnixMs,
    /// `None` while it is open.
    pub until: Option<UnixMs>,
    pub ending: Option<Ending>,
    /// Calls that were tried here and went elsewhere.
    pub calls_moved: u32,
    /// Where the newest of them went.
    pub moved_to: Option<Target>,
}

/// Whether a state is one that an incident is made of.
pub fn is_trouble(state: State) -> bool {
    matches!(state, State::Degraded | State::Down | State::Unauthorized)
}

fn gravity(state: State) -> u8 {
    match state {
        State::Unknown | State::Up | State::Paused => 0,
        State::Degraded => 1,
        State::Unauthorized => 2,
        State::Down => 3,
    }
}

impl Incident {
    /// The incident that begins with this health; `None` when there is no trouble.
    pub fn begin(provider: &ProviderId, health: &ProviderHealth, at: UnixMs) -> Option<Self> {
        is_trouble(health.state).then(|| Self {
            provider: provider.clone(),
            state: health.state,
            reason: health.reason.clone(),
            failure: health.failure.clone(),
            since: at,
            seen: at,
            until: None,
            ending: None,
            calls_moved: 0,
            moved_to: None,
        })
    }

    pub fn is_open(&self) -> bool {
        self.until.is_none()
    }

    /// How long it lasted, or lasts until `now`.
    pub fn lasted(&self, now: UnixMs) -> Duration {
        self.until.unwrap_or(now).since(self.since)
    }

    /// Takes in what was seen of its provider at `at`: it goes on, grows worse, or ends. `watched` says that it
    /// was seen without a break since it was last in trouble.
    pub fn follow(&mut self, health: &ProviderHealth, at: UnixMs, watched: bool) {
        if !is_trouble(health.state) {
            let (until, ending) = match health.state {
                State::Up if watched => (at, Ending::Recovered),
                State::Up => (self.seen, Ending::Unseen),
                _ => (at, Ending::Changed),
            };
            self.until = Some(until);
            self.ending = Some(ending);
            return;
        }
        self.seen = at;
        let worse = gravity(health.state) > gravity(self.state);
        let other_cause = gravity(health.state) == gravity(self.state)
            && health.failure.as_ref().is_some_and(|new| {
                self.failure.as_ref().is_none_or(|old| old.cause != new.cause || old.code != new.code)
            });
        if worse || other_cause {
            self.state = health.state;
            self.reason.clone_from(&health.reason);
            self.failure.clone_from(&health.failure);
        }
    }

    /// Its provider was switched off, changed or removed.
    pub fn end(&mut self, at: UnixMs) {
        self.until = Some(at);
        self.ending = Some(Ending::Changed);
    }

    pub fn call_moved(&mut self, to: Option<&Target>) {
        self.calls_moved = self.calls_moved.saturating_add(1);
        if let Some(to) = to {
            self.moved_to = Some(to.clone());
        }
    }
}

/// Length of a slot.
pub const SLOT: Duration = Duration::from_mins(5);
/// Slots kept in memory per provider: a day and the one under way.
pub const SLOTS: usize = 289;

/// What was seen of a provider in one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its beginning, a multiple of [`SLOT`].
    pub start: UnixMs,
    /// Probes after which it could be used.
    pub good: u32,
    /// Probes after which it could not.
    pub bad: u32,
    pub worst: State,
    pub slowest_ms: Option<u64>,
}

impl Slot {
    /// One probe as a slot of its own.
    pub fn of(at: UnixMs, state: State, latency_ms: Option<u64>) -> Self {
        let length = i64::try_from(SLOT.as_millis()).unwrap_or(i64::MAX);
        let good = matches!(state, State::Up | State::Degraded);
        Self {
            start: UnixMs(at.0.div_euclid(length) * length),
            good: u32::from(good),
            bad: u32::from(!good),
            worst: state,
            slowest_ms: latency_ms,
        }
    }

    /// Adds what was seen in the same slot.
    pub fn add(&mut self, other: &Self) {
        self.good = self.good.saturating_add(other.good);
        self.bad = self.bad.saturating_add(other.bad);
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
        if gravity(other.worst) > gravity(self.worst) {
            self.worst = other.worst;
        }
    }
}

/// Share of good probes in the slots that begin at `since` or later, in thousandths; `None` when nobody watched.
pub fn uptime_permille<'a>(slots: impl IntoIterator<Item = &'a Slot>, since: UnixMs) -> Option<u32> {
    let (mut good, mut all) = (0u64, 0u64);
    for slot in slots.into_iter().filter(|slot| slot.start >= since) {
        good += u64::from(slot.good);
        all += u64::from(slot.good) + u64::from(slot.bad);
    }
    (good * 1000).checked_div(all).and_then(|share| u32::try_from(share).ok())
}

/// What a ledger still knows of the time before this process.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Past {
    /// Open ones, and those that ended not long ago; the newest first.
    pub incidents: Vec<Incident>,
    /// Oldest first.
    pub slots: Vec<(ProviderId, Slot)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::{Cause, ErrorCode};

    const AT: UnixMs = UnixMs(1_000_000_000);

    fn after(minutes: u64) -> UnixMs {
        AT.plus(Duration::from_mins(minutes))
    }

    fn health(state: State, reason: &str, cause: Option<Cause>) -> ProviderHealth {
        let mut health = ProviderHealth::new(AT);
        health.state = state;
        health.reason = reason.into();
        health.failure = cause.map(|cause| Failure::new(ErrorCode::Network, cause, reason));
        health
    }

    fn refused() -> Incident {
        Incident::begin(&"box".into(), &health(State::Down, "connection refused", Some(Cause::Refused)), AT).unwrap()
    }

    #[test]
    fn only_trouble_begins_an_incident() {
        for state in [State::Unknown, State::Up, State::Paused] {
            assert_eq!(Incident::begin(&"box".into(), &health(state, "", None), AT), None);
        }
        assert!(refused().is_open());
    }

    #[test]
    fn it_keeps_its_beginning_grows_worse_and_keeps_the_worst() {
        let mut incident = Incident::begin(&"box".into(), &health(State::Degraded, "slow", None), AT).unwrap();
        incident.follow(&health(State::Down, "connection refused", Some(Cause::Refused)), after(5), true);
        incident.follow(&health(State::Down, "answers again: 1 of 2 good probes", None), after(6), true);
        incident.follow(&health(State::Degraded, "slow", None), after(7), true);
        assert_eq!((incident.state, incident.reason.as_str()), (State::Down, "connection refused"));
        assert_eq!((incident.since, incident.seen, incident.until), (AT, after(7), None));
        incident.follow(&health(State::Up, "", None), after(14), true);
        assert_eq!((incident.until, incident.ending), (Some(after(14)), Some(Ending::Recovered)));
        assert_eq!(incident.lasted(after(99)), Duration::from_mins(14));
    }

    #[test]
    fn another_cause_is_the_one_to_mend() {
        let mut incident = refused();
        incident.follow(&health(State::Down, "no answer", Some(Cause::ConnectTimeout)), after(1), true);
        assert_eq!(incident.failure.map(|failure| failure.cause), Some(Cause::ConnectTimeout));
    }

    #[test]
    fn what_ended_while_nobody_watched_lasted_as_long_as_it_was_seen() {
        let mut incident = refused();
        incident.follow(&health(State::Down, "connection refused", Some(Cause::Refused)), after(3), true);
        incident.follow(&health(State::Up, "", None), after(600), false);
        assert_eq!((incident.until, incident.ending), (Some(after(3)), Some(Ending::Unseen)));
    }

    #[test]
    fn a_pause_ends_it_without_a_recovery() {
        let mut incident = refused();
        incident.follow(&health(State::Paused, "paused", None), after(3), true);
        assert_eq!(incident.ending, Some(Ending::Changed));
    }

    #[test]
    fn uptime_counts_what_was_seen_and_nothing_else() {
        let mut first = Slot::of(AT, State::Up, Some(12));
        first.add(&Slot::of(AT, State::Down, None));
        first.add(&Slot::of(AT, State::Degraded, Some(1_400)));
        assert_eq!((first.good, first.bad, first.worst, first.slowest_ms), (2, 1, State::Down, Some(1_400)));
        let later = Slot::of(after(600), State::Up, Some(9));
        assert_eq!(uptime_permille([&first, &later], UnixMs(0)), Some(750));
        assert_eq!(uptime_permille([&first, &later], after(500)), Some(1000));
        assert_eq!(uptime_permille([&first], after(500)), None);
        assert_eq!(later.start.0 % 300_000, 0);
    }
}
