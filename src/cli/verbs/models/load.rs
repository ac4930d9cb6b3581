//! `models load|unload`: waits for the server, with the time so far where somebody looks.

use super::resolve;
use crate::cli::ending::{Ending, USAGE};
use crate::cli::session::{Session, find, or_refused, unexpected};
use crate::domain::ids::{ModelId, ProviderId, Target};
use crate::domain::routing::ActiveChoice;
use crate::engine::protocol::{Command, LoadingView, ModelReport, ProbeWhich, Reply};
use crate::present::labels::Role;
use crate::present::{escape, models};
use serde_json::{Value, json};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the time so far is written again.
const TICK: Duration = Duration::from_secs(1);

pub async fn load(session: &mut Session, target: &str, context: Option<u64>) -> Result<(), Ending> {
    let Target { provider, model } = named(session, target).await?;
    run(session, Command::LoadModel { provider, model, context }, false).await
}

pub async fn unload(session: &mut Session, target: &str) -> Result<(), Ending> {
    let Target { provider, model } = named(session, target).await?;
    run(session, Command::UnloadModel { provider, model }, true).await
}

/// The model that is meant, at a provider whose server can do it.
async fn named(session: &mut Session, word: &str) -> Result<Target, Ending> {
    session.writable()?;
    // As it stands: the server's newest list decides, and a loaded copy's name is in no list of targets.
    let written = word.parse::<Target>().ok().filter(|target| {
        let snapshot = session.handle.snapshot();
        find(&snapshot, target.provider.as_str()).is_some()
    });
    let target = match written {
        Some(target) => target,
        None => match resolve(session, word).await? {
            ActiveChoice::Target(target) => target,
            choice @ (ActiveChoice::Auto | ActiveChoice::Provider(_)) => {
                return Err(Ending::usage(
                    format!("{choice} names no model"),
                    "write provider/model: lmdeck models list names all",
                ));
            }
        },
    };
    let view = session.provider(target.provider.as_str()).await?;
    if !models::can_load(view.kind) {
        let what = format!("{} cannot be told to load or unload models", view.name);
        // A server that only is called OpenAI-compatible may be one that can.
        session.probe(ProbeWhich::One(target.provider.clone())).await?;
        let view = session.provider(target.provider.as_str()).await?;
        let remedy = match models::correction(&view) {
            Some((said, command)) => format!("{said} {command}"),
            None => models::how_it_loads(view.kind).to_owned(),
        };
        return Err(Ending::new(USAGE, what, remedy));
    }
    Ok(target)
}

async fn run(session: &mut Session, command: Command, unloading: bool) -> Result<(), Ending> {
    let (Command::LoadModel { provider, model, .. } | Command::UnloadModel { provider, model }) = &command else {
        return Err(unexpected("models load"));
    };
    let (provider, model) = (provider.clone(), model.clone());
    let name = escape::line_capped(&format!("{provider}/{model}"), 120).into_owned();
    let handle = session.handle.clone();
    let mut interrupted = session.console.interrupted();
    let mut answer = pin!(handle.ask(command));
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let started = Instant::now();
    let mut said = false;
    let reply = loop {
        tokio::select! {
            biased;
            reply = &mut answer => break reply,
            code = &mut interrupted => {
                session.console.say_over("");
                let text = format!("-- stopped waiting for {name}: its server may go on by itself; lmdeck models list shows it");
                session.console.say(Role::Muted, &text);
                return Err(Ending::Exit(code));
            }
            _ = ticks.tick() => {
                let so_far = so_far(session, &provider, &model, started, unloading);
                if session.console.err_is_terminal {
                    session.console.say_over(&format!("-- {name}: {so_far}"));
                } else if !said && started.elapsed() >= TICK {
                    said = true;
                    session.console.say(Role::Muted, &format!("-- {name}: {so_far}"));
                }
            }
        }
    };
    session.console.say_over("");
    match or_refused(reply)? {
        Reply::Model(report) if session.console.json => session.console.document(&as_json(&report)),
        Reply::Model(report) => {
            let line = session.console.paint(Role::Accent, &models::report(&report));
            session.console.line(&line)
        }
        _ => Err(unexpected("models load")),
    }
}

fn as_json(report: &ModelReport) -> Value {
    json!({
        "target": report.target,
        "loaded": report.loaded,
        "already": report.already,
        "context": report.context,
        "instances": report.instances,
        "took_ms": report.took_ms,
        "last_ms": report.last_ms,
    })
}

/// `loading 34 s, last time 41 s`, by this process's own clock.
fn so_far(session: &Session, provider: &ProviderId, model: &ModelId, started: Instant, unloading: bool) -> String {
    let snapshot = session.handle.snapshot();
    let under_way = find(&snapshot, provider.as_str())
        .and_then(|view| view.loading.iter().find(|load| &load.model == model))
        .and_then(|load| load.last_ms);
    let now = session.console.now();
    let passed = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let since = crate::domain::time::UnixMs(now.0.saturating_sub(passed));
    let load = LoadingView { model: model.clone(), since, last_ms: under_way, unloading, by_call: false };
    models::under_way(&load, now)
}
