//! Open incidents: since when, who, what, and what mends it.

use super::Health;
use crate::engine::protocol::ProviderView;
use crate::present::{labels, text, units};
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

pub(super) fn draw(screen: &Health, canvas: &mut Canvas<'_>, area: Rect) {
    let snapshot = canvas.cx.snapshot;
    let open: Vec<&ProviderView> =
        snapshot.providers.iter().map(AsRef::as_ref).filter(|provider| labels::needs_attention(provider)).collect();
    let title = if open.is_empty() {
        "Open incidents 0: nothing to do".into()
    } else {
        format!("Open incidents {}", open.len())
    };
    canvas.text(area.x + 2, area.y, area.width.saturating_sub(3), &title, Role::Title);
    let wide = area.width >= 100;
    let mut y = area.y + 1;
    for provider in open {
        if y >= area.bottom() {
            return;
        }
        let age = canvas.age(provider.health.since);
        canvas.right(area.x + 2, area.x + 10, y, &age, Role::Muted);
        canvas.text(area.x + 13, y, 13, &provider.name, Role::Plain);
        let what = what(provider);
        let act =
            labels::what_to_do(provider).map_or_else(|| "nothing to do: D looks closer".into(), |remedy| remedy.act());
        let x = area.x + 27;
        let room = area.right().saturating_sub(x + 1);
        if wide {
            let half = room * 9 / 20;
            canvas.text(x, y, half.saturating_sub(2), &what, Role::Plain);
            canvas.text(x + half, y, room - half, &act, Role::Plain);
            y += 1;
        } else {
            canvas.text(x, y, room, &what, Role::Plain);
            y += 1;
            let width = usize::from(area.width.saturating_sub(15));
            for line in text::wrap(&act, width).iter().take(2) {
                if y < area.bottom() {
                    canvas.text(area.x + 13, y, area.width.saturating_sub(14), line, Role::Muted);
                    y += 1;
                }
            }
        }
    }
    if screen.incidents && y < area.bottom() {
        let hint =
            [("enter", Role::Accent), (" its page   ", Role::Muted), ("D", Role::Accent), (" every step", Role::Muted)];
        canvas.spans(area.x + 13, y, area.width.saturating_sub(14), &hint);
    }
}

/// `connection refused; 2 calls moved`.
fn what(provider: &ProviderView) -> String {
    let why = labels::why(provider);
    match provider.moved_calls {
        0 => why,
        count => format!("{why}; {} moved", units::count(u64::from(count), "call", "calls")),
    }
}
