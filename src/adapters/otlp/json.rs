//! The JSON form of OTLP's values: 64-bit numbers as texts, enumerations as numbers, ids in hexadecimal digits.

use serde_json::{Map, Value, json};

/// Characters of a text at most: labels are short, and some of them come from callers.
const LONGEST: usize = 256;
const NAME: &str = "lmdeck";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The conventions that the names of attributes and metrics follow.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// Attributes in the order they were put; what is empty or absent is left out.
#[derive(Debug, Clone, Default)]
pub struct Attributes(Vec<Value>);

impl Attributes {
    pub fn text(self, key: &str, text: &str) -> Self {
        if text.is_empty() {
            return self;
        }
        let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
        self.put(key, json!({ "stringValue": text.get(..end) }))
    }

    pub fn maybe_text(self, key: &str, text: Option<&str>) -> Self {
        self.text(key, text.unwrap_or_default())
    }

    pub fn texts(self, key: &str, text: &str) -> Self {
        self.put(key, json!({ "arrayValue": { "values": [{ "stringValue": text }] } }))
    }

    pub fn whole(self, key: &str, number: u64) -> Self {
        self.put(key, json!({ "intValue": number.to_string() }))
    }

    pub fn maybe_whole(self, key: &str, number: Option<u64>) -> Self {
        match number {
            Some(number) => self.whole(key, number),
            None => self,
        }
    }

    pub fn maybe_figure(self, key: &str, number: Option<f64>) -> Self {
        match number {
            Some(number) => self.put(key, json!({ "doubleValue": number })),
            None => self,
        }
    }

    pub fn switch(self, key: &str, on: bool) -> Self {
        self.put(key, json!({ "boolValue": on }))
    }

    fn put(mut self, key: &str, value: Value) -> Self {
        let pair = [("key".to_owned(), Value::from(key)), ("value".to_owned(), value)];
        self.0.push(Value::Object(Map::from_iter(pair)));
        self
    }

    pub fn value(self) -> Value {
        Value::Array(self.0)
    }
}

/// Nanoseconds since 1970, of milliseconds.
pub fn nanos(ms: i64) -> String {
    (i128::from(ms.max(0)) * 1_000_000).to_string()
}

/// Seconds of milliseconds.
#[expect(clippy::cast_precision_loss, reason = "a duration for plots: 15 digits are enough")]
pub fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// One request: `signal` is `Spans` or `Metrics`, `instance` tells this process from others.
pub fn request(signal: &str, instance: &str, items: Vec<Value>) -> String {
    let resource = Attributes::default()
        .text("service.name", NAME)
        .text("service.version", VERSION)
        .text("service.instance.id", instance);
    let mut scope = Map::new();
    scope.insert("scope".into(), json!({ "name": NAME, "version": VERSION }));
    scope.insert(signal.to_ascii_lowercase(), Value::Array(items));
    scope.insert("schemaUrl".into(), SCHEMA.into());
    let mut part = Map::new();
    part.insert("resource".into(), json!({ "attributes": resource.value() }));
    part.insert(format!("scope{signal}"), Value::Array(vec![Value::Object(scope)]));
    let mut whole = Map::new();
    whole.insert(format!("resource{signal}"), Value::Array(vec![Value::Object(part)]));
    Value::Object(whole).to_string()
}
