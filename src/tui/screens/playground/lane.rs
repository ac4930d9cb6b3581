//! One answer: what was asked, what has come of it so far, and its figures. Knows the events of a call, not the
//! screen.

use super::wrap::Flow;
use crate::domain::call::{CallRecord, Facts, Finish, Usage};
use crate::domain::failure::Failure;
use crate::domain::ids::Target;
use crate::domain::money::Price;
use crate::domain::routing::Explanation;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{CallEvent, Snapshot};
use crate::present::may_cost::tokens_of;
use crate::present::{models, reason, units};
use crate::tui::part::Ticket;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

/// Bytes kept of an answer, and of its reasoning; what comes after is counted and not shown.
const KEPT: usize = 4 * 1024 * 1024;

/// So soon after the end a stop was meant for it.
const JUST_ENDED: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Waiting,
    /// The server loads the model: since then, and how long that took the last time.
    Loading(UnixMs, Option<u64>),
    Thinking,
    Writing,
    Done,
    Stopped,
    Failed,
}

impl Phase {
    pub fn runs(self) -> bool {
        !matches!(self, Self::Done | Self::Stopped | Self::Failed)
    }
}

/// Text that grows up to a bound, with its rows on the screen.
#[derive(Default)]
pub struct Growing {
    pub text: String,
    /// All that came, kept or not.
    pub bytes: usize,
    pub flow: RefCell<Flow>,
}

impl Growing {
    fn push(&mut self, piece: &str) {
        self.bytes = self.bytes.saturating_add(piece.len());
        let room = KEPT.saturating_sub(self.text.len());
        self.text.push_str(&piece[..piece.floor_char_boundary(room)]);
    }

    pub fn is_cut(&self) -> bool {
        self.bytes > self.text.len()
    }
}

pub struct Lane {
    pub ticket: Ticket,
    pub facts: Facts,
    pub phase: Phase,
    pub since: UnixMs,
    pub ended: Option<UnixMs>,
    /// A stop came just after the end.
    stop_missed: bool,
    pub target: Option<Target>,
    pub policy: String,
    /// What happened on the way, as sentences.
    pub notes: Vec<String>,
    pub answer: Growing,
    pub reasoning: Growing,
    thinking: Option<(UnixMs, UnixMs)>,
    first_at: Option<UnixMs>,
    usage: Option<Usage>,
    pub record: Option<Arc<CallRecord>>,
    pub failure: Option<Failure>,
    /// The decision as explained for this request.
    pub why: Option<Explanation>,
}

/// The bottom row, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    pub first_token: String,
    pub speed: String,
    pub tokens_out: String,
    pub cost: String,
}

impl Lane {
    pub fn new(ticket: Ticket, facts: Facts, why: Option<Explanation>, now: UnixMs) -> Self {
        Self {
            ticket,
            facts,
            phase: Phase::Waiting,
            since: now,
            ended: None,
            stop_missed: false,
            target: None,
            policy: String::new(),
            notes: Vec::new(),
            answer: Growing::default(),
            reasoning: Growing::default(),
            thinking: None,
            first_at: None,
            usage: None,
            record: None,
            failure: None,
            why,
        }
    }

    pub fn take(&mut self, event: &CallEvent, now: UnixMs) {
        if !self.phase.runs() {
            return;
        }
        match event {
            CallEvent::Trying { target, .. } => {
                self.target = Some(target.clone());
                self.phase = Phase::Waiting;
            }
            CallEvent::FellBack { from, failure, to } => {
                self.notes.push(fell_back(from, failure, to.as_ref()));
                self.phase = Phase::Waiting;
            }
            CallEvent::Loading { target, waited_ms, last_ms } => {
                self.target = Some(target.clone());
                let began = i64::try_from(*waited_ms).map_or(now.0, |waited| now.0.saturating_sub(waited));
                self.phase = Phase::Loading(UnixMs(began), *last_ms);
            }
            CallEvent::Head(head) => {
                self.target = Some(head.target.clone());
                self.policy.clone_from(&head.policy);
            }
            CallEvent::Reasoning { text } => {
                self.first_at.get_or_insert(now);
                self.thinking = Some((self.thinking.map_or(now, |(began, _)| began), now));
                self.reasoning.push(text);
                self.phase = Phase::Thinking;
            }
            CallEvent::Text { text } => {
                self.first_at.get_or_insert(now);
                if self.phase == Phase::Thinking {
                    self.thinking = self.thinking.map(|(began, _)| (began, now));
                }
                self.answer.push(text);
                self.phase = Phase::Writing;
            }
            // Raw bytes come only to those who sent a raw body.
            CallEvent::Raw { .. } => {}
            CallEvent::Usage { usage } => self.usage = Some(*usage),
            CallEvent::End(outcome) => {
                self.ended = Some(now);
                self.usage = outcome.record.usage.or(self.usage);
                self.target = outcome.record.target.clone().or(self.target.take());
                self.policy.clone_from(&outcome.record.policy);
                self.failure.clone_from(&outcome.failure);
                self.phase = if outcome.failure.is_some() { Phase::Failed } else { Phase::Done };
                self.record = Some(outcome.record.clone());
            }
        }
    }

