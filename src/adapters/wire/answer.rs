//! From bytes to frames: what the sequence of a stream's chunks, or a whole body, amounts to. Knows when an
//! answer has ended, was cut, failed half-way, or held nothing.

use super::errors::{ServerError, inside};
use super::openai::{Read, Told, read, read_next};
use super::repeat::Pattern;
use super::shape;
use super::sse::{EVENT_LIMIT, Event, Reader};
use super::words::{is_web_page, quote};
use crate::domain::call::{Finish, Usage};
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::kind::Kind;
use crate::domain::secret::Secret;
use crate::domain::time::UnixMs;
use crate::engine::ports::{Frame, Seen};
use bytes::Bytes;
use serde_json::Value;
use std::collections::VecDeque;

/// Frames that usually wait at once: what repeats is one of them.
const USUAL_FRAMES: usize = 8;

/// Bytes of the words that usually come at once.
const USUAL_WORDS: usize = 64;

/// What is needed to judge an answer besides its bytes.
#[derive(Debug, Clone)]
pub struct Context {
    pub kind: Kind,
    /// The path asked, for messages.
    pub path: String,
    /// Hidden wherever the server repeats them.
    pub secrets: Vec<Secret>,
    /// When the answer began.
    pub now: UnixMs,
}

/// A stream on its way in. Push chunks, take frames, and call [`Self::finish`] when the connection ends.
#[derive(Debug)]
pub struct StreamReader {
    context: Context,
    sse: Reader,
    ready: VecDeque<Result<Frame, Failure>>,
    answer: Summary,
    pattern: Pattern,
    told: Told,
    done: bool,
}

/// What matters about an answer as a whole.
#[derive(Debug, Default)]
struct Summary {
    answered: bool,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

impl Summary {
    fn take(&mut self, read: &Read) {
        self.answered |= read.seen.answer_bytes();
        self.finish = read.seen.finish.or(self.finish);
        self.usage = read.seen.usage.or(self.usage);
    }

    fn trouble(&self) -> Option<Failure> {
        if self.answered { None } else { nothing_said(self.finish, self.usage) }
    }
}

/// What is wrong with an answer that holds nothing. A model may stop at once by a stop sequence or at its token limit:
/// only an end that no token and no limit explains is a fault.
pub(super) fn nothing_said(finish: Option<Finish>, usage: Option<Usage>) -> Option<Failure> {
    match finish {
        Some(Finish::ContentFilter) => {
            Some(Failure::plain(ErrorCode::ContentFilter, "the vendor stopped the answer: its content was refused"))
        }
        Some(Finish::Length | Finish::ToolCalls) => None,
        _ if usage.is_some_and(|usage| usage.output > 1) => None,
        _ => Some(empty_answer()),
    }
}

impl StreamReader {
    pub fn new(context: Context) -> Self {
        Self {
            context,
            sse: Reader::new(),
            ready: VecDeque::with_capacity(USUAL_FRAMES),
            answer: Summary::default(),
            pattern: Pattern::default(),
            told: Told::default(),
            done: false,
        }
    }

    /// Adds bytes and reads every event they complete.
    pub fn push(&mut self, chunk: Bytes) {
        self.sse.push(chunk);
        while !self.done {
            self.take_words();
            self.take_blank_lines();
            match self.sse.next_event() {
                Ok(Some(event)) => self.take_event(event),
                Ok(None) => break,
                Err(_) => self.fail(too_large(EVENT_LIMIT, "an event of the stream")),
            }
        }
    }

    /// The next frame that is ready.
    pub fn next_frame(&mut self) -> Option<Result<Frame, Failure>> {
        self.ready.pop_front()
    }

    /// The end mark came, or the stream failed: read no further.
    pub fn done(&self) -> bool {
        self.done
    }

