//! A ledger of 1,000,000 calls, filtered and summed up: `cargo bench --bench ledger`. The ledger is made once in a
//! temporary folder (some 600 MB, a minute); each question is asked some times and its best and worst are printed.

use lmdeck::adapters::clock::unix_now;
use lmdeck::adapters::ledger::{FILE_NAME, Keep, Options, SqliteLedger};
use lmdeck::domain::call::{Attempt, CallRecord, Facts, Finish, Reject, Status, Usage};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::ids::Target;
use lmdeck::domain::money::{Cost, Money, Provenance};
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::ports::Ledger as _;
use lmdeck::engine::protocol::{CallQuery, GroupBy, StatsQuery};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CALLS: i64 = 1_000_000;
/// Records written by the ledger itself; the rest are copies of them at other times.
const TEMPLATES: i64 = 1000;
/// Over which the calls are spread.
const DAYS: i64 = 30;
const DAY_MS: i64 = 86_400_000;
const ROUNDS: u32 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` and `--list` only ask what there is.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let folder = tempfile::tempdir()?;
    let now = unix_now();
    let began = Instant::now();
    let options = || Options { keep: Keep { days: 0, bytes: 0 }, timezone: Some("UTC".into()), onward: None };
    let ledger = SqliteLedger::open_with(folder.path(), None, options())?;
    for number in 0..TEMPLATES {
        ledger.record(Arc::new(record(number, now)));
    }
    runtime.block_on(ledger.flush());
    drop(ledger);
    multiply(folder.path(), now)?;
    let bytes = std::fs::metadata(folder.path().join(FILE_NAME))?.len();
    println!("made {CALLS} calls, {} MB, in {:.1?}", bytes / 1_000_000, began.elapsed());

    let opening = Instant::now();
    let ledger = SqliteLedger::open_with(folder.path(), None, options())?;
    let first = runtime.block_on(ledger.calls(CallQuery::default(), now))?;
    println!("{:<58}{:>9.1?}   {} today", "open, first page", opening.elapsed(), first.total);

    println!("\nfilter: a page of 200 and its counts, budget 100 ms");
    let filters = [
        ("", None),
        ("provider:lm_studio", None),
        ("status:error", None),
        ("status:failed since:2h", None),
        ("provider:lm_studio status:error since:2h cost>0.01", None),
        ("client:batch-7 cost>0.001", None),
        ("session:night-417", None),
        ("tag.team:blue -status:ok", None),
        ("duration>29s tokens_out>900", None),
        ("tries>1 cache:miss", None),
        ("glm", None),
        ("no_such_text_anywhere", None),
        ("provider:lm_studio", Some(UnixMs(0))),
        ("no_such_text_anywhere", Some(UnixMs(0))),
        ("type:teaching status:error", Some(UnixMs(0))),
        ("duration>29s tokens_out>900", Some(UnixMs(0))),
        ("cost>0.01", Some(UnixMs(0))),
        ("", Some(UnixMs(0))),
    ];
    for (filter, since) in filters {
        let query = CallQuery { filter: filter.into(), limit: 200, before: None, since };
        let (best, worst, page) = rounds(|| runtime.block_on(ledger.calls(query.clone(), now)))?;
        let span = if since.is_some() { "  (counted over all days)" } else { "" };
        println!("{:<58}{best:>9.1?}{worst:>9.1?}   {} of {}", format!("{filter:?}{span}"), page.matching, page.total);
    }

    println!("\naggregate all 1,000,000, budget 1 s");
    let groups: [&[GroupBy]; 8] = [
        &[],
        &[GroupBy::Provider],
        &[GroupBy::Model],
        &[GroupBy::Policy],
        &[GroupBy::Type],
        &[GroupBy::Day],
        &[GroupBy::Status],
        &[GroupBy::Day, GroupBy::Provider],
    ];
    for by in groups {
        let query = StatsQuery { filter: String::new(), by: by.to_vec(), since: Some(UnixMs(0)) };
        let (best, worst, stats) = rounds(|| runtime.block_on(ledger.stats(query.clone(), now)))?;
        let words: Vec<&str> = by.iter().map(|by| by.word()).collect();
        let what = format!("by {}", if words.is_empty() { "nothing".into() } else { words.join(" and ") });
        println!("{what:<58}{best:>9.1?}{worst:>9.1?}   {} calls in {} groups", stats.all.calls, stats.groups.len());
    }
    for filter in ["provider:lm_studio", "status:failed", "since:24h"] {
        let since = (!filter.starts_with("since")).then_some(UnixMs(0));
        let query = StatsQuery { filter: filter.into(), by: vec![GroupBy::Model], since };
        let (best, worst, stats) = rounds(|| runtime.block_on(ledger.stats(query.clone(), now)))?;
        println!("{:<58}{best:>9.1?}{worst:>9.1?}   {} calls", format!("by model, {filter}"), stats.all.calls);
    }
    Ok(())
}

/// The best and the worst time of some rounds, and the last answer.
fn rounds<T>(mut ask: impl FnMut() -> Result<T, String>) -> Result<(Duration, Duration, T), String> {
    let mut times = Vec::new();
    let mut answer = None;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        answer = Some(ask()?);
        times.push(began.elapsed());
    }
    let (best, worst) = (times.iter().min(), times.iter().max());
    answer.zip(best).zip(worst).map(|((answer, best), worst)| (*best, *worst, answer)).ok_or_else(String::new)
}

/// Copies the templates until there are so many calls, each at a time and with figures of its own.
fn multiply(folder: &std::path::Path, now: UnixMs) -> Result<(), Box<dyn Error>> {
    let mut connection = rusqlite::Connection::open(folder.join(FILE_NAME))?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;")?;
    let columns: Vec<String> = connection
        .prepare("SELECT name FROM pragma_table_info('calls')")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let names = columns.join(", ");
    let values: Vec<String> = columns
        .iter()
        .map(|column| match column.as_str() {
            "seq" => format!("{TEMPLATES} + step.n"),
            "id" => "'m' || step.n".to_owned(),
            // The newest last, as a ledger grows.
            "ts" => format!("{} + step.n * {}", now.0 - DAYS * DAY_MS, DAYS * DAY_MS / CALLS),
            "duration_ms" => "50 + (step.n * 7919) % 30000".to_owned(),
            "tokens_out" => "CASE WHEN tokens_out IS NULL THEN NULL ELSE (step.n * 104729) % 1000 END".to_owned(),
            name => format!("calls.{name}"),
        })
        .collect();
    let transaction = connection.transaction()?;
    transaction.execute(
        &format!(
            "WITH RECURSIVE step(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM step WHERE n < {})
             INSERT INTO calls ({names}) SELECT {} FROM step
               JOIN calls ON calls.seq = 1 + (step.n * 7) % {TEMPLATES}",
            CALLS - TEMPLATES,
            values.join(", ")
        ),
        [],
    )?;
    transaction.commit()?;
    Ok(())
}

fn record(number: i64, now: UnixMs) -> CallRecord {
    let pick = |texts: &[&str], by: i64| {
        let place = usize::try_from(number / by).unwrap_or(0) % texts.len();
        texts[place].to_owned()
    };
    let local = number % 10 < 6;
    let target = if local {
        Target::new("lm_studio", pick(&["openai_gpt-oss-120b-neo", "qwen2.5:7b", "gemma-3-27b"], 3))
    } else {
        Target::new(pick(&["zai", "openai", "claude"], 7), pick(&["glm-4.6", "gpt-4o", "claude-3-5-haiku"], 7))
    };
    let error = (number % 25 == 0)
        .then(|| Failure::new(ErrorCode::Upstream, Cause::ServerError { status: 502 }, "the server failed"));
    let attempt = Attempt {
        target: target.clone(),
        start_ms: 0,
        ttft_ms: Some(400),
        duration_ms: 3000,
        failure: error.clone(),
        answered_by: None,
    };
    let tags = BTreeMap::from([("team".to_owned(), pick(&["red", "blue", "green"], 2))]);
    CallRecord {
        reserved: None,
        observed: Vec::new(),
        outside: None,
        id: format!("t{number}").into(),
        ts: UnixMs(now.0 - DAYS * DAY_MS),
        facts: Facts {
            client: pick(&["dspy", "webapp", "playground", "ask", "batch-7"], 11),
            request_type: pick(&["teaching_generation", "quick_responses", "prayer_generation", ""], 13),
            session: if number % 2 == 0 { format!("night-{number}") } else { String::new() },
            tags,
            ..Facts::default()
        },
        policy: pick(&["strategy:prefer_local", "request_type:teaching_generation", "private-stays-here"], 17),
        rules_version: 17,
        chain: vec![target.clone(), Target::new("openai", "gpt-4o")],
        rejects: vec![Reject {
            target: Target::new("workstation", "qwen3-32b"),
            code: "down".into(),
            reason: "down for 14 min: connection refused".into(),
        }],
        target: Some(target),
        status: if error.is_some() { Status::Error } else { Status::Ok },
        error,
        finish: Some(Finish::Stop),
        duration_ms: 3000,
        queue_ms: 0,
        ttft_ms: Some(u64::try_from(200 + (number * 31) % 2000).unwrap_or(0)),
        usage: Some(Usage { input: 412, output: 96, cached: 0, reasoning: 0, ..Usage::default() }),
        cost: if local {
            Cost::FREE
        } else {
            Cost { amount: Some(Money(number % 20 * 1_000_000_000)), provenance: Provenance::Computed }
        },
        cache: "off".into(),
        attempts: vec![attempt; if number % 30 == 0 { 2 } else { 1 }],
        prompt: None,
        answer: None,
    }
}
