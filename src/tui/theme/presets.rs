//! The tables: one row per role, one column per preset and depth. The contrast test below holds them.

use super::{Depth, Preset, Role};
use ratatui::style::{Color, Modifier, Style};

/// Every role, for tests and style guides.
#[cfg(test)]
pub(super) const ALL_ROLES: [Role; 16] = [
    Role::Plain,
    Role::Good,
    Role::Warn,
    Role::Bad,
    Role::Accent,
    Role::Muted,
    Role::Border,
    Role::Focus,
    Role::Title,
    Role::Selection,
    Role::Chart(0),
    Role::Chart(1),
    Role::Chart(2),
    Role::Chart(3),
    Role::Chart(4),
    Role::Chart(5),
];

pub(super) fn style(preset: Preset, depth: Depth, role: Role) -> Style {
    if role == Role::Plain {
        return Style::new();
    }
    if role == Role::Title {
        return Style::new().add_modifier(Modifier::BOLD);
    }
    match (preset, depth) {
        // Sixteen colours have no sure contrast: attributes have.
        (Preset::Mono, _) | (_, Depth::None) | (Preset::HighContrast, Depth::Sixteen) => mono(role),
        (Preset::Dark, Depth::Many) => indexed(role, &DARK),
        (Preset::Light, Depth::Many) => indexed(role, &LIGHT),
        (Preset::HighContrast, Depth::Many) => high_contrast(role),
        (Preset::Dark, Depth::Sixteen) => dark_sixteen(role),
        (Preset::Light, Depth::Sixteen) => light_sixteen(role),
    }
}

pub(super) fn base(preset: Preset, depth: Depth) -> Style {
    match (preset, depth) {
        (Preset::HighContrast, Depth::Many) => Style::new().fg(Color::Indexed(231)).bg(Color::Indexed(16)),
        _ => Style::new(),
    }
}

/// Palette numbers of one preset.
struct Table {
    good: u8,
    warn: u8,
    bad: u8,
    accent: u8,
    muted: u8,
    border: u8,
    selection: (u8, u8),
    chart: [u8; 6],
}

const DARK: Table = Table {
    good: 114,
    warn: 221,
    bad: 210,
    accent: 117,
    muted: 248,
    border: 244,
    selection: (255, 236),
    chart: [117, 221, 114, 176, 209, 147],
};
const LIGHT: Table = Table {
    good: 22,
    warn: 94,
    bad: 124,
    accent: 25,
    muted: 241,
    border: 244,
    selection: (16, 189),
    chart: [25, 130, 22, 90, 166, 60],
};
const HIGH_CONTRAST: Table = Table {
    good: 120,
    warn: 227,
    bad: 217,
    accent: 123,
    muted: 252,
    border: 250,
    selection: (16, 231),
    chart: [123, 227, 120, 217, 252, 250],
};

fn indexed(role: Role, table: &Table) -> Style {
    let fg = |index| Style::new().fg(Color::Indexed(index));
    match role {
        Role::Good => fg(table.good),
        Role::Warn => fg(table.warn),
        Role::Bad => fg(table.bad),
        Role::Accent | Role::Focus => fg(table.accent),
        Role::Muted => fg(table.muted),
        Role::Border => fg(table.border),
        Role::Selection => fg(table.selection.0).bg(Color::Indexed(table.selection.1)),
        Role::Chart(n) => fg(table.chart[usize::from(n) % table.chart.len()]),
        Role::Plain | Role::Title => Style::new(),
    }
}

fn high_contrast(role: Role) -> Style {
    match role {
        Role::Selection => Style::new().add_modifier(Modifier::REVERSED),
        _ => indexed(role, &HIGH_CONTRAST),
    }
}

fn dark_sixteen(role: Role) -> Style {
    let fg = |color| Style::new().fg(color);
    match role {
        Role::Good => fg(Color::Green),
        Role::Warn => fg(Color::Yellow),
        Role::Bad => fg(Color::LightRed),
        Role::Accent | Role::Focus => fg(Color::Cyan),
        Role::Chart(n) => {
            fg([Color::Cyan, Color::Yellow, Color::Green, Color::Magenta, Color::Red, Color::Blue][usize::from(n) % 6])
        }
        _ => shared_sixteen(role),
    }
}

/// Green, yellow and cyan cannot be read on white in common palettes: words and marks carry those states.
fn light_sixteen(role: Role) -> Style {
    let fg = |color| Style::new().fg(color);
    match role {
        Role::Good => Style::new(),
        Role::Warn => fg(Color::Magenta),
        Role::Bad => fg(Color::Red),
        Role::Accent | Role::Focus => fg(Color::Blue),
        Role::Chart(n) => fg([Color::Blue, Color::Magenta, Color::Red][usize::from(n) % 3]),
        _ => shared_sixteen(role),
    }
}

/// Muted is the dim attribute: several palettes give bright black the background's colour.
fn shared_sixteen(role: Role) -> Style {
    match role {
        Role::Muted | Role::Border => Style::new().add_modifier(Modifier::DIM),
        Role::Selection => Style::new().add_modifier(Modifier::REVERSED),
        _ => Style::new(),
    }
}

fn mono(role: Role) -> Style {
    match role {
        Role::Warn | Role::Accent | Role::Focus => Style::new().add_modifier(Modifier::BOLD),
        Role::Bad => Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        Role::Selection => Style::new().add_modifier(Modifier::REVERSED),
        _ => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The colour of a palette number above 15.
    fn rgb(index: u8) -> [f64; 3] {
        if index >= 232 {
            let level = f64::from(8 + 10 * (u16::from(index) - 232));
            return [level; 3];
        }
        let cube = |n: u8| if n == 0 { 0.0 } else { f64::from(55 + 40 * u16::from(n)) };
        let n = index - 16;
        [cube(n / 36), cube(n / 6 % 6), cube(n % 6)]
    }

    fn luminance(color: [f64; 3]) -> f64 {
        let part = |value: f64| {
            let v = value / 255.0;
            if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(color[0]) + 0.7152 * part(color[1]) + 0.0722 * part(color[2])
    }

    fn ratio(a: [f64; 3], b: [f64; 3]) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn hex(text: u32) -> [f64; 3] {
        [16, 8, 0].map(|shift| f64::from((text >> shift) & 0xff))
    }

    fn check(table: &Table, backgrounds: &[u32], text: f64, graphics: f64) {
        for background in backgrounds.iter().copied().map(hex) {
            for index in [table.good, table.warn, table.bad, table.accent, table.muted] {
                assert!(ratio(rgb(index), background) >= text, "{index} on {background:?}");
            }
            for index in table.chart.into_iter().chain([table.border]) {
                assert!(ratio(rgb(index), background) >= graphics, "{index} on {background:?}");
            }
        }
        assert!(ratio(rgb(table.selection.0), rgb(table.selection.1)) >= text.max(7.0));
    }

    #[test]
    fn every_role_can_be_read_on_the_usual_backgrounds() {
        check(&DARK, &[0x00_0000, 0x1e_1e1e, 0x2e_3440], 4.5, 3.0);
        check(&LIGHT, &[0xff_ffff, 0xee_eeee, 0xfd_f6e3], 4.5, 3.0);
        check(&HIGH_CONTRAST, &[0x00_0000], 7.0, 7.0);
    }
}
