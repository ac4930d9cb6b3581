//! The Playground screen: a prompt with its settings, what would happen on enter, and the answer as it is written.
//!
//! ```text
//! ━ Prompt ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
//!   Target       auto              Type         teaching_generation
//!   System       (none)
//!   Temperature  0.7               Max tokens   1,024
//! > Prompt
//!     Explain dependent origination to a twelve-year-old.
//!
//!   Next   zai/glm-4.6 by teaching_generation   38 tokens in   may cost $0.0023
//! ─ Answer ─────────────────────── writing, 2.1 s, ctrl-c stops ─
//! ```

mod answer;
mod draw;
mod editor;
mod fields;
mod history;
mod keep;
mod lane;
mod presets;
mod preview;
mod variables;
mod why;
mod wrap;

use crate::domain::preset::Preset;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{CallEvent, Command, Level, ProviderView, Reply, RoutingView};
use crate::present::escape;
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::{Context, Key, Meaning};
use crate::tui::layers::choose::{Choices, Choose};
use crate::tui::part::{Cx, Effect, Outbox, Part, Place, Ticket};
use crate::tui::screens::targets;
use crate::tui::told::Told;
use crate::tui::widgets::line::Put;
use crossterm::event::KeyCode;
use fields::{Complaint, Field, Fields};
use lane::Lane;
use preview::Preview;
use ratatui::layout::Rect;
use std::cell::Cell;
use std::sync::Arc;

/// The parts of a snapshot that a decision depends on.
type World = (Arc<RoutingView>, Arc<Vec<Arc<ProviderView>>>);

/// What has the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Focus {
    Field(Field),
    Answer,
}

impl Focus {
    fn field(self) -> Option<Field> {
        match self {
            Self::Field(field) => Some(field),
            Self::Answer => None,
        }
    }
}

impl Default for Focus {
    fn default() -> Self {
        Self::Field(Field::default())
    }
}

#[derive(Default)]
pub struct Playground {
    focus: Focus,
    fields: Fields,
    preview: Preview,
    lane: Option<Lane>,
    /// The explanation still to come for the lane, where it was not known when the prompt was sent.
    explaining: Option<Ticket>,
    view: answer::View,
    /// Typed and not sent.
    unsent: bool,
    /// What the decision was asked in.
    world: Option<World>,
    /// Only one pane fits, found by drawing.
    one_pane: Cell<bool>,
}

impl Playground {
    fn runs(&self) -> bool {
        self.lane.as_ref().is_some_and(|lane| lane.phase.runs())
    }

    fn text_changed(&mut self, now: UnixMs, out: &mut Outbox) {
        self.unsent = !self.fields.prompt.is_blank();
        self.preview.stop_count(out);
        self.preview.typed(now);
    }

    fn complain(&mut self, complaint: &Complaint, out: &mut Outbox) {
        self.focus = Focus::Field(complaint.field);
        out.say(Level::Warning, escape::line_capped(&complaint.text, 200));
    }

    /// Only when asked for: the text leaves the machine before it is sent.
    fn count(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        match self.fields.request() {
            Ok(request) => self.preview.count(request, cx.now, out),
            Err(Complaint { text, .. }) => out.say(Level::Warning, escape::line_capped(&text, 200)),
        }
    }

    /// Whether the target that would answer has a vendor who counts.
    fn can_be_counted(&self, cx: &Cx<'_>) -> bool {
        let facts = self.fields.facts().unwrap_or_default();
        let first = self.preview.of(&facts).and_then(|explanation| explanation.decision.chain.first());
        first.is_none_or(|first| {
            let provider = cx.snapshot.providers.iter().find(|view| view.id == first.target.provider);
            provider.is_none_or(|view| view.kind.counts_tokens())
        })
    }

    fn send(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        let to_be_asked = self.fields.to_be_asked();
        if let Some(taken) = &mut self.fields.preset {
            taken.ready = false;
        }
        match to_be_asked {
            Ok(None) => {}
            Ok(Some(preset)) => return self.ask_values(preset, out),
            Err(complaint) => return self.complain(&complaint, out),
        }
        let request = match self.fields.request() {
            Ok(request) => request,
            Err(complaint) => return self.complain(&complaint, out),
        };
        let saved = self.fields.saved(cx.now);
        let facts = request.facts.clone();
        let why = self.preview.of(&facts).cloned();
        self.explaining = why.is_none().then(|| out.ask(Command::Explain { facts: Box::new(facts.clone()) }));
        let ticket = out.call(request);
        self.lane = Some(Lane::new(ticket, facts, why, cx.now));
        self.view.follow();
        self.unsent = false;
        out.tell(Command::SavePrompt { prompt: Box::new(saved) }, "");
        if self.one_pane.get() {
            self.focus = Focus::Answer;
        }
    }

