//! Where a verb reads and writes: data to one stream, words to the other, colour only where somebody looks.
//! Knows nothing of verbs.

use super::args::{ColorWhen, Globals};
use super::ending::{Ending, HUNG_UP, INTERRUPTED, TERMINATED};
use crate::domain::time::UnixMs;
use crate::present::escape;
use crate::present::labels::Role;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt as _;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// A role in the terminal's own 16 colours, which its user has chosen.
fn sgr(role: Role) -> Option<&'static str> {
    match role {
        Role::Good => Some("\x1b[32m"),
        Role::Warn => Some("\x1b[33m"),
        Role::Bad => Some("\x1b[91m"),
        Role::Muted => Some("\x1b[2m"),
        Role::Accent => Some("\x1b[36m"),
        Role::Plain => None,
    }
}

/// What ends a watch or a running answer early.
#[derive(Clone)]
pub enum Interrupt {
    /// ctrl-c, or being asked to end by SIGTERM or a hang-up
    Signal,
    /// Somebody else says so.
    Notified(Arc<Notify>),
}

/// The streams of one command with everything about them a verb must know.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about a stream")]
pub struct Console {
    pub out: Box<dyn Write + Send>,
    pub err: Box<dyn Write + Send>,
    pub input: Box<dyn Read + Send>,
    pub input_is_terminal: bool,
    /// A pipe or a file stands behind `input`: somebody meant it to be read.
    pub input_is_given: bool,
    /// Somebody reads the words as they come: a line may be written again.
    pub err_is_terminal: bool,
    /// Columns of the terminal behind `out`; `None` when it is none, and then nothing is cut.
    pub width: Option<usize>,
    pub colour_out: bool,
    pub colour_err: bool,
    pub json: bool,
    pub clock: Arc<dyn Fn() -> UnixMs + Send + Sync>,
    /// For times of day.
    pub zone: TimeZone,
    pub interrupt: Interrupt,
}

impl Console {
    /// The process's own streams.
    pub fn of_process(globals: &Globals, clock: fn() -> UnixMs) -> Self {
        let out_is_terminal = io::stdout().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = |is_terminal: bool| match globals.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => is_terminal && !no_colour,
        };
        Self {
            colour_out: colour(out_is_terminal),
            colour_err: colour(io::stderr().is_terminal()),
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            input: Box::new(io::stdin()),
            input_is_terminal: io::stdin().is_terminal(),
            input_is_given: is_given(&io::stdin()),
            err_is_terminal: io::stderr().is_terminal(),
            width: if out_is_terminal { columns_of(crossterm::terminal::size()) } else { None },
            json: globals.json,
            clock: Arc::new(clock),
            zone: TimeZone::system(),
            interrupt: Interrupt::Signal,
        }
    }

    pub(super) fn now(&self) -> UnixMs {
        (self.clock)()
    }

    /// `22:14:31` today, `20 Nov 22:14` on another day.
    pub(super) fn moment(&self, at: UnixMs) -> String {
        const DAY: &str = "%Y-%m-%d";
        let today = self.format_time(at, DAY) == self.format_time(self.now(), DAY);
        self.format_time(at, if today { "%H:%M:%S" } else { "%-d %b %H:%M" })
    }

    /// As in `22:14`.
    pub(super) fn hour_and_minute(&self, at: UnixMs) -> String {
        self.format_time(at, "%H:%M")
    }

    /// As in `NAME-20251121-221431.EXT`.
    pub(super) fn file_name(&self, name: &str, extension: &str) -> String {
        format!("{name}-{}.{extension}", self.format_time(self.now(), "%Y%m%d-%H%M%S"))
    }

    /// As in `2025-11-21 22:14:31`.
    pub(super) fn date_and_time(&self, at: UnixMs) -> String {
        self.format_time(at, "%Y-%m-%d %H:%M:%S")
    }

    fn format_time(&self, at: UnixMs, format: &str) -> String {
        jiff::Timestamp::from_millisecond(at.0)
            .map_or_else(|_| "-".to_owned(), |at| at.to_zoned(self.zone.clone()).strftime(format).to_string())
    }

    /// One line of data. `text` must be escaped already, as [`Self::paint`] and the tables do.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Ending> {
        writeln!(self.out, "{}", text.trim_end())?;
        Ok(())
    }

    /// Data without a line end, passed on at once.
    pub(super) fn piece(&mut self, text: &str) -> Result<(), Ending> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()?;
        Ok(())
    }

    /// Data as one JSON document over several lines.
    pub(super) fn document(&mut self, value: &impl Serialize) -> Result<(), Ending> {
        self.write_json(serde_json::to_string_pretty(value))
    }

    /// Data as one JSON document on one line, for endless output.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn document_line(&mut self, value: &impl Serialize) -> Result<(), Ending> {
        self.write_json(serde_json::to_string(value))?;
        self.out.flush()?;
        Ok(())
    }

    fn write_json(&mut self, json: serde_json::Result<String>) -> Result<(), Ending> {
        let json = json.map_err(|error| Ending::internal(format!("the answer is not JSON: {error}")))?;
        writeln!(self.out, "{}", harmless_json(&json))?;
        Ok(())
    }

    /// Sends out what was printed.
    ///
    /// # Errors
    /// The stream does not take it; a broken pipe ends a command quietly.
    pub fn flush(&mut self) -> Result<(), Ending> {
        self.out.flush()?;
        Ok(())
    }

    /// A line of words beside the data. Who does not read them misses nothing that matters.
    pub fn say(&mut self, role: Role, text: &str) {
        let text = tint(self.colour_err, role, text);
        // Standard error may be closed; there is nowhere left to say so.
        let _ = writeln!(self.err, "{text}");
        let _ = self.err.flush();
    }

    /// Words that are written over by the next ones, where somebody looks; an empty text takes them away.
    pub fn say_over(&mut self, text: &str) {
        if self.err_is_terminal {
            let text = tint(self.colour_err, Role::Muted, text);
            // As in [`Self::say`].
            let _ = write!(self.err, "\r{text}\x1b[K");
            let _ = self.err.flush();
        }
    }

    /// Escapes text and gives it a colour where the output has any.
    pub(super) fn paint(&self, role: Role, text: &str) -> String {
        tint(self.colour_out, role, &escape::line(text))
    }

    /// Resolves when the person wants to stop, with the exit code that says so. Listens from now on: what is said
    /// after this call can be answered with ctrl-c.
    pub(super) fn interrupted(&self) -> BoxFuture<'static, u8> {
        match self.interrupt.clone() {
            Interrupt::Notified(notify) => Box::pin(async move {
                notify.notified().await;
                INTERRUPTED
            }),
            Interrupt::Signal => ending_signal(),
        }
    }
}

