//! Plain HTTP without a proxy, the way to model servers of this machine and its network: hyper's own client, on which
//! `reqwest` is built. What `reqwest` puts around it for redirects, retries, proxies and certificates is of no use
//! there, and costs a call as much time as everything else that sends it. Proxies and TLS are `clients`' business.

use super::address::Address;
use super::resolve::{Guarded, NameError};
use super::response::{Broken, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tower::Service;

/// A connection that nobody answers on is noticed after three such pauses.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_TRIES: u32 = 3;
/// How long sent bytes may stay unacknowledged.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// Connections kept at most; when full, the one that was used longest ago is closed.
const KEPT: usize = 256;

/// See the module. Clones share their connections.
#[derive(Clone)]
pub struct Direct(Arc<Shared>);

struct Shared {
    connector: HttpConnector<Guarded>,
    connect: Duration,
    idle: Duration,
    agent: HeaderValue,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The newest last.
    connections: Vec<(Instant, Connection)>,
    /// Somebody closes those that nobody used again.
    swept: bool,
}

/// No connection could be made.
#[derive(Debug, thiserror::Error)]
#[error("no connection")]
pub struct NotConnected(#[source] Broken);

/// One that may carry a request when its last answer has been read.
struct Connection {
    origin: Arc<str>,
    remote: Option<SocketAddr>,
    sender: SendRequest<Full<Bytes>>,
}

/// A connection in use; whoever has read the whole answer gives it back, else it is closed.
pub struct Lease {
    shared: Arc<Shared>,
    connection: Connection,
}

impl Direct {
    /// `connect`: the most an attempt to connect may take, its look-up of the name included; `idle`: how long a
    /// connection is kept for the next request.
    pub fn new(names: Guarded, connect: Duration, idle: Duration, agent: HeaderValue) -> Self {
        let mut connector = HttpConnector::new_with_resolver(names);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(connect));
        connector.set_keepalive(Some(KEEP_ALIVE));
        connector.set_keepalive_interval(Some(KEEP_ALIVE));
        connector.set_keepalive_retries(Some(KEEP_ALIVE_TRIES));
        #[cfg(target_os = "linux")]
        connector.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        Self(Arc::new(Shared { connector, connect, idle, agent, kept: Mutex::default() }))
    }

    /// Sends a request and gives the head of its answer.
    ///
    /// # Errors
    /// [`NotConnected`], or hyper's: the connection did not last until the head was there.
    pub async fn send(
        &self,
        method: Method,
        address: &Address,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, Broken> {
        headers.insert(header::HOST, address.host.clone());
        headers.insert(header::USER_AGENT, self.0.agent.clone());
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = address.target.clone();
        *request.headers_mut() = headers;
        while let Some(mut connection) = self.0.kept(&address.origin) {
            if connection.sender.ready().await.is_err() {
                continue;
            }
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok(self.answered(response, connection)),
                // The server closed it before the request was on its way: another one will do.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let mut connection = self.connect(address).await.map_err(NotConnected)?;
        let response = connection.sender.send_request(request).await?;
        Ok(self.answered(response, connection))
    }

    fn answered(&self, response: http::Response<hyper::body::Incoming>, connection: Connection) -> Response {
        let remote = connection.remote;
        Response::Direct { response, remote, lease: Some(Lease { shared: self.0.clone(), connection }) }
    }

    async fn connect(&self, address: &Address) -> Result<Connection, Broken> {
        let mut connector = self.0.connector.clone();
        // hyper's own limit does not count the look-up of the name.
        let connecting = timeout(self.0.connect, connector.call(address.uri.clone()));
        let stream = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let remote = stream.inner().peer_addr().ok();
        let (sender, driver) = http1::handshake(stream).await?;
        tokio::spawn(async move {
            // Who waits for an answer hears of it as well.
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a connection to a server ended early");
            }
        });
        Ok(Connection { origin: address.origin.clone(), remote, sender })
    }
}

impl Lease {
    /// The answer has been read to its end.
    pub fn give_back(self) {
        let Self { shared, connection } = self;
        if connection.sender.is_closed() {
            return;
        }
        let mut kept = shared.lock();
        if kept.connections.len() >= KEPT {
            kept.connections.remove(0);
        }
        kept.connections.push((Instant::now(), connection));
        if !std::mem::replace(&mut kept.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(&shared), shared.idle));
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("origin", &self.connection.origin).finish_non_exhaustive()
    }
}

/// Closes connections that nobody used for as long as they are kept, until there is none.
async fn sweep(shared: Weak<Shared>, idle: Duration) {
    loop {
        sleep(idle).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut kept = shared.lock();
        kept.connections.retain(|(since, connection)| since.elapsed() < idle && !connection.sender.is_closed());
        if kept.connections.is_empty() {
            kept.swept = false;
            return;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to `origin` that was used last, where one is there that the server can be expected to keep.
    fn kept(&self, origin: &str) -> Option<Connection> {
        let good = |(since, connection): &(Instant, Connection)| {
            *connection.origin == *origin && since.elapsed() < self.idle && !connection.sender.is_closed()
        };
        let mut kept = self.lock();
        let place = kept.connections.iter().rposition(good)?;
        Some(kept.connections.remove(place).1)
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
