//! The last row: the keys that work here, the main act first, help always at the far right.

use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::app::keys::JUMP;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

struct Hint {
    key: String,
    word: String,
    works: bool,
    keep: bool,
}

impl Hint {
    fn wide(&self) -> u16 {
        u16::try_from(self.key.chars().count() + 1 + self.word.chars().count()).unwrap_or(u16::MAX)
    }
}

/// Between two hints.
const GAP: u16 = 2;

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, row: Rect) {
    let contexts = app.contexts();
    let help_key = app.keymap.key_for(&contexts, Action::Help);
    let help = Hint { key: help_key, word: "help".into(), works: true, keep: true };
    let mut hints = match app.prefix {
        Some(_) => continuations(app),
        None if app.jumping => letters(app),
        None => hints(app, &contexts),
    };
    let room = row.width.saturating_sub(help.wide() + 1);
    if app.prefix.is_some() && needed(&hints) > room {
        follow(canvas, row, &hints);
        hints.clear();
    }
    if needed(&hints) > room {
        for hint in &mut hints {
            hint.word = shorter(&hint.word).to_owned();
        }
    }
    while needed(&hints) > room && hints.len() > 1 {
        let last = hints.iter().rposition(|hint| !hint.keep).unwrap_or(hints.len() - 1);
        hints.remove(last);
    }
    let mut x = row.x + 1;
    for hint in &hints {
        let left = (row.x + room).saturating_sub(x);
        x += put(canvas, x, row.y, left, hint) + GAP;
    }
    let start = row.right().saturating_sub(help.wide() + 1);
    put(canvas, start, row.y, help.wide(), &help);
}

/// A word that says the same in less room.
fn shorter(word: &str) -> &str {
    match word {
        "commands" => "more",
        "details" => "open",
        "probe now" => "probe",
        "next failed" | "next problem" => "next",
        "copy report" => "copy",
        "copy command" => "command",
        "add order" => "add",
        "show change" => "change",
        word => word,
    }
}

fn needed(hints: &[Hint]) -> u16 {
    hints.iter().fold(1, |sum, hint| sum.saturating_add(hint.wide() + GAP))
}

/// What may follow a first key, one a row above the footer, where one row has no room for all.
fn follow(canvas: &mut Canvas<'_>, footer: Rect, hints: &[Hint]) {
    let rows = u16::try_from(hints.len()).unwrap_or(u16::MAX).min(footer.y.saturating_sub(2));
    let top = footer.y.saturating_sub(rows + 1);
    canvas.clear(Rect { y: top, height: rows + 1, ..footer });
    canvas.rule(Rect { y: top, height: 1, ..footer }, "What may follow", "", true);
    for (hint, y) in hints.iter().zip(top + 1..footer.y) {
        put(canvas, footer.x + 2, y, footer.width.saturating_sub(3), hint);
    }
}

fn put(canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, hint: &Hint) -> u16 {
    let (key, word) = if hint.works { (Role::Accent, Role::Plain) } else { (Role::Muted, Role::Muted) };
    canvas.spans(x, y, width, &[(&hint.key, key), (" ", word), (&hint.word, word)])
}

fn hints(app: &App, contexts: &[Context]) -> Vec<Hint> {
    contexts
        .iter()
        .flat_map(|context| app.keymap.of(*context))
        .filter(|bound| !bound.entry.footer.is_empty())
        .map(|bound| Hint {
            key: bound.key(),
            word: bound.entry.footer.to_owned(),
            works: app.why_not(bound.entry.action).is_none(),
            keep: bound.entry.keep,
        })
        .collect()
}

/// What may follow the first of two keys.
fn continuations(app: &App) -> Vec<Hint> {
    let contexts = app.contexts();
    contexts
        .iter()
        .flat_map(|context| app.keymap.of(*context))
        .filter(|bound| bound.chords.iter().any(|chord| chord.0.len() == 2 && chord.0.first() == app.prefix.as_ref()))
        .map(|bound| Hint {
            key: bound.key(),
            word: bound.entry.about.to_owned(),
            works: app.why_not(bound.entry.action).is_none(),
            keep: false,
        })
        .collect()
}

/// The letters of the panes.
fn letters(app: &App) -> Vec<Hint> {
    let panes = JUMP.iter().zip(app.top().panes());
    let pane = |(letter, name): (&char, &&str)| Hint {
        key: letter.to_string(),
        word: (*name).to_owned(),
        works: true,
        keep: true,
    };
    let tabs = Hint { key: "1 to 5".into(), word: "tabs".into(), works: true, keep: false };
    panes.map(pane).chain([tabs]).collect()
}
