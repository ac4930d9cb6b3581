//! The person's own editor as a guest on the terminal.

use std::process::Command;

/// Opens `file` in `$VISUAL`, `$EDITOR` or `vi` and returns when it is closed.
///
/// # Errors
/// A sentence: it cannot be started, or it failed.
pub async fn open(file: &str) -> Result<(), String> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    let editor = named.into_iter().find(|text| !text.trim().is_empty()).unwrap_or_else(|| "vi".into());
    let mut words = editor.split_whitespace().map(str::to_owned);
    let program = words.next().unwrap_or_else(|| "vi".into());
    let mut command = Command::new(&program);
    command.args(words).arg(file);
    let ended = tokio::task::spawn_blocking(move || command.status()).await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("{program} ended with {status}: the file is read as it is now")),
        Ok(Err(why)) => Err(format!("{program} could not be started: {why}. Set EDITOR to a program that is there")),
        Err(_) => Err(format!("{program} could not be waited for")),
    }
}
