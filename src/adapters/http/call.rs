//! Carries out one attempt: sends the request, judges the response head, hands on the frames.

use super::clients::{Outgoing, headers, near_way, too_far, way};
use super::fetch::{BodyError, read_body};
use super::response::{Broken, Response};
use super::survey::of_version;
use super::{Inner, held_back, transport};
use crate::adapters::wire::answer::{Context, instead_of_stream, too_large};
use crate::adapters::wire::dialect::{Dialect, Reader, prepare, whole};
use crate::adapters::wire::errors::{Reply, refusal};
use crate::adapters::wire::rate;
use crate::adapters::wire::words::{begins, is_web_page};
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::engine::ports::{Frame, Seen, UpstreamAnswer, UpstreamJob};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use http::{HeaderValue, Method, header};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Bytes of a whole answer at most.
pub const ANSWER_LIMIT: usize = 32 * 1024 * 1024;

/// Bytes of a stream at most: a million tokens with their frames.
pub const STREAM_LIMIT: usize = 256 * 1024 * 1024;

/// Bytes read of a refusal.
const REFUSAL_LIMIT: usize = 64 * 1024;

/// How long the words of a refusal may take after its head.
const REFUSAL_TIME: Duration = Duration::from_secs(5);

/// How long a whole answer may take after its head where a stream was asked for.
const UNASKED_TIME: Duration = Duration::from_secs(30);

/// How long the transport's own end may take after a stream's end mark, so that the connection can be used
/// again.
const DRAIN_TIME: Duration = Duration::from_secs(1);

pub async fn start(inner: Arc<Inner>, job: UpstreamJob) -> Result<UpstreamAnswer, Failure> {
    let deadline = Instant::now() + job.time_left;
    let profile = &job.profile;
    if let Some(failure) = held_back(profile) {
        return Err(failure);
    }
    let request = prepare(profile, &job.model, &job.body)?;
    let connect = profile.timeouts.connect;
    let address = inner.clients.address(&request.url)?;
    let way = if job.local_only { near_way(profile, &address.url, connect)? } else { way(profile, connect) };
    let accept = if request.stream { "text/event-stream" } else { "application/json" };
    let mut headers = headers(profile, request.dialect == Dialect::Messages)?;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    inner.trail.mark(&mut headers, &job);
    let sending = Outgoing { method: Method::POST, address: &address, headers, body: request.json.into() };
    let response = match timeout_at(deadline, inner.clients.send(way, &profile.endpoint, sending)).await {
        Ok(sent) => sent?,
        Err(_) => return Err(past_deadline(job.time_left)),
    };
    // The resolver let only near addresses through; this holds should that ever change.
    if let Some(address) =
        response.remote_addr().map(|address| address.ip()).filter(|address| !way.allowed.admits(*address))
    {
        return Err(too_far(address));
    }
    let now = inner.clock.now();
    let context = Context {
        kind: profile.kind,
        path: address.path().to_owned(),
        secrets: profile.key.iter().cloned().collect(),
        now,
    };
    let attempt = Attempt {
        inner,
        context,
        dialect: request.dialect,
        created: u64::try_from(now.0 / 1000).unwrap_or(0),
        deadline,
        time_left: job.time_left,
        profile: job.profile,
    };
    attempt.judge(response, request.stream).await
}

/// What the rest of an attempt needs once its head is there.
struct Attempt {
    inner: Arc<Inner>,
    context: Context,
    dialect: Dialect,
    /// When the answer began, in seconds since 1970.
    created: u64,
    profile: Arc<Profile>,
    deadline: Instant,
    time_left: Duration,
}

impl Attempt {
    async fn judge(self, response: Response, stream: bool) -> Result<UpstreamAnswer, Failure> {
        let status = response.status();
        if !(200..300).contains(&status) {
            let headers = response.headers().clone();
            let body = self.words(response).await;
            return Err(refusal(&Reply {
                kind: self.context.kind,
                path: &self.context.path,
                status,
                headers: &headers,
                body: &body,
                secrets: &self.context.secrets,
                now: self.inner.clock.now(),
            }));
        }
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let events = begins(content_type.as_bytes(), "text/event-stream");
        if stream && !events {
            let rate = rate::read(response.headers(), self.inner.clock.now());
            let (body, cut) = self.unasked(response, &content_type).await;
            let failure = instead_of_stream(&self.context, &content_type, &body);
            let failure = with_version(&self.inner, &self.profile, failure);
            // A whole answer after all: its words are of no use, its counts tell what it costs.
            let answer = match whole(self.dialect, &self.context, body, self.created) {
                Ok(answer) => answer,
                // Most of an answer, as far as can be seen.
                Err(_) if cut => return Err(only_once(failure)),
                Err(_) => return Err(failure),
            };
            let Seen { usage, finish, model, billed, .. } = answer.seen;
            let counts = Frame { raw: Bytes::new(), seen: Seen { usage, finish, model, billed, ..Seen::default() } };
            let frames = stream::iter([Ok(counts), Err(only_once(failure))]).boxed();
            return Ok(UpstreamAnswer { status, content_type, stream, frames, rate });
        }
        if !stream && events {
            let message = "a stream came where a whole answer was asked for";
            return Err(only_once(Failure::plain(ErrorCode::BadAnswer, message)));
        }
        if is_web_page(&content_type, b"") {
            let message = format!("a web page came from {} instead of an answer", self.context.path);
            return Err(Failure::new(ErrorCode::BadAnswer, Cause::HtmlPage, message));
        }
        let rate = rate::read(response.headers(), self.inner.clock.now());
        let frames = if stream {
            stream::unfold(Box::new(Incoming::new(self, response)), Incoming::next).boxed()
        } else {
            stream::once(self.whole(response)).boxed()
        };
        Ok(UpstreamAnswer { status, content_type, stream, frames, rate })
    }

