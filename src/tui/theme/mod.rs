//! What a meaning looks like: roles to styles, per preset and colour depth. Nothing else in the dashboard
//! names a colour.

mod detect;
mod presets;

pub use detect::{ColorWish, Depth, TermEnv};

use ratatui::style::{Modifier, Style};

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Plain,
    Good,
    Warn,
    Bad,
    /// Keys, links, the one thing to look at.
    Accent,
    Muted,
    Border,
    /// The rule of the part with the keyboard.
    Focus,
    Title,
    Selection,
    /// A line or bar of a chart, 0 to 5.
    Chart(u8),
}

/// The looks to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    Dark,
    Light,
    HighContrast,
    Mono,
}

impl Preset {
    pub const ALL: [Self; 4] = [Self::Dark, Self::Light, Self::HighContrast, Self::Mono];

    /// By the configuration's word; `auto` and unknown words follow the terminal.
    pub fn from_word(word: &str, env: &TermEnv) -> Self {
        match word {
            "dark" => Self::Dark,
            "light" => Self::Light,
            "high-contrast" => Self::HighContrast,
            "mono" => Self::Mono,
            _ if env.light_background() => Self::Light,
            _ => Self::Dark,
        }
    }
}

/// A preset at a depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    preset: Preset,
    depth: Depth,
}

impl Theme {
    pub fn new(preset: Preset, depth: Depth) -> Self {
        Self { preset, depth }
    }

    pub fn style(self, role: Role) -> Style {
        presets::style(self.preset, self.depth, role)
    }

    /// What lies under everything; only high contrast paints it.
    pub fn base(self) -> Style {
        presets::base(self.preset, self.depth)
    }

    /// The style of a cell on the selected row: everything but the mark gives way to plain text.
    pub fn selected(self, bold: bool) -> Style {
        let style = self.style(Role::Selection);
        if bold { style.add_modifier(Modifier::BOLD) } else { style }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_no_role_sets_one_and_the_selection_is_still_seen() {
        for preset in Preset::ALL {
            let theme = Theme::new(preset, Depth::None);
            for role in presets::ALL_ROLES {
                let style = theme.style(role);
                assert_eq!((style.fg, style.bg), (None, None), "{preset:?} {role:?}");
            }
            assert!(theme.style(Role::Selection).add_modifier.contains(Modifier::REVERSED));
            assert_ne!(theme.style(Role::Focus), theme.style(Role::Border));
        }
    }

    #[test]
    fn bad_and_good_differ_in_every_preset_and_depth() {
        for preset in Preset::ALL {
            for depth in [Depth::None, Depth::Sixteen, Depth::Many] {
                let theme = Theme::new(preset, depth);
                assert_ne!(theme.style(Role::Good), theme.style(Role::Bad), "{preset:?} {depth:?}");
            }
        }
    }
}
