//! What a request may cost at a target, for people to see before anything is sent. Not what is reserved against
//! the limit: that is a bound, this is an estimate.

use super::units;
use crate::domain::call::Facts;
use crate::domain::config::Limits;
use crate::domain::ids::Target;
use crate::domain::model::ModelInfo;
use crate::domain::money::Money;
use crate::engine::protocol::{ModelView, ProviderView, Snapshot};

const UNKNOWN: &str = "may cost something: its price is not known";

/// The question of a connection test and its answer, in tokens, at most.
const QUESTION_TOKENS: u64 = 64;
const ANSWER_TOKENS: u64 = 16;

/// Estimated input plus the full `max_tokens`, at the price known now; `None` when there is no price.
pub fn may_cost(snapshot: &Snapshot, facts: &Facts, target: &Target) -> Option<Money> {
    let provider = snapshot.providers.iter().find(|view| view.id == target.provider)?;
    let model = provider.models.iter().find(|model| model.id == target.model)?;
    Some(model.price?.of(facts.prompt_tokens, 0, most_out(snapshot, facts)))
}

/// Without a cap from the caller the configured one is sent upstream.
fn most_out(snapshot: &Snapshot, facts: &Facts) -> u64 {
    let configured = [facts.max_tokens, snapshot.config.default_max_tokens].into_iter().find(|most| *most > 0);
    configured.unwrap_or_else(|| Limits::default().default_max_tokens)
}

/// What one small question of a connection test costs at a provider, as the end of a sentence: `may cost up to
/// $0.0002`; `None` where it is free. Which model is asked is decided when it is asked, by what is there then: the
/// dearest that may be counts.
pub fn one_question(provider: &ProviderView) -> Option<String> {
    let near = provider.reach.is_local();
    let chat = || provider.models.iter().filter(|model| model.chat);
    let likely = |model: &ModelView| {
        // What a near server runs elsewhere may be preferred although it is not named.
        provider.named_models.contains(&model.id) || model.loaded == Some(true) || (near && model.remote)
    };
    let any = !chat().any(likely);
    let mut dearest = if near || chat().next().is_some() { Some(Money::ZERO) } else { None };
    for model in chat().filter(|model| any || likely(model)) {
        let cost = match model.price {
            Some(price) => Some(price.of(QUESTION_TOKENS, 0, ANSWER_TOKENS)),
            None => (near && !model.remote).then_some(Money::ZERO),
        };
        dearest = dearest.zip(cost).map(|(one, other)| one.max(other));
    }
    match dearest {
        Some(Money::ZERO) => None,
        Some(amount) => Some(format!("may cost up to {}", units::money(amount))),
        None => Some(UNKNOWN.to_owned()),
    }
}

/// The same of a server that was only tested, with the models that it listed: nobody knows what it takes for them.
pub fn one_question_at(near: bool, models: &[ModelInfo]) -> Option<String> {
    let free = near && !models.iter().any(|model| model.chat && model.remote);
    (!free).then(|| UNKNOWN.to_owned())
}

/// Tokens of a prompt of so many bytes, by the usual estimate of four bytes a token, until the vendor counts.
pub fn tokens_of(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::protocol::ConfigView;
    use std::sync::Arc;

    #[test]
    fn a_request_without_a_length_may_cost_what_the_configured_one_does() {
        let longest = |of_caller, of_config| {
            let config = Arc::new(ConfigView { default_max_tokens: of_config, ..ConfigView::default() });
            let snapshot = Snapshot { config, ..Snapshot::default() };
            most_out(&snapshot, &Facts { max_tokens: of_caller, ..Facts::default() })
        };
        assert_eq!(longest(100, 1024), 100);
        assert_eq!(longest(0, 1024), 1024);
        assert_eq!(longest(0, 0), Limits::default().default_max_tokens);
    }
}
