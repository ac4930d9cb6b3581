//! What parts want done, carried out: questions to the engine and who answers for them, layers, the clipboard.

use super::keys::UNDONE;
use super::{App, Owner};
use crate::engine::protocol::{Command, Level, Reply};
use crate::present::{escape, models, units};
use crate::tui::action::Action;
use crate::tui::keymap::Context;
use crate::tui::layers::saving::with_remedy;
use crate::tui::msg::Intent;
use crate::tui::part::{Effect, Ticket};
use crate::tui::screens::acts;

/// Bytes that terminals take for their clipboard.
const CLIPBOARD: usize = 74_000;
/// Commands remembered as run lately.
const RECENT: usize = 8;

impl App {
    pub(super) fn carry_out(&mut self, effect: Effect, owner: &Owner, opener: Option<&Owner>) -> Vec<Intent> {
        match effect {
            Effect::Ask(ticket, command) => self.send(ticket, command, owner.clone()),
            Effect::Tell(command, done) => self.tell(command, done),
            Effect::Call(ticket, request) => {
                self.owners.insert(ticket, owner.clone());
                vec![Intent::Call(ticket, request)]
            }
            Effect::StopCall(ticket) => {
                self.owners.remove(&ticket);
                vec![Intent::StopCall(ticket)]
            }
            Effect::Open(part) => {
                self.push_for(part, Some(owner.clone()));
                self.with_part(None, |part, cx, out| part.shown(cx, out))
            }
            Effect::Close => {
                if let Owner::Layer(id) = owner {
                    self.layers.retain(|layer| layer.id != *id);
                    self.owners.retain(|_, waiting| waiting != owner);
                }
                Vec::new()
            }
            Effect::Say(level, text) => {
                self.say(level, text);
                Vec::new()
            }
            Effect::Copy(text, what) => self.copy(&text, what),
            Effect::Go(tab, Some(place)) => self.go_to(tab, &place),
            Effect::Go(tab, None) => self.go(tab),
            Effect::Edit(file) => vec![Intent::Edit(file)],
            Effect::Pass(action) => self.act_in(opener, action),
            Effect::Hand(text) => self.with_part(opener, |part, cx, out| part.take(&text, cx, out)),
            Effect::Quit => vec![Intent::Quit],
            Effect::EditText(text) => {
                self.editing = Some(owner.clone());
                vec![Intent::EditText(text)]
            }
            Effect::Ran(id) => {
                self.recent.retain(|known| *known != id);
                self.recent.insert(0, id);
                self.recent.truncate(RECENT);
                Vec::new()
            }
            Effect::Do(action, provider) => self.with_part(Some(&Owner::Screen(self.tab)), |_, cx, out| {
                if let Some(provider) = acts::find(cx.snapshot, &provider) {
                    acts::act(action, provider, cx, out);
                }
            }),
        }
    }

    /// No terminal says whether it took a copy, so what was sent is said, once how to let it, and kept.
    fn copy(&mut self, text: &str, what: &'static str) -> Vec<Intent> {
        let text = escape::block(text).into_owned();
        let what = what.trim_end_matches(" was").trim_end_matches(" were");
        let cut = text.len() > CLIPBOARD;
        let sent = if cut { text[..text.floor_char_boundary(CLIPBOARD)].to_owned() } else { text.clone() };
        let key = self.keymap.key_for(&[Context::Everywhere], Action::Copied);
        let said = if cut {
            let (all, most) = (units::size(text.len() as u64), units::size(CLIPBOARD as u64));
            format!(
                "{what} is {all}, more than a terminal's clipboard takes: its first {most} were sent, {key} shows all"
            )
        } else if self.copied.is_none() {
            let tmux = if self.options.env.tmux {
                "tmux set -g set-clipboard on lets it through"
            } else {
                "the terminal must allow OSC 52"
            };
            format!("{what} sent to the terminal's clipboard. Nothing arrived? {tmux}; {key} shows it")
        } else {
            format!("{what} sent to the terminal's clipboard")
        };
        self.say(if cut { Level::Warning } else { Level::Info }, said);
        self.copied = Some((what.to_owned(), text));
        vec![Intent::Copy(sent)]
    }

    pub(super) fn tell(&mut self, command: Command, done: String) -> Vec<Intent> {
        self.tickets += 1;
        self.send(self.tickets, command, Owner::Frame(done))
    }

    pub(super) fn send(&mut self, ticket: Ticket, command: Command, owner: Owner) -> Vec<Intent> {
        if self.options.readonly && command.changes_something() {
            let refusal = Reply::refused(5, "read-only: started with --readonly", "");
            self.owners.insert(ticket, owner);
            return self.take_reply(ticket, &refusal);
        }
        self.owners.insert(ticket, owner);
        vec![Intent::Ask(ticket, command)]
    }

    pub(super) fn account_for(&mut self, reply: &Reply, done: String) {
        match reply {
            Reply::Refused(refusal) => {
                self.say(Level::Error, with_remedy(&refusal.message, &refusal.remedy));
            }
            // What changed is announced for everybody; that nothing did is said to who asked.
            Reply::Model(report) if report.already => self.say(Level::Info, models::report(report) + "."),
            Reply::Edited(report) if report.written => {
                let lines = if report.lines_changed == 1 { "line" } else { "lines" };
                let name = report.file.rsplit('/').next().unwrap_or_default();
                let written = format!("{name}, {} {lines}", report.lines_changed);
                let said =
                    if done == UNDONE { format!("{done}: {written}.") } else { format!("Saved {written}. U undoes.") };
                self.say(Level::Info, said);
            }
            _ if done.is_empty() => {}
            _ => self.say(Level::Info, done),
        }
    }
}
