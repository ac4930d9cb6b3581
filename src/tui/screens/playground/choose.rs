//! A list to choose from with a filter that is always open: targets, and earlier prompts.

use crate::engine::protocol::Reply;
use crate::present::labels::Label;
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::{Context, Key};
use crate::tui::part::{Cx, Effect, Outbox, Part, Place, Tab, Ticket};
use crate::tui::theme::Role;
use crate::tui::widgets::line::Line;
use crate::tui::widgets::list::Selection;
use ratatui::layout::Rect;

/// Columns below which the start of a note says nothing.
const SHORTEST_NOTE: u16 = 12;

/// One row.
pub struct Row<K> {
    pub key: K,
    pub mark: Option<Label>,
    pub left: String,
    pub right: String,
}

/// Where the rows come from.
pub trait Source {
    type Key: Clone + PartialEq;
    /// Where a row is too narrow for both, its right end is kept and what is left is cut; else the other way.
    const NOTE_FIRST: bool;

    fn title(&self) -> &'static str;

    fn about(&self) -> &'static str;

    /// In order; all that hold every word of the (lower-case) filter.
    fn rows(&self, filter: &str, cx: &Cx<'_>) -> Vec<Row<Self::Key>>;

    /// What a row leads to.
    fn place(&self, key: &Self::Key) -> Option<Place>;

    fn total(&self, cx: &Cx<'_>) -> usize {
        self.rows("", cx).len()
    }

    /// What to say when nothing is there at all.
    fn nothing(&self) -> &str;

    fn shown(&mut self, _out: &mut Outbox) {}

    fn reply(&mut self, _ticket: Ticket, _reply: &Reply) {}
}

pub struct Choose<S: Source> {
    source: S,
    filter: Line,
    cursor: Selection<S::Key>,
}

impl<S: Source> Choose<S> {
    pub fn new(source: S) -> Self {
        Self { source, filter: Line::default(), cursor: Selection::default() }
    }

    pub fn at(mut self, key: S::Key) -> Self {
        self.cursor.set(key, &[]);
        self
    }

    fn rows(&self, cx: &Cx<'_>) -> Vec<Row<S::Key>> {
        self.source.rows(&self.filter.value().to_lowercase(), cx)
    }

    fn keys(&self, cx: &Cx<'_>) -> Vec<S::Key> {
        self.rows(cx).into_iter().map(|row| row.key).collect()
    }
}

/// Whether every word of `filter` is in `text`.
pub fn holds(text: &str, filter: &str) -> bool {
    let text = text.to_lowercase();
    filter.split_whitespace().all(|word| text.contains(word))
}

impl<S: Source> Part for Choose<S> {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Choose]
    }

    fn typing(&self) -> bool {
        true
    }

    fn key(&mut self, key: Key, cx: &Cx<'_>, _: &mut Outbox) -> bool {
        let used = self.filter.key(key);
        if used {
            self.cursor.settle(&self.keys(cx));
        }
        used
    }

    fn paste(&mut self, text: &str, cx: &Cx<'_>, _: &mut Outbox) {
        self.filter.paste(text);
        self.cursor.settle(&self.keys(cx));
    }

    fn why_not(&self, action: Action, cx: &Cx<'_>) -> Option<String> {
        (action == Action::Open && self.rows(cx).is_empty()).then(|| "there is nothing to choose".into())
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::Back if !self.filter.is_empty() => {
                self.filter.set("");
                self.cursor.settle(&self.keys(cx));
            }
            Action::Back | Action::PromptTarget | Action::PromptHistory => out.push(Effect::Close),
            Action::Open => {
                let keys = self.keys(cx);
                let chosen = self.cursor.place(&keys).and_then(|place| self.source.place(&keys[place]));
                if let Some(place) = chosen {
                    out.push(Effect::Close);
                    out.push(Effect::Go(Tab::Playground, Some(place)));
                }
            }
            _ => return self.cursor.act(action, &self.keys(cx)),
        }
        true
    }

    fn shown(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.source.shown(out);
        self.cursor.settle(&self.keys(cx));
    }

    fn changed(&mut self, cx: &Cx<'_>, _: &mut Outbox) {
        self.cursor.settle(&self.keys(cx));
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, _: &mut Outbox) {
        self.source.reply(ticket, reply);
        self.cursor.settle(&self.keys(cx));
    }

    fn about(&self) -> &'static str {
        self.source.about()
    }

    fn plain(&self, cx: &Cx<'_>) -> Vec<String> {
        let rows = self.rows(cx);
        let total = rows.len();
        let line = |(place, row): (usize, Row<S::Key>)| {
            format!("{}, {} of {total}: {} {}", self.source.title(), place + 1, row.left, row.right)
        };
        rows.into_iter().enumerate().map(line).collect()
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        let rows = self.rows(canvas.cx);
        let total = self.source.total(canvas.cx);
        let counted = format!("{} of {total}", rows.len());
        canvas.rule(Rect { height: 1, ..area }, self.source.title(), &counted, true);
        canvas.text(area.x + 1, area.y + 1, 1, "/", Role::Accent);
        self.filter.draw(canvas, area.x + 3, area.y + 1, area.width.saturating_sub(4), true);
        let keys: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
        let Some(place) = self.cursor.place(&keys) else {
            let text = if total == 0 { self.source.nothing() } else { "Nothing holds this text: esc clears it." };
            canvas.text(area.x + 2, area.y + 3, area.width.saturating_sub(3), text, Role::Muted);
            return;
        };
        let room = usize::from(area.height.saturating_sub(2));
        let first = self.cursor.window(place, rows.len(), room);
        for ((n, row), y) in rows.iter().enumerate().skip(first).zip(area.y + 2..area.bottom()) {
            let chosen = n == place;
            canvas.text(area.x, y, 1, if chosen { ">" } else { " " }, Role::Plain);
            let mut x = area.x + 2;
            if let Some(mark) = &row.mark {
                canvas.mark(x, y, mark);
            }
            x += 5;
            let end = area.right().saturating_sub(1);
            let room = end.saturating_sub(x);
            if S::NOTE_FIRST {
                let start = x + room / 3;
                let used = canvas.right(start, end, y, &row.right, Role::Muted);
                canvas.text(x, y, room.saturating_sub(used + 2), &row.left, Role::Plain);
            } else {
                let used = canvas.text(x, y, room, &row.left, Role::Plain);
                if room > used + SHORTEST_NOTE {
                    canvas.right(x + used + 2, end, y, &row.right, Role::Muted);
                }
            }
            if chosen {
                canvas.select(Rect::new(area.x, y, area.width, 1), area.x + 2..area.x + 6);
            }
        }
    }
}
