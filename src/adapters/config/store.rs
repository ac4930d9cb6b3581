//! The store: reads the file with all that judges it, and remembers what was read for conflict checks.

use super::build::{self, Built, Reading};
use super::collector::COLLECTOR;
use super::document::{self, Document};
use super::environment::Environment;
use super::good;
use super::history;
use super::in_force::in_force;
use super::save;
use super::source::Source;
use super::trust::Trust;
use super::watch::{Content, Watching, contents};

use crate::adapters::app_log;
use crate::adapters::clock::unix_now;
use crate::domain::config::{Config, Issue, Journey, Severity};
use crate::engine::ports::{Loaded, Unusable};
use crate::engine::protocol::{EditReport, Refusal};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::watch;

/// The configuration file of this process.
pub struct ConfigFile {
    source: Source,
    /// What the file held when it was last read or written through this store.
    seen: Mutex<Option<Seen>>,
    /// What all files held that say something of it, just before it was last read.
    read: Mutex<Option<Vec<Content>>>,
    /// Held by whoever reads the file to change it, or to say what it held: of two changes at the same time the
    /// second starts from what the first one wrote.
    turn: Mutex<()>,
    /// Begins with the first question for changes; who does not watch, as a one-shot verb, does not ask.
    watching: OnceLock<Watching>,
}

/// A file's content at one moment; no text: no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub file: PathBuf,
    pub text: Option<String>,
}

/// A file, read and judged.
pub(super) struct Opened {
    pub file: PathBuf,
    pub text: Option<String>,
    pub document: Document,
    pub built: Built,
}

