//! What an edit would change in the file, looked at before it is written.

use crate::engine::protocol::EditReport;
use crate::present::units;
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::part::{Cx, Effect, Outbox, Part};
use crate::tui::theme::Role;
use crate::tui::widgets::scroll::{Scroll, more_below};
use ratatui::layout::Rect;

pub struct Review {
    title: String,
    right: String,
    lines: Vec<String>,
    scroll: Scroll,
}

impl Review {
    pub fn of(report: &EditReport) -> Self {
        let mut lines: Vec<String> = report.difference.lines().map(str::to_owned).collect();
        lines.extend(report.issues.iter().map(|issue| format!("[!] {}", issue.message)));
        Self {
            title: format!("Change of {}", report.file),
            right: format!("{}, not saved", units::count(report.lines_changed as u64, "line", "lines")),
            lines,
            scroll: Scroll::default(),
        }
    }
}

impl Part for Review {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Review, Context::List]
    }

    fn act(&mut self, action: Action, _: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::RuleSave => {
                out.push(Effect::Close);
                out.push(Effect::Pass(Action::RuleSave));
            }
            Action::Back => out.push(Effect::Close),
            Action::Copy => out.push(Effect::Copy(self.lines.join("\n"), "the change was")),
            _ => return self.scroll.act(action),
        }
        true
    }

    fn about(&self) -> &'static str {
        "Lines with + would be added, lines with - taken out. Nothing is written yet."
    }

    fn plain(&self, _: &Cx<'_>) -> Vec<String> {
        let first = format!("{}, {}", self.title, self.right);
        std::iter::once(first).chain(self.lines.iter().cloned()).collect()
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        canvas.rule(Rect { height: 1, ..area }, &self.title, &self.right, true);
        let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        let room = usize::from(below.height);
        let room = if self.lines.len() > room { room.saturating_sub(1) } else { room };
        let from = self.scroll.window(self.lines.len(), room);
        more_below(canvas, below, self.lines.len().saturating_sub(from + room));
        for (line, y) in self.lines.iter().skip(from).take(room).zip(below.top()..) {
            let role = match line.as_bytes().first() {
                Some(b'+') => Role::Accent,
                Some(b'-') => Role::Bad,
                Some(b'@') => Role::Muted,
                Some(b'[') => Role::Warn,
                _ => Role::Plain,
            };
            canvas.text(area.x + 2, y, area.width.saturating_sub(3), line, role);
        }
    }
}
