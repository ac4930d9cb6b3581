//! `lmdeck demo`: what a person sees who has nothing yet, and that it touches nothing of theirs.

use crate::pty::Tty;
use lmdeck::adapters::app_log::AppLog;
use lmdeck::adapters::clock::SystemClock;
use lmdeck::adapters::config::{ConfigFile, Source};
use lmdeck::adapters::history::HistoryFile;
use lmdeck::adapters::http::HttpUpstream;
use lmdeck::adapters::ledger::{FILE_NAME, Leases, Options as LedgerOptions, SqliteLedger};
use lmdeck::bootstrap::demo::cast::Cast;
use lmdeck::bootstrap::demo::reach::ByKind;
use lmdeck::bootstrap::demo::script::{self, Tempo};
use lmdeck::domain::config::Severity;
use lmdeck::domain::health::State;
use lmdeck::domain::reach::Reach;
use lmdeck::engine::handle::EngineHandle;
use lmdeck::engine::ports::{Clock, ConfigStore, Ports};
use lmdeck::engine::protocol::{CallQuery, Command as EngineCommand, Reply, Snapshot};
use lmdeck::engine::{Engine, Options};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// How long anything in the story may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

// ---- as a person runs it

#[test]
fn every_tab_is_marked_and_leaving_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let mut tty = Tty::start_bare(&["demo", "--still"], |command| command.env("TMPDIR", temporary.path()));
    tty.until_text("LM Studio");
    tty.until_text("qwen/qwen3-8b");
    let folder = std::fs::read_dir(temporary.path()).unwrap().next().unwrap().unwrap().path();
    assert!(folder.join("ai_models.yaml").exists());
    for (key, shows) in [("2", "probe latency"), ("3", "code_review"), ("5", "review-bot"), ("4", "type a prompt here")]
    {
        tty.press(key);
        tty.until_text(shows);
        tty.until("the mark", |screen| first_row(screen).contains("DEMO, simulated"));
    }
    tty.press("\x1b");
    tty.until("no more typing", |screen| !screen.contents().contains("esc leave"));
    tty.press("1");
    tty.until("the first tab", |screen| first_row(screen).starts_with("[1 Providers]"));
    tty.until("the mark", |screen| first_row(screen).contains("DEMO, simulated"));
    tty.press("q");
    tty.ends_with(0);
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "the folder is still there");
}

fn first_row(screen: &vt100::Screen) -> String {
    screen.contents().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn it_is_marked_however_small_the_terminal_is() {
    let mut tty = Tty::start_bare(&["demo", "--still", "--readonly"], |_| {});
    tty.until("the mark beside what is stronger", |screen| first_row(screen).contains("DEMO, READ-ONLY"));
    for (columns, rows) in [(200, 60), (100, 30), (66, 24), (60, 12), (40, 10), (38, 8), (20, 3)] {
        tty.resize(columns, rows);
        tty.until(&format!("the mark at {columns}x{rows}"), |screen| first_row(screen).contains("DEMO"));
    }
    tty.press("q");
    tty.ends_with(0);
}

#[test]
fn it_starts_from_nothing_of_the_person_s() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/lmdeck");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("ai_models.yaml"), "providers: [this is: broken").unwrap();
    let mut tty = Tty::start_bare(&["demo", "--still"], |command| {
        command.env("HOME", home.path());
        command.env("LMDECK_CONFIG", "/nowhere/at/all.yaml");
        command.env("LMDECK_STATE_DIR", home.path().join("state"));
        command.env("OPENAI_API_KEY", "sk-a-real-key-of-somebody");
        command.env("LM_STUDIO_BASE_URL", "http://127.0.0.1:9");
    });
    tty.until("four that work", |screen| screen.contents().matches("[ok]").count() >= 4);
    tty.press("q");
    tty.ends_with(0);
    assert!(!home.path().join("state").exists(), "the person's state folder was used");
    assert!(!home.path().join(".local").exists(), "something was kept");
}

#[test]
fn in_lines_it_is_marked_too() {
    let temporary = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lmdeck"))
        .args(["demo", "--still", "--plain"])
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"ask Translate into German: see you on Monday.\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.lines().any(|line| line == "DEMO, simulated"), "{said}");
    assert!(said.contains("Bis Montag!") && said.contains("-- lm_studio/qwen/qwen3-8b"), "{said}");
    assert!(output.status.success());
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "the folder is still there");
}

#[test]
fn a_configuration_and_a_state_folder_of_one_s_own_have_no_place_in_it() {
    for (flag, told) in
        [("--config", "the demo has a configuration of its own"), ("--state-dir", "the demo keeps its state in")]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_lmdeck"))
            .args(["demo", "--plain", flag, "mine"])
            .env_remove("LMDECK_STATE_DIR")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(told) && said.contains(flag), "{said}");
    }
}