    /// What came in the place of a stream: a whole answer to its end, of anything else the beginning. And whether it
    /// is JSON of which something is missing.
    async fn unasked(&self, response: Response, content_type: &str) -> (Bytes, bool) {
        let json = begins(content_type.as_bytes(), "application/json");
        let (limit, time) = if json { (ANSWER_LIMIT, UNASKED_TIME) } else { (REFUSAL_LIMIT, REFUSAL_TIME) };
        let (body, whole) = self.beginning(response, limit, time).await;
        let cut = !whole && body.trim_ascii_start().starts_with(b"{");
        (body.into(), cut)
    }

    /// The beginning of a body that is no answer, for its words.
    async fn words(&self, response: Response) -> Vec<u8> {
        self.beginning(response, REFUSAL_LIMIT, REFUSAL_TIME).await.0
    }

    /// As much of a body as may come, and whether that is all of it.
    async fn beginning(&self, mut response: Response, limit: usize, time: Duration) -> (Vec<u8>, bool) {
        let mut words = Vec::new();
        let until = self.deadline.min(Instant::now() + time);
        loop {
            match timeout_at(until, response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    let room = limit - words.len();
                    words.extend_from_slice(chunk.get(..chunk.len().min(room)).unwrap_or_default());
                    if words.len() >= limit {
                        return (words, false);
                    }
                }
                Ok(Ok(None)) => return (words, true),
                Ok(Err(_)) | Err(_) => return (words, false),
            }
        }
    }

    async fn whole(self, response: Response) -> Result<Frame, Failure> {
        match timeout_at(self.deadline, read_body(response, ANSWER_LIMIT, "the answer")).await {
            Ok(Ok(body)) => whole(self.dialect, &self.context, body, self.created)
                .map_err(|failure| with_version(&self.inner, &self.profile, failure)),
            Ok(Err(BodyError::TooLarge(failure))) => Err(failure),
            Ok(Err(BodyError::Cut(error))) => Err(self.cut(&error)),
            Err(_) => Err(past_deadline(self.time_left)),
        }
    }

    fn cut(&self, error: &Broken) -> Failure {
        let inner = transport::failure(&**error, &self.profile.endpoint, self.profile.timeouts.connect);
        let message = match inner.cause {
            Cause::Reset => "the connection was cut before the answer was whole".to_owned(),
            _ => format!("the answer broke off: {}", inner.message),
        };
        Failure::new(ErrorCode::Network, Cause::CutOff, message)
    }
}

/// A stream on its way in.
struct Incoming {
    inner: Arc<Inner>,
    profile: Arc<Profile>,
    response: Option<Response>,
    reader: Reader,
    bytes: usize,
    over: bool,
}

impl Incoming {
    fn new(attempt: Attempt, response: Response) -> Self {
        let Attempt { inner, context, dialect, created, profile, .. } = attempt;
        let reader = Reader::new(dialect, context, created);
        Self { inner, profile, response: Some(response), reader, bytes: 0, over: false }
    }

    async fn next(mut self: Box<Self>) -> Option<(Result<Frame, Failure>, Box<Self>)> {
        loop {
            if let Some(frame) = self.reader.next_frame() {
                let frame = frame.map_err(|failure| with_version(&self.inner, &self.profile, failure));
                return Some((frame, self));
            }
            if self.over || self.reader.done() {
                self.let_go();
                return None;
            }
            let response = self.response.as_mut()?;
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    self.bytes += chunk.len();
                    if self.bytes > STREAM_LIMIT {
                        return Some(self.fail(too_large(STREAM_LIMIT, "the stream")));
                    }
                    self.reader.push(chunk);
                }
                Ok(None) => self.reader.finish(true),
                Err(error) if self.bytes == 0 => {
                    let (endpoint, connect) = (&self.profile.endpoint, self.profile.timeouts.connect);
                    let failure = transport::failure(&*error, endpoint, connect);
                    return Some(self.fail(failure));
                }
                Err(_) => self.reader.finish(false),
            }
        }
    }

    fn fail(mut self: Box<Self>, failure: Failure) -> (Result<Frame, Failure>, Box<Self>) {
        self.over = true;
        self.response = None;
        (Err(failure), self)
    }

    /// After a good end the transport's last bytes are read, so that the connection is kept.
    fn let_go(&mut self) {
        let Some(mut response) = self.response.take() else { return };
        if self.over || matches!(response.chunk().now_or_never(), Some(Ok(None) | Err(_))) {
            return;
        }
        tokio::spawn(async move {
            // Whatever comes or does not come, the answer was whole.
            let _ = timeout(DRAIN_TIME, response.chunk()).await;
        });
    }
}

/// Asked again, the server would answer in the same form, and that would be paid for again.
fn only_once(failure: Failure) -> Failure {
    Failure { may_retry: Some(false), ..failure }
}

/// An answer that cannot be read is told with the version that its server last said it is.
fn with_version(inner: &Inner, profile: &Profile, mut failure: Failure) -> Failure {
    if failure.code == ErrorCode::BadAnswer {
        let version = inner.memory.with(&profile.endpoint.origin, |known| {
            let told = known.props.as_ref().and_then(|props| props.version.clone());
            known.version.clone().or(told)
        });
        failure.message = of_version(failure.message, version.as_ref());
    }
    failure
}

fn past_deadline(time_left: Duration) -> Failure {
    let message = format!("no answer came in the {} that the call had left", transport::time(time_left));
    Failure::new(ErrorCode::Timeout, Cause::Deadline, message)
}
