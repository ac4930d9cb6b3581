//! `budget`: the day's limit, what was spent, what is held, what is left, and the days before.

use crate::cli::ending::Ending;
use crate::cli::session::{Session, unexpected};
use crate::cli::table::{Column, Table};
use crate::domain::money::Money;
use crate::engine::protocol::{BudgetReport, Command, DaySpend, ProviderSpend, Reply};
use crate::present::labels::Role;
use crate::present::{budget, escape, stats, units};
use serde_json::{Value, json};

const LABEL: usize = 12;
const LISTED_PROVIDERS: usize = 4;

pub async fn run(session: &mut Session, days: u32) -> Result<(), Ending> {
    let Reply::Budget(report) = session.ask(Command::Budget { days }).await? else {
        return Err(unexpected("budget"));
    };
    if session.console.json {
        return session.console.document(&as_json(&report));
    }
    print(session, &report)
}

fn print(session: &mut Session, report: &BudgetReport) -> Result<(), Ending> {
    let none = DaySpend::of(report.today);
    let today = report.days.first().unwrap_or(&none);
    let zone = report.timezone.as_deref().map_or_else(String::new, |zone| format!(" ({zone})"));
    let mut lines = vec![("day", format!("{}{zone}", report.today))];
    lines.push(("limit", report.limit.map_or_else(|| "none: set budget.daily_limit".into(), units::money_sum)));
    let by: Vec<String> = today.by_provider.iter().filter(|row| row.spent > Money::ZERO).map(spent_at).collect();
    let by = if by.is_empty() { String::new() } else { format!("  {}", by.join(", ")) };
    lines.push(("spent", format!("{}{by}", units::money_sum(today.spent))));
    if let Some(limit) = report.limit {
        lines.push(("reserved", format!("{} for calls of this process", units::money_sum(report.reserved))));
        if report.held_elsewhere > Money::ZERO {
            let held = units::money_sum(report.held_elsewhere);
            lines.push(("held", format!("{held} by other processes, or lost with one that ended badly")));
        }
        let remaining = report.remaining.unwrap_or_default();
        let share = units::share(remaining.0.unsigned_abs(), limit.0.unsigned_abs());
        lines.push(("remaining", format!("{}, {share}", units::money_sum(remaining))));
        lines.push(("alert", alert(report)));
        lines.push(("at the limit", budget::when_exhausted(report.when_exhausted).to_owned()));
    }
    if today.unpriced > 0 {
        lines.push(("unpriced", format!("{}: what is known is spent", stats::unpriced(today.unpriced))));
    }
    lines.push(("prices", format!("shipped table of {} ({})", report.prices_of, report.prices_from)));
    for (label, text) in lines {
        let label = session.console.paint(Role::Muted, &format!("{label:<LABEL$} "));
        session.console.line(&format!("{label}{}", escape::line(&text)))?;
    }
    session.console.line("")?;
    let mut table = Table::new(vec![
        Column::left("DAY", 10),
        Column::right("CALLS", 6),
        Column::right("SPENT", 8),
        Column::right("OF LIMIT", 8),
        Column::right("UNPRICED", 8),
        Column::left("BY PROVIDER", 0),
    ]);
    for day in &report.days {
        let share = report.limit.map(|limit| units::share(day.spent.0.unsigned_abs(), limit.0.unsigned_abs()));
        table.row(vec![
            day.date.to_string().into(),
            units::thousands(day.calls).into(),
            units::money_sum(day.spent).into(),
            share.unwrap_or_else(|| "-".into()).into(),
            units::thousands(day.unpriced).into(),
            providers(day).into(),
        ]);
    }
    table.print(&mut session.console)
}

fn alert(report: &BudgetReport) -> String {
    let threshold = format!("{:.0}%", report.alert_threshold * 100.0);
    if report.alerting { format!("on: more than {threshold} is used") } else { format!("at {threshold}") }
}

fn spent_at(row: &ProviderSpend) -> String {
    let provider = if row.provider.is_empty() { "nobody" } else { row.provider.as_str() };
    format!("{provider} {}", units::money_sum(row.spent))
}

fn providers(day: &DaySpend) -> String {
    let named: Vec<String> = day.by_provider.iter().take(LISTED_PROVIDERS).map(spent_at).collect();
    match day.by_provider.len().saturating_sub(LISTED_PROVIDERS) {
        0 if named.is_empty() => "-".into(),
        0 => named.join(", "),
        more => format!("{}, {more} more", named.join(", ")),
    }
}

fn as_json(report: &BudgetReport) -> Value {
    let day = |day: &DaySpend| {
        json!({
            "date": day.date,
            "calls": day.calls,
            "spent_usd": day.spent.dollars(),
            "unpriced_calls": day.unpriced,
            "held_usd": day.held.dollars(),
            "by_provider": day.by_provider.iter().map(|row| json!({
                "provider": row.provider,
                "calls": row.calls,
                "spent_usd": row.spent.dollars(),
                "unpriced_calls": row.unpriced,
            })).collect::<Vec<_>>(),
        })
    };
    let today = report.days.first();
    json!({
        "day": report.today,
        "timezone": report.timezone,
        "daily_limit_usd": report.limit.map(Money::dollars),
        "spent_today_usd": today.map_or(0.0, |today| today.spent.dollars()),
        "reserved_usd": report.reserved.dollars(),
        "held_elsewhere_usd": report.held_elsewhere.dollars(),
        "remaining_usd": report.remaining.map(Money::dollars),
        "alert_threshold": report.alert_threshold,
        "alerting": report.alerting,
        "when_exhausted": report.when_exhausted,
        "allow_unpriced": report.allow_unpriced,
        "unpriced_calls": today.map_or(0, |today| today.unpriced),
        "prices_as_of": report.prices_of,
        "prices_source": report.prices_from,
        "days": report.days.iter().map(day).collect::<Vec<_>>(),
    })
}