// ---- its story, told fast

struct House {
    engine: Engine,
    cast: Cast,
}

async fn house(home: &Path, tempo: &Tempo) -> House {
    let cast = Cast::start().await.unwrap();
    let file = home.join("ai_models.yaml");
    cast.write_configuration(&file, tempo).unwrap();
    let source = Source {
        config: Some(file),
        working_folder: home.into(),
        state_folder: home.join("state"),
        ..Source::default()
    };
    let config = Arc::new(ConfigFile::open(source));
    let loaded = config.load().unwrap();
    let wrong: Vec<_> = loaded.issues.iter().filter(|issue| issue.severity != Severity::Note).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ports = Ports {
        export: None,
        answers: None,
        upstream: Arc::new(ByKind(Arc::new(HttpUpstream::new(clock.clone()).unwrap()))),
        clock,
        config,
        ledger: SqliteLedger::open_with(&home.join("state"), None, LedgerOptions::default()).unwrap(),
        log: Arc::new(AppLog::new(home)),
        history: Arc::new(HistoryFile::new(home)),
        budget: Arc::new(Leases::new(&home.join("state").join(FILE_NAME))),
    };
    let options = Options {
        schedule_probes: true,
        state_dir: String::new(),
        rejected: None,
        read_only: false,
        system: String::new(),
    };
    House { engine: Engine::start(ports, Ok(loaded), options), cast }
}

async fn until(handle: &EngineHandle, what: &str, holds: impl Fn(&Snapshot) -> bool) {
    let mut snapshots = handle.snapshots();
    let waiting = snapshots.wait_for(|snapshot| holds(snapshot));
    let came = tokio::time::timeout(PATIENCE, waiting).await.is_ok_and(|came| came.is_ok());
    assert!(came, "never came: {what}: {:?}", states(&handle.snapshot()));
}

fn states(snapshot: &Snapshot) -> Vec<(String, State, String)> {
    let providers = snapshot.providers.iter();
    providers.map(|p| (p.id.to_string(), p.health.state, p.health.reason.clone())).collect()
}

fn state_of(snapshot: &Snapshot, id: &str) -> Option<State> {
    snapshot.providers.iter().find(|provider| provider.id.as_str() == id).map(|provider| provider.health.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_goes_down_and_returns_one_is_slow_one_loses_its_key() {
    let home = tempfile::tempdir().unwrap();
    let tempo =
        Tempo { probe: Duration::from_secs(1), call: Duration::from_millis(200), scene: Duration::from_millis(2_600) };
    let House { engine, cast } = house(home.path(), &tempo).await;
    let handle = engine.handle.clone();
    until(&handle, "all four are up", |snapshot| {
        snapshot.providers.iter().all(|provider| provider.health.state == State::Up)
    })
    .await;
    let snapshot = handle.snapshot();
    let reach: Vec<_> = snapshot.providers.iter().map(|provider| provider.reach).collect();
    assert_eq!(reach, [Reach::Machine, Reach::Cloud, Reach::Cloud, Reach::Cloud], "vendors play the cloud");

    let reply = handle.ask(EngineCommand::Discover).await;
    let Reply::Discovered(found) = reply else { panic!("{reply:?}") };
    assert!(found.is_empty(), "the person's own servers have no part in it: {found:?}");

    let story = async {
        until(&handle, "lm_studio goes down", |s| state_of(s, "lm_studio") == Some(State::Down)).await;
        until(&handle, "its calls go elsewhere", |s| {
            s.routing.in_effect.as_ref().is_some_and(|target| target.provider.as_str() != "lm_studio")
        })
        .await;
        until(&handle, "lm_studio returns", |s| state_of(s, "lm_studio") == Some(State::Up)).await;
        until(&handle, "openai is slow", |s| state_of(s, "openai") == Some(State::Degraded)).await;
        until(&handle, "openai is quick again", |s| state_of(s, "openai") == Some(State::Up)).await;
        until(&handle, "claude loses its key", |s| state_of(s, "claude") == Some(State::Unauthorized)).await;
        until(&handle, "claude has it back", |s| state_of(s, "claude") == Some(State::Up)).await;
    };
    tokio::select! {
        () = story => {}
        () = script::play(&cast, &handle, &tempo) => {}
    }

    let reply = handle
        .ask(EngineCommand::ListCalls { query: Box::new(CallQuery { limit: 500, ..CallQuery::default() }) })
        .await;
    let Reply::Calls(page) = reply else { panic!("{reply:?}") };
    let kinds: std::collections::BTreeSet<_> = page.rows.iter().map(|row| row.request_type.as_str()).collect();
    assert!(kinds.len() >= 4, "calls of several request types: {kinds:?}");
    engine.stop().await;
    cast.end().await;
}
