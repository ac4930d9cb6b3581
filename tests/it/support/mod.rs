//! Helpers shared by the integration tests.

pub mod collector;
pub mod dashboard;
pub mod engine;
pub mod lent;
pub mod sim;
pub mod snapshot;
