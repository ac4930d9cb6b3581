//! Reads the events of a streamed message. Blocks are numbered over all kinds, tool calls of the other form over
//! tools alone; counts are sums so far, not steps; whatever is not known is passed over.

use super::answer::{Counts, nothing_said, stop_reason};
use crate::adapters::wire::chunk::{self, ChunkWriter, DONE};
use crate::adapters::wire::translated::{Translate, Trouble};
use crate::domain::call::Finish;
use crate::engine::ports::{Frame, Seen};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Blocks of one message at most that are open at once; real ones have one.
const OPEN_BLOCKS: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Events {
    created: u64,
    writer: Option<ChunkWriter>,
    blocks: BTreeMap<u64, Block>,
    tools: u64,
    counts: Counts,
    finish: Option<Finish>,
    answered: bool,
    over: bool,
}

#[derive(Debug)]
enum Block {
    Text,
    Thinking {
        text: String,
        signature: String,
    },
    Redacted(Value),
    Tool {
        number: u64,
        /// What its start already held; given out at the end when no piece followed.
        input: Value,
        written: bool,
    },
    Other,
}

impl Events {
    /// `created` in seconds since 1970.
    pub fn new(created: u64) -> Self {
        Self {
            created,
            writer: None,
            blocks: BTreeMap::new(),
            tools: 0,
            counts: Counts::default(),
            finish: None,
            answered: false,
            over: false,
        }
    }

    fn writer(&self, event: &str) -> Result<&ChunkWriter, Trouble> {
        self.writer.as_ref().ok_or_else(|| Trouble::Shape(format!("expected message_start first, came {event}")))
    }

