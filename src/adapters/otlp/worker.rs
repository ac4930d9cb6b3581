//! The task that sends: gathers finished calls, posts spans and metrics, waits where the collector asks for it or is
//! not there, and says how it stands.

use super::json::request;
use super::metrics::Metrics;
use super::spans;
use crate::adapters::app_log::{escape_controls, scrub};
use crate::adapters::clock::unix_now;
use crate::adapters::http::{Delivery, Receipt};
use crate::adapters::wire::words::quote;
use crate::domain::call::CallRecord;
use crate::engine::protocol::{ExportView, Snapshot};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Calls in one request.
const BATCH: usize = 256;
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same on the way out.
pub const LAST_PATIENCE: Duration = Duration::from_millis(800);
/// How long the collector is left alone after the first failure in a row; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The most that is waited because the collector asks for it.
const LONGEST_WISH: Duration = Duration::from_mins(5);
/// How long a signal is not sent that the collector never knew.
const ASK_AGAIN: Duration = Duration::from_mins(5);
/// How long a refusal of what was sent stays said after the last one, so that it is not said anew with every batch.
const SAID_FOR: Duration = Duration::from_mins(1);

/// How often it sends.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long the first call of a request waits for others.
    pub gather: Duration,
    /// Between two requests with metrics.
    pub metrics: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { gather: Duration::from_secs(1), metrics: Duration::from_secs(10) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Metrics => "metrics",
        }
    }
}

/// What became of one request.
enum Outcome {
    Taken,
    /// Taken, but not all of it; so many items not, and what the collector says of them.
    InPart(u64, String),
    /// The collector does not know the signal's place, with the status it says so by.
    Absent(u16),
    /// It may go better later.
    Later(String, Option<Duration>),
    /// It never will, for this request.
    Refused(String),
}

/// Spans that are on their way: the request as it is sent, and of how many calls.
struct Parcel {
    json: String,
    calls: u64,
}

/// What the collector makes of one signal.
#[derive(Debug, Clone, Copy, Default)]
struct Stand {
    /// It took some: a place that is not there later is one that comes back.
    taken: bool,
    /// It never knew it, and is not asked again before then.
    absent_until: Option<Instant>,
}

impl Stand {
    fn is_absent(self) -> bool {
        self.absent_until.is_some_and(|until| Instant::now() < until)
    }
}

/// Everything the task owns.
pub struct Worker {
    pub delivery: Delivery,
    pub calls: mpsc::Receiver<Arc<CallRecord>>,
    /// Who the providers are.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    pub standing: watch::Sender<ExportView>,
    /// Calls that never came here because this task was behind.
    pub overrun: Arc<AtomicU64>,
    pub stop: CancellationToken,
    pub pace: Pace,
}

impl Worker {
    /// Runs until it is told to stop, then sends what is left once.
    pub async fn run(self) {
        let stop = self.stop.clone();
        let mut sending = Sending {
            instance: spans::random(),
            metrics: Metrics::new(unix_now()),
            worker: self,
            gathered: Vec::new(),
            first_at: Instant::now(),
            parcel: None,
            metrics_at: Instant::now(),
            quiet_until: Instant::now(),
            failures: 0,
            traces: Stand::default(),
            measures: Stand::default(),
            lost: 0,
            seen_overrun: 0,
            refused_at: None,
        };
        sending.metrics_at += sending.worker.pace.metrics;
        loop {
            let due = sending.due();
            let room = sending.gathered.len() < BATCH;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    if stop.run_until_cancelled(sending.work()).await.is_none() {
                        break;
                    }
                }
                call = sending.worker.calls.recv(), if room => match call {
                    Some(call) => sending.take(call),
                    None => break,
                },
            }
        }
        sending.finish().await;
    }
}

struct Sending {
    worker: Worker,
    /// Tells this process from others that send to the same place.
    instance: String,
    metrics: Metrics,
    gathered: Vec<Arc<CallRecord>>,
    first_at: Instant,
    parcel: Option<Parcel>,
    metrics_at: Instant,
    /// Until then the collector is left alone.
    quiet_until: Instant,
    /// In a row.
    failures: u32,
    traces: Stand,
    measures: Stand,
    /// Calls that were given up.
    lost: u64,
    seen_overrun: u64,
    refused_at: Option<Instant>,
}

impl Sending {
    fn take(&mut self, call: Arc<CallRecord>) {
        if self.gathered.is_empty() {
            self.first_at = Instant::now();
        }
        self.metrics.count(&call, &self.worker.snapshots.borrow());
        self.gathered.push(call);
    }

    /// When there is something to do next.
    fn due(&self) -> Option<Instant> {
        let full = self.gathered.len() >= BATCH;
        let gathered = (!self.gathered.is_empty()).then(|| self.first_at + self.worker.pace.gather);
        let spans = if self.parcel.is_some() || full {
            Some(self.quiet_until)
        } else {
            gathered.map(|at| self.quiet_until.max(at))
        };
        let metrics = self.metrics.changed.then(|| {
            let due = self.quiet_until.max(self.metrics_at);
            self.measures.absent_until.map_or(due, |until| due.max(until))
        });
        spans.into_iter().chain(metrics).min()
    }

