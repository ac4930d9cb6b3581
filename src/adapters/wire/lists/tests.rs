//! Each reader by small documents; whole ones, as servers write them, are in `tests/it/golden`.

use super::*;
use crate::domain::health::Activity;
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn lm_studio_s_three_lists_say_what_they_know() {
    let v1 = lm_studio_v1(&json!({"models":[
        {"type":"llm","key":"acme/demo-8b","quantization":{"name":"Q4_K_M","bits_per_weight":4},"size_bytes":4_900_000_000_u64,
         "loaded_instances":[{"id":"acme/demo-8b","config":{"context_length":8192}}],"max_context_length":131_072},
        {"type":"embedding","key":"embed-v1","quantization":null,"loaded_instances":[],"max_context_length":2048},
    ]}))
    .unwrap();
    assert_eq!(v1.malformed, None);
    assert_eq!((v1.models[0].loaded, v1.models[0].context, v1.models[0].chat), (Some(true), Some(8192), true));
    assert_eq!(v1.models[0].quantization.as_deref(), Some("Q4_K_M"));
    assert_eq!((v1.models[1].loaded, v1.models[1].context, v1.models[1].chat), (Some(false), Some(2048), false));

    let v0 = lm_studio_v0(&json!({"data":[
        {"id":"a","type":"vlm","state":"loaded","quantization":"Q4","max_context_length":9000,"loaded_context_length":4096},
        {"id":"b","type":"embeddings","state":"not-loaded","max_context_length":512},
    ]}))
    .unwrap();
    assert_eq!((v0.models[0].loaded, v0.models[0].context), (Some(true), Some(4096)));
    assert_eq!((v0.models[1].loaded, v0.models[1].chat), (Some(false), false));

    let compat = data_list(&json!({"data":[{"id":"a","object":"model","owned_by":"organization_owner"}]})).unwrap();
    assert_eq!((compat.models[0].loaded, compat.owner.as_deref()), (None, Some("organization_owner")));
}

#[test]
fn a_name_longer_than_any_path_is_no_model() {
    let listed = data_list(&json!({"data":[{"id":"x".repeat(100_000)},{"id":"a"}]})).unwrap();
    assert_eq!(listed.models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(listed.malformed.as_deref(), Some("data[0].id: expected a name, came 100000 bytes of text"));
}

#[test]
fn of_a_list_without_end_the_beginning_is_read_and_the_rest_is_told() {
    for (reader, list, name) in READERS {
        let entries: Vec<Value> = (0..200_000).map(|place| json!({ name: format!("model-{place}") })).collect();
        let document = json!({ list: entries });
        let began = std::time::Instant::now();
        let listed = reader(&document).unwrap();
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{list}: {:?}", began.elapsed());
        assert_eq!(listed.models.len(), 10_000);
        let wanted = format!("{list}: expected at most 10000 entries, left out 190000 more");
        assert_eq!(listed.malformed.as_deref(), Some(wanted.as_str()));
    }
}

#[test]
fn each_entry_of_llama_cpp_tells_of_its_own_model() {
    let listed = llama_models(&json!({"data":[
        {"id":"a","meta":{"n_params":8_000_000_000_u64}}, {"id":7}, "x", {"id":"b","meta":{"n_params":1_000_000}},
    ]}))
    .unwrap();
    let told: Vec<_> = listed.models.iter().map(|m| (m.id.as_str(), m.parameters.as_deref())).collect();
    assert_eq!(told, [("a", Some("8B")), ("b", Some("1M"))]);
}

#[test]
fn ollama_tells_what_runs_elsewhere() {
    let tags = ollama_tags(&json!({"models":[
        {"name":"a:latest","size":7,"details":{"quantization_level":"Q4_0"},"capabilities":["completion","tools"]},
        {"name":"big:cloud","remote_host":"https://ollama.com","remote_model":"big"},
        {"name":"nomic","capabilities":["embedding"]},
    ]}))
    .unwrap();
    assert_eq!(
        tags.models.iter().map(|m| (m.remote, m.chat)).collect::<Vec<_>>(),
        [(false, true), (true, true), (false, false)]
    );
    let (loaded, odd) = ollama_loaded(&json!({"models":[{"name":"a:latest","context_length":4096}]})).unwrap();
    assert_eq!((loaded["a:latest"].context, odd), (Some(4096), None));
}

#[test]
fn vendors_extras_are_read() {
    let router = data_list(&json!({"data":[
        {"id":"x/y","context_length":200_000,"architecture":{"output_modalities":["text"]}},
        {"id":"x/z","context_length":8,"architecture":{"output_modalities":["image"]}},
    ]}))
    .unwrap();
    assert_eq!(router.models.iter().map(|m| m.chat).collect::<Vec<_>>(), [true, false]);
    let vllm = data_list(&json!({"data":[{"id":"m","owned_by":"vllm","max_model_len":4096,"parent":null}]})).unwrap();
    assert_eq!(vllm.models[0].context, Some(4096));
    let openai = data_list(&json!({"data":[{"id":"text-embedding-3-small"},{"id":"gpt-4o"}]})).unwrap();
    assert_eq!(openai.models.iter().map(|m| m.chat).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_malformed_list_is_reported_with_place_expectation_and_finding() {
    assert_eq!(data_list(&json!({"models":[]})).unwrap_err(), "data: expected a list, came nothing");
    assert_eq!(data_list(&json!({"data":{}})).unwrap_err(), "data: expected a list, came an object");
    let listed = data_list(&json!({"data":[{"id":12},{"id":"ok","max_model_len":"big"},{"id":""},"x"]})).unwrap();
    assert_eq!(listed.models.len(), 1);
    assert_eq!(listed.malformed.unwrap(), "data[0].id: expected a name, came the number 12, and 3 more");
    let listed = lm_studio_v1(&json!({"models":[{"key":"a","loaded_instances":3}]})).unwrap();
    assert_eq!(listed.models[0].loaded, None);
    assert_eq!(listed.malformed.unwrap(), "models[0].loaded_instances: expected a list, came the number 3");
}

#[test]
fn activity_is_read_where_it_is_told() {
    let (activity, context) =
        llama_slots(&json!([{"n_ctx":2048,"is_processing":true},{"n_ctx":2048,"is_processing":false}])).unwrap();
    assert_eq!((activity.slots_busy, activity.slots_total, context), (Some(1), Some(2), Some(2048)));
    let text = "# HELP x\nvllm:num_requests_running{engine=\"0\"} 3.0\nvllm:num_requests_running{engine=\"1\"} 1.0\nvllm:num_requests_waiting{engine=\"0\"} 2.0\nvllm:num_requests_waiting_by_reason 9\n";
    let activity = vllm_metrics(text);
    assert_eq!((activity.slots_busy, activity.queued), (Some(4), Some(2)));
    assert_eq!(vllm_metrics("hello"), Activity::default());
}

/// Any JSON, shallow and small.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("-0.1")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(member(), inner, 0..6).prop_map(|members| json!(members)),
        ]
    })
}

