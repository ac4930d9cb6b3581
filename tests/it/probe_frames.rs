//! What a probe result costs on the way to the terminal: one piece of at most 400 bytes, in every size and theme,
//! whatever the latencies do and wherever the sweep stands.

use super::support::snapshot::{NOW, evening, with_provider};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use lmdeck::domain::health::State;
use lmdeck::domain::stats::percentile;
use lmdeck::engine::protocol::snapshot::PROBE_HISTORY;
use lmdeck::engine::protocol::{ProbePoint, Snapshot};
use lmdeck::tui::backend::FrameBackend;
use lmdeck::tui::input::Input;
use lmdeck::tui::msg::Msg;
use lmdeck::tui::{App, ColorWish, TermEnv, TuiOptions, draw};
use ratatui::Terminal;
use ratatui::layout::Size;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const BOUND: usize = 400;
const SIZES: [(u16, u16); 7] = [(80, 24), (60, 20), (80, 50), (100, 30), (120, 40), (160, 50), (200, 60)];
const THEMES: [&str; 4] = ["dark", "light", "high-contrast", "mono"];
const TERMS: [&str; 3] = ["xterm-256color", "xterm", "dumb"];
const INTERVAL: Duration = Duration::from_secs(30);

/// A picture with this theme and these probes of LM Studio.
fn picture(theme: &str, history: &VecDeque<ProbePoint>) -> Arc<Snapshot> {
    let mut snapshot = with_provider(evening(), "lm_studio", |view| {
        let last = *history.back().unwrap();
        let mut latencies: Vec<u64> = history.iter().filter_map(|point| point.latency_ms).collect();
        view.health.latency_ms = last.latency_ms;
        view.health.last_checked = Some(last.at);
        view.p50_ms = percentile(&mut latencies, 50);
        view.p95_ms = percentile(&mut latencies, 95);
        view.history = history.clone();
    });
    let mut config = (*snapshot.config).clone();
    config.ui.theme = theme.into();
    snapshot.config = Arc::new(config);
    Arc::new(snapshot)
}

/// The most that one of these probes cost, with its place and what was sent.
fn dearest(term: &str, theme: &str, (width, height): (u16, u16), latencies: &[u64]) -> (usize, usize, String) {
    let env = TermEnv { term: term.into(), ..TermEnv::default() };
    let options = TuiOptions { color: ColorWish::Auto, env, ..TuiOptions::from_env(|| NOW) };
    let point = |n: usize, latency| ProbePoint {
        at: NOW.plus(INTERVAL * u32::try_from(n).unwrap()),
        latency_ms: Some(latency),
        state: State::Up,
    };
    let mut history = VecDeque::from([point(0, latencies[0])]);
    let mut app = App::new(picture(theme, &history), options, NOW);
    app.start();
    let pieces = Rc::new(RefCell::new(Vec::<Vec<u8>>::new()));
    let sink = Rc::clone(&pieces);
    let backend = FrameBackend::new(move || Ok(Size::new(width, height)), move |frame| sink.borrow_mut().push(frame));
    let mut terminal = Terminal::new(backend).unwrap();
    let mut show = |app: &App| {
        terminal.draw(|frame| _ = draw(app, frame.buffer_mut())).unwrap();
        pieces.borrow_mut().drain(..).collect::<Vec<_>>()
    };
    let tab = KeyEvent::new(KeyCode::Char('2'), KeyModifiers::NONE);
    app.update(Msg::Input(Input::Key(tab)), NOW);
    show(&app);
    let mut dearest = (0, 0, String::new());
    for (n, latency) in latencies.iter().enumerate().skip(1) {
        let probe = point(n, *latency);
        // Ages that turn are a frame of their own.
        app.update(Msg::Wake, probe.at);
        show(&app);
        history.push_back(probe);
        if history.len() > PROBE_HISTORY {
            history.pop_front();
        }
        app.update(Msg::Snapshot(picture(theme, &history)), probe.at);
        let sent = show(&app);
        assert!(sent.len() <= 1, "{} pieces for probe {n}", sent.len());
        let bytes = sent.concat();
        if bytes.len() > dearest.0 {
            dearest = (bytes.len(), n, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    dearest
}

/// Numbers that look random and are the same every time.
fn noise(seed: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(seed), |state| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    })
    .map(|state| state >> 40)
}

fn growing() -> Vec<u64> {
    let steps = (0..208).map(|n| 2.0 * 1.03_f64.powi(n));
    steps.map(|ms| Duration::from_secs_f64(ms / 1000.0).as_millis().try_into().unwrap()).collect()
}

fn holds(term: &str, theme: &str, size: (u16, u16), latencies: &[u64]) {
    let (bytes, probe, sent) = dearest(term, theme, size, latencies);
    assert!(bytes <= BOUND, "{bytes} B for probe {probe}, {size:?} {theme} {term}: {sent:?}");
}

#[test]
fn a_probe_is_one_piece_of_at_most_400_bytes_in_every_size_while_latencies_grow() {
    for size in SIZES {
        holds("xterm-256color", "dark", size, &growing());
    }
}

#[test]
fn a_probe_is_one_piece_of_at_most_400_bytes_in_every_theme_while_latencies_jump() {
    let steps: Vec<u64> = (0..120).map(|n| [4, 990, 30, 450][n / 23 % 4]).collect();
    let wild: Vec<u64> = noise(7).take(120).map(|n| if n % 9 == 0 { n % 990 } else { 5 + n % 40 }).collect();
    for theme in THEMES {
        for term in TERMS {
            holds(term, theme, (80, 50), &steps);
        }
        holds("xterm-256color", theme, (120, 40), &wild);
    }
}
