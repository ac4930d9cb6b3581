//! A small text that a verb is given: a file, or standard input.

use crate::cli::ending::{Ending, USAGE};
use crate::present::escape;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Tables and rules are a few kilobytes; what is longer was meant for something else.
const LARGEST: usize = 1 << 20;

/// The text of `file`; of standard input for `-`. `remedy` says what to do where it cannot be read.
pub fn read(file: &Path, remedy: &str) -> Result<String, Ending> {
    let cannot = |why: String| Ending::new(USAGE, format!("{} cannot be read: {why}", name(file)), remedy);
    let input: Box<dyn io::Read> = if file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file).map_err(|error| cannot(error.to_string()))?)
    };
    let mut bytes = Vec::new();
    // One more, so that a longer one shows: half a table is not the table.
    input.take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(|error| cannot(error.to_string()))?;
    if bytes.len() > LARGEST {
        return Err(cannot("it is larger than 1 MiB".to_owned()));
    }
    String::from_utf8(bytes).map_err(|_| cannot("it is not UTF-8 text".to_owned()))
}

/// The file as it is named in messages.
pub fn name(file: &Path) -> String {
    if file.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        escape::line(&file.to_string_lossy()).into_owned()
    }
}
