//! `providers doctor` and `providers test`: a line per step as it ends, then what to do.

use super::{say_cautions, test_json};
use crate::cli::agree;
use crate::cli::ending::Ending;
use crate::cli::session::{Session, unexpected};
use crate::domain::failure::ErrorCode;
use crate::domain::ids::ProviderId;
use crate::engine::protocol::{Command, EventKind, ProviderView, Reply, RunId, Step, TestReport};
use crate::present::labels::{self, Role};
use crate::present::remedy::{Subject, remedy};
use crate::present::{escape, may_cost, units};
use serde_json::{Value, json};
use std::pin::pin;
use tokio::sync::broadcast::error::RecvError;

/// What is asked of the model at the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub answer: bool,
    /// What it costs is agreed to already.
    pub yes: bool,
}

pub(super) async fn run(
    session: &mut Session,
    id: &str,
    question: Question,
    walk: impl FnOnce(ProviderId, RunId) -> Command,
) -> Result<(), Ending> {
    let view = session.provider(id).await?;
    if question.answer && !question.yes {
        agree(session, &view)?;
    }
    let run = session.run_id();
    let (report, ended_by) = follow(session, run, walk(view.id.clone(), run)).await?;
    if session.console.json {
        let subject = Subject::of(&view);
        let mut value = test_json(view.id.as_str(), &report);
        if let Value::Object(fields) = &mut value {
            let what = report.failure.as_ref().filter(|failure| failure.code != ErrorCode::Cancelled);
            fields.insert("remedy".into(), json!(what.map(|failure| remedy(failure, &subject).text())));
            fields.insert("stopped".into(), json!(ended_by.is_some()));
        }
        session.console.document(&value)?;
    }
    if let Some(code) = ended_by {
        session.console.say(Role::Muted, "-- stopped; what it found until then stands above");
        return Err(Ending::Exit(code));
    }
    let subject = Subject::of(&view);
    say_cautions(session, &report, &subject);
    match &report.failure {
        Some(failure) => Err(Ending::of_failure(view.id.as_str(), failure, Some(&subject))),
        None => Ok(()),
    }
}

/// Nothing is asked of a model that costs money before the person says so.
fn agree(session: &mut Session, view: &ProviderView) -> Result<(), Ending> {
    let Some(cost) = may_cost::one_question(view) else { return Ok(()) };
    session.console.say(Role::Plain, &escape::line(&format!("One short answer of {} {cost}.", view.name)));
    let remedy =
        format!("run it with --yes, or without --answer: the other steps are free (providers test {})", view.id);
    agree::to_cost(&mut session.console, "Ask for it?", "this answer costs money", &remedy)
}

/// Prints the steps as they end; the report, and the exit code of who stopped it.
async fn follow(session: &mut Session, run: RunId, command: Command) -> Result<(TestReport, Option<u8>), Ending> {
    let (handle, mut events) = (session.handle.clone(), session.handle.events());
    let mut interrupted = session.console.interrupted();
    let mut reply = pin!(handle.ask(command));
    let (mut ended_by, mut gone) = (None, false);
    let mut printed: Vec<String> = Vec::new();
    let reply = loop {
        tokio::select! {
            biased;
            event = events.recv(), if !gone => match event {
                Ok(event) => {
                    if let EventKind::StepDone { run: of, step } = event.kind
                        && of == run
                    {
                        print(session, &step)?;
                        printed.push(step.name);
                    }
                }
                // What went by unheard is in the report.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => gone = true,
            },
            reply = &mut reply => break reply,
            code = &mut interrupted, if ended_by.is_none() => {
                ended_by = Some(code);
                session.ask(Command::StopDiagnosis { run }).await?;
            }
        }
    };
    match reply {
        Reply::Tested(report) => {
            for step in report.steps.iter().filter(|step| !printed.contains(&step.name)) {
                print(session, step)?;
            }
            Ok((report, ended_by))
        }
        Reply::Refused(refusal) => Err(refusal.into()),
        _ => Err(unexpected("providers doctor")),
    }
}

fn print(session: &mut Session, step: &Step) -> Result<(), Ending> {
    if session.console.json {
        return Ok(());
    }
    let label = labels::step(step.state);
    let took = step.ms.map_or_else(|| "-".to_owned(), units::latency);
    let console = &mut session.console;
    let mark = console.paint(label.role, label.mark);
    let role = if label.role == Role::Muted { Role::Muted } else { Role::Plain };
    let rest = console.paint(role, &format!("{:<9}  {took:>8}   {}", step.name, step.verdict));
    console.line(&format!("{mark} {rest}"))?;
    console.flush()
}
