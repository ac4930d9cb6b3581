//! Points in time as plain numbers, so that every rule can be tested without a clock.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// The time that has passed since `earlier`; zero when `earlier` lies ahead (a clock set back).
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This point in time, moved forward by `duration`.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// A moment that lies further ahead than this was noted before the clock was set back; less is a clock put right.
pub const SET_BACK: Duration = Duration::from_mins(1);

/// A span of the clock on the wall that began when it was noted: one that was set back since ends it, or the span
/// would last as long as the clock was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until {
    since: UnixMs,
    until: UnixMs,
}

impl Until {
    pub fn of(since: UnixMs, until: UnixMs) -> Self {
        Self { since, until }
    }

    /// Its end, while it lasts.
    pub fn at(self, now: UnixMs) -> Option<UnixMs> {
        (self.until > now && self.since.since(now) <= SET_BACK).then_some(self.until)
    }
}

/// The longest span that is read; years of it mean nothing here.
const LONGEST_SPAN: f64 = 1e9;

/// A span as people and vendors write it: `1s`, `12ms`, `6m0s`, `1h2m3.5s`, `7d`.
pub fn span(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest.get(..end)?.parse().ok()?;
        rest = rest.get(end..)?;
        let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match rest.get(..unit_end)? {
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        sum += number * unit;
        rest = rest.get(unit_end..)?;
    }
    (!text.is_empty() && sum <= LONGEST_SPAN).then(|| Duration::from_secs_f64(sum))
}
