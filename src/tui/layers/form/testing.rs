//! The form's connection test: when it runs by itself, what it is run on, and what it taught about the kind.

use super::ProviderForm;
use crate::domain::config::{Endpoint, KeySource};
use crate::domain::failure::Cause;
use crate::domain::kind::Kind;
use crate::domain::reach::Reach;
use crate::engine::protocol::{Command, Level, ProviderDraft, RunId};
use crate::present::may_cost;
use crate::present::tips::Field;
use crate::tui::part::{Cx, Outbox};
use crate::tui::screens::acts;
use crate::tui::widgets::test::ConnectionTest;
use std::time::Duration;

/// From leaving a valid address to the test.
const TEST_AFTER: Duration = Duration::from_millis(400);

impl ProviderForm {
    /// What was known of the connection is of another provider.
    pub(super) fn forget_test(&mut self, out: &mut Outbox) {
        self.stop_test(out);
        self.test = ConnectionTest::default();
        self.tested = None;
        self.test_at = None;
    }

    /// A free test of its own, when the address can be tried and is not the one tried last.
    pub(super) fn schedule(&mut self, cx: &Cx<'_>) {
        let valid = self.fields.complaint(Field::Address, self.own.as_ref(), cx.snapshot).is_none();
        let wanted = self.address_typed || self.own.is_some();
        if valid && wanted && self.tested.as_ref() != Some(&self.testable()) {
            self.test_at = Some(cx.now.plus(TEST_AFTER));
        }
    }

    /// The draft as the test sees it: named after what is edited, so that a kept key is found.
    pub(super) fn testable(&self) -> ProviderDraft {
        let mut draft = self.draft();
        if let Some(own) = &self.own {
            draft.id = own.to_string();
        } else if draft.id.is_empty() {
            self.fields.kind.word().clone_into(&mut draft.id);
        }
        draft
    }

    pub(super) fn run_test(&mut self, answer: bool, cx: &Cx<'_>, out: &mut Outbox) {
        self.test_at = None;
        self.check(Field::Address, cx);
        if let Some(why) = self.complaints.get(&Field::Address) {
            out.say(Level::Warning, format!("nothing to test yet: {why}"));
            return;
        }
        let draft = self.testable();
        self.tested = Some(draft.clone());
        self.stop_test(out);
        let run = RunId::of(std::process::id(), cx.now);
        let ticket = out.ask(Command::TestProvider { draft: Box::new(draft), answer, run });
        self.test = ConnectionTest::Running { ticket, run, since: cx.now, steps: Vec::new() };
    }

    /// Ends the work of a test under way; what it found until then stays in sight.
    pub(super) fn stop_test(&self, out: &mut Outbox) {
        if let Some(run) = self.test.run() {
            out.tell(Command::StopDiagnosis { run }, "");
        }
    }

    /// What the server really is, where the test says that it is another kind than the form.
    pub(super) fn other_kind(&self) -> Option<Kind> {
        let report = self.test.report()?;
        let causes = report.cautions.iter().chain(report.failure.as_ref().map(|failure| &failure.cause));
        let named = causes.filter_map(|cause| match cause {
            Cause::OtherProgram { looks_like } => looks_like.as_deref(),
            _ => None,
        });
        named.filter_map(Kind::called).find(|kind| *kind != self.fields.kind)
    }

    /// The form as the server's own kind, tested again.
    pub(super) fn take_kind(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        if let Some(kind) = self.other_kind() {
            (self.fields.kind, self.focus) = (kind, Field::Kind);
            self.taken_over(Field::Address);
            self.edited(cx, out);
            self.schedule(cx);
        }
    }

    /// What asking the model one question costs, where it does: by what is known of the provider as it is saved,
    /// else by what the test has found.
    pub(super) fn may_cost(&self, cx: &Cx<'_>) -> Option<String> {
        let near = Reach::of_host(&self.endpoint().host).is_local();
        let models = self.test.report().map(|report| report.models.as_slice()).unwrap_or_default();
        let found = may_cost::one_question_at(near, models);
        let saved = self.own.as_ref().and_then(|id| acts::find(cx.snapshot, id));
        match saved.filter(|provider| provider.endpoint.written == self.fields.address.value()) {
            Some(provider) => may_cost::one_question(provider).or(found.filter(|_| near)),
            None => found,
        }
    }

    /// The endpoint as far as the typed address tells, for remedies.
    pub(super) fn endpoint(&self) -> Endpoint {
        let written = self.fields.address.value().to_owned();
        let tls = written.starts_with("https://");
        let rest = written.split_once("://").map_or(written.as_str(), |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or(rest);
        let (host, port) = match authority.rsplit_once(':').filter(|_| !authority.ends_with(']')) {
            Some((host, port)) => (host, port.parse().unwrap_or(0)),
            None => (authority, if tls { 443 } else { 80 }),
        };
        Endpoint {
            origin: format!("{}://{authority}", if tls { "https" } else { "http" }),
            host: host.to_owned(),
            port,
            tls,
            api_base: written.clone(),
            written,
        }
    }

    pub(super) fn key_source(&self) -> KeySource {
        match &self.fields.key {
            None => self.fields.kept_key.clone(),
            Some(line) if line.is_empty() => KeySource::None,
            Some(line) => match line.value().strip_prefix("${").and_then(|text| text.strip_suffix('}')) {
                Some(name) => KeySource::Variable { name: name.to_owned() },
                None => KeySource::File { tail: None },
            },
        }
    }
}
