//! Pieces that screens and layers are made of; each knows how to keep its own small state.

pub mod filter;
pub mod line;
pub mod lines;
pub mod list;
pub mod scroll;
pub mod test;
