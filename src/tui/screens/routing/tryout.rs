//! The right pane: the sample request, and where it would go with every rule and every candidate.

use super::sample::Field;
use super::{Focus, Routing};
use crate::domain::call::Facts;
use crate::domain::money::Money;
use crate::domain::routing::{Chosen, Explanation};
use crate::engine::protocol::Snapshot;
use crate::present::may_cost::may_cost;
use crate::present::{escape, labels, routes, text, units};
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;
use crate::tui::widgets::line::Line;
use crate::tui::widgets::lines::{Lines, Piece};
use crate::tui::words;
use ratatui::layout::Rect;

/// Columns of a field's label with the mark before it.
const LABEL: u16 = 11;
/// From this width on fields stand side by side.
const SIDE_BY_SIDE: u16 = 58;
/// From this width on tables have their columns.
const WIDE: u16 = 64;
/// Targets told of a chain, and of those left out: what comes after them nobody reads here.
const TOLD: usize = 100;
/// From this height on the fields are always seen; below, only while they are changed.
const TALL: u16 = 16;

const ROWS: [&[Field]; 5] = [
    &[Field::Type],
    &[Field::Model],
    &[Field::Prompt, Field::Most],
    &[Field::Priority, Field::Prefer],
    &[Field::Tools, Field::Images, Field::Json],
];

pub(super) fn draw(screen: &Routing, canvas: &mut Canvas<'_>, area: Rect) {
    let focused = screen.focus != Focus::Rules;
    let call = screen.sample.call.as_ref().map(|call| format!("sample: call {call}"));
    let right = match &call {
        _ if screen.explainer.complaint().is_some() => "last good sample",
        Some(call) => call,
        None => "sample request",
    };
    canvas.rule(Rect { height: 1, ..area }, "Try it", right, focused);
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let mut y = body.y;
    if screen.focus == Focus::Sample || area.height >= TALL {
        y += fields(screen, canvas, body);
        if let Some((_, said)) = screen.explainer.complaint().filter(|_| y < body.bottom()) {
            let spans = [("[x] ", Role::Bad), (said.as_str(), Role::Plain)];
            canvas.spans(area.x + LABEL + 2, y, area.width.saturating_sub(LABEL + 2), &spans);
        }
        y += 1;
    } else {
        canvas.text(area.x + 2, y, area.width.saturating_sub(3), &screen.sample.summary(), Role::Muted);
        y += 1;
    }
    let rest = Rect::new(area.x + 2, y, area.width.saturating_sub(3), body.bottom().saturating_sub(y));
    if rest.height == 0 {
        screen.scroll.seen(0);
        return;
    }
    let lines = explained(screen, canvas.cx.snapshot, usize::from(rest.width));
    screen.scroll.draw(&lines, canvas, rest);
}

/// Draws the fields; returns the rows used.
fn fields(screen: &Routing, canvas: &mut Canvas<'_>, body: Rect) -> u16 {
    let single: Vec<&[Field]> = Field::ALL.iter().map(std::slice::from_ref).collect();
    let rows: &[&[Field]] = if body.width >= SIDE_BY_SIDE { &ROWS } else { &single };
    // A sentence of the explanation stays in sight below them.
    let shown = rows.len().min(usize::from(body.height.saturating_sub(3)).max(1));
    let focus = rows.iter().position(|row| row.contains(&screen.sample.focus)).unwrap_or(0);
    let first = (focus + 1).saturating_sub(shown);
    for (row, y) in rows.iter().skip(first).take(shown).zip(body.top()..body.bottom()) {
        let share = (body.width.saturating_sub(1) / u16::try_from(row.len()).unwrap_or(1).max(1)).min(30);
        for (field, place) in row.iter().zip(0u16..) {
            let wide = if row.len() == 1 { body.width.saturating_sub(1) } else { share };
            draw_field(screen, canvas, Rect::new(body.x + place * share, y, wide, 1), *field);
        }
    }
    u16::try_from(shown).unwrap_or(body.height)
}

fn draw_field(screen: &Routing, canvas: &mut Canvas<'_>, row: Rect, field: Field) {
    let focused = screen.focus == Focus::Sample && screen.sample.focus == field;
    canvas.text(row.x, row.y, 1, if focused { ">" } else { " " }, Role::Accent);
    canvas.text(row.x + 2, row.y, LABEL - 2, field.label(), if focused { Role::Title } else { Role::Muted });
    let x = row.x + LABEL + 1;
    let room = row.right().saturating_sub(x + 1);
    let words = (field.empty(), screen.sample.word(field));
    Line::draw_field(screen.sample.line(field), words, canvas, (x, row.y, room), focused);
}

/// Everything below the fields.
pub(super) fn explained(screen: &Routing, snapshot: &Snapshot, width: usize) -> Lines {
    let mut lines = Lines::new(width);
    if let Some(why) = screen.explainer.refused() {
        lines.marked(labels::FAIL, Role::Bad, &format!("not explained: {why}"));
        lines.blank();
    }
    let Some((facts, explanation)) = screen.explainer.shown() else {
        if screen.explainer.refused().is_none() {
            lines.put(0, &[Piece::new("Asking where it would go.", Role::Muted)]);
        }
        return lines;
    };
    lines.wrapped(0, &explanation.sentence, Role::Accent);
    lines.blank();
    let wide = width + 3 >= usize::from(WIDE);
    rules(explanation, &mut lines, wide);
    chain(snapshot, facts, explanation, &mut lines, wide);
    left_out(explanation, &mut lines, wide);
    lines
}

