//! Reads what OpenAI-shaped servers answer: one chunk of a stream, or a whole answer. What a sequence of
//! chunks means (its end, its emptiness) is judged in `answer`.

use super::choices::Choices;
use super::errors::ServerError;
use super::lenient::{Count, Object, Text};
use super::shape;
use crate::domain::call::Usage;
use crate::domain::failure::ErrorCode;
use crate::domain::kind::Kind;
use crate::domain::money::Money;
use crate::engine::ports::Seen;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;

/// One chunk or body as understood.
#[derive(Debug, Default, PartialEq)]
pub struct Read {
    pub seen: Seen,
    /// The server reports an error of its own.
    pub error: Option<ServerError>,
    /// The finish reason says that the answer failed.
    pub failed: Option<(ErrorCode, &'static str)>,
    /// How many choices it holds.
    pub choices: usize,
    /// There are no choices, or one is not as choices are: `shape` says what is odd about it, if anything is.
    pub odd: bool,
    /// Where the text stands in the JSON, when it is one piece there and written without escapes.
    pub words: Option<Range<usize>>,
}

/// What every chunk of a stream repeats, and one of them has told.
#[derive(Debug, Default)]
pub struct Told {
    pub model: Option<String>,
    pub response_id: bool,
}

/// Reads a whole body, or a chunk alone.
///
/// # Errors
/// A sentence: what could not be read.
pub fn read(kind: Kind, json: &[u8]) -> Result<Read, String> {
    read_next(kind, json, &Told::default())
}

/// Reads a chunk of a stream. The model and the response's id are given only where they were not told yet.
///
/// # Errors
/// A sentence: what could not be read.
pub fn read_next(kind: Kind, json: &[u8], told: &Told) -> Result<Read, String> {
    // Judged once, not again with every text in it.
    let text = std::str::from_utf8(json).map_err(|place| not_utf8(place.valid_up_to()))?;
    let chunk: Chunk<'_> = serde_json::from_str(text).map_err(|error| unreadable(json, &error))?;
    let error = match chunk.error {
        Some(raw) => {
            let value: Value = serde_json::from_str(raw.get()).map_err(|error| unreadable(json, &error))?;
            Some(ServerError::from_value(&value))
        }
        None if chunk.object.text == "error" => {
            serde_json::from_slice::<Value>(json).ok().map(|value| ServerError::from_value(&value))
        }
        None => None,
    };
    let odd = chunk.choices.is_none();
    let mut out = chunk.choices.unwrap_or_default().read(json);
    (out.error, out.odd) = (error, out.odd | odd);
    let seen = &mut out.seen;
    if let Some(usage) = chunk.usage.0 {
        seen.billed = matches!(kind, Kind::Openrouter | Kind::ZAiGlm).then(|| usage.billed()).flatten();
        seen.usage = usage.counts();
    }
    seen.usage_only = out.choices == 0 && seen.usage.is_some();
    seen.model = some(chunk.model).filter(|model| told.model.as_deref() != Some(model)).map(Cow::into_owned);
    seen.response_id = some(chunk.id).filter(|_| !told.response_id).map(Cow::into_owned);
    Ok(out)
}

fn some(text: Text<'_>) -> Option<Cow<'_, str>> {
    (!text.text.is_empty()).then_some(text.text)
}

fn not_utf8(place: usize) -> String {
    format!("it holds a byte that is not UTF-8, at {place}")
}

fn unreadable(json: &[u8], error: &serde_json::Error) -> String {
    if error.is_data() {
        return shape::odd(json).unwrap_or_else(|| format!("its shape is not the known one: {error}"));
    }
    format!("it is not readable JSON: {error}")
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    object: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(default)]
    choices: Option<Choices>,
    #[serde(default)]
    usage: Object<WireUsage>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireUsage {
    #[serde(default)]
    prompt_tokens: Count,
    #[serde(default)]
    completion_tokens: Count,
    #[serde(default)]
    prompt_tokens_details: Object<Details>,
    #[serde(default)]
    completion_tokens_details: Object<Details>,
    #[serde(default)]
    cost: Value,
}

#[derive(Deserialize, Default)]
#[expect(clippy::struct_field_names, reason = "the names are the vendor's")]
struct Details {
    #[serde(default)]
    cached_tokens: Count,
    #[serde(default)]
    reasoning_tokens: Count,
    #[serde(default)]
    cache_write_tokens: Count,
}

impl WireUsage {
    fn counts(&self) -> Option<Usage> {
        if self.prompt_tokens.0.is_none() && self.completion_tokens.0.is_none() {
            return None;
        }
        let detail =
            |details: &Object<Details>, pick: fn(&Details) -> Count| details.0.as_ref().and_then(|d| pick(d).0);
        Some(Usage {
            input: self.prompt_tokens.0.unwrap_or(0),
            output: self.completion_tokens.0.unwrap_or(0),
            cached: detail(&self.prompt_tokens_details, |d| d.cached_tokens).unwrap_or(0),
            reasoning: detail(&self.completion_tokens_details, |d| d.reasoning_tokens).unwrap_or(0),
            cache_written: detail(&self.prompt_tokens_details, |d| d.cache_write_tokens).unwrap_or(0),
            cache_written_hour: 0,
        })
    }

    /// US dollars.
    fn billed(&self) -> Option<Money> {
        self.cost.as_f64().and_then(Money::from_dollars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::call::Finish;

    fn seen(json: &str) -> Seen {
        read(Kind::OpenaiCompatible, json.as_bytes()).unwrap().seen
    }

    #[test]
    fn deltas_of_every_server_are_read() {
        let first = seen(
            r#"{"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}],"usage":null,"timings":{}}"#,
        );
        assert!(!first.answer_bytes());
        assert_eq!((first.model.as_deref(), first.response_id.as_deref()), (Some("m"), Some("c1")));
        assert_eq!(seen(r#"{"choices":[{"delta":{"role":"assistant","content":"tok\n"}}]}"#).text, "tok\n");
        assert_eq!(seen(r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#).reasoning, "hm");
        assert_eq!(
            seen(r#"{"choices":[{"delta":{"content":"","reasoning":"hm","reasoning_details":[{}]}}]}"#).reasoning,
            "hm"
        );
        assert!(seen(r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}"#).tool);
        assert!(!seen(r#"{"choices":[{"delta":{"content":"a","tool_calls":[]}}]}"#).tool);
    }

    #[test]
    fn usage_comes_with_its_details_and_alone_or_not() {
        let alone = seen(
            r#"{"choices":[],"usage":{"prompt_tokens":31,"completion_tokens":9,"total_tokens":40,"prompt_tokens_details":{"cached_tokens":7},"completion_tokens_details":{"reasoning_tokens":2}}}"#,
        );
        assert_eq!(alone.usage, Some(Usage { input: 31, output: 9, cached: 7, reasoning: 2, ..Usage::default() }));
        let written = seen(
            r#"{"choices":[],"usage":{"prompt_tokens":31,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":7,"cache_write_tokens":12}}}"#,
        );
        let counts = Usage { input: 31, output: 9, cached: 7, cache_written: 12, ..Usage::default() };
        assert_eq!(written.usage, Some(counts));
        assert!(alone.usage_only);
        let with_choice = seen(
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
        );
        assert!(!with_choice.usage_only);
        assert_eq!(with_choice.finish, Some(Finish::Stop));
        assert!(!seen(r#"{"choices":[],"prompt_filter_results":[]}"#).usage_only);
    }

    #[test]
    fn the_amount_billed_is_taken_from_those_who_state_dollars() {
        let json = br#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"cost":0.0125}}"#;
        assert_eq!(read(Kind::Openrouter, json).unwrap().seen.billed, Money::from_dollars(0.0125));
        assert_eq!(read(Kind::OpenaiCompatible, json).unwrap().seen.billed, None);
    }

    #[test]
    fn finish_reasons_that_mean_failure_are_told_apart() {
        let read = |word: &str| {
            read(Kind::ZAiGlm, format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"{word}"}}]}}"#).as_bytes())
                .unwrap()
                .failed
        };
        assert_eq!(read("sensitive").unwrap().0, ErrorCode::ContentFilter);
        assert_eq!(read("model_context_window_exceeded").unwrap().0, ErrorCode::ContextLength);
        assert_eq!(read("network_error").unwrap().0, ErrorCode::Upstream);
        assert_eq!(read("content_filter"), None);
    }

    #[test]
    fn errors_are_found_as_text_and_as_object() {
        for json in [r#"{"error":"boom"}"#, r#"{"error":{"message":"boom"}}"#, r#"{"object":"error","message":"boom"}"#]
        {
            assert_eq!(read(Kind::LmStudio, json.as_bytes()).unwrap().error.unwrap().message, "boom");
        }
        assert_eq!(read(Kind::LmStudio, br#"{"error":null,"choices":null}"#).unwrap().error, None);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert!(read(Kind::Vllm, b"{\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}").unwrap_err().contains("UTF-8"));
        assert!(read(Kind::Vllm, b"{\"choices\":").unwrap_err().contains("not readable JSON"));
        assert!(read(Kind::Vllm, br#"{"choices":{"a":1}}"#).is_err());
    }
}
