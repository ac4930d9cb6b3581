//! What the dashboard is started with.

use super::theme::{ColorWish, TermEnv};
use crate::domain::time::UnixMs;
use crate::present::report::TERMINAL_VARIABLES;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct TuiOptions {
    /// `--color`.
    pub color: ColorWish,
    /// `--ascii`, or the configuration's `ui.ascii`.
    pub ascii: bool,
    /// `--plain`; `TERM=dumb` means the same.
    pub plain: bool,
    /// `--readonly`.
    pub readonly: bool,
    /// As in `DEMO, simulated`; shown at the right end of the tabs.
    pub banner: Option<String>,
    pub env: TermEnv,
    pub clock: fn() -> UnixMs,
    /// Between two frames that only data asked for.
    pub frame_gap: Duration,
    /// What the environment says of the terminal, for reports.
    pub terminal: Vec<(String, String)>,
}

impl TuiOptions {
    /// As the environment has it: rarer frames over SSH.
    pub fn from_env(clock: fn() -> UnixMs) -> Self {
        let env = TermEnv::read();
        let frame_gap = Duration::from_millis(if env.ssh { 100 } else { 33 });
        Self {
            color: ColorWish::Auto,
            ascii: false,
            plain: false,
            readonly: false,
            banner: None,
            env,
            clock,
            frame_gap,
            terminal: TERMINAL_VARIABLES
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
                .collect(),
        }
    }
}
