//! Slots for calls under way: waiting for one, and giving it back on every way out. Who is next is decided by
//! [`crate::domain::queue`].

use crate::domain::call::Priority;
use crate::domain::config::Limits;
use crate::domain::failure::{ErrorCode, Failure};
use crate::domain::ids::ProviderId;
use crate::domain::queue::{Bounds, Entry, Place, Queue};
use crate::engine::protocol::{ByPriority, QueueAt, QueueView};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// The slots of this process.
pub struct Slots {
    inner: Mutex<Inner>,
    begun: Instant,
}

#[derive(Default)]
struct Inner {
    queue: Queue,
    /// Who waits, to be woken with a slot.
    wake: HashMap<Place, oneshot::Sender<()>>,
    caps: HashMap<ProviderId, usize>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    waited: u64,
    refused: u64,
    longest_ms: u64,
}

impl Default for Slots {
    fn default() -> Self {
        Self { inner: Mutex::default(), begun: Instant::now() }
    }
}

impl Slots {
    /// A poisoned lock means a panic between two plain assignments: the data is still whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a slot at `provider`, in the place of a call that `arrived` then: one that was elsewhere before
    /// keeps its turn. Dropping the future gives the place up.
    ///
    /// # Errors
    /// `queue_full` at once when as many wait as may; `timeout` when the deadline passes first.
    pub async fn enter(
        &self,
        provider: &ProviderId,
        priority: Priority,
        bounds: Bounds,
        arrived: Instant,
        deadline: Instant,
    ) -> Result<Slot<'_>, Failure> {
        let slot = || Slot { slots: self, provider: provider.clone() };
        let (waiting, turn) = {
            let mut inner = self.lock();
            match bounds.provider {
                Some(cap) => inner.caps.insert(provider.clone(), cap),
                None => inner.caps.remove(provider),
            };
            let entry = inner.queue.enter(provider, priority, self.ms(arrived), bounds);
            // Wider bounds than before may let others in too.
            inner.grant();
            match entry {
                Entry::Started => return Ok(slot()),
                Entry::Full => {
                    inner.counts.refused += 1;
                    return Err(full(&inner.queue));
                }
                Entry::Waiting(place) => {
                    let (wake, turn) = oneshot::channel();
                    inner.wake.insert(place, wake);
                    (Waiting { slots: self, provider, place: Some(place) }, turn)
                }
            }
        };
        let since = Instant::now();
        let result = timeout_at(deadline, turn).await;
        let waited = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut inner = self.lock();
        inner.counts.waited += 1;
        inner.counts.longest_ms = inner.counts.longest_ms.max(waited);
        drop(inner);
        if matches!(result, Ok(Ok(()))) {
            waiting.claimed();
            return Ok(slot());
        }
        Err(Failure::plain(ErrorCode::Timeout, "the call's deadline passed while it waited for a free slot"))
    }

    /// How many wait for `provider`, and how many it works on.
    pub fn at(&self, provider: &ProviderId) -> (usize, usize) {
        let inner = self.lock();
        (inner.queue.waiting_at(provider), inner.queue.running_at(provider))
    }

    pub fn view(&self, limits: &Limits) -> QueueView {
        let inner = self.lock();
        let at = |id: ProviderId| QueueAt {
            running: inner.queue.running_at(&id),
            waiting: inner.queue.waiting_at(&id),
            slots: inner.caps.get(&id).copied(),
            provider: id,
        };
        QueueView {
            running: inner.queue.running(),
            waiting: inner.queue.waiting(),
            slots: limits.max_concurrent_requests,
            room: limits.queue,
            waited: inner.counts.waited,
            refused: inner.counts.refused,
            longest_ms: inner.counts.longest_ms,
            providers: inner.queue.providers().into_iter().map(at).collect(),
            waiting_by: ByPriority {
                high: inner.queue.waiting_with(Priority::High),
                normal: inner.queue.waiting_with(Priority::Normal),
                low: inner.queue.waiting_with(Priority::Low),
            },
        }
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }

    fn release(&self, provider: &ProviderId) {
        let mut inner = self.lock();
        inner.queue.release(provider);
        inner.grant();
    }
}

impl Inner {
    /// Wakes everybody there is room for. Who has gone meanwhile gives the slot back by itself.
    fn grant(&mut self) {
        while let Some(place) = self.queue.start_next() {
            if let Some(wake) = self.wake.remove(&place) {
                let _ = wake.send(());
            }
        }
    }
}

fn full(queue: &Queue) -> Failure {
    let (running, waiting) = (queue.running(), queue.waiting());
    Failure::plain(ErrorCode::QueueFull, format!("{running} calls run and {waiting} wait"))
}

/// A slot, given back when dropped.
pub struct Slot<'a> {
    slots: &'a Slots,
    provider: ProviderId,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.slots.release(&self.provider);
    }
}

/// A place in the queue, given up when dropped; a slot that came in the same moment goes on to the next.
struct Waiting<'a> {
    slots: &'a Slots,
    provider: &'a ProviderId,
    place: Option<Place>,
}

impl Waiting<'_> {
    fn claimed(mut self) {
        self.place = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let still = {
            let mut inner = self.slots.lock();
            inner.wake.remove(&place);
            inner.queue.leave(place)
        };
        if !still {
            self.slots.release(self.provider);
        }
    }
}

/// How long a call that came now would wait: those ahead of it, each as long as usual, over the places there are.
pub fn expected_wait_ms(ahead: usize, usual_ms: u64, slots: usize) -> u64 {
    let whole = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    usual_ms.saturating_mul(whole(ahead)) / whole(slots.max(1))
}