/// Whether it is a pipe or a file; neither a terminal nor `/dev/null`.
fn is_given(input: &impl AsFd) -> bool {
    let kind = input.as_fd().try_clone_to_owned().and_then(|owned| File::from(owned).metadata());
    kind.is_ok_and(|known| known.is_file() || known.file_type().is_fifo())
}

/// A terminal that was never told its size (`ssh -tt` without one, a serial line) says 0: then it is not known.
fn columns_of(size: io::Result<(u16, u16)>) -> Option<usize> {
    size.ok().map(|(columns, _)| columns.into()).filter(|columns| *columns > 0)
}

/// SIGINT, SIGTERM or SIGHUP, whichever comes first, as shells count them.
fn ending_signal() -> BoxFuture<'static, u8> {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        // Cannot be listened for: then a signal ends the process by itself.
        return Box::pin(std::future::pending());
    };
    Box::pin(async move {
        tokio::select! {
            _ = interrupt.recv() => INTERRUPTED,
            _ = terminate.recv() => TERMINATED,
            _ = hangup.recv() => HUNG_UP,
        }
    })
}

fn tint(colour: bool, role: Role, text: &str) -> String {
    match sgr(role) {
        Some(start) if colour && !text.is_empty() => format!("{start}{text}\x1b[0m"),
        _ => text.to_owned(),
    }
}

/// The same JSON with every character that could steer a terminal written as `\uXXXX`.
fn harmless_json(json: &str) -> String {
    let mut done = String::with_capacity(json.len());
    for c in json.chars() {
        let plain = c == ' ' || c.is_ascii_graphic() || c == '\n';
        if !plain && escape::line(c.encode_utf8(&mut [0; 4])) != *c.encode_utf8(&mut [0; 4]) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                let _ = write!(done, "\\u{unit:04x}");
            }
        } else {
            done.push(c);
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_terminal_without_a_size_has_no_edge_to_cut_at() {
        assert_eq!(columns_of(Ok((0, 0))), None);
        assert_eq!(columns_of(Ok((80, 24))), Some(80));
        assert_eq!(columns_of(Err(io::ErrorKind::Unsupported.into())), None);
    }

    proptest! {
        #[test]
        fn json_stays_the_same_value_and_never_steers_a_terminal(text in any::<String>()) {
            let json = harmless_json(&serde_json::to_string_pretty(&[&text]).unwrap());
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), vec![text]);
            prop_assert!(json.chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
