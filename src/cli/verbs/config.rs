//! `config show|set|undo|trust`: the parts that need the engine. `path` and `check` are in `offline`.

use super::edited;
use crate::cli::ending::Ending;
use crate::cli::session::{Session, unexpected};
use crate::domain::secret::names_a_secret;
use crate::engine::protocol::{Command, LastGoodAct, Reply, Snapshot};
use crate::present::escape;
use crate::present::labels::Role;
use serde_json::{Value, json};
use serde_yaml::Value as Yaml;

pub async fn set(session: &mut Session, path: &str, value: &str) -> Result<(), Ending> {
    session.writable()?;
    refuse_a_bare_key(path, value)?;
    let command = Command::ConfigSet { path: path.to_owned(), value: value.to_owned() };
    let reply = session.ask(command).await?;
    edited::tell(session, reply, &format!("set {path}"))
}

/// Sections in which no key can stand, so that words like `keys` mean something else there.
const WITHOUT_KEYS: [&str; 3] = ["presets", "routing", "ui"];

/// Keys of the gateway may have names, which are none.
const NAME_OF_A_KEY: &str = "name";

/// As for `providers add --key`: a key on the command line stays in the shell's history. Never repeats it.
fn refuse_a_bare_key(path: &str, value: &str) -> Result<(), Ending> {
    let mut parts = path.split('.').map(|part| part.trim_matches(['"', '\'', ' ']));
    if parts.clone().next().is_some_and(|section| WITHOUT_KEYS.contains(&section)) {
        return Ok(());
    }
    // What is no YAML is refused where it is written; until then it may be a key like any other text.
    let read = serde_yaml::from_str(value).unwrap_or_else(|_| Yaml::String(value.to_owned()));
    let secret = parts.clone().any(names_a_secret) && parts.next_back() != Some(NAME_OF_A_KEY);
    if !holds_a_bare_key(&read, secret) {
        return Ok(());
    }
    Err(Ending::usage(
        "a key on the command line is refused: it stays in the shell's history and everybody on this machine can see it",
        "put a variable in its place, in single quotes: '${NAME}'",
    ))
}

/// Whether a text that its place calls a key is anything but one reference to a variable.
fn holds_a_bare_key(value: &Yaml, secret: bool) -> bool {
    match value {
        Yaml::Mapping(members) => members.iter().any(|(name, member)| {
            let name = name.as_str().unwrap_or_default();
            holds_a_bare_key(member, (secret && name != NAME_OF_A_KEY) || names_a_secret(name))
        }),
        Yaml::Sequence(items) => items.iter().any(|item| holds_a_bare_key(item, secret)),
        Yaml::Tagged(tagged) => holds_a_bare_key(&tagged.value, secret),
        Yaml::String(text) => secret && !text.trim().is_empty() && !is_reference(text.trim()),
        Yaml::Number(_) => secret,
        Yaml::Null | Yaml::Bool(_) => false,
    }
}

/// `${NAME}` and nothing beside it; a default would be the key itself.
fn is_reference(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

pub async fn undo(session: &mut Session) -> Result<(), Ending> {
    session.writable()?;
    let reply = session.ask(Command::ConfigUndo).await?;
    edited::tell_undone(session, reply)
}

pub async fn trust(session: &mut Session) -> Result<(), Ending> {
    session.writable()?;
    let asked = session.handle.snapshot().config.untrusted.clone();
    let reply = session.ask(Command::ConfigTrust { asked }).await?;
    let file = session.handle.snapshot().config.file.clone();
    let ways = match reply {
        Reply::Edited(report) => report.issues.into_iter().map(|issue| issue.message).collect(),
        _ => Vec::new(),
    };
    if session.console.json {
        return session.console.document(&json!({ "file": file, "trusted": true, "allowed": ways }));
    }
    let file = file.unwrap_or_else(|| "the environment".to_owned());
    session.console.line(&escape::line(&format!("trusted: {file} as it is now may send keys where it says")))?;
    for way in &ways {
        session.console.line(&escape::line(&format!("  {way}")))?;
    }
    if ways.is_empty() {
        session.console.say(Role::Muted, "-- it sends no key where one must be asked for");
    }
    Ok(())
}

/// Puts the last version back that could be used, or shows what that would change.
pub async fn put_back(session: &mut Session, dry_run: bool) -> Result<(), Ending> {
    if dry_run {
        let reply = session.ask(Command::LastGood { act: LastGoodAct::Compare }).await?;
        let Reply::Edited(report) = reply else { return Err(unexpected("config undo")) };
        return edited::preview(session, &report);
    }
    session.writable()?;
    let reply = session.ask(Command::LastGood { act: LastGoodAct::PutBack }).await?;
    edited::tell(session, reply, "put the last good version back")
}

/// The configuration in force, from every layout, the environment and the defaults put together, as one file could
/// say it. Keys appear as where they come from.
pub fn show(session: &mut Session) -> Result<(), Ending> {
    let snapshot = session.handle.snapshot();
    let sections = in_force(&snapshot);
    if session.console.json {
        let mut value = json!({ "file": snapshot.config.file });
        if let (Value::Object(all), Value::Object(sections)) = (&mut value, sections) {
            all.extend(sections);
        }
        return session.console.document(&value);
    }
    let yaml = serde_yaml::to_string(&sections)
        .map_err(|error| Ending::internal(format!("cannot be shown as YAML: {error}")))?;
    if let Some(file) = snapshot.config.file.as_deref() {
        session.console.say(Role::Muted, &escape::line(&format!("-- {file} with everything it leaves out")));
    }
    if yaml.contains(HIDDEN) {
        session.console.say(Role::Muted, "-- (hidden) stands for a key: put it back before you use this as a file");
    }
    session.console.line(&escape::block(yaml.trim_end()))
}

/// What is shown in the place of a key that stands in the file.
const HIDDEN: &str = "(hidden)";

/// With the servers that were found on this machine, which are used while nothing is configured.
fn in_force(snapshot: &Snapshot) -> Value {
    let mut sections = (*snapshot.config.in_force).clone();
    let found = snapshot.providers.iter().filter(|view| view.is_discovered());
    let found: Vec<Value> =
        found.map(|view| json!({ "id": view.id, "type": view.kind, "endpoint": view.endpoint.written })).collect();
    if let (Value::Object(members), false) = (&mut sections, found.is_empty())
        && let Some(providers) = members.entry("providers").or_insert_with(|| json!([])).as_array_mut()
    {
        providers.extend(found);
    }
    sections
}
