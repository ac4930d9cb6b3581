//! The domain's findings about rules, put at their places in the file.

use super::findings::Findings;
use super::path::Path;
use super::policies::Placed;
use crate::domain::config::{Profile, Severity};
use crate::domain::routing::RuleSet;
use crate::domain::routing::lint::lint;

/// Says what is odd about the rules. `placed` are the policies of `rules`, with their places.
pub fn check(rules: &RuleSet, placed: &[usize], profiles: &[Profile], findings: &mut Findings<'_>) {
    for found in lint(rules, profiles) {
        let Some(index) = placed.get(found.policy) else { continue };
        let mut path = Path::of("routing.policies").index(*index).key(found.key);
        if let Some(item) = found.item {
            path = path.index(item);
        }
        findings.value(Severity::Warning, &path, found.message, found.remedy);
    }
}

/// The places of policies in the file's list, in the order they apply.
pub fn places(placed: &[Placed]) -> Vec<usize> {
    placed.iter().map(|placed| placed.index).collect()
}
