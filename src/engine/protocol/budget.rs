//! The day's money as a report: what was spent, what is held, what is left.

use crate::domain::budget::{CivilDate, WhenExhausted};
use crate::domain::money::{Cost, Money};
use serde::{Deserialize, Serialize};

/// What one provider's calls of a day cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderSpend {
    /// Empty for calls that reached nobody.
    pub provider: String,
    pub calls: u64,
    pub spent: Money,
    /// Calls whose price is not known, or in part only: what is known of it is in `spent`.
    pub unpriced: u64,
}

/// What one civil day cost. A call stands on the day it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySpend {
    pub date: CivilDate,
    pub calls: u64,
    pub spent: Money,
    pub unpriced: u64,
    /// Taken of the limit and not spent: by running processes, or by one that ended badly, for which it counts as
    /// spent.
    pub held: Money,
    /// The dearest first.
    pub by_provider: Vec<ProviderSpend>,
}

impl DaySpend {
    pub fn of(date: CivilDate) -> Self {
        Self { date, calls: 0, spent: Money::ZERO, unpriced: 0, held: Money::ZERO, by_provider: Vec::new() }
    }

    /// Adds a call.
    pub fn add(&mut self, provider: &str, cost: Cost) {
        let at = self.by_provider.iter().position(|row| row.provider == provider).unwrap_or_else(|| {
            let row = ProviderSpend { provider: provider.to_owned(), calls: 0, spent: Money::ZERO, unpriced: 0 };
            self.by_provider.push(row);
            self.by_provider.len() - 1
        });
        let row = &mut self.by_provider[at];
        let (amount, unpriced) = (cost.amount.unwrap_or_default(), u64::from(cost.whole().is_none()));
        row.calls += 1;
        row.spent = row.spent.saturating_add(amount);
        row.unpriced += unpriced;
        self.calls += 1;
        self.spent = self.spent.saturating_add(amount);
        self.unpriced += unpriced;
    }
}

/// The budget now and the days before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetReport {
    /// The day that counts now; a clock set back does not reopen an earlier one.
    pub today: CivilDate,
    /// The zone whose midnight begins a day; `None` for the machine's own.
    pub timezone: Option<String>,
    pub limit: Option<Money>,
    /// Put aside by this process for calls under way.
    pub reserved: Money,
    /// Held by other processes and not spent, or lost with one that ended badly.
    pub held_elsewhere: Money,
    /// `None` without a limit.
    pub remaining: Option<Money>,
    pub alert_threshold: f64,
    pub alerting: bool,
    pub when_exhausted: WhenExhausted,
    pub allow_unpriced: bool,
    /// Today first.
    pub days: Vec<DaySpend>,
    /// Of the shipped price table, as in `2026-11-03`.
    pub prices_of: String,
    pub prices_from: String,
}
