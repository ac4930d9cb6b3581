//! Presets from the file to the answer: what the check says of them, what the service API and a request that names
//! one do with them, and how edits change the file.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test that called them")]

use super::config::{EXAMPLE, KEYS, Place};
use super::support::engine::{Act, House, TokioClock, ask, collect, house, profile, refused};
use lmdeck::domain::call::{Body, Message, Role};
use lmdeck::domain::config::{Issue, ModelSettings, Severity};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::preset::Preset;
use lmdeck::engine::ports::{Clock as _, ConfigEdit, ConfigStore as _};
use lmdeck::engine::protocol::{Command, PresetDraft, PresetEdit, Reply};
use lmdeck::gateway::{self, GatewayOptions};
use serde_json::{Value, json};
use std::sync::Arc;

/// The presets of a file, and what is said about it.
fn read(file: &str) -> (Vec<Preset>, Vec<Issue>) {
    let loaded = Place::holding(file).load(KEYS).unwrap();
    (loaded.config.presets.to_vec(), loaded.issues)
}

fn errors(file: &str) -> Vec<Issue> {
    let unusable = Place::holding(file).load(KEYS).unwrap_err();
    unusable.issues.into_iter().filter(|issue| issue.severity == Severity::Error).collect()
}

#[test]
fn the_examples_preset_is_read_in_full() {
    let (presets, issues) = read(EXAMPLE);
    let [prayer] = &presets[..] else { panic!("{presets:?}") };
    assert_eq!((prayer.name.as_str(), prayer.request_type.as_str()), ("generate-prayer", "prayer_generation"));
    assert_eq!(prayer.variables(), ["intention", "tradition"]);
    assert_eq!(prayer.defaults["tradition"], "universal");
    assert_eq!((prayer.max_tokens, prayer.temperature, prayer.answer_field.as_str()), (Some(300), Some(0.8), "prayer"));
    assert!(!issues.iter().any(|issue| issue.path.starts_with("presets")), "{issues:?}");
}

#[test]
fn a_template_that_cannot_be_read_is_an_error_where_it_stands() {
    let found =
        errors("presets:\n  p:\n    system_prompt: Be {{style}.\n    prompt: |\n      One\n      two {{a b}}\n");
    let places: Vec<_> =
        found.iter().map(|issue| (issue.path.as_str(), issue.line.unwrap(), issue.column.unwrap())).collect();
    assert_eq!(places, [("presets.p.system_prompt", 3, 23), ("presets.p.prompt", 6, 11)]);
    assert_eq!(found[0].message, "the template cannot be read: {{ is not closed");
    assert!(found[1].remedy.contains("letters, digits, - and _"), "{}", found[1].remedy);
}

#[test]
fn what_no_preset_can_be_is_an_error() {
    for (file, path, message) in [
        ("presets: { 'a b': { prompt: x } }\n", "presets.\"a b\"", "letters, digits, - _ . only"),
        ("presets: { generate: { prompt: x } }\n", "presets.generate", "is a route of its own"),
        ("presets: { p: }\n", "presets.p", "the preset \"p\" is empty"),
        ("presets: { p: { prompt: '' } }\n", "presets.p.prompt", "the prompt of p is empty"),
        ("presets: { p: { prompt: x, answer_field: provider } }\n", "presets.p.answer_field", "another member"),
    ] {
        let found = errors(file);
        assert_eq!(found.len(), 1, "{file}{found:?}");
        assert!(found[0].path == path && found[0].message.contains(message), "{file}{found:?}");
    }
}

#[test]
fn what_is_odd_about_a_preset_is_a_warning_with_what_is_meant() {
    let file = "\
providers: [{ id: box, type: llama_cpp, models: [small] }]
presets:
  p: { prompt: 'x {{text}}', defaults: { txt: y }, model: bax/small }
  small: { prompt: x }
  q: { prompt: x, model: cost_optimized }
  good: { prompt: 'x {{text}}', model: box/small }
";
    let (presets, issues) = read(file);
    assert_eq!(presets.len(), 4);
    let said: Vec<_> = issues.iter().map(|issue| (issue.path.as_str(), issue.remedy.as_str())).collect();
    assert_eq!(
        said,
        [
            ("presets.p.defaults.txt", "did you mean text?"),
            ("presets.p.model", "did you mean box?"),
            ("presets.small", "choose another name; /api/v1/llm/small and presets run small use the preset"),
            ("presets.q.model", "an order is no target: write auto, and let the rules decide"),
        ]
    );
    assert!(issues.iter().all(|issue| issue.severity == Severity::Warning));
}

