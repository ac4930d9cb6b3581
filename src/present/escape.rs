//! Makes text that others wrote safe for a terminal and a log: nothing moves the cursor, hides, or turns the
//! reading direction.
//!
//! Everything from a server, a prompt, a header or a file passes here once, before it is shown.
//! Control characters become caret notation (`^[`, `M-^[` for C1), bidirectional controls `<U+202E>`; what has
//! no width is dropped, except joiners inside emoji; tabs become spaces.

use crate::domain::steering::turns_direction;
use std::borrow::Cow;
use std::fmt::Write;

/// Spaces for a tab in running text; one in a single line, where columns matter more.
const TAB: &str = "    ";

/// For one row of a screen: line ends become a space.
pub fn line(text: &str) -> Cow<'_, str> {
    escape(text, false)
}

/// For running text: line ends are kept, as `\n`.
pub fn block(text: &str) -> Cow<'_, str> {
    escape(text, true)
}

/// [`line`], with at most `max` characters; cut with `...`.
pub fn line_capped(text: &str, max: usize) -> Cow<'_, str> {
    // Cut before escaping too: a megabyte of escapes costs no more than a row of them.
    let short = first_chars(text, max.saturating_add(1));
    match line(short) {
        Cow::Borrowed(clean) if clean.len() == text.len() && clean.chars().count() <= max => Cow::Borrowed(clean),
        clean if short.len() == text.len() && clean.chars().count() <= max => clean,
        clean => {
            let kept = first_chars(&clean, max.saturating_sub(3));
            Cow::Owned(format!("{kept}{}", &"..."[..max.min(3)]))
        }
    }
}

/// [`block`], with at most `max_lines` lines of `max_columns` characters; what was left out is said in a last
/// line.
pub fn block_capped(text: &str, max_lines: usize, max_columns: usize) -> String {
    let mut out = String::new();
    let mut lines = text.split('\n');
    for (index, row) in lines.by_ref().take(max_lines).enumerate() {
        if index > 0 {
            out.push('\n');
        }
        out.push_str(&line_capped(row.strip_suffix('\r').unwrap_or(row), max_columns));
    }
    let more = lines.count();
    if more > 0 {
        let lines = if more == 1 { "line" } else { "lines" };
        let _ = write!(out, "\n... {more} more {lines}");
    }
    out
}

fn first_chars(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end])
}

fn escape(text: &str, keep_lines: bool) -> Cow<'_, str> {
    let clean = |c: char| c == ' ' || c.is_ascii_graphic() || (keep_lines && c == '\n') || harmless(c);
    let Some(start) = text.char_indices().find(|(_, c)| !clean(*c)).map(|(at, _)| at) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str(&text[..start]);
    let mut rest = text[start..].chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' if rest.peek() == Some(&'\n') => {}
            '\n' | '\u{2028}' | '\u{2029}' => out.push(if keep_lines { '\n' } else { ' ' }),
            '\r' if !keep_lines => out.push(' '),
            '\t' => out.push_str(if keep_lines { TAB } else { " " }),
            '\u{200d}' if joins(&out, rest.peek().copied()) => out.push(c),
            '\u{fe0f}' if out.chars().next_back().is_some_and(takes_variation) => out.push(c),
            '\0'..='\x1f' | '\x7f' => {
                out.push('^');
                out.push(char::from((c as u8) ^ 0x40));
            }
            '\u{80}'..='\u{9f}' => {
                out.push_str("M-^");
                out.push(char::from(u8::try_from(u32::from(c) & 0x7f).unwrap_or_default() ^ 0x40));
            }
            _ if turns_direction(c) => {
                let _ = write!(out, "<U+{:04X}>", u32::from(c));
            }
            _ if invisible(c) => {}
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Characters above ASCII that stay as they are wherever they stand.
fn harmless(c: char) -> bool {
    u32::from(c) > 0x9f && !turns_direction(c) && !invisible(c) && !matches!(c, '\u{2028}' | '\u{2029}')
}

/// Characters without a width of their own that can hide text or split a word unseen.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// A joiner stays between two emoji only.
fn joins(before: &str, after: Option<char>) -> bool {
    let last = before.chars().rev().find(|c| *c != '\u{fe0f}');
    last.is_some_and(emoji) && after.is_some_and(emoji)
}

fn emoji(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1faff}')
}

