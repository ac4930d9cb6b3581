//! The application log: what lmdeck itself has to say, as JSON lines in a daily file, and reading it back.
//! Never on the terminal, which belongs to the dashboard. Calls have a log of their own (`call_log`).

use super::private_files::{DailyFile, daily_files};
use crate::domain::secret::Secret;
use crate::domain::steering::steers;
use crate::engine::ports::LogReader;
use crate::engine::protocol::{LogLine, LogQuery};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

const PREFIX: &str = "lmdeck";
const SUFFIX: &str = "jsonl";

/// Lines waiting for the log's thread; when full, whoever logs waits: nothing is lost.
pub const LINE_CAPACITY: usize = 4096;
/// Daily files kept.
pub const KEEP_DAYS: u32 = 14;
/// The variable that sets the level, or whole directives as `info,lmdeck::engine=debug`.
pub const LEVEL_VARIABLE: &str = "LMDECK_LOG";

/// Keeps the log's thread alive; dropping it writes out what is left.
pub struct Guard {
    _worker: WorkerGuard,
}

/// Starts the log in `folder`, once per process. `level` is a level or directives; empty means
/// [`LEVEL_VARIABLE`], else `info`.
///
/// # Errors
/// A sentence: the folder cannot be used, the level is none, or a log is running already.
pub fn init(folder: &Path, level: &str) -> Result<Guard, String> {
    let from_variable = std::env::var(LEVEL_VARIABLE).unwrap_or_default();
    let filter = filter(if level.trim().is_empty() { &from_variable } else { level })?;
    let file = DailyFile::open(folder, PREFIX, SUFFIX, KEEP_DAYS)?;
    let (writer, worker) = NonBlockingBuilder::default()
        .lossy(false)
        .buffered_lines_limit(LINE_CAPACITY)
        .thread_name("lmdeck-log")
        .finish(Scrubbing(file));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(writer);
    tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .try_init()
        .map_err(|error| format!("the application log could not be started: {error}"))?;
    Ok(Guard { _worker: worker })
}

/// A bare level is lmdeck's own; the crates below it stay at warnings, whose chatter helps nobody here.
fn filter(level: &str) -> Result<Targets, String> {
    let level = match level.trim() {
        "" => "info",
        level => level,
    };
    let directives = match level {
        "off" => "off".to_owned(),
        word if word.parse::<tracing::Level>().is_ok() => format!("warn,lmdeck={word}"),
        // The parser below takes any lone word for a module's name and would then log nothing at all.
        word if !word.contains(['=', ',']) => {
            return Err(format!("`{word}` is no log level: use error, warn, info, debug, trace or off"));
        }
        directives => directives.to_owned(),
    };
    directives.parse::<Targets>().map_err(|error| {
        format!("the log level `{level}` is not understood: {error}: write a level, or as in info,lmdeck::engine=debug")
    })
}

/// Secrets this process knows; none of them reaches a log line.
static SECRETS: RwLock<Vec<Secret>> = RwLock::new(Vec::new());
/// Shorter texts are not scrubbed: they would black out ordinary words.
const MIN_SECRET_CHARS: usize = 6;
const SCRUBBED: &str = "[secret]";

/// From now on `secret` is blacked out of every line of the application log and the call log.
pub fn register_secret(secret: &Secret) {
    if secret.expose().chars().count() < MIN_SECRET_CHARS {
        return;
    }
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    if !secrets.contains(secret) {
        secrets.push(secret.clone());
        // Longest first, so that a secret that holds another leaves no rest.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
    }
}

/// `text` without any registered secret, neither as it is nor as JSON writes it.
pub fn scrub(text: &str) -> Cow<'_, str> {
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    let mut clean = Cow::Borrowed(text);
    for secret in secrets.iter() {
        let bare = secret.expose();
        let quoted = Value::from(bare).to_string();
        for form in [bare, quoted.trim_matches('"')] {
            if !form.is_empty() && clean.contains(form) {
                clean = Cow::Owned(clean.replace(form, SCRUBBED));
            }
        }
    }
    clean
}

