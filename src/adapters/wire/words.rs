//! A server's own words, made fit to stand inside a sentence of ours: no keys, one line, no control
//! characters, not long.

use crate::adapters::redact::redact;
use crate::domain::secret::Secret;

/// Characters of a server's words that are kept.
const WORDS_LIMIT: usize = 300;

/// `text` on one line, keys hidden, control and direction characters made visible, at most 300 characters.
pub fn quote(text: &str, secrets: &[Secret]) -> String {
    // Servers may send megabytes; nothing past this can reach the result.
    let start: String = text.chars().take(WORDS_LIMIT * 8).collect();
    let clean = redact(&start, secrets);
    let mut out = String::new();
    let mut count = 0;
    for word in clean.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
            count += 1;
        }
        for character in word.chars() {
            if count >= WORDS_LIMIT {
                out.push('…');
                return out;
            }
            count += 1;
            if unsafe_to_show(character) {
                out.extend(character.escape_unicode());
            } else {
                out.push(character);
            }
        }
    }
    out
}

fn unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// Whether a body is a web page.
pub fn is_web_page(content_type: &str, body: &[u8]) -> bool {
    let start = body.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(body).trim_ascii_start();
    begins(content_type.as_bytes(), "text/html") || begins(start, "<!doctype html") || begins(start, "<html")
}

/// Whether `text` begins with `word`, in whatever letters.
pub fn begins(text: &[u8], word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_short_line_without_escapes() {
        assert_eq!(quote("a\n  b\x1b[31mred\u{202E}", &[]), "a b\\u{1b}[31mred\\u{202e}");
        let long = quote(&"x".repeat(10_000), &[]);
        assert_eq!(long.chars().count(), WORDS_LIMIT + 1);
        assert!(long.ends_with('…'));
    }
}
