//! What a request may cost at a target, for people to see before anything is sent. Not what is reserved against
//! the limit: that is a bound, this is an estimate.

use super::units;
use crate::domain::call::Facts;
use crate::domain::config::Limits;
use crate::domain::ids::Target;
use crate::domain::money::Money;
use crate::engine::protocol::{ProviderView, Snapshot};

/// The question of a connection test and its answer, in tokens, at most.
const QUESTION_TOKENS: u64 = 64;
const ANSWER_TOKENS: u64 = 16;

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

/// What one small question of a connection test costs at a provider, as the end of a sentence: `may cost up to
/// $0.0002`; `None` where it is free, and of a near server.
pub fn one_question(provider: &ProviderView) -> Option<String> {
    if provider.reach.is_local() {
        return None;
    }
    let asked = provider.named_models.first().or_else(|| provider.models.iter().find(|m| m.chat).map(|m| &m.id));
    let model = provider.models.iter().find(|model| Some(&model.id) == asked);
    match model.and_then(|model| model.price).map(|price| price.of(QUESTION_TOKENS, 0, ANSWER_TOKENS)) {
        Some(Money::ZERO) => None,
        Some(amount) => Some(format!("may cost up to {}", units::money(amount))),
        None => Some("may cost something: its price is not known".to_owned()),
    }
}

/// Tokens of a prompt of so many bytes, by the usual estimate of four bytes a token, until the vendor counts.
pub fn tokens_of(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).div_ceil(4)
}
