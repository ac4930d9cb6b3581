//! A stream in a dialect that is not OpenAI's chat: events in, frames in the OpenAI chat shape out. What an event
//! means is said by the dialect; cuts, sizes and ends are judged here once for all of them.

use super::answer::{Context, bad_answer, too_large};
use super::chunk::KEEP_ALIVE;
use super::errors::{ServerError, inside};
use super::sse::{EVENT_LIMIT, Event, Reader};
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::engine::ports::{Frame, Seen};
use bytes::Bytes;
use serde_json::Value;
use std::collections::VecDeque;

/// What a dialect makes of its events.
pub trait Translate {
    /// Takes one event's data.
    ///
    /// # Errors
    /// The stream is over and failed.
    fn event(&mut self, data: &Value) -> Result<Vec<Frame>, Trouble>;

    /// The end mark has come.
    fn over(&self) -> bool;

    /// Something of an answer has come.
    fn answered(&self) -> bool;
}

/// Why an answer cannot be used.
#[derive(Debug, PartialEq)]
pub enum Trouble {
    /// The server says so itself.
    Server(ServerError),
    /// Which field, what was expected, what came.
    Shape(String),
    Failed(Failure),
}

impl Trouble {
    /// In the form the engine takes.
    pub fn into_failure(self, context: &Context) -> Failure {
        match self {
            Self::Server(error) => inside(&error, context.kind, &context.path, &context.secrets, context.now),
            Self::Shape(why) => bad_answer(&format!("the answer cannot be used: {why}"), &context.secrets),
            Self::Failed(failure) => failure,
        }
    }

    /// `field: expected …, came …`.
    pub fn shape(field: &str, expected: &str, came: Option<&Value>) -> Self {
        let came = came.map_or("nothing", super::chat_request::shape_of);
        Self::Shape(format!("{field}: expected {expected}, came {came}"))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Translated<T> {
    context: Context,
    sse: Reader,
    dialect: T,
    ready: VecDeque<Result<Frame, Failure>>,
    done: bool,
}

impl<T: Translate> Translated<T> {
    pub fn new(context: Context, dialect: T) -> Self {
        Self { context, sse: Reader::new(), dialect, ready: VecDeque::new(), done: false }
    }

    /// Adds bytes and reads every event they complete.
    pub fn push(&mut self, chunk: Bytes) {
        self.sse.push(chunk);
        while !self.done {
            match self.sse.next_event() {
                Ok(Some(event)) => self.take(&event),
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

    /// The connection has ended. Without the end mark the answer was cut, however the transport ended.
    pub fn finish(&mut self) {
        if self.done {
            return;
        }
        if let Some(event) = self.sse.finish()
            && event.data.as_ref().is_some_and(|data| serde_json::from_slice::<Value>(data).is_ok())
        {
            self.take(&event);
        }
        if self.done {
            return;
        }
        let message = if self.dialect.answered() {
            "the stream was cut: it ended without its end mark"
        } else {
            "the stream ended before the answer began"
        };
        self.fail(Failure::new(ErrorCode::Network, Cause::CutOff, message));
    }

    fn take(&mut self, event: &Event) {
        let Some(data) = &event.data else {
            self.keep_alive();
            return;
        };
        // Some proxies add OpenAI's mark to every stream; it says nothing here.
        if data.trim_ascii() == b"[DONE]" {
            return;
        }
        let value: Value = match serde_json::from_slice(data) {
            Ok(value) => value,
            Err(_) if event.name == "error" => {
                return self.stop(Trouble::Server(ServerError::from_text(data)));
            }
            Err(error) => {
                let why = format!("a part of the stream is not readable JSON: {error}");
                return self.fail(bad_answer(&why, &self.context.secrets));
            }
        };
        if event.name == "error" || value.get("type").and_then(Value::as_str) == Some("error") {
            let error = ServerError::in_body(&value).unwrap_or_else(|| ServerError::from_value(&value));
            return self.stop(Trouble::Server(error));
        }
        match self.dialect.event(&value) {
            Ok(frames) if frames.is_empty() && value.get("type").and_then(Value::as_str) == Some("ping") => {
                self.keep_alive();
            }
            // Said to the caller or not, the upstream is at work.
            Ok(frames) if frames.is_empty() => self.at_work(),
            Ok(frames) => self.ready.extend(frames.into_iter().map(Ok)),
            Err(trouble) => return self.stop(trouble),
        }
        self.done = self.dialect.over();
    }

    /// The upstream lives, and says nothing that this form has a word for.
    fn keep_alive(&mut self) {
        // Many at once say no more than one.
        if !self.ready.back().is_some_and(|last| last.as_ref().is_ok_and(|frame| frame.raw == KEEP_ALIVE)) {
            self.ready.push_back(Ok(Frame { raw: Bytes::from_static(KEEP_ALIVE), seen: Seen::default() }));
        }
    }

    /// The upstream is at work; the caller hears nothing of it.
    fn at_work(&mut self) {
        if self.ready.is_empty() {
            self.ready.push_back(Ok(Frame::default()));
        }
    }

    fn stop(&mut self, trouble: Trouble) {
        let failure = trouble.into_failure(&self.context);
        self.fail(failure);
    }

    fn fail(&mut self, failure: Failure) {
        self.done = true;
        self.ready.push_back(Err(failure));
    }
}
