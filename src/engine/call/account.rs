//! The account of one call: what was tried, what came, what it cost, and the record at the end.

use super::super::live::Live;
use super::super::ports::{Frame, Kept};
use super::super::protocol::CallEvent;
use super::super::till::Held;
use crate::domain::call::{
    Attempt, Body, CallRecord, CallRequest, Facts, Finish, ObservedMatch, Reject, Status, Usage,
};
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::ids::{CallId, Target};
use crate::domain::money::{Cost, Money, Price, Provenance};
use crate::domain::price::price_of;
use crate::domain::routing::Decision;
use crate::domain::time::UnixMs;
use std::borrow::Cow;
use std::time::Duration;
use tokio::time::Instant;

/// A token is at least one byte and about four characters of English; for estimates only.
const BYTES_PER_TOKEN: u64 = 4;
/// Bytes of a frame around a piece of a tool call; for estimates only.
const FRAME_SHELL: u64 = 256;

/// Filled while the call runs; survives the future that fills it, so that a cancelled call is accounted too.
pub struct Ticket {
    id: CallId,
    ts: UnixMs,
    started: Instant,
    facts: Facts,
    policy: String,
    rules_version: u64,
    chain: Vec<Target>,
    rejects: Vec<Reject>,
    queue: Duration,
    attempts: Vec<Attempt>,
    current: Option<Trial>,
    /// Of ended attempts.
    spent: Option<Cost>,
    ttft: Option<Duration>,
    usage: Option<Usage>,
    finish: Option<Finish>,
    target: Option<Target>,
    prompt: Option<String>,
    answer: Option<String>,
    cache: &'static str,
    /// Put aside for all attempts so far.
    reserved: Option<Money>,
    /// What attempts cost that nothing was put aside for.
    outside: Money,
    observed: Vec<ObservedMatch>,
}

/// The attempt under way.
struct Trial {
    target: Target,
    started: Instant,
    ttft: Option<Duration>,
    usage: Option<Usage>,
    finish: Option<Finish>,
    billed: Option<Money>,
    answered_by: Option<String>,
    bytes_out: u64,
    sent: bool,
    /// A good response head came: from here on the vendor counts.
    accepted: bool,
    held: Option<Held>,
}

impl Ticket {
    /// Takes the words and the rejects out of the decision: from here on the ticket has them.
    pub fn new(id: CallId, ts: UnixMs, started: Instant, request: &CallRequest, decision: &mut Decision) -> Self {
        Self {
            id,
            ts,
            started,
            facts: request.facts.clone(),
            policy: std::mem::take(&mut decision.by),
            rules_version: decision.rules_version,
            chain: decision.chain.iter().map(|chosen| chosen.target.clone()).collect(),
            rejects: std::mem::take(&mut decision.rejected),
            queue: Duration::ZERO,
            attempts: Vec::new(),
            current: None,
            spent: None,
            ttft: None,
            usage: None,
            finish: None,
            target: None,
            prompt: None,
            answer: None,
            cache: "off",
            reserved: None,
            outside: Money::ZERO,
            observed: decision.observed(),
        }
    }

    pub fn id(&self) -> &CallId {
        &self.id
    }

    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// Who was left out or could not be tried, so far.
    pub fn rejects(&self) -> &[Reject] {
        &self.rejects
    }

    pub fn started(&self) -> Instant {
        self.started
    }

    /// Attempts so far, the one under way included.
    pub fn tries(&self) -> u32 {
        u32::try_from(self.attempts.len() + usize::from(self.current.is_some())).unwrap_or(u32::MAX)
    }

    pub fn waited(&mut self, queue: Duration) {
        self.queue += queue;
    }

    /// Keeps prompt and answer only when the configuration asks for it.
    pub fn record_prompt(&mut self, request: &CallRequest, wanted: bool) {
        if wanted {
            self.answer = Some(String::new());
            self.prompt = Some(match &request.body {
                Body::Chat { messages, .. } => {
                    messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n\n")
                }
                Body::RawOpenaiChat { json }
                | Body::RawOpenaiEmbeddings { json }
                | Body::RawOpenaiCompletion { json } => json.clone(),
            });
        }
    }

    /// Nothing was kept for this call.
    pub fn missed(&mut self) {
        self.cache = "miss";
    }

    /// A kept answer of `target` serves it: nobody is asked, and it costs nothing.
    pub fn served(&mut self, target: &Target, kept: &Kept) {
        self.cache = "hit";
        self.target = Some(target.clone());
        self.ttft = Some(self.started.elapsed());
        (self.usage, self.finish) = (kept.usage, kept.finish);
        if let Some(answer) = &mut self.answer {
            answer.extend(kept.events.iter().filter_map(|event| match event {
                CallEvent::Text { text } => Some(text.as_str()),
                _ => None,
            }));
        }
    }

