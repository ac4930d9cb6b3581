//! The editor of a rule on the screen: beside the rules where there is room, else over them.

use super::RuleEditor;
use super::completion::{Completion, MOST};
use super::fields::Field;
use crate::domain::config::{Issue, Severity};
use crate::domain::routing::Explanation;
use crate::engine::protocol::WhatIf;
use crate::present::{escape, labels, routes, text, units};
use crate::tui::canvas::Canvas;
use crate::tui::part::Cx;
use crate::tui::screens::routing::{LEFT, tryout};
use crate::tui::theme::Role;
use crate::tui::widgets::line::Line;
use crate::tui::widgets::lines::{Lines, Piece};
use ratatui::layout::Rect;

/// Columns of a label with the mark before it.
const LABEL: u16 = 13;
/// From this height on the sentence about the condition has two rows.
const ROOMY: u16 = 18;
/// Columns of the list of names.
const NAMES: u16 = 58;

const ROWS: [&[Field]; 9] = [
    &[Field::Name],
    &[Field::Priority, Field::Mode, Field::Enabled],
    &[Field::When],
    &[Field::Use],
    &[Field::Fallback, Field::LocalOnly],
    &[Field::Deny],
    &[Field::Most, Field::Temperature, Field::Timeout],
    &[Field::System],
    &[],
];

impl RuleEditor {
    pub(super) fn draw_editor(&self, canvas: &mut Canvas<'_>, whole: Rect) {
        let area = if whole.width >= super::super::TWO_PANES {
            let x = whole.x + LEFT + 1;
            canvas.joint(x - 1, whole.y, false);
            Rect { x, width: whole.right().saturating_sub(x), ..whole }
        } else {
            whole
        };
        canvas.clear(area);
        canvas.rule(Rect { height: 1, ..area }, &self.title(), &self.status(), true);
        let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        let rows = Self::rows(body.width, body.height >= ROOMY);
        let focus = rows.iter().position(|row| matches!(row, Row::Fields(all) if all.contains(&self.focus)));
        // A low screen keeps the focused field in sight, with what is wrong below it.
        let shown = rows.len().min(usize::from(body.height));
        let first = (focus.unwrap_or(0) + 3).saturating_sub(shown).min(rows.len() - shown);
        let mut box_at = None;
        for (row, y) in rows.iter().skip(first).take(shown).zip(body.top()..) {
            let place = Rect { y, height: 1, ..body };
            match row {
                Row::Fields(fields) => self.draw_row(canvas, place, fields),
                Row::Marks => self.draw_marks(canvas, place),
                Row::Verdict(line) => self.draw_verdict(canvas, place, *line),
                Row::Said => self.draw_said(canvas, place),
            }
            if matches!(row, Row::Verdict(0)) {
                box_at = Some(y + 1);
            }
        }
        let used = u16::try_from(shown).unwrap_or(body.height);
        if used + 1 < body.height {
            let rest = Rect::new(
                body.x + 2,
                body.y + used + 1,
                body.width.saturating_sub(3),
                body.height.saturating_sub(used + 1),
            );
            let tested = self.tested(canvas.cx, usize::from(rest.width), usize::from(rest.height));
            self.scroll.draw(&tested, canvas, rest);
        }
        if let (Some(completion), Some(y)) = (&self.completion, box_at) {
            self.draw_names(canvas, body, y, completion);
        }
    }

    fn status(&self) -> String {
        let modified = if self.modified() { "Modified" } else { "Not modified" };
        let errors = u64::from(self.complaint.is_some()) + u64::from(self.slip().is_some());
        if errors == 0 {
            modified.to_owned()
        } else {
            format!("{modified}, {}", units::count(errors, "error", "errors"))
        }
    }

    fn rows(width: u16, roomy: bool) -> Vec<Row> {
        let narrow = width < 58;
        let mut rows = Vec::new();
        for fields in ROWS.iter().filter(|fields| !fields.is_empty()) {
            if narrow {
                rows.extend(fields.iter().map(|field| Row::Fields(vec![*field])));
            } else {
                rows.push(Row::Fields(fields.to_vec()));
            }
            // The rows for what is wrong are there before it is: nothing jumps.
            if fields.contains(&Field::When) {
                rows.extend([Row::Marks, Row::Verdict(0)]);
                rows.extend(roomy.then_some(Row::Verdict(1)));
            }
        }
        rows.push(Row::Said);
        rows
    }

    fn draw_row(&self, canvas: &mut Canvas<'_>, row: Rect, fields: &[Field]) {
        let share = row.width / u16::try_from(fields.len()).unwrap_or(1).max(1);
        for (field, place) in fields.iter().zip(0u16..) {
            let wide = if fields.len() == 1 { row.width } else { share };
            self.draw_field(canvas, Rect { x: row.x + place * share, width: wide, ..row }, *field);
        }
    }

    /// The place for the value of a field that stands alone in its row.
    fn value_place(row: Rect) -> (u16, u16) {
        let x = row.x + LABEL;
        (x, row.right().saturating_sub(x + 1))
    }

