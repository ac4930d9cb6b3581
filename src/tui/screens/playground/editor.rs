//! Text of several lines being typed. Moves and undo are the text area's own; what is seen is drawn here, so that
//! pasted text is escaped like any other and long lines wrap.

mod moves;

use super::wrap;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Key;
use crate::tui::theme::Role;
use crate::tui::widgets::line::Put;
use crossterm::event::KeyCode;
use ratatui::layout::Rect;
use ratatui_textarea::{CursorMove, DataCursor, TextArea};
use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

/// Edits that can be taken back.
const UNDOS: usize = 500;
/// Enough for any context window; more is a mistake such as a binary file.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Lines whose rows are kept: those on the screen and what a page up or down goes over.
const KEPT_LINES: usize = 512;

/// A row on the screen: the line and the row within it.
type Place = (usize, usize);

/// Rows of lines as they were laid out, until an edit or another width: a line may be a megabyte long, and frames are
/// many.
#[derive(Default)]
struct Laid {
    /// The edit and the columns they are of.
    of: (u64, usize),
    rows: HashMap<usize, Rc<[Range<usize>]>>,
    /// Where the cursor is seen, by its line and character.
    cursor: Option<(Place, Place)>,
}

pub struct Editor {
    area: TextArea<'static>,
    bytes: usize,
    edits: u64,
    /// The column that moves up and down aim at.
    aim: Option<usize>,
    /// The edit that put another text in place of all of this one.
    replaced: Option<u64>,
    /// The first row seen; drawing moves it so that the cursor is seen.
    top: Cell<Place>,
    /// Columns and rows of the last drawing.
    size: Cell<(usize, usize)>,
    laid: RefCell<Laid>,
}

impl Default for Editor {
    fn default() -> Self {
        Self::new("")
    }
}

impl Editor {
    pub fn new(text: &str) -> Self {
        let mut area = TextArea::new(tame(text).split('\n').map(str::to_owned).collect());
        area.set_max_histories(UNDOS);
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        let mut editor = Self {
            area,
            bytes: 0,
            edits: 0,
            aim: None,
            replaced: None,
            top: Cell::new((0, 0)),
            size: Cell::new((76, 4)),
            laid: RefCell::default(),
        };
        editor.count();
        editor
    }

    fn lines(&self) -> &[String] {
        self.area.lines()
    }

    fn count(&mut self) {
        let lines = self.area.lines();
        self.bytes = lines.iter().map(String::len).sum::<usize>() + lines.len().saturating_sub(1);
    }

    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// Nothing but space in it.
    pub fn is_blank(&self) -> bool {
        self.lines().iter().all(|line| line.trim().is_empty())
    }

    /// Another text in place of this one; undo brings the old one back.
    pub fn replace(&mut self, text: &str) {
        let text = tame(text);
        let twofold = !self.area.is_empty() && !text.is_empty();
        self.replaced = twofold.then_some(self.edits + 1);
        self.area.select_all();
        self.area.insert_str(text);
        self.area.cancel_selection();
        self.edited();
    }

    /// # Errors
    /// As [`Self::paste`].
    pub fn put(&mut self, text: &str, put: Put) -> Result<(), String> {
        match put {
            Put::AtCursor => self.paste(text),
            Put::Instead => self.fill(text),
        }
    }

    /// A line of plain mode: in place of the text, or behind it where that ends with a new line just begun.
    fn fill(&mut self, line: &str) -> Result<(), String> {
        if self.lines().len() > 1 && self.lines().last().is_some_and(String::is_empty) {
            self.area.move_cursor(CursorMove::Bottom);
            self.area.move_cursor(CursorMove::End);
            return self.paste(line);
        }
        self.replace(line);
        Ok(())
    }

    /// Pasted text as one edit, without control characters.
    ///
    /// # Errors
    /// It would be more than a prompt can hold: nothing is changed.
    fn paste(&mut self, text: &str) -> Result<(), String> {
        if self.bytes + text.len() > MOST_BYTES {
            return Err(
                "the paste is left out: with it the text would be larger than 16 MiB. Paste a part of it".into()
            );
        }
        self.area.insert_str(tame(text));
        self.edited();
        Ok(())
    }

    pub fn new_line(&mut self) {
        self.area.insert_newline();
        self.edited();
    }

