//! Events that repeat the one before but for their words. A server writes hundreds of chunks that differ in one
//! JSON string only; reading each of them whole is most of what a stream costs. What the sequence means is
//! `answer`'s business.

use super::openai::Read;
use super::sse::Event;
use crate::engine::ports::Seen;
use bytes::Bytes;
use std::ops::Range;

/// What stood around the words of the newest event that was read whole, from `data:` to its blank line.
#[derive(Debug, Default)]
pub struct Pattern {
    before: Bytes,
    after: Bytes,
}

impl Pattern {
    /// Learns from an event that was read whole: only from one that says nothing besides its words, and is nothing
    /// but one line of data.
    pub fn learn(&mut self, event: &Event, read: &Read) {
        *self = match (&event.data, &read.words) {
            (Some(data), Some(words)) if says_words_only(read) && event.name.is_empty() => {
                Self::around(&event.raw, data, words).unwrap_or_default()
            }
            _ => Self::default(),
        };
    }

    fn around(raw: &Bytes, data: &Bytes, words: &Range<usize>) -> Option<Self> {
        let field = [&b"data: "[..], b"data:"].into_iter().find(|field| raw.starts_with(field))?;
        let rest = raw.get(field.len()..)?.strip_prefix(data.as_ref())?;
        (rest == b"\n\n" && words.end <= data.len()).then(|| Self {
            before: raw.slice(..field.len() + words.start),
            after: raw.slice(field.len() + words.end..),
        })
    }

    /// The words of the event that `bytes` begin with, and its length, when the same bytes stand around them;
    /// `None` when it has to be read whole or is not all there.
    pub fn next<'a>(&self, bytes: &'a [u8]) -> Option<(&'a str, usize)> {
        if self.before.is_empty() {
            return None;
        }
        let rest = bytes.strip_prefix(self.before.as_ref())?;
        // No quote and no escape: the string ends where the pattern goes on, and is its own text.
        let end = rest.iter().position(|byte| *byte < b' ' || *byte == b'"' || *byte == b'\\')?;
        let (words, rest) = rest.split_at_checked(end)?;
        if !rest.starts_with(&self.after) {
            return None;
        }
        let length = self.before.len() + end + self.after.len();
        std::str::from_utf8(words).ok().map(|words| (words, length))
    }
}

fn says_words_only(read: &Read) -> bool {
    let Seen { text: _, reasoning, tool, usage, finish, model: _, response_id: _, billed, usage_only, end, other } =
        &read.seen;
    let silent = reasoning.is_empty() && !tool && usage.is_none() && finish.is_none() && billed.is_none();
    silent && !usage_only && !end && !other && read.error.is_none() && read.failed.is_none()
}

#[cfg(test)]
mod tests {
    use super::super::openai::read;
    use super::super::sse::Reader;
    use super::*;
    use crate::domain::kind::Kind;
    use proptest::prelude::*;

    fn event(json: &str) -> Event {
        let mut reader = Reader::new();
        reader.push(format!("data: {json}\n\n").into());
        reader.next_event().unwrap().unwrap()
    }

    fn learned(json: &str) -> Pattern {
        let event = event(json);
        let mut pattern = Pattern::default();
        pattern.learn(&event, &read(Kind::OpenaiCompatible, event.data.as_ref().unwrap()).unwrap());
        pattern
    }

    /// The words that the pattern finds in one event of this data.
    fn words(pattern: &Pattern, json: &str) -> Option<String> {
        let event = event(json);
        let (words, length) = pattern.next(&event.raw)?;
        assert_eq!(length, event.raw.len());
        Some(words.to_owned())
    }

    const HELLO: &str = r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"hello"},"logprobs":null,"finish_reason":null}]}"#;

    #[test]
    fn an_event_that_differs_in_its_words_only_need_not_be_read_whole() {
        let pattern = learned(HELLO);
        assert_eq!(words(&pattern, &HELLO.replace("hello", " wörld")).as_deref(), Some(" wörld"));
        assert_eq!(words(&pattern, &HELLO.replace("hello", "")).as_deref(), Some(""));
        for other in [
            HELLO.replace("hello", r"a\nb"),
            HELLO.replace("hello", r#"a","role":"x"#),
            HELLO.replace(r#""finish_reason":null"#, r#""finish_reason":"stop""#),
            HELLO.replace(r#""id":"c""#, r#""id":"d""#),
            HELLO.replace('}', ""),
        ] {
            assert_eq!(words(&pattern, &other), None, "{other}");
        }
        let cut = event(HELLO).raw;
        for end in 0..cut.len() {
            assert_eq!(pattern.next(&cut[..end]), None, "an event is taken when all of it is there");
        }
    }

    #[test]
    fn an_event_with_more_lines_than_its_data_teaches_nothing() {
        for raw in [
            format!("id: 1\ndata: {HELLO}\n\n"),
            format!("event: x\ndata: {HELLO}\n\n"),
            format!("data: {HELLO}\nretry: 3\n\n"),
            format!("data: {HELLO}\r\n\r\n"),
            format!("data: {HELLO}\r\r"),
        ] {
            let mut reader = Reader::new();
            reader.push(raw.clone().into());
            let event = reader.next_event().unwrap().unwrap();
            let mut pattern = Pattern::default();
            pattern.learn(&event, &read(Kind::OpenaiCompatible, event.data.as_ref().unwrap()).unwrap());
            assert!(pattern.before.is_empty(), "{raw}");
        }
    }

    #[test]
    fn an_event_that_says_more_teaches_nothing() {
        for json in [
            r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"delta":{"content":"a","reasoning":"b"}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}"#,
            r#"{"choices":[{"delta":{"content":"a\n"}}]}"#,
            r#"{"choices":[{"delta":{"content":"a","tool_calls":[{}]}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
            r#"{"choices":[]}"#,
        ] {
            assert!(learned(json).before.is_empty(), "{json}");
        }
    }

    /// Chunks whose parts come in every order a server may choose, with words that need care.
    fn chunk() -> impl Strategy<Value = String> {
        let words = prop_oneof![
            "[a-z ]{0,6}".prop_map(|text| text),
            Just("é\u{2028}模".to_owned()),
            Just(r"\n".to_owned()),
            Just(r#"\""#.to_owned()),
            Just(r"\u00e9".to_owned()),
            Just(r#"","content":""#.to_owned()),
        ];
        let more = prop_oneof![
            Just(""),
            Just(r#","finish_reason":null"#),
            Just(r#","finish_reason":"stop""#),
            Just(r#","text":"old""#),
        ];
        let tail = prop_oneof![Just(""), Just(r#","model":"m""#), Just(r#","usage":null"#), Just(r#","error":"x""#)];
        (words, more, tail, any::<bool>()).prop_map(|(words, more, tail, spaced)| {
            let space = if spaced { " " } else { "" };
            format!(r#"{{"choices":[{{"delta":{{"content":{space}"{words}"}}{more}}}]{tail}}}"#)
        })
    }

    proptest! {
        #[test]
        fn what_is_taken_from_the_pattern_is_what_reading_whole_finds(first in chunk(), second in chunk()) {
            if let Ok(whole) = read(Kind::OpenaiCompatible, first.as_bytes())
                && let Some(text) = words(&learned(&first), &second)
            {
                let mut expected = read(Kind::OpenaiCompatible, second.as_bytes()).unwrap();
                expected.words = None;
                let seen = Seen { text, ..whole.seen };
                prop_assert_eq!(expected, Read { seen, words: None, ..whole });
            }
        }
    }
}
