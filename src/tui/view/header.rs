//! The rows at the top: tabs with the banner slot, and the status.

use crate::domain::routing::ActiveChoice;
use crate::engine::protocol::Snapshot;
use crate::present::{budget, labels, text, units};
use crate::tui::app::App;
use crate::tui::canvas::Canvas;
use crate::tui::part::Tab;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// From this width on there is room for the name and for long words.
const WIDE: u16 = 100;
/// Below this width tabs are digits.
const NARROW: u16 = 70;
const NAME: &str = " lmdeck ";

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect, rows: u16) {
    let (banner, role) = banner(app);
    let compact = area.width < NARROW || rows < 2;
    let used = tabs(app, canvas, area, compact);
    let end = area.right().saturating_sub(1);
    if rows < 2 {
        let mark = marked(app);
        let end = end.saturating_sub(mark.map_or(0, |mark| u16::try_from(mark.len() + 2).unwrap_or(u16::MAX)));
        canvas.right(end, area.right().saturating_sub(1), area.y, mark.unwrap_or_default(), Role::Accent);
        let room = usize::from(end.saturating_sub(area.x + used + 1));
        let ways =
            [short_status(&app.snapshot), spend_short(&app.snapshot), units::money_sum(app.snapshot.spend.today)];
        if let Some(status) = ways.iter().find(|status| text::width(status) <= room) {
            canvas.right(area.x + used + 1, end, area.y, status, Role::Plain);
        }
        return;
    }
    let room = usize::from(area.width.saturating_sub(used + 2));
    let short = marked(app).map(|mark| (mark, Role::Accent));
    let fits = Some((banner.as_str(), role)).into_iter().chain(short).find(|(banner, _)| text::width(banner) <= room);
    if let Some((banner, role)) = fits {
        canvas.right(area.x + used, end, area.y, banner, role);
    }
    status(&app.snapshot, canvas, Rect::new(area.x, area.y + 1, area.width, 1));
}

fn tabs(app: &App, canvas: &mut Canvas<'_>, area: Rect, compact: bool) -> u16 {
    let mut x = 0;
    if area.width >= WIDE && !compact {
        x += canvas.text(area.x, area.y, area.width, NAME, Role::Title);
    }
    app.tabs.borrow_mut().clear();
    for tab in Tab::ALL {
        let start = x;
        let open = tab == app.tab;
        let words = if compact && !open { tab.digit().to_string() } else { format!("{} {}", tab.digit(), tab.title()) };
        let (text, role) = match (open, compact) {
            (true, _) => (format!("[{words}]"), Role::Title),
            (false, false) => (format!(" {words} "), Role::Plain),
            (false, true) => (format!(" {words} "), Role::Muted),
        };
        x += canvas.text(area.x + x, area.y, area.width.saturating_sub(x), &text, role);
        app.tabs.borrow_mut().push((tab, area.x + start..area.x + x));
    }
    x
}

/// The one word that every screen shows however small it is, where there is one: `DEMO`.
fn marked(app: &App) -> Option<&str> {
    app.options.banner.as_deref().and_then(|banner| banner.split(',').next())
}

/// The strongest of read-only, a rejected file, demo, attention. What a screen is marked with stands beside the
/// stronger ones.
fn banner(app: &App) -> (String, Role) {
    let beside = marked(app).map(|mark| format!("{mark}, ")).unwrap_or_default();
    if app.options.readonly {
        return (format!("{beside}READ-ONLY"), Role::Title);
    }
    if app.snapshot.config.rejected.is_some() {
        let words = if app.snapshot.config.on_last_good { "LAST GOOD RUNS" } else { "FILE NOT IN FORCE" };
        return (format!("{beside}{words}"), Role::Warn);
    }
    if let Some(banner) = &app.options.banner {
        return (banner.clone(), Role::Accent);
    }
    let count = app.snapshot.providers.iter().filter(|provider| labels::needs_attention(provider)).count();
    match count {
        0 => (String::new(), Role::Plain),
        1 => ("1 needs attention".into(), Role::Warn),
        _ => (format!("{count} need attention"), Role::Warn),
    }
}

