//! The terminal's life cycle: which modes were switched on, and their undoing in mirror order on every way
//! out. The terminal is never asked anything: no answer can be late.

use super::output::Output;
use crossterm::{
    Command,
    cursor::{Hide, Show},
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture},
    style::ResetColor,
    terminal::{EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen},
};
use std::io;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

/// How long leaving waits for a terminal that does not read.
pub const LEAVE_DEADLINE: Duration = Duration::from_secs(1);

/// One thing that was switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Raw,
    AlternateScreen,
    BracketedPaste,
    HiddenCursor,
    Mouse,
}

impl Mode {
    fn on(self, bytes: &mut String) {
        match self {
            Self::Raw => {}
            Self::AlternateScreen => ansi(bytes, EnterAlternateScreen),
            Self::BracketedPaste => ansi(bytes, EnableBracketedPaste),
            Self::HiddenCursor => ansi(bytes, Hide),
            Self::Mouse => ansi(bytes, EnableMouseCapture),
        }
    }

    fn off(self, bytes: &mut String) {
        match self {
            Self::Raw => {}
            Self::AlternateScreen => ansi(bytes, LeaveAlternateScreen),
            Self::BracketedPaste => ansi(bytes, DisableBracketedPaste),
            Self::HiddenCursor => ansi(bytes, Show),
            Self::Mouse => ansi(bytes, DisableMouseCapture),
        }
    }
}

fn ansi(bytes: &mut String, command: impl Command) {
    // Writing into a String cannot fail.
    let _ = command.write_ansi(bytes);
}

/// What the guard and the panic hook share.
struct Modes {
    on: Vec<Mode>,
    output: Output,
}

impl Modes {
    fn enter(&mut self, mouse: bool) -> io::Result<()> {
        crossterm::terminal::enable_raw_mode()?;
        self.on.push(Mode::Raw);
        let mut bytes = String::new();
        for mode in [Mode::AlternateScreen, Mode::BracketedPaste, Mode::HiddenCursor] {
            mode.on(&mut bytes);
            self.on.push(mode);
        }
        if mouse {
            Mode::Mouse.on(&mut bytes);
            self.on.push(Mode::Mouse);
        }
        self.output.push(bytes.into_bytes());
        Ok(())
    }

    fn set_mouse(&mut self, mouse: bool) {
        if self.on.is_empty() {
            return;
        }
        let mut bytes = String::new();
        if mouse {
            Mode::Mouse.on(&mut bytes);
            self.on.push(Mode::Mouse);
        } else {
            Mode::Mouse.off(&mut bytes);
            self.on.retain(|mode| *mode != Mode::Mouse);
        }
        self.output.push(bytes.into_bytes());
    }

    fn leave(&mut self) {
        if self.on.is_empty() {
            return;
        }
        let mut bytes = String::new();
        // A frame may have been cut off half-way.
        ansi(&mut bytes, EndSynchronizedUpdate);
        ansi(&mut bytes, ResetColor);
        let raw = self.on.contains(&Mode::Raw);
        for mode in self.on.drain(..).rev() {
            mode.off(&mut bytes);
        }
        self.output.push(bytes.into_bytes());
        self.output.drain(LEAVE_DEADLINE);
        if raw {
            // Nothing can be done when the terminal is gone.
            let _ = crossterm::terminal::disable_raw_mode();
        }
    }
}

/// While it lives, the terminal is ours. Dropping it gives the terminal back.
pub struct Session {
    modes: Arc<Mutex<Modes>>,
    mouse: bool,
}

impl Session {
    /// # Errors
    /// The terminal refuses raw mode.
    pub fn enter(output: Output, mouse: bool) -> io::Result<Self> {
        let session = Self { modes: Arc::new(Mutex::new(Modes { on: Vec::new(), output })), mouse };
        session.resume()?;
        Ok(session)
    }

    /// Lets clicks and the wheel come to us, or leaves them to the terminal; nothing when it is so already.
    pub fn set_mouse(&mut self, mouse: bool) {
        if std::mem::replace(&mut self.mouse, mouse) != mouse {
            self.modes.lock().unwrap_or_else(PoisonError::into_inner).set_mouse(mouse);
        }
    }

