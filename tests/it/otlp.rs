//! Spans and metrics on their way to a collector: what it gets for which calls, and what becomes of them while it is
//! away, refuses, or is slow.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test that called them")]

use crate::support::collector::{Collecting, at, attribute, holds_to_the_specification};
use crate::support::engine::engine_exporting;
use crate::support::sim::{Sim, SimKind, free_port};
use crate::support::snapshot;
use lmdeck::adapters::app_log::register_secret;
use lmdeck::adapters::otlp::{CALL_CAPACITY, Exporter, Pace, SERIES_CAPACITY};
use lmdeck::domain::call::{CallRecord, Status};
use lmdeck::domain::config::Collector;
use lmdeck::domain::failure::{ErrorCode, Failure};
use lmdeck::domain::money::Money;
use lmdeck::domain::secret::Secret;
use lmdeck::domain::trace::TraceParent;
use lmdeck::engine::protocol::{EventKind, ExportView, Snapshot};
use lmdeck::present::events;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(30);
/// Sends at once.
const QUICK: Pace = Pace { gather: Duration::from_millis(20), metrics: Duration::from_millis(20) };
const TRACES: &str = "/v1/traces";
const METRICS: &str = "/v1/metrics";

/// An export that runs, with the providers of the evening.
fn exporting(collector: Collector, pace: Pace) -> (Exporter, watch::Sender<Arc<Snapshot>>) {
    let (sender, snapshots) = watch::channel(Arc::new(snapshot::evening()));
    let mut exporter = Exporter::new(collector);
    exporter.begin(snapshots, pace).unwrap();
    (exporter, sender)
}

/// A call that a second provider answered after the first was busy.
fn moved() -> CallRecord {
    snapshot::call_records().into_iter().find(|record| record.attempts.len() == 2).unwrap()
}

fn call() -> CallRecord {
    snapshot::call_records().into_iter().next().unwrap()
}

/// Waits until the export stands so.
async fn stands(exporter: &Exporter, how: impl Fn(&ExportView) -> bool) -> ExportView {
    let mut standing = exporter.standing();
    let view = tokio::time::timeout(PATIENCE, standing.wait_for(|view| how(view))).await;
    view.unwrap_or_else(|_| panic!("{:?}", exporter.standing().borrow())).unwrap().clone()
}

/// Ends it as the program does: off the tasks of the runtime.
async fn close(exporter: Exporter) {
    tokio::task::spawn_blocking(move || exporter.close()).await.unwrap();
}

fn metric<'a>(body: &'a Value, name: &str) -> &'a Value {
    let metrics = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    metrics.iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("{name} in {body}"))
}

