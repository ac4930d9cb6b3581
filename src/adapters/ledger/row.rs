//! A call record as a row of the ledger, and back. Numbers past SQLite's 63 bits are kept as the largest.

use crate::adapters::app_log::scrub;
use crate::domain::cache_key::CacheWish;
use crate::domain::call::{CallRecord, Facts, Finish, Priority, Status, Usage, Work};
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::ids::Target;
use crate::domain::money::{Cost, Money, Provenance};
use crate::domain::time::UnixMs;
use crate::engine::protocol::CallRow;
use rusqlite::types::{Type, Value};
use rusqlite::{Connection, Row, params, params_from_iter};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

const COLUMNS: [&str; 51] = [
    "id",
    "ts",
    "label_id",
    "client",
    "session",
    "request_type",
    "complexity",
    "audience",
    "priority",
    "requested_model",
    "prompt_tokens",
    "max_tokens",
    "stream",
    "has_tools",
    "has_images",
    "wants_json",
    "preferred_provider",
    "tags",
    "policy",
    "rules_version",
    "chain",
    "rejects",
    "reject_codes",
    "provider",
    "model",
    "status",
    "error_code",
    "error_cause",
    "error",
    "finish",
    "duration_ms",
    "queue_ms",
    "ttft_ms",
    "tokens_in",
    "tokens_out",
    "tokens_cached",
    "tokens_reasoning",
    "cost_pico",
    "cost_provenance",
    "cache",
    "tries",
    "attempts",
    "prompt",
    "answer",
    "work",
    "reserved_pico",
    "tokens_cache_written",
    "tokens_cache_written_hour",
    "observed",
    "local_only",
    "outside_pico",
];

static INSERT: LazyLock<String> = LazyLock::new(|| writing("INSERT"));

/// Costs SQLite a journal of its own for every row, so it is used only where the row is there already.
static REPLACE: LazyLock<String> = LazyLock::new(|| writing("INSERT OR REPLACE"));

fn writing(verb: &str) -> String {
    let places: Vec<_> = (1..=COLUMNS.len()).map(|place| format!("?{place}")).collect();
    format!("{verb} INTO calls ({}) VALUES ({})", COLUMNS.join(", "), places.join(", "))
}

/// The columns that [`call_row`] reads.
pub const ROW_COLUMNS: &str = "id, ts, client, request_type, status, error_code, tries, ttft_ms, duration_ms, tokens_in, tokens_out, cost_pico, cost_provenance, provider, model, policy, error_cause";

/// Writes one record; one with the same id is replaced.
///
/// # Errors
/// SQLite's own.
pub fn insert(connection: &Connection, record: &CallRecord) -> rusqlite::Result<()> {
    let label = label_id(connection, record)?;
    match connection.prepare_cached(&INSERT)?.execute(params_from_iter(values(record, label)?)) {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
            connection.prepare_cached(&REPLACE)?.execute(params_from_iter(values(record, label)?))?;
        }
        written => _ = written?,
    }
    Ok(())
}

/// The id of the record's combination of texts.
fn label_id(connection: &Connection, record: &CallRecord) -> rusqlite::Result<i64> {
    const TEXTS: &str = "client, session, request_type, provider, model, policy, error_code, tags";
    let (provider, model) = target_texts(record.target.as_ref());
    let facts = &record.facts;
    let mut tags = String::new();
    for (key, value) in &facts.tags {
        let _ = writeln!(tags, "{key}={value}");
    }
    let error = record.error.as_ref().map_or("", |failure| failure.code.word());
    let texts = params![
        facts.client,
        facts.session,
        facts.request_type,
        provider.unwrap_or(""),
        model.unwrap_or(""),
        record.policy,
        error,
        tags
    ];
    connection
        .prepare_cached(&format!(
            "INSERT INTO labels ({TEXTS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING"
        ))?
        .execute(texts)?;
    connection
        .prepare_cached(&format!("SELECT id FROM labels WHERE ({TEXTS}) = (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"))?
        .query_row(texts, |row| row.get(0))
}

