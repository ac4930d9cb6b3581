//! The Telemetry screen: the calls as they come, all that is known of the chosen one, and ways to charts and to
//! the application log.
//!
//! ```text
//! ━ Calls 214 today ━━━━━━━━━━━━━━━━━━━━━━ filter: none   following, 0.2 calls/s ━
//!   time          result     client     total     cost  target
//! > 22:13:58 [!]  2 tries    ask        4.1 s  $0.0010  zai/glm-4.6
//! ─ c1212 ─────────────────────────────────────── 4.1 s, 1,344 tokens, $0.0010 ─
//!   why        strategy prefer_local: no rule matched
//! ```

mod calls;
mod charts;
mod detail;
mod exporting;
mod flow;
mod list;
mod log;
mod pace;
mod paging;
mod records;
mod sums;
mod table;
mod waterfall;

use crate::domain::ids::CallId;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{Command, Event, EventKind, Reply, RunningCall};
use crate::present::units;
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::layers::confirm::Confirm;
use crate::tui::part::{Cx, Effect, Outbox, Part, Place, Tab, Ticket};
use crate::tui::theme::Role;
use crate::tui::told::Told;
use crate::tui::widgets::filter::{Change, Filter};
use crate::tui::widgets::list::Selection;
use crate::tui::widgets::scroll::Scroll;
use calls::{Calls, Entry};
use pace::{Pace, Rate};
use paging::Asked;
use ratatui::layout::Rect;
use records::Records;
use std::cell::Cell;
use std::time::Duration;

/// From this many rows on the chosen call's details stand below the list (30 rows of the screen).
const TALL: u16 = 27;
/// The width of details that are copied as text.
const COPIED: usize = 110;
/// Between two changes of what runs on the screen.
const RUNNING_GAP: Duration = Duration::from_millis(250);
/// Calls told in plain mode.
const TOLD: usize = 20;

const CONTEXTS: &[Context] = &[Context::Telemetry, Context::List];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Focus {
    #[default]
    List,
    /// The details below the list.
    Detail,
    /// The details over the list.
    Zoom,
    /// The charts over the list.
    Charts,
}

#[derive(Default)]
pub struct Telemetry {
    calls: Calls,
    cursor: Selection<CallId>,
    /// The cursor was moved: it is not taken back to the top.
    touched: bool,
    /// The next page puts the cursor on its first call.
    to_top: bool,
    focus: Focus,
    filter: Filter,
    /// The filter that the rows answer to.
    answered: String,
    /// The sentence about the filter, or about a ledger that cannot be read.
    wrong: Option<String>,
    asked: Option<Asked>,
    older: Option<Ticket>,
    pace: Pace,
    /// When the rows last took over what runs.
    run_at: Option<UnixMs>,
    rate: Rate,
    records: Records,
    sums: sums::Sums,
    export: Option<Ticket>,
    /// Records that could not be written.
    lost: u64,
    /// Announcements that were missed.
    missed: u64,
    scroll: Scroll,
    page_of_call: detail::Page,
    /// Found by drawing: rows of the list, whether the details are seen with it.
    page: Cell<usize>,
    split: Cell<bool>,
}

impl Telemetry {
    fn place(&self) -> Option<usize> {
        self.cursor.place(self.calls.ids())
    }

    fn chosen(&self) -> Option<&Entry> {
        self.calls.entries().get(self.place()?)
    }

