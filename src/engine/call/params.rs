//! The parameters of one attempt: the caller's own over those of the preset he names as his model, over the model's
//! settings over its section's; what the deciding policy says comes last and wins.

use super::raw_body;
use crate::domain::call::{Body, Message, Role, Work};
use crate::domain::config::Profile;
use crate::domain::failure::Failure;
use crate::domain::ids::ModelId;
use crate::domain::model::length;
use crate::domain::preset::Preset;
use crate::domain::routing::Effects;

/// The body for one target. A raw body stays as the client sent it: a system prompt of the configuration, a preset's
/// included, must not reach programs that never asked for it, unless a policy says so.
///
/// # Errors
/// `invalid_request`: a policy has to change a raw body that cannot be read.
pub fn settle(
    body: &Body,
    profile: &Profile,
    model: &ModelId,
    default_max_tokens: u64,
    preset: Option<&Preset>,
    effects: &Effects,
) -> Result<Body, Failure> {
    let work = if matches!(body, Body::RawOpenaiCompletion { .. }) { Work::Completion } else { Work::Chat };
    let length = length::name(profile.kind, &profile.endpoint.host, model.as_str(), work);
    if let (Some(preset), Body::RawOpenaiChat { json } | Body::RawOpenaiCompletion { json }) = (preset, body)
        && let Some(json) = raw_body::with_preset(json, preset, length)?
    {
        let body = match body {
            Body::RawOpenaiCompletion { .. } => Body::RawOpenaiCompletion { json },
            _ => Body::RawOpenaiChat { json },
        };
        return settle(&body, profile, model, default_max_tokens, None, effects);
    }
    let (messages, max_tokens, temperature, stream) = match body {
        Body::Chat { messages, max_tokens, temperature, stream } => (messages, max_tokens, temperature, stream),
        Body::RawOpenaiChat { json } if effects.touch_the_body() => {
            return raw_body::with_effects(json, effects, length).map(|json| Body::RawOpenaiChat { json });
        }
        Body::RawOpenaiCompletion { json } if effects.touch_the_body() => {
            // A text completion has no place for a system prompt.
            let effects = Effects { system_prompt: None, ..effects.clone() };
            return raw_body::with_effects(json, &effects, length).map(|json| Body::RawOpenaiCompletion { json });
        }
        other => return Ok(other.clone()),
    };
    let settings = profile.settings_for(model);
    let mut messages = messages.clone();
    if let Some(prompt) = settings.system_prompt.filter(|text| !text.trim().is_empty())
        && !messages.iter().any(|message| message.role == Role::System)
    {
        messages.insert(0, Message { role: Role::System, content: prompt });
    }
    if let Some(prompt) = &effects.system_prompt {
        messages.retain(|message| message.role != Role::System);
        messages.insert(0, Message { role: Role::System, content: prompt.clone() });
    }
    let max_tokens = max_tokens
        .or_else(|| preset.and_then(|preset| preset.max_tokens))
        .or(settings.max_tokens)
        .unwrap_or(default_max_tokens);
    Ok(Body::Chat {
        messages,
        max_tokens: Some(effects.max_tokens.map_or(max_tokens, |cap| max_tokens.min(cap))),
        temperature: effects
            .temperature
            .or(*temperature)
            .or_else(|| preset.and_then(|preset| preset.temperature))
            .or(settings.temperature),
        stream: *stream,
    })
}

/// Whether the caller asked for a stream. The engine never guesses: a raw body's flag comes from its facts.
pub fn streams(body: &Body, flag_in_facts: bool) -> bool {
    match body {
        Body::Chat { stream, .. } => *stream,
        Body::RawOpenaiChat { .. } | Body::RawOpenaiCompletion { .. } => flag_in_facts,
        Body::RawOpenaiEmbeddings { .. } => false,
    }
}
