//! The ground everything stands on: folders, and the adapters opened in them.

use crate::adapters::app_log::{self, AppLog};
use crate::adapters::call_log::CallLog;
use crate::adapters::clock::SystemClock;
use crate::adapters::config::{ConfigFile, Source};
use crate::adapters::history::HistoryFile;
use crate::adapters::http::HttpUpstream;
use crate::adapters::kept_answers::KeptAnswers;
use crate::adapters::ledger::{FILE_NAME, Keep, Leases, Options as LedgerOptions, SqliteLedger};
use crate::adapters::otlp::{Exporter, Pace};
use crate::cli::args::Globals;
use crate::cli::offline::{Checked, Ground, Paths};
use crate::engine::ports::{Clock, Loaded, Ports};
use crate::engine::protocol::Snapshot;
use color_eyre::eyre::{Result, WrapErr as _, eyre};
use etcetera::BaseStrategy as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// The program's own folder below the XDG ones.
const NAME: &str = "lmdeck";

/// Where configuration and state are.
pub struct Folders {
    source: Source,
    pub state: PathBuf,
}

impl Folders {
    /// From flags, environment and the XDG base directories, on every system alike.
    ///
    /// # Errors
    /// There is no home folder and no `--state-dir`.
    pub fn find(globals: &Globals) -> Result<Self> {
        let base = etcetera::base_strategy::Xdg::new().ok();
        let state = match (&globals.state_dir, &base) {
            (Some(named), _) => std::path::absolute(named).wrap_err("the state folder's name cannot be used")?,
            (None, Some(base)) => base.state_dir().unwrap_or_else(|| base.data_dir()).join(NAME),
            (None, None) => return Err(eyre!("no home folder is known: name a state folder with --state-dir")),
        };
        let source = Source {
            config: globals.config.clone(),
            environment: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            working_folder: std::env::current_dir().wrap_err("the working folder is gone")?,
            config_folder: base.as_ref().map(|base| base.config_dir().join(NAME)),
            state_folder: state.clone(),
        };
        Ok(Self { source, state })
    }

    /// One folder for everything, and nothing of the environment: `ai_models.yaml` in it, state beside it.
    pub fn alone(folder: &Path) -> Self {
        let state = folder.join("state");
        let source = Source {
            config: Some(folder.join("ai_models.yaml")),
            working_folder: folder.to_owned(),
            state_folder: state.clone(),
            ..Source::default()
        };
        Self { source, state }
    }

    pub fn config_store(&self) -> Arc<ConfigFile> {
        Arc::new(ConfigFile::open(self.source.clone()))
    }
}

impl Ground for Folders {
    fn paths(&self) -> Paths {
        Paths {
            config: self.source.file().map(|file| file.display().to_string()),
            would_write: self.source.target().display().to_string(),
            state_dir: self.state.display().to_string(),
        }
    }

    fn schema(&self) -> serde_json::Value {
        crate::adapters::config::json_schema()
    }

    fn check(&self, file: Option<&Path>) -> Checked {
        let mut source = self.source.clone();
        if let Some(file) = file {
            source.config = Some(file.to_owned());
        }
        match ConfigFile::open(source).look() {
            Ok(loaded) => Checked {
                file: loaded.file,
                issues: loaded.issues,
                usable: true,
                providers: loaded.config.providers.len(),
            },
            Err(unusable) => {
                Checked { file: Some(unusable.file), issues: unusable.issues, usable: false, providers: 0 }
            }
        }
    }
}

/// The adapters, opened.
pub struct Opened {
    pub ledger: Arc<SqliteLedger>,
    clock: Arc<dyn Clock>,
    config: Arc<ConfigFile>,
    upstream: Arc<HttpUpstream>,
    log: Arc<AppLog>,
    history: Arc<HistoryFile>,
    answers: Arc<KeptAnswers>,
    leases: Arc<Leases>,
    exporter: Option<Exporter>,
    log_guard: app_log::Guard,
}

impl Opened {
    /// Opens logs, ledger and transport in the state folder.
    ///
    /// # Errors
    /// A folder or file that cannot be used, with its name.
    pub fn new(folders: &Folders, config: Arc<ConfigFile>, loaded: Option<&Loaded>) -> Result<Self> {
        let telemetry = super::telemetry(loaded);
        let records = telemetry.dir.unwrap_or_else(|| folders.state.clone());
        let logs = folders.state.join("logs");
        let log_guard = app_log::init(&logs, "").map_err(|sentence| eyre!(sentence))?;
        let call_log =
            CallLog::open(&records.join("calls"), telemetry.retention_days).map_err(|sentence| eyre!(sentence))?;
        let exporter = telemetry.otlp.map(Exporter::new);
        let options = LedgerOptions {
            onward: exporter.as_ref().map(Exporter::outlet),
            keep: Keep { days: telemetry.retention_days, ..Keep::default() },
            timezone: loaded.and_then(|loaded| loaded.config.money.timezone.clone()),
        };
        let ledger =
            SqliteLedger::open_with(&folders.state, Some(call_log), options).map_err(|sentence| eyre!(sentence))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let upstream =
            HttpUpstream::new(clock.clone()).map_err(|why| eyre!("the HTTP client cannot be set up: {why}"))?;
        Ok(Self {
            ledger,
            clock,
            config,
            upstream: Arc::new(upstream),
            log: Arc::new(AppLog::new(&logs)),
            history: Arc::new(HistoryFile::new(&folders.state)),
            answers: Arc::new(KeptAnswers::new(&folders.state)),
            leases: Arc::new(Leases::new(&folders.state.join(FILE_NAME))),
            exporter,
            log_guard,
        })
    }

    pub fn ports(&self) -> Ports {
        Ports {
            answers: Some(self.answers.clone()),
            clock: self.clock.clone(),
            upstream: self.upstream.clone(),
            config: self.config.clone(),
            ledger: self.ledger.clone(),
            log: self.log.clone(),
            history: self.history.clone(),
            budget: self.leases.clone(),
            export: self.exporter.as_ref().map(Exporter::standing),
        }
    }

    /// Spans and metrics go out from now on, where the configuration names a collector. `snapshots` tell who the
    /// providers are.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn begin_export(&mut self, snapshots: watch::Receiver<Arc<Snapshot>>) -> Result<()> {
        self.exporter.as_mut().map_or(Ok(()), |it| it.begin(snapshots, Pace::default())).map_err(|why| eyre!(why))
    }

    /// Ends the log last, so that it holds how everything else ended; the ledger before the export, which it feeds.
    pub fn close(self) {
        drop(self.ledger);
        if let Some(exporter) = self.exporter {
            exporter.close();
        }
        drop(self.log_guard);
    }
}