/// In the order of [`COLUMNS`].
fn values(record: &CallRecord, label: i64) -> rusqlite::Result<[Value; COLUMNS.len()]> {
    let facts = &record.facts;
    let (provider, model) = target_texts(record.target.as_ref());
    let reject_codes: Vec<&str> = record.rejects.iter().map(|reject| reject.code.as_ref()).collect();
    let usage = |pick: fn(Usage) -> u64| record.usage.map(pick).map(whole).into();
    let error = record.error.as_ref();
    Ok([
        text(record.id.as_str()),
        Value::Integer(record.ts.0),
        Value::Integer(label),
        text(&facts.client),
        text(&facts.session),
        text(&facts.request_type),
        text(&facts.complexity),
        text(&facts.audience),
        text(facts.priority.word()),
        text(&facts.requested_model),
        whole(facts.prompt_tokens).into(),
        whole(facts.max_tokens).into(),
        facts.stream.into(),
        facts.has_tools.into(),
        facts.has_images.into(),
        facts.wants_json.into(),
        text(&facts.preferred_provider),
        json(&facts.tags)?,
        text(&record.policy),
        whole(record.rules_version).into(),
        json(&record.chain)?,
        json(&record.rejects)?,
        json(&reject_codes)?,
        provider.map(str::to_owned).into(),
        model.map(str::to_owned).into(),
        text(record.status.word()),
        error.map(|failure| failure.code.word().to_owned()).into(),
        error.map(cause_word).transpose()?.into(),
        error.map(json).transpose()?.unwrap_or(Value::Null),
        record.finish.map(word_of).transpose()?.into(),
        whole(record.duration_ms).into(),
        whole(record.queue_ms).into(),
        record.ttft_ms.map(whole).into(),
        usage(|usage| usage.input),
        usage(|usage| usage.output),
        usage(|usage| usage.cached),
        usage(|usage| usage.reasoning),
        record.cost.amount.map(|amount| amount.0).into(),
        text(record.cost.provenance.word()),
        text(&record.cache),
        i64::try_from(record.attempts.len()).unwrap_or(i64::MAX).into(),
        json(&record.attempts)?,
        record.prompt.clone().into(),
        record.answer.clone().into(),
        text(facts.work.word()),
        record.reserved.map(|amount| amount.0).into(),
        usage(|usage| usage.cache_written),
        usage(|usage| usage.cache_written_hour),
        if record.observed.is_empty() { Value::Null } else { json(&record.observed)? },
        i64::from(facts.local_only).into(),
        record.outside.map(|amount| amount.0).into(),
    ])
}

/// Reads a whole record from a `SELECT *`.
///
/// # Errors
/// A column holds what no lmdeck wrote.
pub fn record(row: &Row<'_>) -> rusqlite::Result<CallRecord> {
    Ok(CallRecord {
        id: row.get::<_, String>("id")?.into(),
        ts: UnixMs(row.get("ts")?),
        facts: facts(row)?,
        policy: row.get("policy")?,
        rules_version: count(row, "rules_version")?,
        chain: parsed(row, "chain")?,
        rejects: parsed(row, "rejects")?,
        target: target(row)?,
        status: named(row, "status", status_of)?,
        error: parsed_or_none::<Failure>(row, "error")?,
        finish: row.get::<_, Option<String>>("finish")?.map(|word| from_word::<Finish>(&word)).transpose()?,
        duration_ms: count(row, "duration_ms")?,
        queue_ms: count(row, "queue_ms")?,
        ttft_ms: count_or_none(row, "ttft_ms")?,
        usage: usage(row)?,
        cost: cost(row)?,
        cache: row.get("cache")?,
        attempts: parsed(row, "attempts")?,
        prompt: row.get("prompt")?,
        answer: row.get("answer")?,
        reserved: row.get::<_, Option<i64>>("reserved_pico")?.map(Money),
        observed: parsed_or_none(row, "observed")?.unwrap_or_default(),
        outside: row.get::<_, Option<i64>>("outside_pico")?.map(Money),
    })
}

/// Reads one row of the table of calls from [`ROW_COLUMNS`]. Words that a hand wrote into the file and no
/// lmdeck knows count as the worst, so that one odd row never hides the others.
///
/// # Errors
/// A column has the wrong type.
pub fn call_row(row: &Row<'_>) -> rusqlite::Result<CallRow> {
    let error = row.get::<_, Option<String>>("error_code")?;
    let cause = row.get::<_, Option<String>>("error_cause")?;
    Ok(CallRow {
        id: row.get::<_, String>("id")?.into(),
        ts: UnixMs(row.get("ts")?),
        client: row.get("client")?,
        request_type: row.get("request_type")?,
        status: status_of(&row.get::<_, String>("status")?).unwrap_or(Status::Error),
        error: error.map(|word| error_code_of(&word).unwrap_or(ErrorCode::Internal)),
        tries: u32::try_from(row.get::<_, i64>("tries")?).unwrap_or(u32::MAX),
        ttft_ms: count_or_none(row, "ttft_ms")?,
        duration_ms: count(row, "duration_ms")?,
        tokens_in: count_or_none(row, "tokens_in")?,
        tokens_out: count_or_none(row, "tokens_out")?,
        cost: cost(row)?,
        target: target(row)?,
        policy: row.get("policy")?,
        cut_off: cause.is_some_and(|word| cause_of(&word).is_some_and(|cause| cause.is_cut())),
    })
}

