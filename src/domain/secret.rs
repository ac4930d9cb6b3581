//! A key that cannot be printed by accident: no `Display`, a redacted `Debug`, no serialisation. And which words name
//! one.

use std::sync::Arc;

/// A secret text. Only [`Secret::expose`] gives it out; its callers are the HTTP adapter and the
/// redaction filter.
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
    matches!(flat.as_str(), "key" | "keys" | "auth" | "authorization" | "bearer" | "pass" | "pwd" | "credentials")
        || ["token", "apikey", "apikeys", "secret", "password", "passwd", "accesskey"]
            .iter()
            .any(|end| flat.ends_with(end))
}