/// JSON escapes the controls below U+0020 only; the ones above (DEL, the C1 set with its own CSI, those that turn
/// the reading direction) would reach the terminal of whoever looks at the file.
pub fn escape_controls(json: &str) -> Cow<'_, str> {
    let left_by_json = |c: char| c > '\u{1f}' && steers(c);
    // Every line of the log passes here; nearly all are ASCII, where only DEL is one of them.
    let plain = json.is_ascii() && memchr::memchr(0x7f, json.as_bytes()).is_none();
    if plain || !json.contains(left_by_json) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if left_by_json(c) {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Blacks out secrets on the log's own thread. Each write that arrives is one whole line.
struct Scrubbing<W>(W);

impl<W: Write> Write for Scrubbing<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(escape_controls(&scrub(&text)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Reads the application log of a folder back, its own and that of other processes there.
pub struct AppLog {
    folder: PathBuf,
}

/// Lines given when the query names no limit.
const DEFAULT_LINES: usize = 200;
/// How far back a search goes, so that a word that never occurs is answered soon.
const MAX_SCAN_BYTES: u64 = 64 * 1024 * 1024;
/// Read at once, from the end.
const BLOCK_BYTES: u64 = 64 * 1024;
/// A line longer than this was not written by us; it is passed over.
const MAX_LINE_BYTES: usize = 1024 * 1024;

impl AppLog {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

impl LogReader for AppLog {
    fn read(&self, query: &LogQuery) -> Result<Vec<LogLine>, String> {
        let worst = rank_of_query(&query.level)?;
        let needle = query.filter.to_lowercase();
        let limit = if query.limit == 0 { DEFAULT_LINES } else { query.limit };
        let mut budget = MAX_SCAN_BYTES;
        let mut newest_first = Vec::new();
        for path in daily_files(&self.folder, PREFIX, SUFFIX) {
            let trouble = |error: io::Error| format!("the log file {} cannot be read: {error}", path.display());
            let file = match File::open(&path) {
                // Removed as too old since the folder was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(trouble)?,
            };
            let mut lines = LinesFromEnd::new(file).map_err(trouble)?;
            while newest_first.len() < limit && budget > 0 {
                let Some(line) = lines.next_line(&mut budget).map_err(trouble)? else { break };
                let text = String::from_utf8_lossy(&line);
                let line = parse_line(text.trim());
                if rank(&line.level) <= worst && holds(&line, &needle) {
                    newest_first.push(line);
                }
            }
        }
        newest_first.reverse();
        Ok(newest_first)
    }
}

fn rank_of_query(level: &str) -> Result<u8, String> {
    match level.trim().to_lowercase().as_str() {
        "" | "all" => Ok(u8::MAX),
        "warning" => Ok(rank("warn")),
        word => match rank(word) {
            u8::MAX => Err(format!("`{word}` is no log level: use error, warn, info, debug or trace")),
            rank => Ok(rank),
        },
    }
}

/// 0 is worst. Lines without a level (broken ones) are shown only where all are.
fn rank(level: &str) -> u8 {
    match level {
        "error" => 0,
        "warn" => 1,
        "info" => 2,
        "debug" => 3,
        "trace" => 4,
        _ => u8::MAX,
    }
}

fn holds(line: &LogLine, needle: &str) -> bool {
    needle.is_empty()
        || [&line.message, &line.target, &line.level].iter().any(|text| text.to_lowercase().contains(needle))
}

/// What is not one of our JSON lines (cut off by a crash, written by hand) is shown as it stands.
fn parse_line(text: &str) -> LogLine {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else {
        return LogLine { ts: String::new(), level: String::new(), target: String::new(), message: text.to_owned() };
    };
    let mut take = |name: &str| fields.remove(name).map(|value| plain(&value)).unwrap_or_default();
    let (ts, level, target) = (take("timestamp"), take("level").to_lowercase(), take("target"));
    let mut message = take("message");
    for (name, value) in &fields {
        if !message.is_empty() {
            message.push(' ');
        }
        message.push_str(name);
        message.push('=');
        message.push_str(&plain(value));
    }
    LogLine { ts, level, target, message }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The lines of a file from its end to its start, a block at a time.
struct LinesFromEnd {
    file: File,
    /// Where the part not read yet ends.
    unread: u64,
    /// Read and not given out: the end of it is the next line.
    pending: Vec<u8>,
}

impl LinesFromEnd {
    fn new(mut file: File) -> io::Result<Self> {
        let unread = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, unread, pending: Vec::new() })
    }

    /// The next non-empty line, without its end; `None` at the start of the file or when `budget` bytes are
    /// read.
    fn next_line(&mut self, budget: &mut u64) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = memchr::memrchr(b'\n', &self.pending) {
                let line = self.pending.split_off(at + 1);
                self.pending.pop();
                if !line.is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            if self.unread == 0 {
                return Ok(Some(std::mem::take(&mut self.pending)).filter(|line| !line.is_empty()));
            }
            if *budget == 0 {
                return Ok(None);
            }
            if self.pending.len() > MAX_LINE_BYTES {
                self.pending.clear();
            }
            let size = self.unread.min(BLOCK_BYTES);
            self.unread -= size;
            *budget = budget.saturating_sub(size);
            let mut block = Vec::new();
            self.file.seek(SeekFrom::Start(self.unread))?;
            (&self.file).take(size).read_to_end(&mut block)?;
            block.extend_from_slice(&self.pending);
            self.pending = block;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(folder: &Path, query: &LogQuery) -> Vec<String> {
        AppLog::new(folder).read(query).unwrap().into_iter().map(|line| line.message).collect()
    }

    fn day(folder: &Path, date: &str, lines: &[&str]) {
        fs::write(folder.join(format!("lmdeck.{date}.jsonl")), lines.join("\n")).unwrap();
    }

    fn line(level: &str, message: &str) -> String {
        serde_json::json!({"timestamp": "2026-11-03T22:14:31Z", "level": level, "message": message, "target": "lmdeck::engine"})
            .to_string()
    }

    #[test]
    fn the_tail_goes_over_midnight_and_ends_with_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        day(folder.path(), "2026-11-02", &[&line("INFO", "one"), &line("INFO", "two")]);
        day(folder.path(), "2026-11-03", &[&line("INFO", "three")]);
        assert_eq!(read(folder.path(), &LogQuery { limit: 2, ..LogQuery::default() }), ["two", "three"]);
        assert_eq!(read(folder.path(), &LogQuery::default()), ["one", "two", "three"]);
    }

    #[test]
    fn a_level_shows_itself_and_worse_and_a_filter_what_holds_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let lines = [line("ERROR", "disk full"), line("WARN", "slow disk"), line("INFO", "started")];
        day(folder.path(), "2026-11-03", &lines.each_ref().map(String::as_str));
        let by_level = |level: &str| read(folder.path(), &LogQuery { level: level.into(), ..LogQuery::default() });
        assert_eq!(by_level("warn"), ["disk full", "slow disk"]);
        assert_eq!(by_level("error"), ["disk full"]);
        assert_eq!(read(folder.path(), &LogQuery { filter: "DISK".into(), ..LogQuery::default() }).len(), 2);
        let error = AppLog::new(folder.path()).read(&LogQuery { level: "loud".into(), ..LogQuery::default() });
        assert!(error.unwrap_err().contains("`loud` is no log level"));
    }

    #[test]
    fn broken_lines_are_shown_and_stop_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let whole = line("INFO", "whole");
        fs::write(
            folder.path().join("lmdeck.2026-11-03.jsonl"),
            [b"{\"level\":\"IN\n\xff\xfe\n\n[1,2]\n".as_slice(), whole.as_bytes()].concat(),
        )
        .unwrap();
        let lines = read(folder.path(), &LogQuery::default());
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[3], "whole");
        assert_eq!(lines[0], "{\"level\":\"IN");
    }

    #[test]
    fn lines_longer_than_a_block_come_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(200_000);
        day(folder.path(), "2026-11-03", &[&line("INFO", "first"), &line("INFO", &long), &line("INFO", "last")]);
        assert_eq!(read(folder.path(), &LogQuery::default()), ["first", long.as_str(), "last"]);
    }

    #[test]
    fn fields_stand_behind_the_message() {
        let line =
            parse_line(r#"{"timestamp":"t","level":"WARN","message":"slow","ms":12,"provider":"zai","target":"x"}"#);
        assert_eq!(line.message, "slow ms=12 provider=zai");
        assert_eq!((line.level.as_str(), line.ts.as_str(), line.target.as_str()), ("warn", "t", "x"));
    }

    #[test]
    fn no_log_yet_is_an_empty_log() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(AppLog::new(&folder.path().join("none")).read(&LogQuery::default()), Ok(vec![]));
    }

    #[test]
    fn a_registered_secret_is_blacked_out_as_it_is_and_as_json_writes_it() {
        register_secret(&Secret::new("sk-very-secret-1"));
        register_secret(&Secret::new("sk-very-secret-1-longer"));
        register_secret(&Secret::new("quo\"ted-secret"));
        register_secret(&Secret::new("abc"));
        assert_eq!(scrub("key sk-very-secret-1-longer, sk-very-secret-1!"), "key [secret], [secret]!");
        assert_eq!(scrub(&serde_json::json!({"k": "quo\"ted-secret"}).to_string()), r#"{"k":"[secret]"}"#);
        assert_eq!(scrub("abc stays: too short to be a key"), "abc stays: too short to be a key");
        let mut out = Scrubbing(Vec::new());
        out.write_all(b"a sk-very-secret-1 b\n").unwrap();
        out.write_all("x\u{9b}31m\u{7f}\n".as_bytes()).unwrap();
        assert_eq!(out.0, b"a [secret] b\nx\\u009b31m\\u007f\n");
    }

    /// One process has one log: this is the only test that starts it.
    #[test]
    fn what_is_logged_is_read_back_without_its_secrets() {
        let folder = tempfile::tempdir().unwrap();
        register_secret(&Secret::new("sk-in-the-open"));
        let guard = init(folder.path(), "debug").unwrap();
        tracing::warn!(key = "sk-in-the-open", "slow\nserver \u{1b}[31m");
        tracing::debug!("fine detail");
        tracing::trace!("too fine");
        assert!(init(folder.path(), "info").err().unwrap().contains("could not be started"));
        drop(guard);
        let own = LogQuery { filter: "app_log".into(), level: String::new(), limit: 10 };
        let lines = read(folder.path(), &own);
        assert_eq!(lines, ["slow\nserver \u{1b}[31m key=[secret]", "fine detail"]);
        let raw = fs::read_to_string(&daily_files(folder.path(), PREFIX, SUFFIX)[0]).unwrap();
        assert!(!raw.contains("sk-in-the-open") && !raw.contains('\u{1b}'), "{raw}");
    }

    #[test]
    fn a_level_that_is_none_is_refused_with_what_is_allowed() {
        assert!(filter("loud").unwrap_err().contains("use error, warn, info"));
        assert!(filter("info,lmdeck=nonsense").is_err());
        assert_eq!(filter("debug").unwrap().to_string(), "lmdeck=debug,warn");
        assert_eq!(filter("").unwrap().to_string(), "lmdeck=info,warn");
    }
}
