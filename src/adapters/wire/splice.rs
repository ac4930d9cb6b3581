//! Changes a client's JSON request by replacing bytes, so that everything it does not name stays exactly as
//! the client wrote it: key order, spacing, number forms, unknown members.

use crate::domain::failure::{ErrorCode, Failure};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

/// A request ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spliced {
    pub json: String,
    /// The client asked for a stream.
    pub stream: bool,
}

/// Puts `model` into an OpenAI chat request and asks for the usage chunk when it wants a stream.
///
/// # Errors
/// `invalid_request`: not a JSON object, a key that stands there twice, `stream` or `stream_options` of the
/// wrong type.
pub fn splice(json: &str, model: &str) -> Result<Spliced, Failure> {
    splice_with(json, model, |_| Ok(Vec::new()))
}

/// The same with the changes of a kind's quirks.
///
/// # Errors
/// As [`splice`], and what the quirks refuse.
pub(super) fn splice_with(
    json: &str,
    model: &str,
    quirks: impl FnOnce(&Object<'_>) -> Result<Vec<Edit>, Failure>,
) -> Result<Spliced, Failure> {
    let request = Object::read(json, 0..json.len(), "the request")?;
    let mut edits = vec![request.set("model", &quoted(model))];
    edits.extend(quirks(&request)?);
    let stream = match request.get("stream").map(|range| text_of(json, range)) {
        None | Some("false" | "null") => false,
        Some("true") => true,
        Some(other) => return Err(invalid(format!("stream is {}: it is true or false", short(other)))),
    };
    if stream {
        edits.extend(ask_for_usage(json, &request)?);
    }
    Ok(Spliced { json: apply(json, edits)?, stream })
}

fn ask_for_usage(json: &str, request: &Object<'_>) -> Result<Option<Edit>, Failure> {
    const WANTED: &str = r#"{"include_usage":true}"#;
    let Some(range) = request.get("stream_options") else {
        return Ok(Some(request.set("stream_options", WANTED)));
    };
    match text_of(json, range.clone()) {
        "null" => Ok(Some(Edit { place: range, text: WANTED.into() })),
        text if text.starts_with('{') => {
            let options = Object::read(json, range, "stream_options")?;
            let already = options.get("include_usage").is_some_and(|value| text_of(json, value) == "true");
            Ok((!already).then(|| options.set("include_usage", "true")))
        }
        other => Err(invalid(format!("stream_options is {}: it is an object", short(other)))),
    }
}

/// One replacement; an empty place inserts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub place: Range<usize>,
    pub text: String,
}

/// An insertion comes before the replacement of what stands there.
fn apply(json: &str, mut edits: Vec<Edit>) -> Result<String, Failure> {
    edits.sort_by_key(|edit| (edit.place.start, edit.place.end));
    let mut out = String::with_capacity(json.len() + edits.iter().map(|edit| edit.text.len()).sum::<usize>());
    let mut from = 0;
    for edit in edits {
        // Two changes of the same bytes, or a place outside: what came out would not be what was meant.
        out.push_str(json.get(from..edit.place.start).ok_or_else(overlap)?);
        out.push_str(&edit.text);
        from = edit.place.end;
    }
    out.push_str(json.get(from..).ok_or_else(overlap)?);
    Ok(out)
}

fn overlap() -> Failure {
    Failure::plain(ErrorCode::Internal, "two changes of the request meet in one place: nothing was sent")
}

/// The members of a JSON object with the places of their values.
pub(super) struct Object<'a> {
    json: &'a str,
    members: Vec<(Cow<'a, str>, Range<usize>)>,
    /// Just behind the opening brace.
    inside: usize,
}

