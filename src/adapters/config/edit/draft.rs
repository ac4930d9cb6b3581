//! Checks what a person typed into a form or gave to `providers add`, in words, by field.

use crate::adapters::config::endpoint::normalise;
use crate::adapters::config::environment::Environment;
use crate::adapters::config::expand;
use crate::domain::config::{Config, Issue, Severity};
use crate::domain::ids::ProviderId;
use crate::domain::kind::Kind;
use crate::engine::protocol::{ProviderDraft, Refusal};

/// Checks a draft; `base` is the provider being edited.
///
/// # Errors
/// What is wrong, by field name in `issues[].path`.
pub fn check(
    draft: &ProviderDraft,
    base: Option<&ProviderId>,
    config: &Config,
    environment: &Environment,
) -> Result<(), Refusal> {
    let mut issues = Vec::new();
    let mut wrong = |field: &str, message: String, remedy: &str| {
        issues.push(Issue {
            severity: Severity::Error,
            file: String::new(),
            line: None,
            column: None,
            path: field.to_owned(),
            message,
            remedy: remedy.to_owned(),
            text: String::new(),
        });
    };
    let old = base.and_then(|id| config.provider(id));
    let id = draft.id.trim();
    if base.is_none() || (!id.is_empty() && base.is_some_and(|base| base.as_str() != id)) {
        if let Err(sentence) = ProviderId::check(id) {
            wrong("id", sentence.to_owned(), "as in my-server");
        } else if let Some(other) =
            config.provider(&ProviderId::from(id)).filter(|other| base.is_some() || !other.place.is_empty())
        {
            let place = other.line.map(|line| format!(" (line {line})")).unwrap_or_default();
            wrong("id", format!("{id} is taken by another provider{place}"), "choose another id");
        }
    }
    let kind = draft.kind.or(old.map(|old| old.kind));
    if kind.is_none() {
        wrong("kind", "what kind of server is it?".to_owned(), "choose a kind");
    }
    if draft.name.as_ref().is_some_and(|name| name.contains(char::is_control)) {
        wrong("name", "a name holds no control characters".to_owned(), "type it again");
    }
    let endpoint = draft.endpoint.trim();
    if let Some(kind) = kind {
        check_endpoint(endpoint, kind, old.is_some(), environment, &mut wrong);
    }
    let key = draft.auth_token.as_ref().map(|secret| secret.0.trim()).unwrap_or_default();
    if key.contains(|c: char| c.is_whitespace() || c.is_control()) {
        wrong("auth_token", "a key holds no spaces".to_owned(), "copy it again, without the line around it");
    } else if key.contains("${") && expand::sole_name(key).is_none() {
        wrong("auth_token", "a reference looks like ${NAME}".to_owned(), "as in ${OPENAI_API_KEY}");
    }
    for model in draft.models.iter().flatten() {
        if model.trim().is_empty() || model.contains(char::is_control) {
            wrong(
                "models",
                "a model's name is empty or holds control characters".to_owned(),
                "remove it, or type it again",
            );
        }
    }
    if issues.is_empty() {
        return Ok(());
    }
    let first = issues.first().map(|issue| issue.message.clone()).unwrap_or_default();
    Err(Refusal {
        message: format!("the provider cannot be used as typed: {first}"),
        remedy: "correct the fields".into(),
        exit: 2,
        issues,
        difference: None,
    })
}

fn check_endpoint(
    endpoint: &str,
    kind: Kind,
    has_one: bool,
    environment: &Environment,
    wrong: &mut impl FnMut(&str, String, &str),
) {
    if endpoint.is_empty() {
        let from_variable = kind.address_variable().is_some_and(|name| environment.get(name).is_some());
        if !has_one && kind.default_endpoint().is_none() && !from_variable {
            wrong(
                "endpoint",
                "an address is needed, such as http://127.0.0.1:1234".to_owned(),
                "type the server's address",
            );
        }
        return;
    }
    let (text, reference) = expand::replace(endpoint, environment);
    if let Some(name) = reference.names.iter().find(|name| crate::adapters::config::findings::names_a_secret(name)) {
        wrong("endpoint", format!("{name} is a key; addresses are shown on screen"), "put the key into its own field");
    } else if reference.unset.is_empty()
        && let Err(sentence) = normalise(&text, kind)
    {
        let usual = kind.default_endpoint().unwrap_or("http://127.0.0.1:1234");
        wrong("endpoint", sentence, &format!("as in {usual}"));
    }
}
