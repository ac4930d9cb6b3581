//! The body of a streamed answer: the engine's bytes as they came, several at once when several wait.

use super::chat::{engine_gone, joined};
use super::problem::Problem;
use super::router::Gateway;
use crate::domain::failure::{ErrorCode, Failure};
use crate::engine::protocol::{CallEvent, CallOutcome};
use bytes::Bytes;
use hyper::body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc::Receiver;
use tokio::time::Interval;

/// Events taken from the engine at once; what waits beyond them is the next piece.
const AT_ONCE: usize = 8;
/// What a client reads while nothing has come yet. A comment: every reader of events skips it.
const WAITING: &[u8] = b": lmdeck waiting\n\n";

/// See the module. Dropping it drops the call's receiver, which cancels the call.
pub struct CallBody {
    gateway: Arc<Gateway>,
    call: Receiver<CallEvent>,
    events: Vec<CallEvent>,
    /// Ticks while no target answers yet.
    waiting: Option<Interval>,
    ended: bool,
}

impl CallBody {
    /// A target answers already.
    pub fn opened(gateway: Arc<Gateway>, call: Receiver<CallEvent>) -> Self {
        Self { gateway, call, events: Vec::with_capacity(AT_ONCE), waiting: None, ended: false }
    }

    /// None answers yet: a comment at once, and another after each of the gateway's pauses.
    pub fn held(gateway: Arc<Gateway>, call: Receiver<CallEvent>) -> Self {
        let pause = gateway.options.keep_alive;
        Self { waiting: Some(tokio::time::interval(pause)), ..Self::opened(gateway, call) }
    }

    /// The error a stream ends with; its end mark is then never sent, so nobody takes it for complete.
    fn error_of(&self, outcome: &CallOutcome) -> Option<Problem> {
        let failure = outcome.failure.as_ref()?;
        Some(Problem::of_call(failure, &outcome.record, &self.gateway.handle.snapshot()))
    }

    /// What the events taken say to the client.
    fn take(&mut self) -> Vec<Bytes> {
        let mut parts = Vec::new();
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            match event {
                CallEvent::Raw { bytes } => parts.push(bytes),
                CallEvent::Head(head) => {
                    let was_held = self.waiting.take().is_some();
                    if was_held && !head.stream {
                        // A whole answer does not fit into the stream that was promised meanwhile.
                        self.ended = true;
                        parts.push(promised_a_stream().event());
                        break;
                    }
                }
                CallEvent::End(outcome) => {
                    self.ended = true;
                    parts.extend(self.error_of(&outcome).map(|problem| problem.event()));
                    break;
                }
                _ => {}
            }
        }
        self.events = events;
        parts
    }
}

impl Body for CallBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            match this.call.poll_recv_many(cx, &mut this.events, AT_ONCE) {
                Poll::Ready(0) => {
                    this.ended = true;
                    return Poll::Ready(Some(Ok(Frame::data(engine_gone().event()))));
                }
                Poll::Ready(_) => {
                    let parts = this.take();
                    if !parts.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(joined(parts)))));
                    }
                }
                Poll::Pending => {
                    let Some(waiting) = &mut this.waiting else { return Poll::Pending };
                    ready!(waiting.poll_tick(cx));
                    return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(WAITING)))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

fn promised_a_stream() -> Problem {
    Problem::of(&Failure::plain(ErrorCode::BadAnswer, "the server sent a whole answer where a stream was asked for"))
}
