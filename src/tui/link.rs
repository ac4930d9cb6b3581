//! The engine as the loop sees it: questions and calls under way, and whatever it tells next as a message.

use super::msg::Msg;
use super::part::Ticket;
use crate::domain::call::{CallRecord, CallRequest, Facts, Status};
use crate::domain::failure::{ErrorCode, Failure};
use crate::domain::ids::CallId;
use crate::domain::money::Cost;
use crate::domain::time::UnixMs;
use crate::engine::handle::EngineHandle;
use crate::engine::protocol::{CallEvent, CallOutcome, Command, Event, Reply, Snapshot};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Notify, broadcast, mpsc, watch};

/// Questions to the engine under way; more are refused with a message.
const QUESTIONS: usize = 64;

type CallStep = (Ticket, Told);

/// What a call told next.
enum Told {
    Event(CallEvent, mpsc::Receiver<CallEvent>, Arc<Notify>),
    /// It was given up here.
    Stopped,
    /// It went without an end: its task is gone.
    Broken,
}

/// Everything that is waited for besides the person.
pub struct Link {
    handle: EngineHandle,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    events: broadcast::Receiver<Event>,
    replies: FuturesUnordered<BoxFuture<'static, (Ticket, Reply)>>,
    calls: FuturesUnordered<BoxFuture<'static, CallStep>>,
    stops: HashMap<Ticket, Arc<Notify>>,
    /// The engine publishes nothing any more.
    gone: bool,
    /// It announces nothing any more.
    silent: bool,
}

impl Link {
    pub fn new(handle: EngineHandle) -> Self {
        Self {
            snapshots: handle.snapshots(),
            events: handle.events(),
            handle,
            replies: FuturesUnordered::new(),
            calls: FuturesUnordered::new(),
            stops: HashMap::new(),
            gone: false,
            silent: false,
        }
    }

    /// As it is now, also where the message of it still waits.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.handle.snapshot()
    }

    pub fn ask(&self, ticket: Ticket, command: Command) {
        let asked = if self.replies.len() < QUESTIONS {
            self.handle.ask_later(command)
        } else {
            Err("too many questions are under way: try again in a moment")
        };
        self.replies.push(match asked {
            Ok(answer) => async move {
                let gone = |_| Reply::refused(1, "the engine has stopped", "start lmdeck again");
                (ticket, answer.await.unwrap_or_else(gone))
            }
            .boxed(),
            Err(why) => std::future::ready((ticket, Reply::refused(4, why, ""))).boxed(),
        });
    }

    pub fn call(&mut self, ticket: Ticket, request: CallRequest) {
        let stop = Arc::new(Notify::new());
        self.stops.insert(ticket, Arc::clone(&stop));
        self.calls.push(step(ticket, self.handle.dispatch(request), stop));
    }

    pub fn stop(&mut self, ticket: Ticket) {
        if let Some(stop) = self.stops.remove(&ticket) {
            stop.notify_one();
        }
    }

    fn take_step(&mut self, (ticket, rest): CallStep) -> Option<Msg> {
        let (event, receiver, stop) = match rest {
            Told::Event(event, receiver, stop) => (event, receiver, stop),
            Told::Stopped => return None,
            // Stopped at the same moment: nobody waits for it.
            Told::Broken => return self.stops.remove(&ticket).map(|_| Msg::Call(ticket, Box::new(broken_off()))),
        };
        if matches!(event, CallEvent::End(_)) {
            self.stops.remove(&ticket);
        } else {
            self.calls.push(step(ticket, receiver, stop));
        }
        Some(Msg::Call(ticket, Box::new(event)))
    }

    /// The next thing that is there already.
    pub fn ready(&mut self) -> Option<Msg> {
        if self.snapshots.has_changed().unwrap_or(false) {
            return Some(Msg::Snapshot(self.snapshots.borrow_and_update().clone()));
        }
        if let Some(Some((ticket, reply))) = self.replies.next().now_or_never() {
            return Some(Msg::Reply(ticket, Box::new(reply)));
        }
        if let Some(Some(step)) = self.calls.next().now_or_never() {
            return self.take_step(step).or_else(|| self.ready());
        }
        match self.events.try_recv() {
            Ok(event) => Some(Msg::Event(Box::new(event))),
            Err(broadcast::error::TryRecvError::Lagged(count)) => Some(Msg::Missed(count)),
            Err(_) => None,
        }
    }

    /// Waits for the next thing; waits for good when the engine is gone and nothing is under way.
    pub async fn next(&mut self) -> Msg {
        loop {
            tokio::select! {
                changed = self.snapshots.changed(), if !self.gone => {
                    if changed.is_ok() {
                        return Msg::Snapshot(self.snapshots.borrow_and_update().clone());
                    }
                    self.gone = true;
                    return Msg::Fault("the engine has stopped: what you see is its last state. q leaves".into());
                }
                Some((ticket, reply)) = self.replies.next() => return Msg::Reply(ticket, Box::new(reply)),
                Some(step) = self.calls.next() => if let Some(msg) = self.take_step(step) { return msg },
                event = self.events.recv(), if !self.silent => match event {
                    Ok(event) => return Msg::Event(Box::new(event)),
                    Err(broadcast::error::RecvError::Lagged(count)) => return Msg::Missed(count),
                    Err(broadcast::error::RecvError::Closed) => self.silent = true,
                },
                else => std::future::pending::<()>().await,
            }
        }
    }
}

