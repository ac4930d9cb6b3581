//! What a server's refusal means: status and body in, one [`Failure`] out. Failures of the connection itself
//! are judged in `adapters::http`.

use super::anthropic;
use super::rate;
use super::retry_after::retry_after;
use super::words::{is_web_page, quote};
use super::z_ai;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::kind::Kind;
use crate::domain::secret::Secret;
use crate::domain::time::UnixMs;
use http::HeaderMap;
use serde_json::Value;
use std::time::Duration;

/// A whole answer that may be a refusal.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    pub kind: Kind,
    /// The path asked for, for messages.
    pub path: &'a str,
    pub status: u16,
    pub headers: &'a HeaderMap,
    /// As much of the body as was read.
    pub body: &'a [u8],
    /// Hidden wherever the server repeats them.
    pub secrets: &'a [Secret],
    pub now: UnixMs,
}

/// The parts of an error body, whatever its dialect.
#[derive(Debug, Default, PartialEq)]
pub struct ServerError {
    pub message: String,
    /// `type` or a `code` that is a word.
    words: Vec<String>,
    number: Option<u32>,
    /// Its details say what about the content was refused.
    flagged: bool,
}

impl ServerError {
    /// Reads the value of an `error` member: an object or a bare text.
    pub fn from_value(error: &Value) -> Self {
        let mut out = Self::default();
        match error {
            Value::String(text) => out.message.clone_from(text),
            Value::Object(members) => {
                if let Some(text) = members.get("message").and_then(Value::as_str) {
                    text.clone_into(&mut out.message);
                }
                for name in ["type", "code"] {
                    match members.get(name) {
                        Some(Value::String(word)) => match word.parse() {
                            Ok(number) => out.number = Some(number),
                            Err(_) => out.words.push(word.to_ascii_lowercase()),
                        },
                        Some(Value::Number(number)) => {
                            out.number = number.as_u64().and_then(|number| u32::try_from(number).ok());
                        }
                        _ => {}
                    }
                }
                // OpenRouter's, beside a status that means a refused key everywhere else.
                out.flagged = members.get("metadata").is_some_and(|details| {
                    ["reasons", "flagged_input"]
                        .iter()
                        .any(|name| details.get(name).is_some_and(|told| !told.is_null()))
                });
                if out.message.is_empty() {
                    // An object without a message (some servers nest one more) is better shown than dropped.
                    out.message = error.to_string();
                }
            }
            _ => out.message = error.to_string(),
        }
        out
    }

    /// Words that are not JSON.
    pub fn from_text(text: &[u8]) -> Self {
        Self { message: String::from_utf8_lossy(text).into_owned(), ..Self::default() }
    }

    /// The error of a whole JSON body; `None` when the body is not an error.
    pub fn in_body(body: &Value) -> Option<Self> {
        let members = body.as_object()?;
        if let Some(error) = members.get("error").filter(|error| !error.is_null()) {
            return Some(Self::from_value(error));
        }
        if members.get("object").and_then(Value::as_str) == Some("error") {
            return Some(Self::from_value(body));
        }
        None
    }

    /// The error of a body that is known to be one by its status.
    fn in_refusal(body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return Self::from_text(body);
        };
        Self::in_body(&value).unwrap_or_else(|| {
            let detail = value.get("detail").or_else(|| value.get("message")).unwrap_or(&value);
            match detail {
                Value::Object(members) if members.is_empty() => Self::default(),
                Value::Null => Self::default(),
                _ => Self::from_value(detail),
            }
        })
    }

    /// Whether its `type` or `code` is this word.
    pub(super) fn is(&self, word: &str) -> bool {
        self.has(word)
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|own| own == word)
    }
}

