//! Words for people: units, marks, sentences, remedies, and the escaping of untrusted text. Pure, shared by all
//! front ends, so that the dashboard, the plain mode and the command line say the same.
//!
//! Colours and layout are the front ends' own; here is only the [`labels::Role`] a word has.

pub mod brief;
pub mod budget;
pub mod connect;
pub mod escape;
pub mod events;
pub mod flow;
pub mod incidents;
pub mod labels;
pub mod limits;
pub mod may_cost;
pub mod models;
pub mod plan;
pub mod presets;
pub mod reason;
pub mod remedy;
pub mod replay;
pub mod report;
pub mod routes;
pub mod server_commands;
pub mod service_answer;
pub mod shell;
pub mod stats;
pub mod text;
pub mod tips;
pub mod units;
pub mod usage;
pub mod warm;
