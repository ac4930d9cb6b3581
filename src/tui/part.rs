//! The contract between the frame and what it shows: screens and layers are parts. A part holds view state
//! only, takes actions, and answers with effects; it does no I/O and knows no other part.

use super::action::Action;
use super::canvas::Canvas;
use super::keymap::{Context, Key, Keymap};
use super::notes::Notes;
use super::told::Told;
use super::widgets::filter::{Change, Filter};
use super::widgets::line::Put;
use crate::domain::call::{CallRequest, Facts};
use crate::domain::ids::{CallId, ProviderId};
use crate::domain::preset::{Preset, Values};
use crate::domain::time::UnixMs;
use crate::engine::protocol::{CallEvent, Command, Event, Level, Reply, SavedPrompt, Snapshot};
use ratatui::layout::Rect;

/// What every part may look at.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    pub snapshot: &'a Snapshot,
    pub now: UnixMs,
    pub keymap: &'a Keymap,
    pub notes: &'a Notes,
}

/// Names one question to the engine or one running call; the answer comes back with it.
pub type Ticket = u64;

/// The tabs in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tab {
    Providers,
    Health,
    Routing,
    Playground,
    Telemetry,
}

impl Tab {
    pub const ALL: [Self; 5] = [Self::Providers, Self::Health, Self::Routing, Self::Playground, Self::Telemetry];

    pub fn title(self) -> &'static str {
        match self {
            Self::Providers => "Providers",
            Self::Health => "Health",
            Self::Routing => "Routing",
            Self::Playground => "Playground",
            Self::Telemetry => "Telemetry",
        }
    }

    /// The digit that leads there, from 1.
    pub fn digit(self) -> u8 {
        Self::ALL.iter().position(|tab| *tab == self).and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(1)
    }
}

/// Something to put the cursor on in another screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    Provider(ProviderId),
    /// For the playground: a prompt sent before.
    Prompt(Box<SavedPrompt>),
    /// The order of a request type.
    Order(String),
    Call(CallId),
    /// A policy, with its state.
    Policy {
        name: String,
        enabled: bool,
        observe: bool,
    },
    /// For the tester of the rules: a recorded call's facts.
    Sample(CallId, Box<Facts>),
    /// For the playground: a preset to fill the prompt with.
    Preset(Box<Preset>),
    /// The prompt as it stands is this preset now.
    Kept(Box<Preset>),
    /// What the variables of its preset are to be, this time and the next; `ready`: it may be sent with them.
    Values {
        values: Box<Values>,
        ready: bool,
    },
}

/// What a part wants done.
pub enum Effect {
    /// The reply comes to the part as [`Part::reply`].
    Ask(Ticket, Command),
    /// The frame itself answers for it: `done` is said when it worked, a refusal in any case.
    Tell(Command, String),
    /// Events come to the part as [`Part::call`].
    Call(Ticket, Box<CallRequest>),
    /// Gives up a running call.
    StopCall(Ticket),
    Open(Box<dyn Part>),
    /// Closes the layer that says it.
    Close,
    Say(Level, String),
    /// To the terminal's clipboard; the second text names it in the message.
    Copy(String, &'static str),
    Go(Tab, Option<Place>),
    /// Opens a file in the person's editor, then reads the configuration again.
    Edit(String),
    /// The rest of an act that was confirmed: handed to the part below the closing layer.
    Pass(Action),
    /// What was chosen: handed to the part below the closing layer, as [`Part::take`].
    Hand(String),
    Quit,
    /// A text into the person's editor; it comes back as [`Part::edited`].
    EditText(String),
    /// An entry of the palette was run: it stands first the next time.
    Ran(String),
    /// An act on a provider, whatever is on the screen.
    Do(Action, ProviderId),
}

/// Collects effects and gives out tickets.
#[derive(Default)]
pub struct Outbox {
    next: Ticket,
    pub(super) effects: Vec<Effect>,
}

impl Outbox {
    pub(super) fn starting_at(next: Ticket) -> Self {
        Self { next, effects: Vec::new() }
    }

    pub(super) fn next_ticket(&self) -> Ticket {
        self.next
    }

    fn ticket(&mut self) -> Ticket {
        self.next += 1;
        self.next
    }

    pub fn ask(&mut self, command: Command) -> Ticket {
        let ticket = self.ticket();
        self.effects.push(Effect::Ask(ticket, command));
        ticket
    }

    pub fn call(&mut self, request: CallRequest) -> Ticket {
        let ticket = self.ticket();
        self.effects.push(Effect::Call(ticket, Box::new(request)));
        ticket
    }

    pub fn tell(&mut self, command: Command, done: impl Into<String>) {
        self.effects.push(Effect::Tell(command, done.into()));
    }

    pub fn say(&mut self, level: Level, text: impl Into<String>) {
        self.effects.push(Effect::Say(level, text.into()));
    }

    /// Says why something was not done, where it was not.
    pub fn complain(&mut self, done: Result<(), String>) {
        if let Err(why) = done {
            self.say(Level::Warning, why);
        }
    }

