//! Rows in columns, printed once: fixed minimal widths, the last column takes the rest.

use super::console::Console;
use super::ending::Ending;
use crate::present::labels::{Label, Role};
use crate::present::{escape, text};

/// The last column gets at least so much before others are left out for it.
const LAST_AT_LEAST: usize = 12;

pub struct Column {
    title: &'static str,
    width: usize,
    right: bool,
    gap: usize,
    /// Left out first on a narrow terminal when 1, then 2, …; never when 0.
    drop: u8,
}

impl Column {
    pub fn left(title: &'static str, width: usize) -> Self {
        Self { title, width, right: false, gap: 2, drop: 0 }
    }

    pub fn right(title: &'static str, width: usize) -> Self {
        Self { right: true, ..Self::left(title, width) }
    }

    /// The four cells of a mark.
    pub fn mark() -> Self {
        Self { gap: 1, ..Self::left("", 4) }
    }

    pub fn gap(self, gap: usize) -> Self {
        Self { gap, ..self }
    }

    pub fn drop(self, drop: u8) -> Self {
        Self { drop, ..self }
    }
}

pub struct Cell {
    text: String,
    role: Role,
}

impl Cell {
    pub fn new(role: Role, text: impl AsRef<str>) -> Self {
        Self { text: escape::line(text.as_ref()).into_owned(), role }
    }

    /// A mark in its colour.
    pub fn mark(label: &Label) -> Self {
        Self::new(label.role, label.mark)
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Role::Plain, text)
    }
}

/// A table in the making. Every cell is escaped as it comes in.
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    headed: bool,
}

impl Table {
    pub fn new(columns: Vec<Column>) -> Self {
        let headed = columns.iter().any(|column| !column.title.is_empty());
        Self { columns, rows: Vec::new(), headed }
    }

    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "one cell per column");
        self.rows.push(cells);
    }

    /// Prints header and rows; on a terminal the last column is cut to what fits.
    pub fn print(mut self, console: &mut Console) -> Result<(), Ending> {
        self.widen();
        self.leave_out(console.width);
        if self.headed {
            let titles = self.columns.iter().map(|column| Cell::new(Role::Muted, column.title)).collect();
            let line = self.line(&titles, console);
            console.line(&line)?;
        }
        for row in &self.rows {
            let line = self.line(row, console);
            console.line(&line)?;
        }
        Ok(())
    }

    /// Prints the rows only, for output that goes on.
    pub fn print_rows(mut self, console: &mut Console) -> Result<(), Ending> {
        self.headed = false;
        self.print(console)
    }

    fn widen(&mut self) {
        for (place, column) in self.columns.iter_mut().enumerate() {
            let widest = self.rows.iter().filter_map(|row| row.get(place)).map(|cell| text::width(&cell.text)).max();
            column.width = column.width.max(widest.unwrap_or(0));
        }
        if let Some(last) = self.columns.last_mut() {
            last.gap = 0;
        }
    }

    fn leave_out(&mut self, width: Option<usize>) {
        let Some(width) = width else { return };
        while self.start_of_last() + LAST_AT_LEAST > width {
            let next = self.columns.iter().filter(|column| column.drop > 0).map(|column| column.drop).min();
            let Some(place) = next.and_then(|drop| self.columns.iter().position(|column| column.drop == drop)) else {
                return;
            };
            self.columns.remove(place);
            for row in &mut self.rows {
                row.remove(place);
            }
        }
    }

    fn start_of_last(&self) -> usize {
        let but_last = self.columns.len().saturating_sub(1);
        self.columns.iter().take(but_last).map(|column| column.width + column.gap).sum()
    }

    fn line(&self, row: &Vec<Cell>, console: &Console) -> String {
        let start_of_last = self.start_of_last();
        let mut line = String::new();
        for (place, (column, cell)) in self.columns.iter().zip(row).enumerate() {
            let last = place + 1 == self.columns.len();
            let shown = match console.width {
                Some(width) if last => text::truncate(&cell.text, width.saturating_sub(start_of_last)),
                _ => cell.text.as_str().into(),
            };
            let fill = " ".repeat(column.width.saturating_sub(text::width(&shown)));
            let painted = console.paint(cell.role, &shown);
            if column.right {
                line.push_str(&fill);
                line.push_str(&painted);
            } else {
                line.push_str(&painted);
                if !last {
                    line.push_str(&fill);
                }
            }
            line.push_str(&" ".repeat(column.gap));
        }
        line
    }
}
