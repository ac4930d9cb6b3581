//! The question before money is spent; who cannot be asked has to have said so.

use super::console::Console;
use super::ending::{Ending, FAILED};
use crate::present::labels::Role;
use std::io::Read as _;

/// Characters of an answer that are read.
const LONGEST_ANSWER: usize = 64;

/// Asks `question`; anything but yes ends the verb with nothing sent.
///
/// # Errors
/// Not agreed to, or nobody is there to ask: then `what` is the matter, and `remedy` what to do.
pub fn to_cost(console: &mut Console, question: &str, what: &str, remedy: &str) -> Result<(), Ending> {
    if !console.input_is_terminal {
        return Err(Ending::usage(what, remedy));
    }
    console.say(Role::Plain, &format!("{question} y or n"));
    let mut answer = String::new();
    let mut byte = [0];
    while answer.len() < LONGEST_ANSWER {
        match console.input.read(&mut byte) {
            Ok(1) if byte[0] != b'\n' => answer.push(char::from(byte[0])),
            _ => break,
        }
    }
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    console.say(Role::Muted, "-- nothing was sent");
    Err(Ending::Exit(FAILED))
}
