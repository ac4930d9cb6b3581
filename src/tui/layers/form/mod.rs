//! The form that adds or edits a provider: fields, help for the focused one, a connection test that runs by
//! itself, and what would be written. Nothing is saved before ctrl-s.

mod draw;
mod fields;
mod paste;
mod testing;
mod writing;

use crate::domain::ids::ProviderId;
use crate::domain::kind::Kind;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{
    EditReport, Event, EventKind, Found, Level, ProviderDraft, ProviderView, Reply, TestReport,
};
use crate::present::server_commands::key_page;
use crate::present::tips::{Field, first_model};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::{Context, Key};
use crate::tui::layers::saving::{Saving, leave, with_remedy};
use crate::tui::part::{Cx, Effect, Outbox, Part, Ticket};
use crate::tui::screens::acts;
use crate::tui::widgets::line::{Line, Put};
use crate::tui::widgets::scroll::Scroll;
use crate::tui::widgets::test::ConnectionTest;
use fields::Fields;
use ratatui::layout::Rect;
use std::collections::HashMap;

/// What the form waits for besides the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The difference, to be shown.
    Difference(Ticket),
    /// How much would be written.
    Extent(Ticket),
}

pub struct ProviderForm {
    /// The provider being edited.
    own: Option<ProviderId>,
    fields: Fields,
    /// As it stands in the file, to tell what the person changed.
    saved: Fields,
    focus: Field,
    id_typed: bool,
    address_typed: bool,
    complaints: HashMap<Field, String>,
    /// Short remarks beside a field, as in `/v1/models removed`.
    remarks: HashMap<Field, String>,
    test: ConnectionTest,
    tested: Option<ProviderDraft>,
    test_at: Option<UnixMs>,
    waiting: Option<Waiting>,
    saving: Saving,
    extent: Option<EditReport>,
    first: First,
    /// What stands below the fields.
    scroll: Scroll,
}

/// Whether it is the form of the first provider of all: then a first prompt comes after the save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    No,
    /// With what was found beside it.
    Beside,
    /// Over the first page: there is no list to stand beside.
    Alone,
}

impl Default for ProviderForm {
    fn default() -> Self {
        Self::new()
    }
}

impl ProviderForm {
    /// An empty form for a new provider.
    pub fn new() -> Self {
        Self::with(None, Fields::new(Kind::LmStudio))
    }

    /// An empty form that may be the first.
    pub fn first(cx: &Cx<'_>) -> Self {
        let mut form = Self::new();
        form.begins(cx);
        form
    }

    fn begins(&mut self, cx: &Cx<'_>) {
        self.first = match (cx.snapshot.config.first_run, cx.snapshot.providers.is_empty()) {
            (false, _) => First::No,
            (true, false) => First::Beside,
            (true, true) => First::Alone,
        };
    }

    /// A vendor of the first page: its address, its key by name, a model to begin with.
    pub fn of_vendor(kind: Kind, cx: &Cx<'_>) -> Self {
        let mut form = Self::with(None, Fields::new(kind));
        if let Some(variable) = kind.key_variable() {
            form.fields.key = Some(Line::new(format!("${{{variable}}}")));
            form.remarks.insert(Field::Key, format!("from {}", key_page(kind)));
        }
        if let Some(model) = first_model(kind) {
            form.fields.models = Line::new(model);
        }
        form.propose_id(cx);
        form.focus = Field::Key;
        form.found_here(cx)
    }

    pub fn edit(provider: &ProviderView) -> Self {
        let mut form = Self::with(Some(provider.id.clone()), Fields::of(provider));
        (form.id_typed, form.address_typed) = (true, true);
        form
    }

    /// Filled from a server that discovery found.
    pub fn from_found(found: &Found, cx: &Cx<'_>) -> Self {
        let mut form = Self::with(None, Fields::new(found.kind));
        form.fields.address.set(found.endpoint.clone());
        form.propose_id(cx);
        form.found_here(cx)
    }

    /// To save a provider that is used though it stands in no file.
    pub fn save_discovered(provider: &ProviderView, cx: &Cx<'_>) -> Self {
        Self::with(None, Fields::of(provider)).found_here(cx)
    }

