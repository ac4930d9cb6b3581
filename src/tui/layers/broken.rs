//! The page a dashboard opens on when its configuration file cannot be used.

use super::pager::Pager;
use crate::domain::config::Severity;
use crate::engine::protocol::{Command, ConfigView, LastGoodAct, Level, Reply};
use crate::present::{labels, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::part::{Cx, Effect, Outbox, Part, Ticket};
use crate::tui::theme::Role;
use crate::tui::told::Told;
use crate::tui::widgets::lines::Lines;
use crate::tui::widgets::scroll::Scroll;
use ratatui::layout::Rect;

/// Rows that the keys take at most.
const KEY_ROWS: u16 = 7;
/// Rows that the errors keep, with the rules around them.
const ERROR_ROWS: u16 = 7;

#[derive(Default)]
pub struct Broken {
    /// The question under way, and what it was about.
    asked: Option<(Ticket, LastGoodAct)>,
    scroll: Scroll,
}

impl Broken {
    fn ask(&mut self, act: LastGoodAct, out: &mut Outbox) {
        self.asked = Some((out.ask(Command::LastGood { act }), act));
    }
}

impl Part for Broken {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Broken, Context::List]
    }

    fn why_not(&self, action: Action, cx: &Cx<'_>) -> Option<String> {
        let config = &cx.snapshot.config;
        match action {
            Action::LastGoodRun | Action::LastGoodCompare | Action::LastGoodPutBack if config.last_good.is_none() => {
                Some("no earlier version of this file is known to be good: mend it in your editor".into())
            }
            Action::LastGoodRun if config.on_last_good => Some("the last good version runs already".into()),
            _ => None,
        }
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::OpenEditor => {
                let config = &cx.snapshot.config;
                out.push(Effect::Edit(config.file.clone().unwrap_or_else(|| config.would_write.clone())));
            }
            Action::Reload => out.tell(Command::ConfigReload, "read the file again"),
            Action::LastGoodRun => self.ask(LastGoodAct::Run, out),
            Action::LastGoodCompare => self.ask(LastGoodAct::Compare, out),
            Action::LastGoodPutBack => self.ask(LastGoodAct::PutBack, out),
            Action::Back => out.push(Effect::Close),
            _ => return self.scroll.act(action),
        }
        true
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, out: &mut Outbox) {
        let Some((_, act)) = self.asked.take_if(|(asked, _)| *asked == ticket) else { return };
        match (reply, act) {
            (Reply::Edited(report), LastGoodAct::Compare) => {
                let changed =
                    if report.lines_changed == 1 { "1 line".into() } else { format!("{} lines", report.lines_changed) };
                let shown = if report.difference.is_empty() { "The two are the same." } else { &report.difference };
                out.push(Effect::Open(Box::new(Pager::new("What putting it back would change", changed, shown))));
            }
            (Reply::Edited(report), _) => {
                out.push(Effect::Close);
                let undo = cx.keymap.key_for(&[Context::Everywhere], Action::Undo);
                out.say(Level::Info, format!("the last good version is the file again: {undo} takes that back"));
                for issue in &report.issues {
                    out.say(Level::Info, issue.message.clone());
                }
            }
            (Reply::Refused(refusal), _) => out.say(Level::Error, told(&refusal.message, &refusal.remedy)),
            (_, LastGoodAct::Run) => {
                out.push(Effect::Close);
                let back = cx.keymap.key_for(&[Context::Everywhere], Action::BrokenPage);
                out.say(Level::Warning, format!("the last good version runs: {back} leads back to the file"));
            }
            _ => {}
        }
    }

    fn changed(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        if cx.snapshot.config.rejected.is_none() && self.asked.is_none() {
            out.push(Effect::Close);
        }
    }

    fn about(&self) -> &'static str {
        "The file cannot be used as it is. Nothing in it was changed. Mend it in your editor, run with the last \
         version that could be used, or go on without it."
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

    fn told(&self, cx: &Cx<'_>) -> Vec<Told> {
        // How long ago the last good version was kept goes on by itself.
        let keys = keys(&cx.snapshot.config, cx).into_iter();
        let keys = keys.map(|(key, about)| Told::state(&key, format!("{key}: {about}")));
        self.plain(cx).into_iter().map(Told::from).chain(keys).collect()
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        let config = &canvas.cx.snapshot.config;
        let file = config.file.as_deref().unwrap_or(&config.would_write);
        let name = file.rsplit('/').next().unwrap_or(file);
        canvas.rule(Rect { height: 1, ..area }, &format!("{name} cannot be used"), "nothing was changed", true);
        let keys = keys(config, canvas.cx);
        // On low screens the errors keep some rows: the footer has the keys as well.
        let rows = u16::try_from(keys.len()).unwrap_or(KEY_ROWS).min(area.height.saturating_sub(ERROR_ROWS));
        let room = area.height.saturating_sub(rows + 3);
        let page = Rect { x: area.x + 2, y: area.y + 2, width: area.width.saturating_sub(4), height: room };
        self.scroll.draw(&errors(config, file, usize::from(page.width)), canvas, page);
        let first = area.bottom().saturating_sub(rows);
        // Messages stand elsewhere: the choices are what this page is for.
        canvas.keep_clear(Rect { y: first, height: rows, ..area });
        for ((key, about), y) in keys.into_iter().zip(first..area.bottom()) {
            canvas.text(area.x + 2, y, 6, &key, Role::Accent);
            canvas.text(area.x + 9, y, area.width.saturating_sub(10), &about, Role::Plain);
        }
    }
}

