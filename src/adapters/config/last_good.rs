//! What can be done with the last good version of a file that cannot be used: run from it, compare with it, put
//! it back. The file that cannot be used is never lost: it is kept beside.

use super::document;
use super::edit::{difference_of, refuse};
use super::good::{self, Version};
use super::history;
use super::in_force::in_force;
use super::save;
use super::secrets;
use super::store::{ConfigFile, Seen};
use crate::domain::config::Issue;
use crate::engine::ports::Loaded;
use crate::engine::protocol::{EditReport, Refusal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Spoiled files kept beside a file; more are refused, none is overwritten.
const MOST_BROKEN: usize = 99;

impl ConfigFile {
    /// What the last good version says, judged with today's environment.
    pub(super) fn last_good_now(&self) -> Option<Loaded> {
        let file = self.source().target();
        let version = self.version(&file)?;
        let (_, built) = self.judge(&file, &version.text).ok()?;
        if built.has_errors() {
            return None;
        }
        let config = Arc::new(built.config);
        Self::register_secrets(&config);
        let name = file.to_string_lossy().into_owned();
        Some(Loaded {
            in_force: Arc::new(in_force(&config)),
            config,
            file: Some(name.clone()),
            would_write: name,
            issues: built.issues,
            can_undo: history::last(&self.source().state_folder, &file).is_some(),
        })
    }

    /// The difference that putting it back would make.
    pub(super) fn compare_now(&self) -> Result<EditReport, Refusal> {
        let (file, version) = self.spoiled()?;
        Ok(compared(&file, &version))
    }

    pub(super) fn put_back_now(&self) -> Result<EditReport, Refusal> {
        let _turn = self.turn();
        let (file, version) = self.spoiled()?;
        let name = file.to_string_lossy().into_owned();
        let mut report = compared(&file, &version);
        let failed = |what: &Path, error: std::io::Error| {
            refuse(
                1,
                format!("{} could not be written: {error}; nothing was put back", what.display()),
                "check the folder's rights and the disk",
            )
        };
        let beside = free_name(&file)?;
        keep_beside(&file, &beside).map_err(|error| failed(&beside, error))?;
        let before = document::read(&file).ok().flatten();
        save::write(&file, version.text.as_bytes()).map_err(|error| failed(&file, error))?;
        report.written = true;
        report.issues.push(Issue::note(&name, format!("the file as it was is kept as {}", beside.display())));
        // What is no text cannot be undone by an edit's record; it is kept beside all the same.
        if let Some(before) = before
            && let Err(error) = history::push(&self.source().state_folder, &file, Some(before), version.text.clone())
        {
            report
                .issues
                .push(Issue::note(&name, format!("this cannot be undone: its record could not be written: {error}")));
        }
        self.remember(Seen { file, text: Some(version.text) });
        Ok(report)
    }

    /// The kept version, where it would be of use.
    pub(super) fn version(&self, file: &Path) -> Option<Version> {
        good::of(&self.source().state_folder, file)
    }

    /// The file that cannot be used, and its last good version.
    fn spoiled(&self) -> Result<(PathBuf, Version), Refusal> {
        let file = self.source().target();
        let name = file.display();
        if self.look().is_ok() {
            return Err(refuse(
                1,
                format!("{name} can be used as it is; nothing was changed"),
                "lmdeck config undo takes back the last change by lmdeck",
            ));
        }
        let Some(version) = self.version(&file) else {
            return Err(refuse(
                1,
                format!("no earlier version of {name} is known to be good"),
                "mend it in your editor: lmdeck config check says where",
            ));
        };
        if document::read(&file).ok().flatten().is_some_and(|text| text == version.text) {
            return Err(refuse(
                1,
                format!("{name} is as it was when it could be used: what is wrong comes from the environment"),
                "lmdeck config check says which variable",
            ));
        }
        Ok((file, version))
    }
}

fn compared(file: &Path, version: &Version) -> EditReport {
    let name = file.to_string_lossy().into_owned();
    // What is no text has no lines to compare.
    let now = document::read(file).ok().flatten().unwrap_or_default();
    let secrets =
        [version.text.as_str(), &now].map(|text| secrets::of_text(text).unwrap_or_else(|| secrets::loose(text)));
    let made = difference_of(&name, &now, &version.text, &secrets::told_apart(secrets.concat()));
    EditReport {
        file: name,
        difference: made.text,
        lines_changed: made.lines,
        section: String::new(),
        written: false,
        issues: Vec::new(),
    }
}

/// The first free name beside the file, as in `ai_models.yaml.broken`.
fn free_name(file: &Path) -> Result<PathBuf, Refusal> {
    let name = |number: usize| {
        let mut name = file.as_os_str().to_owned();
        name.push(if number == 1 { ".broken".to_owned() } else { format!(".broken-{number}") });
        PathBuf::from(name)
    };
    (1..=MOST_BROKEN).map(name).find(|name| name.symlink_metadata().is_err()).ok_or_else(|| {
        refuse(
            1,
            format!("{MOST_BROKEN} spoiled versions of {} are kept beside it already", file.display()),
            "remove those you do not need",
        )
    })
}

/// A copy, not a move: at no moment may there be no file.
fn keep_beside(file: &Path, beside: &Path) -> std::io::Result<()> {
    let mut from = std::fs::File::open(file)?;
    if !from.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    save::write_with(beside, |out| std::io::copy(&mut from, out).map(|_| ()))
}
