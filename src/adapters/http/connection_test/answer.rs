//! The small completion at the end: whether the model really answers, and whether it is the one asked for.

use super::Run;
use crate::adapters::http::clients::is_own_server;
use crate::adapters::wire::words::quote;
use crate::domain::call::{Body, Message, Role};
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::ids::ModelId;
use crate::engine::ports::{Question, UpstreamJob};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Tokens that the small completion may cost.
const ANSWER_TOKENS: u64 = 16;

impl Run {
    pub(super) async fn answer(&mut self, question: &dyn Question, profile: &Arc<Profile>) -> Result<(), Failure> {
        let started = Instant::now();
        let Some((model, loaded)) = self.model_to_ask(profile) else {
            let failure = Failure::new(ErrorCode::NotFound, Cause::NoModelLoaded, "there is no model to ask");
            return Err(self.fail("answer", failure, None));
        };
        let limits = &profile.timeouts;
        let time_left = limits.first_token + if loaded == Some(false) { limits.load } else { Duration::ZERO };
        let job = UpstreamJob {
            profile: profile.clone(),
            model: model.clone(),
            body: Body::Chat {
                messages: vec![Message { role: Role::User, content: "Reply with one word: ready".into() }],
                max_tokens: Some(ANSWER_TOKENS),
                temperature: None,
                stream: true,
            },
            local_only: false,
            through: Vec::new(),
            time_left,
        };
        match question.ask(job).await {
            Ok(said_by) => {
                let took = Some(started.elapsed());
                match said_by.filter(|answered| is_own_server(profile.kind) && !model.is_also_called(answered)) {
                    Some(answered) => {
                        let answered = quote(&answered, &self.secrets);
                        self.warn("answer", &format!("asked for {model}, and {answered} answered"), took);
                        self.cautions.push(Cause::OtherModel { asked: model.to_string(), answered });
                    }
                    None => self.pass("answer", &format!("{model} answers"), took),
                }
                Ok(())
            }
            Err(failure) => Err(self.fail("answer", failure, Some(started.elapsed()))),
        }
    }

    /// The first named model that is there and loaded, else any loaded one, else the first named or listed.
    fn model_to_ask(&self, profile: &Profile) -> Option<(ModelId, Option<bool>)> {
        let named = || profile.preferred_models.iter().chain(profile.models.iter().map(|model| &model.id));
        let listed = |id: &ModelId| self.models.iter().find(|model| &model.id == id);
        let chat = || self.models.iter().filter(|model| model.chat);
        named()
            .filter_map(listed)
            .find(|model| model.loaded == Some(true))
            .or_else(|| chat().find(|model| model.loaded == Some(true)))
            .or_else(|| named().find_map(listed))
            .map(|model| (model.id.clone(), model.loaded))
            .or_else(|| named().next().map(|id| (id.clone(), None)))
            .or_else(|| chat().next().map(|model| (model.id.clone(), model.loaded)))
    }
}