impl<'a> Object<'a> {
    /// Reads the object at `range` of `json`; `what` names it in errors.
    pub fn read(json: &'a str, range: Range<usize>, what: &str) -> Result<Self, Failure> {
        let whole = json.get(range.clone()).unwrap_or_default();
        let mut reader = serde_json::Deserializer::from_str(whole);
        let members = reader
            .deserialize_map(Members)
            .and_then(|members| reader.end().map(|()| members))
            .map_err(|error| invalid(format!("{what} is not a readable JSON object: {error}")))?;
        let mut places: Vec<(Cow<'a, str>, Range<usize>)> = Vec::with_capacity(members.len());
        if let Some(twice) = twice(&members) {
            return Err(invalid(format!("{what} holds {} twice: keep one of them", short(&quoted(twice)))));
        }
        for (key, value) in members {
            // The value is a piece of `json` itself, so the distance of their addresses is its place.
            let start = (value.get().as_ptr() as usize).saturating_sub(json.as_ptr() as usize);
            places.push((key, start..start + value.get().len()));
        }
        let brace = whole.len() - whole.trim_start().len();
        Ok(Self { json, members: places, inside: range.start + brace + 1 })
    }

    pub fn get(&self, key: &str) -> Option<Range<usize>> {
        self.members.iter().find(|(own, _)| own == key).map(|(_, range)| range.clone())
    }

    /// The text of a value; `None` where the key is missing or its value `null`.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        let range = self.get(key)?;
        Some(text_of(self.json, range)).filter(|text| *text != "null")
    }

    /// Gives a member another name and leaves its value as it is.
    pub fn rename(&self, key: &str, name: &str) -> Option<Edit> {
        let at = self.members.iter().position(|(own, _)| own == key)?;
        let (_, value) = self.members.get(at)?;
        let from = at.checked_sub(1).and_then(|before| self.members.get(before)).map_or(self.inside, |(_, v)| v.end);
        // Between two values stands nothing but a comma, the key and a colon.
        let between = self.json.get(from..value.start)?;
        let place = from + between.find('"')?..from + between.rfind('"')? + 1;
        Some(Edit { place, text: quoted(name) })
    }

    /// Replaces the value of `key`, or adds the member in front of the others.
    pub fn set(&self, key: &str, value: &str) -> Edit {
        if let Some(place) = self.get(key) {
            return Edit { place, text: value.to_owned() };
        }
        let comma = if self.members.is_empty() { "" } else { "," };
        Edit { place: self.inside..self.inside, text: ["\"", key, "\":", value, comma].concat() }
    }
}

/// Members compared one by one; more of them go through a table.
const FEW: usize = 32;

/// The first key that stands there for the second time.
fn twice<'m>(members: &'m [(Cow<'_, str>, &RawValue)]) -> Option<&'m str> {
    let mut keys = members.iter().map(|(key, _)| key.as_ref()).enumerate();
    if members.len() <= FEW {
        let before = |key: &str, at: usize| members.iter().take(at).any(|(other, _)| other == key);
        return keys.find(|(at, key)| before(key, *at)).map(|(_, key)| key);
    }
    let mut seen = HashSet::with_capacity(members.len());
    keys.map(|(_, key)| key).find(|key| !seen.insert(*key))
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(16);
        while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            members.push((key.0, value));
        }
        Ok(members)
    }
}

/// A key, borrowed unless it holds escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

pub(super) fn text_of(json: &str, range: Range<usize>) -> &str {
    json.get(range).unwrap_or_default().trim()
}

pub(super) fn quoted(text: &str) -> String {
    // A text can always be written.
    serde_json::to_string(text).unwrap_or_default()
}

