//! Reading a request's body within its bounds.

use super::options::GatewayOptions;
use super::problem::Problem;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What is set aside before anything has come, whatever length a client announces.
const FIRST_RESERVE: usize = 64 * 1024;
/// Bytes a second that a body brings at least, beside some silences: one that trickles is no request.
const LEAST_RATE: u64 = 16 * 1024;
/// Silences of the longest kind that a body may hold, all in all.
const PATIENCE: u32 = 2;
/// How long a body that nobody wants is read at most.
const DISCARD_TIME: Duration = Duration::from_secs(5);
/// How much of a body beyond the limit is read and thrown away, so that its sender hears the refusal.
const DISCARD_FACTOR: usize = 4;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct BodyBounds {
    limit: usize,
    silence: Duration,
}

impl BodyBounds {
    pub fn of(options: &GatewayOptions) -> Self {
        Self { limit: options.body_limit, silence: options.body_timeout }
    }
}

/// The whole body as text.
///
/// # Errors
/// Too large, stopped half-way, not UTF-8, or the client went away.
pub async fn read_text<B>(mut body: B, headers: &HeaderMap, bounds: BodyBounds) -> Result<String, Problem>
where
    B: Body + Unpin,
    B::Data: AsRef<[u8]>,
{
    let announced = announced_length(headers);
    if announced.is_some_and(|length| length > bounds.limit) {
        discard(body, headers, bounds).await;
        return Err(Problem::too_large(bounds.limit));
    }
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0).min(FIRST_RESERVE));
    let began = Instant::now();
    loop {
        let least = Duration::from_millis((bytes.len() as u64).saturating_mul(1000) / LEAST_RATE);
        let Some(frame) = next(&mut body, bounds, began + bounds.silence * PATIENCE + least).await? else { break };
        let chunk = frame.as_ref();
        if bytes.len() + chunk.len() > bounds.limit {
            drop(bytes);
            drain(body, bounds).await;
            return Err(Problem::too_large(bounds.limit));
        }
        bytes.extend_from_slice(chunk);
    }
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        Problem::invalid(format!("the body is not UTF-8 text (first wrong byte at {place}): send JSON in UTF-8"))
    })
}

/// Reads a body that nobody wants, up to a bound, unless its sender still waits to be asked for it.
pub async fn discard<B>(body: B, headers: &HeaderMap, bounds: BodyBounds)
where
    B: Body + Unpin,
    B::Data: AsRef<[u8]>,
{
    // Who waits for a "100 Continue" has not begun to send.
    if !headers.contains_key(header::EXPECT) {
        drain(body, bounds).await;
    }
}

async fn drain<B>(mut body: B, bounds: BodyBounds)
where
    B: Body + Unpin,
    B::Data: AsRef<[u8]>,
{
    let end = Instant::now() + DISCARD_TIME;
    let mut left = bounds.limit.saturating_mul(DISCARD_FACTOR);
    while let Ok(Some(chunk)) = next(&mut body, bounds, end).await {
        let Some(rest) = left.checked_sub(chunk.as_ref().len()) else { return };
        left = rest;
    }
}

/// The next bytes, unless nothing comes for too long or the body as a whole is too slow.
async fn next<B>(body: &mut B, bounds: BodyBounds, end: Instant) -> Result<Option<B::Data>, Problem>
where
    B: Body + Unpin,
{
    loop {
        match timeout_at(end.min(Instant::now() + bounds.silence), body.frame()).await {
            Err(_) => return Err(Problem::body_timeout()),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Problem::invalid("the body broke off: send the whole request")),
            // Trailers hold nothing for us.
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn announced_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
