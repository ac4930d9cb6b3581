//! The environment a file refers to: the process's variables and those of `.env` files. Nothing here
//! changes the process's own environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Variables by name; an empty value counts as not set.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
    /// What could not be read of a `.env`: the file, and a sentence without its text.
    pub troubles: Vec<(PathBuf, String)>,
}

impl Environment {
    /// The process's variables first, then the `.env` of each folder in order.
    pub fn gather(process: &BTreeMap<String, String>, folders: &[&Path]) -> Self {
        let mut gathered = Self { values: process.clone(), troubles: Vec::new() };
        let mut seen: Vec<PathBuf> = Vec::new();
        for folder in folders {
            let file = folder.join(".env");
            let same = file.canonicalize().unwrap_or_else(|_| file.clone());
            if !seen.contains(&same) {
                seen.push(same);
                gathered.add_file(&file);
            }
        }
        gathered
    }

    fn add_file(&mut self, file: &Path) {
        let text = match super::document::read(file) {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err((sentence, _)) => {
                self.troubles.push((file.to_owned(), sentence));
                return;
            }
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        for item in dotenvy::from_read_iter(text.as_bytes()) {
            match item {
                Ok((name, value)) => {
                    let entry = self.values.entry(name).or_default();
                    if entry.is_empty() {
                        *entry = value;
                    }
                }
                Err(dotenvy::Error::LineParse(line, _)) => {
                    let number = text.lines().position(|other| other.trim() == line.trim()).map(|at| at + 1);
                    let place = number.map_or_else(|| "a line".to_owned(), |number| format!("line {number}"));
                    self.troubles.push((file.to_owned(), format!("{place} is not NAME=value")));
                }
                Err(_) => {
                    self.troubles.push((file.to_owned(), "it cannot be read to its end".into()));
                    return;
                }
            }
        }
    }

    /// Every variable that is set.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }
}
