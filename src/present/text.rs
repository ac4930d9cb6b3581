//! Columns: how wide a text is, cutting it, filling it up. Widths as ratatui counts them.

use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns that `text` takes on a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// At most `columns` wide; what is cut ends in `...` as far as that fits.
pub fn truncate(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let dots = columns.min(3);
    let room = columns - dots;
    let mut used = 0;
    let mut end = 0;
    for (at, cluster) in text.grapheme_indices(true) {
        used += width(cluster);
        if used > room {
            break;
        }
        end = at + cluster.len();
    }
    Cow::Owned(format!("{}{}", &text[..end], &"..."[..dots]))
}

/// Exactly `columns` wide, text left: cut or filled up with spaces.
pub fn pad_right(text: &str, columns: usize) -> String {
    let text = truncate(text, columns);
    let fill = columns.saturating_sub(width(&text));
    format!("{text}{:fill$}", "")
}

/// Exactly `columns` wide, text right.
pub fn pad_left(text: &str, columns: usize) -> String {
    let text = truncate(text, columns);
    let fill = columns.saturating_sub(width(&text));
    format!("{:fill$}{text}", "")
}

/// Breaks `text` at spaces into lines of at most `columns`; longer words are cut where they must be. Line ends
/// of the text are kept, and so is the indent of each: lines broken off it begin below its first word.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let words = paragraph.trim_start_matches(' ');
        // Half of the columns are the words', and never fewer than the widest letter takes.
        let indent = (paragraph.len() - words.len()).min(columns / 2).min(columns.saturating_sub(2));
        lines.extend(wrap_words(words, columns - indent).into_iter().map(|line| " ".repeat(indent) + &line));
    }
    lines
}

fn wrap_words(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let wide = width(word);
        if used > 0 && used + 1 + wide > columns {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for cluster in word.graphemes(true) {
            let wide = width(cluster);
            if used + wide > columns && used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push_str(cluster);
            used += wide;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_cut_by_columns_not_by_letters() {
        assert_eq!(truncate("lm_studio/openai_gpt-oss-120b", 20), "lm_studio/openai_...");
        assert_eq!(truncate("日本語モデル", 8), "日本...");
        assert_eq!(truncate("abc", 3), "abc");
        assert_eq!(truncate("abcd", 2), "..");
        assert_eq!(width("👩\u{200d}🚀"), 2);
    }

    #[test]
    fn words_wrap_and_long_ones_break() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("a\n\nb", 9), ["a", "", "b"]);
        assert_eq!(wrap("  one two\n three", 6), ["  one", "  two", " three"]);
    }

    proptest! {
        #[test]
        fn a_padded_cell_is_exactly_as_wide_as_asked(text in "[a-z日é ]{0,30}", columns in 0usize..40) {
            prop_assert_eq!(width(&pad_right(&text, columns)), columns);
            prop_assert_eq!(width(&pad_left(&text, columns)), columns);
        }

        #[test]
        fn wrapping_keeps_every_letter_and_no_line_is_too_wide(text in "[a-z日é ]{0,60}", columns in 2usize..20) {
            let lines = wrap(&text, columns);
            prop_assert!(lines.iter().all(|line| width(line) <= columns));
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
