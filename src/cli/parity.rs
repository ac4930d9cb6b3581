//! Which verb stands for which command of the engine, or why none does. `tests/it/parity.rs` holds it against
//! the dashboard's actions.

use crate::engine::protocol::CommandName;

/// The reason of everything that only touches a running instance.
const ATTACHING_COMES_LATER: &str =
    "it changes a running instance only, and a one-shot process cannot reach one yet: attaching comes later";

/// The reason of the playground's memory.
const SHELL_HAS_ITS_OWN: &str = "it is the playground's memory; a shell remembers its own command lines";

/// The words after `lmdeck`, or the reason why there are none. Without a wildcard: a new command does not
/// compile until its verb is decided.
///
/// # Errors
/// The reason, for commands that have no verb.
pub fn verb_for(command: CommandName) -> Result<&'static str, &'static str> {
    match command {
        CommandName::Probe => Ok("probe"),
        CommandName::TestProvider | CommandName::AddProvider | CommandName::PreviewEdit => Ok("providers add"),
        CommandName::TestSaved => Ok("providers test"),
        CommandName::Discover => Ok("providers discover"),
        CommandName::UseTarget => Ok("models use"),
        CommandName::EditProvider => Ok("providers edit"),
        CommandName::RemoveProvider => Ok("providers remove"),
        CommandName::EnableProvider => Ok("providers enable"),
        CommandName::SetStrategy => Ok("routes strategy"),
        CommandName::SetOrder => Ok("routes order"),
        CommandName::ConfigSet => Ok("config set"),
        CommandName::ConfigUndo => Ok("config undo"),
        CommandName::ConfigTrust => Ok("config trust"),
        CommandName::Explain => Ok("routes explain"),
        CommandName::ListCalls => Ok("calls list"),
        CommandName::GetCall => Ok("calls show"),
        CommandName::ReadLog => Ok("logs"),
        CommandName::SavePrompt | CommandName::ListPrompts => Err(SHELL_HAS_ITS_OWN),
        // Pausing is not written to the file; reloading re-reads it, which every new process does anyway.
        CommandName::Pause | CommandName::ConfigReload | CommandName::CancelCall => Err(ATTACHING_COMES_LATER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn every_verb_named_here_exists() {
        for command in CommandName::ALL {
            let Ok(verb) = verb_for(command) else { continue };
            let mut place = Cli::command();
            for word in verb.split(' ') {
                place = place.find_subcommand(word).unwrap_or_else(|| panic!("no verb {verb}")).clone();
            }
            assert!(!place.has_subcommands(), "{verb} is not a whole verb");
        }
    }
}
