//! Plans that count over windows: a vendor's coding plan of so many requests in five hours, and what is used of it.
//!
//! What is used is kept as slots, each with the moment from which it counts no longer; how that moment comes about
//! is the only difference between windows that roll, begin with a call, or stand on the clock.

use super::budget::Day;
use super::rate::{RateUnit, RateWindow};
use super::time::UnixMs;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Slots of one window at most: what is used is never told later than it is by more than this part of the window.
const PARTS: u64 = 300;
/// The longest a vendor's own word is believed without being asked again.
const LONGEST_TOLD: Duration = Duration::from_hours(24 * 32);

pub const WEEK: Duration = Duration::from_hours(24 * 7);
const DAY: Duration = Duration::from_hours(24);
/// A day and a week may be longer by this when the clocks change.
const CHANGED_CLOCKS: Duration = Duration::from_hours(1);

/// What a person says of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    pub resets: Resets,
    pub windows: Vec<PlanWindow>,
}

/// One bound of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanWindow {
    pub length: Duration,
    pub requests: Option<u64>,
    pub tokens: Option<u64>,
}

/// When what was used counts no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resets {
    /// Each request by itself, a window's length after it was sent.
    #[default]
    Rolling,
    /// All at once, a window's length after the first request.
    FirstCall,
    /// All at once at fixed times: whole windows from midnight, weeks from Monday.
    Clock,
}

impl Resets {
    pub const WORDS: &[&str] = &["rolling", "first_call", "clock"];

    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "rolling" => Some(Self::Rolling),
            "first_call" => Some(Self::FirstCall),
            "clock" => Some(Self::Clock),
            _ => None,
        }
    }
}

impl Plan {
    /// Until when a request sent at `now` counts in each window, where nothing is used yet. `day` tells the civil
    /// day of a moment in the plan's zone.
    pub fn counts_until(&self, now: UnixMs, day: impl Fn(UnixMs) -> Day) -> Vec<UnixMs> {
        let until = |window: &PlanWindow| match self.resets {
            Resets::Rolling => {
                let part = millis(window.length).div_ceil(PARTS).max(1);
                let part = i64::try_from(part).unwrap_or(i64::MAX);
                let end = now.0.div_euclid(part).saturating_add(1).saturating_mul(part);
                UnixMs(end).plus(window.length)
            }
            Resets::FirstCall => now.plus(window.length),
            Resets::Clock => clock_end(window.length, now, &day),
        };
        self.windows.iter().map(until).collect()
    }
}

