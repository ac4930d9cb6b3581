//! The breaker of one target: stops sending calls to what keeps failing, and lets one trial call through
//! when the pause is over.
//!
//! Which failures count is the error table's business (`ErrorCode::class().breaker`); here is only the
//! counting. Time comes in as a parameter.

use super::time::{UnixMs, Until};
use std::collections::VecDeque;
use std::time::Duration;

/// Failures in a row that open it.
pub const FAILURES_IN_A_ROW: u32 = 5;
/// Results in the window from which the share of failures counts; half of them open it.
pub const WINDOW_CALLS: u32 = 10;
/// How far back results count for the share. They are kept by the second, and those of one second leave together: the
/// oldest may leave up to a second early.
pub const WINDOW: Duration = Duration::from_mins(1);
/// The first pause; each failed trial doubles it.
pub const FIRST_PAUSE: Duration = Duration::from_secs(30);
pub const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// A trial that reported nothing for this long is taken as lost, so that a forgotten call cannot keep a
/// target out for ever. The longest call a configuration allows by default.
pub const TRIAL_LOST: Duration = Duration::from_mins(10);

/// What a result changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Opened { until: UnixMs },
    Closed,
}

/// Leave for one call to go there. Its result is told with it: only the trial's own result says that the pause may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    Usual,
    /// The one trial after a pause.
    Trial,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Closed,
    Open {
        since: UnixMs,
        pause: Duration,
    },
    /// The pause is over and one call tries it.
    Trial {
        since: UnixMs,
        pause: Duration,
    },
}

/// Results of one second.
#[derive(Debug, Clone, Copy)]
struct Second {
    start: UnixMs,
    calls: u32,
    failed: u32,
}

/// One target's breaker; closed at first.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    phase: Phase,
    in_a_row: u32,
    /// At most one entry per second of [`WINDOW`].
    recent: VecDeque<Second>,
    /// Until when the server itself asked to be left alone with this model.
    rest: Option<Until>,
}

impl Breaker {
    /// Whether a call may go there now. When the pause is over the answer is yes exactly once: that caller
    /// makes the trial and owes a [`Breaker::record`] or a [`Breaker::release`].
    pub fn admits(&mut self, now: UnixMs) -> Option<Pass> {
        if self.resting(now).is_some() { None } else { self.admits_again(now) }
    }

    /// The same for a call that was there before and has waited as long as it was told itself.
    pub fn admits_again(&mut self, now: UnixMs) -> Option<Pass> {
        match self.phase {
            Phase::Closed => Some(Pass::Usual),
            Phase::Open { since, pause } if over(since, pause, now) => {
                self.phase = Phase::Trial { since: now, pause };
                Some(Pass::Trial)
            }
            Phase::Trial { since, pause } if over(since, TRIAL_LOST, now) => {
                self.phase = Phase::Trial { since: now, pause };
                Some(Pass::Trial)
            }
            Phase::Open { .. } | Phase::Trial { .. } => None,
        }
    }

    /// Takes in a result that counts: an answer, or a failure of the server's own.
    pub fn record(&mut self, pass: Pass, ok: bool, now: UnixMs) -> Option<Change> {
        match (self.phase, pass) {
            (Phase::Closed, _) => {
                self.count(ok, now);
                self.must_open().then(|| self.open(FIRST_PAUSE, now))
            }
            // From a call that was under way when it opened: it says nothing about now.
            (Phase::Open { .. }, _) | (Phase::Trial { .. }, Pass::Usual) => None,
            (Phase::Trial { .. }, Pass::Trial) if ok => {
                *self = Self::default();
                Some(Change::Closed)
            }
            (Phase::Trial { pause, .. }, Pass::Trial) => Some(self.open((pause * 2).min(LONGEST_PAUSE), now)),
        }
    }

    /// Gives leave back without a verdict (cancelled, rate-limited, the caller's own mistake): after a trial the next
    /// caller tries.
    pub fn release(&mut self, pass: Pass) {
        if let (Phase::Trial { since, pause }, Pass::Trial) = (self.phase, pass) {
            self.phase = Phase::Open { since: UnixMs(since.0.saturating_sub(millis(pause))), pause };
        }
    }

