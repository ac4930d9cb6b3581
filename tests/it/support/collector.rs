//! A collector of OpenTelemetry data on loopback: answers as told and keeps what came, each request held against the
//! JSON form that the specification of OTLP describes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use lmdeck::domain::config::{Collector, Endpoint};
use serde_json::Value;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Longer than anything here takes; a test that reaches it has found a hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request that came.
#[derive(Debug, Clone)]
pub struct Came {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

/// What is answered: status and body.
pub type Answer = (u16, &'static str);

#[derive(Default)]
struct Inner {
    /// For the next requests, by path; then all is taken.
    answers: VecDeque<(&'static str, Answer)>,
    came: Vec<Came>,
}

/// See the module.
#[derive(Clone)]
pub struct Collecting {
    pub address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    count: watch::Sender<usize>,
}

impl Collecting {
    pub async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// Comes up at an address that was free.
    pub async fn start_at(address: SocketAddr) -> Self {
        Self::on(TcpListener::bind(address).await.unwrap())
    }

    fn on(listener: TcpListener) -> Self {
        let collecting =
            Self { address: listener.local_addr().unwrap(), inner: Arc::default(), count: watch::channel(0).0 };
        let this = collecting.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let this = this.clone();
                let service = hyper::service::service_fn(move |request| this.clone().take(request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        collecting
    }

    /// The next request to `path` is answered so.
    pub fn answers(&self, path: &'static str, answer: Answer) {
        self.inner.lock().unwrap().answers.push_back((path, answer));
    }

    pub fn collector(&self) -> Collector {
        at(self.address)
    }

    pub fn came(&self) -> Vec<Came> {
        self.inner.lock().unwrap().came.clone()
    }

    /// Waits for `count` requests to `path`.
    pub async fn wait(&self, path: &str, count: usize) -> Vec<Came> {
        let to = || self.came().into_iter().filter(|came| came.path == path).collect::<Vec<_>>();
        let mut changes = self.count.subscribe();
        let enough = changes.wait_for(|_| to().len() >= count);
        let waited = tokio::time::timeout(PATIENCE, enough).await.is_ok();
        assert!(waited, "{count} requests to {path}: {:?}", self.came());
        to()
    }

    /// All spans that came.
    pub fn spans(&self) -> Vec<Value> {
        let came = self.came().into_iter().filter(|came| came.path == "/v1/traces");
        came.flat_map(|came| came.body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone())
            .collect()
    }

    async fn take(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let path = head.uri.path().to_owned();
        let body: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(head.method, "POST");
        assert_eq!(head.headers["content-type"], "application/json");
        let (status, said) = {
            let mut inner = self.inner.lock().unwrap();
            inner.came.push(Came { path: path.clone(), headers: head.headers, body });
            let place = inner.answers.iter().position(|(to, _)| *to == path);
            place.and_then(|place| inner.answers.remove(place)).map_or((200, "{}"), |(_, answer)| answer)
        };
        self.count.send_modify(|count| *count += 1);
        let mut response = Response::new(Full::new(Bytes::from_static(said.as_bytes())));
        *response.status_mut() = status.try_into().unwrap();
        Ok(response)
    }
}

pub fn at(address: SocketAddr) -> Collector {
    let mut endpoint = Endpoint::http("127.0.0.1", address.port());
    endpoint.api_base.clone_from(&endpoint.origin);
    Collector { endpoint, headers: Vec::new() }
}

/// An attribute's value, whatever its type.
pub fn attribute(item: &Value, key: &str) -> Option<Value> {
    let attributes = item["attributes"].as_array().unwrap();
    let pair = attributes.iter().find(|pair| pair["key"] == key)?;
    let (kind, value) = pair["value"].as_object().unwrap().iter().next().unwrap();
    Some(match kind.as_str() {
        "intValue" => Value::from(value.as_str().unwrap().parse::<i64>().unwrap()),
        "arrayValue" => value["values"].as_array().unwrap().iter().map(|item| item["stringValue"].clone()).collect(),
        _ => value.clone(),
    })
}

/// Holds a request against the specification of OTLP's JSON: names in camel case, ids in hexadecimal digits, 64-bit
/// numbers as texts, enumerations as numbers, values of attributes with exactly one known type.
pub fn holds_to_the_specification(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(holds_to_the_specification),
        Value::Object(members) => {
            for (name, member) in members {
                assert!(!name.contains('_'), "{name} is not in camel case");
                match name.as_str() {
                    "traceId" => assert!(is_hex(member, 32), "{name}: {member}"),
                    "spanId" | "parentSpanId" => assert!(is_hex(member, 16), "{name}: {member}"),
                    "startTimeUnixNano" | "endTimeUnixNano" | "timeUnixNano" | "count" | "intValue" => {
                        assert!(is_number(member), "{name}: {member}");
                    }
                    "bucketCounts" => assert!(member.as_array().unwrap().iter().all(is_number), "{name}: {member}"),
                    "kind" | "code" | "aggregationTemporality" | "flags" => {
                        assert!(member.is_u64(), "{name}: {member}");
                    }
                    "attributes" => member.as_array().unwrap().iter().for_each(is_attribute),
                    _ => {}
                }
                holds_to_the_specification(member);
            }
            if let Some(bounds) = members.get("explicitBounds") {
                let (bounds, counts) = (bounds.as_array().unwrap(), members["bucketCounts"].as_array().unwrap());
                assert_eq!(bounds.len() + 1, counts.len());
                let total: u64 = counts.iter().map(|count| count.as_str().unwrap().parse::<u64>().unwrap()).sum();
                assert_eq!(total.to_string(), members["count"].as_str().unwrap());
            }
        }
        _ => {}
    }
}

fn is_attribute(pair: &Value) {
    let value = pair["value"].as_object().unwrap();
    let known = ["stringValue", "intValue", "doubleValue", "boolValue", "arrayValue"];
    assert!(
        pair["key"].is_string() && value.len() == 1 && known.contains(&value.keys().next().unwrap().as_str()),
        "{pair}"
    );
}

fn is_hex(value: &Value, digits: usize) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()) && text.bytes().any(|byte| byte != b'0')
}

fn is_number(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}