    fn draw_field(&self, canvas: &mut Canvas<'_>, row: Rect, field: Field) {
        let focused = field == self.focus;
        canvas.text(row.x, row.y, 1, if focused { ">" } else { " " }, Role::Accent);
        let role = if focused { Role::Title } else { Role::Plain };
        canvas.text(row.x + 2, row.y, LABEL - 2, field.label(), role);
        let (x, room) = Self::value_place(row);
        let words = (field.empty(), self.fields.text(field));
        Line::draw_field(self.fields.line(field), words, canvas, (x, row.y, room), focused);
    }

    /// The marks under the very columns of what is wrong.
    fn draw_marks(&self, canvas: &mut Canvas<'_>, row: Rect) {
        let Some(slip) = self.slip() else { return };
        let (x, room) = Self::value_place(row);
        let value = self.fields.when.value();
        let columns = |count: usize| text::width(&value.chars().take(count).collect::<String>());
        let scrolled = if self.focus == Field::When { self.fields.when.scrolled(room) } else { 0 };
        let (start, end) = (columns(slip.at), columns(slip.at + slip.length).max(columns(slip.at) + 1));
        let start = start.saturating_sub(scrolled).min(usize::from(room.saturating_sub(1)));
        let end = end.saturating_sub(scrolled).clamp(start + 1, usize::from(room).max(start + 1));
        let at = x + u16::try_from(start).unwrap_or(0);
        canvas.text(at, row.y, room, &"^".repeat(end - start), Role::Bad);
    }

    fn draw_verdict(&self, canvas: &mut Canvas<'_>, row: Rect, line: usize) {
        // From the labels' column: the sentence is longer than its mark.
        let (x, room) = (row.x + 2, row.width.saturating_sub(3));
        let (mark, said, role) = match (self.slip().map(routes::slip), self.reads()) {
            (Some(said), _) => ("[x] ", said, Role::Plain),
            (None, Some(said)) => ("", said, Role::Muted),
            (None, None) => return,
        };
        let indent = u16::try_from(mark.len()).unwrap_or(0);
        let wrapped = text::wrap(&escape::line(&said), usize::from(room.saturating_sub(indent)).max(1));
        if line == 0 {
            canvas.text(x, row.y, indent, mark, Role::Bad);
        }
        if let Some(said) = wrapped.get(line) {
            canvas.text(x + indent, row.y, room.saturating_sub(indent), said, role);
        }
    }

    /// `reads request.prompt_tokens (a whole number)`.
    fn reads(&self) -> Option<String> {
        let (_, check) = self.checked.as_ref().filter(|(text, check)| {
            check.slip.is_none() && !check.reads.is_empty() && text == self.fields.when.value()
        })?;
        let facts: Vec<String> = check.reads.iter().map(|(fact, kind)| format!("{fact} ({kind})")).collect();
        Some(format!("reads {}", facts.join(", ")))
    }

    /// What is wrong with a field, else what the focused one is for.
    fn draw_said(&self, canvas: &mut Canvas<'_>, row: Rect) {
        let (x, room) = (row.x + 2, row.width.saturating_sub(3));
        if let Some((_, said)) = &self.complaint {
            canvas.spans(x, row.y, room, &[("[x] ", Role::Bad), (said.as_str(), Role::Plain)]);
        } else {
            let said = format!("{}: {}", self.focus.label().trim_end_matches(" *"), self.focus.help());
            canvas.text(x, row.y, room, &said, Role::Muted);
        }
    }

    fn draw_names(&self, canvas: &mut Canvas<'_>, body: Rect, y: u16, completion: &Completion) {
        let rows = completion.names.len().min(MOST);
        let height = u16::try_from(rows + 2).unwrap_or(2).min(body.bottom().saturating_sub(y));
        let width = NAMES.min(body.width.saturating_sub(2));
        let (x, room) = Self::value_place(body);
        let typed = self.fields.when.cursor_column().saturating_sub(self.fields.when.scrolled(room));
        let wanted = x + u16::try_from(typed.saturating_sub(completion.typed)).unwrap_or(0);
        let x = wanted.min(body.right().saturating_sub(width + 1)).max(body.x);
        let frame = Rect::new(x, y, width, height);
        canvas.clear(frame);
        let title = format!("{} of {}, tab takes", completion.chosen + 1, completion.names.len());
        canvas.frame(frame, &title);
        let first = completion.first();
        let names = completion.names.iter().enumerate().skip(first).take(rows);
        for ((place, name), y) in names.zip(frame.y + 1..frame.bottom().saturating_sub(1)) {
            let chosen = place == completion.chosen;
            canvas.text(x + 1, y, 1, if chosen { ">" } else { " " }, Role::Plain);
            let inner = width.saturating_sub(5);
            let name_wide = 26.min(inner);
            canvas.text(x + 3, y, name_wide, &name.text, Role::Plain);
            canvas.text(x + 4 + name_wide, y, inner.saturating_sub(name_wide + 1), &name.about, Role::Muted);
            if chosen {
                canvas.select(Rect::new(x + 1, y, width.saturating_sub(2), 1), 0..0);
            }
        }
    }

