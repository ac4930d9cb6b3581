//! The list of messages so far, newest first; it goes on growing while it is looked at.

use crate::present::{labels, text};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::notes::{Lead, Note};
use crate::tui::part::{Cx, Effect, Outbox, Part, Place, Tab};
use crate::tui::theme::Role;
use crate::tui::told::Told;
use crate::tui::widgets::filter::{Change, Filter};
use crate::tui::widgets::list::Selection;
use crate::tui::words;
use ratatui::layout::Rect;

/// Columns of an age and of a mark before the text.
const TEXT: u16 = 16;
/// From this width on where enter leads stands at the right.
const LEADS: u16 = 76;
/// Rows that the chosen message may take.
const CHOSEN_ROWS: usize = 4;

#[derive(Default)]
pub struct Messages {
    cursor: Selection<u64>,
    filter: Filter,
}

impl Messages {
    fn notes<'a>(&self, cx: &Cx<'a>) -> Vec<&'a Note> {
        cx.notes.kept().filter(|note| self.filter.is_empty() || self.filter.lets(&note.text)).collect()
    }

    fn chosen<'a>(&self, cx: &Cx<'a>) -> Option<&'a Note> {
        let notes = self.notes(cx);
        notes.get(self.cursor.place(&keys(&notes))?).copied()
    }

    fn settle(&mut self, cx: &Cx<'_>) {
        self.cursor.settle(&keys(&self.notes(cx)));
    }
}

fn keys(notes: &[&Note]) -> Vec<u64> {
    notes.iter().map(|note| note.id).collect()
}

fn follow(lead: Lead, out: &mut Outbox) {
    let place = |id| Some(Place::Provider(id));
    match lead {
        Lead::Page(id) => out.push(Effect::Go(Tab::Providers, place(id))),
        Lead::Health(id) => out.push(Effect::Go(Tab::Health, place(id))),
        Lead::Doctor(id) => {
            out.push(Effect::Go(Tab::Providers, place(id.clone())));
            out.push(Effect::Do(Action::ProviderDoctor, id));
        }
        Lead::Form(id) => {
            out.push(Effect::Go(Tab::Providers, place(id.clone())));
            out.push(Effect::Do(Action::ProviderEdit, id));
        }
        Lead::Routing => out.push(Effect::Go(Tab::Routing, None)),
        Lead::Broken => out.push(Effect::Pass(Action::BrokenPage)),
        Lead::Log => {
            out.push(Effect::Go(Tab::Telemetry, None));
            out.push(Effect::Pass(Action::AppLog));
        }
    }
}

/// `x4 workstation went down`.
fn said(note: &Note) -> String {
    if note.times > 1 { format!("x{} {}", note.times, note.text) } else { note.text.clone() }
}

fn told(note: &Note) -> String {
    format!("{}: {}", labels::level(note.level).word, said(note))
}

