//! Pointing another program at the gateway: the lines, and seeing that its call arrived.

use crate::config::Place;
use crate::support::sim::{Sim, SimKind};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn lmdeck(place: &Place, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmdeck"));
    command.env_clear().env("HOME", place.path("home")).env("PATH", "/usr/bin:/bin").current_dir(place.path(""));
    command.arg("--config").arg(place.path("ai_models.yaml")).arg("--state-dir").arg(place.path("state")).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(place: &Place, words: &[&str]) -> Output {
    lmdeck(place, words).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn holding(sim: &Sim) -> Place {
    Place::holding(&format!("providers:\n  - {{ id: box, type: llama_cpp, endpoint: '{}' }}\n", sim.origin()))
}

/// A gateway of its own process; ended with the guard.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(place: &Place) -> Self {
        let mut child = lmdeck(place, &["serve", "--listen", "127.0.0.1:0", "--json"]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let address = said["listening"].as_str().unwrap().to_owned();
        assert_eq!(said["base_url"], format!("http://{address}/v1"));
        Self { child, address }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn call_as(agent: &str, address: &str) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = json!({ "model": "auto", "messages": [{ "role": "user", "content": "x" }] });
    let sent = client.post(format!("http://{address}/v1/chat/completions")).header("user-agent", agent);
    let answer = sent.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let _ = answer.bytes().await.unwrap();
}

fn ended(child: &mut Child) -> Option<i32> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    panic!("it does not end");
}

#[test]
fn without_a_name_it_lists_the_programs_and_an_unknown_one_is_told_the_near_one() {
    let place = Place::holding("");
    let list = text(&run(&place, &["connect"]).stdout);
    for name in ["dspy", "openai-python", "curl", "aider", "open-webui", "langchain"] {
        assert!(list.contains(name), "{list}");
    }
    let wrong = run(&place, &["connect", "dpsy"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("did you mean dspy?"), "{}", text(&wrong.stderr));
    let later = run(&place, &["connect", "anthropic"]);
    assert_eq!(later.status.code(), Some(4));
    assert!(text(&later.stderr).contains("does not speak Anthropic's /v1/messages yet"));
}

#[test]
fn the_lines_carry_the_address_of_the_configuration_and_say_how_to_start_the_gateway() {
    // Bound and dropped: nobody listens there now.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place::holding(&format!("gateway: {{ listen: '{free}', api_keys: [gate-secret-1] }}\n"));
    let shown = run(&place, &["connect", "dspy", "--no-wait"]);
    assert_eq!(shown.status.code(), Some(0));
    let lines = text(&shown.stdout);
    assert!(
        lines.contains(&format!("api_base=\"http://{free}/v1\",")) && lines.contains("api_key=\"YOUR-GATEWAY-KEY\""),
        "{lines}"
    );
    let said = text(&shown.stderr);
    assert!(said.contains("Nothing listens") && said.contains("lmdeck serve"), "{said}");
    assert!(said.contains("gateway.api_keys"), "{said}");
    assert!(!lines.contains("gate-secret-1") && !said.contains("gate-secret-1"));
    let json: Value = serde_json::from_slice(&run(&place, &["connect", "curl", "--no-wait", "--json"]).stdout).unwrap();
    assert_eq!((&json["listening"], &json["needs_key"]), (&json!(false), &json!(true)));
    assert!(
        json["steps"][0]["lines"].as_str().unwrap().starts_with(&format!("curl http://{free}/v1/chat/completions"))
    );
}

#[test]
fn another_program_on_the_port_is_told_apart() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let _ = stream.read(&mut [0; 512]);
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    });
    let place = Place::holding("");
    let shown = run(&place, &["connect", "curl", "--no-wait", "--at", &address]);
    answering.join().unwrap();
    assert!(text(&shown.stderr).contains("Another program answers"), "{}", text(&shown.stderr));
}

