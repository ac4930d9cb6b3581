//! An OpenAI chat request in the form of the Responses interface: items instead of messages, flat tools, the
//! format of the text apart. Nothing is stored at the vendor unless the caller asks for it.

use crate::adapters::wire::chat_request::{ChatRequest, Format, Part, ToolChoice, Turn, invalid};
use crate::domain::budget::LEAST_ANSWER_TOKENS;
use crate::domain::failure::Failure;
use serde_json::{Map, Value, json};

/// Members that mean the same there and travel as they came.
const SAME: [&str; 7] = [
    "metadata",
    "safety_identifier",
    "user",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "parallel_tool_calls",
];

/// The request for `model`.
///
/// # Errors
/// `invalid_request`, with the place, for what this dialect cannot say.
pub fn translate(chat: &ChatRequest, model: &str) -> Result<Value, Failure> {
    if !chat.stop.is_empty() {
        return Err(invalid("stop", &format!("{model} knows no stop texts: leave them out, or choose another model")));
    }
    let mut out = Map::new();
    out.insert("model".into(), model.into());
    out.insert("input".into(), input(chat).into());
    let stored = chat.members.get("store").and_then(Value::as_bool).unwrap_or(false);
    out.insert("store".into(), stored.into());
    if let Some(max_tokens) = chat.max_tokens {
        out.insert("max_output_tokens".into(), max_tokens.max(LEAST_ANSWER_TOKENS).into());
    }
    for (name, value) in [("temperature", chat.temperature), ("top_p", chat.top_p)] {
        if let Some(value) = value {
            out.insert(name.into(), value.into());
        }
    }
    if let Some(effort) = &chat.effort {
        out.insert("reasoning".into(), json!({"effort": effort}));
    }
    if !chat.tools.is_empty() {
        let tools = chat.tools.iter().map(|tool| {
            let mut own = json!({"type": "function", "name": tool.name, "parameters": tool.parameters});
            own["description"] = tool.description.as_deref().into();
            // Left out it means true there and false in the other form.
            own["strict"] = tool.strict.unwrap_or(false).into();
            own
        });
        out.insert("tools".into(), tools.collect());
    }
    if let Some(choice) = &chat.tool_choice {
        let choice = match choice {
            ToolChoice::Auto => "auto".into(),
            ToolChoice::None => "none".into(),
            ToolChoice::Required => "required".into(),
            ToolChoice::Named(name) => json!({"type": "function", "name": name}),
        };
        out.insert("tool_choice".into(), choice);
    }
    if let Some(text) = text(chat) {
        out.insert("text".into(), text);
    }
    for name in SAME {
        if let Some(value) = chat.members.get(name).filter(|value| !value.is_null()) {
            out.insert(name.into(), value.clone());
        }
    }
    if chat.stream {
        out.insert("stream".into(), true.into());
    }
    Ok(out.into())
}

fn text(chat: &ChatRequest) -> Option<Value> {
    let mut text = Map::new();
    match &chat.format {
        Format::Text => {}
        Format::Json => {
            text.insert("format".into(), json!({"type": "json_object"}));
        }
        Format::Schema { name, schema, strict } => {
            let strict = strict.unwrap_or(false);
            let format = json!({"type": "json_schema", "name": name, "schema": schema, "strict": strict});
            text.insert("format".into(), format);
        }
    }
    if let Some(verbosity) = chat.members.get("verbosity").filter(|value| value.is_string()) {
        text.insert("verbosity".into(), verbosity.clone());
    }
    (!text.is_empty()).then(|| text.into())
}

fn input(chat: &ChatRequest) -> Vec<Value> {
    let mut items = Vec::with_capacity(chat.turns.len());
    for turn in &chat.turns {
        match turn {
            Turn::System(parts) => items.extend(message("developer", parts)),
            Turn::User(parts) => items.extend(message("user", parts)),
            Turn::Assistant { parts, calls, .. } => {
                items.extend(message("assistant", parts));
                items.extend(calls.iter().map(|call| {
                    json!({
                        "type": "function_call",
                        "call_id": call.id,
                        "name": call.name,
                        "arguments": call.arguments,
                    })
                }));
            }
            Turn::ToolResult { id, parts } => {
                let output: Value = match parts.as_slice() {
                    [] => "".into(),
                    [Part::Text { text, .. }] => text.as_str().into(),
                    parts => parts.iter().map(|part| self::part("user", part)).collect(),
                };
                items.push(json!({"type": "function_call_output", "call_id": id, "output": output}));
            }
        }
    }
    items
}

fn message(role: &str, parts: &[Part]) -> Option<Value> {
    let content: Vec<Value> = parts.iter().map(|part| self::part(role, part)).collect();
    (!content.is_empty()).then(|| json!({"type": "message", "role": role, "content": content}))
}

fn part(role: &str, part: &Part) -> Value {
    match part {
        Part::Text { text, .. } => {
            let kind = if role == "assistant" { "output_text" } else { "input_text" };
            json!({"type": kind, "text": text})
        }
        Part::Image { url, detail } => {
            json!({"type": "input_image", "image_url": url, "detail": detail.as_deref().unwrap_or("auto")})
        }
        Part::File { data, name } => {
            json!({"type": "input_file", "file_data": data, "filename": name.as_deref().unwrap_or("file")})
        }
    }
}
