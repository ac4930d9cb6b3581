//! `config show`: everything that is in force, as a file could say it, and no key.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::config::{EXAMPLE, KEYS, ORIGINAL, Place};
use lmdeck::domain::config::Severity;
use serde_json::Value;
use std::process::{Command, Stdio};

fn shown(text: &str) -> Value {
    (*Place::holding(text).load(KEYS).unwrap().in_force).clone()
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

/// Every value of `said` stands in `shown` too; keys apart, which are never shown as they are.
fn stands_in(said: &Value, shown: &Value, way: &str) {
    match said {
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| !name.starts_with("x-")) {
                let way = format!("{way}.{name}");
                let secret = name == "authToken" || name == "api_keys";
                let nothing = member.is_null() || member == &serde_json::json!([]) || member == &serde_json::json!({});
                if !secret && !nothing {
                    stands_in(member, shown.get(name).unwrap_or_else(|| panic!("{way} is not shown")), &way);
                }
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                let way = format!("{way}[{place}]");
                stands_in(item, shown.get(place).unwrap_or_else(|| panic!("{way} is not shown")), &way);
            }
        }
        // A model by its bare name is shown as a section of its own.
        Value::String(text) if shown.get("id").is_some() => assert_eq!(shown["id"], **text, "{way}"),
        Value::Number(number) => assert_eq!(shown.as_f64(), number.as_f64(), "{way}"),
        other => assert_eq!(shown, other, "{way}"),
    }
}

#[test]
fn every_value_of_the_example_is_shown_under_its_own_name() {
    let shown = shown(EXAMPLE);
    stands_in(&yaml(EXAMPLE), &shown, "");
    assert_eq!(shown["providers"][2]["authToken"], "${Z_AI_API_KEY}", "where the key comes from");
    let text = shown.to_string();
    for (_, key) in KEYS {
        assert!(!text.contains(key), "{text}");
    }
}

#[test]
fn what_is_shown_is_a_file_that_says_the_same() {
    let all = format!(
        "{EXAMPLE}\n{}",
        "performance: { auto_switch_on_failure: false, retry_on_failure: false }
cost_optimization: { prefer_local_models: false, cloud_model_costs: { openai: 0.25 }, local_model_cost_per_token: 0.000001 }
"
    );
    let first = shown(&all);
    let place = Place::holding(&serde_yaml::to_string(&first).unwrap());
    let again = place.load(KEYS).unwrap();
    assert_eq!(*again.in_force, first);
    let unknown: Vec<_> = again.issues.iter().filter(|issue| issue.message.contains("unknown key")).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn what_is_shown_of_the_original_layout_is_a_file_that_says_the_same_too() {
    let original = Place::holding(ORIGINAL).load(KEYS).unwrap();
    let place = Place::holding(&serde_yaml::to_string(&*original.in_force).unwrap());
    let again = place.load(KEYS).unwrap();
    assert_eq!(*again.in_force, *original.in_force);
    let unknown: Vec<_> = again.issues.iter().filter(|issue| issue.message.contains("unknown key")).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    // What a model that no list names is called with, and the names that callers of the original service use.
    for (one, other) in original.config.providers.iter().zip(&again.config.providers) {
        assert_eq!((&one.id, &one.aliases), (&other.id, &other.aliases));
        assert_eq!(one.settings_for(&"not-listed".into()), other.settings_for(&"not-listed".into()));
        for model in one.model_settings.keys() {
            assert_eq!(one.settings_for(&model.as_str().into()), other.settings_for(&model.as_str().into()), "{model}");
        }
    }
    let aliases = original.config.providers.iter().flat_map(|profile| profile.aliases.keys());
    assert!(aliases.count() > 3);
}

#[test]
fn plans_hours_and_times_are_shown_as_they_may_be_written() {
    let first = shown(
        "providers:
  - id: zai
    type: z_ai_glm
    authToken: zai-key-in-the-file-1
    plan: { requests: 120, window: 5h, week: { requests: 600, tokens: 9 }, resets: clock }
  - id: box
    type: ollama
    idle_timeout: 2.5
    models:
      - { id: a, keep_warm: true }
      - { id: b, keep_warm: mon-fri 08:00-18:00, preload: mon-fri 07:55 }
gateway: { api_keys: [gate-secret-1, { name: dspy, key: gate-secret-2 }, '${OPENAI_API_KEY}'], cors_origins: [https://app.example] }
routing: { spillover: 20 }
",
    );
    assert_eq!(first["providers"][0]["plan"]["window"], 5 * 3600);
    assert_eq!(first["providers"][0]["authToken"], "(hidden)");
    assert_eq!(first["providers"][1]["idle_timeout"], 2.5);
    assert_eq!(first["providers"][1]["models"][0]["keep_warm"], true);
    let keys = serde_json::json!(["(hidden)", { "name": "dspy", "key": "(hidden)" }, "${OPENAI_API_KEY}"]);
    assert_eq!(first["gateway"]["api_keys"], keys);
    // As a file it would let in whoever sends that word: the keys have to be put back.
    let text = serde_yaml::to_string(&first).unwrap();
    let unusable = Place::holding(&text).load(KEYS).unwrap_err();
    let errors = unusable.issues.iter().filter(|issue| issue.severity == Severity::Error);
    let places: Vec<_> = errors.map(|issue| issue.path.as_str()).collect();
    assert_eq!(places, ["providers.zai.authToken", "gateway.api_keys.0", "gateway.api_keys.1.key"]);
    assert_eq!(shown(&text.replace("(hidden)", "put-back-again")), first);
}

#[test]
fn the_original_layout_is_shown_in_the_words_of_the_new_sections() {
    let shown = shown(ORIGINAL);
    let original = yaml(ORIGINAL);
    assert_eq!(shown["routing"]["strategy"], original["model_selection"]["strategy"]);
    assert_eq!(shown["limits"]["max_concurrent_requests"], original["performance"]["max_concurrent_requests"]);
    assert_eq!(shown["budget"]["daily_limit"].as_f64(), original["cost_optimization"]["daily_budget_limit"].as_f64());
    let zai = shown["providers"].as_array().unwrap().iter().find(|each| each["type"] == "z_ai_glm").unwrap();
    assert_eq!(zai["models"][0]["max_tokens"], original["z_ai_glm"]["max_tokens"]);
}

#[test]
fn the_verb_shows_the_defaults_of_what_a_file_leaves_out() {
    let place = Place::holding("providers:\n  - { id: box, type: llama_cpp, endpoint: 'http://127.0.0.1:9' }\n");
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lmdeck"));
        command.env_clear().env("HOME", place.path("home")).env("PATH", "/usr/bin:/bin").current_dir(place.path(""));
        command.arg("--config").arg(place.path("ai_models.yaml")).arg("--state-dir").arg(place.path("state"));
        let output = command.args(words).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let shown: Value = serde_json::from_str(&run(&["config", "show", "--json"])).unwrap();
    assert_eq!(shown["file"], place.path("ai_models.yaml").display().to_string());
    assert_eq!(shown["gateway"]["listen"], "127.0.0.1:4141");
    assert_eq!(shown["providers"][0]["first_token_timeout"], 120);
    assert_eq!(shown["limits"]["default_max_tokens"], 4096);
    let text = run(&["config", "show"]);
    // The very text is a file.
    place.write("shown.yaml", &text);
    run(&["config", "check", "--strict", &place.path("shown.yaml").display().to_string()]);
    assert!(text.contains("first_token_timeout: 120\n") && text.contains("listen: 127.0.0.1:4141\n"), "{text}");
}
