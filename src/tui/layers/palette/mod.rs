//! The command palette: every act and every command with a name, over the upper rows. Typing finds, enter runs;
//! the command line that does the same stands below.
//!
//! ```text
//! ━ Commands ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 5 of 171 ━
//!  : pause_
//!    recent
//! >    providers: pause          p   no probes and no calls until resumed
//!    all
//!      pause zai                     Z.AI GLM: no probes and no calls
//! ─ ctrl-y copies  lmdeck models use zai ───────────────────────────
//! ```

mod entries;
mod matching;

use crate::engine::protocol::{Command, Level};
use crate::present::text;
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::{Context, Key};
use crate::tui::part::{Cx, Effect, Outbox, Part};
use crate::tui::theme::Role;
use crate::tui::widgets::line::{Line, Put};
use crate::tui::widgets::list::Selection;
pub use entries::Entry;
use entries::Run;
use ratatui::layout::Rect;
use std::borrow::Cow;

pub use entries::all;

/// The tallest it gets: what is below stays in sight, unless that would be a row or two.
const TALLEST: u16 = 21;
const LEFT_BELOW: u16 = 3;
/// Columns of a title and of a key, where there is room.
const TITLE: u16 = 28;
const KEY: u16 = 10;
/// Below this width the sentence gives way.
const SENTENCES: u16 = 60;
/// Entries told to a listener.
const TOLD: usize = 12;

pub struct Palette {
    entries: Vec<Entry>,
    /// Places of those run lately, newest first.
    recent: Vec<usize>,
    typed: Line,
    /// Places of what the text finds: the recent ones, then all others.
    found: Vec<usize>,
    /// The text that found them.
    found_by: String,
    /// How many of `found` are recent ones.
    found_recent: usize,
    /// Among the places in `found`.
    cursor: Selection<usize>,
}

impl Palette {
    /// Of what can be done now in `app`, with a text typed already.
    pub fn of(app: &App, typed: &str) -> Self {
        let entries = entries::all(app);
        let place = |id: &String| entries.iter().position(|entry| entry.id() == id);
        let recent = app.recent.iter().filter_map(place).collect();
        let (typed, cursor) = (Line::new(typed), Selection::default());
        let mut palette =
            Self { entries, recent, typed, found: Vec::new(), found_by: String::new(), found_recent: 0, cursor };
        palette.found = (0..palette.entries.len()).collect();
        palette.find();
        palette
    }

    /// One pass over the entries per change of the text.
    fn find(&mut self) {
        let typed = self.typed.value();
        // Typed on: only what was found can still be found.
        let all = if typed.starts_with(&self.found_by) {
            self.found.sort_unstable();
            matching::found(&self.entries, self.found.iter().copied(), typed)
        } else {
            matching::found(&self.entries, 0..self.entries.len(), typed)
        };
        self.found_by = typed.to_owned();
        let mut matched = vec![false; self.entries.len()];
        for place in &all {
            matched[*place] = true;
        }
        let recent: Vec<usize> = self.recent.iter().copied().filter(|place| matched[*place]).collect();
        self.found_recent = recent.len();
        let others = all.into_iter().filter(|place| !recent.contains(place)).collect::<Vec<_>>();
        self.found = recent.into_iter().chain(others).collect();
        self.cursor = Selection::default();
        self.cursor.settle(&self.found);
    }

    fn chosen(&self) -> Option<&Entry> {
        let place = self.cursor.place(&self.found)?;
        self.entries.get(*self.found.get(place)?)
    }

    fn run(&self, out: &mut Outbox) {
        let Some(entry) = self.chosen() else { return };
        if let Some(why) = &entry.why {
            return out.say(Level::Warning, format!("{}: {why}", entry.title));
        }
        out.push(Effect::Close);
        out.push(Effect::Ran(entry.id().to_owned()));
        match entry.run.clone() {
            Run::Act(action) => out.push(Effect::Pass(action)),
            Run::ActOn(tab, action) => {
                out.push(Effect::Go(tab, None));
                out.push(Effect::Pass(action));
            }
            Run::Provider(action, id) => out.push(Effect::Do(action, id)),
            Run::Tell(command, done) => out.tell(*command, done),
            Run::Use(choice) => {
                let done = entries::chosen(&choice);
                out.tell(Command::UseTarget { choice }, done);
            }
            Run::Go(tab, place) => out.push(Effect::Go(tab, Some(place))),
        }
    }

