//! The editor of one rule: its fields, the condition checked while it is typed, and beside it what the edited,
//! unsaved rules would do with a request. Nothing is written before the change was seen.

mod completion;
mod draw;
mod fields;
mod samples;
mod whatif;
mod writing;

use super::choices;
use super::sample::Sample;
use crate::domain::routing::Policy;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{Command, ConditionCheck, ConditionSlip, Level, PolicyEdit, ReplayRules, Reply};
use crate::present::routes;
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::{Context, Key, Meaning};
use crate::tui::layers::choose::{Choices, Choose};
use crate::tui::layers::pager::Pager;
use crate::tui::layers::replay::ReplayPage;
use crate::tui::layers::saving::{self, Outcome, Saving};
use crate::tui::part::{Cx, Effect, Outbox, Part, Ticket};
use crate::tui::widgets::line::Put;
use crate::tui::widgets::scroll::Scroll;
use completion::Completion;
use fields::{Field, Fields};
use ratatui::layout::Rect;
use samples::{SAMPLE, Samples};
use std::time::Duration;
use whatif::Tester;

/// From the last key in the condition to its check.
const CHECK_AFTER: Duration = Duration::from_millis(60);

/// What an open layer was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Target,
    Sample,
}

pub struct RuleEditor {
    /// The rule being edited; `None` for a new one.
    own: Option<String>,
    fields: Fields,
    /// As they were.
    saved: Fields,
    focus: Field,
    complaint: Option<(Field, String)>,
    /// The last condition that was looked at, and what was found.
    checked: Option<(String, ConditionCheck)>,
    check_at: Option<UnixMs>,
    checking: Option<(Ticket, String)>,
    completion: Option<Completion>,
    /// The screen's own, and the one it is tried with.
    sample: Sample,
    tried: Sample,
    call: Option<Ticket>,
    tester: Tester,
    asked: Option<Asked>,
    difference: Option<Ticket>,
    saving: Saving,
    /// What stands below the fields.
    scroll: Scroll,
}

impl RuleEditor {
    pub fn new(sample: &Sample) -> Self {
        Self::with(None, Fields::default(), sample)
    }

    pub fn edit(policy: &Policy, sample: &Sample) -> Self {
        Self::with(Some(policy.name.clone()), Fields::of(policy), sample)
    }

    fn with(own: Option<String>, fields: Fields, sample: &Sample) -> Self {
        Self {
            focus: if own.is_some() { Field::When } else { Field::Name },
            own,
            saved: fields.clone(),
            fields,
            complaint: None,
            checked: None,
            check_at: None,
            checking: None,
            completion: None,
            sample: sample.clone(),
            tried: sample.clone(),
            call: None,
            tester: Tester::default(),
            asked: None,
            difference: None,
            saving: Saving::default(),
            scroll: Scroll::default(),
        }
    }

    fn modified(&self) -> bool {
        self.fields.differs(&self.saved)
    }

    fn title(&self) -> String {
        self.own.as_ref().map_or_else(|| "New rule".to_owned(), |name| format!("Edit {name}"))
    }

    /// What is wrong with the condition as it stands now.
    fn slip(&self) -> Option<&ConditionSlip> {
        let (text, check) = self.checked.as_ref()?;
        check.slip.as_ref().filter(|_| text == self.fields.when.value())
    }

    fn was_edited(&mut self, cx: &Cx<'_>) {
        self.complaint.take_if(|(field, _)| *field == self.focus);
        if self.focus == Field::When {
            self.check_at = Some(cx.now.plus(CHECK_AFTER));
        }
        self.tester.want(cx.now);
    }

    fn complain(&mut self, field: Field, cx: &Cx<'_>) -> bool {
        let found = self.fields.complaint(field, self.own.as_deref(), cx.snapshot);
        match found {
            Some(said) => self.complaint = Some((field, said)),
            None => drop(self.complaint.take_if(|(known, _)| *known == field)),
        }
        self.complaint.is_some()
    }

