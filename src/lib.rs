//! `lmdeck`: the control room for language models, in a terminal.
//!
//! The house (arrows point one way only; `tests/it/architecture.rs` holds them):
//!
//! ```text
//! main ─▶ bootstrap            the only place that names concrete adapters
//!           │
//!    ┌──────┼────────┐
//!   tui    cli    gateway      front ends: know the handle, the domain and present; never one another
//!    └──┬───┴────────┘
//!    present                   words, units, escaping; shared by all front ends; pure
//!       │
//!    engine                    commands in, events and snapshots out; owns every task
//!       │        ▲
//!       │        └── adapters  http transport, wire dialects, config file, ledger, clock
//!    domain                    values and rules; no async, no I/O, no clock, no UI
//!
//!    sim                       simulated model servers, beside the house: for the demo and the tests
//! ```

pub mod adapters;
pub mod bootstrap;
pub mod cli;
pub mod domain;
pub mod engine;
pub mod gateway;
pub mod present;
pub mod sim;
pub mod tui;
