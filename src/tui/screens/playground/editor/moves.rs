//! Up and down by the rows that are seen, and how the cursor gets to a place that the text area cannot be told.

use super::{Editor, Place};
use crate::tui::screens::playground::wrap;
use ratatui_textarea::{CursorMove, DataCursor};

/// Characters that single steps of one move may go over, some milliseconds' worth.
const MOST_WALKED: usize = 8_000_000;

impl Editor {
    pub(super) fn page(&self) -> isize {
        isize::try_from(self.size.get().1.saturating_sub(1).max(1)).unwrap_or(1)
    }

    /// Rows up (negative) or down; `false` at the edge.
    pub(super) fn go(&mut self, steps: isize) -> bool {
        let columns = self.size.get().0;
        let DataCursor(line, char) = self.area.cursor();
        let (row, column) = self.seen_at(line, char, columns);
        let aim = *self.aim.get_or_insert(column);
        let (to_line, to_row) = self.stepped((line, row), steps, columns);
        if (to_line, to_row) == (line, row) {
            return false;
        }
        let text = &self.lines()[to_line];
        let rows = self.rows_of(to_line, columns);
        let range = rows.get(to_row).cloned().unwrap_or(0..text.len());
        let last = to_row + 1 == rows.len();
        let mut reached = 0;
        // The end of a row that goes on below belongs to the next one.
        let inside = text[range.clone()].char_indices().take_while(|(_, c)| {
            let fits = reached < aim;
            reached += wrap::width(c.encode_utf8(&mut [0; 4]));
            fits
        });
        let mut chars = inside.count();
        if !last {
            chars = chars.min(text[range.clone()].chars().count().saturating_sub(1));
        }
        let to_char = text[..range.start].chars().count() + chars;
        self.put_cursor(to_line, to_char);
        true
    }

    /// The text area jumps no farther than a `u16` tells, and one step of it costs the whole line before the cursor:
    /// from the nearest place that it knows a way to by single steps, where these are not too many.
    fn put_cursor(&mut self, line: usize, char: usize) {
        let DataCursor(from, before) = self.area.cursor();
        let told = u16::try_from(line).ok();
        match told {
            Some(told) if line != from => self.area.move_cursor(CursorMove::Jump(told, 0)),
            Some(_) => {}
            None => {
                let step = if from > line { CursorMove::Up } else { CursorMove::Down };
                (0..from.abs_diff(line)).for_each(|_| self.area.move_cursor(step));
            }
        }
        let DataCursor(_, here) = self.area.cursor();
        let end = self.lines()[line].chars().count();
        let jump = told.map_or(0, |_| char.min(usize::from(u16::MAX)));
        let near = [here, jump, end].into_iter().min_by_key(|place| place.abs_diff(char)).unwrap_or(here);
        let steps = near.abs_diff(char);
        let reached = steps.saturating_mul(char) <= MOST_WALKED;
        let start = match (reached, line == from) {
            (true, _) | (false, false) => near,
            // Too far in: over the middle of the line in one.
            (false, true) if char < before => jump,
            (false, true) => end,
        };
        match (u16::try_from(start), told) {
            _ if start == here => {}
            (Ok(column), Some(line)) => self.area.move_cursor(CursorMove::Jump(line, column)),
            _ if start == end => self.area.move_cursor(CursorMove::End),
            _ => self.area.move_cursor(CursorMove::Head),
        }
        if reached {
            let step = if start > char { CursorMove::Back } else { CursorMove::Forward };
            (0..steps).for_each(|_| self.area.move_cursor(step));
        }
    }

    /// The place `steps` rows away, as far as there are rows.
    pub(super) fn stepped(&self, from: Place, steps: isize, columns: usize) -> Place {
        let rows_of = |line: usize| self.rows_of(line, columns).len();
        let (mut line, mut row) = from;
        let mut left = steps.unsigned_abs();
        let mut here = rows_of(line);
        while left > 0 {
            if steps < 0 {
                if row >= left {
                    return (line, row - left);
                }
                if line == 0 {
                    return (0, 0);
                }
                left -= row + 1;
                line -= 1;
                here = rows_of(line);
                row = here - 1;
            } else {
                if row + left < here {
                    return (line, row + left);
                }
                if line + 1 == self.lines().len() {
                    return (line, here - 1);
                }
                left -= here - row;
                line += 1;
                here = rows_of(line);
                row = 0;
            }
        }
        (line, row)
    }
}
