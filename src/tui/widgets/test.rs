//! The quick connection test of a form: its steps in fixed rows, and what to do about the one that failed. The
//! doctor has a layer of its own.

use crate::domain::failure::ErrorCode;
use crate::domain::kind::Kind;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{RunId, Step, StepState, TEST_STEPS, TestReport};
use crate::present::remedy::{self, Subject};
use crate::present::{labels, text, units};
use crate::tui::canvas::Canvas;
use crate::tui::part::Ticket;
use crate::tui::theme::Role;
use crate::tui::widgets::lines::{Lines, Piece};
use crate::tui::words;

/// Under the steps of a run that was stopped.
const STOPPED: &str = "Stopped: ctrl-t takes all steps again.";

#[derive(Debug, Default)]
pub enum ConnectionTest {
    #[default]
    NotRun,
    Running {
        ticket: Ticket,
        run: RunId,
        since: UnixMs,
        /// Those that have ended.
        steps: Vec<Step>,
    },
    Done {
        report: TestReport,
        at: UnixMs,
    },
    /// It could not be begun; the sentence why.
    Refused(String),
}

impl ConnectionTest {
    pub fn waits_for(&self, asked: Ticket) -> bool {
        matches!(self, Self::Running { ticket, .. } if *ticket == asked)
    }

    pub fn report(&self) -> Option<&TestReport> {
        match self {
            Self::Done { report, .. } => Some(report),
            _ => None,
        }
    }

    /// The run under way.
    pub fn run(&self) -> Option<RunId> {
        match self {
            Self::Running { run, .. } => Some(*run),
            _ => None,
        }
    }

    /// A step of some run ended.
    pub fn heard(&mut self, of: RunId, step: &Step) {
        if let Self::Running { run, steps, .. } = self
            && *run == of
        {
            steps.push(step.clone());
        }
    }

    /// The steps that have ended, in order.
    fn ended(&self) -> &[Step] {
        match self {
            Self::Running { steps, .. } => steps,
            Self::Done { report, .. } => &report.steps,
            Self::NotRun | Self::Refused(_) => &[],
        }
    }

    /// Somebody stopped it.
    fn stopped(&self) -> bool {
        let failure = self.report().and_then(|report| report.failure.as_ref());
        failure.is_some_and(|failure| failure.code == ErrorCode::Cancelled)
    }

    /// What is going on, for a heading's right end. While it runs the picture is drawn again every second.
    pub fn status(&self, canvas: &Canvas<'_>) -> String {
        match self {
            Self::NotRun => "not tried yet".into(),
            Self::Running { since, .. } => format!("{}, esc stops it", canvas.running(*since)),
            Self::Done { at, .. } if self.stopped() => format!("stopped {} ago", canvas.age(*at)),
            Self::Done { report, at } => {
                format!("ran {}, {} ago", units::duration(report.total_ms), canvas.age(*at))
            }
            Self::Refused(_) => "not possible".into(),
        }
    }

    fn rows(&self) -> Vec<(labels::Label, String, String)> {
        let ended = self.ended();
        let row = |(place, name): (usize, &&str)| {
            if let Some(step) = ended.iter().find(|step| step.name == *name) {
                return (labels::step(step.state), (*name).to_owned(), verdict(step));
            }
            let running = self.run().is_some() && place == ended.len();
            let mark = if running { labels::RUNNING } else { labels::NOT_YET };
            let label = labels::Label { mark, word: "".into(), role: labels::Role::Muted };
            (label, (*name).to_owned(), String::new())
        };
        TEST_STEPS.iter().enumerate().map(row).collect()
    }

    /// All steps, one row each.
    pub fn steps(&self, lines: &mut Lines) {
        for (label, name, verdict) in self.rows() {
            lines.put(2, &step_row(&label, &name, &verdict));
        }
    }

    /// Passed steps in one row, the others in their own.
    pub fn folded(&self, lines: &mut Lines) {
        let ended = self.ended();
        let passed: Vec<String> = ended
            .iter()
            .filter(|step| step.state == StepState::Passed)
            .map(|step| match step.ms.filter(|ms| *ms > 0) {
                Some(ms) => format!("{} {}", step.name, units::latency(ms)),
                None => step.name.clone(),
            })
            .collect();
        if !passed.is_empty() {
            let said = format!("{}: {}", units::count(passed.len() as u64, "step", "steps"), passed.join(", "));
            lines.put(2, &[Piece::new(labels::OK, Role::Good), Piece::plain(" "), Piece::plain(&said)]);
        }
        for step in ended.iter().filter(|step| matches!(step.state, StepState::Warned | StepState::Failed)) {
            lines.put(2, &step_row(&labels::step(step.state), &step.name, &verdict(step)));
        }
        if let (Some(_), Some(next)) = (self.run(), TEST_STEPS.get(ended.len())) {
            let label = labels::Label { mark: labels::RUNNING, word: "".into(), role: labels::Role::Muted };
            lines.put(2, &step_row(&label, next, ""));
        }
    }