    fn start(&mut self, data: &Value) -> Result<Vec<Frame>, Trouble> {
        let found = data.get("message");
        let message = found.filter(|message| message.is_object());
        let message = message.ok_or_else(|| Trouble::shape("message_start.message", "an object", found))?;
        let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, model) = (text("id"), text("model"));
        self.counts.take(message.get("usage"));
        let writer = ChunkWriter::new(id.as_str(), model.as_str(), self.created);
        let raw = writer.delta(&json!({"role": "assistant", "content": ""}), None);
        self.writer = Some(writer);
        let seen = Seen {
            model: (!model.is_empty()).then_some(model),
            response_id: (!id.is_empty()).then_some(id),
            usage: self.counts.usage(),
            ..Seen::default()
        };
        Ok(vec![Frame { raw, seen }])
    }

    fn open(&mut self, data: &Value) -> Result<Vec<Frame>, Trouble> {
        let index = index_of(data, "content_block_start")?;
        let found = data.get("content_block");
        let kind = found.and_then(|block| block.get("type")).and_then(Value::as_str);
        let (Some(block), Some(kind)) = (found, kind) else {
            return Err(Trouble::shape("content_block_start.content_block", "a block with its type", found));
        };
        if self.blocks.len() >= OPEN_BLOCKS {
            return Err(Trouble::Shape(format!("more than {OPEN_BLOCKS} blocks are open at once")));
        }
        let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut frames = Vec::new();
        let block = match kind {
            "text" => {
                frames.extend(self.say("content", text("text"))?);
                Block::Text
            }
            "thinking" => {
                frames.extend(self.say("reasoning_content", text("thinking"))?);
                Block::Thinking { text: text("thinking").to_owned(), signature: text("signature").to_owned() }
            }
            "redacted_thinking" => Block::Redacted(block.clone()),
            "tool_use" => {
                let (id, name) = (text("id"), text("name"));
                if name.is_empty() {
                    let field = "content_block_start.content_block.name";
                    return Err(Trouble::shape(field, "a tool's name", block.get("name")));
                }
                let number = self.tools;
                self.tools += 1;
                let call = chunk::tool_call(Some(number), id, name, "");
                frames.push(self.tool_frame(&json!({"tool_calls": [call]}))?);
                Block::Tool { number, input: block.get("input").cloned().unwrap_or_default(), written: false }
            }
            _ => Block::Other,
        };
        self.blocks.insert(index, block);
        Ok(frames)
    }

    fn delta(&mut self, data: &Value) -> Result<Vec<Frame>, Trouble> {
        let index = index_of(data, "content_block_delta")?;
        let found = data.get("delta");
        let kind = found.and_then(|delta| delta.get("type")).and_then(Value::as_str);
        let (Some(delta), Some(kind)) = (found, kind) else {
            return Err(Trouble::shape("content_block_delta.delta", "a delta with its type", found));
        };
        let piece = |name: &str| {
            let found = delta.get(name);
            let field = format!("content_block_delta.delta.{name}");
            found.and_then(Value::as_str).ok_or_else(|| Trouble::shape(&field, "a text", found))
        };
        Ok(match kind {
            "text_delta" => self.say("content", piece("text")?)?.into_iter().collect(),
            "thinking_delta" => {
                let more = piece("thinking")?;
                if let Some(Block::Thinking { text, .. }) = self.blocks.get_mut(&index) {
                    text.push_str(more);
                }
                self.say("reasoning_content", more)?.into_iter().collect()
            }
            "signature_delta" => {
                if let Some(Block::Thinking { signature, .. }) = self.blocks.get_mut(&index) {
                    signature.push_str(piece("signature")?);
                }
                Vec::new()
            }
            "input_json_delta" => {
                let more = piece("partial_json")?;
                let number = match self.blocks.get_mut(&index) {
                    Some(Block::Tool { number, written, .. }) => {
                        *written |= !more.is_empty();
                        *number
                    }
                    // Of a tool that the vendor runs itself.
                    Some(_) => return Ok(Vec::new()),
                    None => {
                        let why = format!("input_json_delta: expected an open tool_use block {index}, there is none");
                        return Err(Trouble::Shape(why));
                    }
                };
                if more.is_empty() { Vec::new() } else { vec![self.tool_frame(&chunk::tool_piece(number, more))?] }
            }
            _ => Vec::new(),
        })
    }

    fn close(&mut self, data: &Value) -> Result<Vec<Frame>, Trouble> {
        let index = index_of(data, "content_block_stop")?;
        Ok(match self.blocks.remove(&index) {
            Some(Block::Tool { number, input, written: false }) => {
                let input = if input.is_object() { input.to_string() } else { "{}".to_owned() };
                vec![self.tool_frame(&chunk::tool_piece(number, &input))?]
            }
            Some(Block::Thinking { text, signature }) if !signature.is_empty() => {
                vec![self.signed(&json!({"type": "thinking", "thinking": text, "signature": signature}))?]
            }
            Some(Block::Redacted(block)) => vec![self.signed(&block)?],
            _ => Vec::new(),
        })
    }

    /// What the caller has to send back with the next turn for the vendor to go on from its reasoning.
    fn signed(&self, block: &Value) -> Result<Frame, Trouble> {
        let raw = self.writer("content_block_stop")?.delta(&json!({"thinking_blocks": [block]}), None);
        Ok(Frame { raw, seen: Seen::default() })
    }

    fn say(&mut self, member: &str, text: &str) -> Result<Option<Frame>, Trouble> {
        if text.is_empty() {
            return Ok(None);
        }
        let raw = self.writer("a piece of the answer")?.delta(&json!({member: text}), None);
        self.answered = true;
        let mut seen = Seen::default();
        if member == "content" { &mut seen.text } else { &mut seen.reasoning }.push_str(text);
        Ok(Some(Frame { raw, seen }))
    }

    fn tool_frame(&mut self, delta: &Value) -> Result<Frame, Trouble> {
        let raw = self.writer("a tool call")?.delta(delta, None);
        self.answered = true;
        Ok(Frame { raw, seen: Seen { tool: true, ..Seen::default() } })
    }

    fn message_delta(&mut self, data: &Value) -> Result<Vec<Frame>, Trouble> {
        self.counts.take(data.get("usage"));
        let usage = self.counts.usage();
        let word = data.get("delta").and_then(|delta| delta.get("stop_reason")).and_then(Value::as_str);
        let Some(word) = word.filter(|_| self.finish.is_none()) else {
            return Ok(vec![Frame { raw: Bytes::new(), seen: Seen { usage, ..Seen::default() } }]);
        };
        let (finish, finish_word) = stop_reason(word);
        self.finish = Some(finish);
        let raw = self.writer("message_delta")?.delta(&json!({}), Some(finish_word));
        Ok(vec![Frame { raw, seen: Seen { usage, finish: Some(finish), ..Seen::default() } }])
    }

    fn stop(&mut self) -> Result<Vec<Frame>, Trouble> {
        self.over = true;
        if !self.answered
            && let Some(failure) = nothing_said(self.finish, self.counts.usage())
        {
            return Err(Trouble::Failed(failure));
        }
        let mut frames = Vec::with_capacity(3);
        if self.finish.is_none() {
            // Clients of the other form wait for a reason.
            let raw = self.writer("message_stop")?.delta(&json!({}), Some("stop"));
            frames.push(Frame { raw, seen: Seen { finish: Some(Finish::Stop), ..Seen::default() } });
        }
        if let Some(usage) = self.counts.json() {
            let raw = self.writer("message_stop")?.usage(&usage);
            let seen = Seen { usage: self.counts.usage(), usage_only: true, ..Seen::default() };
            frames.push(Frame { raw, seen });
        }
        frames.push(Frame { raw: Bytes::from_static(DONE), seen: Seen { end: true, ..Seen::default() } });
        Ok(frames)
    }
}

impl Translate for Events {
    fn event(&mut self, data: &Value) -> Result<Vec<Frame>, Trouble> {
        let Some(kind) = data.get("type").and_then(Value::as_str) else {
            return Err(Trouble::shape("type", "the name of an event", data.get("type")));
        };
        match kind {
            "message_start" => self.start(data),
            "content_block_start" => self.open(data),
            "content_block_delta" => self.delta(data),
            "content_block_stop" => self.close(data),
            "message_delta" => self.message_delta(data),
            "message_stop" => self.stop(),
            // `ping`, and what later versions bring.
            _ => Ok(Vec::new()),
        }
    }

    fn over(&self) -> bool {
        self.over
    }

    fn answered(&self) -> bool {
        self.answered
    }
}

fn index_of(data: &Value, event: &str) -> Result<u64, Trouble> {
    let found = data.get("index");
    found.and_then(Value::as_u64).ok_or_else(|| Trouble::shape(&format!("{event}.index"), "a whole number", found))
}
