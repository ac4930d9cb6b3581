//! How each command is answered. What blocks or waits runs on a task of its own and replies from there, so that
//! the supervisor never stands still.

use super::ports::{ConfigEdit, ModelAct, Ports};
use super::protocol::{Command, EditReport, ProbeWhich, Refusal, Reply};
use super::rehearsal::rehearse;
use super::supervisor::{Input, Supervisor, WaitingProbe, answer};
use super::{last_good, renamed, unconfigured};
use crate::domain::config::{Issue, Profile};
use crate::domain::ids::{CallId, ProviderId};
use std::sync::{Arc, PoisonError};
use tokio::sync::oneshot;

/// Where a reply goes; a command sent without waiting has none.
pub(super) type Asker = Option<oneshot::Sender<Reply>>;

impl Supervisor {
    pub(super) fn command(&mut self, command: Command, asker: Asker) {
        if self.options.read_only && command.changes_something() {
            return reply_to(
                asker,
                Reply::refused(5, "read-only: started with --readonly", "start lmdeck without --readonly"),
            );
        }
        let Some((command, asker)) = self.hold_back(command, asker) else { return };
        match command {
            Command::Probe { which, anew } => self.probe_now(which, anew, asker),
            Command::TestProvider { draft, answer, run } => self.test_draft(*draft, answer, run, asker),
            Command::TestSaved { id, answer, run } => match self.profile(&id) {
                Ok(profile) => self.test(profile, answer, run, asker),
                Err(refusal) => reply_to(asker, *refusal),
            },
            Command::Discover => self.discover(asker),
            Command::Pause { id, paused } => self.pause(&id, paused, asker),
            Command::UseTarget { choice } => self.use_target(choice, asker),
            Command::AddProvider { draft } => self.edit(ConfigEdit::AddProvider(*draft), asker),
            Command::EditProvider { id, draft } => self.edit(ConfigEdit::EditProvider { id, draft: *draft }, asker),
            Command::RemoveProvider { id } => self.edit(ConfigEdit::RemoveProvider { id }, asker),
            Command::EnableProvider { id, enabled } => self.edit(ConfigEdit::EnableProvider { id, enabled }, asker),
            Command::PreviewEdit { id, draft } => {
                let edit = match id {
                    Some(id) => ConfigEdit::EditProvider { id, draft: *draft },
                    None => ConfigEdit::AddProvider(*draft),
                };
                self.blocking(asker, move |ports| edited(ports.config.edit(&edit, true)));
            }
            Command::SetStrategy { strategy } => self.edit(ConfigEdit::SetStrategy(strategy), asker),
            Command::SetOrder { request_type, items } => self.edit(ConfigEdit::SetOrder { request_type, items }, asker),
            Command::ConfigSet { path, value } => self.edit(ConfigEdit::Set { path, value }, asker),
            Command::ConfigUndo => self.change_file(asker, |ports| ports.config.undo()),
            Command::ConfigReload => {
                let answer = asker.map(|asker| (asker, Reply::Done));
                self.reload(answer);
            }
            Command::ConfigTrust { asked } => {
                self.change_file(asker, move |ports| ports.config.trust(&asked));
            }
            Command::Explain { facts } => self.explain(*facts, asker),
            Command::ListCalls { query } => self.list_calls(*query, asker),
            Command::GetCall { id } => self.get_call(id, asker),
            Command::ReadLog { query } => self.read_log(*query, asker),
            Command::SavePrompt { prompt } => self.save_prompt(*prompt, asker),
            Command::ListPrompts { limit } => self.list_prompts(limit, asker),
            Command::Diagnose { id, answer, run } => match self.profile(&id) {
                Ok(profile) => self.diagnose(profile, answer, run, asker),
                Err(refusal) => reply_to(asker, *refusal),
            },
            Command::StopDiagnosis { run } | Command::StopReplay { run } => {
                self.runs.stop(run);
                reply_to(asker, Reply::Done);
            }
            Command::ListIncidents { query } => self.list_incidents(*query, asker),
            Command::CountTokens { request, run } => self.count_tokens(&request, run, asker),
            Command::Budget { days } => self.budget(days, asker),
            Command::Observed => self.list_observed(asker),
            Command::Replay { query, run } => self.replay(*query, run, asker),
            Command::LastGood { act } => self.last_good(act, asker),
            Command::Report { draft } => self.report(draft, asker),
            Command::EditPolicy { edit, dry_run } => self.edit_or_preview(ConfigEdit::Policy(*edit), dry_run, asker),
            Command::EditPreset { edit, dry_run } => self.edit_or_preview(ConfigEdit::Preset(*edit), dry_run, asker),
            Command::Cache { act } => self.cache(act, asker),
            Command::TestRoutes { cases } => {
                let config = self.state.config.clone();
                self.blocking(asker, move |_| Reply::RoutesTested(rehearse(&cases, &config)));
            }
            Command::CallStats { query } => self.call_stats(*query, asker),
            Command::ExportCalls { query } => self.export_calls(*query, asker),
            Command::CheckCondition { text } => {
                reply_to(asker, Reply::Condition(self.ports.config.check_condition(&text)));
            }
            Command::ExplainWith { edit, facts } => self.explain_with(*edit, *facts, asker),
            Command::CancelCall { id } => self.cancel_call(&id, asker),
            Command::LoadModel { provider, model, context } => match self.profile(&provider) {
                Ok(profile) => self.model_job(profile, model, ModelAct::Load { context }, asker),
                Err(refusal) => reply_to(asker, *refusal),
            },
            Command::UnloadModel { provider, model } => match self.profile(&provider) {
                Ok(profile) => self.model_job(profile, model, ModelAct::Unload, asker),
                Err(refusal) => reply_to(asker, *refusal),
            },
        }
    }

