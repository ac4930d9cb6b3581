//! A call: what a caller asks for, the facts routing may look at, and what is recorded when it ends.

use super::cache_key::CacheWish;
use super::failure::{ErrorCode, Failure};
use super::ids::{CallId, Target};
use super::kind::Kind;
use super::money::{Cost, Money};
use super::time::UnixMs;
use super::trace::TraceParent;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How urgent a call is in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
}

impl Priority {
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Low, Self::Normal, Self::High].into_iter().find(|priority| priority.word() == word)
    }
}

/// What kind of answer is asked for; decides which models and kinds can give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    #[default]
    Chat,
    /// The older text completions, without a chat template.
    Completion,
    Embeddings,
}

impl Work {
    pub fn word(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completion => "completion",
            Self::Embeddings => "embeddings",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Chat, Self::Completion, Self::Embeddings].into_iter().find(|work| work.word() == word)
    }

    /// Whether servers of this kind offer it.
    pub fn offered_by(self, kind: Kind) -> bool {
        match self {
            Self::Chat => true,
            Self::Completion | Self::Embeddings => !matches!(kind, Kind::Anthropic | Kind::ZAiGlm),
        }
    }
}

/// What calls that lmdeck makes itself have in the place of a caller's name.
pub mod own_client {
    pub const ASK: &str = "ask";
    pub const BENCH: &str = "bench";
    /// The one question of a connection test.
    pub const DOCTOR: &str = "doctor";
    /// The dashboard as printed lines.
    pub const PLAIN: &str = "plain";
    pub const PLAYGROUND: &str = "playground";

    pub const ALL: [&str; 5] = [ASK, BENCH, DOCTOR, PLAIN, PLAYGROUND];
}

/// What routing may look at in a request; never the prompt text. An absent text is "", an absent number 0.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a rule may name")]
pub struct Facts {
    pub request_type: String,
    pub complexity: String,
    pub audience: String,
    pub priority: Priority,
    /// The model as the caller named it; see [`Wanted`].
    pub requested_model: String,
    /// Estimated from the length of the body.
    pub prompt_tokens: u64,
    pub max_tokens: u64,
    pub stream: bool,
    pub has_tools: bool,
    pub has_images: bool,
    pub wants_json: bool,
    pub client: String,
    pub session: String,
    pub tags: BTreeMap<String, String>,
    /// A kind or provider whose targets come first (the service API's `preferred_provider`).
    pub preferred_provider: String,
    /// What kind of answer is asked for.
    pub work: Work,
    /// Whether a kept answer will do; no rule looks at it.
    #[serde(skip_serializing_if = "CacheWish::is_usual")]
    pub cache: CacheWish,
    /// The caller, or a gateway this came through, promised that it stays at home: as `local_only` of a policy.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub local_only: bool,
    /// The lmdeck instances it came through, the first one first; no rule looks at it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<String>,
    /// The caller's span, for whoever exports spans; no rule looks at it and no record keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceParent>,
}

/// A message of a conversation, as the playground, `ask` and the service API make them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    User,
    Assistant,
}

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Built here: the dialect writes the request. A system prompt of the configuration is added when
    /// `messages` holds none.
    Chat { messages: Vec<Message>, max_tokens: Option<u64>, temperature: Option<f64>, stream: bool },
    /// An OpenAI chat request exactly as a client sent it; forwarded with byte splices only.
    RawOpenaiChat { json: String },
    /// An OpenAI embeddings request, forwarded in the same way.
    RawOpenaiEmbeddings { json: String },
    /// A request of OpenAI's older text completions, forwarded in the same way.
    RawOpenaiCompletion { json: String },
}

impl Body {
    /// Bytes of all that is asked.
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::Chat { messages, .. } => messages.iter().map(|message| message.content.len()).sum(),
            Self::RawOpenaiChat { json } | Self::RawOpenaiEmbeddings { json } | Self::RawOpenaiCompletion { json } => {
                json.len()
            }
        }
    }
}

/// One call as a front end hands it to the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRequest {
    pub facts: Facts,
    pub body: Body,
    /// The caller wants the usage chunk of a stream (it asked for it itself).
    pub wants_usage: bool,
}

/// What a model's server said it used. `input` includes `cached` and `cache_written`, that includes
/// `cache_written_hour`, and `output` includes `reasoning`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    pub cached: u64,
    pub reasoning: u64,
    /// Written into the vendor's cache.
    #[serde(default)]
    pub cache_written: u64,
    /// Of it what the vendor keeps for an hour, which costs more.
    #[serde(default)]
    pub cache_written_hour: u64,
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    Stop,
    Length,
    ToolCalls,
    ContentFilter,
    Other,
}

/// How a call or an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ok,
    /// An error of any class; `error_code` says which.
    Error,
    /// Refused by a rule or a budget before anything was sent.
    Denied,
    Cancelled,
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn of(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Denied | ErrorCode::Budget => Self::Denied,
            ErrorCode::Cancelled => Self::Cancelled,
            _ => Self::Error,
        }
    }
}

/// One try at one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub target: Target,
    /// From the call's arrival to the start of this attempt.
    pub start_ms: u64,
    pub ttft_ms: Option<u64>,
    pub duration_ms: u64,
    pub failure: Option<Failure>,
    /// The model that really answered, where the server named another than was asked for.
    pub answered_by: Option<String>,
}

impl Attempt {
    /// The model that answered, where it is another than was asked for.
    pub fn answered_by_another(&self) -> Option<&str> {
        self.answered_by.as_deref().filter(|answered| !self.target.model.is_also_called(answered))
    }
}

/// A candidate that was left out, with its reason code and sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    pub target: Target,
    /// Mostly words of our own, and there may be many of them in each decision.
    pub code: Cow<'static, str>,
    pub reason: Cow<'static, str>,
}

/// What a policy that is only observed would have made of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedMatch {
    pub policy: String,
    /// Where the call would have gone first; `None` when it would have reached nobody.
    pub target: Option<Target>,
    /// It would have been refused.
    pub denied: bool,
    /// This is not where it was sent first.
    pub moved: bool,
}

/// The durable record of one call: every fact, the chain, the rejects, the attempts, the money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    pub id: CallId,
    pub ts: UnixMs,
    pub facts: Facts,
    /// The rule that chose: `request_type:NAME`, `active`, `strategy:NAME`, `named`, or a policy's name.
    pub policy: String,
    pub rules_version: u64,
    /// The targets in the order decided.
    pub chain: Vec<Target>,
    pub rejects: Vec<Reject>,
    pub target: Option<Target>,
    pub status: Status,
    pub error: Option<Failure>,
    pub finish: Option<Finish>,
    pub duration_ms: u64,
    pub queue_ms: u64,
    pub ttft_ms: Option<u64>,
    pub usage: Option<Usage>,
    pub cost: Cost,
    /// `off`, `hit` or `miss`.
    pub cache: String,
    pub attempts: Vec<Attempt>,
    /// Only when the configuration says `record_prompts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Put aside of the day's limit for all attempts together; `None` where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Money>,
    /// Policies in observe mode that would have decided it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<ObservedMatch>,
    /// What attempts cost that nothing was put aside for; `None` in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Money>,
}

impl CallRecord {
    /// Output tokens per second between the first token and the end; `None` when it cannot be told.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn tokens_per_second(&self) -> Option<f64> {
        let writing_ms = self.duration_ms.checked_sub(self.ttft_ms?)?;
        let out = self.usage?.output;
        (writing_ms > 0 && out > 1).then(|| (out - 1) as f64 * 1000.0 / writing_ms as f64)
    }
}
