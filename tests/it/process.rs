//! The program as a process of its own: what signals, a second process and the disk do to it.

use crate::support::sim::{Fault, Sim, SimKind};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::Read as _;
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
