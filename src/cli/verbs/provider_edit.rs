//! `providers add` and `providers edit`: flags to a draft, a test before saving, the key kept off the command
//! line.

use super::{edited, providers};
use crate::cli::args::{AddArgs, EditArgs, FieldArgs};
use crate::cli::console::Console;
use crate::cli::ending::Ending;
use crate::cli::session::{Session, find, unexpected};
use crate::domain::config::{Endpoint, KeySource, Origin};
use crate::domain::ids::ProviderId;
use crate::domain::kind::Kind;
use crate::engine::protocol::{Command, DraftSecret, ProviderDraft, ProviderView, Reply};
use crate::present::labels::Role;
use crate::present::remedy::Subject;
use std::io::Read as _;

/// No vendor's key comes near this.
const MOST_KEY_BYTES: u64 = 64 * 1024;

pub async fn add(session: &mut Session, args: &AddArgs) -> Result<(), Ending> {
    if !args.fields.dry_run {
        session.writable()?;
    }
    let kind = kind_and_endpoint(args)?;
    let id = args.id.clone().unwrap_or_else(|| kind.word().to_owned());
    ProviderId::check(&id).map_err(|why| Ending::usage(format!("--id {id}: {why}"), "choose another --id"))?;
    // What only the environment or discovery knows is in no file yet: to add it is how it gets there.
    let saved = |view: &ProviderView| matches!(view.origin, Origin::Providers | Origin::Section);
    if find(&session.handle.snapshot(), &id).is_some_and(|view| saved(view)) {
        return Err(Ending::usage(
            format!("a provider {id} is there already"),
            format!("give another --id, or change it: lmdeck providers edit {id}"),
        ));
    }
    let fields = &args.fields;
    let draft = ProviderDraft {
        id: id.clone(),
        name: fields.name.clone(),
        kind: Some(kind),
        endpoint: fields.endpoint.clone().unwrap_or_default(),
        auth_token: key(&mut session.console, fields.key.as_deref())?,
        models: (!fields.models.is_empty()).then(|| fields.models.clone()),
        local: Some(fields.local),
        enabled: Some(!args.disabled),
    };
    let draft = Box::new(draft);
    if fields.dry_run {
        return preview(session, None, draft).await;
    }
    if !args.disabled {
        test(session, &draft, fields, None).await?;
    }
    let reply = session.ask(Command::AddProvider { draft }).await?;
    edited::tell(session, reply, &format!("added {id}"))
}

pub async fn edit(session: &mut Session, args: &EditArgs) -> Result<(), Ending> {
    let fields = &args.fields;
    if !fields.dry_run {
        session.writable()?;
    }
    let view = session.provider(&args.id).await?;
    if !changes_something(args) {
        return Err(Ending::usage(
            format!("nothing to change in {}", view.id),
            "give at least one of --name --type --endpoint --key --no-key --model --no-models --local --no-local",
        ));
    }
    let draft = Box::new(draft_of_edit(&mut session.console, &view, args)?);
    if fields.dry_run {
        return preview(session, Some(view.id.clone()), draft).await;
    }
    if view.enabled {
        test(session, &draft, fields, Some(&view)).await?;
    }
    let reply = session.ask(Command::EditProvider { id: view.id.clone(), draft }).await?;
    edited::tell(session, reply, &format!("changed {}", view.id))
}

fn changes_something(args: &EditArgs) -> bool {
    let fields = &args.fields;
    args.kind.is_some()
        || args.no_key
        || args.no_models
        || args.no_local
        || fields.local
        || fields.endpoint.is_some()
        || fields.key.is_some()
        || fields.name.is_some()
        || !fields.models.is_empty()
}

fn draft_of_edit(console: &mut Console, view: &ProviderView, args: &EditArgs) -> Result<ProviderDraft, Ending> {
    let fields = &args.fields;
    Ok(ProviderDraft {
        id: view.id.to_string(),
        name: fields.name.clone(),
        kind: args.kind.map(|word| word.0),
        endpoint: fields.endpoint.clone().unwrap_or_default(),
        auth_token: if args.no_key { Some(DraftSecret::default()) } else { key(console, fields.key.as_deref())? },
        models: if args.no_models {
            Some(Vec::new())
        } else {
            (!fields.models.is_empty()).then(|| fields.models.clone())
        },
        local: (fields.local || args.no_local).then_some(!args.no_local),
        enabled: None,
    })
}

/// Nothing is asked interactively: what is missing is named, all at once.
fn kind_and_endpoint(args: &AddArgs) -> Result<Kind, Ending> {
    let Some(kind) = args.kind.map(|word| word.0) else {
        return Err(Ending::usage(
            "missing: --type",
            "lmdeck providers add --type TYPE [--endpoint URL]; --help lists the types",
        ));
    };
    if args.fields.endpoint.is_none() && kind.default_endpoint().is_none() {
        return Err(Ending::usage(
            format!("missing: --endpoint: {kind} has no address of its own"),
            format!("lmdeck providers add --type {kind} --endpoint http://HOST:PORT"),
        ));
    }
    Ok(kind)
}