    /// The person stopped it: nothing more will come.
    pub fn stop(&mut self, now: UnixMs) {
        if self.phase.runs() {
            self.phase = Phase::Stopped;
            self.ended = Some(now);
        }
    }

    /// Whether a stop was meant for the answer that ended while the key was on its way: once, nobody leaves by that.
    pub fn missed_stop(&mut self, now: UnixMs) -> bool {
        let just_ended = self.phase != Phase::Stopped && self.ended.is_some_and(|ended| now.since(ended) < JUST_ENDED);
        just_ended && !std::mem::replace(&mut self.stop_missed, true)
    }

    /// What it is doing, for the title: `writing, 2.1 s`.
    pub fn state(&self, now: UnixMs) -> String {
        let total = elapsed(self.ended.unwrap_or(now).since(self.since));
        match self.phase {
            Phase::Waiting => format!("waiting, {total}"),
            Phase::Loading(began, last_ms) => {
                let last = models::last_time(last_ms).map(|last| format!(", {last}")).unwrap_or_default();
                format!("loading the model, {} s{last}", now.since(began).as_secs())
            }
            Phase::Thinking => format!("thinking, {total}"),
            Phase::Writing => format!("writing, {total}"),
            Phase::Done => match &self.record {
                Some(record) => format!("done, {}", elapsed(Duration::from_millis(record.duration_ms))),
                None => format!("done, {total}"),
            },
            Phase::Stopped => format!("stopped, {total}"),
            Phase::Failed => {
                let why = self.failure.as_ref().map_or_else(|| "no answer".into(), reason::short);
                format!("failed: {why}")
            }
        }
    }

    /// When [`Self::state`] says something else by itself.
    pub fn next_tick(&self, now: UnixMs) -> Option<UnixMs> {
        let since = match self.phase {
            Phase::Loading(began, _) => began,
            phase if phase.runs() => self.since,
            _ => return None,
        };
        Some(since.plus(Duration::from_secs(now.since(since).as_secs() + 1)))
    }

    /// `thought 3.1 s, 412 tokens`; `None` when it did not reason.
    pub fn thought(&self, now: UnixMs) -> Option<String> {
        let (began, last) = self.thinking?;
        if self.phase == Phase::Thinking {
            return Some(format!("thinking, {}", elapsed(now.since(began))));
        }
        let tokens = match self.usage.map(|usage| usage.reasoning) {
            Some(count) if count > 0 => format!(", {} tokens", units::thousands(count)),
            _ => String::new(),
        };
        Some(format!("thought {}{tokens}", elapsed(last.since(began))))
    }

    /// Tokens of the answer, reasoning included, and whether the server counted them.
    fn tokens_out(&self) -> (u64, bool) {
        match self.usage {
            Some(usage) => (usage.output, true),
            None => (tokens_of(self.answer.bytes.saturating_add(self.reasoning.bytes)), false),
        }
    }

