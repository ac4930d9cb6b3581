//! From `presets:` to the templates in force, with everything there is to say about them.

use super::check::shown;
use super::findings::Findings;
use super::path::Path;
use super::profiles::{count, text};
use super::suggest::closest;
use crate::domain::config::{Profile, Severity};
use crate::domain::preset::{ANSWER_FIELD, Preset, Template, Values};
use crate::domain::routing::lint::{means_something, unknown_target};
use serde_yaml::Value;

/// The service API's own routes: a preset of such a name could not be called there.
const ROUTES: [&str; 4] = ["generate", "models", "model-status", "switch-model"];
/// The other members of an answer: the text cannot be called like one.
const MEMBERS: [&str; 7] =
    ["model_used", "provider", "is_local", "tokens_used", "generation_time", "cached", "metadata"];

/// All presets in file order. One that cannot be read is left out: its file is not used at all.
pub fn presets(value: &Value, profiles: &[Profile], findings: &mut Findings<'_>) -> Vec<Preset> {
    let written = value.get("presets").and_then(Value::as_mapping);
    let read = |(name, value): (&Value, &Value)| preset(name.as_str()?, value, profiles, findings);
    written.into_iter().flatten().filter_map(read).collect()
}

fn preset(name: &str, value: &Value, profiles: &[Profile], findings: &mut Findings<'_>) -> Option<Preset> {
    let path = Path::of("presets").key(name);
    if value.is_null() {
        findings.key(Severity::Error, &path, format!("the preset {} is empty", shown(name)), "add a line prompt: TEXT");
        return None;
    }
    check_name(name, &path, profiles, findings);
    let mut template = |key: &str| {
        let written = text(value, key).unwrap_or_default();
        Template::parse(&written)
            .map_err(|slip| {
                let message = format!("the template cannot be read: {}", slip.message);
                findings.inside(Severity::Error, &path.key(key), slip.at, message, slip.remedy);
            })
            .ok()
    };
    let (system_prompt, prompt) = (template("system_prompt"), template("prompt"));
    let made = Preset {
        name: name.to_owned(),
        request_type: text(value, "request_type").unwrap_or_default(),
        system_prompt: system_prompt?,
        prompt: prompt?,
        defaults: defaults(value),
        model: text(value, "model").unwrap_or_default(),
        max_tokens: count(value, "max_tokens"),
        temperature: value.get("temperature").and_then(Value::as_f64),
        answer_field: text(value, "answer_field").unwrap_or_else(|| ANSWER_FIELD.to_owned()),
    };
    if made.prompt.is_blank() && value.get("prompt").is_some_and(Value::is_string) {
        let message = format!("the prompt of {name} is empty");
        findings.value(Severity::Error, &path.key("prompt"), message, "write what is to be asked");
    }
    check(&made, &path, profiles, findings);
    Some(made)
}

/// Single values as texts; an empty one counts as none.
fn defaults(value: &Value) -> Values {
    let written = value.get("defaults").and_then(Value::as_mapping).into_iter().flatten();
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(switch) => Some(switch.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    written.filter_map(|(name, value)| Some((name.as_str()?.to_owned(), scalar(value)?))).collect()
}

fn check_name(name: &str, path: &Path, profiles: &[Profile], findings: &mut Findings<'_>) {
    if let Err(sentence) = Preset::check_name(name) {
        let message = format!("the preset {}: {sentence}", shown(name));
        findings.key(Severity::Error, path, message, "choose another name, as in generate-prayer");
    } else if ROUTES.contains(&name) {
        let message = format!("/api/v1/llm/{name} is a route of its own, so a preset cannot be called {name}");
        findings.key(Severity::Error, path, message, "choose another name, as in generate-prayer");
    } else if means_something(name, profiles) {
        let message = format!("{name} names a target too: a request for the model {name} means that, not the preset");
        let remedy = format!("choose another name; /api/v1/llm/{name} and presets run {name} use the preset");
        findings.key(Severity::Warning, path, message, remedy);
    }
}

fn check(preset: &Preset, path: &Path, profiles: &[Profile], findings: &mut Findings<'_>) {
    let variables = preset.variables();
    for name in preset.defaults.keys().filter(|name| !variables.contains(&name.as_str())) {
        let remedy = match closest(name, &variables) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("write {{{{{name}}}}} where it belongs, or remove the line"),
        };
        let message = format!("{} has no variable {}, so its default has no effect", preset.name, shown(name));
        findings.key(Severity::Warning, &path.key("defaults").key(name), message, remedy);
    }
    if !preset.model.trim().is_empty()
        && let Some(remedy) = unknown_target(preset.model.trim(), profiles)
    {
        let message = format!("{} asks for {}, which names no target of this file", preset.name, shown(&preset.model));
        findings.value(Severity::Warning, &path.key("model"), message, remedy);
    }
    let field = preset.answer_field.as_str();
    if MEMBERS.contains(&field) {
        let message = format!("answer_field: {field} is another member of the answer already");
        findings.value(Severity::Error, &path.key("answer_field"), message, "choose another name, as in prayer");
    }
}
