//! LM Studio in every broken state of the catalogue: what the first screen says about it, in one sentence, without
//! a log, and what `status` and `health` say. Twelve were promised; here are more.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use super::support::engine::{ask, collect, engine_on};
use super::support::sim::{Fault, LmStudioApi, PlainPort, Sim, SimKind, SimModel, free_port, profile_at};
use clap::Parser as _;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use lmdeck::adapters::clock::SystemClock;
use lmdeck::adapters::http::{HttpUpstream, Lookup, Surroundings};
use lmdeck::cli::args::Cli;
use lmdeck::cli::console::{Console, Interrupt};
use lmdeck::domain::config::{Endpoint, Profile};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::Engine;
use lmdeck::tui::{App, TuiOptions, draw};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::io::{self, Cursor, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// No name leads anywhere.
struct Nameless;

impl Lookup for Nameless {
    fn lookup(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Err(io::Error::other("no such name")) })
    }
}

fn transport(home: Option<PathBuf>) -> Arc<HttpUpstream> {
    let surroundings = Surroundings { lookup: Arc::new(Nameless), home, ports: Vec::new() };
    Arc::new(HttpUpstream::with(Arc::new(SystemClock::new()), surroundings).unwrap())
}

/// A person with one provider, `lm_studio`, before a dashboard that has just asked it.
struct Person {
    engine: Engine,
}

impl Person {
    async fn with(profile: Profile) -> Self {
        Self::at_home(profile, None).await
    }

    async fn at_home(profile: Profile, home: Option<PathBuf>) -> Self {
        assert_eq!(profile.id.as_str(), "lm_studio");
        Self { engine: engine_on(transport(home), vec![profile]).await }
    }

    /// The detail pane of the first screen.
    fn pane(&self, width: u16, height: u16) -> String {
        let now = UnixMs(1_795_000_000_000);
        let options = TuiOptions { color: lmdeck::tui::ColorWish::Never, ..TuiOptions::from_env(|| UnixMs(0)) };
        let mut app = App::new(self.engine.handle.snapshot(), options, now);
        let _ = app.start();
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        draw(&app, &mut buffer);
        let left = if width >= 100 { 39 } else { 28 };
        let rows = 3..height - 1;
        rows.map(|y| (left..width).map(|x| buffer[(x, y)].symbol()).collect::<String>() + "\n").collect()
    }

