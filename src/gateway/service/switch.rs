//! `POST switch-model`: chooses the active target by any name it has.

use super::{object, text};
use crate::domain::ids::Target;
use crate::domain::routing::{ActiveChoice, Unclear, choice};
use crate::engine::protocol::{Command, Refusal, Reply, Snapshot};
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

/// What `name` stands for. A model that its provider does not list may still be named, but a near server's list
/// is whole: what is not on it is a slip of the pen.
fn resolve(name: &str, snapshot: &Snapshot) -> Result<ActiveChoice, Problem> {
    match choice(name, &snapshot.providers) {
        Ok(choice) => Ok(choice),
        Err(Unclear::Several(targets)) => {
            let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
            let list = names.join(", ");
            Err(Problem::invalid(format!("{name} is served by several providers: use one of {list}")).about("model_id"))
        }
        Err(Unclear::Unlisted(target)) if may_be_unlisted(&target, snapshot) => Ok(ActiveChoice::Target(target)),
        Err(Unclear::Unlisted(_) | Unclear::Unknown) => Err(unknown(name, snapshot)),
    }
}

fn may_be_unlisted(target: &Target, snapshot: &Snapshot) -> bool {
    let provider = snapshot.providers.iter().find(|provider| provider.id == target.provider);
    provider.is_some_and(|provider| !provider.reach.is_local() || provider.models.is_empty())
}

fn unknown(name: &str, snapshot: &Snapshot) -> Problem {
    let models = snapshot
        .providers
        .iter()
        .flat_map(|provider| provider.candidates().map(|model| provider.target(model).to_string()));
    let known: Vec<String> = models.collect();
    let offer = if known.is_empty() {
        "no provider has a model now; use auto".to_owned()
    } else {
        let more = if known.len() > OFFERED { ", …" } else { "" };
        let shown = known.get(..OFFERED).unwrap_or(&known).join(", ");
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
