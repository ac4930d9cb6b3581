//! Sentences of the command line that are made from engine values; the words both `status` and others use.
//! Words that the dashboard shows too belong to `present`.

use crate::domain::config::KeySource;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::State;
use crate::engine::protocol::{ProviderView, RoutingView};
use crate::present::{labels, units};

/// The reason alone, without what the state's name says already: the columns are narrow.
pub fn reason(view: &ProviderView) -> String {
    let why = labels::why(view);
    let bare = match view.health.state {
        State::Degraded => why.strip_prefix("probe "),
        State::Unauthorized => {
            why.split_once(": ").filter(|(status, _)| status.parse::<u16>().is_ok()).map(|(_, rest)| rest)
        }
        _ => None,
    };
    bare.unwrap_or(&why).to_owned()
}

/// Where the key comes from, never the key.
pub fn key(source: &KeySource) -> String {
    match source {
        KeySource::None => "none".to_owned(),
        KeySource::Variable { name } => format!("from {name}"),
        KeySource::File { tail: Some(tail) } => format!("in the file, ends in {tail}"),
        KeySource::File { tail: None } => "in the file".to_owned(),
    }
}

/// The chosen target, and the one in effect where it differs.
pub fn target(routing: &RoutingView) -> String {
    let chosen = routing.active.to_string();
    match &routing.in_effect {
        None => format!("{chosen}: nothing to choose from"),
        Some(effect) if effect.to_string() == chosen => chosen,
        Some(effect) => format!("{chosen} -> {effect}"),
    }
}

/// Who decided: the policy of the ledger in a person's words.
pub fn policy(policy: &str) -> String {
    crate::present::routes::decided_by(policy)
}

/// What a target does that cannot take a call: `is full`, and `was full` afterwards.
pub fn cannot(failure: &Failure, past: bool) -> String {
    let be = if past { "was" } else { "is" };
    let verb = |now: &'static str, then: &'static str| if past { then.to_owned() } else { now.to_owned() };
    match (&failure.cause, failure.code) {
        (Cause::Refused | Cause::ConnectTimeout | Cause::Dns | Cause::Reset, _) => format!("{be} down"),
        (Cause::NoModelLoaded, _) => verb("has no model loaded", "had no model loaded"),
        (_, ErrorCode::Overloaded | ErrorCode::QueueFull) => format!("{be} full"),
        (_, ErrorCode::RateLimit) => format!("{be} rate-limited"),
        (_, ErrorCode::Quota) => format!("{be} out of credit"),
        (_, ErrorCode::Auth) => verb("refuses its key", "refused its key"),
        (_, ErrorCode::ContextLength) => verb("has too small a context", "had too small a context"),
        (_, ErrorCode::NotFound) => verb("does not know the model", "did not know the model"),
        (_, ErrorCode::Timeout) => verb("takes too long", "took too long"),
        (_, ErrorCode::Network) => verb("cannot be reached", "could not be reached"),
        (_, ErrorCode::ModelLoadFailed) => verb("cannot load the model", "could not load the model"),
        (_, ErrorCode::EmptyAnswer) => verb("answers nothing", "answered nothing"),
        _ => verb("fails", "failed"),
    }
}

/// `1 order`, `2 orders`.
pub fn count(number: usize, thing: &str) -> String {
    units::count(u64::try_from(number).unwrap_or(u64::MAX), thing, &format!("{thing}s"))
}