/// What a status of 300 and above means.
pub fn refusal(reply: &Reply<'_>) -> Failure {
    let content_type = header(reply.headers, "content-type");
    let wait = retry_after(reply.headers, reply.now);
    if (300..400).contains(&reply.status) {
        let to = quote(header(reply.headers, "location"), reply.secrets);
        let message =
            format!("{}: the server points to {}, and redirects are not followed", reply.status, or_nothing(&to));
        return Failure::new(ErrorCode::BadAnswer, Cause::Redirect { to }, message);
    }
    let error = if is_web_page(content_type, reply.body) {
        if reply.status == 404 || reply.status == 405 {
            let message = format!("{}: a web page came from {} instead of an answer", reply.status, reply.path);
            return Failure::new(ErrorCode::BadAnswer, Cause::HtmlPage, message);
        }
        // nginx says in a page that its port wants TLS.
        let tls_wanted = memchr::memmem::find(reply.body, b"plain HTTP request was sent to HTTPS port").is_some();
        let message =
            if tls_wanted { "the plain HTTP request was sent to HTTPS port" } else { "a web page came with it" };
        ServerError { message: message.into(), ..ServerError::default() }
    } else {
        ServerError::in_refusal(reply.body)
    };
    let failure = judge(&error, reply.kind, reply.status, reply.path, reply.secrets);
    let wait = wait.or_else(|| told_elsewhere(&failure, &error, reply));
    let may_retry = match header(reply.headers, "x-should-retry") {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    };
    let rate = rate::read(reply.headers, reply.now).map(Box::new);
    Failure { may_retry, rate, ..failure.retry_after(wait) }
}

/// A wait that stands in the words of a limit, or in the counts that came with it.
fn told_elsewhere(failure: &Failure, error: &ServerError, reply: &Reply<'_>) -> Option<Duration> {
    if failure.code != ErrorCode::RateLimit {
        return None;
    }
    in_words(failure, error, reply.kind, reply.now)
        .or_else(|| Some(rate::read(reply.headers, reply.now)?.exhausted_until(reply.now)?.since(reply.now)))
}

/// A wait that stands in the words of a limit.
fn in_words(failure: &Failure, error: &ServerError, kind: Kind, now: UnixMs) -> Option<Duration> {
    (failure.code == ErrorCode::RateLimit && kind == Kind::ZAiGlm)
        .then(|| z_ai::wait(error.number, &error.message, now))
        .flatten()
}

/// What an error inside a good status means.
pub fn inside(error: &ServerError, kind: Kind, path: &str, secrets: &[Secret], now: UnixMs) -> Failure {
    let failure = judge(error, kind, 200, path, secrets);
    let wait = in_words(&failure, error, kind, now);
    failure.retry_after(wait)
}

fn judge(error: &ServerError, kind: Kind, status: u16, path: &str, secrets: &[Secret]) -> Failure {
    let words = quote(&error.message, secrets);
    // A number in the body tells the status that the transport hid behind a 200.
    let meant = match error.number {
        Some(number @ 400..=599) if status < 400 => u16::try_from(number).unwrap_or(status),
        _ => status,
    };
    let z_ai = error.number.filter(|_| kind == Kind::ZAiGlm);
    let z_ai = z_ai.and_then(|number| z_ai::business_code(number).map(|(code, summary)| (number, code, summary)));
    let own = || {
        let (code, cause, summary) = (kind == Kind::Anthropic).then(|| anthropic::errors::judge(error, meant))??;
        Some((code, cause, summary.to_owned()))
    };
    let (code, cause, summary) = match z_ai {
        Some((_, ErrorCode::NotFound, summary)) => {
            (ErrorCode::NotFound, Cause::UnknownModel { offered: Vec::new() }, summary.to_owned())
        }
        Some((number, code, summary)) => (code, z_ai::cause(number, code, status), summary.to_owned()),
        None => own()
            .or_else(|| by_words(error, path, secrets))
            .or_else(|| by_type(error, meant))
            .unwrap_or_else(|| by_status(meant, path)),
    };
    let prefix = if status < 400 { String::new() } else { format!("{status}: ") };
    let quoted = if words.is_empty() { String::new() } else { format!(" ({words})") };
    Failure::new(code, cause, format!("{prefix}{summary}{quoted}"))
}

type Verdict = (ErrorCode, Cause, String);

fn verdict(code: ErrorCode, cause: Cause, summary: &str) -> Verdict {
    (code, cause, summary.to_owned())
}

