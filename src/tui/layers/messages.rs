//! The list of messages so far.

use crate::present::{labels, text};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::notes::Note;
use crate::tui::part::{Cx, Effect, Outbox, Part, Place, Tab};
use crate::tui::theme::Role;
use crate::tui::widgets::list::Selection;
use crate::tui::words;
use ratatui::layout::Rect;

pub struct Messages {
    notes: Vec<Note>,
    cursor: Selection<usize>,
}

impl Messages {
    pub fn of<'a>(notes: impl Iterator<Item = &'a Note>) -> Self {
        let notes: Vec<Note> = notes.cloned().collect();
        let mut cursor = Selection::default();
        cursor.settle(&(0..notes.len()).collect::<Vec<_>>());
        Self { notes, cursor }
    }

    fn keys(&self) -> Vec<usize> {
        (0..self.notes.len()).collect()
    }

    fn chosen(&self) -> Option<&Note> {
        self.cursor.place(&self.keys()).and_then(|place| self.notes.get(place))
    }
}

impl Part for Messages {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Messages, Context::List]
    }

    fn why_not(&self, action: Action, _: &Cx<'_>) -> Option<String> {
        let leads_nowhere = action == Action::Open && self.chosen().is_none_or(|note| note.about.is_none());
        leads_nowhere.then(|| "this message leads nowhere".into())
    }

    fn act(&mut self, action: Action, _: &Cx<'_>, out: &mut Outbox) -> bool {
        let keys = self.keys();
        match action {
            Action::Open => {
                if let Some(id) = self.chosen().and_then(|note| note.about.clone()) {
                    out.push(Effect::Close);
                    out.push(Effect::Go(Tab::Providers, Some(Place::Provider(id))));
                }
            }
            Action::Back | Action::Messages => out.push(Effect::Close),
            _ => return self.cursor.act(action, &keys),
        }
        true
    }

    fn about(&self) -> &'static str {
        "What was said since the start, newest first."
    }

    fn plain(&self, _: &Cx<'_>) -> Vec<String> {
        let nothing = self.notes.is_empty().then(|| "Messages: nothing was said yet.".to_owned());
        nothing.into_iter().chain(self.notes.iter().map(|note| note.text.clone())).collect()
    }

    fn choice(&self, _: &Cx<'_>) -> Option<String> {
        self.chosen().map(|note| note.text.clone())
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        canvas.rule(Rect { height: 1, ..area }, &format!("Messages {}", self.notes.len()), "newest first", true);
        if self.notes.is_empty() {
            canvas.text(area.x + 2, area.y + 2, area.width.saturating_sub(3), "Nothing was said yet.", Role::Muted);
            return;
        }
        let rows = usize::from(area.height.saturating_sub(1));
        let place = self.cursor.place(&self.keys()).unwrap_or(0);
        // The chosen message is shown whole below its row.
        let first = self.cursor.window(place, self.notes.len(), rows.saturating_sub(3));
        let mut y = area.y + 1;
        for (n, note) in self.notes.iter().enumerate().skip(first) {
            if y >= area.bottom() {
                break;
            }
            let chosen = n == place;
            canvas.text(area.x, y, 1, if chosen { ">" } else { " " }, Role::Plain);
            let age = canvas.age(note.at);
            canvas.right(area.x + 2, area.x + 8, y, &age, Role::Muted);
            let role = words::role(labels::level(note.level).role);
            canvas.text(area.x + 10, y, 4, labels::level(note.level).mark, role);
            let times = if note.times > 1 { format!("x{} ", note.times) } else { String::new() };
            let lines = text::wrap(&format!("{times}{}", note.text), usize::from(area.width.saturating_sub(16)));
            let shown = if chosen { 3 } else { 1 };
            let start = y;
            for line in lines.iter().take(shown) {
                canvas.text(area.x + 15, y, area.width.saturating_sub(16), line, Role::Plain);
                y += 1;
            }
            if chosen {
                canvas.select(Rect::new(area.x, start, area.width, y - start), area.x + 10..area.x + 14);
            }
        }
    }
}
