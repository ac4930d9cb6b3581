//! A small text that a verb is given: a file, or standard input.

use crate::cli::ending::{Ending, USAGE};
use crate::present::escape;
use std::io::Read as _;
use std::path::Path;

/// Tables and rules are a few kilobytes; what is longer is cut.
const LARGEST: u64 = 1 << 20;

/// The text of `file`; of standard input for `-`. `remedy` says what to do where it cannot be read.
pub fn read(file: &Path, remedy: &str) -> Result<String, Ending> {
    let cannot = |error: std::io::Error| Ending::new(USAGE, format!("{} cannot be read: {error}", name(file)), remedy);
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().take(LARGEST).read_to_string(&mut text).map_err(cannot)?;
    } else {
        std::fs::File::open(file).map_err(cannot)?.take(LARGEST).read_to_string(&mut text).map_err(cannot)?;
    }
    Ok(text)
}

/// The file as it is named in messages.
pub fn name(file: &Path) -> String {
    if file.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        escape::line(&file.to_string_lossy()).into_owned()
    }
}
