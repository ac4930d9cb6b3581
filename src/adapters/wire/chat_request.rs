//! An OpenAI chat request taken apart, for dialects that say the same in another form. What cannot be said there
//! at all is refused here, with its place; what only tunes the answer (`seed`, penalties, `logit_bias`) is
//! dropped by whoever writes the other form.

use crate::domain::failure::{Cause, ErrorCode, Failure};
use serde_json::{Map, Value};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatRequest {
    pub turns: Vec<Turn>,
    pub tools: Vec<Tool>,
    pub tool_choice: Option<ToolChoice>,
    pub parallel_tool_calls: Option<bool>,
    pub format: Format,
    /// `reasoning_effort`, as written.
    pub effort: Option<String>,
    /// `max_completion_tokens`, else `max_tokens`.
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    /// Blank ones are left out.
    pub stop: Vec<String>,
    /// `safety_identifier`, else `user`.
    pub user: Option<String>,
    pub stream: bool,
    /// All members as they came, for what only one of the dialects has.
    pub members: Map<String, Value>,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// `system` or `developer`.
    System(Vec<Part>),
    User(Vec<Part>),
    Assistant {
        parts: Vec<Part>,
        calls: Vec<ToolCall>,
        /// Signed reasoning that an earlier answer of ours carried.
        thinking: Vec<Value>,
    },
    ToolResult {
        id: String,
        parts: Vec<Part>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// A text, with the mark of a client that names what the vendor should cache.
    Text { text: String, cache: Option<Value> },
    /// A data URL or a web address.
    Image { url: String, detail: Option<String> },
    /// A file in a data URL.
    File { data: String, name: Option<String> },
}

impl Part {
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// JSON in a text, as the model wrote it.
    pub arguments: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    pub name: String,
    pub description: Option<String>,
    /// An object schema.
    pub parameters: Value,
    pub strict: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    Auto,
    None,
    Required,
    Named(String),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub enum Format {
    #[default]
    Text,
    /// Any JSON object.
    Json,
    Schema {
        name: String,
        schema: Value,
        strict: Option<bool>,
    },
}

/// Takes a request apart.
///
/// # Errors
/// `invalid_request`, with the place: a wrong shape, several choices, sound, the older `functions`.
pub fn read(chat: Value) -> Result<ChatRequest, Failure> {
    let Value::Object(members) = chat else {
        return Err(invalid("the request", "expected a JSON object"));
    };
    if members.get("n").and_then(Value::as_u64).is_some_and(|n| n > 1) {
        return Err(not_sayable(
            "n",
            "this model gives one choice per request: send n requests, or choose another model",
        ));
    }
    for old in ["functions", "function_call"] {
        if members.get(old).is_some_and(|value| !value.is_null()) {
            return Err(not_sayable(old, "the older form of tools is not translated: send tools and tool_choice"));
        }
    }
    if members.get("audio").is_some_and(|value| !value.is_null()) {
        return Err(not_sayable("audio", "this model does not speak: choose another model"));
    }
    let mut out = ChatRequest {
        turns: turns(members.get("messages"))?,
        tools: tools(members.get("tools"))?,
        tool_choice: tool_choice(members.get("tool_choice"))?,
        parallel_tool_calls: members.get("parallel_tool_calls").and_then(Value::as_bool),
        format: format(members.get("response_format"))?,
        effort: text_of(&members, "reasoning_effort"),
        max_tokens: count_of(&members, "max_completion_tokens")?.or(count_of(&members, "max_tokens")?),
        temperature: number_of(&members, "temperature")?,
        top_p: number_of(&members, "top_p")?,
        stop: stop(members.get("stop"))?,
        user: text_of(&members, "safety_identifier").or_else(|| text_of(&members, "user")),
        stream: members.get("stream").and_then(Value::as_bool).unwrap_or(false),
        members: Map::new(),
    };
    out.members = members;
    Ok(out)
}

fn turns(messages: Option<&Value>) -> Result<Vec<Turn>, Failure> {
    let Some(Value::Array(messages)) = messages else {
        return Err(invalid("messages", "expected a list of messages"));
    };
    let mut turns = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        let place = format!("messages[{index}]");
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        let content = || parts(message.get("content"), &format!("{place}.content"));
        turns.push(match role {
            "system" | "developer" => Turn::System(content()?),
            "user" => Turn::User(content()?),
            "assistant" => assistant(message, &place)?,
            "tool" => {
                let id = message.get("tool_call_id").and_then(Value::as_str).unwrap_or_default();
                if id.is_empty() {
                    return Err(invalid(&format!("{place}.tool_call_id"), "expected the id of the call it answers"));
                }
                Turn::ToolResult { id: id.to_owned(), parts: content()? }
            }
            "function" => {
                return Err(not_sayable(&place, "the older form of tool results is not translated: send role tool"));
            }
            other => {
                let came = if other.is_empty() { "none".to_owned() } else { format!("{:?}", short(other)) };
                let why = format!("expected system, developer, user, assistant or tool, came {came}");
                return Err(invalid(&format!("{place}.role"), &why));
            }
        });
    }
    Ok(turns)
}

fn assistant(message: &Value, place: &str) -> Result<Turn, Failure> {
    let mut said = parts(message.get("content"), &format!("{place}.content"))?;
    if let Some(refusal) = message.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        said.push(Part::Text { text: refusal.to_owned(), cache: None });
    }
    let mut calls = Vec::new();
    for (index, call) in list(message.get("tool_calls")).iter().enumerate() {
        let place = format!("{place}.tool_calls[{index}]");
        let function = call.get("function");
        let text = |name: &str| function.and_then(|function| function.get(name)).and_then(Value::as_str);
        let Some(name) = text("name").filter(|name| !name.is_empty()) else {
            return Err(invalid(&format!("{place}.function.name"), "expected the name of the function called"));
        };
        let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        calls.push(ToolCall {
            id: id.ok_or_else(|| invalid(&format!("{place}.id"), "expected the id of the call"))?.to_owned(),
            name: name.to_owned(),
            arguments: text("arguments").unwrap_or_default().to_owned(),
        });
    }
    let thinking = list(message.get("thinking_blocks")).iter().filter(|block| is_thinking(block)).cloned().collect();
    Ok(Turn::Assistant { parts: said, calls, thinking })
}

