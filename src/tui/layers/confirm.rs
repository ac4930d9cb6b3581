//! A question before something is lost. The safe answer stands first and is the default; the act itself is a
//! value that the answer hands on.

use crate::engine::protocol::{Level, Snapshot};
use crate::present::{text, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::part::{Cx, Effect, Outbox, Part};
use crate::tui::theme::Role;
use crate::tui::widgets::scroll::Scroll;
use ratatui::layout::Rect;

struct Button {
    label: String,
    /// `None`: only closes.
    effect: Option<Effect>,
}

/// Above a question that was asked anew.
const RENEWED: &str = "This has changed since you were asked:";

/// The same question about another state; `None` when there is nothing to ask any more.
type Ask = Box<dyn Fn(&Snapshot) -> Option<Confirm>>;

pub struct Confirm {
    title: String,
    lines: Vec<String>,
    buttons: Vec<Button>,
    chosen: usize,
    scroll: Scroll,
    ask: Option<Ask>,
    /// It is another question than the one first asked.
    renewed: bool,
    /// Asked because the person leaves lmdeck: doing that again is the answer.
    of_leaving: bool,
}

impl Confirm {
    pub fn new(title: impl Into<String>, lines: Vec<String>, safe: &str) -> Self {
        let safe = Button { label: safe.to_owned(), effect: None };
        Self {
            title: title.into(),
            lines,
            buttons: vec![safe],
            chosen: 0,
            scroll: Scroll::default(),
            ask: None,
            renewed: false,
            of_leaving: false,
        }
    }

    /// One more answer.
    pub fn with(mut self, label: &str, effect: Effect) -> Self {
        self.buttons.push(Button { label: label.to_owned(), effect: Some(effect) });
        self
    }

    /// It is about what the snapshot says: asked anew when that changes, withdrawn when nothing is left to ask.
    pub fn about(mut self, ask: impl Fn(&Snapshot) -> Option<Self> + 'static) -> Self {
        self.ask = Some(Box::new(ask));
        self
    }

    /// The key that led here leaves when it is pressed again; at every other question it is the safe answer.
    pub fn of_leaving(self) -> Self {
        Self { of_leaving: true, ..self }
    }

    fn press(&mut self, out: &mut Outbox) {
        let acts = self.buttons.get(self.chosen).is_some_and(|button| button.effect.is_some());
        if acts && self.scroll.below() > 0 {
            // Nobody says yes to what was not on the screen. The row above the answers tells why; a message would
            // cover the very lines.
            self.scroll.act(Action::PageDown);
            return;
        }
        out.push(Effect::Close);
        if let Some(effect) = self.buttons.get_mut(self.chosen).and_then(|button| button.effect.take()) {
            out.push(effect);
        }
    }

    fn said(&self) -> impl Iterator<Item = &str> {
        self.renewed.then_some(RENEWED).into_iter().chain(self.lines.iter().map(String::as_str))
    }

    fn buttons_wide(&self) -> usize {
        self.buttons.iter().map(|button| text::width(&button.label) + 8).sum()
    }
}

impl Part for Confirm {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Confirm]
    }

    fn act(&mut self, action: Action, _: &Cx<'_>, out: &mut Outbox) -> bool {
        let count = self.buttons.len();
        match action {
            Action::ConfirmLeft => self.chosen = (self.chosen + count - 1) % count,
            Action::ConfirmRight => self.chosen = (self.chosen + 1) % count,
            Action::ConfirmPress => self.press(out),
            Action::ConfirmChoose(number) => {
                let place = usize::from(number).saturating_sub(1);
                if place < count {
                    self.chosen = place;
                    self.press(out);
                }
            }
            Action::PageUp | Action::PageDown => return self.scroll.act(action),
            Action::Back => out.push(Effect::Close),
            Action::Cancel if !self.of_leaving => out.push(Effect::Close),
            _ => return false,
        }
        true
    }

    fn changed(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        let Some(ask) = &self.ask else { return };
        match ask(cx.snapshot) {
            None => {
                out.push(Effect::Close);
                out.say(Level::Info, format!("{} There is nothing to ask any more.", self.title));
            }
            Some(now) if now.title == self.title && now.lines == self.lines => {}
            Some(now) => *self = Self { ask: self.ask.take(), renewed: true, ..now },
        }
    }

    fn shows_below(&self, _: Rect) -> bool {
        true
    }

    fn about(&self) -> &'static str {
        "The arrows choose, enter presses, esc is the safe answer."
    }

    fn plain(&self, _: &Cx<'_>) -> Vec<String> {
        let mut lines = vec![format!("Question: {}", self.title)];
        lines.extend(self.said().map(str::to_owned));
        lines.extend(self.buttons.iter().enumerate().map(|(place, button)| format!("{} {}", place + 1, button.label)));
        lines
    }

    fn choice(&self, _: &Cx<'_>) -> Option<String> {
        self.buttons.get(self.chosen).map(|button| format!("{}; enter presses it", button.label))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let widest = self.said().map(text::width).max().unwrap_or(0);
        let wanted = widest.max(self.buttons_wide()).max(text::width(&self.title) + 4) + 4;
        let width = u16::try_from(wanted).unwrap_or(u16::MAX).min(76).min(area.width.saturating_sub(2));
        let inner = width.saturating_sub(4);
        let mut lines: Vec<String> = self.said().flat_map(|line| text::wrap(line, usize::from(inner))).collect();
        let stacked = usize::from(inner) < self.buttons_wide();
        let button_rows = if stacked { self.buttons.len() } else { 1 };
        let room = usize::from(area.height).saturating_sub(3 + button_rows);
        let from = self.scroll.window(lines.len(), room);
        if room == 0 {
            // Nothing of it fits and nothing can be brought into sight.
            self.scroll.seen(0);
        }
        lines.drain(..from);
        let below = lines.len().saturating_sub(room);
        lines.truncate(room);
        let height = u16::try_from(lines.len() + button_rows + 3).unwrap_or(u16::MAX).min(area.height);
        let x = area.x + area.width.saturating_sub(width) / 2;
        let y = area.y + area.height.saturating_sub(height) / 2;
        let frame = Rect::new(x, y, width, height);
        canvas.clear(frame);
        canvas.frame(frame, &self.title);
        let mut row = y + 1;
        for line in &lines {
            canvas.text(x + 2, row, inner, line, Role::Plain);
            row += 1;
        }
        // The row between question and answers tells that there is more.
        if below > 0 {
            let said = format!("{}, pgdn shows them", units::count(below as u64, "more line", "more lines"));
            canvas.text(x + 2, row, inner, &said, Role::Warn);
        } else if from > 0 {
            canvas.text(x + 2, row, inner, "pgup goes back", Role::Muted);
        }
        row += 1;
        let mut column = x + 2;
        for (place, button) in self.buttons.iter().enumerate() {
            let chosen = place == self.chosen;
            let text = format!("{} [ {} ]", if chosen { ">" } else { " " }, button.label);
            let role = if chosen { Role::Title } else { Role::Plain };
            let used = canvas.text(column, row, (x + width).saturating_sub(column + 1), &text, role);
            if chosen {
                canvas.select(Rect::new(column + 2, row, used.saturating_sub(2), 1), 0..0);
            }
            if stacked {
                row += 1;
            } else {
                column += used + 2;
            }
        }
    }
}
