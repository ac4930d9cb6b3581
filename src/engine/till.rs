//! Where calls put money aside before they go out and settle it afterwards. In memory as long as this process's
//! share of the day's limit lasts; only a new share asks the store.

use super::ports::{BudgetStore, Clock, Given};
use crate::domain::budget::{Ask, CivilDate, Day, Hold, LeaseId, Purse, Slack};
use crate::domain::config::MoneyRules;
use crate::domain::money::Money;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store that knows a later day than the clock is asked again once for that day.
const TRIES: u32 = 3;

/// See the module.
pub struct Till {
    clock: Arc<dyn Clock>,
    store: Arc<dyn BudgetStore>,
    inner: Mutex<Inner>,
    /// One question to the store at a time: everybody who is short waits for the same answer.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Inner {
    purse: Purse,
    /// The day that was read last from the clock, with its zone.
    day: Option<(Option<String>, Day)>,
}

/// Why nothing was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// So much is left of the day.
    Short { left: Money },
    /// The store cannot be used; the sentence says why.
    Store(String),
}

/// This process's part of the day's money, and what is known of everybody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Settled by this process since it began the day.
    pub spent: Money,
    pub reserved: Money,
    /// Held or spent by everybody else when the store was last asked.
    pub others: Money,
}

impl Position {
    /// What counts against the limit.
    pub fn used(self) -> Money {
        self.others.saturating_add(self.spent).saturating_add(self.reserved)
    }
}

impl Till {
    pub fn new(clock: Arc<dyn Clock>, store: Arc<dyn BudgetStore>) -> Arc<Self> {
        Arc::new(Self { clock, store, inner: Mutex::default(), asking: tokio::sync::Mutex::default() })
    }

    /// The values behind the lock are whole at any moment, so a panic elsewhere does not spoil them.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `amount` of the day's `limit` aside; with `overdraw` also where the limit does not reach.
    ///
    /// # Errors
    /// The limit does not reach, or the store cannot be used: then no money may be spent.
    pub async fn reserve(
        self: &Arc<Self>,
        rules: &MoneyRules,
        limit: Money,
        amount: Money,
        overdraw: bool,
    ) -> Result<Held, Refused> {
        if let Ok(hold) = self.in_memory(rules.timezone.as_deref(), limit, amount) {
            return Ok(Held::of(self, hold));
        }
        let (till, zone) = (self.clone(), rules.timezone.clone());
        // On its own: a caller that leaves meanwhile must not lose a share that was already given.
        let asked = tokio::spawn(async move { till.with_store(zone.as_deref(), limit, amount, overdraw).await });
        asked.await.unwrap_or_else(|error| Err(Refused::Store(format!("the budget could not be asked: {error}"))))
    }

    fn in_memory(&self, zone: Option<&str>, limit: Money, amount: Money) -> Result<Hold, (Ask, Day)> {
        let now = self.clock.now();
        let mut inner = self.lock();
        let day = match &inner.day {
            Some((known, day)) if known.as_deref() == zone && day.holds(now) => *day,
            _ => {
                let day = self.clock.day(now, zone);
                inner.day = Some((zone.map(str::to_owned), day));
                day
            }
        };
        inner.purse.reserve(day.date, limit, amount).map_err(|ask| (ask, day))
    }

    async fn with_store(
        self: Arc<Self>,
        zone: Option<&str>,
        limit: Money,
        amount: Money,
        overdraw: bool,
    ) -> Result<Held, Refused> {
        let _alone = self.asking.lock().await;
        for _ in 0..TRIES {
            // Who was here before may have brought enough.
            let (ask, day) = match self.in_memory(zone, limit, amount) {
                Ok(hold) => return Ok(Held::of(&self, hold)),
                Err((ask, day)) => (Ask { overdraw, ..ask }, day),
            };
            let store = self.store.clone();
            let given = blocking(move || store.ask(&ask, day)).await.map_err(Refused::Store)?;
            let mut inner = self.lock();
            match given {
                Given::Lease(grant) => {
                    inner.purse.granted(&ask, grant);
                    let hold = inner.purse.take(ask.day, amount);
                    drop(inner);
                    return Ok(Held::of(&self, hold));
                }
                Given::Short { grant, left } => {
                    inner.purse.granted(&ask, grant);
                    return Err(Refused::Short { left });
                }
                Given::LaterDay(later) => inner.purse.open(later),
            }
        }
        Err(Refused::Store("the days of the budget change faster than they can be read".into()))
    }

