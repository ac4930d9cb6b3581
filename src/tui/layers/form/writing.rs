//! What the form adds to saving: which command it is, the change looked at first, and findings beside their fields.

use super::fields::Fields;
use super::{First, ProviderForm, Waiting};
use crate::domain::ids::ProviderId;
use crate::engine::protocol::{Command, Level, Refusal, Reply, SavedPrompt};
use crate::present::tips::Field;
use crate::present::units;
use crate::tui::layers::pager::Pager;
use crate::tui::layers::saving::{self, Outcome, with_remedy};
use crate::tui::part::{Cx, Effect, Outbox, Place, Tab, Ticket};
use crate::tui::screens::acts;

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
        self.saving.ask(command, out);
    }

    /// Someone else changed the provider: what the person did not touch says what the file says now.
    pub(super) fn follow(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        let Some(provider) = self.own.as_ref().and_then(|id| acts::find(cx.snapshot, id)) else { return };
        let now = Fields::of(provider);
        let changed = self.fields.follow(&self.saved, &now);
        self.saved = now;
        if changed.is_empty() {
            return;
        }
        for (field, own) in &changed {
            let remark = if *own { "changed in the file too: yours is saved" } else { "changed in the file" };
            self.remarks.insert(*field, remark.to_owned());
            self.complaints.remove(field);
        }
        if changed.iter().any(|(field, _)| matches!(field, Field::Kind | Field::Address | Field::Key | Field::Local)) {
            self.forget_test(out);
            self.schedule(cx);
        }
        let names: Vec<&str> = changed.iter().map(|(field, _)| field.label()).collect();
        out.say(Level::Warning, format!("{} was changed meanwhile: {}", provider.name, names.join(", ")));
    }

    pub(super) fn preview(&mut self, out: &mut Outbox) -> Ticket {
        out.ask(Command::PreviewEdit { id: self.own.clone(), draft: Box::new(self.draft()) })
    }

    /// Shows the findings beside their fields and goes to the first.
    fn complain(&mut self, refusal: &Refusal) {
        for issue in &refusal.issues {
            if let Some(field) = field_of(&issue.path) {
                self.complaints.insert(field, with_remedy(&issue.message, &issue.remedy));
            }
        }
        if let Some(field) = Field::ALL.into_iter().find(|field| self.complaints.contains_key(field)) {
            self.focus = field;
        }
    }

    /// A reply to something other than the test.
    pub(super) fn answered(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, out: &mut Outbox) {
        match self.saving.reply(ticket, reply, "form", out) {
            Some(Outcome::Saved) => {
                let id = ProviderId::from(self.fields.id.value());
                out.push(Effect::Close);
                if self.first != First::No {
                    // The guide ends where the provider works: with a prompt that only has to be sent.
                    let prompt =
                        SavedPrompt { prompt: FIRST_PROMPT.into(), model: "auto".into(), ..SavedPrompt::default() };
                    out.say(Level::Info, "A first prompt: enter sends it. esc, then 1 leads back to the providers.");
                    return out.push(Effect::Go(Tab::Playground, Some(Place::Prompt(Box::new(prompt)))));
                }
                return out.push(Effect::Go(Tab::Providers, Some(Place::Provider(id))));
            }
            Some(Outcome::Again) => {
                self.follow(cx, out);
                return self.save(cx, out);
            }
            Some(Outcome::Refused(refusal)) => {
                self.follow(cx, out);
                return self.complain(&refusal);
            }
            None => {}
        }
        match (self.waiting, reply) {
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
                    Reply::Refused(refusal) => {
                        self.complain(refusal);
                        saving::refused(refusal, "form", out);
                    }
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
