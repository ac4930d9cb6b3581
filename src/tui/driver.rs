//! The loop: waits for one thing, drains what else is there, then decides once whether to draw.

use super::app::{App, Dirt};
use super::backend::FrameBackend;
use super::input::{INPUT_CAPACITY, Input, Reader, hung_up};
use super::link::Link;
use super::msg::{Intent, Msg};
use super::options::TuiOptions;
use super::output::Output;
use super::signals::{Caught, Signals};
use super::terminal::Session;
use super::{Exit, TuiError, alerts, clipboard, editor};
use crate::domain::time::UnixMs;
use crate::engine::handle::EngineHandle;
use ratatui::Terminal;
use ratatui::layout::{Rect, Size};
use std::os::fd::AsFd;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Faults of other threads waiting to be said; when full, the log alone has them.
const FAULT_CAPACITY: usize = 16;
/// Messages taken in one turn of the loop, so that a flood cannot keep the picture from being drawn.
const DRAIN: usize = 1024;

/// How long after a stop of one's own the signal to go on may still come.
const ECHO: Duration = Duration::from_millis(500);

/// What the loop does next.
enum Next {
    GoOn,
    Leave(Exit),
}

struct Driver<S, C>
where
    S: Fn() -> std::io::Result<Size>,
    C: FnMut(Vec<u8>),
{
    app: App,
    engine: Link,
    options: TuiOptions,
    output: Output,
    session: Session,
    reader: Reader,
    signals: Signals,
    terminal: Terminal<FrameBackend<S, C>>,
    last_frame: Instant,
    /// When it went on after a stop of its own: the signal that says so comes a moment later.
    resumed: Option<Instant>,
}

pub(super) async fn run(handle: EngineHandle, options: TuiOptions) -> Result<Exit, TuiError> {
    // Colours are the theme's business alone: the library must not drop them, and with them the attributes.
    crossterm::style::force_color_output(true);
    let signals = Signals::register()?;
    let output = Output::start(std::fs::File::from(std::io::stdout().as_fd().try_clone_to_owned()?))?;
    let snapshot = handle.snapshot();
    let now = (options.clock)();
    let session = Session::enter(output.clone(), snapshot.config.ui.mouse)?;
    let (faults, mut fault_inbox) = mpsc::channel(FAULT_CAPACITY);
    let _hook = session.hook_panics(move |text| drop(faults.try_send(text)));
    let (sink, mut inbox) = mpsc::channel(INPUT_CAPACITY);
    let reader = Reader::start(sink)?;
    let frames = output.clone();
    let backend = FrameBackend::new(size, move |frame| frames.push(frame));
    let terminal = Terminal::new(backend)?;
    let mut driver = Driver {
        app: App::new(snapshot, options.clone(), now),
        engine: Link::new(handle),
        options,
        output,
        session,
        reader,
        signals,
        terminal,
        last_frame: Instant::now(),
        resumed: None,
    };
    driver.run(&mut inbox, &mut fault_inbox).await
}

fn size() -> std::io::Result<Size> {
    let (width, height) = crossterm::terminal::size()?;
    Ok(Size::new(width, height))
}

