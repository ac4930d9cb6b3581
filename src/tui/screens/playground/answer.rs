//! The pane with the answer: its state in the title, what happened on the way, the text as it grows, and its figures
//! in the bottom row. The view follows the end unless it was scrolled.

use super::draw::TWO_PANES;
use super::lane::{Growing, Lane, Phase};
use super::preview::decided_by;
use super::wrap;
use crate::engine::protocol::Snapshot;
use crate::present::remedy::of_call;
use crate::present::{escape, labels, text, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::theme::Role;
use crate::tui::told::Told;
use ratatui::layout::Rect;
use std::cell::Cell;

/// Columns of a mark and the space behind it.
const MARKED: u16 = 5;
/// Characters of one sentence; what a server quotes may be long.
const LONGEST: usize = 600;

/// Where the pane is scrolled to, and what is unfolded.
#[derive(Default)]
pub struct View {
    /// The first row seen; `None` follows the end.
    top: Option<usize>,
    pub unfolded: bool,
    /// Rows seen and rows in all, at the last drawing.
    seen: Cell<(usize, usize)>,
}

impl View {
    /// Scrolls; `false` when the action is no move.
    pub fn act(&mut self, action: Action) -> bool {
        let (room, total) = self.seen.get();
        let last = total.saturating_sub(room);
        let top = self.top.unwrap_or(last).min(last);
        let page = room.saturating_sub(1).max(1);
        let to = match action {
            Action::Up => top.saturating_sub(1),
            Action::Down => top + 1,
            Action::PageUp => top.saturating_sub(page),
            Action::PageDown => top + page,
            Action::First => 0,
            Action::Last => last,
            _ => return false,
        };
        self.top = (to < last).then_some(to);
        true
    }

    /// To the end again.
    pub fn follow(&mut self) {
        self.top = None;
    }

    fn first(&self, room: usize, total: usize) -> usize {
        self.seen.set((room, total));
        let last = total.saturating_sub(room);
        self.top.map_or(last, |top| top.min(last))
    }
}

/// A row that is not of the answer.
struct Said {
    /// In the first columns of the row; colour is on it only.
    mark: Option<labels::Label>,
    indent: u16,
    words: String,
    role: Role,
}

pub fn draw(lane: Option<&Lane>, view: &View, canvas: &mut Canvas<'_>, area: Rect, focused: bool) {
    if area.height == 0 {
        return;
    }
    let rule = Rect { height: 1, ..area };
    let margin = if area.width >= TWO_PANES.0 { 4 } else { 2 };
    let Some(lane) = lane else {
        canvas.rule(rule, "Answer", "", focused);
        if area.height > 1 {
            let hint = if focused {
                "No answer yet: i goes to the prompt."
            } else {
                "No answer yet: type a prompt, enter sends it."
            };
            let room = area.width.saturating_sub(margin);
            canvas.text(area.x + margin, area.y + 1, room, hint, Role::Muted);
            if area.height > 2 {
                let key = |action| canvas.cx.keymap.key_for(&[Context::Prompt], action);
                let (take, keep) = (key(Action::PresetPick), key(Action::PresetKeep));
                let hint = format!("{take} takes a preset, {keep} keeps the prompt as one.");
                canvas.text(area.x + margin, area.y + 2, room, &hint, Role::Muted);
            }
        }
        return;
    };
    title(lane, canvas, rule, focused);
    if area.height < 3 {
        return;
    }
    let last = area.bottom() - 1;
    figures(lane, canvas, Rect::new(area.x, last, area.width, 1));
    let blank = u16::from(area.height >= 6);
    let body = Rect::new(area.x + margin, area.y + 1, area.width.saturating_sub(margin * 2), last - area.y - 1 - blank);
    content(lane, view, canvas, body);
}

fn title(lane: &Lane, canvas: &mut Canvas<'_>, rule: Rect, focused: bool) {
    let now = canvas.cx.now;
    let mut state = lane.state(now);
    if lane.phase.runs() && rule.width >= TWO_PANES.0 {
        state.push_str(", ctrl-c stops");
    }
    if let Some(at) = lane.next_tick(now) {
        canvas.wake_at(at);
    }
    let target = lane.target.as_ref().map_or_else(|| lane.facts.requested_model.clone(), ToString::to_string);
    let by = decided_by(&lane.policy);
    let words = if rule.width >= 100 { format!("Answer  {target} {by}") } else { format!("Answer  {target}") };
    canvas.rule(rule, &escape::line(&words), &state, focused);
}

/// First token, speed, tokens, cost: each in its own columns, so that none moves another.
fn figures(lane: &Lane, canvas: &mut Canvas<'_>, row: Rect) {
    let figures = lane.figures(canvas.cx.snapshot, canvas.cx.now);
    let wide = row.width >= TWO_PANES.0;
    let cells: &[(&str, &str, usize)] = if wide {
        &[
            ("first token ", &figures.first_token, 9),
            ("", &figures.speed, 10),
            ("", &figures.tokens_out, 15),
            ("", &figures.cost, 18),
        ]
    } else {
        let cost = figures.cost.split(' ').next().unwrap_or_default();
        &[("first ", &figures.first_token, 7), ("", &figures.speed, 9), ("", cost, 9)]
    };
    let mut x = row.x + 2;
    for (label, value, columns) in cells {
        let room = row.right().saturating_sub(x);
        let padded = text::pad_right(value, *columns);
        x += canvas.spans(x, row.y, room, &[(label, Role::Muted), (&padded, Role::Plain)]) + 2;
    }
}

fn content(lane: &Lane, view: &View, canvas: &mut Canvas<'_>, body: Rect) {
    let columns = usize::from(body.width).max(1);
    let room = usize::from(body.height);
    let before = before(lane, view, canvas, columns);
    let after = after(lane, canvas.cx.snapshot, columns);
    let thoughts = if view.unfolded { rows_of(&lane.reasoning, columns) } else { 0 };
    let answered = if lane.answer.text.is_empty() { 0 } else { rows_of(&lane.answer, columns) };
    // A blank row behind unfolded reasoning, and one before what is said at the end.
    let gap = usize::from(thoughts > 0);
    let end_gap = usize::from(!after.is_empty() && (answered > 0 || !before.is_empty()));
    let total = before.len() + thoughts + gap + answered + end_gap + after.len();
    let first = view.first(room, total);
    for (place, y) in (first..total).zip(body.top()..body.bottom()) {
        let mut place = place;
        if let Some(said) = before.get(place) {
            say(canvas, body, y, said);
            continue;
        }
        place -= before.len();
        if place < thoughts {
            grown(canvas, body, y, &lane.reasoning, place, Role::Muted);
            continue;
        }
        let Some(place) = place.checked_sub(thoughts + gap) else { continue };
        if place < answered {
            grown(canvas, body, y, &lane.answer, place, Role::Plain);
        } else if let Some(said) = place.checked_sub(answered + end_gap).and_then(|place| after.get(place)) {
            say(canvas, body, y, said);
        }
    }
    let below = total.saturating_sub(first + room);
    if below > 0 && room > 1 {
        canvas.right(
            body.x,
            body.right(),
            body.bottom() - 1,
            &format!(" {}: G follows ", units::count(below as u64, "more line", "more lines")),
            Role::Muted,
        );
    }
}

fn rows_of(growing: &Growing, columns: usize) -> usize {
    growing.flow.borrow_mut().rows(&growing.text, columns).len()
}

fn grown(canvas: &mut Canvas<'_>, body: Rect, y: u16, growing: &Growing, place: usize, role: Role) {
    let columns = usize::from(body.width).max(1);
    let mut flow = growing.flow.borrow_mut();
    if let Some(row) = flow.at(place, &growing.text, columns) {
        canvas.text_uncut(body.x, y, body.width, &wrap::shown(&growing.text[row]), role);
    }
}

fn say(canvas: &mut Canvas<'_>, body: Rect, y: u16, said: &Said) {
    if let Some(mark) = &said.mark {
        canvas.mark(body.x, y, mark);
    }
    canvas.text(body.x + said.indent, y, body.width.saturating_sub(said.indent), &said.words, said.role);
}

/// A mark with a sentence that goes on under itself.
fn marked(label: &labels::Label, sentence: &str, columns: usize) -> Vec<Said> {
    let mut said = wrapped(MARKED, sentence, Role::Plain, columns);
    if let Some(first) = said.first_mut() {
        first.mark = Some(label.clone());
    }
    said
}

fn wrapped(indent: u16, sentence: &str, role: Role, columns: usize) -> Vec<Said> {
    let safe = escape::line_capped(sentence, LONGEST);
    let lines = text::wrap(&safe, columns.saturating_sub(usize::from(indent)));
    lines.into_iter().map(|words| Said { mark: None, indent, words, role }).collect()
}

/// What happened on the way, and the folded reasoning.
fn before(lane: &Lane, view: &View, canvas: &Canvas<'_>, columns: usize) -> Vec<Said> {
    let care = labels::level(crate::engine::protocol::Level::Warning);
    let mut said: Vec<Said> = lane.notes.iter().flat_map(|note| marked(&care, note, columns)).collect();
    if let Some(thought) = lane.thought(canvas.cx.now) {
        let key = canvas.cx.keymap.key_for(&[Context::Answer], Action::AnswerFold);
        let fold = if view.unfolded { format!("{key} folds") } else { format!("{key} unfolds") };
        said.extend(wrapped(0, &format!("{thought}, {fold}"), Role::Muted, columns));
    }
    said
}

/// What is to be said at the end: what went wrong and what to do, or how the answer ended.
fn after(lane: &Lane, snapshot: &Snapshot, columns: usize) -> Vec<Said> {
    let mut said = Vec::new();
    for growing in [&lane.reasoning, &lane.answer] {
        if growing.is_cut() {
            let kept = crate::present::units::size(growing.text.len() as u64);
            said.extend(wrapped(0, &format!("Only the first {kept} are shown."), Role::Muted, columns));
        }
    }
    if lane.phase == Phase::Stopped {
        said.extend(wrapped(0, "You stopped it here.", Role::Muted, columns));
    }
    if !lane.ending().is_empty() {
        said.extend(wrapped(0, lane.ending(), Role::Muted, columns));
    }
    said.extend(failure(lane, snapshot, columns));
    said
}

fn failure(lane: &Lane, snapshot: &Snapshot, columns: usize) -> Vec<Said> {
    let Some(failure) = &lane.failure else { return Vec::new() };
    let record = lane.record.as_ref();
    let last = record.and_then(|record| record.attempts.last()).map(|attempt| &attempt.target);
    let who = match last {
        Some(target) => target.to_string(),
        None => "not sent".to_owned(),
    };
    let bad = labels::level(crate::engine::protocol::Level::Error);
    let mut said = marked(&bad, &format!("{who}: {}", failure.message), columns);
    let Some(remedy) = record.and_then(|record| of_call(failure, record, &snapshot.providers)) else {
        said.extend(wrapped(MARKED, failure.code.class().advice, Role::Plain, columns));
        return said;
    };
    said.extend(wrapped(MARKED, &remedy.headline, Role::Plain, columns));
    if let Some(command) = &remedy.command {
        said.extend(wrapped(MARKED + 4, command, Role::Accent, columns));
    }
    for step in &remedy.steps {
        said.extend(wrapped(MARKED, step, Role::Plain, columns));
    }
    said
}

/// The answer by whole sentences, then its figures, for listeners.
pub fn told(lane: &Lane, snapshot: &Snapshot, now: crate::domain::time::UnixMs) -> Vec<Told> {
    let numbered = |what: &'static str| {
        let ticket = lane.ticket;
        move |(place, text): (usize, String)| Told::one(format_args!("{ticket} {what} {place}"), text)
    };
    let notes = lane.notes.iter().map(|note| format!("Answer: {}", escape::line(note)));
    let mut lines: Vec<Told> = notes.enumerate().map(numbered("note")).collect();
    let answer = escape::block(&lane.answer.text);
    let mut sentences = sentences(&answer);
    if lane.phase.runs() {
        // The last one may go on.
        sentences.pop();
    }
    lines.extend(sentences.into_iter().map(str::to_owned).enumerate().map(numbered("sentence")));
    if lane.phase.runs() {
        return lines;
    }
    lines.extend(after(lane, snapshot, usize::MAX).into_iter().map(|said| said.words).enumerate().map(numbered("end")));
    let figures = lane.figures(snapshot, now);
    let target = lane.target.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
    let figures = format!(
        "{}. {}, first token {}, {}, {}, {}.",
        lane.state(now),
        escape::line(&target),
        figures.first_token,
        figures.speed,
        figures.tokens_out,
        figures.cost
    );
    lines.push(numbered("figures")((0, figures)));
    lines
}

/// Cut behind what ends a sentence, and at line ends.
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.split('\n') {
        let mut start = 0;
        let mut ended = false;
        for (at, c) in line.char_indices() {
            if ended && c == ' ' {
                found.push(line[start..at].trim());
                start = at;
            }
            ended = matches!(c, '.' | '!' | '?' | ':' | '。' | '！' | '？');
        }
        found.push(line[start..].trim());
    }
    found.retain(|sentence| !sentence.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_out_by_sentences() {
        assert_eq!(
            sentences("One domino. It leans on 3.5 others! Why?\n\n- so"),
            ["One domino.", "It leans on 3.5 others!", "Why?", "- so"]
        );
        assert_eq!(sentences(""), Vec::<&str>::new());
    }

    #[test]
    fn scrolling_to_the_end_follows_again() {
        let mut view = View::default();
        assert_eq!(view.first(5, 20), 15);
        view.act(Action::PageUp);
        assert_eq!(view.first(5, 30), 11, "new text does not move what is read");
        view.act(Action::Last);
        assert_eq!(view.first(5, 40), 35);
        assert!(!view.act(Action::Copy));
    }
}
