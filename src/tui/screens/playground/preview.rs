//! The decision for what is typed, asked a moment after typing, and its row.

use super::fields::{Complaint, Fields};
use crate::domain::call::{CallRequest, Facts};
use crate::domain::ids::Target;
use crate::domain::routing::{Decision, Explanation};
use crate::domain::time::UnixMs;
use crate::engine::protocol::{Command, Level, Reply, RunId, Snapshot, TokenCount};
use crate::present::may_cost::may_cost;
use crate::present::{units, usage};
use crate::tui::part::{Outbox, Ticket};
use crate::tui::theme::Role;
use std::time::Duration;

/// From the last key to the question.
const PAUSE: Duration = Duration::from_millis(150);

#[derive(Default)]
pub struct Preview {
    due: Option<UnixMs>,
    asked: Option<(Ticket, Facts)>,
    known: Option<(Facts, Result<Explanation, String>)>,
    count: Count,
}

/// The vendor's count of what is typed, where the person asked for it.
#[derive(Default)]
enum Count {
    #[default]
    NotAsked,
    Running {
        ticket: Ticket,
        run: RunId,
    },
    Known(TokenCount),
}

/// The row in pieces: what comes first, by which rule, and the figures for its right end.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Words {
    pub target: String,
    pub by: String,
    /// From the longest to the shortest way to say it.
    pub figures: [String; 2],
    /// A sentence in place of all of it, with its role.
    pub sentence: Option<(String, Role)>,
}

impl Preview {
    /// Something was typed: a count was of another text.
    pub fn typed(&mut self, now: UnixMs) {
        self.due = Some(now.plus(PAUSE));
        if let Count::Known(_) = self.count {
            self.count = Count::NotAsked;
        }
    }

    /// Has the vendor count this prompt.
    pub fn count(&mut self, request: CallRequest, now: UnixMs, out: &mut Outbox) {
        self.stop_count(out);
        let run = RunId::of(std::process::id(), now);
        let ticket = out.ask(Command::CountTokens { request: Box::new(request), run });
        self.count = Count::Running { ticket, run };
    }

    /// Ends a count under way; `false` when there is none.
    pub fn stop_count(&mut self, out: &mut Outbox) -> bool {
        let Count::Running { run, .. } = self.count else { return false };
        out.tell(Command::StopDiagnosis { run }, "");
        self.count = Count::NotAsked;
        true
    }

    /// Takes the reply to a count; `false` when it is to something else.
    pub fn counted(&mut self, ticket: Ticket, reply: &Reply, out: &mut Outbox) -> bool {
        if !matches!(self.count, Count::Running { ticket: asked, .. } if asked == ticket) {
            return false;
        }
        self.count = match reply {
            Reply::Counted(count) => Count::Known(count.clone()),
            Reply::Refused(refusal) => {
                out.say(Level::Warning, format!("not counted: {}", refusal.message));
                Count::NotAsked
            }
            _ => Count::NotAsked,
        };
        true
    }

    /// The vendor's count, where it is of what would be sent now.
    fn count_at(&self, target: &Target) -> Option<&TokenCount> {
        match &self.count {
            Count::Known(count) if count.target == *target => Some(count),
            _ => None,
        }
    }

    /// The world has changed: what was said may no longer hold.
    pub fn outdated(&mut self, now: UnixMs) {
        self.due.get_or_insert(now);
    }

    pub fn deadline(&self) -> Option<UnixMs> {
        self.due
    }

