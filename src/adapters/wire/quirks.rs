//! What a kind wants said otherwise in a client's own chat request: changes of bytes, and only where the request
//! holds what the kind would refuse or misread.

use super::splice::{Edit, Object, Spliced, quoted, splice_with, text_of};
use crate::domain::failure::Failure;
use crate::domain::kind::Kind;
use crate::domain::model::length::{NEW, OLD, refuses_old};
use serde_json::Value;
use serde_json::value::RawValue;

/// LM Studio takes a schema or free text, and no "any object".
const ANY_OBJECT: &str =
    r#"{"type":"json_schema","json_schema":{"name":"object","schema":{"type":"object","additionalProperties":true}}}"#;

/// A client's OpenAI chat request for `model` of a server of this kind at `host`.
///
/// # Errors
/// `invalid_request`: a body that cannot be forwarded.
pub fn forward(kind: Kind, host: &str, model: &str, json: &str) -> Result<Spliced, Failure> {
    splice_with(json, model, |request| {
        let mut edits = Vec::new();
        edits.extend(token_limit(kind, host, model, request));
        match kind {
            Kind::LmStudio => edits.extend(any_object(request)),
            Kind::ZAiGlm => z_ai(model, json, request, &mut edits)?,
            _ => {}
        }
        Ok(edits)
    })
}

/// A temperature within what the kind takes.
pub fn temperature(kind: Kind, value: f64) -> f64 {
    if kind == Kind::ZAiGlm { value.clamp(0.0, 1.0) } else { value }
}

/// The newer `OpenAI` models refuse the old name; servers that follow an older form do not know the new one.
fn token_limit(kind: Kind, host: &str, model: &str, request: &Object<'_>) -> Option<Edit> {
    let (from, to) = match kind {
        _ if refuses_old(kind, host, model) => (OLD, NEW),
        Kind::LmStudio | Kind::ZAiGlm | Kind::Ollama | Kind::LlamaCpp => (NEW, OLD),
        _ => return None,
    };
    // Where both stand, what they mean together is the server's to say.
    if request.get(to).is_some() {
        return None;
    }
    request.rename(from, to)
}

fn any_object(request: &Object<'_>) -> Option<Edit> {
    let format: Value = serde_json::from_str(request.text("response_format")?).ok()?;
    (format["type"] == "json_object").then(|| request.set("response_format", ANY_OBJECT))
}

/// Z.AI knows one schema-less JSON mode, temperatures up to 1, a list of stop texts, tools by `auto` alone, and
/// its own switch for reasoning.
fn z_ai(model: &str, json: &str, request: &Object<'_>, edits: &mut Vec<Edit>) -> Result<(), Failure> {
    let mut schema = None;
    if let Some(format) = request.text("response_format").and_then(|text| serde_json::from_str::<Value>(text).ok())
        && format["type"] == "json_schema"
    {
        schema = format["json_schema"].get("schema").cloned();
        edits.push(request.set("response_format", r#"{"type":"json_object"}"#));
    }
    if request.text("temperature").and_then(|text| text.parse::<f64>().ok()).is_some_and(|value| value > 1.0) {
        edits.push(request.set("temperature", "1"));
    }
    if let Some(stop) = request.text("stop").filter(|text| text.starts_with('"')) {
        edits.push(request.set("stop", &format!("[{stop}]")));
    }
    if let Some(choice) = request.text("tool_choice").filter(|text| *text != r#""auto""#) {
        edits.push(request.set("tool_choice", r#""auto""#));
        if choice == r#""none""# && request.get("tools").is_some() {
            edits.push(request.set("tools", "null"));
        }
    }
    if matches!(request.text("reasoning_effort"), Some(r#""none""# | r#""minimal""#))
        && request.get("thinking").is_none()
        && !always_thinks(model)
    {
        edits.extend(request.get("reasoning_effort").map(|place| Edit { place, text: "null".into() }));
        edits.push(request.set("thinking", r#"{"type":"disabled"}"#));
    }
    messages(json, request, schema.as_ref(), edits)
}

fn always_thinks(model: &str) -> bool {
    model.rsplit('/').next().unwrap_or(model).starts_with("glm-5.3")
}

/// `developer` is a role it does not know; and a schema that it cannot be held to is at least told to it.
fn messages(json: &str, request: &Object<'_>, schema: Option<&Value>, edits: &mut Vec<Edit>) -> Result<(), Failure> {
    let Some(range) = request.get("messages").filter(|range| text_of(json, range.clone()).starts_with('[')) else {
        return Ok(());
    };
    let text = text_of(json, range.clone());
    if let Some(schema) = schema {
        let told = format!("Answer with one JSON object that fits this JSON Schema, and nothing else: {schema}");
        let comma = if text.get(1..).is_some_and(|rest| rest.trim_start().starts_with(']')) { "" } else { "," };
        let message = format!(r#"{{"role":"system","content":{}}}{comma}"#, quoted(&told));
        edits.push(Edit { place: range.start + 1..range.start + 1, text: message });
    }
    // Nearly no request holds the word: most are not read a second time.
    if !text.contains("developer") {
        return Ok(());
    }
    let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text) else { return Ok(()) };
    for message in list.into_iter().map(RawValue::get).filter(|message| message.starts_with('{')) {
        // A piece of `json` itself: the distance of their addresses is its place.
        let start = (message.as_ptr() as usize).saturating_sub(json.as_ptr() as usize);
        let message = Object::read(json, start..start + message.len(), "a message")?;
        if message.text("role") == Some(r#""developer""#) {
            edits.push(message.set("role", r#""system""#));
        }
    }
    Ok(())
}
