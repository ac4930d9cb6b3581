//! The steps of a connection, as a quick test and as the doctor walk them, and the name of one run.

use crate::domain::time::UnixMs;
use serde::{Deserialize, Serialize};

/// The steps of a quick test, in order.
pub const TEST_STEPS: [&str; 7] = ["address", "connect", "http", "kind", "key", "models", "answer"];

/// The steps of the doctor, in order.
pub const DOCTOR_STEPS: [&str; 10] =
    ["address", "DNS", "TCP", "TLS", "HTTP", "kind", "auth", "models", "loaded", "answer"];

/// One run of the doctor, named by who asks for it: its steps are announced under this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl RunId {
    /// Unlike every other run: a process begins at most one in a millisecond.
    pub fn of(process: u32, now: UnixMs) -> Self {
        const TIME_BITS: u32 = 42;
        let time = now.0.unsigned_abs() & ((1 << TIME_BITS) - 1);
        Self((u64::from(process) << TIME_BITS) | time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_two_processes_and_of_two_moments_differ() {
        let now = UnixMs(1_795_000_000_000);
        let later = UnixMs(now.0 + 1);
        assert_ne!(RunId::of(1, now), RunId::of(2, now));
        assert_ne!(RunId::of(1, now), RunId::of(1, later));
        assert_eq!(RunId::of(7, now), RunId::of(7, now));
    }
}
