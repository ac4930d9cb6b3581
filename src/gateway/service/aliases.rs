//! The original service's names of targets, for its front end: `lm_studio_<model>`, `z_ai_glm_4.6`, `openai_0`.

use crate::domain::ids::ModelId;
use crate::domain::kind::Kind;
use crate::engine::protocol::ProviderView;

/// The name the original service had for this model; `None` where the file is of the newer layout.
pub fn alias(provider: &ProviderView, model: &ModelId) -> Option<String> {
    if let Some(rest) = provider.place.strip_prefix("fallback_models[") {
        return Some(format!("{}_{}", provider.kind.word(), rest.strip_suffix(']')?));
    }
    match provider.place.as_str() {
        "lm_studio" => Some(format!("lm_studio_{model}")),
        "z_ai_glm" if provider.kind == Kind::ZAiGlm => Some(format!("z_ai_{}", model.as_str().replace('-', "_"))),
        _ => None,
    }
}
