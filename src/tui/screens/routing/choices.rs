//! What can be chosen on the Routing screen, with what each choice means.

use crate::domain::ids::Target;
use crate::domain::kind::Kind;
use crate::domain::routing::Strategy;
use crate::engine::protocol::{ModelView, ProviderView, Snapshot};
use crate::present::{labels, routes};
use crate::tui::layers::choose::Choice;
use crate::tui::screens::targets::{best, targets};

pub fn strategies() -> Vec<Choice> {
    Strategy::ALL.into_iter().map(|strategy| Choice::new(strategy.word(), routes::strategy(strategy))).collect()
}

/// `auto`, then each provider with its models.
pub fn active(snapshot: &Snapshot) -> Vec<Choice> {
    let auto = Choice::new("auto", format!("as {} finds it", snapshot.routing.rules.strategy.word()));
    std::iter::once(auto).chain(targets(snapshot)).collect()
}

/// Items an order may hold, without those it holds.
pub fn items(snapshot: &Snapshot, taken: &[String]) -> Vec<Choice> {
    let sides =
        [Choice::new("local", item_about("local", snapshot)), Choice::new("cloud", item_about("cloud", snapshot))];
    let strategies =
        Strategy::ALL.into_iter().map(|strategy| Choice::new(strategy.word(), item_about(strategy.word(), snapshot)));
    let mut all: Vec<Choice> = targets(snapshot).chain(sides).chain(strategies).collect();
    all.retain(|choice| !taken.contains(&choice.value));
    all
}

/// Items the `use` of a rule may hold, without those it holds.
pub fn rule_items(snapshot: &Snapshot, taken: &[String]) -> Vec<Choice> {
    let mut all = items(snapshot, taken);
    all.push(Choice::new("fastest", item_about("fastest", snapshot)));
    all.retain(|choice| !taken.contains(&choice.value));
    all
}

/// `any`, then the providers.
pub fn preferred(snapshot: &Snapshot) -> Vec<Choice> {
    let any = Choice::new("any", "no preference");
    std::iter::once(any).chain(snapshot.providers.iter().map(|provider| best(provider))).collect()
}

/// Request types with an order, then those of today's calls.
pub fn request_types(snapshot: &Snapshot) -> Vec<Choice> {
    let orders = &snapshot.routing.rules.request_orders;
    orders.iter().map(|(name, items)| Choice::new(name.as_str(), items.join(", "))).collect()
}

/// A model that no server lists, at a provider that is there.
pub fn typed_target(typed: &str, snapshot: &Snapshot) -> Option<Choice> {
    let target: Target = typed.parse().ok()?;
    let provider = snapshot.providers.iter().find(|provider| provider.id == target.provider)?;
    Some(Choice::new(typed, format!("as typed: {} names no such model now", provider.name)))
}

/// What an item of an order stands for here.
pub fn item_about(item: &str, snapshot: &Snapshot) -> String {
    match item {
        "local" => return "every model on your own machines, in file order".into(),
        "cloud" => return "every cloud model, in file order".into(),
        "auto" => return format!("all the rest, by {}", snapshot.routing.rules.strategy.word()),
        "fastest" => return "all the rest, in file order until speeds are known".into(),
        _ => {}
    }
    if let Some(strategy) = Strategy::from_word(item) {
        return format!("all the rest: {}", routes::strategy(strategy));
    }
    if let Some(provider) = snapshot.providers.iter().find(|provider| provider.id.as_str() == item) {
        let state = labels::provider(provider).word;
        return format!("the best model of {}, {state}", provider.name);
    }
    let target = item.parse::<Target>().ok();
    let known = target.as_ref().and_then(|target| routes::provider(snapshot, target));
    match (known, target.as_ref().and_then(|target| routes::model(snapshot, target))) {
        (Some(provider), Some(model)) => model_about(provider, model),
        (Some(provider), None) => format!("{} names no such model now", provider.name),
        (None, _) => word_about(item, snapshot),
    }
}

/// A kind or a bare model; nothing for what may be an alias of the file.
fn word_about(item: &str, snapshot: &Snapshot) -> String {
    if let Some(kind) = Kind::from_word(item) {
        return format!("the best model of each {}", kind.label());
    }
    let serving = snapshot.providers.iter().filter(|p| p.models.iter().any(|model| model.id.as_str() == item));
    let names: Vec<&str> = serving.map(|provider| provider.name.as_str()).collect();
    if names.is_empty() { String::new() } else { format!("this model at {}", names.join(", ")) }
}

fn model_about(provider: &ProviderView, model: &ModelView) -> String {
    let state = labels::provider(provider).word;
    match model.loaded {
        Some(true) => format!("{state}, loaded"),
        Some(false) => format!("{state}, not loaded"),
        None => state.into_owned(),
    }
}
