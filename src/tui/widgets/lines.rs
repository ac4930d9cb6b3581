//! Lines of running text and facts, built for a width, then drawn from a scroll position.

use crate::present::{escape, text, units};
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// A run of text with one meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    text: String,
    role: Role,
}

impl Piece {
    pub fn new(text: &str, role: Role) -> Self {
        Self { text: text.to_owned(), role }
    }

    pub fn plain(text: &str) -> Self {
        Self::new(text, Role::Plain)
    }
}

#[derive(Debug, Default)]
struct Row {
    indent: usize,
    left: Vec<Piece>,
    right: Vec<Piece>,
}

#[derive(Debug)]
pub struct Lines {
    width: usize,
    rows: Vec<Row>,
}

impl Lines {
    pub fn new(width: usize) -> Self {
        Self { width, rows: Vec::new() }
    }

    pub fn width(&self) -> usize {
        self.width
    }

    /// Lines so far.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn blank(&mut self) {
        self.rows.push(Row::default());
    }

    /// Puts the lines of another below these.
    pub fn append(&mut self, mut other: Self) {
        self.rows.append(&mut other.rows);
    }

    pub fn title(&mut self, title: &str) {
        self.put(0, &[Piece::new(title, Role::Title)]);
    }

    pub fn put(&mut self, indent: usize, pieces: &[Piece]) {
        self.rows.push(Row { indent, left: pieces.to_vec(), right: Vec::new() });
    }

    /// Something at the left and something at the right end.
    pub fn split(&mut self, left: &[Piece], right: &[Piece]) {
        self.rows.push(Row { indent: 0, left: left.to_vec(), right: right.to_vec() });
    }

    pub fn wrapped(&mut self, indent: usize, content: &str, role: Role) {
        let safe = escape::line(content);
        for line in text::wrap(&safe, self.width.saturating_sub(indent)) {
            self.put(indent, &[Piece::new(&line, role)]);
        }
    }

    /// A mark and a sentence that goes on under itself.
    pub fn marked(&mut self, mark: &str, role: Role, content: &str) {
        let safe = escape::line(content);
        for (place, line) in text::wrap(&safe, self.width.saturating_sub(5)).iter().enumerate() {
            if place == 0 {
                self.put(0, &[Piece::new(mark, role), Piece::plain(" "), Piece::plain(line)]);
            } else {
                self.put(5, &[Piece::plain(line)]);
            }
        }
    }

    /// A label in a column of its own and a value that goes on under itself.
    pub fn labelled(&mut self, label: &str, column: usize, value: &str) {
        let safe = escape::line(value);
        for (place, line) in text::wrap(&safe, self.width.saturating_sub(column)).iter().enumerate() {
            let head = if place == 0 { text::pad_right(label, column) } else { " ".repeat(column) };
            self.put(0, &[Piece::new(&head, Role::Muted), Piece::plain(line)]);
        }
    }

    /// Two labelled values in one row; the second starts at column `half`.
    pub fn pair(&mut self, label: &str, value: &str, label2: &str, value2: &str, half: usize) {
        let left = text::pad_right(&escape::line(value), half.saturating_sub(13));
        self.put(
            0,
            &[
                Piece::new(&text::pad_right(label, 12), Role::Muted),
                Piece::plain(&left),
                Piece::plain(" "),
                Piece::new(&text::pad_right(label2, 8), Role::Muted),
                Piece::plain(value2),
            ],
        );
    }

    /// As text for the clipboard, without what a terminal would act on.
    pub fn text(&self) -> String {
        let line = |row: &Row| {
            let mut line = " ".repeat(row.indent);
            row.left.iter().for_each(|piece| line.push_str(&escape::line(&piece.text)));
            for piece in &row.right {
                let gap = self.width.saturating_sub(text::width(&line) + text::width(&piece.text)).max(2);
                line.push_str(&" ".repeat(gap));
                line.push_str(&escape::line(&piece.text));
            }
            line.truncate(line.trim_end().len());
            line
        };
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Draws from line `scroll` on; returns how many lines are below the last one seen.
    pub fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, scroll: usize) -> usize {
        let room = usize::from(area.height);
        let first = scroll.min(self.rows.len().saturating_sub(room));
        for (row, y) in self.rows.iter().skip(first).zip(area.top()..area.bottom()) {
            let indent = u16::try_from(row.indent).unwrap_or(area.width).min(area.width);
            let left: Vec<(&str, Role)> = row.left.iter().map(|piece| (piece.text.as_str(), piece.role)).collect();
            let used = canvas.spans(area.x + indent, y, area.width - indent, &left);
            for piece in &row.right {
                canvas.right(area.x + indent + used + 1, area.right(), y, &piece.text, piece.role);
            }
        }
        let below = self.rows.len().saturating_sub(first + room);
        if below > 0 && area.height > 1 {
            canvas.right(
                area.x,
                area.right(),
                area.bottom() - 1,
                &format!(" {} ", units::count(below as u64, "more line", "more lines")),
                Role::Muted,
            );
        }
        below
    }
}
