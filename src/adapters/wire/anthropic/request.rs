//! An OpenAI chat request in Anthropic's form. Its rules: the system prompt stands apart, turns alternate and
//! begin with the user, results of tools come before any other word of their turn, `max_tokens` is a must.

use crate::adapters::wire::chat_request::{ChatRequest, Format, Part, ToolChoice, Turn, invalid};
use crate::domain::failure::Failure;
use serde_json::{Map, Value, json};

/// Tokens of an answer at most, where nobody said it.
pub const MAX_TOKENS: u64 = 4096;

/// The least a reasoning budget may be.
const LEAST_BUDGET: u64 = 1024;

/// What stands for the user's first turn where a conversation begins with the model's.
const OPENING: &str = "Begin.";

const ONE_OBJECT: &str = "Answer with one JSON object and nothing else: no words around it, no code fence.";

/// The request for `model`.
///
/// # Errors
/// `invalid_request`, with the place, for what this dialect cannot say.
pub fn translate(chat: &ChatRequest, model: &str) -> Result<Value, Failure> {
    let (system, messages) = conversation(chat)?;
    let mut out = Map::new();
    out.insert("model".into(), model.into());
    let mut max_tokens = chat.max_tokens.unwrap_or(MAX_TOKENS).max(1);
    let (thinking, effort) = reasoning(chat, model, &mut max_tokens);
    out.insert("max_tokens".into(), max_tokens.into());
    if !system.is_empty() {
        out.insert("system".into(), system_value(system));
    }
    out.insert("messages".into(), messages.into());
    // While it reasons the vendor fixes these itself and refuses others.
    let free = thinking.as_ref().is_none_or(|thinking| thinking["type"] == "disabled");
    if let Some(temperature) = chat.temperature.filter(|_| free) {
        out.insert("temperature".into(), temperature.clamp(0.0, 1.0).into());
    }
    // The newer models take one of the two.
    if let Some(top_p) = chat.top_p.filter(|top_p| free && chat.temperature.is_none() && *top_p < 1.0) {
        out.insert("top_p".into(), top_p.into());
    }
    if let Some(top_k) = chat.members.get("top_k").filter(|top_k| free && top_k.is_u64()) {
        out.insert("top_k".into(), top_k.clone());
    }
    if !chat.stop.is_empty() {
        out.insert("stop_sequences".into(), chat.stop.clone().into());
    }
    tools(chat, &mut out);
    let mut config = Map::new();
    if let Some(effort) = effort {
        config.insert("effort".into(), effort.into());
    }
    if let Format::Schema { schema, .. } = &chat.format {
        config.insert("format".into(), json!({"type": "json_schema", "schema": schema}));
    }
    if !config.is_empty() {
        out.insert("output_config".into(), config.into());
    }
    if let Some(thinking) = thinking {
        out.insert("thinking".into(), thinking);
    }
    if let Some(user) = &chat.user {
        out.insert("metadata".into(), json!({"user_id": user}));
    }
    if chat.stream {
        out.insert("stream".into(), true.into());
    }
    Ok(out.into())
}

