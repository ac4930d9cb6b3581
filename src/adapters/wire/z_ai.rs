//! Z.AI's own numbers for what went wrong; they say more than its HTTP statuses do.

use crate::domain::failure::{Cause, ErrorCode};

/// Class and summary of a business code; `None` when the code is not Z.AI's.
pub fn business_code(code: u32) -> Option<(ErrorCode, &'static str)> {
    Some(match code {
        500 | 1200 | 1230 | 1234 => (ErrorCode::Upstream, "the vendor had a fault of its own"),
        1000..=1005 => (ErrorCode::Auth, "the key was refused"),
        1110..=1112 | 1120 | 1121 => (ErrorCode::Auth, "the account is locked or not active"),
        1113 => (ErrorCode::Quota, "no credit left, or the plan does not cover this address"),
        1210 | 1212..=1215 | 1231 => (ErrorCode::InvalidRequest, "the request was refused"),
        1211 => (ErrorCode::NotFound, "the model is not known there"),
        1220 => (ErrorCode::Auth, "the key has no permission for this"),
        1221 | 1222 => (ErrorCode::NotFound, "this interface is not offered"),
        1261 => (ErrorCode::ContextLength, "the prompt is longer than the model's context"),
        1300 | 1301 => (ErrorCode::ContentFilter, "the content was refused"),
        1302 | 1303 => (ErrorCode::RateLimit, "too many requests at once"),
        1304 => (ErrorCode::RateLimit, "the day's number of requests is used up"),
        1305 => (ErrorCode::Overloaded, "the vendor is overloaded"),
        1308 | 1310 => (ErrorCode::RateLimit, "the plan's window is used up"),
        1309 => (ErrorCode::Quota, "the coding plan has expired"),
        1311 => (ErrorCode::Quota, "the plan does not include this model"),
        1312 => (ErrorCode::Overloaded, "the model is congested"),
        1313 => (ErrorCode::Quota, "the plan's fair-use rule stopped this key"),
        _ => return None,
    })
}

/// Finish reasons that say the answer failed. Z.AI has no error frames in a stream; OpenRouter has `error`.
pub fn failed_finish(reason: &str) -> Option<(ErrorCode, &'static str)> {
    Some(match reason {
        "sensitive" => (ErrorCode::ContentFilter, "the vendor stopped the answer: its content was refused"),
        "model_context_window_exceeded" => {
            (ErrorCode::ContextLength, "the answer stopped: the model's context is full")
        }
        "network_error" | "error" => (ErrorCode::Upstream, "the vendor failed while it answered"),
        _ => return None,
    })
}

/// The cause that belongs to a business code's class.
pub fn cause(code: ErrorCode, status: u16) -> Cause {
    match code {
        ErrorCode::Auth => Cause::KeyRefused { status: if status == 403 { 403 } else { 401 } },
        ErrorCode::Upstream | ErrorCode::Overloaded => Cause::ServerError { status },
        _ => Cause::Other,
    }
}
