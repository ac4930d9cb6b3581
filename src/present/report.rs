//! A report for a bug as one readable text: the front end's part, and the whole with what the engine adds.
//!
//! Nothing in here knows a secret; the engine takes every key out of the draft before it comes back.

use super::{escape, text, units};
use crate::domain::config::KeySource;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{CallPage, CallRow, LogLine, ProviderView, ReportParts, Snapshot};
use std::fmt::Write as _;

/// Lines of the log and calls that go in.
pub const LOG_LINES: usize = 60;
pub const CALLS: usize = 30;
/// Variables that say how a terminal behaves. Their values are harmless, and redacted all the same.
pub const TERMINAL_VARIABLES: [&str; 9] =
    ["TERM", "COLORTERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "LANG", "LC_ALL", "NO_COLOR", "TMUX", "SSH_TTY"];
/// Only whether these are set goes in: a value names a place on the machine.
const ONLY_WHETHER: [&str; 2] = ["TMUX", "SSH_TTY"];

/// What the front end knows.
pub struct Draft<'a> {
    pub snapshot: &'a Snapshot,
    pub log: Result<&'a [LogLine], &'a str>,
    pub calls: Result<&'a CallPage, &'a str>,
    /// [`TERMINAL_VARIABLES`] that are set.
    pub terminal: &'a [(String, String)],
    /// Columns and rows.
    pub size: Option<(u16, u16)>,
    pub now: UnixMs,
}

/// What goes in and what does not, in the order it stands there.
pub const CONTENTS: &str = "version and system, terminal, configuration with keys hidden and hosts kept, what is wrong \
    with it, providers with their health, the last lines of the log, the last calls without their texts, the \
    ledger's condition";

/// See [`CONTENTS`].
const NOT_IN_HERE: &str = "Not in here: keys (whatever the file, the environment or a .env holds as one is replaced), \
    comments of the file, prompts and answers. Read it before you send it: hosts, names and paths are yours.";
/// Columns of its sentences, for a terminal of 80.
const PAGE: usize = 76;

impl Draft<'_> {
    /// The front end's part.
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.terminal(&mut out);
        self.findings(&mut out);
        self.providers(&mut out);
        self.routing(&mut out);
        self.log(&mut out);
        self.calls(&mut out);
        out
    }

    fn terminal(&self, out: &mut String) {
        heading(out, "Terminal");
        if let Some((columns, rows)) = self.size {
            let _ = writeln!(out, "- size: {columns}x{rows}");
        }
        for (name, value) in self.terminal {
            let value = if ONLY_WHETHER.contains(&name.as_str()) { "set" } else { value };
            let _ = writeln!(out, "- {name}: {}", escape::line_capped(value, 80));
        }
    }

    fn findings(&self, out: &mut String) {
        heading(out, "What is wrong with the configuration");
        let config = &self.snapshot.config;
        if let Some(why) = &config.rejected {
            let runs = if config.on_last_good { "the last good version runs" } else { "it is not in force" };
            let _ = writeln!(out, "- the file cannot be used, {runs}: {}", escape::line_capped(why, 200));
        }
        if config.issues.is_empty() {
            let _ = writeln!(out, "- nothing");
        }
        for issue in &config.issues {
            let line = issue.line.map(|line| format!("line {line}: ")).unwrap_or_default();
            let _ = writeln!(out, "- {}: {line}{}", issue.severity.word(), escape::line_capped(&issue.message, 300));
        }
    }

    fn providers(&self, out: &mut String) {
        heading(out, "Providers");
        if self.snapshot.providers.is_empty() {
            let _ = writeln!(out, "- none");
        }
        for view in self.snapshot.providers.iter() {
            provider(out, view, self.now);
        }
    }

    fn routing(&self, out: &mut String) {
        heading(out, "Routing, money, gateway");
        let routing = &self.snapshot.routing;
        let effect = routing.in_effect.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        let _ = writeln!(out, "- strategy: {}", routing.rules.strategy.word());
        let _ = writeln!(
            out,
            "- chosen: {}, in effect: {}",
            escape::line(&routing.active.to_string()),
            escape::line(&effect)
        );
        if !routing.in_effect_why.is_empty() {
            let _ = writeln!(out, "- why: {}", escape::line_capped(&routing.in_effect_why, 200));
        }
        let orders = routing.rules.request_orders.len();
        let _ = writeln!(
            out,
            "- {} of request types, {}",
            units::count(orders as u64, "order", "orders"),
            units::count(routing.rules.policies.len() as u64, "policy", "policies")
        );
        let spend = &self.snapshot.spend;
        let _ = writeln!(
            out,
            "- today: {}, {} of them failed or denied, {}",
            units::count(spend.calls_today, "call", "calls"),
            spend.failed_today,
            units::spend(spend.today, spend.limit)
        );
        let gateway = &self.snapshot.gateway;
        let told = match (&gateway.listening, &gateway.trouble) {
            (Some(at), _) => format!("listens at {at} in this process"),
            (None, Some(trouble)) => trouble.clone(),
            (None, None) => format!("not in this process; configured for {}", self.snapshot.config.gateway_listen),
        };
        let _ = writeln!(out, "- gateway: {}", escape::line_capped(&told, 200));
    }

    fn log(&self, out: &mut String) {
        heading(out, "Last lines of the log");
        match self.log {
            Ok([]) => drop(writeln!(out, "- none")),
            Ok(lines) => {
                for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES)) {
                    let message = escape::line_capped(&line.message, 400);
                    let _ = writeln!(
                        out,
                        "    {} {:5} {} {message}",
                        escape::line(&line.ts),
                        escape::line(&line.level),
                        escape::line(&line.target)
                    );
                }
            }
            Err(why) => drop(writeln!(out, "- not readable: {}", escape::line_capped(why, 300))),
        }
    }

    fn calls(&self, out: &mut String) {
        heading(out, "Last calls, without their texts");
        match self.calls {
            Ok(page) if page.rows.is_empty() => drop(writeln!(out, "- none")),
            Ok(page) => {
                let _ = writeln!(out, "- today: {}", units::count(page.total, "call", "calls"));
                for row in page.rows.iter().take(CALLS) {
                    call(out, row, self.now);
                }
            }
            Err(why) => drop(writeln!(out, "- not readable: {}", escape::line_capped(why, 300))),
        }
    }
}