    /// `off`, `hit` or `miss`.
    pub fn cache(&self) -> &'static str {
        self.cache
    }

    /// What the last attempt that ended used, and why its model stopped.
    pub fn came(&self) -> (Option<Usage>, Option<Finish>) {
        (self.usage, self.finish)
    }

    /// A target that was in the chain but could not be tried.
    pub fn skip(&mut self, target: &Target, code: &'static str, reason: impl Into<Cow<'static, str>>) {
        self.rejects.push(Reject { target: target.clone(), code: code.into(), reason: reason.into() });
    }

    pub fn begin(&mut self, target: &Target) {
        self.target = Some(target.clone());
        self.current = Some(Trial {
            target: target.clone(),
            started: Instant::now(),
            ttft: None,
            usage: None,
            finish: None,
            billed: None,
            answered_by: None,
            bytes_out: 0,
            sent: false,
            accepted: false,
            held: None,
        });
    }

    /// The request is on its way: from here on it may cost money.
    pub fn sent(&mut self) {
        if let Some(trial) = &mut self.current {
            trial.sent = true;
            if let Some(held) = &mut trial.held {
                held.sent();
            }
        }
    }

    /// What the attempt under way may cost was put aside.
    pub fn holds(&mut self, held: Option<Held>) {
        if let Some(held) = &held {
            self.reserved = Some(self.reserved.unwrap_or_default().saturating_add(held.amount()));
        }
        if let Some(trial) = &mut self.current {
            trial.held = held;
        }
    }

    /// The target took the request.
    pub fn accepted(&mut self) {
        if let Some(trial) = &mut self.current {
            trial.accepted = true;
        }
    }

    /// Whether the attempt under way may have reached its target.
    pub fn on_its_way(&self) -> bool {
        self.current.as_ref().is_some_and(|trial| trial.sent)
    }

    /// The attempt under way ended before it was sent: no attempt, and a target that could not be tried.
    pub fn unsent(&mut self, failure: &Failure) {
        if let Some(trial) = self.current.take() {
            self.skip(&trial.target, failure.code.word(), failure.message.clone());
            self.target = self.attempts.last().map(|attempt| attempt.target.clone());
        }
    }

    pub fn observe(&mut self, frame: &Frame, asked_for: &str) {
        let (Some(trial), seen) = (&mut self.current, &frame.seen) else { return };
        if seen.answer_bytes() && trial.ttft.is_none() {
            trial.ttft = Some(trial.started.elapsed());
            self.ttft = Some(self.started.elapsed());
        }
        trial.bytes_out += (seen.text.len() + seen.reasoning.len()) as u64;
        if seen.tool {
            trial.bytes_out += (frame.raw.len() as u64).saturating_sub(FRAME_SHELL).max(BYTES_PER_TOKEN);
        }
        trial.usage = seen.usage.or(trial.usage);
        trial.finish = seen.finish.or(trial.finish);
        trial.billed = seen.billed.or(trial.billed);
        if trial.answered_by.is_none() {
            trial.answered_by = seen.model.clone().filter(|model| model != asked_for);
        }
        if let Some(answer) = &mut self.answer {
            answer.push_str(&seen.text);
        }
    }

    /// Whether answer bytes of the attempt under way have been seen.
    pub fn answering(&self) -> bool {
        self.current.as_ref().is_some_and(|trial| trial.ttft.is_some())
    }

    /// How long the answer of the attempt under way took to begin.
    pub fn attempt_ttft_ms(&self) -> Option<u64> {
        self.current.as_ref().and_then(|trial| trial.ttft).map(ms)
    }

    /// Tokens in and out of the attempt under way, where they were told.
    pub fn attempt_tokens(&self) -> Option<u64> {
        let usage = self.current.as_ref()?.usage?;
        Some(usage.input.saturating_add(usage.output))
    }

    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// Ends the attempt under way and adds its cost.
    pub fn finish(&mut self, live: &Live, failure: Option<&Failure>) {
        let Some(mut trial) = self.current.take() else { return };
        let cost = self.cost_of(&trial, live, failure);
        match trial.held.take() {
            Some(held) => held.settle(cost.amount.unwrap_or_default()),
            None => self.outside = self.outside.saturating_add(cost.amount.unwrap_or_default()),
        }
        self.spent = Some(match self.spent {
            None => cost,
            Some(before) => add(before, cost),
        });
        self.usage = trial.usage.or(self.usage);
        self.finish = trial.finish;
        self.attempts.push(Attempt {
            target: trial.target,
            start_ms: ms(trial.started.saturating_duration_since(self.started)),
            ttft_ms: trial.ttft.map(ms),
            duration_ms: ms(trial.started.elapsed()),
            failure: failure.cloned(),
            answered_by: trial.answered_by,
        });
    }

    /// What one attempt cost: the vendor's amount, else its counts at a known price, else an estimate.
    fn cost_of(&self, trial: &Trial, live: &Live, failure: Option<&Failure>) -> Cost {
        if let Some(amount) = trial.billed {
            return Cost { amount: Some(amount), provenance: Provenance::Billed };
        }
        if !trial.sent || failure.is_some_and(|failure| !trial.accepted && cost_nothing(failure)) {
            return Cost::FREE;
        }
        let Some(price) = price_of_target(&trial.target, live) else { return Cost::UNKNOWN };
        // Counts of an answer that broke off are those of its beginning.
        match trial.usage.filter(|_| failure.is_none() || trial.finish.is_some()) {
            Some(usage) => Cost {
                amount: Some(price.of_usage(&usage)),
                // What a write into the vendor's cache costs was guessed where no figure says it.
                provenance: if price.covers(&usage) { Provenance::Computed } else { Provenance::Estimated },
            },
            None if price.is_free() => Cost::FREE,
            // Nobody knows what it came to: at most what was put aside.
            None if trial.held.is_some() => {
                Cost { amount: trial.held.as_ref().map(Held::amount), provenance: Provenance::Estimated }
            }
            None => Cost {
                amount: Some(price.of(self.facts.prompt_tokens, 0, trial.bytes_out.div_ceil(BYTES_PER_TOKEN))),
                provenance: Provenance::Estimated,
            },
        }
    }

    /// The record. An attempt still under way (a cancelled call) ends here.
    pub fn settle(mut self, live: &Live, failure: Option<Failure>) -> CallRecord {
        self.finish(live, failure.as_ref());
        CallRecord {
            id: self.id,
            ts: self.ts,
            facts: self.facts,
            policy: self.policy,
            rules_version: self.rules_version,
            chain: self.chain,
            rejects: self.rejects,
            target: self.target,
            status: failure.as_ref().map_or(Status::Ok, |failure| Status::of(failure.code)),
            error: failure,
            finish: self.finish,
            duration_ms: ms(self.started.elapsed()),
            queue_ms: ms(self.queue),
            ttft_ms: self.ttft.map(ms),
            usage: self.usage,
            cost: self.spent.unwrap_or(Cost::FREE),
            cache: self.cache.into(),
            attempts: self.attempts,
            prompt: self.prompt,
            answer: self.answer,
            reserved: self.reserved,
            observed: self.observed,
            outside: Some(self.outside),
        }
    }
}

