//! A replay in words: what would change, the sums of both sides, and what it does not know.

use super::routes::decided_by;
use super::{escape, units};
use crate::domain::money::Money;
use crate::domain::replay::{Fate, Flow, ReplayReport, Replayed};

/// One line of the comparison, each cell in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    pub label: &'static str,
    pub before: String,
    pub after: String,
    pub change: String,
    /// More calls reach nobody than before.
    pub worse: bool,
}

/// `61 of 1,482 calls would go elsewhere, 2 would be refused.`
pub fn headline(report: &ReplayReport) -> String {
    if report.calls == 0 {
        return "No recorded call fits.".to_owned();
    }
    let changes = [
        (report.moved, "would go elsewhere"),
        (report.refused, "would be refused"),
        (report.let_through, "would no longer be refused"),
    ];
    let changes = changes.iter().filter(|(calls, _)| *calls > 0).enumerate();
    let changes: Vec<String> = changes
        .map(|(place, (calls, what))| match place {
            0 => format!("{} of {} {what}", units::thousands(*calls), units::count(report.calls, "call", "calls")),
            _ => format!("{} {what}", units::thousands(*calls)),
        })
        .collect();
    if changes.is_empty() {
        return match report.calls {
            1 => "The call would go where it went.".to_owned(),
            calls => format!("All {} calls would go where they went.", units::thousands(calls)),
        };
    }
    format!("{}.", changes.join(", "))
}

/// The sums of both sides, line by line.
pub fn compared(report: &ReplayReport) -> Vec<Compared> {
    let (before, after) = (&report.before, &report.after);
    let count = |label, before: u64, after: u64| Compared {
        label,
        before: units::thousands(before),
        after: units::thousands(after),
        change: signed(&before, &after, &units::thousands(before.abs_diff(after))),
        worse: false,
    };
    let mut lines = vec![count("at home", before.local, after.local), count("cloud", before.cloud, after.cloud)];
    if before.unknown + after.unknown > 0 {
        lines.push(count("provider gone", before.unknown, after.unknown));
    }
    lines.push(Compared { worse: after.refused > before.refused, ..count("refused", before.refused, after.refused) });
    lines.push(Compared {
        label: "cost",
        before: units::money_sum(before.cost),
        after: units::money_sum(after.cost),
        change: cost_change(before.cost, after.cost),
        worse: false,
    });
    if let Some((before, after)) = before.ttft_ms.zip(after.ttft_ms) {
        lines.push(Compared {
            label: "first token",
            before: units::first_token(before),
            after: units::first_token(after),
            change: signed(&before, &after, &units::first_token(before.abs_diff(after))),
            worse: false,
        });
    }
    lines
}

fn signed<T: Ord>(before: &T, after: &T, amount: &str) -> String {
    match after.cmp(before) {
        std::cmp::Ordering::Less => format!("-{amount}"),
        std::cmp::Ordering::Equal => "0".to_owned(),
        std::cmp::Ordering::Greater => format!("+{amount}"),
    }
}

/// `-$0.38`, `+<$0.01`, `0`.
pub fn cost_change(before: Money, after: Money) -> String {
    signed(&before, &after, &units::money_sum(Money(after.0.saturating_sub(before.0).saturating_abs())))
}

/// The change of the money of calls that change in the same way; `unknown` where no price is.
pub fn flow_cost(flow: &Flow) -> String {
    if flow.unpriced == flow.calls { units::UNKNOWN.to_owned() } else { cost_change(flow.cost_before, flow.cost_after) }
}

/// Where calls come from or go to: a target, or `refused`.
pub fn end(target: Option<&crate::domain::ids::Target>) -> String {
    target.map_or_else(|| "refused".to_owned(), |target| escape::line(&target.to_string()).into_owned())
}

/// `zai/glm-4.6 by long-prompts`, `refused by no-images: Images are not accepted.`
pub fn fate(fate: &Fate) -> String {
    let by = decided_by(&fate.by);
    match (&fate.refused, &fate.target) {
        (Some(why), _) => escape::line_capped(&format!("refused by {by}: {why}"), 240).into_owned(),
        (None, target) => escape::line(&format!("{} by {by}", end(target.as_ref()))).into_owned(),
    }
}

