//! Why a target stands in a chain and why a candidate is left out: small values while a decision is made, and the
//! words they become at its end. Who is judged, and by what, is in `candidates`.

use super::WorldModel;
use std::borrow::Cow;
use std::fmt;

/// Why the target of a session's last answer stands first.
pub(super) const PINNED: &str = "its session's target";

/// Why a target stands in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Named,
    Preferred,
    Pinned,
    Policy,
    Order,
    Active,
    Local,
    CloudAfterLocal,
    Cloud,
    LocalAfterCloud,
    /// Its queue is longer than the bound.
    Spilled,
    Price,
    Quality,
    Speed,
}

/// Why a candidate is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Out {
    NotLocal,
    /// Its server may run it elsewhere, and has not said yet whether it does.
    PerhapsElsewhere,
    NotNamed,
    /// Its provider stands in the chain with a better model.
    NotBest,
    AskedLocal,
    AskedCloud,
    Disabled,
    Withheld,
    Paused,
    Unauthorized,
    Down,
    Parked,
    Limited,
    Unlisted,
    NotChat,
    OverBudget,
    Unpriced,
    BreakerOpen,
    Capability(&'static str),
    Context,
}

impl Out {
    pub fn code(self) -> &'static str {
        match self {
            Self::NotLocal | Self::PerhapsElsewhere => "not_local",
            Self::NotNamed | Self::NotBest | Self::AskedLocal | Self::AskedCloud => "not_named",
            Self::Disabled => "disabled",
            Self::Withheld => "withheld",
            Self::Paused => "paused",
            Self::Unauthorized => "unauthorized",
            Self::Down => "down",
            Self::Parked => "parked",
            Self::Limited => "limited",
            Self::Unlisted => "unlisted",
            Self::NotChat => "not_chat",
            Self::OverBudget => "over_budget",
            Self::Unpriced => "unpriced",
            Self::BreakerOpen => "breaker_open",
            Self::Capability(_) => "capability",
            Self::Context => "context",
        }
    }

    /// It passes without anybody's changing a rule: who was left out for it has its place again afterwards.
    pub fn passes(self) -> bool {
        matches!(
            self,
            Self::Paused | Self::Unauthorized | Self::Down | Self::Parked | Self::Limited | Self::BreakerOpen
        )
    }
}

/// Who keeps a call at home.
#[derive(Debug, Clone, Copy)]
pub(super) enum Guard<'a> {
    Policy(&'a str),
    Caller,
}

impl fmt::Display for Guard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(name) => write!(f, "policy {name} keeps this call local"),
            Self::Caller => f.write_str("the caller keeps this call local"),
        }
    }
}

/// `down: connection refused`; the bare word where no reason is known.
pub(super) fn because(word: &str, reason: &str) -> String {
    if reason.is_empty() { word.to_owned() } else { format!("{word}: {reason}") }
}

pub(super) fn why_words(why: Why, model: Option<&WorldModel>) -> Cow<'static, str> {
    let loaded = model.and_then(|model| model.loaded);
    match why {
        Why::Named => "named by the caller".into(),
        Why::Preferred => "preferred by the caller".into(),
        Why::Pinned => PINNED.into(),
        Why::Policy => "named by the policy".into(),
        Why::Order => "named by the order".into(),
        Why::Active => "the active target".into(),
        Why::Local => match loaded {
            Some(true) => "local, loaded".into(),
            Some(false) => "local, not loaded".into(),
            None => "local".into(),
        },
        Why::CloudAfterLocal => "cloud after local".into(),
        Why::Cloud => "cloud".into(),
        Why::LocalAfterCloud => "local after cloud".into(),
        Why::Spilled => "local, behind the cloud while it is busy".into(),
        Why::Price => match model.and_then(|model| model.price) {
            None => "its price is unknown".into(),
            Some(price) if price.is_free() => "free".into(),
            Some(_) => "by price".into(),
        },
        Why::Quality => match model.and_then(|model| model.quality) {
            Some(quality) => format!("quality {quality}").into(),
            None => "quality not known".into(),
        },
        Why::Speed => match model.and_then(|model| model.ttft_ms) {
            Some(ms) => format!("first token in {ms} ms").into(),
            None => "speed not known".into(),
        },
    }
}
