//! Values and rules of lmdeck: no async, no I/O, no clock, no user interface.
//!
//! Every function that needs the time takes it as a parameter ([`time::UnixMs`]). Nothing here knows
//! how a value travels or where it is shown.

pub mod breaker;
pub mod budget;
pub mod cache_key;
pub mod call;
pub mod config;
pub mod failure;
pub mod filter;
pub mod health;
pub mod ids;
pub mod incident;
pub mod kind;
pub mod model;
pub mod money;
pub mod near;
pub mod plan;
pub mod preset;
pub mod price;
pub mod quality;
pub mod queue;
pub mod rate;
pub mod reach;
pub mod replay;
pub mod routing;
pub mod schedule;
pub mod secret;
pub mod shared;
pub mod stats;
pub mod steering;
pub mod time;
pub mod trace;
