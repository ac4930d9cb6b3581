//! The editor of one request type's order: its name while it is new, and its targets in order. Nothing is
//! written before ctrl-s.

use super::choices;
use crate::engine::protocol::{Command, Level, Reply, Snapshot};
use crate::present::{text, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::{Context, Key};
use crate::tui::layers::choose::{Choices, Choose};
use crate::tui::layers::confirm::Confirm;
use crate::tui::layers::saving::{self, Outcome, Saving};
use crate::tui::part::{Cx, Effect, Outbox, Part, Ticket};
use crate::tui::theme::Role;
use crate::tui::told::Told;
use crate::tui::widgets::line::{Line, Put};
use crate::tui::widgets::list::Selection;
use ratatui::layout::Rect;

/// Characters of a request type's name.
const LONGEST_NAME: usize = 100;
/// Columns of the label and of an item.
const LABEL: u16 = 13;
const ITEM: u16 = 36;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Focus {
    Name,
    Items,
}

pub struct OrderEditor {
    /// The name stands and is not to be changed.
    own: bool,
    name: Line,
    items: Vec<String>,
    saved: Vec<String>,
    focus: Focus,
    /// By place: the same item may stand twice in a file.
    cursor: Selection<usize>,
    complaint: Option<String>,
    saving: Saving,
}

impl OrderEditor {
    pub fn new() -> Self {
        Self::with(false, "", &[])
    }

    pub fn edit(name: &str, items: &[String]) -> Self {
        Self::with(true, name, items)
    }

    fn with(own: bool, name: &str, items: &[String]) -> Self {
        Self {
            own,
            name: Line::new(name),
            items: items.to_vec(),
            saved: items.to_vec(),
            focus: if own { Focus::Items } else { Focus::Name },
            cursor: Selection::default(),
            complaint: None,
            saving: Saving::default(),
        }
    }

    fn modified(&self) -> bool {
        self.items != self.saved || (!self.own && !self.name.value().trim().is_empty())
    }

    fn places(&self) -> Vec<usize> {
        (0..self.items.len()).collect()
    }

    fn chosen(&self) -> Option<usize> {
        self.cursor.place(&self.places())
    }

    fn select(&mut self, place: usize) {
        let places = self.places();
        self.cursor.set(place.min(places.len().saturating_sub(1)), &places);
    }

    fn swap(&mut self, down: bool) {
        let Some(place) = self.chosen() else { return };
        let other = if down { place + 1 } else { place.wrapping_sub(1) };
        if other < self.items.len() {
            self.items.swap(place, other);
            self.select(other);
        }
    }

    fn name_complaint(&self, snapshot: &Snapshot) -> Option<String> {
        let name = self.name.value().trim();
        if self.own {
            None
        } else if name.is_empty() {
            Some("a request type is needed, as callers label their work: quick_responses".into())
        } else if name.chars().count() > LONGEST_NAME {
            Some(format!("a request type has at most {LONGEST_NAME} characters"))
        } else if snapshot.routing.rules.request_orders.iter().any(|(known, _)| known == name) {
            Some(format!("{name} has an order already: esc, then enter on it"))
        } else {
            None
        }
    }

    fn save(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.complaint = self.name_complaint(cx.snapshot);
        if self.complaint.is_some() {
            self.focus = Focus::Name;
            return;
        }
        if self.items.is_empty() {
            self.focus = Focus::Items;
            let hint = if self.own { "; to delete the order, d on it in the list" } else { "" };
            self.complaint = Some(format!("an order needs a target: a adds one{hint}"));
            return;
        }
        if let Some(theirs) = self.theirs(cx.snapshot) {
            return self.ask_whose(&theirs, out);
        }
        let request_type = self.name.value().trim().to_owned();
        self.saving.ask(Command::SetOrder { request_type, items: self.items.clone() }, out);
    }

    /// What the file says now, where someone else changed the order while it was edited; none: it is gone.
    fn theirs(&self, snapshot: &Snapshot) -> Option<Vec<String>> {
        let known = |(name, _): &&(String, Vec<String>)| name == self.name.value();
        let now = snapshot.routing.rules.request_orders.iter().find(known).map(|(_, items)| items.as_slice());
        let now = now.unwrap_or_default();
        (self.own && now != self.saved && now != self.items).then(|| now.to_vec())
    }

    /// An order is one list: of two changes of it only one can stand.
    fn ask_whose(&self, theirs: &[String], out: &mut Outbox) {
        let said = |items: &[String]| if items.is_empty() { "none: it was deleted".into() } else { items.join(", ") };
        let lines = vec![format!("In the file: {}", said(theirs)), format!("Yours: {}", said(&self.items))];
        let question = Confirm::new("The order was changed meanwhile", lines, "Back to the order")
            .with("Put mine in its place", Effect::Pass(Action::FormSaveOnTop))
            .with("Drop mine", Effect::Pass(Action::FormDiscard));
        out.push(Effect::Open(Box::new(question)));
    }

    fn title(&self) -> String {
        if self.own { format!("Order of {}", self.name.value()) } else { "New order".to_owned() }
    }

    /// Whether the chain goes on after the last item, in a sentence.
    fn end(&self) -> &'static str {
        let goes_on = |item: &String| {
            item == "auto" || item == "fastest" || crate::domain::routing::Strategy::from_word(item).is_some()
        };
        if self.items.iter().any(goes_on) {
            "A strategy takes in every other model that can answer."
        } else {
            "It ends here: a strategy as the last target would go on with all the rest."
        }
    }
}