    /// `false` when there is nothing to take back.
    pub fn undo(&mut self) -> bool {
        let done = self.area.undo();
        // The text area keeps a replacement as two edits: what was taken out and what was put in.
        if self.replaced.take() == Some(self.edits) {
            self.area.undo();
        }
        self.edited();
        done
    }

    /// `false` when nothing was taken back before.
    pub fn redo(&mut self) -> bool {
        let done = self.area.redo();
        self.edited();
        done
    }

    /// Grows with every edit, not with moves.
    pub fn edits(&self) -> u64 {
        self.edits
    }

    fn edited(&mut self) {
        self.aim = None;
        self.edits += 1;
        self.count();
    }

    /// `true` when the key was an edit or a move in the text.
    pub fn key(&mut self, key: Key) -> bool {
        let area = &mut self.area;
        let step = match (key.code, key.ctrl, key.alt) {
            (KeyCode::Up, false, false) => return self.go(-1),
            (KeyCode::Down, false, false) => return self.go(1),
            (KeyCode::PageUp, false, false) => return self.go(-self.page()),
            (KeyCode::PageDown, false, false) => return self.go(self.page()),
            (KeyCode::Left, false, false) | (KeyCode::Char('b'), true, false) => CursorMove::Back,
            (KeyCode::Right, false, false) | (KeyCode::Char('f'), true, false) => CursorMove::Forward,
            (KeyCode::Left, true, false) | (KeyCode::Left | KeyCode::Char('b'), false, true) => CursorMove::WordBack,
            (KeyCode::Right, true, false) | (KeyCode::Right | KeyCode::Char('f'), false, true) => {
                CursorMove::WordForward
            }
            (KeyCode::Home, false, false) | (KeyCode::Char('a'), true, false) => CursorMove::Head,
            (KeyCode::End, false, false) | (KeyCode::Char('e'), true, false) => CursorMove::End,
            (KeyCode::Home, true, false) => CursorMove::Top,
            (KeyCode::End, true, false) => CursorMove::Bottom,
            (code, ctrl, alt) => {
                let known = match (code, ctrl, alt) {
                    (KeyCode::Char(c), false, false) if !c.is_control() => {
                        if self.bytes < MOST_BYTES {
                            area.insert_char(c);
                        }
                        true
                    }
                    (KeyCode::Backspace, false, false) | (KeyCode::Char('h'), true, false) => {
                        area.delete_char();
                        true
                    }
                    (KeyCode::Backspace, _, true) => {
                        area.delete_word();
                        true
                    }
                    (KeyCode::Delete, false, false) => {
                        area.delete_next_char();
                        true
                    }
                    (KeyCode::Char('k'), true, false) => {
                        area.delete_line_by_end();
                        true
                    }
                    _ => false,
                };
                if known {
                    self.edited();
                }
                return known;
            }
        };
        area.move_cursor(step);
        self.aim = None;
        true
    }

