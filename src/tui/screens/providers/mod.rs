//! The Providers screen: the list, and what is known of the chosen one with what to do about it.
//!
//! ```text
//! ━ Providers 5 ━━━━━━━━━━━━━┬─ Workstation  llama_cpp  network ──────────────────
//!   [ok] LM Studio     12 ms │ [x] down for 14 min: connection refused
//! > [x]  Workstation refused │
//!                            │ What to do
//!   found on this machine    │   ...
//!   +    Ollama       :11434 │
//! ```

mod detail;
mod models;
mod rows;
mod welcome;

use super::acts;
use crate::domain::ids::{ModelId, ProviderId};
use crate::domain::kind::Kind;
use crate::engine::protocol::{Command, Found, Level, ProbeWhich, ProviderView, Reply};
use crate::present::labels::{self, needs_attention};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::layers::form::ProviderForm;
use crate::tui::part::{Cx, Effect, Outbox, Part, Place, Ticket};
use crate::tui::told::Told;
use crate::tui::widgets::filter::{Change, Filter};
use crate::tui::widgets::line::Put;
use crate::tui::widgets::list::Selection;
use crate::tui::widgets::scroll::Scroll;
use ratatui::layout::Rect;
use std::cell::Cell;

/// One row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum RowKey {
    Provider(ProviderId),
    /// A server that discovery found, by its address.
    Found(String),
    /// A vendor on the first page.
    Vendor(Kind),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Focus {
    #[default]
    List,
    Detail,
}

#[derive(Default)]
pub struct Providers {
    cursor: Selection<RowKey>,
    focus: Focus,
    filter: Filter,
    found: Vec<Found>,
    /// Discovery under way.
    looking: Option<Ticket>,
    looked: bool,
    /// There is no configuration: the first page stands here.
    first_run: bool,
    /// Found by drawing, too: the chosen model is kept in sight.
    scroll: Scroll,
    /// The model the cursor is on in the detail, and the line that narrows the table.
    model: Selection<ModelId>,
    model_filter: Filter,
    /// The cursor among the models has moved: the next drawing brings it into sight.
    follow: Cell<bool>,
}

impl Providers {
    fn keys(&self, cx: &Cx<'_>) -> Vec<RowKey> {
        let known = cx.snapshot.providers.iter().filter(|p| rows::matches(p, &self.filter));
        let mut keys: Vec<RowKey> = known.map(|provider| RowKey::Provider(provider.id.clone())).collect();
        if self.filter.is_empty() {
            keys.extend(self.offered().map(|found| RowKey::Found(found.endpoint.clone())));
        }
        if self.first_run {
            keys.extend(welcome::vendors().map(RowKey::Vendor));
        }
        keys
    }