    fn retyped(&mut self, before: &str) {
        if self.typed.value() != before {
            self.find();
        }
    }

    /// What the rows show: headings and places in `found`.
    fn rows(&self, first: usize, room: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        for n in (first..self.found.len()).take(room) {
            if self.found_recent > 0 && (n == first || n == self.found_recent) {
                rows.push(Row::Heading(if n < self.found_recent { "recent" } else { "all" }));
            }
            rows.push(Row::Entry(n));
        }
        rows.truncate(room);
        rows
    }

    fn row(&self, canvas: &mut Canvas<'_>, row: Rect, n: usize, chosen: bool) {
        let Some(entry) = self.found.get(n).and_then(|place| self.entries.get(*place)) else { return };
        let (main, beside) = if entry.why.is_some() { (Role::Muted, Role::Muted) } else { (Role::Plain, Role::Muted) };
        let end = row.right().saturating_sub(1);
        canvas.text(row.x, row.y, 1, if chosen { ">" } else { " " }, Role::Plain);
        let x = row.x + 2;
        let room = end.saturating_sub(x);
        let beside_it = columns(room);
        let sentences = beside_it.is_some();
        let title = beside_it.unwrap_or_else(|| room.saturating_sub(KEY + 1));
        // A long name takes the columns of a key that is not there.
        let wide = if entry.key.is_empty() { title + KEY } else { title.saturating_sub(1) };
        let wide = if sentences { wide.saturating_sub(1) } else { wide };
        canvas.text(x, row.y, wide.min(room), &entry.title, main);
        if !entry.key.is_empty() {
            let key = if entry.why.is_some() { Role::Muted } else { Role::Accent };
            canvas.text(x + title, row.y, KEY.saturating_sub(1), &entry.key, key);
        }
        if sentences {
            let x = x + title + KEY;
            canvas.text(x, row.y, end.saturating_sub(x), &about(entry), beside);
        }
        if chosen {
            canvas.select(row, 0..0);
        }
    }
}

enum Row {
    Heading(&'static str),
    Entry(usize),
}

impl Part for Palette {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Palette]
    }

    fn typing(&self) -> bool {
        true
    }

    fn key(&mut self, key: Key, _: &Cx<'_>, _: &mut Outbox) -> bool {
        let before = self.typed.value().to_owned();
        let used = self.typed.key(key);
        self.retyped(&before);
        used
    }

    fn put(&mut self, text: &str, put: Put, _: &Cx<'_>, out: &mut Outbox) {
        let before = self.typed.value().to_owned();
        out.complain(self.typed.put(text, put));
        self.retyped(&before);
    }

    fn why_not(&self, action: Action, _: &Cx<'_>) -> Option<String> {
        let nothing = || "nothing is called like this: ctrl-u clears the line".to_owned();
        match (action, self.chosen()) {
            (Action::Open | Action::PaletteFill | Action::CopyLine, None) => Some(nothing()),
            (Action::CopyLine, Some(entry)) if entry.line().is_none() => {
                Some("no command line does the same".to_owned())
            }
            _ => None,
        }
    }

    fn act(&mut self, action: Action, _: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::Open => self.run(out),
            Action::PaletteFill => {
                if let Some(title) = self.chosen().map(|entry| entry.title.clone()) {
                    self.typed.set(title);
                    self.find();
                }
            }
            Action::CopyLine => {
                if let Some(line) = self.chosen().and_then(|entry| Some(entry.line()?.into_owned())) {
                    out.push(Effect::Copy(line, "the command line was"));
                }
            }
            Action::Back if !self.typed.is_empty() => {
                self.typed.set("");
                self.find();
            }
            Action::Back | Action::Palette => out.push(Effect::Close),
            _ => return self.cursor.act(action, &self.found),
        }
        true
    }

    fn shows_below(&self, _: Rect) -> bool {
        true
    }

    fn about(&self) -> &'static str {
        "Every command by name. Letters in their order find it, enter runs it; the last line does the same in a shell."
    }

    fn plain(&self, _: &Cx<'_>) -> Vec<String> {
        let mut lines = vec![format!("Commands, {} of {}.", self.found.len(), self.entries.len())];
        lines.extend(self.found.iter().take(TOLD).filter_map(|place| self.entries.get(*place)).map(told));
        lines
    }

    fn choice(&self, _: &Cx<'_>) -> Option<String> {
        self.chosen().map(told)
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let height = if area.height < TALLEST + LEFT_BELOW { area.height } else { TALLEST };
        let area = Rect { height, ..area };
        canvas.clear(area);
        let count = format!("{} of {}", self.found.len(), self.entries.len());
        canvas.rule(Rect { height: 1, ..area }, "Commands", &count, true);
        canvas.text(area.x + 1, area.y + 1, 1, ":", Role::Accent);
        self.typed.draw(canvas, area.x + 3, area.y + 1, area.width.saturating_sub(4), true);
        let list = Rect { y: area.y + 2, height: area.height.saturating_sub(4), ..area };
        let Some(place) = self.cursor.place(&self.found) else {
            canvas.text(list.x + 2, list.y, list.width.saturating_sub(3), "Nothing is called like this.", Role::Muted);
            return self.last_row(canvas, area);
        };
        // Up to two rows are headings.
        let headings = if self.found_recent > 0 { 2 } else { 0 };
        let room = usize::from(list.height);
        let first = self.cursor.window(place, self.found.len(), room.saturating_sub(headings).max(1));
        for (row, y) in self.rows(first, room).into_iter().zip(list.top()..list.bottom()) {
            match row {
                Row::Heading(words) => {
                    canvas.text(list.x + 2, y, list.width.saturating_sub(3), words, Role::Title);
                }
                Row::Entry(n) => self.row(canvas, Rect { y, height: 1, ..list }, n, n == place),
            }
        }
        self.last_row(canvas, area);
    }
}

