//! Where a configuration is looked for, and where the first save goes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything finding and reading a configuration depends on. Nothing is taken from the process itself.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// The process's environment.
    pub environment: BTreeMap<String, String>,
    pub working_folder: PathBuf,
    /// The person's own folder for lmdeck, as in `~/.config/lmdeck`.
    pub config_folder: Option<PathBuf>,
    /// Trust decisions and undo are kept here.
    pub state_folder: PathBuf,
}

const FILE: &str = "ai_models.yaml";

impl Source {
    /// The file to read: the first of the places that is named or there.
    pub fn file(&self) -> Option<PathBuf> {
        if let Some(named) = self.named() {
            return Some(named);
        }
        let here = self.working_folder.join("config").join(FILE);
        if here.exists() {
            return Some(here);
        }
        self.config_folder.as_ref().map(|folder| folder.join(FILE)).filter(|file| file.exists())
    }

    /// Whether the file was found in the working folder: nobody named it, and whoever made the folder may have
    /// written it.
    pub fn lies_in_working_folder(&self) -> bool {
        self.named().is_none() && self.working_folder.join("config").join(FILE).exists()
    }

    /// Where to write: the file that is read, else where a first save goes.
    pub fn target(&self) -> PathBuf {
        self.file().unwrap_or_else(|| match &self.config_folder {
            Some(folder) => folder.join(FILE),
            None => self.working_folder.join("config").join(FILE),
        })
    }

    /// Folders whose `.env` counts: beside the file, then the working folder.
    pub fn env_folders(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        if let Some(folder) = self.target().parent() {
            folders.push(folder.to_owned());
        }
        folders.push(self.working_folder.clone());
        folders
    }

    /// All files whose change may change the configuration; each may appear later.
    pub fn watched(&self) -> Vec<PathBuf> {
        let mut files = if let Some(named) = self.named() {
            vec![named]
        } else {
            let here = self.working_folder.join("config").join(FILE);
            std::iter::once(here).chain(self.config_folder.as_ref().map(|folder| folder.join(FILE))).collect()
        };
        files.extend(self.env_folders().into_iter().map(|folder| folder.join(".env")));
        files
    }

    fn named(&self) -> Option<PathBuf> {
        let variable = self.environment.get("LMDECK_CONFIG").filter(|value| !value.is_empty());
        let named = self.config.clone().or_else(|| variable.map(PathBuf::from))?;
        Some(absolute(&self.working_folder, &named))
    }
}

fn absolute(folder: &Path, file: &Path) -> PathBuf {
    if file.is_absolute() { file.to_owned() } else { folder.join(file) }
}
