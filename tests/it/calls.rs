//! `calls stats` and `calls export`, and the filter as words of the command line: what is asked of the engine, what
//! stands on the two streams, the exit code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::support::snapshot::{FakeEngine, NOW, call_page, call_records, evening, handle_for};
use clap::Parser as _;
use jiff::tz::TimeZone;
use lmdeck::cli::args::Cli;
use lmdeck::cli::console::{Console, Interrupt};
use lmdeck::domain::money::Money;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::handle::EngineHandle;
use lmdeck::engine::protocol::{
    CallStats, CallSums, Command, CommandName, ExportFormat, ExportPart, GroupBy, Percentiles, Reply, StatsGroup,
};
use serde_json::{Value, json};
use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Clone, Default)]
pub struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Somebody at a shell before an engine that follows a script.
pub struct Shell {
    pub handle: EngineHandle,
    pub engine: FakeEngine,
    pub out: Sink,
    pub err: Sink,
    /// What is typed; `None` where nobody is there to type.
    pub typed: Option<&'static str>,
    pub stop: Arc<Notify>,
}

impl Shell {
    pub fn new() -> Self {
        let (handle, engine) = handle_for(evening());
        Self { handle, engine, out: Sink::default(), err: Sink::default(), typed: None, stop: Arc::new(Notify::new()) }
    }

    pub async fn run(&self, words: &[&str]) -> u8 {
        let cli = Cli::try_parse_from(["lmdeck"].iter().chain(words)).unwrap();
        let console = Console {
            out: Box::new(self.out.clone()),
            err: Box::new(self.err.clone()),
            input: Box::new(Cursor::new(self.typed.unwrap_or("").as_bytes())),
            input_is_terminal: self.typed.is_some(),
            input_is_given: false,
            err_is_terminal: false,
            width: None,
            colour_out: false,
            colour_err: false,
            json: cli.globals.json,
            clock: Arc::new(|| NOW),
            zone: TimeZone::UTC,
            interrupt: Interrupt::Notified(self.stop.clone()),
        };
        let run = lmdeck::cli::run(&cli, self.handle.clone(), console);
        tokio::time::timeout(Duration::from_secs(20), run).await.unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out.text()).unwrap()
    }
}

fn stats() -> Reply {
    let sums = CallSums {
        calls: 48,
        ok: 47,
        errors: 1,
        tokens_in: 26_100,
        tokens_out: 612,
        computed: Money::from_dollars(0.31).unwrap(),
        ttft_ms: Percentiles { of: 47, p50: Some(740), p95: Some(1900), p99: Some(2500) },
        duration_ms: Percentiles { of: 48, p50: Some(4100), p95: Some(9800), p99: Some(30_500) },
        ..CallSums::default()
    };
    let free = CallSums { calls: 160, ok: 160, ..CallSums::default() };
    let all = CallSums { calls: 208, unpriced: 2, ..sums };
    let groups =
        vec![StatsGroup { key: vec!["lm_studio".into()], sums: free }, StatsGroup { key: vec!["zai".into()], sums }];
    Reply::Stats(Box::new(CallStats { since: UnixMs(NOW.0 - 3_600_000), groups, all, left_out: 0, times: Vec::new() }))
}

#[tokio::test]
async fn words_of_the_command_line_are_one_filter() {
    for words in [
        &["calls", "list", "status:error", "since:2h"][..],
        &["calls", "list", "--filter", "status:error since:2h"],
        &["calls", "list", "status:error", "--filter", "since:2h", "--json"],
    ] {
        let shell = Shell::new();
        shell.engine.on(CommandName::ListCalls, Reply::Calls(call_page()));
        assert_eq!(shell.run(words).await, 0);
        let Some(Command::ListCalls { query }) = shell.engine.commands().pop() else { panic!("a query") };
        assert_eq!(query.filter, "status:error since:2h", "{words:?}");
    }
    let shell = Shell::new();
    shell.engine.on(CommandName::ListCalls, Reply::Calls(call_page()));
    shell.run(&["calls", "list", "--", "-provider:zai"]).await;
    let Some(Command::ListCalls { query }) = shell.engine.commands().pop() else { panic!("a query") };
    assert_eq!(query.filter, "-provider:zai");
}

