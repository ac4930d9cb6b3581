//! Says what is odd about a chunk or body of OpenAI's dialect in which nothing of an answer was found: which field,
//! what was expected, what came. Looked at only then, so it costs a good answer nothing.

use super::chat_request::shape_of;
use serde_json::Value;

/// The first field whose shape is not the known one; `None` when the piece merely says nothing.
pub fn odd(json: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(json).ok()?;
    let Some(members) = value.as_object() else { return Some(said("the answer", "an object", Some(&value))) };
    let choices = match members.get("choices") {
        Some(Value::Array(choices)) => choices,
        None | Some(Value::Null) => return None,
        other => return Some(said("choices", "a list", other)),
    };
    choices.iter().enumerate().find_map(|(index, choice)| odd_choice(choice, &format!("choices[{index}]")))
}

fn odd_choice(choice: &Value, place: &str) -> Option<String> {
    let Some(members) = choice.as_object() else { return Some(said(place, "an object", Some(choice))) };
    let mut anything = false;
    for part in ["delta", "message"] {
        match members.get(part) {
            None | Some(Value::Null) => {}
            Some(Value::Object(said_in)) => {
                anything = true;
                for text in ["content", "refusal", "reasoning_content", "reasoning"] {
                    let odd = said_in.get(text).and_then(|found| odd_text(found, &format!("{place}.{part}.{text}")));
                    if odd.is_some() {
                        return odd;
                    }
                }
                if let Some(calls) = said_in.get("tool_calls").filter(|calls| !calls.is_null() && !calls.is_array()) {
                    return Some(said(&format!("{place}.{part}.tool_calls"), "a list", Some(calls)));
                }
            }
            other => return Some(said(&format!("{place}.{part}"), "an object", other)),
        }
    }
    if let Some(text) = members.get("text") {
        return odd_text(text, &format!("{place}.text"));
    }
    let ends = members.get("finish_reason").is_some_and(|reason| !reason.is_null());
    (!anything && !ends).then(|| said(place, "delta, message or text in it", None))
}

fn odd_text(found: &Value, place: &str) -> Option<String> {
    match found {
        Value::Null | Value::String(_) => None,
        Value::Array(parts) => parts.iter().enumerate().find_map(|(index, part)| {
            let place = format!("{place}[{index}]");
            match part.get("text") {
                Some(Value::String(_)) => None,
                // Sound, images: not for us to read, and known to be something.
                None if part.get("type").is_some_and(|kind| kind.is_string() && kind != "text") => None,
                found => Some(said(&format!("{place}.text"), "a text", found)),
            }
        }),
        other => Some(said(place, "a text", Some(other))),
    }
}

/// What is odd about the counts of tokens; `None` when they are readable or not there.
pub fn odd_usage(json: &[u8]) -> Option<String> {
    memchr::memmem::find(json, b"\"usage\"")?;
    let value: Value = serde_json::from_slice(json).ok()?;
    let usage = value.get("usage").filter(|usage| !usage.is_null())?;
    let Some(members) = usage.as_object() else { return Some(said("usage", "an object", Some(usage))) };
    if members.is_empty() {
        return None;
    }
    ["prompt_tokens", "completion_tokens"].into_iter().find_map(|name| {
        let found = members.get(name);
        (!found.is_some_and(Value::is_number)).then(|| said(&format!("usage.{name}"), "a number", found))
    })
}

fn said(place: &str, expected: &str, came: Option<&Value>) -> String {
    format!("{place}: expected {expected}, came {}", came.map_or("nothing", shape_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_is_not_odd_and_what_is_misshapen_is_named() {
        for plain in [
            r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"delta":{}}]}"#,
            r#"{"choices":[],"prompt_filter_results":[]}"#,
            r#"{"choices":[{"message":{"content":[{"type":"image_url"}]}}]}"#,
            r#"{"id":"x"}"#,
        ] {
            assert_eq!(odd(plain.as_bytes()), None, "{plain}");
        }
        for (json, why) in [
            ("[1]", "the answer: expected an object, came a list"),
            (r#"{"choices":[7]}"#, "choices[0]: expected an object, came a number"),
            (r#"{"choices":[{"delta":"hi"}]}"#, "choices[0].delta: expected an object, came a text"),
            (
                r#"{"choices":[{"delta":{"content":{"t":1}}}]}"#,
                "choices[0].delta.content: expected a text, came an object",
            ),
            (
                r#"{"choices":[{"message":{"content":[{"type":"text","text":7}]}}]}"#,
                "choices[0].message.content[0].text: expected a text, came a number",
            ),
            (
                r#"{"choices":[{"message":{"tool_calls":{}}}]}"#,
                "choices[0].message.tool_calls: expected a list, came an object",
            ),
            (
                r#"{"choices":[{"index":0,"output":"hi"}]}"#,
                "choices[0]: expected delta, message or text in it, came nothing",
            ),
        ] {
            assert_eq!(odd(json.as_bytes()).as_deref(), Some(why), "{json}");
        }
        assert_eq!(
            odd_usage(br#"{"usage":{"prompt_tokens":"9"}}"#).unwrap(),
            "usage.prompt_tokens: expected a number, came a text"
        );
        assert_eq!(odd_usage(br#"{"usage":{"prompt_tokens":9,"completion_tokens":1}}"#), None);
        assert_eq!(odd_usage(br#"{"usage":null}"#), None);
    }
}
