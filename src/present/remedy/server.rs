//! Remedies for what goes wrong once the right server answers: models, time, answers.

use super::super::escape;
use super::super::server_commands::{fetch, load, log};
use super::{Remedy, Subject, quoted};
use crate::domain::kind::Kind;

/// Models named in one sentence.
const OFFERED: usize = 3;

pub(super) fn look_at_log(remedy: Remedy, on: &Subject<'_>) -> Remedy {
    let (place, command) = log(on.kind);
    let remedy = remedy.step(super::sentence(place));
    match command {
        Some(command) if !on.elsewhere() => remedy.command(command),
        _ => remedy.command(on.test_command()),
    }
}

pub(super) fn first_token(on: &Subject<'_>) -> Remedy {
    if on.kind.is_vendor() {
        return Remedy::new(format!("{} did not begin to answer in time. To wait longer:", on.who_first()))
            .command(on.raise("first_token_timeout", 120))
            .step("Its calls go to the next target of their order meanwhile.");
    }
    Remedy::new(
        "The first token did not come in time: a long prompt, a busy machine, or a model that loads. To wait longer:",
    )
    .command(on.raise("first_token_timeout", 300))
    .step("A model that loads on the first call has load_timeout on top of that.")
}

pub(super) fn idle(on: &Subject<'_>) -> Remedy {
    Remedy::new("The answer began and then stood still for too long. To wait longer between its pieces:")
        .command(on.raise("idle_timeout", 120))
        .step(super::sentence(log(on.kind).0))
}

pub(super) fn deadline() -> Remedy {
    Remedy::new("The whole call took longer than calls may. To allow more:")
        .command("lmdeck config set limits.call_deadline 1200")
        .step("A smaller max_tokens ends it sooner.")
}

pub(super) fn malformed_list(on: &Subject<'_>, detail: &str) -> Remedy {
    let headline = format!("The model list of {} is not readable: {}.", on.at(), quoted(detail.trim_end_matches('.')));
    Remedy::new(format!("{headline} Is it really {}? Look at it step by step:", on.kind.label()))
        .command(on.test_command())
        .step("Calls still go there for models named in the configuration file.")
}

pub(super) fn no_model(on: &Subject<'_>) -> Remedy {
    match load(on.kind, on.endpoint.port, on.elsewhere(), on.model) {
        Some(command) if on.kind == Kind::LmStudio => Remedy::new(format!(
            "Nothing is loaded. With just-in-time loading the first call loads the model and waits. To load now{}:",
            there(on)
        ))
        .command(command)
        .step("lms ls shows what is on its disk."),
        Some(command) => {
            Remedy::new(format!("The server runs and holds no model. To load one{}:", there(on))).command(command)
        }
        None => Remedy::new(format!("{} names no model that can be used. Name one:", on.who_first()))
            .command(on.edit("--model MODEL")),
    }
}

pub(super) fn jit_off(on: &Subject<'_>) -> Remedy {
    match load(on.kind, on.endpoint.port, on.elsewhere(), on.model) {
        Some(command) if on.kind == Kind::LmStudio => Remedy::new(format!(
            "The model is not loaded, and LM Studio does not load on demand. To load it{}:",
            there(on)
        ))
        .command(command)
        .step("Or switch on Developer > Server Settings > Just-in-Time Model Loading."),
        Some(command) => Remedy::new(format!(
            "The model is not loaded, and the server does not load on demand. To load it{}:",
            there(on)
        ))
        .command(command),
        None => no_model(on),
    }
}

pub(super) fn unknown_model(on: &Subject<'_>, offered: &[String]) -> Remedy {
    let mut names: Vec<String> = offered.iter().take(OFFERED).map(|name| quoted(name).into_owned()).collect();
    if offered.len() > OFFERED {
        names.push(format!("{} more", offered.len() - OFFERED));
    }
    let has = if names.is_empty() { String::new() } else { format!(" It has {}.", names.join(", ")) };
    let label = on.who_first();
    let what = match on.model {
        Some(model) => format!("{label} does not have {}.{has}", escape::line_capped(model, super::QUOTED)),
        None => format!("{label} does not have this model.{has}"),
    };
    match fetch(on.kind, on.model) {
        Some(command) => Remedy::new(format!("{what} To fetch it{}:", there(on)))
            .command(command)
            .step("lmdeck models list shows what there is."),
        None => Remedy::new(format!("{what} What there is:")).command("lmdeck models list"),
    }
}

