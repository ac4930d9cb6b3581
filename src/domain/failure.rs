//! Why something did not work: one table for HTTP status, exit code, retry and breaker, and the finer
//! cause that decides which remedy is shown.
//!
//! The words for people are made from these values in `present::remedy`, once for all front ends.

use super::ids::ProviderId;
use super::rate::RateState;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The class of an error; stable names in JSON, in the ledger and in the gateway's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    Auth,
    RateLimit,
    Quota,
    ContextLength,
    ContentFilter,
    InvalidRequest,
    NotFound,
    Timeout,
    Network,
    Overloaded,
    Upstream,
    BadAnswer,
    EmptyAnswer,
    ModelLoadFailed,
    QueueFull,
    Budget,
    Denied,
    NoRoute,
    Cancelled,
    Internal,
}

/// What one [`ErrorCode`] means everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    pub word: &'static str,
    /// Status of the gateway's answer.
    pub http: u16,
    /// Exit code of a command that ended in it.
    pub exit: u8,
    /// The same target may be tried again.
    pub retry_same: bool,
    /// The next target of the chain may be tried.
    pub next_target: bool,
    /// It counts against the target's breaker.
    pub breaker: bool,
    /// What to do when nothing more precise is known.
    pub advice: &'static str,
}

impl ErrorCode {
    pub const ALL: [Self; 20] = [
        Self::Auth,
        Self::RateLimit,
        Self::Quota,
        Self::ContextLength,
        Self::ContentFilter,
        Self::InvalidRequest,
        Self::NotFound,
        Self::Timeout,
        Self::Network,
        Self::Overloaded,
        Self::Upstream,
        Self::BadAnswer,
        Self::EmptyAnswer,
        Self::ModelLoadFailed,
        Self::QueueFull,
        Self::Budget,
        Self::Denied,
        Self::NoRoute,
        Self::Cancelled,
        Self::Internal,
    ];

    #[rustfmt::skip]
    pub fn class(self) -> Class {
        let row = |word, http, exit, retry_same, next_target, breaker, advice| Class { word, http, exit, retry_same, next_target, breaker, advice };
        match self {
            Self::Auth => row("auth", 401, 4, false, true, false, "check the provider's key: lmdeck health says which"),
            Self::RateLimit => row("rate_limit", 429, 4, true, true, false, "wait, or let another provider take it: lmdeck routes explain"),
            Self::Quota => row("quota", 429, 4, false, true, false, "the account has no credit left: top it up, or use another provider"),
            Self::ContextLength => row("context_length", 400, 1, false, true, false, "shorten the prompt, or choose a model with a larger context"),
            Self::ContentFilter => row("content_filter", 400, 1, false, false, false, "the vendor refused the content: change the prompt"),
            Self::InvalidRequest => row("invalid_request", 400, 1, false, false, false, "mend the request: the message names the field"),
            Self::NotFound => row("not_found", 404, 4, false, true, false, "choose a model the provider lists: lmdeck models list"),
            Self::Timeout => row("timeout", 504, 4, true, true, true, "the server took too long: look at its load, or raise the provider's time-outs"),
            Self::Network => row("network", 502, 4, true, true, true, "check the address and the network: lmdeck health says whose"),
            Self::Overloaded => row("overloaded", 503, 4, true, true, true, "the server is busy: try again, or add a second target"),
            Self::Upstream => row("upstream", 502, 4, true, true, true, "the server failed: look at its log"),
            Self::BadAnswer => row("bad_answer", 502, 4, true, true, true, "the answer was not what this kind of server sends: check address and kind"),
            Self::EmptyAnswer => row("empty_answer", 502, 4, true, true, true, "the model answered nothing: check its context length and max_tokens"),
            Self::ModelLoadFailed => row("model_load_failed", 503, 4, false, true, true, "the server could not load the model: look at its memory and its log"),
            Self::QueueFull => row("queue_full", 503, 4, false, false, false, "too many calls wait: try again later, or raise limits.queue"),
            Self::Budget => row("budget", 402, 5, false, false, false, "ask a local model, or look at the day's limit: lmdeck budget"),
            Self::Denied => row("denied", 403, 5, false, false, false, "a rule forbids this call: lmdeck routes explain says which"),
            Self::NoRoute => row("no_route", 503, 4, false, false, false, "no target can take this call now: lmdeck routes explain says why"),
            Self::Cancelled => row("cancelled", 499, 1, false, false, false, "the caller stopped it"),
            Self::Internal => row("internal", 500, 1, false, false, false, "a fault in lmdeck: lmdeck logs has the details"),
        }
    }

    /// The advice where it is known which provider it is about.
    pub fn advice_at(self, provider: &ProviderId) -> String {
        let advice = self.class().advice;
        match (self, advice.split_once(':')) {
            (Self::Auth | Self::Network, Some((what, _))) => format!("{what}: lmdeck providers doctor {provider}"),
            _ => advice.to_owned(),
        }
    }

    pub fn word(self) -> &'static str {
        self.class().word
    }
}