    /// Gives the terminal back; again is harmless.
    pub fn leave(&self) {
        self.modes.lock().unwrap_or_else(PoisonError::into_inner).leave();
    }

    /// Takes the terminal again, after a stop or a guest program.
    ///
    /// # Errors
    /// The terminal refuses raw mode.
    pub fn resume(&self) -> io::Result<()> {
        let mut modes = self.modes.lock().unwrap_or_else(PoisonError::into_inner);
        modes.leave();
        modes.enter(self.mouse)
    }

    /// From here on a panic on this thread gives the terminal back before anything is printed. A panic on
    /// another thread leaves the picture alone: it is handed to `report` and goes on as that task's failure.
    pub fn hook_panics(&self, report: impl Fn(String) + Send + Sync + 'static) -> PanicHook {
        let modes = Arc::downgrade(&self.modes);
        let home = std::thread::current().id();
        let previous = Arc::new(std::panic::take_hook());
        let inner = Arc::clone(&previous);
        std::panic::set_hook(Box::new(move |info| {
            let Some(modes) = modes.upgrade() else { return inner(info) };
            tracing::error!("panic: {info}");
            if std::thread::current().id() != home {
                let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
                report(format!("a task failed{place}: lmdeck logs has the details"));
                return;
            }
            match modes.try_lock() {
                Ok(mut modes) => modes.leave(),
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().leave(),
                Err(TryLockError::WouldBlock) => {}
            }
            inner(info);
        }));
        PanicHook { previous: Some(previous) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
    }
}

type Hook = Box<dyn Fn(&std::panic::PanicHookInfo<'_>) + Send + Sync>;

/// Puts the earlier panic hook back when dropped.
pub struct PanicHook {
    previous: Option<Arc<Hook>>,
}

impl Drop for PanicHook {
    fn drop(&mut self) {
        // A hook cannot be changed while its thread unwinds.
        if std::thread::panicking() {
            return;
        }
        if let Some(previous) = self.previous.take() {
            std::panic::set_hook(Box::new(move |info| previous(info)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portable_pty::{CommandBuilder, PtySize, native_pty_system};
    use std::io::Read;
    use std::os::fd::AsFd;

    const INSIDE: &str = "LMDECK_TEST_PANICS_INSIDE";

    /// The child of the test below: it has the terminal, and panics.
    #[test]
    fn panics_inside_a_terminal() {
        if std::env::var_os(INSIDE).is_none() {
            return;
        }
        let terminal = std::fs::File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap());
        let session = Session::enter(Output::start(terminal).unwrap(), true).unwrap();
        let _hook = session.hook_panics(|_| {});
        let elsewhere = std::thread::spawn(|| panic!("in a task")).join();
        assert!(elsewhere.is_err());
        panic!("on the main thread");
    }

    #[test]
    fn a_panic_gives_the_terminal_back_before_anything_is_printed() {
        let pair =
            native_pty_system().openpty(PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 }).unwrap();
        let before = format!("{:?}", pair.master.get_termios().unwrap());
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["tui::terminal::tests::panics_inside_a_terminal", "--exact", "--nocapture"]);
        command.env(INSIDE, "1");
        let mut child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sink, pieces) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let _ = sink.send(buffer[..count].to_vec());
            }
        });
        child.wait().unwrap();
        let mut bytes = Vec::new();
        while let Ok(piece) = pieces.recv_timeout(Duration::from_secs(2)) {
            bytes.extend(piece);
        }
        let text = String::from_utf8_lossy(&bytes);
        let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle:?} is not in {text}"));
        assert!(at("\x1b[?1049h") < at("\x1b[?1049l"), "{text}");
        assert!(at("\x1b[?1049l") < at("on the main thread"), "{text}");
        assert!(!text.contains("in a task"), "a task's panic was printed over the screen: {text}");
        for undone in ["\x1b[?25h", "\x1b[?2004l", "\x1b[?1000l"] {
            assert!(at(undone) < at("on the main thread"), "{undone}");
        }
        assert_eq!(format!("{:?}", pair.master.get_termios().unwrap()), before);
    }
}