/// LM Studio and llama.cpp say it in sentences whose wording varies by build: only pieces are matched.
fn by_words(error: &ServerError, path: &str, secrets: &[Secret]) -> Option<Verdict> {
    let text = error.message.to_ascii_lowercase();
    let says = |piece: &str| text.contains(piece);
    if says("unexpected endpoint") {
        let cause = Cause::WrongPath { path: path.to_owned() };
        return Some((ErrorCode::NotFound, cause, format!("the server knows no {path}")));
    }
    let too_long = [
        "n_ctx",
        "exceeds the available context",
        "maximum context length",
        "prompt is too long",
        "context the overflows",
    ];
    if error.has("context_length_exceeded")
        || error.has("exceed_context_size_error")
        || too_long.iter().any(|piece| says(piece))
        || (says("context length") && (says("exceed") || says("longer") || says("too long")))
    {
        return Some(verdict(ErrorCode::ContextLength, Cause::Other, "the prompt is longer than the model's context"));
    }
    if says("no models loaded") {
        return Some(verdict(ErrorCode::NotFound, Cause::NoModelLoaded, "no model is loaded"));
    }
    if says("failed to load model") {
        return Some(verdict(ErrorCode::ModelLoadFailed, Cause::Other, "the model could not be loaded"));
    }
    if says("model is unloaded") || says("model unloaded") || says("model has crashed") {
        return Some(verdict(ErrorCode::Upstream, Cause::ModelCrashed, "the model stopped while it worked"));
    }
    if says("loading model") {
        return Some(verdict(ErrorCode::Overloaded, Cause::StillLoading, "the model is still loading"));
    }
    if says("response_format") && says("must be") {
        let cause = Cause::ResponseFormat;
        return Some(verdict(ErrorCode::InvalidRequest, cause, "the server does not take this response_format"));
    }
    if says("http request") && says("https") && (says("port") || says("server")) {
        let cause = Cause::SpeaksTls;
        return Some(verdict(ErrorCode::BadAnswer, cause, "the server speaks TLS there, and the address says http"));
    }
    let unknown = says("model") && (says("not found") || says("does not exist") || says("invalid model identifier"));
    if error.has("model_not_found") || unknown {
        let cause = Cause::UnknownModel { offered: offered(&error.message, secrets) };
        return Some(verdict(ErrorCode::NotFound, cause, "the model is not known there"));
    }
    None
}

/// The types and codes of OpenAI, Anthropic, OpenRouter and those who follow them.
fn by_type(error: &ServerError, status: u16) -> Option<Verdict> {
    let has = |words: &[&str]| words.iter().any(|word| error.has(word));
    let server = Cause::ServerError { status };
    Some(if has(&["insufficient_quota", "billing_error", "billing_hard_limit_reached"]) || status == 402 {
        verdict(ErrorCode::Quota, Cause::Other, "no credit left")
    } else if has(&["content_filter", "content_policy_violation"]) || error.flagged {
        verdict(ErrorCode::ContentFilter, Cause::Other, "the content was refused")
    } else if has(&["invalid_api_key", "authentication_error", "permission_error"]) {
        let status = if status == 403 { 403 } else { 401 };
        verdict(ErrorCode::Auth, Cause::KeyRefused { status }, "the key was refused")
    } else if has(&["rate_limit_error", "rate_limit_exceeded"]) {
        verdict(ErrorCode::RateLimit, Cause::Other, "too many requests")
    } else if has(&["overloaded_error"]) || status == 529 {
        verdict(ErrorCode::Overloaded, server, "the server is busy")
    } else if has(&["timeout_error"]) {
        verdict(ErrorCode::Timeout, server, "the server ran out of time")
    } else if status < 400 && has(&["invalid_request_error", "invalid_request", "missing_required_parameter"]) {
        verdict(ErrorCode::InvalidRequest, Cause::Other, "the request was refused")
    } else if has(&["request_too_large"]) {
        verdict(ErrorCode::InvalidRequest, server, "the request is larger than the server takes")
    } else {
        return None;
    })
}

fn by_status(status: u16, path: &str) -> Verdict {
    let server = Cause::ServerError { status };
    match status {
        401 | 403 => verdict(ErrorCode::Auth, Cause::KeyRefused { status }, "the key was refused"),
        404 | 405 => {
            let cause = Cause::WrongPath { path: path.to_owned() };
            (ErrorCode::NotFound, cause, format!("the server knows no {path}"))
        }
        408 | 504 => verdict(ErrorCode::Timeout, server, "the server ran out of time"),
        429 => verdict(ErrorCode::RateLimit, Cause::Other, "too many requests"),
        400..=499 => verdict(ErrorCode::InvalidRequest, server, "the request was refused"),
        503 => verdict(ErrorCode::Overloaded, server, "the server is busy"),
        _ => verdict(ErrorCode::Upstream, server, "the server failed"),
    }
}

