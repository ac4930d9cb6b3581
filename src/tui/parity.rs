//! Which key stands for which command of the engine, or why none does. `tests/it/parity.rs` holds it against
//! the key table, and asks the command line the same.

use crate::engine::protocol::CommandName;

/// The name in the key table of the act that sends the command or leads to where it is sent, or the reason why
/// there is none. Without a wildcard: a new command does not compile until its key is decided.
///
/// # Errors
/// The reason, for commands that have no key.
pub fn action_for(command: CommandName) -> Result<&'static str, &'static str> {
    match command {
        CommandName::Probe => Ok("providers.test"),
        CommandName::TestProvider => Ok("form.test"),
        CommandName::TestSaved => Err("the doctor walks the same steps and more"),
        CommandName::Discover => Ok("providers.discover"),
        CommandName::Pause => Ok("providers.pause"),
        CommandName::UseTarget => Ok("providers.use"),
        CommandName::AddProvider | CommandName::EditProvider => Ok("form.save"),
        CommandName::RemoveProvider => Ok("providers.delete"),
        CommandName::EnableProvider => Ok("providers.toggle"),
        CommandName::PreviewEdit => Ok("form.difference"),
        CommandName::SetStrategy => Ok("routing.open"),
        CommandName::SetOrder => Ok("order.save"),
        CommandName::ConfigSet => Err("the editor and the forms change the file"),
        CommandName::ConfigUndo => Ok("undo"),
        CommandName::ConfigReload => Ok("broken.reload"),
        CommandName::ConfigTrust => Ok("providers.trust"),
        CommandName::Explain => Ok("routing.type"),
        CommandName::CountTokens => Ok("prompt.count"),
        CommandName::ListCalls => Ok("tab.5"),
        CommandName::GetCall => Ok("calls.open"),
        CommandName::CallStats => Ok("calls.charts"),
        CommandName::ExportCalls => Ok("calls.export"),
        CommandName::ReadLog => Ok("calls.log"),
        CommandName::SavePrompt => Ok("prompt.send"),
        CommandName::ListPrompts => Ok("prompt.history"),
        CommandName::CancelCall => Ok("calls.stop"),
        CommandName::LoadModel => Ok("providers.load"),
        CommandName::UnloadModel => Ok("providers.unload"),
        CommandName::Diagnose => Ok("providers.doctor"),
        CommandName::StopDiagnosis => Ok("doctor.close"),
        CommandName::ListIncidents => Ok("health.incidents"),
        CommandName::LastGood => Ok("broken.last_good"),
        CommandName::Report => Ok("report"),
        CommandName::Cache => {
            Err("kept answers are forgotten from a shell; each call's detail says whether it was one")
        }
        CommandName::EditPolicy => Ok("rule.save"),
        CommandName::CheckCondition => Ok("rule.complete"),
        CommandName::ExplainWith => Ok("rule.explain"),
        CommandName::Budget => Err("the header and Telemetry's charts show it from the snapshot"),
        CommandName::Replay => Ok("rule.replay"),
        CommandName::StopReplay => Ok("replay.close"),
        CommandName::Observed => Err("the list of rules shows it from the snapshot"),
        CommandName::EditPreset => Ok("preset.save"),
        CommandName::TestRoutes => {
            Err("a table of requests is a file for scripts; the dashboard tries one request at a time")
        }
    }
}