    /// The server said that it can be asked again then: nobody goes there before, or for [`LONGEST_PAUSE`]. What it
    /// says while it fails is a guess, and one call that tries it costs little.
    pub fn rest(&mut self, until: UnixMs, now: UnixMs) {
        let until = until.min(now.plus(LONGEST_PAUSE));
        self.rest = Some(Until::of(now, self.resting(now).map_or(until, |known| known.max(until))));
    }

    /// Somebody says that it may be asked again, whatever it said itself.
    pub fn wake(&mut self) {
        self.rest = None;
    }

    fn resting(&self, now: UnixMs) -> Option<UnixMs> {
        self.rest?.at(now)
    }

    /// Until when calls stay away; `None` when one may go there now. While a trial is under way it is
    /// always a moment ahead.
    pub fn open_until(&self, now: UnixMs) -> Option<UnixMs> {
        self.paused_until(now).max(self.resting(now))
    }

    /// Whether failures keep calls away; a server that asked for a rest says nothing of its health.
    pub fn is_open(&self, now: UnixMs) -> bool {
        self.paused_until(now).is_some()
    }

    fn paused_until(&self, now: UnixMs) -> Option<UnixMs> {
        match self.phase {
            Phase::Closed => None,
            Phase::Open { since, pause } => (!over(since, pause, now)).then(|| since.plus(pause)),
            Phase::Trial { since, .. } if over(since, TRIAL_LOST, now) => None,
            Phase::Trial { since, .. } => Some(since.plus(FIRST_PAUSE).max(now.plus(Duration::from_secs(1)))),
        }
    }

    fn open(&mut self, pause: Duration, now: UnixMs) -> Change {
        self.phase = Phase::Open { since: now, pause };
        self.in_a_row = 0;
        self.recent.clear();
        Change::Opened { until: now.plus(pause) }
    }

    fn count(&mut self, ok: bool, now: UnixMs) {
        self.in_a_row = if ok { 0 } else { self.in_a_row.saturating_add(1) };
        // `since` is zero for a moment ahead of `now`, so a clock set back keeps what it has.
        while self.recent.front().is_some_and(|second| now.since(second.start) >= WINDOW) {
            self.recent.pop_front();
        }
        let fits = |second: &&mut Second| now.since(second.start) < Duration::from_secs(1);
        if let Some(second) = self.recent.back_mut().filter(fits) {
            second.calls += 1;
            second.failed += u32::from(!ok);
        } else {
            self.recent.push_back(Second { start: now, calls: 1, failed: u32::from(!ok) });
        }
    }

    fn must_open(&self) -> bool {
        let (calls, failed) =
            self.recent.iter().fold((0, 0), |(calls, failed), s| (calls + s.calls, failed + s.failed));
        self.in_a_row >= FAILURES_IN_A_ROW || (calls >= WINDOW_CALLS && failed * 2 >= calls)
    }
}