/// The whole report.
pub fn whole(parts: &ReportParts, now: UnixMs) -> String {
    let mut out = format!("# lmdeck report\n\nMade at {}.\n\n", units::date_time(now));
    for paragraph in [format!("In here: {CONTENTS}."), NOT_IN_HERE.to_owned()] {
        let _ = writeln!(out, "{}\n", text::wrap(&paragraph, PAGE).join("\n"));
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    heading(&mut out, "Version and system");
    let _ = writeln!(out, "- lmdeck {}\n- {}", env!("CARGO_PKG_VERSION"), escape::line(&parts.system));
    out.push_str(&parts.draft);
    heading(&mut out, "Ledger");
    match (&parts.ledger, &parts.ledger_trouble) {
        (Some(check), _) => {
            let span = match (check.first, check.last) {
                (Some(first), Some(last)) => {
                    format!(
                        ", the first {} ago, the last {} ago",
                        units::age(now.since(first)),
                        units::age(now.since(last))
                    )
                }
                _ => String::new(),
            };
            let _ = writeln!(
                out,
                "- integrity: {}\n- {}{span}\n- {}, tables of version {}",
                escape::line_capped(&check.integrity, 400),
                units::count(check.calls, "call", "calls"),
                units::size(check.bytes),
                check.schema
            );
        }
        (None, trouble) => {
            let why = trouble.as_deref().unwrap_or("it was not asked");
            let _ = writeln!(out, "- not readable: {}", escape::line_capped(why, 300));
        }
    }
    heading(&mut out, "Configuration file");
    match (&parts.config, &parts.config_trouble) {
        (Some(text), _) => {
            for line in text.lines() {
                let _ = writeln!(out, "    {}", escape::line(line));
            }
        }
        (None, Some(why)) => drop(writeln!(out, "- not shown: {}", escape::line_capped(why, 300))),
        (None, None) => drop(writeln!(out, "- there is none")),
    }
    out
}

fn heading(out: &mut String, title: &str) {
    let _ = writeln!(out, "\n## {title}\n");
}

fn provider(out: &mut String, view: &ProviderView, now: UnixMs) {
    let health = &view.health;
    let _ = writeln!(
        out,
        "- {} ({}, {}) at {}: {}, since {}",
        escape::line(view.id.as_str()),
        view.kind.word(),
        view.reach.word(),
        escape::line(&view.endpoint.origin),
        if view.enabled { health.state.word() } else { "off" },
        units::age(now.since(health.since)),
    );
    if !health.reason.is_empty() {
        let _ = writeln!(out, "    - reason: {}", escape::line_capped(&health.reason, 300));
    }
    let ladder = &health.ladder;
    let rungs = [
        ("reachable", ladder.reachable),
        ("authenticated", ladder.authenticated),
        ("listed", ladder.listed),
        ("loaded", ladder.loaded),
        ("answering", ladder.answering),
    ];
    let rungs =
        rungs.map(|(name, known)| format!("{name} {}", known.map_or("?", |yes| if yes { "yes" } else { "no" })));
    let _ = writeln!(out, "    - ladder: {}", rungs.join(", "));
    let key = match &view.key_source {
        KeySource::None => "none".to_owned(),
        KeySource::Variable { name } => format!("from {name}"),
        KeySource::File { .. } => "in the file".to_owned(),
    };
    let _ = writeln!(
        out,
        "    - key: {}, models: {} ({} named), p50 {} p95 {}, uptime {}",
        escape::line(&key),
        view.models.len(),
        view.named_models.len(),
        units::latency_or_missing(view.p50_ms),
        units::latency_or_missing(view.p95_ms),
        view.uptime_permille.map_or_else(|| "-".to_owned(), units::uptime),
    );
    if let Some(withheld) = &view.withheld {
        let _ = writeln!(out, "    - nothing is sent to it: {}", escape::line_capped(&withheld.sentence, 300));
    }
}

fn call(out: &mut String, row: &CallRow, now: UnixMs) {
    let target = row.target.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let error = row.error.map(|code| format!(" {}", code.word())).unwrap_or_default();
    let _ = writeln!(
        out,
        "    {} {} ago  {}{error}  {}  by {}  {}  {} tries  policy {}",
        escape::line(row.id.as_str()),
        units::age(now.since(row.ts)),
        row.status.word(),
        escape::line(&target),
        escape::line_capped(&row.client, 40),
        units::duration(row.duration_ms),
        row.tries,
        escape::line_capped(&row.policy, 60),
    );
}
