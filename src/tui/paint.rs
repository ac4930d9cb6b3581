//! Cells to the bytes that draw them: only what changes of a look, in one sequence, and small frames by look
//! instead of by row when that is shorter. A terminal is assumed to stand at its own look before and after.

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};
use std::fmt::Write as _;

/// Up to so many cells both orders are tried: a frame of a probe or a key has fewer, a whole screen is read by row.
const SMALL: usize = 600;

/// What shows on a blank.
const SEEN_ON_BLANK: Modifier = Modifier::REVERSED
    .union(Modifier::UNDERLINED)
    .union(Modifier::CROSSED_OUT)
    .union(Modifier::SLOW_BLINK)
    .union(Modifier::RAPID_BLINK);

/// The look of a cell, as far as a theme sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

const OWN: Look = Look { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

/// One cell at its place.
pub(super) struct Placed<'a> {
    x: u16,
    y: u16,
    symbol: &'a str,
    look: Look,
    /// A blank shows its background alone: any foreground will do.
    blank: bool,
}

impl<'a> Placed<'a> {
    pub(super) fn new(x: u16, y: u16, cell: &'a Cell) -> Self {
        let look = Look { fg: cell.fg, bg: cell.bg, modifier: cell.modifier };
        let blank = cell.symbol() == " " && !look.modifier.intersects(SEEN_ON_BLANK);
        Self { x, y, symbol: cell.symbol(), look, blank }
    }

    /// Whether the cell is as it should be when it is written in `look`.
    fn fits(&self, look: Look) -> bool {
        look == self.look || self.blank && look.bg == self.look.bg && !look.modifier.intersects(SEEN_ON_BLANK)
    }
}

/// The bytes that draw `cells`, which come in reading order, on a terminal so many columns wide.
pub(super) fn paint(cells: &[Placed<'_>], width: u16) -> Vec<u8> {
    let by_row = encode(&mut cells.iter(), width);
    if cells.len() > SMALL {
        return by_row.into_bytes();
    }
    let by_look = encode(&mut grouped(cells).into_iter(), width);
    if by_look.len() < by_row.len() { by_look } else { by_row }.into_bytes()
}

/// The cells look by look, each look in reading order. A blank goes with its neighbour.
fn grouped<'a, 'b>(cells: &'b [Placed<'a>]) -> Vec<&'b Placed<'a>> {
    let mut looks: Vec<Look> = Vec::new();
    let mut group: Vec<Option<usize>> = vec![None; cells.len()];
    let beside = |a: &Placed<'_>, b: &Placed<'_>| a.y == b.y && a.x + 1 == b.x;
    for (n, cell) in cells.iter().enumerate() {
        let before = n.checked_sub(1).filter(|before| beside(&cells[*before], cell)).and_then(|before| group[before]);
        group[n] = match before {
            Some(look) if cell.fits(looks[look]) => Some(look),
            _ if cell.blank => None,
            _ => Some(looks.iter().position(|look| *look == cell.look).unwrap_or_else(|| {
                looks.push(cell.look);
                looks.len() - 1
            })),
        };
    }
    for n in (0..cells.len()).rev().filter(|n| cells[*n].blank) {
        if group[n].is_some() {
            continue;
        }
        let after = cells.get(n + 1).filter(|next| beside(&cells[n], next)).and_then(|_| group[n + 1]);
        group[n] = after
            .filter(|look| cells[n].fits(looks[*look]))
            .or_else(|| looks.iter().position(|look| cells[n].fits(*look)));
    }
    // Blanks that fit nothing come first: the terminal's own look suits most of them.
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.sort_by_key(|n| group[*n].map_or(0, |look| look + 1));
    order.into_iter().map(|n| &cells[n]).collect()
}

fn encode(cells: &mut dyn Iterator<Item = &Placed<'_>>, width: u16) -> String {
    let mut out = String::new();
    let mut look = OWN;
    let mut cursor = Cursor { next: None, sure: false };
    for cell in cells {
        cursor.go(&mut out, cell);
        if !cell.fits(look) {
            turn(&mut out, look, cell.look);
            look = cell.look;
        }
        out.push_str(cell.symbol);
        cursor.wrote(cell, width);
    }
    if look != OWN {
        out.push_str("\x1b[m");
    }
    out
}

/// Where the terminal's cursor stands while a frame is written.
struct Cursor {
    next: Option<(u16, u16)>,
    /// What was written last is one column wide in every terminal, and the edge is not reached.
    sure: bool,
}

