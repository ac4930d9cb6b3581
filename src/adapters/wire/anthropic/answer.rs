//! Reads a whole message and writes it as an OpenAI chat completion.

use super::errors::refused;
use crate::adapters::wire::answer::{self, Context};
use crate::adapters::wire::chunk::{self, ChunkWriter};
use crate::adapters::wire::errors::ServerError;
use crate::adapters::wire::translated::Trouble;
use crate::domain::call::{Finish, Usage};
use crate::domain::failure::Failure;
use crate::engine::ports::{Frame, Seen};
use serde_json::{Map, Value, json};

/// Token counts as the vendor gives them: `input_tokens` holds neither what was read from its cache nor what was
/// written into it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    read: u64,
    written: u64,
    written_hour: u64,
    thinking: u64,
}

impl Counts {
    /// Takes counts over; a later one replaces an earlier one, since they are sums and not steps.
    pub fn take(&mut self, usage: Option<&Value>) {
        let Some(usage) = usage else { return };
        let count = |name: &str| usage.get(name).and_then(Value::as_u64);
        self.input = count("input_tokens").or(self.input);
        self.output = count("output_tokens").or(self.output);
        self.read = count("cache_read_input_tokens").unwrap_or(self.read);
        if let Some(parts) = usage.get("cache_creation") {
            let part = |name: &str| parts.get(name).and_then(Value::as_u64);
            self.written_hour = part("ephemeral_1h_input_tokens").unwrap_or(self.written_hour);
            let short = part("ephemeral_5m_input_tokens");
            // The sum stands beside its parts; where it is left out they make it.
            self.written = short.map_or(self.written, |short| short.saturating_add(self.written_hour));
        }
        self.written = count("cache_creation_input_tokens").unwrap_or(self.written);
        if let Some(details) = usage.get("output_tokens_details") {
            let thinking = ["thinking_tokens", "reasoning_tokens"];
            let found = thinking.iter().find_map(|name| details.get(*name).and_then(Value::as_u64));
            self.thinking = found.unwrap_or(self.thinking);
        }
    }

    /// In our sense: the input with all of the cache. `None` before any count came.
    pub fn usage(&self) -> Option<Usage> {
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        Some(Usage {
            input: self.input.unwrap_or(0).saturating_add(self.read).saturating_add(self.written),
            output: self.output.unwrap_or(0),
            cached: self.read,
            reasoning: self.thinking,
            cache_written: self.written,
            cache_written_hour: self.written_hour.min(self.written),
        })
    }

    /// In the OpenAI shape.
    pub fn json(&self) -> Option<Value> {
        self.usage().map(chunk::usage)
    }
}

/// Why it stopped, in both vocabularies.
pub fn stop_reason(word: &str) -> (Finish, &'static str) {
    match word {
        "max_tokens" | "model_context_window_exceeded" => (Finish::Length, "length"),
        "tool_use" => (Finish::ToolCalls, "tool_calls"),
        "refusal" => (Finish::ContentFilter, "content_filter"),
        _ => (Finish::Stop, "stop"),
    }
}

/// What is wrong with an answer that holds nothing; `None` when its end explains it.
pub fn nothing_said(finish: Option<Finish>, usage: Option<Usage>) -> Option<Failure> {
    match finish {
        Some(Finish::ContentFilter) => Some(refused()),
        _ => answer::nothing_said(finish, usage),
    }
}

/// Reads a whole message. `created` in seconds since 1970.
///
/// # Errors
/// The vendor's error inside a good status, a shape that is not known (which field, what was expected), an
/// answer that holds nothing.
pub fn whole(context: &Context, body: &[u8], created: u64) -> Result<Frame, Failure> {
    read(body, created).map_err(|trouble| trouble.into_failure(context))
}

fn read(body: &[u8], created: u64) -> Result<Frame, Trouble> {
    let message: Value =
        serde_json::from_slice(body).map_err(|error| Trouble::Shape(format!("it is not readable JSON: {error}")))?;
    if let Some(error) = ServerError::in_body(&message) {
        return Err(Trouble::Server(error));
    }
    let Some(blocks) = message.get("content").and_then(Value::as_array) else {
        return Err(Trouble::shape("content", "a list of blocks", message.get("content")));
    };
    let mut said = Said::default();
    for (index, block) in blocks.iter().enumerate() {
        said.take(index, block)?;
    }
    let word = message.get("stop_reason").and_then(Value::as_str);
    let (finish, finish_word) = stop_reason(word.unwrap_or("end_turn"));
    let mut counts = Counts::default();
    counts.take(message.get("usage"));
    if !said.anything() {
        if let Some(unknown) = said.unknown {
            return Err(Trouble::Shape(unknown));
        }
        if let Some(failure) = nothing_said(Some(finish), counts.usage()) {
            return Err(Trouble::Failed(failure));
        }
    }
    let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
    let (id, model) = (text("id"), text("model"));
    let raw = ChunkWriter::new(id, model, created).completion(&said.message(), finish_word, counts.json().as_ref());
    let seen = Seen {
        tool: !said.calls.is_empty(),
        text: said.text,
        reasoning: said.reasoning,
        usage: counts.usage(),
        finish: Some(finish),
        model: (!model.is_empty()).then(|| model.to_owned()),
        response_id: (!id.is_empty()).then(|| id.to_owned()),
        end: true,
        ..Seen::default()
    };
    Ok(Frame { raw, seen })
}

/// The blocks of a message by what they are.
#[derive(Default)]
struct Said {
    text: String,
    reasoning: String,
    thinking: Vec<Value>,
    calls: Vec<Value>,
    /// A block of a kind that is not known, where nothing else came.
    unknown: Option<String>,
}

impl Said {
    fn take(&mut self, index: usize, block: &Value) -> Result<(), Trouble> {
        let text = |name: &str| {
            let found = block.get(name);
            found
                .and_then(Value::as_str)
                .ok_or_else(|| Trouble::shape(&format!("content[{index}].{name}"), "a text", found))
        };
        match block.get("type").and_then(Value::as_str).unwrap_or_default() {
            "text" => self.text.push_str(text("text")?),
            "thinking" => {
                self.reasoning.push_str(text("thinking")?);
                self.thinking.push(block.clone());
            }
            "redacted_thinking" => self.thinking.push(block.clone()),
            "tool_use" => {
                let input = block.get("input").filter(|input| input.is_object());
                let arguments = input.map_or_else(|| "{}".to_owned(), Value::to_string);
                self.calls.push(chunk::tool_call(None, text("id")?, text("name")?, &arguments));
            }
            other => {
                let other: String = other.chars().take(40).collect();
                self.unknown =
                    Some(format!("content[{index}].type: expected text, tool_use or thinking, came {other:?}"));
            }
        }
        Ok(())
    }

    fn anything(&self) -> bool {
        !self.text.is_empty() || !self.reasoning.is_empty() || !self.calls.is_empty()
    }

    fn message(&self) -> Value {
        let content = if self.text.is_empty() { Value::Null } else { self.text.as_str().into() };
        let mut message = Map::from_iter([("role".to_owned(), json!("assistant")), ("content".to_owned(), content)]);
        message.insert("refusal".into(), Value::Null);
        if !self.reasoning.is_empty() {
            message.insert("reasoning_content".into(), self.reasoning.as_str().into());
        }
        if !self.thinking.is_empty() {
            message.insert("thinking_blocks".into(), self.thinking.clone().into());
        }
        if !self.calls.is_empty() {
            message.insert("tool_calls".into(), self.calls.clone().into());
        }
        message.into()
    }
}
