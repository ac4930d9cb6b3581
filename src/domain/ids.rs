//! Names of things: providers, models, targets, calls. Cheap to clone, compared by text.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A provider's id as written in the configuration: small letters, digits, `-`, `_`, `.`.
    ProviderId
}
text_id! {
    /// A model's id exactly as its server names it; may hold slashes and colons. Untrusted text.
    ModelId
}
text_id! {
    /// A call's id: `c` and a number, as in `c1214`; a longer one where the counter could not be reached.
    CallId
}

impl ProviderId {
    /// Whether `text` may be used as an id for a new provider.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn check(text: &str) -> Result<(), &'static str> {
        if text.is_empty() {
            return Err("an id is needed");
        }
        if text.len() > 64 {
            return Err("an id has at most 64 characters");
        }
        if !text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c)) {
            return Err("an id holds small letters, digits, - _ and . only");
        }
        if matches!(text, "auto" | "local" | "cloud" | "fastest" | "all") {
            return Err("this word has a meaning of its own in rules; choose another id");
        }
        Ok(())
    }
}

/// One model at one provider, written `provider/model`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    pub provider: ProviderId,
    pub model: ModelId,
}

impl Target {
    pub fn new(provider: impl Into<ProviderId>, model: impl Into<ModelId>) -> Self {
        Self { provider: provider.into(), model: model.into() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

impl FromStr for Target {
    type Err = &'static str;

    /// Splits at the first slash: provider ids hold none, model ids may.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((provider, model)) if !provider.is_empty() && !model.is_empty() => Ok(Self::new(provider, model)),
            _ => Err("a target is written provider/model"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
