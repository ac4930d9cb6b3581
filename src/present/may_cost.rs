//! What a request may cost at a target, for people to see before anything is sent. Not what is reserved against
//! the limit: that is a bound, this is an estimate.

use crate::domain::call::Facts;
use crate::domain::config::Limits;
use crate::domain::ids::Target;
use crate::domain::money::Money;
use crate::engine::protocol::Snapshot;

/// Estimated input plus the full `max_tokens`, at the price known now; `None` when there is no price.
pub fn may_cost(snapshot: &Snapshot, facts: &Facts, target: &Target) -> Option<Money> {
    let provider = snapshot.providers.iter().find(|view| view.id == target.provider)?;
    let model = provider.models.iter().find(|model| model.id == target.model)?;
    Some(model.price?.of(facts.prompt_tokens, 0, most_out(facts)))
}

/// Without a cap from the caller the configured one is sent upstream; its default stands in for it here.
fn most_out(facts: &Facts) -> u64 {
    if facts.max_tokens > 0 { facts.max_tokens } else { Limits::default().default_max_tokens }
}

/// Tokens of a prompt of so many bytes, by the usual estimate of four bytes a token, until the vendor counts.
pub fn tokens_of(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).div_ceil(4)
}
