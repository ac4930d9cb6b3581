//! The dashboard in a real pseudo-terminal: every way of leaving gives the terminal back, an idle screen costs
//! nothing, and a terminal that is gone or stuck holds nobody up.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything that must happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long leaving may take: two seconds, and the time to start and reap.
const LEAVING: Duration = Duration::from_secs(4);

/// A configuration with one server that is not there, probed once, and a gateway on a free port.
const CONFIG: &str = "providers:
  - id: box
    type: llama_cpp
    endpoint: http://127.0.0.1:9
    health: { interval: 3600, timeout: 1, retries: 0 }
gateway:
  listen: 127.0.0.1:0
";

#[derive(Default)]
struct Seen {
    parser: vt100::Parser,
    bytes: Vec<u8>,
}

fn vt_size(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).unwrap()
}

fn vt() -> vt100::Parser {
    vt100::Parser::new(vt_size(24), vt_size(80), 0)
}

/// What came out of the program so far.
type Shared = Arc<(Mutex<Seen>, Condvar)>;

pub struct Tty {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    before: String,
    seen: Shared,
    /// Kept open, so that the terminal lives on when the program is gone.
    _slave: Box<dyn SlavePty + Send>,
    home: TempDir,
}

fn builder(program: &str, home: &Path) -> CommandBuilder {
    let mut command = CommandBuilder::new(program);
    command.env_clear();
    command.cwd(home);
    for (name, value) in [("TERM", "xterm-256color"), ("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8")] {
        command.env(name, value);
    }
    command.env("HOME", home);
    command
}

fn with_arguments(command: &mut CommandBuilder, home: &Path) {
    command.arg("--config");
    command.arg(home.join("ai_models.yaml"));
    command.arg("--state-dir");
    command.arg(home.join("state"));
}

/// The dashboard with nothing read from its terminal yet.
struct Raw {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    reader: Box<dyn Read + Send>,
    keys: Box<dyn Write + Send>,
    slave: Box<dyn SlavePty + Send>,
    before: String,
    home: TempDir,
}

fn start(wrap: Option<&str>, change: impl FnOnce(&mut CommandBuilder)) -> Raw {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("ai_models.yaml"), CONFIG).unwrap();
    let program = env!("CARGO_BIN_EXE_lmdeck");
    let mut command = match wrap {
        Some(script) => {
            let mut command = builder("/bin/sh", home.path());
            command.args(["-c", script, "sh", program]);
            command
        }
        None => builder(program, home.path()),
    };
    with_arguments(&mut command, home.path());
    change(&mut command);
    spawn(command, home)
}

fn spawn(command: CommandBuilder, home: TempDir) -> Raw {
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let before = format!("{:?}", pair.master.get_termios().unwrap());
    let child = pair.slave.spawn_command(command).unwrap();
    let reader = pair.master.try_clone_reader().unwrap();
    let keys = pair.master.take_writer().unwrap();
    Raw { child, master: pair.master, reader, keys, slave: pair.slave, before, home }
}

impl Raw {
    /// Reads, on this thread, until the first screen is there.
    fn read_until_drawn(&mut self) {
        let mut parser = vt();
        let mut buffer = [0; 4096];
        while !parser.screen().contents().contains("Providers") {
            let count = self.reader.read(&mut buffer).unwrap();
            assert!(count > 0, "it ended: {}", parser.screen().contents());
            parser.process(&buffer[..count]);
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap()).unwrap()
    }
}

