//! Anthropic's error types and sentences, where they say more than those that other vendors share.

use crate::adapters::wire::errors::ServerError;
use crate::domain::failure::{Cause, ErrorCode, Failure};

/// Class, cause and summary; `None` where the common table says it.
pub fn judge(error: &ServerError, status: u16) -> Option<(ErrorCode, Cause, &'static str)> {
    let text = error.message.to_ascii_lowercase();
    let server = Cause::ServerError { status };
    // Money comes as a 400 of the general type: only the sentence tells.
    if text.contains("credit balance") || text.contains("usage limits") || text.contains("spend limit") {
        return Some((ErrorCode::Quota, Cause::Other, "no credit left, or the account's own limit is reached"));
    }
    if error.is("not_found_error") && text.starts_with("model") {
        return Some((
            ErrorCode::NotFound,
            Cause::UnknownModel { offered: Vec::new() },
            "the model is not known there",
        ));
    }
    // So does content: as a 400 of the general type.
    if text.contains("content filtering policy") {
        return Some((ErrorCode::ContentFilter, Cause::Other, "the content was refused"));
    }
    if error.is("conflict_error") {
        return Some((ErrorCode::Upstream, server, "the request met another one: it may be tried again"));
    }
    if error.is("api_error") {
        return Some((ErrorCode::Upstream, server, "the vendor had a fault of its own"));
    }
    None
}

/// The model or the vendor would not answer.
pub fn refused() -> Failure {
    Failure::plain(ErrorCode::ContentFilter, "the vendor stopped the answer: its content was refused")
}