/// The models that LM Studio names after `Your models:`.
fn offered(message: &str, secrets: &[Secret]) -> Vec<String> {
    let Some((_, list)) = message.split_once("Your models:") else {
        return Vec::new();
    };
    list.split(['\n', ',', ' ', '"'])
        .map(|name| name.trim_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '.' | '*')))
        .filter(|name| !name.is_empty())
        .take(20)
        .map(|name| quote(name, secrets))
        .collect()
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nowhere" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(kind: Kind, status: u16, body: &str) -> Failure {
        let mut headers = HeaderMap::new();
        if body.starts_with('<') {
            headers.insert("content-type", "text/html; charset=utf-8".parse().unwrap());
        }
        refusal(&Reply {
            kind,
            path: "/v1/chat/completions",
            status,
            headers: &headers,
            body: body.as_bytes(),
            secrets: &[Secret::new("mysecretkey0123")],
            now: UnixMs(0),
        })
    }

    #[test]
    #[rustfmt::skip]
    fn each_server_s_words_become_one_class() {
        use ErrorCode as E;
        for (kind, status, body, code) in [
            (Kind::LmStudio, 404, r#"{"error":{"message":"No models loaded. Please load","type":"invalid_request_error","param":"model","code":null}}"#, E::NotFound),
            (Kind::LmStudio, 404, r#"{"error":{"message":"Model \"x\" not found. Your models: a/b, c","code":"model_not_found"}}"#, E::NotFound),
            (Kind::LmStudio, 400, r#"{"error":"Failed to load model \"x\". Error: Operation canceled."}"#, E::ModelLoadFailed),
            (Kind::LmStudio, 400, r#"{"error":"(n_keep: 9000>= n_ctx: 4096)"}"#, E::ContextLength),
            (Kind::LmStudio, 400, r#"{"error":"'response_format.type' must be 'json_schema' or 'text'"}"#, E::InvalidRequest),
            (Kind::LmStudio, 500, r#"{"error":"The model has crashed without additional information. (Exit code: 6)"}"#, E::Upstream),
            (Kind::LmStudio, 404, r#"{"error":"Unexpected endpoint or method. (POST /chat/completions)"}"#, E::NotFound),
            (Kind::LmStudio, 401, r#"{"error":{"type":"invalid_request","code":"invalid_api_key","message":"An LM Studio API token is required"}}"#, E::Auth),
            (Kind::LlamaCpp, 400, r#"{"error":{"code":400,"type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":4,"message":"too big"}}"#, E::ContextLength),
            (Kind::LlamaCpp, 503, r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#, E::Overloaded),
            (Kind::Ollama, 404, r#"{"error":{"message":"model \"x\" not found","type":"not_found_error","param":null,"code":null}}"#, E::NotFound),
            (Kind::Vllm, 404, r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","code":404}"#, E::NotFound),
            (Kind::Vllm, 400, r#"{"error":{"message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","code":400}}"#, E::ContextLength),
            (Kind::ZAiGlm, 429, r#"{"error":{"code":"1113","message":"Insufficient balance"}}"#, E::Quota),
            (Kind::ZAiGlm, 429, r#"{"error":{"code":"1302","message":"High concurrency"}}"#, E::RateLimit),
            (Kind::ZAiGlm, 429, r#"{"error":{"code":"1305","message":"overloaded"}}"#, E::Overloaded),
            (Kind::ZAiGlm, 400, r#"{"error":{"code":"1211","message":"Unknown Model"}}"#, E::NotFound),
            (Kind::ZAiGlm, 400, r#"{"error":{"code":"1261","message":"Prompt exceeds max length"}}"#, E::ContextLength),
            (Kind::ZAiGlm, 400, r#"{"error":{"code":"1301","message":"unsafe"}}"#, E::ContentFilter),
            (Kind::ZAiGlm, 401, r#"{"error":{"code":"1001","message":"no token"}}"#, E::Auth),
            (Kind::Openai, 429, r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#, E::Quota),
            (Kind::Openai, 429, r#"{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}"#, E::RateLimit),
            (Kind::Openai, 400, r#"{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}"#, E::ContextLength),
            (Kind::Openai, 400, r#"{"error":{"message":"Unsupported parameter: 'max_tokens'","type":"invalid_request_error","code":"unsupported_parameter"}}"#, E::InvalidRequest),
            (Kind::Anthropic, 529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, E::Overloaded),
            (Kind::Anthropic, 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 4"}}"#, E::ContextLength),
            (Kind::Openrouter, 402, r#"{"error":{"code":402,"message":"Insufficient credits"}}"#, E::Quota),
            (Kind::OpenaiCompatible, 500, "boom", E::Upstream),
            (Kind::OpenaiCompatible, 502, "<html>bad gateway</html>", E::Upstream),
            (Kind::OpenaiCompatible, 404, "<!DOCTYPE html><title>no</title>", E::BadAnswer),
            (Kind::OpenaiCompatible, 422, r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#, E::InvalidRequest),
            (Kind::OpenaiCompatible, 418, "", E::InvalidRequest),
        ] {
            let failure = judged(kind, status, body);
            assert_eq!(failure.code, code, "{body}: {failure:?}");
            assert!(failure.message.starts_with(&format!("{status}: ")), "{failure:?}");
        }
    }

    #[test]
    fn an_error_behind_a_200_keeps_its_own_number() {
        let error = |json: &str| ServerError::from_value(&serde_json::from_str(json).unwrap());
        let limited = inside(&error(r#"{"code":429,"message":"slow"}"#), Kind::Openrouter, "/x", &[], UnixMs(0));
        assert_eq!((limited.code, limited.message.as_str()), (ErrorCode::RateLimit, "too many requests (slow)"));
        let lost = inside(&error(r#""Unexpected endpoint or method. (GET /x)""#), Kind::LmStudio, "/x", &[], UnixMs(0));
        assert_eq!(lost.cause, Cause::WrongPath { path: "/x".into() });
        assert_eq!(inside(&error(r#"{"odd":true}"#), Kind::Vllm, "/x", &[], UnixMs(0)).code, ErrorCode::Upstream);
    }

    #[test]
    fn the_models_lm_studio_offers_instead_are_named() {
        let failure = judged(
            Kind::LmStudio,
            404,
            r#"{"error":{"message":"Model \"x\" not found. Your models:\n- a/b\n- c","code":"model_not_found"}}"#,
        );
        assert_eq!(failure.cause, Cause::UnknownModel { offered: vec!["a/b".into(), "c".into()] });
    }

    #[test]
    fn a_key_in_the_server_s_words_is_hidden() {
        let failure =
            judged(Kind::Openai, 401, r#"{"error":{"message":"bad key mysecretkey0123","code":"invalid_api_key"}}"#);
        assert_eq!(failure.message, "401: the key was refused (bad key [hidden])");
        let listed = r#"{"error":{"message":"Model \"x\" not found. Your models: a/b, mysecretkey0123"}}"#;
        let failure = judged(Kind::LmStudio, 404, listed);
        assert_eq!(failure.cause, Cause::UnknownModel { offered: vec!["a/b".into(), "[hidden]".into()] });
    }

    #[test]
    fn a_redirect_says_where_it_points() {
        let mut headers = HeaderMap::new();
        headers.insert("location", "https://elsewhere.example/".parse().unwrap());
        let failure = refusal(&Reply {
            kind: Kind::Ollama,
            path: "/v1/models",
            status: 302,
            headers: &headers,
            body: b"",
            secrets: &[],
            now: UnixMs(0),
        });
        assert_eq!(failure.cause, Cause::Redirect { to: "https://elsewhere.example/".into() });
    }

    #[test]
    fn wait_wishes_are_passed_on() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "3".parse().unwrap());
        let reply = Reply {
            kind: Kind::Openai,
            path: "/v1/x",
            status: 429,
            headers: &headers,
            body: b"{}",
            secrets: &[],
            now: UnixMs(0),
        };
        assert_eq!(refusal(&reply).retry_after_ms, Some(3000));
    }
}
