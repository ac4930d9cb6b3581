//! The form on the screen: beside the list where there is room, else over it.

use super::{First, ProviderForm};
use crate::present::remedy::Subject;
use crate::present::tips::{Field, tips};
use crate::present::{text, units};
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;
use crate::tui::widgets::lines::{Lines, Piece};
use crate::tui::widgets::test::ConnectionTest;
use ratatui::layout::Rect;

/// Columns of the list that stays in view.
const LIST: u16 = 38;
/// The widest a form gets.
const WIDEST: u16 = 120;
/// Labels and the mark before them.
const LABEL: u16 = 13;

/// Rows of help where the form has no room to spare, and what must be left below the fields for them.
const HELP_ROWS: usize = 3;
const ROOM_FOR_HELP: u16 = 8;

/// Whether the list fits beside the form.
pub fn beside(area: Rect) -> bool {
    area.width >= 100
}

enum Row {
    Field(Field),
    Complaint(Field),
}

impl ProviderForm {
    pub(super) fn draw_form(&self, canvas: &mut Canvas<'_>, whole: Rect) {
        let area = if self.first != First::Alone && beside(whole) {
            let right = Rect { x: whole.x + LIST + 1, width: whole.width - LIST - 1, ..whole };
            canvas.clear(right);
            canvas.joint(whole.x + LIST, whole.y, false);
            canvas.divider(whole.x + LIST, whole.y + 1..whole.bottom());
            right
        } else {
            canvas.clear(whole);
            // Further apart, a field and its remark are no longer read together.
            Rect { width: whole.width.min(WIDEST), ..whole }
        };
        canvas.rule(Rect { height: 1, width: whole.right() - area.x, ..area }, &self.title(), &self.status(), true);
        let roomy = area.height >= 30;
        let rows = self.rows(roomy);
        let most = usize::from(area.height.saturating_sub(1));
        // The rest gets what the fields leave, but never so little that the focused field is out of sight.
        let shown = rows.len().min(most);
        let focus = rows.iter().position(|row| matches!(row, Row::Field(field) if *field == self.focus)).unwrap_or(0);
        let first = if focus + 2 > shown { (focus + 2 - shown).min(rows.len() - shown) } else { 0 };
        let mut y = area.y + 1;
        for row in rows.iter().skip(first).take(shown) {
            match row {
                Row::Field(field) => self.field(canvas, Rect::new(area.x, y, area.width, 1), *field),
                Row::Complaint(field) => self.complaint(canvas, Rect::new(area.x, y, area.width, 1), *field),
            }
            y += 1;
        }
        if y + 1 < area.bottom() {
            let rest = Rect::new(area.x + 2, y + 1, area.width.saturating_sub(4), area.bottom() - y - 1);
            self.rest(canvas, rest, roomy);
        }
    }

    fn title(&self) -> String {
        self.own.as_ref().map_or_else(|| "New provider".to_owned(), |id| format!("Edit {id}"))
    }

    fn status(&self) -> String {
        let modified = match (self.modified(), self.own.is_none() && self.address_typed) {
            (true, _) => "Modified",
            (false, true) => "Not saved",
            (false, false) => "Not modified",
        };
        match self.complaints.len() {
            0 => modified.to_owned(),
            count => format!("{modified}, {}", units::count(count as u64, "error", "errors")),
        }
    }

    /// With room, the row for a complaint is there before the complaint: nothing jumps.
    fn rows(&self, roomy: bool) -> Vec<Row> {
        let mut rows = Vec::new();
        for field in Field::ALL {
            rows.push(Row::Field(field));
            let can_complain = matches!(field, Field::Id | Field::Address | Field::Key);
            if self.complaints.contains_key(&field) || (roomy && can_complain) {
                rows.push(Row::Complaint(field));
            }
        }
        rows
    }