#[tokio::test]
async fn a_call_is_a_span_with_its_attempts_below_it() {
    let collecting = Collecting::start().await;
    let (exporter, _providers) = exporting(collecting.collector(), QUICK);
    let record = moved();
    exporter.outlet().send(Arc::new(record.clone()));
    let came = collecting.wait(TRACES, 1).await;
    holds_to_the_specification(&came[0].body);
    let part = &came[0].body["resourceSpans"][0];
    assert_eq!(attribute(&part["resource"], "service.name"), Some(json!("lmdeck")));
    assert!(attribute(&part["resource"], "service.instance.id").is_some());

    let spans = collecting.spans();
    assert_eq!(spans.len(), 3);
    let (call, first, second) = (&spans[0], &spans[1], &spans[2]);
    assert_eq!((&call["name"], &call["kind"]), (&json!("chat glm-4.6"), &json!(3)));
    assert!(call.get("parentSpanId").is_none() && call.get("status").is_none());
    for (key, value) in [
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.provider.name", json!("z_ai_glm")),
        ("gen_ai.request.model", json!("glm-4.6")),
        ("gen_ai.response.model", json!("glm-4.6")),
        ("gen_ai.usage.input_tokens", json!(1211)),
        ("gen_ai.usage.output_tokens", json!(133)),
        ("gen_ai.request.max_tokens", json!(1024)),
        ("gen_ai.request.stream", json!(true)),
        ("gen_ai.response.finish_reasons", json!(["stop"])),
        ("gen_ai.response.time_to_first_chunk", json!(0.52)),
        ("server.address", json!("api.z.ai")),
        ("server.port", json!(443)),
        ("lmdeck.call.id", json!("c1212")),
        ("lmdeck.requested_model", json!("auto")),
        ("lmdeck.policy", json!("strategy:prefer_local")),
        ("lmdeck.attempts", json!(2)),
        ("lmdeck.cost.usd", json!(0.001)),
        ("lmdeck.cost.provenance", json!("computed")),
    ] {
        assert_eq!(attribute(call, key), Some(value), "{key}");
    }
    assert_eq!(attribute(call, "error.type"), None);
    let nanos = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<i128>().unwrap();
    assert_eq!(nanos(call, "startTimeUnixNano"), i128::from(record.ts.0) * 1_000_000);
    let took = nanos(call, "endTimeUnixNano") - nanos(call, "startTimeUnixNano");
    assert_eq!(took, i128::from(record.duration_ms) * 1_000_000);
    for attempt in [first, second] {
        assert_eq!((&attempt["traceId"], &attempt["parentSpanId"]), (&call["traceId"], &call["spanId"]));
        // One operation is counted once, however many tries it took.
        assert_eq!(attribute(attempt, "gen_ai.operation.name"), None);
        assert_eq!(attribute(attempt, "gen_ai.usage.input_tokens"), None);
    }
    assert_ne!(first["spanId"], second["spanId"]);
    assert_eq!(attribute(first, "gen_ai.provider.name"), Some(json!("lm_studio")));
    assert_eq!(attribute(first, "error.type"), Some(json!("overloaded")));
    assert_eq!(first["status"]["code"], 2);
    assert_eq!(attribute(second, "error.type"), None);
    assert_eq!(second["events"][0]["name"], "lmdeck.first_token");
    let view = stands(&exporter, |view| view.sent == 1).await;
    assert_eq!((view.dropped, view.trouble), (0, None));
}

#[tokio::test]
async fn what_calls_took_used_and_cost_is_summed_by_provider_and_model() {
    let collecting = Collecting::start().await;
    let (exporter, _providers) = exporting(collecting.collector(), Pace { metrics: Duration::from_hours(1), ..QUICK });
    let kept = CallRecord { cache: "hit".into(), attempts: Vec::new(), ..call() };
    let failure = Failure::plain(ErrorCode::Timeout, "too slow");
    let failed = CallRecord { status: Status::Error, error: Some(failure), usage: None, ..call() };
    for record in [call(), call(), kept, failed, moved()] {
        exporter.outlet().send(Arc::new(record));
    }
    collecting.wait(TRACES, 1).await;
    close(exporter).await;
    let came = collecting.wait(METRICS, 1).await;
    assert_eq!(came.len(), 1, "once in an hour, and at the end");
    let body = &came[0].body;
    holds_to_the_specification(body);
    let duration = metric(body, "gen_ai.client.operation.duration");
    assert_eq!((&duration["unit"], &duration["histogram"]["aggregationTemporality"]), (&json!("s"), &json!(2)));
    let points = duration["histogram"]["dataPoints"].as_array().unwrap();
    let counts: Vec<_> = points.iter().map(|point| (attribute(point, "error.type"), point["count"].clone())).collect();
    let expected = [(Some(json!("timeout")), json!("1")), (None, json!("3"))];
    assert_eq!(counts, expected, "an answer kept is no operation");
    let well = &points[1];
    let bounds = json!([0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]);
    assert_eq!(well["explicitBounds"], bounds);
    assert_eq!(well["sum"], 9.8 + 9.8 + 4.1);
    assert_eq!((&well["bucketCounts"][9], &well["bucketCounts"][10]), (&json!("1"), &json!("2")));
    let tokens = metric(body, "gen_ai.client.token.usage")["histogram"]["dataPoints"].as_array().unwrap();
    let sums: Vec<_> =
        tokens.iter().map(|point| (attribute(point, "gen_ai.token.type"), point["sum"].clone())).collect();
    let sum = |input: bool| if input { 26_112.0 * 2.0 + 1211.0 } else { 612.0 * 2.0 + 133.0 };
    assert_eq!(sums, [(Some(json!("input")), json!(sum(true))), (Some(json!("output")), json!(sum(false)))]);
    let cost = &metric(body, "lmdeck.cost")["sum"];
    let points = cost["dataPoints"].as_array().unwrap();
    let dollars: f64 = points.iter().map(|point| point["asDouble"].as_f64().unwrap()).sum();
    assert_eq!((cost["isMonotonic"].as_bool(), (dollars * 1e4).round()), (Some(true), 520.0));
    let first =
        metric(body, "gen_ai.client.operation.time_to_first_chunk")["histogram"]["dataPoints"].as_array().unwrap();
    assert_eq!(first.iter().map(|point| point["count"].as_str().unwrap()).collect::<Vec<_>>(), ["1", "3"]);
}