/// The system prompt's blocks, and the turns.
fn conversation(chat: &ChatRequest) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let mut system = Vec::new();
    let mut turns: Vec<(&'static str, Vec<Value>)> = Vec::new();
    for (index, turn) in chat.turns.iter().enumerate() {
        let place = format!("messages[{index}]");
        let (role, content) = match turn {
            Turn::System(parts) => {
                system.extend(parts.iter().filter_map(|part| part.text().map(|_| block(part, &place))));
                continue;
            }
            Turn::User(parts) => ("user", parts.iter().map(|part| block(part, &place)).collect()),
            Turn::ToolResult { id, parts } => ("user", vec![Ok(tool_result(id, parts, &place)?)]),
            Turn::Assistant { parts, calls, thinking } => {
                // The vendor asks for signed reasoning in front of the words and calls that followed it.
                let mut content: Vec<_> = thinking.iter().cloned().map(Ok).collect();
                content.extend(parts.iter().map(|part| block(part, &place)));
                content.extend(calls.iter().map(|call| {
                    let input = arguments(&call.arguments);
                    Ok(json!({"type": "tool_use", "id": tool_id(&call.id), "name": call.name, "input": input}))
                }));
                ("assistant", content)
            }
        };
        let content = content.into_iter().collect::<Result<Vec<Value>, Failure>>()?;
        if content.is_empty() {
            continue;
        }
        match turns.last_mut() {
            Some((last, blocks)) if *last == role => blocks.extend(content),
            _ => turns.push((role, content)),
        }
    }
    if turns.first().is_none_or(|(role, _)| *role != "user") {
        turns.insert(0, ("user", vec![json!({"type": "text", "text": OPENING})]));
    }
    if chat.format == Format::Json {
        system.push(Ok(json!({"type": "text", "text": ONE_OBJECT})));
    }
    let last = turns.len() - 1;
    let messages = turns.into_iter().enumerate().map(|(index, (role, mut blocks))| {
        if role == "user" {
            // Stable: results keep their order, and so do the words behind them.
            blocks.sort_by_key(|block| block["type"] != "tool_result");
        } else if index == last {
            trim_end(&mut blocks);
        }
        json!({"role": role, "content": blocks})
    });
    Ok((system.into_iter().collect::<Result<_, _>>()?, messages.collect()))
}

/// A beginning for the model to go on from may not end in a space.
fn trim_end(blocks: &mut Vec<Value>) {
    if let Some(Value::String(text)) = blocks.last_mut().and_then(|block| block.get_mut("text")) {
        text.truncate(text.trim_end().len());
        if text.is_empty() && blocks.len() > 1 {
            blocks.pop();
        }
    }
}

/// One text where nothing is marked for the cache, else blocks.
fn system_value(blocks: Vec<Value>) -> Value {
    if blocks.iter().any(|block| block.get("cache_control").is_some()) {
        return blocks.into();
    }
    let texts: Vec<&str> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
    texts.join("\n\n").into()
}

fn block(part: &Part, place: &str) -> Result<Value, Failure> {
    Ok(match part {
        Part::Text { text, cache } => {
            let mut block = json!({"type": "text", "text": text});
            if let Some(cache) = cache {
                block["cache_control"] = cache.clone();
            }
            block
        }
        Part::Image { url, .. } => json!({"type": "image", "source": source(url, place)?}),
        Part::File { data, name } => {
            let mut block = json!({"type": "document", "source": source(data, place)?});
            if let Some(name) = name {
                block["title"] = name.as_str().into();
            }
            block
        }
    })
}

/// A data URL taken apart; any other address as it is.
fn source(url: &str, place: &str) -> Result<Value, Failure> {
    let Some(rest) = url.strip_prefix("data:") else {
        if url.starts_with("https://") || url.starts_with("http://") {
            return Ok(json!({"type": "url", "url": url}));
        }
        return Err(invalid(place, "an image is a data URL or an http address"));
    };
    let (head, data) =
        rest.split_once(',').ok_or_else(|| invalid(place, "the data URL has no comma before its data"))?;
    let Some(media_type) = head.strip_suffix(";base64") else {
        return Err(invalid(place, "the data URL is not base64: data:image/png;base64,…"));
    };
    let media_type = media_type.split(';').next().unwrap_or_default();
    // A name in common use that the vendor does not take.
    let media_type = if media_type == "image/jpg" { "image/jpeg" } else { media_type };
    Ok(json!({"type": "base64", "media_type": media_type, "data": data}))
}

fn tool_result(id: &str, parts: &[Part], place: &str) -> Result<Value, Failure> {
    let mut block = json!({"type": "tool_result", "tool_use_id": tool_id(id)});
    match parts {
        [] => {}
        [Part::Text { text, cache: None }] => block["content"] = text.as_str().into(),
        parts => {
            let blocks = parts.iter().map(|part| self::block(part, place)).collect::<Result<Vec<_>, _>>()?;
            block["content"] = blocks.into();
        }
    }
    Ok(block)
}

