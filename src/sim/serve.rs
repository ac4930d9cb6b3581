//! The way of one request: noted, its fault taken, its key checked, then answered by the server simulated.

use super::fault::Fault;
use super::kind::SimKind;
use super::reply::{self, Reply};
use super::scene::{Answer, Scene};
use super::seen::SeenRequest;
use super::socket::Connection;
use super::{Shared, anthropic, auth, llama_cpp, lm_studio, ollama, openai, openrouter, spoil, trouble, vllm, z_ai};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::sync::Arc;

/// A request's body at most; more is answered 413.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

pub(super) async fn handle(
    shared: Arc<Shared>,
    connection: Connection,
    request: Request<Incoming>,
) -> Result<Reply, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
        return Ok(reply::text(413, "request entity too large"));
    };
    let seen = SeenRequest {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    };
    let (fault, pace) = {
        let mut settings = shared.lock();
        settings.sweep();
        settings.note(seen.clone());
        (settings.take_fault(&seen.path), settings.pace)
    };
    shared.changed.notify_waiters();
    if !pace.answer.is_zero() {
        tokio::time::sleep(pace.answer).await;
    }
    Ok(faulty(&shared, &connection, seen, fault).await)
}

async fn faulty(shared: &Arc<Shared>, connection: &Connection, seen: SeenRequest, fault: Option<Fault>) -> Reply {
    let mut scene = Scene::new(shared, seen);
    match fault {
        Some(Fault::Status(status, body)) => return reply::guessed(status, body),
        Some(Fault::Refuse { status, header: (name, value), body }) => {
            let mut refusal = reply::guessed(status, body);
            reply::set(&mut refusal, name, &value);
            return refusal;
        }
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::Silence) => return std::future::pending().await,
        Some(Fault::Reset) => {
            connection.reset();
            return std::future::pending().await;
        }
        Some(Fault::Html) => return reply::guessed(200, "<!DOCTYPE html><html><body>It works</body></html>".into()),
        Some(Fault::Trouble(trouble)) => return trouble::reply(&scene, &trouble),
        other => scene.fault = other,
    }
    respond(scene).await
}

async fn respond(mut scene: Scene) -> Reply {
    if let Some(refusal) = auth::refusal(&scene) {
        return refusal;
    }
    let answer = match scene.kind() {
        SimKind::LmStudio(api) => lm_studio::respond(&mut scene, api).await,
        SimKind::ZAi => z_ai::respond(&mut scene).await,
        SimKind::Openai | SimKind::OpenaiCompatible => openai::respond(&mut scene).await,
        SimKind::Anthropic => anthropic::respond(&mut scene).await,
        SimKind::Ollama => ollama::respond(&mut scene).await,
        SimKind::LlamaCpp => llama_cpp::respond(&mut scene).await,
        SimKind::Vllm => vllm::respond(&mut scene).await,
        SimKind::Openrouter => openrouter::respond(&mut scene).await,
    };
    match answer {
        Answer::Done(reply) => reply,
        Answer::Plain(reply) => match scene.fault.take() {
            None => reply,
            // A page of another type has other things on it.
            Some(Fault::ContentType(other)) if scene.seen.method == Method::GET => {
                reply::with(200, other, reply::whole("hello"))
            }
            Some(fault) => damaged(reply, &fault).await,
        },
        Answer::NoSuchRoute => unknown_route(&scene),
    }
}

async fn damaged(reply: Reply, fault: &Fault) -> Reply {
    let (parts, body) = reply.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    spoil::document(Reply::from_parts(parts, reply::whole("")), &bytes, Some(fault))
}

/// What each server says to a path or method that it does not know.
pub(super) fn unknown_route(scene: &Scene) -> Reply {
    let (method, path) = (&scene.seen.method, &scene.seen.path);
    match scene.kind() {
        SimKind::LmStudio(_) => lm_studio::unknown_route(method, path),
        SimKind::LlamaCpp => llama_cpp::unknown_route(),
        SimKind::Vllm => vllm::unknown_route(),
        SimKind::Ollama => reply::text(404, "404 page not found"),
        SimKind::Anthropic => anthropic::unknown_route(),
        _ => openai::unknown_route(method, path),
    }
}
