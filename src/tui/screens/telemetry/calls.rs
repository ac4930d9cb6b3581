//! The rows of the table: calls that run on top, then the recorded ones, newest first; following or held.
//! No drawing and no asking here.

use crate::domain::call::Status;
use crate::domain::ids::CallId;
use crate::engine::protocol::{CallPage, CallRow, RunningCall};
use std::collections::{HashMap, HashSet};

/// Calls asked for at once.
pub const PAGE: usize = 200;
/// Calls kept in memory; beyond it a filter is the way to older ones.
pub const MOST: usize = 10_000;
/// Readings after which an ended call without a record is given up: its record was lost.
const PATIENCE: u8 = 20;

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    Running(RunningCall),
    Done(CallRow),
}

impl Entry {
    pub fn id(&self) -> &CallId {
        match self {
            Self::Running(call) => &call.id,
            Self::Done(row) => &row.id,
        }
    }

    /// Failed or denied: what `n` looks for and the day's counter counts.
    pub fn failed(&self) -> bool {
        matches!(self, Self::Done(row) if matches!(row.status, Status::Error | Status::Denied))
    }
}

/// What lies below the last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Below {
    /// No page has come yet.
    #[default]
    Unknown,
    /// Perhaps older calls.
    More,
    Nothing,
}

#[derive(Debug, Default)]
pub struct Calls {
    entries: Vec<Entry>,
    /// Their ids, row by row.
    ids: Vec<CallId>,
    pub matching: u64,
    pub total: u64,
    /// How many matched when the list was held.
    held: Option<u64>,
    below: Below,
    /// The next page takes the place of all recorded calls.
    anew: bool,
    /// The rows answer to a filter: what runs cannot be asked by it and is left out.
    filtered: bool,
    /// Ended calls whose record has not come yet, with the readings since.
    awaited: HashMap<CallId, u8>,
}

impl Calls {
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn ids(&self) -> &[CallId] {
        &self.ids
    }

