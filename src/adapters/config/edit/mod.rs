//! Edits of the file: `intent` (what changes) → `splice` (which bytes) → `verify` (only that) → judged anew →
//! written. What cannot be done safely is refused with an offer of the editor.

mod change;
mod difference;
mod draft;
mod intent;
mod intent_policy;
mod intent_preset;
mod intent_provider;
mod lists;
mod mentions;
mod page;
mod render;
mod splice;
mod unsaved;
mod verify;

use super::build::Built;
use super::document::{self, Document};
use super::environment::Environment;
use super::history;
use super::secrets;
use super::store::{ConfigFile, Opened, Seen, unusable};
use super::{path::Path, save};
use crate::domain::config::{Issue, Origin, Profile, Severity};
use crate::domain::ids::ProviderId;
use crate::engine::ports::ConfigEdit;
use crate::engine::protocol::{EditReport, ProviderDraft, Refusal};
pub(super) use difference::difference as difference_of;
use intent::Present;
pub(super) use intent::refuse;

const HEADER: &str = "# lmdeck configuration\n\n";

impl ConfigFile {
    pub(super) fn edit_now(&self, edit: &ConfigEdit, dry_run: bool) -> Result<EditReport, Refusal> {
        let _turn = (!dry_run).then(|| self.turn());
        // Looking first must not hide that somebody else saves meanwhile.
        let opened = if dry_run { self.open_quietly().map_err(unusable)? } else { self.open_unchanged()? };
        let name = opened.file.to_string_lossy().into_owned();
        let environment = self.environment();
        let present = present(&opened, &environment);
        let intent = present.intent(edit)?;
        let old = opened.text.clone().unwrap_or_default();
        let base = if opened.text.is_none() && !intent.changes.is_empty() { HEADER } else { old.as_str() };
        let new = verify::apply(base, &intent.changes).map_err(|sentence| by_hand(&name, &sentence))?;
        let (document, built) = self.judge(&opened.file, &new).map_err(|issues| spoiled(&opened, issues))?;
        refuse_new_errors(&opened, &built)?;
        let mut report = Self::report(&opened, &new, &[&opened.document, &document]);
        report.section = intent.changes.first().map(|change| section_of(change.path())).unwrap_or_default();
        report.issues = intent.notes.into_iter().map(|note| Issue::note(&name, note)).collect();
        report.issues.extend(fresh_issues(&opened.built, &built));
        if !dry_run && opened.text.as_deref() != Some(new.as_str()) && report.lines_changed > 0 {
            self.write(&opened, &new, &mut report)?;
        }
        Ok(report)
    }

    pub(super) fn undo_now(&self) -> Result<EditReport, Refusal> {
        let _turn = self.turn();
        let file = self.source().target();
        let name = file.to_string_lossy().into_owned();
        let disk = read(&file)?;
        let Some(last) = history::last(&self.source().state_folder, &file) else {
            let remedy = if self.look().is_err() && self.version(&file).is_some() {
                "the last version that could be used is kept: lmdeck config undo --last-good"
            } else {
                "edits by lmdeck are kept, the last 20 of them"
            };
            return Err(refuse(1, format!("there is no edit of {name} to take back"), remedy));
        };
        let current = disk.clone().unwrap_or_default();
        let before = last.before.clone().unwrap_or_default();
        if disk.as_deref() != Some(last.after.as_str()) {
            return Err(Refusal {
                message: format!("{name} was changed after the last edit by lmdeck, so that edit is not taken back"),
                remedy: if self.look().is_err() && self.version(&file).is_some() {
                    "the last version that could be used is kept: lmdeck config undo --last-good".into()
                } else {
                    "change it in your editor; the difference since that edit is shown".into()
                },
                exit: 1,
                issues: Vec::new(),
                difference: shown_difference(&name, &last.after, &current),
            });
        }
        let secrets = all_secrets([current.as_str(), before.as_str()]).unwrap_or_default();
        let made = difference::difference(&name, &current, &before, &secrets);
        let failed = |error: std::io::Error| {
            refuse(1, format!("{name} could not be written: {error}"), "check the folder's rights and the disk")
        };
        match &last.before {
            Some(before) => save::write(&file, before.as_bytes()).map_err(failed)?,
            None => std::fs::remove_file(&file).map_err(failed)?,
        }
        let mut report = EditReport {
            file: name.clone(),
            difference: made.text,
            lines_changed: made.lines,
            section: String::new(),
            written: true,
            issues: Vec::new(),
        };
        if let Err(error) = history::drop_last(&self.source().state_folder, &file) {
            report.issues.push(Issue::note(&name, format!("the undo record could not be updated: {error}")));
        }
        self.remember(Seen { file, text: last.before });
        Ok(report)
    }

