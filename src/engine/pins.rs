//! Which target answered a session last, so that its next call goes there again: the server's prompt cache is
//! still warm. Shared by call tasks; the lock is held for a look-up.

use crate::domain::ids::Target;
use crate::domain::routing::PinKey;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Sessions remembered; when full, the one that was silent longest is forgotten, and its next call is decided anew.
const CAPACITY: usize = 4096;
/// A session that was silent for so long begins anew: by then no server keeps its prompt.
const KEPT: Duration = Duration::from_mins(30);

#[derive(Default)]
pub struct Pins {
    inner: Mutex<HashMap<PinKey, (Target, Instant)>>,
}

impl Pins {
    /// A poisoned lock means a panic between two plain assignments: the data is still whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<PinKey, (Target, Instant)>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get(&self, key: &PinKey) -> Option<Target> {
        let inner = self.lock();
        inner.get(key).filter(|(_, used)| used.elapsed() < KEPT).map(|(target, _)| target.clone())
    }

    pub fn set(&self, key: PinKey, target: &Target) {
        let mut inner = self.lock();
        if inner.len() >= CAPACITY && !inner.contains_key(&key) {
            inner.retain(|_, (_, used)| used.elapsed() < KEPT);
            if inner.len() >= CAPACITY
                && let Some(oldest) = inner.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone())
            {
                inner.remove(&oldest);
            }
        }
        inner.insert(key, (target.clone(), Instant::now()));
    }
}
