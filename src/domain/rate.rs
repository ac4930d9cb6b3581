//! What a vendor says is left of its limits.

use super::time::{SET_BACK, UnixMs};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// What the person's own limits count over.
const MINUTE: Duration = Duration::from_mins(1);

/// The limits as they stood with the last answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateState {
    /// When the answer came.
    pub at: UnixMs,
    pub windows: Vec<RateWindow>,
}

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateWindow {
    pub counts: RateUnit,
    pub limit: Option<u64>,
    pub remaining: u64,
    /// When it is full again.
    pub resets_at: Option<UnixMs>,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateUnit {
    Requests,
    Tokens,
    InputTokens,
    OutputTokens,
}

impl RateUnit {
    pub fn words(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input tokens",
            Self::OutputTokens => "output tokens",
        }
    }
}

impl RateState {
    /// Until when nothing is left; `None` when there is, or nobody said until when.
    pub fn exhausted_until(&self, now: UnixMs) -> Option<UnixMs> {
        self.until(now, |window| window.remaining == 0)
    }

    /// When the last of some windows is full again. What was said at a moment that now lies ahead was said before the
    /// clock was set back, and its times with it.
    fn until(&self, now: UnixMs, which: impl Fn(&RateWindow) -> bool) -> Option<UnixMs> {
        if self.at.since(now) > SET_BACK {
            return None;
        }
        let which = self.windows.iter().filter(|window| which(window));
        which.filter_map(|window| window.resets_at).filter(|until| *until > now).max()
    }

    /// Until when too little is left for a request that needs this; `None` when it fits, when nobody said until
    /// when, or when it would not even fit into a full window.
    pub fn short_until(&self, needs: Needs, now: UnixMs) -> Option<UnixMs> {
        self.until(now, |window| {
            let needed = needs.of(window.counts);
            let full = window.limit == Some(window.remaining);
            window.remaining == 0 || (window.remaining < needed && !full)
        })
    }

    /// Takes what a request needs out of what is left, until the vendor's next answer tells better.
    pub fn take(&mut self, needs: Needs) {
        for window in &mut self.windows {
            window.remaining = window.remaining.saturating_sub(needs.of(window.counts));
        }
    }

    /// The windows that still count at `now`, the scarcest first.
    pub fn current(&self, now: UnixMs) -> Vec<&RateWindow> {
        let mut windows: Vec<&RateWindow> =
            self.windows.iter().filter(|window| window.resets_at.is_none_or(|until| until > now)).collect();
        windows.sort_by_key(|window| match window.limit {
            Some(limit) if limit > 0 => window.remaining.saturating_mul(1000) / limit,
            _ => 1000,
        });
        windows
    }
}

/// What one request takes of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    pub input_tokens: u64,
    /// The longest answer asked for; 0 when nobody says.
    pub output_tokens: u64,
}

impl Needs {
    pub fn tokens(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    fn of(self, unit: RateUnit) -> u64 {
        match unit {
            RateUnit::Requests => 1,
            RateUnit::Tokens => self.tokens(),
            RateUnit::InputTokens => self.input_tokens,
            RateUnit::OutputTokens => self.output_tokens,
        }
    }
}

/// A limit that the person sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RateLimit {
    pub requests_per_minute: Option<u64>,
    pub tokens_per_minute: Option<u64>,
}

/// What was used in the last minute.
#[derive(Debug, Default)]
pub struct LastMinute {
    /// Each request with its tokens, oldest first.
    used: VecDeque<(UnixMs, u64)>,
    tokens: u64,
}

impl LastMinute {
    /// Until when a request of so many tokens has to wait. One that is larger than the whole limit passes when
    /// nothing else was used.
    pub fn full_until(&mut self, limit: RateLimit, tokens: u64, now: UnixMs) -> Option<UnixMs> {
        self.forget(now);
        let mut until = None;
        if let Some(most) = limit.requests_per_minute.and_then(|most| usize::try_from(most).ok())
            && self.used.len() >= most.max(1)
        {
            until = self.used.get(self.used.len() - most.max(1)).map(|(at, _)| at.plus(MINUTE));
        }
        if let Some(most) = limit.tokens_per_minute {
            let mut left = self.tokens;
            let mut free = None;
            for (at, used) in &self.used {
                if left.saturating_add(tokens) <= most {
                    break;
                }
                left = left.saturating_sub(*used);
                free = Some(at.plus(MINUTE));
            }
            until = until.max(free);
        }
        until
    }

    pub fn take(&mut self, tokens: u64, now: UnixMs) {
        self.used.push_back((now, tokens));
        self.tokens = self.tokens.saturating_add(tokens);
    }

    /// Puts the tokens that a request really took in the place of those it was expected to take.
    pub fn correct(&mut self, at: UnixMs, expected: u64, actual: u64) {
        if let Some((_, tokens)) = self.used.iter_mut().find(|(when, tokens)| *when == at && *tokens == expected) {
            *tokens = actual;
            self.tokens = self.tokens.saturating_sub(expected).saturating_add(actual);
        }
    }

    /// Requests and tokens of the last minute.
    pub fn used(&mut self, now: UnixMs) -> (u64, u64) {
        self.forget(now);
        (self.used.len() as u64, self.tokens)
    }

    /// Nothing was used in the last minute.
    pub fn is_idle(&mut self, now: UnixMs) -> bool {
        self.forget(now);
        self.used.is_empty()
    }

    fn forget(&mut self, now: UnixMs) {
        while let Some((at, tokens)) = self.used.front().copied() {
            // Of a clock that was set back, what lies ahead of it is no more of the last minute than what is over.
            if now.since(at).max(at.since(now)) < MINUTE {
                break;
            }
            self.used.pop_front();
            self.tokens = self.tokens.saturating_sub(tokens);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(10_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_clock_set_back_leaves_no_limit_used_up_for_as_long() {
        let limit = RateLimit { requests_per_minute: Some(2), tokens_per_minute: Some(100) };
        let mut minute = LastMinute::default();
        minute.take(50, NOW.plus(HOUR));
        minute.take(50, NOW.plus(HOUR));
        assert!(minute.full_until(limit, 1, NOW.plus(HOUR)).is_some());
        assert_eq!((minute.full_until(limit, 100, NOW), minute.used(NOW)), (None, (0, 0)));
        // A clock that is put right by a moment forgets nothing.
        minute.take(100, NOW);
        assert!(minute.full_until(limit, 1, UnixMs(NOW.0 - 500)).is_some());
    }

    #[test]
    fn what_a_vendor_said_before_the_clock_was_set_back_is_not_believed_for_as_long() {
        let empty = |counts| RateWindow { counts, limit: Some(9), remaining: 0, resets_at: Some(NOW.plus(HOUR)) };
        let rate = RateState { at: NOW, windows: vec![empty(RateUnit::Requests)] };
        let earlier = UnixMs(NOW.0 - 3_600_000);
        assert_eq!((rate.exhausted_until(NOW), rate.exhausted_until(earlier)), (Some(NOW.plus(HOUR)), None));
        assert_eq!(rate.short_until(Needs::default(), earlier), None);
    }
}
