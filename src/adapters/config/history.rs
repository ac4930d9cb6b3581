//! The last edits of a file, so that they can be taken back, by another process too.

use super::save;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Edits kept per file; the oldest goes first.
const KEPT: usize = 20;

/// One edit: the file's text before (none: there was no file) and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    pub before: Option<String>,
    pub after: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    file: String,
    edits: Vec<Edit>,
}

/// The last edit of this file.
pub fn last(state_dir: &Path, file: &Path) -> Option<Edit> {
    load(state_dir, file).edits.pop()
}

/// # Errors
/// The record cannot be written.
pub fn push(state_dir: &Path, file: &Path, before: Option<String>, after: String) -> std::io::Result<()> {
    let mut record = load(state_dir, file);
    record.edits.push(Edit { before, after });
    let spare = record.edits.len().saturating_sub(KEPT);
    record.edits.drain(..spare);
    store(state_dir, file, &record)
}

/// # Errors
/// The record cannot be written.
pub fn drop_last(state_dir: &Path, file: &Path) -> std::io::Result<()> {
    let mut record = load(state_dir, file);
    record.edits.pop();
    store(state_dir, file, &record)
}

fn load(state_dir: &Path, file: &Path) -> Record {
    let name = name(file);
    let read = std::fs::read(place(state_dir, &name)).ok();
    let record: Option<Record> = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    record.filter(|record| record.file == name).unwrap_or(Record { file: name, edits: Vec::new() })
}

fn store(state_dir: &Path, file: &Path, record: &Record) -> std::io::Result<()> {
    save::write_private(&place(state_dir, &name(file)), &serde_json::to_vec(record)?)
}

/// The file's full name; it may not exist yet, its folder usually does.
pub fn name(file: &Path) -> String {
    let whole = file.canonicalize().ok().or_else(|| {
        let folder = file.parent()?.canonicalize().ok()?;
        Some(folder.join(file.file_name()?))
    });
    whole.unwrap_or_else(|| file.to_owned()).to_string_lossy().into_owned()
}

fn place(state_dir: &Path, name: &str) -> PathBuf {
    state_dir.join("undo").join(format!("{:016x}.json", hash(name)))
}

/// FNV-1a: only to tell files apart; a record names its file, so a collision is seen.
pub fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
