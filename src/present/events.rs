//! What just changed, in a sentence: messages of the dashboard, lines of the plain mode and of `health --watch`.

use super::remedy::{Subject, remedy};
use super::{budget, escape, models, reason, units, warm};
use crate::domain::config::KeySource;
use crate::domain::failure::{Cause, Failure};
use crate::domain::health::State;
use crate::engine::protocol::{EventKind, ProviderView};
use std::time::Duration;

/// The longest foreign text inside a message, in characters.
const QUOTED: usize = 160;
/// From so many changes to one state in ten minutes on, a provider flaps.
pub const FLAPS: u32 = 3;

/// An event in one or two sentences. `provider` is the one it is about, where the caller has it: then what to do
/// is said as well.
pub fn sentence(event: &EventKind, provider: Option<&ProviderView>) -> String {
    match event {
        EventKind::HealthChanged { name, from, to, reason, failure, lasted_ms, times, .. } => {
            let mut head = health(name, *from, *to, reason, failure.as_ref(), provider);
            if let Some(lasted) = lasted_ms.filter(|_| *to == State::Up) {
                head = format!("{} after {}.", head.trim_end_matches('.'), units::age(Duration::from_millis(lasted)));
            }
            if *times >= FLAPS && !matches!(to, State::Up | State::Paused | State::Unknown) {
                head = format!("{head} That was {times} times in 10 min.");
            }
            match (failure, provider) {
                (Some(failure), Some(view)) if !to.usable() && *to != State::Paused => {
                    format!("{head} {}", remedy(failure, &Subject::of(view)).text())
                }
                _ => head,
            }
        }
        EventKind::EffectiveTargetChanged { to, why, .. } => {
            let why = ended(&quoted(why));
            match to {
                Some(to) if why.is_empty() => format!("Calls go to {} now.", quoted(to)),
                Some(to) => format!("Calls go to {} now: {why}", quoted(to)),
                None if why.is_empty() => "No target can take calls now: lmdeck health says why.".into(),
                None => format!("No target can take calls now: {why} lmdeck health has the details."),
            }
        }
        EventKind::ConfigLoaded { file, changes } if changes.is_empty() => format!("{} read.", quoted(file)),
        EventKind::ConfigLoaded { file, changes } => format!("{} read: {}", quoted(file), ended(&quoted(changes))),
        EventKind::ConfigRejected { file, message } => format!(
            "{} cannot be used: {} What ran before goes on; lmdeck config check shows the place.",
            quoted(file),
            ended(&quoted(message))
        ),
        EventKind::CallFinished { id } => format!("Call {} ended.", quoted(id.as_str())),
        EventKind::Trouble { message } => ended(&quoted(message)),
        EventKind::ModelsChanged { name, changes, .. } => format!("{}: {}.", quoted(name), models::changes(changes)),
        EventKind::RecordsDropped { count } => {
            let (what, were) = if *count == 1 { ("record", "was") } else { ("records", "were") };
            format!(
                "{count} {what} of calls {were} lost: the disk did not keep up. Look at the room in the state folder."
            )
        }
        EventKind::StepDone { step, .. } => {
            let word = super::labels::step(step.state).word;
            ended(&format!("{}: {word}: {}", quoted(&step.name), quoted(&step.verdict)))
        }
        EventKind::BudgetAlert { used, limit, exhausted, when_exhausted, .. } => {
            budget::alert(*used, *limit, *exhausted, *when_exhausted)
        }
        EventKind::ExportChanged { endpoint, trouble: Some(why), .. } => format!(
            "The collector {} does not get the calls: {} It is tried again by itself; telemetry.otlp_endpoint names it.",
            quoted(endpoint),
            ended(&quoted(why))
        ),
        EventKind::ExportChanged { endpoint, dropped: 0, .. } => {
            format!("The collector {} gets the calls again.", quoted(endpoint))
        }
        EventKind::ExportChanged { endpoint, dropped, .. } => {
            let calls = units::count(*dropped, "call", "calls");
            format!(
                "The collector {} gets the calls again; {calls} did not reach it since the start.",
                quoted(endpoint)
            )
        }
        EventKind::KeptWarm { target, took_ms, failure, again_in_ms } => {
            warm::told(target, *took_ms, failure.as_ref(), *again_in_ms)
        }
    }
}

/// The short form for `health --watch`: `workstation down: connection refused`.
pub fn watch_line(event: &EventKind) -> Option<String> {
    let EventKind::HealthChanged { provider, to, reason, failure, .. } = event else { return None };
    let why = why(reason, failure.as_ref());
    Some(if why.is_empty() { format!("{provider} {}", to.word()) } else { format!("{provider} {}: {why}", to.word()) })
}

