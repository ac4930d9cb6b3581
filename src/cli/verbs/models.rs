//! `models list|use|load|unload`.

mod load;

use crate::cli::args::ModelsVerb;
use crate::cli::ending::Ending;
use crate::cli::session::{Session, unknown_provider};
use crate::cli::suggest;
use crate::cli::table::{Cell, Column, Table};
use crate::domain::ids::Target;
use crate::domain::routing::{ActiveChoice, Unclear, choice};
use crate::engine::protocol::{Command, ModelView, ProviderView, Snapshot};
use crate::present::labels::Role;
use crate::present::{escape, models as words, units, warm};
use serde_json::{Value, json};
use std::sync::Arc;

pub async fn run(session: &mut Session, verb: &ModelsVerb) -> Result<(), Ending> {
    match verb {
        ModelsVerb::List { id } => list(session, id.as_deref()).await,
        ModelsVerb::Use { target } => choose(session, target).await,
        ModelsVerb::Load { target, context } => load::load(session, target, *context).await,
        ModelsVerb::Unload { target } => load::unload(session, target).await,
    }
}

async fn list(session: &mut Session, id: Option<&str>) -> Result<(), Ending> {
    let views: Vec<_> = match id {
        Some(id) => vec![session.probed_provider(id).await?],
        None => session.probed().await?.providers.iter().cloned().collect(),
    };
    if session.console.json {
        let rows: Vec<Value> = views
            .iter()
            .flat_map(|view| {
                view.models.iter().map(|model| {
                    let mut value = as_json(model);
                    if let Value::Object(fields) = &mut value {
                        fields.insert("target".into(), json!(view.target(model)));
                        fields.insert("provider".into(), json!(view.id));
                        fields.insert("state".into(), json!(view.health.state));
                        let warm = view.warm.iter().find(|warm| warm.model == model.id);
                        fields.insert("warm".into(), json!(warm));
                    }
                    value
                })
            })
            .collect();
        return session.console.document(&rows);
    }
    if views.iter().all(|view| view.models.is_empty()) {
        session
            .console
            .say(Role::Plain, "No models are known: lmdeck health says which provider does not answer, and why.");
        return Ok(());
    }
    print(session, &views)?;
    let now = session.console.now();
    for view in &views {
        for warm in &view.warm {
            let said = format!("-- {}: {}", view.id, warm::line(warm, now));
            session.console.say(Role::Muted, &said);
        }
    }
    Ok(())
}

/// The fields of one model. Prices are US dollars per million tokens.
pub fn as_json(model: &ModelView) -> Value {
    let price = model.price.map(|price| {
        json!({
            "input": price.input.dollars() * 1e6,
            "output": price.output.dollars() * 1e6,
            "cached_input": price.cached_input.map(|cached| cached.dollars() * 1e6),
            "cache_write": price.cache_write.map(|write| write.dollars() * 1e6),
        })
    });
    json!({
        "model": model.id,
        "loaded": model.loaded,
        "chat": model.chat,
        "named": model.named,
        "listed": model.listed,
        "context": model.context,
        "quantization": model.quantization,
        "size_bytes": model.size_bytes,
        "price": price,
        "display_name": model.display_name,
        "max_context": model.max_context,
        "instances": model.instances,
        "parameters": model.parameters,
        "format": model.format,
        "can": model.can,
        "remote": model.remote,
        "memory_bytes": model.memory_bytes,
        "expires": model.expires,
        "calls": model.calls,
        "tokens_per_s": model.tokens_per_s,
    })
}

pub fn print(session: &mut Session, views: &[Arc<ProviderView>]) -> Result<(), Ending> {
    if views.iter().all(|view| view.models.is_empty()) {
        return Ok(());
    }
    let told = |model: &ModelView| !model.can.words().is_empty();
    let abilities = views.iter().any(|view| view.models.iter().any(told));
    let mut columns = vec![
        Column::left("STATE", 10),
        Column::right("CONTEXT", 7).drop(3),
        Column::left("QUANT", 6).drop(2),
        Column::right("SIZE", 8).drop(4),
        Column::right("$ IN/OUT 1M", 11).drop(5),
    ];
    if abilities {
        columns.push(Column::left("CAN", 5).drop(1));
    }
    columns.push(Column::left("TARGET", 0));
    let mut table = Table::new(columns);
    for view in views {
        for model in &view.models {
            let (role, word) = state(model);
            let under_way = view.loading.iter().find(|load| load.model == model.id);
            let (role, word) = match under_way {
                Some(load) if load.unloading => (Role::Warn, "unloading"),
                Some(_) => (Role::Warn, "loading"),
                None => (role, word),
            };
            let mut cells: Vec<Cell> = vec![
                Cell::new(role, word),
                words::context(model).into(),
                model.quantization.as_deref().unwrap_or("-").into(),
                model.size_bytes.map_or_else(|| units::MISSING.to_owned(), units::size).into(),
                price(model).into(),
            ];
            if abilities {
                cells.push(words::abilities(model).into());
            }
            cells.push(format!("{}/{}", view.id, model.id).into());
            table.row(cells);
        }
    }
    table.print(&mut session.console)
}