    fn pause(&mut self, id: &ProviderId, paused: bool, asker: Asker) {
        if let Err(refusal) = self.profile(id) {
            return reply_to(asker, *refusal);
        }
        let effects = self.state.pause(id, paused, self.ports.clock.now());
        self.carry_out(effects);
        self.publish();
        reply_to(asker, Reply::Done);
    }

    fn cancel_call(&self, id: &CallId, asker: Asker) {
        let reply = if self.traffic.cancel(id) {
            Reply::Done
        } else {
            let remedy = "it may have ended already: lmdeck calls show";
            Reply::unknown(format!("no call {id} is running"), remedy)
        };
        reply_to(asker, reply);
    }

    pub(super) fn profile(&self, id: &ProviderId) -> Result<Arc<Profile>, Box<Reply>> {
        self.state.provider(id).map(|provider| provider.profile.clone()).ok_or_else(|| {
            let known: Vec<&str> = self.state.providers.iter().map(|provider| provider.profile.id.as_str()).collect();
            let known =
                if known.is_empty() { "none is configured".into() } else { format!("there are {}", known.join(", ")) };
            Box::new(Reply::unknown(format!("no provider {id}"), known))
        })
    }

    pub(super) fn probe_now(&mut self, which: ProbeWhich, anew: bool, asker: Asker) {
        if self.unconfigured.looking() {
            // Without this the first look at an unconfigured machine would say that there is nothing.
            return self.early_probes.push((Command::Probe { which, anew }, asker));
        }
        if let ProbeWhich::One(id) = &which
            && let Err(refusal) = self.profile(id)
        {
            return reply_to(asker, *refusal);
        }
        let wanted = |profile: &Profile| match &which {
            ProbeWhich::All => profile.enabled,
            ProbeWhich::One(id) => &profile.id == id,
        };
        if anew && !self.options.read_only {
            for known in self.state.providers.iter().filter(|known| wanted(&known.profile)) {
                self.traffic.let_go(&known.profile.id);
                self.plans.let_go(&known.profile.id);
            }
        }
        let left: std::collections::HashSet<_> = self
            .state
            .providers
            .iter()
            .filter(|provider| wanted(&provider.profile))
            .map(|provider| provider.profile.id.clone())
            .collect();
        let effects = self.state.probe(wanted);
        self.carry_out(effects);
        if left.is_empty() {
            return reply_to(asker, Reply::Probed(Vec::new()));
        }
        if let Some(reply) = asker {
            self.waiting_probes.push(WaitingProbe { left, found: Vec::new(), reply });
        }
    }

