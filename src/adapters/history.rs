//! The playground's history: the person's own file in the state folder, one JSON line per prompt, readable by
//! nobody else. Not the ledger: that never holds a prompt unless told to.

use crate::engine::ports::PromptHistory;
use crate::engine::protocol::SavedPrompt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Prompts kept; the file is cut back to this many when it holds twice as many.
const KEEP: usize = 500;
/// A file larger than this is not read: somebody put something else there.
const LARGEST: u64 = 64 << 20;

pub struct HistoryFile {
    path: PathBuf,
}

impl HistoryFile {
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("playground_history.jsonl") }
    }

    fn read(&self) -> io::Result<Vec<SavedPrompt>> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
            Ok(meta) if meta.len() > LARGEST => return Err(io::Error::other("it is larger than 64 MiB")),
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&fs::read(&self.path)?).into_owned();
        // A line that a crash cut short, or that a newer version wrote, is passed over.
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    fn add(&self, prompt: &SavedPrompt) -> io::Result<()> {
        let mut line = serde_json::to_string(prompt)?;
        line.push('\n');
        let mut file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        file.write_all(line.as_bytes())?;
        let all = self.read()?;
        if all.len() > 2 * KEEP {
            self.rewrite(&all[all.len() - KEEP..])?;
        }
        Ok(())
    }

    fn rewrite(&self, prompts: &[SavedPrompt]) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut beside = tempfile::NamedTempFile::new_in(folder)?;
        for prompt in prompts {
            serde_json::to_writer(&mut beside, prompt)?;
            beside.write_all(b"\n")?;
        }
        beside.persist(&self.path).map(|_| ()).map_err(|error| error.error)
    }

    fn sentence(&self, error: &io::Error) -> String {
        format!("the playground's history {} cannot be used: {error}", self.path.display())
    }
}

impl PromptHistory for HistoryFile {
    fn save(&self, prompt: &SavedPrompt) -> Result<(), String> {
        self.add(prompt).map_err(|error| self.sentence(&error))
    }

    fn list(&self, limit: usize) -> Result<Vec<SavedPrompt>, String> {
        let mut all = self.read().map_err(|error| self.sentence(&error))?;
        all.reverse();
        all.truncate(limit);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::UnixMs;
    use std::os::unix::fs::PermissionsExt;

    fn prompt(text: &str) -> SavedPrompt {
        SavedPrompt { ts: UnixMs(1), prompt: text.into(), ..SavedPrompt::default() }
    }

    #[test]
    fn the_newest_prompt_comes_first_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let history = HistoryFile::new(folder.path());
        assert_eq!(history.list(10).unwrap(), []);
        history.save(&prompt("first\nwith two lines")).unwrap();
        history.save(&prompt("second")).unwrap();
        assert_eq!(history.list(1).unwrap(), [prompt("second")]);
        assert_eq!(history.list(10).unwrap().len(), 2);
        let mode = fs::metadata(&history.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_line_costs_only_itself_and_the_file_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let history = HistoryFile::new(folder.path());
        history.save(&prompt("good")).unwrap();
        fs::OpenOptions::new().append(true).open(&history.path).unwrap().write_all(b"\xff{cut\n").unwrap();
        history.save(&prompt("also good")).unwrap();
        assert_eq!(history.list(10).unwrap().len(), 2);
        for n in 0..=2 * KEEP {
            history.save(&prompt(&n.to_string())).unwrap();
        }
        let kept = history.list(usize::MAX).unwrap();
        assert!(kept.len() <= 2 * KEEP, "{}", kept.len());
        assert_eq!(kept[0], prompt(&(2 * KEEP).to_string()));
    }
}
