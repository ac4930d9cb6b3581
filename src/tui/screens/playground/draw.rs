//! The pane with the prompt: fields, editor, and the row that says what would happen.

use super::Playground;
use super::fields::Field;
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// Below this width or height one pane is shown at a time.
pub const TWO_PANES: (u16, u16) = (70, 16);
/// From this many rows on all fields are shown; below, only the one being typed in.
const ALL_FIELDS: u16 = 10;
/// Columns below which the rule is left off.
const SHORTEST_BY: u16 = 12;
/// Columns of a label, its margin included.
const LABEL: u16 = 15;

/// Rows of the prompt pane where both panes are shown. Depends on the height only: nothing moves by typing.
pub fn rows(height: u16) -> u16 {
    let editor = (height.saturating_sub(12) / 3).clamp(2, 12);
    // The rule, three rows of fields, the label, the text, a blank row, what would happen.
    1 + 3 + 1 + editor + 2
}

pub fn draw(screen: &Playground, canvas: &mut Canvas<'_>, area: Rect, focused: bool) {
    if area.height < 3 {
        return;
    }
    let focus = screen.focus.field().filter(|_| focused);
    let bytes = screen.fields.prompt.bytes();
    let mut right = Vec::new();
    right.extend(screen.fields.preset.as_ref().map(|taken| format!("preset {}", taken.preset.name)));
    right.extend((bytes >= 100_000).then(|| crate::present::units::size(bytes as u64)));
    let right = right.join(", ");
    canvas.rule(Rect { height: 1, ..area }, "Prompt", &right, focused);
    let mut y = area.y + 1;
    let last = area.bottom() - 1;
    let roomy = area.height >= ALL_FIELDS;
    if !roomy {
        match focus.filter(|field| *field != Field::Prompt) {
            Some(field) => value(screen, canvas, Rect::new(area.x, y, area.width, 1), field, LABEL, true),
            None => summary(screen, canvas, Rect::new(area.x, y, area.width, 1)),
        }
        y += 1;
    } else if area.width >= TWO_PANES.0 {
        let half = area.width / 2;
        for pair in [&[Field::Target, Field::Type][..], &[Field::System], &[Field::Temperature, Field::MaxTokens]] {
            let wide = if pair.len() == 1 { area.width } else { half };
            for (field, x) in pair.iter().zip([area.x, area.x + half]) {
                let row = Rect::new(x, y, wide.min(area.right() - x), 1);
                value(screen, canvas, row, *field, LABEL, focus == Some(*field));
            }
            y += 1;
        }
    } else {
        for field in Field::ALL.into_iter().filter(|field| *field != Field::Prompt) {
            value(screen, canvas, Rect::new(area.x, y, area.width, 1), field, LABEL, focus == Some(field));
            y += 1;
        }
    }
    let on_prompt = focus == Some(Field::Prompt);
    if roomy {
        label(canvas, area.x, y, Field::Prompt.label(), on_prompt);
        y += 1;
    }
    // A blank row before the last, where there is room for it.
    let text_end = if roomy { last - 1 } else { last };
    let indent = if area.width >= TWO_PANES.0 { 4 } else { 2 };
    let text = Rect::new(area.x + indent, y, area.width.saturating_sub(indent + 1), text_end.saturating_sub(y));
    let position = screen.fields.prompt.position(text.height);
    if roomy && !position.is_empty() {
        canvas.right(area.x + LABEL, area.right().saturating_sub(1), y - 1, &position, Role::Muted);
    }
    if screen.fields.prompt.is_empty() {
        let hint = Field::Prompt.when_empty();
        canvas.text(text.x, text.y, text.width, hint, Role::Muted);
    }
    screen.fields.prompt.draw(canvas, text, on_prompt);
    next(screen, canvas, Rect::new(area.x, last, area.width, 1));
}

fn label(canvas: &mut Canvas<'_>, x: u16, y: u16, label: &str, focused: bool) {
    canvas.text(x, y, 1, if focused { ">" } else { " " }, Role::Accent);
    canvas.text(x + 2, y, LABEL, label, if focused { Role::Title } else { Role::Muted });
}

fn value(screen: &Playground, canvas: &mut Canvas<'_>, row: Rect, field: Field, column: u16, focused: bool) {
    label(canvas, row.x, row.y, field.label(), focused);
    let x = row.x + column;
    let room = row.right().saturating_sub(x + 1);
    let empty = if let Some(line) = screen.fields.line(field) {
        line.draw(canvas, x, row.y, room, focused);
        line.is_empty()
    } else {
        let editor = screen.fields.editor(field);
        let used = canvas.right(x, row.right().saturating_sub(1), row.y, &editor.position(1), Role::Muted);
        let room = if used == 0 { room } else { room.saturating_sub(used + 2) };
        editor.draw(canvas, Rect::new(x, row.y, room, 1), focused);
        editor.is_empty()
    };
    if empty && !focused {
        canvas.text(x, row.y, room, field.when_empty(), Role::Muted);
    }
}

/// The settings in one row, for a small screen.
fn summary(screen: &Playground, canvas: &mut Canvas<'_>, row: Rect) {
    let fields = &screen.fields;
    let mut said = vec![if fields.target.is_empty() { "auto".to_owned() } else { fields.target.value().to_owned() }];
    for (line, name) in
        [(&fields.request_type, ""), (&fields.temperature, "temperature "), (&fields.max_tokens, "max ")]
    {
        if !line.is_empty() {
            said.push(format!("{name}{}", line.value()));
        }
    }
    if !fields.system.is_empty() {
        said.push("own system prompt".into());
    }
    canvas.text(row.x + 2, row.y, row.width.saturating_sub(3), &said.join("  "), Role::Muted);
}

/// What would happen on enter.
fn next(screen: &Playground, canvas: &mut Canvas<'_>, row: Rect) {
    let wide = row.width >= TWO_PANES.0;
    let complaint = screen.fields.complaint();
    let words = screen.preview.words(complaint.as_ref(), screen.fields.prompt.is_empty(), canvas.cx.snapshot);
    canvas.text(row.x + 2, row.y, 5, "Next", Role::Muted);
    let x = row.x + 9;
    let end = row.right().saturating_sub(1);
    if let Some((sentence, role)) = &words.sentence {
        canvas.text(x, row.y, end.saturating_sub(x), sentence, *role);
        return;
    }
    let [long, short] = &words.figures;
    let used = canvas.right(x, end, row.y, if wide { long } else { short }, Role::Plain);
    let room = end.saturating_sub(x + used + 2);
    let used = canvas.text(x, row.y, room, &words.target, Role::Plain);
    // A rule's name of which only the start fits still tells; less than that does not.
    if room >= used + SHORTEST_BY {
        canvas.text(x + used + 1, row.y, room - used - 1, &words.by, Role::Muted);
    }
}
