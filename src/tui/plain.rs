//! Plain mode: the same app, told in lines. Nothing is drawn, no escape is written; a line typed is a number to
//! choose, keys to press, text for a field, or a prompt after `ask`.

use super::Exit;
use super::action::Action;
use super::app::App;
use super::input::Input;
use super::keymap::{Chord, Meaning};
use super::link::Link;
use super::msg::{Intent, Msg};
use super::options::TuiOptions;
use super::part::{Place, Tab, Ticket};
use super::signals::{Caught, Signals};
use super::told::Heard;
use crate::domain::call::{Body, CallRequest, Facts, Message, Role, own_client};
use crate::domain::ids::ProviderId;
use crate::engine::handle::EngineHandle;
use crate::engine::protocol::{CallEvent, CallOutcome, Reply};
use crate::present::remedy::text_of_call;
use crate::present::{escape, labels, models, units};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::io::{BufRead, Write};
use tokio::sync::mpsc;

/// Lines typed and not yet read; when full, the terminal keeps the rest.
const LINE_CAPACITY: usize = 64;
/// Before a line: text for a field, also where it is the name of a key.
const AS_TEXT: char = '\\';
/// The ticket of a prompt asked here; the app's own begin at 1.
const ASKED: Ticket = 0;

struct Plain {
    app: App,
    link: Link,
    options: TuiOptions,
    /// The tab told last with the words that every screen is marked with.
    marked: Option<Tab>,
    /// Only what is new is told again.
    heard: Heard,
    /// Lines are text for a field; what that means was told.
    typing: bool,
    said: u64,
    /// Text of an answer that is not yet a whole sentence.
    answer: String,
    asking: bool,
}

pub(super) async fn run(handle: EngineHandle, options: TuiOptions) -> std::io::Result<Exit> {
    let mut signals = Signals::register()?;
    let (sink, mut lines) = mpsc::channel(LINE_CAPACITY);
    std::thread::Builder::new().name("lines-in".into()).spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sink.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    let app = App::new(handle.snapshot(), options.clone(), (options.clock)());
    let mut plain = Plain {
        app,
        link: Link::new(handle),
        options,
        marked: None,
        heard: Heard::default(),
        typing: false,
        said: 0,
        answer: String::new(),
        asking: false,
    };
    plain.run(&mut signals, &mut lines).await
}

impl Plain {
    async fn run(&mut self, signals: &mut Signals, lines: &mut mpsc::Receiver<String>) -> std::io::Result<Exit> {
        say("lmdeck, plain mode. A number chooses, a letter acts, ask TEXT asks a model, ? lists the keys, q leaves.")?;
        let first = self.app.start();
        if let Some(exit) = self.carry_out(first)? {
            return Ok(exit);
        }
        self.tell()?;
        loop {
            let wake = self.app.deadline().map(|at| at.since((self.options.clock)()));
            let exit = tokio::select! {
                biased;
                caught = signals.next() => match caught {
                    Caught::End(number) => Some(Exit::Signal(number)),
                    Caught::HungUp => Some(Exit::HungUp),
                    Caught::Stop => {
                        // Failing leaves it running, which is what it did before.
                        let _ = rustix::process::kill_current_process_group(rustix::process::Signal::STOP);
                        None
                    }
                    Caught::Continue | Caught::Resize => None,
                },
                line = lines.recv() => match line {
                    Some(line) => self.line(&line)?,
                    // The end of the input ends a prompt under way first.
                    None if self.asking => { let msg = self.link.next().await; self.update(msg)? }
                    None => Some(Exit::Quit),
                },
                msg = self.link.next() => self.update(msg)?,
                () = tokio::time::sleep(wake.unwrap_or_default()), if wake.is_some() => self.update(Msg::Wake)?,
            };
            if let Some(exit) = exit {
                return Ok(exit);
            }
            self.tell()?;
        }
    }

    fn update(&mut self, msg: Msg) -> std::io::Result<Option<Exit>> {
        if let Msg::Call(ASKED, event) = msg {
            self.hear(*event)?;
            return Ok(None);
        }
        if let Msg::Reply(_, reply) = &msg
            && let Reply::Probed(found) = reply.as_ref()
        {
            self.answer_probes(found.iter().map(|(id, _)| id))?;
        }
        let now = (self.options.clock)();
        let mut intents = Vec::new();
        // What an answer made of the world is told with it, not what stood there before.
        let newest = self.link.snapshot();
        if matches!(msg, Msg::Reply(..)) && newest.revision > self.app.snapshot.revision {
            intents = self.app.update(Msg::Snapshot(newest), now);
        }
        intents.extend(self.app.update(msg, now));
        self.carry_out(intents)
    }

