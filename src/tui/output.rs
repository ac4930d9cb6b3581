//! The way out to the terminal: a thread of its own writes whole frames in order, so that a terminal that
//! does not read can delay neither the loop nor the exit.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Frames on their way. The loop draws only when all are written, so more than a frame, a clipboard text and
/// the way out never wait; when it is full all the same, the terminal is stuck and the bytes are dropped.
const OUTPUT_CAPACITY: usize = 8;

#[derive(Default)]
struct State {
    /// Pieces handed over and not yet written.
    waiting: Mutex<usize>,
    written: Condvar,
    idle: Notify,
    dead: AtomicBool,
    /// Something was dropped since this was last asked.
    lost: AtomicBool,
}

/// Cloneable; all clones write to the same terminal.
#[derive(Clone)]
pub struct Output {
    queue: SyncSender<Vec<u8>>,
    state: Arc<State>,
}

impl Output {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(mut terminal: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (queue, pieces) = sync_channel::<Vec<u8>>(OUTPUT_CAPACITY);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::Builder::new().name("terminal-out".into()).spawn(move || {
            for piece in pieces {
                if !shared.dead.load(Ordering::Acquire)
                    && terminal.write_all(&piece).and_then(|()| terminal.flush()).is_err()
                {
                    shared.dead.store(true, Ordering::Release);
                }
                let mut waiting = shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                *waiting = waiting.saturating_sub(1);
                if *waiting == 0 {
                    shared.written.notify_all();
                    shared.idle.notify_one();
                }
            }
        })?;
        Ok(Self { queue, state })
    }

    /// Hands over bytes that belong together; one write.
    pub fn push(&self, bytes: Vec<u8>) {
        if bytes.is_empty() || self.is_dead() {
            return;
        }
        let mut waiting = self.state.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match self.queue.try_send(bytes) {
            Ok(()) => *waiting += 1,
            Err(TrySendError::Full(_)) => {
                self.state.lost.store(true, Ordering::Release);
                tracing::warn!("the terminal does not read: output was dropped");
            }
            Err(TrySendError::Disconnected(_)) => self.declare_dead(),
        }
    }

    /// Something was dropped: what is on the screen is not what was drawn last.
    pub fn has_lost(&self) -> bool {
        self.state.lost.load(Ordering::Acquire)
    }

    /// [`Self::has_lost`], once.
    pub fn take_lost(&self) -> bool {
        self.state.lost.swap(false, Ordering::AcqRel)
    }

    /// Everything handed over is written.
    pub fn is_idle(&self) -> bool {
        *self.state.waiting.lock().unwrap_or_else(PoisonError::into_inner) == 0
    }

    /// Waits until [`Self::is_idle`].
    pub async fn idle(&self) {
        while !self.is_idle() {
            self.state.idle.notified().await;
        }
    }

    /// Waits on this thread until everything is written, at most `limit`.
    pub fn drain(&self, limit: Duration) {
        if self.is_dead() {
            return;
        }
        let waiting = self.state.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.state.written.wait_timeout_while(waiting, limit, |waiting| *waiting > 0);
    }

    /// From here on nothing is written: the terminal is gone.
    pub fn declare_dead(&self) {
        self.state.dead.store(true, Ordering::Release);
    }

    pub fn is_dead(&self) -> bool {
        self.state.dead.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Instant;

    /// A terminal that reads only when told to.
    struct Slow(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_terminal_delays_leaving_by_the_limit_and_no_more() {
        let (_go, wait) = channel();
        let (seen, _written) = channel();
        let output = Output::start(Slow(wait, seen)).unwrap();
        output.push(b"frame".to_vec());
        let start = Instant::now();
        output.drain(Duration::from_millis(50));
        assert!(start.elapsed() < Duration::from_secs(2));
        assert!(!output.is_idle());
    }

    #[test]
    fn pieces_arrive_whole_and_in_order() {
        let (go, wait) = channel();
        let (seen, written) = channel();
        let output = Output::start(Slow(wait, seen)).unwrap();
        output.push(b"one".to_vec());
        output.push(b"two".to_vec());
        go.send(()).unwrap();
        go.send(()).unwrap();
        output.drain(Duration::from_secs(5));
        assert!(output.is_idle());
        assert_eq!(written.try_iter().collect::<Vec<_>>(), [b"one".to_vec(), b"two".to_vec()]);
    }

    #[test]
    fn a_piece_that_finds_no_room_is_known_to_be_lost() {
        let (go, wait) = channel();
        let (seen, written) = channel();
        let output = Output::start(Slow(wait, seen)).unwrap();
        let all = OUTPUT_CAPACITY + 2;
        for _ in 0..all {
            output.push(b"frame".to_vec());
        }
        assert!(output.has_lost() && output.take_lost() && !output.has_lost());
        (0..all).for_each(|_| go.send(()).unwrap());
        output.drain(Duration::from_secs(5));
        assert!(written.try_iter().count() < all);
    }

    #[test]
    fn a_dead_terminal_gets_no_bytes() {
        let (_go, wait) = channel();
        let (seen, written) = channel();
        let output = Output::start(Slow(wait, seen)).unwrap();
        output.declare_dead();
        output.push(b"frame".to_vec());
        output.drain(Duration::from_secs(5));
        assert!(written.try_recv().is_err());
    }
}
