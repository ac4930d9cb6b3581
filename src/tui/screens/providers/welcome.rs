//! The first page: what was found, and how to begin; by Enter alone it leads to a provider that works. Nothing is
//! written or sent before a key is pressed.
//!
//! ```text
//!   Found on this machine                            nothing has been written
//! >   [ok] LM Studio     127.0.0.1:1234     3 models, 1 loaded      enter adds
//!     [-]  llama.cpp     127.0.0.1:8080     another program holds this port
//!     [-]  nothing else on ports 1234, 8080, 9931, 11434, 8000
//!
//!   Or a vendor in the cloud
//!     +    OpenAI        platform.openai.com/api-keys   OPENAI_API_KEY
//! ```

use super::{Providers, RowKey};
use crate::domain::kind::Kind;
use crate::engine::protocol::Found;
use crate::present::server_commands::{key_page, start};
use crate::present::text;
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// Below this width sentences are short.
const WIDE: u16 = 76;

/// The vendors whose key is all they need.
pub(super) fn vendors() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| kind.is_vendor())
}

/// A vendor's row as one line.
pub(super) fn told(kind: Kind) -> String {
    let variable = kind.key_variable().map(|name| format!(", best as {name}")).unwrap_or_default();
    format!("{}: a key from {}{variable}. enter fills the form.", kind.label(), key_page(kind))
}

pub(super) fn draw(screen: &Providers, canvas: &mut Canvas<'_>, area: Rect) {
    let config = &canvas.cx.snapshot.config;
    canvas.rule(Rect { height: 1, ..area }, "Welcome", "no configuration yet", true);
    let width = area.width.saturating_sub(4);
    let x = area.x + 2;
    let mut y = area.y + 1;
    let roomy = area.height >= 18;
    let wide = area.width >= WIDE;
    let of = |long: &'static str, short: &'static str| if wide { long } else { short };
    if roomy {
        let long = "lmdeck sends every prompt where your rules say, and shows what happened.";
        canvas.text(x, y, width, of(long, "lmdeck sends every prompt where your rules say."), Role::Plain);
        y += 2;
    }
    canvas.text(x, y, width, "Found on this machine", Role::Title);
    canvas.right(x + 22, area.right().saturating_sub(2), y, "nothing has been written", Role::Muted);
    y += 1;
    y = servers(screen, canvas, Rect::new(area.x, y, area.width, area.bottom().saturating_sub(y)));
    y += u16::from(roomy);
    canvas.text(x, y, width, "Or a vendor in the cloud", Role::Title);
    let heads = of("where its key is made, and its variable", "its key's variable");
    canvas.right(x + 25, area.right().saturating_sub(2), y, heads, Role::Muted);
    y += 1;
    // On the smallest screens the row with the cursor is kept in sight.
    let room = usize::from(area.bottom().saturating_sub(y));
    let chosen = vendors().position(|kind| is_chosen(screen, canvas, &RowKey::Vendor(kind))).unwrap_or(0);
    for kind in vendors().skip((chosen + 1).saturating_sub(room)).take(room) {
        vendor(screen, canvas, Rect::new(area.x, y, area.width, 1), kind);
        y += 1;
    }
    y += u16::from(roomy);
    let ways = [
        (
            "enter",
            of("this row's form, filled in; then a test, a save and a first prompt", "its form; then a first prompt"),
        ),
        (
            "a",
            of(
                "another machine: type or paste an address, a curl line, an env block",
                "another machine: an address, a curl line",
            ),
        ),
        ("f", "look again, after starting a server"),
        ("?", "help: every key of this page"),
        (
            "q",
            of(
                "leave; lmdeck demo shows it all on simulated servers, no key needed",
                "leave; lmdeck demo needs no server and no key",
            ),
        ),
    ];
    for (key, about) in ways {
        if y >= area.bottom() {
            return;
        }
        canvas.text(x, y, 6, key, Role::Accent);
        canvas.text(x + 7, y, width.saturating_sub(7), about, Role::Plain);
        y += 1;
    }
    y += u16::from(roomy && y + 1 < area.bottom());
    let said = format!("The first save writes {}", config.would_write);
    for (line, row) in text::wrap(&said, usize::from(width)).iter().zip(y..area.bottom()) {
        canvas.text(x, row, width, line, Role::Muted);
    }
}

