//! The local gateway: OpenAI-shaped routes and the service API over one engine handle.
//!
//! A handler only unpacks a request, hands it to the engine and passes the answer on; routing, time-outs,
//! accounting and retries are the engine's. Order of a request: [`guard`] (host, origin, key) stands before
//! everything but a browser's question ([`cors`]), then [`router`] finds the handler, [`body`] reads what was sent within its bounds.

mod body;
mod call_body;
mod caller;
mod chat;
mod chat_shape;
mod cors;
mod embeddings;
mod guard;
mod labels;
mod latest;
mod listen;
mod models;
mod options;
mod problem;
mod router;
mod serve;
mod service;
mod status;
mod unread;

pub use listen::bind;
pub use options::GatewayOptions;
pub use serve::{Settings, serve, serve_following};
