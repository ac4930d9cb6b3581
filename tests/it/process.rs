//! The program as a process of its own: what signals, a second process and the disk do to it.

use crate::support::sim::{Fault, Sim, SimKind};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes; a test that reaches it has found a hang.
const PATIENCE: Duration = Duration::from_secs(30);

fn lmdeck(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmdeck"));
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").current_dir(home);
    command.arg("--config").arg(home.join("ai_models.yaml")).arg("--state-dir").arg(home.join("state")).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn json(home: &Path, words: &[&str]) -> Value {
    serde_json::from_slice(&lmdeck(home, words).output().unwrap().stdout).unwrap()
}

fn ended(child: &mut Child) -> ExitStatus {
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if since.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_a_running_answer_and_the_call_is_recorded_as_cancelled() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let home = tempfile::tempdir().unwrap();
    let config = format!("providers:\n  - {{ id: box, type: llama_cpp, endpoint: '{}' }}\n", sim.origin());
    std::fs::write(home.path().join("ai_models.yaml"), config).unwrap();
    for (signal, exit) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        sim.fault_on("/v1/chat/completions", Fault::Stall { after: 3 });
        let mut asking = lmdeck(home.path(), &["ask", "x"]).spawn().unwrap();
        // The first words are there: the call runs, and the signal is listened for.
        asking.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();
        kill_process(Pid::from_child(&asking), signal).unwrap();
        assert_eq!(ended(&mut asking).code(), Some(exit), "{signal:?}");
        let calls = json(home.path(), &["calls", "list", "--json", "--limit", "1"]);
        assert_eq!(calls["calls"][0]["status"], "cancelled", "{signal:?}: {calls}");
    }
}

#[test]
fn an_address_that_the_settings_forbid_is_a_usage_error_and_a_taken_one_is_not() {
    let home = tempfile::tempdir().unwrap();
    let serve = |address: &str| {
        let output = lmdeck(home.path(), &["serve", "--listen", address]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // A supervisor starts again what was unavailable; this would never become right.
    let (code, said) = serve("0.0.0.0:0");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("set gateway.api_keys"), "{said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, said) = serve(&taken.local_addr().unwrap().to_string());
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("another program does"), "{said}");
}

/// What this gateway answers to a look at its models, with and without the key; `None` while nothing listens.
fn door(port: u16, key: Option<&str>) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    write!(stream, "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n{key}Connection: close\r\n\r\n").ok()?;
    let mut said = String::new();
    stream.read_to_string(&mut said).ok()?;
    said.split(' ').nth(1).map(str::to_owned)
}

#[test]
fn a_dashboard_that_starts_on_the_error_page_opens_no_gateway_whose_keys_it_does_not_know() {
    let home = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (file, secrets) = (home.path().join("ai_models.yaml"), home.path().join(".env"));
    let config = format!(
        "providers:\n  - {{ id: box, type: llama_cpp, endpoint: 'http://127.0.0.1:9', models: [small] }}\n\
         gateway: {{ listen: '127.0.0.1:{port}', api_keys: ['${{GATE_KEY}}'] }}\n"
    );
    std::fs::write(&file, config).unwrap();
    // It worked for weeks, and a version is kept that could be used.
    std::fs::write(&secrets, "GATE_KEY=right-key\n").unwrap();
    assert!(lmdeck(home.path(), &["status"]).output().unwrap().status.code().is_some());
    std::fs::remove_file(&secrets).unwrap();

    let mut dashboard = lmdeck(home.path(), &["--plain"]).stdin(Stdio::piped()).spawn().unwrap();
    let (lines, mut out) = (std::sync::mpsc::channel(), dashboard.stdout.take().unwrap());
    let sender = lines.0;
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = out.read(&mut piece) {
            let _ = sender.send(String::from_utf8_lossy(&piece[..length]).into_owned());
        }
    });
    let mut said = String::new();
    while !said.contains("the gateway waits") {
        said.push_str(&lines.1.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no word of the gateway: {said}")));
    }
    assert!(said.contains("GATE_KEY is not set"), "{said}");
    assert_eq!(door(port, None), None, "it listens: {said}");

    std::fs::write(&secrets, "GATE_KEY=right-key\n").unwrap();
    let since = Instant::now();
    let first = loop {
        if let Some(answer) = door(port, None) {
            break answer;
        }
        assert!(since.elapsed() < PATIENCE, "it never listens");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(first, "401", "the very first answer without a key");
    assert_eq!(door(port, Some("right-key")).as_deref(), Some("200"));
    // Another key in its place counts at once.
    std::fs::write(&secrets, "GATE_KEY=other-key\n").unwrap();
    while door(port, Some("other-key")).as_deref() != Some("200") {
        assert!(since.elapsed() < PATIENCE, "the new key is never taken over");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(door(port, Some("right-key")).as_deref(), Some("401"));
    kill_process(Pid::from_child(&dashboard), Signal::TERM).unwrap();
    ended(&mut dashboard);
}

#[test]
fn serve_takes_other_keys_over_and_says_that_another_address_needs_a_new_start() {
    let home = tempfile::tempdir().unwrap();
    let write = |listen: &str, key: &str| {
        let gateway = format!("gateway: {{ listen: '{listen}', api_keys: [{key}] }}\n");
        let provider =
            "providers:\n  - { id: box, type: llama_cpp, endpoint: 'http://127.0.0.1:9', models: [small] }\n";
        std::fs::write(home.path().join("ai_models.yaml"), format!("{provider}{gateway}")).unwrap();
    };
    write("127.0.0.1:0", "leaked-key");
    let mut serving = lmdeck(home.path(), &["serve", "--json"]).spawn().unwrap();
    let mut out = std::io::BufReader::new(serving.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    let port = told["listening"].as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
    assert_eq!(door(port, Some("leaked-key")).as_deref(), Some("200"));
    write("127.0.0.1:1", "fresh-key");
    let since = Instant::now();
    while door(port, Some("fresh-key")).as_deref() != Some("200") {
        assert!(since.elapsed() < PATIENCE, "the new key is never taken over");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(door(port, Some("leaked-key")).as_deref(), Some("401"));
    kill_process(Pid::from_child(&serving), Signal::TERM).unwrap();
    ended(&mut serving);
    let mut said = String::new();
    serving.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("gateway.listen is 127.0.0.1:1 now") && said.contains("start lmdeck serve anew"), "{said}");
}
