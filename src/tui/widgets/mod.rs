//! Pieces that screens and layers are made of; each knows how to keep its own small state.

pub mod line;
pub mod lines;
pub mod list;
pub mod test;
