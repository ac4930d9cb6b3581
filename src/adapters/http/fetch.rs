//! One free GET of a small document, bounded in size.

use super::Inner;
use super::clients::{Outgoing, Way, headers};
use super::response::{Broken, Response};
use crate::adapters::wire::answer::too_large;
use crate::adapters::wire::errors::{Reply, ServerError, inside, refusal};
use crate::adapters::wire::words::{is_web_page, quote};
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::reach::Reach;
use crate::domain::secret::Secret;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of a list or another small document at most.
pub const DOCUMENT_LIMIT: usize = 8 * 1024 * 1024;

/// A document that came, whatever its status.
pub struct Document {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub path: String,
}

/// Asks one provider; remembers what the connection showed.
pub struct Asker<'a> {
    pub inner: &'a Inner,
    pub profile: &'a Profile,
    pub way: Way,
    /// How far away the address is that was connected to.
    pub reach: Option<Reach>,
    /// Of the newest answer.
    pub took: Option<Duration>,
    /// Status of the newest answer.
    pub status: Option<u16>,
    pub first_status: Option<u16>,
    /// What the newest answer says of its program (`Server`).
    pub program: Option<String>,
}

impl<'a> Asker<'a> {
    pub fn new(inner: &'a Inner, profile: &'a Profile, connect: Duration) -> Self {
        let way = super::clients::way(profile, connect);
        Self { inner, profile, way, reach: None, took: None, status: None, first_status: None, program: None }
    }

    pub fn secrets(&self) -> Vec<Secret> {
        self.profile.key.iter().cloned().collect()
    }

    /// GETs `url`. A refusal by the server is a document too.
    pub async fn get(&mut self, url: &str) -> Result<Document, Failure> {
        self.exchange(url, None).await
    }

    /// POSTs JSON to `url`; for questions and acts that cost nothing. A refusal by the server is a document too.
    pub async fn post(&mut self, url: &str, body: &Value) -> Result<Document, Failure> {
        self.exchange(url, Some(body)).await
    }

    async fn exchange(&mut self, url: &str, json: Option<&Value>) -> Result<Document, Failure> {
        let started = Instant::now();
        let native_anthropic = self.profile.kind == crate::domain::kind::Kind::Anthropic;
        let (clients, endpoint) = (&self.inner.clients, &self.profile.endpoint);
        let address = clients.address(url)?;
        let mut headers = headers(self.profile, native_anthropic)?;
        let (method, body) = match json {
            None => (Method::GET, Bytes::new()),
            Some(json) => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                (Method::POST, json.to_string().into())
            }
        };
        let request = Outgoing { method, address: &address, headers, body };
        let response = clients.send(self.way, endpoint, request).await?;
        let remote = response.remote_addr();
        self.reach = clients.reach(self.way, endpoint, remote).or(self.reach);
        let status = response.status();
        self.status = Some(status);
        self.first_status = self.first_status.or(self.status);
        let headers = response.headers().clone();
        self.program = headers.get("server").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let path = address.path().to_owned();
        let body = read_body(response, DOCUMENT_LIMIT, "the answer").await.map_err(|error| match error {
            BodyError::Cut(error) => clients.failure(&*error, self.way, endpoint),
            BodyError::TooLarge(failure) => failure,
        })?;
        self.took = Some(started.elapsed());
        Ok(Document { status, headers, body, path })
    }

    /// GETs a JSON document; every other answer is a failure.
    pub async fn json(&mut self, url: &str) -> Result<Value, Failure> {
        let document = self.get(url).await?;
        self.read(&document)
    }

    pub fn read(&self, document: &Document) -> Result<Value, Failure> {
        let secrets = self.secrets();
        let kind = self.profile.kind;
        if !(200..300).contains(&document.status) {
            return Err(refusal(&Reply {
                kind,
                path: &document.path,
                status: document.status,
                headers: &document.headers,
                body: &document.body,
                secrets: &secrets,
                now: self.inner.clock.now(),
            }));
        }
        let content_type = document.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        if is_web_page(content_type, &document.body) {
            let message = format!("a web page came from {} instead of a list", document.path);
            return Err(Failure::new(ErrorCode::BadAnswer, Cause::HtmlPage, message));
        }
        let Ok(value) = serde_json::from_slice::<Value>(&document.body) else {
            return Err(self.unreadable(document, content_type));
        };
        match ServerError::in_body(&value) {
            Some(error) => Err(inside(&error, kind, &document.path, &secrets, self.inner.clock.now())),
            None => Ok(value),
        }
    }

    fn unreadable(&self, document: &Document, content_type: &str) -> Failure {
        if content_type.contains("json") {
            let detail = "expected JSON, came text that is cut or damaged".to_owned();
            let message = format!("the list from {} cannot be read: {detail}", document.path);
            return Failure::new(ErrorCode::BadAnswer, Cause::MalformedList { detail }, message);
        }
        self.other_program(None)
    }

    /// Something else than expected answers; what it looks like, else what its `Server` header says.
    pub fn other_program(&self, looks_like: Option<&str>) -> Failure {
        let looks_like = looks_like.or(self.program.as_deref()).map(|text| quote(text, &self.secrets()));
        let named = looks_like.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
        let endpoint = &self.profile.endpoint;
        let message = format!("another program answers on {} port {}{named}", endpoint.host, endpoint.port);
        Failure::new(ErrorCode::BadAnswer, Cause::OtherProgram { looks_like }, message)
    }
}

/// Why a body did not come whole.
pub enum BodyError {
    Cut(Broken),
    TooLarge(Failure),
}

/// Reads a body of at most `limit` bytes; a longer one is given up as soon as that is known.
pub async fn read_body(mut response: Response, limit: usize, what: &str) -> Result<Bytes, BodyError> {
    let stated = response.content_length().unwrap_or(0);
    if stated > limit as u64 {
        return Err(BodyError::TooLarge(too_large(limit, what)));
    }
    let Some(first) = response.chunk().await.map_err(BodyError::Cut)? else {
        return Ok(Bytes::new());
    };
    let mut whole: Option<BytesMut> = None;
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Cut)? {
        let whole = whole.get_or_insert_with(|| BytesMut::from(&first[..]));
        if whole.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge(too_large(limit, what)));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.map_or(first, BytesMut::freeze))
}