    /// The connection has ended; `clean` when the transport says that nothing is missing.
    pub fn finish(&mut self, clean: bool) {
        if self.done {
            return;
        }
        if let Some(event) = self.sse.finish() {
            self.take_rest(event);
        }
        if self.done {
            return;
        }
        // Servers that are only known to be alike may leave the mark out; the finish reason stands for it.
        if clean && self.context.kind == Kind::OpenaiCompatible && self.answer.finish.is_some() {
            self.end(Bytes::new());
        } else {
            let message = if self.answer.answered {
                "the stream was cut: it ended without its end mark"
            } else {
                "the stream ended before the answer began"
            };
            self.fail(Failure::new(ErrorCode::Network, Cause::CutOff, message));
        }
    }

    /// An event without its blank line counts when it is whole all the same. It gets the line, or an error that
    /// is told after it would become a part of it; the beginning of an event is dropped for that reason too.
    fn take_rest(&mut self, event: Event) {
        let whole =
            event.data.as_ref().is_some_and(|data| is_end(data) || serde_json::from_slice::<Value>(data).is_ok());
        if whole {
            let raw = [event.raw.as_ref(), b"\n\n"].concat().into();
            self.take_event(Event { raw, ..event });
        }
    }

    /// Takes the events that say nothing but further words, all that are there as one frame.
    fn take_words(&mut self) {
        let (mut text, mut length) = (String::new(), 0);
        let ahead = self.sse.ahead();
        while let Some((words, size)) = ahead.get(length..).and_then(|rest| self.pattern.next(rest)) {
            if text.is_empty() {
                text.reserve(USUAL_WORDS);
            }
            text.push_str(words);
            length += size;
        }
        if length > 0 {
            self.answer.answered |= !text.is_empty();
            let raw = self.sse.take(length);
            self.ready.push_back(Ok(Frame { raw, seen: Seen { text, ..Seen::default() } }));
        }
    }

    /// Takes blank lines that end no event, all that are there as one frame.
    fn take_blank_lines(&mut self) {
        let length = self.sse.ahead().iter().take_while(|byte| **byte == b'\n').count();
        if length > 0 {
            let raw = self.sse.take(length);
            self.ready.push_back(Ok(Frame { raw, seen: Seen::default() }));
        }
    }

    fn take_event(&mut self, event: Event) {
        let Some(data) = event.data.as_ref() else {
            self.ready.push_back(Ok(Frame { raw: event.raw, seen: Seen::default() }));
            return;
        };
        // Its bytes came in pieces, so it was not among those that are taken together.
        if let Some((words, size)) = self.pattern.next(&event.raw)
            && size == event.raw.len()
        {
            self.answer.answered |= !words.is_empty();
            let seen = Seen { text: words.to_owned(), ..Seen::default() };
            self.ready.push_back(Ok(Frame { raw: event.raw, seen }));
            return;
        }
        if is_end(data) {
            self.end(event.raw);
            return;
        }
        if event.name == "error" {
            let error = match serde_json::from_slice::<Value>(data) {
                Ok(value) => ServerError::in_body(&value).unwrap_or_else(|| ServerError::from_value(&value)),
                Err(_) => ServerError::from_text(data),
            };
            self.fail(inside(&error, self.context.kind, &self.context.path, &self.context.secrets, self.context.now));
            return;
        }
        match read_next(self.context.kind, data, &self.told) {
            Err(why) => {
                self.fail(bad_answer(&format!("a part of the stream cannot be used: {why}"), &self.context.secrets));
            }
            Ok(chunk) => {
                if says_nothing(&chunk) {
                    if let Some(why) = chunk.odd.then(|| shape::odd(data)).flatten() {
                        self.fail(bad_answer(&odd_answer(&why), &self.context.secrets));
                        return;
                    }
                    tell_odd_usage(&self.context, data);
                }
                self.pattern.learn(&event, &chunk);
                self.take_chunk(event.raw, chunk);
            }
        }
    }

