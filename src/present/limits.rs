//! What a vendor says is left of its limits, in words.

use super::units;
use crate::domain::rate::{RateState, RateWindow};
use crate::domain::time::UnixMs;
use std::time::Duration;

/// `482 of 500 requests left, resets in 12 s`; one line per limit, the scarcest first. Limits whose reset has
/// passed say nothing any more.
pub fn lines(rate: &RateState, now: UnixMs) -> Vec<String> {
    let wait = |until: UnixMs| format!("in {}", wait(until.since(now)));
    rate.current(now).into_iter().map(|window| line(window, wait)).collect()
}

/// The same for a screen that stands: `482 of 500 requests left, resets at 22:41:07`, which no second changes.
pub fn lines_by_clock(rate: &RateState, now: UnixMs) -> Vec<String> {
    let clock = |until: UnixMs| format!("at {}", units::clock(until));
    rate.current(now).into_iter().map(|window| line(window, clock)).collect()
}

fn line(window: &RateWindow, when: impl Fn(UnixMs) -> String) -> String {
    let left = left(window);
    match window.resets_at {
        Some(until) => format!("{left}, resets {}", when(until)),
        None => left,
    }
}

/// `482 of 500 requests left`.
pub fn left(window: &RateWindow) -> String {
    let (left, what) = (units::thousands(window.remaining), window.counts.words());
    match window.limit {
        Some(limit) => format!("{left} of {} {what} left", units::thousands(limit)),
        None => format!("{left} {what} left"),
    }
}

/// Seconds while they matter, then minutes, hours, days.
pub fn wait(wait: Duration) -> String {
    match wait.as_millis().div_ceil(1000).max(1) {
        seconds @ ..=119 => format!("{seconds} s"),
        seconds @ ..=7199 => format!("{} min", seconds.div_ceil(60)),
        seconds @ ..=172_799 => format!("{} h", seconds.div_ceil(3600)),
        seconds => format!("{} days", seconds.div_ceil(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rate::RateUnit;

    #[test]
    fn the_scarcest_limit_is_said_first_and_passed_ones_not() {
        let now = UnixMs(1_780_000_000_000);
        let window = |counts, limit, remaining, seconds: Option<u64>| RateWindow {
            counts,
            limit,
            remaining,
            resets_at: seconds.map(|seconds| now.plus(Duration::from_secs(seconds))),
        };
        let rate = RateState {
            at: now,
            windows: vec![
                window(RateUnit::Requests, Some(500), 482, Some(12)),
                window(RateUnit::Tokens, Some(30_000), 1_200, Some(400)),
                window(RateUnit::InputTokens, None, 7, None),
                window(RateUnit::OutputTokens, Some(1), 0, Some(0)),
            ],
        };
        assert_eq!(
            lines(&rate, now),
            [
                "1,200 of 30,000 tokens left, resets in 7 min",
                "482 of 500 requests left, resets in 12 s",
                "7 input tokens left",
            ]
        );
        let standing = lines_by_clock(&rate, now);
        assert_eq!(standing, lines_by_clock(&rate, now.plus(Duration::from_secs(5))), "seconds change nothing");
        assert!(standing[1].starts_with("482 of 500 requests left, resets at "), "{standing:?}");
    }
}