    pub(super) fn profile_now(&self, base: Option<&ProviderId>, given: &ProviderDraft) -> Result<Profile, Refusal> {
        let (opened, built) = self.as_edited("the draft", |present| match base {
            Some(id) => present.change(id, given),
            None => present.add(given),
        })?;
        let typed = given.id.trim();
        let id = match base {
            Some(base) if typed.is_empty() => base.clone(),
            _ => ProviderId::from(typed),
        };
        let known = base.and_then(|base| opened.built.config.provider(base));
        let made = built.config.provider(&id).cloned().map(|profile| Profile {
            // The draft stands nowhere yet.
            origin: known.map_or(Origin::Providers, |known| known.origin),
            place: known.map(|known| known.place.clone()).unwrap_or_default(),
            line: known.and_then(|known| known.line),
            ..profile
        });
        made.ok_or_else(|| Refusal {
            message: format!("{id} cannot be used as typed"),
            remedy: "correct the fields".into(),
            exit: 2,
            issues: built.issues.iter().filter(|issue| issue.severity == Severity::Error).cloned().collect(),
            difference: None,
        })
    }

    /// The configuration as it is, and as it would be with an unsaved edit; `what` names the edit in errors.
    fn as_edited(
        &self,
        what: &str,
        intent: impl FnOnce(&Present<'_>) -> Result<intent::Intent, Refusal>,
    ) -> Result<(Opened, Built), Refusal> {
        let opened = self.open_quietly().map_err(unusable)?;
        let environment = self.environment();
        let present = present(&opened, &environment);
        let intent = intent(&present)?;
        let mut value = opened.document.value.clone();
        for change in &intent.changes {
            value = change.applied(&value).map_err(|sentence| refuse(1, sentence, "lmdeck config check"))?;
        }
        let text = serde_yaml::to_string(&value)
            .map_err(|error| refuse(1, format!("{what} cannot be read: {error}"), "correct the fields"))?;
        let (_, built) = self.judge(&opened.file, &text).map_err(|issues| spoiled(&opened, issues))?;
        Ok((opened, built))
    }

    /// Opens the file, which must be as it was when it was last read.
    pub(super) fn open_unchanged(&self) -> Result<Opened, Refusal> {
        let file = self.source().target();
        let text = read(&file)?;
        if let Some(seen) = self.seen().filter(|seen| seen.file == file && seen.text != text) {
            return Err(changed_on_disk(&file, seen.text, text));
        }
        let read = Seen { file, text };
        self.remember(read.clone());
        self.opened(read).map_err(unusable)
    }

    fn report(opened: &Opened, new: &str, documents: &[&Document]) -> EditReport {
        let name = opened.file.to_string_lossy().into_owned();
        let of = |document: &&Document| secrets::of_document(&document.text, &document.tree, &document.value);
        let secrets = secrets::told_apart(documents.iter().flat_map(of).collect());
        let old = opened.text.as_deref().unwrap_or_default();
        let made = difference::difference(&name, old, new, &secrets);
        EditReport {
            file: name,
            difference: made.text,
            lines_changed: made.lines,
            section: String::new(),
            written: false,
            issues: Vec::new(),
        }
    }

    fn write(&self, opened: &Opened, new: &str, report: &mut EditReport) -> Result<(), Refusal> {
        // Somebody may have saved while this edit was worked out. Their text may have been read since, too, so what
        // was seen last says nothing.
        let disk = read(&opened.file)?;
        if disk != opened.text {
            return Err(changed_on_disk(&opened.file, opened.text.clone(), disk));
        }
        save::write(&opened.file, new.as_bytes()).map_err(|error| {
            refuse(
                1,
                format!("{} could not be written: {error}", report.file),
                "check the folder's rights and the disk",
            )
        })?;
        report.written = true;
        self.remember(Seen { file: opened.file.clone(), text: Some(new.to_owned()) });
        let kept = history::push(&self.source().state_folder, &opened.file, opened.text.clone(), new.to_owned());
        if let Err(error) = kept {
            report.issues.push(Issue::note(
                &report.file,
                format!("the edit cannot be undone: its record could not be written: {error}"),
            ));
        }
        Ok(())
    }
}

fn read(file: &std::path::Path) -> Result<Option<String>, Refusal> {
    document::read(file).map_err(|(message, remedy)| refuse(3, format!("{}: {message}", file.display()), remedy))
}

fn changed_on_disk(file: &std::path::Path, old: Option<String>, new: Option<String>) -> Refusal {
    let name = file.to_string_lossy();
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    Refusal {
        message: format!("{name} changed on disk since it was read; nothing was written"),
        remedy: "look at the difference, read the file again, and repeat the edit".into(),
        exit: 1,
        issues: Document::parse(&new, &name).err().unwrap_or_default(),
        difference: shown_difference(&name, &old, &new),
    }
}

fn by_hand(name: &str, sentence: &str) -> Refusal {
    refuse(
        1,
        format!("this edit is not done automatically: {sentence}"),
        format!("edit the line yourself: $EDITOR {name}"),
    )
}

/// The new text cannot even be read; only a fault of ours leads here.
fn spoiled(opened: &Opened, issues: Vec<Issue>) -> Refusal {
    let mut refusal = by_hand(&opened.file.to_string_lossy(), "the result would not be a configuration");
    refusal.issues = issues;
    refusal
}

fn refuse_new_errors(opened: &Opened, built: &Built) -> Result<(), Refusal> {
    let errors: Vec<Issue> =
        fresh_issues(&opened.built, built).into_iter().filter(|issue| issue.severity == Severity::Error).collect();
    let Some(first) = errors.first() else { return Ok(()) };
    Err(Refusal {
        message: format!("the edit would make the file unusable: {}", first.message),
        remedy: first.remedy.clone(),
        exit: 3,
        issues: errors,
        difference: None,
    })
}

/// What the new file says that the old one did not.
fn fresh_issues(old: &Built, new: &Built) -> Vec<Issue> {
    let known = |issue: &Issue| old.issues.iter().any(|other| other.message == issue.message);
    new.issues.iter().filter(|issue| !known(issue)).cloned().collect()
}

fn section_of(path: &Path) -> String {
    path.0.first().map(|step| Path(vec![step.clone()]).to_string()).unwrap_or_default()
}

/// `None` when one of the texts cannot be read.
fn all_secrets<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Vec<String>> {
    let found: Option<Vec<Vec<String>>> = texts.into_iter().map(secrets::of_text).collect();
    found.map(|found| secrets::told_apart(found.concat()))
}

/// A difference of texts that somebody else may have written. Where keys stand in a broken one nobody
/// can tell, so nothing of it is shown.
fn shown_difference(name: &str, old: &str, new: &str) -> Option<String> {
    let secrets = all_secrets([old, new])?;
    Some(difference::difference(name, old, new, &secrets).text)
}

fn present<'a>(opened: &'a Opened, environment: &'a Environment) -> Present<'a> {
    Present { raw: &opened.document.value, config: &opened.built.config, environment, fresh: opened.text.is_none() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::config::Source;

    #[test]
    fn what_somebody_saves_while_an_edit_is_worked_out_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ai_models.yaml");
        std::fs::write(&file, "limits: { queue: 1 }\n").unwrap();
        let source = Source {
            config: Some(file.clone()),
            state_folder: folder.path().join("state"),
            working_folder: folder.path().to_owned(),
            ..Source::default()
        };
        let store = ConfigFile::open(source);
        let opened = store.open_unchanged().unwrap();
        std::fs::write(&file, "limits: { queue: 2 }\n").unwrap();
        // The watch reads what was saved before the edit is written.
        store.load_now().unwrap();
        let mut report = EditReport::default();
        let refusal = store.write(&opened, "limits: { queue: 3 }\n", &mut report).unwrap_err();
        assert!(refusal.message.contains("changed on disk"), "{}", refusal.message);
        assert!(refusal.difference.unwrap().contains("+limits: { queue: 2 }"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "limits: { queue: 2 }\n");
        assert!(!report.written && history::last(&store.source().state_folder, &file).is_none());
    }
}
