//! `POST switch-model`: chooses the active target by any name it has.

use super::aliases::alias;
use super::{candidates, object, text};
use crate::domain::ids::{ProviderId, Target};
use crate::domain::routing::ActiveChoice;
use crate::engine::protocol::{Command, Refusal, Reply, Snapshot};
use crate::gateway::models::target;
use crate::gateway::problem::{Problem, json_response};
use crate::gateway::router::Gateway;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::json;
use std::sync::Arc;

/// How many names an answer to a wrong one offers.
const OFFERED: usize = 12;

pub async fn switch_model(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    match switch(&gateway, request).await {
        Ok(choice) => json_response(
            StatusCode::OK,
            &json!({
                "success": true,
                "active_chosen": choice.to_string(),
                "active_model": gateway.handle.snapshot().routing.in_effect,
            }),
        ),
        Err(problem) => problem.response(),
    }
}

async fn switch(gateway: &Gateway, request: Request) -> Result<ActiveChoice, Problem> {
    let (parts, body) = request.into_parts();
    let members = object(gateway, body, &parts.headers).await?;
    let name = text(&members, "model_id")?
        .ok_or_else(|| Problem::invalid("model_id is missing: name a model, a provider or auto").about("model_id"))?;
    let choice = resolve(name.trim(), &gateway.handle.snapshot())?;
    // Followed through to the end, so that the answer says what is.
    match gateway.handle.ask(Command::UseTarget { choice: choice.clone() }).await {
        Reply::Done => Ok(choice),
        Reply::Refused(refusal) => Err(refused(&refusal)),
        _ => Err(Problem::internal("the engine answered the switch with something else")),
    }
}

/// What `name` stands for: `auto`, a provider, `provider/model`, a name of the original service, or a model id
/// that only one provider has.
fn resolve(name: &str, snapshot: &Snapshot) -> Result<ActiveChoice, Problem> {
    if name == "auto" {
        return Ok(ActiveChoice::Auto);
    }
    if snapshot.providers.iter().any(|provider| provider.id.as_str() == name) {
        return Ok(ActiveChoice::Provider(ProviderId::from(name)));
    }
    let mut same_id = Vec::new();
    let mut known = Vec::new();
    for provider in snapshot.providers.iter() {
        for model in candidates(provider) {
            let target = target(provider, model);
            if target.to_string() == name || alias(provider, &model.id).as_deref() == Some(name) {
                return Ok(ActiveChoice::Target(target));
            }
            if model.id.as_str() == name {
                same_id.push(target.clone());
            }
            known.push(target.to_string());
        }
    }
    match same_id.as_slice() {
        [only] => Ok(ActiveChoice::Target(only.clone())),
        [] => unlisted(name, snapshot).ok_or_else(|| unknown(name, &known)),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            let list = names.join(", ");
            Err(Problem::invalid(format!("{name} is served by several providers: use one of {list}")).about("model_id"))
        }
    }
}

/// A model that its provider does not list may still be named.
fn unlisted(name: &str, snapshot: &Snapshot) -> Option<ActiveChoice> {
    let target: Target = name.parse().ok()?;
    let provider = snapshot.providers.iter().find(|provider| provider.id == target.provider)?;
    // A near server's list is whole, so a model that is not on it is a slip of the pen.
    (!provider.reach.is_local() || provider.models.is_empty()).then_some(ActiveChoice::Target(target))
}

fn unknown(name: &str, known: &[String]) -> Problem {
    let offer = if known.is_empty() {
        "no provider has a model now; use auto".to_owned()
    } else {
        let more = if known.len() > OFFERED { ", …" } else { "" };
        let shown = known.get(..OFFERED).unwrap_or(known).join(", ");
        format!("use auto, or one of {shown}{more}")
    };
    Problem::not_found("model_not_found", format!("no model is called {name:?}: {offer}")).about("model_id")
}

fn refused(refusal: &Refusal) -> Problem {
    let message = if refusal.remedy.is_empty() {
        refusal.message.clone()
    } else {
        format!("{}; {}", refusal.message, refusal.remedy)
    };
    match refusal.exit {
        2 | 3 => Problem::invalid(message),
        4 => Problem::unavailable(message),
        5 => Problem::forbidden("denied", message),
        _ => Problem { message, ..Problem::internal("") },
    }
}