impl Cursor {
    /// Goes to a cell: one column or row on is said in fewer bytes than a place.
    fn go(&self, out: &mut String, cell: &Placed<'_>) {
        const BACK: [&str; 4] = ["", "\x08", "\x08\x08", "\x08\x08\x08"];
        let Some((x, y)) = self.next else { return place(out, cell) };
        if (x, y) == (cell.x, cell.y) {
            return;
        }
        let right = cell.x.checked_sub(x).filter(|_| cell.y == y);
        let back = x.checked_sub(cell.x).filter(|_| y.checked_add(1) == Some(cell.y));
        match (right, back.and_then(|back| BACK.get(usize::from(back)))) {
            (Some(1), _) if self.sure => out.push_str("\x1b[C"),
            (Some(columns), _) if self.sure => {
                let _ = write!(out, "\x1b[{columns}C");
            }
            (_, Some(back)) if self.sure => {
                let _ = write!(out, "\x1b[B{back}");
            }
            _ => place(out, cell),
        }
    }

    fn wrote(&mut self, cell: &Placed<'_>, width: u16) {
        let mut chars = cell.symbol.chars();
        let plain = chars.next().is_some_and(|c| c.is_ascii() || ('\u{2500}'..='\u{259f}').contains(&c));
        self.next = Some((cell.x.saturating_add(1), cell.y));
        self.sure = plain && chars.next().is_none() && cell.x.saturating_add(1) < width;
    }
}

fn place(out: &mut String, cell: &Placed<'_>) {
    let _ = write!(out, "\x1b[{};{}H", u32::from(cell.y) + 1, u32::from(cell.x) + 1);
}

/// From one look to another in one sequence: by its differences, or anew when that is shorter.
fn turn(out: &mut String, from: Look, to: Look) {
    let mut changes = Parameters::default();
    let removed = from.modifier - to.modifier;
    let mut added = to.modifier - from.modifier;
    if removed.intersects(Modifier::BOLD | Modifier::DIM) {
        changes.add("22");
        // Both go with 22: the one that stays is set again.
        added |= to.modifier & (Modifier::BOLD | Modifier::DIM);
    }
    for (modifier, off) in OFF {
        if removed.intersects(modifier) {
            changes.add(off);
        }
    }
    changes.modifiers(added);
    if from.fg != to.fg {
        changes.color(to.fg, Ground::Fore);
    }
    if from.bg != to.bg {
        changes.color(to.bg, Ground::Back);
    }
    let mut anew = Parameters::default();
    if to != OWN {
        anew.add("0");
        anew.modifiers(to.modifier);
        if to.fg != Color::Reset {
            anew.color(to.fg, Ground::Fore);
        }
        if to.bg != Color::Reset {
            anew.color(to.bg, Ground::Back);
        }
    }
    let shorter = if anew.0.len() < changes.0.len() { anew } else { changes };
    let _ = write!(out, "\x1b[{}m", shorter.0);
}

const ON: [(Modifier, &str); 9] = [
    (Modifier::BOLD, "1"),
    (Modifier::DIM, "2"),
    (Modifier::ITALIC, "3"),
    (Modifier::UNDERLINED, "4"),
    (Modifier::SLOW_BLINK, "5"),
    (Modifier::RAPID_BLINK, "6"),
    (Modifier::REVERSED, "7"),
    (Modifier::HIDDEN, "8"),
    (Modifier::CROSSED_OUT, "9"),
];

const OFF: [(Modifier, &str); 6] = [
    (Modifier::ITALIC, "23"),
    (Modifier::UNDERLINED, "24"),
    (Modifier::SLOW_BLINK.union(Modifier::RAPID_BLINK), "25"),
    (Modifier::REVERSED, "27"),
    (Modifier::HIDDEN, "28"),
    (Modifier::CROSSED_OUT, "29"),
];

#[derive(Clone, Copy)]
enum Ground {
    Fore,
    Back,
}

/// The numbers of one sequence.
#[derive(Default)]
struct Parameters(String);

impl Parameters {
    fn add(&mut self, parameter: &str) {
        if !self.0.is_empty() {
            self.0.push(';');
        }
        self.0.push_str(parameter);
    }

    fn modifiers(&mut self, modifiers: Modifier) {
        for (modifier, on) in ON {
            if modifiers.contains(modifier) {
                self.add(on);
            }
        }
    }

