//! Where lines of text break on the screen, as places in the text itself: the editor finds its cursor by them, and
//! a streamed answer lays out only what is new. Widths are those of what is shown, after escaping.

use crate::present::{escape, text};
use std::borrow::Cow;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

const TAB: &str = "    ";

/// A piece of a row as it is shown.
pub fn shown(piece: &str) -> Cow<'_, str> {
    if piece.contains('\t') {
        Cow::Owned(escape::line(&piece.replace('\t', TAB)).into_owned())
    } else {
        escape::line(piece)
    }
}

/// Columns of a piece as it is shown.
pub fn width(piece: &str) -> usize {
    if printable(piece) { piece.len() } else { text::width(&shown(piece)) }
}

fn printable(piece: &str) -> bool {
    piece.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// The rows of one line (without its line feed) in at most `columns`, as byte ranges; at least one. Breaks behind
/// spaces, which may hang over the edge, else inside a word.
pub fn rows(line: &str, columns: usize) -> Vec<Range<usize>> {
    let columns = columns.max(1);
    if printable(line) {
        fill(line.bytes().enumerate().map(|(at, byte)| (at, 1, byte == b' ')), line.len(), columns)
    } else {
        let clusters = line.grapheme_indices(true);
        fill(clusters.map(|(at, cluster)| (at, width(cluster), matches!(cluster, " " | "\t"))), line.len(), columns)
    }
}

/// `clusters`: place, columns, and whether it is a space.
fn fill(clusters: impl Iterator<Item = (usize, usize, bool)>, end: usize, columns: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let (mut start, mut used) = (0, 0);
    // Behind the last space of this row, with the columns up to there.
    let mut gap: Option<(usize, usize)> = None;
    let mut after_space = false;
    for (at, wide, space) in clusters {
        if after_space {
            gap = Some((at, used));
        }
        // Twice, where what follows the space and the cluster together are too wide still.
        while !space && used + wide > columns && at > start {
            let (cut, columns_before) = gap.filter(|(cut, _)| *cut > start).unwrap_or((at, used));
            rows.push(start..cut);
            start = cut;
            used -= columns_before;
            gap = None;
        }
        used += wide;
        after_space = space;
    }
    rows.push(start..end);
    rows
}

/// Rows of a text that only grows: what is settled is not looked at again.
#[derive(Debug, Default)]
pub struct Flow {
    columns: usize,
    rows: Vec<Range<usize>>,
    /// Rows that cannot change any more.
    settled: usize,
    /// Where the first row begins that can.
    from: usize,
}

impl Flow {
    /// One row of a text that was laid out just now.
    pub fn at(&mut self, place: usize, text: &str, columns: usize) -> Option<Range<usize>> {
        if self.columns != columns || self.rows.is_empty() {
            self.rows(text, columns);
        }
        self.rows.get(place).cloned()
    }

    /// The rows of `text`, which begins with what was given before.
    pub fn rows(&mut self, text: &str, columns: usize) -> &[Range<usize>] {
        if self.columns != columns || self.from > text.len() {
            *self = Self { columns, ..Self::default() };
        }
        self.rows.truncate(self.settled);
        loop {
            let start = self.from;
            let rest = &text[start..];
            let line = rest.find('\n').map_or(rest, |end| &rest[..end]);
            self.rows.extend(rows(line, columns).into_iter().map(|row| row.start + start..row.end + start));
            if line.len() == rest.len() {
                break;
            }
            self.settled = self.rows.len();
            self.from = start + line.len() + 1;
        }
        // Of the line under way all rows but the last are full.
        self.settled = self.rows.len().saturating_sub(1);
        self.from = self.rows.last().map_or(self.from, |row| row.start);
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn broken(line: &str, columns: usize) -> Vec<&str> {
        rows(line, columns).into_iter().map(|row| &line[row]).collect()
    }

    #[test]
    fn lines_break_behind_spaces_and_long_words_inside() {
        assert_eq!(broken("one two three", 7), ["one two ", "three"]);
        assert_eq!(broken("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(broken("ab cdefgh", 4), ["ab ", "cdef", "gh"]);
        assert_eq!(broken("", 4), [""]);
        assert_eq!(broken("日本語", 4), ["日本", "語"]);
        assert_eq!(broken("a\tb", 3), ["a\t", "b"]);
        assert_eq!(broken("a\u{1b}[2J", 3), ["a\u{1b}", "[2J"]);
    }

    proptest! {
        #[test]
        fn rows_hold_every_byte_once_and_fit(line in "[a-z日é \t\u{1b}\u{202e}]{0,80}", columns in 8usize..20) {
            let rows = rows(&line, columns);
            let mut at = 0;
            for row in &rows {
                prop_assert_eq!(row.start, at);
                prop_assert!(width(line[row.clone()].trim_end_matches([' ', '\t'])) <= columns);
                at = row.end;
            }
            prop_assert_eq!(at, line.len());
        }

        #[test]
        fn a_growing_text_lays_out_as_if_it_had_come_whole(
            pieces in proptest::collection::vec("[a-z日 \n]{0,12}", 0..20),
            columns in 3usize..12,
        ) {
            let (mut flow, mut text) = (Flow::default(), String::new());
            for piece in &pieces {
                text.push_str(piece);
                flow.rows(&text, columns);
            }
            let grown = flow.rows(&text, columns).to_vec();
            prop_assert_eq!(grown, Flow::default().rows(&text, columns).to_vec());
        }
    }
}
