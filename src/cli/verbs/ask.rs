//! `ask`: one prompt, the answer as it comes, and what became of it in two lines beside it.

mod answer;

use super::{explain, models, routes};
use crate::cli::args::{AskArgs, PriorityWord};
use crate::cli::console::Console;
use crate::cli::ending::{Ending, FAILED};
use crate::cli::session::{Session, find, unexpected};
use crate::cli::suggest;
use crate::domain::cache_key::CacheWish;
use crate::domain::call::Role as Speaker;
use crate::domain::call::{Body, CallRequest, Facts, Message, Priority};
use crate::domain::failure::ErrorCode;
use crate::domain::ids::Target;
use crate::engine::protocol::{CallOutcome, Command, ProbeWhich, Reply, TokenCount};
use crate::present::labels::Role;
use crate::present::may_cost::tokens_of;
use crate::present::service_answer::{service_answer, service_refusal};
use answer::Answer;
use std::io::Read as _;

/// Enough for any context window; more is a mistake such as a binary file.
const MOST_PROMPT_BYTES: u64 = 16 * 1024 * 1024;

impl From<PriorityWord> for Priority {
    fn from(word: PriorityWord) -> Self {
        match word {
            PriorityWord::High => Self::High,
            PriorityWord::Normal => Self::Normal,
            PriorityWord::Low => Self::Low,
        }
    }
}

pub async fn run(session: &mut Session, args: &AskArgs) -> Result<(), Ending> {
    let request = request(&mut session.console, args)?;
    look_first(session, &args.model).await?;
    if args.dry_run {
        let explanation = routes::ask(session, &request.facts).await?;
        let counted = if args.count && !explanation.decision.chain.is_empty() {
            Some(count(session, request.clone()).await)
        } else {
            None
        };
        let known = counted.as_ref().and_then(|counted| counted.as_ref().ok());
        explain::print(session, &explanation, &request.facts, known)?;
        let sent = match known {
            Some(count) => format!("-- no model was asked; {} has seen the prompt to count it", count.by.label()),
            None => "-- nothing was sent".to_owned(),
        };
        session.console.say(Role::Muted, &sent);
        explain::ending(&explanation)?;
        return counted.transpose().map(|_| ());
    }
    let mut interrupted = session.console.interrupted();
    let mut events = session.handle.dispatch(request);
    let mut answer = Answer::new(session.console.json);
    loop {
        let event = tokio::select! {
            biased;
            exit = &mut interrupted => {
                // Hanging up is what cancels the call.
                drop(events);
                return Err(answer.stopped(&mut session.console, exit));
            }
            event = events.recv() => event,
        };
        let Some(event) = event else {
            return Err(Ending::new(
                FAILED,
                "the call ended without an outcome: the engine has stopped",
                "lmdeck logs says why",
            ));
        };
        if let Some(outcome) = answer.take(&mut session.console, event)? {
            return finish(session, &answer, &outcome, args);
        }
        if let Some(failure) = answer.too_large() {
            drop(events);
            let todo = "ask without --json, which streams it, or with a smaller --max-tokens";
            session.console.document(&service_refusal(&failure, todo))?;
            return Err(Ending::new(failure.code.class().exit, failure.message, todo));
        }
    }
}

fn finish(session: &mut Session, answer: &Answer, outcome: &CallOutcome, args: &AskArgs) -> Result<(), Ending> {
    let snapshot = session.handle.snapshot();
    if session.console.json {
        let value = service_answer(outcome, &answer.text, &snapshot.providers);
        session.console.document(&value)?;
    }
    let Some(failure) = &outcome.failure else {
        if !session.console.json {
            answer.sum_up(&mut session.console, &outcome.record);
        }
        return Ok(());
    };
    answer::say_rejects(&mut session.console, &outcome.record, failure);
    let mut ending = answer::failure(&snapshot, outcome, failure);
    if matches!(failure.code, ErrorCode::NotFound | ErrorCode::NoRoute)
        && let Some(near) = suggestion(session, &args.model)
        && let Ending::Refused(refusal) = &mut ending
    {
        refusal.remedy = format!("did you mean {near}? {}", refusal.remedy);
    }
    Err(ending)
}