fn takes_variation(c: char) -> bool {
    emoji(c) || matches!(c, '\u{2000}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '©' | '®')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_show_themselves_instead_of_acting() {
        assert_eq!(line("\x1b[2J\x1b]0;owned\x07"), "^[[2J^[]0;owned^G");
        assert_eq!(line("a\u{9b}31m\x7f\0"), "aM-^[31m^?^@");
        assert_eq!(line("model\u{202e}exe.sj"), "model<U+202E>exe.sj");
        assert_eq!(line("\u{2066}\u{61c}"), "<U+2066><U+061C>");
        assert_eq!(line("in\u{200b}vis\u{feff}ible\u{ad}\u{e0041}"), "invisible");
    }

    #[test]
    fn lines_and_tabs_become_spaces_in_one_line_and_stay_in_a_block() {
        assert_eq!(line("one\r\ntwo\nthree\rfour\tfive"), "one two three four five");
        assert_eq!(block("one\r\ntwo\n\tthree\rfour"), "one\ntwo\n    three^Mfour");
        assert_eq!(line("a\u{2028}b"), "a b");
    }

    #[test]
    fn clean_text_is_not_copied() {
        for text in ["", "qwen3-32b", "日本語 émigré ─ ▁", "👍", "\u{17f}"] {
            assert!(matches!(line(text), Cow::Borrowed(_)), "{text}");
        }
        assert!(matches!(block("a\nb"), Cow::Borrowed(_)));
        assert!(matches!(line_capped("qwen3", 5), Cow::Borrowed(_)));
    }

    #[test]
    fn joiners_stay_in_emoji_and_nowhere_else() {
        for emoji in ["👩\u{200d}🚀", "🏳\u{fe0f}\u{200d}🌈", "❤\u{fe0f}\u{200d}🔥", "♻\u{fe0f}", "👩🏽\u{200d}🚀"]
        {
            assert_eq!(line(emoji), emoji);
        }
        assert_eq!(line("pay\u{200d}pal\u{fe0f}"), "paypal");
        assert_eq!(line("👩\u{200d}x"), "👩x");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(line_capped("abcdefgh", 6), "abc...");
        assert_eq!(line_capped("abcdef", 6), "abcdef");
        assert_eq!(line_capped("\x1b\x1b\x1b", 5), "^[...");
        assert_eq!(line_capped("abc", 2), "..");
        assert_eq!(block_capped("a\r\nb\nc\nd", 2, 9), "a\nb\n... 2 more lines");
        assert!(line_capped(&"\u{202e}".repeat(1_000_000), 80).len() <= 80);
    }

    #[test]
    fn every_byte_and_every_control_is_tamed() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = String::from_utf8_lossy(&bytes);
        assert!(tame(&line(&text), false));
        for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
            let text = format!("a{c}b");
            assert!(tame(&line(&text), false), "U+{:04X}", u32::from(c));
            assert!(tame(&block(&text), true), "U+{:04X}", u32::from(c));
        }
    }

    fn tame(text: &str, lines: bool) -> bool {
        text.chars().all(|c| (lines && c == '\n') || !(c.is_control() || turns_direction(c) || c == '\u{200b}'))
    }

    fn nasty() -> impl Strategy<Value = String> {
        let one = prop_oneof![
            any::<char>(),
            (0u32..0x100).prop_map(|c| char::from_u32(c).unwrap_or('x')),
            (0x2000u32..0x2070).prop_map(|c| char::from_u32(c).unwrap_or('x')),
            prop::sample::select(vec!['\u{200d}', '\u{fe0f}', '👩', '🚀', '\r', '\n', '\t', '\x1b', '^', 'M', '-']),
        ];
        prop::collection::vec(one, 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn nothing_dangerous_survives_and_twice_is_as_once(text in nasty()) {
            let (one, many) = (line(&text).into_owned(), block(&text).into_owned());
            prop_assert!(tame(&one, false) && tame(&many, true));
            prop_assert_eq!(line(&one), one.as_str());
            prop_assert_eq!(block(&many), many.as_str());
        }

        #[test]
        fn a_cap_is_kept(text in nasty(), max in 0usize..30) {
            let cut = line_capped(&text, max);
            prop_assert!(cut.chars().count() <= max);
            prop_assert!(tame(&cut, false));
        }
    }
}
