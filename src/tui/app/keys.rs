//! From what the person does to acts: keys and their contexts, the filter of the part with the keyboard, the first
//! of two keys, jumping by letter; and the acts that are the frame's own.

use super::{App, Owner};
use crate::engine::protocol::{Command, Level};
use crate::tui::action::Action;
use crate::tui::input::Input;
use crate::tui::keymap::{Context, Key, Meaning};
use crate::tui::layers::broken::Broken;
use crate::tui::layers::choose::Choose;
use crate::tui::layers::confirm::Confirm;
use crate::tui::layers::connect;
use crate::tui::layers::help::Help;
use crate::tui::layers::messages::Messages;
use crate::tui::layers::pager::Pager;
use crate::tui::layers::palette::Palette;
use crate::tui::layers::report::ReportPage;
use crate::tui::msg::Intent;
use crate::tui::part::{Effect, Part, Place, Tab};
use crate::tui::widgets::filter::Change;
use crate::tui::widgets::line::Put;
use crossterm::event::KeyCode;

/// Said of an undo, where any other edit says how to undo it.
pub(super) const UNDONE: &str = "the last change is taken back";

/// The letters of the panes, in reading order; digits are the tabs'.
pub const JUMP: [char; 4] = ['a', 's', 'd', 'f'];

impl App {
    pub(super) fn input(&mut self, input: Input) -> Vec<Intent> {
        match input {
            Input::Key(event) => self.press(Key::from(event)),
            Input::Paste(text) => self.put(&text, Put::AtCursor),
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

    /// A line of plain mode in place of what the open filter or the field with the focus holds.
    pub fn fill(&mut self, text: &str) -> Vec<Intent> {
        self.notes.expire(self.now, true);
        self.put(text, Put::Instead)
    }

    /// Into the filter that is open, else as the part takes it.
    fn put(&mut self, text: &str, put: Put) -> Vec<Intent> {
        self.jumping = false;
        self.with_part(None, |part, cx, out| match part.filter_mut().filter(|filter| filter.is_open()) {
            Some(filter) => {
                out.complain(filter.put(text, put));
                part.filtered(Change::Text, cx, out);
            }
            None => part.put(text, put, cx, out),
        })
    }

    fn press(&mut self, key: Key) -> Vec<Intent> {
        let before = self.prefix.take();
        if std::mem::take(&mut self.jumping)
            && let Some(intents) = self.jump(key)
        {
            return intents;
        }
        if before.is_none() && self.typing() {
            let mut used = false;
            let intents = self.with_part(None, |part, cx, out| {
                match part.filter_mut().filter(|filter| filter.is_open()).map(|filter| filter.key(key)) {
                    Some((taken, changed)) => {
                        used = taken;
                        if changed {
                            part.filtered(Change::Text, cx, out);
                        }
                    }
                    None => used = part.key(key, cx, out),
                }
            });
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
            // A terminal sends esc and the key after it as one, when they come in one packet: typed ahead. What a
            // field takes with alt it has taken above.
            Meaning::Nothing if key.alt && matches!(key.code, KeyCode::Char(_)) => {
                let (in_text, layers) = (self.typing(), self.layers.len());
                let mut intents = self.press(Key { code: KeyCode::Esc, ctrl: false, alt: false });
                let second = Key { alt: false, ..key };
                // Nobody answers a question that was not on the screen, and out of a text a key with alt may just as
                // well be a slip: there it may lead to another place and do nothing.
                if self.layers.len() <= layers && (!in_text || self.leads_away(second)) {
                    intents.extend(self.press(second));
                }
                intents
            }
            Meaning::Nothing => Vec::new(),
        }
    }

    /// A key that changes nothing here.
    fn leads_away(&self, key: Key) -> bool {
        let meaning = self.keymap.meaning(&self.contexts(), None, key);
        !self.typing() && matches!(meaning, Meaning::Act(action) if action.leads_away())
    }

    /// The key after the one for jumping; `None` when it names no pane: then it means what it always means.
    fn jump(&mut self, key: Key) -> Option<Vec<Intent>> {
        let letter = key.text()?;
        let pane = JUMP.iter().position(|known| *known == letter).filter(|pane| *pane < self.top().panes().len())?;
        Some(self.with_part(None, |part, cx, _| part.focus_pane(pane, cx)))
    }

    /// What the keys of a filter mean, the same for every part that has one.
    fn act_on_filter(&mut self, action: Action) -> Option<Vec<Intent>> {
        let top = self.top();
        let filter = top.filter()?;
        let clears = filter.is_open() || (!filter.is_empty() && !top.is_inside());
        let change = match action {
            Action::Filter => Change::Opened,
            Action::KeepFilter if filter.is_open() => Change::Kept,
            Action::Back if clears => Change::Text,
            _ => return None,
        };
        Some(self.with_part(None, |part, cx, out| {
            if let Some(filter) = part.filter_mut() {
                match change {
                    Change::Opened => filter.open(),
                    Change::Kept => filter.keep(),
                    Change::Text => filter.clear(),
                }
                part.filtered(change, cx, out);
            }
        }))
    }

    /// Does an act: the top part first, then the frame.
    pub fn act(&mut self, action: Action) -> Vec<Intent> {
        self.act_in(None, action)
    }

    /// Does an act in the part of `owner`, the top one without: that first, then the frame.
    pub(super) fn act_in(&mut self, owner: Option<&Owner>, action: Action) -> Vec<Intent> {
        let top = self.top_owner();
        let owner = owner.unwrap_or(&top);
        let part = self.part_of(owner);
        if let Some(why) = part.and_then(|part| self.why_not_in(part, action)) {
            self.say(Level::Warning, why);
            return Vec::new();
        }
        if *owner == top
            && let Some(intents) = self.act_on_filter(action)
        {
            return intents;
        }
        let mut known = false;
        let intents = self.with_part(Some(owner), |part, cx, out| known = part.act(action, cx, out));
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
                self.push(Box::new(Messages::default()));
                self.with_part(None, |part, cx, out| part.shown(cx, out))
            }
            Action::Palette => self.open_palette(""),
            Action::GoProvider => self.open_palette("go to provider "),
            Action::GoTarget => self.open_palette("use target "),
            Action::GoStrategy => self.open_palette("strategy: "),
            Action::Jump => {
                self.jumping = self.top().panes().len() > 1;
                Vec::new()
            }
            Action::Copied => {
                if let Some((what, text)) = &self.copied {
                    let about = "select it with the mouse, where the terminal takes no copy";
                    let pager = Pager::new(format!("Copied: {what}"), about, text);
                    self.push(Box::new(pager));
                }
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
                self.with_part(None, |part, cx, out| part.shown(cx, out))
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

    fn open_palette(&mut self, typed: &str) -> Vec<Intent> {
        let palette = Palette::of(self, typed);
        self.push(Box::new(palette));
        Vec::new()
    }

    fn neighbour(&self, steps: usize) -> Tab {
        let place = Tab::ALL.iter().position(|tab| *tab == self.tab).unwrap_or(0);
        Tab::ALL[(place + steps) % Tab::ALL.len()]
    }

    fn quit(&mut self) -> Vec<Intent> {
        let lost = self.layers.iter().map(|layer| layer.part.as_ref()).chain(self.screens.iter());
        let lost: Vec<String> = lost.filter_map(Part::would_lose).collect();
        // Of all questions only the one below lets this come up to the frame.
        let asked = self.top().contexts().contains(&Context::Confirm);
        if lost.is_empty() || asked {
            return vec![Intent::Quit];
        }
        let question = Confirm::new("Leave lmdeck?", lost, "Stay").with("Leave", Effect::Quit);
        self.push(Box::new(question.of_leaving()));
        Vec::new()
    }

    pub(super) fn go(&mut self, tab: Tab) -> Vec<Intent> {
        self.tab = tab;
        self.with_part(Some(&Owner::Screen(tab)), |part, cx, out| part.shown(cx, out))
    }

    fn pass_to(&mut self, tab: Tab) -> Vec<Intent> {
        self.screens.get_mut(tab).passed_through();
        self.go(tab)
    }

    /// Opens a tab with the cursor on `place`.
    pub(in crate::tui) fn go_to(&mut self, tab: Tab, place: &Place) -> Vec<Intent> {
        let intents = self.go(tab);
        self.with_owner(&Owner::Screen(tab), |part, cx, _| part.focus_on(place, cx));
        intents
    }
}
