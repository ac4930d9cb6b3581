//! All that was recorded of one call: why there, what it asked for, who answered, the money, every attempt on
//! one scale of time, every candidate with its reason, and what to do where it failed.

use super::calls::Entry;
use super::table;
use super::waterfall;
use crate::domain::call::{Attempt, CallRecord, Status};
use crate::domain::failure::Failure;
use crate::domain::ids::Target;
use crate::engine::protocol::{CallRow, RunningCall};
use crate::present::remedy::{Remedy, of_call};
use crate::present::{escape, labels, models, reason, routes, text, units, usage};
use crate::tui::canvas::Canvas;
use crate::tui::part::Cx;
use crate::tui::theme::Role;
use crate::tui::widgets::lines::{Lines, Piece};
use crate::tui::widgets::scroll::Scroll;
use crate::tui::words;
use ratatui::layout::Rect;
use std::cell::RefCell;

/// From this width on facts stand in two columns and attempts in one row each.
const WIDE: usize = 96;
/// The column of a fact's value in the narrow layout.
const VALUE: usize = 11;
/// The longest words of a server, in characters.
const QUOTED: usize = 400;
/// Lines shown of a recorded prompt or answer.
const TEXT_LINES: usize = 400;

/// `4.1 s, 1,344 tokens, $0.0010`.
pub fn summary(call: &CallRow) -> String {
    let mut parts = vec![units::duration(call.duration_ms)];
    if let (Some(input), Some(output)) = (call.tokens_in, call.tokens_out) {
        parts.push(units::count(input.saturating_add(output), "token", "tokens"));
    }
    parts.push(match table::cost(call).as_str() {
        units::MISSING => "nothing bought".to_owned(),
        units::UNKNOWN => "price unknown".to_owned(),
        cost => cost.to_owned(),
    });
    parts.join(", ")
}

/// The page drawn last. A recorded prompt may be long and frames are many: it is built anew only where something on it
/// is another.
#[derive(Default)]
pub struct Page(RefCell<Option<(MadeOf, Lines)>>);

/// What the page of a finished call depends on; its record never changes.
#[derive(PartialEq)]
struct MadeOf {
    row: CallRow,
    remedy: Option<Remedy>,
    ascii: bool,
    width: usize,
}

