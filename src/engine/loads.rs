//! Models on their way into memory or out of it, and how long that took before. Shared between calls, which may
//! load a model by asking for it, and the commands that load one.

use super::ports::Ledger;
use super::protocol::LoadingView;
use crate::domain::ids::{ProviderId, Target};
use crate::domain::time::UnixMs;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Loads known at once; a server that has more under way than this is not shown more.
const LOADS: usize = 256;

/// How long loading `target` took the last time, by the notes of the ledger.
fn last_time(ledger: &dyn Ledger, target: &Target) -> Option<u64> {
    ledger.recall(&note(target))?.parse().ok()
}

/// Notes how long loading `target` took.
fn remember_time(ledger: &dyn Ledger, target: &Target, ms: u64) {
    ledger.remember(&note(target), &ms.to_string());
}

fn note(target: &Target) -> String {
    format!("load_ms {target}")
}

/// What is under way now, and how long loading took, as far as this process has looked.
#[derive(Default)]
pub struct Loads(Mutex<BTreeMap<Target, (LoadingView, u32)>>, Mutex<HashMap<Target, Option<u64>>>);

impl Loads {
    /// A poisoned lock means a panic between two plain assignments: the data is still whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Target, (LoadingView, u32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long loading took the last time. The notes of the ledger are read once per target, and only where `look`
    /// says so: a server may list hundreds.
    pub fn last_time(&self, ledger: &dyn Ledger, target: &Target, look: bool) -> Option<u64> {
        let mut known = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(target) {
            Some(time) => *time,
            None if look => *known.entry(target.clone()).or_insert_with(|| last_time(ledger, target)),
            None => None,
        }
    }

    /// Notes how long loading took.
    pub fn remember_time(&self, ledger: &dyn Ledger, target: &Target, ms: u64) {
        remember_time(ledger, target, ms);
        self.1.lock().unwrap_or_else(PoisonError::into_inner).insert(target.clone(), Some(ms));
    }

    /// Notes that a load began. Several may wait for the same one: the first counts.
    pub fn begin(&self, target: &Target, view: LoadingView) {
        let mut loads = self.lock();
        if let Some((_, waiting)) = loads.get_mut(target) {
            *waiting += 1;
        } else if loads.len() < LOADS {
            loads.insert(target.clone(), (view, 1));
        }
    }

    /// One of those who waited does so no longer.
    pub fn end(&self, target: &Target) {
        let mut loads = self.lock();
        let Some((_, waiting)) = loads.get_mut(target) else { return };
        *waiting -= 1;
        if *waiting == 0 {
            loads.remove(target);
        }
    }

    pub fn of(&self, provider: &ProviderId) -> Vec<LoadingView> {
        let loads = self.lock();
        loads.iter().filter(|(target, _)| &target.provider == provider).map(|(_, (view, _))| view.clone()).collect()
    }

    pub fn since(&self, target: &Target) -> Option<UnixMs> {
        self.lock().get(target).map(|(view, _)| view.since)
    }
}
