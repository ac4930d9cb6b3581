//! The environment a file refers to: the process's variables and those of `.env` files. Nothing here
//! changes the process's own environment.

use super::dotenv;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Variables by name; an empty value counts as not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    values: BTreeMap<String, String>,
    /// Names whose value comes from the `.env` of a folder in which the person merely stands.
    strange: BTreeSet<String>,
    /// What is wrong with a `.env`.
    pub troubles: Vec<Trouble>,
}

/// Something in a `.env` that is not taken as its writer may have meant it. Holds none of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub file: PathBuf,
    pub sentence: String,
    pub remedy: String,
}

impl Environment {
    /// The process's variables first, then the `.env` of each folder in order. The first folder is the
    /// configuration's own; whoever made another one wrote its `.env` too.
    pub fn gather(process: &BTreeMap<String, String>, folders: &[&Path]) -> Self {
        let mut gathered = Self { values: process.clone(), ..Self::default() };
        let mut seen: Vec<PathBuf> = Vec::new();
        for (at, folder) in folders.iter().enumerate() {
            let file = folder.join(".env");
            let same = file.canonicalize().unwrap_or_else(|_| file.clone());
            if !seen.contains(&same) {
                seen.push(same);
                gathered.add_file(&file, at > 0);
            }
        }
        gathered
    }

    fn add_file(&mut self, file: &Path, strange: bool) {
        let mut troubles = Vec::new();
        let mut trouble = |sentence: String, remedy: &str| {
            troubles.push(Trouble { file: file.to_owned(), sentence, remedy: remedy.to_owned() });
        };
        // A Python environment by that name holds no variables.
        if file.is_dir() {
            return;
        }
        match super::document::read(file) {
            Ok(text) => {
                for item in dotenv::parse(text.as_deref().unwrap_or_default()) {
                    match item {
                        Ok(entry) => {
                            if entry.refers {
                                let said = "refers to another variable, which is taken as it stands";
                                trouble(format!("line {} {said}", entry.line), "write the value itself");
                            }
                            self.add(entry, strange);
                        }
                        Err(line) => {
                            trouble(format!("line {line} is not NAME=value"), "write NAME=value, one per line");
                        }
                    }
                }
            }
            Err((sentence, remedy)) => trouble(sentence, &remedy),
        }
        self.troubles.extend(troubles);
    }

    fn add(&mut self, entry: dotenv::Entry, strange: bool) {
        if self.values.get(&entry.name).is_some_and(|known| !known.is_empty()) {
            return;
        }
        if strange {
            self.strange.insert(entry.name.clone());
        }
        self.values.insert(entry.name, entry.value);
    }

    /// Whether this variable's value was chosen by whoever made the working folder.
    pub fn is_strange(&self, name: &str) -> bool {
        self.strange.contains(name)
    }

    /// Every variable that is set.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }
}
