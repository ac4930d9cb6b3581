//! How far a text is scrolled: moved by the keys of a list, stopped by the end that drawing found.

use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::widgets::lines::Lines;
use ratatui::layout::Rect;
use std::cell::Cell;

/// Lines of a page where the pane's height is not known.
const PAGE: usize = 10;

#[derive(Debug, Clone)]
pub struct Scroll {
    from: Cell<usize>,
    /// Lines below the last one seen, found by drawing.
    below: Cell<usize>,
    /// Lines seen at once, found by drawing: a page passes over none.
    page: Cell<usize>,
}

impl Default for Scroll {
    fn default() -> Self {
        Self { from: Cell::new(0), below: Cell::new(0), page: Cell::new(PAGE) }
    }
}

impl Scroll {
    /// Back to the first line.
    pub fn reset(&mut self) {
        self.from.set(0);
    }

    /// Puts line `place` first.
    pub fn to(&self, place: usize) {
        self.from.set(place);
    }

    /// Where drawing begins.
    pub fn from(&self) -> usize {
        self.from.get()
    }

    /// Lines below the last one seen.
    pub fn below(&self) -> usize {
        self.below.get()
    }

    /// So many lines are below the last one seen.
    pub fn seen(&self, below: usize) {
        self.below.set(below);
    }

    /// Moves by an action of the list context; `false` for other actions.
    pub fn act(&mut self, action: Action) -> bool {
        let (from, below, page) = (self.from.get(), self.below.get(), self.page.get());
        let to = match action {
            Action::Down => from + below.min(1),
            Action::PageDown => from + below.min(page),
            Action::Last => from + below,
            Action::Up => from.saturating_sub(1),
            Action::PageUp => from.saturating_sub(page),
            Action::First => 0,
            _ => return false,
        };
        self.below.set((from + below).saturating_sub(to));
        self.from.set(to);
        true
    }

    /// The first of `total` lines to draw into `room`.
    pub fn window(&self, total: usize, room: usize) -> usize {
        let from = self.from.get().min(total.saturating_sub(room));
        self.from.set(from);
        self.page.set(room.max(1));
        self.below.set(total.saturating_sub(from + room));
        from
    }

    /// Draws `lines` from here on.
    pub fn draw(&self, lines: &Lines, canvas: &mut Canvas<'_>, area: Rect) {
        let from = self.window(lines.len(), usize::from(area.height));
        lines.draw(canvas, area, from);
    }
}

/// `4 more lines` at the right end of the last row, where there are any.
pub fn more_below(canvas: &mut Canvas<'_>, area: Rect, below: usize) {
    if below > 0 && area.height > 1 {
        let lines = if below == 1 { "line" } else { "lines" };
        let said = format!(" {below} more {lines} ");
        canvas.right(area.x, area.right(), area.bottom() - 1, &said, crate::tui::theme::Role::Muted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stops_at_both_ends_also_between_two_drawings() {
        let mut scroll = Scroll::default();
        assert_eq!(scroll.window(25, 10), 0);
        for action in [Action::PageDown, Action::PageDown, Action::Down] {
            scroll.act(action);
        }
        assert_eq!(scroll.from(), 15);
        scroll.act(Action::PageUp);
        assert_eq!(scroll.from(), 5);
        scroll.act(Action::Last);
        assert_eq!(scroll.window(12, 10), 2, "the text grew shorter");
        scroll.act(Action::First);
        assert!(!scroll.act(Action::Open) && scroll.from() == 0);
    }
}
