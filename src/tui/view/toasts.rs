//! Messages over the lower right of the screen; at the top right when they would cover the selected row.

use crate::present::{labels, text};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::notes::Note;
use crate::tui::theme::Role;
use crate::tui::words;
use ratatui::layout::Rect;

/// The widest a message gets.
const WIDEST: u16 = 72;
/// Rows of one message.
const ROWS: usize = 3;

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, body: Rect) {
    let width = WIDEST.min(body.width.saturating_sub(4));
    let more = canvas.cx.keymap.key_for(&[Context::Everywhere], Action::Messages);
    let blocks: Vec<(&Note, Vec<String>)> = app.notes.shown().map(|note| (note, lines(note, width, &more))).collect();
    let rows = blocks.iter().map(|(_, lines)| lines.len()).sum::<usize>();
    let rows = u16::try_from(rows).unwrap_or(u16::MAX).min(body.height.saturating_sub(2));
    if rows == 0 || width < 12 {
        return;
    }
    let widest = blocks.iter().flat_map(|(_, lines)| lines).map(|line| text::width(line)).max().unwrap_or(0);
    let width = u16::try_from(widest + 7).unwrap_or(width).min(width);
    let x = body.right() - width - 1;
    let low = Rect::new(x, body.bottom() - rows, width, rows);
    let area = if canvas.covers_selection(low) { Rect::new(x, body.y + 1, width, rows) } else { low };
    canvas.clear(Rect::new(area.x.saturating_sub(1), area.y, area.width + 2, area.height));
    let mut y = area.y;
    // Oldest first, so that the newest stands nearest to the footer.
    for (note, lines) in blocks.iter().rev() {
        for (place, line) in lines.iter().enumerate() {
            if y >= area.bottom() {
                return;
            }
            // What lies under it goes on at its left: an edge tells the two apart.
            canvas.text(area.x, y, 1, "│", Role::Border);
            if place == 0 {
                let label = labels::level(note.level);
                canvas.text(area.x + 2, y, 4, label.mark, words::role(label.role));
            }
            canvas.text(area.x + 7, y, area.width - 7, line, Role::Plain);
            y += 1;
        }
    }
}

/// What does not fit is cut with a mark, and the key that leads to the rest.
fn lines(note: &Note, width: u16, more: &str) -> Vec<String> {
    let times = if note.times > 1 { format!(" x{}", note.times) } else { String::new() };
    let room = usize::from(width.saturating_sub(7));
    let mut lines = text::wrap(&format!("{}{times}", note.text), room);
    if lines.len() > ROWS {
        lines.truncate(ROWS);
        let end = if more.is_empty() { "...".to_owned() } else { format!("...  {more} lists it") };
        if let Some(last) = lines.last_mut() {
            let kept = text::truncate(last, room.saturating_sub(text::width(&end))).trim_end_matches('.').to_owned();
            *last = kept + &end;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::UnixMs;
    use crate::engine::protocol::Level;
    use crate::tui::notes::Notes;

    #[test]
    fn a_message_that_is_too_long_says_where_the_rest_is() {
        let mut notes = Notes::default();
        notes.say(UnixMs(0), Level::Info, "word ".repeat(60), None);
        let note = notes.shown().next().cloned();
        let lines = note.map(|note| lines(&note, 60, "!")).unwrap_or_default();
        assert_eq!(lines.len(), ROWS);
        assert!(lines[ROWS - 1].ends_with("...  ! lists it"), "{lines:?}");
        assert!(lines.iter().all(|line| text::width(line) <= 53), "{lines:?}");
    }
}
