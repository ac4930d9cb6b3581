//! Answers what was spent, what is held and what is left of the day's money.

use super::command::{Asker, later};
use super::protocol::{BudgetReport, Reply};
use super::supervisor::Supervisor;
use super::till::Till;
use crate::domain::budget::Day;
use crate::domain::config::MoneyRules;
use crate::domain::money::Money;
use crate::domain::price::table_source;
use crate::domain::routing::BudgetFacts;
use crate::domain::time::UnixMs;
use std::sync::Arc;

/// Days in one report at most.
const MOST_DAYS: u32 = 366;

impl Supervisor {
    pub(super) fn budget(&self, days: u32, asker: Asker) {
        let money = self.state.config.money.clone();
        let (clock, till, ledger) = (self.ports.clock.clone(), self.till.clone(), self.ports.ledger.clone());
        later(asker, async move {
            // Calls that just ended are part of the answer.
            ledger.flush().await;
            let zone = money.timezone.clone();
            let mut spans: Vec<Day> = Vec::new();
            let mut at = clock.now();
            for _ in 0..days.clamp(1, MOST_DAYS) {
                let day = clock.day(at, zone.as_deref());
                at = UnixMs(day.start.0.saturating_sub(1));
                spans.push(day);
            }
            match report(&till, &money, spans).await {
                Ok(report) => Reply::Budget(Box::new(report)),
                Err(sentence) => Reply::refused(1, sentence, "look at the state folder: lmdeck config path names it"),
            }
        });
    }
}

async fn report(till: &Arc<Till>, money: &MoneyRules, spans: Vec<Day>) -> Result<BudgetReport, String> {
    let zone = money.timezone.as_deref();
    till.refresh(zone).await?;
    let (today, own) = till.day(zone);
    let (store, now) = (till.store(), spans.first().copied().ok_or("no day was asked for")?);
    let asked = tokio::task::spawn_blocking(move || Ok((store.standing(today, now, own)?, store.days(&spans)?)));
    let (standing, days) =
        asked.await.unwrap_or_else(|error| Err(format!("the budget could not be asked: {error}")))?;
    let position = till.position();
    let ledger = days.first().map_or(Money::ZERO, |day| day.spent);
    let used = ledger.max(standing.others.saturating_add(position.spent).saturating_add(position.reserved));
    let limit = money.daily_limit;
    let (as_of, sources) = table_source();
    Ok(BudgetReport {
        today,
        timezone: money.timezone.clone(),
        limit,
        reserved: position.reserved,
        held_elsewhere: standing.unreturned,
        remaining: limit.map(|limit| Money(limit.0.saturating_sub(used.0).max(0))),
        alert_threshold: money.alert_threshold,
        alerting: limit.is_some() && BudgetFacts { used, limit }.fraction() >= money.alert_threshold,
        when_exhausted: money.when_exhausted,
        allow_unpriced: money.allow_unpriced,
        days,
        prices_of: as_of,
        prices_from: sources,
    })
}
