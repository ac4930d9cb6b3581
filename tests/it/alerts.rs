//! The bell and the notification of the desktop: once per incident, for what the person asked to be called for.

use super::support::snapshot::{NOW, evening, health_event};
use lmdeck::domain::config::{AlertFor, Alerts};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::State;
use lmdeck::engine::protocol::{Event, EventKind, Level};
use lmdeck::tui::msg::{Alert, Intent, Msg};
use lmdeck::tui::{App, TuiOptions};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn app(bell: AlertFor, desktop: AlertFor) -> App {
    let mut snapshot = evening();
    let mut config = (*snapshot.config).clone();
    config.ui.alerts = Alerts { bell, desktop, ..Alerts::default() };
    snapshot.config = Arc::new(config);
    App::new(Arc::new(snapshot), TuiOptions::from_env(|| NOW), NOW)
}

fn refused() -> Failure {
    Failure::new(ErrorCode::Network, Cause::Refused, "connection refused")
}

fn at(event: Event, seconds: u64) -> Event {
    Event { at: NOW.plus(Duration::from_secs(seconds)), ..event }
}

fn down(id: &str, seconds: u64) -> Event {
    at(health_event(id, State::Up, State::Down, Some(refused())), seconds)
}

fn up(id: &str, seconds: u64) -> Event {
    at(health_event(id, State::Down, State::Up, None), seconds)
}

fn moved(from: &str, to: Option<&str>, seconds: u64) -> Event {
    let kind = EventKind::EffectiveTargetChanged {
        from: Some(from.into()),
        to: to.map(Into::into),
        why: format!("{} is down", from.split('/').next().unwrap()),
    };
    Event { at: NOW.plus(Duration::from_secs(seconds)), level: Level::Info, kind }
}

fn alerts(app: &mut App, events: impl IntoIterator<Item = Event>) -> Vec<Alert> {
    let mut alerts = Vec::new();
    for event in events {
        let now = event.at;
        for intent in app.update(Msg::Event(Box::new(event)), now) {
            if let Intent::Alert(alert) = intent {
                alerts.push(alert);
            }
        }
    }
    alerts
}

#[test]
fn by_default_the_bell_rings_when_the_persons_own_calls_lose_their_target_and_for_nothing_else() {
    let defaults = Alerts::default();
    let mut app = app(defaults.bell, defaults.desktop);
    assert_eq!(alerts(&mut app, [down("openai", 0)]), [], "no call went there");
    let lost = [down("lm_studio", 10), moved("lm_studio/gpt-oss", Some("zai/glm-4.6"), 10)];
    assert_eq!(alerts(&mut app, lost), [Alert { bell: true, desktop: None }]);
    let back = [up("lm_studio", 60), moved("zai/glm-4.6", Some("lm_studio/gpt-oss"), 60)];
    assert_eq!(alerts(&mut app, back), [], "good news and a choice of one's own ring nothing");
}

#[test]
fn a_notification_says_what_happened_and_where_calls_go() {
    let mut app = app(AlertFor::Never, AlertFor::Active);
    let told = alerts(&mut app, [down("lm_studio", 0), moved("lm_studio/m", Some("zai/glm-4.6"), 0)]);
    let [Alert { bell: false, desktop: Some((_, text)) }] = told.as_slice() else { panic!("{told:?}") };
    assert!(text.starts_with("lmdeck: lm_studio went down: connection refused."), "{text}");
    assert!(text.contains("Calls go to zai/glm-4.6 now"), "{text}");
}

#[test]
fn any_rings_for_every_provider_once_per_incident_and_a_flapping_one_at_most_every_five_minutes() {
    let mut app = app(AlertFor::Any, AlertFor::Never);
    let storm = (0..20).flat_map(|n| [down("openai", n * 20), up("openai", n * 20 + 10)]);
    let rung = alerts(&mut app, storm);
    assert_eq!(rung.len(), 2, "400 s of it: {rung:?}");
    let many = (0..20).map(|n| down(&format!("p{n}"), 1_000));
    assert_eq!(alerts(&mut app, many).len(), 1, "twenty at once are one call");
}