fn state(model: &ModelView) -> (Role, &'static str) {
    match (model.chat, model.loaded, model.listed) {
        (false, ..) => (Role::Muted, "not chat"),
        (_, Some(true), _) => (Role::Good, "loaded"),
        (_, Some(false), _) => (Role::Plain, "not loaded"),
        (_, None, true) => (Role::Plain, "listed"),
        (_, None, false) => (Role::Muted, "unknown"),
    }
}

fn price(model: &ModelView) -> String {
    match model.price {
        None => "unknown".to_owned(),
        Some(price) if price.is_free() => "free".to_owned(),
        Some(price) => format!("{:.2}/{:.2}", price.input.dollars() * 1e6, price.output.dollars() * 1e6),
    }
}

async fn choose(session: &mut Session, target: &str) -> Result<(), Ending> {
    session.writable()?;
    let choice = resolve(session, target).await?;
    session.ask(Command::UseTarget { choice: choice.clone() }).await?;
    let snapshot = session.handle.snapshot();
    let in_effect = snapshot.routing.in_effect.as_ref().map(ToString::to_string);
    if session.console.json {
        return session.console.document(&json!({ "active": choice.to_string(), "in_effect": in_effect }));
    }
    let line = session.console.paint(Role::Accent, &format!("active target: {choice}"));
    session.console.line(&line)?;
    if !snapshot.routing.in_effect_why.is_empty()
        && let Some(in_effect) = in_effect
    {
        let text = format!("-- in effect now: {in_effect}: {}", snapshot.routing.in_effect_why);
        session.console.say(Role::Muted, &escape::line(&text));
    }
    // Whether there is one cannot be told from here; a person who has none reads on.
    session.console.say(Role::Muted, "-- a dashboard or gateway that runs now takes it over within a minute");
    Ok(())
}

/// What a person's word for a target means. What reads as a provider or as `provider/model` is taken as it
/// stands; any other name needs the lists of the servers.
async fn resolve(session: &mut Session, word: &str) -> Result<ActiveChoice, Ending> {
    match choice(word, &session.handle.snapshot().providers) {
        Ok(ActiveChoice::Target(target)) if target.to_string() != word => {}
        Ok(choice) => return Ok(choice),
        Err(Unclear::Unlisted(target)) => return Ok(ActiveChoice::Target(target)),
        Err(Unclear::Several(_) | Unclear::Unknown) => {}
    }
    let snapshot = session.probed().await?;
    match choice(word, &snapshot.providers) {
        Ok(choice) => Ok(choice),
        Err(Unclear::Unlisted(target)) => Ok(ActiveChoice::Target(target)),
        Err(Unclear::Several(targets)) => {
            let targets = targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Err(Ending::usage(format!("{word} is served in several places"), format!("name one of {targets}")))
        }
        Err(Unclear::Unknown) => Err(unknown_target(&snapshot, word)),
    }
}

fn targets(snapshot: &Snapshot) -> impl Iterator<Item = Target> + '_ {
    snapshot.providers.iter().flat_map(|view| view.models.iter().map(|model| view.target(model)))
}

/// With the nearest target or provider as a suggestion.
fn unknown_target(snapshot: &Snapshot, word: &str) -> Ending {
    if snapshot.providers.is_empty() {
        return unknown_provider(snapshot, word);
    }
    let known = known_names(snapshot);
    let remedy = match suggest::nearest(word, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}? lmdeck models list names all"),
        None => "lmdeck models list names all targets".to_owned(),
    };
    let silent = snapshot.providers.iter().filter(|view| view.enabled && view.models.is_empty());
    let remedy = match silent.map(|view| view.id.as_str()).next() {
        Some(id) => format!("{remedy}; {id} lists none now: write {id}/MODEL for one of its own"),
        None => remedy,
    };
    Ending::usage(format!("no target is called {word}"), remedy)
}

/// Everything that may stand for a target.
pub fn known_names(snapshot: &Snapshot) -> Vec<String> {
    let ids = snapshot.providers.iter().map(|view| view.id.to_string());
    ids.chain(targets(snapshot).map(|target| target.to_string())).collect()
}