    /// What to do about the failure, or about what it warns of.
    pub fn advice(&self, subject: &Subject<'_>, lines: &mut Lines) {
        if let Self::Refused(why) = self {
            lines.wrapped(2, why, Role::Plain);
        }
        if self.stopped() {
            lines.wrapped(4, STOPPED, Role::Plain);
        }
        for remedy in self.remedies(subject) {
            lines.wrapped(4, &remedy.headline, Role::Plain);
            if let Some(command) = &remedy.command {
                lines.wrapped(8, in_fields(command, subject).as_ref().unwrap_or(command), Role::Plain);
            }
            for step in &remedy.steps {
                lines.wrapped(4, step, Role::Plain);
            }
        }
    }

    pub fn remedies(&self, subject: &Subject<'_>) -> Vec<remedy::Remedy> {
        let Some(report) = self.report().filter(|_| !self.stopped()) else { return Vec::new() };
        let failed = report.failure.as_ref().map(|failure| remedy::remedy(failure, subject));
        failed.into_iter().chain(report.cautions.iter().map(|cause| remedy::caution(cause, subject))).collect()
    }

    /// How it ended, in one line, for who listens.
    pub fn told(&self) -> Option<String> {
        match self {
            Self::NotRun | Self::Running { .. } => None,
            Self::Refused(why) => Some(format!("Connection: not tried. {why}")),
            Self::Done { .. } if self.stopped() => Some(format!("Connection: {STOPPED}")),
            Self::Done { report, .. } => {
                let worst = [StepState::Failed, StepState::Warned]
                    .into_iter()
                    .find_map(|state| report.steps.iter().find(|step| step.state == state));
                Some(match worst {
                    Some(step) => {
                        format!("Connection, {}: {}, {}.", step.name, labels::step(step.state).word, verdict(step))
                    }
                    None => format!("Connection: works, {}.", units::latency(report.total_ms)),
                })
            }
        }
    }
}

/// What a command that changes a provider means in the form that is open: `Address: http://127.0.0.1:1234`. `None`
/// for other commands.
fn in_fields(command: &str, subject: &Subject<'_>) -> Option<String> {
    let verbs = ["lmdeck providers add ", "lmdeck providers edit "];
    let flags = verbs.into_iter().find_map(|verb| command.strip_prefix(verb))?;
    let mut fields = Vec::new();
    let mut words = flags.split_whitespace();
    while let Some(word) = words.next() {
        let value = match word {
            "--type" | "--endpoint" | "--key" => words.next()?.trim_matches('\''),
            _ if fields.is_empty() && !word.starts_with("--") => continue,
            _ => return None,
        };
        match word {
            "--type" if value == subject.kind.word() => {}
            "--type" => fields.push(format!("Kind: {}", Kind::from_word(value)?.label())),
            "--endpoint" if value == subject.endpoint.written || value == subject.endpoint.origin => {}
            "--endpoint" => fields.push(format!("Address: {value}")),
            _ => fields.push(format!("Key: {value}")),
        }
    }
    (!fields.is_empty()).then(|| fields.join("   "))
}

fn verdict(step: &Step) -> String {
    match step.ms.filter(|ms| *ms > 0) {
        Some(ms) if step.verdict.is_empty() => units::latency(ms),
        Some(ms) if !step.verdict.contains(" ms") => format!("{}, {}", step.verdict, units::latency(ms)),
        _ => step.verdict.clone(),
    }
}

fn step_row(label: &labels::Label, name: &str, verdict: &str) -> [Piece; 4] {
    [
        Piece::new(label.mark, words::role(label.role)),
        Piece::plain(" "),
        Piece::plain(&text::pad_right(name, 10)),
        Piece::plain(verdict),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::config::{Endpoint, KeySource};

    #[test]
    fn in_a_form_a_remedy_names_its_fields() {
        let endpoint = Endpoint::http("127.0.0.1", 8080);
        let subject = Subject::draft(Kind::LmStudio, &endpoint, &KeySource::None);
        let said = |command: &str| in_fields(command, &subject);
        let add = format!("lmdeck providers add --type llama_cpp --endpoint {}", endpoint.origin);
        assert_eq!(said(&add).as_deref(), Some("Kind: llama.cpp"));
        let port = "lmdeck providers edit lm_studio --endpoint http://127.0.0.1:1234";
        assert_eq!(said(port).as_deref(), Some("Address: http://127.0.0.1:1234"));
        let key = "lmdeck providers edit lm_studio --key '${LM_API_TOKEN}'";
        assert_eq!(said(key).as_deref(), Some("Key: ${LM_API_TOKEN}"));
        for other in ["lms server start --port 1234", "lmdeck providers edit x --name X", "lmdeck providers add"] {
            assert_eq!(said(other), None, "{other}");
        }
    }
}
