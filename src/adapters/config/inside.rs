//! Where a character of a text value stands in the file, whatever style the value is written in.

use super::tree::{Kind, Node, Style};

/// The byte at which the character number `at` of a value is written; the value's beginning where a folded style
/// does not tell.
pub fn offset(text: &str, node: &Node, at: usize) -> usize {
    let written = text.get(node.span.clone()).unwrap_or_default();
    let start = node.span.start;
    let Kind::Scalar(style) = &node.kind else { return start };
    match style {
        Style::Plain if !written.contains('\n') => start + nth(written, at),
        Style::Single if !written.contains('\n') => start + single(written, at),
        Style::Double if !written.contains('\n') => start + double(written, at),
        Style::Block => start + block(written, at).unwrap_or(0),
        _ => start,
    }
}

fn nth(written: &str, at: usize) -> usize {
    written.char_indices().nth(at).map_or(written.len(), |(byte, _)| byte)
}

fn single(written: &str, at: usize) -> usize {
    let mut seen = 0;
    let mut chars = written.char_indices().skip(1).peekable();
    while let Some((byte, c)) = chars.next() {
        if seen == at {
            return byte;
        }
        if c == '\'' {
            chars.next();
        }
        seen += 1;
    }
    written.len().saturating_sub(1)
}

fn double(written: &str, at: usize) -> usize {
    let mut seen = 0;
    let mut chars = written.char_indices().skip(1);
    while let Some((byte, c)) = chars.next() {
        if seen == at {
            return byte;
        }
        if c == '\\' {
            let digits = match chars.next().map(|(_, c)| c) {
                Some('x') => 2,
                Some('u') => 4,
                Some('U') => 8,
                _ => 0,
            };
            for _ in 0..digits {
                chars.next();
            }
        }
        seen += 1;
    }
    written.len().saturating_sub(1)
}

/// In a literal block each line of the value is a line of the file behind its indentation.
fn block(written: &str, at: usize) -> Option<usize> {
    if !written.starts_with('|') {
        return None;
    }
    let header = written.find('\n')? + 1;
    let body = written.get(header..)?;
    let indent = body.lines().find(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len())?;
    let (mut seen, mut byte) = (0, header);
    for line in body.split_inclusive('\n') {
        let content = line.get(indent.min(line.trim_end_matches(['\n', '\r']).len())..).unwrap_or_default();
        let length = content.chars().count();
        if at < seen + length {
            return Some(byte + (line.len() - content.len()) + nth(content, at - seen));
        }
        seen += length;
        byte += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::config::path::Path;
    use crate::adapters::config::tree::Tree;

    fn found(text: &str, at: usize) -> &str {
        let tree = Tree::parse(text);
        let node = tree.find(&Path::of("when")).unwrap();
        &text[offset(text, node, at)..]
    }

    #[test]
    fn a_character_is_found_in_every_style() {
        assert!(found("when: a = b\n", 2).starts_with("= b"));
        assert!(found("when: 'it''s = b'\n", 5).starts_with("= b"));
        assert!(found("when: \"\\\"x\\\" \\u0041 = b\"\n", 6).starts_with("= b"));
        assert!(found("when: |\n  first\n  sec = b\n", 10).starts_with("= b"));
        assert!(found("when: >\n  first\n  sec = b\n", 10).starts_with('>'));
        assert_eq!(found("when: ab\n", 99), "\n");
    }
}
