//! A finished call as the day's sums, the paces of targets and the waits for slots need it.

use crate::domain::call::{CallRecord, ObservedMatch, Status};
use crate::domain::ids::{CallId, Target};
use crate::domain::money::Cost;
use crate::domain::time::UnixMs;

/// See the module.
pub struct Ended {
    pub id: CallId,
    pub ts: UnixMs,
    pub policy: String,
    pub status: Status,
    pub cost: Cost,
    /// Who answered, and the tokens it wrote with the time that took.
    pub(super) answered: Option<(Target, Option<(u64, u64)>)>,
    /// How long its server worked on it: the try that answered, without those before it and the waits between.
    pub(super) took_ms: u64,
    /// What policies would have made of it, were they not only observed.
    pub observed: Vec<ObservedMatch>,
}

impl Ended {
    pub fn of(record: &CallRecord) -> Self {
        Self {
            id: record.id.clone(),
            ts: record.ts,
            policy: record.policy.clone(),
            status: record.status,
            cost: record.cost,
            took_ms: record.attempts.last().map_or(0, |attempt| attempt.duration_ms),
            answered: record.target.clone().filter(|_| record.status == Status::Ok && record.cache != "hit").map(
                |target| {
                    let writing = record.ttft_ms.map(|first| record.duration_ms.saturating_sub(first));
                    let tokens = record.usage.map(|usage| usage.output);
                    // Too short an answer says nothing of the pace.
                    (target, tokens.zip(writing).filter(|(tokens, ms)| *tokens > 1 && *ms > 0))
                },
            ),
            observed: record.observed.clone(),
        }
    }
}
