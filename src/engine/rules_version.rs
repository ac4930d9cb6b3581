//! The rules' version: a number that grows with every change and means the same rules in every process that
//! shares the state folder.

use super::ports::Ports;
use crate::domain::config::Config;
use std::sync::Arc;

/// The last rules' version and what they were, as `version:hash`.
const RULES_NOTE: &str = "rules_version";

/// Gives the rules their version: the one the state folder knows for these very rules, else the next number.
pub fn numbered(config: &Config, ports: &Ports) -> Arc<Config> {
    let mut config = config.clone();
    config.rules.version = 0;
    // Where a rule stands in the file does not make it another rule.
    let mut bare = config.rules.clone();
    bare.policies.iter_mut().for_each(|policy| policy.line = None);
    let hash = fnv1a(serde_json::to_string(&bare).unwrap_or_default().as_bytes());
    let known = ports.ledger.recall(RULES_NOTE);
    let (version, known_hash) = known
        .as_deref()
        .and_then(|note| note.split_once(':'))
        .and_then(|(version, hash)| Some((version.parse::<u64>().ok()?, hash.parse::<u64>().ok()?)))
        .unwrap_or((0, 0));
    config.rules.version = if version > 0 && hash == known_hash { version } else { version + 1 };
    if config.rules.version != version {
        ports.ledger.remember(RULES_NOTE, &format!("{}:{hash}", config.rules.version));
    }
    Arc::new(config)
}

/// FNV-1a, 64 bits: stable across builds, which the standard library's hasher does not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
