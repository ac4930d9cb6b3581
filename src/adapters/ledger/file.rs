//! The ledger's file: opening it with the right modes, moving a damaged one aside, and the sentences for what
//! can go wrong with it.

use super::schema::{MigrationError, migrate};
use crate::adapters::clock::unix_now;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const NAME: &str = "ledger.sqlite";
const LOCK_NAME: &str = "ledger.lock";

/// How long a statement waits for another process's lock.
pub const BUSY_WAIT: Duration = Duration::from_secs(2);
/// How often the lock for opening is tried, and the pause between.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// An open file, with what there is to say about it.
pub struct Opened {
    pub connection: Connection,
    /// A damaged file was moved aside: a sentence with its new name.
    pub notice: Option<String>,
}

/// Opens or makes the ledger in `folder`, brings its tables up to date, and moves a damaged one aside.
///
/// # Errors
/// A sentence: locked, not writable, or written by a newer lmdeck.
pub fn open(folder: &Path) -> Result<Opened, String> {
    let path = folder.join(NAME);
    // Two processes that start at once must not both find the same damage and move each other's new file.
    let _lock = lock(folder);
    match ready(&path) {
        Ok(connection) => Ok(Opened { connection, notice: None }),
        Err(MigrationError::Newer { theirs, ours }) => Err(format!(
            "the ledger {} was written by a newer lmdeck (its version {theirs}, known here {ours}): update lmdeck, or choose another folder with --state-dir",
            path.display()
        )),
        Err(MigrationError::Sql(error)) if is_damage(&error) => begin_anew(&path, &error),
        Err(MigrationError::Sql(error)) => Err(sentence(&path, &error)),
    }
}

/// After damage was met while running: the file is looked through, and moved aside only if it really is
/// damaged now (another process may have done so already).
///
/// # Errors
/// As [`open`].
pub fn reopen_after_damage(folder: &Path) -> Result<Opened, String> {
    let opened = open(folder)?;
    if opened.notice.is_some() {
        return Ok(opened);
    }
    let path = folder.join(NAME);
    let verdict = opened.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(opened),
        Err(error) if !is_damage(&error) => Err(sentence(&path, &error)),
        _ => {
            drop(opened.connection);
            let _lock = lock(folder);
            begin_anew(&path, &rusqlite::Error::InvalidQuery)
        }
    }
}

/// Whether the file itself is broken, as opposed to busy, full or forbidden.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whether waiting may help.
pub fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// What an SQLite error means for a person, with what to do.
pub fn sentence(path: &Path, error: &rusqlite::Error) -> String {
    let file = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("the ledger {file} is locked by another program: close the tool that holds it, then try again")
        }
        Some(ErrorCode::DiskFull) => format!("the ledger {file} cannot grow: the disk is full: make room"),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            format!("the ledger {file} is damaged: start lmdeck again, which moves it aside and begins a new one")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => format!(
            "the ledger {file} cannot be opened for writing: {error}: check its owner and mode, or choose another folder with --state-dir"
        ),
        // A disk without room says this too: the journal beside the file cannot grow.
        Some(ErrorCode::SystemIoFailure) => format!(
            "the ledger {file} cannot be read or written: {error}: is the disk full? make room, or choose another folder with --state-dir"
        ),
        _ => format!("the ledger {file} cannot be used: {error}: choose another folder with --state-dir"),
    }
}

/// A connection that only reads, for queries.
///
/// # Errors
/// SQLite's own.
pub fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    // No CREATE: a ledger that was taken away is an error, not an empty answer.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn ready(path: &Path) -> Result<Connection, MigrationError> {
    // SQLite gives the files beside it (-wal, -shm) the mode of the main file.
    if let Err(error) = private_file(path) {
        tracing::warn!(file = %path.display(), %error, "the ledger's file mode could not be set to 0600");
    }
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_WAIT)?;
    // Takes effect only before the first table exists; lets retention give room back to the disk.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    // Answers with the mode in force; where the file system cannot do WAL the old mode works too.
    connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
    // With WAL this survives kill -9; only a power cut may take the last moments.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection)?;
    // A cheap look at the newest row through the index: finds a cut-off or overwritten file at the start.
    connection.query_row("SELECT count(*) FROM (SELECT * FROM calls ORDER BY ts DESC LIMIT 1)", [], |_| Ok(()))?;
    connection.query_row("SELECT count(*) FROM (SELECT * FROM labels ORDER BY id DESC LIMIT 1)", [], |_| Ok(()))?;
    Ok(connection)
}

fn begin_anew(path: &Path, error: &rusqlite::Error) -> Result<Opened, String> {
    let stamp = unix_now().0;
    let aside = |suffix: &str| path.with_file_name(format!("ledger.broken-{stamp}.sqlite{suffix}"));
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    for suffix in ["", "-wal", "-shm"] {
        match fs::rename(beside(suffix), aside(suffix)) {
            Err(trouble) if trouble.kind() == io::ErrorKind::NotFound => {}
            Err(trouble) => {
                return Err(format!(
                    "the ledger {} is damaged and cannot be moved aside: {trouble}: move it away, or choose another folder with --state-dir",
                    path.display()
                ));
            }
            Ok(()) => {}
        }
    }
    let connection = ready(path).map_err(|again| match again {
        MigrationError::Sql(again) => sentence(path, &again),
        MigrationError::Newer { .. } => sentence(path, error),
    })?;
    // Ids of the lost ledger are in logs and in other processes: the new one counts from where none can be.
    connection
        .execute("UPDATE counters SET next = ?1 WHERE name = 'call'", [stamp / 1000])
        .map_err(|trouble| sentence(path, &trouble))?;
    let notice = format!(
        "the ledger was damaged: it is kept as {}, and a new one was begun; sqlite3 FILE .recover may read the old one",
        aside("").display()
    );
    tracing::error!("{notice}");
    Ok(Opened { connection, notice: Some(notice) })
}

fn private_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(path, Permissions::from_mode(0o600))?;
            }
            Ok(())
        }
        made => made.map(drop),
    }
}

/// Waits a while for the other process that is opening, then goes on without: SQLite's own locks still hold.
fn lock(folder: &Path) -> Option<File> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join(LOCK_NAME)).ok()?;
    for _ in 0..LOCK_TRIES {
        if file.try_lock().is_ok() {
            return Some(file);
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    None
}
