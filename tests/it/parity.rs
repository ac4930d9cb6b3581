//! Every command of the engine has a verb on the command line and a key in the dashboard, or a stated reason.
//! What is promised is held against the verbs, the key table and the sources that send.

use clap::CommandFactory as _;
use lmdeck::cli::args::Cli;
use lmdeck::cli::parity::verb_for;
use lmdeck::engine::protocol::CommandName;
use lmdeck::tui::keymap::table::TABLE;
use lmdeck::tui::parity::action_for;
use std::fs;
use std::path::Path;

/// All Rust below a folder of `src`, as one text.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all += &fs::read_to_string(&path).unwrap();
        }
    }
    all
}

/// Whether a front end ever makes this command.
fn sends(front_end: &str, command: CommandName) -> bool {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(front_end));
    let made = format!("Command::{command:?}");
    sources.match_indices(&made).any(|(at, _)| {
        let next = sources[at + made.len()..].chars().next();
        !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn every_command_has_a_verb_that_exists_or_a_reason() {
    for command in CommandName::ALL {
        match verb_for(command) {
            Ok(verb) => {
                let mut place = Cli::command();
                for word in verb.split(' ') {
                    let next = place.find_subcommand(word).cloned();
                    place = next.unwrap_or_else(|| panic!("{command:?}: no verb {verb}"));
                }
                assert!(!place.has_subcommands(), "{command:?}: {verb} is not a whole verb");
                assert!(sends("cli", command), "{command:?}: {verb} is promised, and the command line never sends it");
            }
            Err(reason) => {
                assert!(reason.contains(' '), "{command:?}: a reason is a sentence");
                assert!(!sends("cli", command), "{command:?} is sent by the command line: name its verb");
            }
        }
    }
}

#[test]
fn every_command_has_a_key_that_exists_or_a_reason() {
    for command in CommandName::ALL {
        match action_for(command) {
            Ok(name) => {
                let known = TABLE.iter().flat_map(|part| part.iter()).any(|entry| entry.name == name);
                assert!(known, "{command:?}: no act is called {name}");
                assert!(sends("tui", command), "{command:?}: {name} is promised, and the dashboard never sends it");
            }
            Err(reason) => {
                assert!(reason.contains(' '), "{command:?}: a reason is a sentence");
                assert!(!sends("tui", command), "{command:?} is sent by the dashboard: name its act");
            }
        }
    }
}