fn facts(row: &Row<'_>) -> rusqlite::Result<Facts> {
    Ok(Facts {
        request_type: row.get("request_type")?,
        complexity: row.get("complexity")?,
        audience: row.get("audience")?,
        priority: named(row, "priority", Priority::from_word)?,
        requested_model: row.get("requested_model")?,
        prompt_tokens: count(row, "prompt_tokens")?,
        max_tokens: count(row, "max_tokens")?,
        stream: row.get("stream")?,
        has_tools: row.get("has_tools")?,
        has_images: row.get("has_images")?,
        wants_json: row.get("wants_json")?,
        client: row.get("client")?,
        session: row.get("session")?,
        tags: parsed::<BTreeMap<String, String>>(row, "tags")?,
        preferred_provider: row.get("preferred_provider")?,
        work: named(row, "work", Work::from_word)?,
        cache: CacheWish::default(),
        local_only: row.get("local_only")?,
        through: Vec::new(),
        trace: None,
    })
}

fn usage(row: &Row<'_>) -> rusqlite::Result<Option<Usage>> {
    let Some(input) = count_or_none(row, "tokens_in")? else { return Ok(None) };
    Ok(Some(Usage {
        input,
        output: count_or_none(row, "tokens_out")?.unwrap_or(0),
        cached: count_or_none(row, "tokens_cached")?.unwrap_or(0),
        reasoning: count_or_none(row, "tokens_reasoning")?.unwrap_or(0),
        cache_written: count_or_none(row, "tokens_cache_written")?.unwrap_or(0),
        cache_written_hour: count_or_none(row, "tokens_cache_written_hour")?.unwrap_or(0),
    }))
}

pub fn cost(row: &Row<'_>) -> rusqlite::Result<Cost> {
    let provenance = match row.get::<_, String>("cost_provenance")?.as_str() {
        "billed" => Provenance::Billed,
        "computed" => Provenance::Computed,
        "estimated" => Provenance::Estimated,
        _ => Provenance::Unknown,
    };
    Ok(Cost { amount: row.get::<_, Option<i64>>("cost_pico")?.map(Money), provenance })
}

fn target(row: &Row<'_>) -> rusqlite::Result<Option<Target>> {
    let provider: Option<String> = row.get("provider")?;
    let model: Option<String> = row.get("model")?;
    Ok(provider.zip(model).map(|(provider, model)| Target::new(provider, model)))
}

fn target_texts(target: Option<&Target>) -> (Option<&str>, Option<&str>) {
    (target.map(|target| target.provider.as_str()), target.map(|target| target.model.as_str()))
}

fn status_of(word: &str) -> Option<Status> {
    [Status::Ok, Status::Error, Status::Denied, Status::Cancelled].into_iter().find(|status| status.word() == word)
}

fn error_code_of(word: &str) -> Option<ErrorCode> {
    ErrorCode::ALL.into_iter().find(|code| code.word() == word)
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

fn count_or_none(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<u64>> {
    row.get::<_, Option<i64>>(column).map(|number| number.map(i64::unsigned_abs))
}

/// Lists and maps as JSON text. Failures in them may quote a server: secrets are blacked out.
fn json(value: &(impl Serialize + ?Sized)) -> rusqlite::Result<Value> {
    let text = serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    Ok(Value::Text(scrub(&text).into_owned()))
}

/// The word of a value that serialises to one.
fn word_of(value: impl Serialize) -> rusqlite::Result<String> {
    let value = serde_json::to_value(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

/// The cause that is written so; `None` for one that says more than its word.
fn cause_of(word: &str) -> Option<Cause> {
    serde_json::from_value(serde_json::json!({ "cause": word })).ok()
}

fn cause_word(failure: &Failure) -> rusqlite::Result<String> {
    let cause =
        serde_json::to_value(&failure.cause).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    Ok(cause.get("cause").and_then(|word| word.as_str()).unwrap_or_default().to_owned())
}

fn from_word<T: DeserializeOwned>(word: &str) -> rusqlite::Result<T> {
    serde_json::from_value(serde_json::Value::from(word)).map_err(unreadable)
}

fn parsed<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    serde_json::from_str(&row.get::<_, String>(column)?).map_err(unreadable)
}

fn parsed_or_none<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    row.get::<_, Option<String>>(column)?.map(|text| serde_json::from_str(&text)).transpose().map_err(unreadable)
}

fn named<T>(row: &Row<'_>, column: &str, of: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let word: String = row.get(column)?;
    of(&word).ok_or_else(|| unreadable(format!("`{word}` is no {column}")))
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into())
}