/// Whether a row's world is that of then: `as recorded`, or whose state is of today.
pub fn world(row: &Replayed) -> String {
    if row.today.is_empty() {
        return "as recorded".to_owned();
    }
    let names: Vec<&str> = row.today.iter().map(crate::domain::ids::ProviderId::as_str).collect();
    escape::line(&format!("today's {}", names.join(", "))).into_owned()
}

/// A row's cost, then and by these rules: `$0.0170 -> free`.
pub fn row_cost(row: &Replayed) -> String {
    let word = |fate: &Fate| match (fate.cost, &fate.refused) {
        (_, Some(_)) => units::MISSING.to_owned(),
        (cost, None) => cost.map_or_else(|| units::UNKNOWN.to_owned(), units::money),
    };
    format!("{} -> {}", word(&row.before), word(&row.after))
}

/// What it leaves out and what it does not know, a sentence each.
pub fn notes(report: &ReplayReport) -> Vec<String> {
    let mut notes = Vec::new();
    let calls = |count| units::count(count, "call", "calls");
    if report.stopped {
        notes.push("Stopped: these are the calls it had looked at until then.".to_owned());
    } else if report.matching > report.calls {
        notes.push(format!("The newest {} of {} that fit.", units::thousands(report.calls), calls(report.matching)));
    }
    if report.calls == 0 {
        return notes;
    }
    if report.from_today > 0 {
        notes.push(format!(
            "{} would go to a provider whose state then is not recorded: it is taken from today.",
            calls(report.from_today)
        ));
    }
    if !report.unrecorded.is_empty() {
        notes.push(format!(
            "The rules look at {}, which no record holds: it is taken from today.",
            escape::line(&report.unrecorded.join(", "))
        ));
    }
    for absent in &report.absent {
        let (lack, it) = if absent.calls == 1 { ("lacks", "it counts") } else { ("lack", "it counts") };
        notes.push(format!("{} {lack} {}: {it} as empty.", calls(absent.calls), escape::line(&absent.fact)));
    }
    if report.unpriced > 0 {
        let (are, price) = if report.unpriced == 1 { ("has", "it is") } else { ("have", "they are") };
        notes.push(format!("{} {are} no known cost on one side: {price} in no sum.", calls(report.unpriced)));
    }
    if report.moved + report.let_through > 0 {
        notes.push(
            "Expected: cost from the tokens of then at today's prices, time from what each target took in these calls."
                .to_owned(),
        );
    }
    notes
        .push("Not in it: the prompts, which are never stored, and what another model would have answered.".to_owned());
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::replay::{AbsentFact, ReplaySums};

    fn report() -> ReplayReport {
        ReplayReport {
            calls: 1482,
            matching: 1482,
            moved: 61,
            before: ReplaySums {
                local: 982,
                cloud: 489,
                refused: 11,
                cost: Money(3_120_000_000_000),
                ..Default::default()
            },
            after: ReplaySums {
                local: 1043,
                cloud: 428,
                refused: 11,
                cost: Money(2_740_000_000_000),
                ..Default::default()
            },
            ..ReplayReport::default()
        }
    }

    #[test]
    fn both_sides_stand_beside_each_other_with_a_signed_change() {
        let report = report();
        assert_eq!(headline(&report), "61 of 1,482 calls would go elsewhere.");
        let lines = compared(&report);
        let line = |label| lines.iter().find(|line| line.label == label).map(|line| line.change.as_str());
        assert_eq!((line("at home"), line("cloud"), line("refused")), (Some("+61"), Some("-61"), Some("0")));
        assert_eq!((line("cost"), line("first token")), (Some("-$0.38"), None));
    }

    #[test]
    fn what_is_not_known_is_said() {
        let said = notes(&ReplayReport {
            matching: 2000,
            from_today: 3,
            unpriced: 1,
            absent: vec![AbsentFact { fact: "request.audience".into(), calls: 12 }],
            ..report()
        });
        for part in
            ["newest 1,482 of 2,000 calls", "3 calls would go", "12 calls lack request.audience", "1 call has no"]
        {
            assert!(said.iter().any(|note| note.contains(part)), "{part}: {said:?}");
        }
        assert_eq!(headline(&ReplayReport { moved: 0, ..report() }), "All 1,482 calls would go where they went.");
        assert_eq!(headline(&ReplayReport::default()), "No recorded call fits.");
    }
}
