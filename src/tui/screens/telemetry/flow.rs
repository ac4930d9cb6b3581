//! What stands between calls and their answers now: the queue, limits, kept answers, the export. One line below the
//! list, and all of it above the charts; nothing of either where there is nothing to say.

use crate::engine::protocol::FlowView;
use crate::present::{flow, text};
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;
use crate::tui::widgets::lines::{Lines, Piece};
use crate::tui::words;
use ratatui::layout::Rect;

/// Columns of a label above the charts.
const LABEL: usize = 12;
const GAP: u16 = 3;

/// Draws the line in `row`; whether there was anything to say. What does not fit is left out from the end.
pub fn line(canvas: &mut Canvas<'_>, row: Rect) -> bool {
    let said = flow::brief(&canvas.cx.snapshot.flow);
    let mut x = row.x + 2;
    for line in &said {
        let wide = text::width(line.name) + 1 + text::width(&line.text);
        let room = usize::from(row.right().saturating_sub(x + 1));
        if wide > room && x > row.x + 2 {
            break;
        }
        x += canvas.text(x, row.y, row.right().saturating_sub(x + 1), line.name, Role::Muted) + 1;
        x += canvas.text(x, row.y, row.right().saturating_sub(x + 1), &line.text, words::role(line.role)) + GAP;
    }
    !said.is_empty()
}

/// All of it, for the page of the charts.
pub fn lines(view: &FlowView, lines: &mut Lines) {
    let all = flow::all(view);
    if all.is_empty() {
        return;
    }
    lines.put(0, &[Piece::new("Now", Role::Title)]);
    for (label, said) in all {
        lines.labelled(&format!("  {label}"), LABEL, &said);
    }
    lines.blank();
}
