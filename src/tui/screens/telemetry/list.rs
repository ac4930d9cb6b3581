//! The upper part of the screen: the rule with what is shown and how, the filter, the table.

use super::calls::Entry;
use super::{Focus, Telemetry, table};
use crate::present::{text, units};
use crate::tui::canvas::Canvas;
use crate::tui::part::Tab;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// Lines that the sentence about a wrong filter may take.
const SENTENCE_LINES: usize = 4;
/// Rows of calls before the last one goes to the queue, limits and kept answers.
const FEWEST_ROWS: u16 = 4;
/// Keys offered at a time.
const COMPLETIONS: usize = 3;

pub(super) fn draw(screen: &Telemetry, canvas: &mut Canvas<'_>, area: Rect) {
    let focused = screen.focus == Focus::List;
    rule(screen, canvas, Rect { height: 1, ..area }, focused);
    let mut y = area.y + 1;
    y +=
        screen.filter.draw(canvas, Rect::new(area.x, y, area.width, area.bottom().saturating_sub(y)), &counter(screen));
    if let Some(wrong) = &screen.wrong {
        let width = usize::from(area.width.saturating_sub(4));
        for line in text::wrap(&crate::present::escape::line(wrong), width).iter().take(SENTENCE_LINES) {
            if y < area.bottom() {
                canvas.text(area.x + 3, y, area.width.saturating_sub(4), line, Role::Bad);
                y += 1;
            }
        }
    }
    let flow = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
    let shown = flow.y > y + FEWEST_ROWS && super::flow::line(canvas, flow);
    let area = Rect { height: area.height - u16::from(shown), ..area };
    if y >= area.bottom() {
        return;
    }
    if screen.calls.entries().is_empty() {
        return nothing(screen, canvas, Rect::new(area.x, y, area.width, area.bottom() - y));
    }
    table::header(canvas, Rect::new(area.x, y, area.width, 1));
    rows(screen, canvas, Rect::new(area.x, y + 1, area.width, area.bottom().saturating_sub(y + 1)), focused);
}

fn rows(screen: &Telemetry, canvas: &mut Canvas<'_>, area: Rect, focused: bool) {
    let entries = screen.calls.entries();
    let place = screen.place().unwrap_or(0);
    let seen = usize::from(area.height);
    screen.page.set(seen.max(1));
    let first = screen.cursor.window(place, entries.len(), seen);
    for ((n, entry), y) in entries.iter().enumerate().skip(first).zip(area.top()..area.bottom()) {
        let row = Rect::new(area.x, y, area.width, 1);
        table::row(canvas, row, entry);
        if n == place {
            canvas.text(row.x, y, 1, ">", Role::Plain);
            if focused {
                canvas.select(row, row.x + table::MARK..row.x + table::MARK + 4);
            }
        }
    }
}

fn rule(screen: &Telemetry, canvas: &mut Canvas<'_>, row: Rect, focused: bool) {
    let total = units::thousands(screen.calls.total.max(canvas.cx.snapshot.spend.calls_today));
    let title = format!("Calls {total} today");
    canvas.rule(row, &title, "", focused);
    let room = usize::from(row.width).saturating_sub(text::width(&title) + 10);
    // What does not fit goes from the most dispensable on.
    for detail in (0..3).rev() {
        let pieces = status(screen, canvas, detail);
        let wide: usize = pieces.iter().map(|(words, _)| text::width(words)).sum::<usize>() + 3 * pieces.len();
        if wide <= room + 3 && !pieces.is_empty() {
            return right_pieces(canvas, row, &pieces);
        }
    }
    let lost = lost(screen);
    if !lost.is_empty() {
        right_pieces(canvas, row, &lost);
    }
}

fn lost(screen: &Telemetry) -> Vec<(String, Role)> {
    let said = (screen.lost > 0).then(|| format!("{} lost", units::thousands(screen.lost)));
    said.map(|words| (words, Role::Bad)).into_iter().collect()
}

/// Lost records, the filter, whether it follows; with `detail` more words.
fn status(screen: &Telemetry, canvas: &Canvas<'_>, detail: u8) -> Vec<(String, Role)> {
    let mut pieces = lost(screen);
    if screen.missed > 0 && detail > 1 {
        pieces.push((format!("{} not announced", units::thousands(screen.missed)), Role::Warn));
    }
    if screen.filter.is_empty() {
        if detail > 1 && canvas.area().width >= 100 {
            pieces.push(("filter: none".into(), Role::Plain));
        }
    } else if screen.filter.is_kept() && detail > 0 {
        let (matching, total) = (units::thousands(screen.calls.matching), units::thousands(screen.calls.total));
        pieces.push((format!("{matching} of {total}"), Role::Plain));
    }
    if screen.calls.following() {
        let rate = screen.rate.words(canvas.cx.now).filter(|_| detail > 0);
        pieces.push(match rate {
            Some((words, until)) => {
                // At a high rate the rows change anyway: once a second is often enough for the figure.
                canvas.wake_at(until.max(canvas.cx.now.plus(std::time::Duration::from_secs(1))));
                (format!("following, {words}"), Role::Plain)
            }
            None => ("following".to_owned(), Role::Plain),
        });
    } else {
        let key = canvas.cx.keymap.key_for(super::CONTEXTS, crate::tui::action::Action::CallsFollow);
        let newer = units::thousands(screen.calls.newer());
        let words =
            if detail > 0 { format!("held, {newer} newer: {key} follows") } else { format!("held, {newer} newer") };
        pieces.push((words, Role::Plain));
    }
    pieces
}

