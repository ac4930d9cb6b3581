//! The Health screen: every provider's state with its figures, the chosen one's latency as a sweep, a timeline
//! per provider on shared time slots, and the open incidents with what to do.
//!
//! ```text
//! ━ Health 5 ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 3 open incidents: i ━
//!   table
//!   LM Studio  probe latency       0 to 48 ms, 25 min
//!   chart with its gap ┆
//!   timelines
//!   incidents
//! ```

mod incidents;
mod scale;
mod sweep;
mod table;

use super::acts;
use crate::domain::health::State;
use crate::domain::ids::ProviderId;
use crate::domain::incident::Incident;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{Command, IncidentQuery, Level, ProbeWhich, ProviderView, Reply, Snapshot};
use crate::present::labels::{self, needs_attention};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::part::{Cx, Effect, Outbox, Part, Place, Tab, Ticket};
use crate::tui::told::Told;
use crate::tui::widgets::filter::{Change, Filter};
use crate::tui::widgets::list::Selection;
use ratatui::layout::Rect;
use scale::{Held, Scale};
use std::cell::Cell;
use sweep::Window;

/// How far back incidents are asked for.
const OLDER: i64 = 7 * 24 * 3_600_000;
/// Rows of the ledger at most.
const OLDER_ROWS: usize = 200;

#[derive(Default)]
pub struct Health {
    cursor: Selection<ProviderId>,
    filter: Filter,
    window: Window,
    scale: Scale,
    /// What the chart on the screen is measured against, and how wide it is.
    held: Held,
    chart_width: Cell<u16>,
    /// The cursor moves among the incidents.
    incidents: bool,
    /// Incidents of the last days, as the ledger has them; asked for when the incidents are looked at.
    older: Option<Vec<Incident>>,
    asked: Option<Ticket>,
}