    /// The variables of the preset, before it is sent.
    fn ask_values(&self, preset: Preset, out: &mut Outbox) {
        let values = self.fields.preset.as_ref().map(|taken| taken.values.clone()).unwrap_or_default();
        out.push(Effect::Open(Box::new(variables::Variables::of(preset, &values))));
    }

    fn keep(&mut self, out: &mut Outbox) {
        match self.fields.as_preset() {
            Ok(preset) if preset.prompt.is_blank() => {
                let text = "the prompt is empty: type the one to keep, {{names}} in it are its variables";
                self.complain(&Complaint { field: Field::Prompt, text: text.into() }, out);
            }
            Ok(preset) => {
                let taken = self.fields.preset.as_ref().map(|taken| taken.preset.clone());
                out.push(Effect::Open(Box::new(keep::Keep::of(preset, taken))));
            }
            Err(complaint) => self.complain(&complaint, out),
        }
    }

    fn stop(&mut self, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        let Some(lane) = self.lane.as_mut() else { return false };
        if !lane.phase.runs() {
            let missed = lane.missed_stop(cx.now);
            if missed {
                out.say(Level::Info, "the answer had ended already: ctrl-c again leaves".to_owned());
            }
            return missed;
        }
        out.push(Effect::StopCall(lane.ticket));
        lane.stop(cx.now);
        true
    }

    fn copy(&self, out: &mut Outbox) {
        let Some(lane) = &self.lane else { return };
        out.push(Effect::Copy(lane.answer.text.clone(), "the answer was"));
    }

    fn why(&self) -> why::Why {
        if let (Some(lane), Focus::Answer) = (&self.lane, self.focus) {
            return why::Why::of(lane);
        }
        let facts = self.fields.facts().unwrap_or_default();
        let explanation = self.preview.of(&facts).cloned();
        why::Why::next(facts, explanation)
    }

    fn open_targets(&self, out: &mut Outbox) {
        let choose = Choose::new(Choices::new("Target", targets::wanted)).at(self.fields.target.value().to_owned());
        out.push(Effect::Open(Box::new(choose)));
    }

    /// The text that the person's editor gets: the prompt, unless the cursor is in the system prompt.
    fn in_editor(&self) -> Field {
        match self.focus {
            Focus::Field(Field::System) => Field::System,
            _ => Field::Prompt,
        }
    }

    fn move_focus(&mut self, steps: isize) {
        self.focus = match self.focus {
            Focus::Field(field) => field.beside(steps).map_or(Focus::Answer, Focus::Field),
            Focus::Answer if steps > 0 => Focus::Field(Field::ALL[0]),
            Focus::Answer => Focus::Field(Field::Prompt),
        };
    }

    /// Up and down leave a field of one line; the prompt and the system prompt only at their edges.
    fn leave_by_arrow(&mut self, field: Field, code: KeyCode) -> bool {
        let steps = match code {
            KeyCode::Up => -1,
            KeyCode::Down => 1,
            _ => return false,
        };
        if field == Field::Prompt {
            // In an empty prompt up means the history.
            return steps > 0 || !self.fields.prompt.is_empty();
        }
        if let Some(next) = field.beside(steps) {
            self.focus = Focus::Field(next);
        }
        true
    }
}

