//! `POST /v1/chat/completions`: facts out of the request, the request to the engine, its bytes back.
//!
//! Everything is held until the engine says which target answers, so that a failure before that is an answer
//! with its own status. A streamed request that is held for long gets its 200 and comments instead, and a
//! failure after that is an event of the stream.

use super::body::{self, BodyBounds};
use super::call_body::CallBody;
use super::chat_shape::ChatShape;
use super::labels;
use super::problem::Problem;
use super::router::Gateway;
use crate::domain::cache_key::CacheWish;
use crate::domain::call::{Body as CallContent, CallRequest, Facts};
use crate::domain::failure::{ErrorCode, Failure};
use crate::domain::ids::Target;
use crate::engine::protocol::{CallEvent, CallHead, CallOutcome};
use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use hyper::body::Incoming;
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;

/// As many as an answer has, so that their map need not grow.
const USUAL_HEADERS: usize = 12;

/// Characters of a request per token, roughly, in English and JSON.
pub const BYTES_PER_TOKEN: u64 = 4;

pub async fn completions(gateway: Arc<Gateway>, request: Request<Incoming>) -> Response {
    let (parts, body) = request.into_parts();
    let read = async {
        let json = body::read_text(body, &parts.headers, BodyBounds::of(&gateway.options)).await?;
        call_request(json, &parts)
    };
    match read.await {
        Ok(request) => answer(gateway, request).await,
        Err(problem) => problem.response(),
    }
}

/// Carries a call out and answers with its bytes, held until a target answers.
pub async fn answer(gateway: Arc<Gateway>, request: CallRequest) -> Response {
    let stream = request.facts.stream;
    let mut call = gateway.handle.dispatch(request);
    if !stream {
        return match opening(&mut call).await {
            Ok(head) => settled(&gateway, call, head).await,
            Err(ended) => ended.response(&gateway),
        };
    }
    match tokio::time::timeout(gateway.options.hold, opening(&mut call)).await {
        Ok(Ok(head)) if head.stream => streamed(&head, CallBody::opened(gateway, call)),
        Ok(Ok(head)) => settled(&gateway, call, head).await,
        Ok(Err(ended)) => ended.response(&gateway),
        Err(_) => held(CallBody::held(gateway, call)),
    }
}

fn call_request(json: String, head: &Parts) -> Result<CallRequest, Problem> {
    let shape = ChatShape::read(&json)?;
    let mut facts = Facts {
        prompt_tokens: json.len() as u64 / BYTES_PER_TOKEN,
        max_tokens: shape.max_tokens,
        stream: shape.stream,
        has_tools: shape.has_tools,
        has_images: shape.has_images,
        wants_json: shape.wants_json,
        requested_model: shape.model,
        ..Facts::default()
    };
    labels::from_metadata(&mut facts, &shape.metadata)?;
    if shape.at_zero {
        facts.cache = CacheWish::Sober;
    }
    labels::from_head(&mut facts, head)?;
    Ok(CallRequest { facts, body: CallContent::RawOpenaiChat { json }, wants_usage: shape.wants_usage })
}

/// How a call ended without an answer.
struct Ended(Option<Box<CallOutcome>>);

impl Ended {
    fn response(self, gateway: &Gateway) -> Response {
        let problem = self.problem(gateway);
        let mut response = problem.response();
        if let Some(outcome) = &self.0 {
            outcome_headers(response.headers_mut(), outcome);
        }
        response
    }

    fn problem(&self, gateway: &Gateway) -> Problem {
        match self.0.as_deref().map(|outcome| (&outcome.failure, &outcome.record)) {
            Some((Some(failure), record)) => Problem::of_call(failure, record, &gateway.handle.snapshot()),
            Some((None, _)) => Problem::of(&Failure::plain(ErrorCode::EmptyAnswer, "the call ended without an answer")),
            None => engine_gone(),
        }
    }
}

/// The engine let go of a call without saying how it ended.
pub fn engine_gone() -> Problem {
    Problem::internal("the engine stopped in the middle of this call")
}

/// Waits until a target answers or the call ends. Nothing is lost when it is dropped half-way.
async fn opening(call: &mut Receiver<CallEvent>) -> Result<Box<CallHead>, Ended> {
    loop {
        match call.recv().await {
            Some(CallEvent::Head(head)) => return Ok(head),
            Some(CallEvent::End(outcome)) => return Err(Ended(Some(outcome))),
            Some(_) => {}
            None => return Err(Ended(None)),
        }
    }
}

