//! Asks Anthropic how many tokens a request has, without sending it to a model.

use super::clients::{Outgoing, headers, way};
use super::fetch::{BodyError, read_body};
use super::{Inner, held_back};
use crate::adapters::wire::answer::bad_answer;
use crate::adapters::wire::anthropic;
use crate::adapters::wire::dialect::{Dialect, prepare};
use crate::adapters::wire::errors::{Reply, refusal};
use crate::domain::call::Body;
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::ids::ModelId;
use crate::domain::secret::Secret;
use http::{HeaderValue, Method, header};
use tokio::time::timeout;

/// A count is a line; what is larger is none.
const LIMIT: usize = 64 * 1024;

pub async fn count(inner: &Inner, profile: &Profile, model: &ModelId, asked: &Body) -> Result<u64, Failure> {
    if let Some(failure) = held_back(profile) {
        return Err(failure);
    }
    let prepared = prepare(profile, model, asked)?;
    if prepared.dialect != Dialect::Messages {
        let message = format!("{} does not count tokens", profile.kind.label());
        return Err(Failure::plain(ErrorCode::InvalidRequest, message));
    }
    let request = serde_json::from_str(&prepared.json)
        .map_err(|error| Failure::plain(ErrorCode::Internal, format!("the request could not be read: {error}")))?;
    let way = way(profile, profile.timeouts.connect);
    let address = inner.clients.address(&anthropic::count_url(&profile.endpoint.api_base))?;
    let secrets: Vec<Secret> = profile.key.iter().cloned().collect();
    let mut headers = headers(profile, true)?;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = anthropic::count_body(&request).to_string().into();
    let sending = Outgoing { method: Method::POST, address: &address, headers, body };
    let answer = async {
        let response = inner.clients.send(way, &profile.endpoint, sending).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_body(response, LIMIT, "the count").await.map_err(|error| match error {
            BodyError::TooLarge(failure) => failure,
            BodyError::Cut(_) => Failure::new(ErrorCode::Network, Cause::CutOff, "the count broke off"),
        })?;
        if !(200..300).contains(&status) {
            let now = inner.clock.now();
            let reply = Reply {
                kind: profile.kind,
                path: address.path(),
                status,
                headers: &headers,
                body: &body,
                secrets: &secrets,
                now,
            };
            return Err(refusal(&reply));
        }
        anthropic::counted(&body)
            .ok_or_else(|| bad_answer("input_tokens: expected a whole number, found none", &secrets))
    };
    timeout(profile.timeouts.first_token, answer)
        .await
        .unwrap_or_else(|_| Err(Failure::new(ErrorCode::Timeout, Cause::Deadline, "the vendor did not count in time")))
}