#[tokio::test]
async fn a_callers_trace_goes_on_and_one_it_does_not_keep_is_not_exported() {
    let collecting = Collecting::start().await;
    let (exporter, _providers) = exporting(collecting.collector(), QUICK);
    for header in [
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        let mut record = call();
        record.facts.trace = TraceParent::parse(header);
        exporter.outlet().send(Arc::new(record));
    }
    collecting.wait(TRACES, 1).await;
    let spans = collecting.spans();
    assert_eq!(spans.len(), 2, "the call and its attempt");
    assert!(spans.iter().all(|span| span["traceId"] == "0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(spans[0]["parentSpanId"], "b7ad6b7169203331");
    // Its figures are counted all the same.
    let came = collecting.wait(METRICS, 1).await;
    let duration = metric(&came.last().unwrap().body, "gen_ai.client.operation.duration");
    assert_eq!(duration["histogram"]["dataPoints"][0]["count"], "2");
}

#[tokio::test]
async fn neither_texts_nor_keys_leave() {
    let collecting = Collecting::start().await;
    let collector = Collector {
        headers: vec![("authorization".into(), Secret::new("Bearer to-the-collector"))],
        ..collecting.collector()
    };
    register_secret(&Secret::new("sk-in-a-label-0123456789"));
    let (exporter, _providers) = exporting(collector, QUICK);
    let mut record = moved();
    record.prompt = Some("the-prompt".into());
    record.answer = Some("the-answer".into());
    record.facts.tags.insert("question".into(), "the-prompt-in-a-tag".into());
    record.facts.session = "sk-in-a-label-0123456789".into();
    record.attempts[0].failure = Some(Failure::plain(ErrorCode::ContentFilter, "'the-prompt' is not allowed"));
    record.error = record.attempts[0].failure.clone();
    record.rejects[0].reason = "the-prompt".into();
    exporter.outlet().send(Arc::new(record));
    let came = collecting.wait(TRACES, 1).await;
    assert_eq!(came[0].headers["authorization"], "Bearer to-the-collector");
    let text = came[0].body.to_string();
    for secret in ["the-prompt", "the-answer", "sk-in-a-label", "to-the-collector"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert_eq!(attribute(&collecting.spans()[0], "error.type"), Some(json!("content_filter")));
}

#[tokio::test]
async fn calls_wait_for_a_collector_that_is_away_and_nobody_else_does() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port().await));
    let (exporter, _providers) = exporting(at(address), QUICK);
    exporter.outlet().send(Arc::new(call()));
    let view = stands(&exporter, |view| view.trouble.is_some()).await;
    assert!(view.trouble.unwrap().contains(&format!("127.0.0.1 port {}", address.port())));
    exporter.outlet().send(Arc::new(moved()));
    let collecting = Collecting::start_at(address).await;
    let view = stands(&exporter, |view| view.trouble.is_none() && view.sent == 2).await;
    assert_eq!(view.dropped, 0);
    assert_eq!(collecting.spans().len(), 5);
    close(exporter).await;
}

