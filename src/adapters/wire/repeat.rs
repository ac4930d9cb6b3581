//! Events that repeat the one before but for their words. A server writes hundreds of chunks that differ in one
//! JSON string only; reading each of them whole is most of what a stream costs. What the sequence means is
//! `answer`'s business.

use super::openai::Read;
use crate::engine::ports::Seen;
use bytes::Bytes;

/// What stood around the words of the newest event that was read whole.
#[derive(Debug, Default)]
pub struct Pattern {
    before: Bytes,
    after: Bytes,
}

impl Pattern {
    /// Learns from an event that was read whole: only from one that says nothing besides its words.
    pub fn learn(&mut self, data: &Bytes, read: &Read) {
        *self = match &read.words {
            Some(words) if says_words_only(read) && words.end <= data.len() => {
                Self { before: data.slice(..words.start), after: data.slice(words.end..) }
            }
            _ => Self::default(),
        };
    }

    /// The words of an event with the same bytes around them; `None` when it has to be read whole.
    pub fn words<'a>(&self, data: &'a [u8]) -> Option<&'a str> {
        if self.before.is_empty() {
            return None;
        }
        let words = data.strip_prefix(self.before.as_ref())?.strip_suffix(self.after.as_ref())?;
        // No quote and no escape: the string ends where the pattern goes on, and is its own text.
        let plain = words.iter().all(|byte| *byte >= b' ' && *byte != b'"' && *byte != b'\\');
        if plain { std::str::from_utf8(words).ok() } else { None }
    }
}

fn says_words_only(read: &Read) -> bool {
    let Seen { text: _, reasoning, tool, usage, finish, model: _, response_id: _, billed, usage_only, end, other } =
        &read.seen;
    let silent = reasoning.is_empty() && !tool && usage.is_none() && finish.is_none() && billed.is_none();
    silent && !usage_only && !end && !other && !read.other && read.error.is_none() && read.failed.is_none()
}

#[cfg(test)]
mod tests {
    use super::super::openai::read;
    use super::*;
    use crate::domain::kind::Kind;
    use proptest::prelude::*;

    fn learned(json: &str) -> Pattern {
        let data = Bytes::copy_from_slice(json.as_bytes());
        let mut pattern = Pattern::default();
        pattern.learn(&data, &read(Kind::OpenaiCompatible, &data).unwrap());
        pattern
    }

    const HELLO: &str = r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"hello"},"logprobs":null,"finish_reason":null}]}"#;

    #[test]
    fn an_event_that_differs_in_its_words_only_need_not_be_read_whole() {
        let pattern = learned(HELLO);
        assert_eq!(pattern.words(HELLO.replace("hello", " wörld").as_bytes()), Some(" wörld"));
        assert_eq!(pattern.words(HELLO.replace("hello", "").as_bytes()), Some(""));
        for other in [
            HELLO.replace("hello", r"a\nb"),
            HELLO.replace("hello", r#"a","role":"x"#),
            HELLO.replace(r#""finish_reason":null"#, r#""finish_reason":"stop""#),
            HELLO.replace(r#""id":"c""#, r#""id":"d""#),
            HELLO.replace('}', ""),
        ] {
            assert_eq!(pattern.words(other.as_bytes()), None, "{other}");
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
            let first = Bytes::from(first);
            if let Ok(whole) = read(Kind::OpenaiCompatible, &first) {
                let mut pattern = Pattern::default();
                pattern.learn(&first, &whole);
                if let Some(words) = pattern.words(second.as_bytes()) {
                    let mut expected = read(Kind::OpenaiCompatible, second.as_bytes()).unwrap();
                    expected.words = None;
                    let seen = Seen { text: words.to_owned(), ..whole.seen };
                    prop_assert_eq!(expected, Read { seen, words: None, ..whole });
                }
            }
        }
    }
}
