//! A choice out of many, narrowed by typing. What is chosen is handed to the part below; esc chooses nothing.

use crate::present::text;
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::{Context, Key};
use crate::tui::part::{Cx, Effect, Outbox, Part};
use crate::tui::theme::Role;
use crate::tui::widgets::line::Line;
use crate::tui::widgets::list::Selection;
use ratatui::layout::Rect;

/// The widest and the tallest the box gets.
const MOST: (u16, u16) = (84, 22);

/// One thing that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub value: String,
    /// What it means, in a few words.
    pub about: String,
}

impl Choice {
    pub fn new(value: impl Into<String>, about: impl Into<String>) -> Self {
        Self { value: value.into(), about: about.into() }
    }
}

pub struct Picker {
    title: String,
    choices: Vec<Choice>,
    /// Makes a choice of a text that none of the rows has.
    typed: Option<fn(&str, &Cx<'_>) -> Option<Choice>>,
    filter: Line,
    cursor: Selection<String>,
}

impl Picker {
    /// `now` is the choice in force: the cursor begins there.
    pub fn new(title: impl Into<String>, choices: Vec<Choice>, now: &str) -> Self {
        let mut cursor = Selection::default();
        let values: Vec<String> = choices.iter().map(|choice| choice.value.clone()).collect();
        if values.iter().any(|value| value == now) {
            cursor.set(now.to_owned(), &values);
        }
        cursor.settle(&values);
        Self { title: title.into(), choices, typed: None, filter: Line::default(), cursor }
    }

    pub fn or_typed(mut self, make: fn(&str, &Cx<'_>) -> Option<Choice>) -> Self {
        self.typed = Some(make);
        self
    }

    fn rows(&self, cx: &Cx<'_>) -> Vec<Choice> {
        let wanted = self.filter.value().trim().to_lowercase();
        let holds = |choice: &&Choice| {
            let (value, about) = (choice.value.to_lowercase(), choice.about.to_lowercase());
            wanted.split_whitespace().all(|word| value.contains(word) || about.contains(word))
        };
        let mut rows: Vec<Choice> = self.choices.iter().filter(holds).cloned().collect();
        let typed = self.filter.value().trim();
        if !typed.is_empty() && rows.iter().all(|row| row.value != typed) {
            rows.extend(self.typed.and_then(|make| make(typed, cx)));
        }
        rows
    }

    fn values(&self, cx: &Cx<'_>) -> Vec<String> {
        self.rows(cx).into_iter().map(|choice| choice.value).collect()
    }

    /// After the filter changed the first row is the likely one.
    fn refilter(&mut self, cx: &Cx<'_>) {
        let values = self.values(cx);
        self.cursor.act(Action::First, &values);
    }
}

impl Part for Picker {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Picker]
    }

    fn typing(&self) -> bool {
        true
    }

    fn key(&mut self, key: Key, cx: &Cx<'_>, _: &mut Outbox) -> bool {
        let before = self.filter.value().to_owned();
        let used = self.filter.key(key);
        if self.filter.value() != before {
            self.refilter(cx);
        }
        used
    }

    fn paste(&mut self, text: &str, cx: &Cx<'_>, _: &mut Outbox) {
        self.filter.paste(text);
        self.refilter(cx);
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        let values = self.values(cx);
        match action {
            Action::Open => {
                if let Some(value) = self.cursor.place(&values).and_then(|place| values.get(place)) {
                    out.push(Effect::Close);
                    out.push(Effect::Hand(value.clone()));
                }
            }
            Action::Back => out.push(Effect::Close),
            _ => return self.cursor.act(action, &values),
        }
        true
    }

    fn why_not(&self, action: Action, cx: &Cx<'_>) -> Option<String> {
        (action == Action::Open && self.rows(cx).is_empty()).then(|| "nothing holds this text: ctrl-u clears it".into())
    }

    fn shows_below(&self, _: Rect) -> bool {
        true
    }

    fn about(&self) -> &'static str {
        "Typing narrows the rows, the arrows move, enter takes the one with the mark."
    }

    fn plain(&self, cx: &Cx<'_>) -> Vec<String> {
        let rows = self.rows(cx);
        let values: Vec<String> = rows.iter().map(|row| row.value.clone()).collect();
        let chosen = self.cursor.place(&values);
        let line = |(place, row): (usize, &Choice)| {
            let mark = if Some(place) == chosen { ", chosen" } else { "" };
            format!("{} {}: {}{mark}", place + 1, row.value, row.about)
        };
        std::iter::once(self.title.clone()).chain(rows.iter().enumerate().map(line)).collect()
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let rows = self.rows(canvas.cx);
        let values: Vec<String> = rows.iter().map(|row| row.value.clone()).collect();
        let width = MOST.0.min(area.width.saturating_sub(2));
        // From all choices, not from those left: the box stays where it is while one types.
        let wanted = u16::try_from(self.choices.len()).unwrap_or(u16::MAX).saturating_add(4).max(6);
        let height = wanted.min(MOST.1).min(area.height);
        let x = area.x + area.width.saturating_sub(width) / 2;
        let y = area.y + area.height.saturating_sub(height) / 2;
        let frame = Rect::new(x, y, width, height);
        canvas.clear(frame);
        canvas.frame(frame, &self.title);
        let inner = Rect::new(x + 2, y + 1, width.saturating_sub(4), height.saturating_sub(2));
        canvas.text(inner.x, inner.y, 1, "/", Role::Accent);
        let count = format!("{} of {}", rows.len(), self.choices.len().max(rows.len()));
        let used = canvas.right(inner.x, inner.right(), inner.y, &count, Role::Muted);
        self.filter.draw(canvas, inner.x + 2, inner.y, inner.width.saturating_sub(used + 4), true);
        let list = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
        if rows.is_empty() {
            canvas.text(list.x + 2, list.y, list.width.saturating_sub(2), "Nothing holds this text.", Role::Muted);
            return;
        }
        let place = self.cursor.place(&values).unwrap_or(0);
        let first = self.cursor.window(place, rows.len(), usize::from(list.height));
        let value_wide = value_width(&rows, list.width);
        for ((n, row), y) in rows.iter().enumerate().skip(first).zip(list.top()..list.bottom()) {
            canvas.text(list.x, y, 1, if n == place { ">" } else { " " }, Role::Plain);
            canvas.text(list.x + 2, y, value_wide, &row.value, Role::Plain);
            let at = list.x + 4 + value_wide;
            canvas.text(at, y, list.right().saturating_sub(at), &row.about, Role::Muted);
            if n == place {
                canvas.select(Rect { y, height: 1, ..list }, 0..0);
            }
        }
    }
}

/// Columns for the values: what the widest needs, but the words about it keep a third.
fn value_width(rows: &[Choice], width: u16) -> u16 {
    let widest = rows.iter().map(|row| text::width(&row.value)).max().unwrap_or(0);
    let room = width.saturating_sub(4);
    u16::try_from(widest).unwrap_or(u16::MAX).min(room - room / 3)
}
