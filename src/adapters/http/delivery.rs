//! Documents sent to one address that is no provider's: a collector of telemetry.

use super::clients::{BuildError, Clients, Outgoing, Way, way_to};
use super::fetch::{BodyError, read_body};
use super::resolve::SystemLookup;
use super::transport;
use crate::adapters::wire::retry_after::retry_after;
use crate::domain::config::{Collector, Endpoint};
use crate::domain::failure::Failure;
use crate::domain::time::UnixMs;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Bytes of an answer at most.
const ANSWER_LIMIT: usize = 64 * 1024;

/// See the module.
pub struct Delivery {
    clients: Clients,
    way: Way,
    endpoint: Endpoint,
    headers: HeaderMap,
}

/// What the other side said, whatever its status.
pub struct Receipt {
    pub status: u16,
    pub body: Bytes,
    /// How long it asks to be left alone.
    pub wait: Option<Duration>,
}

impl Delivery {
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(collector: &Collector) -> Result<Self, BuildError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &collector.headers {
            let pair = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::from_str(value.expose()).ok());
            if let Some((name, mut value)) = pair {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let way = way_to(&collector.endpoint, CONNECT);
        let clients = Clients::new(Arc::new(SystemLookup))?;
        Ok(Self { clients, way, endpoint: collector.endpoint.clone(), headers })
    }

    /// POSTs JSON to `path` below the address.
    ///
    /// # Errors
    /// Nothing was said in return: no connection, or silence for `limit`.
    pub async fn post(&self, path: &str, json: String, limit: Duration, now: UnixMs) -> Result<Receipt, Failure> {
        let address = self.clients.address(&format!("{}{path}", self.endpoint.api_base))?;
        let headers = self.headers.clone();
        let request = Outgoing { method: Method::POST, address: &address, headers, body: json.into() };
        let exchange = async {
            let response = self.clients.send(self.way, &self.endpoint, request).await?;
            let (status, wait) = (response.status(), retry_after(response.headers(), now));
            let body = match read_body(response, ANSWER_LIMIT, "the answer").await {
                Ok(body) => body,
                Err(BodyError::Cut(error)) => return Err(self.clients.failure(&*error, self.way, &self.endpoint)),
                // The status says enough.
                Err(BodyError::TooLarge(_)) => Bytes::new(),
            };
            Ok(Receipt { status, body, wait })
        };
        let place = || format!("{} port {}", self.endpoint.host, self.endpoint.port);
        timeout(limit, exchange).await.unwrap_or_else(|_| Err(transport::silent(&place(), limit)))
    }
}
