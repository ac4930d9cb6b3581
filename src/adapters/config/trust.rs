//! Keys do not go to strangers: which keys a person allowed to go where, kept in the state folder.
//!
//! A decision is about the part of a file's content that matters: which key goes to which origin. It is kept in
//! clear, so that a person can read it. Any other destination asks again; an edit elsewhere in the file does not.

use crate::domain::config::Journey;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What was allowed for one file.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    allowed: Vec<Journey>,
}

impl Trust {
    pub fn allows(&self, journey: &Journey) -> bool {
        self.allowed.contains(journey)
    }

    /// For the file; nothing is allowed when the record cannot be read.
    pub fn of(state_dir: &Path, file: &Path) -> Self {
        let allowed = read(&record(state_dir)).remove(&name(file)).unwrap_or_default();
        Self { allowed }
    }

    /// Allows these journeys beside what was allowed before: by its `.env` another folder makes others of the same
    /// file. Forgets those whose provider is not `there` any more.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn keep(
        state_dir: &Path,
        file: &Path,
        journeys: Vec<Journey>,
        there: impl Fn(&str) -> bool,
    ) -> std::io::Result<()> {
        let mut all = read(&record(state_dir));
        let allowed = all.entry(name(file)).or_default();
        allowed.retain(|journey| there(&journey.provider) && !journeys.contains(journey));
        allowed.extend(journeys);
        let text = serde_json::to_vec_pretty(&all)?;
        super::save::write_private(&record(state_dir), &text)
    }
}

fn record(state_dir: &Path) -> PathBuf {
    state_dir.join("trusted.json")
}

fn read(file: &Path) -> BTreeMap<String, Vec<Journey>> {
    std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn name(file: &Path) -> String {
    file.canonicalize().unwrap_or_else(|_| file.to_owned()).to_string_lossy().into_owned()
}
