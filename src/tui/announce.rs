//! Which events of the engine become messages, and what they are about.

use crate::domain::health::State;
use crate::domain::ids::ProviderId;
use crate::engine::protocol::{Event, EventKind};
use crate::present::events::{self, FLAPS};

/// The sentence, and the provider it is about; `None` for what the screens show anyway.
pub fn message(event: &Event) -> Option<(String, Option<ProviderId>)> {
    let about = match &event.kind {
        EventKind::HealthChanged { from: State::Unknown, to: State::Up, .. }
        | EventKind::HealthChanged { to: State::Unknown | State::Paused, .. }
        | EventKind::CallFinished { .. }
        | EventKind::StepDone { .. } => return None,
        // A provider that flaps is told by its failures, which count the times.
        EventKind::HealthChanged { to: State::Up, times, .. } if *times >= FLAPS => return None,
        EventKind::HealthChanged { provider, .. } => Some(provider.clone()),
        _ => None,
    };
    Some((events::sentence(&event.kind, None), about))
}