/// `${NAME}` as it is, `-` from standard input. A key on the command line stays in the shell's history and in
/// the list of processes, so it is refused; the message never repeats it.
fn key(console: &mut Console, given: Option<&str>) -> Result<Option<DraftSecret>, Ending> {
    match given {
        None => Ok(None),
        Some("-") => read_key(console).map(Some),
        Some(text) if reference(text).is_some() => Ok(Some(DraftSecret(text.to_owned()))),
        Some(name) if looks_like_a_name(name) => Err(Ending::usage(
            "--key takes a reference, not a bare name",
            format!("write it with single quotes: --key '${{{name}}}'"),
        )),
        Some(_) => Err(Ending::usage(
            "a key on the command line is refused: it stays in the shell's history and everybody on this machine can see it",
            "name a variable with single quotes, --key '${NAME}', or pipe the key in: --key - < FILE",
        )),
    }
}

/// The variable that `${NAME}` or `${NAME:-default}` names.
fn reference(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("${")?.strip_suffix('}')?;
    let name = inner.split_once(":-").map_or(inner, |(name, _)| name);
    looks_like_a_name(name).then_some(name)
}

/// As variables are usually named. Vendors' keys hold small letters or hyphens and never pass.
fn looks_like_a_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn read_key(console: &mut Console) -> Result<DraftSecret, Ending> {
    if console.input_is_terminal {
        return Err(Ending::usage(
            "the key would be shown while you type it",
            "pipe it in: lmdeck providers add ... --key - < FILE",
        ));
    }
    let mut bytes = Vec::new();
    console.input.by_ref().take(MOST_KEY_BYTES + 1).read_to_end(&mut bytes).map_err(|error| {
        Ending::usage(format!("cannot read the key from standard input: {error}"), "pipe it in: --key - < FILE")
    })?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    let key = text.trim();
    let one_line = !key.is_empty() && key.len() as u64 <= MOST_KEY_BYTES && key.chars().all(|c| c.is_ascii_graphic());
    if !one_line {
        return Err(Ending::usage(
            "standard input holds no key: a key is one word of printable ASCII",
            "pipe in the key alone: --key - < FILE",
        ));
    }
    Ok(DraftSecret(key.to_owned()))
}

async fn preview(session: &mut Session, id: Option<ProviderId>, draft: Box<ProviderDraft>) -> Result<(), Ending> {
    let Reply::Edited(report) = session.ask(Command::PreviewEdit { id, draft }).await? else {
        return Err(unexpected("the preview"));
    };
    edited::preview(session, &report)
}

/// A connection that does not work is not saved unless somebody says so.
async fn test(
    session: &mut Session,
    draft: &ProviderDraft,
    fields: &FieldArgs,
    saved: Option<&ProviderView>,
) -> Result<(), Ending> {
    if fields.no_test {
        return Ok(());
    }
    let command = Command::TestProvider { draft: Box::new(draft.clone()), answer: false, run: session.run_id() };
    let Reply::Tested(report) = session.ask(command).await? else { return Err(unexpected("the test")) };
    providers::say_steps(session, &report);
    let endpoint = endpoint(draft, saved);
    let kind = draft.kind.or(saved.map(|view| view.kind));
    let key = key_source(draft, saved);
    let subject = kind.zip(endpoint.as_ref()).map(|(kind, endpoint)| Subject::draft(kind, endpoint, &key));
    if let Some(subject) = &subject {
        providers::say_cautions(session, &report, subject);
    }
    match &report.failure {
        None => Ok(()),
        Some(_) if fields.save_anyway => {
            session.console.say(Role::Warn, "-- the test failed; saved all the same");
            Ok(())
        }
        Some(failure) => {
            let mut ending = Ending::of_failure("not saved: the connection test failed", failure, subject.as_ref());
            if let Ending::Refused(refusal) = &mut ending {
                let remedy = refusal.remedy.trim_end_matches('.');
                refusal.remedy = format!("{remedy}. Or save it as it is: --save-anyway");
            }
            Err(ending)
        }
    }
}

/// The address as far as a remedy needs it: where to look. How it is called is the engine's business.
fn endpoint(draft: &ProviderDraft, saved: Option<&ProviderView>) -> Option<Endpoint> {
    if draft.endpoint.is_empty()
        && let Some(view) = saved
    {
        return Some(view.endpoint.clone());
    }
    let default = draft.kind.and_then(Kind::default_endpoint);
    let written = if draft.endpoint.is_empty() { default? } else { &draft.endpoint };
    let url: http::Uri = written.parse().ok()?;
    let host = url.host()?.to_owned();
    let tls = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let origin = format!("{}://{host}:{port}", if tls { "https" } else { "http" });
    let api_base = written.trim_end_matches('/').to_owned();
    Some(Endpoint { written: written.to_owned(), origin, host, port, tls, api_base })
}

fn key_source(draft: &ProviderDraft, saved: Option<&ProviderView>) -> KeySource {
    match (&draft.auth_token, saved) {
        (None, Some(view)) => view.key_source.clone(),
        (None, None) => KeySource::None,
        (Some(DraftSecret(key)), _) if key.is_empty() => KeySource::None,
        (Some(DraftSecret(key)), _) => match reference(key) {
            Some(name) => KeySource::Variable { name: name.to_owned() },
            None => KeySource::File { tail: None },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_references_count_as_references() {
        for good in ["${Z_AI_API_KEY}", "${KEY:-none}", "${_X1}"] {
            assert!(reference(good).is_some(), "{good}");
        }
        for bad in ["$KEY", "${key}", "${}", "sk-proj-abc", "${KEY", "${A B}"] {
            assert!(reference(bad).is_none(), "{bad}");
        }
    }
}
