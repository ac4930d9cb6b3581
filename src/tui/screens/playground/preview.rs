//! The decision for what is typed, asked a moment after typing, and its row.

use super::fields::{Complaint, Fields};
use crate::domain::call::Facts;
use crate::domain::routing::{Decision, Explanation};
use crate::domain::time::UnixMs;
use crate::engine::protocol::{Command, Reply, Snapshot};
use crate::present::may_cost::may_cost;
use crate::present::units;
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
    /// Something was typed.
    pub fn typed(&mut self, now: UnixMs) {
        self.due = Some(now.plus(PAUSE));
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
        let cost = match may_cost(snapshot, facts, &first.target) {
            Some(amount) if amount.0 == 0 => "free".to_owned(),
            Some(amount) => format!("may cost {}", units::money(amount)),
            None => "price unknown".to_owned(),
        };
        if empty {
            let figures = [cost.clone(), cost];
            return Words { target: first.target.to_string(), by: by(&explanation.decision), figures, sentence: None };
        }
        let tokens = match facts.prompt_tokens {
            1 => "1 token".to_owned(),
            count => format!("{} tokens", units::tokens(count)),
        };
        let figures = [format!("{tokens} in   {cost}"), cost];
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