    pub fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}

/// A screen or a layer. Only `contexts`, `act` and `draw` must be there.
pub trait Part {
    /// Where keys are looked up, the most specific first. The frame adds `Everywhere` (screens) and `Always`.
    fn contexts(&self) -> &'static [Context];

    /// Letters are text now: they come to [`Part::key`] before any key is looked up.
    fn typing(&self) -> bool {
        false
    }

    /// A key as it came, while [`Part::typing`]; `true` when it was used.
    fn key(&mut self, _key: Key, _cx: &Cx<'_>, _out: &mut Outbox) -> bool {
        false
    }

    /// A text that comes in one piece, pasted or as a line of plain mode: one edit, never a row of keys. Where it
    /// cannot be taken, what stands there stays.
    fn put(&mut self, _text: &str, _put: Put, _cx: &Cx<'_>, _out: &mut Outbox) {}

    /// Does what a key means here; `false` when this part knows no such act.
    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool;

    /// Why an act cannot be done now; `None` when it can. Shown muted in the footer, said on the attempt.
    fn why_not(&self, _action: Action, _cx: &Cx<'_>) -> Option<String> {
        None
    }

    fn reply(&mut self, _ticket: Ticket, _reply: &Reply, _cx: &Cx<'_>, _out: &mut Outbox) {}

    fn call(&mut self, _ticket: Ticket, _event: &CallEvent, _cx: &Cx<'_>, _out: &mut Outbox) {}

    /// Something was announced; every screen and layer hears it, seen or not.
    fn event(&mut self, _event: &Event, _cx: &Cx<'_>) {}

    /// So many announcements went by unheard.
    fn missed(&mut self, _count: u64, _cx: &Cx<'_>) {}

    /// It is on the screen now, for the first time or again.
    fn shown(&mut self, _cx: &Cx<'_>, _out: &mut Outbox) {}

    /// The person goes through the tabs one by one and may not stay: letters must be keys.
    fn passed_through(&mut self) {}

    /// A newer snapshot is there.
    fn changed(&mut self, _cx: &Cx<'_>, _out: &mut Outbox) {}

    /// Put the cursor there.
    fn focus_on(&mut self, _place: &Place, _cx: &Cx<'_>) {}

    /// When it wants [`Part::wake`]; `None` at rest.
    fn deadline(&self) -> Option<UnixMs> {
        None
    }

    fn wake(&mut self, _cx: &Cx<'_>, _out: &mut Outbox) {}

    /// What the layer above handed down as it closed.
    fn take(&mut self, _text: &str, _cx: &Cx<'_>, _out: &mut Outbox) {}

    /// What would be lost by leaving now, in a few words.
    fn would_lose(&self) -> Option<String> {
        None
    }

    /// The part below is to be drawn first; a layer that does not fill `area` says so.
    fn shows_below(&self, _area: Rect) -> bool {
        false
    }

    /// The first sentence of its help.
    fn about(&self) -> &'static str {
        ""
    }

    /// One line per thing a listener should know now, for plain mode: position and role first.
    fn plain(&self, _cx: &Cx<'_>) -> Vec<String> {
        Vec::new()
    }

    /// [`Part::plain`] with what makes each line news, where that is not its text: figures in it move by
    /// themselves, or it comes after others that may be just like it.
    fn told(&self, cx: &Cx<'_>) -> Vec<Told> {
        self.plain(cx).into_iter().map(Told::from).collect()
    }

    /// The row with the cursor in one line, told in plain mode when it changes.
    fn choice(&self, _cx: &Cx<'_>) -> Option<String> {
        None
    }

    /// [`Part::choice`] with what makes it another one, where that is not its text.
    fn chosen_now(&self, cx: &Cx<'_>) -> Option<Told> {
        self.choice(cx).map(Told::from)
    }

    /// Its filter, where it has one. The frame opens, feeds, keeps and clears it.
    fn filter(&self) -> Option<&Filter> {
        None
    }

    fn filter_mut(&mut self) -> Option<&mut Filter> {
        None
    }

    /// What became of its filter.
    fn filtered(&mut self, _change: Change, _cx: &Cx<'_>, _out: &mut Outbox) {}

    /// Esc has something nearer to close than the filter.
    fn is_inside(&self) -> bool {
        false
    }

    /// Its panes in reading order, where there are several: two keys lead to each.
    fn panes(&self) -> &'static [&'static str] {
        &[]
    }

    fn focus_pane(&mut self, _pane: usize, _cx: &Cx<'_>) {}

    /// What the cursor is on, for commands that need something to act on.
    fn subject(&self, _cx: &Cx<'_>) -> Option<Place> {
        None
    }

    /// A text comes back from the person's editor.
    fn edited(&mut self, _text: &str, _cx: &Cx<'_>, _out: &mut Outbox) {}

    /// Draws into `area`; its first row is the rule with the titles. Changes nothing but scroll positions.
    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect);
}
