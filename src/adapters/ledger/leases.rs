//! The day's limit among the processes that share the ledger's file: each holds leases, a lease counts in full
//! until it is given back, so that one nobody returned counts as spent. Each change is one transaction.

use super::own::OwnConnection;
use super::plans;
use super::row::cost;
use crate::domain::budget::{Ask, CivilDate, Day, Grant, LeaseId, Slack};
use crate::domain::ids::ProviderId;
use crate::domain::money::Money;
use crate::domain::plan::PlanUse;
use crate::domain::time::UnixMs;
use crate::engine::ports::{BudgetStore, Given, Standing};
use crate::engine::protocol::DaySpend;
use rusqlite::{OptionalExtension, Transaction, params};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Calls stamped later than this after a day began came from a clock that ran ahead.
const FAR_AHEAD_MS: i64 = 3 * 24 * 60 * 60 * 1000;

/// Leases are written and read here, and what is counted of plans.
pub struct Leases {
    /// A lease must outlive a power cut, or its money could be given out twice.
    money: OwnConnection,
    plans: OwnConnection,
    /// It was said that days far ahead are not believed.
    said: AtomicBool,
}

impl Leases {
    /// Nothing is opened before the first question.
    pub fn new(path: &Path) -> Self {
        let said = AtomicBool::new(false);
        Self { money: OwnConnection::new(path, "FULL"), plans: OwnConnection::new(path, "NORMAL"), said }
    }

    /// Says once that the clock stood far ahead at some time.
    fn doubt(&self, transaction: &Transaction<'_>, today: CivilDate) -> rusqlite::Result<()> {
        if !self.said.load(Ordering::Relaxed)
            && let Some(last) = last_day(transaction)?.filter(|last| !last.is_believed(today))
        {
            self.said.store(true, Ordering::Relaxed);
            tracing::warn!(
                "money was counted on {last}, and by the clock it is {today}: that clock ran ahead, and what it counted is left aside"
            );
        }
        Ok(())
    }
}

impl BudgetStore for Leases {
    fn ask(&self, ask: &Ask, today: Day) -> Result<Given, String> {
        self.money.within(|transaction| {
            self.doubt(transaction, today.date)?;
            grant(transaction, ask, today)
        })
    }

    fn give_back(&self, slack: &[Slack]) -> Result<(), String> {
        self.money.within(|transaction| {
            for one in slack {
                transaction
                    .prepare_cached("UPDATE budget_leases SET granted_pico = ?2, spent_pico = ?3 WHERE id = ?1")?
                    .execute(params![one.lease.0, one.keep.0, one.spent.0])?;
            }
            Ok(())
        })
    }

    fn standing(&self, day: CivilDate, today: Day, own: Option<LeaseId>) -> Result<Standing, String> {
        self.money.within(|transaction| {
            self.doubt(transaction, today.date)?;
            let later = later_day(transaction, day, today.date)?;
            let outside = outside(transaction, later.unwrap_or(day), today.start)?;
            let (granted, spent) = held(transaction, later.unwrap_or(day), own)?;
            Ok(Standing {
                day: later.unwrap_or(day),
                others: outside.saturating_add(granted),
                unreturned: Money(granted.0.saturating_sub(spent.0).max(0)),
            })
        })
    }

    fn days(&self, days: &[Day]) -> Result<Vec<DaySpend>, String> {
        self.money.within(|transaction| days.iter().map(|day| spend(transaction, day)).collect())
    }

    fn plan_use(
        &self,
        provider: &ProviderId,
        change: &mut (dyn FnMut(Option<PlanUse>) -> Option<PlanUse> + Send),
    ) -> Result<(), String> {
        self.plans.within(|transaction| match change(plans::read(transaction, provider)?) {
            Some(used) => plans::write(transaction, provider, &used),
            None => Ok(()),
        })
    }

    fn plan_uses(&self) -> Result<Vec<(ProviderId, PlanUse)>, String> {
        self.plans.reading(plans::all)
    }

    fn sent(&self, provider: &ProviderId, since: UnixMs) -> Result<Vec<(UnixMs, u64)>, String> {
        self.plans.reading(|transaction| plans::sent(transaction, provider, since))
    }
}

/// Gives what was asked for, as far as the limit reaches.
fn grant(transaction: &Transaction<'_>, ask: &Ask, today: Day) -> rusqlite::Result<Given> {
    if let Some(later) = later_day(transaction, ask.day, today.date)? {
        return Ok(Given::LaterDay(later));
    }
    let outside = outside(transaction, ask.day, today.start)?;
    let others = outside.saturating_add(held(transaction, ask.day, ask.lease)?.0);
    let most = ask.limit.0.saturating_sub(others.0);
    let needed = ask.keep.saturating_add(ask.at_least).0;
    let enough = needed <= most;
    let granted = if enough {
        needed.max(ask.keep.saturating_add(ask.wanted).0.min(most))
    } else if ask.overdraw {
        needed
    } else {
        ask.keep.0
    };
    let lease = write(transaction, ask, Money(granted))?;
    let grant = Grant { lease, granted: Money(granted), others };
    if enough || ask.overdraw {
        return Ok(Given::Lease(grant));
    }
    let left = Money(most.saturating_sub(ask.keep.0).max(0));
    Ok(Given::Short { grant, left })
}

