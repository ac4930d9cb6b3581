//! The person's own editor as a guest on the terminal.

use std::io::Write as _;
use std::process::Command;
use tempfile::NamedTempFile;

/// Most that comes back from the editor as one text.
const LONGEST: u64 = 4 * 1024 * 1024;

/// A text on its way through the editor: a file only its owner can read, deleted when dropped.
pub struct Draft(NamedTempFile);

impl Draft {
    /// # Errors
    /// A sentence: the file cannot be written.
    pub fn new(text: &str) -> Result<Self, String> {
        let written = tempfile::Builder::new().prefix("lmdeck-").suffix(".md").tempfile().and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.flush()?;
            Ok(file)
        });
        written.map(Self).map_err(|why| {
            format!("the text could not be handed to the editor: {why}. Set TMPDIR to a folder that can be written")
        })
    }

    pub fn path(&self) -> String {
        self.0.path().to_string_lossy().into_owned()
    }

    /// As it was saved, without the line end that editors add.
    ///
    /// # Errors
    /// A sentence: it is gone, too large, or no text.
    pub fn read(&self) -> Result<String, String> {
        // By its path: most editors write a new file and rename it.
        let path = self.0.path();
        let size = std::fs::metadata(path).map_or(0, |data| data.len());
        if size > LONGEST {
            return Err(format!(
                "the text is too large to take back: {} MiB is the most, the old text stays",
                LONGEST >> 20
            ));
        }
        let mut text = std::fs::read_to_string(path)
            .map_err(|why| format!("the text cannot be read back: {why}. The old text stays"))?;
        if text.ends_with('\n') {
            text.pop();
        }
        Ok(text)
    }
}

/// Opens `file` in `$VISUAL`, `$EDITOR` or `vi` and returns when it is closed: with how it ended in words, where it
/// did not end well. Many end so that have saved all the same: what is in the file counts.
///
/// # Errors
/// A sentence: it cannot be started.
pub async fn open(file: &str) -> Result<Option<String>, String> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    let editor = named.into_iter().find(|text| !text.trim().is_empty()).unwrap_or_else(|| "vi".into());
    let mut words = editor.split_whitespace().map(str::to_owned);
    let program = words.next().unwrap_or_else(|| "vi".into());
    let mut command = Command::new(&program);
    command.args(words).arg(file);
    let ended = tokio::task::spawn_blocking(move || command.status()).await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(None),
        Ok(Ok(status)) => Ok(Some(format!("{program} ended with {status}: what it saved is taken"))),
        Ok(Err(why)) => Err(format!("{program} could not be started: {why}. Set EDITOR to a program that is there")),
        Err(_) => Err(format!("{program} could not be waited for")),
    }
}