// ---- edits --------------------------------------------------------------------------------------------------

const FILE: &str = "\
# mine
presets:
  # for the morning
  prayer:
    prompt: Pray for {{intention}}.   # short
    defaults: { intention: peace }
    temperature: 0.8
gateway: { listen: 127.0.0.1:4141 }
";

fn edited(place: &Place, edit: PresetEdit) -> Result<String, String> {
    let store = place.store(&[]);
    store.load().unwrap();
    store
        .edit(&ConfigEdit::Preset(edit), false)
        .map_err(|refusal| format!("{}: {}", refusal.message, refusal.remedy))?;
    Ok(std::fs::read_to_string(place.path("ai_models.yaml")).unwrap())
}

#[test]
fn an_edit_changes_only_what_it_says_and_undo_takes_it_back() {
    let place = Place::holding(FILE);
    let draft = PresetDraft {
        max_tokens: Some(50),
        defaults: Some([("intention".to_owned(), "a quiet mind".to_owned())].into()),
        clear: vec!["temperature".into()],
        ..PresetDraft::default()
    };
    let text = edited(&place, PresetEdit::Edit { name: "prayer".into(), draft }).unwrap();
    let wanted = FILE.replace("intention: peace", "intention: a quiet mind").replace("    temperature: 0.8\n", "");
    assert_eq!(text, wanted.replace("mind }\n", "mind }\n    max_tokens: 50\n"));
    place.store(&[]).undo().unwrap();
    assert_eq!(std::fs::read_to_string(place.path("ai_models.yaml")).unwrap(), FILE);
}

#[test]
fn a_new_preset_keeps_its_lines_and_stands_behind_the_others() {
    let place = Place::holding(FILE);
    let draft = PresetDraft {
        prompt: Some("Summarise:\n\n{{text}}".into()),
        defaults: Some([("text".to_owned(), "3".to_owned())].into()),
        ..PresetDraft::default()
    };
    let text = edited(&place, PresetEdit::Add { name: "sum".into(), draft }).unwrap();
    let new = "  sum:\n    prompt: |-\n      Summarise:\n\n      {{text}}\n    defaults:\n      text: \"3\"\n";
    assert_eq!(text, FILE.replace("gateway:", &format!("{new}gateway:")));
    let text = edited(&place, PresetEdit::Copy { name: "sum".into(), to: "sum2".into() }).unwrap();
    assert!(text.contains("  sum2:\n    prompt: |-\n"), "{text}");
    let text = edited(&place, PresetEdit::Remove { name: "sum".into() }).unwrap();
    assert!(!text.contains("  sum:\n") && text.contains("  sum2:\n"), "{text}");
    let loaded = place.store(&[]).load().unwrap();
    assert_eq!(loaded.config.presets[1].prompt.source(), "Summarise:\n\n{{text}}");
}