    fn discover(&self, asker: Asker) {
        let configured = self.state.providers.iter().map(|provider| provider.profile.clone()).collect();
        let discovery = self.ports.upstream.discover(configured);
        let use_them = self.views.nothing_configured(&self.state.config);
        let (ports, inputs) = (self.ports.clone(), self.inputs.clone());
        later(asker, async move {
            let found = discovery.await;
            if use_them {
                let _ = inputs.send(Input::Found(unconfigured::profiles(&ports, found.clone()).await)).await;
            }
            Reply::Discovered(found)
        });
    }

    /// Makes an edit, and what follows from it before it is in force.
    fn edit(&self, edit: ConfigEdit, asker: Asker) {
        if self.views.is_on_last_good() {
            return reply_to(asker, last_good::not_in_force());
        }
        self.change_file(asker, move |ports| {
            let mut report = ports.config.edit(&edit, false)?;
            if let Some((old, new)) = renamed::ids(&edit).filter(|_| report.written) {
                let notes = renamed::follow(ports, &old, &new);
                report.issues.extend(notes.into_iter().map(|note| Issue::note(&report.file, note)));
            }
            Ok(report)
        });
    }

    fn edit_or_preview(&self, edit: ConfigEdit, dry_run: bool, asker: Asker) {
        if dry_run {
            self.blocking(asker, move |ports| edited(ports.config.edit(&edit, true)));
        } else {
            self.edit(edit, asker);
        }
    }

    /// Changes the file, reads it again, and answers when the change is in force.
    pub(super) fn change_file(
        &self,
        asker: Asker,
        change: impl FnOnce(&Ports) -> Result<EditReport, Refusal> + Send + 'static,
    ) {
        let ports = self.ports.clone();
        let inputs = self.inputs.clone();
        let file = self.file.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = file.lock().unwrap_or_else(PoisonError::into_inner);
            match change(&ports) {
                Ok(report) => {
                    let answer = asker.map(|asker| (asker, Reply::Edited(report)));
                    let result = Box::new(ports.config.load());
                    let _ = inputs.blocking_send(super::supervisor::Input::Loaded { result, answer });
                }
                Err(refusal) => reply_to(asker, Reply::Refused(refusal)),
            }
        });
    }

    pub(super) fn blocking(&self, asker: Asker, work: impl FnOnce(&Ports) -> Reply + Send + 'static) {
        let ports = self.ports.clone();
        tokio::task::spawn_blocking(move || reply_to(asker, work(&ports)));
    }
}

pub(super) fn later(asker: Asker, work: impl Future<Output = Reply> + Send + 'static) {
    tokio::spawn(async move { reply_to(asker, work.await) });
}

pub(super) fn reply_to(asker: Asker, reply: Reply) {
    if let Some(asker) = asker {
        answer(asker, reply);
    } else if let Reply::Refused(refusal) = reply {
        tracing::warn!("a command was refused: {}", refusal.message);
    }
}

pub(super) fn edited(result: Result<EditReport, Refusal>) -> Reply {
    match result {
        Ok(report) => Reply::Edited(report),
        Err(refusal) => Reply::Refused(refusal),
    }
}

pub(super) fn crashed() -> Reply {
    Reply::refused(1, "the work on this command ended badly", "lmdeck logs has the details")
}
