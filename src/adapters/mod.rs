//! The outside world: files, HTTP, wire formats, clock. Each module implements a port of `engine::ports`.

pub mod app_log;
pub mod call_log;
pub mod clock;
pub mod config;
pub mod history;
pub mod http;
pub mod kept_answers;
pub mod ledger;
pub mod otlp;
pub mod private_files;
pub mod redact;
pub mod wire;
