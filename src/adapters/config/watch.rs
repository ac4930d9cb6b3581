//! Watches the folders where the file is or may appear. Editors replace files rather than write them, so the
//! folder is watched, not the file.

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
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
    let names = files.clone();
    let mut watcher =
        notify::recommended_watcher(move |event: notify::Result<notify::Event>| notice(&event, &names, &wake))?;
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

fn notice(event: &notify::Result<notify::Event>, files: &[PathBuf], wake: &SyncSender<()>) {
    // An error may stand for anything, lost events included.
    if event.as_ref().is_ok_and(|event| event.kind.is_access() || !event.paths.iter().any(|path| concerns(path, files)))
    {
        return;
    }
    if let Err(TrySendError::Disconnected(())) = wake.try_send(()) {
        tracing::debug!("the watching thread has ended");
    }
}

/// Whether something at this path may be one of the files, what a link leads to, or a folder on the way.
fn concerns(path: &Path, files: &[PathBuf]) -> bool {
    files.iter().any(|file| {
        file.starts_with(path)
            || file.file_name() == path.file_name()
            || file.canonicalize().is_ok_and(|real| real.file_name() == path.file_name())
    })
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
