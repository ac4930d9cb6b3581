//! The answer of the service API's `generate` and presets, which `ask --json` and `presets run --json` print too: one
//! place for its fields.

use crate::domain::call::CallRecord;
use crate::domain::failure::Failure;
use crate::domain::money::Money;
use crate::engine::protocol::{CallOutcome, ProviderView};
use crate::present::remedy::text_of_call;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The answer of a call that ran. Of a provider that is not among `providers` any more, the kind is its id and
/// whether it is local is not known.
pub fn service_answer(outcome: &CallOutcome, text: &str, providers: &[Arc<ProviderView>]) -> Value {
    let record = &outcome.record;
    let target = record.target.as_ref();
    let provider = target.and_then(|target| providers.iter().find(|view| view.id == target.provider));
    let mut metadata = Map::new();
    metadata.insert("response_id".into(), json!(record.id));
    let model = provider.and_then(|view| view.models.iter().find(|model| Some(&model.id) == target.map(|t| &t.model)));
    let local = provider.map(|view| model.map_or(view.reach.is_local(), |model| view.runs_near(model)));
    metadata.insert("local_model".into(), json!(local));
    metadata.insert("call_id".into(), json!(record.id));
    metadata.insert("policy".into(), json!(record.policy));
    metadata.insert("attempts".into(), json!(record.attempts.len()));
    metadata.insert("tokens_in".into(), json!(record.usage.map(|usage| usage.input)));
    metadata.insert("tokens_out".into(), json!(record.usage.map(|usage| usage.output)));
    metadata.insert("cost_usd".into(), json!(record.cost.amount.map(Money::dollars)));
    metadata.insert("cost_provenance".into(), json!(record.cost.provenance));
    metadata.insert("finish_reason".into(), json!(outcome.finish));
    if let Some(failure) = &outcome.failure {
        add_failure(&mut metadata, failure, &text_of_call(failure, record, providers));
    }
    let model_used = match (&outcome.failure, &record.target) {
        (Some(_), _) => "error".to_owned(),
        (None, Some(target)) => target.to_string(),
        (None, None) => String::new(),
    };
    let kind = match (provider, &record.target) {
        (Some(provider), _) => json!(provider.kind.word()),
        (None, Some(target)) => json!(target.provider),
        (None, None) => Value::Null,
    };
    json!({
        "content": text,
        "model_used": model_used,
        "provider": kind,
        "tokens_used": tokens_used(record),
        "generation_time": seconds(record.duration_ms),
        "cached": record.cache == "hit",
        "metadata": metadata,
    })
}

/// The answer of a request that never became a call, or whose answer cannot be told.
pub fn service_refusal(failure: &Failure, remedy: &str) -> Value {
    let mut metadata = Map::new();
    for name in ["response_id", "local_model", "call_id", "policy"] {
        metadata.insert(name.into(), Value::Null);
    }
    metadata.insert("attempts".into(), json!(0));
    add_failure(&mut metadata, failure, remedy);
    json!({
        "content": "",
        "model_used": "error",
        "provider": null,
        "tokens_used": 0,
        "generation_time": 0.0,
        "cached": false,
        "metadata": metadata,
    })
}

/// The same answer as a preset gives it: the text under its own name, and whether a local model wrote it.
pub fn preset_answer(answer: Value, field: &str) -> Value {
    let Value::Object(mut answer) = answer else { return answer };
    let is_local = answer["metadata"]["local_model"].clone();
    let mut shaped = Map::new();
    shaped.insert(field.to_owned(), answer["content"].take());
    for (name, value) in answer.into_iter().filter(|(name, _)| name != "content") {
        let before_is_local = name == "provider";
        shaped.insert(name, value);
        if before_is_local {
            shaped.insert("is_local".into(), is_local.clone());
        }
    }
    Value::Object(shaped)
}

fn add_failure(metadata: &mut Map<String, Value>, failure: &Failure, remedy: &str) {
    metadata.insert("error".into(), json!(failure.message));
    metadata.insert("errorCode".into(), json!(failure.code));
    metadata.insert("remedy".into(), json!(remedy));
}

/// Null when an answer came and its server did not count.
fn tokens_used(record: &CallRecord) -> Option<u64> {
    match record.usage {
        Some(usage) => Some(usage.input.saturating_add(usage.output)),
        None => record.error.is_some().then_some(0),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a duration for people and plots")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
