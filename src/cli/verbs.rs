//! One module per verb; each takes a session and its arguments, prints, and ends well or with an `Ending`.

pub mod ask;
pub mod calls;
pub mod config;
mod edited;
mod explain;
pub mod health;
pub mod incidents;
pub mod logs;
pub mod models;
mod provider_edit;
pub mod providers;
pub mod routes;
pub mod status;
