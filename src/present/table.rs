//! Rows in fixed columns for the command line: widths come from the column, never from the data, and the last
//! column takes the rest.

use super::text;

/// How a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// One column. The width of the last one is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub head: &'static str,
    pub width: usize,
    pub align: Align,
}

impl Column {
    pub const fn left(head: &'static str, width: usize) -> Self {
        Self { head, width, align: Align::Left }
    }

    pub const fn right(head: &'static str, width: usize) -> Self {
        Self { head, width, align: Align::Right }
    }
}

/// The heads of the columns as one row.
pub fn header(columns: &[Column], total: Option<usize>) -> String {
    let heads: Vec<&str> = columns.iter().map(|column| column.head).collect();
    row(columns, &heads, total)
}

/// One row, two spaces between columns, no trailing space. With `total` (a terminal's width) cells are cut with
/// `...`; without it nothing is cut, because a pipe wants whole values.
pub fn row(columns: &[Column], cells: &[&str], total: Option<usize>) -> String {
    let mut out = String::new();
    let last = columns.len().saturating_sub(1);
    for (at, (column, cell)) in columns.iter().zip(cells).enumerate() {
        if at > 0 {
            out.push_str("  ");
        }
        let width = match total {
            Some(total) if at == last => total.saturating_sub(text::width(&out)).max(1),
            Some(_) => column.width,
            None if at == last => text::width(cell),
            None => column.width.max(text::width(cell)),
        };
        let filled = match column.align {
            Align::Left => text::pad_right(cell, width),
            Align::Right => text::pad_left(cell, width),
        };
        out.push_str(&filled);
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [Column::left("PROVIDER", 10), Column::right("NOW", 7), Column::left("WHY", 0)];

    #[test]
    fn columns_stand_still_and_the_last_takes_the_rest() {
        assert_eq!(header(&COLUMNS, Some(40)), "PROVIDER        NOW  WHY");
        assert_eq!(row(&COLUMNS, &["zai", "310 ms", ""], Some(40)), "zai          310 ms");
        assert_eq!(
            row(&COLUMNS, &["workstation-two", "-", "connection refused"], Some(30)),
            "worksta...        -  connec..."
        );
        assert_eq!(
            row(&COLUMNS, &["workstation-two", "-", "connection refused"], None),
            "workstation-two        -  connection refused"
        );
    }
}