    async fn work(&mut self) {
        let now = Instant::now();
        if self.parcel.is_none() && (self.gathered.len() >= BATCH || self.first_at + self.worker.pace.gather <= now) {
            self.pack();
        }
        if self.parcel.is_some() && !self.send_spans(PATIENCE).await {
            return;
        }
        if self.metrics.changed && !self.measures.is_absent() && self.metrics_at <= now {
            self.send_metrics(PATIENCE).await;
        }
    }

    /// The spans of the calls gathered, as one request.
    fn pack(&mut self) {
        let calls = std::mem::take(&mut self.gathered);
        if calls.is_empty() {
            return;
        }
        if self.traces.is_absent() {
            self.lost += calls.len() as u64;
            let dropped = self.lost + self.worker.overrun.load(Ordering::Relaxed);
            self.worker.standing.send_modify(|view| view.dropped = dropped);
            return;
        }
        let snapshot = self.worker.snapshots.borrow().clone();
        let items: Vec<Value> = calls.iter().flat_map(|call| spans::of(call, &snapshot)).collect();
        if !items.is_empty() {
            self.parcel = Some(Parcel { json: self.written("Spans", items), calls: calls.len() as u64 });
        }
    }

    /// Without any secret this process knows, whatever label it came in with.
    fn written(&self, signal: &str, items: Vec<Value>) -> String {
        escape_controls(&scrub(&request(signal, &self.instance, items))).into_owned()
    }

    /// Whether the way is free for more.
    async fn send_spans(&mut self, patience: Duration) -> bool {
        let Some(parcel) = &self.parcel else { return true };
        let calls = parcel.calls;
        let outcome = self.post(Signal::Traces, parcel.json.clone(), patience).await;
        let (gone, arrived) = match &outcome {
            Outcome::Taken | Outcome::InPart(..) => (true, true),
            Outcome::Absent(_) | Outcome::Refused(_) => (true, false),
            Outcome::Later(..) => (false, false),
        };
        if gone {
            self.parcel = None;
        }
        if arrived {
            self.worker.standing.send_modify(|view| view.sent += calls);
        } else if gone {
            self.lost += calls;
        }
        self.note(Signal::Traces, outcome);
        gone
    }

    async fn send_metrics(&mut self, patience: Duration) {
        let json = self.written("Metrics", self.metrics.items(unix_now()));
        let outcome = self.post(Signal::Metrics, json, patience).await;
        // They are sums: what did not arrive is part of the next ones.
        if !matches!(outcome, Outcome::Later(..)) {
            self.metrics.changed = false;
            self.metrics_at = Instant::now() + self.worker.pace.metrics;
        }
        self.note(Signal::Metrics, outcome);
    }

    async fn post(&self, signal: Signal, json: String, patience: Duration) -> Outcome {
        match self.worker.delivery.post(signal.path(), json, patience, unix_now()).await {
            Ok(receipt) => match judged(&receipt) {
                // It is there and does not know its own: it starts, or stands behind one who does not find it.
                Outcome::Absent(status) if self.stand(signal).taken => {
                    Outcome::Later(format!("it answered {status} at {}", signal.path()), receipt.wait)
                }
                outcome => outcome,
            },
            Err(failure) => Outcome::Later(failure.message, None),
        }
    }

    fn stand(&self, signal: Signal) -> Stand {
        match signal {
            Signal::Traces => self.traces,
            Signal::Metrics => self.measures,
        }
    }

    fn set_stand(&mut self, signal: Signal, stand: Stand) {
        match signal {
            Signal::Traces => self.traces = stand,
            Signal::Metrics => self.measures = stand,
        }
    }

    /// Draws the consequences of an outcome, and tells how it stands now.
    fn note(&mut self, signal: Signal, outcome: Outcome) {
        let now = Instant::now();
        if matches!(outcome, Outcome::Taken | Outcome::InPart(..)) {
            self.set_stand(signal, Stand { taken: true, absent_until: None });
        }
        let overrun = self.worker.overrun.load(Ordering::Relaxed);
        let behind = overrun > std::mem::replace(&mut self.seen_overrun, overrun);
        let mut trouble = None;
        match outcome {
            Outcome::Taken if behind => {
                self.failures = 0;
                self.refused_at = Some(now);
                trouble = Some("calls end faster than it takes them".to_owned());
            }
            Outcome::Taken => self.failures = 0,
            Outcome::InPart(items, why) => {
                self.failures = 0;
                self.refused_at = Some(now);
                trouble = Some(format!("it did not take {items} {}: {why}", signal.words()));
            }
            Outcome::Refused(why) => {
                self.failures = 0;
                self.refused_at = Some(now);
                trouble = Some(format!("it refused {}: {why}", signal.words()));
            }
            Outcome::Absent(_) => {
                self.set_stand(signal, Stand { taken: false, absent_until: Some(now + ASK_AGAIN) });
                if self.traces.is_absent() && self.measures.is_absent() {
                    // Neither is known there: it may be another program, or one that is not ready.
                    (self.traces, self.measures) = (Stand::default(), Stand::default());
                    trouble = Some(format!("it has neither {} nor {}", Signal::Traces.path(), Signal::Metrics.path()));
                    self.pause(now, None);
                } else {
                    tracing::info!("the collector takes no {}: they are not sent", signal.words());
                }
            }
            Outcome::Later(why, wish) => {
                trouble = Some(why);
                self.pause(now, wish);
            }
        }
        if trouble.is_none() && self.traces.is_absent() && self.measures.taken {
            trouble = Some(format!("it takes metrics and no spans: {} is not there", Signal::Traces.path()));
        }
        let stays = trouble.is_none() && self.refused_at.is_some_and(|at| now < at + SAID_FOR);
        let dropped = self.lost + overrun;
        self.worker.standing.send_if_modified(|view| {
            let before = view.clone();
            view.dropped = dropped;
            if !stays {
                view.trouble = trouble;
            }
            *view != before
        });
    }

