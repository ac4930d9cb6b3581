//! How a verb ends other than well, and how that is told.

use super::console::Console;
use crate::domain::config::Issue;
use crate::domain::failure::Failure;
use crate::engine::protocol::Refusal;
use crate::present::escape;
use crate::present::labels::{self, Role};
use crate::present::remedy::{Subject, remedy};
use std::io;

pub const FAILED: u8 = 1;
pub const USAGE: u8 = 2;
pub const CONFIGURATION: u8 = 3;
pub const UNAVAILABLE: u8 = 4;
pub const DENIED: u8 = 5;
/// What shells use for a program that ctrl-c ended.
pub const INTERRUPTED: u8 = 130;
/// The same for SIGTERM and for a terminal that is gone.
pub const TERMINATED: u8 = 143;
pub const HUNG_UP: u8 = 129;

#[derive(Debug)]
pub enum Ending {
    /// Nobody reads the output any more (`| head`): quiet, and no failure.
    NobodyReads,
    Refused(Box<Refusal>),
    /// Everything has been said already.
    Exit(u8),
}

impl Ending {
    pub fn new(exit: u8, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Refusal { message: message.into(), remedy: remedy.into(), exit, issues: Vec::new(), difference: None }.into()
    }

    pub fn usage(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(USAGE, message, remedy)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FAILED, message, "a fault in lmdeck: lmdeck logs has the details")
    }

    /// `about` is the provider it is about, where there is one: then what to do is said for exactly that.
    pub fn of_failure(what: &str, failure: &Failure, about: Option<&Subject<'_>>) -> Self {
        let class = failure.code.class();
        let todo = about.map_or_else(|| class.advice.to_owned(), |about| remedy(failure, about).text());
        // A headline in the message's own words would say it twice.
        let said = &failure.message;
        let again = todo.get(..said.len()).is_some_and(|head| head.eq_ignore_ascii_case(said));
        let rest = todo.get(said.len()..).filter(|_| again).and_then(|rest| rest.strip_prefix(". "));
        let todo = rest.map_or_else(|| todo.clone(), str::to_owned);
        Self::new(class.exit, format!("{what}: {}", failure.message), todo)
    }

    /// Says what is to be said; the exit code.
    pub fn tell(self, console: &mut Console) -> u8 {
        match self {
            Self::NobodyReads => 0,
            Self::Exit(code) => code,
            Self::Refused(refusal) => {
                say_refusal(console, &refusal);
                refusal.exit
            }
        }
    }
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<io::Error> for Ending {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::NobodyReads
        } else {
            Self::new(FAILED, format!("cannot write the output: {error}"), "look at the disk or program it goes to")
        }
    }
}

fn say_refusal(console: &mut Console, refusal: &Refusal) {
    console.say(Role::Bad, &format!("error: {}", escape::line(&refusal.message)));
    for issue in &refusal.issues {
        say_issue(console, issue);
    }
    if let Some(difference) = &refusal.difference {
        console.say(Role::Plain, escape::block(difference).trim_end());
    }
    if !refusal.remedy.is_empty() {
        console.say(Role::Plain, &format!("  do: {}", escape::line(&refusal.remedy)));
    }
}

/// One finding of a configuration: place and what is wrong, the line itself, what to do.
pub fn say_issue(console: &mut Console, issue: &Issue) {
    console.say(labels::severity(issue.severity).role, &issue_line(issue));
    if !issue.text.is_empty() {
        console.say(Role::Plain, &format!("    {}", escape::line(issue.text.trim())));
    }
    if !issue.remedy.is_empty() {
        console.say(Role::Plain, &format!("  do: {}", escape::line(&issue.remedy)));
    }
}

/// As in `warning: ai_models.yaml:31:5: unknown key: endpont`.
fn issue_line(issue: &Issue) -> String {
    let mut place = escape::line(&issue.file).into_owned();
    for number in [issue.line, issue.column].into_iter().flatten() {
        place = format!("{place}:{number}");
    }
    let parts = [issue.severity.word(), &place, &escape::line(&issue.message)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}
