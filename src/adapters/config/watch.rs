//! Watches the folders where the file is or may appear. Editors replace files rather than write them, so the
//! folder is watched, not the file.

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tokio::sync::watch;

/// Saves come as several events; what follows within this time belongs to the same save.
const SETTLE: Duration = Duration::from_millis(100);
/// Looked at after so many at the latest, however busy the folder is.
const MAX_SETTLES: usize = 10;
/// Wake-ups waiting; when full the one that waits says all there is to say.
const WAKE_CAPACITY: usize = 1;

/// Watching ends when this is dropped.
pub struct Watching {
    // Its end hangs up the channel, and with it the thread.
    _watcher: Option<RecommendedWatcher>,
    /// Kept, so that the counter never closes, even where nothing can be watched.
    count: watch::Sender<u64>,
}

impl Watching {
    /// Watches these files. Where the system cannot, the counter stays as it is and the log says so.
    pub fn begin(files: Vec<PathBuf>) -> Self {
        let count = watch::Sender::new(0u64);
        let watcher = start(files, count.clone()).inspect_err(|error| {
            tracing::warn!(%error, "the configuration file is not watched; changes of it count after a restart");
        });
        Self { _watcher: watcher.ok(), count }
    }

    pub fn counter(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }
}

fn start(files: Vec<PathBuf>, count: watch::Sender<u64>) -> notify::Result<RecommendedWatcher> {
    let (wake, woken) = sync_channel::<()>(WAKE_CAPACITY);
    let mut interest = Interest::of(files.clone());
    let mut watcher =
        notify::recommended_watcher(move |event: notify::Result<notify::Event>| notice(&event, &mut interest, &wake))?;
    for folder in folders(&files) {
        if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
            tracing::debug!(%error, folder = %folder.display(), "a folder is not watched");
        }
    }
    let mut known = contents(&files);
    std::thread::Builder::new().name("config-watch".into()).spawn(move || {
        while woken.recv().is_ok() {
            for _ in 0..MAX_SETTLES {
                match woken.recv_timeout(SETTLE) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            // Other files of the folder, and touching without changing, are nobody's business.
            let now = contents(&files);
            if now != known {
                known = now;
                count.send_modify(|count| *count += 1);
            }
        }
    })?;
    Ok(watcher)
}

fn notice(event: &notify::Result<notify::Event>, interest: &mut Interest, wake: &SyncSender<()>) {
    // An error may stand for anything, lost events included.
    if event
        .as_ref()
        .is_ok_and(|event| event.kind.is_access() || !event.paths.iter().any(|path| interest.concerned_by(path)))
    {
        return;
    }
    if let Err(TrySendError::Disconnected(())) = wake.try_send(()) {
        tracing::debug!("the watching thread has ended");
    }
}

/// What the events of the folders are held against. Folders may be busy with other things, so the disk is asked
/// where links lead only when one of the files itself has changed.
struct Interest {
    files: Vec<PathBuf>,
    /// The names at the end of links.
    real_names: Vec<OsString>,
}

impl Interest {
    fn of(files: Vec<PathBuf>) -> Self {
        let mut interest = Self { files, real_names: Vec::new() };
        interest.follow_links();
        interest
    }

    fn follow_links(&mut self) {
        let real = |file: &PathBuf| Some(file.canonicalize().ok()?.file_name()?.to_owned());
        self.real_names = self.files.iter().filter_map(real).collect();
    }

    /// Whether something at this path may be one of the files, what a link leads to, or a folder on the way.
    fn concerned_by(&mut self, path: &Path) -> bool {
        if self.files.iter().any(|file| file.starts_with(path) || file.file_name() == path.file_name()) {
            // It may lead elsewhere from now on.
            self.follow_links();
            return true;
        }
        path.file_name().is_some_and(|name| self.real_names.iter().any(|real| real == name))
    }
}

/// The folders of the files and of what links lead to; for a folder that is not there, the nearest one above.
fn folders(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for file in files {
        let real = file.canonicalize().ok();
        for file in [Some(file.as_path()), real.as_deref()].into_iter().flatten() {
            let near = file.ancestors().skip(1).find(|folder| folder.is_dir());
            if let Some(folder) = near.map(Path::to_owned)
                && !folders.contains(&folder)
            {
                folders.push(folder);
            }
        }
    }
    folders
}

fn contents(files: &[PathBuf]) -> Vec<Option<Vec<u8>>> {
    use std::io::Read as _;
    files
        .iter()
        .map(|file| {
            let mut bytes = Vec::new();
            let opened = std::fs::File::open(file).ok()?;
            opened.take(super::document::MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
            Some(bytes)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_busy_folder_costs_no_look_at_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let (link, first, second) =
            (folder.path().join("ai_models.yaml"), folder.path().join("first.yaml"), folder.path().join("second.yaml"));
        std::fs::write(&first, "").unwrap();
        std::os::unix::fs::symlink(&first, &link).unwrap();
        let mut interest = Interest::of(vec![link.clone()]);
        assert!(interest.concerned_by(&first) && interest.concerned_by(folder.path()));
        std::fs::write(&second, "").unwrap();
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&second, &link).unwrap();
        // Other files tell nothing of the link: where it led before is what is known.
        assert!(!interest.concerned_by(&folder.path().join("other.log")));
        assert!(interest.concerned_by(&first) && !interest.concerned_by(&second));
        // The link itself does.
        assert!(interest.concerned_by(&link));
        assert!(interest.concerned_by(&second) && !interest.concerned_by(&first));
    }
}
