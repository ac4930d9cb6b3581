//! The table of calls: columns by the width there is, never by the data.

use super::calls::Entry;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{CallRow, RunningCall};
use crate::present::labels::{self, Label};
use crate::present::units;
use crate::tui::canvas::Canvas;
use crate::tui::part::Cx;
use crate::tui::theme::Role;
use crate::tui::words;
use ratatui::layout::Rect;
use std::time::Duration;

/// Selection mark and a space.
const MARGIN: u16 = 2;
/// Where a mark stands: after the time.
pub const MARK: u16 = MARGIN + TIME + 1;
const TIME: u16 = 8;
const GAP: u16 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Client,
    Type,
    First,
    Total,
    In,
    Out,
    Cost,
}

impl Column {
    fn head(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Type => "type",
            Self::First => "first",
            Self::Total => "total",
            Self::In => "in",
            Self::Out => "out",
            Self::Cost => "cost",
        }
    }

    fn is_number(self) -> bool {
        !matches!(self, Self::Client | Self::Type)
    }
}

/// The width of the result's word and the columns after it; the target takes the rest.
fn columns(width: u16) -> (u16, &'static [(Column, u16)]) {
    use Column::{Client, Cost, First, In, Out, Total, Type};
    match width {
        160.. => (15, &[(Client, 16), (Type, 24), (First, 6), (Total, 6), (In, 5), (Out, 5), (Cost, 8)]),
        120..160 => (11, &[(Client, 10), (Type, 19), (First, 6), (Total, 6), (In, 5), (Out, 5), (Cost, 8)]),
        100..120 => (12, &[(Client, 10), (Type, 19), (Total, 6), (Cost, 8)]),
        76..100 => (12, &[(Client, 10), (Total, 6), (Cost, 8)]),
        _ => (0, &[(Total, 6)]),
    }
}

pub fn header(canvas: &mut Canvas<'_>, row: Rect) {
    let (result, columns) = columns(row.width);
    canvas.text(row.x + MARGIN, row.y, TIME, "time", Role::Muted);
    if result > 0 {
        canvas.text(row.x + MARK, row.y, result, "result", Role::Muted);
    }
    let mut x = after_result(row, result);
    for (column, width) in columns {
        put(canvas, x, row.y, *width, *column, column.head(), Role::Muted);
        x += width + GAP;
    }
    canvas.text(x, row.y, row.right().saturating_sub(x + 1), "target", Role::Muted);
}

fn after_result(row: Rect, result: u16) -> u16 {
    row.x + MARK + 4 + if result > 0 { 1 + result } else { 0 } + GAP
}

fn put(canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, column: Column, text: &str, role: Role) {
    if column.is_number() {
        canvas.right(x, x + width, y, text, role);
    } else {
        canvas.text(x, y, width, text, role);
    }
}

/// One call in one row.
pub fn row(canvas: &mut Canvas<'_>, row: Rect, entry: &Entry) {
    let (result, columns) = columns(row.width);
    let label = label(entry, canvas.cx);
    canvas.text(row.x + MARGIN, row.y, TIME, &time(entry, canvas.cx.now), Role::Plain);
    canvas.text(row.x + MARK, row.y, 4, label.mark, words::role(label.role));
    if result > 0 {
        canvas.text(row.x + MARK + 5, row.y, result, &label.word, Role::Plain);
    }
    let mut x = after_result(row, result);
    for (column, width) in columns {
        let cell = match entry {
            Entry::Done(call) => cell(call, *column),
            Entry::Running(call) => running_cell(canvas, call, *column),
        };
        put(canvas, x, row.y, *width, *column, &cell, Role::Plain);
        x += width + GAP;
    }
    canvas.text(x, row.y, row.right().saturating_sub(x + 1), &target(entry), Role::Plain);
}

