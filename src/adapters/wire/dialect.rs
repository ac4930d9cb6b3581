//! Which dialect carries a call to its target: the request with its address, and the reader of what comes back.

use super::answer::{self, Context, StreamReader};
use super::translated::Translated;
use super::{anthropic, chat_request, embeddings, request, responses};
use crate::domain::call::Body;
use crate::domain::config::Profile;
use crate::domain::failure::{ErrorCode, Failure};
use crate::domain::ids::ModelId;
use crate::domain::kind::Kind;
use crate::engine::ports::Frame;
use bytes::Bytes;
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's chat completions, and those who follow them.
    Chat,
    /// Anthropic's native messages.
    Messages,
    /// OpenAI's responses, for models that answer nowhere else.
    Responses,
    /// OpenAI's older text completions; answers are read as those of a chat.
    Completion,
    /// OpenAI's embeddings.
    Embeddings,
}

/// A request ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pub dialect: Dialect,
    pub url: String,
    pub json: String,
    pub stream: bool,
}

impl Dialect {
    /// The one in which this body goes to a model of this kind.
    pub fn of(kind: Kind, model: &ModelId, body: &Body) -> Self {
        match kind {
            _ if matches!(body, Body::RawOpenaiCompletion { .. }) => Self::Completion,
            _ if matches!(body, Body::RawOpenaiEmbeddings { .. }) => Self::Embeddings,
            Kind::Anthropic => Self::Messages,
            Kind::Openai if responses::only_there(model.as_str()) => Self::Responses,
            _ => Self::Chat,
        }
    }
}

/// The request for `model` of `profile`.
///
/// # Errors
/// `invalid_request`: what the body asks cannot be forwarded, or not be said in the target's dialect.
pub fn prepare(profile: &Profile, model: &ModelId, body: &Body) -> Result<Prepared, Failure> {
    let chat = request::chat(profile.kind, &profile.endpoint.host, model, body)?;
    let dialect = Dialect::of(profile.kind, model, body);
    if let (Dialect::Completion | Dialect::Embeddings, Kind::Anthropic | Kind::ZAiGlm) = (dialect, profile.kind) {
        let what = if dialect == Dialect::Embeddings { "embeddings" } else { "text completions" };
        let message = format!("{} offers no {what}", profile.kind.label());
        return Err(Failure::plain(ErrorCode::NotFound, message));
    }
    let base = &profile.endpoint.api_base;
    let (url, json) = match dialect {
        Dialect::Chat => (request::chat_url(profile), chat.json),
        Dialect::Completion => (format!("{base}/completions"), chat.json),
        Dialect::Embeddings => (format!("{base}/embeddings"), chat.json),
        Dialect::Messages => {
            let json = anthropic::request::translate(&taken_apart(&chat.json)?, model.as_str())?;
            (anthropic::messages_url(base), json.to_string())
        }
        Dialect::Responses => {
            let json = responses::request::translate(&taken_apart(&chat.json)?, model.as_str())?;
            (format!("{base}/responses"), json.to_string())
        }
    };
    Ok(Prepared { dialect, url, json, stream: chat.stream })
}

/// A chat request in our own terms, for a dialect that is not OpenAI's.
///
/// # Errors
/// `invalid_request`, with the place.
pub fn taken_apart(json: &str) -> Result<chat_request::ChatRequest, Failure> {
    let value: Value = serde_json::from_str(json)
        .map_err(|error| Failure::plain(ErrorCode::InvalidRequest, format!("the request is not readable: {error}")))?;
    chat_request::read(value)
}

/// Reads a stream of whichever dialect; what it gives is in the OpenAI chat shape.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the usual one is not reached through one more pointer")]
pub enum Reader {
    Chat(StreamReader),
    Messages(Box<Translated<anthropic::stream::Events>>),
    Responses(Box<Translated<responses::stream::Events>>),
}

impl Reader {
    /// `created` in seconds since 1970, for answers that are written anew.
    pub fn new(dialect: Dialect, context: Context, created: u64) -> Self {
        match dialect {
            Dialect::Chat | Dialect::Completion | Dialect::Embeddings => Self::Chat(StreamReader::new(context)),
            Dialect::Messages => {
                Self::Messages(Box::new(Translated::new(context, anthropic::stream::Events::new(created))))
            }
            Dialect::Responses => {
                Self::Responses(Box::new(Translated::new(context, responses::stream::Events::new(created))))
            }
        }
    }

    /// Adds bytes and reads every event they complete.
    pub fn push(&mut self, chunk: Bytes) {
        match self {
            Self::Chat(reader) => reader.push(chunk),
            Self::Messages(reader) => reader.push(chunk),
            Self::Responses(reader) => reader.push(chunk),
        }
    }

    /// The next frame that is ready.
    pub fn next_frame(&mut self) -> Option<Result<Frame, Failure>> {
        match self {
            Self::Chat(reader) => reader.next_frame(),
            Self::Messages(reader) => reader.next_frame(),
            Self::Responses(reader) => reader.next_frame(),
        }
    }

    /// The end mark came, or the stream failed: read no further.
    pub fn done(&self) -> bool {
        match self {
            Self::Chat(reader) => reader.done(),
            Self::Messages(reader) => reader.done(),
            Self::Responses(reader) => reader.done(),
        }
    }

    /// The connection has ended; `clean` when the transport says that nothing is missing.
    pub fn finish(&mut self, clean: bool) {
        match self {
            Self::Chat(reader) => reader.finish(clean),
            Self::Messages(reader) => reader.finish(),
            Self::Responses(reader) => reader.finish(),
        }
    }
}

/// Reads a whole answer; `created` as in [`Reader::new`].
///
/// # Errors
/// The server's error inside a good status, a web page, malformed JSON, no answer in it.
pub fn whole(dialect: Dialect, context: &Context, body: Bytes, created: u64) -> Result<Frame, Failure> {
    match dialect {
        Dialect::Chat | Dialect::Completion => answer::whole(context, body),
        Dialect::Embeddings => embeddings::whole(context, body),
        Dialect::Messages | Dialect::Responses => {
            if let Some(failure) = answer::not_an_answer(context, "", &body) {
                return Err(failure);
            }
            if dialect == Dialect::Messages {
                anthropic::answer::whole(context, &body, created)
            } else {
                responses::answer::whole(context, &body, created)
            }
        }
    }
}
