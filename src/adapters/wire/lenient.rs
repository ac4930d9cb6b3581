//! Members of a server's JSON that come in several shapes: read what is understood, never fail on the rest.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A text; `null` and foreign shapes are empty, and the `text` members of a list of parts are joined.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Text<'a> {
    pub text: Cow<'a, str>,
    /// It was neither a text nor `null`.
    pub foreign: bool,
}

impl<'a> Text<'a> {
    fn plain(text: Cow<'a, str>) -> Self {
        Self { text, foreign: false }
    }

    fn foreign(text: String) -> Self {
        Self { text: Cow::Owned(text), foreign: true }
    }
}

/// A count; `None` for whatever is not a whole number from zero.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub Option<u64>);

/// How many elements a list has; zero for whatever is not a list.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    pub count: usize,
    /// It was neither a list nor `null`.
    pub foreign: bool,
}

impl Length {
    const FOREIGN: Self = Self { count: 0, foreign: true };
}

/// An object of a known shape; `None` for whatever is no object.
#[derive(Debug)]
pub struct Object<T>(pub Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

macro_rules! ignore {
    ($value:ty = $foreign:expr, $($method:ident($kind:ty)),*) => {
        $(fn $method<E>(self, _: $kind) -> Result<$value, E> {
            Ok($foreign)
        })*
        fn visit_unit<E>(self) -> Result<$value, E> {
            Ok(<$value>::default())
        }
        fn visit_none<E>(self) -> Result<$value, E> {
            Ok(<$value>::default())
        }
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }
    };
}

fn skip_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct See;
        impl<'de> Visitor<'de> for See {
            type Value = Text<'de>;
            ignore!(Text<'de> = Text::foreign(String::new()), visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text::plain(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text::plain(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text<'de>, A::Error> {
                let mut joined = String::new();
                while let Some(part) = seq.next_element::<Part<'de>>()? {
                    joined += &part.0;
                }
                Ok(Text::foreign(joined))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text<'de>, A::Error> {
                skip_map(map)?;
                Ok(Text::foreign(String::new()))
            }
        }
        deserializer.deserialize_any(See)
    }
}

/// One part of a content list: its text, if it has one.
struct Part<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = value.get("text").and_then(serde_json::Value::as_str).unwrap_or_default();
        Ok(Part(Cow::Owned(text.to_owned())))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct See;
        impl<'de> Visitor<'de> for See {
            type Value = Count;
            ignore!(Count = Count(None), visit_bool(bool), visit_str(&str));

            fn visit_u64<E>(self, number: u64) -> Result<Count, E> {
                Ok(Count(Some(number)))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Count, E> {
                Ok(Count(u64::try_from(number).ok()))
            }

            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
            fn visit_f64<E>(self, number: f64) -> Result<Count, E> {
                Ok(Count((0.0..9e15).contains(&number).then_some(number as u64)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Count(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Count, A::Error> {
                skip_map(map)?;
                Ok(Count(None))
            }
        }
        deserializer.deserialize_any(See)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct See;
        impl<'de> Visitor<'de> for See {
            type Value = Length;
            ignore!(
                Length = Length::FOREIGN,
                visit_bool(bool),
                visit_i64(i64),
                visit_u64(u64),
                visit_f64(f64),
                visit_str(&str)
            );

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Length, A::Error> {
                let mut count = 0;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Length { count, foreign: false })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Length, A::Error> {
                skip_map(map)?;
                Ok(Length::FOREIGN)
            }
        }
        deserializer.deserialize_any(See)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct See<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for See<T> {
            type Value = Object<T>;
            ignore!(Object<T> = Object(None), visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Object<T>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Object(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|object| Object(Some(object)))
            }
        }
        deserializer.deserialize_any(See(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_from_every_shape_servers_use() {
        for (json, text, foreign) in [
            (r#""plain""#, "plain", false),
            (r#""esc\n""#, "esc\n", false),
            ("null", "", false),
            ("12", "", true),
            (r#"{"a":[1]}"#, "", true),
            (r#"[{"type":"text","text":"a"},{"type":"image"},{"text":"b"}]"#, "ab", true),
        ] {
            let read = serde_json::from_str::<Text>(json).unwrap();
            assert_eq!((read.text.as_ref(), read.foreign), (text, foreign), "{json}");
        }
    }

    #[test]
    fn counts_and_lengths_ignore_what_they_are_not() {
        for (json, count) in
            [("7", Some(7)), ("7.0", Some(7)), ("-1", None), ("null", None), ("\"7\"", None), ("[1]", None)]
        {
            assert_eq!(serde_json::from_str::<Count>(json).unwrap().0, count, "{json}");
        }
        for (json, count, foreign) in
            [("[{},{}]", 2, false), ("null", 0, false), ("{\"a\":1}", 0, true), ("3", 0, true)]
        {
            assert_eq!(serde_json::from_str::<Length>(json).unwrap(), Length { count, foreign }, "{json}");
        }
    }
}
