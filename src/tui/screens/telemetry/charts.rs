//! Charts over the list: today's money against the limit, and what the ledger's sums say of a window of time.

use super::sums::{Sums, Window};
use crate::domain::money::Money;
use crate::engine::protocol::{CallStats, GroupBy, Snapshot, StatsGroup};
use crate::present::{escape, stats as words, text, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::theme::Role;
use crate::tui::widgets::lines::{Lines, Piece};
use crate::tui::widgets::scroll::Scroll;
use ratatui::layout::Rect;
use std::collections::BTreeMap;

/// Groups shown; the rest is counted.
const GROUP_ROWS: usize = 12;
/// Rows of the chart of hours.
const HOUR_ROWS: u64 = 4;
/// Cells per hour.
const HOUR_CELLS: usize = 2;
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Draws from line `scroll` on; returns how many lines are below.
pub fn draw(sums: &Sums, filter: &str, canvas: &mut Canvas<'_>, area: Rect, scroll: &Scroll) {
    let row = Rect { height: 1, ..area };
    let key = |action| canvas.cx.keymap.key_for(&[Context::CallsCharts], action);
    let mut right = format!("{}, {} changes it", sums.window.words(), key(Action::ChartsWindow));
    if !filter.is_empty() {
        right = format!("filter: {}   {right}", escape::line(filter));
    }
    canvas.rule(row, "Charts", &right, true);
    let inner = Rect::new(area.x + 2, area.y + 1, area.width.saturating_sub(4), area.height.saturating_sub(1));
    scroll.draw(&build(sums, canvas, usize::from(inner.width)), canvas, inner);
}

fn build(sums: &Sums, canvas: &Canvas<'_>, width: usize) -> Lines {
    let mut lines = Lines::new(width);
    let snapshot = canvas.cx.snapshot;
    money(snapshot, &mut lines);
    super::flow::lines(&snapshot.flow, &mut lines);
    if let Some(wrong) = &sums.wrong {
        lines.wrapped(0, wrong, Role::Bad);
        lines.blank();
    }
    match &sums.groups {
        Some(stats) => by_group(stats, sums.by, &mut lines),
        None if sums.wrong.is_none() => lines.wrapped(0, "adding up the calls", Role::Muted),
        None => {}
    }
    if let Some(stats) = &sums.slots {
        course(stats, sums.window.slot(), &mut lines);
    }
    if let Some(stats) = &sums.errors {
        failures(stats, &mut lines);
    }
    if let Some(stats) = sums.days.as_ref().filter(|_| sums.window != Window::Today) {
        by_day(stats, snapshot.spend.limit, &mut lines);
    }
    if sums.window == Window::Today {
        rules(snapshot, &mut lines);
    }
    lines
}

/// What was spent, the limit as a gauge, and what happens past it.
fn money(snapshot: &Snapshot, lines: &mut Lines) {
    let spend = &snapshot.spend;
    let failed = format!("{} failed or denied", units::thousands(spend.failed_today));
    let head = format!("Spent today   {}", units::spend(spend.today, spend.limit));
    let beside = text::width(&head) + text::width(&failed) + 2 <= lines.width();
    let failed = if beside { failed } else { String::new() };
    lines.split(&[Piece::new(&head, Role::Title)], &[Piece::new(&failed, Role::Muted)]);
    if spend.unpriced_calls > 0 {
        let calls = words::unpriced(spend.unpriced_calls);
        lines.wrapped(2, &format!("and {calls}: what is known is in the sum"), Role::Warn);
    }
    if let Some(limit) = spend.limit.filter(|limit| *limit > Money::ZERO) {
        let share = units::share(spend.today.0.max(0).unsigned_abs(), limit.0.unsigned_abs());
        let tail = format!(" {share} of {}", units::money_sum(limit));
        let room = lines.width().saturating_sub(4 + text::width(&tail));
        let filled = portion(spend.today, limit, room);
        let role = if spend.today >= limit { Role::Bad } else { Role::Chart(0) };
        lines.put(
            2,
            &[
                Piece::new(&"█".repeat(filled), role),
                Piece::new(&"░".repeat(room - filled), Role::Border),
                Piece::plain(&tail),
            ],
        );
        if spend.today >= limit {
            lines.wrapped(2, "the day's limit is reached", Role::Bad);
        }
    }
    lines.blank();
}

fn portion(part: Money, whole: Money, cells: usize) -> usize {
    let (part, whole) = (part.0.max(0).unsigned_abs(), whole.0.max(1).unsigned_abs());
    usize::try_from(u128::from(part) * cells as u128 / u128::from(whole)).unwrap_or(cells).min(cells)
}

/// Per group: calls, failures, money with a bar of its share, the time to the first token and in all.
fn by_group(stats: &CallStats, by: GroupBy, lines: &mut Lines) {
    let width = lines.width();
    let name = if width >= 100 { 30 } else { 18 };
    let heading = text::pad_right(&format!("By {}", by.word()), name + 2);
    let mut heads = format!("{:>8}{:>8}{:>10}", "calls", "failed", "spent");
    let times: &[&str] = match width {
        0..60 => &[],
        60..76 => &["p50 first"],
        76..100 => &["p50 first", "p95 first"],
        _ => &["p50 first", "p95 first", "p50 total", "p95 total", "p99 total"],
    };
    heads.extend(times.iter().map(|head| format!("{head:>11}")));
    lines.put(0, &[Piece::new(&heading, Role::Title), Piece::new(&heads, Role::Muted)]);
    if stats.groups.is_empty() {
        lines.wrapped(2, "no call in this time", Role::Muted);
    }
    let most = stats.groups.iter().map(|group| group.sums.spent()).max().unwrap_or(Money::ZERO);
    for group in stats.groups.iter().take(GROUP_ROWS) {
        let sums = &group.sums;
        let time = |ms: Option<u64>| text::pad_left(&ms.map_or_else(|| units::MISSING.into(), units::first_token), 11);
        let mut figures = format!(
            "{:>8}{:>8}{:>10}",
            units::thousands(sums.calls),
            units::thousands(sums.failed()),
            words::spent(sums)
        );
        let known =
            [sums.ttft_ms.p50, sums.ttft_ms.p95, sums.duration_ms.p50, sums.duration_ms.p95, sums.duration_ms.p99];
        for ms in known.into_iter().take(times.len()) {
            figures += &time(ms);
        }
        figures += "  ";
        let label = text::pad_right(&words::key(&group.key, &[by]), name);
        let room = width.saturating_sub(2 + name + text::width(&figures));
        let bar = if most > Money::ZERO { portion(sums.spent(), most, room.min(40)) } else { 0 };
        lines.put(2, &[Piece::plain(&label), Piece::plain(&figures), Piece::new(&"█".repeat(bar), Role::Chart(1))]);
    }
    let hidden = stats.groups.len().saturating_sub(GROUP_ROWS) as u64 + stats.left_out;
    if hidden > 0 {
        let said = format!("{} more: lmdeck calls stats --by {}", units::thousands(hidden), by.word());
        lines.wrapped(2, &said, Role::Muted);
    }
    lines.blank();
}

/// What each day cost, by provider, against the day's limit.
fn by_day(stats: &CallStats, limit: Option<Money>, lines: &mut Lines) {
    // Days without a call are there too.
    let mut days: BTreeMap<&str, Vec<&StatsGroup>> = stats.times.iter().map(|day| (day.as_str(), Vec::new())).collect();
    for group in &stats.groups {
        days.entry(group.key.first().map_or("", String::as_str)).or_default().push(group);
    }
    let head = match limit {
        Some(limit) => format!("Spent by day   limit {} a day", units::money_sum(limit)),
        None => "Spent by day   no limit is set".to_owned(),
    };
    lines.put(0, &[Piece::new(&head, Role::Title)]);
    let sum = |groups: &[&StatsGroup]| groups.iter().map(|group| group.sums.spent()).sum::<Money>();
    let most = days.values().map(|groups| sum(groups)).max().unwrap_or(Money::ZERO);
    let whole = limit.unwrap_or(most).max(most);
    for (day, groups) in days.iter().rev() {
        let spent = sum(groups);
        let mut bought: Vec<_> = groups.iter().filter(|group| group.sums.spent() > Money::ZERO).collect();
        bought.sort_by_key(|group| std::cmp::Reverse(group.sums.spent()));
        let parts: Vec<String> = bought
            .iter()
            .map(|group| format!("{} {}", escape::line(&group.key[1]), units::money_sum(group.sums.spent())))
            .collect();
        let over = limit.is_some_and(|limit| spent >= limit && limit > Money::ZERO);
        let bar = if whole > Money::ZERO { portion(spent, whole, 20) } else { 0 };
        let bar = Piece::new(&text::pad_right(&"█".repeat(bar), 20), if over { Role::Bad } else { Role::Chart(1) });
        let spent = if spent == Money::ZERO { "nothing".to_owned() } else { units::money_sum(spent) };
        let lead = format!("{:<11}{spent:>9}  ", escape::line(day));
        lines.put(2, &[Piece::plain(&lead), bar, Piece::plain("  "), Piece::new(&parts.join(", "), Role::Muted)]);
    }
    lines.blank();
}

/// Calls per hour or day as bars, failures counted beside.
fn course(stats: &CallStats, by: GroupBy, lines: &mut Lines) {
    let most = stats.groups.iter().map(|group| group.sums.calls).max().unwrap_or(0);
    let head = format!("Calls per {}   0 to {}", by.word(), units::thousands(most));
    lines.put(0, &[Piece::new(&head, Role::Title)]);
    let mut slots = slots(stats, by);
    let room = lines.width().saturating_sub(2) / HOUR_CELLS;
    slots.drain(..slots.len().saturating_sub(room));
    for level in (0..HOUR_ROWS).rev() {
        let cells: String = slots
            .iter()
            .map(|(_, count)| {
                let eighths = if most == 0 { 0 } else { (count * HOUR_ROWS * 8).div_ceil(most) };
                let here = eighths.saturating_sub(level * 8).min(8);
                EIGHTHS[usize::try_from(here).unwrap_or(0)].repeat(HOUR_CELLS)
            })
            .collect();
        lines.put(2, &[Piece::new(cells.trim_end(), Role::Chart(0))]);
    }
    let axis: String = slots
        .iter()
        .enumerate()
        .map(
            |(place, (label, _))| {
                if place % 6 == 0 { text::pad_right(label, HOUR_CELLS) } else { " ".repeat(HOUR_CELLS) }
            },
        )
        .collect();
    lines.put(2, &[Piece::new(axis.trim_end(), Role::Muted)]);
    lines.blank();
}

/// The bars in the order of time, each with its label (an hour of the clock; a day by its last two digits): every hour
/// of the day where all are of one day, else every time of the window, with calls or without.
fn slots(stats: &CallStats, by: GroupBy) -> Vec<(String, u64)> {
    let with_calls = || stats.groups.iter().filter_map(|group| group.key.first());
    let times: Vec<&String> =
        if stats.times.is_empty() { with_calls().collect() } else { stats.times.iter().collect() };
    let day = |key: &str| key.get(..10).map(str::to_owned);
    let first = times.first().and_then(|first| day(first));
    let of_one_day = by == GroupBy::Hour && times.iter().all(|time| day(time) == first);
    let whole: Vec<String> = match first.filter(|_| of_one_day) {
        Some(day) => (0..24).map(|hour| format!("{day} {hour:02}:00")).collect(),
        None => times.into_iter().cloned().collect(),
    };
    let mut calls: BTreeMap<&str, u64> = BTreeMap::new();
    for group in &stats.groups {
        *calls.entry(group.key.first().map_or("", String::as_str)).or_default() += group.sums.calls;
    }
    let label = |key: &str| if by == GroupBy::Hour { key.get(11..13) } else { key.get(8..10) }.unwrap_or("").to_owned();
    whole.iter().map(|time| (label(time), calls.get(time.as_str()).copied().unwrap_or(0))).collect()
}

fn failures(stats: &CallStats, lines: &mut Lines) {
    let all = &stats.all;
    let head = format!("Failures   {} of {}", units::thousands(all.failed()), units::thousands(all.calls));
    lines.put(0, &[Piece::new(&head, Role::Title)]);
    for group in stats.groups.iter().filter(|group| group.key.first().is_some_and(|code| !code.is_empty())) {
        let count = text::pad_left(&units::thousands(group.sums.calls), 8);
        lines.put(
            2,
            &[Piece::plain(&count), Piece::plain("  "), Piece::plain(&words::key(&group.key, &[GroupBy::Error]))],
        );
    }
    lines.blank();
}

/// Who decided, over the whole day.
fn rules(snapshot: &Snapshot, lines: &mut Lines) {
    if snapshot.routing.decided_today.is_empty() {
        return;
    }
    // Counted as calls come in: neither filter nor window narrows it.
    lines.put(0, &[Piece::new("Decided by", Role::Title), Piece::new("   all calls of today", Role::Muted)]);
    let mut decided: Vec<&(String, u64)> = snapshot.routing.decided_today.iter().collect();
    decided.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    for (policy, count) in decided {
        let count = text::pad_left(&units::thousands(*count), 8);
        lines.put(2, &[Piece::plain(&count), Piece::plain("  "), Piece::plain(&super::detail::why(policy))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_never_longer_than_its_place() {
        assert_eq!(portion(Money(420), Money(10_000), 50), 2);
        assert_eq!(portion(Money(i64::MAX), Money(1), 50), 50);
        assert_eq!(portion(Money(-5), Money::ZERO, 50), 0);
    }
}
