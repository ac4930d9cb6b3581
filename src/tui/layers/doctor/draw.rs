//! The doctor's picture: ten rows in fixed places, a waterfall of their times, and below them what to do.
//!
//! ```text
//!        step      verdict                                  time  0    200 ms
//!   [ok] TCP       127.0.0.1:1234 takes connections         1 ms  █
//! > [x]  auth      the key was refused                      2 ms   ██
//!   [-]  models    needs auth
//! ```

use super::{Doctor, Phase, STOPPED};
use crate::engine::protocol::{DOCTOR_STEPS, StepState};
use crate::present::remedy::Subject;
use crate::present::{escape, text, units};
use crate::tui::canvas::Canvas;
use crate::tui::screens::acts;
use crate::tui::theme::Role;
use crate::tui::widgets::lines::{Lines, Piece};
use ratatui::layout::Rect;
use std::time::Duration;

/// Where the verdict begins.
const VERDICT: u16 = 17;
const TIME: u16 = 9;
/// From this width on there are bars.
const ROOM_FOR_BARS: u16 = 76;
/// From so many rows below the steps on there are headings and blank rows.
const ROOM_FOR_HEADINGS: u16 = 12;
/// Rows below the steps that they leave free on a low screen.
const ROOM_FOR_ADVICE: usize = 4;
/// Steps that are seen in any case.
const LEAST_STEPS: usize = 3;
/// The longest time a bar can stand for on each scale, in ms.
const SCALES: [u64; 4] = [200, 2_000, 20_000, 200_000];

/// The columns of a row, from the pane's width alone.
struct Columns {
    verdict: u16,
    time: u16,
    bar: Option<(u16, u16)>,
}

impl Columns {
    fn of(area: Rect) -> Self {
        let bar_wide = match area.width {
            wide if wide >= 110 => 24,
            wide if wide >= ROOM_FOR_BARS => 12,
            _ => 0,
        };
        let bar = (bar_wide > 0).then(|| (area.right().saturating_sub(bar_wide + 1), bar_wide));
        let time = bar.map_or(area.right(), |(x, _)| x).saturating_sub(TIME + 2);
        Self { verdict: time.saturating_sub(area.x + VERDICT + 1), time, bar }
    }
}

pub(super) fn draw(doctor: &Doctor, canvas: &mut Canvas<'_>, area: Rect) {
    canvas.clear(area);
    let status = status(doctor, canvas);
    canvas.rule(Rect { height: 1, ..area }, &format!("Doctor  {}", doctor.name), &status, true);
    let columns = Columns::of(area);
    head(doctor, canvas, area, &columns);
    let steps = steps(doctor, usize::from(area.height.saturating_sub(2)));
    let used = u16::try_from(steps.len()).unwrap_or(0) + 2;
    for (place, y) in steps.zip(area.y + 2..area.bottom()) {
        row(doctor, canvas, Rect { y, height: 1, ..area }, place, &columns);
    }
    if area.height > used {
        let below = Rect::new(area.x + 2, area.y + used, area.width.saturating_sub(4), area.height - used);
        doctor.scroll.draw(&advice(doctor, &columns, below, canvas), canvas, below);
    }
}

/// The steps that are seen: all where there is room for what to do besides, else those around the cursor.
fn steps(doctor: &Doctor, room: usize) -> std::ops::Range<usize> {
    let all = DOCTOR_STEPS.len();
    let rows = room.saturating_sub(ROOM_FOR_ADVICE).clamp(LEAST_STEPS.min(room), all);
    let first = (doctor.place() + 1).saturating_sub(rows.div_ceil(2)).min(all - rows);
    first..first + rows
}

/// `7 of 10 steps, 0.2 s`.
fn status(doctor: &Doctor, canvas: &Canvas<'_>) -> String {
    let taken = doctor.steps.iter().filter(|step| step.state != StepState::Skipped).count();
    let all = DOCTOR_STEPS.len();
    match &doctor.phase {
        Phase::NotRun => "not run yet".into(),
        Phase::Running { since, .. } => {
            let passed = canvas.cx.now.since(*since).as_secs();
            canvas.wake_at(since.plus(Duration::from_secs(passed + 1)));
            format!("step {} of {all}, {passed} s", (doctor.steps.len() + 1).min(all))
        }
        Phase::Done { report, at } => {
            let word = if doctor.stopped() { "stopped after" } else { "took" };
            format!("{taken} of {all} steps, {word} {}, {} ago", units::duration(report.total_ms), canvas.age(*at))
        }
        Phase::Refused(_) => "not possible".into(),
    }
}

fn scale(doctor: &Doctor) -> u64 {
    let total = doctor.steps.iter().filter_map(|step| step.ms).sum::<u64>();
    SCALES.into_iter().find(|scale| total <= *scale).unwrap_or(total.max(1))
}

