//! Incidents in words: what was wrong, how long, where the calls went, what to do.

use super::remedy::{Subject, remedy};
use super::{escape, reason, units};
use crate::domain::health::State;
use crate::domain::incident::{Ending, Incident};
use crate::domain::time::UnixMs;
use crate::engine::protocol::ProviderView;

/// The longest foreign text inside a sentence, in characters.
const QUOTED: usize = 160;

/// `connection refused; 2 calls moved to zai/glm-4.6`.
pub fn what(incident: &Incident) -> String {
    let why = why(incident);
    if incident.calls_moved == 0 {
        return why;
    }
    let calls = units::count(u64::from(incident.calls_moved), "call", "calls");
    match &incident.moved_to {
        Some(to) => format!("{why}; {calls} moved to {}", escape::line_capped(&to.to_string(), QUOTED)),
        None => format!("{why}; {calls} moved"),
    }
}

/// Why, in a few words.
pub fn why(incident: &Incident) -> String {
    let told = incident.failure.as_ref().map(reason::short);
    told.unwrap_or_else(|| escape::line_capped(&incident.reason, QUOTED).into_owned())
}

/// `14 min`; `14 min or more` when nobody saw its end.
pub fn lasted(incident: &Incident, now: UnixMs) -> String {
    let age = units::age(incident.lasted(now));
    if incident.ending == Some(Ending::Unseen) { format!("{age} or more") } else { age }
}

/// How it stands: `open`, or how it ended.
pub fn standing(incident: &Incident) -> &'static str {
    match incident.ending {
        None => "open",
        Some(Ending::Recovered) => "over",
        Some(Ending::Unseen) => "over, not seen when",
        Some(Ending::Changed) => "over: paused, off or changed",
    }
}

/// What mends it, in one row; `provider` is the one it is about.
pub fn what_to_do(incident: &Incident, provider: Option<&ProviderView>) -> Option<String> {
    let failure = incident.failure.as_ref()?;
    Some(remedy(failure, &Subject::of(provider?)).act())
}

/// One line for listeners and logs of changes: `Workstation, down for 14 min: connection refused; 2 calls moved.`
pub fn sentence(incident: &Incident, name: &str, now: UnixMs) -> String {
    let state = match incident.state {
        State::Unauthorized => "key refused",
        state => state.word(),
    };
    let name = escape::line_capped(name, QUOTED);
    let what = what(incident);
    format!("{name}, {state} for {}, {}: {what}.", lasted(incident, now), standing(incident))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::{Cause, ErrorCode, Failure};
    use crate::domain::ids::Target;
    use crate::present::labels::tests::{NOW, refused, workstation};
    use std::time::Duration;

    fn incident() -> Incident {
        Incident {
            provider: "workstation".into(),
            state: State::Down,
            reason: "connection refused".into(),
            failure: Some(refused()),
            since: UnixMs(NOW.0 - 14 * 60_000),
            seen: NOW,
            until: None,
            ending: None,
            calls_moved: 2,
            moved_to: Some(Target::new("zai", "glm-4.6")),
        }
    }

    #[test]
    fn an_incident_says_why_how_long_and_where_the_calls_went() {
        assert_eq!(what(&incident()), "connection refused; 2 calls moved to zai/glm-4.6");
        assert_eq!(
            sentence(&incident(), "Workstation", NOW),
            "Workstation, down for 14 min, open: connection refused; 2 calls moved to zai/glm-4.6."
        );
        let view = workstation(State::Down, Some(refused()));
        assert!(what_to_do(&incident(), Some(&view)).unwrap().contains("llama-server"));
    }

    #[test]
    fn an_end_that_nobody_saw_is_said_so() {
        let over = Incident { until: Some(NOW), ending: Some(Ending::Unseen), ..incident() };
        assert_eq!(lasted(&over, NOW.plus(Duration::from_hours(9))), "14 min or more");
        assert_eq!(standing(&over), "over, not seen when");
    }

    #[test]
    fn what_a_server_said_reaches_no_terminal_unescaped() {
        let failure = Failure::new(ErrorCode::Network, Cause::Other, "\x1b[2Jx");
        let nasty = Incident {
            failure: Some(failure),
            reason: "\x1b[2Jx".into(),
            moved_to: Some(Target::new("z\x1b", "m\x07")),
            ..incident()
        };
        for text in
            [what(&nasty), sentence(&nasty, "\x1b]0;x\x07", NOW), why(&Incident { failure: None, ..nasty.clone() })]
        {
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }
}
