//! The table of the Health screen: columns by width, never by what stands in them.

use super::Health;
use super::sweep;
use crate::engine::protocol::ProviderView;
use crate::present::{labels, units};
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// A column that stands at the right, with its width.
struct Figure {
    head: &'static str,
    width: u16,
    value: fn(&ProviderView) -> String,
}

const NOW: Figure = Figure { head: "now", width: 8, value: now };
const P50: Figure = Figure { head: "p50", width: 8, value: |p| units::latency_or_missing(p.p50_ms) };
const P95: Figure = Figure { head: "p95", width: 8, value: |p| units::latency_or_missing(p.p95_ms) };
const SLOTS: Figure =
    Figure { head: "slots", width: 10, value: |p| labels::slots_and_queue(p).unwrap_or_else(|| units::MISSING.into()) };
const MEMORY: Figure = Figure { head: "memory", width: 9, value: memory };
const DAY: Figure = Figure { head: "24 h", width: 7, value: day };

fn now(provider: &ProviderView) -> String {
    let usable = provider.enabled && provider.health.state.usable();
    units::latency_or_missing(provider.health.latency_ms.filter(|_| usable))
}

/// What its models take; of a server that tells shares only, how full its room for contexts is.
fn memory(provider: &ProviderView) -> String {
    let activity = &provider.health.activity;
    let share = || activity.kv_cache_permille.map(|share| format!("{} %", (share + 5) / 10));
    activity.memory_bytes.map(units::size).or_else(share).unwrap_or_else(|| units::MISSING.into())
}

fn day(provider: &ProviderView) -> String {
    provider.uptime_permille.map_or_else(|| units::MISSING.into(), units::uptime)
}

/// The last cells of the timeline in a narrow table.
const TIMELINE: u16 = 20;

/// The widest it gets: further apart, a row is no longer read as one.
const WIDEST: u16 = 150;

pub(super) fn draw(screen: &Health, canvas: &mut Canvas<'_>, area: Rect, rows: &[&ProviderView]) {
    let area = Rect { width: area.width.min(WIDEST), ..area };
    if area.height == 0 {
        return;
    }
    let wide = area.width >= 100;
    let figures: &[Figure] = match area.width {
        132.. => &[NOW, P50, P95, SLOTS, MEMORY, DAY],
        100..132 => &[NOW, P50, P95, SLOTS, DAY],
        70..100 => &[NOW, P50, P95, DAY],
        _ => &[NOW],
    };
    let since_wide = if wide { 9 } else { 0 };
    let timeline = if area.width < 70 && area.width >= 56 { TIMELINE + 2 } else { 0 };
    let figures_wide: u16 = figures.iter().map(|figure| figure.width).sum();
    let figures_x = area.right().saturating_sub(figures_wide + since_wide + timeline + 1);
    heads(canvas, area, wide, figures, figures_x);
    if rows.is_empty() {
        let text = if screen.filter.is_empty() {
            "No providers yet: 1 leads to where a adds one."
        } else {
            "Nothing holds this text: esc clears it."
        };
        canvas.text(area.x + 2, area.y + 1, area.width.saturating_sub(3), text, Role::Muted);
        return;
    }
    let keys = screen.keys(canvas.cx);
    let place = screen.cursor.place(&keys).unwrap_or(0);
    let first = screen.cursor.window(place, rows.len(), usize::from(area.height - 1));
    for ((n, provider), y) in rows.iter().enumerate().skip(first).zip(area.y + 1..area.bottom()) {
        let row = Rect::new(area.x, y, area.width, 1);
        let label = labels::provider(provider);
        canvas.text(row.x, y, 1, if n == place { ">" } else { " " }, Role::Plain);
        canvas.mark(row.x + 2, y, &label);
        let name_x = if wide { row.x + 23 } else { row.x + 7 };
        let name_wide = if area.width < 70 { figures_x.saturating_sub(name_x + 1) } else { 13 };
        if wide {
            canvas.text(row.x + 7, y, 15, &label.word, Role::Plain);
        }
        canvas.text(name_x, y, name_wide, &provider.name, Role::Plain);
        if area.width >= 70 {
            let why = if wide { labels::why(provider) } else { state_and_why(canvas, provider) };
            let why_x = name_x + 14;
            canvas.text(why_x, y, figures_x.saturating_sub(why_x), &why, Role::Plain);
        }
        let mut x = figures_x;
        for figure in figures {
            canvas.right(x, x + figure.width, y, &(figure.value)(provider), Role::Plain);
            x += figure.width;
        }
        if wide {
            let since = canvas.age(provider.health.since);
            canvas.text(x + 2, y, since_wide - 2, &since, Role::Plain);
        }
        if timeline > 0 {
            sweep::timeline(canvas, Rect::new(x + 2, y, TIMELINE, 1), provider, rows, sweep::Window::Probes);
        }
        if n == place {
            canvas.select(row, row.x + 2..row.x + 6);
        }
    }
}

/// `down: connection refused, 14 min`.
fn state_and_why(canvas: &Canvas<'_>, provider: &ProviderView) -> String {
    let label = labels::provider(provider);
    let why = labels::why(provider);
    if why.is_empty() {
        return label.word.into_owned();
    }
    format!("{}: {why}, {}", label.word, canvas.age(provider.health.since))
}

fn heads(canvas: &mut Canvas<'_>, area: Rect, wide: bool, figures: &[Figure], figures_x: u16) {
    let y = area.y;
    if wide {
        canvas.text(area.x + 7, y, 15, "state", Role::Muted);
        canvas.text(area.x + 23, y, 13, "provider", Role::Muted);
        canvas.text(area.x + 37, y, figures_x.saturating_sub(area.x + 37), "why", Role::Muted);
    } else {
        canvas.text(area.x + 7, y, 13, "provider", Role::Muted);
        if area.width >= 70 {
            canvas.text(area.x + 21, y, figures_x.saturating_sub(area.x + 21), "state, why", Role::Muted);
        }
    }
    let mut x = figures_x;
    for figure in figures {
        canvas.right(x, x + figure.width, y, figure.head, Role::Muted);
        x += figure.width;
    }
    if wide {
        canvas.text(x + 2, y, 7, "since", Role::Muted);
    }
}
