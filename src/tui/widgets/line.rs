//! One line of text being typed: filters, searches, form fields.

use crate::tui::canvas::Canvas;
use crate::tui::keymap::Key;
use crate::tui::theme::Role;
use crossterm::event::KeyCode;
use tui_input::{Input, InputRequest};

/// Bytes; more than any id, address or key. What would be longer is left out whole.
pub const LONGEST: usize = 4096;

/// Where a text that comes in one piece goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// A paste: where the cursor is.
    AtCursor,
    /// A line of plain mode: in place of what stands there.
    Instead,
}

#[derive(Debug, Clone, Default)]
pub struct Line(Input);

impl Line {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Input::new(text.into()))
    }

    pub fn value(&self) -> &str {
        self.0.value()
    }

    pub fn is_empty(&self) -> bool {
        self.value().is_empty()
    }

    pub fn set(&mut self, text: impl Into<String>) {
        self.0 = Input::new(text.into());
    }

    /// The text before the cursor.
    pub fn before(&self) -> String {
        self.value().chars().take(self.0.cursor()).collect()
    }

    /// Puts `text` in the place of the last `count` characters before the cursor.
    pub fn replace_before(&mut self, count: usize, text: &str) {
        let at = self.0.cursor();
        let kept = at.saturating_sub(count);
        let mut value: String = self.value().chars().take(kept).collect();
        value.push_str(text);
        let cursor = value.chars().count();
        value.extend(self.value().chars().skip(at));
        self.0 = Input::new(value).with_cursor(cursor);
    }

    /// Columns scrolled out of sight at the left, in a field of this width with the cursor in it.
    pub fn scrolled(&self, width: u16) -> usize {
        self.0.visual_scroll(usize::from(width.saturating_sub(1)))
    }

    /// The cursor's column from the start of the text.
    pub fn cursor_column(&self) -> usize {
        self.0.visual_cursor()
    }

    /// `true` when the key was an edit or a move in the text.
    pub fn key(&mut self, key: Key) -> bool {
        let request = match (key.code, key.ctrl, key.alt) {
            (KeyCode::Char(c), false, false) if !c.is_control() => {
                if self.value().len() >= LONGEST {
                    return true;
                }
                InputRequest::InsertChar(c)
            }
            (KeyCode::Backspace, false, false) | (KeyCode::Char('h'), true, false) => InputRequest::DeletePrevChar,
            (KeyCode::Delete, false, false) => InputRequest::DeleteNextChar,
            (KeyCode::Left, false, false) | (KeyCode::Char('b'), true, false) => InputRequest::GoToPrevChar,
            (KeyCode::Right, false, false) | (KeyCode::Char('f'), true, false) => InputRequest::GoToNextChar,
            (KeyCode::Left, true, false) | (KeyCode::Left | KeyCode::Char('b'), false, true) => {
                InputRequest::GoToPrevWord
            }
            (KeyCode::Right, true, false) | (KeyCode::Right | KeyCode::Char('f'), false, true) => {
                InputRequest::GoToNextWord
            }
            (KeyCode::Home, false, false) | (KeyCode::Char('a'), true, false) => InputRequest::GoToStart,
            (KeyCode::End, false, false) | (KeyCode::Char('e'), true, false) => InputRequest::GoToEnd,
            (KeyCode::Char('u'), true, false) => InputRequest::DeleteLine,
            (KeyCode::Char('w'), true, false) | (KeyCode::Backspace, _, true) => InputRequest::DeletePrevWord,
            (KeyCode::Char('k'), true, false) => InputRequest::DeleteTillEnd,
            _ => return false,
        };
        self.0.handle(request);
        true
    }

    /// Pasted text as one edit: line ends become spaces, control characters go, the ends are trimmed.
    ///
    /// # Errors
    /// It would be longer than a line can be: nothing is changed.
    pub fn paste(&mut self, text: &str) -> Result<(), String> {
        let clean = one_line(text);
        if self.value().len() + clean.len() > LONGEST {
            return Err(format!("the paste is left out: a line holds {LONGEST} bytes at most"));
        }
        let at = self.0.cursor();
        let mut value: String = self.value().chars().take(at).collect();
        value.push_str(&clean);
        let after = value.chars().count();
        value.extend(self.value().chars().skip(at));
        self.0 = Input::new(value).with_cursor(after);
        Ok(())
    }

    /// Another text in place of this one, taken as a paste is.
    ///
    /// # Errors
    /// As [`Self::paste`].
    pub fn replace(&mut self, text: &str) -> Result<(), String> {
        let clean = one_line(text);
        if clean.len() > LONGEST {
            return Err(format!("the text is left out: a line holds {LONGEST} bytes at most"));
        }
        self.set(clean);
        Ok(())
    }

    /// # Errors
    /// As [`Self::paste`].
    pub fn put(&mut self, text: &str, put: Put) -> Result<(), String> {
        match put {
            Put::AtCursor => self.paste(text),
            Put::Instead => self.replace(text),
        }
    }

    /// Draws the value of a field: a text, or `word` where one of several is chosen. `empty` stands for no text.
    pub fn draw_field(
        line: Option<&Self>,
        (empty, word): (&str, &str),
        canvas: &mut Canvas<'_>,
        (x, y, width): (u16, u16, u16),
        focused: bool,
    ) {
        match line {
            Some(line) if !line.is_empty() => return line.draw(canvas, x, y, width, focused),
            Some(_) => {
                canvas.text(x, y, width, empty, Role::Muted);
            }
            None => {
                canvas.spans(x, y, width, &[("< ", Role::Accent), (word, Role::Plain), (" >", Role::Accent)]);
            }
        }
        if focused {
            canvas.cursor(x, y);
        }
    }

    /// Draws the text, scrolled so that the cursor is seen; the terminal's cursor goes there when focused.
    pub fn draw(&self, canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, focused: bool) {
        if width == 0 {
            return;
        }
        // One column for the cursor behind the last character.
        let scroll = self.0.visual_scroll(usize::from(width.saturating_sub(1)));
        let mut skipped = 0;
        let shown: String = self
            .value()
            .chars()
            .skip_while(|c| {
                let skip = skipped < scroll;
                skipped += unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
                skip
            })
            .collect();
        if focused {
            canvas.text_uncut(x, y, width, &shown, Role::Plain);
            let column = self.0.visual_cursor().saturating_sub(scroll);
            let column = u16::try_from(column).unwrap_or(width).min(width.saturating_sub(1));
            canvas.cursor(x + column, y);
        } else {
            canvas.text(x, y, width, self.value(), Role::Plain);
        }
    }
}

fn one_line(text: &str) -> String {
    let spaced = text.trim().chars().map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c });
    spaced.filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paste_is_one_edit_without_controls_and_leaves_the_rest_whole() {
        let mut line = Line::new("ab");
        line.key(Key { code: KeyCode::Left, ctrl: false, alt: false });
        line.paste("x\ny\u{1b}[31m\r\n").unwrap();
        assert_eq!(line.value(), "ax y[31mb");
        assert!(line.paste(&"z".repeat(1_000_000)).unwrap_err().contains("left out"));
        assert_eq!(line.value(), "ax y[31mb", "not cut at its end");
    }
}
