//! A person before the dashboard: keys as they are written, and the screen as text. Without an engine: each test
//! says what answers its questions.

use super::snapshot::NOW;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use lmdeck::tui::input::Input;
use lmdeck::tui::msg::Msg;
use lmdeck::tui::{App, ColorWish, TuiOptions, draw};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Sizes with a promise, and sizes without one.
pub const SIZES: [(u16, u16); 11] =
    [(120, 40), (80, 24), (60, 20), (40, 10), (300, 100), (200, 60), (39, 9), (1, 1), (80, 0), (0, 0), (41, 300)];

/// Without colours, at the moment of the snapshots.
pub fn options() -> TuiOptions {
    TuiOptions { color: ColorWish::Never, ..TuiOptions::from_env(|| NOW) }
}

/// One key as it is written, as in `ctrl-s`, `shift-tab`, `enter` or `x`.
pub fn key(word: &str) -> Input {
    let (name, modifiers) = match word.split_once('-') {
        Some(("ctrl", rest)) => (rest, KeyModifiers::CONTROL),
        Some(("alt", rest)) => (rest, KeyModifiers::ALT),
        _ => (word, KeyModifiers::NONE),
    };
    let code = match name {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "shift-tab" => KeyCode::BackTab,
        "space" => KeyCode::Char(' '),
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pgup" => KeyCode::PageUp,
        "pgdn" => KeyCode::PageDown,
        "del" => KeyCode::Delete,
        "backspace" => KeyCode::Backspace,
        "f1" => KeyCode::F(1),
        _ => {
            let mut letters = name.chars();
            let letter = letters.next().unwrap_or_else(|| panic!("{word} is no key"));
            assert_eq!(letters.next(), None, "{word} is no key");
            KeyCode::Char(letter)
        }
    };
    Input::Key(KeyEvent::new(code, modifiers))
}

/// A dashboard that a test types at.
pub trait Typing: Sized {
    /// Hands it one message and carries out what it wants.
    fn tell(&mut self, msg: Msg) -> &mut Self;

    /// Keys by their names, as in `ctrl-s` or `3 j`.
    fn press(&mut self, written: &str) -> &mut Self {
        for key in keys(written) {
            self.tell(Msg::Input(key));
        }
        self
    }

    /// Every letter as it stands.
    fn type_in(&mut self, text: &str) -> &mut Self {
        for letter in letters(text) {
            self.tell(Msg::Input(letter));
        }
        self
    }
}

/// Keys as in `j ctrl-s enter`.
pub fn keys(written: &str) -> Vec<Input> {
    written.split_whitespace().map(key).collect()
}

/// A text letter by letter.
pub fn letters(text: &str) -> Vec<Input> {
    text.chars().map(|c| Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))).collect()
}

/// What plain mode tells of the part with the keyboard.
pub fn told(app: &App) -> Vec<String> {
    app.top().told(&app.cx()).into_iter().map(|line| line.text).collect()
}

pub fn picture(app: &App, width: u16, height: u16) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw(app, &mut buffer);
    buffer
}

/// The screen row by row, without the blanks at the ends of rows.
pub fn screen(app: &App, width: u16, height: u16) -> String {
    let buffer = picture(app, width, height);
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
    (0..height).map(row).map(|line| line.trim_end().to_owned() + "\n").collect()
}
