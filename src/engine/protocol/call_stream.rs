//! What a caller of `dispatch` receives, in order: one head, then events, the last of which is an outcome.

use crate::domain::call::{CallRecord, Finish, Usage};
use crate::domain::failure::Failure;
use crate::domain::ids::{CallId, Target};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Known as soon as an attempt is about to answer; the gateway's response headers come from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallHead {
    pub call_id: CallId,
    pub target: Target,
    pub policy: String,
    /// Attempts so far, this one included.
    pub attempts: u32,
    /// The upstream's content type, for raw forwarding.
    pub content_type: String,
    pub stream: bool,
    /// `off`, `hit` or `miss`.
    #[serde(default)]
    pub cache: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
// Small, since each is moved several times on its way and room for dozens is made for every call.
pub enum CallEvent {
    /// The call has its id and waits for a slot or a first byte from `target`.
    Trying {
        call_id: CallId,
        target: Target,
        attempt: u32,
    },
    /// An attempt failed before any answer byte; the next target is tried.
    FellBack {
        from: Target,
        failure: Box<Failure>,
        to: Option<Target>,
    },
    /// The model has to load first; waited so far.
    Loading {
        target: Target,
        waited_ms: u64,
        /// How long loading it took the last time.
        #[serde(default)]
        last_ms: Option<u64>,
    },
    Head(Box<CallHead>),
    /// Text of the answer.
    Text {
        text: String,
    },
    /// The model's reasoning, kept apart from the answer.
    Reasoning {
        text: String,
    },
    /// Bytes to forward as they came (raw bodies only).
    Raw {
        #[serde(with = "bytes_as_text")]
        bytes: bytes::Bytes,
    },
    Usage {
        usage: Usage,
    },
    /// Always last.
    End(Box<CallOutcome>),
}

/// How the call ended; the record is what went to the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallOutcome {
    /// Shared with the ledger, which may still be writing it.
    pub record: Arc<CallRecord>,
    pub failure: Option<Failure>,
    pub finish: Option<Finish>,
    /// Answer bytes had been passed on when it failed: the caller's stream ends with an error of its own.
    pub after_answer_bytes: bool,
}

/// Raw bytes as a JSON text; what is not UTF-8 is carried as replacement characters. Only the socket
/// handle serialises them; in-process callers receive the bytes themselves.
mod bytes_as_text {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        String::deserialize(deserializer).map(Bytes::from)
    }
}
