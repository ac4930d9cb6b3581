//! From the form to the file and back: saving, looking at the change first, leaving, and what to do when the file
//! was changed by someone else meanwhile.

use super::{ProviderForm, Waiting};
use crate::domain::ids::ProviderId;
use crate::engine::protocol::{Command, EditReport, Level, Refusal, Reply, SavedPrompt};
use crate::present::tips::Field;
use crate::present::units;
use crate::tui::action::Action;
use crate::tui::layers::confirm::Confirm;
use crate::tui::layers::pager::Pager;
use crate::tui::part::{Cx, Effect, Outbox, Place, Tab, Ticket};

/// The prompt that ends the first run.
const FIRST_PROMPT: &str = "Say hello in one sentence.";

impl ProviderForm {
    pub(super) fn save(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        if !self.all_good(cx) {
            return;
        }
        let draft = Box::new(self.draft());
        let command = match &self.own {
            Some(id) => Command::EditProvider { id: id.clone(), draft },
            None => Command::AddProvider { draft },
        };
        self.waiting = Some(Waiting::Saved(out.ask(command)));
    }

    pub(super) fn preview(&mut self, out: &mut Outbox) -> Ticket {
        out.ask(Command::PreviewEdit { id: self.own.clone(), draft: Box::new(self.draft()) })
    }

    fn refused(&mut self, refusal: &Refusal, out: &mut Outbox) {
        for issue in &refusal.issues {
            if let Some(field) = field_of(&issue.path) {
                self.complaints.insert(field, join(&issue.message, &issue.remedy));
            }
        }
        if let Some(field) = Field::ALL.into_iter().find(|field| self.complaints.contains_key(field)) {
            self.focus = field;
        }
        if let Some(difference) = &refusal.difference {
            let mut lines: Vec<String> = difference.lines().take(12).map(str::to_owned).collect();
            lines.insert(0, "Someone saved it after it was read. Theirs:".into());
            let question = Confirm::new("The file changed on disk", lines, "Back to the form");
            let question = question
                .with("Keep theirs, put mine on top", Effect::Pass(Action::FormSaveOnTop))
                .with("Drop mine", Effect::Pass(Action::FormDiscard));
            out.push(Effect::Open(Box::new(question)));
            return;
        }
        out.say(Level::Error, format!("not saved: {}", join(&refusal.message, &refusal.remedy)));
    }

    fn saved(&mut self, report: &EditReport, out: &mut Outbox) {
        let lines = if report.lines_changed == 1 { "line" } else { "lines" };
        let name = report.file.rsplit('/').next().unwrap_or_default();
        out.say(Level::Info, format!("Saved {name}, {} {lines}. U undoes.", report.lines_changed));
        for issue in &report.issues {
            out.say(Level::Warning, join(&issue.message, &issue.remedy));
        }
        let id = ProviderId::from(self.fields.id.value());
        out.push(Effect::Close);
        if self.first {
            // The guide ends where the provider works: with a prompt that only has to be sent.
            let prompt = SavedPrompt { prompt: FIRST_PROMPT.into(), model: "auto".into(), ..SavedPrompt::default() };
            out.say(Level::Info, "A first prompt: enter sends it. esc, then 1 leads back to the providers.");
            out.push(Effect::Go(Tab::Playground, Some(Place::Prompt(Box::new(prompt)))));
            return;
        }
        out.push(Effect::Go(Tab::Providers, Some(Place::Provider(id))));
    }

    pub(super) fn leave(&mut self, out: &mut Outbox) {
        if !self.modified() {
            out.push(Effect::Close);
            return;
        }
        let lines = vec!["What you typed is not saved.".to_owned()];
        let question = Confirm::new("Leave the form?", lines, "Keep editing");
        let question =
            question.with("Save", Effect::Pass(Action::FormSave)).with("Discard", Effect::Pass(Action::FormDiscard));
        out.push(Effect::Open(Box::new(question)));
    }

    /// A reply to something other than the test.
    pub(super) fn answered(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, out: &mut Outbox) {
        match (self.waiting, reply) {
            (Some(Waiting::Saved(asked)), _) if asked == ticket => {
                self.waiting = None;
                match reply {
                    Reply::Edited(report) => self.saved(report, out),
                    Reply::Refused(refusal) => self.refused(refusal, out),
                    _ => self.saved(&EditReport::default(), out),
                }
            }
            (Some(Waiting::Reread(asked)), _) if asked == ticket => {
                self.waiting = None;
                match reply {
                    Reply::Refused(refusal) => self.refused(refusal, out),
                    _ => self.save(cx, out),
                }
            }
            (Some(Waiting::Difference(asked)), _) if asked == ticket => {
                self.waiting = None;
                match reply {
                    Reply::Edited(report) if report.difference.is_empty() => {
                        out.say(Level::Info, "nothing would change in the file");
                    }
                    Reply::Edited(report) => {
                        let right = format!(
                            "{} changed, not saved",
                            units::count(report.lines_changed as u64, "line", "lines")
                        );
                        out.push(Effect::Open(Box::new(Pager::new(
                            format!("Change of {}", report.file),
                            right,
                            &report.difference,
                        ))));
                    }
                    Reply::Refused(refusal) => self.refused(refusal, out),
                    _ => {}
                }
            }
            (Some(Waiting::Extent(asked)), _) if asked == ticket => {
                self.waiting = None;
                if let Reply::Edited(report) = reply {
                    self.extent = Some(report.clone());
                }
            }
            _ => {}
        }
    }
}

pub(super) fn join(message: &str, remedy: &str) -> String {
    if remedy.is_empty() { message.to_owned() } else { format!("{}. {remedy}", message.trim_end_matches('.')) }
}

/// The form's field that a finding is about, by the end of its path.
fn field_of(path: &str) -> Option<Field> {
    match path.rsplit('.').next().unwrap_or(path) {
        "id" => Some(Field::Id),
        "name" => Some(Field::Name),
        "type" | "kind" => Some(Field::Kind),
        "endpoint" | "address" | "base_url" => Some(Field::Address),
        "authToken" | "auth_token" | "api_key" | "key" => Some(Field::Key),
        "models" => Some(Field::Models),
        "local" => Some(Field::Local),
        "enabled" => Some(Field::Enabled),
        _ => None,
    }
}
