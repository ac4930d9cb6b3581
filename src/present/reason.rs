//! Why something failed, in as few words as a table has room for. What to do about it is in `remedy`.
//!
//! Made from the cause alone, never from the server's own words: those may quote a key.

use crate::domain::config::KeySource;
use crate::domain::failure::{Cause, ErrorCode, Failure};

/// `connection refused`, `401: the key was refused`, `no answer on connect`.
pub fn short(failure: &Failure) -> String {
    match &failure.cause {
        Cause::Other => code_words(failure.code).into(),
        cause => short_cause(cause),
    }
}

/// [`short`] where it is known whether a key was sent at all: what was never sent was not refused.
pub fn of_key(failure: &Failure, source: &KeySource) -> String {
    match (&failure.cause, source) {
        (Cause::KeyRefused { status }, KeySource::None) => format!("{status}: it asks for a key"),
        _ => short(failure),
    }
}

/// [`short`] for a cause without its failure, as a connection test's cautions have it.
pub fn short_cause(cause: &Cause) -> String {
    match cause {
        Cause::Refused => "connection refused".into(),
        Cause::ConnectTimeout => "no answer on connect".into(),
        Cause::Dns => "name not found".into(),
        Cause::Tls { .. } => "TLS failed".into(),
        Cause::Reset => "connection cut".into(),
        Cause::SilentServer => "connected, but no answer".into(),
        Cause::FirstTokenTimeout => "no first token in time".into(),
        Cause::IdleTimeout => "the stream stood still".into(),
        Cause::Deadline => "took longer than allowed".into(),
        Cause::KeyRefused { status } => format!("{status}: the key was refused"),
        Cause::KeyMissing { variable: Some(name) } => format!("no key: {} is not set", super::escape::line(name)),
        Cause::KeyMissing { variable: None } => "no key".into(),
        Cause::KeyWithheld { .. } => "key not sent to this host".into(),
        Cause::WrongPath { .. } => "wrong path in the address".into(),
        Cause::HtmlPage => "a web page, not a model server".into(),
        Cause::OtherProgram { .. } => "another program answers there".into(),
        Cause::MalformedList { .. } => "model list not readable".into(),
        Cause::NoModelLoaded => "no model loaded".into(),
        Cause::JitOff => "model not loaded, loading on demand off".into(),
        Cause::UnknownModel { .. } => "it does not have this model".into(),
        Cause::ModelCrashed => "the model crashed".into(),
        Cause::ServerError { status } => format!("server error {status}"),
        Cause::CutOff => "cut off".into(),
        Cause::TooLarge { .. } => "answer too large".into(),
        Cause::Redirect { .. } => "redirected elsewhere".into(),
        Cause::WrongReach { .. } => "address not allowed".into(),
        Cause::Other => "failed".into(),
        Cause::BoundElsewhere { .. } => "it listens elsewhere".into(),
        Cause::SpeaksTls => "it speaks TLS, the address says http".into(),
        Cause::StillLoading => "still loading its model".into(),
        Cause::OtherModel { .. } => "another model answered".into(),
        Cause::ResponseFormat => "response_format not taken".into(),
        Cause::PlanUsedUp => "the plan's window is used up".into(),
        Cause::NotSayable => "the request cannot be put to it".into(),
    }
}

/// At most nine characters, for the narrow list: `refused`, `401`, `no answer`.
pub fn note(failure: &Failure) -> String {
    match &failure.cause {
        Cause::Refused => "refused".into(),
        Cause::ConnectTimeout | Cause::SilentServer => "no answer".into(),
        Cause::Dns => "no name".into(),
        Cause::Tls { .. } | Cause::SpeaksTls => "TLS".into(),
        Cause::Reset | Cause::CutOff => "cut off".into(),
        Cause::FirstTokenTimeout | Cause::IdleTimeout | Cause::Deadline => "too slow".into(),
        Cause::KeyRefused { status } | Cause::ServerError { status } => status.to_string(),
        Cause::KeyMissing { .. } => "no key".into(),
        Cause::KeyWithheld { .. } => "not sent".into(),
        Cause::WrongPath { .. } => "path".into(),
        Cause::HtmlPage => "web page".into(),
        Cause::OtherProgram { .. } => "other".into(),
        Cause::MalformedList { .. } => "bad list".into(),
        Cause::NoModelLoaded | Cause::JitOff | Cause::UnknownModel { .. } => "no model".into(),
        Cause::ModelCrashed => "crashed".into(),
        Cause::TooLarge { .. } => "too large".into(),
        Cause::Redirect { .. } => "redirect".into(),
        Cause::WrongReach { .. } => "reach".into(),
        Cause::Other => "failed".into(),
        Cause::BoundElsewhere { .. } => "elsewhere".into(),
        Cause::StillLoading => "loading".into(),
        Cause::OtherModel { .. } => "model".into(),
        Cause::ResponseFormat => "format".into(),
        Cause::PlanUsedUp => "plan used".into(),
        Cause::NotSayable => "request".into(),
    }
}

/// An error class in words, for tables and sentences.
pub fn code_words(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Auth => "key refused",
        ErrorCode::RateLimit => "rate-limited",
        ErrorCode::Quota => "no credit left",
        ErrorCode::ContextLength => "prompt too long",
        ErrorCode::ContentFilter => "content refused",
        ErrorCode::InvalidRequest => "invalid request",
        ErrorCode::NotFound => "not found",
        ErrorCode::Timeout => "time-out",
        ErrorCode::Network => "network",
        ErrorCode::Overloaded => "overloaded",
        ErrorCode::Upstream => "server error",
        ErrorCode::BadAnswer => "bad answer",
        ErrorCode::EmptyAnswer => "empty answer",
        ErrorCode::ModelLoadFailed => "load failed",
        ErrorCode::QueueFull => "queue full",
        ErrorCode::Budget => "over budget",
        ErrorCode::Denied => "denied",
        ErrorCode::NoRoute => "no route",
        ErrorCode::Cancelled => "cancelled",
        ErrorCode::Internal => "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_never_sent_was_not_refused() {
        let failure = Failure::new(ErrorCode::Auth, Cause::KeyRefused { status: 401 }, "");
        assert_eq!(of_key(&failure, &KeySource::None), "401: it asks for a key");
        assert_eq!(of_key(&failure, &KeySource::File { tail: None }), "401: the key was refused");
    }

    #[test]
    fn a_reason_never_repeats_the_servers_words() {
        let quoting = Failure::new(ErrorCode::Auth, Cause::KeyRefused { status: 401 }, "bad token sk-lm-SECRET");
        assert_eq!(short(&quoting), "401: the key was refused");
        assert_eq!(note(&quoting), "401");
        assert_eq!(short(&Failure::plain(ErrorCode::RateLimit, "sk-lm-SECRET")), "rate-limited");
    }
}
