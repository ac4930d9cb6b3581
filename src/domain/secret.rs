//! A key that cannot be printed by accident: no `Display`, a redacted `Debug`, no serialisation. And which words name
//! one.

use std::sync::Arc;

/// A secret text. Only [`Secret::expose`] gives it out, to what sends it, compares with it or hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for an authorisation header.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The last four characters for recognition on a screen; nothing of a short secret.
    pub fn tail(&self) -> Option<String> {
        let count = self.0.chars().count();
        (count >= 12).then(|| self.0.chars().skip(count - 4).collect())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Whether a key with this name holds a secret, however it is spelled. What something costs per token is none.
pub fn names_a_secret(word: &str) -> bool {
    let flat: String = word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    if flat.ends_with("pertoken") {
        return false;
    }
    let last = last_part(word).to_ascii_lowercase();
    matches!(flat.as_str(), "auth" | "authorization" | "bearer" | "credentials")
        || matches!(last.as_str(), "key" | "keys" | "pass" | "pwd" | "pat")
        || ["token", "apikey", "apikeys", "secret", "password", "passwd", "passphrase", "accesskey"]
            .iter()
            .any(|end| flat.ends_with(end))
}

/// `KEY` of `STRIPE_SECRET_KEY`, `Key` of `signingKey`: `monkey` ends in no part of its own.
fn last_part(word: &str) -> &str {
    let last = word.rsplit(|c: char| !c.is_ascii_alphanumeric()).find(|part| !part.is_empty()).unwrap_or_default();
    let humps = last.char_indices().zip(last.chars().skip(1));
    let hump = humps.filter(|((_, one), next)| one.is_ascii_lowercase() && next.is_ascii_uppercase()).last();
    hump.map_or(last, |((at, _), _)| last.get(at + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_by_their_last_part() {
        for word in [
            "key",
            "api_keys",
            "apiKey",
            "OPENAI_API_KEY",
            "SECRET_KEY",
            "STRIPE_SECRET_KEY",
            "BATCH_KEY",
            "signingKey",
            "DB_PASS",
            "MYSQL_PWD",
            "GH_PAT",
            "x-access-token",
            "client_secret",
            "PASSPHRASE",
            "Authorization",
        ] {
            assert!(names_a_secret(word), "{word}");
        }
        for word in ["monkey", "keyboard", "max_tokens", "compass", "PATH", "OLDPWD_NOT", "HOME", "key_name", "", "_"] {
            assert!(!names_a_secret(word), "{word}");
        }
    }
}
