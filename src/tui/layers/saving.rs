//! From an editor to the file, the same for every editor: asking, what is said when it worked, and what to do when
//! it did not, above all when someone else changed the file meanwhile.

use super::confirm::Confirm;
use crate::engine::protocol::{Command, EditReport, Level, Refusal, Reply};
use crate::present::units;
use crate::tui::action::Action;
use crate::tui::part::{Effect, Outbox, Ticket};

/// Lines of the other change that the question shows.
const SHOWN: usize = 12;

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Saving {
    #[default]
    Nothing,
    Asked(Ticket),
    /// The changed file being read, before saving on top of it.
    Rereading(Ticket),
}

/// What an answer brought.
pub enum Outcome {
    Saved,
    /// The file was read: save now.
    Again,
    /// Told already; what the findings are about is the editor's to show.
    Refused(Refusal),
}

impl Saving {
    pub fn is_asked(self) -> bool {
        matches!(self, Self::Asked(_))
    }

    pub fn ask(&mut self, command: Command, out: &mut Outbox) {
        *self = Self::Asked(out.ask(command));
    }

    /// Takes over what the file says now, to save on top of it.
    pub fn reread(&mut self, out: &mut Outbox) {
        *self = Self::Rereading(out.ask(Command::ConfigReload));
    }

    /// An answer, where it is the one waited for; `place` is what the person goes back to, as in `form`.
    pub fn reply(&mut self, ticket: Ticket, reply: &Reply, place: &str, out: &mut Outbox) -> Option<Outcome> {
        let again = match *self {
            Self::Asked(asked) if asked == ticket => false,
            Self::Rereading(asked) if asked == ticket => true,
            _ => return None,
        };
        *self = Self::Nothing;
        Some(match reply {
            Reply::Refused(refusal) => {
                refused(refusal, place, out);
                Outcome::Refused(refusal.clone())
            }
            _ if again => Outcome::Again,
            Reply::Edited(report) => {
                saved(report, out);
                Outcome::Saved
            }
            _ => {
                out.say(Level::Info, "saved");
                Outcome::Saved
            }
        })
    }
}

fn saved(report: &EditReport, out: &mut Outbox) {
    let file = report.file.rsplit('/').next().unwrap_or_default();
    let lines = units::count(report.lines_changed as u64, "line", "lines");
    let said = if report.written {
        format!("Saved {file}, {lines}. U undoes.")
    } else {
        "nothing changed in the file".to_owned()
    };
    out.say(Level::Info, said);
    for issue in &report.issues {
        out.say(Level::Warning, with_remedy(&issue.message, &issue.remedy));
    }
}

/// Says why not; asks where the file was changed by someone else.
pub fn refused(refusal: &Refusal, place: &str, out: &mut Outbox) {
    let Some(difference) = &refusal.difference else {
        return out.say(Level::Error, format!("not saved: {}", with_remedy(&refusal.message, &refusal.remedy)));
    };
    let mut lines: Vec<String> = difference.lines().take(SHOWN).map(str::to_owned).collect();
    if difference.lines().nth(SHOWN).is_some() {
        lines.push("...".into());
    }
    lines.insert(0, "Someone saved it after it was read. Theirs:".into());
    let question = Confirm::new("The file changed on disk", lines, &format!("Back to the {place}"))
        .with("Keep theirs, put mine on top", Effect::Pass(Action::FormSaveOnTop))
        .with("Drop mine", Effect::Pass(Action::FormDiscard));
    out.push(Effect::Open(Box::new(question)));
}

/// The question before something typed is lost; closes at once where nothing is.
pub fn leave(modified: bool, place: &str, lost: &str, out: &mut Outbox) {
    if !modified {
        out.push(Effect::Close);
        return;
    }
    let question = Confirm::new(format!("Leave the {place}?"), vec![lost.to_owned()], "Keep editing")
        .with("Save", Effect::Pass(Action::FormSave))
        .with("Discard", Effect::Pass(Action::FormDiscard));
    out.push(Effect::Open(Box::new(question)));
}

/// `no such host. Check the address.`
pub fn with_remedy(message: &str, remedy: &str) -> String {
    let message = message.trim_end_matches('.');
    match remedy.chars().next() {
        None => message.to_owned(),
        Some(first) if first.is_uppercase() || message.ends_with('?') => format!("{message}. {remedy}"),
        // Remedies are often commands: they are never spelled with a capital.
        Some(_) => format!("{message}; {remedy}"),
    }
}
