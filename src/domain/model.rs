//! One model as its server describes it, and what changed between two lists. How a list is read is the dialects'
//! business (`adapters::wire::lists`).

use super::ids::ModelId;
use super::money::Price;
use super::time::UnixMs;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// A model as its server describes it; every field but the id may be unknown. Untrusted text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    pub id: ModelId,
    pub loaded: Option<bool>,
    /// `false` for embedding models and the like.
    pub chat: bool,
    /// Tokens: of the loaded instance where known, else the model's ceiling.
    pub context: Option<u64>,
    pub quantization: Option<String>,
    /// Of its file.
    pub size_bytes: Option<u64>,
    /// The server runs it elsewhere (Ollama's remote models): its reach is cloud.
    #[serde(default)]
    pub remote: bool,
    /// The name for people, where it is another than the id.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Tokens the model was made for, whatever it is loaded with.
    #[serde(default)]
    pub max_context: Option<u64>,
    /// Each loaded copy, where the server tells them apart.
    #[serde(default)]
    pub instances: Vec<Instance>,
    /// As the server writes it: `8B`, `30B-A3B`.
    #[serde(default)]
    pub parameters: Option<String>,
    /// As in `llama`, `qwen3`.
    #[serde(default)]
    pub architecture: Option<String>,
    /// As in `gguf`, `mlx`; an open set.
    #[serde(default)]
    pub format: Option<String>,
    #[serde(default)]
    pub can: Abilities,
    /// Per token, where the server's list says it.
    #[serde(default)]
    pub price: Option<Price>,
    /// Bytes of memory it takes while loaded.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// When its server unloads it, if nobody uses it before.
    #[serde(default)]
    pub expires: Option<UnixMs>,
    /// Other names of builds of the same model.
    #[serde(default)]
    pub variants: Vec<String>,
}

impl ModelInfo {
    pub fn named(id: impl Into<ModelId>) -> Self {
        Self {
            id: id.into(),
            loaded: None,
            chat: true,
            context: None,
            quantization: None,
            size_bytes: None,
            remote: false,
            display_name: None,
            max_context: None,
            instances: Vec::new(),
            parameters: None,
            architecture: None,
            format: None,
            can: Abilities::default(),
            price: None,
            memory_bytes: None,
            expires: None,
            variants: Vec::new(),
        }
    }
}

/// One loaded copy of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The server's name for it; calls and unloading may use it.
    pub id: String,
    /// Tokens it was loaded with.
    pub context: Option<u64>,
}

/// What a model can do by its server's word; `None` where the server does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Abilities {
    /// It was made to call tools.
    pub tools: Option<bool>,
    /// It reads images.
    pub images: Option<bool>,
    /// It can think before it answers.
    pub reasoning: Option<bool>,
}

impl Abilities {
    /// The words for what it is known to do, in a fixed order.
    pub fn words(self) -> Vec<&'static str> {
        [(self.tools, "tools"), (self.images, "images"), (self.reasoning, "reasoning")]
            .into_iter()
            .filter(|(known, _)| *known == Some(true))
            .map(|(_, word)| word)
            .collect()
    }
}

/// Whether a model goes by a name of `OpenAI`'s newer ones, o-series and gpt-5 and later, which take
/// `max_completion_tokens` alone.
fn refuses_max_tokens(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let digit = |rest: &str| rest.chars().next().is_some_and(|c| c.is_ascii_digit());
    let o_series = name.strip_prefix('o').is_some_and(digit);
    let gpt = name.strip_prefix("gpt-").is_some_and(|rest| {
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        number.parse::<u32>().is_ok_and(|number| number >= 5)
    });
    o_series || gpt
}

/// What the length of an answer is called in `OpenAI`'s dialect.
pub mod length {
    use super::refuses_max_tokens;
    use crate::domain::call::Work;
    use crate::domain::kind::Kind;

    pub const OLD: &str = "max_tokens";
    pub const NEW: &str = "max_completion_tokens";

