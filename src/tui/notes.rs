//! Messages to the person: at most three on the screen, all kept in a list.

use crate::domain::ids::ProviderId;
use crate::domain::time::UnixMs;
use crate::engine::protocol::Level;
use std::collections::VecDeque;
use std::time::Duration;

/// Messages kept for the list; the oldest go first.
const KEPT: usize = 200;
/// On the screen at once.
const SHOWN: usize = 3;

const INFO_STAYS: Duration = Duration::from_secs(4);
const WARNING_STAYS: Duration = Duration::from_secs(8);

/// Where a message leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lead {
    Page(ProviderId),
    Doctor(ProviderId),
    Health(ProviderId),
    Form(ProviderId),
    Routing,
    /// What is wrong with the configuration file.
    Broken,
    Log,
}

impl Lead {
    /// As in `enter: its doctor`.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Page(_) => "its page",
            Self::Doctor(_) => "its doctor",
            Self::Health(_) => "its health",
            Self::Form(_) => "its form",
            Self::Routing => "Routing",
            Self::Broken => "the file",
            Self::Log => "the log",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Tells it from the others.
    pub id: u64,
    /// Which saying it was the last time; see [`Notes::said`].
    pub last: u64,
    pub at: UnixMs,
    pub level: Level,
    pub text: String,
    /// How often it was said.
    pub times: u32,
    pub lead: Option<Lead>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Notes {
    /// Newest first.
    kept: VecDeque<Note>,
    /// How many of the newest are on the screen.
    shown: usize,
    /// How often something was said.
    said: u64,
}

impl Notes {
    pub fn say(&mut self, at: UnixMs, level: Level, text: String, lead: Option<Lead>) {
        self.said += 1;
        if let Some(place) = self.kept.iter().position(|note| note.text == text && note.level == level) {
            let was_shown = place < self.shown;
            if let Some(mut note) = self.kept.remove(place) {
                note.times = note.times.saturating_add(1);
                note.at = at;
                note.last = self.said;
                self.kept.push_front(note);
            }
            if !was_shown {
                self.shown = (self.shown + 1).min(SHOWN);
            }
            return;
        }
        self.kept.push_front(Note { id: self.said, last: self.said, at, level, text, times: 1, lead });
        self.kept.truncate(KEPT);
        self.shown = (self.shown + 1).min(SHOWN).min(self.kept.len());
    }

    /// Grows with everything said; the newest is the first of [`Self::kept`].
    pub fn said(&self) -> u64 {
        self.said
    }

    pub fn kept(&self) -> impl ExactSizeIterator<Item = &Note> {
        self.kept.iter()
    }

    /// On the screen, newest first.
    pub fn shown(&self) -> impl Iterator<Item = &Note> {
        self.kept.iter().take(self.shown)
    }

    /// When the next one leaves by itself.
    pub fn deadline(&self) -> Option<UnixMs> {
        self.shown().filter(|note| note.level != Level::Error).map(ends).min()
    }

    /// Takes what has been seen long enough off the screen; errors go with a key press only.
    pub fn expire(&mut self, now: UnixMs, key_pressed: bool) -> bool {
        let before = self.shown;
        let stays = |note: &Note| match note.level {
            Level::Error => !key_pressed || now < ends(note),
            _ => now < ends(note),
        };
        // What leaves goes below what stays, so that the shown ones are always the first.
        let (staying, leaving): (Vec<Note>, Vec<Note>) = self.kept.drain(..self.shown).partition(stays);
        self.shown = staying.len();
        for note in staying.into_iter().chain(leaving).rev() {
            self.kept.push_front(note);
        }
        before != self.shown
    }
}

fn ends(note: &Note) -> UnixMs {
    note.at.plus(if note.level == Level::Info { INFO_STAYS } else { WARNING_STAYS })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixMs = UnixMs(1_000_000);

    #[test]
    fn at_most_three_are_shown_and_errors_wait_for_a_key() {
        let mut notes = Notes::default();
        for n in 0..5 {
            notes.say(AT, Level::Info, format!("note {n}"), None);
        }
        notes.say(AT, Level::Error, "trouble".into(), None);
        assert_eq!(notes.shown().count(), 3);
        let later = AT.plus(Duration::from_mins(1));
        assert!(notes.expire(later, false));
        assert_eq!(notes.shown().map(|n| n.text.as_str()).collect::<Vec<_>>(), ["trouble"]);
        assert!(notes.expire(later, true));
        assert_eq!(notes.shown().count(), 0);
        assert_eq!(notes.kept().len(), 6);
    }

    #[test]
    fn the_same_message_again_raises_a_count() {
        let mut notes = Notes::default();
        for _ in 0..4 {
            notes.say(AT, Level::Warning, "slow".into(), None);
        }
        assert_eq!(notes.kept().len(), 1);
        assert_eq!(notes.shown().next().map(|n| n.times), Some(4));
    }
}