#[tokio::test]
async fn a_collector_that_is_busy_is_asked_again_and_what_it_refuses_is_given_up() {
    let collecting = Collecting::start().await;
    let (exporter, _providers) = exporting(collecting.collector(), QUICK);
    collecting.answers(TRACES, (503, ""));
    exporter.outlet().send(Arc::new(call()));
    stands(&exporter, |view| view.trouble.as_deref() == Some("it answered 503")).await;
    stands(&exporter, |view| view.trouble.is_none() && view.sent == 1).await;
    let came = collecting.wait(TRACES, 2).await;
    assert_eq!(came[0].body, came[1].body, "the same spans again, not others of the same call");

    collecting.answers(TRACES, (400, r#"{"message":"bad data"}"#));
    exporter.outlet().send(Arc::new(call()));
    let view = stands(&exporter, |view| view.dropped == 1).await;
    assert_eq!(view.trouble.as_deref(), Some("it refused spans: it answered 400: bad data"));
    exporter.outlet().send(Arc::new(call()));
    let view = stands(&exporter, |view| view.sent == 2).await;
    assert!(view.trouble.is_some(), "it is not said anew with every batch");
    collecting.answers(TRACES, (200, r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}"#));
    exporter.outlet().send(Arc::new(call()));
    stands(&exporter, |view| view.trouble.as_deref() == Some("it did not take 2 spans: too old")).await;
    collecting.answers(TRACES, (302, ""));
    exporter.outlet().send(Arc::new(call()));
    stands(&exporter, |view| view.trouble.as_deref().is_some_and(|why| why.contains("another address"))).await;
}

#[tokio::test]
async fn a_collector_of_spans_alone_is_not_asked_about_metrics_again() {
    let collecting = Collecting::start().await;
    let (exporter, _providers) = exporting(collecting.collector(), QUICK);
    collecting.answers(METRICS, (404, "<html>"));
    for sent in 1..=3 {
        exporter.outlet().send(Arc::new(call()));
        stands(&exporter, |view| view.sent == sent && view.trouble.is_none()).await;
        collecting.wait(METRICS, 1).await;
    }
    close(exporter).await;
    assert_eq!(collecting.wait(METRICS, 1).await.len(), 1);
}

#[tokio::test]
async fn a_collector_that_took_spans_and_does_not_find_its_place_for_a_moment_gets_them_later() {
    let collecting = Collecting::start().await;
    let (exporter, _providers) = exporting(collecting.collector(), QUICK);
    exporter.outlet().send(Arc::new(call()));
    stands(&exporter, |view| view.sent == 1).await;
    collecting.answers(TRACES, (404, "default backend"));
    exporter.outlet().send(Arc::new(call()));
    stands(&exporter, |view| view.trouble.as_deref() == Some("it answered 404 at /v1/traces")).await;
    let view = stands(&exporter, |view| view.sent == 2 && view.trouble.is_none()).await;
    assert_eq!(view.dropped, 0, "nothing was thrown away");
    close(exporter).await;
}

#[tokio::test]
async fn spans_that_a_collector_of_metrics_never_takes_are_counted_and_it_is_said() {
    let collecting = Collecting::start().await;
    let (exporter, _providers) = exporting(collecting.collector(), QUICK);
    collecting.answers(TRACES, (404, "<html>"));
    exporter.outlet().send(Arc::new(call()));
    stands(&exporter, |view| view.trouble.as_deref().is_some_and(|why| why.contains("no spans"))).await;
    exporter.outlet().send(Arc::new(call()));
    let view = stands(&exporter, |view| view.dropped == 2).await;
    assert!(view.trouble.is_some() && view.sent == 0, "{view:?}");
    close(exporter).await;
}

#[tokio::test]
async fn a_program_that_is_no_collector_is_told_as_such() {
    let collecting = Collecting::start().await;
    collecting.answers(TRACES, (404, "<html>"));
    collecting.answers(METRICS, (404, "<html>"));
    let (exporter, _providers) = exporting(collecting.collector(), QUICK);
    exporter.outlet().send(Arc::new(call()));
    let view = stands(&exporter, |view| view.trouble.is_some()).await;
    assert_eq!(view.trouble.as_deref(), Some("it has neither /v1/traces nor /v1/metrics"));
    // It may become one.
    exporter.outlet().send(Arc::new(call()));
    stands(&exporter, |view| view.trouble.is_none()).await;
}

#[tokio::test]
async fn more_calls_than_may_wait_are_dropped_counted_and_said() {
    let collecting = Collecting::start().await;
    let mut exporter = Exporter::new(collecting.collector());
    for _ in 0..CALL_CAPACITY + 7 {
        exporter.outlet().send(Arc::new(call()));
    }
    let (_providers, snapshots) = watch::channel(Arc::new(snapshot::evening()));
    exporter.begin(snapshots, QUICK).unwrap();
    let view = stands(&exporter, |view| view.sent == CALL_CAPACITY as u64).await;
    assert_eq!(view.dropped, 7);
    assert_eq!(view.trouble.as_deref(), Some("calls end faster than it takes them"));
    assert_eq!(collecting.spans().len(), CALL_CAPACITY * 2);
}

#[tokio::test]
async fn leaving_sends_what_is_left_and_does_not_wait_for_a_collector_that_is_silent() {
    let collecting = Collecting::start().await;
    let never = Pace { gather: Duration::from_hours(1), metrics: Duration::from_hours(1) };
    let (exporter, _providers) = exporting(collecting.collector(), never);
    (0..40).for_each(|_| exporter.outlet().send(Arc::new(call())));
    close(exporter).await;
    collecting.wait(METRICS, 1).await;
    assert_eq!(collecting.spans().len(), 80);

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (exporter, _providers) = exporting(at(silent.local_addr().unwrap()), QUICK);
    exporter.outlet().send(Arc::new(call()));
    let since = Instant::now();
    close(exporter).await;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[tokio::test]
async fn series_beyond_the_bound_are_counted_together() {
    let collecting = Collecting::start().await;
    let hour = Pace { metrics: Duration::from_hours(1), ..QUICK };
    let (exporter, _providers) = exporting(collecting.collector(), hour);
    let mut sent = 0;
    for number in 0..SERIES_CAPACITY + 5 {
        let mut record = call();
        record.target.as_mut().unwrap().model = format!("model-{number}").as_str().into();
        exporter.outlet().send(Arc::new(record));
        sent += 1;
        if sent % 200 == 0 {
            stands(&exporter, |view| view.sent >= sent).await;
        }
    }
    close(exporter).await;
    let came = collecting.wait(METRICS, 1).await;
    let points =
        metric(&came[0].body, "gen_ai.client.operation.duration")["histogram"]["dataPoints"].as_array().unwrap();
    assert_eq!(points.len(), SERIES_CAPACITY + 1);
    let over = points.iter().find(|point| attribute(point, "otel.metric.overflow").is_some()).unwrap();
    assert_eq!(over["count"], "5");
}

#[tokio::test]
async fn trouble_with_the_collector_is_announced_once_and_so_is_its_end() {
    let (standing, reader) =
        watch::channel(ExportView { endpoint: "http://127.0.0.1:4318".into(), ..ExportView::default() });
    let engine = engine_exporting(reader).await;
    let mut told = engine.handle.events();
    let mut next = async || {
        loop {
            let event = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
            if matches!(event.kind, EventKind::ExportChanged { .. }) {
                return events::sentence(&event.kind, None);
            }
        }
    };
    for why in ["connection refused", "it answered 503", "connection refused"] {
        standing.send_modify(|view| view.trouble = Some(why.into()));
        let mut snapshots = engine.handle.snapshots();
        let shows = |snapshot: &Arc<Snapshot>| {
            snapshot.flow.export.as_ref().is_some_and(|view| view.trouble.as_deref() == Some(why))
        };
        drop(tokio::time::timeout(PATIENCE, snapshots.wait_for(shows)).await.unwrap().unwrap());
    }
    standing.send_modify(|view| (view.trouble, view.dropped) = (None, 3));
    let first = next().await;
    assert!(
        first.starts_with("The collector http://127.0.0.1:4318 does not get the calls: connection refused."),
        "{first}"
    );
    let second = next().await;
    assert!(second.contains("gets the calls again; 3 calls did not reach it"), "{second}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_a_collector_exports_its_calls_and_what_is_left_when_it_ends() {
    let (sim, collecting) = (Sim::start(SimKind::LlamaCpp).await, Collecting::start().await);
    let home = tempfile::tempdir().unwrap();
    let config = format!(
        "providers:\n  - {{ id: box, type: llama_cpp, endpoint: '{}' }}\ntelemetry:\n  otlp_endpoint: http://{}/\n",
        sim.origin(),
        collecting.address
    );
    std::fs::write(home.path().join("ai_models.yaml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmdeck"));
    command.env_clear().env("HOME", home.path()).env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=deck%20one");
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(home.path().join("ai_models.yaml"));
    command.arg("--state-dir").arg(home.path().join("state")).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap().split(',').next().unwrap().trim().to_owned();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |trace: &str| {
        let body = json!({ "model": "auto", "messages": [{ "role": "user", "content": "a-private-question" }] });
        let sent = client.post(format!("http://{address}/v1/chat/completions")).header("traceparent", trace);
        assert_eq!(sent.body(body.to_string()).send().await.unwrap().status().as_u16(), 200);
    };
    ask("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").await;
    let came = collecting.wait(TRACES, 1).await;
    assert_eq!(came[0].headers["x-team"], "deck one");
    ask("no trace").await;
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    assert!(tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap().success());
    let spans = collecting.spans();
    let calls: Vec<_> = spans.iter().filter(|span| attribute(span, "gen_ai.operation.name").is_some()).collect();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["parentSpanId"], "b7ad6b7169203331");
    assert!(calls[1].get("parentSpanId").is_none());
    assert_eq!(attribute(calls[0], "gen_ai.provider.name"), Some(json!("llama_cpp")));
    assert!(!collecting.wait(METRICS, 1).await.is_empty());
    for came in collecting.came() {
        holds_to_the_specification(&came.body);
        assert!(!came.body.to_string().contains("a-private-question"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn whatever_stands_in_a_record_the_request_holds_to_the_specification(
        labels in prop::collection::vec("\\PC{0,300}|[\\x00-\\x1f\u{7f}-\u{9f}]{0,8}", 6),
        times in prop::array::uniform5(any::<u64>()),
        ts in any::<i64>(),
        cost in any::<i64>(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let collecting = Collecting::start().await;
            let (exporter, _providers) = exporting(collecting.collector(), QUICK);
            let mut record = moved();
            let facts = &mut record.facts;
            [&mut facts.request_type, &mut facts.client, &mut facts.session, &mut facts.requested_model, &mut record.policy]
                .into_iter().zip(&labels).for_each(|(place, label)| place.clone_from(label));
            record.target.as_mut().unwrap().model = labels[5].as_str().into();
            (record.ts.0, record.cost.amount) = (ts, Some(Money(cost)));
            (record.duration_ms, record.queue_ms, record.ttft_ms) = (times[0], times[1], Some(times[2]));
            (record.attempts[0].start_ms, record.attempts[1].duration_ms) = (times[3], times[4]);
            exporter.outlet().send(Arc::new(record));
            collecting.wait(TRACES, 1).await;
            collecting.wait(METRICS, 1).await;
            collecting.came().iter().for_each(|came| holds_to_the_specification(&came.body));
            close(exporter).await;
        });
    }
}