    fn leave_field(&mut self, forward: bool, cx: &Cx<'_>) {
        self.completion = None;
        self.complain(self.focus, cx);
        let place = Field::ALL.iter().position(|field| *field == self.focus).unwrap_or(0);
        let step = if forward { 1 } else { Field::ALL.len() - 1 };
        self.focus = Field::ALL[(place + step) % Field::ALL.len()];
    }

    /// A text as it is in place of the field's.
    fn take_lines(&mut self, text: &str, cx: &Cx<'_>) {
        if let Some(line) = self.fields.line_mut(self.focus) {
            let text = text.replace("\r\n", "\n").replace('\r', "\n");
            line.set(text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect::<String>());
            self.was_edited(cx);
        }
    }

    fn check(&mut self, out: &mut Outbox) {
        self.check_at = None;
        let text = self.fields.when.value().to_owned();
        let ticket = out.ask(Command::CheckCondition { text: text.clone() });
        self.checking = Some((ticket, text));
    }

    /// The change of the file that the fields make, also of a rule without a name yet.
    ///
    /// # Errors
    /// What is wrong with a field.
    fn unsaved(&self, cx: &Cx<'_>) -> Result<PolicyEdit, String> {
        let mut fields = Field::ALL.into_iter().filter(|field| *field != Field::Name);
        let wrong = |field| self.fields.complaint(field, self.own.as_deref(), cx.snapshot);
        if let Some(said) = fields.find_map(wrong) {
            return Err(said);
        }
        let mut named = self.fields.clone();
        let unnamed = self.fields.complaint(Field::Name, self.own.as_deref(), cx.snapshot).is_some();
        if let Some(name) = named.line_mut(Field::Name).filter(|_| unnamed) {
            name.set(self.own.clone().unwrap_or_else(|| "the new rule".to_owned()));
        }
        Ok(named.edit(&self.saved, self.own.as_deref()))
    }

    fn try_out(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        let edit = match self.unsaved(cx) {
            Ok(edit) => edit,
            Err(said) => return self.tester.cannot(said),
        };
        match self.tried.facts() {
            Ok(facts) => self.tester.ask(edit, facts, cx, out),
            Err((_, said)) => self.tester.cannot(said),
        }
    }

    fn replay(&self, cx: &Cx<'_>, out: &mut Outbox) {
        let said = match (self.slip().map(routes::slip), self.unsaved(cx)) {
            (None, Ok(edit)) => {
                let whose = self.own.as_deref().unwrap_or("with the new rule");
                let whose = if self.own.is_some() { format!("{whose} as edited") } else { whose.to_owned() };
                let page = ReplayPage::of(ReplayRules::Edit(Box::new(edit)), whose);
                return out.push(Effect::Open(Box::new(page)));
            }
            (Some(said), _) | (None, Err(said)) => said,
        };
        out.say(Level::Warning, format!("not replayed: {said}"));
    }

    fn complete(&mut self, cx: &Cx<'_>) {
        if !self.fields.is_whole_text(Field::When) {
            self.completion = Completion::at(&self.fields.when.before(), cx.snapshot);
        }
    }

    fn take_name(&mut self, cx: &Cx<'_>) {
        let Some(completion) = self.completion.take() else { return };
        if let Some(name) = completion.taken() {
            self.fields.when.replace_before(completion.typed, &name.text);
            self.was_edited(cx);
        }
    }

    fn pick(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        match self.focus {
            Field::Use => {
                self.asked = Some(Asked::Target);
                let taken = self.fields.targets();
                let free = Choices::new("Add a target", move |snapshot| choices::rule_items(snapshot, &taken));
                out.push(Effect::Open(Box::new(Choose::new(free.or_typed(choices::typed_target)))));
            }
            Field::When => {
                self.complete(cx);
                if self.completion.is_none() {
                    self.leave_field(true, cx);
                }
            }
            _ => self.leave_field(true, cx),
        }
    }

    fn explanation(&self, cx: &Cx<'_>) -> Option<Pager> {
        let (facts, found) = self.tester.shown()?;
        let text = routes::text(cx.snapshot, facts, &found.edited);
        let pager = Pager::new("Explain, by the rules as edited", self.tried.summary(), &text);
        Some(pager.about("Every rule with its verdict, the chain, and who was left out."))
    }
}

