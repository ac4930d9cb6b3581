//! `presets list|show|run|add|edit|copy|remove`, and what `ask --preset` does.

use super::{ask, edited, explain};
use crate::cli::args::{PresetArgs, PresetsVerb, RunArgs};
use crate::cli::console::Console;
use crate::cli::ending::{Ending, USAGE};
use crate::cli::session::Session;
use crate::cli::suggest;
use crate::cli::table::{Cell, Column, Table};
use crate::domain::call::{Facts, Message, Role as Speaker};
use crate::domain::preset::{Asked, Preset, Values};
use crate::domain::routing::Explanation;
use crate::engine::protocol::{Command, PresetDraft, PresetEdit, TokenCount};
use crate::present::escape;
use crate::present::labels::Role;
use crate::present::presets::{Giving, unfilled, unknown, variables};
use serde_json::{Value, json};
use std::sync::Arc;

pub async fn run(session: &mut Session, verb: &PresetsVerb) -> Result<(), Ending> {
    match verb {
        PresetsVerb::List => list(session),
        PresetsVerb::Show { name } => show(session, name),
        PresetsVerb::Run(args) => send(session, args).await,
        PresetsVerb::Add { name, fields } => add(session, name, fields).await,
        PresetsVerb::Edit { name, clear, fields } => edit(session, name, clear, fields).await,
        PresetsVerb::Copy { name, to } => {
            let edit = PresetEdit::Copy { name: name.clone(), to: to.clone() };
            change(session, edit, false, &format!("copied {name} to {to}")).await
        }
        PresetsVerb::Remove { name } => {
            let edit = PresetEdit::Remove { name: name.clone() };
            change(session, edit, false, &format!("removed preset {name}")).await
        }
    }
}

fn presets(session: &Session) -> Arc<Vec<Preset>> {
    Arc::clone(&session.handle.snapshot().config.presets)
}

fn named(session: &Session, name: &str) -> Result<Preset, Ending> {
    let all = presets(session);
    all.iter().find(|preset| preset.name == name).cloned().ok_or_else(|| {
        let near = suggest::nearest(name, all.iter().map(|preset| preset.name.as_str()));
        let (message, remedy) = unknown(name, &all, near);
        Ending::new(USAGE, message, remedy)
    })
}

fn list(session: &mut Session) -> Result<(), Ending> {
    let all = presets(session);
    if session.console.json {
        return session.console.document(&all.iter().map(as_json).collect::<Vec<_>>());
    }
    if all.is_empty() {
        session
            .console
            .say(Role::Muted, "-- there is no preset yet: lmdeck presets add --help shows how one is written");
        return Ok(());
    }
    let mut table = Table::new(vec![
        Column::left("PRESET", 16),
        Column::left("TYPE", 12).drop(1),
        Column::left("MODEL", 8).drop(2),
        Column::left("VARIABLES", 0),
    ]);
    for preset in all.iter() {
        let kind = if preset.request_type.is_empty() { "-" } else { &preset.request_type };
        table.row(vec![preset.name.as_str().into(), kind.into(), preset.wanted().into(), variables(preset).into()]);
    }
    table.print(&mut session.console)
}

/// In the words of the file, with the variables its texts name.
fn as_json(preset: &Preset) -> Value {
    json!({
        "name": preset.name,
        "request_type": preset.request_type,
        "model": preset.model,
        "system_prompt": preset.system_prompt.source(),
        "prompt": preset.prompt.source(),
        "variables": preset.variables(),
        "defaults": preset.defaults,
        "max_tokens": preset.max_tokens,
        "temperature": preset.temperature,
        "answer_field": preset.answer_field,
    })
}

fn show(session: &mut Session, name: &str) -> Result<(), Ending> {
    let preset = named(session, name)?;
    if session.console.json {
        return session.console.document(&as_json(&preset));
    }
    let mut table = Table::new(vec![Column::left("", 13), Column::left("", 0)]);
    let mut row = |label: &str, value: String| table.row(vec![Cell::new(Role::Muted, label), value.into()]);
    row("preset", preset.name.clone());
    if !preset.request_type.is_empty() {
        row("request_type", preset.request_type.clone());
    }
    row("model", preset.wanted().to_owned());
    for (label, value) in [
        ("max_tokens", preset.max_tokens.map(|count| count.to_string())),
        ("temperature", preset.temperature.map(|degree| degree.to_string())),
    ] {
        row(label, value.unwrap_or_else(|| "as configured".to_owned()));
    }
    let named = variables(&preset);
    row("variables", if named.is_empty() { "none".to_owned() } else { named });
    row("over HTTP", format!("POST /api/v1/llm/{}, the text in {}", preset.name, preset.answer_field));
    table.print(&mut session.console)?;
    for (label, template) in [("system_prompt", &preset.system_prompt), ("prompt", &preset.prompt)] {
        if !template.is_blank() {
            print_text(&mut session.console, label, template.source())?;
        }
    }
    Ok(())
}

