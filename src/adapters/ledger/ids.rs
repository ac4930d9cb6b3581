//! Ids for calls: numbers from a counter that all processes of a state folder share, taken in blocks so that
//! giving one out costs no disk.

use super::writer::Nudge;
use crate::domain::ids::CallId;
use rusqlite::{Connection, params};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The first block is small: most processes are one `lmdeck ask`.
const FIRST_BLOCK: i64 = 8;
const LARGEST_BLOCK: i64 = 4096;
/// Each block is so many times as large as the one before: whoever asks often waits seldom.
const GROWTH: i64 = 4;
/// How long a caller may wait for the writer to bring a block.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// What this process may give out.
pub struct Ids {
    state: Mutex<State>,
    stocked: Condvar,
}

struct State {
    current: Range<i64>,
    ahead: Range<i64>,
    /// When so few of the current ones are left, the next block is asked for: half of them, so that those who go on
    /// asking meanwhile do not run out.
    low: i64,
    /// The writer was asked for a block.
    asked: bool,
    next_block: i64,
    /// The end of the last block that was taken.
    highest: i64,
}

impl Ids {
    pub fn new(first: Range<i64>) -> Self {
        let highest = first.end;
        let (low, next_block) = (half(&first), FIRST_BLOCK * GROWTH);
        let state = State { current: first, ahead: 0..0, low, asked: false, next_block, highest };
        Self { state: Mutex::new(state), stocked: Condvar::new() }
    }

    /// The next id. Where the counter cannot be reached in time (another program holds the file) it is a
    /// longer one that nobody else makes.
    pub fn next(&self, mut nudge: impl FnMut(Nudge)) -> CallId {
        let mut state = self.lock();
        if state.current.is_empty() && state.ahead.is_empty() {
            state.asked = true;
            nudge(Nudge);
            let none_yet = |state: &mut State| state.current.is_empty() && state.ahead.is_empty();
            state = self
                .stocked
                .wait_timeout_while(state, LONGEST_WAIT, none_yet)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if state.current.is_empty() {
            state.current = std::mem::replace(&mut state.ahead, 0..0);
            state.low = half(&state.current);
        }
        let Some(number) = state.current.next() else { return random_id() };
        let left = state.current.end - state.current.start;
        if state.ahead.is_empty() && !state.asked && left <= state.low {
            state.asked = true;
            nudge(Nudge);
        }
        CallId::from(["c", &number.to_string()].concat())
    }

    /// How many numbers the writer should fetch; `None` when there are enough.
    pub fn wanted(&self) -> Option<i64> {
        let mut state = self.lock();
        if !state.asked {
            return None;
        }
        let size = state.next_block;
        state.next_block = (size * GROWTH).min(LARGEST_BLOCK);
        Some(size)
    }

    /// The writer's answer; an empty block says that the counter could not be reached.
    pub fn stock(&self, block: Range<i64>) {
        let mut state = self.lock();
        state.asked = false;
        state.highest = state.highest.max(block.end);
        state.ahead = block;
        drop(state);
        self.stocked.notify_all();
    }

    /// What was never given out, to be handed back; nothing is given out afterwards.
    fn take_rest(&self) -> [Range<i64>; 2] {
        let mut state = self.lock();
        [std::mem::replace(&mut state.ahead, 0..0), std::mem::replace(&mut state.current, 0..0)]
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn half(block: &Range<i64>) -> i64 {
    (block.end - block.start) / 2
}

/// A file begun anew must not count again what this process had from the old one.
///
/// # Errors
/// SQLite's own.
pub fn go_on_from(connection: &Connection, ids: &Ids) -> rusqlite::Result<()> {
    let highest = ids.lock().highest;
    connection.execute("UPDATE counters SET next = max(next, ?1) WHERE name = 'call'", [highest]).map(drop)
}

/// Takes the first block.
///
/// # Errors
/// SQLite's own.
pub fn reserve_first(connection: &Connection) -> rusqlite::Result<Range<i64>> {
    reserve(connection, FIRST_BLOCK)
}

/// Takes `size` numbers off the counter.
///
/// # Errors
/// SQLite's own.
pub fn reserve(connection: &Connection, size: i64) -> rusqlite::Result<Range<i64>> {
    let end: i64 = connection
        .prepare_cached("UPDATE counters SET next = next + ?1 WHERE name = 'call' RETURNING next")?
        .query_row([size], |row| row.get(0))?;
    Ok(end - size..end)
}

/// Hands unused numbers back where nobody took later ones, so that short runs leave no gaps.
///
/// # Errors
/// SQLite's own.
pub fn give_back(connection: &Connection, ids: &Ids) -> rusqlite::Result<()> {
    for rest in ids.take_rest() {
        if !rest.is_empty() {
            connection.execute(
                "UPDATE counters SET next = ?1 WHERE name = 'call' AND next = ?2",
                params![rest.start, rest.end],
            )?;
        }
    }
    Ok(())
}

/// Two random words in base 36, behind a letter that no number holds.
fn random_id() -> CallId {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut text = String::from("cx");
    for _ in 0..2 {
        // The standard library seeds every one of these anew from the machine's randomness.
        let mut word = RandomState::new().build_hasher().finish();
        for _ in 0..10 {
            let digit = usize::try_from(word % 36).unwrap_or(0);
            text.push(char::from(DIGITS[digit]));
            word /= 36;
        }
    }
    CallId::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_follow_each_other_and_the_writer_is_asked_in_time() {
        let ids = Ids::new(1..9);
        let asked = std::cell::Cell::new(0);
        let given: Vec<_> = (0..8)
            .map(|_| {
                let id = ids.next(|_| asked.set(asked.get() + 1));
                if let Some(size) = ids.wanted() {
                    ids.stock(100..100 + size);
                }
                id
            })
            .collect();
        assert_eq!(given[0].as_str(), "c1");
        assert_eq!(given[7].as_str(), "c8");
        assert_eq!(asked.get(), 1);
        assert_eq!(ids.next(|_| {}).as_str(), "c100");
    }

    #[test]
    fn while_half_a_block_is_left_nobody_waits_for_the_next_one() {
        let ids = Ids::new(0..8);
        let mut asked = 0;
        for round in 0..2000 {
            ids.next(|_| asked += 1);
            // The writer is slow: it answers when as many more ids were given out as half the block has.
            let state = ids.lock();
            let due = state.asked && state.current.end - state.current.start <= state.low / 2;
            drop(state);
            if due && let Some(size) = ids.wanted() {
                ids.stock(10_000 * (round + 1)..10_000 * (round + 1) + size);
            }
            let state = ids.lock();
            assert!(!state.current.is_empty() || !state.ahead.is_empty(), "round {round}");
        }
        assert!(asked < 6, "{asked}");
    }

    #[test]
    fn without_the_counter_ids_are_longer_and_still_unlike_each_other() {
        let ids = Ids::new(0..0);
        let given: HashSet<_> = (0..20).map(|_| ids.next(|_| {})).collect();
        assert_eq!(given.len(), 20);
        assert!(given.iter().all(|id| id.as_str().len() == 22 && id.as_str().starts_with("cx")));
    }
}