/// Pieces at the right end of a rule, three columns apart.
pub(super) fn right_pieces(canvas: &mut Canvas<'_>, row: Rect, pieces: &[(String, Role)]) {
    let wide = pieces.iter().map(|(words, _)| text::width(words)).sum::<usize>() + 3 * pieces.len().saturating_sub(1);
    let wide = u16::try_from(wide).unwrap_or(row.width);
    let mut x = row.right().saturating_sub(wide + 2).max(row.x);
    canvas.text(x.saturating_sub(1), row.y, 1, " ", Role::Plain);
    for (place, (words, role)) in pieces.iter().enumerate() {
        if place > 0 {
            x += canvas.text(x, row.y, 3, "   ", Role::Plain);
        }
        x += canvas.text(x, row.y, row.right().saturating_sub(x + 1), words, *role);
    }
    canvas.text(x, row.y, 1, " ", Role::Plain);
}

/// The keys that the word being typed may become: `tab: tokens_in> tokens_out>`.
fn completion(screen: &Telemetry) -> String {
    let (_, keys) = crate::domain::filter::completions(screen.filter.text());
    let shown: Vec<&str> = keys.iter().take(COMPLETIONS).copied().collect();
    if shown.is_empty() { String::new() } else { format!("tab: {}", shown.join(" ")) }
}

/// What stands at the right end of the filter's line.
fn counter(screen: &Telemetry) -> String {
    let (matching, total) = (units::thousands(screen.calls.matching), units::thousands(screen.calls.total));
    match (&screen.wrong, screen.filter.is_open()) {
        (_, true) if !completion(screen).is_empty() => completion(screen),
        (Some(_), true) => "not understood".to_owned(),
        (Some(_), false) => "/ mends it".to_owned(),
        (None, true) => format!("{matching} of {total}   enter keeps it"),
        (None, false) => "esc clears it".to_owned(),
    }
}

/// No rows: why, and the next key.
fn nothing(screen: &Telemetry, canvas: &mut Canvas<'_>, area: Rect) {
    if screen.wrong.is_some() {
        return;
    }
    let said = if !screen.calls.loaded() || screen.older.is_some() {
        "reading the calls".to_owned()
    } else if screen.filter.is_empty() {
        no_calls(canvas)
    } else {
        "No call matches this filter: esc clears it.".to_owned()
    };
    let lines = text::wrap(&said, usize::from(area.width.saturating_sub(4)));
    for (line, y) in lines.iter().zip(area.y + 1..area.bottom()) {
        canvas.text(area.x + 2, y, area.width.saturating_sub(3), line, Role::Muted);
    }
}

/// `No calls yet: 4 opens the playground, or point a client at the gateway http://127.0.0.1:4141/v1.`
fn no_calls(canvas: &Canvas<'_>) -> String {
    let playground = Tab::ALL.into_iter().find(|tab| tab.title() == "Playground");
    let opens = playground.map(|tab| format!("{} opens the playground", tab.digit()));
    let gateway = &canvas.cx.snapshot.gateway;
    let point = gateway.listening.as_ref().map(|at| format!("point a client at the gateway http://{at}/v1"));
    match (opens, point) {
        (Some(opens), Some(point)) => format!("No calls yet: {opens}, or {point}."),
        (Some(way), None) | (None, Some(way)) => format!("No calls yet: {way}."),
        (None, None) => "No calls yet: lmdeck ask \"Say hello.\" makes one.".into(),
    }
}

/// One call for a listener: `Call 22:13:58, ask: 2 tries, zai/glm-4.6, 4.1 s, $0.0010.`
pub(super) fn describe(entry: &Entry, canvas_cx: &crate::tui::part::Cx<'_>) -> String {
    let label = table::label(entry, canvas_cx);
    let (at, client, rest) = match entry {
        Entry::Done(call) => {
            let cost = table::cost(call);
            let cost = if cost == units::MISSING { String::new() } else { format!(", {cost}") };
            (call.ts, &call.client, format!(", {}{cost}", units::duration(call.duration_ms)))
        }
        Entry::Running(call) => (call.since, &call.client, String::new()),
    };
    let client = if client.is_empty() { "unnamed client" } else { client };
    let line = format!("Call {}, {client}: {}, {}{rest}.", units::clock(at), label.word, table::target(entry));
    crate::present::escape::line(&line).into_owned()
}
