//! Which events of the engine become messages, and where each leads.

use crate::domain::health::State;
use crate::domain::ids::ProviderId;
use crate::engine::protocol::{Event, EventKind};
use crate::present::events::{self, FLAPS};
use crate::tui::notes::Lead;

/// The sentence, and where it leads; `None` for what the screens show anyway.
pub fn message(event: &Event) -> Option<(String, Option<Lead>)> {
    let lead = match &event.kind {
        EventKind::HealthChanged { from: State::Unknown, to: State::Up, .. }
        | EventKind::HealthChanged { to: State::Unknown | State::Paused, .. }
        | EventKind::CallFinished { .. }
        | EventKind::StepDone { .. } => return None,
        // A provider that flaps is told by its failures, which count the times.
        EventKind::HealthChanged { to: State::Up, times, .. } if *times >= FLAPS => return None,
        // To what mends it, or looks closer.
        EventKind::HealthChanged { provider, to, .. } => Some(match to {
            State::Down => Lead::Doctor(provider.clone()),
            State::Degraded => Lead::Health(provider.clone()),
            State::Unauthorized => Lead::Form(provider.clone()),
            _ => Lead::Page(provider.clone()),
        }),
        EventKind::ModelsChanged { provider, .. } => Some(Lead::Page(provider.clone())),
        EventKind::EffectiveTargetChanged { .. } => Some(Lead::Routing),
        EventKind::ConfigRejected { .. } => Some(Lead::Broken),
        EventKind::Trouble { .. }
        | EventKind::RecordsDropped { .. }
        | EventKind::ExportChanged { trouble: Some(_), .. } => Some(Lead::Log),
        EventKind::ConfigLoaded { .. } | EventKind::BudgetAlert { .. } | EventKind::ExportChanged { .. } => None,
        EventKind::KeptWarm { target, .. } => {
            let provider = target.split_once('/').map_or(target.as_str(), |(provider, _)| provider);
            Some(Lead::Page(ProviderId::from(provider)))
        }
    };
    Some((events::sentence(&event.kind, None), lead))
}
