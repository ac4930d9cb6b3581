//! The call log: one JSON line per call in a daily file, for any tool that reads lines. The ledger holds
//! more and can be asked; this file can be followed, shipped and thrown away.

use super::app_log::{escape_controls, scrub};
use super::clock::rfc3339;
use super::private_files::DailyFile;
use crate::domain::call::{Attempt, CallRecord, ObservedMatch, Priority, Status};
use crate::domain::money::Money;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

pub const PREFIX: &str = "calls";
pub const SUFFIX: &str = "jsonl";

/// The open file. Owned by the ledger's writer, so that lines are written off the caller's path.
pub struct CallLog {
    file: DailyFile,
}

impl CallLog {
    /// `folder` is made with mode 0700 if needed; `keep_days` files are kept.
    ///
    /// # Errors
    /// A sentence: the folder or today's file cannot be made.
    pub fn open(folder: &Path, keep_days: u32) -> Result<Self, String> {
        DailyFile::open(folder, PREFIX, SUFFIX, keep_days).map(|file| Self { file })
    }

    /// Appends a line per record, all of them in one write: lines of several processes do not mix, and a busy gateway
    /// does not ask the system once per call.
    ///
    /// # Errors
    /// The disk refused it.
    pub fn write(&mut self, records: &[Arc<CallRecord>]) -> io::Result<()> {
        let mut lines = String::new();
        for record in records {
            lines.push_str(&line(record)?);
            lines.push('\n');
        }
        self.file.write_all(lines.as_bytes())
    }
}

/// The line of one call, without its end: one line without control characters, registered secrets blacked out.
///
/// # Errors
/// None that is known of: every field has a JSON form.
pub fn line(record: &CallRecord) -> io::Result<String> {
    let text = serde_json::to_string(&Line::of(record))?;
    Ok(escape_controls(&scrub(&text)).into_owned())
}

/// The fields in their order; names are stable.
#[derive(Serialize)]
struct Line<'a> {
    ts: String,
    id: &'a str,
    client: &'a str,
    session: &'a str,
    request_type: &'a str,
    complexity: &'a str,
    audience: &'a str,
    priority: Priority,
    tags: &'a BTreeMap<String, String>,
    policy: &'a str,
    rules_version: u64,
    requested_model: &'a str,
    provider: Option<&'a str>,
    model: Option<&'a str>,
    status: Status,
    #[serde(rename = "errorCode")]
    error_code: Option<&'static str>,
    /// Seconds.
    duration: f64,
    duration_ms: u64,
    queue_ms: u64,
    ttft_ms: Option<u64>,
    tokens_in: Option<u64>,
    tokens_out: Option<u64>,
    tokens_cached: Option<u64>,
    /// `null` when unknown, never 0.
    cost_usd: Option<f64>,
    cost_provenance: &'static str,
    cache: &'a str,
    attempts: Vec<LineAttempt<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a str>,
    /// Put aside under a daily limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved_usd: Option<f64>,
    /// Into the vendor's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_cache_written: Option<u64>,
    /// What observed policies would have made of it.
    #[serde(skip_serializing_if = "<[ObservedMatch]>::is_empty")]
    observed: &'a [ObservedMatch],
}

#[derive(Serialize)]
struct LineAttempt<'a> {
    provider: &'a str,
    model: &'a str,
    start_ms: u64,
    ttft_ms: Option<u64>,
    duration_ms: u64,
    #[serde(rename = "errorCode")]
    error_code: Option<&'static str>,
    error: Option<&'a str>,
    answered_by: Option<&'a str>,
}

impl<'a> Line<'a> {
    #[expect(clippy::cast_precision_loss, reason = "a duration for people and plots: 15 digits are enough")]
    fn of(record: &'a CallRecord) -> Self {
        let facts = &record.facts;
        Self {
            ts: rfc3339(record.ts),
            id: record.id.as_str(),
            client: &facts.client,
            session: &facts.session,
            request_type: &facts.request_type,
            complexity: &facts.complexity,
            audience: &facts.audience,
            priority: facts.priority,
            tags: &facts.tags,
            policy: &record.policy,
            rules_version: record.rules_version,
            requested_model: &facts.requested_model,
            provider: record.target.as_ref().map(|target| target.provider.as_str()),
            model: record.target.as_ref().map(|target| target.model.as_str()),
            status: record.status,
            error_code: record.error.as_ref().map(|failure| failure.code.word()),
            duration: record.duration_ms as f64 / 1000.0,
            duration_ms: record.duration_ms,
            queue_ms: record.queue_ms,
            ttft_ms: record.ttft_ms,
            tokens_in: record.usage.map(|usage| usage.input),
            tokens_out: record.usage.map(|usage| usage.output),
            tokens_cached: record.usage.map(|usage| usage.cached),
            cost_usd: record.cost.amount.map(Money::dollars),
            cost_provenance: record.cost.provenance.word(),
            cache: &record.cache,
            attempts: record.attempts.iter().map(LineAttempt::of).collect(),
            prompt: record.prompt.as_deref(),
            answer: record.answer.as_deref(),
            reserved_usd: record.reserved.map(Money::dollars),
            tokens_cache_written: record.usage.map(|usage| usage.cache_written).filter(|tokens| *tokens > 0),
            observed: &record.observed,
        }
    }
}

impl<'a> LineAttempt<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        Self {
            provider: attempt.target.provider.as_str(),
            model: attempt.target.model.as_str(),
            start_ms: attempt.start_ms,
            ttft_ms: attempt.ttft_ms,
            duration_ms: attempt.duration_ms,
            error_code: attempt.failure.as_ref().map(|failure| failure.code.word()),
            error: attempt.failure.as_ref().map(|failure| failure.message.as_str()),
            answered_by: attempt.answered_by.as_deref(),
        }
    }
}
