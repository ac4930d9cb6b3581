//! A choice out of many, narrowed by typing: the filter is always open. What the rows are and what choosing one
//! brings about is its source's affair.

mod choices;

pub use choices::{Choice, Choices};

use crate::engine::protocol::Reply;
use crate::present::labels::Label;
use crate::present::text;
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::{Context, Key};
use crate::tui::part::{Cx, Effect, Outbox, Part, Ticket};
use crate::tui::theme::Role;
use crate::tui::told::Told;
use crate::tui::widgets::line::{Line, Put};
use crate::tui::widgets::list::Selection;
use ratatui::layout::Rect;

/// The widest and the tallest the box gets.
const MOST: (u16, u16) = (84, 22);
/// Columns of a mark with the gap behind it.
const MARK: u16 = 5;

/// One row.
pub struct Row<K> {
    pub key: K,
    pub mark: Option<Label>,
    pub left: String,
    pub right: String,
    /// What the filter searches besides, where that is more than is seen.
    pub more: String,
}

impl<K> Row<K> {
    /// All that the filter searches, in small letters.
    fn searched(&self) -> String {
        format!("{} {} {}", self.left, self.right, self.more).to_lowercase()
    }
}

/// Where the rows come from and where they lead.
pub trait Source {
    type Key: Clone + PartialEq;
    /// The rows are texts of any length with a short note: a page, on which the note is kept and the text is cut.
    /// Else they are names with words about them: a box with two columns.
    const PAGE: bool;

    fn title(&self) -> &'static str;

    fn about(&self) -> &'static str;

    /// All of them, in order. Asked for when the layer opens and when the world changes, never per key or frame.
    fn rows(&self, cx: &Cx<'_>) -> Vec<Row<Self::Key>>;

    /// A row made of what was typed, where no row is exactly that.
    fn typed(&self, _filter: &str, _cx: &Cx<'_>) -> Option<Row<Self::Key>> {
        None
    }

    /// What choosing a row brings about, once this layer is closed.
    fn chosen(&self, key: &Self::Key) -> Option<Effect>;

    /// What to say when nothing is there at all.
    fn nothing(&self) -> &str;

    fn shown(&mut self, _out: &mut Outbox) {}

    fn reply(&mut self, _ticket: Ticket, _reply: &Reply) {}

    /// The rows are made of the snapshot, and made anew with it.
    fn follows_world(&self) -> bool {
        true
    }

    /// Where its keys are looked up, the most specific first.
    fn contexts(&self) -> &'static [Context] {
        &[Context::Choose]
    }

    /// What taking a row away for good brings about; `None` where it cannot be.
    fn removed(&self, _key: &Self::Key) -> Option<Effect> {
        None
    }
}

pub struct Choose<S: Source> {
    source: S,
    filter: Line,
    cursor: Selection<S::Key>,
    all: Vec<Row<S::Key>>,
    /// What the filter searches of each of them: made once, as the texts may be long and keys come quickly.
    searched: Vec<String>,
    /// What was typed, as a row of its own.
    typed: Option<Row<S::Key>>,
    /// Places in `all` of the rows that the filter lets through, and their keys; a typed row's key is the last.
    found: Vec<usize>,
    keys: Vec<S::Key>,
}