/// A text of several lines below its label.
fn print_text(console: &mut Console, label: &str, text: &str) -> Result<(), Ending> {
    let label = console.paint(Role::Muted, label);
    console.line(&label)?;
    for line in escape::block(text).lines() {
        console.line(&format!("  {line}"))?;
    }
    Ok(())
}

/// Fills the variables and sends.
pub async fn send(session: &mut Session, args: &RunArgs) -> Result<(), Ending> {
    let preset = named(session, &args.name)?;
    let given = given(&mut session.console, &args.vars.vars)?;
    let options = &args.send;
    let asked =
        Asked { model: options.model.clone(), max_tokens: options.max_tokens, temperature: options.temperature };
    let request = preset.request(&given, asked, ask::facts(options), !options.no_stream).map_err(|why| {
        let (message, remedy) = unfilled(&preset, &why, Giving::Shell);
        Ending::usage(message, remedy)
    })?;
    ask::send(session, ask::counted(request), options, Some(&preset)).await
}

fn given(console: &mut Console, vars: &[(String, String)]) -> Result<Values, Ending> {
    let mut values = Values::new();
    let mut read = None;
    for (name, value) in vars {
        let value = match (value.as_str(), &read) {
            ("-", Some(first)) => {
                let message = format!("{first} and {name} both want standard input");
                return Err(Ending::usage(message, "give one of them as a text"));
            }
            ("-", None) => {
                read = Some(name.clone());
                ask::read_prompt(console)?
            }
            _ => value.clone(),
        };
        if values.insert(name.clone(), value).is_some() {
            return Err(Ending::usage(format!("{name} is given twice"), "give it once"));
        }
    }
    Ok(values)
}

/// What a preset's request would be, and where it would go.
pub fn print_filled(
    session: &mut Session,
    preset: &Preset,
    messages: &[Message],
    explanation: &Explanation,
    facts: &Facts,
    counted: Option<&TokenCount>,
) -> Result<(), Ending> {
    let said = |role| messages.iter().find(|message| message.role == role).map(|message| message.content.as_str());
    if session.console.json {
        let mut value = explain::as_json(session, explanation, facts, counted);
        value["preset"] = json!(preset.name);
        value["system_prompt"] = json!(said(Speaker::System));
        value["prompt"] = json!(said(Speaker::User));
        return session.console.document(&value);
    }
    for (label, text) in [("system_prompt", said(Speaker::System)), ("prompt", said(Speaker::User))] {
        if let Some(text) = text {
            print_text(&mut session.console, label, text)?;
        }
    }
    explain::print(session, explanation, facts, counted)
}

async fn add(session: &mut Session, name: &str, fields: &PresetArgs) -> Result<(), Ending> {
    let draft = draft(&mut session.console, fields, &Values::new())?;
    let edit = PresetEdit::Add { name: name.to_owned(), draft };
    change(session, edit, fields.dry_run, &format!("added preset {name}")).await
}

async fn edit(session: &mut Session, name: &str, clear: &[String], fields: &PresetArgs) -> Result<(), Ending> {
    // Defaults are given one by one; those that are there stay.
    let before = named(session, name)?.defaults;
    let before = if clear.iter().any(|key| key == "defaults") { Values::new() } else { before };
    let mut draft = draft(&mut session.console, fields, &before)?;
    draft.clear = clear.to_vec();
    if draft == PresetDraft::default() {
        return Err(Ending::usage(
            format!("nothing to change in {name}"),
            "name a field, as in --prompt or --max-tokens; lmdeck presets show tells what there is",
        ));
    }
    if draft.defaults.is_some() {
        draft.clear.retain(|key| key != "defaults");
    }
    let edit = PresetEdit::Edit { name: name.to_owned(), draft };
    change(session, edit, fields.dry_run, &format!("changed preset {name}")).await
}

fn draft(console: &mut Console, fields: &PresetArgs, before: &Values) -> Result<PresetDraft, Ending> {
    let prompt = match fields.prompt.as_deref() {
        Some("-") => {
            let text = ask::read_prompt(console)?;
            Some(text.strip_suffix('\n').map_or(text.clone(), str::to_owned))
        }
        given => given.map(str::to_owned),
    };
    let defaults = before.iter().map(|(name, value)| (name.clone(), value.clone()));
    Ok(PresetDraft {
        request_type: fields.request_type.clone(),
        system_prompt: fields.system.clone(),
        prompt,
        defaults: (!fields.defaults.is_empty()).then(|| defaults.chain(fields.defaults.iter().cloned()).collect()),
        model: fields.model.clone(),
        max_tokens: fields.max_tokens,
        temperature: fields.temperature,
        answer_field: fields.answer_field.clone(),
        clear: Vec::new(),
    })
}

async fn change(session: &mut Session, edit: PresetEdit, dry_run: bool, what: &str) -> Result<(), Ending> {
    edited::change(session, Command::EditPreset { edit: Box::new(edit), dry_run }, dry_run, what).await
}