    /// Nothing was typed so far: leaving loses nothing.
    fn found_here(mut self, cx: &Cx<'_>) -> Self {
        self.address_typed = true;
        self.begins(cx);
        self.saved = self.fields.clone();
        self.test_at = Some(cx.now);
        self
    }

    /// What adding a found server without looking would write.
    pub fn draft_of(found: &Found, cx: &Cx<'_>) -> ProviderDraft {
        Self::from_found(found, cx).fields.draft()
    }

    fn with(own: Option<ProviderId>, fields: Fields) -> Self {
        let saved = fields.clone();
        Self {
            own,
            fields,
            saved,
            focus: Field::Kind,
            id_typed: false,
            address_typed: false,
            complaints: HashMap::new(),
            remarks: HashMap::new(),
            test: ConnectionTest::default(),
            tested: None,
            test_at: None,
            waiting: None,
            saving: Saving::default(),
            extent: None,
            first: First::No,
            scroll: Scroll::default(),
        }
    }

    fn modified(&self) -> bool {
        let (mut draft, saved) = (self.fields.draft(), self.saved.draft());
        if !self.id_typed {
            draft.id.clone_from(&saved.id);
        }
        draft != saved
    }

    fn untouched(&self) -> bool {
        self.own.is_none() && !self.modified()
    }

    /// The draft as the engine wants it: an edit says only what the person changed, so that it takes back nothing
    /// that others changed meanwhile.
    fn draft(&self) -> ProviderDraft {
        if self.own.is_some() {
            return self.fields.changes_of(&self.saved);
        }
        let draft = self.fields.draft();
        ProviderDraft { models: draft.models.filter(|models| !models.is_empty()), ..draft }
    }

    fn propose_id(&mut self, cx: &Cx<'_>) {
        if !self.id_typed {
            self.fields.id.set(self.fields.proposed_id(cx.snapshot));
            self.complaints.remove(&Field::Id);
        }
    }

    /// Fills the form from a pasted address, curl line or environment block.
    pub fn paste_whole(&mut self, text: &str, cx: &Cx<'_>) -> bool {
        let Some(pasted) = paste::read(text) else { return false };
        self.extent = None;
        match pasted.kind_for(self.own.is_some()) {
            Some(kind) if self.untouched() => self.fields = Fields::new(kind),
            // What was typed into the other fields stays.
            Some(kind) => self.fields.kind = kind,
            None => {}
        }
        if let Some(address) = pasted.address {
            self.fields.address.set(address);
            self.address_typed = true;
            let remark = pasted.removed.map_or_else(|| "from paste".to_owned(), |end| format!("{end} removed"));
            self.remarks.insert(Field::Address, remark);
        }
        if let Some(key) = pasted.key {
            let remark = if fields::is_reference(&key) { "from paste, by name" } else { "from paste" };
            self.remarks.insert(Field::Key, remark.to_owned());
            self.fields.key = Some(Line::new(key));
        }
        self.propose_id(cx);
        self.check(Field::Address, cx);
        self.schedule(cx);
        true
    }

    /// Something was typed or chosen.
    fn edited(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.complaints.remove(&self.focus);
        self.remarks.remove(&self.focus);
        self.extent = None;
        match self.focus {
            Field::Id => self.id_typed = true,
            Field::Address => self.address_typed = true,
            _ => {}
        }
        if matches!(self.focus, Field::Kind | Field::Address | Field::Key | Field::Local) {
            self.forget_test(out);
        }
        if matches!(self.focus, Field::Kind | Field::Address) {
            self.propose_id(cx);
        }
    }

    /// What stands in the field is a proposal, not the person's.
    fn is_proposed(&self, field: Field) -> bool {
        match field {
            Field::Id => !self.id_typed,
            Field::Address => !self.address_typed,
            _ => false,
        }
    }

    /// From now on it is the person's: nothing proposes another.
    fn taken_over(&mut self, field: Field) {
        match field {
            Field::Id => self.id_typed = true,
            Field::Address => self.address_typed = true,
            _ => {}
        }
    }

