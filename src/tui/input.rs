//! The way in from the terminal: a reader thread that can be parked while another program owns the terminal,
//! and a watchdog that notices when the terminal is gone. Two threads, because crossterm's reader never
//! returns from a dead terminal.

use crossterm::event::{Event, KeyEvent, KeyEventKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc;

/// Key presses and pastes waiting for the loop; when full the reader waits, and the terminal keeps the rest.
pub const INPUT_CAPACITY: usize = 256;
/// Orders to the reader and its acknowledgements: one at a time.
const ORDER_CAPACITY: usize = 1;
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

enum Order {
    Park,
    Go,
}

/// The reader thread's handle. Dropping it ends the thread at its next event.
pub struct Reader {
    orders: SyncSender<Order>,
    parked: Receiver<()>,
    wake: PipeWriter,
}

impl Reader {
    /// Starts reader and watchdog on the standard input.
    ///
    /// # Errors
    /// A pipe or a thread cannot be made.
    pub fn start(sink: mpsc::Sender<Input>) -> std::io::Result<Self> {
        let (orders, inbox) = sync_channel(ORDER_CAPACITY);
        let (ack, parked) = sync_channel(ORDER_CAPACITY);
        let (woken, wake) = std::io::pipe()?;
        let watch_sink = sink.clone();
        std::thread::Builder::new().name("terminal-watch".into()).spawn(move || watch(&watch_sink))?;
        std::thread::Builder::new().name("terminal-in".into()).spawn(move || read(&sink, &inbox, &ack, woken))?;
        Ok(Self { orders, parked, wake })
    }

    /// Keeps the reader's hands off the terminal; returns when it has let go.
    pub fn park(&mut self) {
        if self.order(Order::Park) {
            let _ = self.parked.recv_timeout(PARK_DEADLINE);
        }
    }

    pub fn unpark(&mut self) {
        self.order(Order::Go);
    }

    fn order(&mut self, order: Order) -> bool {
        self.orders.try_send(order).is_ok() && self.wake.write_all(b"!").is_ok()
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

fn read(sink: &mpsc::Sender<Input>, orders: &Receiver<Order>, ack: &SyncSender<()>, mut woken: PipeReader) {
    let stdin = std::io::stdin();
    loop {
        let mut fds = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&woken, PollFlags::IN)];
        if poll(&mut fds, None).is_err() {
            continue;
        }
        let (terminal, order) = (fds[0].revents(), fds[1].revents());
        if order.contains(PollFlags::IN) {
            let _ = woken.read(&mut [0; 1]);
            if matches!(orders.try_recv(), Ok(Order::Park)) {
                let _ = ack.try_send(());
                while !matches!(orders.recv(), Ok(Order::Go) | Err(_)) {}
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
