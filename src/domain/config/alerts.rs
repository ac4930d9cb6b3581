//! What the dashboard calls the person for, and how.

use serde::{Deserialize, Serialize};

/// For what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertFor {
    Never,
    /// What takes the person's own calls away: the provider they went to is lost, or no target is left.
    Active,
    /// Every provider that is lost, and every other error that is announced.
    Any,
}

impl AlertFor {
    pub const WORDS: &[&str] = &["never", "active", "any"];

    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "never" => Some(Self::Never),
            "active" => Some(Self::Active),
            "any" => Some(Self::Any),
            _ => None,
        }
    }
}

/// Which sequence asks the terminal for a notification of the desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesktopBy {
    /// Known to iTerm2, kitty, WezTerm, Ghostty, foot and others.
    Osc9,
    /// Known to urxvt, foot, Ghostty and terminals made with VTE.
    Osc777,
}

impl DesktopBy {
    pub const WORDS: &[&str] = &["osc9", "osc777"];

    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "osc9" => Some(Self::Osc9),
            "osc777" => Some(Self::Osc777),
            _ => None,
        }
    }
}

/// `ui.alerts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alerts {
    /// The terminal's bell.
    pub bell: AlertFor,
    /// A notification of the desktop, where the terminal makes one.
    pub desktop: AlertFor,
    pub desktop_by: DesktopBy,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { bell: AlertFor::Active, desktop: AlertFor::Never, desktop_by: DesktopBy::Osc9 }
    }
}
