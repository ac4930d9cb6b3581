//! The list of providers with what discovery found below it.

use super::{Providers, RowKey};
use crate::engine::protocol::ProviderView;
use crate::present::{labels, text};
use crate::tui::canvas::Canvas;
use crate::tui::screens::acts;
use crate::tui::theme::Role;
use crate::tui::widgets::filter::Filter;
use ratatui::layout::Rect;

/// Columns before a name: cursor, space, mark, space.
const NAME: u16 = 7;

/// Whether a filter text lets the provider through.
pub fn matches(provider: &ProviderView, filter: &Filter) -> bool {
    let (id, name, host) = (provider.id.as_str(), &provider.name, &provider.endpoint.host);
    let (kind, state) = (provider.kind.word(), provider.health.state.word());
    filter.is_empty() || filter.lets(&format!("{id} {name} {kind} {state} {host}"))
}

pub(super) fn draw(screen: &Providers, canvas: &mut Canvas<'_>, area: Rect, focused: bool) {
    let snapshot = canvas.cx.snapshot;
    let keys = screen.keys(canvas.cx);
    let known = keys.iter().filter(|key| matches!(key, RowKey::Provider(_))).count();
    let all = snapshot.providers.len();
    let title =
        if screen.filter.is_empty() { format!("Providers {all}") } else { format!("Providers {known} of {all}") };
    let saved = if canvas.cx.snapshot.config.first_run && all > 0 { "not saved" } else { "" };
    // In a narrow pane the count gives way: the rows are there to be counted.
    let tight = !saved.is_empty() && usize::from(area.width) < text::width(&title) + text::width(saved) + 8;
    canvas.rule(Rect { height: 1, ..area }, if tight { "Providers" } else { &title }, saved, focused);
    let mut y = area.y + 1;
    y += screen.filter.draw(canvas, Rect::new(area.x, y, area.width, area.bottom().saturating_sub(y)), "");
    let rows = area.bottom().saturating_sub(y);
    if keys.is_empty() {
        let said = match (all, snapshot.config.rejected.is_some()) {
            (0, true) => "The file cannot be used, so there are none: E opens it in your editor.",
            (0, false) => "No providers yet: a adds one.",
            _ => "Nothing holds this text: esc clears it.",
        };
        let room = area.width.saturating_sub(3);
        for (line, row) in text::wrap(said, usize::from(room)).iter().zip(y + 1..area.bottom()) {
            canvas.text(area.x + 2, row, room, line, Role::Muted);
        }
        return;
    }
    let place = screen.cursor.place(&keys).unwrap_or(0);
    // The heading above what was found, and the blank row before it, count as rows.
    let offered = keys.len() > known;
    let extra = if offered { 2 } else { 0 };
    let first = screen.cursor.window(place, keys.len(), usize::from(rows).saturating_sub(extra));
    for (n, key) in keys.iter().enumerate().skip(first) {
        if offered && n == known {
            let text = if area.width >= 38 { "found on this machine" } else { "found here" };
            y += u16::from(n > first);
            canvas.text(area.x + 2, y, area.width.saturating_sub(2), text, Role::Muted);
            y += 1;
        }
        if y >= area.bottom() {
            break;
        }
        row(screen, canvas, Rect::new(area.x, y, area.width, 1), key, n == place, focused);
        y += 1;
    }
}

fn row(screen: &Providers, canvas: &mut Canvas<'_>, row: Rect, key: &RowKey, chosen: bool, focused: bool) {
    let note_end = row.right().saturating_sub(1);
    if chosen {
        canvas.text(row.x, row.y, 1, ">", Role::Plain);
    }
    let name_x = row.x + NAME;
    match key {
        RowKey::Provider(id) => {
            let Some(provider) = acts::find(canvas.cx.snapshot, id) else { return };
            let off = !provider.enabled;
            canvas.mark(row.x + 2, row.y, &labels::provider(provider));
            let used = canvas.right(name_x, note_end, row.y, &labels::note(provider), Role::Plain);
            let room = note_end.saturating_sub(name_x + used + u16::from(used > 0));
            canvas.text(name_x, row.y, room, &provider.name, if off { Role::Muted } else { Role::Plain });
        }
        // Only the first page has these, and it draws them itself.
        RowKey::Vendor(_) => {}
        RowKey::Found(endpoint) => {
            let Some(found) = screen.found.iter().find(|found| found.endpoint == *endpoint) else { return };
            let port = endpoint.rsplit_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
            canvas.text(row.x + 2, row.y, 1, "+", Role::Accent);
            let used = canvas.right(name_x, note_end, row.y, &port, Role::Muted);
            canvas.text(name_x, row.y, note_end.saturating_sub(name_x + used + 1), found.kind.label(), Role::Plain);
        }
    }
    if chosen && focused {
        canvas.select(row, row.x + 2..row.x + 6);
    }
}