    /// What is kept of this edit in these columns.
    fn laid(&self, columns: usize) -> RefMut<'_, Laid> {
        let mut laid = self.laid.borrow_mut();
        if laid.of != (self.edits, columns) {
            *laid = Laid { of: (self.edits, columns), ..Laid::default() };
        }
        laid
    }

    /// The rows of one line.
    fn rows_of(&self, line: usize, columns: usize) -> Rc<[Range<usize>]> {
        let rows = &mut self.laid(columns).rows;
        if rows.len() >= KEPT_LINES && !rows.contains_key(&line) {
            rows.clear();
        }
        let laid_out = || wrap::rows(self.lines().get(line).map_or("", String::as_str), columns).into();
        Rc::clone(rows.entry(line).or_insert_with(laid_out))
    }

    /// The row within a line that holds a character, and its column there.
    fn seen_at(&self, line: usize, char: usize, columns: usize) -> Place {
        if let Some((_, seen)) = self.laid(columns).cursor.filter(|(cursor, _)| *cursor == (line, char)) {
            return seen;
        }
        let text = self.lines().get(line).map_or("", String::as_str);
        let at = text.char_indices().nth(char).map_or(text.len(), |(at, _)| at);
        let rows = self.rows_of(line, columns);
        let row = rows.partition_point(|row| row.start <= at).saturating_sub(1);
        let seen = (row, wrap::width(&text[rows[row].start..at]));
        self.laid(columns).cursor = Some(((line, char), seen));
        seen
    }

    /// `line 12 of 340` when there is more than fits in `rows`; else empty.
    pub fn position(&self, rows: u16) -> String {
        let lines = self.lines().len();
        if lines <= usize::from(rows) {
            return String::new();
        }
        format!("line {} of {lines}", self.area.cursor().0 + 1)
    }

    /// Draws the rows around the cursor; the terminal's cursor goes there when focused.
    pub fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, focused: bool) {
        if area.width < 2 || area.height == 0 {
            return;
        }
        // One column for the cursor behind the last character.
        let (columns, height) = (usize::from(area.width) - 1, usize::from(area.height));
        self.size.set((columns, height));
        let DataCursor(line, char) = self.area.cursor();
        let (row, column) = self.seen_at(line, char, columns);
        let cursor = (line, row);
        let earliest = self.stepped(cursor, 1 - isize::try_from(height).unwrap_or(isize::MAX), columns);
        let top = self.top.get().max(earliest).min(cursor);
        self.top.set(top);
        let mut y = area.y;
        for (place, text) in self.lines().iter().enumerate().skip(top.0) {
            let skip = if place == top.0 { top.1 } else { 0 };
            for (nth, range) in self.rows_of(place, columns).iter().enumerate().skip(skip) {
                if y >= area.bottom() {
                    return;
                }
                canvas.text_uncut(area.x, y, area.width, &wrap::shown(&text[range.clone()]), Role::Plain);
                if focused && (place, nth) == cursor {
                    let column = u16::try_from(column).unwrap_or(u16::MAX).min(area.width - 1);
                    canvas.cursor(area.x + column, y);
                }
                y += 1;
            }
        }
    }
}

