//! `POST generate`: one prompt, one whole answer, with the fields of the original service.

use super::{object, text};
use crate::domain::cache_key::CacheWish;
use crate::domain::call::{Body as CallContent, CallRequest, Facts, Message, Priority, Role};
use crate::domain::failure::{ErrorCode, Failure};
use crate::engine::protocol::CallEvent;
use crate::gateway::chat::{BYTES_PER_TOKEN, engine_gone, outcome_headers};
use crate::gateway::labels;
use crate::gateway::problem::{Problem, json_response};
use crate::gateway::router::Gateway;
use crate::present::service_answer::{service_answer, service_refusal};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use std::sync::Arc;

const MAX_TOKENS: u64 = 1000;
const TEMPERATURE: f64 = 0.7;

pub async fn generate(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let read = async {
        let members = object(&gateway, body, &parts.headers).await?;
        call_request(&members, &parts.headers)
    };
    match read.await {
        Ok(request) => answer(&gateway, request).await,
        Err(problem) => refusal(&problem, ErrorCode::InvalidRequest),
    }
}

async fn answer(gateway: &Gateway, request: CallRequest) -> Response {
    let mut call = gateway.handle.dispatch(request);
    let mut content = String::new();
    let outcome = loop {
        match call.recv().await {
            Some(CallEvent::Text { text }) => content.push_str(&text),
            Some(CallEvent::End(outcome)) => break outcome,
            Some(_) => {}
            None => return refusal(&engine_gone(), ErrorCode::Internal),
        }
    };
    let snapshot = gateway.handle.snapshot();
    let answer = service_answer(&outcome, &content, &snapshot.providers);
    let mut response = match &outcome.failure {
        Some(failure) => Problem::of_call(failure, &outcome.record, &snapshot).response_with(&answer),
        None => json_response(StatusCode::OK, &answer),
    };
    outcome_headers(response.headers_mut(), &outcome);
    response
}

/// A request that never became a call, in this API's fields.
fn refusal(problem: &Problem, code: ErrorCode) -> Response {
    problem.response_with(&service_refusal(&Failure::plain(code, problem.message.clone()), code.class().advice))
}

fn call_request(members: &Map<String, Value>, headers: &HeaderMap) -> Result<CallRequest, Problem> {
    let prompt = text(members, "prompt")?
        .filter(|prompt| !prompt.trim().is_empty())
        .ok_or_else(|| Problem::invalid("prompt is missing or empty: send the text to answer").about("prompt"))?;
    let system = text(members, "system_prompt")?.filter(|system| !system.is_empty());
    let max_tokens = max_tokens(members)?;
    let temperature = temperature(members)?;
    let cache = match members.get("use_cache") {
        None | Some(Value::Null | Value::Bool(true)) => CacheWish::On,
        Some(Value::Bool(false)) => CacheWish::Off,
        Some(_) => return Err(Problem::invalid("use_cache must be true or false").about("use_cache")),
    };
    let length = prompt.len() + system.as_ref().map_or(0, String::len);
    let mut facts = Facts {
        prompt_tokens: length as u64 / BYTES_PER_TOKEN,
        max_tokens,
        priority: match text(members, "priority")? {
            Some(word) => labels::priority(&word, "priority")?,
            None => Priority::Normal,
        },
        cache,
        preferred_provider: text(members, "preferred_provider")?.unwrap_or_default(),
        ..Facts::default()
    };
    put_context(&mut facts, members.get("context"))?;
    labels::from_headers(&mut facts, headers)?;
    let message = |role, content| Message { role, content };
    let messages = system.map(|content| message(Role::System, content)).into_iter();
    let messages = messages.chain([message(Role::User, prompt)]).collect();
    let body =
        CallContent::Chat { messages, max_tokens: Some(max_tokens), temperature: Some(temperature), stream: false };
    Ok(CallRequest { facts, body, wants_usage: false })
}

/// Three members are facts, the other scalars are tags.
fn put_context(facts: &mut Facts, context: Option<&Value>) -> Result<(), Problem> {
    let members = match context {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(members)) => members,
        Some(_) => return Err(Problem::invalid("context must be an object").about("context")),
    };
    for (name, value) in members {
        let Some(text) = labels::scalar(value) else { continue };
        let place = format!("context.{name}");
        match name.as_str() {
            "request_type" | "complexity" | "audience" => labels::put(facts, name, &text, &place).map(|_| ())?,
            _ => labels::put_tag(facts, name, &text, &place)?,
        }
    }
    Ok(())
}

fn max_tokens(members: &Map<String, Value>) -> Result<u64, Problem> {
    match members.get("max_tokens") {
        None | Some(Value::Null) => Ok(MAX_TOKENS),
        Some(value) => value.as_u64().filter(|count| *count > 0).ok_or_else(|| {
            Problem::invalid(format!("max_tokens is {value}: use a whole number from 1 on")).about("max_tokens")
        }),
    }
}

fn temperature(members: &Map<String, Value>) -> Result<f64, Problem> {
    match members.get("temperature") {
        None | Some(Value::Null) => Ok(TEMPERATURE),
        Some(value) => value.as_f64().filter(|degree| (0.0..=2.0).contains(degree)).ok_or_else(|| {
            Problem::invalid(format!("temperature is {value}: use a number from 0 to 2")).about("temperature")
        }),
    }
}