impl Part for Playground {
    fn contexts(&self) -> &'static [Context] {
        match self.focus {
            Focus::Field(_) => &[Context::Prompt],
            Focus::Answer => &[Context::Answer, Context::List],
        }
    }

    fn typing(&self) -> bool {
        self.focus != Focus::Answer
    }

    fn key(&mut self, key: Key, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        let Focus::Field(field) = self.focus else { return false };
        // Keys of the table come before those of the text, where both know them; undo is for texts only.
        let meant = cx.keymap.meaning(self.contexts(), None, key);
        let undo = matches!(meant, Meaning::Act(Action::PromptUndo | Action::PromptRedo));
        if key.ctrl && meant != Meaning::Nothing && !(undo && self.fields.line(field).is_some()) {
            return false;
        }
        let (used, changed) = if let Some(line) = self.fields.line_mut(field) {
            let before = line.value().to_owned();
            (line.key(key), line.value() != before)
        } else {
            let editor = self.fields.editor_mut(field);
            let before = editor.edits();
            (editor.key(key), editor.edits() != before)
        };
        if changed {
            self.text_changed(cx.now, out);
        }
        used || !key.ctrl && !key.alt && self.leave_by_arrow(field, key.code)
    }

    fn put(&mut self, text: &str, put: Put, cx: &Cx<'_>, out: &mut Outbox) {
        let field = match self.focus {
            Focus::Field(field) => field,
            Focus::Answer => Field::Prompt,
        };
        self.focus = Focus::Field(field);
        out.complain(match self.fields.line_mut(field) {
            Some(line) => line.put(text, put),
            None => self.fields.editor_mut(field).put(text, put),
        });
        self.text_changed(cx.now, out);
    }

    fn why_not(&self, action: Action, cx: &Cx<'_>) -> Option<String> {
        match action {
            Action::PromptCount if self.fields.prompt.is_blank() => Some("there is nothing to count yet".into()),
            Action::PromptCount if !self.can_be_counted(cx) => {
                Some("only Anthropic counts tokens without a model; the estimate stands".into())
            }
            Action::PromptSend if self.runs() => Some("an answer is on its way: ctrl-c stops it".into()),
            Action::PromptSend if !self.fields.prompt.is_blank() => {
                self.fields.facts().ok().and_then(|facts| self.preview.refusal(&facts).map(str::to_owned))
            }
            Action::Copy if self.lane.as_ref().is_none_or(|lane| lane.answer.text.is_empty()) => {
                Some("there is no answer to copy yet".into())
            }
            Action::AnswerFold if self.lane.as_ref().is_none_or(|lane| lane.reasoning.text.is_empty()) => {
                Some("there is no reasoning to show".into())
            }
            _ => None,
        }
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        let editor = self.focus.field().unwrap_or_default();
        match action {
            Action::PromptSend => self.send(cx, out),
            Action::PromptCount => self.count(cx, out),
            Action::Cancel => return self.preview.stop_count(out) || self.stop(cx, out),
            Action::PromptNewLine => {
                self.fields.editor_mut(editor).new_line();
                self.focus = Focus::Field(if editor == Field::System { editor } else { Field::Prompt });
                self.text_changed(cx.now, out);
            }
            Action::PromptUndo | Action::PromptRedo => {
                let editor = self.fields.editor_mut(editor);
                let done = if action == Action::PromptUndo { editor.undo() } else { editor.redo() };
                if done {
                    self.text_changed(cx.now, out);
                }
            }
            Action::PromptTarget => self.open_targets(out),
            Action::PromptEditor => out.push(Effect::EditText(self.fields.editor(self.in_editor()).text())),
            Action::PromptHistory => {
                out.push(Effect::Open(Box::new(Choose::new(history::History::default()))));
            }
            Action::PresetPick => {
                let taken = self.fields.preset.as_ref().map(|taken| taken.preset.name.clone());
                let choose = Choose::new(presets::Presets::new(taken.clone()));
                out.push(Effect::Open(Box::new(choose.at(taken.unwrap_or_default()))));
            }
            Action::PresetKeep => self.keep(out),
            Action::PresetDrop => {
                self.fields.preset = None;
                self.text_changed(cx.now, out);
            }
            Action::AnswerWhy => out.push(Effect::Open(Box::new(self.why()))),
            Action::AnswerFold => {
                self.view.unfolded = !self.view.unfolded;
                self.view.follow();
            }
            Action::Copy => self.copy(out),
            Action::PromptEdit => self.focus = Focus::Field(Field::Prompt),
            Action::FieldNext | Action::NextPart => self.move_focus(1),
            Action::FieldPrevious | Action::PreviousPart => self.move_focus(-1),
            Action::Back if self.typing() => self.focus = Focus::Answer,
            _ => return self.view.act(action),
        }
        true
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, _: &Cx<'_>, out: &mut Outbox) {
        if self.preview.counted(ticket, reply, out)
            || self.preview.reply(ticket, reply)
            || self.explaining != Some(ticket)
        {
            return;
        }
        self.explaining = None;
        if let (Some(lane), Reply::Explained(explanation)) = (&mut self.lane, reply) {
            lane.why = Some((**explanation).clone());
        }
    }

    fn call(&mut self, ticket: Ticket, event: &CallEvent, cx: &Cx<'_>, _: &mut Outbox) {
        if let Some(lane) = self.lane.as_mut().filter(|lane| lane.ticket == ticket) {
            lane.take(event, cx.now);
        }
    }

    fn shown(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.world = Some((Arc::clone(&cx.snapshot.routing), Arc::clone(&cx.snapshot.providers)));
        self.preview.outdated(cx.now);
        self.preview.wake(&self.fields, cx.now, out);
    }

    fn passed_through(&mut self) {
        self.focus = Focus::Answer;
    }

    fn changed(&mut self, cx: &Cx<'_>, _: &mut Outbox) {
        let world = (Arc::clone(&cx.snapshot.routing), Arc::clone(&cx.snapshot.providers));
        let same = |(routing, providers): &World| Arc::ptr_eq(routing, &world.0) && Arc::ptr_eq(providers, &world.1);
        if !self.world.as_ref().is_some_and(same) {
            self.world = Some(world);
            self.preview.outdated(cx.now);
        }
    }

    fn focus_on(&mut self, place: &Place, cx: &Cx<'_>) {
        match place {
            Place::Prompt(saved) => {
                self.fields.load(saved);
                self.focus = Focus::Field(Field::Prompt);
            }
            Place::Preset(preset) => {
                self.fields.take(preset);
                self.focus = Focus::Field(Field::Prompt);
            }
            Place::Kept(preset) => self.fields.keep(preset),
            Place::Values { values, ready } => {
                if let Some(taken) = &mut self.fields.preset {
                    taken.values.clone_from(values);
                    taken.ready = *ready;
                }
            }
            _ => return,
        }
        self.preview.typed(cx.now);
    }

    fn take(&mut self, target: &str, cx: &Cx<'_>, _: &mut Outbox) {
        self.fields.target.set(target);
        self.preview.typed(cx.now);
    }

    fn edited(&mut self, text: &str, cx: &Cx<'_>, out: &mut Outbox) {
        let field = self.in_editor();
        if self.fields.editor(field).text() != text {
            self.fields.editor_mut(field).replace(text);
            self.text_changed(cx.now, out);
        }
    }

    fn panes(&self) -> &'static [&'static str] {
        &["prompt", "answer"]
    }

    fn focus_pane(&mut self, pane: usize, _: &Cx<'_>) {
        self.focus = if pane == 0 { Focus::Field(Field::Prompt) } else { Focus::Answer };
    }

    fn deadline(&self) -> Option<UnixMs> {
        self.preview.deadline()
    }

    fn wake(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.preview.wake(&self.fields, cx.now, out);
    }

    fn would_lose(&self) -> Option<String> {
        if self.runs() {
            return Some("An answer is being written in the playground: it would be stopped.".into());
        }
        self.unsent.then(|| "A prompt in the playground was not sent.".into())
    }

    fn about(&self) -> &'static str {
        "Try a prompt: who would answer and what it may cost, before enter; then the answer as it is written."
    }

    fn told(&self, cx: &Cx<'_>) -> Vec<Told> {
        let complaint = self.fields.complaint();
        let words = self.preview.words(complaint.as_ref(), self.fields.prompt.is_empty(), cx.snapshot);
        let next = match words.sentence {
            Some((sentence, _)) => sentence,
            None => format!("{} {}, {}", words.target, words.by, words.figures[0].replace("   ", ", ")),
        };
        let next =
            format!("Playground, prompt of {} bytes. Next: {}.", self.fields.prompt.bytes(), escape::line(&next));
        let mut lines = vec![Told::state("next", next)];
        if let Some(lane) = &self.lane {
            lines.extend(answer::told(lane, cx.snapshot, cx.now));
        }
        lines
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let one = area.width < draw::TWO_PANES.0 || area.height < draw::TWO_PANES.1;
        self.one_pane.set(one);
        let focused = self.focus == Focus::Answer;
        match (one, focused) {
            (true, true) => {
                answer::draw(self.lane.as_ref(), &self.view, canvas, area, true);
                canvas.letter(1, area);
            }
            (true, false) => draw::draw(self, canvas, area, true),
            (false, _) => {
                let rows = draw::rows(area.height).min(area.height);
                let upper = Rect { height: rows, ..area };
                let lower = Rect { y: area.y + rows, height: area.height - rows, ..area };
                draw::draw(self, canvas, upper, !focused);
                answer::draw(self.lane.as_ref(), &self.view, canvas, lower, focused);
                canvas.letter(0, upper);
                canvas.letter(1, lower);
            }
        }
    }
}
