//! One probe: a survey with a time limit and retries.

use super::banner::look_closer;
use super::fetch::Asker;
use super::{Inner, elsewhere, held_back, transport};
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::{ProbeFound, ProbeReport};
use crate::domain::reach::Reach;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Between two tries of one probe.
const PAUSE: Duration = Duration::from_millis(100);

/// A try is given this much longer than a connection attempt, so that the two limits never fire together
/// and a filtered port is told from a silent server.
const GRACE: Duration = Duration::from_millis(50);

pub async fn probe(inner: &Inner, profile: &Profile) -> ProbeReport {
    let started = Instant::now();
    let mut tried = Tried { reach: None, latency: None };
    let outcome = match held_back(profile) {
        Some(failure) => Err(failure),
        None => with_retries(inner, profile, &mut tried).await,
    };
    if outcome.as_ref().is_err_and(unreachable) {
        inner.memory.forget(&profile.endpoint.origin);
    }
    let latency = tried.latency.unwrap_or_else(|| started.elapsed());
    let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
    ProbeReport { at: inner.clock.now(), latency_ms, reach: tried.reach, outcome }
}

/// What the tries of one probe showed besides their outcome.
struct Tried {
    reach: Option<Reach>,
    /// Of the try that answered.
    latency: Option<Duration>,
}

async fn with_retries(inner: &Inner, profile: &Profile, tried: &mut Tried) -> Result<ProbeFound, Failure> {
    let mut tries_left = profile.timeouts.probe_retries;
    loop {
        let mut asker = Asker::new(inner, profile, connect_limit(profile));
        let outcome = one_try(&mut asker).await;
        tried.reach = asker.reach.or(tried.reach);
        match outcome {
            Err(failure) if tries_left > 0 && worth_a_second_try(&failure) => {
                tries_left -= 1;
                sleep(PAUSE).await;
            }
            Err(failure) => return Err(elsewhere::or_there(inner, profile, failure).await),
            Ok(found) => {
                tried.latency = asker.took;
                return Ok(found);
            }
        }
    }
}

pub fn connect_limit(profile: &Profile) -> Duration {
    profile.timeouts.connect.min(profile.timeouts.probe_timeout)
}

/// A survey within the profile's probe limit.
pub async fn one_try(asker: &mut Asker<'_>) -> Result<ProbeFound, Failure> {
    let limit = asker.profile.timeouts.probe_timeout;
    match timeout(limit + GRACE, asker.survey()).await {
        Ok(Err(failure)) => Err(look_closer(asker, failure).await),
        Ok(Ok(found)) => Ok(found),
        Err(_) => {
            let endpoint = &asker.profile.endpoint;
            Err(transport::silent(&format!("{} port {}", endpoint.host, endpoint.port), limit))
        }
    }
}

/// The server was not there: what was learned of it may be out of date.
fn unreachable(failure: &Failure) -> bool {
    matches!(
        failure.cause,
        Cause::Refused | Cause::BoundElsewhere { .. } | Cause::ConnectTimeout | Cause::Reset | Cause::Dns
    )
}

/// A server that answers clearly is not asked again, nor one that says it is busy.
fn worth_a_second_try(failure: &Failure) -> bool {
    failure.retry_same() && matches!(failure.code, ErrorCode::Network | ErrorCode::Timeout | ErrorCode::Upstream)
}
