//! Charts that sweep like an oscilloscope: a time slot has its column for good, the newest stands left of the
//! gap, and one probe rewrites one column. Slots are counted in absolute time, so that one cause seen by several
//! providers stands in one vertical line.

use super::scale::{Held, Of, Scale};
use crate::domain::health::State;
use crate::domain::incident::SLOT;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{ProbePoint, ProviderView};
use crate::present::{text, units};
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use std::time::Duration;

/// How much time the charts show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Window {
    /// One column per probe.
    #[default]
    Probes,
    SixHours,
    Day,
}

impl Window {
    pub fn next(self) -> Self {
        match self {
            Self::Probes => Self::SixHours,
            Self::SixHours => Self::Day,
            Self::Day => Self::Probes,
        }
    }

    /// Milliseconds of one column.
    fn slot(self, interval_s: u64, columns: u16) -> i64 {
        let interval = i64::try_from(interval_s.max(1)).unwrap_or(30).saturating_mul(1000);
        let columns = i64::from(columns.max(1));
        match self {
            Self::Probes => interval,
            Self::SixHours => kept().max(interval).max(6 * 3_600_000 / columns),
            Self::Day => kept().max(interval).max(24 * 3_600_000 / columns),
        }
    }
}

/// What a column holds: the worst state and the slowest answer of its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Column {
    latency_ms: Option<u64>,
    state: State,
}

/// The columns of one provider, by place; `None` for the gap and for what was not asked.
struct Sweep {
    columns: Vec<Option<Column>>,
    /// Where the gap begins.
    gap: usize,
    newest: i64,
    slot: i64,
}

/// Blank columns after the gap's mark.
const GAP: usize = 3;

impl Sweep {
    fn of(provider: &ProviderView, window: Window, width: u16) -> Option<Self> {
        let count = usize::from(width);
        if count <= GAP {
            return None;
        }
        let slot = window.slot(provider.probe_interval_s, width);
        // Single probes are this process's own; a longer time is told by the slots that are kept for good.
        let probes = || provider.history.iter().map(|point| (point.at, Column::of(point)));
        let kept =
            || provider.day.iter().map(|slot| (slot.start, Column { latency_ms: slot.slowest_ms, state: slot.worst }));
        let points: Vec<(UnixMs, Column)> =
            if window == Window::Probes { probes().collect() } else { kept().collect() };
        let newest = points.last()?.0.0.div_euclid(slot);
        let place = |number: i64| usize::try_from(number.rem_euclid(i64::from(width))).unwrap_or(0);
        let oldest = newest - i64::try_from(count - GAP).unwrap_or(0) + 1;
        let mut columns: Vec<Option<Column>> = vec![None; count];
        for (number, column) in points.into_iter().map(|(at, column)| (at.0.div_euclid(slot), column)) {
            if number >= oldest {
                let cell = &mut columns[place(number)];
                *cell = Some(merge(*cell, column));
            }
        }
        Some(Self { columns, gap: place(newest + 1), newest, slot })
    }

    /// The column stands right of the gap: the pass before drew it.
    fn is_older(&self, place: usize) -> bool {
        self.gap > 0 && place > self.gap
    }

    fn has_older(&self) -> bool {
        (0..self.columns.len()).any(|place| self.is_older(place) && self.columns[place].is_some())
    }

    /// The slot that column `place` shows, by its distance from the newest.
    fn age_of(&self, place: usize) -> Option<i64> {
        let count = self.columns.len();
        let back = (self.gap + count - 1 - place) % count;
        (back < count - GAP).then_some(i64::try_from(back).ok()?)
    }
}

impl Column {
    fn of(point: &ProbePoint) -> Self {
        Self { latency_ms: point.latency_ms, state: point.state }
    }
}

fn merge(before: Option<Column>, new: Column) -> Column {
    let Some(before) = before else { return new };
    let worse = if rank(new.state) > rank(before.state) { new.state } else { before.state };
    Column { latency_ms: before.latency_ms.max(new.latency_ms), state: worse }
}

/// Milliseconds of a slot that is kept for good.
fn kept() -> i64 {
    i64::try_from(SLOT.as_millis()).unwrap_or(i64::MAX)
}