pub(super) fn load_failed(on: &Subject<'_>) -> Remedy {
    let remedy =
        Remedy::new(format!("{} could not load the model: most often its memory is too small.", on.who_first()))
            .step("A smaller context or a smaller quantisation takes less; unload what else is there.");
    look_at_log(remedy, on)
}

pub(super) fn crashed(on: &Subject<'_>) -> Remedy {
    let headline = format!("{} lost the model while it worked: unloaded, crashed, or out of memory.", on.who_first());
    match load(on.kind, on.endpoint.port, on.elsewhere(), on.model) {
        Some(command) => Remedy::new(format!("{headline} Load it again{}:", there(on)))
            .command(command)
            .step(super::sentence(log(on.kind).0)),
        None => look_at_log(Remedy::new(headline), on),
    }
}

pub(super) fn failed(on: &Subject<'_>, status: u16) -> Remedy {
    let headline = if status < 400 {
        format!("{} sent an error where its answer belongs.", on.who_first())
    } else {
        format!("{} failed with status {status}.", on.who_first())
    };
    look_at_log(Remedy::new(headline), on)
}

pub(super) fn cut_off(on: &Subject<'_>) -> Remedy {
    let headline = format!("{} ended the answer without its end mark: what came may lack its end.", on.who_first());
    look_at_log(Remedy::new(headline), on)
}

pub(super) fn too_large(on: &Subject<'_>, limit_bytes: u64) -> Remedy {
    // Of nothing but the head of an answer less than a MiB is kept.
    if limit_bytes < 1 << 20 {
        let limit = limit_bytes >> 10;
        return Remedy::new(format!("{} answered with a head of more than {limit} KiB or 100 lines.", on.who_first()))
            .step(
                "Most often a proxy on the way adds cookies or headers: let the address name the model server itself.",
            )
            .command(on.test_command());
    }
    let limit = limit_bytes >> 20;
    Remedy::new(format!("{} sent more than the {limit} MiB that lmdeck keeps of one piece.", on.who_first()))
        .step("A whole answer of that length is better asked for as a stream, or with a smaller max_tokens.")
        .command(on.test_command())
}

fn there(on: &Subject<'_>) -> &'static str {
    if on.elsewhere() { ", on that machine" } else { "" }
}

pub(super) fn still_loading(on: &Subject<'_>) -> Remedy {
    Remedy::new(format!(
        "{} is up and reads the model into memory. It is asked again by itself, or now:",
        on.who_first()
    ))
    .command(on.test_command())
    .step("A large model takes minutes; the terminal that runs the server shows how far it is.")
}

pub(super) fn other_model(on: &Subject<'_>, asked: &str, answered: &str) -> Remedy {
    let (asked_shown, answered) = (quoted(asked), quoted(answered));
    let headline = format!("{} was asked for {asked_shown} and answered with {answered}.", on.who_first());
    match load(on.kind, on.endpoint.port, on.elsewhere(), Some(asked)) {
        Some(command) => Remedy::new(format!("{headline} To load the one that is wanted{}:", there(on)))
            .command(command)
            .step(format!("Content with {answered}? Then name it in the configuration file.")),
        None => Remedy::new(format!("{headline} What there is:")).command("lmdeck models list"),
    }
}

pub(super) fn plan_used_up(subject: &Subject<'_>, until: Option<&str>) -> Remedy {
    let until = until.unwrap_or("until its window has room again");
    Remedy::new(format!("The plan of {} is used up for this window: parked {until}.", subject.who()))
        .step("Calls go to the next target of their order meanwhile; which that is: lmdeck routes explain.")
        .step("Where the vendor allows more than the file says, correct plan in its section: lmdeck config set.")
}

pub(super) fn response_format(on: &Subject<'_>) -> Remedy {
    Remedy::new(format!(
        "{} takes response_format json_schema or text, and was sent another one, as json_object.",
        on.who_first()
    ))
    .step("Send a json_schema, or leave response_format out of the call and ask for JSON in the prompt.")
    .step("Another target may take it: lmdeck routes order TYPE TARGET.")
}
