//! The share of the day's limit that one process holds. Reservations come from it in memory; when it is short it
//! says what to ask of the store. Money only leaves it by being spent or by being given back.

use super::CivilDate;
use crate::domain::money::Money;
use serde::{Deserialize, Serialize};

/// One share of a day's limit, as the store names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(pub i64);

/// Shares of a limit are at least this part of it, so that the store is seldom asked.
const SLICES: i64 = 20;

/// Money put aside for one attempt. It is either settled or its whole amount stays gone.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what is not settled counts as reserved for the rest of the day"]
pub struct Hold {
    pub day: CivilDate,
    pub amount: Money,
}

/// What to ask of the store: that the lease holds at least `keep + at_least` of the day's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    pub lease: Option<LeaseId>,
    pub day: CivilDate,
    pub limit: Money,
    /// Settled from this lease so far.
    pub spent: Money,
    /// Spent and reserved: it cannot be taken away any more.
    pub keep: Money,
    pub at_least: Money,
    /// Welcome, to be asked less often.
    pub wanted: Money,
    /// Give `at_least` even where the limit does not.
    pub overdraw: bool,
}

/// What the store gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    pub lease: LeaseId,
    /// What the lease holds now in all.
    pub granted: Money,
    /// What everybody else holds or has spent of the day.
    pub others: Money,
}

/// What to give back: the lease shrinks to `keep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slack {
    pub lease: LeaseId,
    pub spent: Money,
    pub keep: Money,
}

#[derive(Debug, Clone)]
struct Pocket {
    day: CivilDate,
    lease: Option<LeaseId>,
    /// The limit under which the lease was given.
    limit: Money,
    granted: Money,
    spent: Money,
    reserved: Money,
    others: Money,
    /// What the store surely knows as spent; `None` while it was told and did not answer.
    told: Option<Money>,
}

impl Pocket {
    fn keep(&self) -> Money {
        self.spent.saturating_add(self.reserved)
    }

    /// The store may hold more for it than it needs.
    fn is_untold(&self) -> bool {
        self.lease.is_some() && (self.granted != self.keep() || self.told != Some(self.spent))
    }