    pub fn rows(&self) -> impl Iterator<Item = &CallRow> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Done(row) => Some(row),
            Entry::Running(_) => None,
        })
    }

    pub fn loaded(&self) -> bool {
        self.below != Below::Unknown
    }

    pub fn following(&self) -> bool {
        self.held.is_none()
    }

    /// Matching calls that ended since the list was held.
    pub fn newer(&self) -> u64 {
        self.held.map_or(0, |before| self.matching.saturating_sub(before))
    }

    pub fn hold(&mut self) {
        self.held = Some(self.matching);
    }

    /// Follows again. What settled in place while held may stand apart from its neighbours: the next page
    /// begins anew.
    pub fn follow(&mut self) {
        self.anew |= self.held.is_some();
        self.held = None;
    }

    /// There may be older calls to ask for, and room for them.
    pub fn wants_older(&self) -> bool {
        self.below == Below::More && self.entries.len() < MOST
    }

    /// The recorded call that stands last: older ones begin below it.
    pub fn last(&self) -> Option<&CallRow> {
        self.entries.iter().rev().find_map(|entry| match entry {
            Entry::Done(row) => Some(row),
            Entry::Running(_) => None,
        })
    }

    /// Ended calls still wait for their record.
    pub fn awaiting(&self) -> bool {
        self.awaited.values().any(|readings| *readings < PATIENCE)
    }

    /// An ended call that the newest page did not bring: it began long ago, or its record is late.
    pub fn overdue(&self) -> Option<&CallId> {
        self.awaited.iter().filter(|(_, readings)| (1..PATIENCE).contains(*readings)).map(|(id, _)| id).min()
    }

    /// The record of a call that was asked for by its id, put where it belongs by its time.
    pub fn insert(&mut self, row: CallRow) {
        self.awaited.remove(&row.id);
        self.place(row);
        self.index();
    }

    fn place(&mut self, row: CallRow) {
        let place = self.entries.iter().position(|entry| *entry.id() == row.id);
        match place {
            Some(place) if !self.following() || matches!(self.entries[place], Entry::Done(_)) => {
                self.entries[place] = Entry::Done(row);
                return;
            }
            Some(place) => drop(self.entries.remove(place)),
            None => {}
        }
        let below = self.entries.iter().position(|entry| matches!(entry, Entry::Done(other) if other.ts <= row.ts));
        match below {
            Some(place) => self.entries.insert(place, Entry::Done(row)),
            // Below all that is loaded: it comes with its page, unless there is none left.
            None if self.below == Below::Nothing || self.entries.is_empty() => self.entries.push(Entry::Done(row)),
            None => {}
        }
    }

    /// Answers to another filter, or to the first question.
    pub fn replace(&mut self, page: &CallPage, running: &[RunningCall], filtered: bool) {
        self.count(page);
        self.held = self.held.map(|_| page.matching);
        self.below = Below::More;
        self.anew = false;
        self.filtered = filtered;
        self.awaited.clear();
        self.entries = page.rows.iter().cloned().map(Entry::Done).collect();
        self.put_running(running);
        self.index();
    }

    /// The newest calls again, by the same filter. `true` when older rows went, so that a page asked for below
    /// them no longer fits.
    pub fn refresh(&mut self, page: &CallPage, running: &[RunningCall]) -> bool {
        self.count(page);
        let mut dropped = false;
        if self.following() {
            dropped = self.merge(page);
            self.put_running(running);
        } else {
            self.settle(page);
            self.note_ended(running);
        }
        for entry in &self.entries {
            if let Entry::Done(row) = entry {
                self.awaited.remove(&row.id);
            }
        }
        self.awaited.values_mut().for_each(|readings| *readings = readings.saturating_add(1));
        self.index();
        dropped
    }

    /// Older calls, from below the last one.
    pub fn append(&mut self, page: &CallPage) {
        let ran: HashSet<CallId> = page.rows.iter().map(|row| row.id.clone()).collect();
        if self.following() {
            self.entries.retain(|entry| matches!(entry, Entry::Done(_)) || !ran.contains(entry.id()));
        } else {
            self.settle(page);
        }
        let known: HashSet<&CallId> = self.entries.iter().map(Entry::id).collect();
        let below = self.last().map(|row| row.ts);
        let fits = |row: &&CallRow| below.is_none_or(|last| row.ts <= last) && !known.contains(&row.id);
        let fresh: Vec<Entry> = page.rows.iter().filter(fits).cloned().map(Entry::Done).collect();
        // A page that brings nothing new would be asked for again and again.
        if page.rows.len() < PAGE || fresh.is_empty() {
            self.below = Below::Nothing;
        }
        self.entries.extend(fresh);
        self.entries.truncate(MOST);
        for id in &ran {
            self.awaited.remove(id);
        }
        self.index();
    }

    /// A newer picture of what runs.
    pub fn running_changed(&mut self, running: &[RunningCall]) {
        if self.following() {
            self.put_running(running);
        } else {
            self.note_ended(running);
        }
        self.index();
    }

    fn index(&mut self) {
        self.ids.clear();
        self.ids.extend(self.entries.iter().map(|entry| entry.id().clone()));
    }

    fn count(&mut self, page: &CallPage) {
        if !self.loaded() {
            self.below = Below::More;
        }
        self.matching = page.matching;
        self.total = page.total;
        // A new day begins to count at nothing.
        self.held = self.held.map(|before| before.min(page.matching));
    }

    /// The page, then what was loaded below it. Where calls between the two are missing, what was loaded goes:
    /// it is loaded again on the way down.
    fn merge(&mut self, page: &CallPage) -> bool {
        let fresh: HashSet<&CallId> = page.rows.iter().map(|row| &row.id).collect();
        let touches = page.rows.last().is_none_or(|last| self.rows().any(|row| row.id == last.id));
        let gap = std::mem::take(&mut self.anew) || (page.rows.len() >= PAGE && !touches);
        let kept = std::mem::take(&mut self.entries);
        let (running, done): (Vec<Entry>, Vec<Entry>) =
            kept.into_iter().partition(|entry| matches!(entry, Entry::Running(_)));
        self.entries = running;
        self.entries.extend(page.rows.iter().cloned().map(Entry::Done));
        if gap {
            self.below = Below::More;
        } else {
            self.entries.extend(done.into_iter().filter(|entry| !fresh.contains(entry.id())));
        }
        self.entries.truncate(MOST);
        gap
    }

    /// Puts records in the place of calls that ran when the list was held.
    fn settle(&mut self, page: &CallPage) {
        for entry in &mut self.entries {
            if let Entry::Running(call) = entry
                && let Some(row) = page.rows.iter().find(|row| row.id == call.id)
            {
                *entry = Entry::Done(row.clone());
            }
        }
    }

    fn note_ended(&mut self, running: &[RunningCall]) {
        for entry in &self.entries {
            if let Entry::Running(call) = entry
                && !running.iter().any(|other| other.id == call.id)
            {
                self.awaited.entry(call.id.clone()).or_insert(0);
            }
        }
    }

    /// What runs, newest first, on top; with it what has just ended and has no record yet, so that no row goes
    /// and comes again.
    fn put_running(&mut self, running: &[RunningCall]) {
        self.note_ended(running);
        let kept = std::mem::take(&mut self.entries);
        let (was, done): (Vec<Entry>, Vec<Entry>) =
            kept.into_iter().partition(|entry| matches!(entry, Entry::Running(_)));
        let recorded: HashSet<CallId> = done.iter().map(|entry| entry.id().clone()).collect();
        let mut top: Vec<RunningCall> = Vec::new();
        if !self.filtered {
            top.extend(running.iter().filter(|call| !recorded.contains(&call.id)).cloned());
            let waits = |id: &CallId| self.awaited.get(id).is_some_and(|readings| *readings < PATIENCE);
            top.extend(was.into_iter().filter_map(|entry| match entry {
                Entry::Running(call) => {
                    let known = recorded.contains(&call.id) || running.iter().any(|other| other.id == call.id);
                    (!known && waits(&call.id)).then_some(call)
                }
                Entry::Done(_) => None,
            }));
            top.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| b.id.cmp(&a.id)));
        }
        self.awaited.retain(|id, _| top.iter().any(|call| call.id == *id));
        self.entries = top.into_iter().map(Entry::Running).chain(done).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Cost;
    use crate::domain::time::UnixMs;
    use proptest::prelude::*;

    fn row(number: u64) -> CallRow {
        CallRow {
            id: format!("c{number:06}").into(),
            ts: UnixMs(i64::try_from(number).unwrap()),
            client: String::new(),
            request_type: String::new(),
            status: Status::Ok,
            error: None,
            tries: 1,
            ttft_ms: None,
            duration_ms: 1,
            tokens_in: None,
            tokens_out: None,
            cost: Cost::FREE,
            target: None,
            policy: String::new(),
            cut_off: false,
        }
    }

    /// The newest calls up to `newest`, as the ledger gives them.
    fn page(newest: u64) -> CallPage {
        let rows: Vec<CallRow> = (0..=newest).rev().take(PAGE).map(row).collect();
        CallPage { rows, matching: newest + 1, total: newest + 1, ..CallPage::default() }
    }

    fn older(calls: &Calls) -> CallPage {
        let below = calls.rows().last().map_or(0, |row| u64::try_from(row.ts.0).unwrap());
        CallPage { rows: (0..below).rev().take(PAGE).map(row).collect(), ..CallPage::default() }
    }

    fn running(number: u64) -> RunningCall {
        RunningCall {
            id: format!("c{number:06}").into(),
            since: UnixMs(i64::try_from(number).unwrap()),
            client: String::new(),
            request_type: String::new(),
            target: None,
            writing: true,
            loading: None,
        }
    }

    #[test]
    fn a_running_call_keeps_its_row_until_its_record_is_there() {
        let mut calls = Calls::default();
        calls.replace(&page(3), &[running(4)], false);
        assert!(matches!(&calls.entries()[0], Entry::Running(call) if call.id.as_str() == "c000004"));
        calls.running_changed(&[]);
        assert!(matches!(calls.entries()[0], Entry::Running(_)) && calls.awaiting());
        calls.refresh(&page(4), &[]);
        assert_eq!(calls.entries()[0], Entry::Done(row(4)));
        assert!(!calls.awaiting());
    }

    #[test]
    fn a_call_that_is_never_recorded_goes_at_last() {
        let mut calls = Calls::default();
        calls.replace(&page(3), &[running(9)], false);
        for _ in 0..=PATIENCE {
            calls.refresh(&page(3), &[]);
        }
        assert_eq!(calls.entries().len(), 4);
        assert!(!calls.awaiting());
    }

    #[test]
    fn a_held_list_counts_what_is_newer_and_settles_in_place() {
        let mut calls = Calls::default();
        calls.replace(&page(3), &[running(4)], false);
        calls.hold();
        calls.running_changed(&[]);
        calls.refresh(&page(16), &[]);
        assert_eq!(calls.newer(), 13);
        assert_eq!(calls.entries().len(), 5);
        assert_eq!(calls.entries()[0], Entry::Done(row(4)));
    }

    #[test]
    fn a_call_that_ran_for_long_settles_between_its_neighbours() {
        let mut calls = Calls::default();
        let without = |number| {
            let mut page = page(number);
            page.rows.retain(|row| row.ts.0 != 2);
            page
        };
        calls.replace(&without(5), &[running(2)], false);
        calls.refresh(&without(6), &[]);
        calls.refresh(&without(6), &[]);
        assert_eq!(calls.overdue().unwrap().as_str(), "c000002");
        calls.insert(row(2));
        let numbers: Vec<i64> = calls.rows().map(|row| row.ts.0).collect();
        assert_eq!(numbers, [6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(calls.entries().len(), 7);
    }

    proptest! {
        /// Whatever happens in whatever order: no call twice, recorded ones in order, and no hole between two
        /// recorded neighbours.
        #[test]
        fn rows_are_whole_and_in_order(steps in proptest::collection::vec((0u8..5, 1u64..400), 1..30)) {
            let (mut calls, mut newest) = (Calls::default(), 5);
            calls.replace(&page(newest), &[], false);
            for (step, count) in steps {
                match step {
                    0 => { newest += count; calls.refresh(&page(newest), &[]); }
                    1 => calls.append(&older(&calls)),
                    2 => calls.hold(),
                    3 => { calls.follow(); calls.refresh(&page(newest), &[]); }
                    _ => calls.running_changed(&[running(newest + count)]),
                }
                let numbers: Vec<i64> = calls.rows().map(|row| row.ts.0).collect();
                // A held list lacks what came since; a call that ended then stands where it ran.
                let whole = calls.following() && !calls.anew;
                prop_assert!(!whole || numbers.windows(2).all(|pair| pair[0] == pair[1] + 1), "{numbers:?}");
                let ids: HashSet<CallId> = calls.ids().iter().cloned().collect();
                prop_assert_eq!(ids.len(), calls.entries().len());
            }
        }
    }
}