impl<S: Source> Choose<S> {
    pub fn new(source: S) -> Self {
        Self {
            source,
            filter: Line::default(),
            cursor: Selection::default(),
            all: Vec::new(),
            searched: Vec::new(),
            typed: None,
            found: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// The cursor begins there, where there is such a row.
    pub fn at(mut self, key: S::Key) -> Self {
        self.cursor.set(key, &[]);
        self
    }

    fn removed(&self) -> Option<Effect> {
        self.source.removed(&self.keys[self.cursor.place(&self.keys)?])
    }

    /// The rows that are seen, in order.
    fn row(&self, place: usize) -> Option<&Row<S::Key>> {
        self.found.get(place).map_or(self.typed.as_ref(), |place| self.all.get(*place))
    }

    fn rows(&self) -> impl Iterator<Item = &Row<S::Key>> {
        (0..self.keys.len()).filter_map(|place| self.row(place))
    }

    /// The rows anew, for a world that changed.
    fn read(&mut self, cx: &Cx<'_>) {
        self.all = self.source.rows(cx);
        self.searched = self.all.iter().map(Row::searched).collect();
        self.find(cx);
        self.cursor.settle(&self.keys);
    }

    /// One pass over the rows per change of the filter.
    fn find(&mut self, cx: &Cx<'_>) {
        let filter = self.filter.value().trim();
        let words = filter.to_lowercase();
        let found = self
            .searched
            .iter()
            .enumerate()
            .filter(|(_, text)| words.split_whitespace().all(|word| text.contains(word)));
        self.found = found.map(|(place, _)| place).collect();
        let is_there = filter.is_empty() || self.found.iter().any(|place| self.all[*place].left == filter);
        self.typed = if is_there { None } else { self.source.typed(filter, cx) };
        let typed = self.typed.as_ref().map(|row| row.key.clone());
        self.keys = self.found.iter().map(|place| self.all[*place].key.clone()).chain(typed).collect();
    }

    /// After the filter changed the first row is the likely one.
    fn refilter(&mut self, cx: &Cx<'_>) {
        self.find(cx);
        self.cursor.act(Action::First, &self.keys);
    }

    /// The place for filter and rows, framed.
    fn framed(&self, canvas: &mut Canvas<'_>, area: Rect, total: usize, count: &str) -> Rect {
        if S::PAGE {
            canvas.clear(area);
            canvas.rule(Rect { height: 1, ..area }, self.source.title(), count, true);
            return Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        }
        // From all rows, not from those left: the box stays where it is while one types.
        let wanted = u16::try_from(total).unwrap_or(u16::MAX).saturating_add(4).max(6);
        let (width, height) = (MOST.0.min(area.width.saturating_sub(2)), wanted.min(MOST.1).min(area.height));
        let frame = Rect {
            x: area.x + area.width.saturating_sub(width) / 2,
            y: area.y + area.height.saturating_sub(height) / 2,
            width,
            height,
        };
        canvas.clear(frame);
        canvas.frame(frame, self.source.title());
        let inner =
            Rect { x: frame.x + 1, y: frame.y + 1, width: width.saturating_sub(2), height: height.saturating_sub(2) };
        canvas.right(inner.x, inner.right().saturating_sub(1), inner.y, count, Role::Muted);
        inner
    }
}

impl<S: Source> Part for Choose<S> {
    fn contexts(&self) -> &'static [Context] {
        self.source.contexts()
    }

    fn typing(&self) -> bool {
        true
    }

    fn key(&mut self, key: Key, cx: &Cx<'_>, _: &mut Outbox) -> bool {
        let before = self.filter.value().to_owned();
        let used = self.filter.key(key);
        if self.filter.value() != before {
            self.refilter(cx);
        }
        used
    }

    fn put(&mut self, text: &str, put: Put, cx: &Cx<'_>, out: &mut Outbox) {
        out.complain(self.filter.put(text, put));
        self.refilter(cx);
    }

    fn why_not(&self, action: Action, _: &Cx<'_>) -> Option<String> {
        if action == Action::PresetDelete && self.removed().is_none() {
            return Some("no preset is chosen".to_owned());
        }
        if action != Action::Open || !self.keys.is_empty() {
            return None;
        }
        let why = if self.filter.is_empty() { "there is nothing to choose" } else { NOTHING_HOLDS };
        Some(why.to_owned())
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::Back if !self.filter.is_empty() => {
                self.filter.set("");
                self.find(cx);
                self.cursor.settle(&self.keys);
            }
            Action::Back => out.push(Effect::Close),
            Action::Open => {
                let place = self.cursor.place(&self.keys);
                let chosen = place.and_then(|place| self.source.chosen(&self.keys[place]));
                if let Some(effect) = chosen {
                    out.push(Effect::Close);
                    out.push(effect);
                }
            }
            Action::PresetDelete => self.removed().into_iter().for_each(|effect| out.push(effect)),
            _ => return self.cursor.act(action, &self.keys),
        }
        true
    }

