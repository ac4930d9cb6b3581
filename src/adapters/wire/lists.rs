//! Model lists and the small documents beside them (slots, metrics, loaded models), as each kind of server
//! writes them. A list is never misread in silence: what does not have its type is said with its place.

use super::words::quote;
use crate::domain::health::{Activity, ModelInfo};
use crate::domain::ids::ModelId;
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes of a model's name at most: some servers use a file's whole path.
const LONGEST_ID: usize = 1024;

/// A list as read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    pub models: Vec<ModelInfo>,
    /// The first thing that was not as expected, and how many more.
    pub malformed: Option<String>,
    /// `owned_by` of the first model: tells some servers apart.
    pub owner: Option<String>,
}

/// A list in the form `{"data":[{"id":…}]}`, with what any known server adds to it.
///
/// # Errors
/// It is no such list: what was expected and what came.
pub fn data_list(document: &Value) -> Result<Listed, String> {
    let entries = entries(document, "data")?;
    let mut findings = Findings::default();
    let mut listed = Listed::default();
    for (place, entry) in entries.iter().enumerate() {
        let mut at = findings.at(format!("data[{place}]"), entry);
        let Some(id) = at.id("id") else { continue };
        let kind = at.text("type").unwrap_or_default();
        let context = at
            .count("loaded_context_length")
            .or_else(|| at.count("max_context_length"))
            .or_else(|| at.count("max_model_len"))
            .or_else(|| at.count("context_length"))
            .or_else(|| at.count("max_input_tokens"))
            .or_else(|| entry.pointer("/meta/n_ctx").and_then(Value::as_u64))
            .or_else(|| entry.pointer("/meta/n_ctx_train").and_then(Value::as_u64));
        let state =
            at.text("state").or_else(|| entry.pointer("/status/value").and_then(Value::as_str).map(str::to_owned));
        let quantization =
            at.text("quantization").or_else(|| entry.pointer("/meta/ftype").and_then(Value::as_str).map(str::to_owned));
        if listed.owner.is_none() {
            listed.owner = at.text("owned_by");
        }
        listed.models.push(ModelInfo {
            chat: writes_text(entry) && kind != "embeddings" && kind != "embedding" && !embedding_name(id.as_str()),
            loaded: state.map(|state| state == "loaded"),
            context,
            quantization,
            size_bytes: entry.pointer("/meta/size").and_then(Value::as_u64),
            ..ModelInfo::named(id)
        });
    }
    listed.malformed = findings.sentence();
    Ok(listed)
}

/// LM Studio's own list, `{"models":[{"key":…,"loaded_instances":[…]}]}`.
///
/// # Errors
/// As for [`data_list`].
pub fn lm_studio_v1(document: &Value) -> Result<Listed, String> {
    let entries = entries(document, "models")?;
    let mut findings = Findings::default();
    let mut models = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let mut at = findings.at(format!("models[{place}]"), entry);
        let Some(id) = at.id("key") else { continue };
        let instances = at.list("loaded_instances");
        let window = instances
            .iter()
            .flat_map(|list| list.iter())
            .filter_map(|instance| instance.pointer("/config/context_length").and_then(Value::as_u64))
            .max();
        models.push(ModelInfo {
            chat: at.text("type").is_none_or(|kind| kind != "embedding"),
            loaded: instances.map(|list| !list.is_empty()),
            context: window.or_else(|| at.count("max_context_length")),
            quantization: entry.pointer("/quantization/name").and_then(Value::as_str).map(str::to_owned),
            size_bytes: at.count("size_bytes"),
            ..ModelInfo::named(id)
        });
    }
    Ok(Listed { models, malformed: findings.sentence(), owner: None })
}

/// Ollama's `/api/tags`. What is loaded comes from [`ollama_loaded`].
///
/// # Errors
/// As for [`data_list`].
pub fn ollama_tags(document: &Value) -> Result<Listed, String> {
    let entries = entries(document, "models")?;
    let mut findings = Findings::default();
    let mut models = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let mut at = findings.at(format!("models[{place}]"), entry);
        let Some(id) = at.id("name") else { continue };
        let can = at.list("capabilities");
        let chat = can.map_or_else(|| !embedding_name(id.as_str()), |can| can.iter().any(|word| word == "completion"));
        models.push(ModelInfo {
            chat,
            size_bytes: at.count("size"),
            context: entry.pointer("/details/context_length").and_then(Value::as_u64),
            quantization: entry.pointer("/details/quantization_level").and_then(Value::as_str).map(str::to_owned),
            remote: ["remote_host", "remote_model"]
                .iter()
                .any(|name| entry.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty())),
            ..ModelInfo::named(id)
        });
    }
    Ok(Listed { models, malformed: findings.sentence(), owner: None })
}

/// Ollama's `/api/ps`: the loaded models with their window.
pub fn ollama_loaded(document: &Value) -> BTreeMap<String, Option<u64>> {
    let Some(Value::Array(entries)) = document.get("models") else {
        return BTreeMap::new();
    };
    entries
        .iter()
        .filter_map(|entry| {
            let name = entry.get("name").or_else(|| entry.get("model"))?.as_str()?;
            Some((name.to_owned(), entry.get("context_length").and_then(Value::as_u64)))
        })
        .collect()
}

