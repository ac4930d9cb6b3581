//! The first page: what was found, and how to begin. Nothing is written or sent before a key is pressed.

use super::{Providers, RowKey};
use crate::domain::kind::Kind;
use crate::engine::protocol::Found;
use crate::present::text;
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

pub(super) fn draw(screen: &Providers, canvas: &mut Canvas<'_>, area: Rect) {
    let config = &canvas.cx.snapshot.config;
    canvas.rule(Rect { height: 1, ..area }, "Welcome", "no configuration yet", true);
    let width = area.width.saturating_sub(4);
    let x = area.x + 2;
    let mut y = area.y + 1;
    let roomy = area.height >= 16;
    if roomy {
        let said = "lmdeck sends every prompt where your rules say, and shows what happened.";
        canvas.text(x, y, width, said, Role::Plain);
        y += 2;
    }
    canvas.text(x, y, width, "Found on this machine", Role::Title);
    canvas.right(x + 22, area.right().saturating_sub(2), y, "nothing has been written", Role::Muted);
    y += 1;
    y = servers(screen, canvas, Rect::new(area.x, y, area.width, area.bottom().saturating_sub(y)));
    y += u16::from(roomy);
    let ways = [
        ("a", "add by form, or paste an address, a curl line, an env block"),
        ("f", "look again, after starting a server"),
        ("?", "help: every key of this page"),
        ("q", "leave; README.md has a tour of five minutes, and what to do about trouble"),
    ];
    for (key, about) in ways {
        canvas.text(x, y, 2, key, Role::Accent);
        canvas.text(x + 3, y, width.saturating_sub(3), about, Role::Plain);
        y += 1;
    }
    y += u16::from(roomy);
    let said = format!("The first save writes {}", config.would_write);
    for (line, row) in text::wrap(&said, usize::from(width)).iter().zip(y..area.bottom()) {
        canvas.text(x, row, width, line, Role::Muted);
    }
}

/// One row per known server; the rows are there from the start and fill as answers come.
fn servers(screen: &Providers, canvas: &mut Canvas<'_>, area: Rect) -> u16 {
    let keys = screen.keys(canvas.cx);
    let place = screen.cursor.place(&keys);
    let mut y = area.y;
    if screen.found.is_empty() {
        let text = if screen.looking.is_some() {
            "looking on ports 1234, 8080, 9931, 11434, 8000 of this machine"
        } else {
            "no server was found: f looks again"
        };
        canvas.text(area.x + 4, y, 4, if screen.looking.is_some() { "[>] " } else { "[-] " }, Role::Muted);
        canvas.text(area.x + 9, y, area.width.saturating_sub(10), text, Role::Muted);
        return y + 1;
    }
    for found in &screen.found {
        let chosen = place.is_some_and(|place| keys[place] == RowKey::Found(found.endpoint.clone()));
        row(canvas, Rect::new(area.x, y, area.width, 1), found, chosen);
        y += 1;
    }
    if screen.found.iter().all(|found| !found.answered) {
        let hint = Kind::LmStudio.label();
        let text = format!("No server answers. Start one ({hint}: lms server start), then f looks again.");
        canvas.text(area.x + 4, y, area.width.saturating_sub(5), &text, Role::Plain);
        y += 1;
    }
    y
}

fn row(canvas: &mut Canvas<'_>, row: Rect, found: &Found, chosen: bool) {
    let (mark, role) = if found.answered { ("[ok]", Role::Good) } else { ("[-] ", Role::Muted) };
    let text = if found.answered { Role::Plain } else { Role::Muted };
    canvas.text(row.x + 2, row.y, 1, if chosen { ">" } else { " " }, Role::Plain);
    canvas.text(row.x + 4, row.y, 4, mark, role);
    canvas.text(row.x + 9, row.y, 13, found.kind.label(), text);
    let address = found.endpoint.trim_start_matches("http://");
    let end = row.right().saturating_sub(2);
    let mut x = row.x + 23;
    if row.width >= 60 {
        x += canvas.text(x, row.y, 18, address, text).max(18) + 1;
    }
    let hint = if found.answered && found.configured_as.is_none() { "enter adds" } else { "" };
    let used = canvas.right(x, end, row.y, hint, Role::Accent);
    canvas.text(x, row.y, end.saturating_sub(x + used + 1), &found.note, text);
    if chosen {
        canvas.select(Rect::new(row.x + 3, row.y, row.width.saturating_sub(4), 1), row.x + 4..row.x + 8);
    }
}