    fn field(&self, canvas: &mut Canvas<'_>, row: Rect, field: Field) {
        let focused = field == self.focus;
        let label = format!("{}{}", field.label(), if needed(field) { " *" } else { "" });
        canvas.text(row.x, row.y, 1, if focused { ">" } else { " " }, Role::Accent);
        canvas.text(row.x + 2, row.y, LABEL - 2, &label, if focused { Role::Title } else { Role::Plain });
        let x = row.x + LABEL + 1;
        let room = row.right().saturating_sub(x + 1);
        let remark = self.remarks.get(&field).map_or(field.hint(), String::as_str);
        let remark_wide = u16::try_from(text::width(remark)).unwrap_or(u16::MAX);
        // What was typed comes first: a remark that would cut it is left out.
        let value_wide = u16::try_from(text::width(&self.value(field)) + 2).unwrap_or(u16::MAX);
        let remark_fits =
            !remark.is_empty() && room >= remark_wide.saturating_add(value_wide.max(22)).saturating_add(2);
        let value_room = if remark_fits { room - remark_wide - 2 } else { room };
        if remark_fits {
            canvas.right(x, row.right().saturating_sub(1), row.y, remark, Role::Muted);
        }
        match field {
            Field::Kind => {
                let word = self.fields.kind.label();
                canvas.spans(x, row.y, value_room, &[("< ", Role::Accent), (word, Role::Plain), (" >", Role::Accent)]);
                canvas.right(x, row.right().saturating_sub(1), row.y, self.fields.kind.word(), Role::Muted);
            }
            Field::Local => choice(canvas, x, row.y, self.fields.local),
            Field::Enabled => choice(canvas, x, row.y, self.fields.enabled),
            Field::Key => {
                let shown = self.fields.key_shown();
                let role = if self.fields.key.is_some() { Role::Plain } else { Role::Muted };
                let used = canvas.text(x, row.y, value_room, &shown, role);
                if focused {
                    let typed = self.fields.key.as_ref().is_some_and(|line| !line.is_empty());
                    canvas.cursor(x + if typed { used.min(value_room.saturating_sub(1)) } else { 0 }, row.y);
                }
            }
            Field::Id => self.fields.id.draw(canvas, x, row.y, value_room, focused),
            Field::Name => self.fields.name.draw(canvas, x, row.y, value_room, focused),
            Field::Address => self.fields.address.draw(canvas, x, row.y, value_room, focused),
            Field::Models => self.fields.models.draw(canvas, x, row.y, value_room, focused),
        }
        if focused && matches!(field, Field::Kind | Field::Local | Field::Enabled) {
            canvas.cursor(x, row.y);
        }
    }

    fn complaint(&self, canvas: &mut Canvas<'_>, row: Rect, field: Field) {
        let Some(complaint) = self.complaints.get(&field) else { return };
        let x = row.x + LABEL + 1;
        let room = row.right().saturating_sub(x + 1);
        canvas.spans(x, row.y, room, &[("[x] ", Role::Bad), (complaint, Role::Plain)]);
    }

    /// What belongs into the field under the cursor; in its place what is wrong there, where its row cuts that.
    fn help(&self, width: usize) -> &str {
        const MARK_AND_EDGES: usize = 7;
        let room = width.saturating_sub(usize::from(LABEL) + MARK_AND_EDGES);
        let complaint = self.complaints.get(&self.focus).filter(|complaint| text::width(complaint) > room);
        complaint.map_or(self.focus.help(), String::as_str)
    }

