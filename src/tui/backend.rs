//! The ratatui backend of the dashboard: a frame is collected and handed on as one piece between
//! synchronised-update marks, and a frame in which nothing changed is no piece at all.

use super::paint::{Placed, paint};
use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use std::io;

const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

const HIDE: &[u8] = b"\x1b[?25l";
const SHOW: &[u8] = b"\x1b[?25h";

/// See the module. `size` tells the terminal's size, `commit` takes a finished frame.
pub struct FrameBackend<S, C> {
    /// What the frame has so far.
    body: Vec<u8>,
    size: S,
    commit: C,
    cursor: Option<Position>,
    /// Where the real cursor is; `None` while hidden.
    shown: Option<Position>,
    /// A clear belongs before the bracket: some multiplexers lose text after a clear inside it.
    clear: bool,
}

impl<S, C> FrameBackend<S, C>
where
    S: Fn() -> io::Result<Size>,
    C: FnMut(Vec<u8>),
{
    pub fn new(size: S, commit: C) -> Self {
        Self { body: Vec::new(), size, commit, cursor: None, shown: None, clear: false }
    }

    /// Forgets where the cursor stands, after the terminal was someone else's.
    pub fn forget(&mut self) {
        self.shown = None;
    }

    fn place_cursor(&mut self) {
        let cells = !self.body.is_empty();
        match self.cursor {
            Some(at) if cells || self.shown != Some(at) => {
                self.body
                    .extend_from_slice(format!("\x1b[{};{}H", u32::from(at.y) + 1, u32::from(at.x) + 1).as_bytes());
                if cells || self.shown.is_none() {
                    self.body.extend_from_slice(SHOW);
                }
            }
            None if !cells && self.shown.is_some() => self.body.extend_from_slice(HIDE),
            _ => {}
        }
        self.shown = self.cursor;
    }
}

impl<S, C> Backend for FrameBackend<S, C>
where
    S: Fn() -> io::Result<Size>,
    C: FnMut(Vec<u8>),
{
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let cells: Vec<Placed<'_>> = content.map(|(x, y, cell)| Placed::new(x, y, cell)).collect();
        if cells.is_empty() {
            return Ok(());
        }
        if self.shown.is_some() {
            self.body.extend_from_slice(HIDE);
        }
        let width = (self.size)().map_or(0, |size| size.width);
        self.body.extend_from_slice(&paint(&cells, width));
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.cursor = None;
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // Never asked of the terminal: the answer may never come.
        Ok(self.shown.unwrap_or_default())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = Some(position.into());
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear = true;
        Ok(())
    }

    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        self.clear = true;
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        (self.size)()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: (self.size)()?, pixels: Size::default() })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.place_cursor();
        let body = std::mem::take(&mut self.body);
        if body.is_empty() && !self.clear {
            return Ok(());
        }
        let mut frame = Vec::with_capacity(body.len() + 24);
        if std::mem::take(&mut self.clear) {
            frame.extend_from_slice(b"\x1b[2J");
        }
        frame.extend_from_slice(BEGIN);
        frame.extend_from_slice(&body);
        frame.extend_from_slice(END);
        (self.commit)(frame);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn a_frame_is_one_piece_and_an_unchanged_one_is_none() {
        let pieces = Rc::new(RefCell::new(Vec::<Vec<u8>>::new()));
        let sink = Rc::clone(&pieces);
        let backend = FrameBackend::new(|| Ok(Size::new(20, 3)), move |frame| sink.borrow_mut().push(frame));
        let mut terminal = Terminal::new(backend).unwrap();
        let draw = |terminal: &mut Terminal<_>, text: &'static str, cursor: Option<(u16, u16)>| {
            terminal
                .draw(|frame| {
                    frame.render_widget(text, frame.area());
                    if let Some(at) = cursor {
                        frame.set_cursor_position(at);
                    }
                })
                .unwrap();
        };
        draw(&mut terminal, "hello", None);
        draw(&mut terminal, "hello", None);
        assert_eq!(pieces.borrow().len(), 1);
        let first = pieces.borrow()[0].clone();
        assert!(first.starts_with(BEGIN) && first.ends_with(END));
        draw(&mut terminal, "hallo", None);
        assert_eq!(pieces.borrow().len(), 2);
        assert!(pieces.borrow()[1].len() < 60, "{}", pieces.borrow()[1].len());
        draw(&mut terminal, "hallo", Some((2, 0)));
        draw(&mut terminal, "hallo", Some((2, 0)));
        assert_eq!(pieces.borrow().len(), 3);
        draw(&mut terminal, "hallo", None);
        assert_eq!(pieces.borrow().len(), 4);
        assert!(String::from_utf8_lossy(&pieces.borrow()[3]).contains("\x1b[?25l"));
    }
}
