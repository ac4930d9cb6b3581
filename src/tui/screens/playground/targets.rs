//! The targets to choose from: what the rules decide, each provider, each chat model.

use super::choose::{Row, Source, holds};
use crate::engine::protocol::{ModelView, ProviderView};
use crate::present::{labels, units};
use crate::tui::part::{Cx, Place};

pub struct Targets;

/// Words that leave the choice to the rules, with what they mean.
const WORDS: [(&str, &str); 3] = [
    ("auto", "as the rules decide"),
    ("local", "as the rules decide, on this machine or network only"),
    ("cloud", "as the rules decide, cloud only"),
];

impl Source for Targets {
    type Key = String;
    const NOTE_FIRST: bool = false;

    fn title(&self) -> &'static str {
        "Target"
    }

    fn about(&self) -> &'static str {
        "Who is to answer. A provider without a model means its best one; what is down can be chosen and will say so."
    }

    fn rows(&self, filter: &str, cx: &Cx<'_>) -> Vec<Row<String>> {
        let words = WORDS.iter().map(|(word, note)| row((*word).to_owned(), None, (*note).to_owned()));
        let providers = cx.snapshot.providers.iter().filter(|provider| provider.enabled).flat_map(|provider| {
            let mark = labels::provider(provider);
            let whole = row(provider.id.to_string(), Some(mark.clone()), whole(provider));
            let models = provider.models.iter().filter(|model| model.chat);
            let models =
                models.map(move |model| row(format!("{}/{}", provider.id, model.id), Some(mark.clone()), note(model)));
            std::iter::once(whole).chain(models)
        });
        words.chain(providers).filter(|row| holds(&format!("{} {}", row.left, row.right), filter)).collect()
    }

    fn place(&self, key: &String) -> Option<Place> {
        Some(Place::Target(key.clone()))
    }

    fn nothing(&self) -> &'static str {
        "No provider yet: add one on the first tab."
    }
}

fn row(name: String, mark: Option<labels::Label>, right: String) -> Row<String> {
    Row { key: name.clone(), mark, left: name, right }
}

fn whole(provider: &ProviderView) -> String {
    let why = labels::why(provider);
    if why.is_empty() { format!("{}, its best model", provider.name) } else { why }
}

/// `loaded, 8k context, free`.
fn note(model: &ModelView) -> String {
    let loaded = model.loaded.map(|loaded| if loaded { "loaded" } else { "not loaded" }.to_owned());
    let context = model.context.map(|tokens| format!("{} context", units::context(tokens)));
    let price = model.price.map(|price| {
        if price.is_free() {
            return "free".to_owned();
        }
        let million = |per_token: crate::domain::money::Money| units::money_sum(per_token.times(1_000_000));
        format!("{} in, {} out per million", million(price.input), million(price.output))
    });
    [loaded, context, Some(price.unwrap_or_else(|| "price unknown".into()))]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}
