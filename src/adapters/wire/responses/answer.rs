//! Reads a whole response and writes it as an OpenAI chat completion.

use crate::adapters::wire::answer::{Context, nothing_said};
use crate::adapters::wire::chunk::{self, ChunkWriter};
use crate::adapters::wire::errors::ServerError;
use crate::adapters::wire::translated::Trouble;
use crate::domain::call::{Finish, Usage};
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::engine::ports::{Frame, Seen};
use serde_json::{Map, Value, json};

/// What a response amounts to.
#[derive(Debug, Default)]
pub struct Said {
    pub text: String,
    pub refusal: String,
    pub reasoning: String,
    /// Tool calls in the chat shape, without an index.
    pub calls: Vec<Value>,
}

impl Said {
    pub fn anything(&self) -> bool {
        !self.text.is_empty() || !self.refusal.is_empty() || !self.reasoning.is_empty() || !self.calls.is_empty()
    }

    /// Reads the items of `output`; those of kinds that the chat shape has no word for are passed over.
    ///
    /// # Errors
    /// A known item in a shape that is not known.
    pub fn read(output: &[Value]) -> Result<Self, Trouble> {
        let mut said = Self::default();
        for (index, item) in output.iter().enumerate() {
            let place = format!("output[{index}]");
            match item.get("type").and_then(Value::as_str).unwrap_or_default() {
                "message" => said.message(item, &place)?,
                "reasoning" => said.reasoning(item),
                "function_call" => {
                    let text = |name: &str| {
                        let found = item.get(name);
                        let field = format!("{place}.{name}");
                        found.and_then(Value::as_str).ok_or_else(|| Trouble::shape(&field, "a text", found))
                    };
                    said.calls.push(chunk::tool_call(None, text("call_id")?, text("name")?, text("arguments")?));
                }
                _ => {}
            }
        }
        Ok(said)
    }

    fn message(&mut self, item: &Value, place: &str) -> Result<(), Trouble> {
        let found = item.get("content");
        let Some(parts) = found.and_then(Value::as_array) else {
            return Err(Trouble::shape(&format!("{place}.content"), "a list of parts", found));
        };
        for (index, part) in parts.iter().enumerate() {
            let (name, into) = match part.get("type").and_then(Value::as_str).unwrap_or_default() {
                "output_text" => ("text", &mut self.text),
                "refusal" => ("refusal", &mut self.refusal),
                _ => continue,
            };
            let found = part.get(name);
            let field = format!("{place}.content[{index}].{name}");
            into.push_str(found.and_then(Value::as_str).ok_or_else(|| Trouble::shape(&field, "a text", found))?);
        }
        Ok(())
    }

    fn reasoning(&mut self, item: &Value) {
        for member in ["summary", "content"] {
            for part in item.get(member).and_then(Value::as_array).into_iter().flatten() {
                self.reasoning.push_str(part.get("text").and_then(Value::as_str).unwrap_or_default());
            }
        }
    }

    fn message_json(&self) -> Value {
        let text = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        let mut message = Map::from_iter([("role".to_owned(), json!("assistant"))]);
        message.insert("content".into(), text(&self.text));
        message.insert("refusal".into(), text(&self.refusal));
        if !self.reasoning.is_empty() {
            message.insert("reasoning_content".into(), self.reasoning.as_str().into());
        }
        if !self.calls.is_empty() {
            message.insert("tool_calls".into(), self.calls.clone().into());
        }
        message.into()
    }
}

/// The counts of a response.
pub fn usage(response: &Value) -> Option<Usage> {
    let usage = response.get("usage").filter(|usage| usage.is_object())?;
    let count = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64);
    let detail = |group: &str, name: &str| usage.get(group).and_then(|group| count(group, name)).unwrap_or(0);
    let input = count(usage, "input_tokens")?;
    Some(Usage {
        input,
        output: count(usage, "output_tokens").unwrap_or(0),
        cached: detail("input_tokens_details", "cached_tokens"),
        reasoning: detail("output_tokens_details", "reasoning_tokens"),
        cache_written: detail("input_tokens_details", "cache_write_tokens"),
        cache_written_hour: 0,
    })
}

/// How a response ended.
///
/// # Errors
/// It failed, was cancelled, or its status is none that ends an answer.
pub fn ended(response: &Value, calls: bool) -> Result<(Finish, &'static str), Trouble> {
    let found = response.get("status");
    match found.and_then(Value::as_str) {
        Some("completed") if calls => Ok((Finish::ToolCalls, "tool_calls")),
        Some("completed") => Ok((Finish::Stop, "stop")),
        Some("incomplete") => {
            let reason = response.get("incomplete_details").and_then(|details| details.get("reason"));
            Ok(match reason.and_then(Value::as_str) {
                Some("content_filter") => (Finish::ContentFilter, "content_filter"),
                _ => (Finish::Length, "length"),
            })
        }
        Some("failed") => Err(match response.get("error").filter(|error| !error.is_null()) {
            Some(error) => Trouble::Server(ServerError::from_value(error)),
            None => Trouble::Failed(Failure::new(
                ErrorCode::Upstream,
                Cause::ServerError { status: 200 },
                "the vendor failed while it answered",
            )),
        }),
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            Err(Trouble::Shape(format!("status: expected completed, incomplete or failed, came {other:?}")))
        }
        None => Err(Trouble::shape("status", "completed, incomplete or failed", found)),
    }
}

/// Reads a whole response. `created` in seconds since 1970.
///
/// # Errors
/// The vendor's error, a shape that is not known (which field, what was expected), an answer that holds nothing.
pub fn whole(context: &Context, body: &[u8], created: u64) -> Result<Frame, Failure> {
    read(body, created).map_err(|trouble| trouble.into_failure(context))
}

fn read(body: &[u8], created: u64) -> Result<Frame, Trouble> {
    let response: Value =
        serde_json::from_slice(body).map_err(|error| Trouble::Shape(format!("it is not readable JSON: {error}")))?;
    if response.get("status").and_then(Value::as_str) != Some("failed")
        && let Some(error) = ServerError::in_body(&response)
    {
        return Err(Trouble::Server(error));
    }
    let Some(output) = response.get("output").and_then(Value::as_array) else {
        return Err(Trouble::shape("output", "a list of items", response.get("output")));
    };
    let said = Said::read(output)?;
    let (finish, word) = ended(&response, !said.calls.is_empty())?;
    let used = usage(&response);
    if !said.anything()
        && let Some(failure) = nothing_said(Some(finish), used)
    {
        return Err(Trouble::Failed(failure));
    }
    let text = |name: &str| response.get(name).and_then(Value::as_str).unwrap_or_default();
    let (id, model) = (text("id"), text("model"));
    let created = response.get("created_at").and_then(Value::as_u64).unwrap_or(created);
    let usage_json = used.map(chunk::usage);
    let raw = ChunkWriter::new(id, model, created).completion(&said.message_json(), word, usage_json.as_ref());
    let seen = Seen {
        text: said.text + &said.refusal,
        reasoning: said.reasoning,
        tool: !said.calls.is_empty(),
        usage: used,
        finish: Some(finish),
        model: (!model.is_empty()).then(|| model.to_owned()),
        response_id: (!id.is_empty()).then(|| id.to_owned()),
        end: true,
        ..Seen::default()
    };
    Ok(Frame { raw, seen })
}
