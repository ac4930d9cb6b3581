//! `providers list|show|remove|enable|disable|test`. Adding and editing are in `provider_edit`.

mod discover;
mod doctor;

use super::health;
use crate::cli::args::ProvidersVerb;
use crate::cli::ending::Ending;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Column, Table};
use crate::cli::verbs::{edited, models, provider_edit};
use crate::cli::words;
use crate::domain::health::Ladder;
use crate::engine::protocol::{Command, ProviderView, StepState, TestReport};
use crate::present::labels::{self, Role};
use crate::present::remedy::{Remedy, Subject, caution};
use crate::present::{escape, limits, models as model_words, plan, reason, units, warm};
use serde_json::{Value, json};

pub async fn run(session: &mut Session, verb: &ProvidersVerb) -> Result<(), Ending> {
    match verb {
        ProvidersVerb::List => list(session).await,
        ProvidersVerb::Show { id } => show(session, id).await,
        ProvidersVerb::Add(args) => provider_edit::add(session, args).await,
        ProvidersVerb::Edit(args) => provider_edit::edit(session, args).await,
        ProvidersVerb::Remove { id } => {
            session.writable()?;
            let id = session.provider(id).await?.id.clone();
            let reply = session.ask(Command::RemoveProvider { id: id.clone() }).await?;
            edited::tell(session, reply, &format!("removed {id}"))
        }
        ProvidersVerb::Enable { id } => enable(session, id, true).await,
        ProvidersVerb::Disable { id } => enable(session, id, false).await,
        ProvidersVerb::Test { id, answer, yes } => {
            let question = doctor::Question { answer: *answer, yes: *yes };
            let walk = |id, run| Command::TestSaved { id, answer: question.answer, run };
            doctor::run(session, id, question, walk).await
        }
        ProvidersVerb::Doctor { id, answer, yes } => {
            let question = doctor::Question { answer: *answer, yes: *yes };
            let walk = |id, run| Command::Diagnose { id, answer: question.answer, run };
            doctor::run(session, id, question, walk).await
        }
        ProvidersVerb::Discover { add } => discover::run(session, *add).await,
    }
}

async fn list(session: &mut Session) -> Result<(), Ending> {
    let snapshot = session.probed().await?;
    if session.console.json {
        let all: Vec<Value> = snapshot.providers.iter().map(|view| as_json(view)).collect();
        return session.console.document(&all);
    }
    if snapshot.providers.is_empty() {
        session
            .console
            .say(Role::Plain, "No providers yet: lmdeck providers discover looks for servers on this machine.");
        return Ok(());
    }
    let mut table = Table::new(vec![
        Column::mark(),
        Column::left("PROVIDER", 12),
        Column::left("STATE", 12),
        Column::left("TYPE", 9),
        Column::left("REACH", 7).drop(2),
        Column::right("MODELS", 6).drop(1),
        Column::left("ADDRESS", 0),
    ]);
    for view in snapshot.providers.iter() {
        table.row(vec![
            Cell::mark(&labels::provider(view)),
            view.id.as_str().into(),
            labels::provider(view).word.into(),
            view.kind.word().into(),
            view.reach.word().into(),
            view.models.len().to_string().into(),
            view.endpoint.written.as_str().into(),
        ]);
    }
    table.print(&mut session.console)
}

fn as_json(view: &ProviderView) -> Value {
    let mut value = health::as_json(view);
    if let Value::Object(fields) = &mut value {
        fields.insert("endpoint".into(), json!(view.endpoint.written));
        fields.insert("local".into(), json!(view.local));
        fields.insert("key".into(), json!(view.key_source));
        fields.insert("models".into(), json!(view.named_models));
        fields.insert("models_known".into(), json!(view.models.len()));
        fields.insert("origin".into(), json!(view.origin));
        fields.insert("place".into(), json!(view.place));
        fields.insert("line".into(), json!(view.line));
        fields.insert("interface".into(), json!(view.health.interface));
        fields.insert("version".into(), json!(view.health.version));
        fields.insert("loads_on_demand".into(), json!(view.health.jit));
        fields.insert("looks_like".into(), json!(view.health.looks_like));
        fields.insert("memory_bytes".into(), json!(view.health.activity.memory_bytes));
        fields.insert("loading".into(), json!(view.loading));
        fields.insert("plan".into(), json!(view.plan));
        fields.insert("warm".into(), json!(view.warm));
    }
    value
}