/// Without control characters; line ends as line feeds, whatever the terminal sent.
fn tame(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn press(editor: &mut Editor, code: KeyCode) -> bool {
        editor.key(Key { code, ctrl: false, alt: false })
    }

    #[test]
    fn a_paste_is_one_edit_without_controls() {
        let mut editor = Editor::new("ab");
        press(&mut editor, KeyCode::Left);
        editor.paste("x\r\ny\u{1b}[31m\rz\u{9b}").unwrap();
        assert_eq!(editor.text(), "ax\ny[31m\nzb");
        assert!(editor.undo());
        assert_eq!(editor.text(), "ab");
        assert!(editor.redo() && !editor.redo());
        assert_eq!(editor.bytes(), editor.text().len());
    }

    #[test]
    fn another_text_can_be_taken_back() {
        let mut editor = Editor::new("mine");
        editor.replace("theirs\nof two lines");
        assert_eq!(editor.text(), "theirs\nof two lines");
        while editor.text() != "mine" {
            assert!(editor.undo(), "the old text is gone");
        }
    }

    #[test]
    fn emptying_a_text_is_one_edit_to_take_back() {
        let mut editor = Editor::new("");
        press(&mut editor, KeyCode::Char('a'));
        press(&mut editor, KeyCode::Char('b'));
        editor.replace("");
        assert!(editor.is_empty() && editor.undo());
        assert_eq!(editor.text(), "ab");
    }

    #[test]
    fn up_and_down_go_by_what_is_seen() {
        let mut editor = Editor::new("one two three\nx");
        editor.size.set((8, 4));
        assert!(press(&mut editor, KeyCode::Up));
        assert_eq!(editor.area.cursor(), (0, 9), "the last row of the wrapped line");
        assert!(press(&mut editor, KeyCode::Up));
        assert_eq!(editor.area.cursor(), (0, 1));
        assert!(!press(&mut editor, KeyCode::Up));
        assert!(press(&mut editor, KeyCode::Down) && press(&mut editor, KeyCode::Down));
        assert_eq!(editor.area.cursor(), (1, 1));
    }

    #[test]
    fn a_line_longer_than_a_jump_is_walked_row_by_row() {
        let mut editor = Editor::new(&format!("{}\nend", "x".repeat(70_000)));
        editor.size.set((100, 10));
        assert!(press(&mut editor, KeyCode::Up));
        assert_eq!(editor.area.cursor(), (0, 69_903), "the last row of the long line, below the same column");
        assert!(press(&mut editor, KeyCode::Up) && press(&mut editor, KeyCode::Up));
        assert_eq!(editor.area.cursor(), (0, 69_703));
        assert!(press(&mut editor, KeyCode::Down));
        assert_eq!(editor.area.cursor(), (0, 69_803));
    }

    #[test]
    fn no_line_is_so_long_that_a_move_in_it_hangs() {
        for long in [1_000_000, 200_000] {
            let mut editor = Editor::new(&format!("first\n{}\nend", "x".repeat(long)));
            editor.size.set((100, 10));
            let mut lines = Vec::new();
            for code in [KeyCode::Up, KeyCode::PageUp, KeyCode::Up, KeyCode::PageDown, KeyCode::Down, KeyCode::Down] {
                let began = std::time::Instant::now();
                press(&mut editor, code);
                let took = began.elapsed();
                assert!(took < std::time::Duration::from_secs(1), "{code:?} in {long} took {took:?}");
                lines.push(editor.area.cursor().0);
            }
            assert_eq!(lines[0], 1, "up is into the long line");
            assert!(lines.iter().all(|line| *line > 0), "a page is not the whole line: {lines:?}");
            let way = |editor: &mut Editor, code| (0..2_000).take_while(|_| press(editor, code)).count();
            assert!(way(&mut editor, KeyCode::PageUp) < 200, "the beginning is reached");
            assert_eq!(editor.area.cursor().0, 0);
            assert!(way(&mut editor, KeyCode::PageDown) < 2_000, "the end is reached");
            assert_eq!(editor.area.cursor().0, 2);
        }
    }

    #[test]
    fn taking_back_a_replacement_takes_back_nothing_before_it() {
        for (before, after) in [("", "theirs"), ("mine", ""), ("mine", "theirs")] {
            let mut editor = Editor::new("");
            for c in before.chars() {
                press(&mut editor, KeyCode::Char(c));
            }
            editor.replace(after);
            assert!(editor.undo());
            assert_eq!(editor.text(), before, "{before:?} replaced by {after:?}");
        }
    }

    #[test]
    fn a_line_is_laid_out_once_per_edit_and_width() {
        let mut editor = Editor::new(&"{\"a\":1} ".repeat(1000));
        let first = editor.rows_of(0, 40);
        for _ in 0..10 {
            assert!(press(&mut editor, KeyCode::Left));
            let DataCursor(line, char) = editor.area.cursor();
            editor.seen_at(line, char, 40);
            editor.stepped((0, 3), -2, 40);
        }
        assert!(Rc::ptr_eq(&first, &editor.rows_of(0, 40)), "laid out again though nothing was typed");
        press(&mut editor, KeyCode::Char('x'));
        assert!(!Rc::ptr_eq(&first, &editor.rows_of(0, 40)));
        assert_eq!(*editor.rows_of(0, 40), *wrap::rows(&editor.text(), 40));
        assert_ne!(editor.rows_of(0, 40).len(), editor.rows_of(0, 30).len());
    }

    #[test]
    fn what_is_too_large_is_left_out_and_said() {
        let mut editor = Editor::new("kept");
        assert!(editor.paste(&"x".repeat(MOST_BYTES)).unwrap_err().contains("16 MiB"));
        assert_eq!(editor.text(), "kept");
    }

    proptest! {
        #[test]
        fn no_keys_lose_the_count_or_panic(
            text in "[a-z日 \n\t]{0,60}",
            keys in proptest::collection::vec(0usize..14, 0..60),
            columns in 1usize..10,
        ) {
            let mut editor = Editor::new(&text);
            editor.size.set((columns, 3));
            for key in keys {
                let code = [
                    KeyCode::Up, KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::Home, KeyCode::End,
                    KeyCode::PageUp, KeyCode::PageDown, KeyCode::Backspace, KeyCode::Delete, KeyCode::Char('x'),
                    KeyCode::Char('日'),
                ].get(key).copied();
                match code {
                    Some(code) => { press(&mut editor, code); }
                    None if key == 12 => { editor.undo(); }
                    None => editor.new_line(),
                }
                prop_assert_eq!(editor.bytes(), editor.text().len());
            }
        }
    }
}
