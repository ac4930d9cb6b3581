//! When to ask the ledger again: soon after something happened, never more than four times a second, and one
//! question at a time. And how many calls end per second.

use crate::domain::time::UnixMs;
use std::collections::VecDeque;
use std::time::Duration;

/// Between two questions.
const GAP: Duration = Duration::from_millis(250);
/// What the rate is taken over.
const WINDOW_S: i64 = 60;

#[derive(Debug, Default)]
pub struct Pace {
    last: Option<UnixMs>,
    due: Option<UnixMs>,
}

impl Pace {
    /// Something happened: a question is due as soon as the last one is far enough back.
    pub fn want(&mut self, now: UnixMs) {
        let soonest = self.last.map_or(now, |last| last.plus(GAP).max(now));
        // A clock set back must not put it off.
        let soonest = soonest.min(now.plus(GAP));
        self.due = Some(self.due.map_or(soonest, |due| due.min(soonest)));
    }

    pub fn due(&self) -> Option<UnixMs> {
        self.due
    }

    pub fn asked(&mut self, now: UnixMs) {
        self.last = Some(now);
        self.due = None;
    }
}

/// Calls that ended within the last minute.
#[derive(Debug, Default)]
pub struct Rate {
    /// Second and count, oldest first; at most one entry per second of the window.
    seconds: VecDeque<(i64, u64)>,
}

impl Rate {
    pub fn ended(&mut self, at: UnixMs) {
        let second = at.0.div_euclid(1000);
        match self.seconds.back_mut() {
            Some((last, count)) if *last >= second => *count += 1,
            _ => self.seconds.push_back((second, 1)),
        }
        while self.seconds.front().is_some_and(|(old, _)| second - old >= WINDOW_S) {
            self.seconds.pop_front();
        }
    }

    /// In words, and when they change by themselves; `None` when no call ended in the last minute.
    pub fn words(&self, now: UnixMs) -> Option<(String, UnixMs)> {
        let second = now.0.div_euclid(1000);
        let recent = || self.seconds.iter().filter(|(at, _)| second - at < WINDOW_S);
        let count: u64 = recent().map(|(_, count)| count).sum();
        let oldest = recent().next()?.0;
        let words = match count {
            0..6 => format!("{count} in the last minute"),
            6..600 => format!("{}.{} calls/s", count / 60, count % 60 / 6),
            _ => format!("{} calls/s", count / 60),
        };
        Some((words, UnixMs((oldest + WINDOW_S).saturating_mul(1000))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_one_question_now_and_one_a_quarter_second_later() {
        let mut pace = Pace::default();
        pace.want(UnixMs(1000));
        assert_eq!(pace.due(), Some(UnixMs(1000)));
        pace.asked(UnixMs(1000));
        for at in 1001..1100 {
            pace.want(UnixMs(at));
        }
        assert_eq!(pace.due(), Some(UnixMs(1250)));
        pace.asked(UnixMs(1250));
        assert_eq!(pace.due(), None);
        pace.want(UnixMs(10));
        assert_eq!(pace.due(), Some(UnixMs(260)));
    }

    #[test]
    fn the_rate_is_that_of_the_last_minute() {
        let mut rate = Rate::default();
        assert_eq!(rate.words(UnixMs(0)), None);
        for second in 0..90 {
            rate.ended(UnixMs(second * 1000));
            rate.ended(UnixMs(second * 1000 + 500));
        }
        assert_eq!(rate.words(UnixMs(89_900)).unwrap().0, "2.0 calls/s");
        assert_eq!(rate.words(UnixMs(148_000)).unwrap(), ("2 in the last minute".into(), UnixMs(149_000)));
        assert_eq!(rate.words(UnixMs(149_000)), None);
    }
}
