//! Which web pages may use the gateway from a browser (`gateway.cors_origins`): the answer to a browser's question
//! before a request, and the headers that let a page read an answer. Who may come in at all is `guard`'s business.
//!
//! Credentials of a browser (cookies) are never allowed: the gateway knows none. A page that has a key sends it as a
//! header, which no other page can do for it.

use super::options::GatewayOptions;
use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};

/// Any page. Counts only where a key must be sent.
const ANY: &str = "*";
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
/// How long a browser may remember the answer to its question, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");
/// What a page may read of an answer beside its body.
const READABLE: HeaderValue = HeaderValue::from_static(
    "x-lmdeck-provider, x-lmdeck-model, x-lmdeck-policy, x-lmdeck-call-id, x-lmdeck-cache, x-lmdeck-attempts, \
     retry-after, x-should-retry",
);
/// A browser that asks whether a page of the internet may reach into this machine or network.
const REQUEST_PRIVATE: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The pages that may use the gateway, by their origins.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    origins: Vec<HeaderValue>,
    any: bool,
}

impl Pages {
    pub fn new(options: &GatewayOptions) -> Self {
        let named = options.cors_origins.iter().filter(|origin| *origin != ANY);
        // Without a key every page there is could spend the person's money.
        let any = options.cors_origins.iter().any(|origin| origin == ANY) && options.keys().next().is_some();
        Self { origins: named.filter_map(|origin| HeaderValue::from_str(origin).ok()).collect(), any }
    }

    /// Whether the configuration names no page at all: then no answer carries a header of this module.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty() && !self.any
    }

    pub fn admits(&self, origin: &HeaderValue) -> bool {
        self.any || self.origins.contains(origin)
    }

    /// The origin of a page that may use the gateway.
    pub fn page(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        headers.get(ORIGIN).filter(|origin| self.admits(origin)).cloned()
    }

    /// Lets `page` read an answer. Where pages are told apart, every answer says so to the caches on its way.
    pub fn mark(&self, headers: &mut HeaderMap, page: Option<&HeaderValue>) {
        if !self.any {
            headers.append(VARY, HeaderValue::from_name(ORIGIN));
        }
        if let Some(page) = page {
            let whom = if self.any { HeaderValue::from_static(ANY) } else { page.clone() };
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, whom);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READABLE);
        }
    }
}

/// Whether a browser asks what it may send, before it sends it. Such a question carries no key.
pub fn is_question<B>(request: &Request<B>) -> bool {
    *request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to such a question of an admitted page, still without [`Pages::mark`].
pub fn answer(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    // Client libraries send headers of their own; to a page that is admitted none of them is a secret.
    if let Some(wanted) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    if asked.contains_key(REQUEST_PRIVATE) {
        headers.insert(ALLOW_PRIVATE, HeaderValue::from_static("true"));
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    for part in [ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_REQUEST_HEADERS, REQUEST_PRIVATE] {
        headers.append(VARY, HeaderValue::from_name(part));
    }
    response
}
