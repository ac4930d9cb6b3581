//! A provider's trouble in one row of a table: reason, since when, and the act in at most five words. A command
//! that a narrow terminal cuts helps nobody; the whole remedy is in `remedy`, one `providers show` away.

use super::{labels, units};
use crate::domain::config::KeySource;
use crate::domain::failure::{Cause, Failure};
use crate::domain::health::State;
use crate::domain::kind::Kind;
use crate::domain::reach::Reach;
use crate::domain::time::UnixMs;
use crate::engine::protocol::ProviderView;

/// `connection refused for 14 min: start llama-server there`, `401: the key was refused: check ANTHROPIC_API_KEY`,
/// `1 of 4 slots busy`; empty when there is nothing to say.
pub fn note(view: &ProviderView, now: UnixMs) -> String {
    let failure = view.health.failure.as_ref().filter(|_| view.enabled && view.withheld.is_none());
    match (failure, view.health.state) {
        (Some(failure), State::Down) => {
            let age = units::age(now.since(view.health.since));
            format!("{} for {age}: {}", labels::why(view), act(view, failure))
        }
        (Some(failure), State::Unauthorized) => format!("{}: {}", labels::why(view), act(view, failure)),
        _ => labels::status_note(view, now),
    }
}

fn act(view: &ProviderView, failure: &Failure) -> String {
    match failure.cause {
        Cause::Refused => {
            let there = if Reach::of_host(&view.endpoint.host) == Reach::Machine { "" } else { " there" };
            format!("start {}{there}", server(view.kind))
        }
        Cause::KeyRefused { .. } | Cause::KeyMissing { .. } => match (&view.key_source, view.kind.key_variable()) {
            (KeySource::Variable { name }, _) => format!("check {}", super::escape::line_capped(name, 40)),
            (KeySource::None, Some(name)) => format!("set {name}"),
            (KeySource::None, None) => "give it one".to_owned(),
            _ => "check its key".to_owned(),
        },
        _ => format!("lmdeck providers show {}", super::escape::line_capped(view.id.as_str(), 40)),
    }
}

/// The program behind a kind, as people call it.
fn server(kind: Kind) -> &'static str {
    match kind {
        Kind::LlamaCpp => "llama-server",
        Kind::LmStudio => "the LM Studio server",
        Kind::Ollama => "ollama serve",
        Kind::Vllm => "vllm serve",
        Kind::ZAiGlm | Kind::Openai | Kind::Anthropic | Kind::Openrouter | Kind::OpenaiCompatible => "the server",
    }
}