/// A whole answer: kept until the call has ended, so that a half one is an error and not an answer.
async fn settled(gateway: &Gateway, mut call: Receiver<CallEvent>, head: Box<CallHead>) -> Response {
    let mut parts: Vec<Bytes> = Vec::new();
    let ended = loop {
        match call.recv().await {
            Some(CallEvent::Raw { bytes }) => parts.push(bytes),
            Some(CallEvent::End(outcome)) => break Ended(Some(outcome)),
            Some(_) => {}
            None => break Ended(None),
        }
    };
    if !matches!(&ended.0, Some(outcome) if outcome.failure.is_none()) || parts.is_empty() {
        return ended.response(gateway);
    }
    with_headers(Body::from(joined(parts)), &head)
}

fn streamed(head: &CallHead, body: CallBody) -> Response {
    let mut response = with_headers(Body::new(body), head);
    stream_headers(response.headers_mut());
    response
}

fn with_headers(body: Body, head: &CallHead) -> Response {
    let mut response = Response::new(body);
    *response.headers_mut() = HeaderMap::with_capacity(USUAL_HEADERS);
    head_headers(response.headers_mut(), head);
    response
}

/// The target is not known yet, so no header can name it.
fn held(body: CallBody) -> Response {
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    stream_headers(headers);
    response
}

fn stream_headers(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Asks a proxy in front (nginx) not to collect the events.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
}

fn head_headers(headers: &mut HeaderMap, head: &CallHead) {
    let content_type = HeaderValue::from_str(&head.content_type);
    let content_type = content_type.unwrap_or(HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(CALL_ID, header_text(head.call_id.as_str()));
    headers.insert(POLICY, header_text(&head.policy));
    headers.insert(ATTEMPTS, HeaderValue::from(head.attempts));
    target_headers(headers, &head.target);
    headers.insert(CACHE, cache_header(&head.cache));
}

/// The same headers for a call that failed, as far as it came.
pub fn outcome_headers(headers: &mut HeaderMap, outcome: &CallOutcome) {
    let record = &outcome.record;
    headers.insert(CALL_ID, header_text(record.id.as_str()));
    headers.insert(POLICY, header_text(&record.policy));
    headers.insert(ATTEMPTS, HeaderValue::from(record.attempts.len()));
    if let Some(target) = &record.target {
        target_headers(headers, target);
    }
    headers.insert(CACHE, cache_header(&record.cache));
}

const PROVIDER: HeaderName = HeaderName::from_static("x-lmdeck-provider");
const MODEL: HeaderName = HeaderName::from_static("x-lmdeck-model");
const POLICY: HeaderName = HeaderName::from_static("x-lmdeck-policy");
const CALL_ID: HeaderName = HeaderName::from_static("x-lmdeck-call-id");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-lmdeck-attempts");
const CACHE: HeaderName = HeaderName::from_static("x-lmdeck-cache");

fn target_headers(headers: &mut HeaderMap, target: &Target) {
    headers.insert(PROVIDER, header_text(target.provider.as_str()));
    headers.insert(MODEL, header_text(target.model.as_str()));
}

/// `hit`, `miss` or `off`.
fn cache_header(word: &str) -> HeaderValue {
    HeaderValue::from_static(match word {
        "hit" => "hit",
        "miss" => "miss",
        _ => "off",
    })
}

/// A text as a header's value: what a header cannot hold is percent-encoded, the percent sign too.
fn header_text(text: &str) -> HeaderValue {
    use std::fmt::Write;
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%';
    if text.bytes().all(plain) {
        return HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    }
    let mut escaped = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    HeaderValue::from_str(&escaped).unwrap_or(HeaderValue::from_static(""))
}

/// Several pieces as one; a single one as it is.
pub fn joined(mut parts: Vec<Bytes>) -> Bytes {
    if parts.len() == 1 {
        return parts.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
    for part in &parts {
        whole.extend_from_slice(part);
    }
    whole.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_with_an_odd_name_still_fits_into_a_header() {
        assert_eq!(header_text("qwen3:4b"), "qwen3:4b");
        assert_eq!(header_text("模 \n100%"), "%E6%A8%A1 %0A100%25");
    }
}