fn health(
    name: &str,
    from: State,
    to: State,
    reason: &str,
    failure: Option<&Failure>,
    provider: Option<&ProviderView>,
) -> String {
    let name = quoted(name);
    let keyless = provider.is_some_and(|view| matches!(view.key_source, KeySource::None));
    let why = match (failure, provider) {
        (Some(failure), Some(view)) => reason::of_key(failure, &view.key_source),
        _ => why(reason, failure),
    };
    let why = ended(&why);
    match to {
        State::Up if matches!(from, State::Down | State::Unauthorized) => format!("{name} is up again."),
        State::Up if from == State::Degraded => format!("{name} is well again."),
        State::Up => format!("{name} is up."),
        // Seen for the first time: it did not go anywhere.
        State::Down if from == State::Unknown => format!("{name} is down: {why}"),
        State::Down => format!("{name} went down: {why}"),
        // It was never asked: there is no key, or none that may go there.
        State::Unauthorized
            if failure.is_some_and(|failure| match failure.cause {
                Cause::KeyMissing { .. } | Cause::KeyWithheld { .. } => true,
                Cause::KeyRefused { .. } => keyless,
                _ => false,
            }) =>
        {
            format!("{name} cannot be used: {why}")
        }
        State::Unauthorized => format!("{name} refused its key: {why}"),
        State::Degraded => format!("{name} is degraded: {why}"),
        State::Paused => format!("{name} is paused: no probes and no calls until it is resumed."),
        State::Unknown if from == State::Paused => format!("{name} is resumed."),
        State::Unknown => format!("{name} is looked at anew."),
    }
}

fn why(reason: &str, failure: Option<&Failure>) -> String {
    failure.map_or_else(|| quoted(reason), reason::short)
}

fn quoted(text: &str) -> String {
    escape::line_capped(text, QUOTED).into_owned()
}

fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with(['.', ':']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::super::labels::tests::{refused, workstation};
    use super::*;
    use crate::domain::failure::ErrorCode;

    fn changed(from: State, to: State, failure: Option<Failure>) -> EventKind {
        EventKind::HealthChanged {
            provider: "workstation".into(),
            name: "Workstation".into(),
            from,
            to,
            reason: "probe slower than 1 s".into(),
            failure,
            lasted_ms: None,
            times: 1,
        }
    }

    #[test]
    fn going_down_says_why_and_what_to_do_and_coming_back_is_announced() {
        let down = changed(State::Up, State::Down, Some(refused()));
        assert_eq!(sentence(&down, None), "Workstation went down: connection refused.");
        let view = workstation(State::Down, Some(refused()));
        assert!(sentence(&down, Some(&view)).contains("llama-server -m qwen3-32b.gguf --host 0.0.0.0 --port 8080"));
        assert_eq!(watch_line(&down).unwrap(), "workstation down: connection refused");
        assert_eq!(sentence(&changed(State::Down, State::Up, None), None), "Workstation is up again.");
        let slow = changed(State::Up, State::Degraded, None);
        assert_eq!(sentence(&slow, None), "Workstation is degraded: probe slower than 1 s.");
        assert_eq!(watch_line(&EventKind::RecordsDropped { count: 1 }), None);
    }

    #[test]
    fn only_a_server_that_was_asked_refuses_a_key() {
        let because =
            |cause| changed(State::Unknown, State::Unauthorized, Some(Failure::new(ErrorCode::Auth, cause, "")));
        let missing = because(Cause::KeyMissing { variable: Some("MY_KEY".into()) });
        assert_eq!(sentence(&missing, None), "Workstation cannot be used: no key: MY_KEY is not set.");
        let refused = because(Cause::KeyRefused { status: 401 });
        assert_eq!(sentence(&refused, None), "Workstation refused its key: 401: the key was refused.");
    }

    #[test]
    fn every_other_event_is_a_sentence_without_control_characters() {
        let nasty = "\x1b[2Jx";
        for event in [
            EventKind::EffectiveTargetChanged { from: None, to: Some(nasty.into()), why: nasty.into() },
            EventKind::EffectiveTargetChanged { from: None, to: None, why: String::new() },
            EventKind::ConfigLoaded { file: nasty.into(), changes: String::new() },
            EventKind::ConfigRejected { file: nasty.into(), message: nasty.into() },
            EventKind::CallFinished { id: "c1".into() },
            EventKind::Trouble { message: nasty.into() },
            EventKind::RecordsDropped { count: 3 },
        ] {
            let text = sentence(&event, None);
            assert!(text.ends_with('.') && !text.chars().any(char::is_control), "{text:?}");
        }
    }
}
