//! The dashboard's state and how it changes: messages in, intents out. No I/O, no clock, no terminal. What keys
//! come to is in `keys`, what parts want done in `wishes`.

pub(super) mod keys;
mod wishes;

use super::action::Action;
use super::alerts::Alerts;
use super::input::Input;
use super::keymap::{Context, Key, Keymap};
use super::layers::broken::Broken;
use super::layers::palette;
use super::msg::{Intent, Msg};
use super::notes::{Lead, Notes};
use super::options::TuiOptions;
use super::part::{Cx, Outbox, Part, Tab, Ticket};
use super::screens::{self, Screens};
use super::theme::{Preset, Theme};
use super::widgets::filter::Filter;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{CallEvent, Command, Event, EventKind, Level, Reply, Snapshot};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Who waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owner {
    Screen(Tab),
    Layer(u64),
    /// The frame: what to say when it worked.
    Frame(String),
}

struct Layer {
    id: u64,
    part: Box<dyn Part>,
    /// Who opened it: what it hands on goes there, whatever was opened since. `None`: the frame.
    opener: Option<Owner>,
}

/// How soon the picture must be drawn again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Dirt {
    #[default]
    Clean,
    /// Data changed: with the next frame.
    Data,
    /// The person did something: at once.
    Touched,
}

pub struct App {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) now: UnixMs,
    pub(super) tab: Tab,
    pub(super) options: TuiOptions,
    pub(super) keymap: Keymap,
    pub(super) notes: Notes,
    alerts: Alerts,
    pub(super) theme: Theme,
    /// The first of two keys.
    pub(super) prefix: Option<Key>,
    /// The next letter names a pane.
    pub(super) jumping: bool,
    /// Entries of the palette run lately, newest first.
    pub(super) recent: Vec<String>,
    /// What was copied last, with its name.
    copied: Option<(String, String)>,
    /// Whose text is in the person's editor.
    editing: Option<Owner>,
    screens: Screens,
    layers: Vec<Layer>,
    last_id: u64,
    owners: HashMap<Ticket, Owner>,
    tickets: Ticket,
    dirt: Dirt,
    /// When a label on the screen changes by itself; found by drawing.
    pub(super) redraw_at: Cell<Option<UnixMs>>,
    /// Where the tabs stand in the first row, found by drawing.
    pub(super) tabs: RefCell<Vec<(Tab, Range<u16>)>>,
}

impl App {
    pub fn new(snapshot: Arc<Snapshot>, options: TuiOptions, now: UnixMs) -> Self {
        let (keymap, complaints) = Keymap::new(&snapshot.config.ui.keys);
        let theme = theme_of(&snapshot, &options);
        let mut app = Self {
            snapshot,
            now,
            tab: Tab::Providers,
            options,
            keymap,
            notes: Notes::default(),
            alerts: Alerts::default(),
            theme,
            prefix: None,
            jumping: false,
            recent: Vec::new(),
            copied: None,
            editing: None,
            screens: screens::all(),
            layers: Vec::new(),
            last_id: 0,
            owners: HashMap::new(),
            tickets: 0,
            dirt: Dirt::Touched,
            redraw_at: Cell::new(None),
            tabs: RefCell::new(Vec::new()),
        };
        app.complain(complaints);
        app.say_gateway_trouble(None);
        app
    }

    /// To be called once before the loop: what the first screen wants to ask.
    pub fn start(&mut self) -> Vec<Intent> {
        let mut intents = self.with_part(None, |part, cx, out| part.shown(cx, out));
        if self.snapshot.config.rejected.is_some() {
            self.push(Box::new(Broken::default()));
        } else if !self.options.readonly && screens::acts::asks_for_trust(&self.snapshot) {
            self.push(Box::new(screens::acts::trust_question(&self.snapshot)));
        }
        self.dirt = Dirt::Touched;
        intents.retain(|intent| *intent != Intent::Quit);
        intents
    }

