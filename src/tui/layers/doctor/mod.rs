//! The connection doctor: every step to a provider, told as it ends, and what to do. Leaving it ends its work.

mod draw;

use crate::domain::failure::ErrorCode;
use crate::domain::ids::ProviderId;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{
    Command, DOCTOR_STEPS, Event, EventKind, ProviderView, Reply, RunId, Step, StepState, TestReport,
};
use crate::present::remedy::{Remedy, Subject, caution, remedy};
use crate::present::{labels, may_cost, text, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::part::{Cx, Effect, Outbox, Part, Ticket};
use crate::tui::screens::acts;
use crate::tui::widgets::scroll::Scroll;
use ratatui::layout::Rect;

/// How far the run is.
#[derive(Debug)]
enum Phase {
    NotRun,
    Running {
        ticket: Ticket,
        run: RunId,
        since: UnixMs,
        /// When the step that runs now began.
        step_since: UnixMs,
    },
    Done {
        report: TestReport,
        at: UnixMs,
    },
    /// It could not be begun; the sentence why.
    Refused(String),
}

pub struct Doctor {
    id: ProviderId,
    name: String,
    phase: Phase,
    /// The steps that have ended, in order.
    steps: Vec<Step>,
    /// Where the person put the cursor; until then it follows the run.
    chosen: Option<usize>,
    /// The last run asked the model for a word.
    answer: bool,
    /// What to do, below the steps.
    scroll: Scroll,
}

impl Doctor {
    pub fn of(provider: &ProviderView) -> Self {
        Self {
            id: provider.id.clone(),
            name: provider.name.clone(),
            phase: Phase::NotRun,
            steps: Vec::new(),
            chosen: None,
            answer: false,
            scroll: Scroll::default(),
        }
    }

    fn start(&mut self, answer: bool, cx: &Cx<'_>, out: &mut Outbox) {
        self.answer = answer;
        self.steps.clear();
        self.chosen = None;
        self.scroll.reset();
        let run = RunId::of(std::process::id(), cx.now);
        let ticket = out.ask(Command::Diagnose { id: self.id.clone(), answer, run });
        self.phase = Phase::Running { ticket, run, since: cx.now, step_since: cx.now };
    }

    fn running(&self) -> Option<RunId> {
        match self.phase {
            Phase::Running { run, .. } => Some(run),
            _ => None,
        }
    }

    /// What asking the model costs, where it does.
    fn may_cost(&self, cx: &Cx<'_>) -> Option<String> {
        match acts::find(cx.snapshot, &self.id) {
            Some(provider) => may_cost::one_question(provider),
            None => Some("may cost something".to_owned()),
        }
    }

    fn stop(&self, out: &mut Outbox) {
        if let Some(run) = self.running() {
            out.tell(Command::StopDiagnosis { run }, "");
        }
    }

    fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The first step that did not pass; else the first to look at; else the last that was taken.
    fn worst(&self) -> usize {
        let place = |state| self.steps.iter().position(|step| step.state == state);
        place(StepState::Failed)
            .or_else(|| place(StepState::Warned))
            .or_else(|| self.steps.iter().rposition(|step| step.state == StepState::Passed))
            .unwrap_or(0)
    }

    /// The row with the cursor.
    fn place(&self) -> usize {
        let followed = if self.running().is_some() { self.steps.len() } else { self.worst() };
        self.chosen.unwrap_or(followed).min(DOCTOR_STEPS.len() - 1)
    }

    fn choose(&mut self, place: usize) {
        self.chosen = Some(place.min(DOCTOR_STEPS.len() - 1));
        self.scroll.reset();
    }

    /// Mark, name and verdict of one row.
    fn row(&self, place: usize) -> (labels::Label, &'static str, String) {
        let name = DOCTOR_STEPS[place];
        if let Some(step) = self.step(name) {
            return (labels::step(step.state), name, step.verdict.clone());
        }
        let mark =
            if self.running().is_some() && place == self.steps.len() { labels::RUNNING } else { labels::NOT_YET };
        (labels::Label { mark, word: "".into(), role: labels::Role::Muted }, name, String::new())
    }

    fn stopped(&self) -> bool {
        matches!(&self.phase, Phase::Done { report, .. }
            if report.failure.as_ref().is_some_and(|failure| failure.code == ErrorCode::Cancelled))
    }

    fn remedies(&self, subject: &Subject<'_>) -> Vec<Remedy> {
        let Phase::Done { report, .. } = &self.phase else { return Vec::new() };
        if self.stopped() {
            return Vec::new();
        }
        let model = report.models.iter().find(|model| model.chat).map(|model| model.id.as_str());
        let subject = &if subject.model.is_none() { subject.with_model(model) } else { *subject };
        let failed = report.failure.as_ref().map(|failure| remedy(failure, subject));
        failed.into_iter().chain(report.cautions.iter().map(|cause| caution(cause, subject))).collect()
    }

    /// The steps as text; a report for someone else holds no part of a key, as no verdict does.
    fn text(&self) -> Vec<String> {
        let rows = (0..DOCTOR_STEPS.len()).map(|place| {
            let (label, name, verdict) = self.row(place);
            let took = self.step(name).and_then(|step| step.ms).map_or_else(String::new, units::latency);
            format!("{} {}{}  {verdict}", label.mark, text::pad_right(name, 9), text::pad_left(&took, 8))
        });
        rows.map(|line| line.trim_end().to_owned()).collect()
    }
}

impl Part for Doctor {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Doctor, Context::List]
    }

    fn why_not(&self, action: Action, cx: &Cx<'_>) -> Option<String> {
        let running = self.running().is_some();
        match action {
            Action::ProviderTest | Action::FormTest if running => Some("it is running already".into()),
            Action::CopyCommand => {
                let provider = acts::find(cx.snapshot, &self.id)?;
                let none = self.remedies(&Subject::of(provider)).iter().all(|remedy| remedy.command.is_none());
                none.then(|| "there is no command to copy".into())
            }
            Action::ProviderEdit => acts::why_not(action, acts::find(cx.snapshot, &self.id)?, cx.snapshot),
            _ => None,
        }
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::ProviderTest => self.start(false, cx, out),
            Action::FormTest => match self.may_cost(cx) {
                Some(cost) => out.push(Effect::Open(Box::new(acts::ask_the_model(&self.name, &cost)))),
                None => self.start(true, cx, out),
            },
            Action::AnswerNow => self.start(true, cx, out),
            Action::Copy => {
                let text = self.text().join("\n");
                out.push(Effect::Copy(format!("{} ({})\n{text}", self.name, self.id), "the steps were"));
            }
            Action::CopyCommand => {
                let provider = acts::find(cx.snapshot, &self.id);
                let remedies = provider.map(|provider| self.remedies(&Subject::of(provider))).unwrap_or_default();
                if let Some(command) = remedies.into_iter().find_map(|remedy| remedy.command) {
                    out.push(Effect::Copy(command, "the command was"));
                }
            }
            Action::ProviderEdit => {
                if let Some(provider) = acts::find(cx.snapshot, &self.id) {
                    self.stop(out);
                    out.push(Effect::Close);
                    acts::act(action, provider, cx, out);
                }
            }
            // While it runs ctrl-c stops the run, not lmdeck.
            Action::Cancel if self.running().is_some() => self.stop(out),
            Action::Back => {
                self.stop(out);
                out.push(Effect::Close);
            }
            Action::Up => self.choose(self.place().saturating_sub(1)),
            Action::Down => self.choose(self.place() + 1),
            Action::First => self.choose(0),
            Action::Last => self.choose(DOCTOR_STEPS.len() - 1),
            Action::PageUp | Action::PageDown => return self.scroll.act(action),
            _ => return false,
        }
        true
    }

    fn event(&mut self, event: &Event, cx: &Cx<'_>) {
        let EventKind::StepDone { run, step } = &event.kind else { return };
        if let Phase::Running { run: own, step_since, .. } = &mut self.phase
            && own == run
        {
            *step_since = cx.now;
            self.steps.push(step.clone());
        }
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, _: &mut Outbox) {
        if !matches!(self.phase, Phase::Running { ticket: asked, .. } if asked == ticket) {
            return;
        }
        self.phase = match reply {
            Reply::Tested(report) => {
                // The whole truth: steps whose announcement went by are in it.
                self.steps.clone_from(&report.steps);
                Phase::Done { report: report.clone(), at: cx.now }
            }
            Reply::Refused(refusal) => Phase::Refused(format!("{} {}", refusal.message, refusal.remedy)),
            _ => Phase::NotRun,
        };
    }

    fn shown(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        if matches!(self.phase, Phase::NotRun) {
            self.start(false, cx, out);
        }
    }

    fn about(&self) -> &'static str {
        "Every step of a connection, in order, with its verdict. The steps cost nothing; an answer may."
    }

    fn plain(&self, cx: &Cx<'_>) -> Vec<String> {
        let mut lines = vec![format!("Doctor, {}", self.name)];
        for (place, name) in DOCTOR_STEPS.iter().enumerate() {
            let Some(step) = self.step(name) else { continue };
            let word = labels::step(step.state).word;
            let total = DOCTOR_STEPS.len();
            lines.push(format!("{} of {total}, {name}: {word}, {}.", place + 1, step.verdict.trim_end_matches('.')));
        }
        if self.stopped() {
            lines.push(STOPPED.to_owned());
        }
        if let Some(provider) = acts::find(cx.snapshot, &self.id) {
            lines.extend(self.remedies(&Subject::of(provider)).iter().map(Remedy::text));
        }
        lines
    }

    fn choice(&self, _: &Cx<'_>) -> Option<String> {
        let chosen = self.chosen?;
        let (label, name, verdict) = self.row(chosen);
        Some(format!("{name}: {} {verdict}", label.word))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        draw::draw(self, canvas, area);
    }
}

/// Under the steps of a run that was stopped.
const STOPPED: &str = "Stopped: r takes all steps again.";