/// A line cannot show where the lines of a text end, so it does not edit it.
fn several_lines(cx: &Cx<'_>) -> String {
    let key = cx.keymap.key_for(&[Context::Rule], Action::PromptEditor);
    format!("this text has several lines, or is longer than one can be: {key} opens it in your editor")
}

impl Part for RuleEditor {
    fn contexts(&self) -> &'static [Context] {
        if self.completion.is_some() { &[Context::Completion, Context::Rule] } else { &[Context::Rule] }
    }

    fn typing(&self) -> bool {
        self.focus.is_text()
    }

    fn key(&mut self, key: Key, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        // Keys of the editor come before the same keys of a line, as long as they are no text.
        let own = || matches!(cx.keymap.meaning(&[Context::Rule], None, key), Meaning::Act(_));
        if key.ctrl && own() {
            return false;
        }
        let focus = self.focus;
        let whole = self.fields.is_whole_text(focus);
        let Some(line) = self.fields.line_mut(focus) else { return false };
        let before = line.clone();
        let used = line.key(key);
        if whole && (line.value() != before.value() || (used && key.text().is_some())) {
            *line = before;
            out.say(Level::Warning, several_lines(cx));
            return true;
        }
        let before = before.value();
        if self.fields.text(focus) != before.trim() {
            self.was_edited(cx);
        }
        if focus == Field::When && used {
            let opens = key.text() == Some('.') || key.text() == Some('"');
            if self.completion.is_some() || opens {
                self.completion = Completion::while_typing(&self.fields.when.before(), cx.snapshot);
            }
        }
        used
    }

    fn put(&mut self, text: &str, put: Put, cx: &Cx<'_>, out: &mut Outbox) {
        self.completion = None;
        let alone = put == Put::Instead || self.fields.text(self.focus).is_empty();
        let lines = self.focus.is_prose() && text.trim().contains(['\n', '\r']);
        if !alone && (lines || self.fields.is_whole_text(self.focus)) {
            return out.say(Level::Warning, several_lines(cx));
        }
        match self.fields.line_mut(self.focus) {
            // Where its lines end may mean something: a comment ends there.
            Some(_) if lines => self.take_lines(text, cx),
            Some(line) => {
                out.complain(line.put(text, put));
                self.was_edited(cx);
            }
            None => out.say(Level::Warning, "this field has choices only: left and right change it"),
        }
    }

    fn why_not(&self, action: Action, _: &Cx<'_>) -> Option<String> {
        let why = match action {
            Action::ChoiceNext | Action::ChoicePrevious if self.focus.is_text() => "this field takes text",
            Action::PromptEditor if !self.focus.is_prose() => "this field is one line",
            Action::RuleComplete if self.fields.is_whole_text(Field::When) => "the condition has several lines",
            Action::RuleComplete if self.focus != Field::When => "names are offered in the condition only",
            Action::RuleExplain if self.tester.shown().is_none() => "nothing is explained yet",
            Action::FormSave if self.saving.is_asked() => "it is being saved",
            Action::FormSave | Action::FormDifference if !self.modified() => "nothing was changed",
            _ => return None,
        };
        Some(why.to_owned())
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        if let Some(completion) = &mut self.completion {
            match action {
                Action::RuleTake => {
                    self.take_name(cx);
                    return true;
                }
                Action::Back => {
                    self.completion = None;
                    return true;
                }
                _ if completion.act(action) => return true,
                _ => {}
            }
        }
        match action {
            Action::FieldNext => self.leave_field(true, cx),
            Action::FieldPrevious => self.leave_field(false, cx),
            Action::ChoiceNext | Action::ChoicePrevious => {
                self.fields.choose(self.focus);
                self.was_edited(cx);
            }
            Action::PageUp | Action::PageDown => return self.scroll.act(action),
            Action::PromptEditor => out.push(Effect::EditText(self.fields.text(self.focus).to_owned())),
            Action::RulePick => self.pick(cx, out),
            Action::RuleComplete => self.complete(cx),
            Action::RuleSample => {
                self.asked = Some(Asked::Sample);
                out.push(Effect::Open(Box::new(Choose::new(Samples::default()))));
            }
            Action::RuleExplain => {
                if let Some(pager) = self.explanation(cx) {
                    out.push(Effect::Open(Box::new(pager)));
                }
            }
            Action::RuleReplay => self.replay(cx, out),
            Action::FormSave | Action::FormDifference => self.review(cx, out),
            Action::RuleSave => self.save(out),
            Action::FormSaveOnTop => self.saving.reread(out),
            Action::FormLeave | Action::Back => {
                saving::leave(self.modified(), "rule", "What you changed is not saved.", out);
            }
            Action::FormDiscard => out.push(Effect::Close),
            _ => return false,
        }
        true
    }

    fn take(&mut self, text: &str, cx: &Cx<'_>, out: &mut Outbox) {
        match self.asked.take() {
            Some(Asked::Target) => {
                self.fields.add_target(text);
                self.was_edited(cx);
            }
            Some(Asked::Sample) if text == SAMPLE => {
                self.tried = self.sample.clone();
                self.tester.want(cx.now);
            }
            Some(Asked::Sample) => self.call = Some(out.ask(Command::GetCall { id: text.into() })),
            None => {}
        }
    }

    fn edited(&mut self, text: &str, cx: &Cx<'_>, _: &mut Outbox) {
        if self.focus.is_prose() {
            self.take_lines(text, cx);
        }
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, out: &mut Outbox) {
        if let Some((_, text)) = self.checking.take_if(|(asked, _)| *asked == ticket) {
            if let Reply::Condition(check) = reply {
                self.checked = Some((text, check.clone()));
            }
            return;
        }
        if self.call.take_if(|asked| *asked == ticket).is_some() {
            match reply {
                Reply::Call(record) => self.tried = Sample::of_call(record.id.clone(), &record.facts),
                Reply::Refused(refusal) => {
                    out.say(Level::Warning, saving::with_remedy(&refusal.message, &refusal.remedy));
                }
                _ => {}
            }
            return self.tester.want(cx.now);
        }
        if self.difference.take_if(|asked| *asked == ticket).is_some() {
            return self.difference_came(reply, out);
        }
        match self.saving.reply(ticket, reply, "rule", out) {
            Some(Outcome::Saved) => {
                out.push(Effect::Close);
                out.push(Effect::Hand(self.fields.text(Field::Name).to_owned()));
            }
            Some(Outcome::Again) => {
                self.follow(cx, out);
                self.save(out);
            }
            Some(Outcome::Refused(refusal)) => {
                self.follow(cx, out);
                self.point_out(&refusal);
            }
            None => self.tester.reply(ticket, reply),
        }
    }

    fn shown(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.check(out);
        self.try_out(cx, out);
    }

    fn changed(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        // What comes of one's own saving is answered for by the reply.
        if !self.saving.is_asked() {
            self.follow(cx, out);
        }
        self.tester.world_changed(cx);
    }

    fn deadline(&self) -> Option<UnixMs> {
        [self.check_at, self.tester.deadline()].into_iter().flatten().min()
    }

    fn wake(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        if self.check_at.is_some_and(|at| at <= cx.now) {
            self.check(out);
        }
        if self.tester.deadline().is_some_and(|at| at <= cx.now) {
            self.try_out(cx, out);
        }
    }

    fn would_lose(&self) -> Option<String> {
        self.modified().then(|| "The rule is not saved.".to_owned())
    }

    fn shows_below(&self, area: Rect) -> bool {
        area.width >= super::TWO_PANES
    }

    fn about(&self) -> &'static str {
        "A rule as it will stand in the file, tried out below on one request with the world of now. Nothing is written before ctrl-s was pressed twice."
    }

    fn plain(&self, _: &Cx<'_>) -> Vec<String> {
        self.plain_lines()
    }

    fn choice(&self, _: &Cx<'_>) -> Option<String> {
        if let Some(name) = self.completion.as_ref().and_then(Completion::taken) {
            return Some(format!("{}, {}", name.text, name.about));
        }
        let value = self.fields.text(self.focus);
        Some(format!(
            "{}: {}",
            self.focus.label().trim_end_matches(" *"),
            if value.is_empty() { "empty" } else { value }
        ))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        self.draw_editor(canvas, area);
    }
}
