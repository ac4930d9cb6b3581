//! Recorded calls as text for other programs: lines of JSON as the call log has them, or rows of CSV.

use super::search::{SearchError, records};
use crate::adapters::app_log::scrub;
use crate::adapters::call_log;
use crate::adapters::clock::rfc3339;
use crate::domain::call::{CallRecord, Usage};
use crate::domain::money::Money;
use crate::domain::steering::steers;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{ExportFormat, ExportPart, ExportQuery};
use rusqlite::Connection;
use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;

/// Records of one part: some hundred kilobytes without recorded texts.
const PART: usize = 500;

const HEAD: [&str; 25] = [
    "ts",
    "id",
    "client",
    "session",
    "request_type",
    "complexity",
    "audience",
    "priority",
    "tags",
    "policy",
    "requested_model",
    "provider",
    "model",
    "status",
    "errorCode",
    "duration_ms",
    "queue_ms",
    "ttft_ms",
    "tokens_in",
    "tokens_out",
    "tokens_cached",
    "cost_usd",
    "cost_provenance",
    "cache",
    "tries",
];

/// One part as text, or everything into a new file.
///
/// # Errors
/// A wrong filter, a `before` that is not there, SQLite's own, a file that exists or cannot be written.
pub fn export(connection: &Connection, query: &ExportQuery, now: UnixMs) -> Result<ExportPart, SearchError> {
    let Some(path) = &query.file else { return part(connection, query, now) };
    // A wrong filter leaves no empty file behind.
    let mut next = part(connection, query, now)?;
    let trouble = |error: io::Error| {
        SearchError::File(if error.kind() == io::ErrorKind::AlreadyExists {
            format!("{path} is there already: move it away, or choose another name")
        } else {
            format!("{path} cannot be written: {error}: choose another place")
        })
    };
    let mut calls = 0;
    let mut rest = query.clone();
    whole_or_none(path, trouble, |file| {
        loop {
            file.write_all(next.text.as_bytes()).map_err(trouble)?;
            calls += next.calls;
            let Some(last) = next.last.take() else { return Ok(()) };
            rest.before = Some(last);
            next = part(connection, &rest, now)?;
        }
    })?;
    let whole = std::fs::canonicalize(path).map_or_else(|_| path.clone(), |path| path.display().to_string());
    Ok(ExportPart { text: String::new(), calls, last: None, file: Some(whole) })
}

/// Writes a new file. What could not be written whole is taken away again: half an export would pass for one, and
/// its name would be taken.
fn whole_or_none<E>(
    path: &str,
    trouble: impl Fn(io::Error) -> E,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(&trouble)?;
    let mut file = BufWriter::new(file);
    let written = write(&mut file).and_then(|()| file.flush().map_err(trouble));
    if written.is_err() {
        // Nothing more can be done where even that fails; the reason is told all the same.
        let _ = std::fs::remove_file(path);
    }
    written
}

fn part(connection: &Connection, query: &ExportQuery, now: UnixMs) -> Result<ExportPart, SearchError> {
    let since = query.since.or(Some(UnixMs(i64::MIN)));
    let found = records(connection, &query.filter, (since, query.before.as_ref()), PART, now)?;
    let mut text = String::new();
    match query.format {
        ExportFormat::Jsonl => {
            for record in &found {
                let line = call_log::line(record).map_err(|error| SearchError::File(error.to_string()))?;
                text.push_str(&line);
                text.push('\n');
            }
        }
        ExportFormat::Csv => {
            if query.before.is_none() {
                push_row(&mut text, HEAD.iter().copied());
            }
            for record in &found {
                let cells = cells(record);
                push_row(&mut text, cells.iter().map(String::as_str));
            }
        }
    }
    let last = if found.len() == PART { found.last().map(|record| record.id.clone()) } else { None };
    Ok(ExportPart { text, calls: found.len() as u64, last, file: None })
}

