//! The Responses interface: items instead of messages, named events with sequence numbers instead of `[DONE]`.

use super::not_json;
use crate::sim::asked::{Asked, Spoken, written};
use crate::sim::fault::{Fault, Trouble};
use crate::sim::reply;
use crate::sim::scene::{Answer, Scene};
use crate::sim::spoil::Streamed;
use crate::sim::trouble;
use serde_json::{Value, json};

pub(in crate::sim) async fn respond(scene: &mut Scene) -> Answer {
    let Some(asked) = Asked::of(scene) else { return not_json() };
    let known = scene.settings().model(&asked.model).is_some();
    if !known {
        return Answer::Done(trouble::reply(scene, &Trouble::UnknownModel));
    }
    let spoken = asked.answer(scene, &asked.model);
    if !asked.stream {
        written(&spoken).await;
        return Answer::Plain(reply::json(200, &response(&spoken, true)));
    }
    let fault = scene.fault.take();
    let mut frames = frames(&spoken);
    let end = frames.pop().unwrap_or_default();
    let broken = match &fault {
        Some(Fault::Midway { after, trouble }) => Some((*after, failed(&spoken, trouble, *after))),
        _ => None,
    };
    let streamed = Streamed { frames, end, content_type: "text/event-stream", pace: spoken.pace, broken };
    Answer::Done(streamed.reply(&scene.shared, fault))
}

fn failed(spoken: &Spoken, trouble: &Trouble, number: usize) -> String {
    let code = if matches!(trouble, Trouble::RateLimited { .. }) { "rate_limit_exceeded" } else { "server_error" };
    let mut body = response(spoken, false);
    body["status"] = json!("failed");
    body["error"] = json!({"code": code, "message": "The model failed to generate a response."});
    event("response.failed", number, json!({ "response": body }))
}

fn response(spoken: &Spoken, done: bool) -> Value {
    let cut = spoken.finish_reason() == "length";
    let status = match (done, cut) {
        (false, _) => "in_progress",
        (true, true) => "incomplete",
        (true, false) => "completed",
    };
    let output = spoken.output_tokens();
    json!({"id": format!("resp_{}", spoken.number), "object": "response", "created_at": 1, "status": status,
        "error": null, "incomplete_details": if done && cut { json!({"reason": "max_output_tokens"}) } else { Value::Null },
        "model": spoken.model, "output": if done { items(spoken) } else { json!([]) },
        "usage": if done { json!({"input_tokens": spoken.prompt_tokens, "input_tokens_details": {"cached_tokens": spoken.cached},
            "output_tokens": output, "output_tokens_details": {"reasoning_tokens": spoken.reasoning_tokens()},
            "total_tokens": spoken.prompt_tokens + output}) } else { Value::Null }})
}

fn message(spoken: &Spoken, done: bool) -> Value {
    let content =
        if done { json!([{"type": "output_text", "text": spoken.text(), "annotations": []}]) } else { json!([]) };
    json!({"id": format!("msg_{}", spoken.number), "type": "message", "role": "assistant",
        "status": if done { "completed" } else { "in_progress" }, "content": content})
}

fn reasoning(spoken: &Spoken) -> Option<Value> {
    (!spoken.reasoning.is_empty()).then(|| {
        let summary = spoken.shown_reasoning().concat();
        let summary = if summary.is_empty() { json!([]) } else { json!([{"type": "summary_text", "text": summary}]) };
        json!({"id": format!("rs_{}", spoken.number), "type": "reasoning", "summary": summary})
    })
}

fn tool(spoken: &Spoken) -> Option<Value> {
    spoken.tool.as_ref().map(|tool| {
        json!({"id": format!("fc_{}", spoken.number), "type": "function_call", "call_id": format!("call_{}", spoken.number),
            "name": tool.name, "arguments": tool.arguments.to_string(), "status": "completed"})
    })
}

fn items(spoken: &Spoken) -> Value {
    let said = (!spoken.words.is_empty()).then(|| message(spoken, true));
    reasoning(spoken).into_iter().chain(said).chain(tool(spoken)).collect()
}

fn event(name: &str, number: usize, mut data: Value) -> String {
    let mut body = json!({"type": name, "sequence_number": number});
    if let (Some(body), Some(data)) = (body.as_object_mut(), data.as_object_mut()) {
        body.append(data);
    }
    format!("event: {name}\ndata: {body}\n\n")
}

fn frames(spoken: &Spoken) -> Vec<String> {
    let mut events: Vec<(&str, Value)> = vec![
        ("response.created", json!({"response": response(spoken, false)})),
        ("response.in_progress", json!({"response": response(spoken, false)})),
    ];
    let mut place = 0;
    if let Some(item) = reasoning(spoken) {
        let id = item["id"].clone();
        events.push((
            "response.output_item.added",
            json!({"output_index": place, "item": {"id": id, "type": "reasoning", "summary": []}}),
        ));
        for word in spoken.shown_reasoning() {
            let data = json!({"item_id": id, "output_index": place, "summary_index": 0, "delta": word});
            events.push(("response.reasoning_summary_text.delta", data));
        }
        events.push(("response.output_item.done", json!({"output_index": place, "item": item})));
        place += 1;
    }
    if !spoken.words.is_empty() {
        let id = format!("msg_{}", spoken.number);
        let part = |text: &str| {
            json!({"item_id": id, "output_index": place, "content_index": 0,
            "part": {"type": "output_text", "text": text, "annotations": []}})
        };
        events.push(("response.output_item.added", json!({"output_index": place, "item": message(spoken, false)})));
        events.push(("response.content_part.added", part("")));
        for word in &spoken.words {
            let data = json!({"item_id": id, "output_index": place, "content_index": 0, "delta": word});
            events.push(("response.output_text.delta", data));
        }
        let text = json!({"item_id": id, "output_index": place, "content_index": 0, "text": spoken.text()});
        events.push(("response.output_text.done", text));
        events.push(("response.content_part.done", part(&spoken.text())));
        events.push(("response.output_item.done", json!({"output_index": place, "item": message(spoken, true)})));
        place += 1;
    }
    if let Some(item) = tool(spoken) {
        let (id, arguments) = (item["id"].clone(), item["arguments"].clone());
        let mut begun = item.clone();
        begun["arguments"] = json!("");
        begun["status"] = json!("in_progress");
        events.push(("response.output_item.added", json!({"output_index": place, "item": begun})));
        events.push((
            "response.function_call_arguments.delta",
            json!({"item_id": id, "output_index": place, "delta": arguments}),
        ));
        events.push((
            "response.function_call_arguments.done",
            json!({"item_id": id, "output_index": place, "arguments": arguments}),
        ));
        events.push(("response.output_item.done", json!({"output_index": place, "item": item})));
    }
    let cut = spoken.finish_reason() == "length";
    let end = if cut { "response.incomplete" } else { "response.completed" };
    events.push((end, json!({"response": response(spoken, true)})));
    events.into_iter().enumerate().map(|(number, (name, data))| event(name, number, data)).collect()
}