    /// The name by which a server surely knows it.
    pub fn name(kind: Kind, host: &str, model: &str, work: Work) -> &'static str {
        // Every model of OpenAI takes the new one; text completions know the old one alone.
        let newer = kind == Kind::Openai || refuses_old(kind, host, model);
        if newer && work == Work::Chat { NEW } else { OLD }
    }

    /// Whether the server may refuse a chat request for saying [`OLD`].
    pub fn refuses_old(kind: Kind, host: &str, model: &str) -> bool {
        match kind {
            Kind::Openai => refuses_max_tokens(model),
            // Azure lets a person name models as they like, and its newer ones refuse the old name.
            Kind::OpenaiCompatible => refuses_max_tokens(model) || host.ends_with(".azure.com"),
            _ => false,
        }
    }
}

/// What is different between two lists of the same server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelChanges {
    pub new: Vec<ModelId>,
    pub gone: Vec<ModelId>,
    /// Now loaded, with the context where it is told.
    pub loaded: Vec<(ModelId, Option<u64>)>,
    pub unloaded: Vec<ModelId>,
}

impl ModelChanges {
    /// From an older list to a newer one. A model that appears loaded is new and loaded.
    pub fn between(old: &[ModelInfo], new: &[ModelInfo]) -> Self {
        let before: HashMap<&ModelId, &ModelInfo> = old.iter().map(|model| (&model.id, model)).collect();
        let mut now = HashSet::with_capacity(new.len());
        let mut changes = Self::default();
        for model in new {
            if !now.insert(&model.id) {
                continue;
            }
            let known = before.get(&model.id);
            if known.is_none() {
                changes.new.push(model.id.clone());
            }
            let was = known.and_then(|known| known.loaded);
            match (was, model.loaded) {
                (Some(true), Some(true)) if known.is_some_and(|known| known.context != model.context) => {
                    changes.loaded.push((model.id.clone(), model.context));
                }
                (Some(false), Some(true)) => changes.loaded.push((model.id.clone(), model.context)),
                (None, Some(true)) if known.is_none() => changes.loaded.push((model.id.clone(), model.context)),
                (Some(true), Some(false)) => changes.unloaded.push(model.id.clone()),
                _ => {}
            }
        }
        let mut told = HashSet::new();
        changes.gone = old
            .iter()
            .filter(|model| !now.contains(&model.id) && told.insert(&model.id))
            .map(|model| model.id.clone())
            .collect();
        changes
    }

    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.gone.is_empty() && self.loaded.is_empty() && self.unloaded.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str, loaded: Option<bool>, context: Option<u64>) -> ModelInfo {
        ModelInfo { loaded, context, ..ModelInfo::named(id) }
    }

    #[test]
    fn two_lists_are_compared_by_name_and_by_what_is_loaded() {
        let old = [model("a", Some(false), None), model("b", Some(true), Some(4096)), model("c", None, None)];
        let new = [model("a", Some(true), Some(8192)), model("b", Some(false), None), model("d", Some(true), None)];
        let changes = ModelChanges::between(&old, &new);
        assert_eq!(changes.new, ["d".into()]);
        assert_eq!(changes.gone, ["c".into()]);
        assert_eq!(changes.loaded, [("a".into(), Some(8192)), ("d".into(), None)]);
        assert_eq!(changes.unloaded, ["b".into()]);
        assert!(ModelChanges::between(&new, &new).is_empty());
    }

    #[test]
    fn the_same_model_with_another_context_was_loaded_anew() {
        let changes = ModelChanges::between(&[model("a", Some(true), Some(1))], &[model("a", Some(true), Some(2))]);
        assert_eq!(changes, ModelChanges { loaded: vec![("a".into(), Some(2))], ..ModelChanges::default() });
    }

    #[test]
    fn a_description_written_by_an_older_version_is_read() {
        let old = r#"{"id":"m","loaded":true,"chat":true,"context":1,"quantization":null,"size_bytes":null}"#;
        let read: ModelInfo = serde_json::from_str(old).unwrap();
        assert_eq!(read, model("m", Some(true), Some(1)));
    }
}