    fn rest(&self, canvas: &mut Canvas<'_>, area: Rect, roomy: bool) {
        let mut lines = Lines::new(usize::from(area.width));
        if roomy {
            lines.title(self.focus.label());
            let help = text::wrap(self.help(lines.width()), lines.width().saturating_sub(2));
            for place in 0..3 {
                lines.put(2, &[Piece::plain(help.get(place).map_or("", String::as_str))]);
            }
        } else {
            let help = format!("{}: {}", self.focus.label(), self.help(lines.width()));
            let most = if area.height >= ROOM_FOR_HELP { HELP_ROWS } else { 1 };
            let wrapped = text::wrap(&help, lines.width());
            // Always as many rows, so that nothing below moves from field to field.
            for place in 0..most {
                let line = wrapped.get(place).map_or("", String::as_str);
                let cut = place + 1 == most && wrapped.len() > most;
                let whole = if cut { format!("{line} {}", wrapped[most]) } else { line.to_owned() };
                lines.put(0, &[Piece::plain(&text::truncate(&whole, lines.width()))]);
            }
        }
        lines.blank();
        let status = self.test.status(canvas);
        lines.split(&[Piece::new("Connection", Role::Title)], &[Piece::new(&status, Role::Muted)]);
        let (endpoint, key) = (self.endpoint(), self.key_source());
        let subject = Subject::draft(self.fields.kind, &endpoint, &key);
        if roomy {
            self.test.steps(&mut lines);
            lines.blank();
        } else {
            self.test.folded(&mut lines);
        }
        if let Some(kind) = self.other_kind() {
            lines.wrapped(4, &format!("ctrl-g takes it as {}.", kind.label()), Role::Plain);
        }
        self.test.advice(&subject, &mut lines);
        if let Some(written) = self.written(canvas) {
            lines.blank();
            lines.put(0, &[Piece::new(&written, Role::Muted)]);
        }
        if roomy || matches!(self.test, ConnectionTest::NotRun) {
            lines.blank();
            lines.title(&format!("Tips for {}", self.fields.kind.label()));
            for tip in tips(self.fields.kind) {
                lines.labelled(&format!("  {}", tip.label), 11, tip.text);
            }
        }
        self.scroll.draw(&lines, canvas, area);
    }

    /// `Will write to ai_models.yaml, section providers, 6 lines; ctrl-o shows`.
    fn written(&self, canvas: &Canvas<'_>) -> Option<String> {
        if !self.modified() && (self.own.is_some() || !self.address_typed) {
            return None;
        }
        let config = &canvas.cx.snapshot.config;
        let file = config.file.as_deref().unwrap_or(&config.would_write);
        let name = file.rsplit('/').next().unwrap_or(file);
        Some(match &self.extent {
            Some(report) => format!(
                "Will write to {name}, section {}, {}; ctrl-o shows",
                report.section,
                units::count(report.lines_changed as u64, "line", "lines")
            ),
            None => format!("ctrl-s writes it to {name}; ctrl-o shows the change first"),
        })
    }

    /// A field's value as it is shown.
    fn value(&self, field: Field) -> String {
        match field {
            Field::Kind => self.fields.kind.label().to_owned(),
            Field::Id => self.fields.id.value().to_owned(),
            Field::Name => self.fields.name.value().to_owned(),
            Field::Address => self.fields.address.value().to_owned(),
            Field::Models => self.fields.models.value().to_owned(),
            Field::Key => self.fields.key_shown(),
            Field::Local => yes_no(self.fields.local).to_owned(),
            Field::Enabled => yes_no(self.fields.enabled).to_owned(),
        }
    }

    pub(super) fn plain_lines(&self) -> Vec<String> {
        let place = Field::ALL.iter().position(|field| *field == self.focus).unwrap_or(0);
        let value = self.value(self.focus);
        let value = if value.is_empty() { "empty" } else { &value };
        let needed = if needed(self.focus) { ", required" } else { "" };
        let error = self.complaints.get(&self.focus).map(|text| format!(" Error: {text}")).unwrap_or_default();
        let mut lines = vec![format!(
            "{}, field {} of {}, {}{needed}: {value}.{error}",
            self.title(),
            place + 1,
            Field::ALL.len(),
            self.focus.label()
        )];
        lines.extend(self.test.told());
        let (endpoint, key) = (self.endpoint(), self.key_source());
        let subject = Subject::draft(self.fields.kind, &endpoint, &key);
        lines.extend(self.test.remedies(&subject).into_iter().map(|remedy| remedy.text()));
        lines
    }
}

fn needed(field: Field) -> bool {
    matches!(field, Field::Kind | Field::Id | Field::Address)
}

fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn choice(canvas: &mut Canvas<'_>, x: u16, y: u16, value: bool) {
    canvas.spans(x, y, 12, &[("< ", Role::Accent), (yes_no(value), Role::Plain), (" >", Role::Accent)]);
}
