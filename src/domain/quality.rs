//! The shipped ranks of models for `quality_optimized`: data (`quality.json`) with its date and where it is from.
//! A profile's own figure wins; a model that is not in it has no rank.

use super::ids::ModelId;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static TABLE: LazyLock<Table> =
    LazyLock::new(|| serde_json::from_str(include_str!("quality.json")).unwrap_or_default());

#[derive(Debug, Default, Deserialize)]
struct Table {
    as_of: String,
    ranks: BTreeMap<String, u32>,
}

/// The rank of a model, 0 to 100; `None` when nobody ranked it.
pub fn quality_of(model: &ModelId) -> Option<u32> {
    let name = model.as_str().rsplit('/').next()?.to_ascii_lowercase();
    let longest = TABLE.ranks.iter().filter(|(start, _)| begins(&name, start)).max_by_key(|(start, _)| start.len());
    longest.map(|(_, rank)| *rank)
}

/// The day the ranks are of, as in `2026-10-26`.
pub fn as_of() -> &'static str {
    &TABLE.as_of
}

/// `gpt-4o-2024` begins with `gpt-4o`, `gpt-4other` does not.
fn begins(name: &str, start: &str) -> bool {
    name.strip_prefix(start).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_counts_and_strangers_have_no_rank() {
        assert!(!TABLE.ranks.is_empty() && TABLE.ranks.values().all(|rank| *rank <= 100));
        assert_eq!(as_of().len(), 10);
        let rank = |name: &str| quality_of(&name.into());
        assert!(rank("gpt-4o-mini") < rank("gpt-4o"));
        assert_eq!(rank("gpt-4o-2024-08-06"), rank("gpt-4o"));
        assert_eq!(rank("anthropic/claude-opus-4-7"), rank("claude-opus-4-7"));
        assert_eq!(rank("gpt-4other"), None);
        assert_eq!(rank("my-model"), None);
    }
}
