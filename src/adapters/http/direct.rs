//! Plain HTTP without a proxy, the way to model servers of this machine and its network: the client that `reqwest` is
//! built on. What `reqwest` puts around it for redirects, retries, proxies and certificates is of no use there, and
//! costs a call as much time as everything else that sends it. Proxies and TLS are `clients`' business.

use super::resolve::{Guarded, NameError};
use super::response::Response;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service;

/// A connection that nobody answers on is noticed after three such pauses.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_TRIES: u32 = 3;
/// How long sent bytes may stay unacknowledged.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// See the module. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Direct {
    client: Client<Connector, Full<Bytes>>,
    agent: HeaderValue,
}

impl Direct {
    /// `connect`: the most an attempt to connect may take, its look-up of the name included; `idle`: how long a
    /// connection is kept for the next request.
    pub fn new(names: Guarded, connect: Duration, idle: Duration, agent: HeaderValue) -> Self {
        let mut http = HttpConnector::new_with_resolver(names);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(connect));
        http.set_keepalive(Some(KEEP_ALIVE));
        http.set_keepalive_interval(Some(KEEP_ALIVE));
        http.set_keepalive_retries(Some(KEEP_ALIVE_TRIES));
        #[cfg(target_os = "linux")]
        http.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle)
            .build(Connector { http, limit: connect });
        Self { client, agent }
    }

    /// # Errors
    /// No connection, or none that lasted until the head of an answer.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response, Error> {
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, self.agent.clone());
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        self.client.request(request).await.map(Response::Direct)
    }
}

/// Connects within a limit that counts the look-up too, which hyper's own does not.
#[derive(Debug, Clone)]
struct Connector {
    http: HttpConnector<Guarded>,
    limit: Duration,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = Box<dyn StdError + Send + Sync>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.http.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = timeout(self.limit, self.http.call(to));
        Box::pin(async move {
            match connecting.await {
                Ok(connected) => Ok(connected?),
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}

impl Service<Name> for Guarded {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = NameError;
    type Future = BoxFuture<'static, Result<Self::Response, NameError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NameError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guarded = self.clone();
        Box::pin(async move {
            let addresses = guarded.addresses(name.as_str()).await?;
            // The connector puts the port of the request in.
            Ok(addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect::<Vec<_>>().into_iter())
        })
    }
}