impl ConfigFile {
    pub fn open(source: Source) -> Self {
        Self { source, seen: Mutex::new(None), read: Mutex::new(None), turn: Mutex::new(()), watching: OnceLock::new() }
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// Waits until no other change of the file is under way.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn seen(&self) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn remember(&self, seen: Seen) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    /// Changes from the last reading on: one that was saved since and before the watch stood counts as well.
    pub(super) fn watched(&self) -> watch::Receiver<u64> {
        let files = self.source.watched();
        let mut changes = self.watching.get_or_init(|| Watching::begin(files.clone())).counter();
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if read.is_some_and(|read| read != contents(&files)) {
            changes.mark_changed();
        }
        changes
    }

    pub(super) fn environment(&self) -> Environment {
        let folders = self.source.env_folders();
        let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        Environment::gather(&self.source.environment, &folders)
    }

    /// Builds what a text would mean as the content of `file`.
    pub(super) fn judge(&self, file: &Path, text: &str) -> Result<(Document, Built), Vec<Issue>> {
        let name = file.to_string_lossy();
        let document = Document::parse(text, &name)?;
        let environment = self.environment();
        let trust = Trust::of(&self.source.state_folder, file);
        let reading = Reading {
            environment: &environment,
            trust: &trust,
            file: &name,
            exposed: save::exposed(file),
            version: version(file),
            unfamiliar: self.source.lies_in_working_folder(),
        };
        let built = build::build(&document, &reading);
        Ok((document, built))
    }

    /// Reads the file as it is now and remembers it. A file with errors in its values is opened too.
    pub(super) fn open_now(&self) -> Result<Opened, Unusable> {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(contents(&self.source.watched()));
        let read = self.read_now()?;
        self.remember(read.clone());
        self.opened(read)
    }

    /// The same without touching what conflict checks compare with.
    pub(super) fn open_quietly(&self) -> Result<Opened, Unusable> {
        self.opened(self.read_now()?)
    }

    fn read_now(&self) -> Result<Seen, Unusable> {
        let file = self.source.target();
        let name = file.to_string_lossy().into_owned();
        let text = document::read(&file).map_err(|(message, remedy)| Unusable {
            last_good: self.version(&file).map(|version| version.kept_at),
            file: name.clone(),
            issues: vec![Issue {
                severity: Severity::Error,
                file: name,
                line: None,
                column: None,
                path: String::new(),
                message,
                remedy,
                text: String::new(),
            }],
        })?;
        Ok(Seen { file, text })
    }

    /// Judges what was read.
    pub(super) fn opened(&self, Seen { file, text }: Seen) -> Result<Opened, Unusable> {
        let name = file.to_string_lossy().into_owned();
        let Some(content) = text else {
            let environment = self.environment();
            let trust = Trust::of(&self.source.state_folder, &file);
            let reading = Reading {
                environment: &environment,
                trust: &trust,
                file: &name,
                exposed: false,
                version: 0,
                unfamiliar: false,
            };
            let built = build::without_file(&reading);
            return Ok(Opened { file, text: None, document: Document::empty(), built });
        };
        let (document, built) = self.judge(&file, &content).map_err(|issues| Unusable {
            last_good: self.version(&file).map(|version| version.kept_at),
            file: name.clone(),
            issues,
        })?;
        Ok(Opened { file, text: Some(content), document, built })
    }

    pub(super) fn load_now(&self) -> Result<Loaded, Unusable> {
        let _turn = self.turn();
        let opened = self.usable(self.open_now()?)?;
        if let Some(text) = &opened.text
            && let Err(error) = good::keep(&self.source.state_folder, &opened.file, text, unix_now())
        {
            tracing::warn!(%error, "this version of the configuration could not be kept as the last good one");
        }
        Ok(self.loaded(opened))
    }

    /// Reads the file and keeps nothing of it.
    ///
    /// # Errors
    /// The file is there and cannot be used.
    pub fn look(&self) -> Result<Loaded, Unusable> {
        let opened = self.usable(self.open_quietly()?)?;
        Ok(self.loaded(opened))
    }

    fn usable(&self, opened: Opened) -> Result<Opened, Unusable> {
        if opened.built.has_errors() {
            let last_good = self.version(&opened.file).map(|version| version.kept_at);
            let file = opened.file.to_string_lossy().into_owned();
            return Err(Unusable { file, issues: opened.built.issues, last_good });
        }
        Ok(opened)
    }

    fn loaded(&self, opened: Opened) -> Loaded {
        let name = opened.file.to_string_lossy().into_owned();
        Self::register_secrets(&opened.built.config);
        Loaded {
            in_force: Arc::new(in_force(&opened.built.config)),
            config: Arc::new(opened.built.config),
            file: opened.text.is_some().then(|| name.clone()),
            would_write: name,
            issues: opened.built.issues,
            can_undo: history::last(&self.source.state_folder, &opened.file).is_some(),
        }
    }

    /// Before anything can be logged about a provider, its key is known to the log's filter.
    pub(super) fn register_secrets(config: &Config) {
        let keys = config.providers.iter().filter_map(|profile| profile.key.as_ref());
        let headers = config.telemetry.otlp.iter().flat_map(|collector| &collector.headers).map(|(_, value)| value);
        let own = config.gateway.api_keys.iter().map(|own| &own.key);
        for secret in keys.chain(own).chain(headers) {
            app_log::register_secret(secret);
        }
    }

    /// Allows what the person was asked about, and nothing that came into the file since. What was read last is not
    /// what was shown: the watch reads again while a question is open.
    pub(super) fn trust_now(&self, asked: &[Journey]) -> Result<EditReport, Refusal> {
        let _turn = self.turn();
        let opened = self.open_unchanged()?;
        let name = opened.file.to_string_lossy().into_owned();
        if let Some(unseen) = opened.built.config.untrusted.iter().find(|journey| !asked.contains(journey)) {
            return Err(Refusal {
                message: format!(
                    "{name} now sends {} to {} for {}, which was not asked about: nothing is allowed",
                    unseen.variable, unseen.origin, unseen.provider
                ),
                remedy: "look at what it sends where, then ask again: lmdeck config check".into(),
                exit: 1,
                issues: Vec::new(),
                difference: None,
            });
        }
        let journeys = opened.built.journeys;
        let issues = journeys.iter().map(|journey| allowed(&name, journey)).collect();
        let config = &opened.built.config;
        let there = |id: &str| id == COLLECTOR || config.providers.iter().any(|profile| profile.id.as_str() == id);
        Trust::keep(&self.source.state_folder, &opened.file, journeys, there).map_err(|error| Refusal {
            message: format!("the decision could not be kept: {error}"),
            remedy: format!("check that {} can be written", self.source.state_folder.display()),
            exit: 1,
            issues: Vec::new(),
            difference: None,
        })?;
        Ok(EditReport { file: name, issues, ..EditReport::default() })
    }
}

/// One permission, in words.
fn allowed(file: &str, journey: &Journey) -> Issue {
    let message = format!("{} may go to {} for {}", journey.variable, journey.origin, journey.provider);
    Issue { path: format!("providers.{}", journey.provider), ..Issue::note(file, message) }
}

/// A file that cannot be used, as the answer to an edit.
pub(super) fn unusable(unusable: Unusable) -> Refusal {
    Refusal {
        message: format!("{} cannot be used as it is", unusable.file),
        remedy: "mend it in your editor first: lmdeck config check says where".into(),
        exit: 3,
        issues: unusable.issues,
        difference: None,
    }
}

/// Grows with every change of the file, in every process alike.
fn version(file: &Path) -> u64 {
    let changed = std::fs::metadata(file).and_then(|about| about.modified()).ok();
    let since = changed.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(0)
}