    pub fn wake(&mut self, fields: &Fields, now: UnixMs, out: &mut Outbox) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.due = None;
        if let Ok(facts) = fields.facts() {
            let ticket = out.ask(Command::Explain { facts: Box::new(facts.clone()) });
            self.asked = Some((ticket, facts));
        }
    }

    /// `true` when it was the answer waited for.
    pub fn reply(&mut self, ticket: Ticket, reply: &Reply) -> bool {
        let Some((_, facts)) = self.asked.take_if(|(asked, _)| *asked == ticket) else { return false };
        let said = match reply {
            Reply::Explained(explanation) => Ok((**explanation).clone()),
            Reply::Refused(refusal) => Err(refusal.message.clone()),
            _ => Err("the decision could not be asked for".into()),
        };
        self.known = Some((facts, said));
        true
    }

    /// The explanation of exactly this request.
    pub fn of(&self, facts: &Facts) -> Option<&Explanation> {
        let (known, said) = self.known.as_ref()?;
        said.as_ref().ok().filter(|_| known == facts)
    }

    /// Why this request would not be sent anywhere.
    pub fn refusal(&self, facts: &Facts) -> Option<&str> {
        let explanation = self.of(facts)?;
        explanation.decision.chain.is_empty().then_some(explanation.sentence.as_str())
    }

    pub fn words(&self, complaint: Option<&Complaint>, empty: bool, snapshot: &Snapshot) -> Words {
        let sentence = |text: &str, role| Words { sentence: Some((text.to_owned(), role)), ..Words::default() };
        if let Some(complaint) = complaint {
            return sentence(&complaint.text, Role::Bad);
        }
        let (facts, explanation) = match &self.known {
            None => return sentence("not known yet", Role::Muted),
            Some((_, Err(why))) => return sentence(why, Role::Bad),
            Some((facts, Ok(explanation))) => (facts, explanation),
        };
        let Some(first) = explanation.decision.chain.first() else {
            return sentence(&explanation.sentence, Role::Bad);
        };
        let counted = self.count_at(&first.target);
        let tokens_in = counted.map_or(facts.prompt_tokens, |count| count.tokens);
        let exact = Facts { prompt_tokens: tokens_in, ..facts.clone() };
        let cost = match may_cost(snapshot, &exact, &first.target) {
            Some(amount) if amount.0 == 0 => "free".to_owned(),
            Some(amount) => format!("may cost {}", units::money(amount)),
            None => "price unknown".to_owned(),
        };
        if empty {
            let figures = [cost.clone(), cost];
            return Words { target: first.target.to_string(), by: by(&explanation.decision), figures, sentence: None };
        }
        let tokens = match (counted, &self.count, facts.prompt_tokens) {
            (Some(count), ..) => usage::counted(count),
            (None, Count::Running { .. }, _) => "being counted".to_owned(),
            (None, _, 1) => "1 token in".to_owned(),
            (None, _, count) => format!("{} tokens in", units::tokens(count)),
        };
        let figures = [format!("{tokens}   {cost}"), cost];
        Words { target: first.target.to_string(), by: by(&explanation.decision), figures, sentence: None }
    }
}

/// Who decided, for behind a target: `by teaching_generation`, `by your choice`.
fn by(decision: &Decision) -> String {
    decided_by(&decision.by)
}

/// The same from the word in a record.
pub fn decided_by(policy: &str) -> String {
    match (policy.split_once(':'), policy) {
        (Some(("strategy" | "request_type" | "policy", name)), _) => format!("by {name}"),
        (_, "named") => "by its name".into(),
        (_, "active") => "by your choice".into(),
        (_, "") => String::new(),
        (_, other) => format!("by {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_record_are_put_as_people_say_them() {
        for (policy, words) in [
            ("request_type:teaching_generation", "by teaching_generation"),
            ("strategy:prefer_local", "by prefer_local"),
            ("policy:private", "by private"),
            ("named", "by its name"),
            ("active", "by your choice"),
            ("long-prompts", "by long-prompts"),
            ("", ""),
        ] {
            assert_eq!(decided_by(policy), words);
        }
    }

    #[test]
    fn the_question_waits_for_a_pause_in_typing() {
        let mut preview = Preview::default();
        preview.typed(UnixMs(1000));
        preview.typed(UnixMs(1100));
        preview.outdated(UnixMs(1110));
        assert_eq!(preview.deadline(), Some(UnixMs(1250)));
        let mut out = Outbox::default();
        preview.wake(&Fields::default(), UnixMs(1249), &mut out);
        assert!(preview.asked.is_none());
        preview.wake(&Fields::default(), UnixMs(1250), &mut out);
        assert!(preview.asked.is_some() && preview.deadline().is_none());
    }
}
