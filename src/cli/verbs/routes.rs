//! `routes list|strategy|order`, and which request `explain` is about. Policies are in `policies`, tables in
//! `route_table`.

use super::{condition, edited, explain, policies, replay, route_table};
use crate::cli::args::{RoutesVerb, SampleArgs, Trait, WorkWord};
use crate::cli::ending::{Ending, USAGE};
use crate::cli::session::{Session, unexpected};
use crate::cli::table::{Cell, Column, Table};
use crate::cli::words;
use crate::domain::cache_key::CacheWish;
use crate::domain::call::{Facts, Work};
use crate::domain::routing::Explanation;
use crate::engine::protocol::{Command, ObservedSums, Reply, RoutingView};
use crate::present::labels::Role;
use crate::present::routes::policy_state;
use serde_json::json;

pub async fn run(session: &mut Session, verb: &RoutesVerb) -> Result<(), Ending> {
    match verb {
        RoutesVerb::List => list(session).await,
        RoutesVerb::Show { name } => policies::show(session, name).await,
        RoutesVerb::Add { name, fields } => policies::add(session, name, fields).await,
        RoutesVerb::Edit { name, rename, clear, fields } => {
            policies::edit(session, name, rename.as_deref(), clear, fields).await
        }
        RoutesVerb::Copy { name, to } => policies::copy(session, name, to).await,
        RoutesVerb::Move { name, place } => policies::shift(session, name, place).await,
        RoutesVerb::Enable { name } => policies::enable(session, name, true).await,
        RoutesVerb::Disable { name } => policies::enable(session, name, false).await,
        RoutesVerb::Remove { name } => policies::remove(session, name).await,
        RoutesVerb::Check { text } => condition::check(session, text).await,
        RoutesVerb::Lint => policies::lint(session),
        RoutesVerb::Replay(args) => replay::run(session, args).await,
        RoutesVerb::Test { file } => route_table::run(session, file).await,
        RoutesVerb::Explain { call: Some(id), .. } => explain::call(session, id).await,
        RoutesVerb::Explain { call: None, sample } => {
            session.probed().await?;
            let facts = facts_of(sample);
            let explanation = ask(session, &facts).await?;
            explain::print(session, &explanation, &facts, None)?;
            explain::ending(&explanation)
        }
        RoutesVerb::Strategy { strategy: None } => {
            let strategy = session.handle.snapshot().routing.rules.strategy;
            if session.console.json {
                session.console.document(&json!({ "strategy": strategy }))
            } else {
                session.console.line(strategy.word())
            }
        }
        RoutesVerb::Strategy { strategy: Some(strategy) } => {
            session.writable()?;
            let strategy = strategy.0.word().to_owned();
            let reply = session.ask(Command::SetStrategy { strategy: strategy.clone() }).await?;
            edited::tell(session, reply, &format!("strategy {strategy}"))
        }
        RoutesVerb::Order { request_type, items, remove } => order(session, request_type, items, *remove).await,
    }
}

/// The engine's explanation of where such a request goes.
pub async fn ask(session: &Session, facts: &Facts) -> Result<Box<Explanation>, Ending> {
    match session.ask(Command::Explain { facts: Box::new(facts.clone()) }).await? {
        Reply::Explained(explanation) => Ok(explanation),
        _ => Err(unexpected("routes explain")),
    }
}

fn facts_of(sample: &SampleArgs) -> Facts {
    let with = |what| sample.with.contains(&what);
    Facts {
        request_type: sample.request_type.clone(),
        complexity: sample.complexity.clone(),
        audience: sample.audience.clone(),
        priority: sample.priority.into(),
        requested_model: sample.model.clone(),
        prompt_tokens: sample.tokens,
        max_tokens: sample.max_tokens,
        stream: with(Trait::Stream),
        has_tools: with(Trait::Tools),
        has_images: with(Trait::Images),
        wants_json: with(Trait::Json),
        client: sample.client.clone(),
        session: sample.session.clone(),
        tags: sample.tags.iter().cloned().collect(),
        preferred_provider: sample.prefer.clone(),
        work: match sample.work {
            WorkWord::Chat => Work::Chat,
            WorkWord::Completion => Work::Completion,
            WorkWord::Embeddings => Work::Embeddings,
        },
        cache: CacheWish::default(),
        local_only: sample.local_only,
        through: Vec::new(),
        trace: None,
    }
}

async fn list(session: &mut Session) -> Result<(), Ending> {
    let snapshot = session.probed().await?;
    let routing = &snapshot.routing;
    let watched = routing.rules.policies.iter().any(|policy| policy.enabled && policy.observe);
    let observed = if watched { policies::observed(session).await? } else { ObservedSums::default() };
    if session.console.json {
        return session.console.document(&as_json(routing, &observed));
    }
    let mut table = Table::new(vec![Column::left("", 8), Column::left("", 0)]);
    let mut row = |label: &str, value: String| table.row(vec![Cell::new(Role::Muted, label), value.into()]);
    row("target", words::target(routing));
    if !routing.in_effect_why.is_empty() {
        row("because", routing.in_effect_why.clone());
    }
    row("strategy", routing.rules.strategy.word().to_owned());
    table.print(&mut session.console)?;
    if !routing.rules.request_orders.is_empty() {
        let mut table =
            Table::new(vec![Column::left("REQUEST TYPE", 19), Column::right("TODAY", 5), Column::left("ORDER", 0)]);
        for (request_type, items) in &routing.rules.request_orders {
            let name = format!("request_type:{request_type}");
            let today = routing.decided_today.iter().find(|(by, _)| *by == name).map_or(0, |(_, calls)| *calls);
            table.row(vec![request_type.as_str().into(), today.to_string().into(), items.join(", ").into()]);
        }
        table.print(&mut session.console)?;
    }
    if !routing.rules.policies.is_empty() {
        let mut table = Table::new(vec![Column::left("POLICY", 19), Column::left("STATE", 8), Column::left("WHAT", 0)]);
        for policy in &routing.rules.policies {
            let state = policy_state(policy);
            table.row(vec![policy.name.as_str().into(), state.into(), policies::beside(policy, &observed).into()]);
        }
        table.print(&mut session.console)?;
    }
    Ok(())
}