    async fn verb(&self, words: &[&str]) -> String {
        let written = Sink::default();
        let console = Console {
            out: Box::new(written.clone()),
            err: Box::new(written.clone()),
            input: Box::new(Cursor::new(Vec::new())),
            input_is_terminal: true,
            input_is_given: false,
            err_is_terminal: false,
            width: None,
            colour_out: false,
            colour_err: false,
            json: false,
            clock: Arc::new(|| UnixMs(1_795_000_000_000)),
            zone: TimeZone::UTC,
            interrupt: Interrupt::Notified(Arc::new(Notify::new())),
        };
        let cli = Cli::try_parse_from([&["lmdeck"], words].concat()).unwrap();
        lmdeck::cli::run(&cli, self.engine.handle.clone(), console).await;
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// The sentence stands on the first screen at both sizes, and `status` and `health` say it too.
    async fn learns(&self, sentence: &str) {
        for (width, height) in [(80, 24), (120, 40)] {
            let pane = self.pane(width, height);
            assert!(bare(&pane).contains(&bare(sentence)), "{width}x{height}: {sentence:?} is not on\n{pane}");
            assert!(pane.contains("What to do"), "{pane}");
        }
        for verb in ["status", "health"] {
            let said = self.verb(&[verb]).await;
            assert!(bare(&said).contains(&bare(sentence)), "{verb}: {sentence:?} is not in\n{said}");
        }
    }

    /// A prompt that fails.
    async fn tries_a_prompt(&self) {
        let (_, outcome) = collect(self.engine.handle.dispatch(ask("lm_studio/demo-8b"))).await;
        assert!(outcome.record.error.is_some(), "{outcome:?}");
        let mut snapshots = self.engine.handle.snapshots();
        let told = snapshots.wait_for(|snapshot| snapshot.providers[0].health.trouble.is_some());
        tokio::time::timeout(std::time::Duration::from_secs(10), told).await.expect("no trouble is told").unwrap();
    }
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Without blanks: where a line is wrapped says nothing.
fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

async fn lm_studio() -> Sim {
    Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await
}

fn at(port: u16) -> Profile {
    profile_at("lm_studio", Kind::LmStudio, Endpoint::http("127.0.0.1", port), None)
}

fn under(sim: &Sim, path: &str) -> Profile {
    let mut profile = sim.profile("lm_studio");
    profile.endpoint.written = format!("{}{path}", sim.origin());
    profile.endpoint.api_base = format!("{}{path}/v1", sim.origin());
    profile
}

#[tokio::test]
async fn state_01_the_server_is_not_running() {
    let port = free_port().await;
    let person = Person::with(at(port)).await;
    let sentence =
        format!("Nothing listens on 127.0.0.1 port {port}. Start the server: lms server start --port {port}");
    person.learns(&sentence).await;
}

#[tokio::test]
async fn state_02_it_listens_on_another_port() {
    let sim = lm_studio().await;
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".lmstudio/.internal");
    std::fs::create_dir_all(&folder).unwrap();
    let settings = format!(r#"{{"port":{},"networkInterface":"0.0.0.0","cors":false}}"#, sim.port());
    std::fs::write(folder.join("http-server-config.json"), settings).unwrap();
    let port = free_port().await;
    let person = Person::at_home(at(port), Some(home.path().to_owned())).await;
    let (there, address) = (sim.port(), sim.origin());
    person
        .learns(&format!(
            "Nothing listens on 127.0.0.1 port {port}: LM Studio listens on 127.0.0.1 port {there}. The address should \
             be: lmdeck providers edit lm_studio --endpoint {address}"
        ))
        .await;
    // It ended meanwhile: then its settings say nothing about now.
    sim.stop().await;
    person.verb(&["probe", "lm_studio"]).await;
    person.learns(&format!("Start the server: lms server start --port {port}")).await;
}

#[tokio::test]
async fn state_03_the_address_has_v1_twice() {
    let sim = lm_studio().await;
    let person = Person::with(under(&sim, "/v1")).await;
    let sentence = format!(
        "answers, but not on /v1/v1/models: /v1 stands there twice. The address should be: lmdeck providers edit \
         lm_studio --endpoint {}",
        sim.origin()
    );
    person.learns(&sentence).await;
}

#[tokio::test]
async fn state_04_the_address_has_a_part_too_many() {
    let sim = lm_studio().await;
    let person = Person::with(under(&sim, "/lmstudio")).await;
    let sentence = format!(
        "the address has a part too many. The address should be: lmdeck providers edit lm_studio --endpoint {}",
        sim.origin()
    );
    person.learns(&sentence).await;
}

#[tokio::test]
async fn what_a_wrong_address_lacks_is_not_believed_of_the_mended_one() {
    let sim = lm_studio().await;
    let transport = transport(None);
    let wrong = Person { engine: engine_on(transport.clone(), vec![under(&sim, "/lmstudio")]).await };
    assert!(wrong.pane(120, 40).contains("a part too many"));
    // The same server, the same lmdeck: its newest list is found at once.
    let mended = Person { engine: engine_on(transport, vec![sim.profile("lm_studio")]).await };
    let pane = mended.pane(120, 40);
    assert!(pane.contains("interface v1"), "{pane}");
}

#[tokio::test]
async fn state_05_it_wants_a_token_and_gets_none() {
    let sim = lm_studio().await;
    let profile = sim.profile("lm_studio");
    sim.require_key("sk-lm-AAAABBBB:CCCCDDDDEEEEFFFF");
    let person = Person::with(profile).await;
    person
        .learns(
            "LM Studio asks for a key, and none was sent (401). Give it one: lmdeck providers edit lm_studio --key \
             '${LM_API_TOKEN}'",
        )
        .await;
}

#[tokio::test]
async fn state_06_it_refuses_the_token() {
    let sim = lm_studio().await;
    let mut profile = sim.profile("lm_studio");
    sim.require_key("sk-lm-AAAABBBB:CCCCDDDDEEEEFFFF");
    profile.key = Some(lmdeck::domain::secret::Secret::new("sk-lm-WRONGWRO:NGWRONGWRONG"));
    profile.key_source = lmdeck::domain::config::KeySource::Variable { name: "LM_API_TOKEN".into() };
    let person = Person::with(profile).await;
    person
        .learns(
            "LM Studio refused the key (401). It comes from LM_API_TOKEN. Set a good one: export LM_API_TOKEN=YOUR_KEY",
        )
        .await;
    assert!(!person.verb(&["health"]).await.contains("WRONGWRO"));
}

#[tokio::test]
async fn state_07_it_hides_its_list_behind_a_200() {
    let sim = lm_studio().await;
    let profile = sim.profile("lm_studio");
    sim.require_key("sk-lm-AAAABBBB:CCCCDDDDEEEEFFFF");
    sim.hide_list();
    let person = Person::with(profile).await;
    person.learns("LM Studio asks for a key, and the configuration names none. Name one: lmdeck providers edit lm_studio --key '${LM_API_TOKEN}'").await;
}

#[tokio::test]
async fn state_08_nothing_is_loaded_and_it_does_not_load_on_demand() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V0)).await;
    sim.set_models(vec![SimModel::unloaded("demo-8b")]);
    sim.jit(false);
    let person = Person::with(sim.profile("lm_studio")).await;
    person
        .learns("The model is not loaded, and LM Studio does not load on demand. To load it: lms load MODEL --ttl 3600")
        .await;
}

