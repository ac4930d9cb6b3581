//! What lies over a screen until it is closed.

pub mod broken;
pub mod choose;
pub mod confirm;
pub mod connect;
pub mod doctor;
pub mod form;
pub mod help;
pub mod messages;
pub mod pager;
pub mod palette;
pub mod replay;
pub mod report;
pub mod review;
pub mod saving;
