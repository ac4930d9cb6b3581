//! Help for the place where it was asked for, made from the key table; acts that do not work now say why.

use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::{Context, Key};
use crate::tui::part::{Cx, Effect, Outbox, Part};
use crate::tui::theme::Role;
use crate::tui::widgets::line::Line;
use ratatui::layout::Rect;
use std::cell::Cell;

struct Row {
    keys: String,
    about: String,
    works: bool,
}

pub struct Help {
    about: &'static str,
    groups: Vec<(&'static str, Vec<Row>)>,
    search: Line,
    searching: bool,
    scroll: usize,
    /// Lines below the last one seen, found by drawing.
    more: Cell<usize>,
}

impl Help {
    /// Of what has the keyboard in `app` now.
    pub fn of(app: &App) -> Self {
        let groups = app
            .contexts()
            .into_iter()
            .map(|context| {
                let rows = app
                    .keymap
                    .of(context)
                    .map(|bound| {
                        let keys: Vec<String> = bound.chords.iter().map(ToString::to_string).collect();
                        let why = app.why_not(bound.entry.action);
                        let works = why.is_none();
                        let about = why.map_or_else(|| bound.entry.about.to_owned(), |why| format!("not now: {why}"));
                        Row { keys: keys.join("  "), about, works }
                    })
                    .collect();
                (context.title(), rows)
            })
            .collect();
        Self {
            about: app.top().about(),
            groups,
            search: Line::default(),
            searching: false,
            scroll: 0,
            more: Cell::new(0),
        }
    }

    /// Heading and rows that hold the search text; a group whose name holds it is shown whole.
    fn matching(&self) -> Vec<(Option<&'static str>, Option<&Row>)> {
        let wanted = self.search.value().to_lowercase();
        let mut lines = Vec::new();
        for (title, rows) in &self.groups {
            let whole = title.contains(&wanted);
            let rows: Vec<&Row> = rows
                .iter()
                .filter(|row| {
                    whole || row.about.to_lowercase().contains(&wanted) || row.keys.contains(self.search.value())
                })
                .collect();
            if rows.is_empty() {
                continue;
            }
            lines.push((Some(*title), None));
            lines.extend(rows.into_iter().map(|row| (None, Some(row))));
            lines.push((None, None));
        }
        lines
    }
}

impl Part for Help {
    fn contexts(&self) -> &'static [Context] {
        if self.searching { &[Context::FilterLine] } else { &[Context::Help, Context::List] }
    }

    fn typing(&self) -> bool {
        self.searching
    }

    fn key(&mut self, key: Key, _: &Cx<'_>, _: &mut Outbox) -> bool {
        self.scroll = 0;
        self.search.key(key)
    }

    fn paste(&mut self, text: &str, _: &Cx<'_>, _: &mut Outbox) {
        if self.searching {
            self.search.paste(text);
        }
    }

    fn act(&mut self, action: Action, _: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::Filter => self.searching = true,
            Action::KeepFilter => self.searching = false,
            Action::Back if self.searching || !self.search.is_empty() => {
                self.searching = false;
                self.search.set("");
            }
            Action::Back | Action::Help => out.push(Effect::Close),
            Action::Down => self.scroll += usize::from(self.more.get() > 0),
            Action::PageDown => self.scroll += self.more.get().min(10),
            Action::Last => self.scroll += self.more.get(),
            Action::Up => self.scroll = self.scroll.saturating_sub(1),
            Action::PageUp => self.scroll = self.scroll.saturating_sub(10),
            Action::First => self.scroll = 0,
            _ => return false,
        }
        true
    }

    fn about(&self) -> &'static str {
        "The keys of the place you came from. / searches this page."
    }

    fn plain(&self, _: &Cx<'_>) -> Vec<String> {
        let rows = self.groups.iter().flat_map(|(title, rows)| rows.iter().map(move |row| (title, row)));
        let mut lines = vec![format!("Help. {}", self.about)];
        lines.extend(rows.map(|(title, row)| format!("{title}: {}: {}", row.keys, row.about)));
        lines
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        let lines = self.matching();
        let all: usize = self.groups.iter().map(|(_, rows)| rows.len()).sum();
        let found = lines.iter().filter(|(_, row)| row.is_some()).count();
        canvas.rule(Rect { height: 1, ..area }, "Help", &format!("{found} of {all}"), true);
        let mut y = area.y + 1;
        if self.searching || !self.search.is_empty() {
            canvas.text(area.x + 1, y, 2, "/", Role::Accent);
            self.search.draw(canvas, area.x + 3, y, area.width.saturating_sub(4), self.searching);
        } else {
            canvas.text(area.x + 1, y, area.width.saturating_sub(2), self.about, Role::Plain);
        }
        y += 2;
        let room = usize::from(area.bottom().saturating_sub(y));
        let scroll = self.scroll.min(lines.len().saturating_sub(room));
        self.more.set(lines.len().saturating_sub(room + scroll));
        let keys_wide = 18.min(area.width / 3);
        for (title, row) in lines.iter().skip(scroll).take(room) {
            if let Some(title) = title {
                canvas.text(area.x + 2, y, area.width.saturating_sub(3), title, Role::Title);
            }
            if let Some(row) = row {
                let (key, about) = if row.works { (Role::Accent, Role::Plain) } else { (Role::Muted, Role::Muted) };
                canvas.text(area.x + 4, y, keys_wide, &row.keys, key);
                let x = area.x + 5 + keys_wide;
                canvas.text(x, y, area.right().saturating_sub(x + 1), &row.about, about);
            }
            y += 1;
        }
        if lines.is_empty() {
            canvas.text(
                area.x + 2,
                y,
                area.width.saturating_sub(3),
                "nothing holds this text: esc clears it",
                Role::Muted,
            );
        }
    }
}
