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

/// One that stood in for a target that was out is kept so long: then the session's next call is decided anew, and
/// traffic comes back to where the rules want it, without flapping.
const STAND_IN_KEPT: Duration = Duration::from_mins(5);

#[derive(Default)]
pub struct Pins {
    inner: Mutex<HashMap<PinKey, Pin>>,
}

struct Pin {
    target: Target,
    /// The last answer; of a stand-in the first.
    since: Instant,
    stand_in: bool,
}

impl Pin {
    fn is_over(&self) -> bool {
        self.since.elapsed() >= if self.stand_in { STAND_IN_KEPT } else { KEPT }
    }
}

impl Pins {
    /// A poisoned lock means a panic between two plain assignments: the data is still whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<PinKey, Pin>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get(&self, key: &PinKey) -> Option<Target> {
        let mut inner = self.lock();
        let pin = inner.get(key)?;
        if pin.is_over() {
            inner.remove(key);
            return None;
        }
        Some(pin.target.clone())
    }

    /// A session was answered. `stand_in`: by a target that was not the first the rules want. Whoever stands in for
    /// longer than one call does not become the session's own by that.
    pub fn set(&self, key: PinKey, target: &Target, stand_in: bool) {
        let mut inner = self.lock();
        if let Some(known) = inner.get_mut(&key).filter(|known| &known.target == target) {
            if !known.stand_in {
                known.since = Instant::now();
            }
            return;
        }
        if inner.len() >= CAPACITY && !inner.contains_key(&key) {
            inner.retain(|_, pin| !pin.is_over());
            if inner.len() >= CAPACITY
                && let Some(oldest) = inner.iter().min_by_key(|(_, pin)| pin.since).map(|(key, _)| key.clone())
            {
                inner.remove(&oldest);
            }
        }
        inner.insert(key, Pin { target: target.clone(), since: Instant::now(), stand_in });
    }
}
