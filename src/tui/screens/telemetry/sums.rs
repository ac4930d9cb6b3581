//! What the charts are made of: the ledger's sums for one window of time, asked for when they are looked at and
//! again some time after calls ended.

use crate::domain::time::UnixMs;
use crate::engine::protocol::{CallStats, Command, GroupBy, Reply, StatsQuery};
use crate::tui::part::{Outbox, Ticket};
use std::time::Duration;

/// Between two rounds of questions: sums over a month read a million rows.
const GAP: Duration = Duration::from_secs(2);
const HOUR: Duration = Duration::from_hours(1);
/// What `g` goes through.
const GROUPS: [GroupBy; 6] =
    [GroupBy::Provider, GroupBy::Model, GroupBy::Policy, GroupBy::Type, GroupBy::Client, GroupBy::Status];

/// How far back the charts look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Window {
    #[default]
    Today,
    Day,
    Week,
    Month,
}

impl Window {
    const ALL: [Self; 4] = [Self::Today, Self::Day, Self::Week, Self::Month];

    pub fn words(self) -> &'static str {
        match self {
            Self::Today => "today",
            Self::Day => "the last 24 hours",
            Self::Week => "the last 7 days",
            Self::Month => "the last 30 days",
        }
    }

    fn since(self, now: UnixMs) -> Option<UnixMs> {
        let hours = match self {
            Self::Today => return None,
            Self::Day => 24,
            Self::Week => 24 * 7,
            Self::Month => 24 * 30,
        };
        let back = i64::try_from((HOUR * hours).as_millis()).unwrap_or(i64::MAX);
        Some(UnixMs(now.0.saturating_sub(back)))
    }

    /// What one bar of the course of time is.
    pub fn slot(self) -> GroupBy {
        if matches!(self, Self::Today | Self::Day) { GroupBy::Hour } else { GroupBy::Day }
    }
}

/// The next of some choices, the first after the last.
fn after<T: Copy + PartialEq>(all: &[T], now: T) -> T {
    let place = all.iter().position(|one| *one == now).unwrap_or(0);
    all[(place + 1) % all.len()]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Groups,
    Days,
    Slots,
    Errors,
}

#[derive(Debug)]
pub struct Sums {
    pub window: Window,
    pub by: GroupBy,
    /// By what was chosen.
    pub groups: Option<CallStats>,
    /// By day and provider.
    pub days: Option<CallStats>,
    /// By hour or day.
    pub slots: Option<CallStats>,
    pub errors: Option<CallStats>,
    /// Why there are none.
    pub wrong: Option<String>,
    asked: Vec<(Ticket, Part)>,
    last: Option<UnixMs>,
    due: Option<UnixMs>,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            window: Window::default(),
            by: GroupBy::Provider,
            groups: None,
            days: None,
            slots: None,
            errors: None,
            wrong: None,
            asked: Vec::new(),
            last: None,
            due: None,
        }
    }
}

impl Sums {
    /// The next window, or the next thing to group by; what was known of another is forgotten.
    pub fn turn(&mut self, window: bool) {
        if window {
            let next = after(&Window::ALL, self.window);
            *self = Self { window: next, by: self.by, ..Self::default() };
        } else {
            self.by = after(&GROUPS, self.by);
            self.groups = None;
        }
    }

    /// Asks for all of them; answers to earlier questions count no more.
    pub fn ask(&mut self, filter: &str, now: UnixMs, out: &mut Outbox) {
        let since = self.window.since(now);
        let parts = [
            (Part::Groups, vec![self.by]),
            (Part::Days, vec![GroupBy::Day, GroupBy::Provider]),
            (Part::Slots, vec![self.window.slot()]),
            (Part::Errors, vec![GroupBy::Error]),
        ];
        self.asked = parts
            .into_iter()
            .map(|(part, by)| {
                let query = StatsQuery { filter: filter.to_owned(), by, since };
                (out.ask(Command::CallStats { query: Box::new(query) }), part)
            })
            .collect();
        self.last = Some(now);
        self.due = None;
    }

    /// Something happened: a new round is due as soon as the last one is far enough back.
    pub fn want(&mut self, now: UnixMs) {
        let soonest = self.last.map_or(now, |last| last.plus(GAP).max(now)).min(now.plus(GAP));
        self.due = Some(self.due.map_or(soonest, |due| due.min(soonest)));
    }

    pub fn due(&self) -> Option<UnixMs> {
        self.due.filter(|_| self.asked.is_empty())
    }

    /// Whether the answer was for one of its questions.
    pub fn reply(&mut self, ticket: Ticket, reply: &Reply) -> bool {
        let Some(place) = self.asked.iter().position(|(asked, _)| *asked == ticket) else { return false };
        let (_, part) = self.asked.swap_remove(place);
        match reply {
            Reply::Stats(stats) => {
                self.wrong = None;
                let stats = Some((**stats).clone());
                match part {
                    Part::Groups => self.groups = stats,
                    Part::Days => self.days = stats,
                    Part::Slots => self.slots = stats,
                    Part::Errors => self.errors = stats,
                }
            }
            Reply::Refused(refusal) => self.wrong = Some(refusal.message.clone()),
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_go_round_and_windows_look_back() {
        let mut sums = Sums::default();
        let mut seen = Vec::new();
        for _ in 0..Window::ALL.len() {
            sums.turn(true);
            seen.push(sums.window);
        }
        assert_eq!(seen, [Window::Day, Window::Week, Window::Month, Window::Today]);
        assert_eq!(Window::Today.since(UnixMs(5)), None);
        assert_eq!(Window::Day.since(UnixMs(86_400_005)), Some(UnixMs(5)));
        for _ in 0..GROUPS.len() {
            sums.turn(false);
        }
        assert_eq!(sums.by, GroupBy::Provider);
    }
}
