//! What a request for an answer asks for, and the answer a script has for it. Dialects only write it down.

use super::fault::Fault;
use super::scene::Scene;
use super::settings::{Pace, ToolCall};
use serde_json::{Value, json};
use std::time::Duration;

/// Bytes of a prompt that make a token.
const BYTES_PER_TOKEN: usize = 4;

/// An answer to be written.
#[derive(Debug, Clone)]
pub(super) struct Spoken {
    /// The model that answers.
    pub model: String,
    pub words: Vec<String>,
    pub reasoning: Vec<String>,
    pub tool: Option<ToolCall>,
    /// The words of the finish reason where a fault names them.
    pub finish: Option<&'static str>,
    /// It stopped because the caller's limit was reached.
    pub cut_short: bool,
    pub prompt_tokens: u64,
    pub cached: u64,
    pub hides_thinking: bool,
    /// Made of the request; ids are made of it.
    pub number: u64,
    pub pace: Pace,
}

/// The parts of a request that every dialect has.
pub(super) struct Asked {
    pub body: Value,
    pub model: String,
    pub stream: bool,
    pub limit: Option<u64>,
    pub prompt: String,
    pub prompt_bytes: usize,
}

impl Asked {
    /// `None`: the body is no JSON object.
    pub fn of(scene: &Scene) -> Option<Self> {
        let body: Value = serde_json::from_str(&scene.seen.body).ok().filter(Value::is_object)?;
        let limit = ["max_completion_tokens", "max_tokens", "max_output_tokens"]
            .iter()
            .find_map(|name| body.get(*name).and_then(Value::as_u64));
        let texts = ["messages", "prompt", "input", "system", "instructions", "system_prompt"];
        let prompt_bytes = texts.iter().filter_map(|name| body.get(*name)).map(weight).sum();
        Some(Self {
            model: body.get("model").and_then(Value::as_str).unwrap_or_default().to_owned(),
            stream: body.get("stream") == Some(&Value::Bool(true)),
            prompt: last_said(&body),
            prompt_bytes,
            limit,
            body,
        })
    }

    pub fn prompt_tokens(&self, scene: &Scene) -> u64 {
        let counted = self.prompt_bytes.div_ceil(BYTES_PER_TOKEN).max(1) as u64;
        scene.settings().prompt_tokens.unwrap_or(counted)
    }

    /// The prompt's length and the window it does not fit into; only where prompts are counted.
    pub fn too_long(&self, scene: &Scene, window: u64) -> Option<u64> {
        let counts = scene.settings().prompt_tokens.is_none();
        let tokens = self.prompt_tokens(scene);
        (counts && tokens > window).then_some(tokens)
    }

    /// The answer of the script, within the caller's limit and with the faults of an answer in it.
    pub fn answer(&self, scene: &Scene, model: &str) -> Spoken {
        let prompt_tokens = self.prompt_tokens(scene);
        let mut settings = scene.settings();
        settings.answers += 1;
        let mut spoken = settings.speaker.as_ref().map_or_else(|| settings.spoken.clone(), |speak| speak(&self.prompt));
        let mut finish = None;
        match scene.fault {
            Some(Fault::Empty) => {
                spoken.words.clear();
                spoken.reasoning.clear();
            }
            Some(Fault::Finish(word)) => finish = Some(word),
            _ => {}
        }
        let room = self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let cut_short = spoken.reasoning.len() + spoken.words.len() > room;
        spoken.reasoning.truncate(room);
        spoken.words.truncate(room - spoken.reasoning.len());
        Spoken {
            model: model.to_owned(),
            words: spoken.words,
            reasoning: spoken.reasoning,
            tool: settings.tool.clone(),
            finish,
            cut_short,
            prompt_tokens,
            cached: settings.cached.min(prompt_tokens),
            hides_thinking: settings.hides_thinking,
            number: number_of(&scene.seen.body),
            pace: settings.pace,
        }
    }
}

impl Spoken {
    pub fn output_tokens(&self) -> u64 {
        (self.words.len() + self.reasoning.len()) as u64
    }

    pub fn reasoning_tokens(&self) -> u64 {
        self.reasoning.len() as u64
    }

    pub fn text(&self) -> String {
        self.words.concat()
    }

    pub fn shown_reasoning(&self) -> &[String] {
        if self.hides_thinking { &[] } else { &self.reasoning }
    }

    /// The time a whole answer takes to write.
    pub fn writing_time(&self) -> Duration {
        let tokens = u32::try_from(self.output_tokens()).unwrap_or(u32::MAX);
        self.pace.first + self.pace.each.saturating_mul(tokens)
    }

    /// OpenAI's words for why it stopped.
    pub fn finish_reason(&self) -> &'static str {
        match (self.finish, self.cut_short, &self.tool) {
            (Some(word), _, _) => word,
            (None, true, _) => "length",
            (None, false, Some(_)) => "tool_calls",
            (None, false, None) => "stop",
        }
    }

    /// OpenAI's account of it.
    pub fn usage(&self) -> Value {
        let output = self.output_tokens();
        json!({"prompt_tokens": self.prompt_tokens, "completion_tokens": output,
            "total_tokens": self.prompt_tokens + output, "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens()}})
    }
}

/// Waits as long as the server would write a whole answer.
pub(super) async fn written(spoken: &Spoken) {
    let time = spoken.writing_time();
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// The same request has the same number, of six digits at most.
fn number_of(body: &str) -> u64 {
    body.bytes().fold(7, |sum: u64, byte| (sum * 31 + u64::from(byte)) % 1_000_003)
}

/// Bytes of text in a value, names left out.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => {
            members.iter().filter(|(name, _)| *name != "role").map(|(_, member)| weight(member)).sum()
        }
        _ => 0,
    }
}

/// The last text of the conversation, or the prompt itself.
fn last_said(body: &Value) -> String {
    let last = |list: &Value| list.as_array().and_then(|items| items.last()).map(content);
    if let Some(messages) = body.get("messages") {
        return last(messages).unwrap_or_default();
    }
    match body.get("prompt").or_else(|| body.get("input")) {
        Some(Value::String(text)) => text.clone(),
        Some(items @ Value::Array(_)) => last(items).unwrap_or_default(),
        _ => String::new(),
    }
}

fn content(message: &Value) -> String {
    match message.get("content").unwrap_or(message) {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
