//! The original service's names of targets, for its front end: `lm_studio_<model>`, `z_ai_glm_4.6`, `openai_0`.

use crate::domain::config::Origin;
use crate::domain::ids::ModelId;
use crate::domain::kind::Kind;
use crate::engine::protocol::ProviderView;

/// The name the original service had for this model; `None` where the file is of the newer layout.
pub fn alias(provider: &ProviderView, model: &ModelId) -> Option<String> {
    if provider.origin != Origin::Section {
        return None;
    }
    // Every model of this server has a name, the ones that only its list holds too.
    if provider.kind == Kind::LmStudio {
        return Some(format!("lm_studio_{model}"));
    }
    // A model may have its own name and the one that its section always has: its own is the one more like it.
    let names = provider.aliases.iter().filter(|(_, of)| of.as_ref() == Some(model)).map(|(name, _)| name);
    names.max_by_key(|name| same_end(name, model.as_str())).cloned()
}

fn same_end(a: &str, b: &str) -> usize {
    a.chars().rev().zip(b.chars().rev()).take_while(|(a, b)| a == b).count()
}