impl Part for OrderEditor {
    fn contexts(&self) -> &'static [Context] {
        match self.focus {
            Focus::Name => &[Context::OrderName],
            Focus::Items => &[Context::OrderItems, Context::List],
        }
    }

    fn typing(&self) -> bool {
        self.focus == Focus::Name
    }

    fn key(&mut self, key: Key, _: &Cx<'_>, _: &mut Outbox) -> bool {
        let used = self.name.key(key);
        if used {
            self.complaint = None;
        }
        used
    }

    fn put(&mut self, text: &str, put: Put, _: &Cx<'_>, out: &mut Outbox) {
        if self.focus == Focus::Name {
            out.complain(self.name.put(text, put));
            self.complaint = None;
        }
    }

    fn why_not(&self, action: Action, _: &Cx<'_>) -> Option<String> {
        let last = self.items.len().checked_sub(1);
        let why = match action {
            Action::ItemRemove if last.is_none() => "there is no target: a adds one",
            Action::ItemUp if self.chosen().is_none_or(|place| place == 0) => "it is the first already",
            Action::ItemDown if self.chosen() == last => "it is the last already",
            Action::FieldPrevious if self.own => "the type of an order stays: a in the list adds one for another type",
            Action::FormSave if self.saving.is_asked() => "it is being saved",
            Action::FormSave if !self.modified() => "nothing was changed",
            _ => return None,
        };
        Some(why.to_owned())
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::FieldNext => {
                self.complaint = self.name_complaint(cx.snapshot);
                self.focus = Focus::Items;
            }
            Action::FieldPrevious => self.focus = Focus::Name,
            Action::ItemAdd => {
                let taken = self.items.clone();
                let free = Choices::new("Add a target", move |snapshot| choices::items(snapshot, &taken));
                out.push(Effect::Open(Box::new(Choose::new(free.or_typed(choices::typed_target)))));
            }
            Action::ItemRemove => {
                if let Some(place) = self.chosen() {
                    self.items.remove(place);
                    self.select(place);
                }
            }
            Action::ItemUp | Action::ItemDown => self.swap(action == Action::ItemDown),
            Action::FormSave => self.save(cx, out),
            Action::FormSaveOnTop => {
                // What was shown is answered for; what comes after it is asked about again.
                if let Some(theirs) = self.theirs(cx.snapshot) {
                    self.saved = theirs;
                }
                self.saving.reread(out);
            }
            Action::FormLeave | Action::Back => {
                saving::leave(self.modified(), "order", "What you changed is not saved.", out);
            }
            Action::FormDiscard => out.push(Effect::Close),
            _ => return self.focus == Focus::Items && self.cursor.act(action, &self.places()),
        }
        true
    }

    fn take(&mut self, text: &str, _: &Cx<'_>, _: &mut Outbox) {
        let place = self.chosen().map_or(0, |place| place + 1);
        self.items.insert(place, text.to_owned());
        self.select(place);
        self.complaint = None;
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, out: &mut Outbox) {
        match self.saving.reply(ticket, reply, "order", out) {
            Some(Outcome::Saved) => {
                out.push(Effect::Close);
                out.push(Effect::Hand(self.name.value().trim().to_owned()));
            }
            Some(Outcome::Again) => self.save(cx, out),
            Some(Outcome::Refused(_)) | None => {}
        }
    }

    fn changed(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        if self.modified() || self.saving.is_asked() {
            return;
        }
        if let Some(theirs) = self.theirs(cx.snapshot).filter(|theirs| !theirs.is_empty()) {
            self.items.clone_from(&theirs);
            self.saved = theirs;
            out.say(Level::Warning, format!("the order of {} was changed meanwhile", self.name.value()));
        }
    }

    fn would_lose(&self) -> Option<String> {
        self.modified().then(|| "The order is not saved.".to_owned())
    }

    fn shows_below(&self, area: Rect) -> bool {
        area.width >= super::TWO_PANES
    }

    fn about(&self) -> &'static str {
        "Where requests of this type go: the first target that can take one gets it. Nothing is written before ctrl-s."
    }

    fn told(&self, cx: &Cx<'_>) -> Vec<Told> {
        let count = self.items.len();
        let title = format!("{}, {}", self.title(), units::count(count as u64, "target", "targets"));
        // An item is known by its name: its place is told when it is chosen, and moves with the others'.
        let item = |(place, item): (usize, &String)| {
            let said = format!("{} of {count}: {item}, {}", place + 1, choices::item_about(item, cx.snapshot));
            Told::state(item, said)
        };
        let mut lines = vec![Told::from(title)];
        lines.extend(self.items.iter().enumerate().map(item));
        lines.extend(self.complaint.iter().map(|complaint| Told::from(format!("Error: {complaint}"))));
        lines
    }

    fn choice(&self, _: &Cx<'_>) -> Option<String> {
        let place = self.chosen()?;
        self.items.get(place).map(|item| format!("{}, {item}", place + 1))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, whole: Rect) {
        let area = if self.shows_below(whole) {
            let x = whole.x + super::LEFT + 1;
            canvas.joint(x - 1, whole.y, false);
            Rect { x, width: whole.right().saturating_sub(x), ..whole }
        } else {
            whole
        };
        canvas.clear(area);
        let status = if self.modified() { "Modified" } else { "Not modified" };
        canvas.rule(Rect { height: 1, ..area }, &self.title(), status, true);
        let end = area.right().saturating_sub(1);
        let mut y = area.y + 1;
        if !self.own {
            let focused = self.focus == Focus::Name;
            canvas.text(area.x, y, 1, if focused { ">" } else { " " }, Role::Accent);
            canvas.text(area.x + 2, y, LABEL, "Type *", if focused { Role::Title } else { Role::Plain });
            let x = area.x + LABEL + 2;
            self.name.draw(canvas, x, y, end.saturating_sub(x), focused);
            y += 1;
        }
        // The row is there before the complaint: nothing jumps.
        if let Some(complaint) = &self.complaint {
            let room = end.saturating_sub(area.x + 2);
            canvas.spans(area.x + 2, y, room, &[("[x] ", Role::Bad), (complaint.as_str(), Role::Plain)]);
        }
        y += 1;
        let below = Rect { y, height: area.bottom().saturating_sub(y), ..area };
        self.draw_items(canvas, below);
    }
}