    pub fn update(&mut self, msg: Msg, now: UnixMs) -> Vec<Intent> {
        self.now = now;
        match msg {
            Msg::Input(input) => {
                self.touch(Dirt::Touched);
                self.notes.expire(now, matches!(input, Input::Key(_)));
                self.input(input)
            }
            Msg::Snapshot(snapshot) => self.take_snapshot(snapshot),
            Msg::Event(event) => {
                self.announce(&event);
                self.everyone(|part, cx| part.event(&event, cx));
                let alert = self.alerts.hear(&event, &self.snapshot);
                alert.map(Intent::Alert).into_iter().collect()
            }
            Msg::Missed(count) => {
                self.everyone(|part, cx| part.missed(count, cx));
                self.say(Level::Warning, format!("{count} announcements were missed: the screen itself is up to date"));
                Vec::new()
            }
            Msg::Reply(ticket, reply) => self.take_reply(ticket, &reply),
            Msg::Call(ticket, event) => {
                self.touch(Dirt::Data);
                let ends = matches!(*event, CallEvent::End(_));
                let owner = if ends { self.owners.remove(&ticket) } else { self.owners.get(&ticket).cloned() };
                match owner {
                    Some(owner) => self.with_owner(&owner, |part, cx, out| part.call(ticket, &event, cx, out)),
                    None => Vec::new(),
                }
            }
            Msg::Wake => self.wake(),
            Msg::Fault(text) => {
                self.say(Level::Error, text);
                Vec::new()
            }
            Msg::Edited(Ok(())) => self.tell(Command::ConfigReload, "read the file again".into()),
            Msg::Edited(Err(why)) => {
                self.say(Level::Error, why);
                Vec::new()
            }
            Msg::TextEdited(text) => self.take_text(text),
        }
    }

    /// When [`Msg::Wake`] is due.
    pub fn deadline(&self) -> Option<UnixMs> {
        let layer = self.layers.last().and_then(|layer| layer.part.deadline());
        [self.notes.deadline(), self.redraw_at.get(), self.screens.get(self.tab).deadline(), layer]
            .into_iter()
            .flatten()
            .min()
    }

    /// How soon to draw; drawing resets it.
    pub fn dirt(&self) -> Dirt {
        self.dirt
    }

    pub fn drawn(&mut self) {
        self.dirt = Dirt::Clean;
    }