    fn chosen_running<'a>(&self, cx: &Cx<'a>) -> Option<&'a RunningCall> {
        let id = self.chosen()?.id();
        cx.snapshot.running.iter().find(|call| call.id == *id)
    }

    fn shows_detail(&self) -> bool {
        match self.focus {
            Focus::List => self.split.get(),
            Focus::Detail | Focus::Zoom => true,
            Focus::Charts => false,
        }
    }

    /// The call whose record is wanted now.
    fn wanted(&self) -> Option<&CallId> {
        let chosen = match self.chosen() {
            Some(Entry::Done(row)) if self.shows_detail() => Some(&row.id),
            _ => None,
        };
        chosen.filter(|id| self.records.lacks(id)).or_else(|| self.calls.overdue().filter(|id| self.records.lacks(id)))
    }

    fn question(call: &RunningCall, cx: &Cx<'_>) -> Confirm {
        let target =
            call.target.as_ref().map_or_else(|| "not sent anywhere yet".into(), |target| format!("at {target}"));
        let client = if call.client.is_empty() { "an unnamed client" } else { &call.client };
        let seconds = cx.now.since(call.since).as_secs();
        let lines = [
            format!("It has run for {} {target}, for {client}.", table::seconds_words(seconds)),
            "Its caller gets an error; what it cost so far is recorded.".to_owned(),
        ];
        let lines = lines.iter().map(|line| crate::present::escape::line(line).into_owned()).collect();
        let stop = Command::CancelCall { id: call.id.clone() };
        Confirm::new(format!("Stop call {}?", call.id), lines, "Let it run")
            .with("Stop it", Effect::Tell(stop, format!("call {} is stopped", call.id)))
    }

    fn detail_text(&self, cx: &Cx<'_>) -> Option<String> {
        let entry = self.chosen()?;
        let lines = detail::build(entry, self.records.get(entry.id()), cx, false, COPIED);
        Some(format!("{}\n{}", detail_title(entry), lines.text()))
    }

    fn draw_detail(&self, canvas: &mut Canvas<'_>, area: Rect, focused: bool) {
        let row = Rect { height: 1, ..area };
        let Some(entry) = self.chosen() else {
            canvas.rule(row, "No call", "", focused);
            return;
        };
        canvas.rule(row, &detail_title(entry), "", focused);
        let right = match entry {
            Entry::Done(call) => detail::summary(call),
            Entry::Running(call) => format!("running, {}", table::elapsed(canvas, call)),
        };
        if usize::from(area.width) > right.len() + 30 {
            list::right_pieces(canvas, row, &[(right, Role::Plain)]);
        }
        let inner = Rect::new(area.x + 2, area.y + 1, area.width.saturating_sub(4), area.height.saturating_sub(1));
        if let Some(why) = self.records.refusal(entry.id()) {
            let said = format!("Its record cannot be read: {why}");
            let mut lines = crate::tui::widgets::lines::Lines::new(usize::from(inner.width));
            lines.wrapped(0, &said, Role::Bad);
            lines.draw(canvas, inner, 0);
            return;
        }
        self.page_of_call.draw(entry, self.records.get(entry.id()), (canvas, inner), &self.scroll);
    }
}

/// The id and the moment.
fn detail_title(entry: &Entry) -> String {
    match entry {
        Entry::Done(call) => format!("{}  {}", call.id, units::clock(call.ts)),
        Entry::Running(call) => call.id.to_string(),
    }
}