    fn shown(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.source.shown(out);
        self.read(cx);
    }

    fn changed(&mut self, cx: &Cx<'_>, _: &mut Outbox) {
        if self.source.follows_world() {
            self.read(cx);
        }
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, _: &mut Outbox) {
        self.source.reply(ticket, reply);
        self.read(cx);
    }

    fn shows_below(&self, _: Rect) -> bool {
        !S::PAGE
    }

    fn about(&self) -> &'static str {
        self.source.about()
    }

    fn told(&self, _: &Cx<'_>) -> Vec<Told> {
        let (chosen, total) = (self.cursor.place(&self.keys), self.keys.len());
        let line = |(place, row): (usize, &Row<S::Key>)| {
            let cursor = if Some(place) == chosen { ", chosen" } else { "" };
            let state = row.mark.as_ref().map(|mark| format!("{}, ", mark.word)).unwrap_or_default();
            let title = self.source.title();
            let said = format!("{title}, {} of {total}{cursor}: {}, {state}{}", place + 1, row.left, row.right);
            // Its place is no news, but what the filter leaves is.
            Told::state(format!("{} {}", self.filter.value(), row.left), said)
        };
        self.rows().enumerate().map(line).collect()
    }

    fn choice(&self, _: &Cx<'_>) -> Option<String> {
        self.row(self.cursor.place(&self.keys)?).map(|row| row.left.clone())
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let shown = self.keys.len();
        let total = self.all.len().max(shown);
        let count = format!("{shown} of {total}");
        let inner = self.framed(canvas, area, total, &count);
        canvas.text(inner.x + 1, inner.y, 1, "/", Role::Accent);
        let beside = if S::PAGE { 4 } else { u16::try_from(count.len()).unwrap_or(u16::MAX).saturating_add(6) };
        self.filter.draw(canvas, inner.x + 3, inner.y, inner.width.saturating_sub(beside), true);
        let list = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
        let Some(place) = self.cursor.place(&self.keys) else {
            let said = if total == 0 { self.source.nothing() } else { "Nothing holds this text." };
            canvas.text(list.x + 2, list.y, list.width.saturating_sub(3), said, Role::Muted);
            return;
        };
        let first = self.cursor.window(place, shown, usize::from(list.height));
        let rows: Vec<_> = self.rows().skip(first).take(usize::from(list.height)).collect();
        let marks = if rows.iter().any(|row| row.mark.is_some()) { MARK } else { 0 };
        let room = list.width.saturating_sub(3 + marks);
        let left = left_width(&rows, room);
        for ((n, row), y) in (first..).zip(&rows).zip(list.top()..list.bottom()) {
            canvas.text(list.x, y, 1, if n == place { ">" } else { " " }, Role::Plain);
            let mut x = list.x + 2;
            if let Some(mark) = &row.mark {
                canvas.mark(x, y, mark);
            }
            x += marks;
            let end = x + room;
            if S::PAGE {
                let used = canvas.right(x + room / 3, end, y, &row.right, Role::Muted);
                canvas.text(x, y, room.saturating_sub(used + 2), &row.left, Role::Plain);
            } else {
                canvas.text(x, y, left, &row.left, Role::Plain);
                canvas.text(x + left + 2, y, room.saturating_sub(left + 2), &row.right, Role::Muted);
            }
            if n == place {
                let mark = list.x + 2..list.x + 2 + marks.saturating_sub(1);
                canvas.select(Rect { y, height: 1, ..list }, mark);
            }
        }
    }
}

const NOTHING_HOLDS: &str = "nothing holds this text: ctrl-u clears it";

/// Columns for the names: what the widest needs, but the words about it keep a third.
fn left_width<K>(rows: &[&Row<K>], room: u16) -> u16 {
    let widest = rows.iter().map(|row| text::width(&row.left)).max().unwrap_or(0);
    u16::try_from(widest).unwrap_or(u16::MAX).min(room.saturating_sub(room / 3))
}