#[test]
fn nothing_is_asked_of_the_terminal_where_the_person_wants_nothing() {
    let mut app = app(AlertFor::Never, AlertFor::Never);
    let all = [down("lm_studio", 0), moved("lm_studio/m", None, 0), down("zai", 60)];
    assert_eq!(alerts(&mut app, all), []);
}

#[test]
fn a_provider_that_is_down_from_the_start_calls_nobody() {
    let mut app = app(AlertFor::Any, AlertFor::Any);
    let event = health_event("openai", State::Unknown, State::Down, Some(refused()));
    assert_eq!(alerts(&mut app, [event]), []);
}

// ---- in a terminal

/// A model server that can be switched off and on at its port.
struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start(port: u16) -> Self {
        let began = Instant::now();
        let listener = loop {
            match TcpListener::bind(("127.0.0.1", port)) {
                Ok(listener) => break listener,
                Err(error) => assert!(began.elapsed() < Duration::from_secs(10), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                answer(stream.unwrap());
            }
        });
        Self { port, stop, thread: Some(thread) }
    }

    fn stop(mut self) -> u16 {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        self.thread.take().unwrap().join().unwrap();
        self.port
    }
}

fn answer(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    let body = r#"{"object":"list","data":[{"id":"m","object":"model"}]}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // The asker may have gone.
    drop(stream.write_all(format!("{head}{body}").as_bytes()));
}

#[test]
fn the_bell_and_the_notification_reach_the_terminal_once_per_incident() {
    let server = Server::start(0);
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("ai_models.yaml");
    let text = format!(
        "providers:\n  - id: box\n    type: openai_compatible\n    endpoint: http://127.0.0.1:{}\n    \
         health: {{ interval: 1, timeout: 1, retries: 0 }}\n\
         gateway: {{ listen: 127.0.0.1:0 }}\nui: {{ alerts: {{ bell: any, desktop: any }} }}\n",
        server.port
    );
    std::fs::write(&config, text).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_lmdeck"));
    command.env_clear();
    for (name, value) in [("TERM", "xterm-256color"), ("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8")] {
        command.env(name, value);
    }
    command.env("HOME", home.path());
    command.cwd(home.path());
    command.args(["--config", config.to_str().unwrap(), "--state-dir", home.path().join("state").to_str().unwrap()]);
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut child = pair.slave.spawn_command(command).unwrap();
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut keys = pair.master.take_writer().unwrap();
    let size = |cells| NonZeroU16::new(cells).unwrap();
    let screen = Arc::new(Mutex::new(vt100::Parser::new(size(24), size(80), 0)));
    let shown = Arc::clone(&screen);
    let seen = Arc::new(Mutex::new(Vec::<u8>::new()));
    let into = Arc::clone(&seen);
    let reading = std::thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            into.lock().unwrap().extend_from_slice(&buffer[..count]);
            shown.lock().unwrap().process(&buffer[..count]);
        }
    });
    let count = |mark: &[u8]| seen.lock().unwrap().windows(mark.len()).filter(|window| *window == mark).count();
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !holds() {
            let screen = screen.lock().unwrap().screen().contents();
            assert!(began.elapsed() < Duration::from_secs(20), "never came: {what}; on the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let shows = |text: &str| screen.lock().unwrap().screen().contents().contains(text);
    until("it is up", &|| shows("[ok] box"));
    let port = server.stop();
    let notification = b"\x1b]9;lmdeck: box went down: connection refused.\x1b\\";
    until("the notification", &|| count(notification) == 1);
    until("it is down", &|| shows("[x]  box"));
    let server = Server::start(port);
    until("it is up again", &|| shows("[ok] box"));
    server.stop();
    until("it is down again", &|| shows("[x]  box"));
    keys.write_all(b"q").unwrap();
    keys.flush().unwrap();
    child.wait().unwrap();
    drop((pair.slave, pair.master));
    reading.join().unwrap();
    assert_eq!(count(b"\x1b]9;"), 1, "a provider that flaps calls once");
    assert_eq!(count(b"\x07"), 1);
}