fn head(doctor: &Doctor, canvas: &mut Canvas<'_>, area: Rect, columns: &Columns) {
    let y = area.y + 1;
    canvas.text(area.x + 7, y, 10, "step", Role::Muted);
    canvas.text(area.x + VERDICT, y, columns.verdict, "verdict", Role::Muted);
    canvas.right(columns.time, columns.time + TIME, y, "time", Role::Muted);
    if let Some((x, wide)) = columns.bar {
        let end = units::latency(scale(doctor));
        canvas.text(x, y, 1, "0", Role::Muted);
        canvas.right(x + 1, x + wide, y, &end, Role::Muted);
    }
}

fn row(doctor: &Doctor, canvas: &mut Canvas<'_>, row: Rect, place: usize, columns: &Columns) {
    let (label, name, verdict) = doctor.row(place);
    let chosen = place == doctor.place();
    let skipped = doctor.step(name).is_some_and(|step| step.state == StepState::Skipped);
    let role = if skipped { Role::Muted } else { Role::Plain };
    canvas.text(row.x, row.y, 1, if chosen { ">" } else { " " }, Role::Plain);
    canvas.mark(row.x + 2, row.y, &label);
    canvas.text(row.x + 7, row.y, 10, name, role);
    canvas.text(row.x + VERDICT, row.y, columns.verdict, fitting(&verdict, columns), role);
    let step = doctor.step(name);
    if let Some(ms) = step.and_then(|step| step.ms) {
        canvas.right(columns.time, columns.time + TIME, row.y, &units::latency(ms), role);
        bar(doctor, canvas, row.y, place, ms, columns);
    } else if let Phase::Running { step_since, .. } = &doctor.phase
        && place == doctor.steps.len()
    {
        let passed = canvas.cx.now.since(*step_since).as_secs();
        if passed > 0 {
            canvas.right(columns.time, columns.time + TIME, row.y, &format!("{passed} s"), Role::Muted);
        }
    }
    if chosen {
        canvas.select(Rect { width: columns.time + TIME - row.x, ..row }, row.x + 2..row.x + 6);
    }
}

/// A verdict that is too long for its column, without its explanation: that stands below the steps.
fn fitting<'a>(verdict: &'a str, columns: &Columns) -> &'a str {
    if text::width(verdict) <= usize::from(columns.verdict) {
        return verdict;
    }
    verdict.split_once(": ").map_or(verdict, |(said, _)| said)
}

/// Its part of the waterfall: it begins where the steps before it ended.
fn bar(doctor: &Doctor, canvas: &mut Canvas<'_>, y: u16, place: usize, ms: u64, columns: &Columns) {
    let Some((x, wide)) = columns.bar else { return };
    let scale = scale(doctor);
    let column = |ms: u64| u16::try_from(ms.saturating_mul(u64::from(wide)) / scale).unwrap_or(wide).min(wide);
    let names = &DOCTOR_STEPS[..place];
    let before: u64 = names.iter().filter_map(|name| doctor.step(name)?.ms).sum();
    let start = column(before).min(wide - 1);
    let long = column(before + ms).saturating_sub(start);
    if long > 0 {
        canvas.text(x + start, y, long, &"█".repeat(usize::from(long)), Role::Chart(0));
    } else if ms > 0 {
        canvas.text(x + start, y, 1, "▄", Role::Chart(0));
    }
}

/// The verdict of the chosen row where its column cuts it, then what to do.
fn advice(doctor: &Doctor, columns: &Columns, below: Rect, canvas: &Canvas<'_>) -> Lines {
    let width = usize::from(below.width);
    // Few rows: what to do needs them more than a heading does.
    let roomy = below.height >= ROOM_FOR_HEADINGS;
    let mut lines = Lines::new(width);
    let (_, name, verdict) = doctor.row(doctor.place());
    lines.blank();
    if text::width(&escape::line(&verdict)) > usize::from(columns.verdict) {
        lines.labelled(name, 9, &verdict);
        if roomy {
            lines.blank();
        }
    }
    match &doctor.phase {
        Phase::Refused(why) => lines.wrapped(0, why, Role::Plain),
        Phase::Done { .. } if doctor.stopped() => lines.wrapped(0, STOPPED, Role::Plain),
        Phase::Done { report, .. } if report.failure.is_none() && report.cautions.is_empty() => {
            lines.wrapped(0, "Every step that was taken is well.", Role::Plain);
        }
        _ => {}
    }
    let Some(provider) = acts::find(canvas.cx.snapshot, &doctor.id) else { return lines };
    let remedies = doctor.remedies(&Subject::of(provider));
    if !remedies.is_empty() && roomy {
        lines.title("What to do");
    }
    for remedy in remedies {
        lines.wrapped(2, &remedy.headline, Role::Plain);
        if let Some(command) = &remedy.command {
            for line in text::wrap(&escape::line(command), width.saturating_sub(6)) {
                lines.put(6, &[Piece::plain(&line)]);
            }
        }
        for step in &remedy.steps {
            lines.wrapped(2, step, Role::Plain);
        }
    }
    lines
}
