//! The JSON Schema that editors check by: it takes what lmdeck takes, refuses what lmdeck refuses, and knows every
//! key.

use crate::config::{EXAMPLE, KEYS, ORIGINAL, Place};
use boon::{Compiler, Schemas};
use lmdeck::adapters::config::json_schema;
use serde_json::Value;

/// What the schema has against a text; `None` when nothing.
fn complaint(text: &str) -> Option<String> {
    let mut compiler = Compiler::new();
    compiler.set_default_draft(boon::Draft::V2020_12);
    compiler.add_resource("lmdeck.json", json_schema()).unwrap();
    let mut schemas = Schemas::new();
    let schema = compiler.compile("lmdeck.json", &mut schemas).unwrap();
    let value: Value = serde_yaml::from_str(text).unwrap();
    schemas.validate(&value, schema).err().map(|error| error.to_string())
}

fn accepted(text: &str) -> bool {
    Place::holding(text).load(KEYS).is_ok()
}

#[test]
fn it_is_a_schema_of_its_draft() {
    let mut compiler = Compiler::new();
    compiler.add_resource("lmdeck.json", json_schema()).unwrap();
    compiler.compile("lmdeck.json", &mut Schemas::new()).unwrap();
    assert_eq!(json_schema()["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn the_example_and_the_original_layout_fit() {
    for text in [EXAMPLE, ORIGINAL] {
        assert_eq!(complaint(text), None);
    }
}

#[test]
fn values_of_every_shape_are_taken_and_refused_as_lmdeck_does() {
    for (text, good) in [
        ("providers:\n  - { id: a, type: llama_cpp }\n", true),
        ("providers:\n  - { id: a }\n", false),
        ("providers:\n  - { id: a, type: llama-cpp }\n", false),
        ("providers:\n  - just a name\n", false),
        ("providers:\n  a: { type: llama_cpp }\n", false),
        (
            "providers:\n  - { id: a, type: llama_cpp, models: [x, { id: y, context: 4096, capabilities: [tools] }] }\n",
            true,
        ),
        ("providers:\n  - { id: a, type: llama_cpp, models: [{ context: 4096 }] }\n", false),
        ("providers:\n  - { id: a, type: llama_cpp, models: [{ id: y, capabilities: [flying] }] }\n", false),
        ("providers:\n  - { id: a, type: llama_cpp, enabled: perhaps }\n", false),
        ("providers:\n  - { id: a, type: llama_cpp, enabled: '${ON:-true}' }\n", true),
        ("limits: { queue: 3 }\n", true),
        ("limits: { queue: -3 }\n", false),
        ("limits: { queue: '${QUEUE:-3}' }\n", true),
        ("limits: { queue: many }\n", false),
        ("limits:\n", true),
        ("budget: { alert_threshold: 1.5 }\n", false),
        ("routing: { strategy: prefer_loca }\n", false),
        ("routing: { strategy: cost_optimized, request_priorities: { a: [local, cloud] } }\n", true),
        ("routing: { request_priorities: { a: local } }\n", false),
        ("presets: { p: { prompt: 'x {{y}}', defaults: { y: 1 } } }\n", true),
        ("presets: { p: { request_type: x } }\n", false),
        ("gateway: { api_keys: one }\n", false),
        ("ui: { keys: { providers.test: T }, theme: dark }\n", true),
        ("ui: { theme: pink }\n", false),
        ("fallback_models:\n  - { provider: openai, model: gpt-4o-mini }\n", true),
        ("fallback_models:\n  - { provider: openai }\n", false),
        ("z_ai_glm: { temperature: hot }\n", false),
    ] {
        assert_eq!(accepted(text), good, "lmdeck: {text}");
        assert_eq!(complaint(text).is_none(), good, "schema: {text}{:?}", complaint(text));
    }
}

#[test]
fn an_unknown_key_is_a_warning_and_never_an_error() {
    let text = "limits: { queu: 3 }\nprovider: []\nx-mine: { any: thing }\n";
    assert!(accepted(text));
    assert_eq!(complaint(text), None);
    let schema = json_schema();
    let message = schema["additionalProperties"]["deprecationMessage"].as_str().unwrap();
    assert!(message.contains("has no effect"));
    assert_eq!(schema["properties"]["limits"]["additionalProperties"]["deprecationMessage"], message);
}

#[test]
fn editors_are_told_what_a_key_means_what_it_may_be_and_what_is_old() {
    let schema = json_schema();
    let at = |path: &str| schema.pointer(path).unwrap_or_else(|| panic!("{path}"));
    let provider = "/properties/providers/items/properties";
    assert!(at(&format!("{provider}/endpoint/description")).as_str().unwrap().contains("its address"));
    assert_eq!(at(&format!("{provider}/enabled/default")), &Value::Bool(true));
    assert_eq!(at("/properties/limits/properties/queue/default"), 256);
    assert_eq!(at("/properties/routing/properties/strategy/default"), "prefer_local");
    assert!(at(&format!("{provider}/type/anyOf/0/enum")).as_array().unwrap().contains(&Value::from("lm_studio")));
    assert_eq!(at("/properties/lm_studio/deprecated"), true);
    assert_eq!(schema.pointer("/properties/providers/deprecated"), None);
    assert_eq!(at("/properties/model_selection/properties/strategy/deprecated"), true);
    assert!(!at(&format!("{provider}/authToken/examples")).as_array().unwrap().is_empty());
}

/// Every key that the example and the original layout use must be known by name, not merely be allowed.
#[test]
fn every_key_of_both_layouts_has_its_place() {
    fn walk(value: &Value, schema: &Value, path: &str) {
        match value {
            Value::Object(map) => {
                for (key, value) in map.iter().filter(|(key, _)| !key.starts_with("x-")) {
                    let here = format!("{path}.{key}");
                    let known = schema["properties"].get(key).or_else(|| {
                        schema.get("additionalProperties").filter(|other| other.get("deprecationMessage").is_none())
                    });
                    walk(value, known.unwrap_or_else(|| panic!("{here} is not in the schema")), &here);
                }
            }
            Value::Array(items) => {
                for item in items {
                    let below = &schema["items"];
                    let section = below["anyOf"]
                        .as_array()
                        .and_then(|ways| ways.iter().find(|way| way.get("properties").is_some()));
                    walk(item, section.unwrap_or(below), path);
                }
            }
            _ => {}
        }
    }
    for text in [EXAMPLE, ORIGINAL] {
        walk(&serde_yaml::from_str(text).unwrap(), &json_schema(), "");
    }
}

#[test]
fn the_verb_prints_it_without_a_configuration_and_with_a_broken_one() {
    let place = Place::holding("not: [a configuration");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_lmdeck"))
        .env_clear()
        .env("HOME", place.path("home"))
        .args(["--config"])
        .arg(place.path("ai_models.yaml"))
        .args(["config", "schema"])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), json_schema());
}
