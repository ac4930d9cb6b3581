//! How many colours there are, from flags and the environment only: the terminal itself is never asked.

/// Colours the theme may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    None,
    Sixteen,
    /// 256 or true colour: the presets use the same values for both.
    Many,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorWish {
    #[default]
    Auto,
    Always,
    Never,
}

/// What the environment says about the terminal; read once at start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a variable of its own")]
pub struct TermEnv {
    pub term: String,
    pub colorterm: String,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// As in `15;0`.
    pub colorfgbg: String,
    /// The session came over SSH: frames are rarer.
    pub ssh: bool,
    /// Inside tmux, which lets a copy through only when told to.
    pub tmux: bool,
    /// Inside GNU screen.
    pub screen: bool,
}

impl TermEnv {
    pub fn read() -> Self {
        let text = |name: &str| std::env::var(name).unwrap_or_default();
        Self {
            term: text("TERM"),
            colorterm: text("COLORTERM"),
            no_color: !text("NO_COLOR").is_empty(),
            colorfgbg: text("COLORFGBG"),
            ssh: !text("SSH_CONNECTION").is_empty(),
            tmux: !text("TMUX").is_empty(),
            screen: !text("STY").is_empty(),
        }
    }

    pub fn is_dumb(&self) -> bool {
        self.term == "dumb"
    }

    pub fn depth(&self, wish: ColorWish) -> Depth {
        match wish {
            ColorWish::Never => return Depth::None,
            ColorWish::Auto if self.no_color || self.is_dumb() => return Depth::None,
            ColorWish::Auto | ColorWish::Always => {}
        }
        let many = matches!(self.colorterm.as_str(), "truecolor" | "24bit") || self.term.contains("256color");
        if many { Depth::Many } else { Depth::Sixteen }
    }

    /// `COLORFGBG` ends in the background's palette number.
    pub(super) fn light_background(&self) -> bool {
        self.colorfgbg
            .rsplit(';')
            .next()
            .and_then(|text| text.parse::<u8>().ok())
            .is_some_and(|background| background == 7 || (9..=15).contains(&background))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(term: &str, colorterm: &str, no_color: bool) -> TermEnv {
        TermEnv { term: term.into(), colorterm: colorterm.into(), no_color, ..TermEnv::default() }
    }

    #[test]
    fn the_flag_wins_then_no_color_then_the_terminal() {
        assert_eq!(env("xterm-256color", "", true).depth(ColorWish::Auto), Depth::None);
        assert_eq!(env("xterm-256color", "", true).depth(ColorWish::Always), Depth::Many);
        assert_eq!(env("xterm-256color", "", false).depth(ColorWish::Never), Depth::None);
        assert_eq!(env("dumb", "truecolor", false).depth(ColorWish::Auto), Depth::None);
        assert_eq!(env("linux", "", false).depth(ColorWish::Auto), Depth::Sixteen);
        assert_eq!(env("xterm", "truecolor", false).depth(ColorWish::Auto), Depth::Many);
    }

    #[test]
    fn a_light_background_is_read_from_colorfgbg() {
        let with = |text: &str| TermEnv { colorfgbg: text.into(), ..TermEnv::default() }.light_background();
        assert!(with("0;15"));
        assert!(with("0;default;7"));
        assert!(!with("15;0"));
        assert!(!with("12;8"));
        assert!(!with(""));
    }
}
