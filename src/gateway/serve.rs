//! Accepting connections and ending in good order.

use super::body::{self, BodyBounds};
use super::cors;
use super::guard::Guard;
use super::latest::Latest;
use super::options::GatewayOptions;
use super::problem::Problem;
use super::router::{Gateway, Routes};
use super::unread::Bounded;
use crate::domain::{self, time::UnixMs};
use crate::engine::handle::EngineHandle;
use crate::engine::protocol::GatewayView;
use axum::body::Body;
use futures_util::FutureExt;
use http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// Connections open at once; when full, further ones wait in the system's queue.
const CONNECTION_CAPACITY: usize = 1024;
/// Pause after the system could give no connection (no file handles left), so that it is not asked in a circle.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The settings in force, for a gateway that follows them; `None` until there are some.
pub type Settings = watch::Receiver<Option<domain::config::Gateway>>;

/// Serves until `shutdown` is ready, then lets calls under way end within [`GatewayOptions::drain`]; what
/// still runs then is cut, which cancels it upstream. Tells the engine that it listens, and that it stopped.
///
/// # Errors
/// The listener has no usable address, or it is public and there is no key.
pub async fn serve(
    listener: TcpListener,
    handle: EngineHandle,
    options: GatewayOptions,
    clock: fn() -> UnixMs,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    serve_following(listener, handle, options, None, clock, shutdown).await
}

/// The same with `settings` whose keys and pages count from the moment they are in force, on connections that are open
/// too. The address stays that of the listener.
///
/// # Errors
/// As for [`serve`].
pub async fn serve_following(
    listener: TcpListener,
    handle: EngineHandle,
    options: GatewayOptions,
    mut settings: Option<Settings>,
    clock: fn() -> UnixMs,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    options.check_address(address).map_err(|words| io::Error::new(io::ErrorKind::PermissionDenied, words))?;

    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(options.header_timeout);
    let bounds = BodyBounds::of(&options);
    let routes = Arc::new(Routes::new(Arc::new(Gateway::new(handle.clone(), options.clone(), clock))));
    let guard = Latest::new(Guard::at(address, &options));
    let mut front = Arc::new(Front { guard, bounds, routes: routes.clone() });

    handle.report_gateway(GatewayView { listening: Some(address.to_string()), trouble: None });
    let room = Arc::new(Semaphore::new(CONNECTION_CAPACITY));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            (stream, permit) = accept(&listener, &room) => {
                let front = front.clone();
                let service = service_fn(move |request| answer(front.clone(), request));
                let stream = TokioIo::new(Bounded::new(stream, options.unread_timeout));
                let connection = graceful.watch(http.serve_connection(stream, service));
                connections.spawn(async move {
                    // A connection that ends badly is the client's affair: a hang-up, a broken request.
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a gateway connection ended early");
                    }
                    drop(permit);
                });
            }
            now = changed(&mut settings) => {
                let guard = front.guard.replace(Guard::at(address, &options.told(now)));
                front = Arc::new(Front { guard, bounds, routes: routes.clone() });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    handle.report_gateway(GatewayView::default());
    if tokio::time::timeout(options.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.len(), "calls through the gateway were cut at shutdown");
    }
    connections.shutdown().await;
    Ok(())
}

/// The settings that come into force next.
async fn changed(settings: &mut Option<Settings>) -> domain::config::Gateway {
    if let Some(settings) = settings {
        while settings.changed().await.is_ok() {
            if let Some(now) = settings.borrow_and_update().clone() {
                return now;
            }
        }
    }
    // Nobody will ever tell.
    std::future::pending().await
}

/// The next connection, with its place among those that may be open.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            // The semaphore is never closed; were it, no connection could ever be taken again.
            std::future::pending().await
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it small chunks wait for the client's delayed acknowledgement: 40 ms each.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                return (stream, permit);
            }
            Err(error) => {
                tracing::warn!(%error, "the gateway could not take a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The routes, and what stands before them.
struct Front {
    guard: Arc<Latest<Guard>>,
    bounds: BodyBounds,
    routes: Arc<Routes>,
}

async fn answer(front: Arc<Front>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let guard = front.guard.get();
    let pages = guard.pages();
    if pages.is_empty() {
        return Ok(respond(&front, request).await);
    }
    let page = pages.page(request.headers());
    let mut response = if cors::is_question(&request) && guard.answers(&request) {
        cors::answer(request.headers())
    } else {
        respond(&front, request).await
    };
    pages.mark(response.headers_mut(), page.as_ref());
    Ok(response)
}

async fn respond(front: &Front, mut request: Request<Incoming>) -> Response<Body> {
    match front.guard.get().check(&request) {
        Ok(None) => {}
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller.clone());
        }
        Err(problem) => {
            let (head, body) = request.into_parts();
            // Read, so that the answer is not lost in a reset of a connection that is still sending.
            body::discard(body, &head.headers, front.bounds).await;
            let mut response = problem.response();
            // Connections are few, and whoever may not come in shall not hold one.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
    }
    AssertUnwindSafe(front.routes.call(request)).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("a gateway handler panicked; the connection goes on");
        Problem::internal("the gateway stumbled over this request").response()
    })
}