/// A name that some reader looks for.
fn member() -> impl Strategy<Value = String> {
    let known = [
        "id",
        "key",
        "name",
        "model",
        "data",
        "models",
        "type",
        "state",
        "owned_by",
        "quantization",
        "size",
        "digest",
        "loaded_instances",
        "config",
        "context_length",
        "max_context_length",
        "capabilities",
        "details",
        "pricing",
        "prompt",
        "completion",
        "top_provider",
        "architecture",
        "input_modalities",
        "meta",
        "n_params",
        "n_ctx",
        "expires_at",
        "size_vram",
        "variants",
        "supported_parameters",
        "model_info",
        "x.context_length",
        "default_generation_settings",
        "is_processing",
        "reasoning",
    ];
    prop::sample::select(known.to_vec()).prop_map(str::to_owned)
}

/// Every reader of a list, with the word for its entries and for their names.
type Reader = fn(&Value) -> Result<Listed, String>;
const READERS: [(Reader, &str, &str); 6] = [
    (data_list, "data", "id"),
    (lm_studio_v1, "models", "key"),
    (lm_studio_v0, "data", "id"),
    (ollama_tags, "models", "name"),
    (llama_models, "data", "id"),
    (openrouter_list, "data", "id"),
];

proptest! {
    #[test]
    fn no_document_makes_a_reader_panic(document in any_value(), text in "\\PC{0,80}") {
        for (reader, _, _) in READERS {
            let _ = reader(&document);
        }
        let _ = (ollama_loaded(&document), ollama_shown(&document), ollama_digests(&document));
        let _ = (llama_slots(&document), llama_props(&document), kind_shown(&document));
        let _ = (vllm_metrics(&text), llama_metrics(&text));
    }

    #[test]
    fn an_entry_is_a_model_or_a_finding_whatever_stands_in_it(
        entry in prop::collection::btree_map(member(), any_value(), 0..8),
        others in 0usize..3,
    ) {
        for (reader, list, name) in READERS {
            let mut good = serde_json::Map::new();
            good.insert(name.into(), json!("good"));
            let mut entries = vec![Value::Object(good); others];
            entries.push(json!(entry));
            let listed = reader(&json!({ list: entries })).unwrap();
            // What has a name is a model; what has none is told.
            let named = entry.get(name).and_then(Value::as_str).is_some_and(|name| !name.is_empty());
            prop_assert_eq!(listed.models.len(), others + usize::from(named));
            prop_assert!(named || listed.malformed.is_some());
        }
    }

    #[test]
    fn a_count_of_parameters_is_short(count in any::<u64>()) {
        let text = parameters(count);
        prop_assert!(text.len() <= 12 && text.starts_with(|c: char| c.is_ascii_digit()), "{}", text);
    }
}

#[test]
fn parameters_are_written_as_people_say_them() {
    for (count, said) in
        [(134_515_008, "135M"), (8_030_261_248, "8B"), (1_720_000_000, "1.7B"), (70_000_000_000, "70B"), (999, "999")]
    {
        assert_eq!(parameters(count), said);
    }
}
