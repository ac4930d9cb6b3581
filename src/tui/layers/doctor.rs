//! The connection doctor: every step to a provider with its verdict and its time, and what to do.

use crate::domain::ids::ProviderId;
use crate::engine::protocol::{Command, ProviderView, Reply};
use crate::present::remedy::{Remedy, Subject};
use crate::present::units;
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::layers::confirm::Confirm;
use crate::tui::part::{Cx, Effect, Outbox, Part, Ticket};
use crate::tui::screens::acts;
use crate::tui::theme::Role;
use crate::tui::widgets::lines::{Lines, Piece};
use crate::tui::widgets::test::ConnectionTest;
use ratatui::layout::Rect;

/// The longest bar.
const BAR: u16 = 20;

pub struct Doctor {
    id: ProviderId,
    name: String,
    test: ConnectionTest,
    /// The last run asked the model for a word.
    answer: bool,
}

impl Doctor {
    pub fn of(provider: &ProviderView) -> Self {
        Self { id: provider.id.clone(), name: provider.name.clone(), test: ConnectionTest::default(), answer: false }
    }

    fn start(&mut self, answer: bool, cx: &Cx<'_>, out: &mut Outbox) {
        self.answer = answer;
        let ticket = out.ask(Command::TestSaved { id: self.id.clone(), answer });
        self.test = ConnectionTest::Running { ticket, since: cx.now };
    }

    fn bars(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let Some(report) = self.test.report() else { return };
        let total = report.steps.iter().filter_map(|step| step.ms).sum::<u64>();
        let scale = [200, 2_000, 20_000, 200_000].into_iter().find(|scale| total <= *scale).unwrap_or(total.max(1));
        let x = area.right().saturating_sub(BAR + 2);
        let head = format!("0 to {}", units::latency(scale));
        canvas.right(area.x, area.right().saturating_sub(2), area.y, &head, Role::Muted);
        let columns = |ms: u64| u16::try_from(ms.saturating_mul(u64::from(BAR)) / scale).unwrap_or(BAR).min(BAR);
        let mut before = 0;
        for (step, y) in report.steps.iter().zip(area.y + 1..area.bottom()) {
            let Some(ms) = step.ms else { continue };
            let start = columns(before);
            let long = columns(before + ms).saturating_sub(start).max(u16::from(ms > 0));
            let bar = "█".repeat(usize::from(long));
            canvas.text(x + start, y, long, &bar, Role::Chart(0));
            before += ms;
        }
    }
}

impl Part for Doctor {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Doctor, Context::Pager]
    }

    fn why_not(&self, action: Action, _: &Cx<'_>) -> Option<String> {
        let running = matches!(self.test, ConnectionTest::Running { .. });
        (running && matches!(action, Action::ProviderTest | Action::FormTest)).then(|| "it is running already".into())
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::ProviderTest => self.start(self.answer, cx, out),
            Action::FormTest if acts::find(cx.snapshot, &self.id).is_none_or(|p| !p.reach.is_local()) => {
                let lines = vec![format!("{} may charge for one short answer.", self.name)];
                let ask = Confirm::new("Ask the model for one word?", lines, "Do not ask");
                out.push(Effect::Open(Box::new(ask.with("Ask it", Effect::Pass(Action::AnswerNow)))));
            }
            Action::FormTest | Action::AnswerNow => self.start(true, cx, out),
            Action::Copy => {
                let text = self.test.text().join("\n");
                out.push(Effect::Copy(format!("{} ({})\n{text}", self.name, self.id), "the steps were"));
            }
            Action::Back => out.push(Effect::Close),
            _ => return false,
        }
        true
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, _: &mut Outbox) {
        if !self.test.waits_for(ticket) {
            return;
        }
        self.test = match reply {
            Reply::Tested(report) => ConnectionTest::Done { report: report.clone(), at: cx.now },
            Reply::Refused(refusal) => ConnectionTest::Refused(format!("{} {}", refusal.message, refusal.remedy)),
            _ => ConnectionTest::NotRun,
        };
    }

    fn shown(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        if matches!(self.test, ConnectionTest::NotRun) {
            self.start(false, cx, out);
        }
    }

    fn about(&self) -> &'static str {
        "Every step of a connection, in order, with its verdict. The steps cost nothing; an answer may."
    }

    fn plain(&self, cx: &Cx<'_>) -> Vec<String> {
        let mut lines = vec![format!("Doctor, {}", self.name)];
        lines.extend(self.test.text());
        if let Some(provider) = acts::find(cx.snapshot, &self.id) {
            lines.extend(self.test.remedies(&Subject::of(provider)).iter().map(Remedy::text));
        }
        lines
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        let status = self.test.status(canvas);
        canvas.rule(Rect { height: 1, ..area }, &format!("Doctor  {}", self.name), &status, true);
        let wide = area.width >= 76;
        let steps_wide = area.width.saturating_sub(if wide { BAR + 6 } else { 3 });
        let mut steps = Lines::new(usize::from(steps_wide));
        steps.put(7, &[Piece::new("step      verdict", Role::Muted)]);
        self.test.steps(&mut steps);
        let rows = area.height.saturating_sub(1).min(9);
        let top = Rect::new(area.x, area.y + 1, steps_wide, rows);
        steps.draw(canvas, top, 0);
        if wide {
            self.bars(canvas, Rect::new(area.x, area.y + 1, area.width, rows));
        }
        let Some(provider) = acts::find(canvas.cx.snapshot, &self.id) else { return };
        let mut advice = Lines::new(usize::from(area.width.saturating_sub(4)));
        let subject = Subject::of(provider);
        if !self.test.remedies(&subject).is_empty() || matches!(self.test, ConnectionTest::Refused(_)) {
            advice.title("What to do");
        }
        self.test.advice(&subject, &mut advice);
        let below = Rect::new(area.x + 2, area.y + 10, area.width.saturating_sub(4), area.height.saturating_sub(10));
        if area.height > 10 {
            advice.draw(canvas, below, 0);
        }
    }
}
