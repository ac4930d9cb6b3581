//! The page a dashboard opens on when its configuration file cannot be used.

use crate::domain::config::Severity;
use crate::engine::protocol::Command;
use crate::present::text;
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::part::{Cx, Effect, Outbox, Part};
use crate::tui::theme::Role;
use ratatui::layout::Rect;

pub struct Broken;

impl Part for Broken {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Broken]
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::OpenEditor => {
                let config = &cx.snapshot.config;
                out.push(Effect::Edit(config.file.clone().unwrap_or_else(|| config.would_write.clone())));
            }
            Action::Reload => out.tell(Command::ConfigReload, "read the file again"),
            Action::Back => out.push(Effect::Close),
            _ => return false,
        }
        true
    }

    fn changed(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        if cx.snapshot.config.rejected.is_none() {
            out.push(Effect::Close);
        }
    }

    fn about(&self) -> &'static str {
        "The file cannot be used as it is. Nothing in it was changed. Mend it in your editor, or go on without it."
    }

    fn plain(&self, cx: &Cx<'_>) -> Vec<String> {
        let config = &cx.snapshot.config;
        let mut lines =
            vec![format!("Configuration cannot be used: {}", config.rejected.as_deref().unwrap_or_default())];
        for issue in config.issues.iter().filter(|issue| issue.severity == Severity::Error) {
            let line = issue.line.map(|line| format!("line {line}: ")).unwrap_or_default();
            lines.push(format!("{line}{}. {}", issue.message, issue.remedy));
        }
        lines
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        let config = &canvas.cx.snapshot.config;
        let file = config.file.as_deref().unwrap_or(&config.would_write);
        let name = file.rsplit('/').next().unwrap_or(file);
        canvas.rule(Rect { height: 1, ..area }, &format!("{name} cannot be used"), "nothing was changed", true);
        let width = area.width.saturating_sub(4);
        let mut page = Page { x: area.x + 2, y: area.y + 2, width, end: area.bottom().saturating_sub(5) };
        page.put(canvas, file, Role::Muted);
        if let Some(why) = &config.rejected {
            page.put(canvas, why, Role::Plain);
        }
        page.y += 1;
        for issue in config.issues.iter().filter(|issue| issue.severity == Severity::Error) {
            let place = match (issue.line, issue.column) {
                (Some(line), Some(column)) => format!("line {line}, column {column}: "),
                (Some(line), None) => format!("line {line}: "),
                _ => String::new(),
            };
            page.put(canvas, &format!("[x]  {place}{}", issue.message), Role::Bad);
            if !issue.text.is_empty() {
                page.put(canvas, &format!("     {}", issue.text), Role::Muted);
            }
            if !issue.remedy.is_empty() {
                page.put(canvas, &format!("     {}", issue.remedy), Role::Plain);
            }
        }
        let keys = [
            ("enter", "open it in $EDITOR; it is read again when you leave the editor"),
            ("r", "read it again now"),
            (
                "esc",
                if config.first_run || canvas.cx.snapshot.providers.is_empty() {
                    "go on without it; E opens it from there"
                } else {
                    "go on with what ran before; E opens it from there"
                },
            ),
            ("q", "quit: nothing was changed"),
        ];
        let first = area.bottom().saturating_sub(4).max(page.y);
        for ((key, about), y) in keys.into_iter().zip(first..area.bottom()) {
            canvas.text(area.x + 2, y, 6, key, Role::Accent);
            canvas.text(area.x + 9, y, area.width.saturating_sub(10), about, Role::Plain);
        }
    }
}

/// Lines one below the other, wrapped.
struct Page {
    x: u16,
    y: u16,
    width: u16,
    end: u16,
}

impl Page {
    fn put(&mut self, canvas: &mut Canvas<'_>, text: &str, role: Role) {
        for line in text::wrap(text, usize::from(self.width)) {
            if self.y >= self.end {
                return;
            }
            canvas.text(self.x, self.y, self.width, &line, role);
            self.y += 1;
        }
    }
}
