//! One request on its way through a simulated server.

use super::Shared;
use super::fault::Fault;
use super::kind::SimKind;
use super::reply::{self, Reply};
use super::seen::SeenRequest;
use super::settings::Settings;
use http::Method;
use serde_json::Value;
use std::sync::{Arc, MutexGuard};

pub(super) struct Scene {
    pub shared: Arc<Shared>,
    pub seen: SeenRequest,
    /// What is still to go wrong; whoever does it takes it.
    pub fault: Option<Fault>,
}

/// What a server makes of a request.
pub(super) enum Answer {
    /// As it goes out.
    Done(Reply),
    /// Whole and good; a fault is still to be done to it.
    Plain(Reply),
    NoSuchRoute,
}

impl Answer {
    pub fn json(value: &Value) -> Self {
        Self::Plain(reply::json(200, value))
    }

    pub fn refused(status: u16, value: &Value) -> Self {
        Self::Done(reply::json(status, value))
    }
}

impl Scene {
    pub fn new(shared: &Arc<Shared>, seen: SeenRequest) -> Self {
        Self { shared: shared.clone(), seen, fault: None }
    }

    pub fn kind(&self) -> SimKind {
        self.shared.kind
    }

    pub fn settings(&self) -> MutexGuard<'_, Settings> {
        self.shared.lock()
    }

    /// Method and path, for matching.
    pub fn route(&self) -> (&'static str, String) {
        let method = match self.seen.method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::HEAD => "HEAD",
            Method::DELETE => "DELETE",
            _ => "",
        };
        (method, self.seen.path.clone())
    }
}