/// The vendor's own count of the prompt.
async fn count(session: &Session, request: CallRequest) -> Result<TokenCount, Ending> {
    match session.ask(Command::CountTokens { request: Box::new(request), run: session.run_id() }).await? {
        Reply::Counted(count) => Ok(count),
        _ => Err(unexpected("ask --count")),
    }
}

/// The nearest known name for a target that nobody knows.
fn suggestion(session: &Session, word: &str) -> Option<String> {
    let known = models::known_names(&session.handle.snapshot());
    if known.iter().any(|name| name == word) || ["auto", "local", "cloud"].contains(&word) {
        return None;
    }
    suggest::nearest(word, known.iter().map(String::as_str)).map(ToOwned::to_owned)
}

fn request(console: &mut Console, args: &AskArgs) -> Result<CallRequest, Ending> {
    let prompt = prompt(console, args.prompt.as_deref())?;
    let mut messages = Vec::new();
    if let Some(system) = &args.system {
        messages.push(Message { role: Speaker::System, content: system.clone() });
    }
    messages.push(Message { role: Speaker::User, content: prompt });
    let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
    let stream = !args.no_stream;
    let facts = Facts {
        request_type: args.request_type.clone(),
        priority: args.priority.into(),
        requested_model: args.model.clone(),
        prompt_tokens: tokens_of(bytes),
        max_tokens: args.max_tokens.unwrap_or(0),
        stream,
        client: "ask".to_owned(),
        session: args.session.clone(),
        tags: args.tags.iter().cloned().collect(),
        cache: if args.no_cache { CacheWish::Off } else { CacheWish::On },
        ..Facts::default()
    };
    let body = Body::Chat { messages, max_tokens: args.max_tokens, temperature: args.temperature, stream };
    Ok(CallRequest { facts, body, wants_usage: false })
}

fn prompt(console: &mut Console, given: Option<&str>) -> Result<String, Ending> {
    let prompt = match given {
        Some("-") => read_prompt(console)?,
        None if !console.input_is_terminal => read_prompt(console)?,
        Some(prompt) => prompt.to_owned(),
        None => String::new(),
    };
    if prompt.trim().is_empty() {
        return Err(Ending::usage(
            "there is no prompt",
            "lmdeck ask \"Say hello.\", or pipe one in: lmdeck ask - < FILE",
        ));
    }
    Ok(prompt)
}

fn read_prompt(console: &mut Console) -> Result<String, Ending> {
    let mut bytes = Vec::new();
    console.input.by_ref().take(MOST_PROMPT_BYTES + 1).read_to_end(&mut bytes).map_err(|error| {
        Ending::new(FAILED, format!("cannot read the prompt from standard input: {error}"), "lmdeck ask - < FILE")
    })?;
    if bytes.len() as u64 > MOST_PROMPT_BYTES {
        return Err(Ending::usage("the prompt is larger than 16 MiB", "send a part of it"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Ending::usage(
            format!("the prompt is not UTF-8 text: byte {} is not", at + 1),
            "convert it, as in iconv -t UTF-8",
        )
    })
}

/// A process that just started knows no models of local servers and no states. What the request names in full
/// needs none of that; a provider needs its own list, and everything else needs all.
async fn look_first(session: &mut Session, model: &str) -> Result<(), Ending> {
    let snapshot = session.handle.snapshot();
    if let Ok(target) = model.parse::<Target>()
        && find(&snapshot, target.provider.as_str()).is_some()
    {
        return Ok(());
    }
    if !snapshot.config.first_run
        && snapshot.providers.iter().all(|view| !view.enabled || view.health.last_checked.is_some())
    {
        return Ok(());
    }
    let which = find(&snapshot, model).map_or(ProbeWhich::All, |view| ProbeWhich::One(view.id.clone()));
    session.probe(which).await?;
    Ok(())
}
