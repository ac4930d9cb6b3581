//! What model servers say and how to say things to them: pure functions over bytes and JSON, no connection.
//! How bytes travel lives in `adapters::http`.

pub mod answer;
pub mod anthropic;
pub mod chat_request;
mod choices;
pub mod chunk;
pub mod dialect;
pub mod embeddings;
pub mod errors;
mod lenient;
pub mod lists;
pub mod openai;
mod quirks;
pub mod rate;
mod repeat;
pub mod request;
pub mod responses;
pub mod retry_after;
mod shape;
pub mod splice;
pub mod sse;
pub mod translated;
pub mod words;
mod z_ai;
