//! A text to read: the difference of a file and the like.

use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::part::{Cx, Effect, Outbox, Part};
use crate::tui::theme::Role;
use crate::tui::widgets::filter::{Change, Filter};
use crate::tui::widgets::scroll::{Scroll, more_below};
use ratatui::layout::Rect;

/// Lines kept of a text; more is cut, and said.
const MOST_LINES: usize = 5000;

pub struct Pager {
    title: String,
    right: String,
    lines: Vec<String>,
    /// What a copy holds, where it is not all of the text.
    copy: Option<String>,
    about: &'static str,
    filter: Filter,
    scroll: Scroll,
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
            filter: Filter::default(),
            scroll: Scroll::default(),
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
                out.push(Effect::Copy(text, "the text was"));
            }
            Action::NextMatch => return self.scroll.act(Action::Down),
            Action::PreviousMatch => return self.scroll.act(Action::Up),
            _ => return self.scroll.act(action),
        }
        true
    }

    fn filter(&self) -> Option<&Filter> {
        Some(&self.filter)
    }

    fn filter_mut(&mut self) -> Option<&mut Filter> {
        Some(&mut self.filter)
    }

    fn filtered(&mut self, _: Change, _: &Cx<'_>, _: &mut Outbox) {
        self.scroll.reset();
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
        let used =
            1 + self.filter.draw(canvas, Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }, "");
        let below = Rect { y: area.y + used, height: area.height.saturating_sub(used), ..area };
        let lines: Vec<&String> =
            self.lines.iter().filter(|line| self.filter.is_empty() || self.filter.lets(line)).collect();
        let room = usize::from(below.height);
        let room = if lines.len() > room { room.saturating_sub(1) } else { room };
        let from = self.scroll.window(lines.len(), room);
        more_below(canvas, below, lines.len().saturating_sub(from + room));
        for (line, y) in lines.into_iter().skip(from).take(room).zip(below.top()..) {
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
