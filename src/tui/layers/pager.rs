//! A text to read: the difference of a file and the like.

use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::part::{Cx, Effect, Outbox, Part};
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use std::cell::Cell;

/// Lines kept of a text; more is cut, and said.
const MOST_LINES: usize = 5000;

pub struct Pager {
    title: String,
    right: String,
    lines: Vec<String>,
    /// What a copy holds, where it is not all of the text.
    copy: Option<String>,
    about: &'static str,
    scroll: usize,
    more: Cell<usize>,
}

impl Pager {
    pub fn new(title: impl Into<String>, right: impl Into<String>, text: &str) -> Self {
        let mut lines: Vec<String> = text.lines().take(MOST_LINES).map(str::to_owned).collect();
        if text.lines().nth(MOST_LINES).is_some() {
            lines.push(format!("the rest is cut: only the first {MOST_LINES} lines are shown"));
        }
        Self {
            title: title.into(),
            right: right.into(),
            lines,
            copy: None,
            about: "Lines with + would be added, lines with - taken out.",
            scroll: 0,
            more: Cell::new(0),
        }
    }

    /// A copy holds this instead of the whole text.
    pub fn copying(self, text: String) -> Self {
        Self { copy: Some(text), ..self }
    }

    pub fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }
}

impl Part for Pager {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Pager, Context::List]
    }

    fn act(&mut self, action: Action, _: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::Back => out.push(Effect::Close),
            Action::Copy => {
                let text = self.copy.clone().unwrap_or_else(|| self.lines.join("\n"));
                out.push(Effect::Copy(text, "the text"));
            }
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
        self.about
    }

    fn plain(&self, _: &Cx<'_>) -> Vec<String> {
        std::iter::once(self.title.clone()).chain(self.lines.iter().cloned()).collect()
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        canvas.rule(Rect { height: 1, ..area }, &self.title, &self.right, true);
        let room = usize::from(area.height.saturating_sub(1));
        let scroll = self.scroll.min(self.lines.len().saturating_sub(room));
        self.more.set(self.lines.len().saturating_sub(room + scroll));
        for (line, y) in self.lines.iter().skip(scroll).zip(area.y + 1..area.bottom()) {
            let role = match line.as_bytes().first() {
                Some(b'+') => Role::Accent,
                Some(b'-') => Role::Bad,
                Some(b'@') => Role::Muted,
                _ => Role::Plain,
            };
            canvas.text(area.x + 2, y, area.width.saturating_sub(3), line, role);
        }
    }
}
