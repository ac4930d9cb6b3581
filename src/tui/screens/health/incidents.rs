//! Incidents: the open ones with what mends them, then those that are over, as far as the rows go.

use super::Health;
use crate::domain::incident::Incident;
use crate::engine::protocol::{ProviderView, Snapshot};
use crate::present::{incidents, labels, text, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// Where the texts of a row begin.
const NAME: u16 = 13;
const WHAT: u16 = 27;

pub(super) fn draw(screen: &Health, canvas: &mut Canvas<'_>, area: Rect) {
    let y = open(screen, canvas, area);
    over(screen, canvas, Rect { y, height: area.bottom().saturating_sub(y), ..area });
}

/// The open ones; returns the row after them.
fn open(screen: &Health, canvas: &mut Canvas<'_>, area: Rect) -> u16 {
    let snapshot = canvas.cx.snapshot;
    let open: Vec<&ProviderView> =
        snapshot.providers.iter().map(AsRef::as_ref).filter(|provider| labels::needs_attention(provider)).collect();
    let title = if open.is_empty() {
        "Open incidents 0: nothing to do".into()
    } else {
        format!("Open incidents {}", open.len())
    };
    canvas.text(area.x + 2, area.y, area.width.saturating_sub(3), &title, Role::Title);
    let wide = area.width >= 100;
    let key = |action| canvas.cx.keymap.key_for(&[Context::Health], action);
    let (open_key, doctor) = (key(Action::Open), key(Action::ProviderDoctor));
    let mut y = area.y + 1;
    for provider in &open {
        if y >= area.bottom() {
            return y;
        }
        let incident = snapshot.incidents.iter().find(|one| one.is_open() && one.provider == provider.id);
        let age = canvas.age(incident.map_or(provider.health.since, |incident| incident.since));
        canvas.right(area.x + 2, area.x + 10, y, &age, Role::Muted);
        canvas.text(area.x + NAME, y, 13, &provider.name, Role::Plain);
        let what = incident.map_or_else(|| moved(provider), incidents::what);
        let act = labels::what_to_do(provider)
            .map_or_else(|| format!("nothing to do: {doctor} looks closer"), |remedy| remedy.act());
        let x = area.x + WHAT;
        let room = area.right().saturating_sub(x + 1);
        if wide {
            let half = room * 9 / 20;
            canvas.text(x, y, half.saturating_sub(2), &what, Role::Plain);
            canvas.text(x + half, y, room - half, &act, Role::Plain);
            y += 1;
        } else {
            canvas.text(x, y, room, &what, Role::Plain);
            y += 1;
            let width = usize::from(area.width.saturating_sub(NAME + 2));
            for line in text::wrap(&act, width).iter().take(2) {
                if y < area.bottom() {
                    canvas.text(area.x + NAME, y, area.width.saturating_sub(NAME + 1), line, Role::Muted);
                    y += 1;
                }
            }
        }
    }
    if screen.incidents && !open.is_empty() && y < area.bottom() {
        let hint = [
            (open_key.as_str(), Role::Accent),
            (" its page   ", Role::Muted),
            (doctor.as_str(), Role::Accent),
            (" every step", Role::Muted),
        ];
        canvas.spans(area.x + NAME, y, area.width.saturating_sub(NAME + 1), &hint);
        y += 1;
    }
    y
}

/// Those that are over: when, how long, who, why.
fn over(screen: &Health, canvas: &mut Canvas<'_>, area: Rect) {
    let snapshot = canvas.cx.snapshot;
    let lately = snapshot.incidents.iter();
    let over: Vec<&Incident> = match &screen.older {
        Some(older) if screen.incidents => older.iter().filter(|one| !one.is_open()).collect(),
        _ => lately.filter(|one| !one.is_open()).collect(),
    };
    if over.is_empty() || area.height < 3 {
        return;
    }
    let span = if screen.incidents && screen.older.is_some() { "in 7 days" } else { "lately" };
    canvas.text(
        area.x + 2,
        area.y + 1,
        area.width.saturating_sub(3),
        &format!("Over {span} {}", over.len()),
        Role::Title,
    );
    for (incident, y) in over.into_iter().zip(area.y + 2..area.bottom()) {
        let ended = incident.until.unwrap_or(incident.since);
        let at = canvas.age(ended);
        canvas.right(area.x + 2, area.x + 10, y, &at, Role::Muted);
        canvas.text(area.x + NAME, y, 13, name(snapshot, incident), Role::Plain);
        let what = format!(
            "{} for {}: {}",
            incident.state.word(),
            incidents::lasted(incident, canvas.cx.now),
            incidents::what(incident)
        );
        canvas.text(area.x + WHAT, y, area.width.saturating_sub(WHAT + 1), &what, Role::Plain);
    }
}

/// The provider's name; its id when it is there no more.
fn name<'a>(snapshot: &'a Snapshot, incident: &'a Incident) -> &'a str {
    let provider = snapshot.providers.iter().find(|provider| provider.id == incident.provider);
    provider.map_or(incident.provider.as_str(), |provider| &provider.name)
}

/// `connection refused; 2 calls moved`, while no incident is known.
fn moved(provider: &ProviderView) -> String {
    let why = labels::why(provider);
    match provider.moved_calls {
        0 => why,
        count => format!("{why}; {} moved", units::count(u64::from(count), "call", "calls")),
    }
}