/// From the world where it knows the model, since that tells what a server runs elsewhere; else from the profile.
pub fn price_of_target(target: &Target, live: &Live) -> Option<Price> {
    let provider = live.world.providers.iter().find(|provider| provider.id == target.provider);
    match provider.and_then(|provider| provider.models.iter().find(|model| model.id == target.model)) {
        Some(model) => model.price,
        None => price_of(live.profiles.get(&target.provider)?, &target.model, &live.config.money),
    }
}

/// Whether a failure before any answer says that the vendor did no work: it refused, or was never reached.
fn cost_nothing(failure: &Failure) -> bool {
    match failure.code {
        ErrorCode::Timeout => failure.cause == Cause::ConnectTimeout,
        ErrorCode::Cancelled => false,
        ErrorCode::Network => !matches!(failure.cause, Cause::Reset | Cause::CutOff | Cause::SilentServer),
        _ => true,
    }
}

/// Two costs of one call; the less certain provenance is that of the sum. Beside an unknown one the known amount is
/// the least it came to.
fn add(a: Cost, b: Cost) -> Cost {
    let rank = |provenance| match provenance {
        Provenance::Billed => 0,
        Provenance::Computed => 1,
        Provenance::Estimated => 2,
        Provenance::Unknown => 3,
    };
    let provenance = if rank(a.provenance) >= rank(b.provenance) { a.provenance } else { b.provenance };
    let amount = match (a.amount, b.amount) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (one, other) => one.or(other).filter(|known| *known > Money::ZERO),
    };
    Cost { amount, provenance }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_cost_beside_an_unknown_one_is_the_least_it_came_to() {
        let cost = |amount, provenance| Cost { amount: Some(Money(amount)), provenance };
        let sum = add(cost(100, Provenance::Estimated), Cost::UNKNOWN);
        assert_eq!(sum, cost(100, Provenance::Unknown));
        assert_eq!(add(sum, cost(20, Provenance::Billed)), cost(120, Provenance::Unknown));
        assert_eq!(add(Cost::FREE, Cost::UNKNOWN), Cost::UNKNOWN, "unknown is never shown as nothing");
    }
}
