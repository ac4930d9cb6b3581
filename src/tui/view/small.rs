//! A terminal too small for anything: what is needed, what is there, the worst state, the money.

use super::SMALLEST;
use super::header::spend_short;
use crate::domain::health::State;
use crate::present::labels;
use crate::tui::app::App;
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let (width, height) = SMALLEST;
    let mark = app.options.banner.as_deref().and_then(|banner| banner.split(',').next());
    let mark = mark.map(|mark| format!("{mark}: ")).unwrap_or_default();
    let lines = [
        format!("{mark}lmdeck needs {width}x{height}, has {}x{}.", area.width, area.height),
        states(app),
        format!("{}       q quit", spend_short(&app.snapshot)),
    ];
    for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
        canvas.text(area.x + 1, y, area.width.saturating_sub(1), line, Role::Plain);
    }
}

/// One that works, the worst one, and how many more need attention.
fn states(app: &App) -> String {
    let providers = &app.snapshot.providers;
    let up = providers.iter().find(|provider| provider.health.state == State::Up);
    let bad: Vec<_> = providers.iter().filter(|provider| labels::needs_attention(provider)).collect();
    let mut said: Vec<String> = up.into_iter().map(|provider| format!("{} up", provider.id)).collect();
    if let Some(worst) = bad.first() {
        said.push(format!("{} {}", worst.id, worst.health.state.word()));
    }
    let more = if bad.len() > 1 { format!(" +{}", bad.len() - 1) } else { String::new() };
    if said.is_empty() { "no provider is up".into() } else { said.join(", ") + &more }
}