/// In the order of [`HEAD`]. What is not known is empty, never 0.
fn cells(record: &CallRecord) -> [String; HEAD.len()] {
    let facts = &record.facts;
    let tags: Vec<String> = facts.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let usage = |pick: fn(Usage) -> u64| record.usage.map(pick).map_or_else(String::new, |count| count.to_string());
    let target = record.target.as_ref();
    [
        rfc3339(record.ts),
        record.id.to_string(),
        facts.client.clone(),
        facts.session.clone(),
        facts.request_type.clone(),
        facts.complexity.clone(),
        facts.audience.clone(),
        facts.priority.word().to_owned(),
        tags.join(" "),
        record.policy.clone(),
        facts.requested_model.clone(),
        target.map_or_else(String::new, |target| target.provider.to_string()),
        target.map_or_else(String::new, |target| target.model.to_string()),
        record.status.word().to_owned(),
        record.error.as_ref().map_or("", |failure| failure.code.word()).to_owned(),
        record.duration_ms.to_string(),
        record.queue_ms.to_string(),
        record.ttft_ms.map_or_else(String::new, |ms| ms.to_string()),
        usage(|usage| usage.input),
        usage(|usage| usage.output),
        usage(|usage| usage.cached),
        record.cost.amount.map(Money::dollars).map_or_else(String::new, |dollars| dollars.to_string()),
        record.cost.provenance.word().to_owned(),
        record.cache.clone(),
        record.attempts.len().to_string(),
    ]
}

/// One row by RFC 4180. A text that a spreadsheet would run as a formula gets an apostrophe before it.
fn push_row<'a>(text: &mut String, cells: impl Iterator<Item = &'a str>) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            text.push(',');
        }
        let cell = scrub(cell);
        let cell = tame(&cell);
        let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        if formula || cell.contains(['"', ',', '\n', '\r']) {
            text.push('"');
            text.push_str(if formula { "'" } else { "" });
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(&cell);
        }
    }
    text.push_str("\r\n");
}

/// A cell without what a terminal obeys: others chose the labels, and whoever exports may look at them in one. Line
/// ends and tabs stay.
fn tame(cell: &str) -> Cow<'_, str> {
    let acts = |c: char| steers(c) && !matches!(c, '\n' | '\t');
    if !cell.contains(acts) {
        return Cow::Borrowed(cell);
    }
    let mut tamed = String::with_capacity(cell.len() + 16);
    for c in cell.replace("\r\n", "\n").chars() {
        if acts(c) {
            tamed.extend(c.escape_unicode());
        } else {
            tamed.push(c);
        }
    }
    Cow::Owned(tamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_one_cell_and_is_no_formula() {
        let mut text = String::new();
        push_row(&mut text, ["a", "x,\"y\"", "two\nlines", "=1+1", ""].into_iter());
        assert_eq!(text, "a,\"x,\"\"y\"\"\",\"two\nlines\",\"'=1+1\",\r\n");
    }

    #[test]
    fn nothing_in_a_cell_is_obeyed_by_a_terminal() {
        let mut text = String::new();
        push_row(&mut text, ["\x1b]0;owned\x07", "a\u{9b}2J\x7f", "pay\u{202e}lap", "x\ry\r\nz\tw"].into_iter());
        assert_eq!(text, "\\u{1b}]0;owned\\u{7},a\\u{9b}2J\\u{7f},pay\\u{202e}lap,\"x\\u{d}y\nz\tw\"\r\n");
    }

    #[test]
    fn an_export_that_fails_half_way_leaves_no_file_in_the_way_of_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.csv").display().to_string();
        let full = |file: &mut BufWriter<File>| {
            file.write_all(b"half a row")?;
            file.flush()?;
            Err(io::ErrorKind::StorageFull.into())
        };
        let error: io::Error = whole_or_none(&path, |error| error, full).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(!std::path::Path::new(&path).exists());
        whole_or_none(&path, |error: io::Error| error, |file| file.write_all(b"all")).unwrap();
        let taken = whole_or_none(&path, |error: io::Error| error, |_| Ok(())).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "all", "a file of somebody's is never taken away");
    }
}
