//! The sums of a replay.

use super::{Change, Fate, Replayed};
use crate::domain::ids::Target;
use crate::domain::money::Money;
use crate::domain::time::UnixMs;
use serde::{Deserialize, Serialize};

/// A whole replay.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReplayReport {
    /// Calls that were looked at.
    pub calls: u64,
    /// Calls that fit the filter; the newest were looked at.
    pub matching: u64,
    /// It was stopped before all were looked at that were asked for.
    pub stopped: bool,
    /// The moments of the first and of the last of them.
    pub first: Option<UnixMs>,
    pub last: Option<UnixMs>,
    pub moved: u64,
    pub refused: u64,
    pub let_through: u64,
    pub before: ReplaySums,
    pub after: ReplaySums,
    /// Calls whose cost is not known on one side: they are in no sum of money.
    pub unpriced: u64,
    /// Calls with a first token on both sides: the mean is taken over these.
    pub timed: u64,
    /// Rows that rest on a provider's state of today.
    pub from_today: u64,
    /// What changes, put together; the most calls first.
    pub flows: Vec<Flow>,
    /// Every call, the newest first.
    pub rows: Vec<Replayed>,
    /// Facts of requests that the rules read and calls lack.
    pub absent: Vec<AbsentFact>,
    /// What the rules look at and no record holds: it is as today.
    pub unrecorded: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReplaySums {
    pub local: u64,
    pub cloud: u64,
    /// At a provider that is gone.
    pub unknown: u64,
    /// Calls that reach nobody.
    pub refused: u64,
    pub cost: Money,
    /// To the first token, on average.
    pub ttft_ms: Option<u64>,
}

/// Calls that change in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// `None`: refused.
    pub from: Option<Target>,
    pub to: Option<Target>,
    pub calls: u64,
    /// Of those whose cost is known on both sides.
    pub cost_before: Money,
    pub cost_after: Money,
    pub unpriced: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentFact {
    /// As in a condition: `request.audience`.
    pub fact: String,
    pub calls: u64,
}

pub fn report(
    rows: Vec<Replayed>,
    absent: Vec<AbsentFact>,
    unrecorded: Vec<String>,
    matching: u64,
    stopped: bool,
) -> ReplayReport {
    let count = |change| rows.iter().filter(|row| row.change == change).count() as u64;
    let priced = || rows.iter().filter(|row| costs(row).is_some());
    let timed = || rows.iter().filter(|row| times(row).is_some());
    let side = |of: fn(&Replayed) -> &Fate, cost: Money, ttft_ms: Option<u64>| {
        let mut sums = ReplaySums { cost, ttft_ms, ..ReplaySums::default() };
        for fate in rows.iter().map(of) {
            match (&fate.refused, fate.local) {
                (Some(_), _) => sums.refused += 1,
                (None, Some(true)) => sums.local += 1,
                (None, Some(false)) => sums.cloud += 1,
                (None, None) => sums.unknown += 1,
            }
        }
        sums
    };
    let money = |pick: fn((Money, Money)) -> Money| {
        priced().filter_map(costs).map(pick).fold(Money::ZERO, Money::saturating_add)
    };
    let calls_timed = timed().count() as u64;
    let mean = |pick: fn((u64, u64)) -> u64| {
        let sum = timed().filter_map(times).map(pick).fold(0u64, u64::saturating_add);
        sum.checked_div(calls_timed)
    };
    ReplayReport {
        calls: rows.len() as u64,
        matching,
        stopped,
        first: rows.iter().map(|row| row.ts).min(),
        last: rows.iter().map(|row| row.ts).max(),
        moved: count(Change::Moved),
        refused: count(Change::Refused),
        let_through: count(Change::LetThrough),
        before: side(|row| &row.before, money(|(before, _)| before), mean(|(before, _)| before)),
        after: side(|row| &row.after, money(|(_, after)| after), mean(|(_, after)| after)),
        unpriced: (rows.len() - priced().count()) as u64,
        timed: calls_timed,
        from_today: rows.iter().filter(|row| !row.today.is_empty()).count() as u64,
        flows: flows(&rows),
        absent,
        unrecorded,
        rows,
    }
}

fn costs(row: &Replayed) -> Option<(Money, Money)> {
    row.before.cost.zip(row.after.cost)
}

fn times(row: &Replayed) -> Option<(u64, u64)> {
    row.before.ttft_ms.zip(row.after.ttft_ms)
}

fn flows(rows: &[Replayed]) -> Vec<Flow> {
    let mut flows: Vec<Flow> = Vec::new();
    for row in rows.iter().filter(|row| row.change != Change::Same) {
        let end = |fate: &Fate| fate.target.clone().filter(|_| fate.refused.is_none());
        let (from, to) = (end(&row.before), end(&row.after));
        let place = flows.iter().position(|flow| flow.from == from && flow.to == to).unwrap_or_else(|| {
            flows.push(Flow { from, to, calls: 0, cost_before: Money::ZERO, cost_after: Money::ZERO, unpriced: 0 });
            flows.len() - 1
        });
        let flow = &mut flows[place];
        flow.calls += 1;
        match costs(row) {
            Some((before, after)) => {
                flow.cost_before = flow.cost_before.saturating_add(before);
                flow.cost_after = flow.cost_after.saturating_add(after);
            }
            None => flow.unpriced += 1,
        }
    }
    // Stable: the newest first among equals.
    flows.sort_by_key(|flow| std::cmp::Reverse(flow.calls));
    flows
}
