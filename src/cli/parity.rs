//! Which verb stands for which command of the engine, or why none does. `tests/it/parity.rs` holds it against
//! the verbs there are, and asks the dashboard the same.

use crate::engine::protocol::CommandName;

/// The reason of everything that only touches a running instance.
const ATTACHING_COMES_LATER: &str =
    "it changes a running instance only, and a one-shot process cannot reach one yet: attaching comes later";

/// The reason of the playground's memory.
const SHELL_HAS_ITS_OWN: &str = "it is the playground's memory; a shell remembers its own command lines";

/// The reason of trying edits out.
const TRIED_ON_A_COPY: &str = "a shell tries edited rules on a copy of the file: lmdeck --config COPY routes explain";

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
        CommandName::ConfigUndo | CommandName::LastGood => Ok("config undo"),
        CommandName::ConfigTrust => Ok("config trust"),
        CommandName::Explain => Ok("routes explain"),
        CommandName::CountTokens => Ok("ask"),
        CommandName::EditPolicy => Ok("routes edit"),
        CommandName::TestRoutes => Ok("routes test"),
        CommandName::CheckCondition => Ok("routes check"),
        CommandName::ExplainWith => Err(TRIED_ON_A_COPY),
        CommandName::ListCalls => Ok("calls list"),
        CommandName::GetCall => Ok("calls show"),
        CommandName::CallStats => Ok("calls stats"),
        CommandName::ExportCalls => Ok("calls export"),
        CommandName::ReadLog => Ok("logs"),
        CommandName::LoadModel => Ok("models load"),
        CommandName::UnloadModel => Ok("models unload"),
        CommandName::Cache => Ok("cache clear"),
        CommandName::ListIncidents => Ok("health incidents"),
        CommandName::Report => Ok("report"),
        CommandName::Budget => Ok("budget"),
        CommandName::Observed => Ok("routes show"),
        // Stopped by ctrl-c while it runs.
        CommandName::Replay | CommandName::StopReplay => Ok("routes replay"),
        CommandName::EditPreset => Ok("presets edit"),
        CommandName::SavePrompt | CommandName::ListPrompts => Err(SHELL_HAS_ITS_OWN),
        // Stopped by ctrl-c while it runs.
        CommandName::Diagnose | CommandName::StopDiagnosis => Ok("providers doctor"),
        // Pausing is not written to the file; reloading re-reads it, which every new process does anyway.
        CommandName::Pause | CommandName::ConfigReload | CommandName::CancelCall => Err(ATTACHING_COMES_LATER),
    }
}