/// What exactly was seen, as far as it decides which remedy helps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// Nothing listens at the address.
    Refused,
    /// No answer to the connection attempt: a firewall, a wrong host, a machine that is off.
    ConnectTimeout,
    /// The name cannot be resolved.
    Dns,
    /// The TLS handshake failed; the text says how. `certificate`: the server speaks TLS, and what it shows is
    /// not accepted.
    Tls {
        detail: String,
        #[serde(default)]
        certificate: bool,
    },
    /// The connection was cut.
    Reset,
    /// Connected, but no first byte in time.
    SilentServer,
    /// The first token did not come in time.
    FirstTokenTimeout,
    /// The stream stood still for too long.
    IdleTimeout,
    /// The whole call passed its deadline.
    Deadline,
    /// 401 or 403: the key was refused.
    KeyRefused { status: u16 },
    /// A key is needed and none is known; the variable it would come from.
    KeyMissing { variable: Option<String> },
    /// The key is not sent to this host: it is not its vendor's, loopback or private.
    KeyWithheld { host: String },
    /// 404 on the model list, `/v1/v1`, a missing `/v1`, or LM Studio's 200 "Unexpected endpoint".
    WrongPath { path: String },
    /// A web page came where JSON was expected.
    HtmlPage,
    /// Another program answers on this port; what it looks like, where known.
    OtherProgram { looks_like: Option<String> },
    /// The list of models was there but not readable.
    MalformedList { detail: String },
    /// The server runs and holds no model.
    NoModelLoaded,
    /// The model was not loaded and the server does not load on demand.
    JitOff,
    /// The server does not know the model; what it offers instead.
    UnknownModel { offered: Vec<String> },
    /// The server lost the model while it worked.
    ModelCrashed,
    /// The server's answer held an error of its own.
    ServerError { status: u16 },
    /// The stream ended without its end mark.
    CutOff,
    /// An answer larger than lmdeck keeps in memory.
    TooLarge { limit_bytes: u64 },
    /// Redirects are not followed; where it pointed.
    Redirect { to: String },
    /// The connection went to an address that the rules or the profile do not allow.
    WrongReach { address: String },
    /// Nothing finer is known.
    Other,
    /// The server runs, but at another place of this machine than the address says; where, as in
    /// `127.0.0.1 port 1235`.
    BoundElsewhere { host: String, port: u16 },
    /// The address says `http`, and the server speaks TLS there.
    SpeaksTls,
    /// The server is up and reads the model into memory.
    StillLoading,
    /// The server answered with another model than it was asked for.
    OtherModel { asked: String, answered: String },
    /// The server does not take this `response_format`.
    ResponseFormat,
    /// The account's plan counts over a window, and nothing of it is left.
    PlanUsedUp,
    /// The target's dialect has no word for a part of the request; another target may have one. Nothing was sent.
    NotSayable,
}

impl Cause {
    /// The connection was cut, or the stream ended before its end.
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::CutOff | Self::Reset)
    }

    /// Nobody got the request: it was not sent, or no connection came about.
    pub fn never_arrived(&self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::ConnectTimeout
                | Self::BoundElsewhere { .. }
                | Self::SpeaksTls
                | Self::Dns
                | Self::Tls { .. }
                | Self::WrongReach { .. }
                | Self::NotSayable
        )
    }
}

/// A failure on its way to a person: class, cause, and the server's own words where it had any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: ErrorCode,
    #[serde(flatten)]
    pub cause: Cause,
    /// One sentence. May quote the server: untrusted, escape it before a terminal sees it.
    pub message: String,
    /// The vendor's wish from `Retry-After` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Whether the same request may be tried again, where that is known better than by the class: the vendor's own
    /// word (`x-should-retry`), or an answer that would come, and be billed, in the same wrong form again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_retry: Option<bool>,
    /// What the refusal said of the account's limits, for who keeps them; no part of the failure for people.
    #[serde(skip)]
    pub rate: Option<Box<RateState>>,
}

impl Failure {
    pub fn new(code: ErrorCode, cause: Cause, message: impl Into<String>) -> Self {
        Self { code, cause, message: message.into(), retry_after_ms: None, may_retry: None, rate: None }
    }

    pub fn plain(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(code, Cause::Other, message)
    }

    /// The server does not have the model that was named.
    pub fn is_unknown_model(&self) -> bool {
        self.code == ErrorCode::NotFound && matches!(self.cause, Cause::UnknownModel { .. })
    }

    pub fn cancelled() -> Self {
        Self::plain(ErrorCode::Cancelled, "stopped by the caller")
    }

    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Whether a second try at the same target makes sense: by the vendor's word, else by class, and never for
    /// causes that stay as they are (refused, DNS, TLS).
    pub fn retry_same(&self) -> bool {
        self.may_retry.unwrap_or(self.code.class().retry_same)
            && !matches!(
                self.cause,
                Cause::Refused
                    | Cause::BoundElsewhere { .. }
                    | Cause::SpeaksTls
                    | Cause::Dns
                    | Cause::Tls { .. }
                    | Cause::Redirect { .. }
                    | Cause::WrongReach { .. }
            )
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.word(), self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_serialised_form_and_unlike_each_other() {
        let mut seen = std::collections::HashSet::new();
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
            assert!(seen.insert(code.word()));
            assert!(!code.class().advice.is_empty());
        }
    }

    #[test]
    fn a_caller_s_own_mistake_never_opens_a_breaker() {
        for code in [ErrorCode::InvalidRequest, ErrorCode::RateLimit, ErrorCode::Cancelled, ErrorCode::ContextLength] {
            assert!(!code.class().breaker, "{code:?}");
        }
    }

    #[test]
    fn what_cannot_change_is_not_tried_twice_on_the_same_target() {
        let refused = Failure::new(ErrorCode::Network, Cause::Refused, "x");
        let reset = Failure::new(ErrorCode::Network, Cause::Reset, "x");
        assert!(!refused.retry_same());
        assert!(reset.retry_same());
        assert!(!Failure { may_retry: Some(false), ..reset }.retry_same(), "the vendor says no");
        assert!(!Failure { may_retry: Some(true), ..refused }.retry_same(), "nobody was there to say so");
        let conflict = Failure::plain(ErrorCode::InvalidRequest, "x");
        assert!(Failure { may_retry: Some(true), ..conflict }.retry_same(), "the vendor says yes");
    }
}
