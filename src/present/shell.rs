//! Command lines to copy: words as a POSIX shell reads them back.

/// One word for a shell, whatever it holds.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn what_a_shell_would_read_is_quoted() {
        assert_eq!(word("lm_studio/qwen3:8b"), "lm_studio/qwen3:8b");
        assert_eq!(word(""), "''");
        assert_eq!(word("it's; rm"), r"'it'\''s; rm'");
    }
}
