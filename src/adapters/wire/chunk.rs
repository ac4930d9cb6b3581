//! Writes answers in the OpenAI chat shape, whole and as chunks of a stream, for dialects that answer in another
//! one.

use crate::domain::call::Usage;
use bytes::Bytes;
use serde_json::{Value, json};

/// The end mark of a stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";
/// Says that the upstream lives; readers of events skip it.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// What every chunk of an answer repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkWriter {
    id: String,
    model: String,
    created: u64,
}

impl ChunkWriter {
    /// `created` in seconds since 1970.
    pub fn new(id: impl Into<String>, model: impl Into<String>, created: u64) -> Self {
        Self { id: id.into(), model: model.into(), created }
    }

    pub fn delta(&self, delta: &Value, finish: Option<&str>) -> Bytes {
        self.chunk(&json!([{"index": 0, "delta": delta, "finish_reason": finish}]), None)
    }

    /// The extra chunk with the counts and no choice.
    pub fn usage(&self, usage: &Value) -> Bytes {
        self.chunk(&json!([]), Some(usage))
    }

    fn chunk(&self, choices: &Value, usage: Option<&Value>) -> Bytes {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if let (Some(usage), Some(members)) = (usage, chunk.as_object_mut()) {
            members.insert("usage".to_owned(), usage.clone());
        }
        format!("data: {chunk}\n\n").into()
    }

    /// A whole answer.
    pub fn completion(&self, message: &Value, finish: &str, usage: Option<&Value>) -> Bytes {
        let mut whole = json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish}],
        });
        if let (Some(usage), Some(members)) = (usage, whole.as_object_mut()) {
            members.insert("usage".to_owned(), usage.clone());
        }
        whole.to_string().into()
    }
}

/// Counts in the OpenAI shape.
pub fn usage(usage: Usage) -> Value {
    let mut details = json!({"cached_tokens": usage.cached});
    if usage.cache_written > 0 {
        details["cache_write_tokens"] = usage.cache_written.into();
    }
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.saturating_add(usage.output),
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    })
}

/// A tool call as the first piece of its stream, or as a whole.
pub fn tool_call(index: Option<u64>, id: &str, name: &str, arguments: &str) -> Value {
    let mut call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    if let Some(index) = index {
        call["index"] = index.into();
    }
    call
}

/// A further piece of a tool call's arguments.
pub fn tool_piece(index: u64, arguments: &str) -> Value {
    json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
}
