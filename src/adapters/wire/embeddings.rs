//! Reads an answer of OpenAI's embeddings interface: that vectors are there, and what they cost. The vectors
//! themselves travel as they came, in whichever encoding the client asked for.

use super::answer::{Context, bad_answer, not_an_answer};
use super::errors::{ServerError, inside};
use super::lenient::{Count, Length, Text};
use crate::domain::call::Usage;
use crate::domain::failure::Failure;
use crate::engine::ports::{Frame, Seen};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Reads a whole answer.
///
/// # Errors
/// The server's error inside a good status, a web page, malformed JSON, no vector in it.
pub fn whole(context: &Context, body: Bytes) -> Result<Frame, Failure> {
    if let Some(failure) = not_an_answer(context, "", &body) {
        return Err(failure);
    }
    let refuse = |why: &str| bad_answer(&format!("the answer cannot be used: {why}"), &context.secrets);
    let answer: Answer<'_> =
        serde_json::from_slice(&body).map_err(|error| refuse(&format!("it is not readable JSON: {error}")))?;
    if let Some(error) = answer.error.and_then(|error| serde_json::from_str(error.get()).ok()) {
        return Err(inside(
            &ServerError::from_value(&error),
            context.kind,
            &context.path,
            &context.secrets,
            context.now,
        ));
    }
    if answer.data.count == 0 {
        return Err(refuse("data: expected a list with vectors, found none"));
    }
    let model = answer.model.text.into_owned();
    let input = answer.usage.and_then(|usage| usage.prompt_tokens.0.or(usage.total_tokens.0));
    let seen = Seen {
        other: true,
        // LM Studio says zero, which is no count.
        usage: input.filter(|input| *input > 0).map(|input| Usage { input, ..Usage::default() }),
        model: (!model.is_empty()).then_some(model),
        end: true,
        ..Seen::default()
    };
    Ok(Frame { raw: body, seen })
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    data: Length,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireUsage {
    #[serde(default)]
    prompt_tokens: Count,
    #[serde(default)]
    total_tokens: Count,
}
