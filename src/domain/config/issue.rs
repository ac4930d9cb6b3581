//! Something to say about a configuration file: where, what, and how to mend it.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing: a newer key wins.
    Note,
    /// Loaded all the same: an unknown key, an unset variable.
    Warning,
    /// The file cannot be used.
    Error,
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One finding. Line and column count from 1; `None` when the finding is about something that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    pub severity: Severity,
    pub file: String,
    pub line: Option<usize>,
    pub column: Option<usize>,
    /// The place as a path, as in `providers.zai.endpoint`; empty for the whole file.
    pub path: String,
    /// What is wrong, never with a secret's text.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// The line of the file it is about, without line end; empty when it could hold a secret.
    pub text: String,
}

impl Issue {
    /// What a person may want to know of a file as a whole.
    pub fn note(file: &str, message: String) -> Self {
        Self {
            severity: Severity::Note,
            file: file.to_owned(),
            line: None,
            column: None,
            path: String::new(),
            message,
            remedy: String::new(),
            text: String::new(),
        }
    }
}
