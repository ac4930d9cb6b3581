//! The picture, as a function of app, theme and area.
//!
//! ```text
//!  lmdeck [1 Providers] 2 Health                              3 need attention
//!  auto: lm_studio/gpt-oss-120b    prefer_local    $0.42 of $10.00 today  :4141
//! ━ Providers 5 ━━━━━━━━━━━━━┬─ Workstation ───────────────────────────────────    the part's own area
//!   ...                      │ ...
//!  a add  e edit  t test                                                 ? help
//! ```

mod footer;
mod header;
mod small;
mod toasts;

use super::app::App;
use super::canvas::Canvas;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

/// From this many rows on the status has a row of its own.
const TALL: u16 = 24;
/// Below this, only what is needed to know is shown.
pub const SMALLEST: (u16, u16) = (40, 10);

/// Draws everything; returns where the terminal's cursor belongs.
pub fn draw(app: &App, buffer: &mut Buffer) -> Option<Position> {
    let area = buffer.area;
    app.redraw_at.set(None);
    let cx = app.cx();
    let ascii = app.options.ascii || app.snapshot.config.ui.ascii;
    let mut canvas = Canvas::new(buffer, &cx, app.theme, ascii, &app.redraw_at).jumping(app.jumping);
    canvas.clear(area);
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        small::draw(app, &mut canvas, area);
    } else {
        let header_rows = if area.height < TALL { 1 } else { 2 };
        header::draw(app, &mut canvas, area, header_rows);
        let body = Rect::new(area.x, area.y + header_rows, area.width, area.height - header_rows - 1);
        parts(app, &mut canvas, body);
        let last = Rect::new(area.x, area.bottom() - 1, area.width, 1);
        canvas.clear(last);
        footer::draw(app, &mut canvas, last);
        toasts::draw(app, &mut canvas, body);
    }
    if ascii {
        canvas.swap_to_ascii();
    }
    canvas.take_cursor()
}

fn parts(app: &App, canvas: &mut Canvas<'_>, body: Rect) {
    let stack: Vec<_> = app.stack().collect();
    let lowest = stack.iter().rposition(|part| !part.shows_below(body)).unwrap_or(0);
    for part in &stack[lowest..] {
        canvas.forget_cursor();
        part.draw(canvas, body);
    }
}