    fn free(&self) -> Money {
        Money(self.granted.0.saturating_sub(self.keep().0))
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Purse {
    /// The last day first; earlier ones stay until their last call is settled.
    pockets: Vec<Pocket>,
}

impl Purse {
    /// The day that counts now: never an earlier one than before, whatever the clock says, unless an earlier clock ran
    /// ahead by more than a day or two.
    pub fn day(&self, today: CivilDate) -> CivilDate {
        let believed = self.pockets.iter().map(|pocket| pocket.day).find(|day| day.is_believed(today));
        believed.map_or(today, |day| day.max(today))
    }

    /// Days before this one take no more reservations.
    pub fn open(&mut self, day: CivilDate) {
        let place = self.pockets.partition_point(|pocket| pocket.day > day);
        if self.pockets.get(place).is_none_or(|pocket| pocket.day != day) {
            let pocket = Pocket {
                day,
                lease: None,
                limit: Money::ZERO,
                granted: Money::ZERO,
                spent: Money::ZERO,
                reserved: Money::ZERO,
                others: Money::ZERO,
                told: Some(Money::ZERO),
            };
            self.pockets.insert(place, pocket);
        }
    }

    fn of(&self, day: CivilDate) -> Option<&Pocket> {
        self.pockets.iter().find(|pocket| pocket.day == day)
    }

    fn of_mut(&mut self, day: CivilDate) -> Option<&mut Pocket> {
        self.pockets.iter_mut().find(|pocket| pocket.day == day)
    }

    /// Puts `amount` aside.
    ///
    /// # Errors
    /// What to ask of the store first; until its answer is [`Self::granted`] everybody asks. A limit that was lowered
    /// meanwhile asks as well, since the lease is of the higher one.
    pub fn reserve(&mut self, today: CivilDate, limit: Money, amount: Money) -> Result<Hold, Ask> {
        let day = self.day(today);
        self.open(day);
        let place = self.pockets.partition_point(|pocket| pocket.day > day);
        let pocket = &mut self.pockets[place];
        if pocket.lease.is_some() && pocket.limit <= limit && amount <= pocket.free() {
            pocket.reserved = pocket.reserved.saturating_add(amount);
            return Ok(Hold { day, amount });
        }
        let slice = Money(limit.0 / SLICES);
        // Until the answer is there nobody takes the rest, or it would be given twice.
        pocket.granted = pocket.keep();
        pocket.told = None;
        Err(Ask {
            lease: pocket.lease,
            day,
            limit,
            spent: pocket.spent,
            keep: pocket.keep(),
            at_least: amount,
            wanted: slice.max(amount),
            overdraw: false,
        })
    }

    /// Takes in what the store gave for an [`Ask`].
    pub fn granted(&mut self, ask: &Ask, grant: Grant) {
        if let Some(pocket) = self.of_mut(ask.day) {
            pocket.lease = Some(grant.lease);
            pocket.granted = grant.granted;
            pocket.others = grant.others;
            pocket.limit = ask.limit;
            pocket.told = Some(ask.spent);
        }
    }

    /// Puts aside what the store has just given, or was told to overdraw.
    pub fn take(&mut self, day: CivilDate, amount: Money) -> Hold {
        if let Some(pocket) = self.of_mut(day) {
            pocket.reserved = pocket.reserved.saturating_add(amount);
        }
        Hold { day, amount }
    }

    /// The attempt is over and cost this much.
    #[expect(clippy::needless_pass_by_value, reason = "a hold is settled once")]
    pub fn settle(&mut self, hold: Hold, cost: Money) {
        if let Some(pocket) = self.of_mut(hold.day) {
            pocket.reserved = Money(pocket.reserved.0.saturating_sub(hold.amount.0));
            pocket.spent = pocket.spent.saturating_add(cost);
        }
    }

    /// What every lease can be shrunk to. Until the store says that it was, [`Self::gave_back`], or gives more, nobody
    /// takes what is offered here.
    pub fn give_back(&mut self) -> Vec<Slack> {
        let mut slack = Vec::new();
        for pocket in &mut self.pockets {
            let keep = pocket.keep();
            if let Some(lease) = pocket.lease
                && pocket.is_untold()
            {
                pocket.granted = keep;
                pocket.told = None;
                slack.push(Slack { lease, spent: pocket.spent, keep });
            }
        }
        slack
    }

    /// The store took it. Days that are over and settled are forgotten.
    pub fn gave_back(&mut self, slack: &[Slack], day: CivilDate) {
        for pocket in &mut self.pockets {
            if let Some(given) = slack.iter().find(|given| Some(given.lease) == pocket.lease)
                && pocket.told.is_none()
            {
                pocket.told = Some(given.spent);
            }
        }
        self.pockets.retain(|pocket| pocket.day == day || pocket.reserved > Money::ZERO || pocket.is_untold());
    }

    /// The lease of a day, and what this process has spent and reserved from it.
    pub fn standing(&self, day: CivilDate) -> Option<(Option<LeaseId>, Money, Money)> {
        self.of(day).map(|pocket| (pocket.lease, pocket.spent, pocket.reserved))
    }

    /// What everybody else held or had spent of a day when the store was last asked.
    pub fn others(&self, day: CivilDate) -> Money {
        self.of(day).map_or(Money::ZERO, |pocket| pocket.others)
    }

    /// The store was asked again.
    pub fn hear_of_others(&mut self, day: CivilDate, others: Money) {
        if let Some(pocket) = self.of_mut(day) {
            pocket.others = others;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> CivilDate {
        text.parse().unwrap()
    }

    fn filled(limit: i64, granted: i64) -> Purse {
        let mut purse = Purse::default();
        let ask = purse.reserve(date("2026-11-22"), Money(limit), Money(1)).unwrap_err();
        purse.granted(&ask, Grant { lease: LeaseId(1), granted: Money(granted), others: Money::ZERO });
        purse
    }

    #[test]
    fn reservations_come_from_memory_until_the_share_is_short() {
        let mut purse = filled(1000, 50);
        let hold = purse.reserve(date("2026-11-22"), Money(1000), Money(30)).unwrap();
        let ask = purse.reserve(date("2026-11-22"), Money(1000), Money(30)).unwrap_err();
        assert_eq!((ask.keep, ask.at_least, ask.wanted), (Money(30), Money(30), Money(50)));
        // Nobody takes the rest while the store is asked: its answer is counted from what was kept then.
        assert!(purse.reserve(date("2026-11-22"), Money(1000), Money(1)).is_err());
        purse.settle(hold, Money(10));
        purse.granted(&ask, Grant { lease: LeaseId(1), granted: Money(80), others: Money::ZERO });
        assert!(purse.reserve(date("2026-11-22"), Money(1000), Money(70)).is_ok());
        assert!(purse.reserve(date("2026-11-22"), Money(1000), Money(1)).is_err());
    }

    #[test]
    fn a_clock_set_back_stays_on_the_later_day() {
        let mut purse = filled(1000, 50);
        assert_eq!(purse.reserve(date("2026-11-20"), Money(1000), Money(5)).unwrap().day, date("2026-11-22"));
    }

    #[test]
    fn a_day_far_ahead_comes_from_a_clock_that_ran_wild() {
        let mut purse = filled(1000, 50);
        let wild = purse.reserve(date("2036-01-01"), Money(1000), Money(5)).unwrap_err();
        purse.granted(&wild, Grant { lease: LeaseId(2), granted: Money(50), others: Money::ZERO });
        let hold = purse.reserve(date("2026-11-22"), Money(1000), Money(5)).unwrap();
        assert_eq!(hold.day, date("2026-11-22"));
        assert_eq!(purse.reserve(date("2026-11-24"), Money(1000), Money(5)).unwrap_err().day, date("2026-11-24"));
    }

    #[test]
    fn a_call_belongs_to_the_day_of_its_reservation() {
        let mut purse = filled(1000, 50);
        let hold = purse.reserve(date("2026-11-22"), Money(1000), Money(30)).unwrap();
        assert_eq!(purse.reserve(date("2026-11-23"), Money(1000), Money(30)).unwrap_err().keep, Money::ZERO);
        purse.settle(hold, Money(7));
        let slack = [Slack { lease: LeaseId(1), spent: Money(7), keep: Money(7) }];
        assert_eq!(purse.give_back(), slack);
        assert_eq!(purse.give_back(), slack, "nobody said that it arrived");
        purse.gave_back(&slack, date("2026-11-23"));
        assert_eq!(purse.give_back(), []);
    }

    #[test]
    fn a_lower_limit_asks_again() {
        let mut purse = filled(1000, 50);
        assert!(purse.reserve(date("2026-11-22"), Money(900), Money(5)).is_err());
    }
}
