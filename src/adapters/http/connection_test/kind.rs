//! What the server is, and which models it has.

use super::Run;
use crate::adapters::http::clients::is_own_server;
use crate::adapters::http::discover::{Identified, count, identify};
use crate::adapters::http::fetch::Asker;
use crate::domain::config::Profile;
use crate::domain::failure::Cause;
use crate::domain::health::ProbeFound;
use crate::domain::kind::Kind;
use crate::engine::protocol::StepState;
use std::time::Duration;
use tokio::time::{Instant, timeout};

impl Run {
    /// `shown` is what the survey saw it to be, where that is another kind.
    pub(super) async fn kind(&mut self, profile: &Profile, shown: Option<Kind>, asker: &mut Asker<'_>) {
        let label = profile.kind.label();
        if !is_own_server(profile.kind) {
            if let Some(kind) = shown {
                return self.other_kind(profile, kind, None);
            }
            self.step("kind", StepState::Passed, &format!("answers as {label} does"), None);
            return;
        }
        let started = Instant::now();
        let identified = timeout(profile.timeouts.probe_timeout, identify(asker)).await;
        let took = Some(started.elapsed());
        match identified {
            Ok(Identified::Server(kind)) if kind == profile.kind => {
                self.step("kind", StepState::Passed, &format!("it is {label}"), took);
            }
            Ok(Identified::Server(kind)) => self.other_kind(profile, kind, took),
            _ => self.step("kind", StepState::Warned, &format!("nothing shows that it is {label}"), took),
        }
    }

    fn other_kind(&mut self, profile: &Profile, kind: Kind, took: Option<Duration>) {
        let looks_like = kind.label().to_owned();
        let verdict = format!("it looks like {looks_like}, and is configured as {}", profile.kind.label());
        self.step("kind", StepState::Warned, &verdict, took);
        self.cautions.push(Cause::OtherProgram { looks_like: Some(looks_like) });
    }

    pub(super) fn models(&mut self, profile: &Profile, found: &ProbeFound) {
        self.models.clone_from(&found.models);
        let verdict = count(&found.models);
        if let Some(detail) = &found.malformed {
            self.step("models", StepState::Warned, &format!("{verdict}; the list is malformed: {detail}"), None);
            return;
        }
        let told = found.models.iter().any(|model| model.loaded.is_some());
        let loaded = found.models.iter().any(|model| model.loaded == Some(true));
        if profile.kind == Kind::LmStudio && found.models.is_empty() {
            // LM Studio lists only what is loaded when it does not load on demand.
            self.cautions.push(Cause::JitOff);
            self.step(
                "models",
                StepState::Warned,
                "it lists no models: none is loaded, and loading on demand is likely off",
                None,
            );
        } else if found.models.is_empty() && profile.models.is_empty() {
            self.step("models", StepState::Warned, "it lists no models, and the profile names none", None);
        } else if found.models.is_empty() {
            self.step("models", StepState::Passed, "it lists none; those of the profile are used", None);
        } else if told && !loaded {
            self.cautions.push(Cause::NoModelLoaded);
            self.step("models", StepState::Warned, &verdict, None);
        } else {
            self.step("models", StepState::Passed, &verdict, None);
        }
    }
}