    /// The tester, and what is odd about the edited rules.
    fn tested(&self, cx: &Cx<'_>, width: usize, height: usize) -> Lines {
        let mut lines = Lines::new(width);
        let key = cx.keymap.key_for(&[crate::tui::keymap::Context::Rule], crate::tui::action::Action::RuleSample);
        let sample = format!("{}; {key}: another", self.tried.summary());
        let room = width.saturating_sub(8);
        lines.split(
            &[Piece::new("Try it", Role::Title)],
            &[Piece::new(&text::truncate(&escape::line(&sample), room), Role::Muted)],
        );
        let Some((facts, found)) = self.tester.shown() else {
            let said = self.tester.stale().unwrap_or("Asking where it would go.");
            lines.wrapped(2, said, Role::Muted);
            return lines;
        };
        self.compared(found, &mut lines);
        let roomy = height >= 16;
        if !roomy {
            lines.blank();
            lint(&found.issues, &mut lines);
            return lines;
        }
        lines.blank();
        let wide = width >= 61;
        tryout::rules(&found.edited, &mut lines, wide);
        lint(&found.issues, &mut lines);
        if !found.issues.is_empty() {
            lines.blank();
        }
        tryout::chain(cx.snapshot, facts, &found.edited, &mut lines, wide);
        tryout::left_out(&found.edited, &mut lines, wide);
        lines
    }

    /// Where it goes by the rules as saved, and as edited.
    fn compared(&self, found: &WhatIf, lines: &mut Lines) {
        let same = goes(&found.saved) == goes(&found.edited);
        let last_good = if self.tester.stale().is_some() { "   last good" } else { "" };
        let row = |label: &str, explanation: &Explanation, role: Role, end: &str| {
            [
                Piece::new(&text::pad_right(label, 12), Role::Muted),
                Piece::new(&goes(explanation), role),
                Piece::new(end, Role::Warn),
            ]
        };
        lines.put(2, &row("as saved", &found.saved, Role::Plain, ""));
        let role = if same { Role::Plain } else { Role::Accent };
        lines.put(2, &row("as edited", &found.edited, role, last_good));
    }

    pub(super) fn plain_lines(&self) -> Vec<String> {
        let place = Field::ALL.iter().position(|field| *field == self.focus).unwrap_or(0) + 1;
        let label = self.focus.label().trim_end_matches(" *");
        let value = self.fields.text(self.focus);
        let value = if value.is_empty() { self.focus.empty() } else { value };
        let mut lines = vec![format!("{}, field {place} of {}, {label}: {value}.", self.title(), Field::ALL.len())];
        if let Some((field, said)) = &self.complaint {
            lines.push(format!("{}: error: {said}.", field.label().trim_end_matches(" *")));
        }
        if let Some(slip) = self.slip() {
            lines.push(format!("When: error in {}.", routes::slip(slip)));
        } else if let Some(reads) = self.reads() {
            lines.push(format!("When: {reads}."));
        }
        if let Some((_, found)) = self.tester.shown() {
            let last_good = if self.tester.stale().is_some() { "Last good version: " } else { "" };
            lines.push(format!(
                "{last_good}{} would go to {}, as before {}.",
                self.tried.summary(),
                goes(&found.edited),
                goes(&found.saved)
            ));
            lines.extend(found.issues.iter().map(|issue| format!("Lint: {}. {}", issue.message, issue.remedy)));
        }
        if let Some(completion) = &self.completion {
            let total = completion.names.len();
            let line = |(place, name): (usize, &super::completion::Name)| {
                format!("Names, {} of {total}: {}, {}", place + 1, name.text, name.about)
            };
            lines.extend(completion.names.iter().enumerate().skip(completion.first()).take(MOST).map(line));
        }
        lines
    }
}

/// One row of the editor.
enum Row {
    Fields(Vec<Field>),
    Marks,
    /// A line of the sentence about the condition.
    Verdict(usize),
    Said,
}

/// `zai/glm-4.6 by policy long-prompts`; what refuses it, or that nobody takes it.
fn goes(explanation: &Explanation) -> String {
    let decision = &explanation.decision;
    let by = crate::present::routes::decided_by(&decision.by);
    match (&decision.denied, decision.chain.first()) {
        (Some(_), _) => format!("denied by {by}"),
        (None, Some(first)) => format!("{} by {by}", first.target),
        (None, None) => format!("nobody can take it, by {by}"),
    }
}

fn lint(issues: &[Issue], lines: &mut Lines) {
    if issues.is_empty() {
        return;
    }
    lines.title(&format!("Lint {}", issues.len()));
    for issue in issues {
        let (mark, role) = match issue.severity {
            Severity::Error => (labels::FAIL, Role::Bad),
            _ => ("[!] ", Role::Warn),
        };
        let said = crate::tui::layers::saving::with_remedy(&issue.message, &issue.remedy);
        lines.marked(mark, role, &said);
    }
}
