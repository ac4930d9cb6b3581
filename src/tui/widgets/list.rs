//! Which row the cursor is on and which rows are seen. Rows are named by a key, so that the selection stays
//! on its thing when the rows change.

use crate::tui::action::Action;
use std::cell::Cell;

#[derive(Debug, Clone)]
pub struct Selection<K> {
    key: Option<K>,
    /// Where it was, for when its row goes.
    place: usize,
    offset: Cell<usize>,
    /// Rows seen at the last drawing, for page moves.
    page: Cell<usize>,
}

impl<K> Default for Selection<K> {
    fn default() -> Self {
        Self { key: None, place: 0, offset: Cell::new(0), page: Cell::new(10) }
    }
}

impl<K: Clone + PartialEq> Selection<K> {
    /// The row the cursor is on, among the rows that are.
    pub fn place(&self, keys: &[K]) -> Option<usize> {
        // Two rows may have one key: where the cursor was left counts before the first of them.
        let here = self.key.as_ref().is_some_and(|key| keys.get(self.place) == Some(key)).then_some(self.place);
        let known = here.or_else(|| self.key.as_ref().and_then(|key| keys.iter().position(|other| other == key)));
        known.or_else(|| keys.len().checked_sub(1).map(|last| self.place.min(last)))
    }

    pub fn set(&mut self, key: K, keys: &[K]) {
        self.place = keys.iter().position(|other| *other == key).unwrap_or(self.place);
        self.key = Some(key);
    }

    /// Holds on to a row that is there.
    pub fn settle(&mut self, keys: &[K]) {
        if let Some(place) = self.place(keys) {
            self.place = place;
            self.key = keys.get(place).cloned();
        } else {
            self.key = None;
        }
    }

    /// Moves by an action of the list context; `false` for other actions.
    pub fn act(&mut self, action: Action, keys: &[K]) -> bool {
        let place = self.place(keys).unwrap_or(0);
        let last = keys.len().saturating_sub(1);
        let page = self.page.get().max(1);
        let to = match action {
            Action::Down => place.saturating_add(1),
            Action::Up => place.saturating_sub(1),
            Action::First => 0,
            Action::Last => last,
            Action::PageDown => place.saturating_add(page),
            Action::PageUp => place.saturating_sub(page),
            // All rows are matches: round again at the ends.
            Action::NextMatch => (place + 1) % keys.len().max(1),
            Action::PreviousMatch => place.checked_sub(1).unwrap_or(last),
            _ => return false,
        };
        if let Some(key) = keys.get(to.min(last)) {
            self.place = to.min(last);
            self.key = Some(key.clone());
        }
        true
    }

    /// The first row to draw so that the cursor is among `rows` rows of `total`.
    pub fn window(&self, place: usize, total: usize, rows: usize) -> usize {
        self.page.set(rows.max(1));
        let most = total.saturating_sub(rows);
        let mut offset = self.offset.get().min(most);
        if place < offset {
            offset = place;
        } else if rows > 0 && place >= offset + rows {
            offset = place + 1 - rows;
        }
        self.offset.set(offset);
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_on_its_thing_when_rows_change() {
        let mut selection = Selection::default();
        selection.settle(&["a", "b", "c"]);
        selection.act(Action::Down, &["a", "b", "c"]);
        assert_eq!(selection.place(&["x", "a", "b"]), Some(2));
        assert_eq!(selection.place(&["x", "c"]), Some(1));
        assert_eq!(selection.place(&[]), None);
    }

    #[test]
    fn rows_with_one_key_are_passed_one_by_one() {
        let rows = ["a", "a", "b"];
        let mut selection = Selection::default();
        selection.settle(&rows);
        selection.act(Action::Down, &rows);
        assert_eq!(selection.place(&rows), Some(1));
        selection.act(Action::Down, &rows);
        assert_eq!(selection.place(&rows), Some(2));
        selection.act(Action::Up, &rows);
        assert_eq!(selection.place(&rows), Some(1));
    }

    #[test]
    fn the_window_always_holds_the_cursor() {
        let selection = Selection::<u8>::default();
        for (place, total, rows) in [(0, 0, 0), (9, 10, 3), (0, 10, 3), (5, 10, 1), (3, 4, 100)] {
            let first = selection.window(place, total, rows);
            assert!(rows == 0 || (first <= place && place < first + rows), "{place} {total} {rows}");
        }
    }
}
