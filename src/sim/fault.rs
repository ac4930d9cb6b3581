//! What may go wrong with a request.

use std::time::Duration;

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status and body; a body that starts with `{` is JSON, one with `<` HTML.
    Status(u16, String),
    /// The same with a header more, as `retry-after`.
    Refuse {
        status: u16,
        header: (&'static str, String),
        body: String,
    },
    /// Waits before the response head.
    Delay(Duration),
    /// Waits before each chunk of a stream, or each piece of a whole answer.
    Drip(Duration),
    /// Closes the connection after so many chunks of a stream, or half-way through a whole answer.
    Cut {
        after: usize,
    },
    /// Goes silent after so many chunks, or half-way through a whole answer.
    Stall {
        after: usize,
    },
    /// Takes the request and never answers.
    Silence,
    /// Breaks the connection with a TCP reset before any answer.
    Reset,
    MalformedJson,
    Html,
    /// 100 MB.
    Oversized,
    /// Never ends: a whole answer, or one event of a stream.
    Endless,
    ContentType(&'static str),
    InvalidUtf8,
    /// A stream that ends without its end mark.
    NoEndMark,
    /// An answer without a word.
    Empty,
    /// A frame put into the stream after so many chunks.
    Frame {
        after: usize,
        frame: String,
    },
    /// The finish reason of the answer.
    Finish(&'static str),
    /// States a length that is longer than what comes.
    WrongLength,
    /// The server says what is wrong, in its own status, form and words.
    Trouble(Trouble),
    /// The same after so many chunks of a stream that had begun well.
    Midway {
        after: usize,
        trouble: Trouble,
    },
}

/// What is wrong with a server, an account or a request. Each server has its own words for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    KeyRefused,
    /// The key is good, but not for this.
    NotAllowed,
    /// Needs a person and money.
    NoCredit,
    /// Seconds until it may be tried again, where the server says.
    RateLimited {
        after: Option<u64>,
    },
    Overloaded,
    Internal,
    UnknownModel,
    /// LM Studio: nothing is loaded and nothing is loaded on demand.
    NoModelsLoaded,
    LoadFailed {
        why: String,
    },
    /// LM Studio: evicted while it answered.
    Unloaded,
    Crashed,
    /// llama.cpp: the model is being read into memory.
    Loading,
    TooLong {
        tokens: u64,
        window: u64,
    },
    Filtered,
    /// Z.AI's business code with its sentence; the HTTP status belongs to the code.
    Business {
        code: u16,
        message: String,
    },
}
