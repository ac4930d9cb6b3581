//! The dashboard: one loop that drains, coalesces and draws only when something changed.
//!
//! ```text
//! input thread ─┐                       ┌─▶ handle (ask, dispatch)
//! signals ──────┤  Msg        Intent    ├─▶ clipboard, editor, suspend
//! snapshots ────┼──────▶ App ───────────┤
//! events ───────┤         │             └─▶ quit
//! replies ──────┘         ▼ view::draw ──▶ FrameBackend ──▶ output thread
//! ```
//!
//! To add a screen: a file under `screens/` with a [`part::Part`], a line in `screens::all`, a [`part::Tab`],
//! its [`keymap::Context`], actions, and a slice of entries in `keymap::table`.

pub mod action;
mod alerts;
mod announce;
pub mod app;
pub mod backend;
pub mod canvas;
mod clipboard;
mod driver;
mod editor;
pub mod input;
pub mod keymap;
mod layers;
mod link;
pub mod msg;
mod notes;
pub mod options;
mod output;
mod paint;
pub mod parity;
pub mod part;
mod plain;
mod screens;
mod signals;
mod terminal;
pub mod theme;
pub mod told;
mod view;
mod widgets;
mod words;

pub use app::{App, Dirt};
pub use options::TuiOptions;
pub use theme::{ColorWish, TermEnv};
pub use view::draw;

use crate::engine::handle::EngineHandle;
use std::io::IsTerminal;

/// How the dashboard ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Quit,
    /// Ended by this signal.
    Signal(i32),
    /// The terminal is gone.
    HungUp,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Quit => 0,
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(1),
            Self::HungUp => 129,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    #[error("the dashboard needs a terminal: use the commands (lmdeck --help), or lmdeck --plain")]
    NotATerminal,
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[from] std::io::Error),
}

impl TuiError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotATerminal => 2,
            Self::Terminal(_) => 1,
        }
    }
}

/// Whether there is a terminal to draw on and to type into.
pub fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Runs the dashboard until the person leaves. To be awaited on the main thread (`Runtime::block_on`): the
/// layout cache is per thread, and a panic on this thread gives the terminal back.
///
/// # Errors
/// There is no terminal, or it refuses.
pub async fn run(handle: EngineHandle, options: TuiOptions) -> Result<Exit, TuiError> {
    if options.plain || options.env.is_dumb() {
        return Ok(plain::run(handle, options).await?);
    }
    if !has_terminal() {
        return Err(TuiError::NotATerminal);
    }
    driver::run(handle, options).await
}
