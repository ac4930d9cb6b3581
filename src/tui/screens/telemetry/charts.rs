//! Charts over the list: today's money against the limit, and what the calls that are loaded say of today. Every
//! figure names how many calls it is made of.

use super::calls::Calls;
use crate::domain::money::Money;
use crate::engine::protocol::{CallRow, Snapshot};
use crate::present::{text, units};
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;
use crate::tui::widgets::lines::{Lines, Piece};
use ratatui::layout::Rect;
use std::collections::BTreeMap;

/// Rows of the chart of hours.
const HOUR_ROWS: u64 = 4;
/// Cells per hour.
const HOUR_CELLS: usize = 2;
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const NAME: usize = 16;

/// Draws from line `scroll` on; returns how many lines are below.
pub fn draw(calls: &Calls, canvas: &mut Canvas<'_>, area: Rect, scroll: usize) -> usize {
    canvas.rule(Rect { height: 1, ..area }, "Charts", "today", true);
    let inner = Rect::new(area.x + 2, area.y + 1, area.width.saturating_sub(4), area.height.saturating_sub(1));
    build(calls, canvas, usize::from(inner.width)).draw(canvas, inner, scroll)
}

fn build(calls: &Calls, canvas: &Canvas<'_>, width: usize) -> Lines {
    let mut lines = Lines::new(width);
    let (snapshot, now) = (canvas.cx.snapshot, canvas.cx.now);
    // A row of another day carries its date.
    let today: Vec<&CallRow> = calls.rows().filter(|row| !units::moment(row.ts, now).contains(' ')).collect();
    let base = format!("{} of {} calls", units::thousands(today.len() as u64), units::thousands(calls.total));
    money(snapshot, &mut lines);
    by_provider(&today, &base, &mut lines);
    hours(&today, &base, &mut lines);
    rules(snapshot, &mut lines);
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
        let calls = units::count(spend.unpriced_calls, "call", "calls");
        lines.wrapped(2, &format!("{calls} today without a known price: they are in no sum"), Role::Warn);
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

#[derive(Default)]
struct Sum {
    calls: u64,
    spent: Money,
    unpriced: u64,
    first_tokens: Vec<u64>,
}

/// Per provider: calls, money with a bar of its share, and the time to the first token.
fn by_provider(today: &[&CallRow], base: &str, lines: &mut Lines) {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for row in today {
        let Some(target) = &row.target else { continue };
        let sum = sums.entry(target.provider.as_str()).or_default();
        sum.calls += 1;
        match row.cost.amount {
            Some(amount) => sum.spent = sum.spent.saturating_add(amount),
            None => sum.unpriced += 1,
        }
        sum.first_tokens.extend(row.ttft_ms);
    }
    let heading = text::pad_right("By provider", NAME + 2);
    let percentiles: &[usize] = match lines.width() {
        0..50 => &[],
        50..60 => &[50],
        _ => &[50, 95],
    };
    let mut heads = format!("{:>8}{:>10}", "calls", "spent");
    heads.extend(percentiles.iter().map(|share| format!("{:>10}", format!("p{share} first"))));
    lines
        .split(&[Piece::new(&heading, Role::Title), Piece::new(&heads, Role::Muted)], &[Piece::new(base, Role::Muted)]);
    if sums.is_empty() {
        lines.wrapped(2, "no call was sent anywhere today", Role::Muted);
    }
    let most = sums.values().map(|sum| sum.spent).max().unwrap_or(Money::ZERO);
    for (provider, mut sum) in sums {
        sum.first_tokens.sort_unstable();
        let spent = match (sum.spent, sum.unpriced) {
            (Money::ZERO, 0) => "free".to_owned(),
            (Money::ZERO, _) => units::UNKNOWN.to_owned(),
            (spent, _) => units::money_sum(spent),
        };
        let mut figures = format!("{:>8}{spent:>10}", units::thousands(sum.calls));
        for share in percentiles {
            let first = percentile(&sum.first_tokens, *share);
            figures += &text::pad_left(&first.map_or_else(|| units::MISSING.into(), units::first_token), 10);
        }
        figures += "  ";
        let name = text::pad_right(&crate::present::escape::line(provider), NAME);
        let room = lines.width().saturating_sub(2 + NAME + text::width(&figures));
        let bar = if most > Money::ZERO { portion(sum.spent, most, room.min(40)) } else { 0 };
        lines.put(2, &[Piece::plain(&name), Piece::plain(&figures), Piece::new(&"█".repeat(bar), Role::Chart(1))]);
    }
    lines.blank();
}

/// The value below which `share` percent lie (nearest rank).
fn percentile(sorted: &[u64], share: usize) -> Option<u64> {
    let rank = (sorted.len() * share).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

fn hours(today: &[&CallRow], base: &str, lines: &mut Lines) {
    let mut counts = [0u64; 24];
    for row in today {
        if let Some(count) = units::clock(row.ts).get(..2).and_then(|hour| counts.get_mut(hour.parse::<usize>().ok()?))
        {
            *count += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let head = format!("Calls per hour   0 to {}", units::thousands(most));
    lines.split(&[Piece::new(&head, Role::Title)], &[Piece::new(base, Role::Muted)]);
    for level in (0..HOUR_ROWS).rev() {
        let cells: String = counts
            .iter()
            .map(|count| {
                let eighths = if most == 0 { 0 } else { (count * HOUR_ROWS * 8).div_ceil(most) };
                let here = eighths.saturating_sub(level * 8).min(8);
                EIGHTHS[usize::try_from(here).unwrap_or(0)].repeat(HOUR_CELLS)
            })
            .collect();
        lines.put(2, &[Piece::new(cells.trim_end(), Role::Chart(0))]);
    }
    let step = 6 * HOUR_CELLS;
    let axis: String = ["00", "06", "12", "18"].iter().map(|hour| text::pad_right(hour, step)).collect();
    lines.put(2, &[Piece::new(axis.trim_end(), Role::Muted)]);
    lines.blank();
}

/// Who decided, over the whole day.
fn rules(snapshot: &Snapshot, lines: &mut Lines) {
    if snapshot.routing.decided_today.is_empty() {
        return;
    }
    lines.put(0, &[Piece::new("Decided by", Role::Title)]);
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
    fn percentiles_are_values_that_were_seen() {
        let seen: Vec<u64> = (1..=20).collect();
        assert_eq!((percentile(&seen, 50), percentile(&seen, 95)), (Some(10), Some(19)));
        assert_eq!((percentile(&[7], 95), percentile(&[], 50)), (Some(7), None));
    }

    #[test]
    fn a_gauge_is_never_longer_than_its_place() {
        assert_eq!(portion(Money(420), Money(10_000), 50), 2);
        assert_eq!(portion(Money(i64::MAX), Money(1), 50), 50);
        assert_eq!(portion(Money(-5), Money::ZERO, 50), 0);
    }
}