    /// Gives back what nobody needs now, and learns what everybody else holds.
    ///
    /// # Errors
    /// A sentence: the store cannot be used.
    pub async fn refresh(&self, zone: Option<&str>) -> Result<(), String> {
        let _alone = self.asking.lock().await;
        let now = self.clock.now();
        let today = self.clock.day(now, zone);
        let (slack, day, own) = {
            let mut inner = self.lock();
            inner.day = Some((zone.map(str::to_owned), today));
            let slack = inner.purse.give_back();
            let day = inner.purse.day(today.date);
            inner.purse.open(day);
            let own = inner.purse.standing(day).and_then(|(lease, ..)| lease);
            (slack, day, own)
        };
        self.tell(slack, day).await?;
        let store = self.store.clone();
        let standing = blocking(move || store.standing(day, today, own)).await?;
        let mut inner = self.lock();
        inner.purse.open(standing.day);
        inner.purse.hear_of_others(standing.day, standing.others);
        Ok(())
    }

    /// Tells the store what is given back; what it does not take is told again the next time.
    async fn tell(&self, slack: Vec<Slack>, day: CivilDate) -> Result<(), String> {
        let slack = if slack.is_empty() {
            slack
        } else {
            let store = self.store.clone();
            blocking(move || store.give_back(&slack).map(|()| slack)).await?
        };
        self.lock().purse.gave_back(&slack, day);
        Ok(())
    }

    /// Gives everything back that is not reserved; for the end of a process.
    pub async fn close(&self) {
        let _alone = self.asking.lock().await;
        let (slack, day) = {
            let mut inner = self.lock();
            let today = inner.day.as_ref().map(|(_, day)| day.date);
            (inner.purse.give_back(), today)
        };
        let Some(day) = day else { return };
        if let Err(sentence) = self.tell(slack, day).await {
            tracing::warn!("money put aside for calls could not be given back and counts as spent: {sentence}");
        }
    }

    /// Of the day that counts by the clock as it was read last.
    pub fn position(&self) -> Position {
        let inner = self.lock();
        let Some(day) = inner.day.as_ref().map(|(_, today)| inner.purse.day(today.date)) else {
            return Position::default();
        };
        let (_, spent, reserved) = inner.purse.standing(day).unwrap_or_default();
        Position { spent, reserved, others: inner.purse.others(day) }
    }

    /// The day that counts, and this process's lease of it.
    pub fn day(&self, zone: Option<&str>) -> (CivilDate, Option<LeaseId>) {
        let today = self.clock.day(self.clock.now(), zone).date;
        let inner = self.lock();
        let day = inner.purse.day(today);
        (day, inner.purse.standing(day).and_then(|(lease, ..)| lease))
    }

    pub fn store(&self) -> Arc<dyn BudgetStore> {
        self.store.clone()
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(format!("the budget could not be asked: {error}")))
}

/// Money put aside for one attempt. Dropped without a word it is spent whole when the request was sent, and free
/// again when it was not.
pub struct Held {
    till: Arc<Till>,
    hold: Option<Hold>,
    sent: bool,
}

impl Held {
    fn of(till: &Arc<Till>, hold: Hold) -> Self {
        Self { till: till.clone(), hold: Some(hold), sent: false }
    }

    pub fn amount(&self) -> Money {
        self.hold.as_ref().map_or(Money::ZERO, |hold| hold.amount)
    }

    /// The day it belongs to, whenever it is settled.
    pub fn day(&self) -> Option<CivilDate> {
        self.hold.as_ref().map(|hold| hold.day)
    }

    /// From here on it may cost something.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    pub fn settle(mut self, cost: Money) {
        self.end(cost);
    }

    fn end(&mut self, cost: Money) {
        if let Some(hold) = self.hold.take() {
            self.till.lock().purse.settle(hold, cost);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let cost = if self.sent { self.amount() } else { Money::ZERO };
        self.end(cost);
    }
}