    fn pause(&mut self, now: Instant, wish: Option<Duration>) {
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        // Many processes that lost one collector do not come back in the same moment.
        let jitter = doubled.mul_f64(f64::from(spans::random().as_bytes()[0]) / 512.0);
        self.quiet_until = now + wish.map_or(doubled + jitter, |wish| wish.min(LONGEST_WISH).max(FIRST_PAUSE));
    }

    /// Everything that is left, once: whoever leaves does not wait for a collector that is not there.
    async fn finish(mut self) {
        while let Ok(call) = self.worker.calls.try_recv() {
            self.take(call);
        }
        let mut rest = std::mem::take(&mut self.gathered);
        let mut free = self.send_spans(LAST_PATIENCE).await;
        while free && !rest.is_empty() {
            self.gathered = rest.drain(..rest.len().min(BATCH)).collect();
            self.pack();
            free = self.send_spans(LAST_PATIENCE).await;
        }
        let left = rest.len() as u64 + self.parcel.as_ref().map_or(0, |parcel| parcel.calls);
        if free && self.metrics.changed && !self.measures.is_absent() {
            self.send_metrics(LAST_PATIENCE).await;
        }
        if left > 0 {
            tracing::warn!(calls = left, "the last calls were not sent to the collector");
        }
    }
}

fn judged(receipt: &Receipt) -> Outcome {
    let said = quote(&message(&receipt.body), &[]);
    let status = receipt.status;
    match status {
        200..=299 => match rejected(&receipt.body) {
            0 => Outcome::Taken,
            items => Outcome::InPart(items, if said.is_empty() { "it does not say why".into() } else { said }),
        },
        404 | 405 | 501 => Outcome::Absent(status),
        429 | 502..=504 => Outcome::Later(format!("it answered {status}"), receipt.wait),
        300..=399 => Outcome::Refused(format!("it answered {status}, a way to another address, which is not taken")),
        401 | 403 => Outcome::Refused(format!(
            "it answered {status}: OTEL_EXPORTER_OTLP_HEADERS holds the header that lets lmdeck in, as name=value"
        )),
        _ if said.is_empty() => Outcome::Refused(format!("it answered {status}")),
        _ => Outcome::Refused(format!("it answered {status}: {said}")),
    }
}

/// The items a collector did not take, by its own count.
fn rejected(body: &[u8]) -> u64 {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let part = &answer["partialSuccess"];
    ["rejectedSpans", "rejectedDataPoints"].iter().map(|key| number(&part[*key])).sum()
}

/// A 64-bit number, which may come as a text.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

/// What an answer says in words.
fn message(body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let words = answer["partialSuccess"]["errorMessage"].as_str().or_else(|| answer["message"].as_str());
    words.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn receipt(status: u16, body: &str) -> Receipt {
        Receipt { status, body: Bytes::copy_from_slice(body.as_bytes()), wait: None }
    }

    #[test]
    fn the_statuses_of_the_specification_are_told_apart() {
        let partly = |rejected: &str| {
            format!("{{\"partialSuccess\":{{\"rejectedSpans\":{rejected},\"errorMessage\":\"too old\"}}}}")
        };
        assert!(matches!(judged(&receipt(200, "{}")), Outcome::Taken));
        assert!(matches!(judged(&receipt(200, "")), Outcome::Taken));
        assert!(matches!(judged(&receipt(200, &partly("0"))), Outcome::Taken));
        for number in ["3", "\"3\""] {
            assert!(matches!(judged(&receipt(200, &partly(number))), Outcome::InPart(3, why) if why == "too old"));
        }
        for status in [429, 502, 503, 504] {
            assert!(matches!(judged(&receipt(status, "")), Outcome::Later(..)), "{status}");
        }
        for status in [301, 400, 401, 413, 500] {
            assert!(matches!(judged(&receipt(status, "{\"message\":\"no\"}")), Outcome::Refused(_)), "{status}");
        }
        assert!(matches!(judged(&receipt(404, "<html>")), Outcome::Absent(404)));
    }

    proptest! {
        #[test]
        fn whatever_a_collector_answers_is_judged(status in 200u16..600, body in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = judged(&Receipt { status, body: Bytes::from(body), wait: None });
        }
    }
}
