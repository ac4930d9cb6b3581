//! The listening socket of a simulated server and its connections.

use super::{Shared, serve};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Connections at once; when full, the next waits to be accepted.
const OPEN_CAPACITY: usize = 1024;

/// What a handler may do to its own connection.
#[derive(Clone)]
pub(super) struct Connection {
    socket: Arc<std::net::TcpStream>,
    abort: CancellationToken,
}

impl Connection {
    /// Makes the close a reset and closes.
    pub fn reset(&self) {
        let lingering =
            self.socket.try_clone().and_then(TcpStream::from_std).and_then(|socket| socket.set_zero_linger());
        if let Err(error) = lingering {
            tracing::warn!("a simulated reset became a plain close: {error}");
        }
        self.abort.cancel();
    }
}

pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>, cancel: CancellationToken) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            Some(_) = open.join_next() => {}
            accepted = listener.accept(), if open.len() < OPEN_CAPACITY => {
                let Ok((stream, _)) = accepted else { continue };
                shared.connections.fetch_add(1, Ordering::SeqCst);
                shared.changed.notify_waiters();
                match connect(stream, &shared, &cancel) {
                    Ok(connection) => { open.spawn(connection); }
                    Err(error) => tracing::warn!("a simulated server lost a connection: {error}"),
                }
            }
        }
    }
    drop(listener);
    open.shutdown().await;
}

fn connect(
    stream: TcpStream,
    shared: &Arc<Shared>,
    cancel: &CancellationToken,
) -> std::io::Result<impl Future<Output = ()> + Send + use<>> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let abort = cancel.child_token();
    let connection = Connection { socket: Arc::new(stream.try_clone()?), abort: abort.clone() };
    let shared = shared.clone();
    let service = service_fn(move |request| serve::handle(shared.clone(), connection.clone(), request));
    let stream = TokioIo::new(TcpStream::from_std(stream)?);
    Ok(async move {
        let serving = hyper::server::conn::http1::Builder::new().serve_connection(stream, service);
        tokio::select! {
            () = abort.cancelled() => {}
            // A client that hangs up is none of the server's troubles.
            _ = serving => {}
        }
    })
}
