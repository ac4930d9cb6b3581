//! What the ledger tells again and again, since other processes write it too: the sums of the day, and for a process
//! that is asked once and leaves, what the last minute took of limits.

use super::ports::DaySums;
use super::protocol::CallQuery;
use super::supervisor::{Input, Supervisor};
use crate::domain::call::CallRecord;
use crate::domain::ids::ProviderId;
use crate::domain::time::UnixMs;
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::time::Instant;

/// Calls of the last minute looked at for what they took of limits; of more, the newest.
const LATELY: usize = 10_000;

/// A day that begins later than this from now on was begun by a clock that ran ahead.
const AHEAD: Duration = Duration::from_hours(48);

impl Supervisor {
    /// Reads the day's sums; at midnight a new day begins at zero.
    pub(super) fn sync_day(&mut self) {
        self.day_synced = Instant::now();
        self.count_kept();
        let start = self.ports.clock.day_start(self.ports.clock.now(), self.state.config.money.timezone.as_deref());
        if start > self.day_start || self.day_start.since(start) > AHEAD {
            self.day_start = start;
            self.today = DaySums::default();
        }
        self.read_observed();
        let day = self.ports.ledger.day(self.day_start);
        let inputs = self.inputs.clone();
        let start = self.day_start;
        let money = &self.state.config.money;
        let lately = self.lately();
        let till = money.daily_limit.map(|_| (self.till.clone(), money.timezone.clone()));
        tokio::spawn(async move {
            if let Some((till, zone)) = till
                && let Err(sentence) = till.refresh(zone.as_deref()).await
            {
                tracing::warn!("what is left of the day's limit could not be read: {sentence}");
            }
            if let Some(lately) = lately {
                match lately.await {
                    Ok(records) => drop(inputs.send(Input::Lately(taken(&records))).await),
                    Err(message) => tracing::warn!("the calls of the last minute could not be read: {message}"),
                }
            }
            let sums = day.await.inspect_err(|message| tracing::warn!("the day's sums could not be read: {message}"));
            let _ = inputs.send(Input::Day { start, sums: sums.ok() }).await;
        });
    }

    /// The calls of the last minute, for a process that made none of them and is asked about limits.
    fn lately(&self) -> Option<BoxFuture<'static, Result<Vec<CallRecord>, String>>> {
        let limited = self.state.config.providers.iter().any(|profile| profile.rate_limit.is_some());
        let now = self.ports.clock.now();
        let since = Some(UnixMs(now.0.saturating_sub(60_000)));
        let query = CallQuery { since, limit: LATELY, ..CallQuery::default() };
        // Once: from then on this process knows of its own calls, and they would count twice.
        (limited && self.held.is_some()).then(|| self.ports.ledger.records(query, now))
    }
}

/// What calls took of the limits of those who answered them, the oldest first.
fn taken(records: &[CallRecord]) -> Vec<(ProviderId, UnixMs, u64)> {
    let of = |record: &CallRecord| {
        let expected = record.facts.prompt_tokens.saturating_add(record.facts.max_tokens);
        let tokens = record.usage.map_or(expected, |usage| usage.input.saturating_add(usage.output));
        Some((record.target.as_ref()?.provider.clone(), record.ts, tokens))
    };
    records.iter().rev().filter_map(of).collect()
}
