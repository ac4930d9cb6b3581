//! One module per verb; each takes a session and its arguments, prints, and ends well or with an `Ending`.

pub mod ask;
pub mod bench;
pub mod budget;
pub mod cache;
pub mod calls;
mod condition;
pub mod config;
pub mod connect;
mod edited;
mod explain;
pub mod health;
pub mod incidents;
pub mod logs;
pub mod models;
pub mod policies;
pub mod presets;
mod provider_edit;
pub mod providers;
mod replay;
pub mod report;
pub mod route_table;
pub mod routes;
pub mod status;
mod text_file;