/// The result with its mark.
pub fn label(entry: &Entry, cx: &Cx<'_>) -> Label {
    match entry {
        Entry::Done(call) => labels::call(call),
        Entry::Running(call) => {
            let runs = cx.snapshot.running.iter().find(|other| other.id == call.id);
            let word = match runs {
                Some(call) if call.writing => "writing",
                Some(call) if call.loading.is_some() => "loading",
                Some(_) => "waiting",
                None => "ending",
            };
            Label { mark: labels::RUNNING, word: word.into(), role: labels::Role::Accent }
        }
    }
}

/// The clock; of another day its date.
fn time(entry: &Entry, now: UnixMs) -> String {
    let at = match entry {
        Entry::Done(call) => call.ts,
        Entry::Running(call) => call.since,
    };
    let moment = units::moment(at, now);
    match moment.rsplit_once(' ') {
        Some((date, _)) => date.to_owned(),
        None => units::clock(at),
    }
}

pub fn target(entry: &Entry) -> String {
    let target = match entry {
        Entry::Done(call) => &call.target,
        Entry::Running(call) => &call.target,
    };
    target.as_ref().map_or_else(|| units::MISSING.into(), ToString::to_string)
}

fn or_missing(text: &str) -> String {
    if text.is_empty() { units::MISSING.into() } else { text.to_owned() }
}

fn cell(call: &CallRow, column: Column) -> String {
    match column {
        Column::Client => or_missing(&call.client),
        Column::Type => or_missing(&call.request_type),
        Column::First => call.ttft_ms.map_or_else(|| units::MISSING.into(), |ms| narrow(ms, units::first_token)),
        Column::Total => narrow(call.duration_ms, units::duration),
        Column::In => units::tokens_or_missing(call.tokens_in),
        Column::Out => units::tokens_or_missing(call.tokens_out),
        Column::Cost => cost(call),
    }
}

/// Six cells: from a minute on whole seconds, from some hours on minutes.
fn narrow(ms: u64, words: impl Fn(u64) -> String) -> String {
    match ms / 1000 {
        0..59 => words(ms),
        seconds @ 59..10_000 => format!("{seconds} s"),
        seconds => format!("{}min", (seconds / 60).min(999)),
    }
}

/// `-` where nothing was bought, which is neither free nor of unknown price.
pub fn cost(call: &CallRow) -> String {
    if call.bought_nothing() { units::MISSING.into() } else { units::cost(call.cost) }
}

fn running_cell(canvas: &Canvas<'_>, call: &RunningCall, column: Column) -> String {
    match column {
        Column::Client => or_missing(&call.client),
        Column::Type => or_missing(&call.request_type),
        Column::Total => elapsed(canvas, call),
        Column::First | Column::In | Column::Out | Column::Cost => units::MISSING.into(),
    }
}

/// Whole seconds; the picture is drawn again with the next one.
pub fn elapsed(canvas: &Canvas<'_>, call: &RunningCall) -> String {
    let seconds = canvas.cx.now.since(call.since).as_secs();
    canvas.wake_at(call.since.plus(Duration::from_secs(seconds.saturating_add(1))));
    seconds_words(seconds)
}

pub fn seconds_words(seconds: u64) -> String {
    if seconds < 10_000 { format!("{seconds} s") } else { format!("{}min", (seconds / 60).min(999)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fit_their_six_cells() {
        for ms in [0, 999, 1_240, 9_994, 30_500, 58_999, 59_000, 59_990, 125_000, 9_999_999, 10_000_000, u64::MAX] {
            for cell in [narrow(ms, units::duration), narrow(ms, units::first_token), seconds_words(ms / 1000)] {
                assert!(cell.len() <= 6, "{ms}: {cell}");
            }
        }
    }

    #[test]
    fn every_width_leaves_room_for_a_target() {
        for width in [40, 60, 75, 76, 80, 100, 120, 160, 300] {
            let (result, columns) = columns(width);
            let used = columns.iter().map(|(_, wide)| wide + GAP).sum::<u16>();
            let rest = width.saturating_sub(after_result(Rect::new(0, 0, width, 1), result) + used);
            assert!(rest >= 12, "{width}: {rest}");
        }
    }
}
