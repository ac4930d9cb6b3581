//! A replay: rules over the newest recorded calls, with what would change in sums, in groups and call by call. The
//! engine does the work; leaving ends it.

use crate::domain::replay::{Change, ReplayReport, Replayed};
use crate::domain::time::UnixMs;
use crate::engine::protocol::{
    Command, Event, EventKind, REPLAY_MOST, REPLAY_USUAL, ReplayDone, ReplayQuery, ReplayRules, Reply, RunId,
};
use crate::present::{replay as words, text, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::layers::saving::with_remedy;
use crate::tui::part::{Cx, Effect, Outbox, Part, Ticket};
use crate::tui::theme::Role;
use crate::tui::widgets::lines::{Lines, Piece};
use crate::tui::widgets::scroll::Scroll;
use ratatui::layout::Rect;

/// Ways that calls change, shown.
const FLOWS: usize = 20;
/// Calls that change, shown one by one; a shell prints the others.
const ROWS: usize = 200;
/// Columns of the labels and of each figure beside them.
const LABEL: usize = 16;
const FIGURE: usize = 15;
/// From this width on what becomes of a call stands in one row.
const WIDE: usize = 100;
/// Columns of a call's id.
const ID: usize = 8;

enum Phase {
    NotRun,
    Running {
        ticket: Ticket,
        run: RunId,
        since: UnixMs,
        /// Calls looked at, of so many; nothing before the first part.
        at: Option<(u64, u64)>,
    },
    Done(Box<ReplayDone>),
    /// The sentence why there is none.
    Refused(String),
}

pub struct ReplayPage {
    rules: ReplayRules,
    /// Whose rules: `long-prompts as edited`.
    whose: String,
    limit: usize,
    phase: Phase,
    scroll: Scroll,
}

impl ReplayPage {
    pub fn of(rules: ReplayRules, whose: impl Into<String>) -> Self {
        Self { rules, whose: whose.into(), limit: REPLAY_USUAL, phase: Phase::NotRun, scroll: Scroll::default() }
    }

    fn start(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.stop(out);
        self.scroll.reset();
        let run = RunId::of(std::process::id(), cx.now);
        let query = ReplayQuery { rules: self.rules.clone(), limit: self.limit, ..ReplayQuery::default() };
        let ticket = out.ask(Command::Replay { query: Box::new(query), run });
        self.phase = Phase::Running { ticket, run, since: cx.now, at: None };
    }

    fn running(&self) -> Option<RunId> {
        match self.phase {
            Phase::Running { run, .. } => Some(run),
            _ => None,
        }
    }

    fn stop(&self, out: &mut Outbox) {
        if let Some(run) = self.running() {
            out.tell(Command::StopReplay { run }, "");
        }
    }

    fn title(&self) -> String {
        format!("Replay  {}", self.whose)
    }

    fn status(&self) -> String {
        match &self.phase {
            Phase::Running { at: Some((done, of)), .. } => {
                format!("[>] {} of {}", units::thousands(*done), units::thousands(*of))
            }
            Phase::Done(done) => units::count(done.report.calls, "call", "calls"),
            Phase::NotRun | Phase::Running { at: None, .. } => {
                format!("the newest {}", units::count(self.limit as u64, "call", "calls"))
            }
            Phase::Refused(_) => String::new(),
        }
    }

    fn lines(&self, width: usize) -> Lines {
        let mut lines = Lines::new(width);
        match &self.phase {
            Phase::NotRun | Phase::Running { .. } => {
                lines.wrapped(0, "Each call is decided anew, in the world that was recorded with it.", Role::Muted);
            }
            Phase::Refused(said) => lines.marked("[x] ", Role::Bad, said),
            Phase::Done(done) => {
                let report = &done.report;
                lines.wrapped(0, &words::headline(report), Role::Title);
                if report.calls > 0 {
                    lines.blank();
                    sums(report, &mut lines);
                    flows(report, &mut lines);
                    rows(report, &mut lines);
                }
                lines.blank();
                for issue in &done.issues {
                    lines.marked("[!] ", Role::Warn, &with_remedy(&issue.message, &issue.remedy));
                }
                for note in words::notes(report) {
                    lines.wrapped(0, &note, Role::Muted);
                }
            }
        }
        lines
    }
}

fn figures(cells: [&str; 3], role: Role, label: Piece) -> Vec<Piece> {
    let [before, after, change] = cells.map(|cell| text::pad_left(cell, FIGURE));
    vec![label, Piece::plain(&before), Piece::new(&after, role), Piece::plain(&change)]
}

fn sums(report: &ReplayReport, lines: &mut Lines) {
    let head = text::pad_right("", LABEL);
    let [before, after, change] = ["then", "by the rules", "change"].map(|title| text::pad_left(title, FIGURE));
    lines.put(0, &[Piece::new(&format!("{head}{before}{after}{change}"), Role::Muted)]);
    for line in words::compared(report) {
        let label = Piece::new(&text::pad_right(line.label, LABEL), Role::Muted);
        let role = if line.worse { Role::Bad } else { Role::Plain };
        lines.put(0, &figures([&line.before, &line.after, &line.change], role, label));
    }
}

fn flows(report: &ReplayReport, lines: &mut Lines) {
    if report.flows.is_empty() {
        return;
    }
    lines.blank();
    let target = (lines.width().saturating_sub(7 + 2 + 2 + 2 + 10) / 2).clamp(10, 44);
    let row = |calls: &str, from: &str, to: &str, cost: &str| {
        format!(
            "{}  {}  {}  {}",
            text::pad_left(calls, 7),
            text::pad_right(&text::truncate(from, target), target),
            text::pad_right(&text::truncate(to, target), target),
            text::pad_left(cost, 10)
        )
    };
    lines.put(0, &[Piece::new(&row("calls", "from", "to", "cost"), Role::Muted)]);
    for flow in report.flows.iter().take(FLOWS) {
        let cells = (words::end(flow.from.as_ref()), words::end(flow.to.as_ref()), words::flow_cost(flow));
        lines.put(0, &[Piece::plain(&row(&units::thousands(flow.calls), &cells.0, &cells.1, &cells.2))]);
    }
    if report.flows.len() > FLOWS {
        lines.wrapped(9, &format!("and {} more ways", report.flows.len() - FLOWS), Role::Muted);
    }
}

fn rows(report: &ReplayReport, lines: &mut Lines) {
    let count = report.moved + report.refused + report.let_through;
    if count == 0 {
        return;
    }
    lines.blank();
    lines.title(&units::count(count, "call changes", "calls change"));
    for row in &report.rows {
        one(row, lines);
    }
    let more = count.saturating_sub(report.rows.len() as u64);
    if more > 0 {
        let more = format!("and {} more: lmdeck routes replay --json has all", units::thousands(more));
        lines.wrapped(ID, &more, Role::Muted);
    }
}

fn one(row: &Replayed, lines: &mut Lines) {
    let id = Piece::new(&text::pad_right(row.id.as_str(), ID), Role::Muted);
    let (before, after) = (words::fate(&row.before), words::fate(&row.after));
    let role = if row.change == Change::Refused { Role::Bad } else { Role::Accent };
    if lines.width() >= WIDE {
        let part = (lines.width() - ID - 4 - 22) / 2;
        let cell = |said: &str| text::pad_right(&text::truncate(said, part), part);
        lines.put(
            0,
            &[
                id,
                Piece::plain(&cell(&before)),
                Piece::plain("  "),
                Piece::new(&cell(&after), role),
                Piece::plain("  "),
                Piece::new(&words::world(row), Role::Muted),
            ],
        );
        return;
    }
    let room = lines.width().saturating_sub(ID);
    lines.put(0, &[id, Piece::plain(&text::truncate(&before, room))]);
    let world = format!("   {}", words::world(row));
    let room = room.saturating_sub(3 + text::width(&world));
    let after = text::truncate(&after, room).into_owned();
    lines.put(ID, &[Piece::plain("-> "), Piece::new(&after, role), Piece::new(&world, Role::Muted)]);
}

impl Part for ReplayPage {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Replay, Context::List]
    }

    fn why_not(&self, action: Action, _: &Cx<'_>) -> Option<String> {
        let why = match action {
            Action::ReplayAgain | Action::ReplayMore if self.running().is_some() => "it is running already",
            Action::ReplayMore if self.limit >= REPLAY_MOST => "more than that a shell does not replay either",
            Action::Copy if !matches!(self.phase, Phase::Done(_)) => "there is nothing to copy yet",
            _ => return None,
        };
        Some(why.to_owned())
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::ReplayAgain => self.start(cx, out),
            Action::ReplayMore => {
                self.limit = (self.limit * 10).min(REPLAY_MOST);
                self.start(cx, out);
            }
            Action::Copy => out.push(Effect::Copy(self.lines(WIDE).text(), "the replay was")),
            // While it runs ctrl-c stops the replay, not lmdeck.
            Action::Cancel if self.running().is_some() => self.stop(out),
            Action::Back => {
                self.stop(out);
                out.push(Effect::Close);
            }
            _ => return self.scroll.act(action),
        }
        true
    }

    fn event(&mut self, event: &Event, _: &Cx<'_>) {
        if let (EventKind::ReplayProgress { run, done, of }, Phase::Running { run: own, at, .. }) =
            (&event.kind, &mut self.phase)
            && own == run
        {
            *at = Some((*done, *of));
        }
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, _: &Cx<'_>, _: &mut Outbox) {
        if !matches!(self.phase, Phase::Running { ticket: asked, .. } if asked == ticket) {
            return;
        }
        self.phase = match reply {
            Reply::Replayed(done) => {
                // A drawing costs what it shows: of the rows those that change, and no more than are told.
                let mut done = done.clone();
                done.report.rows.retain(|row| row.change != Change::Same);
                done.report.rows.truncate(ROWS);
                Phase::Done(done)
            }
            Reply::Refused(refusal) => {
                let found = refusal.issues.first().map(|issue| format!(": {}", issue.message)).unwrap_or_default();
                Phase::Refused(with_remedy(&format!("{}{found}", refusal.message), &refusal.remedy))
            }
            _ => Phase::Refused("the engine gave no replay".to_owned()),
        };
    }

    fn shown(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        if matches!(self.phase, Phase::NotRun) {
            self.start(cx, out);
        }
    }

    fn about(&self) -> &'static str {
        "What these rules would have made of recorded calls: nothing is sent, and nothing is written. Each call is decided anew by its facts, in the world recorded with it."
    }

    fn plain(&self, _: &Cx<'_>) -> Vec<String> {
        let mut said = vec![format!("{}.", self.title())];
        match &self.phase {
            Phase::Done(done) => {
                let report = &done.report;
                said.push(words::headline(report));
                let compared = words::compared(report);
                said.extend(compared.iter().map(|line| {
                    format!("{}: {} then, {} by the rules, {}", line.label, line.before, line.after, line.change)
                }));
                said.extend(report.flows.iter().take(FLOWS).map(|flow| {
                    let calls = units::count(flow.calls, "call", "calls");
                    let (from, to) = (words::end(flow.from.as_ref()), words::end(flow.to.as_ref()));
                    format!("{calls} from {from} to {to}, {}", words::flow_cost(flow))
                }));
                said.extend(words::notes(report));
            }
            Phase::Refused(why) => said.push(why.clone()),
            Phase::NotRun | Phase::Running { .. } => said.push("It is running.".to_owned()),
        }
        said
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        let status = match &self.phase {
            Phase::Running { at: None, since, .. } => canvas.running(*since),
            _ => self.status(),
        };
        canvas.rule(Rect { height: 1, ..area }, &self.title(), &status, true);
        let below = Rect::new(area.x + 2, area.y + 1, area.width.saturating_sub(3), area.height.saturating_sub(1));
        self.scroll.draw(&self.lines(usize::from(below.width)), canvas, below);
    }
}
