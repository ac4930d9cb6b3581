//! Metrics: how long calls took and what they used and cost, as sums since the start, by operation, provider and model.

use super::common;
use super::json::{Attributes, nanos, seconds};
use crate::domain::call::CallRecord;
use crate::domain::money::Money;
use crate::domain::time::UnixMs;
use crate::engine::protocol::Snapshot;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Series of one metric; further ones are counted together, as OpenTelemetry's own libraries do.
pub const SERIES_CAPACITY: usize = 1000;
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const SINCE_START: u8 = 2;
const TIME_BOUNDS: &[f64] = &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const TOKEN_BOUNDS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// See the module.
pub struct Metrics {
    since: UnixMs,
    duration: Family,
    first_chunk: Family,
    tokens: Family,
    cost: Family,
    /// Something was counted since they were written last.
    pub changed: bool,
}

/// One metric with its series by their attributes.
struct Family {
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    /// A histogram's; a plain sum has none.
    bounds: &'static [f64],
    series: BTreeMap<String, Series>,
}

struct Series {
    attributes: Value,
    buckets: Vec<u64>,
    count: u64,
    sum: f64,
    least: f64,
    most: f64,
}

impl Metrics {
    pub fn new(since: UnixMs) -> Self {
        let family = |name, unit, help, bounds| Family { name, unit, help, bounds, series: BTreeMap::new() };
        Self {
            since,
            duration: family("gen_ai.client.operation.duration", "s", "How long calls took.", TIME_BOUNDS),
            first_chunk: family(
                "gen_ai.client.operation.time_to_first_chunk",
                "s",
                "How long streamed answers took to begin.",
                TIME_BOUNDS,
            ),
            tokens: family("gen_ai.client.token.usage", "{token}", "Tokens that calls used.", TOKEN_BOUNDS),
            cost: family("lmdeck.cost", "USD", "What calls cost, where that is known.", &[]),
            changed: false,
        }
    }

    /// Counts a call. What came from the cache asked nobody: it is a span and no figure.
    pub fn count(&mut self, record: &CallRecord, snapshot: &Snapshot) {
        if record.cache == "hit" {
            return;
        }
        self.changed = true;
        let common = common::of_call(record, snapshot);
        self.duration.add(common.clone(), seconds(record.duration_ms));
        if let Some(first) = record.ttft_ms.filter(|_| record.facts.stream) {
            self.first_chunk.add(common.clone(), seconds(first));
        }
        if let Some(usage) = record.usage {
            for (kind, tokens) in [("input", usage.input), ("output", usage.output)] {
                self.tokens.add(common.clone().text("gen_ai.token.type", kind), figure(tokens));
            }
        }
        if let Some(dollars) = record.cost.amount.map(Money::dollars).filter(|dollars| *dollars > 0.0) {
            self.cost.add(common.text("lmdeck.cost.provenance", record.cost.provenance.word()), dollars);
        }
    }

    /// All of them as they stand now.
    pub fn items(&self, now: UnixMs) -> Vec<Value> {
        [&self.duration, &self.first_chunk, &self.tokens, &self.cost]
            .into_iter()
            .filter(|family| !family.series.is_empty())
            .map(|family| family.item(self.since, now))
            .collect()
    }
}

impl Family {
    fn add(&mut self, attributes: Attributes, value: f64) {
        let mut attributes = attributes.value();
        let mut key = attributes.to_string();
        if self.series.len() >= SERIES_CAPACITY && !self.series.contains_key(&key) {
            attributes = Attributes::default().switch("otel.metric.overflow", true).value();
            key = String::new();
        }
        let buckets = self.bounds.len() + 1;
        let series = self.series.entry(key).or_insert_with(|| Series {
            attributes,
            buckets: vec![0; buckets],
            count: 0,
            sum: 0.0,
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
        });
        // A bound belongs to the bucket below it.
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = series.buckets.get_mut(place) {
            *bucket += 1;
        }
        series.count += 1;
        series.sum += value;
        series.least = series.least.min(value);
        series.most = series.most.max(value);
    }

    fn item(&self, since: UnixMs, now: UnixMs) -> Value {
        let points: Vec<Value> = self.series.values().map(|series| self.point(series, since, now)).collect();
        let mut item = json!({ "name": self.name, "unit": self.unit, "description": self.help });
        if self.bounds.is_empty() {
            item["sum"] = json!({ "aggregationTemporality": SINCE_START, "isMonotonic": true, "dataPoints": points });
        } else {
            item["histogram"] = json!({ "aggregationTemporality": SINCE_START, "dataPoints": points });
        }
        item
    }

    fn point(&self, series: &Series, since: UnixMs, now: UnixMs) -> Value {
        let mut point = json!({
            "attributes": series.attributes,
            "startTimeUnixNano": nanos(since.0),
            "timeUnixNano": nanos(now.0.max(since.0)),
        });
        if self.bounds.is_empty() {
            point["asDouble"] = series.sum.into();
            return point;
        }
        let counts: Vec<String> = series.buckets.iter().map(u64::to_string).collect();
        point["count"] = series.count.to_string().into();
        point["sum"] = series.sum.into();
        point["min"] = series.least.into();
        point["max"] = series.most.into();
        point["bucketCounts"] = counts.into();
        point["explicitBounds"] = self.bounds.into();
        point
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for plots: 15 digits are enough")]
fn figure(tokens: u64) -> f64 {
    tokens as f64
}