impl Page {
    /// Draws as [`build`] says it, from where `scroll` is.
    pub fn draw(
        &self,
        entry: &Entry,
        record: Option<&CallRecord>,
        (canvas, area): (&mut Canvas<'_>, Rect),
        scroll: &Scroll,
    ) {
        let (cx, ascii, width) = (canvas.cx, canvas.ascii, usize::from(area.width));
        let (Entry::Done(row), Some(record)) = (entry, record) else {
            return scroll.draw(&build(entry, record, cx, ascii, width), canvas, area);
        };
        let remedy = record.error.as_ref().and_then(|failure| of_call(failure, record, &cx.snapshot.providers));
        let made_of = MadeOf { row: row.clone(), remedy, ascii, width };
        let mut last = self.0.borrow_mut();
        let last = match &mut *last {
            Some(last) if last.0 == made_of => last,
            last => last.insert((made_of, build(entry, Some(record), cx, ascii, width))),
        };
        scroll.draw(&last.1, canvas, area);
    }
}

/// Everything of one call. `record` is `None` until it has come.
pub fn build(entry: &Entry, record: Option<&CallRecord>, cx: &Cx<'_>, ascii: bool, width: usize) -> Lines {
    let mut lines = Lines::new(width);
    match (entry, record) {
        (Entry::Running(call), _) => running(call, cx, &mut lines),
        (Entry::Done(_), None) => lines.wrapped(0, "reading its record", Role::Muted),
        (Entry::Done(row), Some(record)) => {
            outcome(record, row, cx, &mut lines);
            facts(record, row, &mut lines);
            lines.blank();
            attempts(record, ascii, &mut lines);
            considered(record, &mut lines);
            recorded_text(record, &mut lines);
        }
    }
    lines
}

fn running(call: &RunningCall, cx: &Cx<'_>, lines: &mut Lines) {
    let label = table::label(&Entry::Running(call.clone()), cx);
    let target = call.target.as_ref().map_or_else(|| "not sent anywhere yet".into(), ToString::to_string);
    lines.marked(label.mark, words::role(label.role), &format!("{}: {target}", label.word));
    lines.blank();
    lines.labelled("since", VALUE, &units::clock(call.since));
    // As it is now, not as the table was told.
    let now = cx.snapshot.running.iter().find(|other| other.id == call.id);
    if let Some(load) = now.and_then(|call| call.loading).filter(|_| now.is_some_and(|call| !call.writing)) {
        let last = models::last_time(load.last_ms).map(|last| format!(", {last}")).unwrap_or_default();
        lines.labelled("model", VALUE, &format!("loads since {}{last}", units::clock(load.since)));
    }
    lines.labelled("client", VALUE, or_dash(&call.client));
    lines.labelled("type", VALUE, or_dash(&call.request_type));
    lines.blank();
    let stop = cx.keymap.key_for(super::CONTEXTS, crate::tui::action::Action::CallStop);
    lines.put(0, &[Piece::new(&stop, Role::Accent), Piece::plain(" stops it     the rest is recorded when it ends")]);
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { units::MISSING } else { text }
}

/// How it ended and, where it failed, what to do.
fn outcome(record: &CallRecord, row: &CallRow, cx: &Cx<'_>, lines: &mut Lines) {
    let Some(failure) = &record.error else { return };
    let label = labels::call(row);
    let said = escape::line_capped(&failure.message, QUOTED);
    lines.marked(label.mark, words::role(label.role), &format!("{}: {said}", reason::code_words(failure.code)));
    if record.status != Status::Cancelled {
        advice(record, failure, cx, lines);
    }
    lines.blank();
}

fn advice(record: &CallRecord, failure: &Failure, cx: &Cx<'_>, lines: &mut Lines) {
    lines.put(5, &[Piece::new("What to do", Role::Title)]);
    let Some(remedy) = of_call(failure, record, &cx.snapshot.providers) else {
        let advice = failure.code.class().advice;
        lines.wrapped(7, &format!("{advice}."), Role::Plain);
        return;
    };
    lines.wrapped(7, &remedy.headline, Role::Plain);
    if let Some(command) = &remedy.command {
        lines.wrapped(11, command, Role::Plain);
    }
    for step in &remedy.steps {
        lines.wrapped(7, step, Role::Plain);
    }
}

fn facts(record: &CallRecord, row: &CallRow, lines: &mut Lines) {
    let wanted = or_dash(&record.facts.requested_model).to_owned();
    let pairs = [
        ("why", why(&record.policy), "labels", labels_of(record)),
        ("asked for", wanted, "client", client(record)),
        ("answered", answered(record), "form", form(record)),
        ("money", money(record, row), "tokens", tokens(record)),
        ("time", time(record), "cache", cache(record)),
    ];
    if lines.width() >= WIDE {
        let half = lines.width() * 3 / 5;
        for (label, value, label2, value2) in &pairs {
            lines.pair(label, value, label2, value2, half);
        }
    } else {
        for (label, value, label2, value2) in &pairs {
            lines.labelled(label, VALUE, value);
            lines.labelled(label2, VALUE, value2);
        }
    }
}

/// Who decided, in words: the ledger's `strategy:prefer_local` and the like.
pub fn why(policy: &str) -> String {
    match policy.split_once(':') {
        Some(("strategy", name)) => format!("strategy {name}: no rule matched"),
        Some(("request_type", name)) => format!("the order of request type {name}"),
        Some(("policy", name)) => format!("policy {name}"),
        _ => match policy {
            "named" => "the caller named it".to_owned(),
            "active" => "the active target, chosen by hand".to_owned(),
            "none" | "" => "nothing here has what the caller named".to_owned(),
            rule => format!("rule {rule}"),
        },
    }
}

fn labels_of(record: &CallRecord) -> String {
    let facts = &record.facts;
    let named = [
        ("", &facts.request_type),
        ("complexity ", &facts.complexity),
        ("audience ", &facts.audience),
        ("session ", &facts.session),
    ];
    let mut parts: Vec<String> =
        named.iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name}{text}")).collect();
    if facts.priority != crate::domain::call::Priority::Normal {
        parts.push(format!("priority {}", facts.priority.word()));
    }
    parts.extend(facts.tags.iter().map(|(key, value)| format!("{key}={value}")));
    if parts.is_empty() { "none".into() } else { parts.join(", ") }
}

fn client(record: &CallRecord) -> String {
    or_dash(&record.facts.client).to_owned()
}

fn form(record: &CallRecord) -> String {
    let facts = &record.facts;
    let mut parts = vec![if facts.stream { "streamed" } else { "whole answer" }];
    let extras = [(facts.has_tools, "tools"), (facts.has_images, "images"), (facts.wants_json, "JSON")];
    parts.extend(extras.iter().filter(|(has, _)| *has).map(|(_, word)| *word));
    parts.join(", ")
}