impl Palette {
    /// The command line that does the same, on a rule that ends the layer.
    fn last_row(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let row = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
        canvas.rule(row, "", "", false);
        self.sentence(canvas, Rect { y: row.y.saturating_sub(1), ..row });
        let key = canvas.cx.keymap.key_for(&[Context::Palette], Action::CopyLine);
        let chosen = self.chosen().map(Entry::line);
        let (said, line) = match &chosen {
            Some(Some(line)) => (format!(" {key} copies  "), line.as_ref()),
            Some(None) => (" no command line does the same ".to_owned(), ""),
            None => return,
        };
        let used = canvas.text(row.x + 1, row.y, row.width.saturating_sub(2), &said, Role::Muted);
        if !line.is_empty() {
            let room = row.width.saturating_sub(used + 3);
            let wide = u16::try_from(text::width(line)).unwrap_or(room).min(room);
            canvas.text(row.x + 1 + used, row.y, wide, line, Role::Plain);
            canvas.text(row.x + 1 + used + wide, row.y, 1, " ", Role::Plain);
        }
    }
}

impl Palette {
    /// The chosen entry's sentence in full, where its column is too narrow for it. The row is kept free for it.
    fn sentence(&self, canvas: &mut Canvas<'_>, row: Rect) {
        let Some(entry) = self.chosen() else { return };
        let said = about(entry);
        let room = row.width.saturating_sub(3);
        let column = columns(room).map_or(0, |title| room.saturating_sub(title + KEY));
        if text::width(&said) > usize::from(column) {
            canvas.text(row.x + 2, row.y, room, &said, Role::Plain);
        }
    }
}

/// Columns of a title beside which there is room for a sentence.
fn columns(room: u16) -> Option<u16> {
    (room >= SENTENCES).then(|| TITLE.max(room * 3 / 8))
}

/// The sentence, or why it cannot be done now.
fn about(entry: &Entry) -> Cow<'_, str> {
    entry.why.as_ref().map_or(Cow::Borrowed(&entry.about), |why| Cow::Owned(format!("not now: {why}")))
}

/// `providers: pause, p: no probes. In a shell: lmdeck ...`
fn told(entry: &Entry) -> String {
    let key = if entry.key.is_empty() { String::new() } else { format!(", {}", entry.key) };
    let about = about(entry);
    let line = entry.line().map(|line| format!(". In a shell: {line}")).unwrap_or_default();
    format!("{}{key}: {about}{line}", entry.title)
}
