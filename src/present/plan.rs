//! What is left of an account's plan, in words.

use super::{limits, units};
use crate::domain::rate::RateState;
use crate::domain::time::UnixMs;
use crate::engine::protocol::ProviderView;

/// `plan's window used up, parked until 18:40`; `None` while there is room.
pub fn used_up(view: &ProviderView) -> Option<String> {
    Some(format!("plan's window used up, parked until {}", until(view)?))
}

/// When there is room again: `18:40`, with the day where it is another one.
pub fn until(view: &ProviderView) -> Option<String> {
    let until = view.plan.as_ref()?.used_up_until?;
    Some(units::moment(until, view.health.last_checked.unwrap_or(until)))
}

/// `42 of 120 requests left, resets at 18:40:00`; one line per bound, the scarcest first.
pub fn lines(view: &ProviderView, now: UnixMs) -> Vec<String> {
    let Some(plan) = &view.plan else { return Vec::new() };
    let mut lines = limits::lines_by_clock(&RateState { at: now, windows: plan.windows.clone() }, now);
    if plan.told {
        lines.insert(
            0,
            format!(
                "used up by its vendor's count{}",
                until(view).map_or_else(String::new, |at| format!(" until {at}"))
            ),
        );
    }
    lines
}