impl Tty {
    /// The program with these arguments only, in an empty home.
    pub fn start_bare(arguments: &[&str], change: impl FnOnce(&mut CommandBuilder)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = builder(env!("CARGO_BIN_EXE_lmdeck"), home.path());
        command.args(arguments);
        change(&mut command);
        Self::of(spawn(command, home))
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        let (seen, _) = &*self.seen;
        seen.lock().unwrap().parser = vt100::Parser::new(vt_size(rows), vt_size(columns), 0);
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    fn start() -> Self {
        Self::start_with(|_| {})
    }

    fn start_with(change: impl FnOnce(&mut CommandBuilder)) -> Self {
        Self::of(start(None, change))
    }

    fn of(raw: Raw) -> Self {
        let seen: Shared = Arc::new((Mutex::new(Seen { parser: vt(), bytes: Vec::new() }), Condvar::new()));
        let (into, mut reader) = (Arc::clone(&seen), raw.reader);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let mut seen = into.0.lock().unwrap();
                seen.parser.process(&buffer[..count]);
                seen.bytes.extend_from_slice(&buffer[..count]);
                into.1.notify_all();
            }
        });
        Self {
            child: raw.child,
            master: raw.master,
            keys: raw.keys,
            before: raw.before,
            seen,
            _slave: raw.slave,
            home: raw.home,
        }
    }

    /// Waits until the screen is as told.
    pub fn until(&self, what: &str, holds: impl Fn(&vt100::Screen) -> bool) {
        let (seen, changed) = &*self.seen;
        let guard = seen.lock().unwrap();
        let (guard, late) = changed.wait_timeout_while(guard, PATIENCE, |seen| !holds(seen.parser.screen())).unwrap();
        assert!(!late.timed_out(), "never came: {what}; on the screen:\n{}", guard.parser.screen().contents());
    }

    pub fn until_text(&self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text));
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap()).unwrap()
    }

    fn bytes(&self) -> usize {
        self.seen.0.lock().unwrap().bytes.len()
    }

    /// Waits until nothing came for a while.
    fn settle(&self) {
        let (seen, changed) = &*self.seen;
        let mut guard = seen.lock().unwrap();
        loop {
            let before = guard.bytes.len();
            guard =
                changed.wait_timeout_while(guard, Duration::from_millis(1500), |s| s.bytes.len() == before).unwrap().0;
            if guard.bytes.len() == before {
                return;
            }
        }
    }

    /// It ends in time, with this code, and the terminal is as it was.
    pub fn ends_with(mut self, code: u32) {
        let status = ended(&mut *self.child, LEAVING);
        assert_eq!(status.exit_code(), code, "{status:?}");
        self.is_given_back();
    }

    fn is_given_back(&self) {
        self.until("the terminal as it was", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
        });
        assert_eq!(format!("{:?}", self.master.get_termios().unwrap()), self.before);
        let (seen, _) = &*self.seen;
        let bytes = seen.lock().unwrap().bytes.clone();
        let count = |mark: &[u8]| bytes.windows(mark.len()).filter(|window| *window == mark).count();
        assert!(count(b"\x1b[?2026l") >= count(b"\x1b[?2026h"), "a synchronised update was left open");
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        // Only a test that failed leaves it running.
        let _ = self.child.kill();
    }
}

fn ended(child: &mut (dyn Child + Send + Sync), limit: Duration) -> portable_pty::ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > limit {
            let _ = child.kill();
            panic!("it did not end within {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_mouse_is_taken_and_left_alone_as_the_file_says_while_it_runs() {
    let tty = Tty::start();
    // Its server was asked: whatever was read at start is behind it.
    tty.until_text("refused");
    let file = tty.home.path().join("ai_models.yaml");
    let mode = |screen: &vt100::Screen| screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None;
    tty.until("no mouse at first", |screen| !mode(screen));
    for mouse in [true, false] {
        std::fs::write(&file, format!("{CONFIG}ui: {{ mouse: {mouse} }}\n")).unwrap();
        tty.until("the mouse as the file says", |screen| mode(screen) == mouse);
    }
}

#[test]
fn without_a_terminal_it_says_so_and_writes_no_escape() {
    let output = Command::new(env!("CARGO_BIN_EXE_lmdeck"))
        .env("TERM", "xterm-256color")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("terminal") && said.contains("--plain"), "{said}");
    assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b));
}

#[test]
fn q_gives_the_terminal_back() {
    let mut tty = Tty::start();
    tty.until_text("Providers");
    tty.press("q");
    tty.ends_with(0);
}

#[test]
fn ctrl_c_gives_the_terminal_back() {
    let mut tty = Tty::start();
    tty.until_text("Providers");
    tty.press("\x03");
    tty.ends_with(0);
}

#[test]
fn every_ending_signal_gives_the_terminal_back() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2), (Signal::QUIT, 3)] {
        let tty = Tty::start();
        tty.until_text("Providers");
        tty.signal(signal);
        tty.ends_with(128 + number);
    }
}

#[test]
fn a_hang_up_signal_with_a_living_terminal_gives_it_back() {
    let tty = Tty::start();
    tty.until_text("Providers");
    tty.signal(Signal::HUP);
    tty.ends_with(129);
}

#[test]
fn a_signal_in_the_first_milliseconds_leaves_no_mode_behind() {
    for delay in [0, 2, 5, 10, 20, 30, 45, 60, 90] {
        let mut tty = Tty::start();
        std::thread::sleep(Duration::from_millis(delay));
        tty.signal(Signal::TERM);
        ended(&mut *tty.child, LEAVING);
        tty.is_given_back();
    }
}