    /// Servers found and not yet in the configuration.
    fn offered(&self) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(|found| found.answered && found.configured_as.is_none())
    }

    fn chosen<'a>(&self, cx: &Cx<'a>) -> Option<&'a ProviderView> {
        let keys = self.keys(cx);
        match keys.get(self.cursor.place(&keys)?)? {
            RowKey::Provider(id) => acts::find(cx.snapshot, id),
            RowKey::Found(_) | RowKey::Vendor(_) => None,
        }
    }

    fn chosen_vendor(&self, cx: &Cx<'_>) -> Option<Kind> {
        let keys = self.keys(cx);
        match keys.get(self.cursor.place(&keys)?)? {
            RowKey::Vendor(kind) => Some(*kind),
            RowKey::Provider(_) | RowKey::Found(_) => None,
        }
    }

    fn chosen_found(&self, cx: &Cx<'_>) -> Option<&Found> {
        let keys = self.keys(cx);
        match keys.get(self.cursor.place(&keys)?)? {
            RowKey::Found(endpoint) => self.found.iter().find(|found| found.endpoint == *endpoint),
            RowKey::Provider(_) | RowKey::Vendor(_) => None,
        }
    }

    /// The form for a chosen row that works or would work and stands in no file.
    fn to_save(&self, cx: &Cx<'_>) -> Option<ProviderForm> {
        if let Some(found) = self.chosen_found(cx) {
            return Some(ProviderForm::from_found(found, cx));
        }
        if let Some(kind) = self.chosen_vendor(cx) {
            return Some(ProviderForm::of_vendor(kind, cx));
        }
        let provider = self.chosen(cx).filter(|provider| provider.is_discovered())?;
        Some(ProviderForm::save_discovered(provider, cx))
    }

    /// `/` means the models while the detail has the keys.
    fn narrows_models(&self) -> bool {
        self.focus == Focus::Detail
    }

    fn next_problem(&mut self, cx: &Cx<'_>) {
        let keys = self.keys(cx);
        let here = self.cursor.place(&keys).unwrap_or(0);
        let after = (1..=keys.len()).map(|step| (here + step) % keys.len().max(1));
        let problem = after.filter_map(|place| keys.get(place)).find(|key| match key {
            RowKey::Provider(id) => acts::find(cx.snapshot, id).is_some_and(needs_attention),
            RowKey::Found(_) | RowKey::Vendor(_) => false,
        });
        if let Some(key) = problem.cloned() {
            self.cursor.set(key, &keys);
            self.show_from_top();
        }
    }

    fn look(&mut self, out: &mut Outbox) {
        self.looked = true;
        self.looking = Some(out.ask(Command::Discover));
    }

    /// Another provider is shown.
    fn show_from_top(&mut self) {
        self.scroll.reset();
        self.model = Selection::default();
        self.model_filter.clear();
    }

    fn look_around(&mut self, cx: &Cx<'_>) {
        self.first_run = cx.snapshot.config.first_run && cx.snapshot.providers.is_empty();
        self.settle(cx);
    }

    /// Holds on to the chosen row. On the first page only the person chooses one: a server that is found stands
    /// before the vendors, and enter means it.
    fn settle(&mut self, cx: &Cx<'_>) {
        if !self.first_run {
            self.cursor.settle(&self.keys(cx));
        }
    }

    fn add_all(&self, cx: &Cx<'_>, out: &mut Outbox) {
        for found in self.offered() {
            out.tell(Command::AddProvider { draft: Box::new(ProviderForm::draft_of(found, cx)) }, "");
        }
    }
}

/// What discovery found, as one line.
fn told(found: &Found) -> String {
    let note = crate::present::escape::line_capped(&found.note, 120);
    format!("Found on this machine: {} at {}, {note}. enter adds it.", found.kind.label(), found.endpoint)
}

