//! What routing and forwarding need to know of an OpenAI chat request, read in one pass over its text.
//!
//! Nothing is rebuilt from it: the text travels on as it came. What is not looked at here is the upstream's to
//! judge, so a field with an unexpected type is an error only where its meaning would be guessed.

use super::problem::Problem;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Most top-level fields of a request. The real ones are some forty; so few are compared one by one.
const FIELD_LIMIT: usize = 256;

/// See the module.
#[derive(Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the request of its own")]
pub struct ChatShape {
    pub model: String,
    pub stream: bool,
    /// `stream_options.include_usage`.
    pub wants_usage: bool,
    /// `max_completion_tokens`, else `max_tokens`; 0 when absent or not a count.
    pub max_tokens: u64,
    pub has_tools: bool,
    pub has_images: bool,
    pub wants_json: bool,
    /// `temperature` is 0.
    pub at_zero: bool,
    /// `metadata`, where it is an object.
    pub metadata: serde_json::Map<String, Value>,
}

impl ChatShape {
    /// # Errors
    /// Not JSON, not an object, a key twice, a wrong type where it matters; with line, column and field.
    pub fn read(json: &str) -> Result<Self, Problem> {
        Self::read_as(json, "a chat request", "model and messages")
    }

    /// The same of a request that shares what is looked at; `what` and its `fields` name it in errors.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_as(json: &str, what: &str, fields: &str) -> Result<Self, Problem> {
        let mut reader = Reader::default();
        let mut text = serde_json::Deserializer::from_str(json);
        let read = text.deserialize_map(&mut reader).and_then(|()| text.end());
        match read {
            Ok(()) => Ok(reader.finish()),
            Err(error) => {
                let problem =
                    Problem::invalid(format!("the body is not {what}: {error}; send a JSON object with {fields}"));
                Err(match reader.at {
                    Some(field) => problem.about(field),
                    None => problem,
                })
            }
        }
    }
}

#[derive(Default)]
struct Reader {
    shape: ChatShape,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    /// The top-level field whose value could not be read, for the error.
    at: Option<String>,
}

impl Reader {
    fn finish(self) -> ChatShape {
        let max_tokens = self.max_completion_tokens.or(self.max_tokens).unwrap_or(0);
        ChatShape { max_tokens, ..self.shape }
    }

    /// Reads all fields; the last one `seen` is the one being read.
    fn fields<'de, A: MapAccess<'de>>(&mut self, map: &mut A, seen: &mut Vec<Cow<'de, str>>) -> Result<(), A::Error> {
        while let Some(Key(name)) = map.next_key_seed(KeySeed)? {
            let twice = seen.contains(&name);
            let name = seen.push_mut(name);
            if twice {
                // Two values, and every reader picks its own: what was routed might not be what is answered.
                return Err(A::Error::custom(format_args!("the key {name:?} stands twice")));
            }
            self.field(name, map)?;
            if seen.len() > FIELD_LIMIT {
                return Err(A::Error::custom(format_args!("there are more than {FIELD_LIMIT} fields")));
            }
        }
        Ok(())
    }

    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "model" => self.shape.model = map.next_value()?,
            "stream" => self.shape.stream = map.next_value::<Option<bool>>()?.unwrap_or(false),
            "stream_options" => {
                let options: &RawValue = map.next_value()?;
                self.shape.wants_usage = value_of(options)["include_usage"] == true;
            }
            "max_tokens" => self.max_tokens = count(map.next_value()?),
            "max_completion_tokens" => self.max_completion_tokens = count(map.next_value()?),
            "tools" | "functions" => self.shape.has_tools |= !is_empty_list(map.next_value()?),
            "response_format" => {
                let format: &RawValue = map.next_value()?;
                self.shape.wants_json =
                    matches!(value_of(format)["type"].as_str(), Some("json_object" | "json_schema"));
            }
            "temperature" => {
                let temperature: &RawValue = map.next_value()?;
                self.shape.at_zero = value_of(temperature).as_f64().is_some_and(|degree| degree == 0.0);
            }
            "metadata" => {
                let metadata: &RawValue = map.next_value()?;
                if let Value::Object(members) = value_of(metadata) {
                    self.shape.metadata = members;
                }
            }
            "messages" => self.shape.has_images = map.next_value_seed(Look(Level::Messages))?,
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Reader {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen: Vec<Cow<'de, str>> = Vec::with_capacity(16);
        let read = self.fields(&mut map, &mut seen);
        if read.is_err() {
            self.at = seen.pop().map(Cow::into_owned);
        }
        read
    }
}

/// A key, borrowed from the text unless it holds escapes.
struct Key<'de>(Cow<'de, str>);
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key<'de>;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<Self::Value, D::Error> {
        text.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Owned(text.to_owned())))
    }
}

