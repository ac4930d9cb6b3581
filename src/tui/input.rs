//! The way in from the terminal: a reader thread that can be parked while another program owns the terminal,
//! and a watchdog that notices when the terminal is gone. Two threads, because crossterm's reader never
//! returns from a dead terminal.

use crossterm::event::{Event, KeyEvent, KeyEventKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc;

/// Key presses and pastes waiting for the loop; when full the reader waits, and the terminal keeps the rest.
pub const INPUT_CAPACITY: usize = 256;
/// The reader's answers that it has let go: one says it all, more are left out.
const ACK_CAPACITY: usize = 1;
/// How often the watchdog looks even when nothing woke it.
const WATCH: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// How long parking waits for a reader that sits inside an unfinished escape sequence.
const PARK_DEADLINE: Duration = Duration::from_millis(300);

/// How long the library looks for more of what the terminal holds. Not zero: then it would not look at all.
const GLANCE: Duration = Duration::from_millis(1);

/// What the person did, or what became of the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Key(KeyEvent),
    Paste(String),
    Resize,
    Click {
        column: u16,
        row: u16,
    },
    Wheel {
        down: bool,
        column: u16,
        row: u16,
    },
    /// The terminal is gone.
    HungUp,
}

/// The reader thread's handle. Dropping it ends the thread at its next event.
pub struct Reader {
    /// Whether it is to keep its hands off. A state, not an order: one that was not obeyed in time is not obeyed late.
    parked: Arc<AtomicBool>,
    let_go: Receiver<()>,
    wake: PipeWriter,
}

impl Reader {
    /// Starts reader and watchdog on the standard input.
    ///
    /// # Errors
    /// A pipe or a thread cannot be made.
    pub fn start(sink: mpsc::Sender<Input>) -> std::io::Result<Self> {
        let parked = Arc::new(AtomicBool::new(false));
        let (ack, let_go) = sync_channel(ACK_CAPACITY);
        let (woken, wake) = std::io::pipe()?;
        let pause = Pause { parked: Arc::clone(&parked), ack, woken };
        let watch_sink = sink.clone();
        std::thread::Builder::new().name("terminal-watch".into()).spawn(move || watch(&watch_sink))?;
        std::thread::Builder::new().name("terminal-in".into()).spawn(move || read(&sink, pause))?;
        Ok(Self { parked, let_go, wake })
    }

    /// Keeps the reader's hands off the terminal; returns when it has let go.
    pub fn park(&mut self) {
        // An answer to an earlier time says nothing of this one.
        while self.let_go.try_recv().is_ok() {}
        if self.set(true) {
            let _ = self.let_go.recv_timeout(PARK_DEADLINE);
        }
    }

    pub fn unpark(&mut self) {
        self.set(false);
    }

    fn set(&mut self, parked: bool) -> bool {
        self.parked.store(parked, Ordering::SeqCst);
        self.wake.write_all(b"!").is_ok()
    }
}

/// The reader's end of parking.
struct Pause {
    parked: Arc<AtomicBool>,
    ack: SyncSender<()>,
    woken: PipeReader,
}

impl Pause {
    /// Something changed: stays here as long as the terminal is somebody else's. `false` when the handle is gone.
    fn obey(&mut self) -> bool {
        let mut there = self.heard();
        while there && self.parked.load(Ordering::SeqCst) {
            let _ = self.ack.try_send(());
            there = self.heard();
        }
        there
    }

    fn heard(&mut self) -> bool {
        self.woken.read(&mut [0; 1]).is_ok_and(|count| count > 0)
    }
}

/// Whether the other side of `fd` is gone.
pub fn hung_up(fd: BorrowedFd<'_>, wait: Option<&Timespec>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::empty())];
    match poll(&mut fds, wait) {
        Ok(_) => fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        Err(_) => false,
    }
}

fn watch(sink: &mpsc::Sender<Input>) {
    let stdin = std::io::stdin();
    while !sink.is_closed() {
        if hung_up(stdin.as_fd(), Some(&WATCH)) {
            let _ = sink.blocking_send(Input::HungUp);
            return;
        }
    }
}

fn read(sink: &mpsc::Sender<Input>, mut pause: Pause) {
    let stdin = std::io::stdin();
    loop {
        let mut fds = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&pause.woken, PollFlags::IN)];
        if poll(&mut fds, None).is_err() {
            continue;
        }
        let (terminal, order) = (fds[0].revents(), fds[1].revents());
        if order.contains(PollFlags::IN) {
            if !pause.obey() {
                return;
            }
            continue;
        }
        if order.intersects(PollFlags::HUP | PollFlags::ERR) {
            return;
        }
        if terminal.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            let _ = sink.blocking_send(Input::HungUp);
            return;
        }
        while let Ok(true) = crossterm::event::poll(GLANCE) {
            let Ok(event) = crossterm::event::read() else { break };
            if let Some(input) = translate(event)
                && sink.blocking_send(input).is_err()
            {
                return;
            }
        }
    }
}

fn translate(event: Event) -> Option<Input> {
    use crossterm::event::MouseEventKind as Mouse;
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Input::Key(key)),
        Event::Paste(text) => Some(Input::Paste(text)),
        Event::Resize(..) => Some(Input::Resize),
        Event::Mouse(mouse) => match mouse.kind {
            Mouse::Down(_) => Some(Input::Click { column: mouse.column, row: mouse.row }),
            Mouse::ScrollDown => Some(Input::Wheel { down: true, column: mouse.column, row: mouse.row }),
            Mouse::ScrollUp => Some(Input::Wheel { down: false, column: mouse.column, row: mouse.row }),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Reader, Pause) {
        let parked = Arc::new(AtomicBool::new(false));
        let (ack, let_go) = sync_channel(ACK_CAPACITY);
        let (woken, wake) = std::io::pipe().unwrap();
        (Reader { parked: Arc::clone(&parked), let_go, wake }, Pause { parked, ack, woken })
    }

    #[test]
    fn a_reader_that_was_too_busy_to_park_goes_on_when_it_is_over() {
        let (mut reader, mut pause) = pair();
        reader.park();
        reader.unpark();
        // Only now it comes to look: twice, as it was woken twice.
        let busy = std::thread::spawn(move || (pause.obey() && pause.obey(), pause));
        let (there, mut pause) = busy.join().unwrap();
        assert!(there);
        // And the next time it parks again, until it is let go.
        let parks = std::thread::spawn(move || pause.obey());
        reader.park();
        assert!(!parks.is_finished());
        reader.unpark();
        assert!(parks.join().unwrap());
    }

    #[test]
    fn a_parked_reader_ends_with_its_handle() {
        let (mut reader, mut pause) = pair();
        let parks = std::thread::spawn(move || pause.obey());
        reader.park();
        drop(reader);
        assert!(!parks.join().unwrap());
    }
}
