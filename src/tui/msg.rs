//! What the loop tells the app, and what the app wants done in the outside world.

use super::input::Input;
use super::part::Ticket;
use crate::domain::call::CallRequest;
use crate::domain::config::DesktopBy;
use crate::engine::protocol::{CallEvent, Command, Event, Reply, Snapshot};
use std::sync::Arc;

#[derive(Debug, Clone)]
pub enum Msg {
    Input(Input),
    Snapshot(Arc<Snapshot>),
    Event(Box<Event>),
    /// So many events were missed.
    Missed(u64),
    Reply(Ticket, Box<Reply>),
    Call(Ticket, Box<CallEvent>),
    /// A deadline of the app has passed.
    Wake,
    /// Something outside the app went wrong; a sentence.
    Fault(String),
    /// The guest program has given the terminal back; a sentence when it failed.
    Edited(Result<(), String>),
    /// The text that was in the person's editor, or a sentence why there is none.
    TextEdited(Result<String, String>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// Answered by [`Msg::Reply`].
    Ask(Ticket, Command),
    /// Answered by [`Msg::Call`] until its end.
    Call(Ticket, Box<CallRequest>),
    StopCall(Ticket),
    /// To the terminal's clipboard.
    Copy(String),
    Edit(String),
    Suspend,
    Repaint,
    Quit,
    /// Answered by [`Msg::TextEdited`].
    EditText(String),
    Alert(Alert),
}

/// How to call the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub bell: bool,
    /// A notification of the desktop, with its words.
    pub desktop: Option<(DesktopBy, String)>,
}