fn rank(state: State) -> u8 {
    match state {
        State::Paused => 0,
        State::Unknown => 1,
        State::Up => 2,
        State::Degraded => 3,
        State::Unauthorized => 4,
        State::Down => 5,
    }
}

/// The slowest answer that the chart of `provider` shows.
pub(super) fn highest(provider: &ProviderView, window: Window, width: u16) -> u64 {
    let sweep = Sweep::of(provider, window, width);
    sweep.iter().flat_map(|sweep| &sweep.columns).flatten().filter_map(|column| column.latency_ms).max().unwrap_or(0)
}

const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Columns of the chart in an area so wide.
pub(super) fn chart_width(area: u16) -> u16 {
    area.saturating_sub(14 + 5)
}

/// Title, bars, axis and times.
pub(super) fn chart(
    canvas: &mut Canvas<'_>,
    area: Rect,
    provider: &ProviderView,
    all: &[&ProviderView],
    window: Window,
    scale: Scale,
    held: &Held,
) {
    let axis_x = area.x + 14;
    let width = chart_width(area.width);
    let bars = area.height.saturating_sub(3);
    let sweep = Sweep::of(provider, window, width);
    let slowest = match scale {
        Scale::Own => highest(provider, window, width),
        Scale::Shared => all.iter().map(|one| highest(one, window, width)).max().unwrap_or(0),
    };
    let pass = sweep.as_ref().map_or(0, |sweep| sweep.newest.div_euclid(i64::from(width.max(1))));
    let columns = sweep.as_ref().map_or(0, |sweep| sweep.columns.iter().flatten().count());
    let of = Of { provider: provider.id.clone(), window, scale, width };
    let tops = held.tops(of, pass, columns, slowest);
    let top = tops.newer;
    let slot = window.slot(provider.probe_interval_s, width);
    let shown = Duration::from_millis(u64::try_from(slot).unwrap_or(0).saturating_mul(u64::from(width)));
    let per_column = if window == Window::Probes { "one column per probe".into() } else { per_slot(slot) };
    let two = tops.older != top && sweep.as_ref().is_some_and(Sweep::has_older);
    let older = if two { format!("; right of ┆ 0 to {}", units::latency(tops.older)) } else { String::new() };
    let right = format!("0 to {}{older}, {}, {per_column}", units::latency(top), minutes(shown));
    canvas.spans(
        area.x + 2,
        area.y,
        area.width / 2,
        &[(&provider.name, Role::Title), ("  probe latency", Role::Muted)],
    );
    canvas.right(area.x + area.width / 3, area.right().saturating_sub(5), area.y, &right, Role::Muted);
    for row in 0..bars {
        let y = area.y + 1 + row;
        let tick = row % 2 == 0 && bars > 3;
        canvas.text(axis_x, y, 1, if tick { "┤" } else { "│" }, Role::Border);
        if tick {
            let value = top * u64::from(bars - row) / u64::from(bars);
            canvas.right(area.x, axis_x - 1, y, &units::latency(value), Role::Muted);
        }
    }
    let floor = area.y + 1 + bars;
    canvas.text(axis_x, floor, 1, "└", Role::Border);
    canvas.text(axis_x + 1, floor, width, &"─".repeat(usize::from(width)), Role::Border);
    let Some(sweep) = sweep else {
        canvas.text(axis_x + 2, area.y + 1, width, "no probe yet", Role::Muted);
        return;
    };
    for (place, x) in (0..sweep.columns.len()).zip(axis_x + 1..) {
        if place == sweep.gap {
            for y in area.y + 1..floor {
                canvas.text(x, y, 1, "┆", Role::Muted);
            }
            continue;
        }
        let Some(latency) = sweep.columns[place].and_then(|column| column.latency_ms) else { continue };
        let top = if sweep.is_older(place) { tops.older } else { top };
        bar(canvas, x, area.y + 1..floor, latency, top);
    }
    times(canvas, &sweep, axis_x + 1, floor + 1);
}

