//! OpenRouter's list: the common one with prices, abilities and two ceilings.

use super::Listed;
use super::data::writes_text;
use super::embedding_name;
use super::entry::{Entry, entries};
use crate::domain::health::{Abilities, ModelInfo};
use crate::domain::money::{Money, Price};
use serde_json::Value;

/// # Errors
/// It is no such list: what was expected and what came.
pub fn openrouter_list(document: &Value) -> Result<Listed, String> {
    let (entries, mut findings) = entries(document, "data")?;
    let mut models = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let mut at = findings.at(format!("data[{place}]"), entry);
        let Some(id) = at.id("id") else { continue };
        let max_context = at.count("context_length");
        // The provider that serves it first may take less than the model could.
        let served = at.inside("top_provider").and_then(|mut at| at.count("context_length"));
        let parameters = at.names("supported_parameters");
        let says = |word: &str| parameters.as_ref().map(|words| words.contains(&word));
        models.push(ModelInfo {
            chat: writes_text(entry) && !embedding_name(id.as_str()),
            context: served.or(max_context),
            max_context,
            display_name: at.words("name"),
            can: Abilities {
                tools: says("tools"),
                images: at
                    .inside("architecture")
                    .and_then(|mut at| at.names("input_modalities").map(|forms| forms.contains(&"image"))),
                reasoning: says("reasoning"),
            },
            price: at.inside("pricing").and_then(|mut at| price(&mut at)),
            ..ModelInfo::named(id)
        });
    }
    Ok(Listed { models, malformed: findings.sentence(), owner: None })
}

/// Decimal strings, US dollars per single token. Negative stands for a price that depends on the model chosen.
fn price(at: &mut Entry<'_>) -> Option<Price> {
    let input = dollars(at, "prompt")?;
    let output = dollars(at, "completion")?;
    Some(Price {
        output,
        cached_input: dollars(at, "input_cache_read"),
        cache_write: dollars(at, "input_cache_write"),
        ..Price::flat(input)
    })
}

fn dollars(at: &mut Entry<'_>, name: &str) -> Option<Money> {
    let text = at.text(name)?;
    let Ok(dollars) = text.trim().parse::<f64>() else {
        at.odd(name, "a decimal number in a text");
        return None;
    };
    Money::from_dollars(dollars)
}
