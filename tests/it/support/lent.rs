//! A day's limit in memory, for engines whose tests are about something else.

use lmdeck::domain::budget::{Ask, CivilDate, Day, Grant, LeaseId, Slack};
use lmdeck::domain::ids::ProviderId;
use lmdeck::domain::money::Money;
use lmdeck::domain::plan::PlanUse;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::ports::{BudgetStore, Given, Standing};
use lmdeck::engine::protocol::DaySpend;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// One process, so its lease may be the whole limit.
#[derive(Default)]
pub struct Lent(Mutex<BTreeMap<ProviderId, PlanUse>>);

impl BudgetStore for Lent {
    fn ask(&self, ask: &Ask, _: Day) -> Result<Given, String> {
        let needed = ask.keep.saturating_add(ask.at_least);
        let enough = needed <= ask.limit || ask.overdraw;
        let granted = if enough { needed.max(ask.limit) } else { ask.keep };
        let grant = Grant { lease: LeaseId(1), granted, others: Money::ZERO };
        let left = Money(ask.limit.0.saturating_sub(ask.keep.0).max(0));
        Ok(if enough { Given::Lease(grant) } else { Given::Short { grant, left } })
    }

    fn give_back(&self, _: &[Slack]) -> Result<(), String> {
        Ok(())
    }

    fn standing(&self, day: CivilDate, _: Day, _: Option<LeaseId>) -> Result<Standing, String> {
        Ok(Standing { day, others: Money::ZERO, unreturned: Money::ZERO })
    }

    fn days(&self, days: &[Day]) -> Result<Vec<DaySpend>, String> {
        Ok(days.iter().map(|day| DaySpend::of(day.date)).collect())
    }

    fn plan_use(
        &self,
        provider: &ProviderId,
        change: &mut (dyn FnMut(Option<PlanUse>) -> Option<PlanUse> + Send),
    ) -> Result<(), String> {
        let mut all = self.0.lock().unwrap();
        if let Some(used) = change(all.get(provider).cloned()) {
            all.insert(provider.clone(), used);
        }
        Ok(())
    }

    fn plan_uses(&self) -> Result<Vec<(ProviderId, PlanUse)>, String> {
        Ok(self.0.lock().unwrap().clone().into_iter().collect())
    }

    fn sent(&self, _: &ProviderId, _: UnixMs) -> Result<Vec<(UnixMs, u64)>, String> {
        Ok(Vec::new())
    }
}