#[test]
fn when_the_terminal_vanishes_it_ends_and_burns_nothing() {
    for script in [None, Some("trap '' HUP; exec \"$@\"")] {
        let mut raw = start(script, |_| {});
        raw.read_until_drawn();
        let Raw { mut child, master, reader, keys, slave, home, .. } = raw;
        drop((reader, keys, slave, master));
        ended(&mut *child, LEAVING);
        drop(home);
    }
}

#[test]
fn a_terminal_that_does_not_read_does_not_hold_up_the_exit() {
    let mut raw = start(None, |_| {});
    raw.read_until_drawn();
    // Nobody reads from here on: tab after tab fills what the kernel keeps.
    for _ in 0..200 {
        if raw.keys.write_all(b"2?\x1b1?\x1b").is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    kill_process(raw.pid(), Signal::TERM).unwrap();
    ended(&mut *raw.child, LEAVING);
}

#[cfg(target_os = "linux")]
fn is_stopped(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

#[test]
#[cfg(target_os = "linux")]
fn stopping_and_going_on_gives_the_terminal_away_and_takes_it_again() {
    let outside = |tty: &mut Tty| tty.signal(Signal::TSTP);
    let by_key = |tty: &mut Tty| tty.press("\x1a");
    for stop in [&outside as &dyn Fn(&mut Tty), &by_key] {
        let mut tty = Tty::start();
        tty.until_text("Providers");
        stop(&mut tty);
        let start = Instant::now();
        while !is_stopped(tty.pid()) {
            assert!(start.elapsed() < PATIENCE, "it never stopped");
            std::thread::sleep(Duration::from_millis(10));
        }
        tty.is_given_back();
        tty.signal(Signal::CONT);
        tty.until("the dashboard again", |s| s.alternate_screen() && s.contents().contains("Providers"));
        tty.press("2");
        tty.until_text("[2 Health]");
        tty.press("q");
        tty.ends_with(0);
    }
}

#[test]
fn a_storm_of_sizes_ends_in_the_last_one() {
    let mut tty = Tty::start();
    tty.until_text("Providers");
    for (rows, cols) in [(1, 1), (50, 200), (2, 300), (10, 40), (24, 79), (9, 39), (40, 120)] {
        tty.seen
            .0
            .lock()
            .unwrap()
            .parser
            .screen_mut()
            .set_size(NonZeroU16::new(rows).unwrap(), NonZeroU16::new(cols).unwrap());
        tty.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
    }
    tty.until("a footer in the last row", |screen| {
        screen.rows(0, 120).last().is_some_and(|row| row.contains("? help"))
    });
    tty.press("q");
    tty.ends_with(0);
}

#[test]
fn the_first_key_after_a_resize_acts_at_once() {
    let mut tty = Tty::start();
    tty.until_text("Providers");
    for (cols, key, tab) in [(100, "2", "[2 Health]"), (80, "3", "[3 Routing]"), (90, "1", "[1 Providers]")] {
        tty.press(key);
        tty.until_text(tab);
        tty.seen.0.lock().unwrap().parser.screen_mut().set_size(vt_size(24), vt_size(cols));
        tty.master.resize(PtySize { rows: 24, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        tty.press("?");
        tty.until_text("━ Help");
        tty.press("\x1b");
        tty.until("the help closed", |screen| !screen.contents().contains("━ Help"));
    }
    tty.press("q");
    tty.ends_with(0);
}

#[test]
#[cfg(target_os = "linux")]
fn at_rest_nothing_is_written_and_next_to_nothing_is_computed() {
    let mut tty = Tty::start();
    tty.until_text("Providers");
    tty.settle();
    let ticks = |pid: Pid| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
        let rest = stat.rsplit_once(") ").unwrap().1.to_owned();
        let fields: Vec<u64> = rest.split(' ').filter_map(|field| field.parse().ok()).collect();
        // utime and stime are the 14th and 15th field; the name and the state are gone.
        fields[10] + fields[11]
    };
    let (bytes, cpu) = (tty.bytes(), ticks(tty.pid()));
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(tty.bytes(), bytes, "bytes were written at rest");
    // A tick is 10 ms: one in four seconds is 0.25 %.
    assert!(ticks(tty.pid()) - cpu <= 2, "{} ticks in 4 s", ticks(tty.pid()) - cpu);
    tty.press("q");
    tty.ends_with(0);
}

#[test]
fn the_first_frame_waits_for_no_answer_of_the_terminal() {
    let start = Instant::now();
    let mut tty = Tty::start();
    tty.until_text("Providers");
    // A query that nobody answers would cost two seconds.
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    tty.settle();
    let bytes = tty.seen.0.lock().unwrap().bytes.clone();
    for query in [&b"\x1b[6n"[..], b"\x1b[c", b"\x1b[?u", b"\x1b]11;?"] {
        assert!(!bytes.windows(query.len()).any(|window| window == query), "it asks the terminal");
    }
    tty.press("q");
    tty.ends_with(0);
}

#[test]
fn no_color_keeps_the_selection_visible() {
    let mut tty = Tty::start_with(|command| command.env("NO_COLOR", "1"));
    tty.until_text("Providers");
    tty.settle();
    let bytes = tty.seen.0.lock().unwrap().bytes.clone();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains("\x1b[7m"), "nothing is reversed");
    for colour in ["\x1b[38;", "\x1b[48;", "\x1b[31m", "\x1b[32m", "\x1b[;m"] {
        assert!(!text.contains(colour), "{colour:?} under NO_COLOR");
    }
    tty.press("q");
    tty.ends_with(0);
}

#[test]
fn it_runs_on_every_usual_terminal() {
    for term in ["linux", "xterm", "tmux-256color", "screen"] {
        let mut tty = Tty::start_with(|command| command.env("TERM", term));
        tty.until_text("Providers");
        tty.press("q");
        tty.ends_with(0);
    }
}

#[test]
fn a_megabyte_pasted_is_one_edit_and_fires_no_command() {
    let mut tty = Tty::start();
    tty.until_text("Providers");
    tty.press("/");
    tty.until_text("keep it");
    let start = Instant::now();
    tty.press("\x1b[200~");
    tty.press(&"q".repeat(1_000_000));
    tty.press("\x1b[201~");
    // What a line cannot hold is left out whole, never cut.
    tty.until_text("the paste is left out");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    tty.press("\x1b[200~");
    tty.press(&"q".repeat(1000));
    tty.press("\x1b[201~");
    tty.until_text("qqqqqqqq");
    tty.press("\x1b");
    tty.until("the list without a filter", |screen| !screen.contents().contains("qqqq"));
    tty.press("q");
    tty.ends_with(0);
}

#[test]
fn a_broken_file_is_mended_in_the_editor_and_taken_at_once() {
    let raw = start(None, |command| {
        let home = Path::new(command.get_env("HOME").unwrap()).to_owned();
        let editor = home.join("mend");
        // The guest has the terminal: it asks a question on it, and reads the answer from it.
        let script = "#!/bin/sh\nprintf 'mend %s? ' \"${1##*/}\"\nread -r answer\nprintf '%s' \"$answer\" | \
                      grep -q yes && sed 's/BROKEN/llama_cpp/' \"$1\" > \"$1.new\" && mv \"$1.new\" \"$1\"\n";
        std::fs::write(&editor, script).unwrap();
        std::fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        command.env("EDITOR", &editor);
        std::fs::write(home.join("ai_models.yaml"), CONFIG.replace("type: llama_cpp", "type: BROKEN")).unwrap();
    });
    let mut tty = Tty::of(raw);
    tty.until_text("cannot be used");
    tty.press("e");
    tty.until("the editor on the main screen", |screen| {
        !screen.alternate_screen() && screen.contents().contains("mend ai_models.yaml?")
    });
    tty.press("yes\r");
    tty.until("the mended provider", |screen| {
        screen.alternate_screen() && !screen.contents().contains("cannot be used") && screen.contents().contains("box")
    });
    tty.press("q");
    tty.ends_with(0);
}

#[test]
fn a_prompt_is_written_in_the_editor_and_no_file_of_it_stays() {
    let raw = start(None, |command| {
        let home = Path::new(command.get_env("HOME").unwrap()).to_owned();
        let editor = home.join("write");
        // As most editors do: a new file in place of the old one.
        let script = "#!/bin/sh\nprintf '%s\\n' \"$(cat \"$1\") and more\" > \"$1.new\" && mv \"$1.new\" \"$1\"\n";
        std::fs::write(&editor, script).unwrap();
        std::fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::create_dir(home.join("tmp")).unwrap();
        command.env("TMPDIR", home.join("tmp"));
        command.env("EDITOR", &editor);
    });
    let drafts = raw.home.path().join("tmp");
    let mut tty = Tty::of(raw);
    tty.until_text("Providers");
    tty.press("4");
    tty.until_text("[4 Playground]");
    tty.press("some words\x0f");
    tty.until("the prompt as the editor left it", |screen| {
        screen.alternate_screen() && screen.contents().contains("some words and more")
    });
    assert_eq!(std::fs::read_dir(&drafts).unwrap().count(), 0);
    // Together they would be one key.
    tty.press("\x1b");
    tty.until_text("i prompt");
    tty.press("q");
    tty.until_text("Leave lmdeck?");
    tty.press("\x1b[C\r");
    tty.ends_with(0);
}

#[test]
fn what_was_written_in_an_editor_that_ends_badly_is_kept_and_its_end_is_said() {
    let raw = start(None, |command| {
        let home = Path::new(command.get_env("HOME").unwrap()).to_owned();
        let editor = home.join("write");
        std::fs::write(&editor, "#!/bin/sh\nprintf '%s' 'two pages of words' > \"$1\"\nexit 1\n").unwrap();
        std::fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        command.env("EDITOR", &editor);
    });
    let mut tty = Tty::of(raw);
    tty.until_text("Providers");
    tty.press("4");
    tty.until_text("[4 Playground]");
    tty.press("some\x0f");
    tty.until("the words and how the editor ended", |screen| {
        let text = screen.contents();
        screen.alternate_screen() && text.contains("two pages of words") && text.contains("status: 1")
    });
    tty.press("\x1bq");
    tty.until_text("Leave lmdeck?");
    tty.press("\x1b[C\r");
    tty.ends_with(0);
}

/// A session in plain mode: the lines that come out for the lines that go in.
fn plain(lines: &str, change: impl FnOnce(&mut Command)) -> (String, Option<i32>) {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("ai_models.yaml"), CONFIG).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmdeck"));
    command.env_clear().env("HOME", home.path()).env("PATH", "/usr/bin:/bin").current_dir(home.path());
    command.arg("--config").arg(home.path().join("ai_models.yaml"));
    command.arg("--state-dir").arg(home.path().join("state"));
    change(&mut command);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(!output.stdout.contains(&0x1b), "an escape in plain mode");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[test]
fn plain_mode_tells_in_lines_and_takes_numbers_and_keys() {
    let (said, code) = plain("1\n?\nZ\na\ntab\nesc\nd\nright\n1\nno such key\n2\n9999\nt\nq\n", |command| {
        command.arg("--plain");
    });
    assert_eq!(code, Some(0), "{said}");
    for text in [
        "plain mode",
        "Providers, 1 of ",
        "chosen: ",
        "a: add a provider by form",
        "Z means nothing here: ? lists the keys",
        "New provider, field 1 of 8, Kind, required",
        "A line is text for this field now. Keys: tab next",
        "chosen: Keep; enter presses it",
        "chosen: Delete; enter presses it",
        "no such key is no key and no number",
        "there is no 9999",
    ] {
        assert!(said.contains(text), "{text:?} is not in\n{said}");
    }
    assert!(!said.contains("1: Providers"), "digits choose providers here: {said}");
}

#[test]
fn a_line_for_a_field_stays_text_in_plain_mode_whatever_it_begins_with() {
    let (said, code) =
        plain("a\ntab\nask me\nshift-tab\n\\home\nshift-tab\nesc\nright\nright\nenter\nq\n", |command| {
            command.arg("--plain");
        });
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(": ask me") && said.contains(": home"), "{said}");
    assert!(!said.contains("-- "), "a field's text was asked of a model: {said}");
}

#[test]
fn a_question_that_a_line_of_plain_mode_leads_to_stands_on_its_safe_answer() {
    let curl = "curl https://api.openai.com/v1 -H \"Authorization: Bearer $K\"";
    let lines = format!("a\ntab\nmine\ntab\n{curl}\nenter\nesc\nright\nright\nenter\nq\n");
    let (said, code) = plain(&lines, |command| {
        command.arg("--plain");
    });
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("chosen: Leave the form as it is; enter presses it"), "{said}");
    assert!(!said.contains("chosen: Fill it"), "{said}");
}

#[test]
fn a_capital_f_is_a_key_of_its_own_in_plain_mode() {
    let (said, _) = plain("F\nF1\nesc\nq\n", |command| {
        command.arg("--plain");
    });
    assert!(said.contains("the configuration file is in force: nothing is wrong with it"), "{said}");
    assert!(said.contains("add a provider by form"), "the help: {said}");
}

#[test]
fn the_end_of_the_input_leaves_plain_mode() {
    assert_eq!(
        plain("", |command| {
            command.arg("--plain");
        })
        .1,
        Some(0)
    );
}
