//! The choices of a chunk or body, taken in as they are read: what they say together, and where the words stand.

use super::lenient::{Length, Text};
use super::openai::Read;
use super::z_ai::failed_finish;
use crate::domain::call::Finish;
use crate::domain::failure::ErrorCode;
use crate::engine::ports::Seen;
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// See the module.
#[derive(Debug, Default)]
pub struct Choices {
    count: usize,
    /// One is not as choices are.
    odd: bool,
    text: String,
    reasoning: String,
    tool: bool,
    other: bool,
    finish: Option<Finish>,
    failed: Option<(ErrorCode, &'static str)>,
    words: Words,
}

impl Choices {
    /// A chunk of `json` that holds these and says nothing else.
    pub fn read(self, json: &[u8]) -> Read {
        let Self { count, odd, text, reasoning, tool, other, finish, failed, words } = self;
        let seen = Seen { text, reasoning, tool, finish, other, ..Seen::default() };
        Read { seen, error: None, failed, choices: count, odd, words: words.place(json) }
    }

    fn take(&mut self, choice: Choice<'_>) {
        let Choice { delta, message, text, finish_reason } = choice;
        self.count += 1;
        self.words.take(&text);
        self.text.push_str(&text.text);
        let silent = text.text.is_empty() && finish_reason.text.is_empty();
        self.odd |= text.foreign || silent && delta.is_none() && message.is_none();
        for part in [delta.as_ref(), message.as_ref()].into_iter().flatten() {
            self.words.take(&part.content);
            self.words.take(&part.refusal);
            self.text.push_str(&part.content.text);
            self.text.push_str(&part.refusal.text);
            let plain = &part.reasoning_content;
            self.reasoning.push_str(if plain.text.is_empty() { &part.reasoning.text } else { &plain.text });
            self.tool |= part.tool_calls.count > 0 || part.function_call.is_some();
            self.other |= part.audio.is_some();
            let texts = [&part.content, &part.refusal, plain, &part.reasoning];
            self.odd |= part.tool_calls.foreign || texts.iter().any(|text| text.foreign);
        }
        if !finish_reason.text.is_empty() {
            self.failed = self.failed.or(failed_finish(&finish_reason.text));
            self.finish = Some(finish(&finish_reason.text));
        }
    }
}

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct See;
        impl<'de> Visitor<'de> for See {
            type Value = Choices;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Choices, A::Error> {
                let mut choices = Choices::default();
                while let Some(choice) = list.next_element::<Choice<'de>>()? {
                    choices.take(choice);
                }
                Ok(choices)
            }
        }
        deserializer.deserialize_seq(See)
    }
}

/// Where the text of a chunk stands.
#[derive(Debug, Default)]
enum Words {
    #[default]
    None,
    /// The address of its first byte, and its length.
    One(usize, usize),
    /// In several pieces, or with escapes.
    Scattered,
}

impl Words {
    fn take(&mut self, piece: &Text<'_>) {
        *self = match (&*self, &piece.text) {
            (_, text) if text.is_empty() => return,
            (Self::None, Cow::Borrowed(text)) => Self::One(text.as_ptr().addr(), text.len()),
            _ => Self::Scattered,
        }
    }

    /// The place in the JSON it was read from.
    fn place(self, json: &[u8]) -> Option<Range<usize>> {
        let Self::One(address, length) = self else { return None };
        let start = address.wrapping_sub(json.as_ptr().addr());
        Some(start..start.saturating_add(length))
    }
}

fn finish(word: &str) -> Finish {
    match word {
        "stop" | "eos" | "end_turn" => Finish::Stop,
        "length" | "max_tokens" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" | "sensitive" => Finish::ContentFilter,
        _ => Finish::Other,
    }
}

#[derive(serde::Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    delta: Option<Part<'a>>,
    #[serde(borrow, default)]
    message: Option<Part<'a>>,
    /// Of the older completions interface.
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
}

#[derive(serde::Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    content: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
    #[serde(borrow, default)]
    reasoning_content: Text<'a>,
    #[serde(borrow, default)]
    reasoning: Text<'a>,
    #[serde(default)]
    tool_calls: Length,
    #[serde(default)]
    function_call: Option<IgnoredAny>,
    #[serde(default)]
    audio: Option<IgnoredAny>,
}
