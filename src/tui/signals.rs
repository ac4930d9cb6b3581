//! The signals a full-screen program must answer. Registered before the first mode is switched on, so that
//! one in the first milliseconds is not lost.

use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caught {
    /// End in order; the number for the exit status.
    End(i32),
    HungUp,
    /// Asked to stop (ctrl-z from outside).
    Stop,
    /// Running again.
    Continue,
    Resize,
}

pub struct Signals {
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
    stop: Signal,
    go_on: Signal,
    resize: Signal,
}

impl Signals {
    /// # Errors
    /// The system refuses a handler.
    pub fn register() -> std::io::Result<Self> {
        let raw = |which: rustix::process::Signal| SignalKind::from_raw(which.as_raw());
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            stop: signal(raw(rustix::process::Signal::TSTP))?,
            go_on: signal(raw(rustix::process::Signal::CONT))?,
            resize: signal(SignalKind::window_change())?,
        })
    }

    /// The next signal. Cancel-safe.
    pub async fn next(&mut self) -> Caught {
        let number = |kind: SignalKind| Caught::End(kind.as_raw_value());
        tokio::select! {
            biased;
            _ = self.hangup.recv() => Caught::HungUp,
            _ = self.terminate.recv() => number(SignalKind::terminate()),
            _ = self.interrupt.recv() => number(SignalKind::interrupt()),
            _ = self.quit.recv() => number(SignalKind::quit()),
            _ = self.stop.recv() => Caught::Stop,
            _ = self.go_on.recv() => Caught::Continue,
            _ = self.resize.recv() => Caught::Resize,
        }
    }
}