#[test]
fn a_program_that_hangs_up_has_the_port_all_the_same() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let hanging_up = std::thread::spawn(move || {
        let (stream, _) = other.accept().unwrap();
        // Closed with a question unread: the system answers with a reset.
        stream.peek(&mut [0; 1]).unwrap();
    });
    let place = Place::holding("");
    let shown = run(&place, &["connect", "curl", "--no-wait", "--at", &address]);
    hanging_up.join().unwrap();
    let said = text(&shown.stderr);
    assert!(said.contains("Another program answers") && !said.contains("Nothing listens"), "{said}");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_never_answers_is_no_other_program() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    // Nobody accepts: once the queue is full the system drops further attempts, as a firewall does.
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) =
        tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address)).await
    {
        held.push(stream.unwrap());
    }
    let place = Place::holding("");
    let shown = run(&place, &["connect", "curl", "--no-wait", "--at", &address.to_string()]);
    let said = text(&shown.stderr);
    assert!(said.contains(&format!("No answer from http://{address}: that machine is off")), "{said}");
    assert!(!said.contains("Another program"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_lmdeck_makes_itself_are_not_the_program_s() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let place = holding(&sim);
    let serving = Serving::start(&place);
    // It may call itself anything, so that any call but lmdeck's own is taken for its.
    let mut waiting = lmdeck(&place, &["connect", "environment", "--at", &serving.address]).spawn().unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting for a call") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it left early");
    }
    for own in [&["ask", "hello"][..], &["bench", "box"], &["providers", "test", "box", "--answer"]] {
        let made = run(&place, own);
        assert_eq!(made.status.code(), Some(0), "{own:?}: {}", text(&made.stderr));
    }
    call_as("some-script/1.0", &serving.address).await;
    assert_eq!(ended(&mut waiting), Some(0));
    let mut out = String::new();
    waiting.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(out.lines().last().unwrap().contains("(it calls itself some-script)"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_a_call_of_that_program_and_says_that_it_was_seen() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let place = holding(&sim);
    let serving = Serving::start(&place);
    let mut waiting = lmdeck(&place, &["connect", "dspy", "--at", &serving.address]).spawn().unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting for a call") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it left early");
    }
    call_as("curl/8.0", &serving.address).await;
    line.clear();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("a call came from curl; DSPy calls itself DSPy or"), "{line}");
    call_as("DSPy/3.4.1", &serving.address).await;
    assert_eq!(ended(&mut waiting), Some(0));
    let mut out = String::new();
    waiting.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let last = out.lines().last().unwrap();
    assert!(last.starts_with("seen: call ") && last.contains("from DSPy to box/") && last.contains("ok in "), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_json_the_lines_and_the_call_are_one_document_each() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let place = holding(&sim);
    let serving = Serving::start(&place);
    let mut waiting =
        lmdeck(&place, &["connect", "openai-python", "--json", "--at", &serving.address]).spawn().unwrap();
    let mut out = BufReader::new(waiting.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let first: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&first["client"], &first["listening"]), (&json!("openai-python"), &json!(true)));
    assert_eq!(first["base_url"], format!("http://{}/v1", serving.address));
    // Ready when it says so: calls of the same millisecond would count as well.
    let mut said = BufReader::new(waiting.stderr.take().unwrap());
    said.read_line(&mut String::new()).unwrap();
    call_as("OpenAI/Python 1.99.0", &serving.address).await;
    line.clear();
    out.read_line(&mut line).unwrap();
    let seen: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&seen["seen"]["status"], &seen["seen"]["client"]), (&json!("ok"), &json!("OpenAI")));
    assert_eq!(ended(&mut waiting), Some(0));
}

#[test]
fn ctrl_c_leaves() {
    let place = Place::holding("");
    let mut waiting = lmdeck(&place, &["connect", "curl", "--at", "127.0.0.1:9"]).spawn().unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting for a call") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0);
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&waiting), rustix::process::Signal::INT).unwrap();
    assert_eq!(ended(&mut waiting), Some(130));
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("-- left before a call was seen"), "{rest}");
}
