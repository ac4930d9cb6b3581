//! Watches the folders where the file is or may appear. Editors replace files rather than write them, so the
//! folder is watched, not the file.

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tokio::sync::watch;

/// Saves come as several events; what follows within this time belongs to the same save.
const SETTLE: Duration = Duration::from_millis(100);
/// Looked at after so many at the latest, however busy the folder is.
const MAX_SETTLES: usize = 10;
/// Folders made one in another while the first is looked at; deeper ones are found with the next change.
const MAX_DEPTH: usize = 16;
/// Wake-ups waiting; when full the one that waits says all there is to say.
const WAKE_CAPACITY: usize = 1;

/// Watching ends when this is dropped.
pub struct Watching {
    wake: SyncSender<()>,
    ended: Arc<AtomicBool>,
    /// Kept, so that the counter never closes, even where nothing can be watched.
    count: watch::Sender<u64>,
}

impl Watching {
    /// Watches these files, on a thread of its own: what differs from now on counts, also before the watch stands.
    /// Where the system cannot, the counter stays as it is and the log says so.
    pub fn begin(files: Vec<PathBuf>) -> Self {
        let count = watch::Sender::new(0u64);
        let (wake, woken) = sync_channel(WAKE_CAPACITY);
        let ended = Arc::new(AtomicBool::new(false));
        let known = contents(&files);
        let watching = Self { wake: wake.clone(), ended: ended.clone(), count: count.clone() };
        let run = move || match Folders::watched(&files, wake) {
            Ok(folders) => follow(&files, known, folders, &woken, &ended, &count),
            Err(error) => not_watched(&error),
        };
        if let Err(error) = std::thread::Builder::new().name("config-watch".into()).spawn(run) {
            not_watched(&error);
        }
        watching
    }

    pub fn counter(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // When it is full the thread wakes anyway.
        let _ = self.wake.try_send(());
    }
}

fn not_watched(error: &dyn std::fmt::Display) {
    tracing::warn!(%error, "the configuration file is not watched; changes of it count after a restart");
}

/// Counts each time the files hold something else, until the end.
fn follow(
    files: &[PathBuf],
    mut known: Vec<Content>,
    mut folders: Folders,
    woken: &Receiver<()>,
    ended: &AtomicBool,
    count: &watch::Sender<u64>,
) {
    while !ended.load(Ordering::Relaxed) {
        // Other files of the folder, and touching without changing, are nobody's business.
        let now = contents(files);
        if now != known {
            known = now;
            count.send_modify(|count| *count += 1);
        }
        if woken.recv().is_err() {
            return;
        }
        for _ in 0..MAX_SETTLES {
            match woken.recv_timeout(SETTLE) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        folders.follow(files);
    }
}

/// The folders under watch. They are looked for again after each change: one that was missing may be there now, and
/// a link may lead into another one.
struct Folders {
    watcher: RecommendedWatcher,
    watched: Vec<PathBuf>,
}

impl Folders {
    fn watched(files: &[PathBuf], wake: SyncSender<()>) -> notify::Result<Self> {
        let mut interest = Interest::of(files.to_vec());
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            notice(&event, &mut interest, &wake);
        })?;
        let mut folders = Self { watcher, watched: Vec::new() };
        folders.follow(files);
        Ok(folders)
    }

    fn follow(&mut self, files: &[PathBuf]) {
        // Between looking and watching the next folder below may have been made.
        for _ in 0..MAX_DEPTH {
            let wanted = folders(files);
            for folder in self.watched.iter().filter(|folder| !wanted.contains(folder)) {
                // Where it is gone the system has ended its watch already.
                let _ = self.watcher.unwatch(folder);
            }
            for folder in &wanted {
                // Those watched before too: one that was removed and made again has lost its watch.
                if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                    tracing::debug!(%error, folder = %folder.display(), "a folder is not watched");
                }
            }
            let settled = wanted == self.watched;
            self.watched = wanted;
            if settled {
                return;
            }
        }
    }
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
    /// The names at the end of links. Looked for at the first event, when the watch stands: what becomes of a link
    /// before that is told by no event.
    real_names: Option<Vec<OsString>>,
}

