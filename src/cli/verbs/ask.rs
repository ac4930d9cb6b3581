//! `ask`: one prompt, the answer as it comes, and what became of it in two lines beside it.

mod answer;

use super::{explain, models, presets, routes};
use crate::cli::args::{AskArgs, PriorityWord, RunArgs, SendArgs};
use crate::cli::console::Console;
use crate::cli::ending::{Ending, FAILED};
use crate::cli::session::{Session, find, unexpected};
use crate::cli::suggest;
use crate::domain::cache_key::CacheWish;
use crate::domain::call::Role as Speaker;
use crate::domain::call::{Body, CallRequest, Facts, Message, Priority, own_client};
use crate::domain::failure::ErrorCode;
use crate::domain::ids::Target;
use crate::domain::preset::Preset;
use crate::engine::protocol::{CallOutcome, Command, ProbeWhich, Reply, TokenCount};
use crate::present::labels::Role;
use crate::present::may_cost::tokens_of;
use crate::present::service_answer::{preset_answer, service_answer, service_refusal};
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
    if let Some(name) = &args.preset {
        let vars = args.vars.clone();
        return presets::send(session, &RunArgs { name: name.clone(), vars, send: args.send.clone() }).await;
    }
    if let Some((name, _)) = args.vars.vars.first() {
        let todo = "name the preset too: lmdeck ask --preset NAME --var ..., or lmdeck presets run";
        return Err(Ending::usage(format!("--var {name} belongs to a preset, and none is named"), todo));
    }
    let request = request(&mut session.console, args)?;
    send(session, request, &args.send, None).await
}

/// Sends a request and prints its answer as it comes, or with `--dry-run` says where it would go. `preset`: the one
/// that it was made from.
pub async fn send(
    session: &mut Session,
    request: CallRequest,
    args: &SendArgs,
    preset: Option<&Preset>,
) -> Result<(), Ending> {
    let wanted = request.facts.requested_model.clone();
    look_first(session, &wanted).await?;
    if args.dry_run {
        return dry_run(session, &request, args.count, preset).await;
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
            return finish(session, &answer, &outcome, &wanted, preset);
        }
        if let Some(failure) = answer.too_large() {
            drop(events);
            let todo = "ask without --json, which streams it, or with a smaller --max-tokens";
            session.console.document(&service_refusal(&failure, todo))?;
            return Err(Ending::new(failure.code.class().exit, failure.message, todo));
        }
    }
}

async fn dry_run(
    session: &mut Session,
    request: &CallRequest,
    counting: bool,
    preset: Option<&Preset>,
) -> Result<(), Ending> {
    let explanation = routes::ask(session, &request.facts).await?;
    let counted = if counting && !explanation.decision.chain.is_empty() {
        Some(count(session, request.clone()).await)
    } else {
        None
    };
    let known = counted.as_ref().and_then(|counted| counted.as_ref().ok());
    if let (Some(preset), Body::Chat { messages, .. }) = (preset, &request.body) {
        presets::print_filled(session, preset, messages, &explanation, &request.facts, known)?;
    } else {
        explain::print(session, &explanation, &request.facts, known)?;
    }
    let sent = match known {
        Some(count) => format!("-- no model was asked; {} has seen the prompt to count it", count.by.label()),
        None => "-- nothing was sent".to_owned(),
    };
    session.console.say(Role::Muted, &sent);
    explain::ending(&explanation)?;
    counted.transpose().map(|_| ())
}

fn finish(
    session: &mut Session,
    answer: &Answer,
    outcome: &CallOutcome,
    wanted: &str,
    preset: Option<&Preset>,
) -> Result<(), Ending> {
    let snapshot = session.handle.snapshot();
    if session.console.json {
        let value = service_answer(outcome, &answer.text, &snapshot.providers);
        let value = match preset {
            Some(preset) => preset_answer(value, &preset.answer_field),
            None => value,
        };
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
        && let Some(near) = suggestion(session, wanted)
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
    let (send, stream) = (&args.send, !args.send.no_stream);
    let facts = Facts {
        requested_model: send.model.clone().unwrap_or_else(|| "auto".to_owned()),
        max_tokens: send.max_tokens.unwrap_or(0),
        stream,
        ..facts(send)
    };
    let body = Body::Chat { messages, max_tokens: send.max_tokens, temperature: send.temperature, stream };
    Ok(counted(CallRequest { facts, body, wants_usage: false }))
}

/// The labels of a request.
pub fn facts(send: &SendArgs) -> Facts {
    Facts {
        request_type: send.request_type.clone(),
        priority: send.priority.into(),
        client: own_client::ASK.to_owned(),
        session: send.session.clone(),
        tags: send.tags.iter().cloned().collect(),
        cache: if send.no_cache { CacheWish::Off } else { CacheWish::On },
        local_only: send.local_only,
        ..Facts::default()
    }
}

/// With the estimate of its length.
pub fn counted(mut request: CallRequest) -> CallRequest {
    request.facts.prompt_tokens = tokens_of(request.body.text_bytes());
    request
}

fn prompt(console: &mut Console, given: Option<&str>) -> Result<String, Ending> {
    let prompt = match given {
        Some("-") => read_prompt(console)?,
        None if !console.input_is_terminal => read_prompt(console)?,
        Some(prompt) => {
            // Reading it unasked would wait for ever on a pipe that stays open, and eat what a loop reads from.
            if console.input_is_given {
                let way = "-- standard input was not read; to send both: lmdeck ask --system \"PROMPT\" -";
                console.say(Role::Muted, way);
            }
            prompt.to_owned()
        }
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

pub fn read_prompt(console: &mut Console) -> Result<String, Ending> {
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