fn cell(content: &str, columns: usize, role: Role) -> Piece {
    Piece::new(&text::pad_right(&escape::line(content), columns), role)
}

pub(super) fn rules(explanation: &Explanation, lines: &mut Lines, wide: bool) {
    const NAME: usize = 22;
    const VERDICT: usize = 18;
    let name_wide = if wide { NAME } else { NAME - 4 };
    let head =
        [cell("rule", name_wide, Role::Muted), cell("verdict", VERDICT, Role::Muted), cell("looks at", 8, Role::Muted)];
    lines.put(0, if wide { &head } else { &head[..2] });
    for rule in &explanation.rules {
        let decides = rule.verdict == "decides";
        let role = if decides { Role::Accent } else { Role::Plain };
        let fits = text::width(&rule.verdict) < VERDICT;
        let looks = escape::line(&rule.when);
        if wide && fits {
            let name = cell(&rule.name, name_wide - 2, Role::Plain);
            let verdict = cell(&rule.verdict, VERDICT, role);
            lines.put(0, &[name, Piece::plain("  "), verdict, Piece::new(&looks, Role::Muted)]);
        } else {
            let name = cell(&rule.name, name_wide - 2, Role::Plain);
            lines.put(0, &[name, Piece::plain("  "), Piece::new(&escape::line(&rule.verdict), role)]);
            if wide && !looks.is_empty() {
                lines.put(NAME, &[Piece::new(&looks, Role::Muted)]);
            }
        }
    }
    lines.blank();
}

pub(super) fn chain(snapshot: &Snapshot, facts: &Facts, explanation: &Explanation, lines: &mut Lines, wide: bool) {
    let decision = &explanation.decision;
    if decision.chain.is_empty() {
        lines.put(0, &[Piece::new("chain", Role::Muted), Piece::plain("  nothing can take it")]);
        lines.blank();
        return;
    }
    lines.split(&[Piece::new("chain", Role::Muted)], &[Piece::new("may cost", Role::Muted)]);
    let target_wide = lines.width().saturating_sub(3 + 11).max(10);
    for (place, chosen) in decision.chain.iter().take(TOLD).enumerate() {
        let number = text::pad_left(&(place + 1).to_string(), 2);
        let target = cell(&chosen.target.to_string(), target_wide, Role::Plain);
        let cost = Piece::plain(&cost(snapshot, facts, chosen));
        lines.split(&[Piece::new(&number, Role::Muted), Piece::plain(" "), target], &[cost]);
        let (mark, health) = health(snapshot, chosen);
        let from = routes::from(decision, place);
        let why = if chosen.why.contains(from) { chosen.why.to_string() } else { format!("{from}: {}", chosen.why) };
        let health = if wide { text::pad_right(&health, 18) } else { format!("{health},") };
        let why = Piece::new(&escape::line(&why), Role::Muted);
        lines.put(3, &[mark, Piece::plain(" "), Piece::plain(&health), Piece::plain(" "), why]);
    }
    further(decision.chain.len(), lines);
    lines.blank();
}

fn cost(snapshot: &Snapshot, facts: &Facts, chosen: &Chosen) -> String {
    match may_cost(snapshot, facts, &chosen.target) {
        Some(Money::ZERO) => "free".into(),
        Some(amount) => units::money(amount),
        None => "unknown".into(),
    }
}

/// Mark and words: `[ok] up, 310 ms`, `[ok] up, not loaded`.
fn health(snapshot: &Snapshot, chosen: &Chosen) -> (Piece, String) {
    let Some(provider) = routes::provider(snapshot, &chosen.target) else {
        return (Piece::new(labels::NOT_YET, Role::Muted), "unknown".into());
    };
    let label = labels::provider(provider);
    let loaded = routes::model(snapshot, &chosen.target).and_then(|model| model.loaded);
    let more = match (loaded, provider.health.latency_ms) {
        (Some(false), _) => ", not loaded".to_owned(),
        (_, Some(ms)) => format!(", {}", units::latency(ms)),
        (_, None) => String::new(),
    };
    (Piece::new(label.mark, words::role(label.role)), format!("{}{more}", label.word))
}

pub(super) fn left_out(explanation: &Explanation, lines: &mut Lines, wide: bool) {
    let rejected = &explanation.decision.rejected;
    if rejected.is_empty() {
        return;
    }
    if wide {
        lines.put(0, &[cell("left out", 36, Role::Muted), Piece::new("reason", Role::Muted)]);
    } else {
        lines.put(0, &[Piece::new("left out", Role::Muted)]);
    }
    for reject in rejected.iter().take(TOLD) {
        let target = reject.target.to_string();
        if wide {
            let reason = text::wrap(&escape::line(&reject.reason), lines.width().saturating_sub(36));
            for (place, row) in reason.iter().enumerate() {
                let target = if place == 0 { cell(&target, 34, Role::Plain) } else { cell("", 34, Role::Plain) };
                lines.put(0, &[target, Piece::plain("  "), Piece::new(row, Role::Muted)]);
            }
        } else {
            lines.put(0, &[Piece::plain(&target)]);
            lines.wrapped(3, &reject.reason, Role::Muted);
        }
    }
    further(rejected.len(), lines);
}

/// How many come after those told, and what tells them.
fn further(all: usize, lines: &mut Lines) {
    if all > TOLD {
        lines.wrapped(3, &format!("and {} more: lmdeck routes explain tells all", all - TOLD), Role::Muted);
    }
}