#[tokio::test]
async fn state_09_nothing_is_loaded_yet() {
    let sim = lm_studio().await;
    sim.set_models(vec![SimModel::unloaded("demo-8b")]);
    let person = Person::with(sim.profile("lm_studio")).await;
    person
        .learns(
            "Nothing is loaded. With just-in-time loading the first call loads the model and waits. To load now: lms \
             load demo-8b --ttl 3600",
        )
        .await;
}

#[tokio::test]
async fn state_10_a_web_server_holds_its_port() {
    let sim = Sim::start(SimKind::OpenaiCompatible).await;
    sim.always_on("", Fault::Html);
    let person = Person::with(at(sim.port())).await;
    let port = sim.port();
    person
        .learns(&format!(
            "Another program answers on 127.0.0.1 port {port}. See which: lsof -nP -iTCP:{port} -sTCP:LISTEN"
        ))
        .await;
}

#[tokio::test]
async fn state_11_another_model_server_holds_its_port() {
    let sim = Sim::start(SimKind::Ollama).await;
    let person = Person::with(at(sim.port())).await;
    let sentence = format!(
        "127.0.0.1 port {} is Ollama, not LM Studio. If that is what you want: lmdeck providers edit lm_studio --type \
         ollama",
        sim.port()
    );
    person.learns(&sentence).await;
}

#[tokio::test]
async fn state_12_something_that_is_no_web_server_holds_its_port() {
    let port = PlainPort::saying("SSH-2.0-OpenSSH_9.6\r\n").await;
    let person = Person::with(at(port.port)).await;
    let sentence =
        format!("Another program answers on 127.0.0.1 port {}, it looks like SSH-2.0-OpenSSH_9.6.", port.port);
    person.learns(&sentence).await;
}

#[tokio::test]
async fn state_13_it_takes_connections_and_says_nothing() {
    let port = PlainPort::silent().await;
    let person = Person::with(at(port.port)).await;
    let sentence =
        format!("127.0.0.1 port {} takes the connection and says nothing. See what holds the port:", port.port);
    person.learns(&sentence).await;
}

#[tokio::test]
async fn state_14_the_address_says_https() {
    let sim = lm_studio().await;
    let mut profile = sim.profile("lm_studio");
    profile.endpoint.tls = true;
    profile.endpoint.origin = format!("https://127.0.0.1:{}", sim.port());
    profile.endpoint.api_base = format!("{}/v1", profile.endpoint.origin);
    let person = Person::with(profile).await;
    let sentence = format!(
        "LM Studio speaks plain http unless set up otherwise: lmdeck providers edit lm_studio --endpoint {}",
        sim.origin()
    );
    person.learns(&sentence).await;
}

#[tokio::test]
async fn state_15_its_name_leads_nowhere() {
    let profile = profile_at("lm_studio", Kind::LmStudio, Endpoint::http("gpu-box.example", 1234), None);
    let person = Person::with(profile).await;
    person.learns("The name gpu-box.example cannot be resolved. Try: nslookup gpu-box.example").await;
}

#[tokio::test]
async fn state_16_its_list_cannot_be_read() {
    let sim = lm_studio().await;
    sim.always_on("/api/v1/models", Fault::Status(200, r#"{"models":"none of your business"}"#.into()));
    let person = Person::with(sim.profile("lm_studio")).await;
    let sentence = format!("The model list of 127.0.0.1 port {} is not readable:", sim.port());
    person.learns(&sentence).await;
}

#[tokio::test]
async fn state_17_its_memory_is_too_small_for_the_model() {
    let sim = lm_studio().await;
    sim.set_models(vec![SimModel::unloaded("demo-8b")]);
    let refusal = r#"{"error":"Failed to load model \"demo-8b\". Error: insufficient system resources."}"#;
    sim.always_on("/chat/completions", Fault::Status(400, refusal.into()));
    let person = Person::with(sim.profile("lm_studio")).await;
    person.tries_a_prompt().await;
    person.learns("LM Studio could not load the model: most often its memory is too small.").await;
}

#[tokio::test]
async fn state_18_the_model_crashed() {
    let sim = lm_studio().await;
    let crash = r#"{"error":"The model has crashed without additional information. (Exit code: 6)"}"#;
    sim.always_on("/chat/completions", Fault::Status(500, crash.into()));
    let person = Person::with(sim.profile("lm_studio")).await;
    person.tries_a_prompt().await;
    person
        .learns(
            "LM Studio lost the model while it worked: unloaded, crashed, or out of memory. Load it again: lms load \
             demo-8b --ttl 3600",
        )
        .await;
    // A good answer, and there is nothing to do any more.
    sim.mend();
    let (_, outcome) = collect(person.engine.handle.dispatch(ask("lm_studio/demo-8b"))).await;
    assert!(outcome.record.error.is_none(), "{outcome:?}");
    let mut snapshots = person.engine.handle.snapshots();
    drop(snapshots.wait_for(|snapshot| snapshot.providers[0].health.trouble.is_none()).await.unwrap());
    assert!(!person.pane(120, 40).contains("What to do"));
}
