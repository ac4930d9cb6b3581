//! Which server is simulated, in which generation.

use crate::domain::kind::Kind;

/// What a simulated server pretends to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimKind {
    LlamaCpp,
    OpenaiCompatible,
    /// With the newest interface it offers; the older ones are always there.
    LmStudio(LmStudioApi),
    Ollama,
    Vllm,
    /// Answers on the general base and on the coding plan's.
    ZAi,
    Openai,
    Anthropic,
    Openrouter,
}

/// The generations of LM Studio's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LmStudioApi {
    /// To 0.3.5: the OpenAI-compatible routes only.
    Compat,
    /// From 0.3.6: `/api/v0` beside them.
    V0,
    /// From 0.4: `/api/v1` and `/v1/messages` too.
    V1,
}

impl SimKind {
    pub fn kind(self) -> Kind {
        match self {
            Self::LlamaCpp => Kind::LlamaCpp,
            Self::OpenaiCompatible => Kind::OpenaiCompatible,
            Self::LmStudio(_) => Kind::LmStudio,
            Self::Ollama => Kind::Ollama,
            Self::Vllm => Kind::Vllm,
            Self::ZAi => Kind::ZAiGlm,
            Self::Openai => Kind::Openai,
            Self::Anthropic => Kind::Anthropic,
            Self::Openrouter => Kind::Openrouter,
        }
    }

    /// The path in front of `/chat/completions`.
    pub fn base(self) -> &'static str {
        match self {
            Self::ZAi => "/api/paas/v4",
            Self::Openrouter => "/api/v1",
            _ => "/v1",
        }
    }

    pub(super) fn is_lm_studio(self) -> bool {
        matches!(self, Self::LmStudio(_))
    }
}