#[test]
fn an_edit_that_cannot_be_is_refused_with_what_to_do() {
    let place = Place::holding(FILE);
    let draft = |prompt: &str| PresetDraft { prompt: Some(prompt.into()), ..PresetDraft::default() };
    let add = |name: &str, prompt: &str| PresetEdit::Add { name: name.into(), draft: draft(prompt) };
    for (edit, said) in [
        (add("prayer", "x"), "there is a preset prayer already: choose another name, or edit that one"),
        (
            add("a/b", "x"),
            "the name \"a/b\": letters, digits, - _ . only: it is part of an address: as in generate-prayer",
        ),
        (add("new", "x {{"), "the prompt cannot be read: character 3: {{ is not closed: write {{name}}"),
        (add("new", ""), "a preset needs a prompt: as in"),
        (add("models", "x"), "/api/v1/llm/models is a route of its own"),
        (PresetEdit::Remove { name: "prayr".into() }, "no preset is called \"prayr\": did you mean prayer?"),
        (
            PresetEdit::Edit {
                name: "prayer".into(),
                draft: PresetDraft { clear: vec!["prompt".into()], ..PresetDraft::default() },
            },
            "a preset has no \"prompt\" to clear: a preset needs its prompt",
        ),
    ] {
        let refused = edited(&place, edit).unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
    assert_eq!(std::fs::read_to_string(place.path("ai_models.yaml")).unwrap(), FILE);
}

// ---- requests that name a preset ----------------------------------------------------------------------------

/// Two local servers and a vendor, with the example's preset and one that asks for a target.
async fn home() -> House {
    let providers = vec![
        profile("local", Kind::LlamaCpp, &["small"]),
        profile("box", Kind::LlamaCpp, &["large"]),
        profile("zai", Kind::ZAiGlm, &["glm-4.6"]),
    ];
    let (mut presets, _) = read(EXAMPLE);
    let (mine, _) = read("presets:\n  mine: { prompt: 'x {{model}}', model: box/large, temperature: 0.1 }\n");
    presets.extend(mine);
    let model = ModelSettings { temperature: Some(1.5), max_tokens: Some(900), system_prompt: Some("Be kind.".into()) };
    house(providers, |config, stage| {
        config.providers[1].defaults = model;
        config.presets = Arc::new(presets);
        config.rules.request_orders = vec![("prayer_generation".into(), vec!["zai".into()])];
        for target in ["local/small", "box/large", "zai/glm-4.6"] {
            stage.acts(target, [Act::Say("may peace prevail"), Act::Say("again")]);
        }
    })
    .await
}

fn json_of(body: &Body) -> Value {
    match body {
        Body::RawOpenaiChat { json } => serde_json::from_str(json).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_names_a_preset_goes_where_it_says_with_its_values_and_without_its_texts() {
    let house = home().await;
    let raw = |json: &str| {
        let mut request = ask("mine");
        request.body = Body::RawOpenaiChat { json: json.into() };
        request
    };
    let (_, outcome) = collect(house.engine.handle.dispatch(raw(r#"{"model":"mine","messages":[]}"#))).await;
    assert_eq!(outcome.failure, None);
    assert_eq!(outcome.record.target.as_ref().unwrap().to_string(), "box/large");
    assert_eq!(outcome.record.policy, "named");
    assert_eq!((&*outcome.record.facts.requested_model, &*outcome.record.facts.tags["preset"]), ("mine", "mine"));
    let sent = json_of(&house.stage.jobs()[0].body);
    assert_eq!(sent, json!({"model": "mine", "messages": [], "temperature": 0.1}));
    // The client's own word stands before the preset's.
    let own = r#"{"model":"mine","messages":[],"temperature":0.9}"#;
    let _ = collect(house.engine.handle.dispatch(raw(own))).await;
    assert!(matches!(&house.stage.jobs()[1].body, Body::RawOpenaiChat { json } if json == own));
}

#[tokio::test(start_paused = true)]
async fn a_presets_length_goes_out_by_the_name_that_the_server_knows() {
    let (presets, _) = read("presets:\n  mine: { prompt: x, max_tokens: 70 }\n");
    let house = house(vec![profile("proxy", Kind::OpenaiCompatible, &["gpt-5.5"])], |config, _| {
        config.presets = Arc::new(presets);
    })
    .await;
    let mut request = ask("mine");
    request.body = Body::RawOpenaiChat { json: r#"{"model":"mine","messages":[]}"#.into() };
    collect(house.engine.handle.dispatch(request)).await;
    let sent = json_of(&house.stage.jobs()[0].body);
    assert_eq!(sent, json!({"model": "mine", "messages": [], "max_completion_tokens": 70}));
}

#[tokio::test(start_paused = true)]
async fn a_presets_values_stand_between_the_callers_and_the_models() {
    let house = home().await;
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("mine"))).await;
    assert!(outcome.failure.is_none());
    let Body::Chat { messages, max_tokens, temperature, .. } = &house.stage.jobs()[0].body else { panic!() };
    // The temperature is the preset's, the length the model's.
    assert_eq!((*temperature, *max_tokens), (Some(0.1), Some(900)));
    assert_eq!(messages[0], Message { role: Role::System, content: "Be kind.".into() });
}

#[tokio::test(start_paused = true)]
async fn a_presets_request_type_decides_unless_the_caller_labels_the_work() {
    let house = home().await;
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("generate-prayer"))).await;
    assert_eq!(outcome.record.policy, "request_type:prayer_generation");
    assert_eq!(outcome.record.target.as_ref().unwrap().to_string(), "zai/glm-4.6");
    assert_eq!(outcome.record.facts.max_tokens, 300);
    let mut labelled = ask("generate-prayer");
    labelled.facts.request_type = "mine".into();
    let (_, outcome) = collect(house.engine.handle.dispatch(labelled)).await;
    assert_eq!(outcome.record.target.as_ref().unwrap().to_string(), "local/small");
    let facts = Box::new(ask("generate-prayer").facts);
    let Reply::Explained(explained) = house.engine.handle.ask(Command::Explain { facts }).await else { panic!() };
    assert_eq!(explained.decision.by, "request_type:prayer_generation");
    let facts = Box::new(ask("generate-prayr").facts);
    let Reply::Explained(explained) = house.engine.handle.ask(Command::Explain { facts }).await else { panic!() };
    assert!(explained.sentence.contains("Near: generate-prayer."), "{}", explained.sentence);
}

// ---- the service API ----------------------------------------------------------------------------------------

struct Door {
    base: String,
    house: House,
}

impl Door {
    async fn open() -> Self {
        let house = home().await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = GatewayOptions::default();
        let listener = gateway::bind("127.0.0.1:0".parse().unwrap(), &options).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let handle = house.engine.handle.clone();
        tokio::spawn(gateway::serve(listener, handle, options, || TokioClock.now(), std::future::pending()));
        Self { base, house }
    }

    async fn post(&self, preset: &str, body: &str) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response =
            client.post(format!("{}/api/v1/llm/{preset}", self.base)).body(body.to_owned()).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }
}

#[tokio::test]
async fn generate_prayer_answers_as_the_original_service_did() {
    let door = Door::open().await;
    let (status, answer) =
        door.post("generate-prayer", r#"{"intention":"peace {{tradition}}","tradition":"zen"}"#).await;
    assert_eq!(status, 200);
    assert_eq!(answer["prayer"], "may peace prevail");
    assert_eq!(answer["model_used"], "zai/glm-4.6");
    assert_eq!((&answer["provider"], &answer["is_local"]), (&json!("z_ai_glm"), &json!(false)));
    assert_eq!(answer["metadata"]["policy"], "request_type:prayer_generation");
    assert_eq!(answer.get("content"), None);
    let jobs = door.house.stage.jobs();
    let Body::Chat { messages, max_tokens, temperature, stream } = &jobs[0].body else { panic!() };
    let said: Vec<_> = messages.iter().map(|message| (message.role, message.content.as_str())).collect();
    // A value is never looked at again.
    assert_eq!(
        said,
        [(Role::System, "Create zen style prayers."), (Role::User, "Generate a prayer for peace {{tradition}}."),]
    );
    assert_eq!((*max_tokens, *temperature, *stream), (Some(300), Some(0.8), false));
}

#[tokio::test]
async fn options_stand_beside_the_variables_and_a_variable_comes_first() {
    let door = Door::open().await;
    let body = r#"{"intention":7,"tradition":null,"model":"box","max_tokens":9,"temperature":0,"priority":"high",
        "use_cache":false,"context":{"audience":"children","team":"a"}}"#;
    let (status, answer) = door.post("generate-prayer", body).await;
    assert_eq!((status, &answer["is_local"]), (200, &json!(true)), "{answer}");
    let records = door.house.book.records();
    let facts = &records[0].facts;
    assert_eq!((facts.audience.as_str(), facts.tags["team"].as_str()), ("children", "a"));
    assert_eq!((facts.priority.word(), facts.requested_model.as_str(), facts.max_tokens), ("high", "box", 9));
    let jobs = door.house.stage.jobs();
    let Body::Chat { messages, max_tokens, temperature, .. } = &jobs[0].body else { panic!() };
    assert_eq!((*max_tokens, *temperature), (Some(9), Some(0.0)));
    assert_eq!(messages[1].content, "Generate a prayer for 7.");
    // This preset has a variable of that name, so it is no option.
    let (status, answer) = door.post("mine", r#"{"model":"zai"}"#).await;
    assert_eq!((status, &answer["model_used"]), (200, &json!("box/large")), "{answer}");
    let jobs = door.house.stage.jobs();
    assert!(matches!(&jobs[1].body, Body::Chat { messages, .. } if messages[1].content == "x zai"), "{jobs:?}");
}

#[tokio::test]
async fn what_cannot_be_filled_is_refused_in_the_answers_fields() {
    let door = Door::open().await;
    let long = format!(r#"{{"intention":"x","{}":1}}"#, "y".repeat(100_000));
    for (preset, body, status, error, remedy) in [
        (
            "generate-prayer",
            "",
            400,
            "intention of generate-prayer has no value and no default",
            "send \"intention\": \"...\"",
        ),
        (
            "generate-prayer",
            r#"{"intention":"x","traditon":"zen"}"#,
            400,
            "generate-prayer has no variable \"traditon\"",
            "did you mean tradition?",
        ),
        ("generate-prayer", r#"{"intention":["x"]}"#, 400, "intention must be a text, a number, true or false", ""),
        ("generate-prayer", r#"{"intention":"x","max_tokens":0}"#, 400, "max_tokens is 0", ""),
        ("generate-prayer", long.as_str(), 400, "generate-prayer has no variable \"yyyy", "its variables: intention"),
        ("generate-prayer", "[]", 400, "the body cannot be read", ""),
        (
            "generate-prayr",
            "{}",
            404,
            "no preset is called \"generate-prayr\"",
            "did you mean generate-prayer? There are generate-prayer, mine",
        ),
    ] {
        let (code, answer) = door.post(preset, body).await;
        assert!(answer.to_string().len() < 1000, "{answer}");
        assert_eq!((code, &answer["model_used"]), (status, &json!("error")), "{body}: {answer}");
        let metadata = &answer["metadata"];
        assert!(metadata["error"].as_str().unwrap().starts_with(error), "{body}: {answer}");
        assert!(metadata["remedy"].as_str().unwrap().contains(remedy), "{body}: {answer}");
        assert_eq!(metadata["errorCode"], if status == 404 { "not_found" } else { "invalid_request" });
    }
    assert!(door.house.stage.jobs().is_empty());
}

#[tokio::test]
async fn a_preset_that_fails_fails_as_generate_does() {
    let door = Door::open().await;
    door.house.stage.acts("zai/glm-4.6", [Act::Fail(refused())]);
    let (status, answer) = door.post("generate-prayer", r#"{"intention":"x","model":"zai","use_cache":false}"#).await;
    assert_eq!((status, &answer["prayer"], &answer["model_used"]), (502, &json!(""), &json!("error")), "{answer}");
    assert_eq!((&answer["is_local"], &answer["metadata"]["errorCode"]), (&json!(false), &json!("network")));
}

#[tokio::test]
async fn models_lists_presets_and_no_preset_takes_a_fixed_route() {
    let door = Door::open().await;
    let list: Value = serde_json::from_str(
        &reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .get(format!("{}/v1/models", door.base))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
    )
    .unwrap();
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids[..5], ["auto", "local", "cloud", "generate-prayer", "mine"]);
    let (status, answer) = door.post("generate", r#"{"prompt":"hello"}"#).await;
    assert_eq!((status, &answer["content"]), (200, &json!("may peace prevail")));
    assert_eq!(door.post("models", "{}").await.0, 405);
}
