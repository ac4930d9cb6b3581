//! Which characters do something to whoever looks at a text instead of being seen. How they are shown instead is
//! the business of each place that writes text.

/// Bidirectional controls: text that looks like one thing and is another.
pub fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
}

/// Characters that a terminal obeys, line ends and tabs among them, or that turn the reading direction.
pub fn steers(c: char) -> bool {
    c.is_control() || turns_direction(c)
}