fn short(text: &str) -> String {
    let mut cut: String = text.chars().take(40).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

fn invalid(message: String) -> Failure {
    Failure::plain(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    #[test]
    fn only_the_model_changes_in_a_whole_request() {
        let before = "\n{ \"messages\" : [ {\"role\":\"user\",\"model\":\"inner\"} ],\t\"model\" : \"auto\" , \"temperature\":1.50e0,\"x\":{\"model\":1}}  ";
        let after = splice(before, "acme/demo-8b").unwrap();
        assert_eq!(after.json, before.replace("\"auto\"", "\"acme/demo-8b\""));
        assert!(!after.stream);
    }

    #[test]
    fn a_stream_is_asked_for_its_usage() {
        for (before, after) in [
            (
                r#"{"model":"a","stream":true}"#,
                r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#,
            ),
            (
                r#"{"model":"a","stream":true,"stream_options":null}"#,
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"model":"a","stream":true,"stream_options":{ }}"#,
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true }}"#,
            ),
            (
                r#"{"stream_options":{"a":1,"include_usage":false},"model":"a","stream":true}"#,
                r#"{"stream_options":{"a":1,"include_usage":true},"model":"m","stream":true}"#,
            ),
            (
                r#"{"stream_options":{"include_usage":true},"model":"a","stream":true}"#,
                r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#,
            ),
            (r#"{"stream":false}"#, r#"{"model":"m","stream":false}"#),
            ("{}", r#"{"model":"m"}"#),
        ] {
            assert_eq!(splice(before, "m").unwrap().json, after);
        }
    }

    #[test]
    fn what_cannot_be_forwarded_faithfully_is_refused_with_its_place() {
        for (json, word) in [
            (r#"{"model":"a","model":"b"}"#, "\"model\" twice"),
            ("{\"model\":\"a\",\"mod\\u0065l\":\"b\"}", "\"model\" twice"),
            (r#"{"x":1,"x":1}"#, "\"x\" twice"),
            (r#"{"stream":true,"stream_options":{"include_usage":1,"include_usage":true}}"#, "twice"),
            (r#"{"stream":"yes"}"#, "stream is \"yes\""),
            (r#"{"stream":true,"stream_options":[1]}"#, "stream_options is [1]"),
            ("[1]", "not a readable JSON object"),
            ("", "not a readable JSON object"),
            (r#"{"a":1} x"#, "trailing"),
            (r#"{"a":"#, "line 1"),
        ] {
            let failure = splice(json, "m").unwrap_err();
            assert_eq!(failure.code, ErrorCode::InvalidRequest);
            assert!(failure.message.contains(word), "{json}: {}", failure.message);
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("model|stream|[a-z\"\\\\é]{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn requests() -> impl Strategy<Value = (Map<String, Value>, bool)> {
        let members = proptest::collection::btree_map("model|messages|[a-z\"\\\\é]{0,6}", values(), 0..6);
        let options = prop_oneof![
            Just(None),
            Just(Some(Value::Null)),
            Just(Some(json!({}))),
            Just(Some(json!({"include_usage": false, "other": [1]}))),
        ];
        (members, any::<bool>(), options).prop_map(|(members, stream, options)| {
            let mut map: Map<String, Value> = members.into_iter().collect();
            map.insert("stream".into(), Value::from(stream));
            if let Some(options) = options {
                map.insert("stream_options".into(), options);
            }
            (map, stream)
        })
    }

    proptest! {
        #[test]
        fn the_result_is_the_old_request_with_exactly_this_change(
            (map, stream) in requests(),
            model in ".{1,12}",
            pretty in any::<bool>(),
        ) {
            let value = Value::Object(map.clone());
            let json = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let spliced = splice(&json, &model).unwrap();
            let mut wanted = map;
            wanted.insert("model".into(), Value::from(model.clone()));
            if stream {
                let options = wanted.entry("stream_options").or_insert(Value::Null);
                if options.is_null() {
                    *options = json!({});
                }
                options["include_usage"] = Value::from(true);
            }
            prop_assert_eq!(serde_json::from_str::<Value>(&spliced.json).unwrap(), Value::Object(wanted));
            prop_assert_eq!(spliced.stream, stream);
        }

        #[test]
        fn other_bytes_stay(before in "[ \n\t]{0,4}", middle in "[ \n\t]{0,4}", number in "-?[1-9]{1,3}(\\.[0-9]{1,3})?([eE][+-]?[0-9])?") {
            let frame = |model: &str| format!("{before}{{{middle}\"seed\":{number}{middle},{middle}\"model\"{middle}:{middle}{model}{middle},\"z\":[{middle}{number}]}}{middle}");
            prop_assert_eq!(splice(&frame("\"auto\""), "m").unwrap().json, frame("\"m\""));
        }

        #[test]
        fn no_text_makes_it_panic(json in "\\PC{0,60}|[{}\\[\\]\",:a-z0-9 \\\\]{0,60}") {
            let _ = splice(&json, "m");
        }
    }
}