/// llama.cpp's `/slots`: how many work, of how many, and the window of one.
pub fn llama_slots(document: &Value) -> Option<(Activity, Option<u64>)> {
    let slots = document.as_array()?;
    let busy = slots.iter().filter(|slot| slot.get("is_processing") == Some(&Value::Bool(true))).count();
    let activity =
        Activity { slots_busy: u32::try_from(busy).ok(), slots_total: u32::try_from(slots.len()).ok(), queued: None };
    Some((activity, slots.first().and_then(|slot| slot.get("n_ctx")).and_then(Value::as_u64)))
}

/// vLLM's `/metrics`: requests at work and waiting, summed over its engines.
pub fn vllm_metrics(text: &str) -> Activity {
    let sum = |name: &str| {
        let mut found = None;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (metric, value) = line.rsplit_once(' ').unwrap_or_default();
            if metric.split('{').next() == Some(name)
                && let Ok(value) = value.parse::<f64>()
                && (0.0..1e9).contains(&value)
            {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
                let value = value as u32;
                found = Some(found.unwrap_or(0_u32).saturating_add(value));
            }
        }
        found
    };
    Activity {
        slots_busy: sum("vllm:num_requests_running"),
        slots_total: None,
        queued: sum("vllm:num_requests_waiting"),
    }
}

/// Model ids that by their name are for embeddings.
fn embedding_name(id: &str) -> bool {
    let name = id.rsplit('/').next().unwrap_or(id).to_ascii_lowercase();
    name.contains("embed")
        || ["whisper", "tts-", "dall-e", "gpt-image", "omni-moderation", "text-moderation"]
            .iter()
            .any(|start| name.starts_with(start))
}

/// `false` when the list says that its answers hold no text.
fn writes_text(entry: &Value) -> bool {
    match entry.pointer("/architecture/output_modalities") {
        Some(Value::Array(forms)) => forms.iter().any(|form| form == "text"),
        _ => true,
    }
}

fn entries<'a>(document: &'a Value, name: &str) -> Result<&'a Vec<Value>, String> {
    match document.get(name) {
        Some(Value::Array(entries)) => Ok(entries),
        other => Err(format!("{name}: expected a list, came {}", came(other))),
    }
}

/// What was not as expected, in order.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn at<'a>(&'a mut self, place: String, entry: &'a Value) -> Entry<'a> {
        Entry { findings: self, place, value: entry }
    }

    fn sentence(self) -> Option<String> {
        let more = self.0.len().saturating_sub(1);
        let first = self.0.into_iter().next()?;
        Some(if more == 0 { first } else { format!("{first}, and {more} more") })
    }
}

/// One entry of a list; reads members and notes those of a wrong type.
struct Entry<'a> {
    findings: &'a mut Findings,
    place: String,
    value: &'a Value,
}

impl<'a> Entry<'a> {
    fn id(&mut self, name: &str) -> Option<ModelId> {
        match self.value.get(name) {
            Some(Value::String(id)) if id.len() > LONGEST_ID => {
                let found = format!("{}.{name}: expected a name, came {} bytes of text", self.place, id.len());
                self.findings.0.push(found);
                None
            }
            Some(Value::String(id)) if !id.is_empty() => Some(ModelId::from(id.as_str())),
            other => {
                self.note(name, "a name", other);
                None
            }
        }
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.member(name, "a text", |value| value.as_str().map(str::to_owned))
    }

    fn count(&mut self, name: &str) -> Option<u64> {
        self.member(name, "a whole number", Value::as_u64)
    }

    fn list(&mut self, name: &str) -> Option<&'a Vec<Value>> {
        self.member(name, "a list", Value::as_array)
    }

    /// An optional member: absent and `null` are fine.
    fn member<T>(&mut self, name: &str, expected: &str, read: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        let out = read(value);
        if out.is_none() {
            self.note(name, expected, Some(value));
        }
        out
    }

    fn note(&mut self, name: &str, expected: &str, value: Option<&Value>) {
        self.findings.0.push(format!("{}.{name}: expected {expected}, came {}", self.place, came(value)));
    }
}

fn came(value: Option<&Value>) -> String {
    match value {
        None => "nothing".into(),
        Some(Value::Null) => "null".into(),
        Some(Value::Bool(flag)) => format!("{flag}"),
        Some(Value::Number(number)) => format!("the number {number}"),
        Some(Value::String(text)) if text.is_empty() => "an empty text".into(),
        Some(Value::String(text)) => {
            let short: String = text.chars().take(40).collect();
            format!("the text \"{}\"", quote(&short, &[]))
        }
        Some(Value::Array(_)) => "a list".into(),
        Some(Value::Object(_)) => "an object".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

        let v0 = data_list(&json!({"data":[
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
        let loaded = ollama_loaded(&json!({"models":[{"name":"a:latest","context_length":4096}]}));
        assert_eq!(loaded.get("a:latest"), Some(&Some(4096)));
    }

    #[test]
    fn vendors_extras_are_read() {
        let router = data_list(&json!({"data":[
            {"id":"x/y","context_length":200_000,"architecture":{"output_modalities":["text"]}},
            {"id":"x/z","context_length":8,"architecture":{"output_modalities":["image"]}},
        ]}))
        .unwrap();
        assert_eq!(router.models.iter().map(|m| m.chat).collect::<Vec<_>>(), [true, false]);
        let vllm =
            data_list(&json!({"data":[{"id":"m","owned_by":"vllm","max_model_len":4096,"parent":null}]})).unwrap();
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
}
