//! The events of a streamed message, in order.

use super::anthropic::{message_id, stop_reason, tool_id, usage};
use super::asked::Spoken;
use serde_json::{Value, json};

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

/// One content block: its start, its deltas, its end.
fn block(index: usize, start: &Value, deltas: &[Value]) -> Vec<String> {
    let mut events = vec![event(&json!({"type": "content_block_start", "index": index, "content_block": start}))];
    events.extend(
        deltas.iter().map(|delta| event(&json!({"type": "content_block_delta", "index": index, "delta": delta}))),
    );
    events.push(event(&json!({"type": "content_block_stop", "index": index})));
    events
}

/// All frames; the last is the end mark.
pub(super) fn frames(spoken: &Spoken) -> Vec<String> {
    let mut blocks: Vec<(Value, Vec<Value>)> = Vec::new();
    if !spoken.reasoning.is_empty() {
        let mut deltas: Vec<Value> =
            spoken.reasoning.iter().map(|word| json!({"type": "thinking_delta", "thinking": word})).collect();
        deltas.push(json!({"type": "signature_delta", "signature": "c2ln"}));
        blocks.push((json!({"type": "thinking", "thinking": "", "signature": ""}), deltas));
    }
    if !spoken.words.is_empty() {
        let deltas = spoken.words.iter().map(|word| json!({"type": "text_delta", "text": word})).collect();
        blocks.push((json!({"type": "text", "text": ""}), deltas));
    }
    if let Some(tool) = &spoken.tool {
        let text = tool.arguments.to_string();
        let half = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
        let (first, second) = text.split_at(half);
        let deltas = ["", first, second].map(|part| json!({"type": "input_json_delta", "partial_json": part})).to_vec();
        blocks.push((json!({"type": "tool_use", "id": tool_id(spoken), "name": tool.name, "input": {}}), deltas));
    }
    let mut frames =
        vec![event(&json!({"type": "message_start", "message": {"id": message_id(spoken), "type": "message",
        "role": "assistant", "model": spoken.model, "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": usage(spoken, 1)}}))];
    for (index, (start, deltas)) in blocks.iter().enumerate() {
        frames.extend(block(index, start, deltas));
        if index == 0 {
            frames.insert(2, event(&json!({"type": "ping"})));
        }
    }
    frames.push(event(&json!({"type": "message_delta",
        "delta": {"stop_reason": stop_reason(spoken), "stop_sequence": null},
        "usage": usage(spoken, spoken.output_tokens())})));
    frames.push(event(&json!({"type": "message_stop"})));
    frames
}