/// One bar in eighths of a cell, from the bottom up; what is over the scale is a full column in Warn.
fn bar(canvas: &mut Canvas<'_>, x: u16, rows: std::ops::Range<u16>, latency: u64, top: u64) {
    let cells = u64::from(rows.end - rows.start);
    let eighths = (latency.min(top) * cells * 8).div_ceil(top.max(1)).max(1);
    let role = if latency > top { Role::Warn } else { Role::Chart(0) };
    for (n, y) in rows.rev().enumerate() {
        let filled = eighths.saturating_sub(n as u64 * 8).min(8);
        if filled == 0 {
            break;
        }
        let place = usize::try_from(filled - 1).unwrap_or(7);
        canvas.text(x, y, 1, BARS[place], role);
    }
}

/// Times of day under the columns where the sweep has passed; they stay until it comes by again.
fn times(canvas: &mut Canvas<'_>, sweep: &Sweep, x: u16, y: u16) {
    const EVERY: usize = 24;
    for place in (0..sweep.columns.len().saturating_sub(5)).step_by(EVERY) {
        let Some(age) = sweep.age_of(place) else { continue };
        let at = UnixMs((sweep.newest - age) * sweep.slot);
        let clock = canvas.clock(at);
        let short = text::truncate(clock.rsplit(' ').next().unwrap_or_default(), 5).into_owned();
        canvas.text(x + u16::try_from(place).unwrap_or(0), y, 5, &short, Role::Muted);
    }
}

/// What the timeline's cells mean.
pub(super) fn legend(canvas: &mut Canvas<'_>, row: Rect) {
    let glyph = |state| cell(Some(state), canvas.ascii).0;
    let words = format!(
        "{} up   {} degraded   {} down   {} not asked   {} off",
        glyph(State::Up),
        glyph(State::Degraded),
        glyph(State::Down),
        glyph(State::Unauthorized),
        glyph(State::Paused)
    );
    canvas.text(row.x + 2, row.y, row.width / 2, "What happened, all providers", Role::Title);
    canvas.right(row.x + 32, row.right().saturating_sub(5), row.y, &words, Role::Muted);
}

/// One row per provider.
pub(super) fn timelines(canvas: &mut Canvas<'_>, area: Rect, rows: &[&ProviderView], window: Window) {
    let x = area.x + 15;
    let width = area.right().saturating_sub(x + 4);
    for (provider, y) in rows.iter().zip(area.top()..area.bottom()) {
        canvas.text(area.x + 2, y, 12, &provider.name, Role::Plain);
        timeline(canvas, Rect::new(x, y, width, 1), provider, window);
    }
}

pub(super) fn timeline(canvas: &mut Canvas<'_>, row: Rect, provider: &ProviderView, window: Window) {
    let Some(sweep) = Sweep::of(provider, window, row.width) else { return };
    for (place, x) in (0..sweep.columns.len()).zip(row.x..row.right()) {
        if place == sweep.gap {
            canvas.text(x, row.y, 1, "┆", Role::Muted);
        } else if let Some(column) = sweep.columns[place] {
            let (glyph, role) = cell(Some(column.state), canvas.ascii);
            canvas.text(x, row.y, 1, glyph, role);
        }
    }
}

/// Trouble rises, so that it reads without colour.
fn cell(state: Option<State>, ascii: bool) -> (&'static str, Role) {
    let pick = |block, letter| if ascii { letter } else { block };
    match state {
        Some(State::Up) => (pick("▁", "_"), Role::Good),
        Some(State::Degraded) => (pick("▄", "!"), Role::Warn),
        Some(State::Down) => (pick("█", "x"), Role::Bad),
        Some(State::Paused) => ("=", Role::Muted),
        // A refused key is not tried again: that is quiet, not shouting.
        Some(State::Unauthorized | State::Unknown) => (pick("░", "."), Role::Muted),
        None => (" ", Role::Plain),
    }
}

fn per_slot(slot: i64) -> String {
    format!("{} a column", minutes(Duration::from_millis(u64::try_from(slot).unwrap_or(0))))
}

fn minutes(span: Duration) -> String {
    let minutes = span.as_secs().div_ceil(60);
    if minutes < 120 { format!("{minutes} min") } else { format!("{} h", minutes.div_ceil(60)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_a_slot_is_shown() {
        let column = |latency_ms, state| Column { latency_ms, state };
        let merged = merge(Some(merge(None, column(Some(9), State::Up))), column(None, State::Down));
        assert_eq!(merged, Column { latency_ms: Some(9), state: State::Down });
    }
}
