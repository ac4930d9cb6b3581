//! The line that narrows a list: opened by `/`, fed by keys and pastes, kept by enter, cleared by esc. The frame
//! does all of that for every part that has one ([`crate::tui::part::Part::filter`]); the part only asks what
//! fits and draws the line.

use crate::tui::canvas::Canvas;
use crate::tui::keymap::Key;
use crate::tui::theme::Role;
use crate::tui::widgets::line::{Line, Put};
use ratatui::layout::Rect;

/// What happened to a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It takes letters now.
    Opened,
    /// Its text is another.
    Text,
    /// The text stays, letters are keys again.
    Kept,
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    line: Line,
    open: bool,
}

impl Filter {
    /// Letters go to it.
    pub fn is_open(&self) -> bool {
        self.open
    }

    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Its row is to be seen.
    pub fn is_on(&self) -> bool {
        self.open || !self.is_empty()
    }

    /// Rows are narrowed and letters are keys: `n` and `N` go through the matches.
    pub fn is_kept(&self) -> bool {
        !self.open && !self.is_empty()
    }

    pub fn text(&self) -> &str {
        self.line.value()
    }

    pub fn open(&mut self) {
        self.open = true;
    }

    pub fn keep(&mut self) {
        self.open = false;
    }

    pub fn clear(&mut self) {
        self.open = false;
        self.line.set("");
    }

    /// A key while it is open: whether it was used, and whether the text is another now.
    pub fn key(&mut self, key: Key) -> (bool, bool) {
        let before = self.line.value().to_owned();
        let used = self.line.key(key);
        (used, self.line.value() != before)
    }

    /// Puts `end` in place of the last so many bytes of the text.
    pub fn complete(&mut self, replaced: usize, end: &str) {
        let text = self.line.value();
        let kept = text.get(..text.len().saturating_sub(replaced)).unwrap_or(text);
        let whole = format!("{kept}{end}");
        self.line.set(&whole);
    }

    /// # Errors
    /// It is too long for a filter: nothing is changed.
    pub fn put(&mut self, text: &str, put: Put) -> Result<(), String> {
        self.line.put(text, put)
    }

    /// Whether every word of the filter is somewhere in `text`, whatever their case.
    pub fn lets(&self, text: &str) -> bool {
        holds(text, self.text())
    }

    /// Draws the line, with `counter` at its right end; returns the rows used, 0 while it is off.
    pub fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, counter: &str) -> u16 {
        if !self.is_on() || area.height == 0 {
            return 0;
        }
        canvas.text(area.x + 1, area.y, 1, "/", Role::Accent);
        let room = area.width.saturating_sub(4);
        let wide = u16::try_from(crate::present::text::width(counter)).unwrap_or(room);
        let wide = if wide + 12 > room { 0 } else { wide };
        if wide > 0 {
            canvas.right(area.x + 3, area.right().saturating_sub(1), area.y, counter, Role::Muted);
        }
        let gap = if wide > 0 { 2 } else { 0 };
        self.line.draw(canvas, area.x + 3, area.y, room.saturating_sub(wide + gap), self.open);
        1
    }
}

/// Whether every word of `filter` is in `text`, whatever their case.
pub fn holds(text: &str, filter: &str) -> bool {
    let (text, filter) = (text.to_lowercase(), filter.to_lowercase());
    filter.split_whitespace().all(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_must_be_there_in_any_order_and_case() {
        let mut filter = Filter::default();
        assert!(filter.lets("anything") && !filter.is_on());
        filter.open();
        filter.put("Studio lm", Put::AtCursor).unwrap();
        assert!(filter.lets("LM Studio") && !filter.lets("LM") && filter.is_on() && !filter.is_kept());
        filter.keep();
        assert!(filter.is_kept());
        filter.clear();
        assert!(filter.lets("LM") && !filter.is_on());
    }
}