/// What answered, what holds a known port without being a model server, and one row for all ports that are free.
fn servers(screen: &Providers, canvas: &mut Canvas<'_>, area: Rect) -> u16 {
    let mut y = area.y;
    let mut line = |canvas: &mut Canvas<'_>, mark: &str, text: &str, role| {
        if y >= area.bottom() {
            return;
        }
        canvas.text(area.x + 4, y, 4, mark, Role::Muted);
        canvas.text(area.x + 9, y, area.width.saturating_sub(10), text, role);
        y += 1;
    };
    let ports = ports(&screen.found);
    if screen.looking.is_some() && screen.found.is_empty() {
        line(canvas, "[>] ", &format!("looking on ports {ports} of this machine"), Role::Muted);
        return y;
    }
    let shown: Vec<&Found> = screen.found.iter().filter(|found| found.answered || !found.is_free()).collect();
    let answers = shown.iter().any(|found| found.answered);
    if shown.is_empty() {
        let none = if area.width >= WIDE { "no server answers on ports" } else { "no server on" };
        line(canvas, "[-] ", &format!("{none} {ports}"), Role::Muted);
    }
    if !answers {
        let command = start(Kind::LmStudio, 1234, false, None).unwrap_or_default();
        let hint = if area.width >= WIDE {
            format!("Start LM Studio's: {command}, then f looks again.")
        } else {
            format!("Start one: {command}; then f")
        };
        line(canvas, "", &hint, Role::Plain);
    }
    for found in shown {
        server(screen, canvas, Rect::new(area.x, y, area.width, 1), found);
        y += 1;
    }
    y
}

/// The ports that were asked; the known ones before an answer came.
fn ports(found: &[Found]) -> String {
    const KNOWN: &str = "1234, 8080, 9931, 11434, 8000";
    let asked: Vec<&str> =
        found.iter().filter_map(|found| found.endpoint.rsplit_once(':')).map(|(_, port)| port).collect();
    if asked.is_empty() { KNOWN.to_owned() } else { asked.join(", ") }
}

fn is_chosen(screen: &Providers, canvas: &Canvas<'_>, key: &RowKey) -> bool {
    let keys = screen.keys(canvas.cx);
    screen.cursor.place(&keys).is_some_and(|place| keys.get(place) == Some(key))
}

fn server(screen: &Providers, canvas: &mut Canvas<'_>, row: Rect, found: &Found) {
    let chosen = is_chosen(screen, canvas, &RowKey::Found(found.endpoint.clone()));
    let (mark, role) = if found.answered { ("[ok]", Role::Good) } else { ("[-] ", Role::Muted) };
    let text = if found.answered { Role::Plain } else { Role::Muted };
    // Whoever holds the port of another is not called by that one's name.
    let name = if found.answered { found.kind.label() } else { "no server" };
    canvas.text(row.x + 2, row.y, 1, if chosen { ">" } else { " " }, Role::Plain);
    canvas.text(row.x + 4, row.y, 4, mark, role);
    canvas.text(row.x + 9, row.y, 13, name, text);
    let address = found.endpoint.trim_start_matches("http://");
    let end = row.right().saturating_sub(2);
    let mut x = row.x + 23;
    if row.width >= 60 {
        x += canvas.text(x, row.y, 18, address, text).max(18) + 1;
    }
    let hint = if found.answered && found.configured_as.is_none() { "enter adds" } else { "" };
    let used = canvas.right(x, end, row.y, hint, Role::Accent);
    canvas.text(x, row.y, end.saturating_sub(x + used + 1), &found.note, text);
    select(canvas, row, chosen);
}

fn vendor(screen: &Providers, canvas: &mut Canvas<'_>, row: Rect, kind: Kind) {
    let chosen = is_chosen(screen, canvas, &RowKey::Vendor(kind));
    canvas.text(row.x + 2, row.y, 1, if chosen { ">" } else { " " }, Role::Plain);
    canvas.text(row.x + 4, row.y, 1, "+", Role::Accent);
    canvas.text(row.x + 9, row.y, 13, kind.label(), Role::Plain);
    let end = row.right().saturating_sub(2);
    let x = row.x + 23;
    let used = canvas.right(x, end, row.y, kind.key_variable().unwrap_or_default(), Role::Muted);
    canvas.text(x, row.y, end.saturating_sub(x + used + 1), key_page(kind), Role::Plain);
    select(canvas, row, chosen);
}

fn select(canvas: &mut Canvas<'_>, row: Rect, chosen: bool) {
    if chosen {
        canvas.select(Rect::new(row.x + 3, row.y, row.width.saturating_sub(4), 1), row.x + 4..row.x + 8);
    }
}
