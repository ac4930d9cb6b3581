//! The prompt as it stands becomes a preset: its name, what stands in for its variables, then the change of the
//! file to look at before it is written.

use crate::domain::preset::{ANSWER_FIELD, Preset};
use crate::engine::protocol::{Command, Level, PresetDraft, PresetEdit, Reply, Snapshot};
use crate::present::{text, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::{Context, Key, Meaning};
use crate::tui::layers::review::Review;
use crate::tui::layers::saving::{self, Outcome, Saving, with_remedy};
use crate::tui::part::{Cx, Effect, Outbox, Part, Place, Tab, Ticket};
use crate::tui::theme::Role;
use crate::tui::widgets::line::{Line, Put};
use crate::tui::widgets::lines::Lines;
use crate::tui::widgets::scroll::Scroll;
use ratatui::layout::Rect;

/// Columns of a label at most.
const LABEL: usize = 28;
/// Characters of a text that are shown.
const SHOWN: usize = 2000;

pub struct Keep {
    /// The prompt and its settings; name and defaults are in the lines.
    preset: Preset,
    /// The one that the prompt was filled with, as it stood then.
    taken: Option<Preset>,
    /// Name, answer field, then a default per variable.
    lines: Vec<(String, Line)>,
    focus: usize,
    /// The texts of the lines at opening.
    given: Vec<String>,
    /// What else will stand in it.
    scroll: Scroll,
    complaint: Option<String>,
    /// The change being worked out.
    difference: Option<Ticket>,
    saving: Saving,
}

impl Keep {
    pub fn of(preset: Preset, taken: Option<Preset>) -> Self {
        let field = match preset.answer_field.as_str() {
            "" => ANSWER_FIELD,
            field => field,
        };
        let mut lines =
            vec![("Name *".to_owned(), Line::new(preset.name.as_str())), ("Answer field".to_owned(), Line::new(field))];
        let default = |name: &str| preset.defaults.get(name).map_or("", String::as_str);
        lines.extend(
            preset.variables().into_iter().map(|name| (format!("Default of {name}"), Line::new(default(name)))),
        );
        let given = lines.iter().map(|(_, line)| line.value().to_owned()).collect();
        Self {
            preset,
            taken,
            lines,
            focus: 0,
            given,
            scroll: Scroll::default(),
            complaint: None,
            difference: None,
            saving: Saving::default(),
        }
    }

    fn modified(&self) -> bool {
        self.lines.iter().map(|(_, line)| line.value()).ne(self.given.iter().map(String::as_str))
    }

    fn name(&self) -> &str {
        self.lines.first().map_or("", |(_, line)| line.value().trim())
    }

    /// The preset of this name in the file, which saving changes.
    fn known<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Preset> {
        snapshot.config.presets.iter().find(|preset| preset.name == self.name())
    }

    /// The preset as it will stand: what others changed since it was taken stays, where the person did not change it.
    fn made(&self, snapshot: &Snapshot) -> Preset {
        let typed = self.typed();
        match (self.taken.as_ref().filter(|taken| taken.name == typed.name), self.known(snapshot)) {
            (Some(taken), Some(known)) => put_on(known, taken, typed),
            _ => typed,
        }
    }

    fn typed(&self) -> Preset {
        let value = |place: usize| self.lines.get(place).map_or("", |(_, line)| line.value().trim());
        let variables = self.preset.variables().into_iter().enumerate();
        let defaults = variables.filter_map(|(place, name)| match value(place + 2) {
            "" => None,
            default => Some((name.to_owned(), default.to_owned())),
        });
        let field = match value(1) {
            "" => ANSWER_FIELD,
            field => field,
        };
        Preset {
            name: self.name().to_owned(),
            answer_field: field.to_owned(),
            defaults: defaults.collect(),
            ..self.preset.clone()
        }
    }

    fn command(&self, snapshot: &Snapshot, dry_run: bool) -> Command {
        let (made, known) = (self.made(snapshot), self.known(snapshot));
        let mut draft = PresetDraft::to_become(&made, known);
        let before = known.map_or(ANSWER_FIELD, |known| &known.answer_field);
        draft.answer_field = (made.answer_field != before).then(|| made.answer_field.clone());
        let name = made.name;
        let edit = match known {
            Some(_) => PresetEdit::Edit { name, draft },
            None => PresetEdit::Add { name, draft },
        };
        Command::EditPreset { edit: Box::new(edit), dry_run }
    }

    fn review(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        if let Err(sentence) = Preset::check_name(self.name()) {
            self.focus = 0;
            self.complaint = Some(format!("{sentence}: as in generate-prayer"));
            return;
        }
        self.difference = Some(out.ask(self.command(cx.snapshot, true)));
    }

    fn difference_came(&mut self, reply: &Reply, out: &mut Outbox) {
        match reply {
            Reply::Edited(report) if report.difference.is_empty() => {
                out.say(Level::Info, "nothing would change in the file");
            }
            Reply::Edited(report) => out.push(Effect::Open(Box::new(Review::of(report)))),
            Reply::Refused(refusal) => {
                self.point_out(&refusal.message, &refusal.remedy);
                saving::refused(refusal, "preset", out);
            }
            _ => {}
        }
    }

    fn point_out(&mut self, message: &str, remedy: &str) {
        self.complaint = Some(with_remedy(message, remedy));
    }

    fn title(&self, snapshot: &Snapshot) -> String {
        match self.known(snapshot) {
            Some(known) => format!("Change preset {}", known.name),
            None => "Keep as a preset".to_owned(),
        }
    }

    /// What else will stand in it.
    fn rest(&self, width: usize, snapshot: &Snapshot) -> Lines {
        let made = self.made(snapshot);
        let mut lines = Lines::new(width);
        let asked = |what: Option<String>| what.unwrap_or_else(|| "as configured".into());
        let kind = if made.request_type.is_empty() { "none" } else { &made.request_type };
        lines.labelled("Type", 13, kind);
        lines.labelled("Target", 13, made.wanted());
        lines.labelled("Temperature", 13, &asked(made.temperature.map(|value| value.to_string())));
        lines.labelled("Max tokens", 13, &asked(made.max_tokens.map(units::thousands)));
        for (label, template) in [("System", &made.system_prompt), ("Prompt", &made.prompt)] {
            if !template.is_blank() {
                lines.labelled(label, 13, &template.source().chars().take(SHOWN).collect::<String>());
            }
        }
        if made.variables().is_empty() {
            lines.blank();
            lines.wrapped(0, "No variables: {{name}} in the prompt or the system prompt would be one.", Role::Muted);
        }
        lines
    }
}

/// What was changed from `before` to `mine`, on top of `now`.
fn put_on(now: &Preset, before: &Preset, mine: Preset) -> Preset {
    fn of<T: PartialEq + Clone>(now: &T, before: &T, mine: T) -> T {
        if mine == *before { now.clone() } else { mine }
    }
    // No field at all is the usual one.
    let field = |preset: &Preset| match preset.answer_field.as_str() {
        "" => ANSWER_FIELD.to_owned(),
        field => field.to_owned(),
    };
    Preset {
        answer_field: of(&field(now), &field(before), mine.answer_field),
        request_type: of(&now.request_type, &before.request_type, mine.request_type),
        system_prompt: of(&now.system_prompt, &before.system_prompt, mine.system_prompt),
        prompt: of(&now.prompt, &before.prompt, mine.prompt),
        model: of(&now.model, &before.model, mine.model),
        max_tokens: of(&now.max_tokens, &before.max_tokens, mine.max_tokens),
        temperature: of(&now.temperature, &before.temperature, mine.temperature),
        defaults: of(&now.defaults, &before.defaults, mine.defaults),
        ..now.clone()
    }
}

impl Part for Keep {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Preset]
    }

    fn typing(&self) -> bool {
        true
    }

    fn key(&mut self, key: Key, cx: &Cx<'_>, _: &mut Outbox) -> bool {
        if cx.keymap.meaning(self.contexts(), None, key) != Meaning::Nothing {
            return false;
        }
        let used = self.lines.get_mut(self.focus).is_some_and(|(_, line)| line.key(key));
        if used {
            self.complaint = None;
        }
        used
    }

    fn put(&mut self, text: &str, put: Put, _: &Cx<'_>, out: &mut Outbox) {
        if let Some((_, line)) = self.lines.get_mut(self.focus) {
            out.complain(line.put(text, put));
            self.complaint = None;
        }
    }

    fn why_not(&self, action: Action, _: &Cx<'_>) -> Option<String> {
        (action == Action::FormSave && self.saving.is_asked()).then(|| "it is being saved".to_owned())
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        let count = self.lines.len();
        match action {
            Action::FieldNext => self.focus = (self.focus + 1) % count,
            Action::FieldPrevious => self.focus = (self.focus + count - 1) % count,
            Action::FormSave => self.review(cx, out),
            Action::RuleSave => {
                let command = self.command(cx.snapshot, false);
                self.saving.ask(command, out);
            }
            Action::FormSaveOnTop => self.saving.reread(out),
            // The prompt itself stays in the playground: what was typed here would be lost.
            Action::FormLeave | Action::Back => {
                saving::leave(self.modified(), "preset", "What you typed is not saved.", out);
            }
            Action::FormDiscard => out.push(Effect::Close),
            Action::PageUp | Action::PageDown => return self.scroll.act(action),
            _ => return false,
        }
        true
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, cx: &Cx<'_>, out: &mut Outbox) {
        if self.difference.take_if(|asked| *asked == ticket).is_some() {
            return self.difference_came(reply, out);
        }
        match self.saving.reply(ticket, reply, "preset", out) {
            Some(Outcome::Saved) => {
                out.push(Effect::Close);
                out.push(Effect::Go(Tab::Playground, Some(Place::Kept(Box::new(self.typed())))));
            }
            Some(Outcome::Again) => {
                let command = self.command(cx.snapshot, false);
                self.saving.ask(command, out);
            }
            Some(Outcome::Refused(refusal)) => self.point_out(&refusal.message, &refusal.remedy),
            None => {}
        }
    }

    fn would_lose(&self) -> Option<String> {
        self.modified().then(|| "The preset is not saved.".to_owned())
    }

    fn about(&self) -> &'static str {
        "The prompt with its settings, under a name: for the playground, presets run and POST /api/v1/llm/NAME. \
         Nothing is written before ctrl-s was pressed twice."
    }

    fn plain(&self, cx: &Cx<'_>) -> Vec<String> {
        let mut lines = vec![self.title(cx.snapshot)];
        lines.extend(
            self.lines.iter().map(|(label, line)| format!("{}: {}", label.trim_end_matches(" *"), line.value())),
        );
        lines.extend(self.complaint.iter().map(|complaint| format!("Error: {complaint}")));
        lines.extend(self.rest(76, cx.snapshot).text().lines().map(str::to_owned));
        lines
    }

    fn choice(&self, _: &Cx<'_>) -> Option<String> {
        let (label, line) = self.lines.get(self.focus)?;
        let value = if line.is_empty() { "empty" } else { line.value() };
        Some(format!("{}: {value}", label.trim_end_matches(" *")))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        let title = self.title(canvas.cx.snapshot);
        canvas.rule(Rect { height: 1, ..area }, &title, "Not saved", true);
        let widest = self.lines.iter().map(|(label, _)| text::width(label)).max().unwrap_or(0);
        let label = u16::try_from(widest.clamp(12, LABEL)).unwrap_or(12);
        let most = usize::from(area.height.saturating_sub(8).max(2));
        let first = (self.focus + 1).saturating_sub(most);
        let mut y = area.y + 1;
        for (place, (name, line)) in self.lines.iter().enumerate().skip(first).take(most) {
            let focused = place == self.focus;
            canvas.text(area.x, y, 1, if focused { ">" } else { " " }, Role::Accent);
            canvas.text(area.x + 2, y, label, name, if focused { Role::Title } else { Role::Plain });
            let x = area.x + label + 4;
            let room = area.right().saturating_sub(x + 1);
            line.draw(canvas, x, y, room, focused);
            if line.is_empty() && !focused && place >= 2 {
                canvas.text(x, y, room, "(none: it has to be given)", Role::Muted);
            }
            y += 1;
        }
        // The row is there before the complaint: nothing jumps.
        if let Some(complaint) = &self.complaint {
            let room = area.width.saturating_sub(3);
            canvas.spans(area.x + 2, y, room, &[("[x] ", Role::Bad), (complaint.as_str(), Role::Plain)]);
        }
        y += 2;
        let rest = Rect::new(area.x + 2, y, area.width.saturating_sub(4), area.bottom().saturating_sub(y));
        self.scroll.draw(&self.rest(usize::from(rest.width), canvas.cx.snapshot), canvas, rest);
    }
}
