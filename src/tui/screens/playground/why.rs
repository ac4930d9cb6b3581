//! Why this model: the decision in one sentence, every rule with its verdict, the order, who was left out, and what
//! became of the call.

use super::lane::Lane;
use super::preview::decided_by;
use crate::domain::call::{CallRecord, Facts};
use crate::domain::routing::Explanation;
use crate::engine::protocol::{Command, Reply};
use crate::present::{escape, reason, text, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::part::{Cx, Effect, Outbox, Part, Ticket};
use crate::tui::theme::Role;
use crate::tui::widgets::lines::{Lines, Piece};
use crate::tui::widgets::scroll::Scroll;
use ratatui::layout::Rect;
use std::sync::Arc;

pub struct Why {
    title: &'static str,
    facts: Facts,
    explanation: Option<Explanation>,
    asked: Option<Ticket>,
    /// Why there is no explanation.
    refused: Option<String>,
    /// Of a call that was sent: what happened on the way, and its record when it has ended.
    notes: Vec<String>,
    record: Option<Arc<CallRecord>>,
    scroll: Scroll,
}

impl Why {
    /// Of what would be sent now.
    pub fn next(facts: Facts, explanation: Option<Explanation>) -> Self {
        Self {
            title: "Why, for what is typed",
            facts,
            explanation,
            asked: None,
            refused: None,
            notes: Vec::new(),
            record: None,
            scroll: Scroll::default(),
        }
    }

    /// Of an answer that is there or on its way.
    pub fn of(lane: &Lane) -> Self {
        Self {
            title: "Why, for this answer",
            notes: lane.notes.clone(),
            record: lane.record.clone(),
            ..Self::next(lane.facts.clone(), lane.why.clone())
        }
    }

    /// Every line as indent, label and words.
    fn said(&self) -> Vec<(Kind, String, String)> {
        let mut lines = Vec::new();
        let mut add = |kind, label: &str, words: String| lines.push((kind, label.to_owned(), words));
        match (&self.explanation, &self.refused) {
            (Some(explanation), _) => {
                add(Kind::Text, "", explanation.sentence.clone());
                decision(explanation, &mut add);
            }
            (None, Some(why)) => add(Kind::Text, "", format!("The decision cannot be explained: {why}.")),
            (None, None) => add(Kind::Text, "", "asking".into()),
        }
        if let Some(record) = &self.record {
            call(record, &mut add);
        }
        if !self.notes.is_empty() {
            add(Kind::Title, "On the way", String::new());
            for note in &self.notes {
                add(Kind::Row, "", note.clone());
            }
        }
        lines
    }

    fn text(&self) -> String {
        let line = |(kind, label, words): (Kind, String, String)| match kind {
            Kind::Title => format!("\n{label}"),
            Kind::Row if label.is_empty() => format!("  {words}"),
            Kind::Row => format!("  {label}: {words}"),
            Kind::Text => words,
        };
        self.said().into_iter().map(line).map(|line| escape::block(&line).into_owned()).collect::<Vec<_>>().join("\n")
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Title,
    Row,
}

fn decision(explanation: &Explanation, add: &mut dyn FnMut(Kind, &str, String)) {
    let decision = &explanation.decision;
    add(Kind::Title, "Order", String::new());
    for (place, chosen) in decision.chain.iter().enumerate() {
        let why = if chosen.why.is_empty() { String::new() } else { format!("   {}", chosen.why) };
        let words = format!("{}   {}{why}", chosen.target, chosen.reach.word());
        add(Kind::Row, &format!("{}", place + 1), words);
    }
    if decision.chain.is_empty() {
        add(Kind::Row, "-", "nobody can take it".into());
    }
    add(Kind::Title, "Rules", String::new());
    for rule in &explanation.rules {
        let when = if rule.when.is_empty() { String::new() } else { format!("   {}", rule.when) };
        add(Kind::Row, &rule.verdict, format!("{}{when}", rule.name));
    }
    if !decision.rejected.is_empty() {
        add(Kind::Title, "Left out", String::new());
        for reject in &decision.rejected {
            add(Kind::Row, "", format!("{}: {}", reject.target, reject.reason));
        }
    }
}

fn call(record: &CallRecord, add: &mut dyn FnMut(Kind, &str, String)) {
    add(Kind::Title, &format!("Call {}", record.id), String::new());
    if let Some(target) = &record.target {
        add(Kind::Row, "answered", format!("{target} {}", decided_by(&record.policy)));
    }
    for (place, attempt) in record.attempts.iter().enumerate() {
        let ended = match &attempt.failure {
            Some(failure) => {
                format!("failed after {}: {}", units::duration(attempt.duration_ms), reason::short(failure))
            }
            None => format!("ok, {}", units::duration(attempt.duration_ms)),
        };
        let other = attempt.answered_by_another().map(|model| format!("; the server used {model}")).unwrap_or_default();
        add(Kind::Row, &format!("try {}", place + 1), format!("{}   {ended}{other}", attempt.target));
    }
    if let Some(usage) = record.usage {
        let tokens = format!("{} in, {} out", units::thousands(usage.input), units::thousands(usage.output));
        add(Kind::Row, "tokens", tokens);
    }
    add(
        Kind::Row,
        "cost",
        match record.cost.amount {
            Some(amount) if amount.0 > 0 => format!("{}, {}", units::cost(record.cost), units::cost_from(record.cost)),
            _ => units::cost(record.cost),
        },
    );
}

impl Part for Why {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Pager, Context::List]
    }

    fn act(&mut self, action: Action, _: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::Back | Action::AnswerWhy => out.push(Effect::Close),
            Action::Copy => out.push(Effect::Copy(self.text(), "the explanation was")),
            _ => return self.scroll.act(action),
        }
        true
    }

    fn shown(&mut self, _: &Cx<'_>, out: &mut Outbox) {
        if self.explanation.is_none() && self.asked.is_none() {
            self.asked = Some(out.ask(Command::Explain { facts: Box::new(self.facts.clone()) }));
        }
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, _: &Cx<'_>, _: &mut Outbox) {
        if self.asked != Some(ticket) {
            return;
        }
        match reply {
            Reply::Explained(explanation) => self.explanation = Some((**explanation).clone()),
            Reply::Refused(refusal) => self.refused = Some(refusal.message.clone()),
            _ => self.refused = Some("the engine gave no explanation".into()),
        }
    }

    fn about(&self) -> &'static str {
        "How the target is chosen: the rules in order, the targets in order, and who was left out."
    }

    fn plain(&self, _: &Cx<'_>) -> Vec<String> {
        self.text().lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        canvas.rule(Rect { height: 1, ..area }, self.title, "", true);
        let inner = Rect::new(area.x + 2, area.y + 1, area.width.saturating_sub(4), area.height.saturating_sub(1));
        let mut lines = Lines::new(usize::from(inner.width));
        let column = if inner.width >= 70 { 18 } else { 10 };
        for (kind, label, words) in self.said() {
            match kind {
                Kind::Text => lines.wrapped(0, &words, Role::Plain),
                Kind::Title => {
                    lines.blank();
                    lines.title(&escape::line(&label));
                }
                Kind::Row if label.is_empty() => lines.wrapped(2, &words, Role::Plain),
                Kind::Row => row(&mut lines, &label, &words, column),
            }
        }
        self.scroll.draw(&lines, canvas, inner);
    }
}

/// A muted label in its column, then words that go on under themselves.
fn row(lines: &mut Lines, label: &str, words: &str, column: usize) {
    let safe = escape::line(words);
    let wrapped = text::wrap(&safe, lines.width().saturating_sub(column + 2));
    for (place, line) in wrapped.iter().enumerate() {
        let head = if place == 0 { text::pad_right(&escape::line(label), column) } else { " ".repeat(column) };
        lines.put(2, &[Piece::new(&head, Role::Muted), Piece::plain(line)]);
    }
}
