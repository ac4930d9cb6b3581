//! The kinds of provider and what is fixed for each: names, default address, environment names, vendor hosts.
//!
//! How a kind speaks on the wire is the dialects' business (`adapters::wire`).

use serde::{Deserialize, Serialize};

/// What kind of server a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    LmStudio,
    ZAiGlm,
    Openai,
    Anthropic,
    Ollama,
    LlamaCpp,
    Vllm,
    Openrouter,
    OpenaiCompatible,
}

impl Kind {
    /// The kind that people or the configuration call so.
    pub fn called(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.label().eq_ignore_ascii_case(text) || kind.word() == text)
    }

    /// Whether its vendor counts the tokens of a request that is not sent to a model.
    pub fn counts_tokens(self) -> bool {
        self == Self::Anthropic
    }

    pub const ALL: [Self; 9] = [
        Self::LmStudio,
        Self::LlamaCpp,
        Self::Ollama,
        Self::Vllm,
        Self::ZAiGlm,
        Self::Openai,
        Self::Anthropic,
        Self::Openrouter,
        Self::OpenaiCompatible,
    ];

    /// The word used in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::LmStudio => "lm_studio",
            Self::ZAiGlm => "z_ai_glm",
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
            Self::LlamaCpp => "llama_cpp",
            Self::Vllm => "vllm",
            Self::Openrouter => "openrouter",
            Self::OpenaiCompatible => "openai_compatible",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// The name people know it by.
    pub fn label(self) -> &'static str {
        match self {
            Self::LmStudio => "LM Studio",
            Self::ZAiGlm => "Z.AI GLM",
            Self::Openai => "OpenAI",
            Self::Anthropic => "Anthropic",
            Self::Ollama => "Ollama",
            Self::LlamaCpp => "llama.cpp",
            Self::Vllm => "vLLM",
            Self::Openrouter => "OpenRouter",
            Self::OpenaiCompatible => "OpenAI-compatible",
        }
    }

    /// Where it is found when nothing else is said; `None` when only the user can know.
    pub fn default_endpoint(self) -> Option<&'static str> {
        match self {
            Self::LmStudio => Some("http://127.0.0.1:1234"),
            Self::ZAiGlm => Some("https://api.z.ai/api/paas/v4"),
            Self::Openai => Some("https://api.openai.com/v1"),
            Self::Anthropic => Some("https://api.anthropic.com"),
            Self::Ollama => Some("http://127.0.0.1:11434"),
            Self::LlamaCpp => Some("http://127.0.0.1:8080"),
            Self::Vllm => Some("http://127.0.0.1:8000"),
            Self::Openrouter => Some("https://openrouter.ai/api/v1"),
            Self::OpenaiCompatible => None,
        }
    }

    /// Whether its servers load and unload models when they are told to.
    pub fn loads_models(self) -> bool {
        matches!(self, Self::LmStudio | Self::Ollama)
    }

    /// Whether its servers, near as they are, run some of their models elsewhere; their list tells which.
    pub fn may_run_elsewhere(self) -> bool {
        self == Self::Ollama
    }

    /// Whether this kind is a cloud vendor's own service.
    pub fn is_vendor(self) -> bool {
        matches!(self, Self::ZAiGlm | Self::Openai | Self::Anthropic | Self::Openrouter)
    }

    /// The environment name that gives this kind's key.
    pub fn key_variable(self) -> Option<&'static str> {
        match self {
            Self::ZAiGlm => Some("Z_AI_API_KEY"),
            Self::Openai => Some("OPENAI_API_KEY"),
            Self::Anthropic => Some("ANTHROPIC_API_KEY"),
            Self::Openrouter => Some("OPENROUTER_API_KEY"),
            _ => None,
        }
    }

    /// The environment name that gives this kind's address.
    pub fn address_variable(self) -> Option<&'static str> {
        match self {
            Self::LmStudio => Some("LM_STUDIO_BASE_URL"),
            Self::Ollama => Some("OLLAMA_HOST"),
            _ => None,
        }
    }

    /// Hosts that belong to the vendor: a key of this kind may go there.
    pub fn vendor_hosts(self) -> &'static [&'static str] {
        match self {
            Self::ZAiGlm => &["api.z.ai", "open.bigmodel.cn"],
            Self::Openai => &["api.openai.com"],
            Self::Anthropic => &["api.anthropic.com"],
            Self::Openrouter => &["openrouter.ai"],
            _ => &[],
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
