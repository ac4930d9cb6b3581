//! What a call tells the gateways on its way: which lmdeck instances it came through, so that it does not go round in
//! a circle, and that it must stay at home. The vendors that have a kind of their own are told nothing; a server that is
//! known as OpenAI-compatible alone may be another lmdeck, wherever it stands, and is told.

use crate::engine::ports::UpstreamJob;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

const HOP: HeaderName = HeaderName::from_static("x-lmdeck-hop");
const LOCAL_ONLY: HeaderName = HeaderName::from_static("x-lmdeck-local-only");

/// The mark of this process.
#[derive(Debug)]
pub struct Trail {
    instance: String,
    /// As a header, for the usual call that came through nobody.
    alone: HeaderValue,
}

impl Trail {
    /// Another mark each time.
    pub fn new() -> Self {
        // The standard library's only source of randomness; nothing secret depends on it.
        let instance = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        let alone = HeaderValue::from_str(&instance).unwrap_or(HeaderValue::from_static("lmdeck"));
        Self { instance, alone }
    }

    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Puts the marks into the headers of a request.
    pub fn mark(&self, headers: &mut HeaderMap, job: &UpstreamJob) {
        if job.profile.kind.is_vendor() {
            return;
        }
        let through = if job.through.is_empty() {
            self.alone.clone()
        } else {
            // What is not fit for a header did not come in one.
            HeaderValue::from_str(&format!("{},{}", job.through.join(","), self.instance))
                .unwrap_or_else(|_| self.alone.clone())
        };
        headers.insert(HOP, through);
        if job.local_only {
            headers.insert(LOCAL_ONLY, HeaderValue::from_static("on"));
        }
    }
}
