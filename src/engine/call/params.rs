//! The parameters of one attempt: the caller's own over the model's settings over its section's.

use crate::domain::call::{Body, Message, Role};
use crate::domain::config::Profile;
use crate::domain::ids::ModelId;

/// The body for one target. A raw body stays as the client sent it: a system prompt of the configuration must
/// not reach programs that never asked for it.
pub fn settle(body: &Body, profile: &Profile, model: &ModelId, default_max_tokens: u64) -> Body {
    let Body::Chat { messages, max_tokens, temperature, stream } = body else { return body.clone() };
    let settings = profile.settings_for(model);
    let mut messages = messages.clone();
    if let Some(prompt) = settings.system_prompt.filter(|text| !text.trim().is_empty())
        && !messages.iter().any(|message| message.role == Role::System)
    {
        messages.insert(0, Message { role: Role::System, content: prompt });
    }
    Body::Chat {
        messages,
        max_tokens: max_tokens.or(settings.max_tokens).or(Some(default_max_tokens)),
        temperature: temperature.or(settings.temperature),
        stream: *stream,
    }
}

/// Whether the caller asked for a stream. The engine never guesses: a raw body's flag comes from its facts.
pub fn streams(body: &Body, flag_in_facts: bool) -> bool {
    match body {
        Body::Chat { stream, .. } => *stream,
        Body::RawOpenaiChat { .. } | Body::RawOpenaiCompletion { .. } => flag_in_facts,
        Body::RawOpenaiEmbeddings { .. } => false,
    }
}