    pub fn cx(&self) -> Cx<'_> {
        Cx { snapshot: &self.snapshot, now: self.now, keymap: &self.keymap, notes: &self.notes }
    }

    /// The part with the keyboard.
    pub fn top(&self) -> &dyn Part {
        self.layers.last().map_or(self.screens.get(self.tab), |layer| layer.part.as_ref())
    }

    fn part_of(&self, owner: &Owner) -> Option<&dyn Part> {
        match owner {
            Owner::Screen(tab) => Some(self.screens.get(*tab)),
            Owner::Layer(id) => self.layers.iter().find(|layer| layer.id == *id).map(|layer| layer.part.as_ref()),
            Owner::Frame(_) => None,
        }
    }

    /// From the screen up to the top layer.
    pub(super) fn stack(&self) -> impl DoubleEndedIterator<Item = &dyn Part> {
        std::iter::once(self.screens.get(self.tab)).chain(self.layers.iter().map(|layer| layer.part.as_ref()))
    }

    pub(super) fn has_layer(&self) -> bool {
        !self.layers.is_empty()
    }

    /// Letters are text now.
    pub(super) fn typing(&self) -> bool {
        self.top().typing() || self.top().filter().is_some_and(Filter::is_open)
    }

    /// The contexts of the top part with those the frame adds.
    pub fn contexts(&self) -> Vec<Context> {
        let top = self.top();
        let mut contexts = match top.filter() {
            Some(filter) if filter.is_open() => vec![Context::FilterLine],
            Some(filter) if filter.is_kept() => {
                std::iter::once(&Context::Searched).chain(top.contexts()).copied().collect()
            }
            _ => top.contexts().to_vec(),
        };
        if self.layers.is_empty() && !self.typing() {
            contexts.push(Context::Everywhere);
        }
        contexts.push(Context::Always);
        contexts
    }

    /// Why an act cannot be done now.
    pub(super) fn why_not(&self, action: Action) -> Option<String> {
        self.why_not_in(self.top(), action)
    }

    fn why_not_in(&self, part: &dyn Part, action: Action) -> Option<String> {
        match action {
            Action::BrokenPage if self.snapshot.config.rejected.is_none() => {
                Some("the configuration file is in force: nothing is wrong with it".into())
            }
            Action::Undo if !self.snapshot.config.can_undo => {
                Some("nothing to take back: no change was made here".into())
            }
            // Said before a form is filled in for nothing.
            action if self.options.readonly && action.writes() => Some("read-only: started with --readonly".into()),
            Action::OpenEditor if self.snapshot.config.file.is_none() => {
                Some("there is no file yet: the first save writes one".into())
            }
            Action::Copied if self.copied.is_none() => Some("nothing was copied yet".into()),
            Action::Jump if self.top().panes().len() < 2 => Some("there is one part only here".into()),
            _ => part.why_not(action, &self.cx()),
        }
    }

    /// Why an act cannot be done on a screen that need not be the open one.
    pub(super) fn why_not_on(&self, tab: Tab, action: Action) -> Option<String> {
        self.screens.get(tab).why_not(action, &self.cx())
    }

    /// What the palette offers here and now: each entry's name and the command line that does the same.
    pub fn command_lines(&self) -> Vec<(String, Option<String>)> {
        let told = |entry: palette::Entry| {
            let line = entry.line().map(std::borrow::Cow::into_owned);
            (entry.title, line)
        };
        palette::all(self).into_iter().map(told).collect()
    }

    /// The screen of the open tab, under whatever layers there are.
    pub(super) fn screen(&self) -> &dyn Part {
        self.screens.get(self.tab)
    }

    fn touch(&mut self, dirt: Dirt) {
        self.dirt = self.dirt.max(dirt);
    }

    pub(super) fn say(&mut self, level: Level, text: String) {
        self.notes.say(self.now, level, text, None);
        self.touch(Dirt::Touched);
    }

    fn push(&mut self, part: Box<dyn Part>) {
        self.push_for(part, None);
    }

    fn push_for(&mut self, part: Box<dyn Part>, opener: Option<Owner>) {
        self.last_id += 1;
        self.layers.push(Layer { id: self.last_id, part, opener });
        self.touch(Dirt::Touched);
    }

    /// Who opened the layer of `owner`, where that is still there.
    fn opener_of(&self, owner: &Owner) -> Option<Owner> {
        let Owner::Layer(id) = owner else { return None };
        let opener = self.layers.iter().find(|layer| layer.id == *id)?.opener.clone()?;
        let there = match &opener {
            Owner::Layer(id) => self.layers.iter().any(|layer| layer.id == *id),
            Owner::Screen(_) => true,
            Owner::Frame(_) => false,
        };
        there.then_some(opener)
    }

    /// Where the keyboard is: the tab, and the layer above it.
    pub(super) fn top_place(&self) -> (Tab, Option<u64>) {
        (self.tab, self.layers.last().map(|layer| layer.id))
    }

    /// The part with the keyboard, by name.
    fn top_owner(&self) -> Owner {
        self.layers.last().map_or(Owner::Screen(self.tab), |layer| Owner::Layer(layer.id))
    }

    fn take_snapshot(&mut self, snapshot: Arc<Snapshot>) -> Vec<Intent> {
        if snapshot.config.ui != self.snapshot.config.ui {
            self.theme = theme_of(&snapshot, &self.options);
            let (keymap, complaints) = Keymap::new(&snapshot.config.ui.keys);
            self.keymap = keymap;
            self.complain(complaints);
        }
        let before = std::mem::replace(&mut self.snapshot, snapshot);
        self.say_gateway_trouble(before.gateway.trouble.as_deref());
        self.touch(Dirt::Data);
        let mut intents = Vec::new();
        let owners: Vec<Owner> = Tab::ALL
            .into_iter()
            .map(Owner::Screen)
            .chain(self.layers.iter().map(|layer| Owner::Layer(layer.id)))
            .collect();
        for owner in owners {
            intents.extend(self.with_owner(&owner, |part, cx, out| part.changed(cx, out)));
        }
        intents
    }

    /// Keys of the person's own that cannot be used.
    fn complain(&mut self, complaints: Vec<String>) {
        for complaint in complaints {
            self.notes.say(self.now, Level::Warning, complaint, None);
        }
    }

    /// The header has room for a mark only, and points to the messages.
    fn say_gateway_trouble(&mut self, said: Option<&str>) {
        let trouble = self.snapshot.gateway.trouble.clone();
        if let Some(trouble) = trouble.filter(|trouble| Some(trouble.as_str()) != said) {
            self.notes.say(self.now, Level::Warning, trouble, Some(Lead::Log));
        }
    }

    fn take_text(&mut self, text: Result<String, String>) -> Vec<Intent> {
        let owner = self.editing.take();
        self.touch(Dirt::Touched);
        match (text, owner) {
            (Ok(text), Some(owner)) => self.with_owner(&owner, |part, cx, out| part.edited(&text, cx, out)),
            (Ok(_), None) => Vec::new(),
            (Err(why), _) => {
                self.say(Level::Error, why);
                Vec::new()
            }
        }
    }

    fn take_reply(&mut self, ticket: Ticket, reply: &Reply) -> Vec<Intent> {
        self.touch(Dirt::Touched);
        match self.owners.remove(&ticket) {
            Some(Owner::Frame(done)) => {
                self.account_for(reply, done);
                Vec::new()
            }
            Some(owner) => self.with_owner(&owner, |part, cx, out| part.reply(ticket, reply, cx, out)),
            None => Vec::new(),
        }
    }

    fn announce(&mut self, event: &Event) {
        if let Some((text, lead)) = super::announce::message(event) {
            self.notes.say(self.now, event.level, text, lead);
            self.touch(Dirt::Data);
        }
        if let EventKind::StepDone { .. } | EventKind::ReplayProgress { .. } = event.kind {
            self.touch(Dirt::Data);
        }
        if let EventKind::ConfigLoaded { .. } = event.kind {
            self.layers.retain(|layer| !layer.part.contexts().contains(&Context::Broken));
        }
    }

    /// Tells every screen and layer something that asks for no answer.
    fn everyone(&mut self, tell: impl Fn(&mut dyn Part, &Cx<'_>)) {
        let cx = Cx { snapshot: &self.snapshot, now: self.now, keymap: &self.keymap, notes: &self.notes };
        for tab in Tab::ALL {
            tell(self.screens.get_mut(tab), &cx);
        }
        for layer in &mut self.layers {
            tell(layer.part.as_mut(), &cx);
        }
    }

    fn wake(&mut self) -> Vec<Intent> {
        self.touch(Dirt::Data);
        let now = self.now;
        self.notes.expire(now, false);
        if self.redraw_at.get().is_some_and(|at| at <= now) {
            self.redraw_at.set(None);
        }
        let mut intents = Vec::new();
        let screen = Owner::Screen(self.tab);
        if self.screens.get(self.tab).deadline().is_some_and(|at| at <= now) {
            intents.extend(self.with_part(Some(&screen), |part, cx, out| part.wake(cx, out)));
        }
        if let Some(layer) = self.layers.last().filter(|layer| layer.part.deadline().is_some_and(|at| at <= now)) {
            let owner = Owner::Layer(layer.id);
            intents.extend(self.with_owner(&owner, |part, cx, out| part.wake(cx, out)));
        }
        intents
    }

    fn with_owner(&mut self, owner: &Owner, f: impl FnOnce(&mut dyn Part, &Cx<'_>, &mut Outbox)) -> Vec<Intent> {
        self.with_part(Some(owner), f)
    }

    /// Lets one part (the top one when `owner` is `None`) do something, and carries out what it wants.
    fn with_part(&mut self, owner: Option<&Owner>, f: impl FnOnce(&mut dyn Part, &Cx<'_>, &mut Outbox)) -> Vec<Intent> {
        let owner = owner.cloned().unwrap_or_else(|| self.top_owner());
        let mut out = Outbox::starting_at(self.tickets);
        let cx = Cx { snapshot: &self.snapshot, now: self.now, keymap: &self.keymap, notes: &self.notes };
        match &owner {
            Owner::Screen(tab) => f(self.screens.get_mut(*tab), &cx, &mut out),
            Owner::Layer(id) => match self.layers.iter_mut().find(|layer| layer.id == *id) {
                Some(layer) => f(layer.part.as_mut(), &cx, &mut out),
                None => return Vec::new(),
            },
            Owner::Frame(_) => return Vec::new(),
        }
        self.tickets = out.next_ticket();
        // Before it closes: what it hands on comes after.
        let opener = self.opener_of(&owner);
        let mut intents = Vec::new();
        for effect in out.effects {
            intents.extend(self.carry_out(effect, &owner, opener.as_ref()));
        }
        intents
    }
}

fn theme_of(snapshot: &Snapshot, options: &TuiOptions) -> Theme {
    let preset = Preset::from_word(&snapshot.config.ui.theme, &options.env);
    Theme::new(preset, options.env.depth(options.color))
}
