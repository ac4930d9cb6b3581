//! Earlier prompts of the playground, newest first; choosing one puts it back as it was sent.

use crate::engine::protocol::{Command, Reply, SavedPrompt};
use crate::present::units;
use crate::tui::layers::choose::{Row, Source};
use crate::tui::part::{Cx, Effect, Outbox, Place, Tab, Ticket};

/// Prompts listed.
const LIMIT: usize = 500;
/// Characters of a prompt looked at for its row.
const FIRST: usize = 200;
/// Characters of a prompt that the filter searches.
const SEARCHED: usize = 10_000;

#[derive(Default)]
pub struct History {
    asked: Option<Ticket>,
    prompts: Option<Result<Vec<SavedPrompt>, String>>,
}

impl History {
    fn all(&self) -> &[SavedPrompt] {
        match &self.prompts {
            Some(Ok(prompts)) => prompts,
            _ => &[],
        }
    }
}

impl Source for History {
    type Key = usize;
    const PAGE: bool = true;

    fn title(&self) -> &'static str {
        "Prompts sent"
    }

    fn about(&self) -> &'static str {
        "What you sent before, newest first. Enter puts it back with its settings; nothing is sent."
    }

    fn rows(&self, cx: &Cx<'_>) -> Vec<Row<usize>> {
        let row = |(key, saved): (usize, &SavedPrompt)| Row {
            key,
            mark: None,
            left: saved.prompt.trim().chars().take(FIRST).collect(),
            right: format!("{}  {:>7}", saved.model, units::age(cx.now.since(saved.ts))),
            more: saved
                .prompt
                .chars()
                .skip(FIRST)
                .take(SEARCHED)
                .chain([' '])
                .chain(saved.request_type.chars())
                .collect(),
        };
        self.all().iter().enumerate().map(row).collect()
    }

    fn chosen(&self, key: &usize) -> Option<Effect> {
        let prompt = self.all().get(*key)?.clone();
        Some(Effect::Go(Tab::Playground, Some(Place::Prompt(Box::new(prompt)))))
    }

    fn nothing(&self) -> &str {
        match &self.prompts {
            None => "looking",
            Some(Ok(_)) => "Nothing was sent from here yet, or the history is switched off.",
            Some(Err(why)) => why,
        }
    }

    fn shown(&mut self, out: &mut Outbox) {
        self.asked = Some(out.ask(Command::ListPrompts { limit: LIMIT }));
    }

    /// What was sent stays as it was.
    fn follows_world(&self) -> bool {
        false
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply) {
        if self.asked != Some(ticket) {
            return;
        }
        self.prompts = Some(match reply {
            Reply::Prompts(prompts) => Ok(prompts.clone()),
            Reply::Refused(refusal) => Err(refusal.message.clone()),
            _ => Err("the history cannot be read".into()),
        });
    }
}