/// Where in `messages` the look for images is.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Messages,
    Message,
    Content,
    Part,
    /// The `type` of a part.
    PartType,
}

/// Whether there is an image below; never fails on an unexpected type.
struct Look(Level);

impl<'de> DeserializeSeed<'de> for Look {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<bool, D::Error> {
        text.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let inner = match self.0 {
            Level::Messages => Level::Message,
            Level::Content => Level::Part,
            _ => {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(false);
            }
        };
        let mut found = false;
        while let Some(image) = list.next_element_seed(Look(inner))? {
            found |= image;
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(Key(name)) = map.next_key_seed(KeySeed)? {
            found |= match (self.0, &*name) {
                (Level::Message, "content") => map.next_value_seed(Look(Level::Content))?,
                (Level::Part, "type") => map.next_value_seed(Look(Level::PartType))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    false
                }
            };
        }
        Ok(found)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        Ok(self.0 == Level::PartType && matches!(text, "image_url" | "input_image" | "image"))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }
}

fn value_of(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or(Value::Null)
}

fn count(raw: &RawValue) -> Option<u64> {
    raw.get().parse().ok()
}

/// `null`, `[]`, or not a list.
fn is_empty_list(raw: &RawValue) -> bool {
    raw.get().strip_prefix('[').is_none_or(|rest| rest.trim_start().starts_with(']'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(json: &str) -> ChatShape {
        ChatShape::read(json).unwrap()
    }

    #[test]
    fn what_routing_needs_is_found() {
        let shape = read(
            r#"{"model":"auto","stream":true,"stream_options":{"include_usage":true},"max_tokens":5,
                "max_completion_tokens":9,"tools":[{"type":"function"}],"response_format":{"type":"json_schema"},
                "metadata":{"request_type":"x"},"messages":[{"role":"user","content":[{"type":"text","text":"a"},
                {"type":"image_url","image_url":{"url":"data:"}}]}]}"#,
        );
        assert_eq!(shape.model, "auto");
        assert_eq!(shape.max_tokens, 9);
        assert!(shape.stream && shape.wants_usage && shape.has_tools && shape.has_images && shape.wants_json);
        assert_eq!(shape.metadata["request_type"], "x");
    }

    #[test]
    fn what_is_not_there_is_not_there() {
        let shape = read(
            r#"{"model":"m","stream":null,"tools":[ ],"response_format":{"type":"text"},"max_tokens":-1,
                "metadata":null,"messages":[{"role":"user","content":"the word image_url","x":{"type":"image_url"}}]}"#,
        );
        assert_eq!(shape, ChatShape { model: "m".into(), ..ChatShape::default() });
        assert_eq!(read("{}"), ChatShape::default());
    }

    #[test]
    fn an_escaped_name_hides_nothing() {
        assert!(read(r#"{"messages":[{"content":[{"ty\u0070e":"image\u005furl"}]}]}"#).has_images);
        assert!(read(r#"{"str\u0065am":true}"#).stream);
    }

    #[test]
    fn a_wrong_body_is_refused_with_its_place() {
        for (json, wanted, param) in [
            ("", "EOF", None),
            ("[]", "a JSON object", None),
            ("\"text\"", "a JSON object", None),
            ("{\"model\":\"a\"", "EOF", None),
            ("{\"model\":\"a\"} x", "trailing", None),
            ("{\"model\":7}", "integer `7`", Some("model")),
            ("{\"stream\":\"yes\"}", "line 1 column", Some("stream")),
            ("{\"model\":\"a\",\n\"model\":\"b\"}", "the key \"model\" stands twice at line 2", Some("model")),
            ("{\"a\":1,\"\\u0061\":2}", "stands twice", Some("a")),
        ] {
            let problem = ChatShape::read(json).unwrap_err();
            assert!(problem.message.contains(wanted), "{json}: {}", problem.message);
            if param.is_some() {
                assert_eq!(problem.param.as_deref(), param, "{json}");
            }
        }
    }

    #[test]
    fn a_flood_of_fields_is_refused() {
        let fields: Vec<String> = (0..300).map(|number| format!("\"f{number}\":1")).collect();
        let problem = ChatShape::read(&format!("{{{}}}", fields.join(","))).unwrap_err();
        assert!(problem.message.contains("more than 256 fields"), "{}", problem.message);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = ChatShape::read(&text);
        }

        #[test]
        fn whatever_the_content_is_the_model_is_found(content in json(), model in ".{0,20}") {
            let body = serde_json::json!({"messages": [{"content": content.clone()}, content], "model": model});
            prop_assert_eq!(read(&body.to_string()).model, model);
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,10}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("type|content|[a-z]{1,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