impl Part for Messages {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Messages, Context::List]
    }

    fn filter(&self) -> Option<&Filter> {
        Some(&self.filter)
    }

    fn filter_mut(&mut self) -> Option<&mut Filter> {
        Some(&mut self.filter)
    }

    fn filtered(&mut self, _: Change, cx: &Cx<'_>, _: &mut Outbox) {
        self.settle(cx);
    }

    fn why_not(&self, action: Action, cx: &Cx<'_>) -> Option<String> {
        match (action, self.chosen(cx)) {
            (Action::Open | Action::Copy, None) => Some("no message is chosen: nothing was said yet".into()),
            (Action::Open, Some(note)) if note.lead.is_none() => Some("this message leads nowhere".into()),
            _ => None,
        }
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::Open => {
                if let Some(lead) = self.chosen(cx).and_then(|note| note.lead.clone()) {
                    out.push(Effect::Close);
                    follow(lead, out);
                }
            }
            Action::Copy => {
                if let Some(note) = self.chosen(cx) {
                    out.push(Effect::Copy(note.text.clone(), "the message was"));
                }
            }
            Action::Back | Action::Messages => out.push(Effect::Close),
            _ => return self.cursor.act(action, &keys(&self.notes(cx))),
        }
        true
    }

    fn shown(&mut self, cx: &Cx<'_>, _: &mut Outbox) {
        self.settle(cx);
    }

    fn about(&self) -> &'static str {
        "What was said since the start, newest first. Enter goes to what a message is about."
    }

    fn told(&self, cx: &Cx<'_>) -> Vec<Told> {
        let notes = self.notes(cx);
        let nothing = notes.is_empty().then(|| Told::from("Messages: nothing was said yet.".to_owned()));
        let total = notes.len();
        // Its place is no news, but what a filter leaves is.
        let mark = |note: &Note| format!("{} {} {}", self.filter.text(), note.id, note.times);
        let line = |(place, note): (usize, &&Note)| {
            Told::one(mark(note), format!("Messages, {} of {total}: {}", place + 1, told(note)))
        };
        nothing.into_iter().chain(notes.iter().enumerate().map(line)).collect()
    }

    fn choice(&self, cx: &Cx<'_>) -> Option<String> {
        self.chosen(cx).map(told)
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        let notes = self.notes(canvas.cx);
        let all = canvas.cx.notes.kept().len();
        let count = if notes.len() == all { all.to_string() } else { format!("{} of {all}", notes.len()) };
        canvas.rule(Rect { height: 1, ..area }, &format!("Messages {count}"), "newest first", true);
        let used =
            1 + self.filter.draw(canvas, Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }, "");
        let list = Rect { y: area.y + used, height: area.height.saturating_sub(used), ..area };
        let Some(place) = self.cursor.place(&keys(&notes)) else {
            let said = if all == 0 { "Nothing was said yet." } else { "Nothing holds this text: esc clears it." };
            canvas.text(list.x + 2, list.y + 1, list.width.saturating_sub(3), said, Role::Muted);
            return;
        };
        // The chosen message is shown whole below its row.
        let rows = usize::from(list.height);
        let first = self.cursor.window(place, notes.len(), rows.saturating_sub(CHOSEN_ROWS - 1).max(1));
        let mut y = list.y;
        for (n, note) in notes.iter().enumerate().skip(first) {
            if y >= list.bottom() {
                break;
            }
            y += row(canvas, Rect { y, height: list.bottom() - y, ..list }, note, n == place);
        }
    }
}

/// Draws one message from the top of `area` on; returns the rows used.
fn row(canvas: &mut Canvas<'_>, area: Rect, note: &Note, chosen: bool) -> u16 {
    let y = area.y;
    canvas.text(area.x, y, 1, if chosen { ">" } else { " " }, Role::Plain);
    let age = canvas.age(note.at);
    canvas.right(area.x + 2, area.x + 9, y, &age, Role::Muted);
    let label = labels::level(note.level);
    canvas.text(area.x + 11, y, 4, label.mark, words::role(label.role));
    let leads = note.lead.as_ref().filter(|_| area.width >= LEADS);
    let leads = leads.map_or_else(String::new, |lead| format!("enter: {}", lead.words()));
    let beside = if leads.is_empty() { 1 } else { 20 };
    let room = area.width.saturating_sub(TEXT + beside);
    let lines = text::wrap(&said(note), usize::from(room));
    let most = if chosen { CHOSEN_ROWS } else { 1 };
    let mut used = 0;
    if chosen {
        for line in lines.iter().take(most.min(usize::from(area.height))) {
            canvas.text(area.x + TEXT, y + used, room, line, Role::Plain);
            used += 1;
        }
    } else {
        canvas.text(area.x + TEXT, y, room, &said(note), Role::Plain);
        used = 1;
    }
    canvas.right(area.x + TEXT, area.right().saturating_sub(1), y, &leads, Role::Muted);
    if chosen {
        canvas.select(Rect { height: used.max(1), ..area }, area.x + 11..area.x + 15);
    }
    used.max(1)
}
