//! What is left of an account's plan, in words.

use super::{limits, units};
use crate::domain::time::UnixMs;
use crate::engine::protocol::{PlanLeft, ProviderView};

/// `plan's window used up, parked until 18:40`; `None` while there is room.
pub fn used_up(view: &ProviderView) -> Option<String> {
    Some(format!("plan's window used up, parked until {}", until(view)?))
}

/// When there is room again: `18:40`, with the day where it is another one.
pub fn until(view: &ProviderView) -> Option<String> {
    let until = view.plan.as_ref()?.used_up_until?;
    Some(units::moment(until, view.health.last_checked.unwrap_or(until)))
}

/// `42 of 120 requests left in 5 h, full again at 18:40`; one line per bound.
pub fn lines(view: &ProviderView, now: UnixMs) -> Vec<String> {
    let Some(plan) = &view.plan else { return Vec::new() };
    let told = || format!("used up by its vendor's count until {}", until(view).unwrap_or_default());
    plan.told.then(told).into_iter().chain(plan.windows.iter().map(|window| line(window, now))).collect()
}

fn line(PlanLeft { window_s, left }: &PlanLeft, now: UnixMs) -> String {
    let window = match window_s {
        seconds if seconds % 86_400 == 0 => units::count(seconds / 86_400, "day", "days"),
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds => format!("{} min", seconds.div_ceil(60)),
    };
    let again = left.resets_at.map(|at| format!(", full again at {}", units::moment(at, now)));
    format!("{} in {window}{}", limits::left(left), again.unwrap_or_default())
}
