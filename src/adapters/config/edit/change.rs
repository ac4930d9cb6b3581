//! One change of a file's values, and what the values are after it: the measure every edit is held against.

use crate::adapters::config::path::{Path, Step};
use serde_yaml::{Mapping, Value};

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Gives the place this value; mappings above it are made where they are missing.
    Set { path: Path, value: Value },
    /// Takes the key or list entry away.
    Remove { path: Path },
    /// Adds an entry at the end of a list, which is made where it is missing.
    Append { list: Path, value: Value },
    /// Gives a list these entries; those that were there keep the way they are written.
    Arrange { list: Path, entries: Vec<Entry> },
}

/// An entry of a list as a change leaves it.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// The one that stood at this place. By its place, not by its value: what it takes from elsewhere stays so.
    Kept(usize),
    New(Value),
}

impl Change {
    pub fn path(&self) -> &Path {
        match self {
            Self::Set { path, .. } | Self::Remove { path } => path,
            Self::Append { list, .. } | Self::Arrange { list, .. } => list,
        }
    }

    /// The values with this change made.
    ///
    /// # Errors
    /// A sentence: the place does not fit the values.
    pub fn applied(&self, values: &Value) -> Result<Value, String> {
        let mut values = values.clone();
        match self {
            Self::Set { path, value } => *reach(&mut values, path)? = value.clone(),
            Self::Append { list, value } => {
                let place = reach(&mut values, list)?;
                if place.is_null() {
                    *place = Value::Sequence(Vec::new());
                }
                let items = place.as_sequence_mut().ok_or_else(|| format!("{list} is not a list"))?;
                items.push(value.clone());
            }
            Self::Arrange { list, entries } => {
                let missing = || format!("{list} is not a list of so many entries");
                let place = list.find_mut(&mut values).ok_or_else(missing)?;
                let old = place.as_sequence().ok_or_else(missing)?;
                let arranged: Option<Vec<Value>> = entries
                    .iter()
                    .map(|entry| match entry {
                        Entry::Kept(index) => old.get(*index).cloned(),
                        Entry::New(value) => Some(value.clone()),
                    })
                    .collect();
                *place = Value::Sequence(arranged.ok_or_else(missing)?);
            }
            Self::Remove { path } => {
                let missing = || format!("{path} is not there");
                let above = path.parent().ok_or_else(missing)?;
                let place = above.find_mut(&mut values).ok_or_else(missing)?;
                match (path.last(), place) {
                    (Some(Step::Key(key)), Value::Mapping(map)) => {
                        map.shift_remove(key.as_str()).ok_or_else(missing)?;
                    }
                    (Some(Step::Index(index)), Value::Sequence(items)) if *index < items.len() => {
                        items.remove(*index);
                    }
                    _ => return Err(missing()),
                }
            }
        }
        Ok(values)
    }
}

/// The place, with missing mappings made on the way.
fn reach<'a>(values: &'a mut Value, path: &Path) -> Result<&'a mut Value, String> {
    let mut at = values;
    for step in &path.0 {
        if at.is_null() && matches!(step, Step::Key(_)) {
            *at = Value::Mapping(Mapping::new());
        }
        at = match (step, at) {
            (Step::Key(key), Value::Mapping(map)) => map.entry(Value::String(key.clone())).or_insert(Value::Null),
            (Step::Index(index), Value::Sequence(items)) => {
                items.get_mut(*index).ok_or_else(|| format!("{path} is not there"))?
            }
            _ => return Err(format!("{path} does not lead through sections")),
        };
    }
    Ok(at)
}