    fn take_chunk(&mut self, raw: Bytes, mut chunk: Read) {
        if let Some(error) = chunk.error.take() {
            self.fail(inside(&error, self.context.kind, &self.context.path, &self.context.secrets, self.context.now));
            return;
        }
        self.answer.take(&chunk);
        if let Some(model) = &chunk.seen.model {
            self.told.model = Some(model.clone());
        }
        self.told.response_id |= chunk.seen.response_id.is_some();
        if let Some((code, sentence)) = chunk.failed {
            let last_words = chunk.seen.answer_bytes();
            if last_words {
                self.ready.push_back(Ok(Frame { raw: Bytes::new(), seen: Seen { finish: None, ..chunk.seen } }));
            }
            self.fail(Failure::new(code, failed_cause(code), sentence));
            return;
        }
        self.ready.push_back(Ok(Frame { raw, seen: chunk.seen }));
    }

    fn end(&mut self, raw: Bytes) {
        if let Some(failure) = self.answer.trouble() {
            self.fail(failure);
        } else {
            self.done = true;
            // Clients wait for the mark that this server leaves out.
            let raw = if raw.is_empty() { Bytes::from_static(b"data: [DONE]\n\n") } else { raw };
            self.ready.push_back(Ok(Frame { raw, seen: Seen { end: true, ..Seen::default() } }));
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.done = true;
        self.ready.push_back(Err(failure));
    }
}

/// Nothing of an answer was found in it: either it says nothing, or its shape is not the known one.
fn says_nothing(read: &Read) -> bool {
    !read.seen.answer_bytes() && read.seen.finish.is_none() && read.seen.usage.is_none() && read.error.is_none()
}

fn odd_answer(why: &str) -> String {
    format!("the answer's shape is not the known one: {why}")
}

/// Counts that cannot be read cost the caller nothing but its account: they are reported and not an error.
fn tell_odd_usage(context: &Context, json: &[u8]) {
    if let Some(why) = shape::odd_usage(json) {
        tracing::warn!(kind = context.kind.word(), "the counts of an answer cannot be read: {why}");
    }
}

fn is_end(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

fn failed_cause(code: ErrorCode) -> Cause {
    if code == ErrorCode::Upstream { Cause::ServerError { status: 200 } } else { Cause::Other }
}

fn empty_answer() -> Failure {
    Failure::plain(ErrorCode::EmptyAnswer, "the model ended its answer without a word")
}

pub(crate) fn bad_answer(message: &str, secrets: &[Secret]) -> Failure {
    Failure::plain(ErrorCode::BadAnswer, quote(message, secrets))
}

pub(crate) fn too_large(limit: usize, what: &str) -> Failure {
    let message = format!("{what} is larger than {} MiB: reading stopped", limit / (1024 * 1024));
    Failure::new(ErrorCode::BadAnswer, Cause::TooLarge { limit_bytes: limit as u64 }, message)
}

/// Reads a whole answer.
///
/// # Errors
/// The server's error inside a good status, a web page, malformed JSON, no answer in it.
pub fn whole(context: &Context, body: Bytes) -> Result<Frame, Failure> {
    if let Some(failure) = not_an_answer(context, "", &body) {
        return Err(failure);
    }
    let refuse = |why: &str| bad_answer(&format!("the answer cannot be used: {why}"), &context.secrets);
    let mut read = read(context.kind, &body).map_err(|why| refuse(&why))?;
    if let Some(error) = read.error.take() {
        return Err(inside(&error, context.kind, &context.path, &context.secrets, context.now));
    }
    if let Some((code, sentence)) = read.failed {
        return Err(Failure::new(code, failed_cause(code), sentence));
    }
    if read.choices == 0 {
        return Err(refuse("choices: expected a list with an answer, found none"));
    }
    let mut summary = Summary::default();
    summary.take(&read);
    if let Some(failure) = summary.trouble() {
        return Err(shape::odd(&body).map_or(failure, |why| bad_answer(&odd_answer(&why), &context.secrets)));
    }
    if read.seen.usage.is_none() {
        tell_odd_usage(context, &body);
    }
    read.seen.end = true;
    read.seen.usage_only = false;
    Ok(Frame { raw: body, seen: read.seen })
}

/// Judges a body that came where another form was expected: a web page, an error, a whole answer where a
/// stream was asked for or the reverse; `None` when it may be an answer.
pub(super) fn not_an_answer(context: &Context, content_type: &str, body: &[u8]) -> Option<Failure> {
    if is_web_page(content_type, body) {
        let message = format!("a web page came from {} instead of an answer", context.path);
        return Some(Failure::new(ErrorCode::BadAnswer, Cause::HtmlPage, message));
    }
    if body.trim_ascii().is_empty() {
        return Some(Failure::plain(ErrorCode::EmptyAnswer, "the server sent an empty answer"));
    }
    if ["data:", "event:"].iter().any(|start| body.trim_ascii_start().starts_with(start.as_bytes())) {
        return Some(Failure::plain(ErrorCode::BadAnswer, "a stream came where a whole answer was asked for"));
    }
    None
}

/// What a good status means whose content type is not that of a stream, although one was asked for.
pub fn instead_of_stream(context: &Context, content_type: &str, body: &[u8]) -> Failure {
    if let Some(failure) = not_an_answer(context, content_type, body)
        && failure.cause == Cause::HtmlPage
    {
        return failure;
    }
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        return match ServerError::in_body(&value) {
            Some(error) => inside(&error, context.kind, &context.path, &context.secrets, context.now),
            None => Failure::plain(ErrorCode::BadAnswer, "a whole answer came where a stream was asked for"),
        };
    }
    let shown = if content_type.is_empty() { "no content type" } else { content_type };
    bad_answer(&format!("{shown} came where a stream was asked for"), &context.secrets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn context(kind: Kind) -> Context {
        Context { kind, path: "/v1/chat/completions".into(), secrets: Vec::new(), now: UnixMs(0) }
    }

    fn stream(kind: Kind, input: &str) -> (String, Option<Failure>, bool) {
        let mut reader = StreamReader::new(context(kind));
        reader.push(Bytes::copy_from_slice(input.as_bytes()));
        reader.finish(true);
        let (mut text, mut failure, mut end) = (String::new(), None, false);
        while let Some(frame) = reader.next_frame() {
            match frame {
                Ok(frame) => {
                    text += &frame.seen.text;
                    end |= frame.seen.end;
                }
                Err(last) => failure = Some(last),
            }
        }
        (text, failure, end)
    }

    const HELLO: &str = "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n";
    const STOP: &str =
        "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    #[test]
    fn a_stream_ends_with_its_mark_and_is_cut_without_it() {
        assert_eq!(stream(Kind::LlamaCpp, &format!("{HELLO}{STOP}{DONE}")), ("hello".into(), None, true));
        assert_eq!(stream(Kind::LlamaCpp, &format!("{HELLO}{STOP}data: [DONE]")), ("hello".into(), None, true));
        let (text, failure, end) = stream(Kind::LlamaCpp, &format!("{HELLO}{STOP}"));
        assert_eq!((text.as_str(), failure.unwrap().cause, end), ("hello", Cause::CutOff, false));
        assert_eq!(stream(Kind::OpenaiCompatible, &format!("{HELLO}{STOP}")), ("hello".into(), None, true));
        let cut = stream(Kind::OpenaiCompatible, &format!("{HELLO}data: {{\"cho"));
        assert_eq!(cut.1.unwrap().cause, Cause::CutOff);
    }

    #[test]
    fn blank_lines_that_end_nothing_take_no_room_each() {
        let mut reader = StreamReader::new(context(Kind::LlamaCpp));
        let input = format!("{}{HELLO}{STOP}{DONE}", "\n".repeat(100_000));
        reader.push(Bytes::copy_from_slice(b"\n"));
        reader.push(Bytes::from(input.clone()));
        let frames: Vec<Frame> = std::iter::from_fn(|| reader.next_frame()).map(Result::unwrap).collect();
        assert!(frames.len() < 8, "{}", frames.len());
        let raw: Vec<u8> = frames.iter().flat_map(|frame| frame.raw.to_vec()).collect();
        assert_eq!(raw.strip_prefix(b"\n"), Some(input.as_bytes()), "and every byte is passed on");
    }

    #[test]
    fn what_is_forwarded_of_a_cut_stream_leaves_room_for_an_error_event() {
        for rest in ["da", "data", "data: {\"cho", ": a comm", "event: x\n"] {
            let mut reader = StreamReader::new(context(Kind::LlamaCpp));
            reader.push(Bytes::from(format!("{HELLO}{rest}")));
            reader.finish(false);
            let mut raw = Vec::new();
            while let Some(Ok(frame)) = reader.next_frame() {
                raw.extend_from_slice(&frame.raw);
            }
            assert_eq!(String::from_utf8(raw).unwrap(), HELLO, "{rest}");
        }
        let mut reader = StreamReader::new(context(Kind::LlamaCpp));
        reader.push(Bytes::from(HELLO.trim_end()));
        reader.finish(false);
        assert_eq!(reader.next_frame().unwrap().unwrap().raw, HELLO, "a whole event gets the line it lacks");
    }

    #[test]
    fn errors_inside_a_stream_end_it() {
        for (frame, code) in [
            ("data: {\"error\":{\"code\":429,\"message\":\"slow\"}}\n\n", ErrorCode::RateLimit),
            ("event: error\ndata: {\"error\":{\"message\":\"(n_keep: 9>= n_ctx: 4)\"}}\n\n", ErrorCode::ContextLength),
            ("event: error\ndata: {\"message\":\"it broke\"}\n\n", ErrorCode::Upstream),
            ("event: error\ndata: plain words\n\n", ErrorCode::Upstream),
            ("data: {\"error\":\"The model has crashed\"}\n\n", ErrorCode::Upstream),
            ("data: {nonsense\n\n", ErrorCode::BadAnswer),
        ] {
            let (text, failure, end) = stream(Kind::Openrouter, &format!("{HELLO}{frame}{HELLO}{DONE}"));
            assert_eq!((text.as_str(), failure.unwrap().code, end), ("hello", code, false), "{frame}");
        }
    }

    #[test]
    fn a_failed_finish_keeps_its_last_words() {
        let last = "data: {\"choices\":[{\"delta\":{\"content\":\" world\"},\"finish_reason\":\"network_error\"}]}\n\n";
        let (text, failure, _) = stream(Kind::ZAiGlm, &format!("{HELLO}{last}{DONE}"));
        assert_eq!((text.as_str(), failure.unwrap().code), ("hello world", ErrorCode::Upstream));
    }

    #[test]
    fn an_answer_of_nothing_is_an_error_unless_a_limit_explains_it() {
        assert_eq!(stream(Kind::LmStudio, &format!("{STOP}{DONE}")).1.unwrap().code, ErrorCode::EmptyAnswer);
        let limited = STOP.replace("stop", "length");
        assert_eq!(stream(Kind::LmStudio, &format!("{limited}{DONE}")).1, None);
        let used = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":9}}\n\n";
        assert_eq!(stream(Kind::LmStudio, &format!("{STOP}{used}{DONE}")).1, None);
    }

    #[test]
    fn model_and_id_are_told_once() {
        let mut reader = StreamReader::new(context(Kind::LlamaCpp));
        reader.push(Bytes::from(format!("{HELLO}{HELLO}")));
        let first = reader.next_frame().unwrap().unwrap().seen;
        let second = reader.next_frame().unwrap().unwrap().seen;
        assert_eq!((first.model.as_deref(), first.response_id.as_deref()), (Some("m"), Some("c")));
        assert_eq!((second.model, second.response_id), (None, None));
    }

    #[test]
    fn whole_answers_are_judged() {
        let good = r#"{"id":"c","model":"m","choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
        let frame = whole(&context(Kind::LlamaCpp), Bytes::from(good)).unwrap();
        assert_eq!((frame.seen.text.as_str(), frame.seen.end, &frame.raw[..]), ("hi", true, good.as_bytes()));
        for (body, code) in [
            (r#"{"error":"No models loaded"}"#, ErrorCode::NotFound),
            (r#"{"choices":[]}"#, ErrorCode::BadAnswer),
            (r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#, ErrorCode::EmptyAnswer),
            ("", ErrorCode::EmptyAnswer),
            ("<!DOCTYPE html><p>", ErrorCode::BadAnswer),
            ("data: {}\n\n", ErrorCode::BadAnswer),
            ("{\"choices\":[{\"message\":", ErrorCode::BadAnswer),
        ] {
            assert_eq!(whole(&context(Kind::LmStudio), Bytes::from(body)).unwrap_err().code, code, "{body}");
        }
    }

    #[test]
    fn a_body_in_place_of_a_stream_is_named() {
        let judge =
            |content_type: &str, body: &str| instead_of_stream(&context(Kind::LmStudio), content_type, body.as_bytes());
        let lost = judge("application/json", r#"{"error":"Unexpected endpoint or method. (POST /x)"}"#);
        assert_eq!(lost.cause, Cause::WrongPath { path: "/v1/chat/completions".into() });
        assert_eq!(judge("text/html", "hello").cause, Cause::HtmlPage);
        assert!(judge("application/json", "{\"choices\":[]}").message.contains("whole answer"));
        assert!(judge("text/plain", "hello").message.contains("text/plain"));
    }

    proptest! {
        #[test]
        fn every_byte_of_a_good_stream_is_in_its_frames(
            words in proptest::collection::vec("[a-z é\"\\\\]{1,6}", 1..8),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut input = String::from(": ping\n\n");
            for word in &words {
                let chunk = serde_json::json!({"choices": [{"delta": {"content": word}}]}).to_string();
                input.extend(["data: ", &chunk, "\n\n"]);
            }
            input += DONE;
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len())).collect();
            places.extend([0, input.len()]);
            places.sort_unstable();
            let mut reader = StreamReader::new(context(Kind::Vllm));
            let (mut raw, mut text) = (Vec::new(), String::new());
            for pair in places.windows(2) {
                reader.push(Bytes::copy_from_slice(&input.as_bytes()[pair[0]..pair[1]]));
                while let Some(frame) = reader.next_frame() {
                    let frame = frame.unwrap();
                    raw.extend_from_slice(&frame.raw);
                    text += &frame.seen.text;
                }
            }
            prop_assert!(reader.done());
            prop_assert_eq!(raw, input.into_bytes());
            prop_assert_eq!(text, words.concat());
        }

        #[test]
        fn no_bytes_make_a_reader_panic_or_go_on_after_its_end(
            pieces in proptest::collection::vec(prop_oneof![
                Just(HELLO.as_bytes().to_vec()), Just(STOP.as_bytes().to_vec()), Just(DONE.as_bytes().to_vec()),
                Just(b"data: {\"choices\":[{\"delta\":{\"content\":12,\"tool_calls\":{}}}],\"usage\":[]}\n\n".to_vec()),
                Just(b"data: {\"error\":[]}\n\n".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..20),
            ], 0..12),
        ) {
            let mut reader = StreamReader::new(context(Kind::ZAiGlm));
            for piece in pieces {
                reader.push(Bytes::from(piece));
            }
            reader.finish(true);
            let mut last = None;
            while let Some(frame) = reader.next_frame() {
                prop_assert!(!matches!(last, Some(true)), "a frame after the end");
                last = Some(match frame { Ok(frame) => frame.seen.end, Err(_) => true });
            }
            prop_assert_eq!(last, Some(true));
        }
    }
}
