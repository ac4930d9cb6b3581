//! Help that stands beside a form: tips per kind of server, and what each field is for.

use crate::domain::kind::Kind;

/// One line of the tip box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// `server`, `port`, `network`, `load`, `token`, `context`, …
    pub label: &'static str,
    pub text: &'static str,
}

const fn tip(label: &'static str, text: &'static str) -> Tip {
    Tip { label, text }
}

/// What a person setting up this kind of server wants to know, most important first.
pub fn tips(kind: Kind) -> &'static [Tip] {
    const LM_STUDIO: &[Tip] = &[
        tip("server", "lms server start --port 1234, or Developer > Start Server"),
        tip("network", "from another machine: --bind 0.0.0.0, or Serve on Local Network"),
        tip("load", "lms load MODEL; or just-in-time loading: the first call loads and waits"),
        tip("token", "Developer > Server Settings > Require Authentication; off by default"),
        tip("context", "what is loaded counts, not what the model could do: --context-length N"),
    ];
    const LLAMA_CPP: &[Tip] = &[
        tip("server", "llama-server -m MODEL.gguf --port 8080"),
        tip("port", "8080; newer versions announce 9931"),
        tip("network", "from another machine: --host 0.0.0.0"),
        tip("context", "-c N tokens, shared by its slots (-np)"),
        tip("token", "--api-key KEY; none by default"),
    ];
    const OLLAMA: &[Tip] = &[
        tip("server", "ollama serve; port 11434"),
        tip("network", "from another machine: OLLAMA_HOST=0.0.0.0 ollama serve"),
        tip("load", "ollama pull MODEL fetches; the first call loads"),
        tip("context", "small by default, longer prompts are cut silently: OLLAMA_CONTEXT_LENGTH=N"),
        tip("cloud", "models with -cloud in their name run elsewhere: they count as cloud"),
    ];
    const VLLM: &[Tip] = &[
        tip("server", "vllm serve MODEL --port 8000"),
        tip("network", "from another machine: --host 0.0.0.0"),
        tip("context", "--max-model-len N"),
        tip("token", "--api-key KEY; none by default"),
    ];
    const Z_AI: &[Tip] = &[
        tip("address", "https://api.z.ai/api/paas/v4; the coding plan has its own: /api/coding/paas/v4"),
        tip("key", "from z.ai/manage-apikey/apikey-list, best as ${Z_AI_API_KEY}"),
        tip("models", "name them (glm-4.6): its list is not complete"),
        tip("money", "error 1113 means no balance or no package, not too many calls"),
    ];
    const OPENAI: &[Tip] = &[
        tip("address", "https://api.openai.com/v1"),
        tip("key", "from platform.openai.com/api-keys, best as ${OPENAI_API_KEY}"),
        tip("models", "name the ones to choose from; others can be asked for by name"),
    ];
    const ANTHROPIC: &[Tip] = &[
        tip("address", "https://api.anthropic.com"),
        tip("key", "from console.anthropic.com/settings/keys, best as ${ANTHROPIC_API_KEY}"),
        tip("models", "name the ones to choose from; others can be asked for by name"),
    ];
    const OPENROUTER: &[Tip] = &[
        tip("address", "https://openrouter.ai/api/v1"),
        tip("key", "from openrouter.ai/settings/keys, best as ${OPENROUTER_API_KEY}"),
        tip("models", "name the ones to choose from, as vendor/model"),
    ];
    const COMPATIBLE: &[Tip] = &[
        tip("address", "up to and with /v1, where /chat/completions follows"),
        tip("server", "any server that speaks the OpenAI chat format"),
        tip("token", "leave empty where the server asks for none"),
    ];
    match kind {
        Kind::LmStudio => LM_STUDIO,
        Kind::LlamaCpp => LLAMA_CPP,
        Kind::Ollama => OLLAMA,
        Kind::Vllm => VLLM,
        Kind::ZAiGlm => Z_AI,
        Kind::Openai => OPENAI,
        Kind::Anthropic => ANTHROPIC,
        Kind::Openrouter => OPENROUTER,
        Kind::OpenaiCompatible => COMPATIBLE,
    }
}

/// A model of a vendor to begin with: an inexpensive one that is offered for long.
pub fn first_model(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::ZAiGlm => Some("glm-4.6"),
        Kind::Openai => Some("gpt-5.4-mini"),
        Kind::Anthropic => Some("claude-haiku-4-5"),
        _ => None,
    }
}

/// The fields of a provider's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    Kind,
    Id,
    Name,
    Address,
    Key,
    Models,
    Local,
    Enabled,
}

impl Field {
    pub const ALL: [Self; 8] =
        [Self::Kind, Self::Id, Self::Name, Self::Address, Self::Key, Self::Models, Self::Local, Self::Enabled];

    /// The label before the field.
    pub fn label(self) -> &'static str {
        match self {
            Self::Kind => "Kind",
            Self::Id => "Id",
            Self::Name => "Name",
            Self::Address => "Address",
            Self::Key => "Key",
            Self::Models => "Models",
            Self::Local => "Local",
            Self::Enabled => "Enabled",
        }
    }

    /// A few words beside the field.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Kind | Self::Id => "",
            Self::Name => "shown instead of the id",
            Self::Address => "with or without /v1",
            Self::Key => "${NAME}, or none",
            Self::Models => "in order, parted by commas",
            Self::Local => "yes: local_only goes there",
            Self::Enabled => "no: kept, not used",
        }
    }

    /// One paragraph for the field with focus.
    pub fn help(self) -> &'static str {
        match self {
            Self::Kind => {
                "What kind of server answers there. It sets the address to begin with, how models are listed and \
                 what lmdeck says when something is wrong. Not sure? OpenAI-compatible works with most."
            }
            Self::Id => {
                "The name used in rules and targets, as in gpu-box/qwen3-32b. Small letters, digits, - _ . and \
                 unlike every other id."
            }
            Self::Name => "What the screen calls it. Empty: the id is shown. Rules use the id, never this.",
            Self::Address => {
                "Where it listens, as in http://127.0.0.1:1234. A whole URL or a curl line may be pasted: what \
                 comes after the base is taken off."
            }
            Self::Key => {
                "A reference such as ${OPENAI_API_KEY}, replaced from the environment or from .env beside the \
                 configuration. The key itself would stand readable in the file."
            }
            Self::Models => {
                "The models to choose from, first is best. Empty for a local server: what it lists is used. A \
                 cloud vendor's other models can be asked for by name, but are never chosen automatically."
            }
            Self::Local => {
                "Whether prompts that must stay at home (local_only) may go to this machine too. Servers on this \
                 computer count as local anyway; cloud addresses never do."
            }
            Self::Enabled => "Switched off, it keeps its place and its settings, and gets no probe and no call.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_tells_how_to_start_or_where_to_find_it_and_every_field_has_help() {
        for kind in Kind::ALL {
            let tips = tips(kind);
            assert!(tips.len() >= 3, "{kind}");
            assert!(tips.iter().any(|tip| matches!(tip.label, "server" | "address")), "{kind}");
            assert!(tips.iter().any(|tip| matches!(tip.label, "token" | "key" | "cloud")), "{kind}");
            assert!(tips.iter().all(|tip| tip.text.len() <= 90), "{kind}: too long for one row");
        }
        for field in Field::ALL {
            assert!(field.help().len() > 40 && field.help().len() < 240, "{field:?}");
        }
    }
}
