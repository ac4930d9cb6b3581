//! Spans: one per call, below it one per attempt. They hold labels, figures and the words of lmdeck's own error
//! classes; never a prompt, an answer, a caller's tags or a server's words, which may quote any of them.

use super::common;
use super::json::{Attributes, nanos, seconds};
use crate::domain::call::{Attempt, CallRecord, Finish};
use crate::domain::failure::Failure;
use crate::domain::money::Money;
use crate::domain::time::UnixMs;
use crate::domain::trace::hex;
use crate::engine::protocol::Snapshot;
use serde_json::{Value, json};
use std::hash::{BuildHasher, Hasher, RandomState};

/// `SPAN_KIND_CLIENT`.
const CLIENT: u8 = 3;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;
/// Sampled.
const KEPT: u16 = 0x01;
/// It is known whether the parent is of another process.
const PARENT_KNOWN: u16 = 0x100;
/// It is.
const PARENT_ELSEWHERE: u16 = 0x200;

/// The spans of a call; none where the caller does not keep its trace.
pub fn of(record: &CallRecord, snapshot: &Snapshot) -> Vec<Value> {
    let parent = record.facts.trace;
    if parent.is_some_and(|parent| !parent.sampled) {
        return Vec::new();
    }
    let trace = parent.map_or_else(|| format!("{}{}", random(), random()), |parent| hex(&parent.trace));
    let span = random();
    let mut call = json!({
        "traceId": trace,
        "spanId": span,
        "flags": KEPT | if parent.is_some() { PARENT_KNOWN | PARENT_ELSEWHERE } else { 0 },
        "name": call_name(record),
        "kind": CLIENT,
        "startTimeUnixNano": nanos(record.ts.0),
        "endTimeUnixNano": nanos(after(record.ts, record.duration_ms)),
        "attributes": call_attributes(record, snapshot).value(),
    });
    if let Some(parent) = parent {
        call["parentSpanId"] = hex(&parent.span).into();
    }
    fail(&mut call, record.error.as_ref());
    let mut spans = vec![call];
    for (at, attempt) in record.attempts.iter().enumerate() {
        let mut try_ = attempt_span(record.ts, attempt, at, snapshot);
        try_["traceId"] = trace.as_str().into();
        try_["parentSpanId"] = span.as_str().into();
        spans.push(try_);
    }
    spans
}

fn call_name(record: &CallRecord) -> String {
    let operation = common::operation(record.facts.work);
    match &record.target {
        Some(target) => format!("{operation} {}", target.model),
        None => operation.to_owned(),
    }
}

fn call_attributes(record: &CallRecord, snapshot: &Snapshot) -> Attributes {
    let facts = &record.facts;
    let streamed = facts.stream.then_some(record.ttft_ms).flatten();
    // What came from the cache was used once, by the call that filled it.
    let usage = record.usage.filter(|_| record.cache != "hit");
    let mut attributes = common::of_call(record, snapshot)
        .switch("gen_ai.request.stream", facts.stream)
        .maybe_whole("gen_ai.request.max_tokens", Some(facts.max_tokens).filter(|most| *most > 0))
        .maybe_text("gen_ai.output.type", facts.wants_json.then_some("json"))
        .text("gen_ai.conversation.id", &facts.session)
        .maybe_whole("gen_ai.usage.input_tokens", usage.map(|usage| usage.input))
        .maybe_whole("gen_ai.usage.output_tokens", usage.map(|usage| usage.output))
        .maybe_whole("gen_ai.usage.cache_read.input_tokens", usage.map(|usage| usage.cached))
        .maybe_whole("gen_ai.usage.reasoning.output_tokens", usage.map(|usage| usage.reasoning))
        .maybe_figure("gen_ai.response.time_to_first_chunk", streamed.map(seconds));
    if let Some(finish) = record.finish {
        attributes = attributes.texts("gen_ai.response.finish_reasons", finish_word(finish));
    }
    attributes
        .text("lmdeck.call.id", record.id.as_str())
        .text("lmdeck.status", record.status.word())
        .text("lmdeck.provider", record.target.as_ref().map_or("", |target| target.provider.as_str()))
        .text("lmdeck.requested_model", &facts.requested_model)
        .text("lmdeck.policy", &record.policy)
        .whole("lmdeck.rules_version", record.rules_version)
        .text("lmdeck.client", &facts.client)
        .text("lmdeck.request_type", &facts.request_type)
        .text("lmdeck.complexity", &facts.complexity)
        .text("lmdeck.audience", &facts.audience)
        .text("lmdeck.priority", facts.priority.word())
        .text("lmdeck.cache", &record.cache)
        .whole("lmdeck.attempts", record.attempts.len() as u64)
        .maybe_figure("lmdeck.queue.duration", Some(seconds(record.queue_ms)))
        .maybe_figure("lmdeck.cost.usd", record.cost.amount.map(Money::dollars))
        .text("lmdeck.cost.provenance", record.cost.provenance.word())
}

fn attempt_span(call: UnixMs, attempt: &Attempt, at: usize, snapshot: &Snapshot) -> Value {
    let start = UnixMs(after(call, attempt.start_ms));
    let attributes = common::of_attempt(attempt, snapshot)
        .text("lmdeck.provider", attempt.target.provider.as_str())
        .whole("lmdeck.attempt", at as u64 + 1);
    let mut span = json!({
        "spanId": random(),
        "flags": KEPT | PARENT_KNOWN,
        "name": format!("attempt {}", attempt.target.model),
        "kind": CLIENT,
        "startTimeUnixNano": nanos(start.0),
        "endTimeUnixNano": nanos(after(start, attempt.duration_ms)),
        "attributes": attributes.value(),
    });
    if let Some(first) = attempt.ttft_ms {
        let moment = nanos(after(start, first));
        span["events"] = json!([{ "timeUnixNano": moment, "name": "lmdeck.first_token" }]);
    }
    fail(&mut span, attempt.failure.as_ref());
    span
}

fn fail(span: &mut Value, failure: Option<&Failure>) {
    if let Some(failure) = failure {
        span["status"] = json!({ "code": ERROR, "message": failure.code.class().advice });
    }
}

fn finish_word(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
        Finish::Other => "other",
    }
}

fn after(start: UnixMs, ms: u64) -> i64 {
    start.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// Eight random bytes, not all zero, in hexadecimal digits. The standard library seeds every one of these anew from
/// the machine's randomness.
pub fn random() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish().max(1))
}