/// The end of a call that told none; nothing was recorded of it.
fn broken_off() -> CallEvent {
    let failure = Failure::plain(ErrorCode::Internal, "the call broke off inside lmdeck");
    let record = CallRecord {
        id: CallId::from(""),
        ts: UnixMs(0),
        facts: Facts::default(),
        policy: String::new(),
        rules_version: 0,
        chain: Vec::new(),
        rejects: Vec::new(),
        target: None,
        status: Status::Error,
        error: Some(failure.clone()),
        finish: None,
        duration_ms: 0,
        queue_ms: 0,
        ttft_ms: None,
        usage: None,
        cost: Cost::UNKNOWN,
        cache: String::new(),
        attempts: Vec::new(),
        prompt: None,
        answer: None,
        reserved: None,
        observed: Vec::new(),
        outside: None,
    };
    CallEvent::End(Box::new(CallOutcome {
        record: Arc::new(record),
        failure: Some(failure),
        finish: None,
        after_answer_bytes: false,
    }))
}

fn step(ticket: Ticket, mut receiver: mpsc::Receiver<CallEvent>, stop: Arc<Notify>) -> BoxFuture<'static, CallStep> {
    async move {
        let stopped = Arc::clone(&stop);
        let next = {
            let told = std::pin::pin!(stopped.notified());
            let event = std::pin::pin!(receiver.recv());
            match select(event, told).await {
                Either::Left((event, _)) => Some(event),
                Either::Right(_) => None,
            }
        };
        // Dropping the receiver cancels the call.
        let told = match next {
            Some(Some(event)) => Told::Event(event, receiver, stop),
            Some(None) => Told::Broken,
            None => Told::Stopped,
        };
        (ticket, told)
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::call::Body;
    use crate::engine::handle::{CALL_CAPACITY, COMMAND_CAPACITY, Caller, EVENT_CAPACITY, Envelope};
    use crate::engine::protocol::{ConfigView, GatewayView, RoutingView, SpendView};
    use std::sync::Mutex;

    /// Writes two words and keeps the call open.
    #[derive(Default)]
    struct Slow(Mutex<Vec<mpsc::Sender<CallEvent>>>);

    impl Caller for Slow {
        fn dispatch(&self, _: CallRequest) -> mpsc::Receiver<CallEvent> {
            let (sender, receiver) = mpsc::channel(CALL_CAPACITY);
            for text in ["one", "two"] {
                sender.try_send(CallEvent::Text { text: text.into() }).unwrap();
            }
            self.0.lock().unwrap().push(sender);
            receiver
        }
    }

    fn nothing() -> Snapshot {
        Snapshot {
            revision: 0,
            config: Arc::new(ConfigView::default()),
            providers: Arc::default(),
            routing: Arc::new(RoutingView::default()),
            spend: Arc::new(SpendView::default()),
            gateway: Arc::new(GatewayView::default()),
            running: Arc::default(),
            incidents: Arc::default(),
            flow: Arc::default(),
        }
    }

    fn request() -> CallRequest {
        let body = Body::Chat { messages: Vec::new(), max_tokens: None, temperature: None, stream: true };
        CallRequest { facts: Facts::default(), body, wants_usage: false }
    }

    struct Far {
        commands: mpsc::Receiver<Envelope>,
        snapshots: watch::Sender<Arc<Snapshot>>,
        caller: Arc<Slow>,
    }

    fn link() -> (Link, Far) {
        let (commands, inbox) = mpsc::channel(COMMAND_CAPACITY);
        let (snapshots, seen) = watch::channel(Arc::new(nothing()));
        let (events, _) = broadcast::channel(EVENT_CAPACITY);
        let caller = Arc::new(Slow::default());
        let handle = EngineHandle::new(commands, seen, events, Arc::clone(&caller) as Arc<dyn Caller>);
        (Link::new(handle), Far { commands: inbox, snapshots, caller })
    }

    #[tokio::test]
    async fn events_of_a_call_come_in_order_and_stopping_hangs_up() {
        let (mut link, far) = link();
        link.call(7, request());
        for expected in ["one", "two"] {
            let Msg::Call(7, event) = link.next().await else { panic!("something else came") };
            assert_eq!(*event, CallEvent::Text { text: expected.into() });
        }
        link.stop(7);
        assert!(link.ready().is_none());
        let sender = far.caller.0.lock().unwrap().pop().unwrap();
        sender.closed().await;
    }

    #[tokio::test]
    async fn a_call_whose_task_died_ends_with_words() {
        let (mut link, far) = link();
        link.call(7, request());
        far.caller.0.lock().unwrap().clear();
        for expected in ["one", "two"] {
            let Msg::Call(7, event) = link.next().await else { panic!("something else came") };
            assert_eq!(*event, CallEvent::Text { text: expected.into() });
        }
        let Msg::Call(7, event) = link.next().await else { panic!("something else came") };
        let CallEvent::End(outcome) = *event else { panic!("{event:?}") };
        assert_eq!(outcome.failure.unwrap().code, ErrorCode::Internal);
        assert!(link.ready().is_none() && link.stops.is_empty(), "said once");
    }

    #[tokio::test]
    async fn an_engine_that_is_gone_is_said_once_and_refuses_what_is_asked() {
        let (mut link, far) = link();
        link.ask(1, Command::Discover);
        let Far { commands, snapshots, .. } = far;
        drop((commands, snapshots));
        let mut said = 0;
        for _ in 0..2 {
            match link.next().await {
                Msg::Fault(text) => said += usize::from(text.contains("stopped")),
                Msg::Reply(1, reply) => assert!(matches!(*reply, Reply::Refused(_))),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(said, 1);
        link.ask(2, Command::Discover);
        assert!(matches!(link.next().await, Msg::Reply(2, _)));
    }

    #[tokio::test]
    async fn too_many_questions_are_refused_and_none_is_forgotten() {
        let (mut link, _far) = link();
        for ticket in 0..=QUESTIONS as u64 {
            link.ask(ticket, Command::Discover);
        }
        let Msg::Reply(ticket, reply) = link.next().await else { panic!("something else came") };
        assert_eq!(ticket, QUESTIONS as u64);
        assert!(matches!(*reply, Reply::Refused(_)));
    }
}
