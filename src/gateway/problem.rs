//! A refusal or failure in the OpenAI shape: status, error object, headers that steer a client's retries.

use crate::domain::call::CallRecord;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::engine::protocol::Snapshot;
use crate::present::remedy::text_of_call;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub status: StatusCode,
    /// OpenAI's coarse class, as in `invalid_request_error`.
    pub kind: &'static str,
    /// What programs look at: OpenAI's code where it has one, else the class's own word.
    pub code: &'static str,
    /// The field it is about.
    pub param: Option<String>,
    pub message: String,
    /// In milliseconds, where a wait is known to help.
    pub retry_after_ms: Option<u64>,
    /// `Some(false)`: the same request can only fail again.
    pub retry: Option<bool>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code, param: None, message: message.into(), retry_after_ms: None, retry: None }
    }

    /// The request itself is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", "invalid_request", message)
    }

    pub fn about(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    pub fn too_large(limit: usize) -> Self {
        let mib = limit / (1024 * 1024);
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalid_request_error",
            "request_too_large",
            format!("the body is larger than {mib} MiB ({limit} bytes): send less at once"),
        )
    }

    pub fn body_timeout() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "invalid_request_error",
            "timeout",
            "the body stopped half-way: send the whole request",
        )
    }

    pub fn no_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_request_error",
            "invalid_api_key",
            "the gateway needs one of its keys: send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY' \
             (gateway.api_keys in lmdeck's configuration)",
        )
    }

    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "invalid_request_error", code, message)
    }

    pub fn no_such_route(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", "unknown_route", message)
    }

    pub fn wrong_method(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", "method_not_allowed", message)
    }

    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", code, message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "unavailable", message)
    }

    pub fn internal(message: impl std::fmt::Display) -> Self {
        Self::of(&Failure::plain(ErrorCode::Internal, message.to_string()))
    }

    /// A failure that is no provider's.
    pub fn of(failure: &Failure) -> Self {
        Self::advised(failure, failure.code.class().advice)
    }

    /// A call's failure, with what to do about the provider that failed it.
    pub fn of_call(failure: &Failure, record: &CallRecord, snapshot: &Snapshot) -> Self {
        Self::advised(failure, &text_of_call(failure, record, &snapshot.providers))
    }

    fn advised(failure: &Failure, advice: &str) -> Self {
        let (kind, code) = words(failure);
        let said = failure.message.trim_end_matches('.');
        let message = if failure.code == ErrorCode::ContextLength {
            // Clients know an overflow by these first words.
            format!("This model's maximum context length is shorter than this request: {said}; {advice}")
        } else {
            format!("{said}; {advice}")
        };
        Self {
            retry_after_ms: failure.retry_after_ms.or((failure.code == ErrorCode::QueueFull).then_some(1000)),
            retry: hopeless(failure.code).then_some(false),
            ..Self::new(status(failure), kind, code, message)
        }
    }

    pub fn json(&self) -> Value {
        json!({ "error": { "message": self.message, "type": self.kind, "param": self.param, "code": self.code } })
    }

    /// As one event of a stream that has begun.
    pub fn event(&self) -> Bytes {
        format!("data: {}\n\n", self.json()).into()
    }

    pub fn response(&self) -> Response<Body> {
        self.response_with(&self.json())
    }

    /// The same status and headers around another body.
    pub fn response_with(&self, body: &Value) -> Response<Body> {
        let mut response = json_response(self.status, body);
        let headers = response.headers_mut();
        if let Some(ms) = self.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
        }
        if let Some(retry) = self.retry {
            let word = if retry { "true" } else { "false" };
            headers.insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static(word));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The HTTP status of a failed call. A key that a vendor refused is lmdeck's affair, not the caller's: as a 401
/// it would make every client report the caller's own key.
pub fn status(failure: &Failure) -> StatusCode {
    let number = if failure.code == ErrorCode::Auth { 502 } else { failure.code.class().http };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// `value` as a JSON answer.
pub fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn words(failure: &Failure) -> (&'static str, &'static str) {
    let own = failure.code.word();
    match failure.code {
        ErrorCode::ContextLength => ("invalid_request_error", "context_length_exceeded"),
        ErrorCode::NotFound if matches!(failure.cause, Cause::WrongPath { .. }) => ("invalid_request_error", own),
        ErrorCode::NotFound => ("invalid_request_error", "model_not_found"),
        ErrorCode::InvalidRequest | ErrorCode::ContentFilter => ("invalid_request_error", own),
        ErrorCode::RateLimit => ("rate_limit_error", "rate_limit_exceeded"),
        ErrorCode::Quota => ("insufficient_quota", "insufficient_quota"),
        ErrorCode::Auth => ("server_error", "upstream_auth"),
        ErrorCode::Denied | ErrorCode::Budget => ("permission_error", own),
        _ => ("server_error", own),
    }
}

/// Nothing changes by asking again soon, although the status would invite a client to.
fn hopeless(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::Auth | ErrorCode::Quota | ErrorCode::Budget | ErrorCode::Denied | ErrorCode::Cancelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_status_that_fits_its_class_and_never_blames_the_caller_s_key() {
        for code in ErrorCode::ALL {
            let problem = Problem::of(&Failure::plain(code, "it broke"));
            assert!(problem.status.is_client_error() || problem.status.is_server_error(), "{code:?}");
            assert_ne!(problem.status, StatusCode::UNAUTHORIZED, "{code:?}");
            assert!(problem.message.contains("it broke") && problem.message.contains(code.class().advice));
        }
    }

    #[test]
    fn a_wait_is_given_in_whole_seconds_rounded_up() {
        let failure =
            Failure::plain(ErrorCode::RateLimit, "slow down").retry_after(Some(std::time::Duration::from_millis(1200)));
        let response = Problem::of(&failure).response();
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.status(), 429);
    }

    #[test]
    fn an_event_is_one_line_whatever_the_message_holds() {
        let event = Problem::invalid("two\nlines").event();
        let text = std::str::from_utf8(&event).unwrap();
        assert!(text.starts_with("data: {") && text.ends_with("}\n\n"));
        assert_eq!(text.trim_end().lines().count(), 1);
    }
}
