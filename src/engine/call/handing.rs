//! Handing events to a caller that may read slowly, or no more.

use super::super::protocol::CallEvent;
use crate::domain::failure::{ErrorCode, Failure};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, timeout_at};

/// How long a caller may leave its events untaken once they fill the channel. Until then the call keeps its slot,
/// its money and its connection for it.
const UNREAD: Duration = Duration::from_mins(1);

/// Hands one event over, by the call's `deadline` at the latest.
///
/// # Errors
/// `cancelled`: the caller has left, or reads no more.
pub async fn hand_over(events: &mpsc::Sender<CallEvent>, event: CallEvent, deadline: Instant) -> Result<(), Failure> {
    hand_over_by(events, event, || deadline.min(Instant::now() + UNREAD)).await
}

/// Hands the last event over: also after the deadline, which is how a call may have ended.
///
/// # Errors
/// `cancelled`: the caller has left, or reads no more. It finds what came before, and no end.
pub async fn hand_over_the_end(events: &mpsc::Sender<CallEvent>, end: CallEvent) -> Result<(), Failure> {
    hand_over_by(events, end, || Instant::now() + UNREAD).await
}

async fn hand_over_by(
    events: &mpsc::Sender<CallEvent>,
    event: CallEvent,
    until: impl FnOnce() -> Instant,
) -> Result<(), Failure> {
    // Nearly always there is room, and no clock is looked at.
    let event = match events.try_send(event) {
        Ok(()) => return Ok(()),
        Err(TrySendError::Closed(_)) => return Err(Failure::cancelled()),
        Err(TrySendError::Full(event)) => event,
    };
    match timeout_at(until(), events.send(event)).await {
        Ok(sent) => sent.map_err(|_| Failure::cancelled()),
        Err(_) => Err(Failure::plain(ErrorCode::Cancelled, "the caller stopped reading the answer")),
    }
}