impl Interest {
    fn of(files: Vec<PathBuf>) -> Self {
        Self { files, real_names: None }
    }

    fn real_names(&self) -> Vec<OsString> {
        let real = |file: &PathBuf| Some(file.canonicalize().ok()?.file_name()?.to_owned());
        self.files.iter().filter_map(real).collect()
    }

    /// Whether something at this path may be one of the files, what a link leads to, or a folder on the way.
    fn concerned_by(&mut self, path: &Path) -> bool {
        if self.files.iter().any(|file| file.starts_with(path) || file.file_name() == path.file_name()) {
            // It may lead elsewhere from now on.
            self.real_names = Some(self.real_names());
            return true;
        }
        let names = self.real_names.take().unwrap_or_else(|| self.real_names());
        let concerned = path.file_name().is_some_and(|name| names.iter().any(|real| real == name));
        self.real_names = Some(names);
        concerned
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

/// What a file holds, or why that cannot be told; a pipe is never opened.
pub(super) type Content = Result<Option<String>, String>;

pub(super) fn contents(files: &[PathBuf]) -> Vec<Content> {
    files.iter().map(|file| super::document::read(file).map_err(|(sentence, _)| sentence)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until the count is above `before`.
    fn counts(changes: &mut watch::Receiver<u64>, before: u64) -> bool {
        (0..400).any(|_| {
            std::thread::sleep(Duration::from_millis(25));
            *changes.borrow_and_update() > before
        })
    }

    #[test]
    fn a_file_whose_folder_is_made_later_is_watched_and_so_is_a_folder_made_anew() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".config/lmdeck");
        let file = folder.join("ai_models.yaml");
        let watching = Watching::begin(vec![file.clone()]);
        let mut changes = watching.counter();
        for round in 0..2 {
            let before = *changes.borrow_and_update();
            std::fs::create_dir_all(&folder).unwrap();
            // The person takes a while to type: by then making the folder is no news any more.
            std::thread::sleep(SETTLE * 6);
            assert_eq!(*changes.borrow(), before, "a folder alone is no change");
            std::fs::write(&file, format!("limits: {{ queue: {round} }}\n")).unwrap();
            assert!(counts(&mut changes, before), "round {round}");
            let before = *changes.borrow_and_update();
            std::fs::remove_dir_all(home.path().join(".config")).unwrap();
            assert!(counts(&mut changes, before), "gone again, round {round}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn where_a_link_leads_from_now_on_is_watched() {
        let home = tempfile::tempdir().unwrap();
        let (first, second) = (home.path().join("first"), home.path().join("second"));
        let link = home.path().join("ai_models.yaml");
        for folder in [&first, &second] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("real.yaml"), "a: 1\n").unwrap();
        }
        std::os::unix::fs::symlink(first.join("real.yaml"), &link).unwrap();
        let watching = Watching::begin(vec![link.clone()]);
        let mut changes = watching.counter();
        std::fs::write(second.join("real.yaml"), "a: 2\n").unwrap();
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(second.join("real.yaml"), &link).unwrap();
        assert!(counts(&mut changes, 0), "the link leads to another text");
        std::thread::sleep(SETTLE * 4);
        let before = *changes.borrow_and_update();
        std::fs::write(second.join("real.yaml"), "a: 3\n").unwrap();
        assert!(counts(&mut changes, before), "the new place is followed");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_among_the_files_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, file) = (folder.path().join(".env"), folder.path().join("ai_models.yaml"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let files = vec![pipe, file.clone()];
        let (begun, beginning) = std::sync::mpsc::channel();
        std::thread::spawn(move || begun.send(Watching::begin(files)));
        let watching = beginning.recv_timeout(Duration::from_secs(20)).expect("it waits for a writer");
        let mut changes = watching.counter();
        std::fs::write(&file, "a: 1\n").unwrap();
        assert!(counts(&mut changes, 0));
    }

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