    /// Whoever asked for a probe wants to hear of it, also where nothing changed.
    fn answer_probes<'a>(&self, asked: impl Iterator<Item = &'a ProviderId>) -> std::io::Result<()> {
        let snapshot = self.link.snapshot();
        for id in asked {
            if let Some(provider) = snapshot.providers.iter().find(|provider| provider.id == *id) {
                say(&format!("asked: {}", labels::describe(provider, (self.options.clock)())))?;
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, intents: Vec<Intent>) -> std::io::Result<Option<Exit>> {
        for intent in intents {
            match intent {
                Intent::Ask(ticket, command) => self.link.ask(ticket, command),
                Intent::Call(ticket, request) => self.link.call(ticket, *request),
                Intent::StopCall(ticket) => self.link.stop(ticket),
                // There is no clipboard here: the text itself is the answer.
                Intent::Copy(text) => say(&text)?,
                Intent::Edit(file) => {
                    say(&format!("Open {file} in your editor: it is read again when it is saved."))?;
                }
                Intent::Quit => return Ok(Some(Exit::Quit)),
                Intent::EditText(_) => say("There is no editor in plain mode: a line typed here is the text.")?,
                // Its line is printed: that is the call.
                Intent::Suspend | Intent::Repaint | Intent::Alert(_) => {}
            }
        }
        Ok(None)
    }

    fn line(&mut self, line: &str) -> std::io::Result<Option<Exit>> {
        let word = line.trim();
        if word.is_empty() {
            self.heard.forget();
            return Ok(None);
        }
        if self.app.typing() {
            return self.fill(word);
        }
        if let Some(prompt) = word.strip_prefix("ask ") {
            self.ask(prompt)?;
            return Ok(None);
        }
        if let Ok(place @ 1..) = word.parse::<usize>()
            && !self.app.has_layer()
        {
            return self.choose(place);
        }
        if word == "?" {
            return self.keys();
        }
        self.press(word)
    }

    /// The provider with this number.
    fn choose(&mut self, place: usize) -> std::io::Result<Option<Exit>> {
        let providers = self.app.snapshot.providers.clone();
        let Some(provider) = providers.get(place - 1) else {
            say(&format!("there is no {place}: choose 1 to {}", providers.len()))?;
            return Ok(None);
        };
        let intents = self.app.go_to(Tab::Providers, &Place::Provider(provider.id.clone()));
        self.heard.forget_choice();
        self.carry_out(intents)
    }

    /// Text for the field with the focus, then on to the next; a word that is a key is pressed.
    fn fill(&mut self, line: &str) -> std::io::Result<Option<Exit>> {
        let text = line.strip_prefix(AS_TEXT);
        if text.is_none() && Chord::parse(line).is_some_and(|chord| chord.0.iter().all(|key| key.text().is_none())) {
            return self.press(line);
        }
        let filled = self.app.top_place();
        let intents = self.app.fill(text.unwrap_or(line));
        if let Some(exit) = self.carry_out(intents)? {
            return Ok(Some(exit));
        }
        // A question that the text led to is answered by the person, not by what follows a field.
        if self.app.top_place() != filled {
            return Ok(None);
        }
        self.update(Msg::Input(Input::Key(KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE))))
    }

    fn press(&mut self, keys: &str) -> std::io::Result<Option<Exit>> {
        let Some(chord) = Chord::parse(keys) else {
            say(&format!("{keys} is no key and no number: ? lists the keys"))?;
            return Ok(None);
        };
        if let [only] = chord.0.as_slice()
            && self.app.keymap.meaning(&self.app.contexts(), None, *only) == Meaning::Nothing
        {
            say(&format!("{keys} means nothing here: ? lists the keys"))?;
            return Ok(None);
        }
        for key in chord.0 {
            let held = [(key.ctrl, KeyModifiers::CONTROL), (key.alt, KeyModifiers::ALT)];
            let held = held.into_iter().filter(|(held, _)| *held).map(|(_, modifier)| modifier).collect();
            if let Some(exit) = self.update(Msg::Input(Input::Key(KeyEvent::new(key.code, held))))? {
                return Ok(Some(exit));
            }
        }
        Ok(None)
    }

    /// The keys that work here, with why others do not.
    fn keys(&mut self) -> std::io::Result<Option<Exit>> {
        for context in self.app.contexts() {
            for bound in self.app.keymap.of(context).filter(|bound| works_in_lines(bound.entry.action)) {
                let not_now = self.app.why_not(bound.entry.action).map(|why| format!(" (not now: {why})"));
                say(&format!("{}: {}{}", bound.key(), bound.entry.about, not_now.unwrap_or_default()))?;
            }
        }
        Ok(None)
    }

    fn ask(&mut self, prompt: &str) -> std::io::Result<()> {
        if self.asking {
            return say("an answer is under way: wait for it");
        }
        let messages = vec![Message { role: Role::User, content: prompt.to_owned() }];
        let facts = Facts { client: own_client::PLAIN.into(), stream: true, ..Facts::default() };
        let body = Body::Chat { messages, max_tokens: None, temperature: None, stream: true };
        self.link.call(ASKED, CallRequest { facts, body, wants_usage: false });
        self.asking = true;
        Ok(())
    }

    fn hear(&mut self, event: CallEvent) -> std::io::Result<()> {
        match event {
            CallEvent::Trying { target, attempt, .. } => say(&format!("-- asking {target}, try {attempt}")),
            CallEvent::FellBack { from, failure, to } => {
                let next = to.map_or_else(String::new, |to| format!(": trying {to}"));
                say(&format!("-- {from}: {}{next}", failure.message))
            }
            CallEvent::Loading { target, waited_ms, last_ms } => {
                let last = models::last_time(last_ms).map(|last| format!(", {last}")).unwrap_or_default();
                say(&format!("-- {target} is being loaded, {} so far{last}", units::duration(waited_ms)))
            }
            CallEvent::Text { text } => {
                self.answer.push_str(&text);
                let whole = self.answer.rfind(['.', '!', '?', '\n']).map(|end| end + 1);
                whole.map_or(Ok(()), |end| {
                    let rest = self.answer.split_off(end);
                    let sentence = std::mem::replace(&mut self.answer, rest);
                    say(sentence.trim())
                })
            }
            CallEvent::End(outcome) => self.finish(&outcome),
            _ => Ok(()),
        }
    }

    fn finish(&mut self, outcome: &CallOutcome) -> std::io::Result<()> {
        self.asking = false;
        let rest = std::mem::take(&mut self.answer);
        if !rest.trim().is_empty() {
            say(rest.trim())?;
        }
        let record = &outcome.record;
        if let Some(failure) = &outcome.failure {
            return say(&format!(
                "-- failed: {}. {}",
                failure.message.trim_end_matches('.'),
                text_of_call(failure, record, &self.app.snapshot.providers)
            ));
        }
        let target = record.target.as_ref().map_or_else(|| "no target".to_owned(), ToString::to_string);
        let first = record.ttft_ms.map_or_else(String::new, |ms| format!(", first token {}", units::first_token(ms)));
        say(&format!(
            "-- {target}{first}, {} in all, {}",
            units::duration(record.duration_ms),
            units::cost(record.cost)
        ))
    }

    /// What is new since the last time: messages first, then lines of the part with the keyboard.
    fn tell(&mut self) -> std::io::Result<()> {
        if let Some(banner) = self.options.banner.as_ref().filter(|_| self.marked != Some(self.app.tab)) {
            say(banner)?;
        }
        self.marked = Some(self.app.tab);
        let before = std::mem::replace(&mut self.said, self.app.notes.said());
        let new = self.app.notes.kept().filter(|note| note.last > before);
        let notes: Vec<String> = new.map(|note| note.text.clone()).collect();
        for note in notes.iter().rev() {
            say(note)?;
        }
        for line in self.heard.news(self.app.top().told(&self.app.cx())) {
            say(&line)?;
        }
        if let Some(choice) = self.heard.new_choice(self.app.top().chosen_now(&self.app.cx())) {
            say(&format!("chosen: {choice}"))?;
        }
        self.tell_typing()
    }

    /// Where lines become text, the keys that still act are told once.
    fn tell_typing(&mut self) -> std::io::Result<()> {
        let typing = self.app.typing();
        if typing && !self.typing {
            let contexts = self.app.contexts();
            let bound = contexts.iter().flat_map(|context| self.app.keymap.of(*context));
            let keys = bound.filter(|bound| !bound.entry.footer.is_empty());
            let keys: Vec<String> = keys.map(|bound| format!("{} {}", bound.key(), bound.entry.footer)).collect();
            say(&format!(
                "A line is text for this field now. Keys: {}, F1 all of them; {AS_TEXT} before such a word makes it text.",
                keys.join(", ")
            ))?;
        }
        self.typing = typing;
        Ok(())
    }
}

/// Digits choose providers here, and there is no picture to draw again.
fn works_in_lines(action: Action) -> bool {
    !matches!(action, Action::GoTab(_) | Action::Repaint)
}

/// One piece of text as lines, untrusted characters made visible.
fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", escape::block(text))?;
    out.flush()
}
