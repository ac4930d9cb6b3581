//! The terminal's clipboard by OSC 52, as the terminal or the multiplexer before it takes it. The payload is
//! base64: no text can end the sequence early.

use super::theme::TermEnv;
use crossterm::Command as _;

/// Bytes that GNU screen passes on in one piece.
const SCREEN_PIECE: usize = 256;

/// The bytes that put `text` there. Inside tmux they are sent twice: as tmux takes them for itself
/// (`set-clipboard`), and wrapped for the terminal around it (`allow-passthrough`); it ignores what it does not allow.
pub fn sequence(text: &str, env: &TermEnv) -> Vec<u8> {
    let mut plain = String::new();
    if crossterm::clipboard::CopyToClipboard::to_clipboard_from(text).write_ansi(&mut plain).is_err() {
        return Vec::new();
    }
    if env.tmux {
        let wrapped = format!("\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b"));
        return (plain + &wrapped).into_bytes();
    }
    if env.screen {
        // An escape inside would end the envelope: the sequence ends with BEL instead.
        let inner = plain.trim_end_matches("\x1b\\").to_owned() + "\x07";
        let pieces = inner.as_bytes().chunks(SCREEN_PIECE);
        return pieces.flat_map(|piece| [b"\x1bP".as_slice(), piece, b"\x1b\\"].concat()).collect();
    }
    plain.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &str, env: &TermEnv) -> String {
        String::from_utf8(sequence(text, env)).unwrap()
    }

    #[test]
    fn a_multiplexer_gets_it_as_it_passes_it_on() {
        let bare = "\x1b]52;c;aGVsbG8=\x1b\\";
        assert_eq!(sent("hello", &TermEnv::default()), bare);
        let tmux = TermEnv { tmux: true, ..TermEnv::default() };
        assert_eq!(sent("hello", &tmux), format!("{bare}\x1bPtmux;\x1b\x1b]52;c;aGVsbG8=\x1b\x1b\\\x1b\\"));
        let screen = TermEnv { screen: true, ..TermEnv::default() };
        assert_eq!(sent("hello", &screen), "\x1bP\x1b]52;c;aGVsbG8=\x07\x1b\\");
        let long = sent(&"x".repeat(1000), &screen);
        assert!(long.split("\x1b\\").all(|piece| piece.len() <= SCREEN_PIECE + 2), "{long:?}");
    }

    #[test]
    fn nothing_in_a_text_reaches_the_terminal_as_it_is() {
        let sent = sent("\x1b]0;title\x07\x1b\\", &TermEnv::default());
        assert_eq!(sent.matches('\x1b').count(), 2, "{sent:?}");
        assert!(!sent.contains("title"));
    }
}