fn as_json(routing: &RoutingView, observed: &ObservedSums) -> serde_json::Value {
    let orders: Vec<_> = routing
        .rules
        .request_orders
        .iter()
        .map(|(request_type, items)| json!({ "request_type": request_type, "items": items }))
        .collect();
    let decided: Vec<_> =
        routing.decided_today.iter().map(|(policy, calls)| json!({ "policy": policy, "calls": calls })).collect();
    let watched = routing.rules.policies.iter().filter(|policy| policy.enabled && policy.observe);
    json!({
        "active": routing.active.to_string(),
        "in_effect": routing.in_effect,
        "in_effect_why": routing.in_effect_why,
        "strategy": routing.rules.strategy,
        "rules_version": routing.rules.version,
        "request_orders": orders,
        "policies": routing.rules.policies.iter().map(policies::as_json).collect::<Vec<_>>(),
        "decided_today": decided,
        "observed": watched.map(|policy| {
            let mut value = policies::observed_json(&policy.name, observed);
            value["policy"] = json!(policy.name);
            value
        }).collect::<Vec<_>>(),
    })
}

async fn order(session: &mut Session, request_type: &str, items: &[String], remove: bool) -> Result<(), Ending> {
    if items.is_empty() && !remove {
        return show_order(session, request_type);
    }
    session.writable()?;
    let command = Command::SetOrder { request_type: request_type.to_owned(), items: items.to_vec() };
    let reply = session.ask(command).await?;
    let what = if remove {
        format!("removed the order of {request_type}")
    } else {
        format!("{request_type} goes to {}", items.join(", "))
    };
    edited::tell(session, reply, &what)
}

fn show_order(session: &mut Session, request_type: &str) -> Result<(), Ending> {
    let snapshot = session.handle.snapshot();
    let orders = &snapshot.routing.rules.request_orders;
    let Some((_, items)) = orders.iter().find(|(name, _)| name == request_type) else {
        return Err(Ending::new(
            USAGE,
            format!("{request_type} has no order of its own: the active target and the strategy decide"),
            format!("set one: lmdeck routes order {request_type} TARGET ..."),
        ));
    };
    if session.console.json {
        return session.console.document(&json!({ "request_type": request_type, "items": items }));
    }
    for item in items {
        let line = session.console.paint(Role::Plain, item);
        session.console.line(&line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Verb};
    use crate::domain::call::Priority;
    use crate::present::routes::explain_command;
    use clap::Parser as _;
    use proptest::prelude::*;
    use std::process::Command as Process;

    /// The words as a shell hands them to the program.
    fn split(line: &str) -> Vec<String> {
        let script = format!("set -- {line}; printf '%s\\0' \"$@\"");
        let output = Process::new("sh").args(["-c", &script]).output().expect("a shell");
        let text = String::from_utf8(output.stdout).expect("text");
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    fn sample_of(line: &str) -> Facts {
        let cli = Cli::try_parse_from(split(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
        match cli.verb {
            Some(Verb::Routes { verb: RoutesVerb::Explain { call: None, sample } }) => facts_of(&sample),
            _ => panic!("{line} explains no sample"),
        }
    }

    fn facts() -> impl Strategy<Value = Facts> {
        let text = || "[ -~éß語]{0,12}";
        let texts = (text(), text(), text(), text(), text(), text(), text());
        let flags = prop::array::uniform5(any::<bool>());
        let priority = prop::sample::select(vec![Priority::Low, Priority::Normal, Priority::High]);
        let work = prop::sample::select(vec![Work::Chat, Work::Completion, Work::Embeddings]);
        let tags = prop::collection::btree_map("[a-z-]{1,6}", text(), 0..3);
        (texts, flags, priority, work, tags, 0..u64::MAX, 0..u64::MAX).prop_map(
            |(texts, flags, priority, work, tags, prompt_tokens, max_tokens)| {
                let (request_type, complexity, audience, model, client, session, preferred_provider) = texts;
                let [stream, has_tools, has_images, wants_json, local_only] = flags;
                Facts {
                    request_type,
                    complexity,
                    audience,
                    priority,
                    requested_model: if model.is_empty() { "auto".into() } else { model },
                    prompt_tokens,
                    max_tokens,
                    stream,
                    has_tools,
                    has_images,
                    wants_json,
                    client,
                    session,
                    tags,
                    preferred_provider,
                    work,
                    local_only,
                    ..Facts::default()
                }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_command_that_is_copied_explains_the_same_request(facts in facts()) {
            prop_assert_eq!(sample_of(&explain_command(&facts)), facts);
        }
    }
}