impl Part for Telemetry {
    fn contexts(&self) -> &'static [Context] {
        match self.focus {
            Focus::Charts => &[Context::CallsCharts, Context::List],
            Focus::List => CONTEXTS,
            Focus::Detail | Focus::Zoom => &[Context::CallDetail, Context::Telemetry, Context::List],
        }
    }

    fn filter(&self) -> Option<&Filter> {
        (self.focus != Focus::Charts).then_some(&self.filter)
    }

    fn filter_mut(&mut self) -> Option<&mut Filter> {
        (self.focus != Focus::Charts).then_some(&mut self.filter)
    }

    fn filtered(&mut self, change: Change, cx: &Cx<'_>, _: &mut Outbox) {
        match change {
            Change::Opened => self.focus = Focus::List,
            Change::Text => {
                if self.filter.is_empty() {
                    self.wrong = None;
                }
                self.pace.want(cx.now);
            }
            Change::Kept => {}
        }
    }

    fn is_inside(&self) -> bool {
        self.focus != Focus::List
    }

    fn panes(&self) -> &'static [&'static str] {
        if self.focus == Focus::Charts { &[] } else { &["calls", "one call"] }
    }

    fn focus_pane(&mut self, pane: usize, _: &Cx<'_>) {
        self.focus = match (pane, self.split.get()) {
            (0, _) => Focus::List,
            (_, true) => Focus::Detail,
            (_, false) => Focus::Zoom,
        };
        self.scroll.reset();
    }

    fn focus_on(&mut self, place: &Place, _: &Cx<'_>) {
        if let Place::Call(id) = place {
            self.cursor.set(id.clone(), self.calls.ids());
            self.moved();
        }
    }

    fn subject(&self, _: &Cx<'_>) -> Option<Place> {
        self.chosen().map(|entry| Place::Call(entry.id().clone()))
    }

    fn why_not(&self, action: Action, cx: &Cx<'_>) -> Option<String> {
        let failed = || self.calls.entries().iter().any(Entry::failed);
        let why = match action {
            Action::Open | Action::Copy if self.chosen().is_none() => "no call is chosen: there is none here",
            Action::CallStop if self.chosen_running(cx).is_none() => "only a call that is running can be stopped",
            Action::NextProblem if !failed() => "no call loaded here failed: / status:failed finds all",
            Action::CallExplain if self.chosen().is_none_or(|entry| self.records.get(entry.id()).is_none()) => {
                "its record is not there yet"
            }
            Action::KeepFilter if self.wrong.is_some() => "the filter is not understood: mend it, or esc clears it",
            _ => return None,
        };
        Some(why.into())
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::Back if self.focus != Focus::List => {
                self.focus = Focus::List;
                self.scroll.reset();
            }
            Action::Open => {
                self.touched = true;
                self.focus = Focus::Zoom;
            }
            Action::NextPart | Action::PreviousPart => {
                self.focus = match (self.focus, self.split.get()) {
                    (Focus::List, true) => Focus::Detail,
                    (Focus::List, false) => Focus::Zoom,
                    (Focus::Detail | Focus::Zoom | Focus::Charts, _) => Focus::List,
                };
                self.scroll.reset();
            }
            Action::CallsFollow => self.follow_or_hold(cx),
            Action::NextProblem => self.next_failed(),
            Action::CallStop | Action::Cancel => match self.chosen_running(cx) {
                Some(call) if self.focus != Focus::Charts => out.push(Effect::Open(Box::new(Self::question(call, cx)))),
                _ => return false,
            },
            Action::Copy if self.focus == Focus::List => {
                if let Some(entry) = self.chosen() {
                    out.push(Effect::Copy(entry.id().to_string(), "the call's id was"));
                }
            }
            Action::Copy => {
                if let Some(text) = self.detail_text(cx) {
                    out.push(Effect::Copy(text, "the call was"));
                }
            }
            Action::CallExplain => {
                let record = self.chosen().and_then(|entry| self.records.get(entry.id()));
                if let Some(record) = record {
                    let place = Place::Sample(record.id.clone(), Box::new(record.facts.clone()));
                    out.push(Effect::Go(Tab::Routing, Some(place)));
                }
            }
            Action::AppLog => out.push(Effect::Open(Box::new(log::LogView::default()))),
            Action::CallsCharts => {
                self.focus = if self.focus == Focus::Charts { Focus::List } else { Focus::Charts };
                self.scroll.reset();
                if self.focus == Focus::Charts {
                    self.sums.ask(self.filter.text().trim(), cx.now, out);
                }
            }
            Action::ChartsGroup | Action::ChartsWindow if self.focus == Focus::Charts => {
                self.sums.turn(action == Action::ChartsWindow);
                self.sums.ask(self.filter.text().trim(), cx.now, out);
            }
            Action::CallsExport => self.export = Some(exporting::ask(self.filter.text().trim(), cx, out)),
            Action::FilterComplete => self.complete(cx),
            _ if self.focus != Focus::List => return self.scroll.act(action),
            _ => {
                let moved = self.cursor.act(action, self.calls.ids());
                if moved {
                    self.moved();
                    self.ask_older(out);
                }
                return moved;
            }
        }
        true
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, out: &mut Outbox) {
        if let Some(asked) = self.asked.take_if(|asked| asked.ticket == ticket) {
            self.take_page(&asked, reply, cx, out);
        } else if self.older.take_if(|older| *older == ticket).is_some() {
            if let Reply::Calls(page) = reply {
                self.calls.append(page);
                self.settle();
            }
        } else if self.export.take_if(|export| *export == ticket).is_some() {
            exporting::said(reply, out);
        } else if self.sums.reply(ticket, reply) {
            // They stand in their place now.
        } else if let Some(record) = self.records.reply(ticket, reply)
            && self.calls.overdue() == Some(&record.id)
        {
            self.calls.insert(record.into());
            self.settle();
        }
    }

    fn event(&mut self, event: &Event, cx: &Cx<'_>) {
        match event.kind {
            EventKind::CallFinished { .. } => {
                self.rate.ended(cx.now);
                if self.focus == Focus::Charts {
                    self.sums.want(cx.now);
                }
                self.pace.want(cx.now);
            }
            EventKind::RecordsDropped { count } => {
                self.lost = self.lost.saturating_add(count);
                self.pace.want(cx.now);
            }
            _ => {}
        }
    }

    fn missed(&mut self, count: u64, cx: &Cx<'_>) {
        self.missed = self.missed.saturating_add(count);
        self.pace.want(cx.now);
    }

    fn shown(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.records.forgive();
        self.ask(cx.now, out);
    }

    fn changed(&mut self, cx: &Cx<'_>, _: &mut Outbox) {
        if !self.calls.loaded() {
            return;
        }
        if self.run_at.is_none_or(|at| at > cx.now || cx.now.since(at) >= RUNNING_GAP) {
            self.run_at = Some(cx.now);
            self.calls.running_changed(&cx.snapshot.running);
            self.settle();
        } else {
            self.pace.want(cx.now);
        }
        // Another process may have written to the ledger, and an ended call's record is wanted soon.
        if self.calls.awaiting() || cx.snapshot.spend.calls_today != self.calls.total {
            self.pace.want(cx.now);
        }
    }

    fn deadline(&self) -> Option<UnixMs> {
        if self.wanted().is_some() {
            return Some(UnixMs(0));
        }
        let calls = self.pace.due().filter(|_| self.asked.is_none());
        let sums = self.sums.due().filter(|_| self.focus == Focus::Charts);
        calls.into_iter().chain(sums).min()
    }

    fn wake(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        if let Some(id) = self.wanted().cloned() {
            self.records.ask(&id, out);
        }
        if self.pace.due().is_some_and(|due| due <= cx.now) {
            self.ask(cx.now, out);
        }
        if self.focus == Focus::Charts && self.sums.due().is_some_and(|due| due <= cx.now) {
            self.sums.ask(self.filter.text().trim(), cx.now, out);
        }
    }

    fn about(&self) -> &'static str {
        if self.focus == Focus::Charts {
            return "What calls cost, how fast they were and what failed, in a window of time.";
        }
        "Every call with where it went, how long it took and what it cost; newest first."
    }

    fn told(&self, cx: &Cx<'_>) -> Vec<Told> {
        if matches!(self.focus, Focus::Detail | Focus::Zoom)
            && let Some(text) = self.detail_text(cx)
        {
            return text.lines().enumerate().map(|(row, line)| Told::state(row, line.to_owned())).collect();
        }
        let state =
            if self.calls.following() { "following".to_owned() } else { format!("held, {} newer", self.calls.newer()) };
        let head = format!("Telemetry, {} today, {state}.", units::count(self.calls.total, "call", "calls"));
        let mut lines = vec![Told::state("calls", head)];
        lines.extend(self.wrong.iter().map(|wrong| crate::present::escape::line(wrong).into_owned().into()));
        let told = |entry: &Entry| Told::state(entry.id(), list::describe(entry, cx));
        lines.extend(self.calls.entries().iter().take(TOLD).map(told));
        lines
    }

    fn choice(&self, cx: &Cx<'_>) -> Option<String> {
        self.chosen().filter(|_| self.focus == Focus::List).map(|entry| list::describe(entry, cx))
    }

    fn chosen_now(&self, cx: &Cx<'_>) -> Option<Told> {
        let of = self.chosen()?.id();
        self.choice(cx).map(|choice| Told::state(of, choice))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        self.split.set(area.height >= TALL);
        if self.focus == Focus::Charts {
            return charts::draw(&self.sums, self.filter.text().trim(), canvas, area, &self.scroll);
        }
        if self.focus == Focus::Zoom {
            self.draw_detail(canvas, area, true);
            return canvas.letter(1, area);
        }
        if area.height < TALL {
            list::draw(self, canvas, area);
            return canvas.letter(0, area);
        }
        let upper = Rect { height: area.height / 3 + 1, ..area };
        let lower = Rect { y: area.y + upper.height, height: area.height - upper.height, ..area };
        list::draw(self, canvas, upper);
        self.draw_detail(canvas, lower, self.focus == Focus::Detail);
        canvas.letter(0, upper);
        canvas.letter(1, lower);
    }
}
