//! The names of the fields that `--json` prints, verb by verb, held against a list: scripts rely on them. A name may
//! be added; one that goes or changes is somebody's broken script.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::calls::Shell;
use crate::support::snapshot::{call_page, call_records, evening, handle_for};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::model::ModelInfo;
use lmdeck::domain::preset::{Preset, Template};
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::{Chosen, Decision, Explanation};
use lmdeck::engine::protocol::{CommandName, EditReport, Found, ModelReport, Reply};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

const LIST: &str = include_str!("golden/json_fields.txt");

/// An evening with one of everything a verb can print.
fn shell() -> Shell {
    let mut snapshot = evening();
    let mut config = (*snapshot.config).clone();
    config.presets = Arc::new(vec![Preset {
        name: "generate-prayer".into(),
        prompt: Template::parse("Generate a prayer for {{intention}}.").unwrap(),
        ..Preset::default()
    }]);
    snapshot.config = Arc::new(config);
    let (handle, engine) = handle_for(snapshot);
    let found = Found {
        kind: Kind::Ollama,
        endpoint: "http://127.0.0.1:11434".into(),
        answered: true,
        models: vec![ModelInfo::named("a")],
        note: "1 model".into(),
        configured_as: None,
    };
    let loaded = ModelReport {
        target: "lm_studio/a".parse().unwrap(),
        loaded: true,
        already: false,
        context: Some(4096),
        instances: vec!["a".into()],
        took_ms: 7,
        last_ms: None,
    };
    let explanation = Explanation {
        decision: Decision {
            chain: vec![Chosen { target: "zai/glm-4.6".parse().unwrap(), reach: Reach::Cloud, why: "".into() }],
            ..Decision::default()
        },
        sentence: "zai/glm-4.6 by its name".into(),
        rules: Vec::new(),
        unseen: Vec::new(),
    };
    engine
        .on(CommandName::Discover, Reply::Discovered(vec![found]))
        .on(CommandName::AddProvider, Reply::Edited(EditReport::default()))
        .on(CommandName::LoadModel, Reply::Model(loaded))
        .on(CommandName::Explain, Reply::Explained(Box::new(explanation)))
        .on(CommandName::ListCalls, Reply::Calls(call_page()))
        .on(CommandName::GetCall, Reply::Call(Box::new(call_records().remove(2))));
    Shell { handle, engine, ..Shell::new() }
}

/// Every field with the way to it; what stands in a list once.
fn fields(value: &Value, way: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let way = if way.is_empty() { name.clone() } else { format!("{way}.{name}") };
                found.insert(way.clone());
                fields(member, &way, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                fields(item, &format!("{way}[]"), found);
            }
        }
        _ => {}
    }
}

async fn printed() -> String {
    let mut text = String::new();
    for words in [
        &["status"][..],
        &["health"],
        &["providers", "list"],
        &["providers", "show", "lm_studio"],
        &["providers", "discover"],
        &["providers", "discover", "--add"],
        &["models", "list"],
        &["models", "load", "lm_studio/a"],
        &["routes", "list"],
        &["routes", "show", "long-prompts"],
        &["routes", "explain"],
        &["routes", "explain", "--call", "c1212"],
        &["routes", "strategy"],
        &["routes", "order", "teaching_generation"],
        &["routes", "lint"],
        &["presets", "list"],
        &["presets", "show", "generate-prayer"],
        &["calls", "list"],
        &["calls", "show", "c1212"],
        &["connect"],
        &["connect", "dspy", "--no-wait"],
    ] {
        let shell = shell();
        shell.run(&[words, &["--json"]].concat()).await;
        let mut found = BTreeSet::new();
        fields(&shell.json(), "", &mut found);
        writeln!(text, "{}", words.join(" ")).unwrap();
        for field in found {
            writeln!(text, "  {field}").unwrap();
        }
    }
    text
}

#[tokio::test]
async fn the_field_names_are_those_of_the_list() {
    let printed = printed().await;
    assert!(printed == LIST, "write this to tests/it/golden/json_fields.txt if it is meant so:\n{printed}");
}

#[tokio::test]
async fn nothing_of_how_rules_are_compiled_is_printed() {
    let shell = shell();
    shell.run(&["routes", "show", "long-prompts", "--json"]).await;
    let policy = shell.json();
    assert_eq!((&policy["when"], &policy["mode"]), (&"request.prompt_tokens > 24000".into(), &"enforce".into()));
    let names: Vec<&String> = policy.as_object().unwrap().keys().collect();
    assert!(!names.iter().any(|name| ["condition", "observe", "effects"].contains(&name.as_str())), "{names:?}");
    shell.run(&["routes", "list", "--json"]).await;
    assert!(!shell.out.text().contains("\"condition\""), "{}", shell.out.text());
}
