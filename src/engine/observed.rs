//! How often policies that are only observed would have decided: today, as far as this engine saw it. Not in the
//! ledger, so that it begins anew with every start.

use super::traffic::Ended;

#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// By policy, in the order they were first seen.
    pub counts: Vec<(String, u64)>,
    /// Calls that were looked at.
    pub of: u64,
}

impl Observed {
    pub fn count(&mut self, ended: &Ended) {
        self.of += 1;
        for policy in &ended.observed {
            match self.counts.iter_mut().find(|(known, _)| known == policy) {
                Some((_, calls)) => *calls += 1,
                None => self.counts.push((policy.clone(), 1)),
            }
        }
    }
}
