//! The facts a condition may name: their names, their types, what they say. The one list that checking,
//! completion, messages and the evaluator read.

use crate::domain::ids::ProviderId;
use serde::{Deserialize, Serialize};

/// A fact of the request that is text; absent is "".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextFact {
    Type,
    Complexity,
    Audience,
    Priority,
    Model,
    Client,
    Session,
}

/// A switch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchFact {
    Stream,
    HasTools,
    HasImages,
    WantsJson,
    /// A provider is usable now.
    Up(ProviderId),
    /// One of a provider's models is loaded.
    Loaded(ProviderId),
}

/// A number. `Used`, `Remaining` and `Fraction` are decimal, all others whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberFact {
    PromptTokens,
    MaxTokens,
    /// Median latency of a provider's probes in milliseconds; 0 when not known.
    P50Ms(ProviderId),
    /// Calls under way at a provider.
    InFlight(ProviderId),
    /// US dollars spent today.
    Used,
    /// US dollars left today; infinite without a limit.
    Remaining,
    /// Share of the day's limit that is spent; 0 without a limit.
    Fraction,
    /// 0 to 23, local.
    Hour,
    /// 0 to 6, local; Sunday is 0.
    Weekday,
}

/// Any fact, for lists of what a rule reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    Text(TextFact),
    Switch(SwitchFact),
    Number(NumberFact),
    Tag(String),
    /// All tags, or one whose name is not fixed.
    Tags,
}

/// What a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactType {
    Text,
    Switch,
    Whole,
    Decimal,
    /// Names to texts.
    Texts,
}

impl FactType {
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Switch => "true or false",
            Self::Whole => "a whole number",
            Self::Decimal => "a number",
            Self::Texts => "labels",
        }
    }
}

/// One fact for help and completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// As written; `ID` stands for a provider.
    pub name: &'static str,
    pub kind: FactType,
    pub help: &'static str,
}

const fn named(name: &'static str, kind: FactType, help: &'static str) -> Named {
    Named { name, kind, help }
}

/// Every fact there is.
pub const FACTS: [Named; 23] = [
    named("request.type", FactType::Text, "the caller's label for the work"),
    named("request.complexity", FactType::Text, "how hard it is, in the caller's words"),
    named("request.audience", FactType::Text, "whom it is for, in the caller's words"),
    named("request.priority", FactType::Text, "high, normal or low"),
    named("request.model", FactType::Text, "the model as the caller named it"),
    named("request.prompt_tokens", FactType::Whole, "length of the prompt, estimated"),
    named("request.max_tokens", FactType::Whole, "the longest answer asked for; 0 when not said"),
    named("request.stream", FactType::Switch, "the caller wants the answer as it comes"),
    named("request.has_tools", FactType::Switch, "tools are offered"),
    named("request.has_images", FactType::Switch, "images are in it"),
    named("request.wants_json", FactType::Switch, "the answer has to be JSON"),
    named("request.client", FactType::Text, "the caller's key name, else its program"),
    named("request.session", FactType::Text, "the caller's session"),
    named("request.tags", FactType::Texts, "the caller's labels, as in request.tags.privacy"),
    named("provider[\"ID\"].up", FactType::Switch, "the provider is usable now"),
    named("provider[\"ID\"].loaded", FactType::Switch, "one of its models is loaded"),
    named("provider[\"ID\"].p50_ms", FactType::Whole, "median latency of its probes"),
    named("provider[\"ID\"].in_flight", FactType::Whole, "calls under way there"),
    named("budget.used", FactType::Decimal, "US dollars spent today"),
    named("budget.remaining", FactType::Decimal, "US dollars left today; infinite without a limit"),
    named("budget.fraction", FactType::Decimal, "share of the day's limit that is spent"),
    named("time.hour", FactType::Whole, "0 to 23, local time"),
    named("time.weekday", FactType::Whole, "0 to 6, Sunday is 0"),
];

/// The functions a condition may call, as they are written.
pub const FUNCTIONS: [&str; 6] = ["startsWith", "endsWith", "contains", "matches", "size", "has"];

impl TextFact {
    pub const ALL: [Self; 7] =
        [Self::Type, Self::Complexity, Self::Audience, Self::Priority, Self::Model, Self::Client, Self::Session];

    pub fn name(self) -> &'static str {
        match self {
            Self::Type => "request.type",
            Self::Complexity => "request.complexity",
            Self::Audience => "request.audience",
            Self::Priority => "request.priority",
            Self::Model => "request.model",
            Self::Client => "request.client",
            Self::Session => "request.session",
        }
    }
}

impl std::fmt::Display for SwitchFact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stream => f.write_str("request.stream"),
            Self::HasTools => f.write_str("request.has_tools"),
            Self::HasImages => f.write_str("request.has_images"),
            Self::WantsJson => f.write_str("request.wants_json"),
            Self::Up(id) => write!(f, "provider[{:?}].up", id.as_str()),
            Self::Loaded(id) => write!(f, "provider[{:?}].loaded", id.as_str()),
        }
    }
}

impl std::fmt::Display for NumberFact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PromptTokens => f.write_str("request.prompt_tokens"),
            Self::MaxTokens => f.write_str("request.max_tokens"),
            Self::P50Ms(id) => write!(f, "provider[{:?}].p50_ms", id.as_str()),
            Self::InFlight(id) => write!(f, "provider[{:?}].in_flight", id.as_str()),
            Self::Used => f.write_str("budget.used"),
            Self::Remaining => f.write_str("budget.remaining"),
            Self::Fraction => f.write_str("budget.fraction"),
            Self::Hour => f.write_str("time.hour"),
            Self::Weekday => f.write_str("time.weekday"),
        }
    }
}

impl Fact {
    /// Whether it may change while the request stays the same: the world's, not the caller's.
    pub fn of_the_world(&self) -> bool {
        match self {
            Self::Text(_) | Self::Tag(_) | Self::Tags => false,
            Self::Switch(fact) => matches!(fact, SwitchFact::Up(_) | SwitchFact::Loaded(_)),
            Self::Number(fact) => !matches!(fact, NumberFact::PromptTokens | NumberFact::MaxTokens),
        }
    }

    /// The provider it is about.
    pub fn provider(&self) -> Option<&ProviderId> {
        match self {
            Self::Switch(SwitchFact::Up(id) | SwitchFact::Loaded(id))
            | Self::Number(NumberFact::P50Ms(id) | NumberFact::InFlight(id)) => Some(id),
            _ => None,
        }
    }
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(fact) => f.write_str(fact.name()),
            Self::Switch(fact) => fact.fmt(f),
            Self::Number(fact) => fact.fmt(f),
            Self::Tag(name) if is_word(name) => write!(f, "request.tags.{name}"),
            Self::Tag(name) => write!(f, "request.tags[{name:?}]"),
            Self::Tags => f.write_str("request.tags"),
        }
    }
}

/// Whether a name may stand behind a dot.
pub(super) fn is_word(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name != "in"
}
