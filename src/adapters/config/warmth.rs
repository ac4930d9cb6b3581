//! `keep_warm` and `preload` of a model, and `plan` of a provider: reading what needs more than a type, and what to
//! say where it cannot have an effect.

use super::findings::Findings;
use super::path::Path;
use super::schema::Shape;
use crate::domain::config::{Profile, Severity};
use crate::domain::kind::Kind;
use crate::domain::plan::Resets;
use crate::domain::reach::Reach;
use crate::domain::schedule::{Hours, Moments, Warmth};
use serde_yaml::Value;
use std::time::Duration;

/// What the section of a model says.
pub fn read(item: &Value) -> Warmth {
    let keep = item.get("keep_warm").and_then(|value| match value {
        Value::Bool(true) => Some(Hours::always()),
        Value::String(text) => Hours::parse(text).ok(),
        _ => None,
    });
    let preload = item.get("preload").and_then(Value::as_str).and_then(|text| Moments::parse(text).ok());
    Warmth { keep, preload }
}

/// # Errors
/// What is allowed there, and what of it cannot be read.
pub fn fits(value: &Value, shape: Shape) -> Result<(), String> {
    let why = match (shape, value) {
        (Shape::Hours, Value::Bool(_)) => return Ok(()),
        (Shape::Hours, Value::String(text)) => Hours::parse(text).map(|_| ()),
        (Shape::Moments, Value::String(text)) => Moments::parse(text).map(|_| ()),
        _ => return Err(shape.words()),
    };
    why.map_err(|why| format!("{} ({why})", shape.words()))
}

/// Says where keeping a model warm, or a plan, cannot do what it says.
pub fn check(value: &Value, providers: &[Profile], findings: &mut Findings<'_>) {
    let items = value.get("providers").and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        let place = Path::of("providers").index(index);
        let written = place.bracketed();
        let Some(profile) = providers.iter().find(|profile| profile.place == written) else { continue };
        models(item, &place, profile, findings);
        if let Some(section) = item.get("plan").filter(|section| section.is_mapping()) {
            plan(section, &place.key("plan"), profile, findings);
        }
    }
}

fn models(item: &Value, place: &Path, profile: &Profile, findings: &mut Findings<'_>) {
    let models = item.get("models").and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
    for (index, model) in models.iter().enumerate() {
        for key in ["keep_warm", "preload"] {
            if model.get(key).is_none_or(|value| value.is_null() || value.as_bool() == Some(false)) {
                continue;
            }
            let Some((why, remedy)) = powerless(profile) else { continue };
            let at = place.key("models").index(index).key(key);
            findings.key(Severity::Warning, &at, format!("{key} has no effect: {why}"), remedy);
        }
    }
}

/// Why no model can be loaded there by lmdeck, and what to do.
fn powerless(profile: &Profile) -> Option<(String, &'static str)> {
    if profile.kind.loads_models() {
        let far = profile.foretold_reach() == Some(Reach::Cloud);
        let why = "it is for servers of this machine or network, and the address is neither";
        return far.then(|| (why.to_owned(), "remove the line"));
    }
    Some(match profile.kind {
        Kind::LlamaCpp | Kind::Vllm => (
            format!("{} holds the model it was started with", profile.kind.label()),
            "remove the line; what it was started with stays loaded",
        ),
        Kind::OpenaiCompatible => (
            "a server known only as OpenAI-compatible has no known way to load a model".to_owned(),
            "say its kind in type, or use its own tools and remove the line",
        ),
        kind => (format!("{} runs its models itself", kind.label()), "remove the line: they are always ready"),
    })
}

fn plan(section: &Value, at: &Path, profile: &Profile, findings: &mut Findings<'_>) {
    let said = |section: &Value, key: &str| section.get(key).is_some_and(|value| !value.is_null());
    let bounded = |section: &Value| said(section, "requests") || said(section, "tokens");
    if said(section, "window") != bounded(section) {
        let (what, remedy) = if bounded(section) {
            ("nothing says over which time it counts", "add window, as in 5h")
        } else {
            ("nothing says how much a window holds", "add requests, or tokens")
        };
        findings.key(Severity::Error, at, format!("the plan of {}: {what}", profile.id), remedy);
    } else if !bounded(section) && !section.get("week").is_some_and(bounded) {
        let message = format!("the plan of {} bounds nothing", profile.id);
        findings.key(Severity::Warning, at, message, "add window and requests, or remove it");
    }
    let length = section.get("window").and_then(super::profiles::length);
    let clock = section.get("resets").and_then(Value::as_str).and_then(Resets::from_word) == Some(Resets::Clock);
    if clock && length.is_some_and(|length| length > Duration::from_hours(24)) {
        findings.value(
            Severity::Error,
            &at.key("window"),
            "window: with resets: clock it is at most a day",
            "write 24h, bound the week under week, or let it be rolling",
        );
    }
}