/// The file, why it cannot be used, and each error with its place, its line and what to do.
fn errors(config: &ConfigView, file: &str, width: usize) -> Lines {
    let mut lines = Lines::new(width);
    lines.wrapped(0, file, Role::Muted);
    let errors = || config.issues.iter().filter(|issue| issue.severity == Severity::Error);
    // Most often it is the first error in the same words.
    if let Some(why) = config.rejected.as_ref().filter(|why| errors().all(|issue| issue.message != **why)) {
        lines.wrapped(0, why, Role::Plain);
    }
    lines.blank();
    for issue in errors() {
        let place = match (issue.line, issue.column) {
            (Some(line), Some(column)) => format!("line {line}, column {column}: "),
            (Some(line), None) => format!("line {line}: "),
            _ => String::new(),
        };
        lines.marked(labels::FAIL, Role::Bad, &format!("{place}{}", issue.message));
        for (text, role) in [(&issue.text, Role::Muted), (&issue.remedy, Role::Plain)] {
            if !text.is_empty() {
                lines.wrapped(DEEP, text, role);
            }
        }
    }
    lines
}

/// What can be done, one row each; the way out is always the last but one.
fn keys(config: &ConfigView, cx: &Cx<'_>) -> Vec<(String, String)> {
    let key = |action| cx.keymap.key_for(&[Context::Broken, Context::Everywhere], action);
    let mut keys = vec![
        (key(Action::OpenEditor), "open it in $EDITOR; it is read again when you leave the editor".to_owned()),
        (key(Action::Reload), "read it again now".to_owned()),
    ];
    if let Some(since) = config.last_good {
        let age = units::age(cx.now.since(since));
        if !config.on_last_good {
            keys.push((key(Action::LastGoodRun), format!("run with its last good version, kept {age} ago")));
        }
        keys.push((key(Action::LastGoodCompare), "show what differs between the two".to_owned()));
        keys.push((
            key(Action::LastGoodPutBack),
            "put that version back; this one stays beside it as .broken".to_owned(),
        ));
    }
    let editor = cx.keymap.key_for(&[Context::Everywhere], Action::OpenEditor);
    let way_out = if config.on_last_good {
        format!("go on with the last good version; {} leads back here", key(Action::BrokenPage))
    } else if config.first_run || cx.snapshot.providers.is_empty() {
        format!("go on without it; {editor} opens it from there")
    } else {
        format!("go on with what ran before; {editor} opens it from there")
    };
    keys.push((key(Action::Back), way_out));
    keys.push((key(Action::Quit), "quit: nothing was changed".to_owned()));
    keys
}

fn told(message: &str, remedy: &str) -> String {
    if remedy.is_empty() { message.to_owned() } else { format!("{}. {remedy}", message.trim_end_matches('.')) }
}

/// Columns before what stands under a mark.
const DEEP: usize = 5;
