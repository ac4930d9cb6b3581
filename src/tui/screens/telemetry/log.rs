//! The application log over the screen: what lmdeck itself has to say, newest last; by level and text, following
//! or held.

use super::list::right_pieces;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{Command, LogLine, LogQuery, Reply};
use crate::present::labels::{self, Label};
use crate::present::{escape, text, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::part::{Cx, Effect, Outbox, Part, Ticket};
use crate::tui::theme::Role;
use crate::tui::widgets::filter::{Change, Filter};
use crate::tui::words;
use ratatui::layout::Rect;
use std::cell::Cell;
use std::time::Duration;

/// Lines asked for at once.
const LINES: usize = 500;
/// How often the file is read while the log is open: other processes write to it too.
const POLL: Duration = Duration::from_secs(1);
/// Between a key in the filter and the question.
const TYPING_GAP: Duration = Duration::from_millis(150);
/// Rows that the chosen line may take.
const CHOSEN_ROWS: usize = 4;
/// Columns before a line's text: cursor, time, mark, level.
const TEXT: u16 = 22;

/// The least level shown; empty asks for all lines.
const LEVELS: [(&str, &str); 5] =
    [("", "all"), ("debug", "debug and worse"), ("info", "info and worse"), ("warn", "warnings"), ("error", "errors")];

#[derive(Default)]
pub struct LogView {
    lines: Vec<LogLine>,
    /// The line the cursor is on; following, it is the last.
    place: usize,
    /// Held still, with the number of lines that came since.
    held: Option<usize>,
    level: usize,
    filter: Filter,
    asked: Option<Ticket>,
    /// The question under way is for another level or text.
    stale: bool,
    next: Option<UnixMs>,
    loaded: bool,
    wrong: Option<String>,
    first: Cell<usize>,
    page: Cell<usize>,
}

impl LogView {
    fn ask(&mut self, now: UnixMs, out: &mut Outbox) {
        if self.asked.is_some() {
            return;
        }
        let filter = self.filter.text().trim().to_owned();
        let query = LogQuery { limit: LINES, filter, level: LEVELS[self.level].0.to_owned() };
        self.asked = Some(out.ask(Command::ReadLog { query: Box::new(query) }));
        self.stale = false;
        self.next = Some(now.plus(POLL));
    }

    /// Other lines are wanted now, whatever is held.
    fn ask_anew(&mut self, now: UnixMs, after: Duration) {
        self.stale = self.asked.is_some();
        self.held = None;
        self.next = Some(now.plus(after));
    }

    fn take(&mut self, lines: &[LogLine]) {
        self.loaded = true;
        self.wrong = None;
        if let Some(newer) = &mut self.held {
            // The last held line is looked for from the end; gone, all lines are newer.
            let known = self.lines.last().and_then(|last| lines.iter().rposition(|line| line == last));
            *newer = known.map_or(lines.len(), |place| lines.len() - place - 1);
        } else {
            self.lines = lines.to_vec();
            self.place = self.lines.len().saturating_sub(1);
        }
    }

    fn follow(&mut self, now: UnixMs) {
        self.held = None;
        self.place = self.lines.len().saturating_sub(1);
        self.next = Some(now);
    }

    fn go(&mut self, action: Action) -> bool {
        let (page, last) = (self.page.get().max(1), self.lines.len().saturating_sub(1));
        self.place = match action {
            Action::Down => self.place.saturating_add(1),
            Action::Up => self.place.saturating_sub(1),
            Action::First => 0,
            Action::Last => last,
            Action::PageDown => self.place.saturating_add(page),
            Action::PageUp => self.place.saturating_sub(page),
            // All lines shown are matches.
            Action::NextMatch if self.place == last => 0,
            Action::NextMatch => self.place + 1,
            Action::PreviousMatch => self.place.checked_sub(1).unwrap_or(last),
            _ => return false,
        }
        .min(last);
        // On the last line it goes on following, above it the lines hold still.
        if self.held.is_none() && self.place < last {
            self.held = Some(0);
        }
        true
    }

    fn shown_text(line: &LogLine) -> String {
        let target = if line.target.is_empty() { String::new() } else { format!("{}: ", line.target) };
        escape::line(&format!("{target}{}", line.message)).into_owned()
    }

    fn clipboard(&self) -> String {
        let line = |line: &LogLine| {
            format!("{} {} {}", escape::line(&line.ts), escape::line(&line.level), Self::shown_text(line))
        };
        self.lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn rule(&self, canvas: &mut Canvas<'_>, row: Rect) {
        canvas.rule(row, "Application log", "", true);
        let key = canvas.cx.keymap.key_for(&[Context::AppLog], Action::CallsFollow);
        let state = self.held.map_or_else(|| "following".into(), |newer| format!("held, {newer} newer: {key} follows"));
        let (level, state) = ((format!("level: {}", LEVELS[self.level].1), Role::Plain), (state, Role::Plain));
        let pieces = match (row.width >= 70, self.held) {
            (true, _) => vec![level, state],
            (false, None) => vec![level],
            (false, Some(newer)) => vec![(format!("held, {newer} newer"), Role::Plain)],
        };
        right_pieces(canvas, row, &pieces);
    }

    fn nothing(&self) -> String {
        match &self.wrong {
            Some(wrong) => wrong.clone(),
            None if !self.loaded => "reading the log".into(),
            None if self.filter.is_empty() && self.level == 0 => "Nothing was logged yet.".into(),
            None if self.filter.is_empty() => "No line of this level: l shows others.".into(),
            None => "No line holds this text: esc clears it.".into(),
        }
    }

    fn rows(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let seen = usize::from(area.height);
        self.page.set(seen.max(1));
        let room = usize::from(area.width.saturating_sub(TEXT + 1));
        let whole = |line: &LogLine| {
            let mut rows = text::wrap(&Self::shown_text(line), room);
            rows.truncate(CHOSEN_ROWS);
            rows
        };
        let chosen = self.lines.get(self.place).map(whole).unwrap_or_default();
        let extra = chosen.len().saturating_sub(1);
        let first = self.window(seen.saturating_sub(extra));
        let mut y = area.y;
        for (n, line) in self.lines.iter().enumerate().skip(first) {
            if y >= area.bottom() {
                return;
            }
            let label = level(&line.level);
            canvas.text(area.x + 2, y, 8, &clock(line), Role::Muted);
            canvas.text(area.x + 11, y, 4, label.mark, words::role(label.role));
            canvas.text(area.x + 16, y, 5, &label.word, Role::Plain);
            let start = y;
            if n == self.place {
                canvas.text(area.x, y, 1, ">", Role::Plain);
                for row in chosen.iter().take(usize::from(area.bottom() - y)) {
                    canvas.text(area.x + TEXT, y, area.width.saturating_sub(TEXT + 1), row, Role::Plain);
                    y += 1;
                }
                y = y.max(start + 1);
                canvas.select(Rect::new(area.x, start, area.width, y - start), area.x + 11..area.x + 15);
            } else {
                canvas.text(
                    area.x + TEXT,
                    y,
                    area.width.saturating_sub(TEXT + 1),
                    &Self::shown_text(line),
                    Role::Plain,
                );
                y += 1;
            }
        }
    }

    /// The first line to draw so that the chosen one is among `rows`.
    fn window(&self, rows: usize) -> usize {
        let rows = rows.max(1);
        let most = (self.lines.len()).saturating_sub(rows);
        let mut first = self.first.get().min(most);
        if self.place < first {
            first = self.place;
        } else if self.place >= first + rows {
            first = self.place + 1 - rows;
        }
        self.first.set(first);
        first
    }
}

/// Local time of a line; what has no readable one is told as it stands.
fn clock(line: &LogLine) -> String {
    units::clock_of(&line.ts).unwrap_or_else(|| line.ts.clone())
}

fn level(word: &str) -> Label {
    let (mark, role) = match word {
        "error" => (labels::FAIL, labels::Role::Bad),
        "warn" => (labels::CARE, labels::Role::Warn),
        _ => ("    ", labels::Role::Muted),
    };
    let word = if word.is_empty() { units::MISSING.to_owned() } else { word.to_owned() };
    Label { mark, word: word.into(), role }
}

impl Part for LogView {
    fn contexts(&self) -> &'static [Context] {
        &[Context::AppLog, Context::List]
    }

    fn filter(&self) -> Option<&Filter> {
        Some(&self.filter)
    }

    fn filter_mut(&mut self) -> Option<&mut Filter> {
        Some(&mut self.filter)
    }

    fn filtered(&mut self, change: Change, cx: &Cx<'_>, _: &mut Outbox) {
        if change == Change::Text {
            self.ask_anew(cx.now, if self.filter.is_open() { TYPING_GAP } else { Duration::ZERO });
        }
    }

    fn why_not(&self, action: Action, _: &Cx<'_>) -> Option<String> {
        (action == Action::Copy && self.lines.is_empty()).then(|| "there is no line to copy".into())
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::Back => out.push(Effect::Close),
            Action::LogLevel => {
                self.level = (self.level + 1) % LEVELS.len();
                self.ask_anew(cx.now, Duration::ZERO);
            }
            Action::CallsFollow if self.held.is_some() => self.follow(cx.now),
            Action::CallsFollow => self.held = Some(0),
            Action::Copy => out.push(Effect::Copy(self.clipboard(), "the log was")),
            _ => return self.go(action),
        }
        true
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, out: &mut Outbox) {
        if self.asked.take_if(|asked| *asked == ticket).is_none() {
            return;
        }
        if self.stale {
            return self.ask(cx.now, out);
        }
        match reply {
            Reply::Log(lines) => self.take(lines),
            Reply::Refused(refusal) => {
                self.wrong = Some(format!("{}. {}", refusal.message.trim_end_matches('.'), refusal.remedy));
                self.lines.clear();
            }
            _ => {}
        }
    }

    fn shown(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.ask(cx.now, out);
    }

    fn deadline(&self) -> Option<UnixMs> {
        self.next.filter(|_| self.asked.is_none())
    }

    fn wake(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.ask(cx.now, out);
    }

    fn about(&self) -> &'static str {
        "What lmdeck itself has to say, newest last. Calls are not in it: they are in the list."
    }

    fn plain(&self, _: &Cx<'_>) -> Vec<String> {
        let mut lines = vec![format!("Application log, level {}.", LEVELS[self.level].1)];
        if self.lines.is_empty() {
            lines.push(escape::line(&self.nothing()).into_owned());
        }
        let last = self.lines.len().saturating_sub(20);
        let told = |line: &LogLine| format!("{} {}: {}", clock(line), level(&line.level).word, Self::shown_text(line));
        lines.extend(self.lines[last..].iter().map(|line| escape::line(&told(line)).into_owned()));
        lines
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        self.rule(canvas, Rect { height: 1, ..area });
        let mut y = area.y + 1;
        y += self.filter.draw(canvas, Rect::new(area.x, y, area.width, area.bottom().saturating_sub(y)), "");
        if y >= area.bottom() {
            return;
        }
        if self.lines.is_empty() {
            let said = escape::line(&self.nothing()).into_owned();
            for (line, y) in
                text::wrap(&said, usize::from(area.width.saturating_sub(4))).iter().zip(y + 1..area.bottom())
            {
                canvas.text(area.x + 2, y, area.width.saturating_sub(3), line, Role::Muted);
            }
            return;
        }
        self.rows(canvas, Rect::new(area.x, y, area.width, area.bottom() - y));
    }
}
