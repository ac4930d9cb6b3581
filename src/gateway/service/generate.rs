//! `POST generate`: one prompt, one whole answer, with the fields of the original service.

use super::options::Options;
use super::{object, text};
use crate::domain::call::{Body as CallContent, CallRequest, Facts, Message, Role};
use crate::domain::failure::{ErrorCode, Failure};
use crate::engine::protocol::CallEvent;
use crate::gateway::chat::{BYTES_PER_TOKEN, engine_gone, outcome_headers};
use crate::gateway::problem::{Problem, json_response};
use crate::gateway::router::Gateway;
use crate::present::service_answer::{service_answer, service_refusal};
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, Value};
use std::sync::Arc;

const MAX_TOKENS: u64 = 1000;
const TEMPERATURE: f64 = 0.7;

pub async fn generate(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let read = async {
        let members = object(&gateway, body, &parts.headers).await?;
        call_request(&members, &parts)
    };
    match read.await {
        Ok(request) => carry_out(&gateway, request, |answer| answer).await,
        Err(problem) => refusal(&problem, ErrorCode::InvalidRequest, |answer| answer),
    }
}

/// Carries a call out and answers with what `shape` makes of the usual members.
pub(super) async fn carry_out(gateway: &Gateway, request: CallRequest, shape: impl Fn(Value) -> Value) -> Response {
    let mut call = gateway.handle.dispatch(request);
    let mut content = String::new();
    let outcome = loop {
        match call.recv().await {
            Some(CallEvent::Text { text }) => content.push_str(&text),
            Some(CallEvent::End(outcome)) => break outcome,
            Some(_) => {}
            None => return refusal(&engine_gone(), ErrorCode::Internal, shape),
        }
    };
    let snapshot = gateway.handle.snapshot();
    let answer = shape(service_answer(&outcome, &content, &snapshot.providers));
    let mut response = match &outcome.failure {
        Some(failure) => Problem::of_call(failure, &outcome.record, &snapshot).response_with(&answer),
        None => json_response(StatusCode::OK, &answer),
    };
    outcome_headers(response.headers_mut(), &outcome);
    response
}

/// A request that never became a call, in this API's fields.
fn refusal(problem: &Problem, code: ErrorCode, shape: impl Fn(Value) -> Value) -> Response {
    let failure = Failure::plain(code, problem.message.clone());
    problem.response_with(&shape(service_refusal(&failure, code.class().advice)))
}

fn call_request(members: &Map<String, Value>, head: &Parts) -> Result<CallRequest, Problem> {
    let prompt = text(members, "prompt")?
        .filter(|prompt| !prompt.trim().is_empty())
        .ok_or_else(|| Problem::invalid("prompt is missing or empty: send the text to answer").about("prompt"))?;
    let system = text(members, "system_prompt")?.filter(|system| !system.is_empty());
    let Options { max_tokens, temperature, facts } = Options::read(members, head)?;
    let (max_tokens, temperature) = (max_tokens.unwrap_or(MAX_TOKENS), temperature.unwrap_or(TEMPERATURE));
    let length = prompt.len() + system.as_ref().map_or(0, String::len);
    let facts = Facts { prompt_tokens: length as u64 / BYTES_PER_TOKEN, max_tokens, ..facts };
    let message = |role, content| Message { role, content };
    let messages = system.map(|content| message(Role::System, content)).into_iter();
    let messages = messages.chain([message(Role::User, prompt)]).collect();
    let body =
        CallContent::Chat { messages, max_tokens: Some(max_tokens), temperature: Some(temperature), stream: false };
    Ok(CallRequest { facts, body, wants_usage: false })
}