#[tokio::test]
async fn stats_are_a_row_per_group_and_one_for_all() {
    let shell = Shell::new();
    shell.engine.on(CommandName::CallStats, stats());
    assert_eq!(shell.run(&["calls", "stats", "--since", "24h", "client:dspy"]).await, 0);
    let text = shell.out.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[1].ends_with("free  lm_studio"), "{text}");
    for part in ["48", "4.1 s", "9.8 s", "30.5 s", "740 ms", "26.1k", "612", "$0.31  zai"] {
        assert!(lines[2].contains(part), "{part}: {text}");
    }
    assert!(shell.err.text().contains("2 calls whose price is not, or only in part, known"), "{}", shell.err.text());
    let Some(Command::CallStats { query }) = shell.engine.commands().pop() else { panic!("a query") };
    assert_eq!((query.by, query.filter.as_str()), (vec![GroupBy::Provider], "client:dspy"));
    assert_eq!(query.since, Some(UnixMs(NOW.0 - 24 * 3_600_000)));
}

#[tokio::test]
async fn stats_as_json_name_their_groups_and_keep_provenance_apart() {
    let shell = Shell::new();
    shell.engine.on(CommandName::CallStats, stats());
    assert_eq!(shell.run(&["calls", "stats", "--json"]).await, 0);
    let zai = &shell.json()["groups"][1];
    assert_eq!((&zai["provider"], &zai["calls"], &zai["ttft_ms"]["p95"]), (&json!("zai"), &json!(48), &json!(1900)));
    assert_eq!((&zai["cost_computed_usd"], &zai["cost_billed_usd"]), (&json!(0.31), &json!(0.0)));
}

#[tokio::test]
async fn stats_take_two_things_at_most_and_know_their_names() {
    let shell = Shell::new();
    assert_eq!(shell.run(&["calls", "stats", "--by", "day,provider,model"]).await, 2);
    assert!(shell.err.text().contains("two things at most"));
    let wrong = Cli::try_parse_from(["lmdeck", "calls", "stats", "--by", "colour"]).unwrap_err().to_string();
    assert!(wrong.contains("provider, model, policy"), "{wrong}");
}

#[tokio::test]
async fn an_export_goes_on_until_there_is_no_more() {
    let shell = Shell::new();
    let part = |text: &str, last: Option<&str>| {
        Reply::Exported(ExportPart { text: text.into(), calls: 1, last: last.map(Into::into), file: None })
    };
    shell
        .engine
        .on(CommandName::ExportCalls, part("one\n", Some("c9")))
        .on(CommandName::ExportCalls, part("two\n", None));
    assert_eq!(shell.run(&["calls", "export", "--format", "csv", "since:7d"]).await, 0);
    assert_eq!(shell.out.text(), "one\ntwo\n");
    let Some(Command::ExportCalls { query }) = shell.engine.commands().pop() else { panic!("a query") };
    assert_eq!((query.format, query.before), (ExportFormat::Csv, Some("c9".into())));

    let shell = Shell::new();
    let done = ExportPart { calls: 2, file: Some("/tmp/a.jsonl".into()), ..ExportPart::default() };
    shell.engine.on(CommandName::ExportCalls, Reply::Exported(done));
    assert_eq!(shell.run(&["calls", "export", "--output", "a.jsonl"]).await, 0);
    assert_eq!((shell.out.text().as_str(), shell.err.text().as_str()), ("", "2 calls written to /tmp/a.jsonl\n"));
}

#[tokio::test]
async fn show_names_every_candidate_and_why_it_lost() {
    let shell = Shell::new();
    shell.engine.on(CommandName::GetCall, Reply::Call(Box::new(call_records().remove(2))));
    assert_eq!(shell.run(&["calls", "show", "c1212"]).await, 0);
    let text = shell.out.text();
    for part in ["1st: tried", "2nd: tried", "3rd: not needed", "out: down: "] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