    fn color(&mut self, color: Color, ground: Ground) {
        let (base, bright, own, other) = match ground {
            Ground::Fore => (30, 90, "39", 38),
            Ground::Back => (40, 100, "49", 48),
        };
        let (start, number) = match color {
            Color::Reset => return self.add(own),
            Color::Indexed(index) => return self.add(&format!("{other};5;{index}")),
            Color::Rgb(r, g, b) => return self.add(&format!("{other};2;{r};{g};{b}")),
            Color::Black => (base, 0),
            Color::Red => (base, 1),
            Color::Green => (base, 2),
            Color::Yellow => (base, 3),
            Color::Blue => (base, 4),
            Color::Magenta => (base, 5),
            Color::Cyan => (base, 6),
            Color::Gray => (base, 7),
            Color::DarkGray => (bright, 0),
            Color::LightRed => (bright, 1),
            Color::LightGreen => (bright, 2),
            Color::LightYellow => (bright, 3),
            Color::LightBlue => (bright, 4),
            Color::LightMagenta => (bright, 5),
            Color::LightCyan => (bright, 6),
            Color::White => (bright, 7),
        };
        self.add(&(start + number).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ratatui::style::Style;
    use std::num::NonZeroU16;

    const WIDTH: u16 = 12;
    const HEIGHT: u16 = 4;

    fn style() -> impl Strategy<Value = Style> {
        let color = prop_oneof![
            Just(Color::Reset),
            Just(Color::Indexed(117)),
            Just(Color::Indexed(248)),
            Just(Color::Red),
            Just(Color::LightCyan),
            Just(Color::Rgb(1, 2, 3)),
        ];
        let modifier = prop_oneof![
            4 => Just(Modifier::empty()),
            1 => Just(Modifier::BOLD),
            1 => Just(Modifier::DIM),
            1 => Just(Modifier::REVERSED),
            1 => Just(Modifier::BOLD | Modifier::UNDERLINED),
            1 => Just(Modifier::BOLD | Modifier::ITALIC),
        ];
        (color.clone(), color, modifier)
            .prop_map(|(fg, bg, modifier)| Style::new().fg(fg).bg(bg).add_modifier(modifier))
    }

    fn screen() -> impl Strategy<Value = Vec<Option<Cell>>> {
        let symbol = prop_oneof![3 => Just(" "), 1 => Just("█"), 1 => Just("┆"), 1 => Just("a"), 1 => Just("é")];
        let cell = (symbol, style()).prop_map(|(symbol, style)| {
            let mut cell = Cell::new(symbol);
            cell.set_style(style);
            cell
        });
        proptest::collection::vec(proptest::option::of(cell), usize::from(WIDTH * HEIGHT))
    }

    fn shows(seen: &vt100::Cell, cell: &Cell) -> bool {
        let color = |color: Color| match color {
            Color::Reset => vt100::Color::Default,
            Color::Indexed(index) => vt100::Color::Idx(index),
            Color::Red => vt100::Color::Idx(1),
            Color::LightCyan => vt100::Color::Idx(14),
            Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
            other => unreachable!("{other:?} is not drawn here"),
        };
        let text = if seen.contents().is_empty() { " " } else { seen.contents() };
        let has = |modifier| cell.modifier.contains(modifier);
        let same_back = text == cell.symbol()
            && seen.bgcolor() == color(cell.bg)
            && seen.underline() == has(Modifier::UNDERLINED)
            && seen.inverse() == has(Modifier::REVERSED);
        if cell.symbol() == " " && !cell.modifier.intersects(SEEN_ON_BLANK) {
            return same_back;
        }
        same_back
            && seen.fgcolor() == color(cell.fg)
            && seen.bold() == has(Modifier::BOLD)
            && seen.dim() == has(Modifier::DIM)
            && seen.italic() == has(Modifier::ITALIC)
    }

    proptest! {
        #[test]
        fn a_terminal_shows_the_cells_whatever_the_order(screen in screen()) {
            let placed: Vec<Placed<'_>> = screen
                .iter()
                .zip(0u16..)
                .filter_map(|(cell, n)| cell.as_ref().map(|cell| Placed::new(n % WIDTH, n / WIDTH, cell)))
                .collect();
            let by_row = encode(&mut placed.iter(), WIDTH);
            let by_look = encode(&mut grouped(&placed).into_iter(), WIDTH);
            for bytes in [by_row.as_bytes(), by_look.as_bytes(), &paint(&placed, WIDTH)] {
                let size = |cells| NonZeroU16::new(cells).unwrap();
                let mut terminal = vt100::Parser::new(size(HEIGHT), size(WIDTH), 0);
                terminal.process(bytes);
                for (cell, n) in screen.iter().zip(0u16..) {
                    let Some(cell) = cell else { continue };
                    let seen = terminal.screen().cell(n / WIDTH, n % WIDTH).unwrap();
                    prop_assert!(shows(seen, cell), "{cell:?} at {n}: {seen:?} in {:?}", String::from_utf8_lossy(bytes));
                }
                // What is written next has the terminal's own look.
                terminal.process(b"\x1b[1;1Hx");
                let seen = terminal.screen().cell(0, 0).unwrap();
                prop_assert!(shows(seen, &Cell::new("x")));
            }
        }
    }

    #[test]
    fn only_what_differs_is_sent() {
        let turned = |from, to| {
            let mut out = String::new();
            turn(&mut out, from, to);
            out
        };
        let muted = Look { fg: Color::Indexed(248), ..OWN };
        let row = Look { fg: Color::Indexed(255), bg: Color::Indexed(236), ..OWN };
        assert_eq!(turned(OWN, muted), "\x1b[38;5;248m");
        assert_eq!(turned(muted, OWN), "\x1b[m");
        assert_eq!(turned(row, Look { fg: Color::Indexed(248), ..row }), "\x1b[38;5;248m");
        assert_eq!(turned(row, muted), "\x1b[0;38;5;248m");
    }
}