/// Whether `span` has passed since `since`; also when the clock was set back behind it, because nobody
/// can say then how long it has been and a trial call costs little.
fn over(since: UnixMs, span: Duration, now: UnixMs) -> bool {
    now < since || now.since(since) >= span
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T0: UnixMs = UnixMs(1_795_000_000_000);

    fn at(seconds: u64) -> UnixMs {
        T0.plus(Duration::from_secs(seconds))
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            breaker.record(Pass::Usual, false, T0);
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_for_half_a_minute() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert_eq!(breaker.record(Pass::Usual, false, T0), None);
            assert!(breaker.admits(T0).is_some());
        }
        assert_eq!(breaker.record(Pass::Usual, false, T0), Some(Change::Opened { until: at(30) }));
        assert!(breaker.admits(at(29)).is_none());
        assert_eq!(breaker.open_until(at(29)), Some(at(30)));
        assert_eq!(breaker.open_until(at(30)), None);
    }

    #[test]
    fn who_says_when_to_come_again_is_left_alone_until_then_and_never_longer_than_the_longest_pause() {
        let mut breaker = Breaker::default();
        breaker.rest(at(60), T0);
        breaker.rest(at(20), T0);
        assert_eq!((breaker.admits(at(59)), breaker.open_until(at(59))), (None, Some(at(60))));
        assert_eq!(breaker.admits_again(at(20)), Some(Pass::Usual), "who waited as it was told goes on");
        assert_eq!((breaker.admits(at(60)), breaker.open_until(at(60))), (Some(Pass::Usual), None));
        breaker.rest(at(86_400), at(60));
        assert_eq!(breaker.open_until(at(60)), Some(at(60 + 300)));
        assert!(!breaker.is_open(at(60)));
        breaker.wake();
        assert_eq!(breaker.open_until(at(60)), None);
        let mut open = opened();
        open.rest(at(10), T0);
        assert_eq!(open.open_until(at(1)), Some(at(30)), "the longer of both");
    }

    #[test]
    fn one_success_between_starts_the_row_again() {
        let mut breaker = Breaker::default();
        for round in 0..20 {
            // One of five succeeds: never five in a row; spread so that ten never fall into one minute.
            for call in 0..5 {
                assert_eq!(breaker.record(Pass::Usual, call == 4, at(round * 70 + call)), None);
            }
        }
    }

    #[test]
    fn half_of_ten_within_a_minute_open_it_and_older_ones_do_not_count() {
        let mut quick = Breaker::default();
        let changes: Vec<_> = (0..10).map(|call| quick.record(Pass::Usual, call % 2 == 0, at(call))).collect();
        assert_eq!(changes[..9], [None; 9]);
        assert!(matches!(changes[9], Some(Change::Opened { .. })));

        let mut slow = Breaker::default();
        assert!((0..40).all(|call| slow.record(Pass::Usual, call % 2 == 0, at(call * 7)).is_none()));
    }

    #[test]
    fn exactly_one_caller_makes_the_trial_and_a_success_closes() {
        let mut breaker = opened();
        assert!(breaker.admits(at(30)).is_some());
        assert!(breaker.admits(at(30)).is_none());
        assert!(breaker.open_until(at(31)).is_some_and(|until| until > at(31)));
        assert_eq!(breaker.record(Pass::Trial, true, at(32)), Some(Change::Closed));
        assert!(breaker.admits(at(32)).is_some() && breaker.admits(at(32)).is_some());
    }

    #[test]
    fn failed_trials_double_the_pause_up_to_five_minutes_and_a_success_forgets_that() {
        let mut breaker = opened();
        let mut now = at(30);
        for pause in [60, 120, 240, 300, 300] {
            assert!(breaker.admits(now).is_some());
            let until = now.plus(Duration::from_secs(pause));
            assert_eq!(breaker.record(Pass::Trial, false, now), Some(Change::Opened { until }));
            now = until;
        }
        assert!(breaker.admits(now).is_some());
        breaker.record(Pass::Trial, true, now);
        for _ in 0..4 {
            breaker.record(Pass::Usual, false, now);
        }
        let until = now.plus(FIRST_PAUSE);
        assert_eq!(breaker.record(Pass::Usual, false, now), Some(Change::Opened { until }));
    }

    #[test]
    fn a_trial_without_a_verdict_passes_to_the_next_caller() {
        let mut breaker = opened();
        assert!(breaker.admits(at(30)).is_some());
        breaker.release(Pass::Trial);
        assert!(breaker.admits(at(31)).is_some());
        assert!(breaker.admits(at(31)).is_none());
        // And one that was forgotten altogether does not lock the target out.
        assert!(breaker.admits(at(31).plus(TRIAL_LOST)).is_some());
    }

    #[test]
    fn a_call_that_began_before_it_opened_has_no_say_in_the_trial() {
        let mut breaker = opened();
        let trial = breaker.admits(at(30)).unwrap();
        assert_eq!(breaker.record(Pass::Usual, true, at(31)), None);
        assert_eq!(breaker.record(Pass::Usual, false, at(31)), None);
        breaker.release(Pass::Usual);
        assert!(breaker.admits(at(32)).is_none(), "the trial is still under way");
        assert_eq!(breaker.record(trial, true, at(33)), Some(Change::Closed));
    }

    #[test]
    fn a_clock_set_back_by_a_day_does_not_keep_it_open_for_a_day() {
        let mut breaker = opened();
        assert!(breaker.admits(UnixMs(T0.0 - 86_400_000)).is_some());
    }

    #[test]
    fn the_results_of_one_second_leave_the_window_together() {
        let mut breaker = Breaker::default();
        let ms = |ms: u64| T0.plus(Duration::from_millis(ms));
        for at in [0, 900] {
            breaker.record(Pass::Usual, true, ms(at));
        }
        for call in 0..9 {
            assert_eq!(breaker.record(Pass::Usual, call % 2 == 0, at(10 + call)), None);
        }
        // The answer at 0.9 s is not a minute old, and left with the one at 0 s: five of ten, not of eleven.
        assert!(matches!(breaker.record(Pass::Usual, false, at(60)), Some(Change::Opened { .. })));
    }

    /// Of at least ten results in the last minute half or more failed; where the minute begins may be up to a second
    /// late, since whole seconds are counted.
    fn half_of_ten_failed(seen: &[(UnixMs, bool)], now: UnixMs) -> bool {
        let age = |place: usize| now.since(seen[place].0);
        let may_begin =
            |place: &usize| age(*place) < WINDOW && (*place == 0 || age(*place - 1) + Duration::from_secs(1) > WINDOW);
        (0..seen.len()).filter(may_begin).any(|from| {
            let failed = seen[from..].iter().filter(|(_, ok)| !ok).count();
            seen.len() - from >= 10 && failed * 2 >= seen.len() - from
        })
    }

    proptest! {
        /// Whatever happens in whatever order: open only after enough failures, one trial at a time, pauses
        /// between 30 s and 5 min, and after the longest pause somebody gets through.
        #[test]
        fn it_opens_only_with_reason_and_never_for_ever(
            steps in prop::collection::vec((0u8..4, 0u64..90_000), 1..200)
        ) {
            let mut breaker = Breaker::default();
            let mut now = T0;
            let mut seen: Vec<(UnixMs, bool)> = Vec::new();
            let mut trial = false;
            for (what, wait) in steps {
                now = now.plus(Duration::from_millis(wait / 8));
                if what == 0 {
                    let was_closed = breaker.phase == Phase::Closed;
                    if breaker.admits(now).is_some() && !was_closed {
                        prop_assert!(!trial, "two trials at once");
                        trial = true;
                    }
                    continue;
                }
                let ok = what == 1;
                let closed = breaker.phase == Phase::Closed;
                if closed {
                    seen.push((now, ok));
                }
                // Calls that began before it opened end at any time, and have no say in the trial.
                let pass = if trial && wait % 2 == 0 { Pass::Trial } else { Pass::Usual };
                match breaker.record(pass, ok, now) {
                    Some(Change::Opened { until }) => {
                        let pause = until.since(now);
                        prop_assert!((FIRST_PAUSE..=LONGEST_PAUSE).contains(&pause));
                        if closed {
                            let row = seen.iter().rev().take_while(|(_, ok)| !ok).count();
                            prop_assert!(row >= 5 || half_of_ten_failed(&seen, now));
                        } else {
                            prop_assert!(pass == Pass::Trial, "opened again without a trial");
                        }
                        seen.clear();
                        trial = false;
                    }
                    Some(Change::Closed) => {
                        prop_assert!(pass == Pass::Trial && ok);
                        seen.clear();
                        trial = false;
                    }
                    None => {}
                }
                prop_assert!(breaker.recent.len() <= 61);
            }
            if !trial {
                prop_assert!(breaker.admits(now.plus(LONGEST_PAUSE)).is_some());
            }
        }

        /// Five failures in a row open a closed breaker, whatever came before.
        #[test]
        fn five_in_a_row_always_open(before in prop::collection::vec(any::<bool>(), 0..30)) {
            let mut breaker = Breaker::default();
            for ok in before {
                breaker.record(Pass::Usual, ok, T0);
            }
            for _ in 0..5 {
                breaker.record(Pass::Usual, false, T0);
            }
            prop_assert!(breaker.admits(T0).is_none());
        }
    }
}