async fn show(session: &mut Session, id: &str) -> Result<(), Ending> {
    let view = session.probed_provider(id).await?;
    if session.console.json {
        let mut value = as_json(&view);
        if let Value::Object(fields) = &mut value {
            fields.insert("models".into(), json!(view.models.iter().map(models::as_json).collect::<Vec<_>>()));
            fields.insert("lately".into(), json!(view.lately));
            fields.insert("rate".into(), json!(view.rate));
        }
        return session.console.document(&value);
    }
    let now = session.console.now();
    // Each word once: a provider is often called like its kind.
    let mut head = vec![view.name.as_str()];
    for word in [view.id.as_str(), view.kind.word(), view.reach.word()] {
        if !head.contains(&word) {
            head.push(word);
        }
    }
    let head = head.join("  ");
    let head = session.console.paint(Role::Accent, &head);
    session.console.line(&head)?;
    let mut table = Table::new(vec![Column::left("", 8), Column::left("", 0)]);
    let word = labels::provider(&view).word;
    let state = match labels::why(&view) {
        why if why.is_empty() => word.into_owned(),
        why => format!("{word}: {why}"),
    };
    let checked =
        view.health.last_checked.map_or_else(|| "never".to_owned(), |at| format!("{} ago", units::age(now.since(at))));
    let mut rows = vec![
        ("state", state),
        ("since", units::age(now.since(view.health.since))),
        ("checked", format!("{checked}, every {} s", view.probe_interval_s)),
        ("latency", view.health.latency_ms.map_or_else(|| "-".to_owned(), units::latency)),
        ("known", ladder(view.health.ladder)),
        ("address", view.endpoint.written.clone()),
        ("key", words::key(&view.key_source)),
        ("local", if view.local { "yes: local_only requests may go there" } else { "by its address" }.to_owned()),
    ];
    if let Some(slots) = labels::activity(&view) {
        rows.push(("slots", slots));
    }
    if let Some(memory) = labels::memory(&view) {
        rows.push(("memory", memory));
    }
    if let Some(server) = model_words::server(&view.health) {
        rows.push(("server", server));
    }
    if !view.place.is_empty() {
        let line = view.line.map(|line| format!(", line {line}")).unwrap_or_default();
        rows.push(("place", format!("{}{line}", view.place)));
    } else if view.is_discovered() {
        rows.push(("place", "discovered".to_owned()));
    }
    for line in view.rate.iter().flat_map(|rate| limits::lines(rate, now)) {
        rows.push(("limit", line));
    }
    rows.extend(plan::lines(&view, now).into_iter().map(|line| ("plan", line)));
    rows.extend(view.warm.iter().map(|warm| ("warm", warm::line(warm, now))));
    for (label, value) in rows {
        table.row(vec![Cell::new(Role::Muted, label), value.into()]);
    }
    table.print(&mut session.console)?;
    if let Some(remedy) = labels::what_to_do(&view) {
        print_remedy(session, &remedy)?;
    }
    models::print(session, &[view])
}

fn ladder(ladder: Ladder) -> String {
    [
        ("reachable", ladder.reachable),
        ("key", ladder.authenticated),
        ("listed", ladder.listed),
        ("loaded", ladder.loaded),
        ("answering", ladder.answering),
    ]
    .map(|(rung, known)| format!("{} {rung}", labels::rung(known).mark.trim_end()))
    .join("  ")
}

/// What to do about it, one line a step, the command on a line of its own so that it can be copied.
fn print_remedy(session: &mut Session, remedy: &Remedy) -> Result<(), Ending> {
    let mut lines = vec![(Role::Plain, remedy.headline.clone())];
    lines.extend(remedy.command.iter().map(|command| (Role::Accent, format!("    {command}"))));
    lines.extend(remedy.steps.iter().map(|step| (Role::Plain, step.clone())));
    let title = session.console.paint(Role::Muted, "what to do");
    session.console.line(&title)?;
    for (role, line) in lines {
        let line = session.console.paint(role, &line);
        session.console.line(&format!("  {line}"))?;
    }
    Ok(())
}

async fn enable(session: &mut Session, id: &str, enabled: bool) -> Result<(), Ending> {
    session.writable()?;
    let view = session.provider(id).await?;
    let word = if enabled { "on" } else { "off" };
    let reply = session.ask(Command::EnableProvider { id: view.id.clone(), enabled }).await?;
    edited::tell(session, reply, &format!("{id} is switched {word}"))
}

/// The steps of a connection test on standard error, where it is only on the way to something else.
pub fn say_steps(session: &mut Session, report: &TestReport) {
    for step in report.steps.iter().filter(|step| step.state != StepState::Skipped) {
        let label = labels::step(step.state);
        let text = format!("{} {:<9}  {}", label.mark, step.name, step.verdict);
        session.console.say(label.role, &escape::line(&text));
    }
}

pub fn test_json(id: &str, report: &TestReport) -> Value {
    json!({
        "provider": id,
        "passed": report.passed(),
        "steps": report.steps,
        "models": report.models.iter().map(|model| &model.id).collect::<Vec<_>>(),
        "message": report.failure.as_ref().map(|failure| &failure.message),
        "errorCode": report.failure.as_ref().map(|failure| failure.code),
        "total_ms": report.total_ms,
    })
}

/// What is worth a remedy although the test passed.
pub fn say_cautions(session: &mut Session, report: &TestReport, subject: &Subject<'_>) {
    let model = report.models.iter().find(|model| model.chat).map(|model| model.id.as_str());
    let subject = &if subject.model.is_none() { subject.with_model(model) } else { *subject };
    for cause in &report.cautions {
        let text = format!("-- {}: {}", reason::short_cause(cause), caution(cause, subject).text());
        session.console.say(Role::Warn, &escape::line(&text));
    }
}
