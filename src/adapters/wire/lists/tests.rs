//! Each reader by small documents; whole ones, as servers write them, are in `tests/it/golden`.

use super::*;
use crate::domain::health::Activity;
use proptest::prelude::*;
use serde_json::json;

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

proptest! {
    #[test]
    fn no_document_makes_a_reader_panic(text in "\\PC{0,80}", shape in 0..4) {
        let document = match shape {
            0 => json!({"data": [{"id": text, "meta": text, "state": [text]}]}),
            1 => json!({"models": [{"key": text, "name": text, "capabilities": text}, text]}),
            2 => json!([{"n_ctx": text}]),
            _ => serde_json::from_str(&text).unwrap_or(Value::Null),
        };
        let _ = (data_list(&document), lm_studio_v1(&document), ollama_tags(&document), ollama_loaded(&document), llama_slots(&document));
        let _ = vllm_metrics(&text);
    }
}
