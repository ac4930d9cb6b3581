//! Which kept answer belongs to a request: what two requests must share to have the same answer, and whether a
//! caller wants a kept one.

use super::ids::Target;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize as DeserializeName, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// Members of a body that say nothing about the answer.
const APART: [&str; 3] = ["stream", "user", "metadata"];

/// What a caller says about kept answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, DeserializeName)]
#[serde(rename_all = "snake_case")]
pub enum CacheWish {
    /// Nothing; a kept answer serves where a policy sets the temperature to 0.
    #[default]
    Usual,
    /// Nothing, and its temperature is 0.
    Sober,
    /// A kept answer is welcome, and the new one is kept.
    On,
    /// Neither used nor kept.
    Off,
    /// A kept answer or none: nobody is asked.
    Only,
}

/// What that comes to for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    Off,
    Use,
    Only,
}

impl CacheWish {
    /// By the word of a header or flag.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "on" => Some(Self::On),
            "off" => Some(Self::Off),
            "only" => Some(Self::Only),
            _ => None,
        }
    }

    pub fn is_usual(&self) -> bool {
        *self == Self::Usual
    }

    /// `policy_temperature` is what a policy sets, whatever the caller said.
    pub fn use_with(self, policy_temperature: Option<f64>) -> CacheUse {
        let zero = |temperature: f64| temperature == 0.0;
        match self {
            Self::On => CacheUse::Use,
            Self::Only => CacheUse::Only,
            Self::Sober if policy_temperature.is_none_or(zero) => CacheUse::Use,
            Self::Usual if policy_temperature.is_some_and(zero) => CacheUse::Use,
            Self::Off | Self::Sober | Self::Usual => CacheUse::Off,
        }
    }
}

/// A body of which only the meaning counts: members sorted, blanks gone.
#[derive(Debug, Clone, PartialEq)]
pub enum Canon {
    Null,
    Switch(bool),
    /// As its shortest text, which tells any two apart.
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

/// The key of one answer. `form` tells apart answers that cannot stand for each other, as a stream and a whole one;
/// `body` holds every parameter in force.
pub fn cache_key(target: &Target, client: &str, form: &str, body: &Canon) -> String {
    let mut key = String::new();
    // With their lengths, so that no two sets of parts read the same.
    for part in [target.provider.as_str(), target.model.as_str(), client, form] {
        let _ = write!(key, "{}:{part}|", part.len());
    }
    body.write(&mut key, true);
    key
}

impl Canon {
    fn write(&self, out: &mut String, top: bool) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Switch(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => out.push_str(number),
            Self::Text(text) => write_text(out, text),
            Self::List(items) => {
                out.push('[');
                for item in items {
                    item.write(out, false);
                    out.push(',');
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (name, value) in members {
                    if !(top && APART.contains(&name.as_str())) {
                        write_text(out, name);
                        value.write(out, false);
                        out.push(',');
                    }
                }
                out.push('}');
            }
        }
    }
}

fn write_text(out: &mut String, text: &str) {
    let _ = write!(out, "{}:{text}", text.len());
}

impl<'de> Deserialize<'de> for Canon {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Canon;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<Canon, E> {
                Ok(Canon::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Canon, E> {
                Ok(Canon::Switch(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Canon, E> {
                Ok(Canon::Number(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Canon, E> {
                Ok(Canon::Number(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Canon, E> {
                // 1.0 and 1 mean the same to whoever reads them.
                Ok(Canon::Number(if value == 0.0 { "0".to_owned() } else { value.to_string() }))
            }

            fn visit_str<E>(self, value: &str) -> Result<Canon, E> {
                Ok(Canon::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Canon, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Canon::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Canon, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    members.insert(name, value);
                }
                Ok(Canon::Object(members))
            }
        }
        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_caller_says_and_a_policy_sets_decide_together() {
        use CacheUse::{Off, Only, Use};
        for (wish, policy, used) in [
            (CacheWish::Usual, None, Off),
            (CacheWish::Usual, Some(0.0), Use),
            (CacheWish::Sober, None, Use),
            (CacheWish::Sober, Some(0.7), Off),
            (CacheWish::On, Some(0.7), Use),
            (CacheWish::Off, Some(0.0), Off),
            (CacheWish::Only, None, Only),
        ] {
            assert_eq!(wish.use_with(policy), used, "{wish:?} {policy:?}");
        }
    }
}
