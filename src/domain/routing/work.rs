//! The world as it is for work other than chat: the same providers and rules, other models. Routing then decides as
//! always, so that every rule, limit and promise holds for embeddings too.

use super::{World, WorldModel};
use crate::domain::call::Work;
use std::borrow::Cow;

/// The world for this work. For embeddings a model counts as usable when it makes embeddings, and a chat model does
/// not; providers whose kind does not offer the work say so.
pub fn world_for(work: Work, world: &World) -> Cow<'_, World> {
    if work == Work::Chat {
        return Cow::Borrowed(world);
    }
    let mut world = world.clone();
    for provider in &mut world.providers {
        if !work.offered_by(provider.kind) && provider.withheld.is_none() {
            let what = if work == Work::Embeddings { "embeddings" } else { "text completions" };
            provider.withheld = Some(format!("{} offers no {what}", provider.kind.label()));
        }
        if work == Work::Embeddings {
            for model in &mut provider.models {
                model.chat = makes_embeddings(model);
                // What a profile says of tools and images is said of chats.
                model.capabilities = None;
            }
        }
    }
    Cow::Owned(world)
}

/// By what its profile says, else by its name: lists of servers tell chat models from others, and no more.
fn makes_embeddings(model: &WorldModel) -> bool {
    if let Some(known) = &model.capabilities {
        return known.iter().any(|word| word == "embeddings");
    }
    let id = model.id.as_str();
    let name = id.rsplit('/').next().unwrap_or(id).to_ascii_lowercase();
    // Families without the word in their names.
    name.contains("embed") || ["bge-", "e5-", "gte-", "all-minilm", "paraphrase-"].iter().any(|f| name.starts_with(f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::call::Facts;
    use crate::domain::kind::Kind;
    use crate::domain::reach::Reach;
    use crate::domain::routing::{RuleSet, WorldProvider, decide};

    fn model(id: &str, chat: bool) -> WorldModel {
        WorldModel { chat, ..WorldModel::of(id) }
    }

    fn provider(id: &str, kind: Kind, models: Vec<WorldModel>) -> WorldProvider {
        WorldProvider {
            id: id.into(),
            kind,
            reach: if kind.is_vendor() { Reach::Cloud } else { Reach::Machine },
            local: false,
            enabled: true,
            state: crate::domain::health::State::Up,
            reason: String::new(),
            withheld: None,
            parked_until: None,
            aliases: std::collections::BTreeMap::new(),
            models: models.into(),
            preferred_models: Vec::new(),
            p50_ms: None,
        }
    }

    fn chain(work: Work, wanted: &str) -> Vec<String> {
        let world = World {
            providers: vec![
                provider("studio", Kind::LmStudio, vec![model("acme/chat-8b", true), model("nomic-embed-text", false)]),
                provider("claude", Kind::Anthropic, vec![model("claude-x", true)]),
                provider("openai", Kind::Openai, vec![model("gpt-x", true), model("text-embedding-3-small", false)]),
            ]
            .into(),
            ..World::default()
        };
        let facts = Facts { work, requested_model: wanted.into(), ..Facts::default() };
        let world = world_for(work, &world);
        decide(&facts, &RuleSet::default(), &world).chain.into_iter().map(|chosen| chosen.target.to_string()).collect()
    }

    #[test]
    fn no_chat_model_is_chosen_for_embeddings_and_the_reverse() {
        let embeddings = ["studio/nomic-embed-text", "openai/text-embedding-3-small"];
        assert_eq!(chain(Work::Embeddings, "auto"), embeddings);
        assert_eq!(chain(Work::Embeddings, "openai"), embeddings[1..]);
        assert_eq!(chain(Work::Embeddings, "text-embedding-3-small"), embeddings[1..]);
        assert!(chain(Work::Embeddings, "acme/chat-8b").is_empty());
        assert!(chain(Work::Embeddings, "claude").is_empty());
        assert_eq!(chain(Work::Chat, "auto"), ["studio/acme/chat-8b", "claude/claude-x", "openai/gpt-x"]);
        assert_eq!(chain(Work::Completion, "auto"), ["studio/acme/chat-8b", "openai/gpt-x"]);
    }
}
