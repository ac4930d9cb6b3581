//! What spans and metrics say alike of a call: the operation, who was asked for what, and how it failed, in the words
//! of the conventions for generative AI.

use super::json::Attributes;
use crate::domain::call::{Attempt, CallRecord, Status, Work};
use crate::domain::ids::{ProviderId, Target};
use crate::domain::kind::Kind;
use crate::engine::protocol::{ProviderView, Snapshot};

/// Vendors with a name of their own in the conventions that are reached as `openai_compatible`.
const KNOWN_HOSTS: [(&str, &str); 5] = [
    ("api.deepseek.com", "deepseek"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.x.ai", "x_ai"),
];
/// Stands for the provider where none was asked, and for one that was removed meanwhile.
const NOBODY: &str = "lmdeck";

/// Of the whole call: by the target that answered, else the last one that was tried.
pub fn of_call(record: &CallRecord, snapshot: &Snapshot) -> Attributes {
    let answered = record.attempts.last().filter(|_| record.status == Status::Ok);
    let attributes = Attributes::default().text("gen_ai.operation.name", operation(record.facts.work));
    let attributes = match &record.target {
        Some(target) => asked(attributes, target, snapshot),
        // Nobody was asked: the model is what the caller named.
        None => attributes
            .text("gen_ai.provider.name", NOBODY)
            .text("gen_ai.request.model", record.facts.requested_model.as_str()),
    };
    let attributes = attributes.maybe_text("gen_ai.response.model", answered.map(answered_by));
    attributes.maybe_text("error.type", record.error.as_ref().map(|failure| failure.code.word()))
}

/// Of one try. It names no operation: that is the call's, and would be counted twice.
pub fn of_attempt(attempt: &Attempt, snapshot: &Snapshot) -> Attributes {
    let answered = attempt.failure.is_none().then(|| answered_by(attempt));
    asked(Attributes::default(), &attempt.target, snapshot)
        .maybe_text("gen_ai.response.model", answered)
        .maybe_text("error.type", attempt.failure.as_ref().map(|failure| failure.code.word()))
}

pub fn operation(work: Work) -> &'static str {
    match work {
        Work::Chat => "chat",
        Work::Completion => "text_completion",
        Work::Embeddings => "embeddings",
    }
}

fn asked(attributes: Attributes, target: &Target, snapshot: &Snapshot) -> Attributes {
    let view = provider(snapshot, &target.provider);
    let attributes = attributes
        .text("gen_ai.provider.name", view.map_or(NOBODY, name))
        .text("gen_ai.request.model", target.model.as_str());
    match view {
        Some(view) => attributes
            .text("server.address", view.endpoint.host.trim_matches(['[', ']']))
            .whole("server.port", u64::from(view.endpoint.port)),
        None => attributes,
    }
}

fn provider<'a>(snapshot: &'a Snapshot, id: &ProviderId) -> Option<&'a ProviderView> {
    snapshot.providers.iter().map(|view| &**view).find(|view| &view.id == id)
}

fn name(view: &ProviderView) -> &'static str {
    let known = KNOWN_HOSTS.iter().find(|(host, _)| *host == view.endpoint.host);
    match (view.kind, known) {
        (Kind::OpenaiCompatible, Some((_, name))) => name,
        (kind, _) => kind.word(),
    }
}

fn answered_by(attempt: &Attempt) -> &str {
    attempt.answered_by.as_deref().unwrap_or(attempt.target.model.as_str())
}
