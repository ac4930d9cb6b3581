//! Which calls the list holds: asked for page by page, settled round the chosen one, followed or held. What a page
//! does to the entries is in `calls`, when it is time to ask in `pace`.

use super::{Telemetry, calls};
use crate::domain::time::UnixMs;
use crate::engine::protocol::{CallQuery, Command, Reply};
use crate::tui::part::{Cx, Outbox, Ticket};

/// With fewer calls today older ones are read at once.
const FEWEST: usize = 10;

/// A question for the newest calls under way.
#[derive(Debug)]
pub(super) struct Asked {
    pub ticket: Ticket,
    filter: String,
}

impl Telemetry {
    /// Asks for the newest calls, unless that question is under way: then again after its answer.
    pub(super) fn ask(&mut self, now: UnixMs, out: &mut Outbox) {
        if self.asked.is_some() {
            return;
        }
        let filter = self.filter.text().trim().to_owned();
        let query = CallQuery { filter: filter.clone(), limit: calls::PAGE, before: None, since: None };
        let ticket = out.ask(Command::ListCalls { query: Box::new(query) });
        self.asked = Some(Asked { ticket, filter });
        self.pace.asked(now);
    }

    /// Asks for calls below the last one, of whatever day, when the cursor is near it.
    pub(super) fn ask_older(&mut self, out: &mut Outbox) {
        let near = self.place().is_none_or(|place| place + self.page.get() >= self.calls.entries().len());
        if !near || self.older.is_some() || self.wrong.is_some() || !self.calls.wants_older() {
            return;
        }
        let before = self.calls.last().map(|row| row.id.clone());
        let since = Some(UnixMs(0));
        let query = CallQuery { filter: self.answered.clone(), limit: calls::PAGE, before, since };
        self.older = Some(out.ask(Command::ListCalls { query: Box::new(query) }));
    }

    pub(super) fn take_page(&mut self, asked: &Asked, reply: &Reply, cx: &Cx<'_>, out: &mut Outbox) {
        if self.filter.text().trim() != asked.filter {
            // Typed on meanwhile: the next question has the whole text.
            return self.pace.want(cx.now);
        }
        match reply {
            Reply::Calls(page) => {
                self.wrong = None;
                if self.calls.loaded() && self.answered == asked.filter {
                    if self.calls.refresh(page, &cx.snapshot.running) {
                        self.older = None;
                    }
                } else {
                    self.answered.clone_from(&asked.filter);
                    self.older = None;
                    self.calls.replace(page, &cx.snapshot.running, !asked.filter.is_empty());
                }
                if std::mem::take(&mut self.to_top) {
                    self.go_to_top();
                }
                self.settle();
                if self.calls.entries().len() < self.page.get().max(FEWEST) {
                    self.ask_older(out);
                }
                if self.calls.awaiting() {
                    self.pace.want(cx.now);
                }
            }
            Reply::Refused(refusal) => self.wrong = Some(refusal.message.clone()),
            _ => {}
        }
    }

    /// Holds on to the chosen call. Where new calls have pushed it out of sight by more than half a page, the
    /// list holds; a cursor that nobody moved goes back to the top instead.
    pub(super) fn settle(&mut self) {
        let ids = self.calls.ids();
        self.cursor.settle(ids);
        let page = self.page.get();
        let out_of_sight = page > 0 && self.cursor.place(ids).unwrap_or(0) >= page + page.div_ceil(2);
        if !self.calls.following() || !out_of_sight {
            return;
        }
        if self.touched {
            self.calls.hold();
        } else {
            self.go_to_top();
        }
    }

    pub(super) fn go_to_top(&mut self) {
        if let Some(first) = self.calls.ids().first() {
            self.cursor.set(first.clone(), self.calls.ids());
        }
    }

    pub(super) fn follow_or_hold(&mut self, cx: &Cx<'_>) {
        if self.calls.following() {
            return self.calls.hold();
        }
        self.calls.follow();
        self.calls.running_changed(&cx.snapshot.running);
        self.touched = false;
        self.to_top = true;
        self.go_to_top();
        self.pace.want(cx.now);
    }

    pub(super) fn next_failed(&mut self) {
        let entries = self.calls.entries();
        let here = self.place().unwrap_or(0);
        let found =
            (1..=entries.len()).map(|step| (here + step) % entries.len()).find(|place| entries[*place].failed());
        if let Some(place) = found {
            let id = entries[place].id().clone();
            self.cursor.set(id, self.calls.ids());
            self.moved();
        }
    }

    pub(super) fn moved(&mut self) {
        self.touched = true;
        self.scroll.reset();
        self.settle();
    }

    /// The key that the last word may become is put in; of several as much as they share.
    pub(super) fn complete(&mut self, cx: &Cx<'_>) {
        let (replaced, keys) = crate::domain::filter::completions(self.filter.text());
        let Some(first) = keys.first() else { return };
        let shared = |key: &&str| first.bytes().zip(key.bytes()).take_while(|(a, b)| a == b).count();
        let shared = keys.iter().map(shared).min().unwrap_or(0);
        self.filter.complete(replaced, &first[..shared]);
        self.pace.want(cx.now);
    }
}