    fn choose(&mut self, forward: bool, cx: &Cx<'_>, out: &mut Outbox) {
        match self.focus {
            Field::Kind => {
                let place = Kind::ALL.iter().position(|kind| *kind == self.fields.kind).unwrap_or(0);
                let step = if forward { 1 } else { Kind::ALL.len() - 1 };
                self.fields.kind = Kind::ALL[(place + step) % Kind::ALL.len()];
                if !self.address_typed {
                    self.fields.address.set(self.fields.kind.default_endpoint().unwrap_or_default());
                }
            }
            Field::Local => self.fields.local = !self.fields.local,
            Field::Enabled => self.fields.enabled = !self.fields.enabled,
            _ => return,
        }
        self.edited(cx, out);
    }

    fn check(&mut self, field: Field, cx: &Cx<'_>) {
        if let Some(remark) = self.fields.tidy(field) {
            self.remarks.insert(field, remark);
        }
        match self.fields.complaint(field, self.own.as_ref(), cx.snapshot) {
            Some(complaint) => self.complaints.insert(field, complaint),
            None => self.complaints.remove(&field),
        };
    }

    fn leave_field(&mut self, forward: bool, cx: &Cx<'_>) {
        self.check(self.focus, cx);
        if matches!(self.focus, Field::Kind | Field::Address | Field::Key | Field::Local) {
            self.schedule(cx);
        }
        let place = Field::ALL.iter().position(|field| *field == self.focus).unwrap_or(0);
        let step = if forward { 1 } else { Field::ALL.len() - 1 };
        self.focus = Field::ALL[(place + step) % Field::ALL.len()];
        self.scroll.reset();
        self.propose_id(cx);
    }

    /// The whole form is looked at; the first field in error gets the focus.
    fn all_good(&mut self, cx: &Cx<'_>) -> bool {
        self.propose_id(cx);
        for field in Field::ALL {
            self.check(field, cx);
        }
        match Field::ALL.into_iter().find(|field| self.complaints.contains_key(field)) {
            Some(field) => {
                self.focus = field;
                false
            }
            None => true,
        }
    }
}

