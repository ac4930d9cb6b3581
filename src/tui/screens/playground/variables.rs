//! The variables of a preset get their values, above the texts as they will be sent.

use super::editor::Editor;
use crate::domain::preset::{Preset, Unfilled, Values};
use crate::engine::protocol::Level;
use crate::present::{text, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::{Context, Key, Meaning};
use crate::tui::part::{Cx, Effect, Outbox, Part, Place, Tab};
use crate::tui::theme::Role;
use crate::tui::widgets::line::Put;
use crate::tui::widgets::lines::Lines;
use crate::tui::widgets::scroll::Scroll;
use ratatui::layout::Rect;

/// Columns of a label at most.
const LABEL: usize = 24;
/// Characters of a filled text that are shown.
const SHOWN: usize = 4000;
/// Rows left to the texts below the variables.
const TEXT_ROWS: u16 = 4;

struct Variable {
    name: String,
    value: Editor,
    default: Option<String>,
}

pub struct Variables {
    preset: Preset,
    fields: Vec<Variable>,
    focus: usize,
    /// The values it was opened with.
    given: Values,
    /// The texts below the variables.
    scroll: Scroll,
}

impl Variables {
    /// `values` are those given before.
    pub fn of(preset: Preset, values: &Values) -> Self {
        let variable = |name: &str| Variable {
            name: name.to_owned(),
            value: Editor::new(values.get(name).map_or("", String::as_str)),
            default: preset.defaults.get(name).cloned(),
        };
        let fields: Vec<Variable> = preset.variables().into_iter().map(variable).collect();
        let empty = |variable: &Variable| variable.value.is_empty() && variable.default.is_none();
        let focus = fields.iter().position(empty).unwrap_or(0);
        let mut made = Self { preset, fields, focus, given: Values::default(), scroll: Scroll::default() };
        made.given = made.values();
        made
    }

    /// What was typed; an empty field leaves it to the default.
    fn values(&self) -> Values {
        let typed = self.fields.iter().filter(|variable| !variable.value.is_empty());
        typed.map(|variable| (variable.name.clone(), variable.value.text())).collect()
    }

    /// Closes; what was typed goes to the prompt, where it stands the next time too.
    fn hand_down(values: Values, ready: bool, out: &mut Outbox) {
        out.push(Effect::Close);
        out.push(Effect::Go(Tab::Playground, Some(Place::Values { values: Box::new(values), ready })));
    }

    fn send(&mut self, out: &mut Outbox) {
        let values = self.values();
        match self.preset.fill(&values) {
            Ok(_) => {
                Self::hand_down(values, true, out);
                out.push(Effect::Pass(Action::PromptSend));
            }
            Err(Unfilled::Missing(names)) => {
                let first = names.first().map_or("", String::as_str);
                self.focus = self.fields.iter().position(|variable| variable.name == first).unwrap_or(self.focus);
                out.say(Level::Warning, format!("{first} has no value and no default: type one"));
            }
            Err(Unfilled::Empty) => out.say(Level::Warning, "the prompt is empty with these values: type some"),
            Err(Unfilled::Unknown { .. }) => {}
        }
    }

    fn focused(&mut self) -> Option<&mut Editor> {
        self.fields.get_mut(self.focus).map(|variable| &mut variable.value)
    }

    fn move_focus(&mut self, forward: bool) {
        let count = self.fields.len().max(1);
        self.focus = (self.focus + if forward { 1 } else { count - 1 }) % count;
    }

    fn title(&self) -> String {
        if self.preset.name.is_empty() { "Variables".into() } else { format!("Preset {}", self.preset.name) }
    }

    /// The texts as they stand with what was typed.
    fn texts(&self, width: usize) -> Lines {
        let filled = self.preset.preview(&self.values());
        let mut lines = Lines::new(width);
        for (label, text) in [("System", filled.system_prompt.as_deref()), ("Prompt", Some(filled.prompt.as_str()))] {
            let Some(text) = text else { continue };
            lines.title(label);
            let shown: String = text.chars().take(SHOWN).collect();
            shown.lines().for_each(|line| lines.wrapped(2, line, Role::Plain));
        }
        lines
    }
}

impl Part for Variables {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Variables]
    }

    fn typing(&self) -> bool {
        true
    }

    fn key(&mut self, key: Key, cx: &Cx<'_>, _: &mut Outbox) -> bool {
        if cx.keymap.meaning(self.contexts(), None, key) != Meaning::Nothing {
            return false;
        }
        self.focused().is_some_and(|value| value.key(key))
    }

    fn put(&mut self, text: &str, put: Put, _: &Cx<'_>, out: &mut Outbox) {
        if let Some(value) = self.focused() {
            out.complain(value.put(text, put));
        }
    }

    fn act(&mut self, action: Action, _: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::PromptSend => self.send(out),
            Action::FieldNext | Action::FieldPrevious => self.move_focus(action == Action::FieldNext),
            Action::PromptNewLine => {
                if let Some(value) = self.focused() {
                    value.new_line();
                }
            }
            Action::PromptEditor => {
                if let Some(value) = self.focused() {
                    out.push(Effect::EditText(value.text()));
                }
            }
            Action::Back => Self::hand_down(self.values(), false, out),
            Action::PageUp | Action::PageDown => return self.scroll.act(action),
            _ => return false,
        }
        true
    }

    fn edited(&mut self, text: &str, _: &Cx<'_>, _: &mut Outbox) {
        if let Some(value) = self.focused() {
            value.replace(text);
        }
    }

    fn would_lose(&self) -> Option<String> {
        (self.values() != self.given).then(|| "The values of the variables were not sent.".to_owned())
    }

    fn about(&self) -> &'static str {
        "Each variable's value goes into the texts below as it is typed. An empty field leaves it to the default."
    }

    fn plain(&self, _: &Cx<'_>) -> Vec<String> {
        let count = self.fields.len();
        let mut lines = vec![format!("{}, {}", self.title(), units::count(count as u64, "variable", "variables"))];
        lines.extend(self.fields.iter().map(|variable| {
            let value = match (&variable.default, variable.value.is_empty()) {
                (_, false) => variable.value.text(),
                (Some(default), true) => format!("{default}, by default"),
                (None, true) => "no value yet".into(),
            };
            format!("{}: {value}", variable.name)
        }));
        lines.extend(self.texts(76).text().lines().map(str::to_owned));
        lines
    }

    fn choice(&self, _: &Cx<'_>) -> Option<String> {
        let variable = self.fields.get(self.focus)?;
        let value = if variable.value.is_empty() { "empty".into() } else { variable.value.text() };
        Some(format!("{}: {value}", variable.name))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        let count = units::count(self.fields.len() as u64, "variable", "variables");
        canvas.rule(Rect { height: 1, ..area }, &self.title(), &count, true);
        let widest = self.fields.iter().map(|variable| text::width(&variable.name) + 2).max().unwrap_or(0);
        let label = u16::try_from(widest.clamp(10, LABEL)).unwrap_or(10);
        let most = usize::from(area.height.saturating_sub(1 + TEXT_ROWS).max(1));
        let first = (self.focus + 1).saturating_sub(most);
        let mut y = area.y + 1;
        for (place, variable) in self.fields.iter().enumerate().skip(first).take(most) {
            let focused = place == self.focus;
            let needed = if variable.default.is_none() { " *" } else { "" };
            let name = format!("{}{needed}", variable.name);
            canvas.text(area.x, y, 1, if focused { ">" } else { " " }, Role::Accent);
            canvas.text(area.x + 2, y, label, &name, if focused { Role::Title } else { Role::Plain });
            let x = area.x + 2 + label + 2;
            let used = canvas.right(x, area.right().saturating_sub(1), y, &variable.value.position(1), Role::Muted);
            let room = area.right().saturating_sub(x + 1 + if used == 0 { 0 } else { used + 2 });
            variable.value.draw(canvas, Rect::new(x, y, room, 1), focused);
            if variable.value.is_empty() {
                let default = variable.default.as_ref().map_or("", String::as_str);
                // Beside the cursor, which stands on the first column.
                let shift = u16::from(focused) * 2;
                let said = if default.is_empty() { String::new() } else { format!("{default} (default)") };
                canvas.text(x + shift, y, room.saturating_sub(shift), &said, Role::Muted);
            }
            y += 1;
        }
        let rest = Rect::new(area.x + 2, y + 1, area.width.saturating_sub(4), area.bottom().saturating_sub(y + 1));
        self.scroll.draw(&self.texts(usize::from(rest.width)), canvas, rest);
    }
}
