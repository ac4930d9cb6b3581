//! The targets that can be chosen, the same on every screen that asks for one.

use crate::domain::ids::Target;
use crate::domain::money::Money;
use crate::domain::routing::ActiveChoice;
use crate::engine::protocol::{ModelView, ProviderView, Snapshot};
use crate::present::{labels, units};
use crate::tui::layers::choose::Choice;

/// Names that a caller may give as its model: those that leave the choice to the rules, then [`targets`].
pub fn wanted(snapshot: &Snapshot) -> Vec<Choice> {
    let words = [
        ("auto", "as the rules decide"),
        ("local", "as the rules decide, on this machine or network only"),
        ("cloud", "as the rules decide, cloud only"),
    ];
    words.into_iter().map(|(word, about)| Choice::new(word, about)).chain(targets(snapshot)).collect()
}

/// Each provider that is on, with its chat models.
pub fn targets(snapshot: &Snapshot) -> impl Iterator<Item = Choice> {
    snapshot.providers.iter().filter(|provider| provider.enabled).flat_map(|provider| {
        let mark = labels::provider(provider);
        let models =
            provider.models.iter().filter(|model| model.chat).map(move |model| {
                Choice::new(provider.target(model).to_string(), model_about(model)).marked(mark.clone())
            });
        std::iter::once(best(provider)).chain(models)
    })
}

/// A provider, which stands for its best model.
pub fn best(provider: &ProviderView) -> Choice {
    let why = labels::why(provider);
    let why = if why.is_empty() { why } else { format!(", {why}") };
    Choice::new(provider.id.as_str(), format!("{}, its best model{why}", provider.name))
        .marked(labels::provider(provider))
}

/// `loaded, 8k context, free`.
fn model_about(model: &ModelView) -> String {
    let loaded = model.loaded.map(|loaded| if loaded { "loaded" } else { "not loaded" }.to_owned());
    let context = model.context.map(|tokens| format!("{} context", units::context(tokens)));
    let price = model.price.map(|price| {
        if price.is_free() {
            return "free".to_owned();
        }
        let million = |per_token: Money| units::money_sum(per_token.times(1_000_000));
        format!("{} in, {} out per million", million(price.input), million(price.output))
    });
    let price = price.unwrap_or_else(|| "price unknown".into());
    [loaded, context, Some(price)].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The choice that a row stands for.
pub fn choice_of(value: &str) -> ActiveChoice {
    match value.parse::<Target>() {
        _ if value == "auto" => ActiveChoice::Auto,
        Ok(target) => ActiveChoice::Target(target),
        Err(_) => ActiveChoice::Provider(value.into()),
    }
}
