//! From the rule editor to the file: what is looked at before, the change shown, findings beside their fields, and what
//! others change meanwhile.

use super::RuleEditor;
use super::fields::{Field, Fields};
use crate::engine::protocol::{Command, Level, Refusal, Reply};
use crate::present::routes;
use crate::tui::layers::review::Review;
use crate::tui::layers::saving;
use crate::tui::part::{Cx, Effect, Outbox};

impl RuleEditor {
    /// Someone else changed the rule: what the person did not touch says what the file says now.
    pub(super) fn follow(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        let Some(own) = &self.own else { return };
        let mut alike = cx.snapshot.routing.rules.policies.iter().filter(|policy| policy.name == *own);
        // Of two rules of one name nobody can say here which of them this one was.
        let (Some(policy), None) = (alike.next(), alike.next()) else { return };
        let now = Fields::of(policy);
        let changed = self.fields.follow(&self.saved, &now);
        self.saved = now;
        if changed.is_empty() {
            return;
        }
        let said = |(field, mine): &(Field, bool)| {
            let label = field.label().trim_end_matches(" *");
            if *mine { format!("{label} (yours is kept)") } else { label.to_owned() }
        };
        let names: Vec<String> = changed.iter().map(said).collect();
        out.say(Level::Warning, format!("{own} was changed meanwhile: {}", names.join(", ")));
        self.completion = None;
        self.check_at = Some(cx.now);
        self.tester.want(cx.now);
    }

    /// Everything is looked at; the first field in error gets the focus.
    fn all_good(&mut self, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        for field in Field::ALL {
            if self.complain(field, cx) {
                self.focus = field;
                return false;
            }
        }
        if let Some(said) = self.slip().map(routes::slip) {
            self.focus = Field::When;
            out.say(Level::Warning, format!("not saved: {said}"));
            return false;
        }
        true
    }

    fn command(&self, dry_run: bool) -> Command {
        Command::EditPolicy { edit: Box::new(self.fields.edit(&self.saved, self.own.as_deref())), dry_run }
    }

    pub(super) fn review(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.completion = None;
        if self.all_good(cx, out) {
            self.difference = Some(out.ask(self.command(true)));
        }
    }

    pub(super) fn save(&mut self, out: &mut Outbox) {
        let command = self.command(false);
        self.saving.ask(command, out);
    }

    /// Puts the findings at their fields and goes to the first.
    pub(super) fn point_out(&mut self, refusal: &Refusal) {
        let found = refusal.issues.iter().find_map(|issue| {
            let key = issue.path.rsplit('.').next()?.split('[').next()?;
            let field = Field::ALL.into_iter().find(|field| field.key() == key)?;
            Some((field, saving::with_remedy(&issue.message, &issue.remedy)))
        });
        if let Some((field, said)) = found {
            self.focus = field;
            self.complaint = Some((field, said));
        }
    }

    pub(super) fn difference_came(&mut self, reply: &Reply, out: &mut Outbox) {
        match reply {
            Reply::Edited(report) if report.difference.is_empty() => {
                out.say(Level::Info, "nothing would change in the file");
            }
            Reply::Edited(report) => out.push(Effect::Open(Box::new(Review::of(report)))),
            Reply::Refused(refusal) => {
                self.point_out(refusal);
                saving::refused(refusal, "rule", out);
            }
            _ => {}
        }
    }
}
