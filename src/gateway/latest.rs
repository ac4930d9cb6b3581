//! A value that gives way to a newer one, for those who hold the old one for long: connections outlive settings.

use std::sync::{Arc, OnceLock};

/// Reading costs no lock: each value knows the one that took its place.
pub struct Latest<T> {
    value: T,
    newer: OnceLock<Arc<Self>>,
}

impl<T> Latest<T> {
    pub fn new(value: T) -> Arc<Self> {
        Arc::new(Self { value, newer: OnceLock::new() })
    }

    /// The newest value, whichever one this began as.
    pub fn get(&self) -> &T {
        let mut at = self;
        while let Some(newer) = at.newer.get() {
            at = newer;
        }
        &at.value
    }

    /// From now on `value` is what everybody gets. Returns it, for those who come later. One writer at a time: of two
    /// that replace the same value the first one wins.
    pub fn replace(&self, value: T) -> Arc<Self> {
        self.newer.get_or_init(|| Self::new(value)).clone()
    }
}