    pub fn figures(&self, snapshot: &Snapshot, now: UnixMs) -> Figures {
        let measured = self.first_at.map(|at| u64::try_from(at.since(self.since).as_millis()).unwrap_or(u64::MAX));
        let first = self.record.as_ref().and_then(|record| record.ttft_ms).or(measured);
        let (out, counted) = self.tokens_out();
        let tokens_out = match (out, counted) {
            (0, false) => "-".to_owned(),
            (out, true) => format!("{} out", units::tokens(out)),
            (out, false) => format!("about {} out", units::tokens(out)),
        };
        Figures {
            first_token: first.map_or_else(|| "-".into(), units::first_token),
            speed: self.speed(out, now).map_or_else(|| "-".into(), units::rate),
            tokens_out,
            cost: self.cost(snapshot, out),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn speed(&self, out: u64, now: UnixMs) -> Option<f64> {
        if let Some(record) = &self.record {
            return record.tokens_per_second();
        }
        let passed = self.ended.unwrap_or(now).since(self.first_at?).as_secs_f64();
        // Before that a rate says nothing.
        (passed >= 0.5 && out > 1).then(|| (out - 1) as f64 / passed)
    }

    fn cost(&self, snapshot: &Snapshot, out: u64) -> String {
        if let Some(record) = &self.record {
            return units::cost(record.cost);
        }
        let Some(target) = &self.target else { return "-".into() };
        let Some(price) = price_of(snapshot, target) else { return units::UNKNOWN.into() };
        if price.is_free() {
            return "free".into();
        }
        if self.first_at.is_none() {
            return "-".into();
        }
        let input = self.usage.map_or(self.facts.prompt_tokens, |usage| usage.input);
        let so_far = if self.phase.runs() { "so far" } else { "estimated" };
        format!("{} {so_far}", units::money(price.of(input, 0, out)))
    }

    /// Something about the end that a person should know; empty when it ended as it should.
    pub fn ending(&self) -> &'static str {
        match self.record.as_ref().and_then(|record| record.finish) {
            _ if self.failure.is_some() => "",
            Some(Finish::Length) => "It ends here because max tokens are used up: a larger number lets it go on.",
            Some(Finish::ContentFilter) => "The vendor's filter ended it: change the prompt.",
            Some(Finish::ToolCalls) => "The model asked for a tool: the playground has none to give.",
            _ if self.phase == Phase::Done && self.answer.bytes == 0 => {
                "The answer is empty. More max tokens may help a model that reasons first."
            }
            _ => "",
        }
    }
}

fn price_of(snapshot: &Snapshot, target: &Target) -> Option<Price> {
    let provider = snapshot.providers.iter().find(|view| view.id == target.provider)?;
    provider.models.iter().find(|model| model.id == target.model)?.price
}

/// `lm_studio failed: connection refused; asked zai/glm-4.6`.
fn fell_back(from: &Target, failure: &Failure, to: Option<&Target>) -> String {
    let next = match to {
        Some(to) if to == from => "asked it again".to_owned(),
        Some(to) => format!("asked {to}"),
        None => "no other target is left".to_owned(),
    };
    format!("{} failed: {}; {next}", from.provider, reason::short(failure))
}

/// `0.3 s`, `12.0 s`, `2 min 05 s`.
pub fn elapsed(passed: Duration) -> String {
    let ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
    if ms < 60_000 { format!("{}.{} s", ms / 1000, ms % 1000 / 100) } else { units::duration(ms) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixMs = UnixMs(1_000_000);

    fn lane() -> Lane {
        Lane::new(1, Facts::default(), None, AT)
    }

    #[test]
    fn an_answer_that_never_ends_is_kept_up_to_a_bound() {
        let mut lane = lane();
        let piece = "é".repeat(512 * 1024);
        for _ in 0..6 {
            lane.take(&CallEvent::Text { text: piece.clone() }, AT);
        }
        assert!(lane.answer.text.len() <= KEPT && lane.answer.is_cut());
        assert_eq!(lane.answer.bytes, 6 * 1024 * 1024);
    }

    #[test]
    fn what_comes_after_the_stop_changes_nothing() {
        let mut lane = lane();
        lane.stop(AT.plus(Duration::from_secs(2)));
        lane.take(&CallEvent::Text { text: "late".into() }, AT);
        assert_eq!((lane.answer.text.as_str(), lane.state(AT).as_str()), ("", "stopped, 2.0 s"));
    }

    #[test]
    fn it_ticks_on_whole_seconds_while_it_runs() {
        let mut lane = lane();
        let now = AT.plus(Duration::from_millis(2300));
        assert_eq!(lane.next_tick(now), Some(AT.plus(Duration::from_secs(3))));
        lane.stop(now);
        assert_eq!(lane.next_tick(now), None);
    }
}