impl Part for Providers {
    fn contexts(&self) -> &'static [Context] {
        if self.first_run {
            return &[Context::Welcome, Context::List];
        }
        match self.focus {
            Focus::List => &[Context::Providers, Context::List],
            Focus::Detail => &[Context::ProviderDetail, Context::Providers, Context::List],
        }
    }

    fn filter(&self) -> Option<&Filter> {
        let filter = if self.narrows_models() { &self.model_filter } else { &self.filter };
        (!self.first_run).then_some(filter)
    }

    fn filter_mut(&mut self) -> Option<&mut Filter> {
        let models = self.narrows_models();
        let filter = if models { &mut self.model_filter } else { &mut self.filter };
        (!self.first_run).then_some(filter)
    }

    fn filtered(&mut self, _: Change, cx: &Cx<'_>, _: &mut Outbox) {
        match self.chosen(cx).filter(|_| self.narrows_models()) {
            Some(provider) => self.settle_models(provider),
            None => self.cursor.settle(&self.keys(cx)),
        }
    }

    fn is_inside(&self) -> bool {
        self.focus == Focus::Detail && self.model_filter.is_empty()
    }

    fn panes(&self) -> &'static [&'static str] {
        if self.first_run { &[] } else { &["list", "details"] }
    }

    fn focus_pane(&mut self, pane: usize, _: &Cx<'_>) {
        self.focus = if pane == 0 { Focus::List } else { Focus::Detail };
    }

    fn subject(&self, cx: &Cx<'_>) -> Option<Place> {
        self.chosen(cx).map(|provider| Place::Provider(provider.id.clone()))
    }

    fn put(&mut self, text: &str, _: Put, cx: &Cx<'_>, out: &mut Outbox) {
        // An address or a curl line pasted here wants to become a provider.
        let mut form = ProviderForm::new();
        form.paste_whole(text, cx);
        out.push(Effect::Open(Box::new(form)));
    }

    fn why_not(&self, action: Action, cx: &Cx<'_>) -> Option<String> {
        use Action as A;
        match action {
            A::NextProblem if !cx.snapshot.providers.iter().any(|provider| needs_attention(provider)) => {
                Some("no provider needs attention".into())
            }
            A::WelcomeAddAll if self.offered().next().is_none() => Some("no server was found: f looks again".into()),
            A::ProviderEdit
            | A::ProviderDelete
            | A::ProviderTest
            | A::ProviderPause
            | A::ProviderToggle
            | A::ProviderDoctor
            | A::ProviderUse
            | A::Trust
            | A::Copy => match self.chosen(cx) {
                None if action == A::Trust && acts::collector_waits(cx.snapshot) => None,
                None => Some("no provider is chosen: a adds one".into()),
                Some(provider) if action == A::Copy && detail::command_of(provider).is_none() => {
                    Some("nothing to copy: there is no command to run here".into())
                }
                Some(provider) => self
                    .why_no_choice(provider)
                    .filter(|_| action == A::ProviderUse)
                    .or_else(|| acts::why_not(action, provider, cx.snapshot)),
            },
            A::ModelLoad | A::ModelUnload => match self.chosen(cx) {
                None => Some("no provider is chosen: a adds one".into()),
                Some(provider) => self.why_no_model_act(action, provider),
            },
            _ => None,
        }
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        let keys = self.keys(cx);
        match action {
            Action::Back if self.focus == Focus::Detail => {
                self.focus = Focus::List;
                self.model_filter.clear();
            }
            Action::NextPart | Action::PreviousPart => {
                self.focus = if self.focus == Focus::List { Focus::Detail } else { Focus::List };
            }
            // On the first page a is the empty form, whatever row the cursor is on.
            Action::ProviderAdd if self.first_run => out.push(Effect::Open(Box::new(ProviderForm::first(cx)))),
            Action::Open | Action::ProviderAdd => match self.to_save(cx) {
                Some(form) => out.push(Effect::Open(Box::new(form))),
                None if action == Action::Open => self.focus = Focus::Detail,
                None => out.push(Effect::Open(Box::new(ProviderForm::new()))),
            },
            Action::ProviderProbeAll => {
                out.tell(Command::Probe { which: ProbeWhich::All, anew: true }, "all are probed");
            }
            Action::Discover => self.look(out),
            Action::WelcomeAddAll => self.add_all(cx, out),
            Action::NextProblem => self.next_problem(cx),
            Action::Trust => acts::ask_for_trust(cx, out),
            Action::Copy => {
                if let Some(command) = self.chosen(cx).and_then(detail::command_of) {
                    out.push(Effect::Copy(command, "the command was"));
                }
            }
            _ => {
                if let Some(provider) = self.chosen(cx)
                    && (self.act_on_model(action, provider, cx, out) || acts::act(action, provider, cx, out))
                {
                    return true;
                }
                if self.focus == Focus::Detail {
                    let provider = self.chosen(cx);
                    return provider.is_some_and(|provider| self.move_among_models(action, provider))
                        || self.scroll.act(action);
                }
                let moved = self.cursor.act(action, &keys);
                if moved {
                    self.show_from_top();
                }
                return moved;
            }
        }
        true
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, out: &mut Outbox) {
        if self.looking != Some(ticket) {
            return;
        }
        self.looking = None;
        match reply {
            Reply::Discovered(found) => self.found.clone_from(found),
            Reply::Refused(refusal) => out.say(Level::Warning, refusal.message.clone()),
            _ => {}
        }
        self.settle(cx);
    }

    fn shown(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.look_around(cx);
        if !self.looked {
            self.look(out);
        }
    }

    fn changed(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        let mut freed = false;
        for found in &mut self.found {
            let known = cx.snapshot.providers.iter().find(|p| p.endpoint.origin == found.endpoint);
            freed |= known.is_none() && found.configured_as.is_some();
            found.configured_as = known.map(|provider| provider.id.clone());
        }
        // What is offered again was looked at long ago.
        if freed && self.looking.is_none() {
            self.look(out);
        }
        self.look_around(cx);
    }

    fn focus_on(&mut self, place: &Place, cx: &Cx<'_>) {
        let Place::Provider(id) = place else { return };
        self.filter.clear();
        self.cursor.set(RowKey::Provider(id.clone()), &self.keys(cx));
        self.show_from_top();
        self.focus = Focus::Detail;
    }

    fn about(&self) -> &'static str {
        "The endpoints you have told lmdeck about, and what each is doing now."
    }

    fn told(&self, cx: &Cx<'_>) -> Vec<Told> {
        let config = &cx.snapshot.config;
        let total = cx.snapshot.providers.len();
        let mut lines = Vec::new();
        if config.first_run {
            let found = if total > 0 {
                "what was found on this machine is used as it is, enter saves it"
            } else if self.looking.is_some() {
                "looking for servers on this machine"
            } else {
                "no server was found on this machine: f looks again, a adds one by form, enter takes a vendor"
            };
            lines.push(format!("No configuration yet: {found}. The first save writes {}.", config.would_write).into());
        }
        lines.extend(cx.snapshot.providers.iter().enumerate().map(|(place, provider)| {
            let line = format!("Providers, {} of {total}: {}", place + 1, labels::describe(provider, cx.now));
            Told::state(&provider.id, line)
        }));
        lines.extend(self.offered().map(told).map(Told::from));
        lines
    }

    fn choice(&self, cx: &Cx<'_>) -> Option<String> {
        match (self.chosen(cx), self.chosen_found(cx)) {
            (Some(provider), _) => Some(labels::describe(provider, cx.now)),
            (None, Some(found)) => Some(told(found)),
            (None, None) => self.chosen_vendor(cx).map(welcome::told),
        }
    }

    fn chosen_now(&self, cx: &Cx<'_>) -> Option<Told> {
        let of = self.chosen(cx).map(|provider| provider.id.to_string()).unwrap_or_default();
        self.choice(cx).map(|choice| Told::state(of, choice))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        if self.first_run {
            return welcome::draw(self, canvas, area);
        }
        let two = area.width >= 70;
        if !two {
            match self.focus {
                Focus::List => rows::draw(self, canvas, area, true),
                Focus::Detail => detail::draw(self, canvas, area, true),
            }
            return canvas.letter(usize::from(self.focus == Focus::Detail), area);
        }
        let list_wide = if area.width >= 100 { 38 } else { 27 };
        let list = Rect { width: list_wide, ..area };
        let right = Rect { x: area.x + list_wide + 1, width: area.width - list_wide - 1, ..area };
        rows::draw(self, canvas, list, self.focus == Focus::List);
        canvas.joint(area.x + list_wide, area.y, self.focus == Focus::List);
        canvas.divider(area.x + list_wide, area.y + 1..area.bottom());
        detail::draw(self, canvas, right, self.focus == Focus::Detail);
        canvas.letter(0, list);
        canvas.letter(1, right);
    }
}