/// `zai/glm-4.6, 2nd try, which calls itself glm-4.6-air`.
fn answered(record: &CallRecord) -> String {
    let last = record.attempts.last();
    let Some(target) = record.target.as_ref().filter(|_| last.is_some()) else {
        return "nobody: it was not sent anywhere".into();
    };
    let answered = last.is_some_and(|attempt| attempt.failure.is_none() || attempt.ttft_ms.is_some());
    if !answered {
        return format!("nobody: {target} was the last one tried");
    }
    let mut said = target.to_string();
    if record.attempts.len() > 1 {
        said = format!("{said}, {} try", units::ordinal(record.attempts.len()));
    }
    if let Some(other) = last.and_then(|attempt| attempt.answered_by_another()) {
        said = format!("{said}; the server names the model {other}");
    }
    said
}

fn money(record: &CallRecord, row: &CallRow) -> String {
    let settled = settled(record, row);
    match record.reserved {
        Some(reserved) => format!("{settled}, {} reserved", units::money(reserved)),
        None => settled,
    }
}

fn settled(record: &CallRecord, row: &CallRow) -> String {
    let cost = table::cost(row);
    match cost.as_str() {
        units::MISSING => "nothing was bought".into(),
        "free" => cost,
        units::UNKNOWN => format!("{cost}: {}", units::cost_from(record.cost)),
        _ => format!("{cost} {}", units::cost_from(record.cost)),
    }
}

fn tokens(record: &CallRecord) -> String {
    record.usage.map_or_else(|| "not told by the server".into(), |used| usage::words(&used))
}

fn time(record: &CallRecord) -> String {
    let mut parts = vec![units::clock(record.ts)];
    if record.queue_ms > 0 {
        parts.push(format!("queued {}", units::latency(record.queue_ms)));
    }
    if let Some(ms) = record.ttft_ms {
        parts.push(format!("first token {}", units::first_token(ms)));
    }
    parts.push(format!("{} in all", units::duration(record.duration_ms)));
    parts.join(", ")
}

fn cache(record: &CallRecord) -> String {
    match record.cache.as_str() {
        "hit" => "answered from it".into(),
        "miss" => "not in it".into(),
        other => or_dash(other).to_owned(),
    }
}

fn attempts(record: &CallRecord, ascii: bool, lines: &mut Lines) {
    if record.attempts.is_empty() {
        return;
    }
    let wide = lines.width() >= WIDE;
    let scale = waterfall::scale(&record.attempts, record.duration_ms);
    let (target, result) = if wide { (37, 37) } else { (0, 0) };
    let lead = if wide { 5 + target + 1 + 5 + result } else { 5 };
    let bar_wide = lines.width().saturating_sub(lead + 1 + waterfall::LABEL);
    let mut axis = " ".repeat(bar_wide + waterfall::LABEL);
    for (cell, words) in waterfall::ticks(scale, bar_wide) {
        axis.replace_range(cell..cell + words.len(), &words);
    }
    let heads = if wide {
        text::pad_right("try", 5) + &text::pad_right("target", target + 1) + &text::pad_right("result", 5 + result)
    } else {
        text::pad_right("try", 5)
    };
    lines.put(0, &[Piece::new(&(heads + &axis), Role::Muted)]);
    for (place, attempt) in record.attempts.iter().enumerate() {
        let label = labels::status(attempt.failure.as_ref().map_or(Status::Ok, |failure| Status::of(failure.code)));
        let number = text::pad_right(&(place + 1).to_string(), 5);
        let said = result_of(attempt, record);
        let to = escape::line(&attempt.target.to_string()).into_owned();
        let mark = Piece::new(label.mark, words::role(label.role));
        let bars = bar(attempt, scale, bar_wide, ascii);
        if wide {
            let mut row = vec![
                Piece::plain(&number),
                Piece::plain(&text::pad_right(&to, target)),
                Piece::plain(" "),
                mark,
                Piece::plain(" "),
                Piece::plain(&text::pad_right(&said, result)),
            ];
            row.extend(bars);
            lines.put(0, &row);
        } else {
            lines.put(0, &[Piece::plain(&number), mark, Piece::plain(" "), Piece::plain(&to)]);
            lines.wrapped(10, &said, Role::Plain);
            lines.put(lead, &bars);
        }
    }
    let (wait, write) = glyphs(ascii);
    let legend = format!("{wait} waiting for the first token   {write} writing");
    lines.put(5, &[Piece::new(&legend, Role::Muted)]);
    lines.blank();
}

