//! The dashboard by its keys: what a person presses, and what stands on the screen then.

use super::support::snapshot::{NOW, evening};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::protocol::{Command, Reply, Snapshot};
use lmdeck::tui::input::Input;
use lmdeck::tui::msg::{Intent, Msg};
use lmdeck::tui::{App, TuiOptions, draw};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::sync::Arc;
use std::time::Duration;

/// The dashboard with a person before it.
struct Desk {
    app: App,
    now: UnixMs,
    asked: Vec<(u64, Command)>,
    others: Vec<Intent>,
}

fn options() -> TuiOptions {
    TuiOptions { color: lmdeck::tui::ColorWish::Never, clock: || NOW, ..TuiOptions::from_env() }
}

impl Desk {
    fn new(snapshot: Snapshot) -> Self {
        Self::with(snapshot, options())
    }

    fn with(snapshot: Snapshot, options: TuiOptions) -> Self {
        let mut desk =
            Self { app: App::new(Arc::new(snapshot), options, NOW), now: NOW, asked: Vec::new(), others: Vec::new() };
        let first = desk.app.start();
        desk.take(first);
        desk
    }

    fn take(&mut self, intents: Vec<Intent>) {
        for intent in intents {
            match intent {
                Intent::Ask(ticket, command) => self.asked.push((ticket, command)),
                other => self.others.push(other),
            }
        }
    }

    fn tell(&mut self, msg: Msg) -> &mut Self {
        let intents = self.app.update(msg, self.now);
        self.take(intents);
        self
    }

    /// Keys as in `j ctrl-s enter`; a word in quotes is typed letter by letter.
    fn press(&mut self, keys: &str) -> &mut Self {
        for word in keys.split_whitespace() {
            self.key(word);
        }
        self
    }

    fn key(&mut self, word: &str) -> &mut Self {
        let (word, modifiers) = match word.strip_prefix("ctrl-") {
            Some(rest) => (rest, KeyModifiers::CONTROL),
            None => (word, KeyModifiers::NONE),
        };
        let code = match word {
            "enter" => KeyCode::Enter,
            "esc" => KeyCode::Esc,
            "tab" => KeyCode::Tab,
            "shift-tab" => KeyCode::BackTab,
            "space" => KeyCode::Char(' '),
            "up" => KeyCode::Up,
            "down" => KeyCode::Down,
            "left" => KeyCode::Left,
            "right" => KeyCode::Right,
            "backspace" => KeyCode::Backspace,
            "f1" => KeyCode::F(1),
            _ => KeyCode::Char(word.chars().next().unwrap()),
        };
        self.tell(Msg::Input(Input::Key(KeyEvent::new(code, modifiers))))
    }

    fn type_in(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.tell(Msg::Input(Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))));
        }
        self
    }

    fn paste(&mut self, text: &str) -> &mut Self {
        self.tell(Msg::Input(Input::Paste(text.to_owned())))
    }

    /// Time goes by; what is due happens.
    fn wait(&mut self, time: Duration) -> &mut Self {
        self.now = self.now.plus(time);
        self.tell(Msg::Wake)
    }

    /// Answers the last command with this name.
    fn answer(&mut self, reply: Reply) -> &mut Self {
        let (ticket, _) = self.asked.last().cloned().unwrap();
        self.tell(Msg::Reply(ticket, Box::new(reply)))
    }

    fn commands(&self) -> Vec<Command> {
        self.asked.iter().map(|(_, command)| command.clone()).collect()
    }

    fn screen(&self, width: u16, height: u16) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        draw(&self.app, &mut buffer);
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
        (0..height).map(row).map(|line| line.trim_end().to_owned() + "\n").collect()
    }
}

#[test]
fn look() {
    let mut desk = Desk::new(evening());
    desk.answer(Reply::Discovered(vec![]));
    desk.press("j");
    println!("{}", desk.screen(120, 40));
    println!("{}", desk.screen(80, 24));
    println!("{}", desk.screen(60, 20));
    println!("{}", desk.screen(40, 10));
    println!("{}", desk.screen(38, 8));
    desk.press("2");
    println!("{}", desk.screen(120, 40));
    println!("{}", desk.screen(80, 24));
    println!("{}", desk.screen(60, 20));
    println!("{}", desk.screen(40, 10));
    desk.press("1 a");
    println!("{}", desk.screen(120, 40));
    println!("{}", desk.screen(80, 24));
    println!("{}", desk.screen(60, 20));
    println!("{}", desk.screen(40, 10));
    desk.press("esc ?");
    println!("{}", desk.screen(80, 24));
    desk.press("esc d");
    println!("{}", desk.screen(80, 24));
}
