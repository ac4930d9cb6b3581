//! Verbs that need no engine: `completions`, `man`, `config path`, `config check`, `config schema`. They work with a broken
//! configuration, and `config check` is for exactly that.

use super::args::{Cli, ConfigVerb, Verb};
use super::console::Console;
use super::ending::{CONFIGURATION, Ending, say_issue};
use super::{suggest, words};
use crate::domain::config::{Issue, Severity};
use crate::present::escape;
use crate::present::labels::Role;
use clap::CommandFactory as _;
use serde_json::json;
use std::path::Path;

/// What these verbs ask of the ground they stand on; `bootstrap` knows the adapters that tell.
pub trait Ground {
    fn paths(&self) -> Paths;
    /// Reads `file`, else the one in use, without starting anything.
    fn check(&self, file: Option<&Path>) -> Checked;
    /// What a configuration may hold, as a JSON Schema.
    fn schema(&self) -> serde_json::Value;
}

/// Where things are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The file in use; `None` when there is none.
    pub config: Option<String>,
    /// Where the first save goes when there is none.
    pub would_write: String,
    pub state_dir: String,
}

/// What reading a configuration brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// `None` when there is no file.
    pub file: Option<String>,
    /// An unusable file is told by its errors in `issues`.
    pub issues: Vec<Issue>,
    pub usable: bool,
    /// Providers in it, where it could be read.
    pub providers: usize,
}

/// The exit code, or `None` for a verb that needs the engine.
pub fn run(cli: &Cli, console: &mut Console, ground: &dyn Ground) -> Option<u8> {
    let result = match cli.verb.as_ref()? {
        Verb::Completions { shell } => completions(console, *shell),
        Verb::Man { verb } => man(console, verb),
        Verb::Config { verb: ConfigVerb::Path } => path(console, &ground.paths()),
        // Already JSON, with and without the flag.
        Verb::Config { verb: ConfigVerb::Schema } => console.document(&ground.schema()),
        Verb::Config { verb: ConfigVerb::Check { strict, file } } => {
            check(console, &ground.check(file.as_deref()), *strict)
        }
        _ => return None,
    };
    let result = result.and_then(|()| console.flush());
    Some(result.map_or_else(|ending| ending.tell(console), |()| 0))
}

fn completions(console: &mut Console, shell: clap_complete::Shell) -> Result<(), Ending> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lmdeck", &mut script);
    text(console, "script", &script)
}

fn man(console: &mut Console, verb: &[String]) -> Result<(), Ending> {
    let mut command = Cli::command();
    command.build();
    let mut page = &command;
    for word in verb {
        page = page.find_subcommand(word).ok_or_else(|| unknown_verb(page, word))?;
    }
    let mut roff = Vec::new();
    clap_mangen::Man::new(page.clone()).render(&mut roff)?;
    text(console, "roff", &roff)
}

/// A text that is made for another program, bare or as the one member of a JSON document.
fn text(console: &mut Console, name: &str, text: &[u8]) -> Result<(), Ending> {
    if console.json {
        return console.document(&json!({ name: String::from_utf8_lossy(text) }));
    }
    console.out.write_all(text)?;
    Ok(())
}

fn unknown_verb(parent: &clap::Command, word: &str) -> Ending {
    let names: Vec<&str> = parent.get_subcommands().map(clap::Command::get_name).collect();
    let remedy = match suggest::nearest(word, names.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("use one of {}", names.join(", ")),
    };
    Ending::usage(format!("{} has no verb {word}", parent.get_name()), remedy)
}

fn path(console: &mut Console, paths: &Paths) -> Result<(), Ending> {
    if console.json {
        return console.document(&json!({
            "config": paths.config,
            "would_write": paths.would_write,
            "state_dir": paths.state_dir,
        }));
    }
    console.line(&escape::line(paths.config.as_ref().unwrap_or(&paths.would_write)))?;
    if paths.config.is_none() {
        console.say(Role::Muted, "-- no file there yet: the first save writes it");
    }
    console.say(Role::Muted, &escape::line(&format!("-- state: {}", paths.state_dir)));
    Ok(())
}

fn check(console: &mut Console, checked: &Checked, strict: bool) -> Result<(), Ending> {
    let count = |severity| checked.issues.iter().filter(|issue| issue.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let good = checked.usable && errors == 0 && (!strict || warnings == 0);
    if console.json {
        console.document(&json!({
            "file": checked.file,
            "ok": good,
            "usable": checked.usable,
            "providers": checked.providers,
            "errors": errors,
            "warnings": warnings,
            "issues": checked.issues,
        }))?;
    } else {
        for issue in &checked.issues {
            say_issue(console, issue);
        }
        console.line(&escape::line(&summary(checked, errors, warnings)))?;
    }
    if good { Ok(()) } else { Err(Ending::Exit(CONFIGURATION)) }
}

fn summary(checked: &Checked, errors: usize, warnings: usize) -> String {
    let file = checked.file.as_deref().unwrap_or("no file");
    let found = match (errors, warnings) {
        (0, 0) => "nothing wrong".to_owned(),
        (0, warnings) => words::count(warnings, "warning"),
        (errors, 0) => words::count(errors, "error"),
        (errors, warnings) => format!("{}, {}", words::count(errors, "error"), words::count(warnings, "warning")),
    };
    if checked.usable {
        format!("{file}: {}, {found}", words::count(checked.providers, "provider"))
    } else {
        format!("{file}: cannot be used: {found}")
    }
}