impl Part for ProviderForm {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Form]
    }

    fn typing(&self) -> bool {
        Fields::is_text(self.focus)
    }

    fn key(&mut self, key: Key, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        let focus = self.focus;
        if focus == Field::Key && self.fields.key.is_none() && key.text().is_none() {
            // Only deleting changes a key that is kept: it removes it.
            let deletes = matches!(key.code, crossterm::event::KeyCode::Backspace | crossterm::event::KeyCode::Delete);
            if !deletes {
                return false;
            }
        }
        let proposed = self.is_proposed(focus);
        let Some(line) = self.fields.line_mut(focus) else { return false };
        let before = line.value().to_owned();
        // A letter takes the place of what is only proposed; a move or a deletion begins to edit it.
        if proposed && key.text().is_some() {
            line.set("");
        }
        let used = line.key(key);
        if proposed && used {
            self.taken_over(focus);
        }
        let Some(line) = self.fields.line_mut(focus) else { return used };
        let changed = line.value() != before || (focus == Field::Key && used);
        if changed {
            self.edited(cx, out);
        }
        used
    }

    fn put(&mut self, text: &str, put: Put, cx: &Cx<'_>, out: &mut Outbox) {
        if self.untouched() && self.paste_whole(text, cx) {
            return;
        }
        if let Some(question) = paste::question(text, self.focus, self.own.is_some()) {
            return out.push(Effect::Open(Box::new(question)));
        }
        let focus = self.focus;
        // What is only proposed gives way.
        let put = if self.is_proposed(focus) { Put::Instead } else { put };
        // A key that is kept has no line before something is typed: a text that is not taken leaves it kept.
        let mut fields = self.fields.clone();
        match fields.line_mut(focus).map(|line| line.put(text, put)) {
            Some(Ok(())) => {
                self.fields = fields;
                self.edited(cx, out);
            }
            Some(Err(why)) => out.say(Level::Warning, why),
            None => out.say(Level::Warning, "this field has choices only: left and right change it"),
        }
    }

    /// A paste after the question what it is for.
    fn take(&mut self, text: &str, cx: &Cx<'_>, out: &mut Outbox) {
        self.forget_test(out);
        self.paste_whole(text, cx);
    }

    fn why_not(&self, action: Action, _: &Cx<'_>) -> Option<String> {
        match action {
            Action::ChoiceNext | Action::ChoicePrevious if Fields::is_text(self.focus) => {
                Some("this field takes text".into())
            }
            Action::FormKind if self.other_kind().is_none() => Some("no test has shown that it is another kind".into()),
            Action::FormSave if self.saving.is_asked() => Some("it is being saved".into()),
            Action::FormSave if self.own.is_some() && !self.modified() => Some("nothing was changed".into()),
            _ => None,
        }
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::FieldNext => self.leave_field(true, cx),
            Action::FieldPrevious => self.leave_field(false, cx),
            Action::ChoiceNext => self.choose(true, cx, out),
            Action::ChoicePrevious => self.choose(false, cx, out),
            Action::FormTest => {
                // Asked for again after a good test: one word from the model as well.
                let again = self.tested.as_ref() == Some(&self.testable());
                let answer = again && self.test.report().is_some_and(TestReport::passed);
                match self.may_cost(cx).filter(|_| answer) {
                    Some(cost) => {
                        out.push(Effect::Open(Box::new(acts::ask_the_model(self.fields.kind.label(), &cost))));
                    }
                    None => self.run_test(answer, cx, out),
                }
            }
            Action::AnswerNow => self.run_test(true, cx, out),
            Action::FormKind => self.take_kind(cx, out),
            Action::PageUp | Action::PageDown => return self.scroll.act(action),
            Action::FormDifference => {
                self.waiting = Some(Waiting::Difference(self.preview(out)));
            }
            Action::FormSave => self.save(cx, out),
            Action::FormSaveOnTop => self.saving.reread(out),
            // The first esc ends a test that somebody waits for.
            Action::FormLeave | Action::Back | Action::Cancel if self.test.run().is_some() => self.stop_test(out),
            Action::FormLeave | Action::Back => leave(self.modified(), "form", "What you typed is not saved.", out),
            Action::FormDiscard => out.push(Effect::Close),
            _ => return false,
        }
        true
    }

    fn event(&mut self, event: &Event, _: &Cx<'_>) {
        if let EventKind::StepDone { run, step } = &event.kind {
            self.test.heard(*run, step);
        }
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, out: &mut Outbox) {
        if self.test.waits_for(ticket) {
            self.test = match reply {
                Reply::Tested(report) => ConnectionTest::Done { report: report.clone(), at: cx.now },
                Reply::Refused(refusal) => ConnectionTest::Refused(with_remedy(&refusal.message, &refusal.remedy)),
                _ => ConnectionTest::NotRun,
            };
            if self.extent.is_none() && self.waiting.is_none() && self.complaints.is_empty() {
                self.waiting = Some(Waiting::Extent(self.preview(out)));
            }
            return;
        }
        self.answered(ticket, reply, cx, out);
    }

    fn shown(&mut self, cx: &Cx<'_>, _: &mut Outbox) {
        self.propose_id(cx);
        if self.untouched() {
            self.saved = self.fields.clone();
        }
    }

    fn changed(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        // What comes of one's own saving is answered for by the reply.
        if !self.saving.is_asked() {
            self.follow(cx, out);
        }
    }

    fn deadline(&self) -> Option<UnixMs> {
        self.test_at
    }

    fn wake(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        if self.test_at.is_some_and(|at| at <= cx.now) {
            self.run_test(false, cx, out);
        }
    }

    fn would_lose(&self) -> Option<String> {
        self.modified().then(|| "The form is not saved.".to_owned())
    }

    fn shows_below(&self, area: Rect) -> bool {
        self.first != First::Alone && draw::beside(area)
    }

    fn about(&self) -> &'static str {
        "A provider as it will stand in the file. Nothing is written before ctrl-s; the connection is tested by itself."
    }

    fn plain(&self, _: &Cx<'_>) -> Vec<String> {
        self.plain_lines()
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        self.draw_form(canvas, area);
    }
}