/// The end of the window of the clock that holds `now`. The last one of a day ends with it, however long that is.
fn clock_end(length: Duration, now: UnixMs, day: &impl Fn(UnixMs) -> Day) -> UnixMs {
    let today = day(now);
    if length > DAY {
        let mut last = today;
        // Weeks end with Sunday.
        for _ in 0..7 {
            if last.date.weekday() == 0 {
                break;
            }
            last = day(last.end);
        }
        return last.end;
    }
    if length >= DAY {
        return today.end;
    }
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1);
    let passed = now.0.saturating_sub(today.start.0).max(0) / length;
    let end = today.start.0.saturating_add((passed + 1).saturating_mul(length));
    UnixMs(end).min(today.end)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What is used of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlanUse {
    resets: Resets,
    windows: Vec<Used>,
    /// Until when the vendor said that nothing is left, by its own count.
    #[serde(default)]
    told_until: Option<UnixMs>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Used {
    length: Duration,
    /// The one that counts shortest first.
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Slot {
    until: UnixMs,
    requests: u64,
    tokens: u64,
}

impl Slot {
    /// One whose end lies further ahead than a window reaches was counted by a clock that ran ahead.
    fn counts(&self, length: Duration, now: UnixMs) -> bool {
        let part = Duration::from_millis(millis(length).div_ceil(PARTS));
        self.until > now && self.until.since(now) <= length + part + CHANGED_CLOCKS
    }
}

/// One request's share: where it was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    untils: Vec<UnixMs>,
    tokens: u64,
}

impl PlanUse {
    /// Nothing used.
    pub fn of(plan: &Plan) -> Self {
        let windows = plan.windows.iter().map(|window| Used { length: window.length, slots: Vec::new() }).collect();
        Self { resets: plan.resets, windows, told_until: None }
    }

    /// Whether this was counted as `plan` counts; how much the plan allows does not matter.
    pub fn fits(&self, plan: &Plan) -> bool {
        let lengths = plan.windows.iter().map(|window| window.length);
        self.resets == plan.resets && self.windows.iter().map(|used| used.length).eq(lengths)
    }

    /// Nothing is counted here.
    pub fn is_bare(&self) -> bool {
        self.windows.is_empty()
    }

    /// The same without what was counted.
    pub fn bare(&self) -> Self {
        Self { told_until: self.told_until, ..Self::default() }
    }

    /// What the vendor said stays known.
    pub fn told_as(self, other: &Self) -> Self {
        Self { told_until: other.told_until, ..self }
    }

    /// The vendor says that its window is used up until then.
    pub fn tell(&mut self, until: UnixMs) {
        self.told_until = Some(until);
    }

    /// Somebody knows better than the vendor's last word: the account has another plan now.
    pub fn untell(&mut self) {
        self.told_until = None;
    }

    /// Until when the vendor's own window is used up, by its last word.
    pub fn told_until(&self, now: UnixMs) -> Option<UnixMs> {
        self.told_until.filter(|until| *until > now && until.since(now) <= LONGEST_TOLD)
    }

    /// Until when there is no room for one more request of so many tokens. One that is larger than the whole plan
    /// passes when nothing else was used.
    pub fn full_until(&self, plan: &Plan, tokens: u64, now: UnixMs) -> Option<UnixMs> {
        let full =
            plan.windows.iter().zip(&self.windows).filter_map(|(window, used)| used.full_until(window, tokens, now));
        full.max().max(self.told_until(now))
    }

    /// Takes a request's share of every window, all or nothing. `untils` are those of [`Plan::counts_until`].
    ///
    /// # Errors
    /// Until when there is no room.
    pub fn take(&mut self, plan: &Plan, untils: &[UnixMs], tokens: u64, now: UnixMs) -> Result<Share, UnixMs> {
        match self.full_until(plan, tokens, now) {
            Some(until) => Err(until),
            None => Ok(self.add(untils, tokens, now)),
        }
    }

    /// Counts a request that was sent, whether there was room or not.
    pub fn add(&mut self, untils: &[UnixMs], tokens: u64, now: UnixMs) -> Share {
        let resets = self.resets;
        let add = |(used, until): (&mut Used, &UnixMs)| used.add(resets, *until, tokens, now);
        Share { untils: self.windows.iter_mut().zip(untils).map(add).collect(), tokens }
    }

    /// Puts the tokens that a request really took in the place of those it was expected to take.
    pub fn correct(&mut self, share: &Share, tokens: u64) {
        self.change(share, |slot| slot.tokens = slot.tokens.saturating_sub(share.tokens).saturating_add(tokens));
    }

    /// The request was never sent.
    pub fn give_back(&mut self, share: &Share) {
        self.change(share, |slot| {
            slot.requests = slot.requests.saturating_sub(1);
            slot.tokens = slot.tokens.saturating_sub(share.tokens);
        });
    }

    fn change(&mut self, share: &Share, change: impl Fn(&mut Slot)) {
        for (used, until) in self.windows.iter_mut().zip(&share.untils) {
            if let Some(slot) = used.slots.iter_mut().find(|slot| slot.until == *until) {
                change(slot);
            }
        }
    }

    /// What is left, one entry per bound, with the length of its window.
    pub fn left(&self, plan: &Plan, now: UnixMs) -> Vec<(Duration, RateWindow)> {
        let mut left = Vec::new();
        for (window, used) in plan.windows.iter().zip(&self.windows) {
            let (requests, tokens) = used.sums(now);
            let resets_at = used.live(now).map(|slot| slot.until).max();
            for (counts, limit, used) in
                [(RateUnit::Requests, window.requests, requests), (RateUnit::Tokens, window.tokens, tokens)]
            {
                let Some(limit) = limit else { continue };
                let remaining = limit.saturating_sub(used);
                left.push((window.length, RateWindow { counts, limit: Some(limit), remaining, resets_at }));
            }
        }
        left
    }
}

impl Used {
    fn live(&self, now: UnixMs) -> impl Iterator<Item = &Slot> {
        let length = self.length;
        self.slots.iter().filter(move |slot| slot.counts(length, now))
    }

    fn sums(&self, now: UnixMs) -> (u64, u64) {
        self.live(now).fold((0u64, 0u64), |(requests, tokens), slot| {
            (requests.saturating_add(slot.requests), tokens.saturating_add(slot.tokens))
        })
    }

    fn full_until(&self, window: &PlanWindow, needed: u64, now: UnixMs) -> Option<UnixMs> {
        let (mut requests, mut tokens) = self.sums(now);
        let mut until = None;
        for slot in self.live(now) {
            let many = window.requests.is_some_and(|most| requests >= most.max(1));
            let much = window.tokens.is_some_and(|most| tokens > 0 && tokens.saturating_add(needed) > most);
            if !many && !much {
                break;
            }
            requests = requests.saturating_sub(slot.requests);
            tokens = tokens.saturating_sub(slot.tokens);
            until = Some(slot.until);
        }
        until
    }

    /// Returns until when it counts.
    fn add(&mut self, resets: Resets, until: UnixMs, tokens: u64, now: UnixMs) -> UnixMs {
        let length = self.length;
        self.slots.retain(|slot| slot.counts(length, now));
        let until = match (resets, self.slots.last()) {
            (Resets::FirstCall, Some(running)) => running.until,
            _ => until,
        };
        let place = self.slots.partition_point(|slot| slot.until < until);
        match self.slots.get_mut(place).filter(|slot| slot.until == until) {
            Some(slot) => {
                slot.requests = slot.requests.saturating_add(1);
                slot.tokens = slot.tokens.saturating_add(tokens);
            }
            None => self.slots.insert(place, Slot { until, requests: 1, tokens }),
        }
        until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::CivilDate;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;
    /// A Sunday, at midnight of UTC.
    const SUNDAY: i64 = 20_779 * 24 * HOUR;

    fn day(at: UnixMs) -> Day {
        let start = UnixMs(at.0.div_euclid(24 * HOUR) * 24 * HOUR);
        Day { date: CivilDate::utc(at), start, end: start.plus(DAY) }
    }

    fn plan(resets: Resets, requests: u64, hours: u64) -> Plan {
        let window = PlanWindow { length: Duration::from_hours(hours), requests: Some(requests), tokens: None };
        Plan { resets, windows: vec![window] }
    }

    fn sent(used: &mut PlanUse, plan: &Plan, at: i64) -> Result<Share, UnixMs> {
        let now = UnixMs(at);
        used.take(plan, &plan.counts_until(now, day), 0, now)
    }

    #[test]
    fn windows_of_the_clock_end_with_their_day_and_weeks_with_sunday() {
        let end = |hours, at: i64| plan(Resets::Clock, 1, hours).counts_until(UnixMs(at), day)[0].0 - SUNDAY;
        assert_eq!(end(5, SUNDAY), 5 * HOUR);
        assert_eq!(end(5, SUNDAY + 19 * HOUR), 20 * HOUR);
        assert_eq!(end(5, SUNDAY + 23 * HOUR), 24 * HOUR);
        assert_eq!(end(24, SUNDAY + HOUR), 24 * HOUR);
        assert_eq!(end(168, SUNDAY + HOUR), 24 * HOUR);
        assert_eq!(end(168, SUNDAY + 24 * HOUR), 8 * 24 * HOUR);
    }

    #[test]
    fn a_day_without_an_hour_has_a_shorter_last_window() {
        let short = |at: UnixMs| Day { end: UnixMs(day(at).start.0 + 23 * HOUR), ..day(at) };
        let until = |hours, at| plan(Resets::Clock, 1, hours).counts_until(UnixMs(SUNDAY + at), short)[0].0 - SUNDAY;
        assert_eq!((until(5, 21 * HOUR), until(24, 0)), (23 * HOUR, 23 * HOUR));
    }

    #[test]
    fn a_window_that_begins_with_a_call_ends_for_all_of_them_at_once() {
        let plan = plan(Resets::FirstCall, 2, 5);
        let mut used = PlanUse::of(&plan);
        assert!(sent(&mut used, &plan, 1).is_ok() && sent(&mut used, &plan, 4 * HOUR).is_ok());
        assert_eq!(sent(&mut used, &plan, 4 * HOUR + 1), Err(UnixMs(5 * HOUR + 1)));
        assert!(sent(&mut used, &plan, 5 * HOUR + 1).is_ok());
        assert_eq!(used.left(&plan, UnixMs(5 * HOUR + 2))[0].1.remaining, 1);
    }

    #[test]
    fn what_was_never_sent_counts_no_more_and_tokens_are_corrected() {
        let window = PlanWindow { length: Duration::from_hours(5), requests: Some(2), tokens: Some(100) };
        let plan = Plan { resets: Resets::Rolling, windows: vec![window] };
        let mut used = PlanUse::of(&plan);
        let untils = plan.counts_until(UnixMs(0), day);
        let huge = used.take(&plan, &untils, 500, UnixMs(0)).expect("nothing else was used");
        assert!(used.full_until(&plan, 1, UnixMs(1)).is_some());
        used.correct(&huge, 40);
        assert_eq!(used.full_until(&plan, 60, UnixMs(1)), None);
        assert!(used.full_until(&plan, 61, UnixMs(1)).is_some());
        used.give_back(&huge);
        assert_eq!(
            used.left(&plan, UnixMs(1)).iter().map(|(_, left)| left.remaining).collect::<Vec<_>>(),
            [2, 140 - 40]
        );
    }

    #[test]
    fn what_a_clock_counted_that_ran_ahead_counts_no_more_once_it_is_right() {
        for resets in [Resets::Rolling, Resets::FirstCall, Resets::Clock] {
            let plan = plan(resets, 1, 5);
            let mut used = PlanUse::of(&plan);
            sent(&mut used, &plan, SUNDAY + 365 * 24 * HOUR).unwrap();
            assert_eq!(used.full_until(&plan, 0, UnixMs(SUNDAY)), None, "{resets:?}");
            sent(&mut used, &plan, SUNDAY).unwrap();
            let until = sent(&mut used, &plan, SUNDAY + 1).unwrap_err();
            assert!(until.0 <= SUNDAY + 6 * HOUR, "{resets:?}: it counts with the right clock's own");
        }
    }

    #[test]
    fn the_vendor_s_own_word_counts_as_long_as_it_says() {
        let plan = plan(Resets::Rolling, 100, 5);
        let mut used = PlanUse::of(&plan);
        used.tell(UnixMs(HOUR));
        assert_eq!(used.full_until(&plan, 0, UnixMs(1)), Some(UnixMs(HOUR)));
        assert_eq!(used.full_until(&plan, 0, UnixMs(HOUR)), None);
        let json = serde_json::to_string(&used).unwrap();
        assert_eq!(serde_json::from_str::<PlanUse>(&json).unwrap(), used);
    }

    proptest! {
        /// Whatever the gaps: no window holds more than the plan allows, and whoever waits as long as told finds room.
        #[test]
        fn no_window_holds_more_than_its_plan(
            gaps in prop::collection::vec(0..HOUR, 1..150),
            resets in prop::sample::select(vec![Resets::Rolling, Resets::FirstCall, Resets::Clock]),
            requests in 1..8u64,
            week in 8..20u64,
        ) {
            let length = Duration::from_hours(5);
            let plan = Plan { resets, windows: vec![
                PlanWindow { length, requests: Some(requests), tokens: None },
                PlanWindow { length: WEEK, requests: Some(week), tokens: None },
            ] };
            let mut used = PlanUse::of(&plan);
            let mut now = SUNDAY;
            let mut all: Vec<i64> = Vec::new();
            for gap in gaps {
                now += gap;
                if let Err(until) = sent(&mut used, &plan, now) {
                    prop_assert!(until.0 > now);
                    now = until.0;
                    prop_assert!(sent(&mut used, &plan, now).is_ok());
                }
                all.push(now);
                let count = |from: i64| all.iter().filter(|at| **at >= from).count() as u64;
                match resets {
                    Resets::Rolling => {
                        prop_assert!(count(now - 5 * HOUR + 1) <= requests);
                        prop_assert!(count(now - 168 * HOUR + 1) <= week);
                    }
                    Resets::Clock => {
                        let midnight = day(UnixMs(now)).start.0;
                        prop_assert!(count(midnight + (now - midnight) / (5 * HOUR) * 5 * HOUR) <= requests);
                    }
                    Resets::FirstCall => {
                        // Every window begins with a call: from each beginning on there are at most so many.
                        let mut begun = all[0];
                        let mut inside = 0;
                        for at in &all {
                            if at - begun >= 5 * HOUR { begun = *at; inside = 0; }
                            inside += 1;
                            prop_assert!(inside <= requests);
                        }
                    }
                }
                for used in &used.windows {
                    prop_assert!(used.slots.len() as u64 <= PARTS + 2);
                }
            }
        }
    }
}