fn status(snapshot: &Snapshot, canvas: &mut Canvas<'_>, row: Rect) {
    let wide = row.width >= WIDE;
    let right = if wide {
        format!("{}    {}", spend_long(snapshot), gateway_long(snapshot))
    } else if row.width >= NARROW {
        format!("{}  {}", spend_short(snapshot), gateway_short(snapshot))
    } else {
        spend_short(snapshot)
    };
    let right_wide = u16::try_from(right.len()).unwrap_or(u16::MAX);
    let end = row.right().saturating_sub(1);
    let room = row.width.saturating_sub(right_wide + 4);
    if row.width >= NARROW {
        let strategy = snapshot.routing.rules.strategy.word();
        let strategy_wide = u16::try_from(strategy.len()).unwrap_or(0);
        let column = if wide { 44 } else { room.saturating_sub(strategy_wide) };
        canvas.text(
            row.x + 1,
            row.y,
            column.saturating_sub(3),
            &target_within(snapshot, column.saturating_sub(3)),
            Role::Plain,
        );
        canvas.text(row.x + column, row.y, room.saturating_sub(column) + 2, strategy, Role::Muted);
    } else {
        canvas.text(row.x + 1, row.y, room, &target_within(snapshot, room), Role::Plain);
    }
    canvas.right(row.x, end, row.y, &right, Role::Plain);
}

/// The choice, and the one in effect where it differs.
pub fn target(snapshot: &Snapshot) -> String {
    let routing = &snapshot.routing;
    match (&routing.active, &routing.in_effect) {
        (ActiveChoice::Auto, Some(target)) => format!("auto: {target}"),
        (ActiveChoice::Auto, None) => "auto: nothing to choose from".into(),
        (chosen, Some(target)) => {
            let same = match chosen {
                ActiveChoice::Target(named) => named == target,
                ActiveChoice::Provider(id) => *id == target.provider,
                ActiveChoice::Auto => false,
            };
            if same { target.to_string() } else { format!("{chosen} -> {target}") }
        }
        (chosen, None) => format!("{chosen} -> nothing"),
    }
}

/// [`target`] in so many columns: the one in effect is cut last.
fn target_within(snapshot: &Snapshot, room: u16) -> String {
    const ARROW: &str = " -> ";
    let whole = target(snapshot);
    let room = usize::from(room);
    let Some((chosen, effect)) = whole.split_once(ARROW).filter(|_| text::width(&whole) > room) else { return whole };
    let room = room.saturating_sub(text::width(ARROW));
    let effect_room = text::width(effect).min(room - room / 3);
    let chosen = text::truncate(chosen, room - effect_room);
    format!("{chosen}{ARROW}{}", text::truncate(effect, effect_room))
}

fn spend_long(snapshot: &Snapshot) -> String {
    match snapshot.spend.limit {
        Some(limit) => format!("{} of {} today", budget::spent(&snapshot.spend), units::money_sum(limit)),
        None => units::spend(snapshot.spend.today, None),
    }
}

pub fn spend_short(snapshot: &Snapshot) -> String {
    units::spend_short(snapshot.spend.today, snapshot.spend.limit)
}

fn gateway_long(snapshot: &Snapshot) -> String {
    match (&snapshot.gateway.listening, &snapshot.gateway.trouble) {
        (Some(_), _) => format!("gateway {}", gateway_short(snapshot)),
        (None, Some(_)) => "gateway off: !".into(),
        (None, None) => "no gateway".into(),
    }
}

fn gateway_short(snapshot: &Snapshot) -> String {
    let listening = snapshot.gateway.listening.as_deref();
    listening.and_then(|at| at.rsplit_once(':')).map_or_else(|| "-".into(), |(_, port)| format!(":{port}"))
}

fn short_status(snapshot: &Snapshot) -> String {
    let target = snapshot.routing.in_effect.as_ref().map_or("nothing up", |target| target.provider.as_str()).to_owned();
    format!("{target}  {}", spend_short(snapshot))
}
