//! `POST {preset}`: a preset of the configuration with the variables of the body, one whole answer.

use super::generate::carry_out;
use super::options::{NAMES, Options};
use super::text;
use crate::domain::call::CallRequest;
use crate::domain::failure::{ErrorCode, Failure};
use crate::domain::preset::{Asked, Preset, Unfilled, Values};
use crate::domain::routing::closest;
use crate::gateway::body::{self, BodyBounds};
use crate::gateway::chat::BYTES_PER_TOKEN;
use crate::gateway::labels;
use crate::gateway::problem::Problem;
use crate::gateway::router::Gateway;
use crate::present::presets::{Giving, unfilled, unknown};
use crate::present::service_answer::{preset_answer, service_refusal};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::request::Parts;
use serde_json::{Map, Value};
use std::sync::Arc;

pub async fn preset(
    State(gateway): State<Arc<Gateway>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let bounds = BodyBounds::of(&gateway.options);
    let presets = gateway.handle.snapshot().config.presets.clone();
    let Ok(Path(name)) = name else {
        body::discard(body, &parts.headers, bounds).await;
        let problem = Problem::invalid("the name of the preset in the path is not UTF-8 text");
        return Refused::from(problem).response(ErrorCode::InvalidRequest, |answer| answer);
    };
    let Some(preset) = presets.iter().find(|preset| preset.name == name) else {
        body::discard(body, &parts.headers, bounds).await;
        let names: Vec<&str> = presets.iter().map(|preset| preset.name.as_str()).collect();
        let (message, remedy) = unknown(&name, &presets, closest(&name, &names));
        let problem = Box::new(Problem::not_found("unknown_preset", message));
        return Refused { problem, remedy }.response(ErrorCode::NotFound, |answer| answer);
    };
    let shape = |answer| preset_answer(answer, &preset.answer_field);
    let read = async {
        let text = body::read_text(body, &parts.headers, bounds).await?;
        call_request(preset, &members(&text)?, &parts)
    };
    match read.await {
        Ok(request) => carry_out(&gateway, request, shape).await,
        Err(refused) => refused.response(ErrorCode::InvalidRequest, shape),
    }
}

/// A request that never became a call, and what to do about it.
struct Refused {
    problem: Box<Problem>,
    remedy: String,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), remedy: ErrorCode::InvalidRequest.class().advice.to_owned() }
    }
}

impl Refused {
    fn of(preset: &Preset, why: &Unfilled) -> Self {
        let (message, remedy) = unfilled(preset, why, Giving::Body);
        Self { problem: Box::new(Problem::invalid(message)), remedy }
    }

    /// In the fields of an answer.
    fn response(&self, code: ErrorCode, shape: impl Fn(Value) -> Value) -> Response {
        let failure = Failure::plain(code, self.problem.message.clone());
        self.problem.response_with(&shape(service_refusal(&failure, &self.remedy)))
    }
}

/// No body at all is as good as one without members: a preset may need no values.
fn members(text: &str) -> Result<Map<String, Value>, Problem> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(text).map_err(|error| {
        Problem::invalid(format!("the body cannot be read: {error}; send a JSON object with the variables"))
    })
}

/// A variable comes before the option of its name.
fn call_request(preset: &Preset, members: &Map<String, Value>, head: &Parts) -> Result<CallRequest, Refused> {
    let variables = preset.variables();
    let mut options = Map::new();
    let mut given = Values::new();
    for (name, value) in members {
        if variables.contains(&name.as_str()) {
            match value {
                Value::Null => {}
                value => {
                    let text = labels::scalar(value).ok_or_else(|| {
                        Problem::invalid(format!("{name} must be a text, a number, true or false")).about(name)
                    })?;
                    given.insert(name.clone(), text);
                }
            }
        } else if name == "model" || NAMES.contains(&name.as_str()) {
            options.insert(name.clone(), value.clone());
        } else {
            let known: Vec<&str> = variables.iter().copied().chain(["model"]).chain(NAMES).collect();
            let near = closest(name, &known).map(str::to_owned);
            return Err(Refused::of(preset, &Unfilled::Unknown { name: name.clone(), near }));
        }
    }
    let model = text(&options, "model")?.filter(|model| !model.trim().is_empty());
    let Options { max_tokens, temperature, facts } = Options::read(&options, head)?;
    let mut request = preset
        .request(&given, Asked { model, max_tokens, temperature }, facts, false)
        .map_err(|why| Refused::of(preset, &why))?;
    request.facts.prompt_tokens = request.body.text_bytes() as u64 / BYTES_PER_TOKEN;
    Ok(request)
}