/// The lease as it is now; a new one where there is none yet, or its file was lost.
fn write(transaction: &Transaction<'_>, ask: &Ask, granted: Money) -> rusqlite::Result<LeaseId> {
    let day = ask.day.to_string();
    if let Some(LeaseId(id)) = ask.lease {
        let known = transaction
            .prepare_cached("UPDATE budget_leases SET granted_pico = ?3, spent_pico = ?4 WHERE id = ?1 AND day = ?2")?
            .execute(params![id, day, granted.0, ask.spent.0])?;
        if known == 1 {
            return Ok(LeaseId(id));
        }
    }
    transaction
        .prepare_cached("INSERT INTO budget_leases (day, granted_pico, spent_pico, process) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![day, granted.0, ask.spent.0, std::process::id()])?;
    Ok(LeaseId(transaction.last_insert_rowid()))
}

/// The last day that money was counted on.
fn last_day(transaction: &Transaction<'_>) -> rusqlite::Result<Option<CivilDate>> {
    let last: Option<String> =
        transaction.prepare_cached("SELECT max(day) FROM budget_leases")?.query_row([], |row| row.get(0))?;
    Ok(last.and_then(|day| day.parse().ok()))
}

/// A day after `day` that money was counted on, where it may be the one that counts.
fn later_day(transaction: &Transaction<'_>, day: CivilDate, today: CivilDate) -> rusqlite::Result<Option<CivilDate>> {
    let mut days =
        transaction.prepare_cached("SELECT DISTINCT day FROM budget_leases WHERE day > ?1 ORDER BY day DESC")?;
    let days = days.query_map([day.to_string()], |row| row.get::<_, String>(0))?;
    for later in days {
        if let Ok(later) = later?.parse::<CivilDate>()
            && later.is_believed(today)
        {
            return Ok(Some(later));
        }
    }
    Ok(None)
}

/// What all leases of a day but `own` hold, and how much of it they have spent.
fn held(transaction: &Transaction<'_>, day: CivilDate, own: Option<LeaseId>) -> rusqlite::Result<(Money, Money)> {
    let mut statement =
        transaction.prepare_cached("SELECT id, granted_pico, spent_pico FROM budget_leases WHERE day = ?1")?;
    let mut rows = statement.query([day.to_string()])?;
    let (mut granted, mut spent) = (Money::ZERO, Money::ZERO);
    while let Some(row) = rows.next()? {
        if Some(LeaseId(row.get(0)?)) != own {
            granted = granted.saturating_add(Money(row.get(1)?));
            spent = spent.saturating_add(Money(row.get(2)?));
        }
    }
    Ok((granted, spent))
}

/// What the day's attempts cost that nothing was reserved for: no limit was set, or the price became known by the
/// bill. Only calls that came since the last time are looked at.
fn outside(transaction: &Transaction<'_>, day: CivilDate, day_start: UnixMs) -> rusqlite::Result<Money> {
    let name = day.to_string();
    let known: Option<(i64, i64)> = transaction
        .prepare_cached("SELECT outside_pico, upto_seq FROM budget_days WHERE day = ?1")?
        .query_row([&name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let newest: i64 =
        transaction.prepare_cached("SELECT coalesce(max(seq), 0) FROM calls")?.query_row([], |row| row.get(0))?;
    if let Some((sum, upto)) = known
        && upto >= newest
    {
        return Ok(Money(sum));
    }
    let (before, upto) = known.unwrap_or_default();
    // A day's first look goes by time, later ones by what is new.
    let which =
        if known.is_none() { "ts >= ?2 AND ts < ?3 AND +seq > ?1" } else { "seq > ?1 AND +ts >= ?2 AND +ts < ?3" };
    // Older rows do not say it apart from what was reserved.
    let mut statement = transaction.prepare_cached(&format!(
        "SELECT coalesce(outside_pico, cost_pico) FROM calls
          WHERE {which} AND (outside_pico > 0 OR (outside_pico IS NULL AND reserved_pico IS NULL AND cost_pico > 0))"
    ))?;
    let mut rows = statement.query([upto, day_start.0, day_start.0.saturating_add(FAR_AHEAD_MS)])?;
    let mut sum = Money(before);
    while let Some(row) = rows.next()? {
        sum = sum.saturating_add(Money(row.get(0)?));
    }
    transaction
        .prepare_cached(
            "INSERT INTO budget_days (day, outside_pico, upto_seq) VALUES (?1, ?2, ?3)
             ON CONFLICT (day) DO UPDATE SET outside_pico = excluded.outside_pico, upto_seq = excluded.upto_seq",
        )?
        .execute(params![name, sum.0, newest])?;
    Ok(sum)
}

/// What the calls of one day cost, by provider, the dearest first.
fn spend(transaction: &Transaction<'_>, day: &Day) -> rusqlite::Result<DaySpend> {
    let mut statement = transaction.prepare_cached(
        "SELECT coalesce(labels.provider, ''), calls.cost_pico, calls.cost_provenance
           FROM calls INDEXED BY calls_by_time JOIN labels ON labels.id = calls.label_id
          WHERE ts >= ?1 AND ts < ?2",
    )?;
    let mut rows = statement.query([day.start.0, day.end.0])?;
    let mut sums = DaySpend::of(day.date);
    while let Some(row) = rows.next()? {
        let provider: String = row.get(0)?;
        sums.add(&provider, cost(row)?);
    }
    let (granted, spent) = held(transaction, day.date, None)?;
    sums.held = Money(granted.0.saturating_sub(spent.0).max(0));
    sums.by_provider.sort_by(|a, b| b.spent.cmp(&a.spent).then_with(|| a.provider.cmp(&b.provider)));
    Ok(sums)
}
