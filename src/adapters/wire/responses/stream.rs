//! Reads the events of a streamed response. Pieces come under the number of their item; the end carries the whole
//! response once more, which stands in for pieces that never came.

use super::answer::{Said, ended, usage};
use crate::adapters::wire::answer::nothing_said;
use crate::adapters::wire::chunk::{self, ChunkWriter, DONE};
use crate::adapters::wire::translated::{Translate, Trouble};
use crate::engine::ports::{Frame, Seen};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Tool calls of one answer at most.
const CALLS: usize = 1024;

/// See the module.
#[derive(Debug)]
pub struct Events {
    created: u64,
    writer: Option<ChunkWriter>,
    /// By `output_index`: the number among tool calls, and whether a piece of its arguments came.
    calls: BTreeMap<u64, (u64, bool)>,
    said_text: bool,
    answered: bool,
    over: bool,
}

impl Events {
    /// `created` in seconds since 1970.
    pub fn new(created: u64) -> Self {
        Self { created, writer: None, calls: BTreeMap::new(), said_text: false, answered: false, over: false }
    }

    /// Begins the answer with the first event that names the response.
    fn begin(&mut self, response: &Value) -> Option<Frame> {
        if self.writer.is_some() {
            return None;
        }
        let text = |name: &str| response.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, model) = (text("id"), text("model"));
        let created = response.get("created_at").and_then(Value::as_u64).unwrap_or(self.created);
        let writer = ChunkWriter::new(id.as_str(), model.as_str(), created);
        let raw = writer.delta(&json!({"role": "assistant", "content": ""}), None);
        self.writer = Some(writer);
        let seen = Seen {
            model: (!model.is_empty()).then_some(model),
            response_id: (!id.is_empty()).then_some(id),
            ..Seen::default()
        };
        Some(Frame { raw, seen })
    }

    fn writer(&self) -> Result<&ChunkWriter, Trouble> {
        self.writer
            .as_ref()
            .ok_or_else(|| Trouble::Shape("expected response.created first, came a piece of the answer".to_owned()))
    }

    fn say(&mut self, member: &str, text: &str) -> Result<Vec<Frame>, Trouble> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let raw = self.writer()?.delta(&json!({member: text}), None);
        self.answered = true;
        let reasoning = member == "reasoning_content";
        self.said_text |= !reasoning;
        let mut seen = Seen::default();
        if reasoning { &mut seen.reasoning } else { &mut seen.text }.push_str(text);
        Ok(vec![Frame { raw, seen }])
    }

    fn item(&mut self, data: &Value) -> Result<Vec<Frame>, Trouble> {
        let Some(item) = data.get("item") else { return Ok(Vec::new()) };
        if item.get("type").and_then(Value::as_str) != Some("function_call") {
            return Ok(Vec::new());
        }
        let place = number(data, "output_index", "response.output_item.added")?;
        if self.calls.len() >= CALLS {
            return Err(Trouble::Shape(format!("more than {CALLS} tool calls")));
        }
        let text = |name: &str| {
            let found = item.get(name);
            let field = format!("response.output_item.added.item.{name}");
            found.and_then(Value::as_str).ok_or_else(|| Trouble::shape(&field, "a text", found))
        };
        let index = self.calls.len() as u64;
        let arguments = item.get("arguments").and_then(Value::as_str).unwrap_or_default();
        let call = chunk::tool_call(Some(index), text("call_id")?, text("name")?, arguments);
        self.calls.insert(place, (index, !arguments.is_empty()));
        Ok(vec![self.tool(&json!({"tool_calls": [call]}))?])
    }

    fn arguments(&mut self, data: &Value, member: &str) -> Result<Vec<Frame>, Trouble> {
        let event = "response.function_call_arguments";
        let piece = piece(data, member, event)?;
        let place = number(data, "output_index", event)?;
        let Some((index, written)) = self.calls.get_mut(&place) else {
            return Err(Trouble::Shape(format!(
                "{event}: expected a function_call at output_index {place}, none began"
            )));
        };
        // The whole text at the end is news only when no piece came before.
        if piece.is_empty() || (member == "arguments" && *written) {
            return Ok(Vec::new());
        }
        *written = true;
        let delta = chunk::tool_piece(*index, piece);
        Ok(vec![self.tool(&delta)?])
    }

    fn tool(&mut self, delta: &Value) -> Result<Frame, Trouble> {
        let raw = self.writer()?.delta(delta, None);
        self.answered = true;
        Ok(Frame { raw, seen: Seen { tool: true, ..Seen::default() } })
    }

    fn end(&mut self, data: &Value, event: &str) -> Result<Vec<Frame>, Trouble> {
        let found = data.get("response");
        let response = found.filter(|response| response.is_object());
        let response = response.ok_or_else(|| Trouble::shape(&format!("{event}.response"), "an object", found))?;
        self.over = true;
        let mut frames: Vec<Frame> = self.begin(response).into_iter().collect();
        let (finish, word) = ended(response, !self.calls.is_empty())?;
        if !self.said_text && self.calls.is_empty() {
            let output = response.get("output").and_then(Value::as_array);
            let said = Said::read(output.map_or(&[], Vec::as_slice))?;
            frames.extend(self.say("content", &(said.text + &said.refusal))?);
            for call in &said.calls {
                let mut call = call.clone();
                call["index"] = (self.calls.len() as u64).into();
                self.calls.insert(u64::MAX - self.calls.len() as u64, (0, true));
                frames.push(self.tool(&json!({"tool_calls": [call]}))?);
            }
        }
        let (finish, word) = if self.calls.is_empty() { (finish, word) } else { ended(response, true)? };
        let used = usage(response);
        if !self.answered
            && let Some(failure) = nothing_said(Some(finish), used)
        {
            return Err(Trouble::Failed(failure));
        }
        let raw = self.writer()?.delta(&json!({}), Some(word));
        frames.push(Frame { raw, seen: Seen { finish: Some(finish), ..Seen::default() } });
        if let Some(usage) = used {
            let raw = self.writer()?.usage(&chunk::usage(usage));
            frames.push(Frame { raw, seen: Seen { usage: Some(usage), usage_only: true, ..Seen::default() } });
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
            "response.created" | "response.in_progress" | "response.queued" => {
                Ok(data.get("response").and_then(|response| self.begin(response)).into_iter().collect())
            }
            "response.output_item.added" => self.item(data),
            "response.output_text.delta" | "response.refusal.delta" => self.say("content", piece(data, "delta", kind)?),
            "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
                self.say("reasoning_content", piece(data, "delta", kind)?)
            }
            "response.function_call_arguments.delta" => self.arguments(data, "delta"),
            "response.function_call_arguments.done" => self.arguments(data, "arguments"),
            "response.completed" | "response.incomplete" | "response.failed" => self.end(data, kind),
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

fn piece<'a>(data: &'a Value, member: &str, event: &str) -> Result<&'a str, Trouble> {
    let found = data.get(member);
    found.and_then(Value::as_str).ok_or_else(|| Trouble::shape(&format!("{event}.{member}"), "a text", found))
}

fn number(data: &Value, member: &str, event: &str) -> Result<u64, Trouble> {
    let found = data.get(member);
    found.and_then(Value::as_u64).ok_or_else(|| Trouble::shape(&format!("{event}.{member}"), "a whole number", found))
}
