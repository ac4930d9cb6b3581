//! A client's own request passed on to a server of each kind: whatever the order of its members and however it is
//! spaced, what goes out is the old request with exactly the members changed that this kind wants otherwise.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use lmdeck::adapters::wire::request::chat;
use lmdeck::domain::call::Body;
use lmdeck::domain::ids::ModelId;
use lmdeck::domain::kind::Kind;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn passed_on(kind: Kind, model: &str, json: &str) -> String {
    chat(kind, "api.example", &ModelId::from(model), &Body::RawOpenaiChat { json: json.into() }).unwrap().json
}

#[test]
fn a_limit_that_stands_first_is_renamed_beside_what_is_put_in_front() {
    let sorted = r#"{"max_completion_tokens":5,"messages":[],"model":"x","stream":true}"#;
    for kind in [Kind::LmStudio, Kind::Ollama, Kind::LlamaCpp, Kind::ZAiGlm] {
        assert_eq!(
            passed_on(kind, "m", sorted),
            r#"{"stream_options":{"include_usage":true},"max_tokens":5,"messages":[],"model":"m","stream":true}"#
        );
    }
    assert_eq!(
        passed_on(Kind::Openai, "gpt-6-sol", r#"{"max_tokens":5,"messages":[]}"#),
        r#"{"model":"gpt-6-sol","max_completion_tokens":5,"messages":[]}"#
    );
    assert_eq!(
        passed_on(Kind::OpenaiCompatible, "gpt-6-sol", r#"{"max_tokens":5,"messages":[]}"#),
        r#"{"model":"gpt-6-sol","max_completion_tokens":5,"messages":[]}"#
    );
}

#[test]
fn blanks_in_front_stay_in_front() {
    let heredoc = "\n  {\"messages\":[],\"stream\":true}\n";
    let sent = passed_on(Kind::Vllm, "m", heredoc);
    assert_eq!(
        sent,
        "\n  {\"model\":\"m\",\"stream_options\":{\"include_usage\":true},\"messages\":[],\"stream\":true}\n"
    );
}

/// What the kind is to be sent; the schema that Z.AI is told in words is looked at by itself.
fn wanted(kind: Kind, model: &str, asked: &Map<String, Value>) -> Map<String, Value> {
    let mut out = asked.clone();
    out.insert("model".into(), model.into());
    let (old, new) = ("max_tokens", "max_completion_tokens");
    let renamed = match kind {
        Kind::Openai => Some((old, new)),
        Kind::LmStudio | Kind::ZAiGlm | Kind::Ollama | Kind::LlamaCpp => Some((new, old)),
        _ => None,
    };
    if let Some((from, to)) = renamed.filter(|(_, to)| !asked.contains_key(*to))
        && let Some(limit) = out.shift_remove(from)
    {
        out.insert(to.into(), limit);
    }
    if asked.get("stream") == Some(&json!(true)) {
        let mut options = asked.get("stream_options").and_then(Value::as_object).cloned().unwrap_or_default();
        options.insert("include_usage".into(), json!(true));
        out.insert("stream_options".into(), options.into());
    }
    let format = asked.get("response_format").map_or("", |format| format["type"].as_str().unwrap_or_default());
    if kind == Kind::LmStudio && format == "json_object" {
        let schema = json!({"type": "object", "additionalProperties": true});
        let any = json!({"type": "json_schema", "json_schema": {"name": "object", "schema": schema}});
        out.insert("response_format".into(), any);
    }
    if kind == Kind::ZAiGlm {
        wanted_by_z_ai(asked, format, &mut out);
    }
    out
}

fn wanted_by_z_ai(asked: &Map<String, Value>, format: &str, out: &mut Map<String, Value>) {
    let word = |name: &str| asked.get(name).and_then(Value::as_str);
    if format == "json_schema" {
        out.insert("response_format".into(), json!({"type": "json_object"}));
    }
    if asked.get("temperature").and_then(Value::as_f64).is_some_and(|value| value > 1.0) {
        out.insert("temperature".into(), json!(1));
    }
    if let Some(stop) = word("stop") {
        out.insert("stop".into(), json!([stop]));
    }
    if asked.get("tool_choice").is_some_and(|choice| !choice.is_null()) {
        out.insert("tool_choice".into(), json!("auto"));
    }
    if word("tool_choice") == Some("none") && asked.contains_key("tools") {
        out.insert("tools".into(), Value::Null);
    }
    if matches!(word("reasoning_effort"), Some("none" | "minimal")) && !asked.contains_key("thinking") {
        out.insert("reasoning_effort".into(), Value::Null);
        out.insert("thinking".into(), json!({"type": "disabled"}));
    }
    for message in out.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten() {
        if message["role"] == "developer" {
            message["role"] = json!("system");
        }
    }
}

/// The members that some kind has an opinion of, each with values a client writes, in any order.
fn members() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let known: Vec<(&str, Vec<Value>)> = vec![
        ("model", vec![json!("auto"), json!("a/b")]),
        (
            "messages",
            vec![
                json!([]),
                json!([{"role": "user", "content": "a developer"}]),
                json!([{"role": "developer", "content": "x"}, {"content": "\"y\"", "role": "user"}]),
            ],
        ),
        ("max_tokens", vec![json!(5), Value::Null]),
        ("max_completion_tokens", vec![json!(6), Value::Null]),
        ("stream", vec![json!(true), json!(true), json!(false), Value::Null]),
        ("stream_options", vec![Value::Null, json!({}), json!({"include_usage": false, "x": 1})]),
        ("reasoning_effort", vec![json!("none"), json!("minimal"), json!("high"), Value::Null]),
        ("thinking", vec![json!({"type": "enabled"}), Value::Null]),
        ("stop", vec![json!("END"), json!(["a", "b"]), Value::Null]),
        (
            "response_format",
            vec![
                json!({"type": "json_object"}),
                json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}),
                json!({"type": "text"}),
                Value::Null,
            ],
        ),
        ("temperature", vec![json!(0.2), json!(1.5), Value::Null]),
        ("tools", vec![json!([{"type": "function", "function": {"name": "f"}}])]),
        ("tool_choice", vec![json!("auto"), json!("none"), json!("required"), Value::Null]),
        ("seed", vec![json!(7)]),
    ];
    let each: Vec<_> = known
        .into_iter()
        .map(|(name, values)| {
            prop::option::of(prop::sample::select(values)).prop_map(move |value| Some((name, value?)))
        })
        .collect();
    each.prop_map(|members| members.into_iter().flatten().collect::<Vec<_>>()).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn what_goes_out_is_the_request_with_exactly_the_kind_s_changes(
        members in members(),
        pads in prop::array::uniform4("[ \n\t]{0,2}"),
        around in "[ \r\n\t]{0,4}",
        pretty in any::<bool>(),
    ) {
        let value = |value: &Value| if pretty { serde_json::to_string_pretty(value).unwrap() } else { value.to_string() };
        let [open, before, colon, close] = &pads;
        let written: Vec<_> =
            members.iter().map(|(name, of)| format!("{before}\"{name}\"{colon}:{colon}{}", value(of))).collect();
        let json = format!("{around}{{{open}{}{close}}}{around}", written.join(","));
        let asked: Map<String, Value> = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for kind in Kind::ALL {
            let model = if kind == Kind::Openai { "gpt-6-sol" } else { "glm-4.7" };
            let sent = passed_on(kind, model, &json);
            let mut sent: Map<String, Value> = serde_json::from_str(&sent)
                .map_err(|error| TestCaseError::fail(format!("{kind:?}: {error}: {json} became {sent}")))?;
            let told = kind == Kind::ZAiGlm && asked.get("response_format").is_some_and(|f| f["type"] == "json_schema");
            if let Some(messages) = sent.get_mut("messages").and_then(Value::as_array_mut).filter(|_| told) {
                let told = messages.remove(0);
                prop_assert_eq!(&told["role"], "system");
                let schema = json!({"type": "object"}).to_string();
                prop_assert!(told["content"].as_str().unwrap().ends_with(&schema), "the schema is told: {}", told);
            }
            prop_assert_eq!(sent, wanted(kind, model, &asked), "{:?}: {}", kind, json);
        }
    }
}
