//! Folders and daily files that only their owner may read. What is written into them is the business of
//! `call_log` and `app_log`.

use super::clock::unix_now;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tracing_appender::rolling::{RollingFileAppender, Rotation};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Makes `folder` with mode 0700. One that exists and is empty is tightened; one with content is left as
/// the person has it, because it may hold more than ours (the files inside are 0600 in any case).
///
/// # Errors
/// A sentence with the folder's name.
pub fn private_folder(folder: &Path) -> Result<(), String> {
    let trouble = |error: io::Error| {
        format!("the folder {} cannot be used: {error}: choose another with --state-dir", folder.display())
    };
    if folder.is_dir() {
        let empty = fs::read_dir(folder).map_err(trouble)?.next().is_none();
        if empty {
            // Another person's folder cannot be tightened; the files in it still are ours alone.
            let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
        }
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(trouble)
}

/// A file per day (UTC), as in `calls.2026-11-03.jsonl`; append only, so that several processes may share it.
/// Files past the newest `keep` are removed at start and when a new day begins.
pub struct DailyFile {
    appender: RollingFileAppender,
    folder: PathBuf,
    prefix: &'static str,
    suffix: &'static str,
    keep: usize,
    day: i64,
}

impl DailyFile {
    /// # Errors
    /// A sentence: the folder or today's file cannot be made.
    pub fn open(folder: &Path, prefix: &'static str, suffix: &'static str, keep: u32) -> Result<Self, String> {
        private_folder(folder)?;
        // The appender's own pruning goes by the files' creation times and speaks on standard error, which may
        // be under a dashboard; ours goes by the dates in the names and is silent.
        let appender = RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix(prefix)
            .filename_suffix(suffix)
            .build(folder)
            .map_err(|error| {
                let folder = folder.display();
                format!("no log file can be made in {folder}: {error}: choose another folder with --state-dir")
            })?;
        let keep = usize::try_from(keep.max(1)).unwrap_or(usize::MAX);
        let file = Self { appender, folder: folder.to_owned(), prefix, suffix, keep, day: today() };
        file.tidy();
        Ok(file)
    }

    /// Closes the files to others and removes those that are too old. What cannot be done now is tried again
    /// tomorrow.
    fn tidy(&self) {
        let files = daily_files(&self.folder, self.prefix, self.suffix);
        for (age, file) in files.iter().enumerate() {
            let _ = if age < self.keep {
                fs::set_permissions(file, Permissions::from_mode(0o600))
            } else {
                fs::remove_file(file)
            };
        }
    }
}

impl Write for DailyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.appender.write(bytes)?;
        let today = today();
        if today != self.day {
            self.day = today;
            self.tidy();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.appender.flush()
    }
}

fn today() -> i64 {
    unix_now().0.div_euclid(DAY_MS)
}

/// The daily files of one kind, newest first. Only names that hold a date count: nobody else's file is
/// read or removed.
pub fn daily_files(folder: &Path, prefix: &str, suffix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut dated: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let date = name.strip_prefix(prefix)?.strip_prefix('.')?.strip_suffix(suffix)?.strip_suffix('.')?;
            Some((date.parse::<jiff::civil::Date>().ok()?, entry.path()))
        })
        .collect();
    dated.sort_unstable_by(|a, b| b.cmp(a));
    dated.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_days_are_kept_and_other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["calls.2020-01-01.jsonl", "calls.2020-01-02.jsonl", "calls.old.jsonl", "lmdeck.2020-01-01.jsonl"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let mut file = DailyFile::open(folder.path(), "calls", "jsonl", 2).unwrap();
        file.write_all(b"line\n").unwrap();
        let names: Vec<_> = daily_files(folder.path(), "calls", "jsonl");
        assert_eq!(names.len(), 2);
        assert_eq!(fs::read_to_string(&names[0]).unwrap(), "line\n");
        assert!(names[1].ends_with("calls.2020-01-02.jsonl"));
        assert!(folder.path().join("calls.old.jsonl").exists());
        assert!(folder.path().join("lmdeck.2020-01-01.jsonl").exists());
    }

    #[test]
    fn a_new_folder_and_its_files_are_their_owner_s_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("state/logs");
        let _file = DailyFile::open(&folder, "calls", "jsonl", 30).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&daily_files(&folder, "calls", "jsonl")[0]), 0o600);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        let blocked = root.path().join("file");
        fs::write(&blocked, "").unwrap();
        let error = private_folder(&blocked.join("state")).unwrap_err();
        assert!(error.contains("file/state") && error.contains("--state-dir"), "{error}");
    }
}