impl<S, C> Driver<S, C>
where
    S: Fn() -> std::io::Result<Size>,
    C: FnMut(Vec<u8>),
{
    async fn run(
        &mut self,
        inbox: &mut mpsc::Receiver<Input>,
        faults: &mut mpsc::Receiver<String>,
    ) -> Result<Exit, TuiError> {
        self.draw()?;
        let first = self.app.start();
        if let Next::Leave(exit) = self.carry_out(first).await? {
            return Ok(exit);
        }
        loop {
            if self.output.is_dead() {
                return Ok(Exit::HungUp);
            }
            let draw_at = self.draw_if_due()?;
            let wake_at = self.app.deadline().map(|at| self.instant(at));
            let next = tokio::select! {
                biased;
                caught = self.signals.next() => self.caught(caught).await?,
                Some(input) = inbox.recv() => self.input(input).await?,
                Some(text) = faults.recv() => self.update(Msg::Fault(text)).await?,
                msg = self.engine.next() => self.update(msg).await?,
                () = self.output.idle(), if draw_at.is_some() && !self.output.is_idle() => Next::GoOn,
                () = sleep_until(draw_at), if draw_at.is_some() && self.output.is_idle() => Next::GoOn,
                () = sleep_until(wake_at), if wake_at.is_some() => self.update(Msg::Wake).await?,
            };
            if let Next::Leave(exit) = next {
                return Ok(exit);
            }
            for _ in 0..DRAIN {
                let next = if let Ok(input) = inbox.try_recv() {
                    self.input(input).await?
                } else if let Some(msg) = self.engine.ready() {
                    self.update(msg).await?
                } else {
                    break;
                };
                if let Next::Leave(exit) = next {
                    return Ok(exit);
                }
            }
        }
    }

    /// Draws when something changed and it is time; else says when it will be.
    fn draw_if_due(&mut self) -> Result<Option<Instant>, TuiError> {
        let due = match self.app.dirt() {
            _ if self.output.has_lost() => Instant::now(),
            Dirt::Clean => return Ok(None),
            Dirt::Touched => Instant::now(),
            Dirt::Data => self.last_frame + self.options.frame_gap,
        };
        if due > Instant::now() || !self.output.is_idle() {
            return Ok(Some(due));
        }
        // The next frame says only what differs from one that never arrived.
        let drawn = if self.output.take_lost() { self.repaint() } else { self.draw() };
        drawn.map(|()| None)
    }

    fn draw(&mut self) -> Result<(), TuiError> {
        let app = &self.app;
        self.terminal.draw(|frame| {
            if let Some(position) = super::view::draw(app, frame.buffer_mut()) {
                frame.set_cursor_position(position);
            }
        })?;
        self.app.drawn();
        self.last_frame = Instant::now();
        Ok(())
    }

    /// A full repaint. Never `Terminal::clear`: it asks the terminal where its cursor is.
    fn repaint(&mut self) -> Result<(), TuiError> {
        let size = size()?;
        self.terminal.backend_mut().forget();
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))?;
        self.draw()
    }

    fn instant(&self, at: UnixMs) -> Instant {
        Instant::now() + at.since((self.options.clock)())
    }

    async fn input(&mut self, input: Input) -> Result<Next, TuiError> {
        if input == Input::HungUp {
            self.output.declare_dead();
            return Ok(Next::Leave(Exit::HungUp));
        }
        self.update(Msg::Input(input)).await
    }

    async fn update(&mut self, msg: Msg) -> Result<Next, TuiError> {
        let intents = self.app.update(msg, (self.options.clock)());
        self.session.set_mouse(self.app.snapshot.config.ui.mouse);
        self.carry_out(intents).await
    }

    async fn caught(&mut self, caught: Caught) -> Result<Next, TuiError> {
        match caught {
            Caught::End(number) => return Ok(Next::Leave(Exit::Signal(number))),
            Caught::HungUp => {
                // A terminal that lives is given back; a dead one gets no bytes.
                if hung_up(std::io::stdin().as_fd(), Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })) {
                    self.output.declare_dead();
                }
                return Ok(Next::Leave(Exit::HungUp));
            }
            Caught::Stop => self.suspend()?,
            Caught::Continue if self.resumed.take().is_some_and(|at| at.elapsed() < ECHO) => {}
            Caught::Continue => {
                self.session.resume()?;
                self.repaint()?;
            }
            Caught::Resize => return self.update(Msg::Input(Input::Resize)).await,
        }
        Ok(Next::GoOn)
    }

    /// Stops the whole process group: a stop signal sent to oneself alone is lost when nobody waits for it.
    fn suspend(&mut self) -> Result<(), TuiError> {
        self.reader.park();
        self.session.leave();
        let stopped = rustix::process::kill_current_process_group(rustix::process::Signal::STOP);
        // Running again.
        self.resumed = Some(Instant::now());
        self.session.resume()?;
        self.reader.unpark();
        self.repaint()?;
        if stopped.is_err() {
            tracing::warn!("the process group could not be stopped");
        }
        Ok(())
    }

    async fn edit(&mut self, file: &str) -> Result<Next, TuiError> {
        match self.lend(file).await? {
            Ok(Ok(ended)) => self.answer_of_editor(Msg::Edited(Ok(())), ended).await,
            Ok(Err(why)) => self.answer(Msg::Edited(Err(why))).await,
            Err(exit) => Ok(Next::Leave(exit)),
        }
    }

    /// A text in a file of its own that only its owner can read, gone when the editor is closed.
    async fn edit_text(&mut self, text: &str) -> Result<Next, TuiError> {
        let draft = match editor::Draft::new(text) {
            Ok(draft) => draft,
            Err(why) => return self.answer(Msg::TextEdited(Err(why))).await,
        };
        match self.lend(&draft.path()).await? {
            Ok(Ok(ended)) => self.answer_of_editor(Msg::TextEdited(draft.read()), ended).await,
            Ok(Err(why)) => self.answer(Msg::TextEdited(Err(why))).await,
            Err(exit) => Ok(Next::Leave(exit)),
        }
    }

    /// What came back, and then how the editor ended, where it did not end well.
    async fn answer_of_editor(&mut self, msg: Msg, ended: Option<String>) -> Result<Next, TuiError> {
        let next = self.answer(msg).await?;
        match (next, ended) {
            (Next::GoOn, Some(said)) => self.answer(Msg::Fault(said)).await,
            (next, _) => Ok(next),
        }
    }

    async fn answer(&mut self, msg: Msg) -> Result<Next, TuiError> {
        let intents = self.app.update(msg, (self.options.clock)());
        Box::pin(self.carry_out(intents)).await
    }

    /// Gives the terminal to the person's editor until it is closed; the inner error is a sentence, the outer
    /// one says that lmdeck is to leave meanwhile.
    async fn lend(&mut self, file: &str) -> Result<Result<Result<Option<String>, String>, Exit>, TuiError> {
        self.reader.park();
        self.session.leave();
        let mut guest = std::pin::pin!(editor::open(file));
        let (result, leave) = loop {
            tokio::select! {
                result = &mut guest => break (result, None),
                caught = self.signals.next() => match caught {
                    Caught::HungUp => break (Ok(None), Some(Exit::HungUp)),
                    // ctrl-c and ctrl-z are the guest's while it has the terminal.
                    Caught::End(number) if number != rustix::process::Signal::INT.as_raw() => {
                        break (Ok(None), Some(Exit::Signal(number)));
                    }
                    _ => {}
                },
            }
        };
        if let Some(exit) = leave {
            return Ok(Err(exit));
        }
        self.session.resume()?;
        self.reader.unpark();
        self.repaint()?;
        Ok(Ok(result))
    }

    async fn carry_out(&mut self, intents: Vec<Intent>) -> Result<Next, TuiError> {
        for intent in intents {
            match intent {
                Intent::Ask(ticket, command) => self.engine.ask(ticket, command),
                Intent::Call(ticket, request) => self.engine.call(ticket, *request),
                Intent::StopCall(ticket) => self.engine.stop(ticket),
                Intent::Copy(text) => self.output.push(clipboard::sequence(&text, &self.options.env)),
                Intent::EditText(text) => {
                    if let Next::Leave(exit) = self.edit_text(&text).await? {
                        return Ok(Next::Leave(exit));
                    }
                }
                Intent::Edit(file) => {
                    if let Next::Leave(exit) = self.edit(&file).await? {
                        return Ok(Next::Leave(exit));
                    }
                }
                Intent::Suspend => self.suspend()?,
                Intent::Alert(alert) => self.output.push(alerts::bytes(&alert, &self.options.env)),
                Intent::Repaint => self.repaint()?,
                Intent::Quit => return Ok(Next::Leave(Exit::Quit)),
            }
        }
        Ok(Next::GoOn)
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => tokio::time::sleep(Duration::MAX).await,
    }
}
