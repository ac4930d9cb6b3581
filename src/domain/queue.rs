//! Who may call now and who waits: a pure queue over priorities, a bound on all calls, and one per provider.
//!
//! A waiter's place is its arrival, moved forward by its priority. So a higher priority overtakes whoever came
//! shortly before it, and nobody can be overtaken for ever: a call of `low` priority waits behind no `high` call
//! that arrived more than [`HEAD_START_MS`] twice later.

use super::call::Priority;
use super::ids::ProviderId;
use std::collections::BTreeMap;

/// How far one step of priority moves a call forward, in milliseconds.
pub const HEAD_START_MS: u64 = 15_000;

/// The bounds that hold for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Calls under way at the same time, over all providers.
    pub total: usize,
    /// Calls under way at this call's provider.
    pub provider: Option<usize>,
    /// Calls that may wait.
    pub waiting: usize,
}

/// What became of a call that asked for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It has a slot.
    Started,
    /// It waits; [`Queue::start_next`] names it when its turn comes.
    Waiting(Place),
    /// As many wait as may.
    Full,
}

/// One waiter's place; the smaller one comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    rank: u64,
    number: u64,
}

/// Calls under way and waiting. `now_ms` counts from any fixed moment and never runs backwards.
#[derive(Debug, Default)]
pub struct Queue {
    total: usize,
    caps: BTreeMap<ProviderId, usize>,
    running: BTreeMap<ProviderId, usize>,
    running_total: usize,
    waiting: BTreeMap<Place, (ProviderId, Priority)>,
    number: u64,
}

impl Queue {
    /// Asks for a slot. Whoever waits already for the same bound goes first. The newest call's bounds hold for all.
    pub fn enter(&mut self, provider: &ProviderId, priority: Priority, now_ms: u64, bounds: Bounds) -> Entry {
        self.total = bounds.total.max(1);
        match bounds.provider {
            Some(cap) => self.caps.insert(provider.clone(), cap.max(1)),
            None => self.caps.remove(provider),
        };
        // Places are given out as soon as they are free, so a free one here is nobody else's.
        if self.has_room(provider) {
            self.start(provider);
            return Entry::Started;
        }
        if self.waiting.len() >= bounds.waiting {
            return Entry::Full;
        }
        let steps = match priority {
            Priority::Low => 2,
            Priority::Normal => 1,
            Priority::High => 0,
        };
        self.number += 1;
        let place = Place { rank: now_ms.saturating_add(steps * HEAD_START_MS), number: self.number };
        self.waiting.insert(place, (provider.clone(), priority));
        Entry::Waiting(place)
    }

    /// Gives a slot to the first waiter whose provider has room; a full provider holds up nobody else's calls.
    pub fn start_next(&mut self) -> Option<Place> {
        if self.running_total >= self.total {
            return None;
        }
        let (place, provider) = self.waiting.iter().find(|(_, (provider, _))| self.has_room(provider))?;
        let (place, (provider, _)) = (*place, provider.clone());
        self.waiting.remove(&place);
        self.start(&provider);
        Some(place)
    }

    /// Takes a waiter out; `false` when it waits no longer.
    pub fn leave(&mut self, place: Place) -> bool {
        self.waiting.remove(&place).is_some()
    }

    /// Gives a slot back.
    pub fn release(&mut self, provider: &ProviderId) {
        let Some(running) = self.running.get_mut(provider) else { return };
        *running -= 1;
        if *running == 0 {
            self.running.remove(provider);
        }
        self.running_total = self.running_total.saturating_sub(1);
    }

    pub fn running(&self) -> usize {
        self.running_total
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub fn running_at(&self, provider: &ProviderId) -> usize {
        self.running.get(provider).copied().unwrap_or(0)
    }

    pub fn waiting_at(&self, provider: &ProviderId) -> usize {
        self.waiting.values().filter(|(id, _)| id == provider).count()
    }

    pub fn waiting_with(&self, priority: Priority) -> usize {
        self.waiting.values().filter(|(_, waits)| *waits == priority).count()
    }

    /// Everybody who is under way or waits somewhere.
    pub fn providers(&self) -> Vec<ProviderId> {
        let mut all: Vec<ProviderId> =
            self.running.keys().chain(self.waiting.values().map(|(id, _)| id)).cloned().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn has_room(&self, provider: &ProviderId) -> bool {
        self.running_total < self.total && self.caps.get(provider).is_none_or(|cap| self.running_at(provider) < *cap)
    }

    fn start(&mut self, provider: &ProviderId) {
        *self.running.entry(provider.clone()).or_default() += 1;
        self.running_total += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Bounds = Bounds { total: 1, provider: None, waiting: 8 };

    fn at(id: &str) -> ProviderId {
        ProviderId::from(id)
    }

    fn waits(entry: Entry) -> Place {
        match entry {
            Entry::Waiting(place) => place,
            other => panic!("it should wait: {other:?}"),
        }
    }

    #[test]
    fn the_higher_priority_goes_first_and_equals_in_the_order_they_came() {
        let mut queue = Queue::default();
        assert_eq!(queue.enter(&at("a"), Priority::Low, 0, ONE), Entry::Started);
        let low = waits(queue.enter(&at("a"), Priority::Low, 1, ONE));
        let first = waits(queue.enter(&at("a"), Priority::Normal, 2, ONE));
        let second = waits(queue.enter(&at("a"), Priority::Normal, 2, ONE));
        let high = waits(queue.enter(&at("a"), Priority::High, 3, ONE));
        let mut order = Vec::new();
        for _ in 0..4 {
            queue.release(&at("a"));
            order.extend(queue.start_next());
        }
        assert_eq!(order, [high, first, second, low]);
    }

    #[test]
    fn a_full_provider_holds_up_nobody_else() {
        let mut queue = Queue::default();
        let capped = Bounds { total: 3, provider: Some(1), waiting: 8 };
        let free = Bounds { provider: None, ..capped };
        assert_eq!(queue.enter(&at("a"), Priority::High, 0, capped), Entry::Started);
        let waiter = waits(queue.enter(&at("a"), Priority::High, 0, capped));
        assert_eq!(queue.enter(&at("b"), Priority::Low, 1, free), Entry::Started);
        assert_eq!(queue.start_next(), None);
        queue.release(&at("a"));
        assert_eq!(queue.start_next(), Some(waiter));
    }

    #[test]
    fn nobody_waits_in_a_queue_of_none() {
        let mut queue = Queue::default();
        let none = Bounds { waiting: 0, ..ONE };
        assert_eq!(queue.enter(&at("a"), Priority::High, 0, none), Entry::Started);
        assert_eq!(queue.enter(&at("a"), Priority::High, 0, none), Entry::Full);
    }
}