impl OrderEditor {
    fn draw_items(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let end = area.right().saturating_sub(1);
        let roomy = area.height >= 8;
        let mut y = area.y;
        if roomy {
            let role = if self.focus == Focus::Items { Role::Title } else { Role::Plain };
            canvas.text(
                area.x + 2,
                y,
                area.width.saturating_sub(3),
                "Targets, the first that can take it gets it",
                role,
            );
            y += 1;
        }
        if self.items.is_empty() {
            canvas.text(area.x + 2, y, area.width.saturating_sub(3), "No targets yet: a adds one.", Role::Muted);
            return;
        }
        let rows = area.bottom().saturating_sub(y).saturating_sub(if roomy { 3 } else { 0 });
        let chosen = self.chosen().unwrap_or(0);
        let first = self.cursor.window(chosen, self.items.len(), usize::from(rows));
        for (place, item) in self.items.iter().enumerate().skip(first).take(usize::from(rows)) {
            let here = place == chosen;
            let number = text::pad_left(&(place + 1).to_string(), 2);
            canvas.text(area.x, y, 1, if here { ">" } else { " " }, Role::Plain);
            canvas.text(area.x + 2, y, 2, &number, Role::Muted);
            let x = area.x + 6;
            let about = choices::item_about(item, canvas.cx.snapshot);
            let room = end.saturating_sub(x);
            let wide = if room >= ITEM + 20 { ITEM } else { room };
            canvas.text(x, y, wide, item, Role::Plain);
            if wide < room {
                canvas.text(x + wide + 2, y, room.saturating_sub(wide + 2), &about, Role::Muted);
            }
            if here && self.focus == Focus::Items {
                canvas.select(Rect::new(area.x, y, area.width, 1), 0..0);
            }
            y += 1;
        }
        if roomy {
            let lines = text::wrap(self.end(), usize::from(area.width.saturating_sub(4)));
            for (line, y) in lines.iter().zip(y + 1..area.bottom()) {
                canvas.text(area.x + 2, y, area.width.saturating_sub(3), line, Role::Muted);
            }
        }
    }
}