/// Reasoning that its vendor signed; without the signature it would refuse it.
fn is_thinking(block: &Value) -> bool {
    let has = |name: &str| block.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    match block.get("type").and_then(Value::as_str) {
        Some("thinking") => has("signature"),
        Some("redacted_thinking") => has("data"),
        _ => false,
    }
}

/// The parts of a content, empty texts left out.
fn parts(content: Option<&Value>, place: &str) -> Result<Vec<Part>, Failure> {
    match content {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::Text { text: text.clone(), cache: None }]),
        Some(Value::Array(list)) => {
            let mut parts = Vec::with_capacity(list.len());
            for (index, part) in list.iter().enumerate() {
                parts.extend(one_part(part, &format!("{place}[{index}]"))?);
            }
            Ok(parts)
        }
        Some(other) => Err(invalid(place, &format!("expected a text or a list of parts, came {}", shape_of(other)))),
    }
}

fn one_part(part: &Value, place: &str) -> Result<Option<Part>, Failure> {
    let text = |name: &str| part.get(name).and_then(Value::as_str).map(str::to_owned);
    match part.get("type").and_then(Value::as_str).unwrap_or("text") {
        "text" | "input_text" | "output_text" | "refusal" => {
            let said = text("text").or_else(|| text("refusal"));
            let said = said.ok_or_else(|| invalid(&format!("{place}.text"), "expected a text"))?;
            let cache = part.get("cache_control").filter(|mark| mark.is_object()).cloned();
            Ok((!said.is_empty()).then_some(Part::Text { text: said, cache }))
        }
        "image_url" => {
            let image = part.get("image_url");
            let inner = |name: &str| image.and_then(|image| image.get(name)).and_then(Value::as_str).map(str::to_owned);
            let url = image.and_then(Value::as_str).map(str::to_owned).or_else(|| inner("url"));
            let url = url.ok_or_else(|| invalid(&format!("{place}.image_url.url"), "expected an address"))?;
            Ok(Some(Part::Image { url, detail: inner("detail") }))
        }
        "file" => {
            let file = part.get("file");
            let inner = |name: &str| file.and_then(|file| file.get(name)).and_then(Value::as_str).map(str::to_owned);
            let data = inner("file_data").ok_or_else(|| {
                not_sayable(
                    &format!("{place}.file.file_data"),
                    "expected the file itself: a file_id is known elsewhere only",
                )
            })?;
            Ok(Some(Part::File { data, name: inner("filename") }))
        }
        other => {
            let why = format!("a part of type {:?} cannot be sent to this model: choose another model", short(other));
            Err(not_sayable(&format!("{place}.type"), &why))
        }
    }
}

