//! What model servers say and how to say things to them: pure functions over bytes and JSON, no connection.
//! How bytes travel lives in `adapters::http`.

pub mod answer;
pub mod errors;
mod lenient;
pub mod lists;
pub mod openai;
mod repeat;
pub mod request;
mod retry_after;
pub mod splice;
pub mod sse;
pub mod words;
mod z_ai;