fn glyphs(ascii: bool) -> (&'static str, &'static str) {
    if ascii { (":", "#") } else { ("▓", "█") }
}

fn bar(attempt: &Attempt, scale: u64, width: usize, ascii: bool) -> Vec<Piece> {
    let bar = waterfall::bar(attempt, scale, width);
    let (wait, write) = glyphs(ascii);
    let lead = Piece::plain(&" ".repeat(bar.lead));
    if bar.waiting + bar.writing == 0 {
        return vec![lead, Piece::new(if ascii { "|" } else { "▏" }, Role::Muted)];
    }
    vec![
        lead,
        Piece::new(&wait.repeat(bar.waiting), Role::Muted),
        Piece::new(&write.repeat(bar.writing), Role::Chart(0)),
    ]
}

/// `first token 0.52 s, 37 tok/s`, `overloaded: server error 503 in 3 ms`.
fn result_of(attempt: &Attempt, record: &CallRecord) -> String {
    let took = units::duration(attempt.duration_ms);
    if let Some(failure) = &attempt.failure {
        let (code, short) = (reason::code_words(failure.code), reason::short(failure));
        return if code == short { format!("{code} in {took}") } else { format!("{code}: {short} in {took}") };
    }
    let speed = record.tokens_per_second().map(|rate| format!(", {}", units::rate(rate))).unwrap_or_default();
    match attempt.ttft_ms {
        Some(ms) => format!("first token {}{speed}", units::first_token(ms)),
        None => format!("answered in {took}"),
    }
}

/// The chain in its order, then who was left out.
fn considered(record: &CallRecord, lines: &mut Lines) {
    if record.chain.is_empty() && record.rejects.is_empty() && record.observed.is_empty() {
        return;
    }
    let head = format!("decided by rules version {}", record.rules_version);
    row(lines, "considered", &head, Role::Muted);
    for (place, target) in record.chain.iter().enumerate() {
        let said = format!("{}{}", units::ordinal(place + 1), fate(record, target));
        row(lines, &escape::line(&target.to_string()), &said, Role::Plain);
    }
    for reject in record.rejects.iter().filter(|reject| !record.chain.contains(&reject.target)) {
        let said = format!("out: {}", escape::line_capped(&reject.reason, QUOTED));
        row(lines, &escape::line(&reject.target.to_string()), &said, Role::Plain);
    }
    for found in &record.observed {
        let said = format!("observed: {}", routes::would_have(found));
        row(lines, &escape::line(&found.policy), &escape::line(&said), Role::Muted);
    }
    lines.blank();
}

/// What became of one target of the chain.
fn fate(record: &CallRecord, target: &Target) -> String {
    let tries: Vec<&Attempt> = record.attempts.iter().filter(|attempt| attempt.target == *target).collect();
    if let Some(last) = tries.last() {
        let times = if tries.len() > 1 { format!(", {} tries", tries.len()) } else { String::new() };
        return match &last.failure {
            Some(failure) => format!("{times}: {}", reason::short(failure)),
            None => format!("{times}: answered"),
        };
    }
    match record.rejects.iter().find(|reject| reject.target == *target) {
        Some(reject) => format!(", passed over: {}", escape::line_capped(&reject.reason, QUOTED)),
        None if record.status == Status::Ok => ", not needed".into(),
        None => ", not tried".into(),
    }
}

fn row(lines: &mut Lines, target: &str, said: &str, role: Role) {
    if lines.width() >= WIDE {
        let column = 42;
        let name = text::pad_right(target, column - 2);
        for (place, line) in text::wrap(said, lines.width().saturating_sub(column)).iter().enumerate() {
            let name = if place == 0 { name.clone() } else { " ".repeat(column - 2) };
            lines.put(0, &[Piece::new(&name, role), Piece::plain("  "), Piece::new(line, role)]);
        }
    } else {
        lines.put(0, &[Piece::new(target, role)]);
        lines.wrapped(5, said, role);
    }
}

fn recorded_text(record: &CallRecord, lines: &mut Lines) {
    let texts = [("prompt", &record.prompt), ("answer", &record.answer)];
    if texts.iter().all(|(_, text)| text.is_none()) {
        let note = "prompt and answer text is not recorded (telemetry.record_prompts)";
        lines.wrapped(0, note, Role::Muted);
        return;
    }
    for (name, content) in texts {
        let Some(content) = content else { continue };
        lines.put(0, &[Piece::new(name, Role::Muted)]);
        for line in escape::block_capped(content, TEXT_LINES, 4000).lines() {
            lines.wrapped(2, line, Role::Plain);
        }
        lines.blank();
    }
}
