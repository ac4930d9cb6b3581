//! Keeps keys out of everything a server's words go into: messages, logs, the ledger.

use crate::domain::secret::Secret;

/// What stands in the place of a key.
pub const HIDDEN: &str = "[hidden]";

/// Characters of a known key that, found in a row, are hidden: servers echo beginnings and ends of keys.
const ECHO: usize = 8;

/// `text` without the known secrets, whole or in pieces, and without what looks like a key.
pub fn redact(text: &str, secrets: &[Secret]) -> String {
    let mut covered = vec![false; text.len()];
    for secret in secrets {
        cover(text, secret.expose(), &mut covered);
    }
    let mut known_hidden = String::with_capacity(text.len());
    let mut inside = false;
    for (at, character) in text.char_indices() {
        let hide = covered.get(at).copied().unwrap_or(false);
        if !hide {
            known_hidden.push(character);
        } else if !inside {
            known_hidden.push_str(HIDDEN);
        }
        inside = hide;
    }
    scrub(&known_hidden)
}

/// Marks the bytes of `text` that belong to `secret`: every run of [`ECHO`] of its bytes, or all of a
/// shorter secret.
fn cover(text: &str, secret: &str, covered: &mut [bool]) {
    let window = secret.len().min(ECHO);
    if window == 0 {
        return;
    }
    for piece in secret.as_bytes().windows(window) {
        for at in memchr::memmem::find_iter(text.as_bytes(), piece) {
            covered.iter_mut().skip(at).take(window).for_each(|flag| *flag = true);
        }
    }
}

/// `text` without what looks like a key: `sk-…`, JSON web tokens, `id.secret`, and what follows `Bearer`.
pub fn scrub(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_bearer = false;
    while !rest.is_empty() {
        let gap = rest.find(is_key_character).unwrap_or(rest.len());
        let (between, tail) = rest.split_at(gap);
        out.push_str(between);
        let end = tail.find(|c| !is_key_character(c)).unwrap_or(tail.len());
        let (word, tail) = tail.split_at(end);
        rest = tail;
        let after_this = after_bearer && !word.is_empty();
        if looks_like_key(word) || (after_this && word.len() >= 12) {
            out.push_str(HIDDEN);
        } else {
            out.push_str(word);
        }
        if !word.is_empty() {
            after_bearer = word.eq_ignore_ascii_case("bearer") || word.to_ascii_lowercase().ends_with(":bearer");
        }
    }
    out
}

fn is_key_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '*' | '+' | '=' | '~')
}

fn looks_like_key(word: &str) -> bool {
    // `sk-` may follow a label without a space, as in `key:sk-…` or `api_key=sk-…`.
    let prefixed = word.match_indices("sk-").any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| word.as_bytes().get(before));
        word.len() - at >= 7 && before.is_none_or(|byte| !byte.is_ascii_alphanumeric())
    });
    let web_token = word.starts_with("eyJ") && word.len() >= 20;
    let id_and_secret = word.trim_end_matches(['.', ':']).split_once('.').is_some_and(|(id, secret)| {
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric());
        let digits = |part: &str| part.bytes().any(|b| b.is_ascii_digit());
        id.len() >= 16 && secret.len() >= 10 && plain(id) && plain(secret) && digits(id)
    });
    prefixed || web_token || id_and_secret
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_like_a_key_is_hidden_and_words_stay() {
        for (text, clean) in [
            ("Incorrect API key provided: sk-proj-abc***xyz.", "Incorrect API key provided: [hidden]"),
            (
                "Malformed LM Studio API token provided: sk-lm-AbCdEfGh:0123456789 (see docs)",
                "Malformed LM Studio API token provided: [hidden] (see docs)",
            ),
            ("Authorization: Bearer abcdef0123456789", "Authorization: Bearer [hidden]"),
            ("key 0123456789abcdef0123456789abcdef.AbCdEf0123456789 is bad", "key [hidden] is bad"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl", "[hidden]"),
            ("a Bearer token is required", "a Bearer token is required"),
            ("model task-planner at 127.0.0.1:1234 took 3.5 s", "model task-planner at 127.0.0.1:1234 took 3.5 s"),
            ("claude-haiku-4-5.20251001 is not known", "claude-haiku-4-5.20251001 is not known"),
        ] {
            assert_eq!(scrub(text), clean);
        }
    }

    #[test]
    fn a_known_key_is_hidden_in_pieces_too() {
        let key = Secret::new("correct horse battery staple");
        assert_eq!(redact("got correct horse...", std::slice::from_ref(&key)), "got [hidden]...");
        assert_eq!(redact("ends in ry staple!", &[key]), "ends in [hidden]!");
        assert_eq!(redact("pw tiny.", &[Secret::new("tiny")]), "pw [hidden].");
        assert_eq!(redact("nothing", &[Secret::new("")]), "nothing");
    }

    proptest! {
        #[test]
        fn a_key_never_comes_through(before in ".{0,20}", key in "[!-~]{8,40}", after in ".{0,20}") {
            let clean = redact(&format!("{before}{key}{after}"), &[Secret::new(key.clone())]);
            prop_assert!(!clean.contains(&key), "{clean}");
        }
    }
}
