//! Writing files so that at any moment either the old or the new one is there, whole.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Names of files that are being written.
const PREFIX: &str = ".ai_models.";
const SUFFIX: &str = ".tmp";
/// A write takes milliseconds: a file of that name and age has no writer any more.
const ABANDONED: Duration = Duration::from_mins(1);

/// Follows links to the file that is really written, so that a link stays one.
fn real_place(file: &Path) -> std::io::Result<PathBuf> {
    let mut place = file.to_owned();
    // As many links as the system itself follows.
    for _ in 0..40 {
        match std::fs::read_link(&place) {
            Ok(target) if target.is_absolute() => place = target,
            Ok(target) => place = place.parent().unwrap_or(Path::new(".")).join(target),
            Err(_) => return Ok(place),
        }
    }
    Err(std::io::Error::other("the links lead in a circle"))
}

/// Replaces the file's content in one step. Its mode is kept; a new file can be read by its owner only.
///
/// # Errors
/// Nothing was changed, or the change may not outlive a power failure.
pub fn write(file: &Path, content: &[u8]) -> std::io::Result<()> {
    write_with(file, |out| out.write_all(content))
}

/// Like [`write`], with the content produced by `produce`; when it fails the file is as it was.
///
/// # Errors
/// As [`write`].
pub fn write_with(file: &Path, produce: impl FnOnce(&mut std::fs::File) -> std::io::Result<()>) -> std::io::Result<()> {
    let place = real_place(file)?;
    let folder = match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    std::fs::create_dir_all(&folder)?;
    sweep(&folder);
    // Created for the owner only; the name begins with a dot so that nobody takes it for a configuration.
    let mut temporary = tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(&folder)?;
    produce(temporary.as_file_mut())?;
    if let Ok(about) = std::fs::metadata(&place) {
        temporary.as_file().set_permissions(about.permissions())?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(&place).map_err(|error| error.error)?;
    // The new name itself is only safe once the folder is.
    if let Ok(folder) = std::fs::File::open(&folder) {
        folder.sync_all()?;
    }
    Ok(())
}

/// Removes what writers left that were killed half-way: it may hold a key.
fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let old = || {
            entry
                .metadata()
                .and_then(|about| about.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > ABANDONED))
        };
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) && old() {
            // Somebody else may sweep at the same moment.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// For records in the state folder: always for the owner only, and so is the folder when it is new.
///
/// # Errors
/// As [`write`].
pub fn write_private(file: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = file.parent()
        && !folder.exists()
    {
        make_private_folder(folder)?;
    }
    write_with(file, |out| {
        restrict(out)?;
        out.write_all(content)
    })
}

#[cfg(unix)]
fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
}

#[cfg(unix)]
fn restrict(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn restrict(_file: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

/// Whether others on this machine may read the file.
#[cfg(unix)]
pub fn exposed(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|about| about.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
pub fn exposed(_file: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_fails_leaves_the_old_file_whole_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ai_models.yaml");
        std::fs::write(&file, "old: 1\n").unwrap();
        let result = write_with(&file, |out| {
            out.write_all(b"new: ")?;
            Err(std::io::Error::other("the disk is full"))
        });
        assert!(result.is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old: 1\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_writer_left_goes_with_the_next_write_and_a_living_writer_s_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let beside = |name: &str| folder.path().join(name);
        for name in [".ai_models.old.tmp", ".ai_models.new.tmp", ".ai_models.yaml.swp", "notes.tmp"] {
            std::fs::write(beside(name), "x").unwrap();
        }
        for name in [".ai_models.old.tmp", ".ai_models.yaml.swp", "notes.tmp"] {
            let file = std::fs::File::options().write(true).open(beside(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - ABANDONED * 2).unwrap();
        }
        write(&beside("ai_models.yaml"), b"a: 1\n").unwrap();
        let mut left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".ai_models.new.tmp", ".ai_models.yaml.swp", "ai_models.yaml", "notes.tmp"]);
    }

    #[test]
    fn a_reader_sees_the_old_or_the_new_file_and_never_a_part() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ai_models.yaml");
        let texts = ["a".repeat(40_000), "b".repeat(90_000)];
        write(&file, texts[0].as_bytes()).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for round in 0..60 {
                    write(&file, texts[round % 2].as_bytes()).unwrap();
                }
            });
            while !writer.is_finished() {
                let seen = std::fs::read_to_string(&file).unwrap();
                assert!(texts.contains(&seen), "a file of {} bytes", seen.len());
            }
        });
    }

    #[cfg(unix)]
    #[test]
    fn the_mode_is_kept_a_new_file_is_private_and_a_link_stays_a_link() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ai_models.yaml");
        write(&file, b"a: 1\n").unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        write(&file, b"a: 2\n").unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        let link = folder.path().join("link.yaml");
        std::os::unix::fs::symlink("ai_models.yaml", &link).unwrap();
        write(&link, b"a: 3\n").unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a: 3\n");
    }
}
