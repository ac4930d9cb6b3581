//! `status`: target, strategy, money and every provider on one page.

use super::health;
use crate::cli::ending::Ending;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Column, Table};
use crate::cli::words;
use crate::domain::health::State;
use crate::engine::protocol::{GatewayView, RoutingView, Snapshot, SpendView};
use crate::present::labels::{self, Role};
use crate::present::{brief, budget, escape, flow, stats, text, units};
use serde_json::json;

/// Where the second of two pairs on a line begins.
const SECOND_PAIR: usize = 59;
const LABEL: usize = 10;

pub async fn run(session: &mut Session) -> Result<(), Ending> {
    let snapshot = session.probed().await?;
    if session.console.json {
        session.console.document(&as_json(&snapshot))?;
    } else {
        print(session, &snapshot)?;
    }
    health::exit_by_target(&snapshot)
}

fn print(session: &mut Session, snapshot: &Snapshot) -> Result<(), Ending> {
    let pairs = [
        [("target", words::target(&snapshot.routing)), ("strategy", snapshot.routing.rules.strategy.word().to_owned())],
        [("spend", spend(&snapshot.spend)), ("calls", calls(&snapshot.spend))],
        [("gateway", gateway(&snapshot.gateway)), ("rules", rules(&snapshot.routing))],
    ];
    for [first, second] in pairs {
        print_pairs(session, &first, &second)?;
    }
    for (label, text) in flow::all(&snapshot.flow) {
        let label = session.console.paint(Role::Muted, &format!("{label:<LABEL$}"));
        let text = session.console.paint(Role::Plain, &text);
        session.console.line(&format!("{label}{text}"))?;
    }
    if let Some(rejected) = &snapshot.config.rejected {
        let text = format!("configuration: {rejected}. The last good one is in force; lmdeck config check says more");
        session.console.say(Role::Bad, &escape::line(&text));
    }
    if snapshot.providers.is_empty() {
        session
            .console
            .say(Role::Plain, "No providers yet: lmdeck providers discover looks for servers on this machine.");
        return Ok(());
    }
    if snapshot.config.first_run {
        let found = snapshot.providers.iter().map(|view| format!("{} at {}", view.kind.label(), view.endpoint.origin));
        let found = found.collect::<Vec<_>>().join(", ");
        let text = format!("-- no configuration; found on this machine and used: {found}");
        session.console.say(Role::Muted, &escape::line(&text));
    }
    let now = session.console.now();
    let mut table = Table::new(vec![
        Column::mark(),
        Column::left("", 12),
        Column::left("", 12),
        Column::right("", 7).gap(3),
        Column::left("", 0),
    ]);
    for view in snapshot.providers.iter() {
        let latency = view.health.latency_ms.filter(|_| view.enabled).map_or_else(|| "-".into(), units::latency);
        table.row(vec![
            Cell::mark(&labels::provider(view)),
            view.id.as_str().into(),
            labels::provider(view).word.into(),
            latency.into(),
            brief::note(view, now).into(),
        ]);
    }
    table.print(&mut session.console)?;
    health::say_what_to_do(session, snapshot);
    Ok(())
}

/// Two labelled values on one line, or on two where they do not fit.
fn print_pairs(session: &mut Session, first: &(&str, String), second: &(&str, String)) -> Result<(), Ending> {
    let console = &mut session.console;
    let room = SECOND_PAIR - LABEL - 1;
    let wide = console.width.is_none_or(|width| width > SECOND_PAIR + LABEL + second.1.len());
    let left = console.paint(Role::Plain, &first.1);
    let right = console.paint(Role::Plain, &second.1);
    let label = |text: &str| console.paint(Role::Muted, &format!("{text:<LABEL$}"));
    let (left_label, right_label) = (label(first.0), label(second.0));
    let length = text::width(&escape::line(&first.1));
    if wide && length <= room {
        let fill = " ".repeat(SECOND_PAIR - LABEL - length);
        console.line(&format!("{left_label}{left}{fill}{right_label}{right}"))
    } else {
        console.line(&format!("{left_label}{left}"))?;
        console.line(&format!("{right_label}{right}"))
    }
}

fn spend(spend: &SpendView) -> String {
    let today = budget::spent(spend);
    let text = match spend.limit {
        Some(limit) if limit.0 > 0 => {
            let share = units::share(spend.today.0.unsigned_abs(), limit.0.unsigned_abs());
            format!("{today} of {} today, {share}", units::money_sum(limit))
        }
        Some(limit) => format!("{today} of {} today", units::money_sum(limit)),
        None => format!("{today} today, no limit"),
    };
    match spend.unpriced_calls {
        0 => text,
        calls => format!("{text}, and {}", stats::unpriced(calls)),
    }
}

fn calls(spend: &SpendView) -> String {
    match spend.failed_today {
        0 => format!("{} today", units::thousands(spend.calls_today)),
        failed => format!("{} today, {failed} failed or denied", units::thousands(spend.calls_today)),
    }
}

fn gateway(gateway: &GatewayView) -> String {
    match (&gateway.listening, &gateway.trouble) {
        (Some(address), _) => format!("http://{address}"),
        (None, Some(trouble)) => format!("not serving: {trouble}"),
        (None, None) => "not served by this process: lmdeck serve".to_owned(),
    }
}

fn rules(routing: &RoutingView) -> String {
    let orders = words::count(routing.rules.request_orders.len(), "order");
    match routing.rules.policies.len() {
        0 if routing.rules.request_orders.is_empty() => "none: the strategy decides".to_owned(),
        0 => orders,
        1 => format!("1 policy, {orders}"),
        policies => format!("{policies} policies, {orders}"),
    }
}

fn as_json(snapshot: &Snapshot) -> serde_json::Value {
    let routing = &snapshot.routing;
    json!({
        "active": routing.active.to_string(),
        "in_effect": routing.in_effect,
        "in_effect_why": routing.in_effect_why,
        "strategy": routing.rules.strategy,
        "spent_today_usd": snapshot.spend.today.dollars(),
        "reserved_usd": snapshot.spend.reserved.dollars(),
        "remaining_usd": snapshot.spend.remaining.map(crate::domain::money::Money::dollars),
        "daily_limit_usd": snapshot.spend.limit.map(crate::domain::money::Money::dollars),
        "unpriced_calls": snapshot.spend.unpriced_calls,
        "calls_today": snapshot.spend.calls_today,
        "failed_today": snapshot.spend.failed_today,
        "gateway": { "listening": snapshot.gateway.listening, "trouble": snapshot.gateway.trouble },
        "queue": snapshot.flow.queue,
        "cache": snapshot.flow.cache,
        "limits": snapshot.flow.limits,
        "calls_over_limit": snapshot.flow.limited,
        "export": snapshot.flow.export,
        "config_file": snapshot.config.file,
        "config_rejected": snapshot.config.rejected,
        "providers": snapshot.providers.iter().map(|view| health::as_json(view)).collect::<Vec<_>>(),
        "all_healthy": snapshot.providers.iter().all(|view| !view.enabled || view.health.state == State::Up),
    })
}
