//! The dashboard's state and how it changes: messages in, intents out. No I/O, no clock, no terminal.

use super::action::Action;
use super::alerts::Alerts;
use super::input::Input;
use super::keymap::{Context, Key, Keymap, Meaning};
use super::layers::{
    broken::Broken, choose::Choose, confirm::Confirm, connect, help::Help, messages::Messages, report::ReportPage,
};
use super::msg::{Intent, Msg};
use super::notes::Notes;
use super::options::TuiOptions;
use super::part::{Cx, Effect, Outbox, Part, Place, Tab, Ticket};
use super::screens::{self, Screens};
use super::theme::{Preset, Theme};
use crate::domain::time::UnixMs;
use crate::engine::protocol::{Command, Event, EventKind, Level, Reply, Snapshot};
use crate::present::models;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Said of an undo, where any other edit says how to undo it.
const UNDONE: &str = "the last change is taken back";

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
            screens: screens::all(),
            layers: Vec::new(),
            last_id: 0,
            owners: HashMap::new(),
            tickets: 0,
            dirt: Dirt::Touched,
            redraw_at: Cell::new(None),
            tabs: RefCell::new(Vec::new()),
        };
        for complaint in complaints {
            app.notes.say(now, Level::Warning, complaint, None);
        }
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
                match self.owners.get(&ticket).cloned() {
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
        Cx { snapshot: &self.snapshot, now: self.now, keymap: &self.keymap }
    }

    /// The part with the keyboard.
    pub fn top(&self) -> &dyn Part {
        self.layers.last().map_or(self.screens.get(self.tab), |layer| layer.part.as_ref())
    }

    /// From the screen up to the top layer.
    pub(super) fn stack(&self) -> impl DoubleEndedIterator<Item = &dyn Part> {
        std::iter::once(self.screens.get(self.tab)).chain(self.layers.iter().map(|layer| layer.part.as_ref()))
    }

    pub(super) fn has_layer(&self) -> bool {
        !self.layers.is_empty()
    }

    /// The contexts of the top part with those the frame adds.
    pub fn contexts(&self) -> Vec<Context> {
        let top = self.top();
        let mut contexts = top.contexts().to_vec();
        if self.layers.is_empty() && !top.typing() {
            contexts.push(Context::Everywhere);
        }
        contexts.push(Context::Always);
        contexts
    }

    /// Why an act cannot be done now.
    pub(super) fn why_not(&self, action: Action) -> Option<String> {
        match action {
            Action::BrokenPage if self.snapshot.config.rejected.is_none() => {
                Some("the configuration file is in force: nothing is wrong with it".into())
            }
            Action::Undo if !self.snapshot.config.can_undo => {
                Some("nothing to take back: no change was made here".into())
            }
            Action::OpenEditor if self.options.readonly => Some("read-only: started with --readonly".into()),
            Action::OpenEditor if self.snapshot.config.file.is_none() => {
                Some("there is no file yet: the first save writes one".into())
            }
            _ => self.top().why_not(action, &self.cx()),
        }
    }

    fn touch(&mut self, dirt: Dirt) {
        self.dirt = self.dirt.max(dirt);
    }

    pub(super) fn say(&mut self, level: Level, text: String) {
        self.notes.say(self.now, level, text, None);
        self.touch(Dirt::Touched);
    }

    fn input(&mut self, input: Input) -> Vec<Intent> {
        match input {
            Input::Key(event) => self.press(Key::from(event)),
            Input::Paste(text) => self.with_part(None, |part, cx, out| part.paste(&text, cx, out)),
            Input::Wheel { down, .. } => self.act(if down { Action::Down } else { Action::Up }),
            Input::Click { column, row } => self.click(column, row),
            Input::Resize | Input::HungUp => Vec::new(),
        }
    }

    /// Tabs are clickable; the rest of the screen is for the keyboard.
    fn click(&mut self, column: u16, row: u16) -> Vec<Intent> {
        let tab =
            self.tabs.borrow().iter().find(|(_, columns)| row == 0 && columns.contains(&column)).map(|(tab, _)| *tab);
        match tab {
            Some(tab) if self.layers.is_empty() => self.go(tab),
            _ => Vec::new(),
        }
    }

    fn press(&mut self, key: Key) -> Vec<Intent> {
        let before = self.prefix.take();
        if before.is_none() && self.top().typing() {
            let mut used = false;
            let intents = self.with_part(None, |part, cx, out| used = part.key(key, cx, out));
            if used {
                return intents;
            }
        }
        let contexts = self.contexts();
        match self.keymap.meaning(&contexts, before, key) {
            Meaning::Act(action) => self.act(action),
            Meaning::Prefix => {
                self.prefix = Some(key);
                Vec::new()
            }
            // The second key did not fit: it means what it means alone.
            Meaning::Nothing if before.is_some() => self.press(key),
            Meaning::Nothing => Vec::new(),
        }
    }

    /// Does an act: the top part first, then the frame.
    pub fn act(&mut self, action: Action) -> Vec<Intent> {
        if let Some(why) = self.why_not(action) {
            self.say(Level::Warning, why);
            return Vec::new();
        }
        let mut known = false;
        let intents = self.with_part(None, |part, cx, out| known = part.act(action, cx, out));
        if known { intents } else { self.act_of_frame(action) }
    }

    fn act_of_frame(&mut self, action: Action) -> Vec<Intent> {
        match action {
            Action::Suspend => vec![Intent::Suspend],
            Action::Repaint => vec![Intent::Repaint],
            Action::Help => {
                let help = Help::of(self);
                self.push(Box::new(help));
                Vec::new()
            }
            Action::Messages => {
                let list = Messages::of(self.notes.kept());
                self.push(Box::new(list));
                Vec::new()
            }
            Action::OpenEditor => match &self.snapshot.config.file {
                Some(file) => vec![Intent::Edit(file.clone())],
                None => Vec::new(),
            },
            Action::BrokenPage => {
                self.push(Box::new(Broken::default()));
                Vec::new()
            }
            Action::Connect => {
                self.push(Box::new(Choose::new(connect::Clients::of(&self.snapshot))));
                Vec::new()
            }
            Action::Report => {
                self.push(Box::new(ReportPage::on(self.options.terminal.clone())));
                self.with_part(None, |part, cx, out| part.shown(cx, out))
            }
            Action::Undo => self.tell(Command::ConfigUndo, UNDONE.into()),
            Action::GoTab(digit) => match Tab::ALL.into_iter().find(|tab| tab.digit() == digit) {
                Some(tab) => self.go(tab),
                None => Vec::new(),
            },
            Action::NextTab => self.pass_to(self.neighbour(1)),
            Action::PreviousTab => self.pass_to(self.neighbour(Tab::ALL.len() - 1)),
            Action::Back if self.has_layer() => {
                self.layers.pop();
                Vec::new()
            }
            Action::Quit | Action::Cancel => self.quit(),
            _ => Vec::new(),
        }
    }

    fn neighbour(&self, steps: usize) -> Tab {
        let place = Tab::ALL.iter().position(|tab| *tab == self.tab).unwrap_or(0);
        Tab::ALL[(place + steps) % Tab::ALL.len()]
    }

    fn quit(&mut self) -> Vec<Intent> {
        let lost = self.layers.iter().map(|layer| layer.part.as_ref()).chain(self.screens.iter());
        let lost: Vec<String> = lost.filter_map(Part::would_lose).collect();
        if lost.is_empty() || self.layers.last().is_some_and(|layer| layer.part.contexts().contains(&Context::Confirm))
        {
            return vec![Intent::Quit];
        }
        self.push(Box::new(Confirm::new("Leave lmdeck?", lost, "Stay").with("Leave", Effect::Quit)));
        Vec::new()
    }

    fn go(&mut self, tab: Tab) -> Vec<Intent> {
        self.tab = tab;
        self.with_part(Some(&Owner::Screen(tab)), |part, cx, out| part.shown(cx, out))
    }

    fn pass_to(&mut self, tab: Tab) -> Vec<Intent> {
        self.screens.get_mut(tab).passed_through();
        self.go(tab)
    }

    /// Opens a tab with the cursor on `place`.
    pub(super) fn go_to(&mut self, tab: Tab, place: &Place) -> Vec<Intent> {
        let intents = self.go(tab);
        self.with_owner(&Owner::Screen(tab), |part, cx, _| part.focus_on(place, cx));
        intents
    }

    fn push(&mut self, part: Box<dyn Part>) {
        self.last_id += 1;
        self.layers.push(Layer { id: self.last_id, part });
        self.touch(Dirt::Touched);
    }

    fn take_snapshot(&mut self, snapshot: Arc<Snapshot>) -> Vec<Intent> {
        if snapshot.config.ui != self.snapshot.config.ui {
            self.theme = theme_of(&snapshot, &self.options);
            self.keymap = Keymap::new(&snapshot.config.ui.keys).0;
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

    /// The header has room for a mark only, and points to the messages.
    fn say_gateway_trouble(&mut self, said: Option<&str>) {
        let trouble = self.snapshot.gateway.trouble.clone();
        if let Some(trouble) = trouble.filter(|trouble| Some(trouble.as_str()) != said) {
            self.notes.say(self.now, Level::Warning, trouble, None);
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

    fn account_for(&mut self, reply: &Reply, done: String) {
        match reply {
            Reply::Refused(refusal) => {
                let text = if refusal.remedy.is_empty() {
                    refusal.message.clone()
                } else {
                    format!("{}. {}", refusal.message.trim_end_matches('.'), refusal.remedy)
                };
                self.say(Level::Error, text);
            }
            // What changed is announced for everybody; that nothing did is said to who asked.
            Reply::Model(report) if report.already => self.say(Level::Info, models::report(report) + "."),
            Reply::Edited(report) if report.written => {
                let lines = if report.lines_changed == 1 { "line" } else { "lines" };
                let name = report.file.rsplit('/').next().unwrap_or_default();
                let written = format!("{name}, {} {lines}", report.lines_changed);
                let said =
                    if done == UNDONE { format!("{done}: {written}.") } else { format!("Saved {written}. U undoes.") };
                self.say(Level::Info, said);
            }
            _ if done.is_empty() => {}
            _ => self.say(Level::Info, done),
        }
    }

    fn announce(&mut self, event: &Event) {
        if let Some((text, about)) = super::announce::message(event) {
            self.notes.say(self.now, event.level, text, about);
            self.touch(Dirt::Data);
        }
        if let EventKind::StepDone { .. } = event.kind {
            self.touch(Dirt::Data);
        }
        if let EventKind::ConfigLoaded { .. } = event.kind {
            self.layers.retain(|layer| !layer.part.contexts().contains(&Context::Broken));
        }
    }

    /// Tells every screen and layer something that asks for no answer.
    fn everyone(&mut self, tell: impl Fn(&mut dyn Part, &Cx<'_>)) {
        let cx = Cx { snapshot: &self.snapshot, now: self.now, keymap: &self.keymap };
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

    fn tell(&mut self, command: Command, done: String) -> Vec<Intent> {
        self.tickets += 1;
        self.send(self.tickets, command, Owner::Frame(done))
    }

    fn send(&mut self, ticket: Ticket, command: Command, owner: Owner) -> Vec<Intent> {
        if self.options.readonly && command.changes_something() {
            let refusal = Reply::refused(5, "read-only: started with --readonly", "");
            self.owners.insert(ticket, owner);
            return self.take_reply(ticket, &refusal);
        }
        self.owners.insert(ticket, owner);
        vec![Intent::Ask(ticket, command)]
    }

    fn with_owner(&mut self, owner: &Owner, f: impl FnOnce(&mut dyn Part, &Cx<'_>, &mut Outbox)) -> Vec<Intent> {
        self.with_part(Some(owner), f)
    }

    /// Lets one part (the top one when `owner` is `None`) do something, and carries out what it wants.
    fn with_part(&mut self, owner: Option<&Owner>, f: impl FnOnce(&mut dyn Part, &Cx<'_>, &mut Outbox)) -> Vec<Intent> {
        let owner = owner
            .cloned()
            .unwrap_or_else(|| self.layers.last().map_or(Owner::Screen(self.tab), |layer| Owner::Layer(layer.id)));
        let mut out = Outbox::starting_at(self.tickets);
        let cx = Cx { snapshot: &self.snapshot, now: self.now, keymap: &self.keymap };
        match &owner {
            Owner::Screen(tab) => f(self.screens.get_mut(*tab), &cx, &mut out),
            Owner::Layer(id) => match self.layers.iter_mut().find(|layer| layer.id == *id) {
                Some(layer) => f(layer.part.as_mut(), &cx, &mut out),
                None => return Vec::new(),
            },
            Owner::Frame(_) => return Vec::new(),
        }
        self.tickets = out.next_ticket();
        let mut intents = Vec::new();
        for effect in out.effects {
            intents.extend(self.carry_out(effect, &owner));
        }
        intents
    }

    fn carry_out(&mut self, effect: Effect, owner: &Owner) -> Vec<Intent> {
        match effect {
            Effect::Ask(ticket, command) => self.send(ticket, command, owner.clone()),
            Effect::Tell(command, done) => self.tell(command, done),
            Effect::Call(ticket, request) => {
                self.owners.insert(ticket, owner.clone());
                vec![Intent::Call(ticket, request)]
            }
            Effect::StopCall(ticket) => vec![Intent::StopCall(ticket)],
            Effect::Open(part) => {
                self.push(part);
                self.with_part(None, |part, cx, out| part.shown(cx, out))
            }
            Effect::Close => {
                if let Owner::Layer(id) = owner {
                    self.layers.retain(|layer| layer.id != *id);
                    self.owners.retain(|_, waiting| waiting != owner);
                }
                Vec::new()
            }
            Effect::Say(level, text) => {
                self.say(level, text);
                Vec::new()
            }
            Effect::Copy(text, what) => {
                self.say(Level::Info, format!("{what} sent to the terminal's clipboard"));
                vec![Intent::Copy(text)]
            }
            Effect::Go(tab, Some(place)) => self.go_to(tab, &place),
            Effect::Go(tab, None) => self.go(tab),
            Effect::Edit(file) => vec![Intent::Edit(file)],
            Effect::Pass(action) => self.act(action),
            Effect::Hand(text) => self.with_part(None, |part, cx, out| part.take(&text, cx, out)),
            Effect::Quit => vec![Intent::Quit],
        }
    }
}

fn theme_of(snapshot: &Snapshot, options: &TuiOptions) -> Theme {
    let preset = Preset::from_word(&snapshot.config.ui.theme, &options.env);
    Theme::new(preset, options.env.depth(options.color))
}