/// Arguments are a text with JSON in the one form and an object in the other; what a model wrote badly becomes
/// an empty one, since the vendor takes nothing else.
fn arguments(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => members.into(),
        _ => {
            if !text.trim().is_empty() {
                tracing::warn!("arguments of a tool call are no JSON object: they are sent as an empty one");
            }
            json!({})
        }
    }
}

/// The vendor takes letters, digits, `_` and `-`; other servers put dots and colons into their ids.
fn tool_id(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' }).collect()
}

fn tools(chat: &ChatRequest, out: &mut Map<String, Value>) {
    if chat.tools.is_empty() {
        return;
    }
    let tools = chat.tools.iter().map(|tool| {
        let mut own = json!({"name": tool.name, "input_schema": tool.parameters});
        if let Some(description) = &tool.description {
            own["description"] = description.as_str().into();
        }
        own
    });
    out.insert("tools".into(), tools.collect());
    let mut choice = match &chat.tool_choice {
        Some(ToolChoice::None) => Some(json!({"type": "none"})),
        Some(ToolChoice::Required) => Some(json!({"type": "any"})),
        Some(ToolChoice::Named(name)) => Some(json!({"type": "tool", "name": name})),
        Some(ToolChoice::Auto) => Some(json!({"type": "auto"})),
        None => None,
    };
    if chat.parallel_tool_calls == Some(false) && chat.tool_choice != Some(ToolChoice::None) {
        choice.get_or_insert_with(|| json!({"type": "auto"}))["disable_parallel_tool_use"] = true.into();
    }
    if let Some(choice) = choice {
        out.insert("tool_choice".into(), choice);
    }
}

/// How much it is to reason: a `thinking` member, and the effort for models that know one. A budget is part of
/// `max_tokens`, which grows where the caller gave none.
fn reasoning(chat: &ChatRequest, model: &str, max_tokens: &mut u64) -> (Option<Value>, Option<String>) {
    if let Some(thinking) = chat.members.get("thinking").filter(|thinking| thinking.is_object()) {
        // The caller speaks to this vendor's models by their own word.
        return (Some(thinking.clone()), None);
    }
    let Some(effort) = chat.effort.as_deref() else { return (None, None) };
    if effort == "none" {
        return (Some(json!({"type": "disabled"})), None);
    }
    if knows_effort(model) {
        let effort = match effort {
            "minimal" => "low",
            known @ ("low" | "medium" | "high" | "xhigh" | "max") => known,
            _ => return (None, None),
        };
        return (Some(json!({"type": "adaptive"})), Some(effort.to_owned()));
    }
    let wanted = match effort {
        "minimal" | "low" => LEAST_BUDGET,
        "medium" => 4 * LEAST_BUDGET,
        "high" | "xhigh" | "max" => 16 * LEAST_BUDGET,
        _ => return (None, None),
    };
    if chat.max_tokens.is_none() {
        *max_tokens = max_tokens.saturating_add(wanted);
    }
    let budget = wanted.min(max_tokens.saturating_sub(1));
    let thinking = (budget >= LEAST_BUDGET).then(|| json!({"type": "enabled", "budget_tokens": budget}));
    (thinking, None)
}

/// Models from 4.6 on decide by an effort how much they reason; those before take a number of tokens.
/// `claude-opus-4-7`, `claude-sonnet-5`, `claude-fable-5-1`; the older order `claude-3-7-sonnet` is before.
fn knows_effort(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let Some(rest) = name.strip_prefix("claude-") else { return false };
    let mut pieces = rest.split(['-', '.']);
    if !pieces.next().is_some_and(|family| family.chars().all(|c| c.is_ascii_alphabetic())) {
        return false;
    }
    // A date (eight digits) is no part of the version.
    let mut number = || pieces.next().filter(|piece| piece.len() <= 2).and_then(|piece| piece.parse::<u32>().ok());
    let (major, minor) = (number().unwrap_or(0), number().unwrap_or(0));
    (major, minor) >= (4, 6)
}
