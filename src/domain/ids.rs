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

impl ModelId {
    /// Whether a server that answers under `name` means this model: it may add or leave out a path, a quantisation
    /// (`key@q4_k_m`), an instance or a tag (`key:2`, `qwen3:latest`), a date, or the end of a file's name.
    pub fn is_also_called(&self, name: &str) -> bool {
        let (mut asked, mut answered) = (self.as_str().to_ascii_lowercase(), name.to_ascii_lowercase());
        for text in [&mut asked, &mut answered] {
            if let Some(name) = text.strip_suffix(".gguf") {
                text.truncate(name.len());
            }
        }
        let base = |text: &str| text.rsplit(['/', '\\']).next().unwrap_or(text).to_owned();
        if asked.contains(['/', '\\']) != answered.contains(['/', '\\']) {
            (asked, answered) = (base(&asked), base(&answered));
        }
        adds_to(&asked, &answered) || adds_to(&answered, &asked)
    }
}

/// Whether `long` is `short`, or it with a quantisation, an instance, a tag or a date behind.
fn adds_to(short: &str, long: &str) -> bool {
    long.strip_prefix(short).is_some_and(|rest| {
        let date = rest.strip_prefix('-').is_some_and(|date| date.starts_with("20") && date.len() >= 8);
        rest.is_empty() || rest.starts_with(['@', ':']) || date
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_model_has_many_names() {
        for (asked, answered) in [
            ("acme/demo-8b", "demo-8b:2"),
            ("acme/demo-8b", "acme/demo-8b:2"),
            ("demo-8b@q4_k_m", "Demo-8B"),
            ("/models/demo-8b.gguf", "demo-8b"),
            ("qwen3", "qwen3:latest"),
            ("gpt-5.4", "gpt-5.4-2026-03-05"),
            ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        ] {
            assert!(ModelId::from(asked).is_also_called(answered), "{asked} {answered}");
        }
        for (asked, answered) in [
            ("demo-8b", "demo-70b"),
            ("qwen3:8b", "qwen3:70b"),
            ("acme/demo-8b", "other/demo-8b"),
            ("gpt-5.4", "gpt-5.4-mini"),
            ("demo", ""),
        ] {
            assert!(!ModelId::from(asked).is_also_called(answered), "{asked} {answered}");
        }
    }
}
