//! The last version of each file that could be used, kept in the state folder so that a file spoiled by hand can
//! be run from, compared with and put back. It may hold keys in clear: the record is the owner's alone, in a
//! folder of its own.

use super::{history, save};
use crate::domain::time::UnixMs;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Files of which a version is kept; the one not loaded for longest goes first.
const KEPT: usize = 32;

/// A version that could be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    file: String,
    pub kept_at: UnixMs,
    pub text: String,
}

/// The last good version of this file.
pub fn of(state_dir: &Path, file: &Path) -> Option<Version> {
    let name = history::name(file);
    let read = std::fs::read(place(state_dir, &name)).ok()?;
    let version: Version = serde_json::from_slice(&read).ok()?;
    (version.file == name).then_some(version)
}

/// Keeps this text as the file's last good version. Nothing is written when it is the one that is kept.
///
/// # Errors
/// The record cannot be written.
pub fn keep(state_dir: &Path, file: &Path, text: &str, now: UnixMs) -> std::io::Result<()> {
    if of(state_dir, file).is_some_and(|known| known.text == text) {
        return Ok(());
    }
    let name = history::name(file);
    let version = Version { file: name.clone(), kept_at: now, text: text.to_owned() };
    save::write_private(&place(state_dir, &name), &serde_json::to_vec(&version)?)?;
    forget_oldest(&folder(state_dir));
    Ok(())
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("good")
}

fn place(state_dir: &Path, name: &str) -> PathBuf {
    folder(state_dir).join(format!("{:016x}.json", history::hash(name)))
}

fn forget_oldest(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut records: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    records.sort();
    let spare = records.len().saturating_sub(KEPT);
    for (_, record) in records.into_iter().take(spare) {
        // Another process may sweep at the same moment.
        let _ = std::fs::remove_file(record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_per_file_is_kept_and_only_so_many_files() {
        let state = tempfile::tempdir().unwrap();
        let file = |n: usize| PathBuf::from(format!("/nowhere/{n}.yaml"));
        keep(state.path(), &file(0), "a: 1\n", UnixMs(5)).unwrap();
        keep(state.path(), &file(0), "a: 1\n", UnixMs(6)).unwrap();
        assert_eq!(of(state.path(), &file(0)).unwrap().kept_at, UnixMs(5), "the same text is the same version");
        keep(state.path(), &file(0), "a: 2\n", UnixMs(7)).unwrap();
        let version = of(state.path(), &file(0)).unwrap();
        assert_eq!((version.text.as_str(), version.kept_at), ("a: 2\n", UnixMs(7)));
        assert_eq!(of(state.path(), &file(1)), None);
        for n in 1..KEPT + 5 {
            keep(state.path(), &file(n), "b: 1\n", UnixMs(8)).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder(state.path())).unwrap().count(), KEPT);
        assert!(of(state.path(), &file(KEPT + 4)).is_some());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::tempdir().unwrap();
        keep(state.path(), Path::new("/nowhere/a.yaml"), "a: 1\n", UnixMs(1)).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder(state.path())), 0o700);
        assert_eq!(mode(&place(state.path(), "/nowhere/a.yaml")), 0o600);
    }
}
