//! Replies without a fault in them.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;
pub(super) type Reply = Response<Body>;

const JSON: &str = "application/json; charset=utf-8";

pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(super) fn with(status: u16, content_type: &str, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    set(&mut reply, "content-type", content_type);
    reply
}

/// Sets a header; what is no header is left out.
pub(super) fn set(reply: &mut Reply, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        reply.headers_mut().insert(name, value);
    }
}

pub(super) fn json(status: u16, value: &Value) -> Reply {
    with(status, JSON, whole(value.to_string()))
}

/// Two spaces a level, as LM Studio's `/api/v0` writes.
pub(super) fn pretty(value: &Value) -> Reply {
    with(200, JSON, whole(format!("{value:#}")))
}

pub(super) fn text(status: u16, text: impl Into<Bytes>) -> Reply {
    with(status, "text/plain; charset=utf-8", whole(text))
}

/// A body whose first letter says what it is.
pub(super) fn guessed(status: u16, body: String) -> Reply {
    let content_type = match body.as_bytes().first() {
        Some(b'{' | b'[') => JSON,
        Some(b'<') => "text/html; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    with(status, content_type, whole(body))
}