impl Health {
    fn rows<'a>(&self, cx: &Cx<'a>) -> Vec<&'a ProviderView> {
        cx.snapshot
            .providers
            .iter()
            .map(AsRef::as_ref)
            .filter(|p| {
                self.filter.is_empty() || self.filter.lets(&format!("{} {} {}", p.name, p.id, p.health.state.word()))
            })
            .filter(|p| !self.incidents || !any_attention(cx.snapshot) || needs_attention(p))
            .collect()
    }

    fn keys(&self, cx: &Cx<'_>) -> Vec<ProviderId> {
        self.rows(cx).into_iter().map(|provider| provider.id.clone()).collect()
    }

    fn chosen<'a>(&self, cx: &Cx<'a>) -> Option<&'a ProviderView> {
        let rows = self.rows(cx);
        let place = self.cursor.place(&self.keys(cx))?;
        rows.get(place).copied()
    }

    /// The slowest answer on the chart.
    fn slowest(&self, cx: &Cx<'_>) -> u64 {
        let rows = match self.scale {
            Scale::Own => self.chosen(cx).into_iter().collect(),
            Scale::Shared => self.rows(cx),
        };
        rows.into_iter().map(|one| sweep::highest(one, self.window, self.chart_width.get())).max().unwrap_or(0)
    }

    fn next_problem(&mut self, cx: &Cx<'_>) {
        let rows = self.rows(cx);
        let keys = self.keys(cx);
        let here = self.cursor.place(&keys).unwrap_or(0);
        let after = (1..=rows.len()).map(|step| (here + step) % rows.len().max(1));
        if let Some(place) = after.into_iter().find(|place| rows.get(*place).is_some_and(|p| needs_attention(p))) {
            self.cursor.set(keys[place].clone(), &keys);
        }
    }

    fn title(&self, cx: &Cx<'_>) -> String {
        let (shown, all) = (self.rows(cx).len(), cx.snapshot.providers.len());
        match (self.incidents, shown == all) {
            (true, _) if any_attention(cx.snapshot) => format!("Health {shown} of {all}, with open incidents"),
            (true, _) => format!("Health {shown} of {all}, incidents"),
            (false, true) => format!("Health {all}"),
            (false, false) => format!("Health {shown} of {all}"),
        }
    }

    /// `3 up, 1 down, 1 unauthorized`; with little room the number of incidents and their key.
    fn summary(cx: &Cx<'_>, width: u16) -> String {
        let open = cx.snapshot.providers.iter().filter(|provider| needs_attention(provider)).count();
        if width < 100 {
            let key = cx.keymap.key_for(&[Context::Health], Action::HealthIncidents);
            return if open == 0 { "all well".into() } else { format!("{open} open: {key}") };
        }
        let on = || cx.snapshot.providers.iter().filter(|provider| provider.enabled);
        [State::Up, State::Degraded, State::Down, State::Unauthorized, State::Paused, State::Unknown]
            .into_iter()
            .map(|state| (state, on().filter(|provider| provider.health.state == state).count()))
            .filter(|(_, count)| *count > 0)
            .map(|(state, count)| format!("{count} {}", state.word()))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn any_attention(snapshot: &Snapshot) -> bool {
    snapshot.providers.iter().any(|provider| needs_attention(provider))
}

impl Part for Health {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Health, Context::List]
    }

    fn filter(&self) -> Option<&Filter> {
        Some(&self.filter)
    }

    fn filter_mut(&mut self) -> Option<&mut Filter> {
        Some(&mut self.filter)
    }

    fn filtered(&mut self, _: Change, cx: &Cx<'_>, _: &mut Outbox) {
        self.cursor.settle(&self.keys(cx));
    }

    fn subject(&self, cx: &Cx<'_>) -> Option<Place> {
        self.chosen(cx).map(|provider| Place::Provider(provider.id.clone()))
    }

    fn why_not(&self, action: Action, cx: &Cx<'_>) -> Option<String> {
        use Action as A;
        let any = any_attention(cx.snapshot);
        match action {
            A::NextProblem if !any && !self.incidents => Some("no incident is open: nothing to do".into()),
            A::Open | A::ProviderTest | A::ProviderPause | A::ProviderDoctor => match self.chosen(cx) {
                None => Some("no provider is chosen".into()),
                Some(provider) => acts::why_not(action, provider, cx.snapshot),
            },
            _ => None,
        }
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        let keys = self.keys(cx);
        // The first press of the scale's key fits it; one that fits already is exchanged for the other kind.
        let stale = self.held.is_stale(self.slowest(cx));
        self.held.release();
        match action {
            Action::HealthScale if stale => {}
            Action::Back if self.incidents => self.incidents = false,
            Action::HealthIncidents | Action::NextPart | Action::PreviousPart => {
                self.incidents = !self.incidents;
                self.cursor.settle(&self.keys(cx));
                if self.incidents {
                    let since = Some(UnixMs(cx.now.0.saturating_sub(OLDER)));
                    let query = IncidentQuery { limit: OLDER_ROWS, since, ..IncidentQuery::default() };
                    self.asked = Some(out.ask(Command::ListIncidents { query: Box::new(query) }));
                }
            }
            Action::HealthWindow => self.window = self.window.next(),
            Action::HealthScale => self.scale = self.scale.next(),
            Action::NextProblem => self.next_problem(cx),
            Action::ProviderProbeAll => {
                out.tell(Command::Probe { which: ProbeWhich::All, anew: true }, "all are probed");
            }
            Action::Open => {
                if let Some(provider) = self.chosen(cx) {
                    out.push(Effect::Go(Tab::Providers, Some(Place::Provider(provider.id.clone()))));
                }
            }
            _ => {
                if let Some(provider) = self.chosen(cx)
                    && acts::act(action, provider, cx, out)
                {
                    return true;
                }
                return self.cursor.act(action, &keys);
            }
        }
        true
    }

    fn shown(&mut self, cx: &Cx<'_>, _: &mut Outbox) {
        self.held.release();
        self.cursor.settle(&self.keys(cx));
    }

    fn changed(&mut self, cx: &Cx<'_>, _: &mut Outbox) {
        self.cursor.settle(&self.keys(cx));
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, _: &Cx<'_>, out: &mut Outbox) {
        if self.asked != Some(ticket) {
            return;
        }
        self.asked = None;
        match reply {
            Reply::Incidents(incidents) => self.older = Some(incidents.clone()),
            Reply::Refused(refusal) => out.say(Level::Warning, format!("{}: {}", refusal.message, refusal.remedy)),
            _ => {}
        }
    }

    fn focus_on(&mut self, place: &Place, cx: &Cx<'_>) {
        let Place::Provider(id) = place else { return };
        self.incidents = false;
        self.cursor.set(id.clone(), &self.keys(cx));
    }

    fn about(&self) -> &'static str {
        "How every provider has been: one column of the charts is one probe, ┆ is now, what stands right of it is oldest."
    }

    fn told(&self, cx: &Cx<'_>) -> Vec<Told> {
        let total = cx.snapshot.providers.len();
        let line = |(place, provider): (usize, &std::sync::Arc<ProviderView>)| {
            let uptime = provider.uptime_permille.map_or_else(String::new, |permille| {
                format!(" {} good in 24 h.", crate::present::units::uptime(permille))
            });
            let line = format!("Health, {} of {total}: {}{uptime}", place + 1, labels::describe(provider, cx.now));
            Told::state(&provider.id, line)
        };
        cx.snapshot.providers.iter().enumerate().map(line).collect()
    }

    fn choice(&self, cx: &Cx<'_>) -> Option<String> {
        self.chosen(cx).map(|provider| labels::describe(provider, cx.now))
    }

    fn chosen_now(&self, cx: &Cx<'_>) -> Option<Told> {
        self.chosen(cx).map(|provider| Told::state(&provider.id, labels::describe(provider, cx.now)))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let (title, right) = (self.title(canvas.cx), Self::summary(canvas.cx, area.width));
        canvas.rule(Rect { height: 1, ..area }, &title, &right, true);
        let mut y = area.y + 1;
        let left = |y: u16| area.bottom().saturating_sub(y);
        y += self.filter.draw(canvas, Rect::new(area.x, y, area.width, left(y)), "");
        let rows = self.rows(canvas.cx);
        let count = u16::try_from(rows.len()).unwrap_or(u16::MAX);
        let tall = area.height >= 30;
        // With many providers the table keeps half of the screen and scrolls.
        let table_rows = (count + 1).min((left(y) / 2).max(left(y).min(6)));
        table::draw(self, canvas, Rect::new(area.x, y, area.width, table_rows), &rows);
        y += table_rows + 1;
        if self.incidents && !tall {
            incidents::draw(self, canvas, Rect::new(area.x, y, area.width, left(y)));
            return;
        }
        let Some(chosen) = self.chosen(canvas.cx) else { return };
        if area.width >= 70 && left(y) >= 7 {
            let bars = if tall { 8 } else { 3 };
            let chart = Rect::new(area.x, y, area.width, bars + 3);
            self.chart_width.set(sweep::chart_width(area.width));
            sweep::chart(canvas, chart, chosen, &rows, self.window, self.scale, &self.held);
            // A row between, where there is room for it and for what follows.
            y += chart.height + u16::from(tall || left(y + chart.height) > count + 1);
            if tall {
                sweep::legend(canvas, Rect::new(area.x, y, area.width, 1));
                y += 1;
            }
            let shown = count.min(left(y));
            sweep::timelines(canvas, Rect::new(area.x, y, area.width, shown), &rows, self.window);
            y += shown + 1;
        }
        if left(y) >= if tall { 2 } else { 3 } {
            incidents::draw(self, canvas, Rect::new(area.x, y, area.width, left(y)));
        }
    }
}