fn tools(tools: Option<&Value>) -> Result<Vec<Tool>, Failure> {
    let mut out = Vec::new();
    for (index, tool) in list(tools).iter().enumerate() {
        let place = format!("tools[{index}]");
        let kind = tool.get("type").and_then(Value::as_str).unwrap_or("function");
        if kind != "function" {
            let why = format!("a tool of type {:?} is not known to this model: only functions are", short(kind));
            return Err(not_sayable(&format!("{place}.type"), &why));
        }
        let function = tool.get("function");
        let member = |name: &str| function.and_then(|function| function.get(name));
        let Some(name) = member("name").and_then(Value::as_str).filter(|name| !name.is_empty()) else {
            return Err(invalid(&format!("{place}.function.name"), "expected the function's name"));
        };
        out.push(Tool {
            name: name.to_owned(),
            description: member("description").and_then(Value::as_str).map(str::to_owned),
            parameters: object_schema(member("parameters"), &place)?,
            strict: member("strict").and_then(Value::as_bool),
        });
    }
    Ok(out)
}

/// A schema of an object, completed where it leaves the type out.
fn object_schema(schema: Option<&Value>, place: &str) -> Result<Value, Failure> {
    match schema {
        None | Some(Value::Null) => Ok(serde_json::json!({"type": "object", "properties": {}})),
        Some(Value::Object(members)) if members.contains_key("type") => Ok(Value::Object(members.clone())),
        Some(Value::Object(members)) => {
            let mut whole = Map::from_iter([("type".to_owned(), Value::from("object"))]);
            whole.extend(members.clone());
            Ok(Value::Object(whole))
        }
        Some(other) => {
            let why = format!("expected a JSON Schema, came {}", shape_of(other));
            Err(invalid(&format!("{place}.function.parameters"), &why))
        }
    }
}

fn tool_choice(choice: Option<&Value>) -> Result<Option<ToolChoice>, Failure> {
    Ok(Some(match choice {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" | "any" => ToolChoice::Required,
            other => {
                let why = format!("expected auto, none, required or a function, came {:?}", short(other));
                return Err(invalid("tool_choice", &why));
            }
        },
        Some(other) => {
            let name = other.get("function").unwrap_or(other).get("name").and_then(Value::as_str);
            let name = name.ok_or_else(|| invalid("tool_choice.function.name", "expected a function's name"))?;
            ToolChoice::Named(name.to_owned())
        }
    }))
}

fn format(format: Option<&Value>) -> Result<Format, Failure> {
    let Some(format) = format.filter(|format| !format.is_null()) else { return Ok(Format::Text) };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::Json),
        Some("json_schema") => {
            let inner = format.get("json_schema").unwrap_or(format);
            let schema = inner.get("schema").filter(|schema| schema.is_object());
            let schema =
                schema.ok_or_else(|| invalid("response_format.json_schema.schema", "expected a JSON Schema"))?;
            Ok(Format::Schema {
                name: inner.get("name").and_then(Value::as_str).unwrap_or("answer").to_owned(),
                schema: schema.clone(),
                strict: inner.get("strict").and_then(Value::as_bool),
            })
        }
        _ => Err(invalid("response_format.type", "expected text, json_object or json_schema")),
    }
}

fn stop(stop: Option<&Value>) -> Result<Vec<String>, Failure> {
    let texts = match stop {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list
            .iter()
            .map(|text| text.as_str().map(str::to_owned).ok_or_else(|| invalid("stop", "expected texts")))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(invalid("stop", "expected a text or a list of texts")),
    };
    Ok(texts.into_iter().filter(|text| !text.trim().is_empty()).collect())
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text_of(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn count_of(members: &Map<String, Value>, name: &str) -> Result<Option<u64>, Failure> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        // LM Studio's way to say: no limit.
        Some(value) if value.as_i64() == Some(-1) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| invalid(name, "expected a whole number")),
    }
}

fn number_of(members: &Map<String, Value>, name: &str) -> Result<Option<f64>, Failure> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| invalid(name, "expected a number")),
    }
}

/// What a value is, in words: `a text`, `a list`.
pub fn shape_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

pub(super) fn invalid(place: &str, why: &str) -> Failure {
    Failure::plain(ErrorCode::InvalidRequest, format!("{place}: {why}"))
}

/// The request is right, and this dialect has no word for it.
pub(super) fn not_sayable(place: &str, why: &str) -> Failure {
    Failure::new(ErrorCode::InvalidRequest, Cause::NotSayable, format!("{place}: {why}"))
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
