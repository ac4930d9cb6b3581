//! Bodies with faults in them: whole answers and streams that are cut, stall, never end or are damaged.

use super::Shared;
use super::fault::Fault;
use super::reply::{self, Body, Reply};
use super::settings::Pace;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Without the pause a broken body may swallow what was sent just before.
const BEFORE_BREAK: Duration = Duration::from_millis(20);
/// What is promised by an oversized answer.
const OVERSIZED: &str = "100000000";
/// What a wrong length has too much.
const TOO_LONG_BY: usize = 64;
/// Pieces of a whole answer that drips.
const DRIPS: usize = 4;

/// Counts a stream for as long as its body lives.
struct Streaming(Arc<Shared>);

impl Streaming {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.streaming.fetch_add(1, Ordering::SeqCst);
        shared.changed.notify_waiters();
        Self(shared.clone())
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.streaming.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

/// What a scripted body does next.
enum Act {
    Send(Bytes),
    Wait(Duration),
    Break,
    Hang,
}

fn scripted(acts: Vec<Act>, guard: Option<Streaming>) -> Body {
    let acts = stream::unfold((acts.into_iter(), guard), |(mut acts, guard)| async move {
        loop {
            match acts.next()? {
                Act::Send(bytes) => return Some((Ok(Frame::data(bytes)), (acts, guard))),
                Act::Wait(time) => tokio::time::sleep(time).await,
                Act::Break => return Some((Err(std::io::Error::other("cut")), (acts, guard))),
                Act::Hang => std::future::pending::<()>().await,
            }
        }
    });
    StreamBody::new(acts).boxed_unsync()
}

/// A stream in pieces: what it says, how it ends and what breaks it.
pub(super) struct Streamed {
    pub frames: Vec<String>,
    /// The end mark; empty where there is none.
    pub end: String,
    pub content_type: &'static str,
    pub pace: Pace,
    /// An error frame that ends the stream after so many chunks.
    pub broken: Option<(usize, String)>,
}

impl Streamed {
    pub fn reply(self, shared: &Arc<Shared>, fault: Option<Fault>) -> Reply {
        let mut frames = self.frames;
        let mut end = self.end;
        if let Some((after, frame)) = self.broken {
            frames.truncate(after);
            frames.push(frame);
            end.clear();
        }
        let middle = frames.len() / 2;
        let damaged = frames.get(middle).map(|frame| (cut_frame(frame), foreign_bytes(frame, true)));
        let count = frames.len();
        let mut acts: Vec<Act> = frames.into_iter().map(|frame| Act::Send(Bytes::from(frame))).collect();
        if !end.is_empty() {
            acts.push(Act::Send(Bytes::from(end)));
        }
        let mut content_type = self.content_type;
        match fault {
            Some(Fault::Drip(time)) => acts = acts.into_iter().flat_map(|act| [Act::Wait(time), act]).collect(),
            Some(Fault::Cut { after }) => {
                acts.truncate(after);
                acts.extend([Act::Wait(BEFORE_BREAK), Act::Break]);
            }
            Some(Fault::Stall { after }) => {
                acts.truncate(after);
                acts.push(Act::Hang);
            }
            Some(Fault::MalformedJson) => {
                acts.insert(middle, Act::Send(damaged.map(|(cut, _)| cut).unwrap_or_default()));
            }
            Some(Fault::InvalidUtf8) => {
                acts.insert(middle, Act::Send(damaged.map(|(_, foreign)| foreign).unwrap_or_default()));
            }
            Some(Fault::NoEndMark) => acts.truncate(count),
            Some(Fault::Frame { after, frame }) => {
                acts.insert(after.min(acts.len()), Act::Send(Bytes::from(frame)));
            }
            Some(Fault::ContentType(other)) => content_type = other,
            Some(Fault::Oversized | Fault::Endless) => return reply::with(200, content_type, endless()),
            _ if self.pace != Pace::default() => acts = paced(acts, self.pace),
            _ => {}
        }
        reply::with(200, content_type, scripted(acts, Some(Streaming::new(shared))))
    }
}

fn paced(acts: Vec<Act>, pace: Pace) -> Vec<Act> {
    let waits = std::iter::once(pace.first).chain(std::iter::repeat(pace.each));
    acts.into_iter().zip(waits).flat_map(|(act, wait)| [Act::Wait(wait), act]).collect()
}

/// A whole answer, damaged as the fault says.
pub(super) fn document(whole: Reply, bytes: &Bytes, fault: Option<&Fault>) -> Reply {
    let half = bytes.slice(..bytes.len() / 2);
    let body = match fault {
        Some(Fault::Cut { .. }) => scripted(vec![Act::Send(half), Act::Wait(BEFORE_BREAK), Act::Break], None),
        Some(Fault::Stall { .. }) => scripted(vec![Act::Send(half), Act::Hang], None),
        Some(Fault::MalformedJson) => reply::whole(half),
        Some(Fault::InvalidUtf8) => reply::whole(foreign_bytes(&String::from_utf8_lossy(bytes), false)),
        Some(Fault::Endless | Fault::Oversized) => endless(),
        Some(Fault::WrongLength) => scripted(vec![Act::Send(bytes.clone())], None),
        Some(Fault::Drip(time)) => {
            let size = bytes.len().div_ceil(DRIPS).max(1);
            let pieces = bytes.chunks(size).map(Bytes::copy_from_slice);
            scripted(pieces.flat_map(|piece| [Act::Wait(*time), Act::Send(piece)]).collect(), None)
        }
        _ => reply::whole(bytes.clone()),
    };
    let mut damaged = whole.map(|_| body);
    match fault {
        Some(Fault::Oversized) => reply::set(&mut damaged, "content-length", OVERSIZED),
        Some(Fault::WrongLength) => {
            reply::set(&mut damaged, "content-length", &(bytes.len() + TOO_LONG_BY).to_string());
        }
        Some(Fault::ContentType(other)) => reply::set(&mut damaged, "content-type", other),
        _ => {}
    }
    damaged
}

/// The beginning of a frame with the blank line of a whole one.
fn cut_frame(frame: &str) -> Bytes {
    let data = frame.find("data:").unwrap_or_default();
    let end = (data + 24).min(frame.trim_end().len().saturating_sub(1));
    let start: String = frame.char_indices().take_while(|(at, _)| *at < end).map(|(_, c)| c).collect();
    Bytes::from(format!("{start}\n\n"))
}

/// The same with bytes in a text of it that are no UTF-8.
fn foreign_bytes(text: &str, last: bool) -> Bytes {
    let quote = "\":\"";
    let place = if last { text.rfind(quote) } else { text.find(quote) };
    let at = place.map_or(0, |place| place + quote.len());
    let mut bytes = text.as_bytes().to_vec();
    bytes.splice(at..at, [0xff, 0xfe]);
    Bytes::from(bytes)
}

/// Letters without end.
fn endless() -> Body {
    let chunk = Bytes::from(vec![b'a'; 64 * 1024]);
    let letters = stream::repeat_with(move || Ok(Frame::data(chunk.clone()))).then(|chunk| async {
        tokio::task::yield_now().await;
        chunk
    });
    StreamBody::new(letters).boxed_unsync()
}
